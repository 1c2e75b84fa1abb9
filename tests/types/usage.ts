// An app's use of the package, as the compiler sees it.

import { PullcordError, compareSeq, createClient, wipe } from "../../pkg-template/index.js";
import type {
  Client,
  ClientLike,
  Message,
  MessageBase,
  MessageItem,
  Timeline,
  Transport,
  WireMessage,
} from "../../pkg-template/index.js";
import { PullcordInspector, traced } from "../../pkg-template/inspector.js";
import { memoryBackend } from "../../pkg-template/testing.js";

interface Body {
  text: string;
}

const backend: Transport<Body> = {
  pull: async ({ cursor }) => ({ events: [], cursor: cursor ?? "0", hasMore: false }),
  conversations: async () => ({ conversations: [{ id: "c1" }], next: null }),
  history: async () => ({ messages: [], hasBefore: false, hasAfter: false }),
  send: async ({ conversation, clientId, body }) => ({
    id: "m1",
    conversation,
    seq: 1n,
    sender: "me",
    createdAt: 0,
    version: 1,
    state: "normal",
    body,
    clientId,
  }),
  listen: (sink, signal) => {
    sink.ready();
    signal.addEventListener("abort", () => sink.closed());
  },
};

const mailbox: Transport<Body> = {
  ...backend,
  pull: undefined,
  pullMailbox: async ({ limit }) => ({
    events: [{ delivery: "d1", type: "trim", conversation: "c1", before: 5n }],
    hasMore: limit > 1,
  }),
  acknowledge: async (deliveries) => void deliveries.length,
};

const conversations: Transport<Body> = {
  ...backend,
  pullConversations: async ({ cursors, only = Object.keys(cursors) }) => ({
    conversations: Object.fromEntries(only.map((id) => [id, { error: new PullcordError("forbidden") }])),
  }),
  changes: async ({ since }) => (since === "" ? "gone" : { messages: [], hasMore: false }),
};

/** Every scope, notification, policy and place. */
export async function useAll(): Promise<void> {
  await createClient<Body>({ account: "b", transport: mailbox, sync: { scope: "mailbox", notify: "poll" } });
  await createClient<Body>({ account: "c", transport: backend, sync: { notify: "long-poll" }, prefetch: false });
  const client = await createClient<Body>({
    account: "d",
    transport: conversations,
    sync: { scope: "conversation" },
    overflow: "keep",
  });
  const timeline = client.timeline("c1", { start: { around: 5n } });
  for (const place of ["latest", "first-unread", { around: "5" }, { at: Date.now() }] as const)
    await timeline.jump(place);
}

export async function use(): Promise<number> {
  const client: Client<Body> = await createClient<Body>({
    account: "a",
    transport: backend,
    storage: { mode: "memory" },
  });
  const timeline: Timeline<Body> = client.timeline("c1", { pageSize: 50 });
  const unsubscribe = timeline.subscribe(() => {});
  const { added } = await timeline.loadOlder({ signal: AbortSignal.timeout(1000) });
  const texts = timeline
    .getSnapshot()
    .items.filter((item): item is MessageItem<Body> => item.kind === "message")
    .map((item) => item.message.body?.text);
  client.on("messages", ({ messages, live }) => void [messages[0]?.body?.text, live]);
  const error: Error = new PullcordError("network", "no answer", { retryAfter: 100 });
  unsubscribe();
  await client.close();
  await wipe("a");
  return added + compareSeq(1, "2") + texts.length + error.message.length;
}

/** A backend in memory, of a body of the app's own and of the standard one. */
export async function useTesting(): Promise<Client<{ title: string }>> {
  const simple = memoryBackend({ conversations: ["c1"], messages: [{ conversation: "c1", sender: "bob", text: "a" }] });
  const text: string = (await simple.post("c1", "b")).body.text;
  const held: readonly Message<{ text: string }>[] = simple.messages("c1");
  void held;
  const own = memoryBackend<{ title: string }>({
    conversations: [{ id: "c1", members: ["ada"], meta: { topic: text } }],
    messages: [{ conversation: "c1", sender: "bob", body: { title: "a" } }],
    latency: [10, 50],
  });
  await own.update("c1", "m1", (body) => ({ title: body.title.trim() }));
  await simple.meta("c1", (meta) => ({ ...meta, read: { bob: "1" } }));
  await own.meta("c1", (meta: { topic: string }) => ({ ...meta, topic: "other" }));
  own.trouble({ error: (method) => (method === "send" ? "rejected" : null) }, "ada");
  return createClient({ account: "e", transport: own.transport("ada"), storage: { mode: "memory" } });
}

/** The state of a message says whether it has a body, wherever the package gives one. */
export async function useStates(client: Client<Body>): Promise<string[]> {
  const timeline = client.timeline("c1");
  const given: (Message<Body> | null | undefined)[] = [
    client.conversation("c1").getSnapshot()?.lastMessage,
    client.outbox.getSnapshot()[0]?.message,
    await timeline.edit("m1", { text: "a" }),
    await timeline.recall("m1"),
  ];
  for (const item of timeline.getSnapshot().items) if (item.kind === "message") given.push(item.message);
  client.on("messages", ({ messages }) => given.push(...messages));
  client.on("updates", ({ messages }) => given.push(...messages));
  return given.map((message) => (message ? textOf(message) + inWords(message) : ""));
}

function textOf(message: Message<Body>): string {
  // @ts-expect-error: it may have none
  void message.body.text;
  if (message.state === "normal" || message.state === "edited") return message.body.text;
  const none: null = message.body;
  const state: "recalled" | "unreadable" = message.state;
  return `${state}: ${none}`;
}

/** Each state, and no other. */
function inWords(message: Message<Body>): string {
  switch (message.state) {
    case "normal":
      return message.body.text;
    case "edited":
      return `${message.body.text} (edited)`;
    case "recalled":
      return `${message.sender} has taken a message back`;
    case "unreadable":
      return "cannot be read here";
    default:
      return nothing(message);
  }
}

const nothing = (message: never): never => message;

/** What a backend gives need not be a union: `state` and `body` may come from elsewhere. */
export const fromRow = (row: { id: string; deleted: boolean; text: string | null }): WireMessage<Body> => ({
  id: row.id,
  conversation: "c1",
  seq: 1,
  sender: "bob",
  createdAt: 0,
  version: 1,
  state: row.deleted ? "recalled" : "normal",
  body: row.text === null ? null : { text: row.text },
});
export const made = (state: "normal" | "edited", body: Body, base: MessageBase): Message<Body> => ({
  ...base,
  state,
  body,
});
export const again = (message: Message<Body>): WireMessage<Body> => message;

/** What an app keeps of a conversation. */
export async function useMeta(): Promise<string | undefined> {
  const client = await createClient<Body, { title: string } | null>({ account: "f", transport: backend });
  const wide: Client<Body> = client;
  const like: ClientLike<Body, { title: string } | null> = client;
  void like.conversations.getSnapshot()[0]?.meta?.title;
  return client.conversation("c1").getSnapshot()?.meta?.title ?? wide.account;
}

/** The element, by its name and by its class. */
export async function inspect(client: Client<Body>): Promise<string> {
  const inspector: PullcordInspector = document.createElement("pullcord-inspector");
  inspector.client = client;
  inspector.options = { sync: { scope: "account" }, overflow: "keep" };
  inspector.conversation = undefined;
  inspector.onScreen("1", "30", true);
  inspector.note("a line", "good");
  inspector.addEventListener("inspected", ({ detail }) => inspector.note(String(detail.requests.pull)));
  new PullcordInspector().client = await createClient<Body>({ account: "e", transport: traced<Body>(backend) });
  document.body.append(inspector);
  return inspector.report({ names: true });
}
