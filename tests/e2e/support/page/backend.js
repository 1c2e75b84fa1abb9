// A chat backend in the page, in memory: what an app's own Transport is put on. Its positions are bigints, its cursors
// count what was written to one log.

import { PullcordError } from "/pkg/index.js";

export class Backend {
  /** @type {Map<string, any[]>} */
  #talks = new Map();
  /** everything that happened, in order: of whom (null: of all) and the event */
  #log = [];
  #read = new Map();
  #listening = new Set();
  #lastId = 0;

  create(id) {
    this.#talks.set(id, []);
    this.#say(null, (account) => ({ type: "conversation", conversation: this.state(account, id) }));
  }

  /** @returns the message, as its sender gets it */
  write(sender, conversation, body, clientId) {
    const messages = this.#of(conversation);
    const earlier = clientId && messages.find((one) => one.sender === sender && one.clientId === clientId);
    if (earlier) return this.#seenBy(sender, earlier);
    const before = messages.at(-1)?.seq ?? null;
    this.#lastId += 1;
    const message = {
      id: `id${this.#lastId}`,
      conversation,
      seq: (before ?? 2n ** 60n) + 3n,
      sender,
      createdAt: Date.now(),
      version: 1,
      state: "normal",
      body,
      clientId,
    };
    messages.push(message);
    this.#say(
      null,
      (account) => ({ type: "message", message: this.#seenBy(account, message), prev: before }),
      (account) => ({ type: "conversation", conversation: this.state(account, conversation) }),
    );
    return this.#seenBy(sender, message);
  }

  change(account, conversation, id, change) {
    const messages = this.#of(conversation);
    const at = messages.findIndex((one) => one.id === id);
    if (at < 0) throw new PullcordError("not-found", "no such message");
    if (messages[at].sender !== account) throw new PullcordError("forbidden", "somebody else's message");
    messages[at] = { ...messages[at], ...change, version: messages[at].version + 1 };
    const message = messages[at];
    this.#say(null, (of) => ({ type: "update", message: this.#seenBy(of, message) }));
    return this.#seenBy(account, message);
  }

  state(account, id) {
    const messages = this.#of(id);
    const readSeq = this.#read.get(`${account} ${id}`) ?? null;
    const last = messages.at(-1);
    return {
      id,
      unread: messages.filter((one) => one.sender !== account && (readSeq === null || one.seq > readSeq)).length,
      lastSeq: last?.seq ?? null,
      readSeq,
      sort: last?.createdAt ?? 0,
      lastMessage: last ? this.#seenBy(account, last) : null,
      meta: { title: id.toUpperCase() },
    };
  }

  #of(conversation) {
    const messages = this.#talks.get(conversation);
    if (!messages) throw new PullcordError("not-found", "no such conversation");
    return messages;
  }

  #seenBy(account, { clientId, ...message }) {
    return clientId && message.sender === account ? { ...message, clientId } : message;
  }

  /** @param {string | null} whom @param {((account: string) => object)[]} events */
  #say(whom, ...events) {
    for (const event of events) this.#log.push({ whom, event });
    for (const sink of this.#listening) sink.notify();
  }

  /**
   * What is put into a client: a class, so that it also shows that its methods are called as methods.
   * @param {string} account
   * @returns {any}
   */
  transport(account) {
    const backend = this;
    return new (class {
      account = account;
      calls = [];

      async pull({ cursor, limit }) {
        this.calls.push("pull");
        const at = cursor === null ? NaN : Number(cursor);
        if (!(at <= backend.#log.length))
          return { events: [], cursor: String(backend.#log.length), hasMore: false, overflow: "all" };
        const events = backend.#log.slice(at, at + limit);
        return {
          events: events
            .filter(({ whom }) => whom === null || whom === this.account)
            .map(({ event }) => event(this.account)),
          cursor: String(at + events.length),
          hasMore: at + events.length < backend.#log.length,
        };
      }

      async conversations({ after, limit }) {
        const ids = [...backend.#talks.keys()].sort();
        const from = after === null ? 0 : ids.indexOf(after) + 1;
        const page = ids.slice(from, from + limit);
        return {
          conversations: page.map((id) => backend.state(this.account, id)),
          next: from + limit < ids.length ? page.at(-1) : null,
        };
      }

      async history({ conversation, limit, before, after }) {
        this.calls.push("history");
        const all = backend.#of(conversation);
        const fit =
          before === undefined && after === undefined
            ? all
            : all.filter(
                (one) =>
                  (before === undefined || one.seq < BigInt(before)) &&
                  (after === undefined || one.seq > BigInt(after)),
              );
        const messages = after === undefined ? fit.slice(-limit) : fit.slice(0, limit);
        return {
          messages: messages.map((one) => backend.#seenBy(this.account, one)),
          hasBefore: messages.length > 0 && messages[0] !== all[0],
          hasAfter: messages.length > 0 && messages.at(-1) !== all.at(-1),
        };
      }

      async send({ conversation, clientId, body }) {
        return backend.write(this.account, conversation, body, clientId);
      }

      async edit({ conversation, messageId, body }) {
        return backend.change(this.account, conversation, messageId, { body, state: "edited" });
      }

      async recall({ conversation, messageId }) {
        return backend.change(this.account, conversation, messageId, { body: null, state: "recalled" });
      }

      async markRead({ conversation, seq }) {
        backend.#read.set(`${this.account} ${conversation}`, BigInt(seq));
        backend.#say(this.account, (of) => ({ type: "conversation", conversation: backend.state(of, conversation) }));
      }

      listen(sink, signal) {
        backend.#listening.add(sink);
        signal.addEventListener("abort", () => backend.#listening.delete(sink));
        sink.ready();
      }
    })();
  }
}
