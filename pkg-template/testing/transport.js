// One account's way to the backend: the Transport that a client is given, with the trouble that a test asks for.

import { PullcordError, isPullcordError } from "../errors.js";

/** @typedef {import("../testing.js").Trouble} Trouble */
/** @typedef {import("../index.js").NotifySink<any>} Sink */
/** @typedef {keyof import("../index.js").Transport} Method */
/** events that one push has room for: where there are more the client pulls */
const PUSHED = 100;

/** @param {AbortSignal} signal */
const abortion = (signal) => new PullcordError("aborted", "the request was cancelled", { cause: signal.reason });

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 * @returns {Promise<void>} rejects once the signal aborts
 */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(abortion(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/** @param {Trouble["latency"]} latency */
function msOf(latency = 0) {
  if (typeof latency === "number") return latency;
  const [least, most] = latency;
  return least + Math.random() * (most - least);
}

/**
 * What a request fails with; null: it does not.
 * @param {Trouble} trouble
 * @param {Method} method
 * @param {unknown} request
 */
function failure({ offline, error }, method, request) {
  if (offline) return new PullcordError("network", "the backend is offline, as its trouble says");
  const wrong = typeof error === "function" ? error(method, request) : error;
  if (!wrong) return null;
  return isPullcordError(wrong) || wrong instanceof Error
    ? wrong
    : new PullcordError(wrong, `the backend's trouble: ${method} fails with "${wrong}"`);
}

/** A channel to one client. */
class Channel {
  #chat;
  #account;
  #sink;
  #pos;
  #pushes;
  /** @type {Set<string> | null} what it is told of next; null: nothing */
  #news = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer = undefined;

  /**
   * @param {import("./chat.js").Chat} chat
   * @param {string} account
   * @param {Sink} sink
   * @param {{ pushes: () => "batch" | "delivery" | null, delay: () => number }} options
   */
  constructor(chat, account, sink, { pushes, delay }) {
    this.#chat = chat;
    this.#account = account;
    this.#sink = sink;
    this.#pushes = pushes;
    this.#pos = chat.account(account).head;
    this.delay = delay;
  }

  /** @param {string | null} conversation */
  changed(conversation) {
    this.#news ??= new Set();
    if (conversation !== null) this.#news.add(conversation);
    // what is committed together is told together
    this.#timer ??= setTimeout(() => this.#tell(), this.delay());
  }

  #tell() {
    this.#timer = undefined;
    const named = [...(this.#news ?? [])];
    this.#news = null;
    const pushes = this.#pushes();
    const prev = this.#pos;
    const log = this.#chat.account(this.#account);
    this.#pos = log.head;
    const batch = pushes && log.after(prev, { limit: PUSHED, bound: PUSHED });
    if (!batch || batch.overflow || batch.hasMore) this.#sink.notify(0, named.length ? named : undefined);
    else if (pushes === "batch")
      this.#sink.push({ prev: this.#chat.cursor(prev), cursor: this.#chat.cursor(batch.end), events: batch.events });
    else this.#sink.push({ events: log.deliveries(prev) });
  }

  close() {
    clearTimeout(this.#timer);
  }

  cut() {
    this.close();
    this.#sink.closed(new PullcordError("network", "the backend is offline, as its trouble says"));
  }
}

/** The channels of all clients. */
export class Channels {
  /** @type {Map<Channel, string>} with its account */
  #open = new Map();

  /** @param {string} account @param {Channel} channel @param {AbortSignal} signal */
  add(account, channel, signal) {
    this.#open.set(channel, account);
    signal.addEventListener("abort", () => {
      channel.close();
      this.#open.delete(channel);
    });
  }

  /** @param {string} account @param {string | null} conversation */
  changed(account, conversation) {
    for (const [channel, of] of this.#open) if (of === account) channel.changed(conversation);
  }

  /** @param {(account: string) => boolean} whose */
  cut(whose) {
    for (const [channel, account] of [...this.#open]) {
      if (!whose(account)) continue;
      this.#open.delete(channel);
      channel.cut();
    }
  }
}

/**
 * @typedef {object} Surroundings
 * @property {import("./chat.js").Chat} chat
 * @property {Channels} channels
 * @property {(account: string) => Trouble} troubleOf
 * @property {boolean} push what is new is brought by the notification
 */

/**
 * Its methods are its own functions: they are called through whatever proxy an app's framework puts around it.
 * @implements {Required<import("../index.js").Transport<any>>}
 */
export class MemoryTransport {
  #account;
  #chat;
  #channels;
  #troubleOf;
  #push;
  /** who calls is of this scope @type {"account" | "conversation" | "mailbox" | null} */
  #scope = null;
  /** Conversations that a chain of requests has named so far: its last one asks for the rest. @type {Set<string>} */
  #named = new Set();

  /** @param {string} account @param {Surroundings} surroundings */
  constructor(account, { chat, channels, troubleOf, push }) {
    this.#account = account;
    this.#chat = chat;
    this.#channels = channels;
    this.#troubleOf = troubleOf;
    this.#push = push;
    chat.account(account);
  }

  /**
   * Half of the latency before, half after.
   * @template T
   * @param {Method} method
   * @param {unknown} request
   * @param {AbortSignal} signal
   * @param {() => T | Promise<T>} work
   * @returns {Promise<T>}
   */
  async #answer(method, request, signal, work) {
    const trouble = this.#troubleOf(this.#account);
    const half = msOf(trouble.latency) / 2;
    await pause(half, signal);
    const wrong = failure(trouble, method, request);
    if (wrong) throw wrong;
    // its own: what is changed there later does not show here
    const answer = JSON.parse(JSON.stringify((await work()) ?? null));
    if (half) await pause(half, signal);
    return answer;
  }

  /** @type {Required<import("../index.js").Transport<any>>["pull"]} */
  pull = (request, signal) => {
    this.#scope = "account";
    return this.#answer("pull", request, signal, async () => {
      const batch = this.#chat.pull(this.#account, request);
      const isEmpty = batch.events.length === 0 && !batch.overflow;
      if (!request.wait || !isEmpty) return batch;
      await this.#news(request.wait, signal);
      return this.#chat.pull(this.#account, request);
    });
  };

  /**
   * Until there is something, or `ms` have passed.
   * @param {number} ms
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  async #news(ms, signal) {
    const over = new AbortController();
    const stop = () => over.abort(signal.reason);
    signal.addEventListener("abort", stop);
    /** @type {Promise<void>} */
    const told = new Promise((resolve, reject) => {
      const sink = { ready() {}, push: () => resolve(), notify: () => resolve(), closed: reject };
      const channel = new Channel(this.#chat, this.#account, sink, { pushes: () => null, delay: () => 0 });
      this.#channels.add(this.#account, channel, over.signal);
    });
    try {
      await Promise.race([told, pause(ms, over.signal)]);
    } finally {
      signal.removeEventListener("abort", stop);
      over.abort();
    }
  }

  /** @type {Required<import("../index.js").Transport<any>>["pullConversations"]} */
  pullConversations = (request, signal) => {
    this.#scope = "conversation";
    const { cursors, limit, only, rest } = /** @type {typeof request & { rest?: boolean }} */ (request);
    return this.#answer("pullConversations", request, signal, () => {
      const before = rest ? this.#named : new Set();
      this.#named = new Set([...(only ? this.#named : []), ...Object.keys(cursors)]);
      const asked = only ?? [
        ...new Set([
          ...Object.keys(cursors),
          ...this.#chat.conversationsOf(this.#account).filter((id) => !before.has(id)),
        ]),
      ];
      /** @type {Record<string, any>} */
      const conversations = {};
      for (const id of asked) {
        const batch = this.#chat.pullOne(this.#account, id, { cursor: cursors[id] ?? null, limit });
        if (batch) conversations[id] = batch;
      }
      return { conversations };
    });
  };

  /** @type {Required<import("../index.js").Transport<any>>["pullMailbox"]} */
  pullMailbox = (request, signal) => {
    this.#scope = "mailbox";
    return this.#answer("pullMailbox", request, signal, () => this.#chat.mailbox(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["acknowledge"]} */
  acknowledge = (deliveries, signal) => {
    return this.#answer("acknowledge", deliveries, signal, () =>
      this.#chat.account(this.#account).acknowledge(deliveries),
    );
  };

  /** @type {Required<import("../index.js").Transport<any>>["conversations"]} */
  conversations = (request, signal) => {
    return this.#answer("conversations", request, signal, () => this.#chat.conversations(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["history"]} */
  history = (request, signal) => {
    return this.#answer("history", request, signal, () => this.#chat.history(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["changes"]} */
  changes = (request, signal) => {
    return this.#answer("changes", request, signal, () => this.#chat.changes(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["send"]} */
  send = (request, signal) => {
    return this.#answer("send", request, signal, () => this.#chat.send(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["edit"]} */
  edit = (request, signal) => {
    return this.#answer("edit", request, signal, () => this.#chat.edit(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["recall"]} */
  recall = (request, signal) => {
    return this.#answer("recall", request, signal, () => this.#chat.recall(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["markRead"]} */
  markRead = (request, signal) => {
    return this.#answer("markRead", request, signal, () => this.#chat.markRead(this.#account, request));
  };

  /** @type {Required<import("../index.js").Transport<any>>["listen"]} */
  listen = (sink, signal) => {
    const delay = () => msOf(this.#troubleOf(this.#account).latency) / 2;
    const pushes = () =>
      !this.#push ? null : this.#scope === "account" ? "batch" : this.#scope === "mailbox" ? "delivery" : null;
    this.#answer("listen", undefined, signal, () => {
      this.#channels.add(this.#account, new Channel(this.#chat, this.#account, sink, { pushes, delay }), signal);
      sink.ready();
    }).catch((error) => sink.closed(error));
  };
}
