// The entry "pullcord/testing": a backend in memory, for a first try, for tests and for Storybook.

import { PullcordError } from "./errors.js";
import { Chat } from "./testing/chat.js";
import { bodyOf, judge, judgeTrouble, named } from "./testing/seeds.js";
import { Channels, MemoryTransport } from "./testing/transport.js";

/** ms between two messages of the beginning whose times are not given */
const APART = 60_000;

/** @param {any} next a value, or a function of the one before @returns {(before: any) => any} */
const changeOf = (next) => (typeof next === "function" ? next : () => next);

/** @param {import("./testing.js").MemoryBackendOptions<any>} options */
function chatOf({ conversations = [], messages = [], now = Date.now, overflowAfter = 1000 }) {
  const chat = new Chat({ now, bound: overflowAfter });
  for (const one of conversations) chat.create({ sort: 0, ...(typeof one === "string" ? { id: one } : one) });
  messages.forEach(({ conversation, sender, body, text, createdAt }, at) => {
    const time = createdAt ?? now() - (messages.length - at) * APART;
    chat.begin(conversation, { sender, body: bodyOf("text", body === undefined ? text : body), createdAt: time })();
  });
  return chat;
}

/** @type {typeof import("./testing.js").memoryBackend} */
export function memoryBackend(options = {}) {
  judge(options);
  const chat = chatOf(options);
  const channels = new Channels();
  /** @type {import("./testing.js").Trouble} */
  let everybody = { latency: options.latency };
  /** @type {Map<string, import("./testing.js").Trouble>} */
  const own = new Map();
  let made = 0;
  const troubleOf = (/** @type {string} */ account) => own.get(account) ?? everybody;
  chat.onNews = (account, conversation) => channels.changed(account, conversation);
  /** As its sender gets it. @param {any} message */
  const shown = ({ changed: _, ...message }) => ({ ...message, seq: String(message.seq) });

  return {
    transport: (account) =>
      new MemoryTransport(named("transport: the account", account), {
        chat,
        channels,
        troubleOf,
        push: options.push === true,
      }),
    async conversation(conversation = {}) {
      made += 1;
      const { id = `conversation-${made}`, ...more } =
        typeof conversation === "string" ? { id: conversation } : conversation;
      chat.create({ id, ...more });
      return id;
    },
    async post(conversation, body, by = "somebody", more = {}) {
      return shown(chat.begin(conversation, { sender: named("by", by), body: bodyOf("body", body), ...more })());
    },
    async begin(conversation, body, by = "somebody") {
      const commit = chat.begin(conversation, { sender: named("by", by), body: bodyOf("body", body) });
      return { commit: async () => shown(commit()) };
    },
    async edit(conversation, id, body) {
      chat.change(conversation, id, "edited", bodyOf("body", body));
    },
    async recall(conversation, id) {
      chat.change(conversation, id, "recalled", null);
    },
    async update(conversation, id, body) {
      const next = changeOf(body);
      return shown(chat.update(conversation, id, (before) => bodyOf("body", next(before))));
    },
    async meta(/** @type {string} */ conversation, /** @type {any} */ meta) {
      chat.describe(conversation, changeOf(meta));
    },
    async join(conversation, account) {
      chat.join(conversation, named("account", account));
    },
    async leave(conversation, account) {
      chat.leave(conversation, account);
    },
    async hide(conversation, id, from) {
      chat.hide(conversation, id, from);
    },
    async trim(conversation, before) {
      chat.trim(conversation, Number(before));
    },
    async overflow(account, conversations) {
      chat.overflow(account, conversations);
    },
    async forgetLog(account) {
      chat.forget(account);
    },
    trouble(trouble, account) {
      judgeTrouble(trouble);
      if (account === undefined) {
        everybody = trouble;
        own.clear();
      } else own.set(account, trouble);
      channels.cut((of) => (account === undefined || of === account) && troubleOf(of).offline === true);
    },
    messages: (conversation) => chat.messages(conversation).map(shown),
    async dispose() {
      everybody = { error: new PullcordError("closed", "the backend was disposed of"), offline: false };
      own.clear();
      channels.cut(() => true);
    },
    body: (text) => /** @type {any} */ ({ text }),
    text: (body) => /** @type {any} */ (body)?.text ?? "",
  };
}
