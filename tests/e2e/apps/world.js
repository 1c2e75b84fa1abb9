// What the apps of the frameworks stand on: a backend in memory, and how many clients are open.

import { createClient } from "pullcord";
import { memoryBackend } from "pullcord/testing";

const messages = Array.from({ length: 100 }, (_, i) => ({
  conversation: "general",
  sender: "mara",
  text: `message ${i + 1}`,
}));

/** @type {any} what the tests drive; `view` is the timeline as the component has it */
export const app = {
  backend: memoryBackend({
    conversations: ["general", { id: "empty" }, { id: "own", members: ["ada"] }],
    messages: [...messages, { conversation: "own", sender: "ada", text: "a secret" }],
  }),
  view: null,
  opened: [],
  open: 0,
  /** transports, and which of them was called to send */
  made: 0,
  sentBy: 0,
};
globalThis.app = app;

/** Counts. */
async function counted(options) {
  app.opened.push(options.account);
  const client = await createClient(options);
  app.open += 1;
  client.status.subscribe(() => {
    if (client.status.getSnapshot().connection === "closed") app.open -= 1;
  });
  return client;
}

/** The account's way to the backend, which says how many were made before it when it sends. */
function transportOf(user) {
  app.made += 1;
  const { made } = app;
  const transport = app.backend.transport(user);
  const { send } = transport;
  transport.send = (...given) => {
    app.sentBy = made;
    return send(...given);
  };
  return transport;
}

/** What a component is given for this user: other functions and another transport each time. */
export const optionsOf = (wanted) =>
  wanted && {
    account: wanted.user && `apps|${wanted.user}`,
    transport: transportOf(wanted.user || "nobody"),
    storage: { mode: "memory" },
    pageSize: wanted.pageSize,
    createClient: counted,
    logger: () => {},
    ...wanted.more,
  };

export const openClient = (user) => createClient({ ...optionsOf({ user }), createClient: undefined });

export const textOf = (item) =>
  item.kind === "gap" ? "…" : item.kind === "local" ? item.body.text : (item.message.body?.text ?? item.message.state);
