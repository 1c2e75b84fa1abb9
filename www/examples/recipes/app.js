// A device: one account's client, and what it shows. The server is in the page around it, or the one that opened it.

import { createClient, PullcordError } from "pullcord";
import { accounts, tokens } from "./accounts.js";
import { Files, withUploads } from "./attachments.js";
import { openChat } from "./chat.js";
import { h } from "./dom.js";
import { drafts, filesOf, wipeDrafts } from "./drafts.js";
import { reactions } from "./reactions.js";
import { isThread } from "./threads.js";

const METHODS = ["pull", "conversations", "history", "changes", "send", "edit", "recall", "markRead"];

const app = document.getElementById("app");
const accountOf = (user) => `recipes|${user}`;
const userOf = (account) => account.slice("recipes|".length);

/** @returns {any} what stands for the network */
function server() {
  const { server } = window.opener ?? window.parent;
  if (!server) throw new PullcordError("network", "open index.html: the server is in that page");
  return server;
}

/** @param {string} account */
function callOf(account) {
  return async (method, request, signal = new AbortController().signal) =>
    server().call({ user: userOf(account), token: await tokens.get(account) }, method, request, signal);
}

/** @param {string} account @returns {any} a Transport */
function transportOf(account) {
  const call = callOf(account);
  const requests = METHODS.map((method) => [method, (request, signal) => call(method, request, signal)]);
  return {
    ...Object.fromEntries(requests),
    listen(sink, signal) {
      try {
        server().listen({ user: userOf(account), token: tokens.of(account) }, sink, signal);
      } catch (error) {
        sink.closed(error);
      }
    },
  };
}

// ---------------------------------------------------------------- what is on screen

const notices = h("p", { className: "notice", hidden: true });
function notice(error) {
  notices.textContent = error.message;
  notices.hidden = false;
}

/** The user signs in, for the first time or again. @param {string} user @param {string} why */
function signInForm(user, why) {
  const name = h("input", { name: "user", value: user, required: true, ariaLabel: "Name", autocomplete: "username" });
  const form = h(
    "form",
    { className: "sign-in" },
    h("p", { textContent: why }),
    name,
    h("button", { textContent: "Sign in" }),
  );
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      const account = accountOf(name.value.trim());
      tokens.keep(account, await server().signIn(userOf(account)));
      // the same client goes on where it was refused
      if (globalThis.client?.account === account) await globalThis.client.sync();
      else await switchTo(account);
    } catch (error) {
      notice(error);
    }
  };
  return form;
}

let close = () => {};

/** @param {any} client null: nobody is signed in, and nothing of anybody is shown */
function show(client) {
  close();
  globalThis.client = client;
  notices.hidden = true;
  app.replaceChildren(h("p", { className: "opening", textContent: client ? "" : "…" }));
  close = client ? screen(client) : () => {};
}

/** @returns {() => void} */
function screen(client) {
  const user = userOf(client.account);
  const { of, react, subscribe } = reactions(callOf(client.account), user);
  const own = drafts(client.account, client);
  const files = new Files(client.account);
  /** @type {any} */
  const context = { client, user, reactions: { of, react, subscribe }, drafts: own, files, server, notice };
  const tabs = h("nav", { className: "tabs" });
  const status = h("span", { className: "status" });
  const again = h("div", { hidden: true }, signInForm(user, "The server wants you to sign in again."));
  const main = h("main");
  let open = "";
  /** where a thread was opened from */
  let before = "";
  let chat = null;

  function go(conversation) {
    chat?.close();
    if (isThread({ id: conversation })) before = open;
    open = conversation;
    chat = openChat(conversation, isThread({ id: conversation }) ? context : { ...context, openThread: go });
    main.replaceChildren(chat.element);
    draw();
  }

  function draw() {
    const all = client.conversations.getSnapshot();
    const shown = all.filter((one) => !isThread(one));
    const buttons = shown.map(({ id, meta, unread }) => {
      const button = h("button", { type: "button", textContent: unread ? `${meta.title} (${unread})` : meta.title });
      button.ariaCurrent = String(id === open);
      button.onclick = () => go(id);
      return button;
    });
    const back = h("button", { type: "button", className: "back", textContent: "← Thread", title: "Back" });
    back.onclick = () => go(before);
    tabs.replaceChildren(...(isThread({ id: open }) ? [back] : buttons));
    const { connection } = client.status.getSnapshot();
    status.textContent = connection;
    status.dataset.connection = connection;
    again.hidden = connection !== "needs-auth";
    if (!open && shown.length) go(shown[0].id);
  }

  const stops = [client.conversations.subscribe(draw), client.status.subscribe(draw)];
  app.replaceChildren(header(user, status), again, notices, tabs, main);
  draw();
  own.resume().catch(notice);
  files
    .sweep(new Set([...own.files(), ...client.outbox.getSnapshot().flatMap(({ body }) => filesOf(body))]))
    .catch(notice);
  return () => {
    for (const stop of stops) stop();
    chat?.close();
  };
}

function header(user, status) {
  const others = server().people.filter((one) => one !== user);
  const buttons = others.map((one) => {
    const button = h("button", { type: "button", className: "link", textContent: `Switch to ${one}` });
    button.onclick = () => switchTo(accountOf(one)).catch(notice);
    return button;
  });
  const out = h("button", { type: "button", className: "link", textContent: "Sign out" });
  out.onclick = signOut;
  return h("header", {}, h("strong", { textContent: user }), status, h("span", { className: "grow" }), ...buttons, out);
}

// ---------------------------------------------------------------- who is signed in here

const people = accounts({
  open: (account) =>
    createClient({
      account,
      transport: withUploads(transportOf(account), new Files(account), callOf(account)),
    }),
  show,
  ended: () => app.replaceChildren(signInForm("", "You have signed out in another tab."), notices),
  wipeOwn: async (account) => {
    wipeDrafts(account);
    await new Files(account).wipe();
  },
});

/** @param {string} account */
async function switchTo(account) {
  // a reload shows the same again
  history.replaceState(null, "", `?user=${encodeURIComponent(userOf(account))}`);
  if (tokens.of(account)) await people.switchTo(account);
  else {
    await people.leave();
    app.replaceChildren(signInForm(userOf(account), "Sign in"), notices);
  }
}

async function signOut() {
  const waiting = globalThis.client.outbox.getSnapshot().length;
  if (waiting && !confirm(`${waiting} messages are not sent yet, and will be lost. Sign out?`)) return;
  try {
    await people.signOut((token) => server().endSessions({ token }));
  } catch (error) {
    notice(error);
  }
  app.replaceChildren(signInForm("", "You have signed out."), notices);
}

try {
  await people.start();
  await switchTo(accountOf(new URLSearchParams(location.search).get("user") ?? "ada"));
} catch (error) {
  notice(error);
  app.replaceChildren(notices);
}
