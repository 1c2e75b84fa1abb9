// The backend, in the page's memory: one account, whose log of events is the messages in their order. It has
// the contract's Transport, and all contenders pull their batches from it.

/**
 * What a server would answer, of one line of the data. `seq` is the message's place in the account's log, so it is not
 * dense.
 */
function eventsOf(lines) {
  const newest = new Map();
  return lines.map((line, index) => {
    const { conversation, createdAt, sender, kind, text } = JSON.parse(line);
    const seq = index + 1;
    const prev = newest.get(conversation) ?? null;
    newest.set(conversation, seq);
    const message = {
      id: `m${seq}`,
      conversation,
      seq,
      sender,
      createdAt,
      version: 1,
      state: "normal",
      body: { kind, text },
    };
    return { type: "message", message, prev };
  });
}

/** @returns {Promise<object[]>} the log */
export async function loadEvents() {
  const text = await (await fetch("/messages.jsonl")).text();
  return eventsOf(text.split("\n"));
}

export class Feed {
  /** events that have happened */
  #available = 0;
  #events;
  #conversations;

  /** @param {any[]} events the log */
  constructor(events) {
    this.#events = events;
    this.#conversations = [...new Set(events.map((event) => event.message.conversation))];
  }

  get available() {
    return this.#available;
  }

  happen(count) {
    this.#available = Math.min(count, this.#events.length);
  }

  // ------------------------------------------------------------ the contract's Transport

  async pull({ cursor, limit }) {
    // first sign-in
    if (cursor === null) return { events: [], cursor: "0", hasMore: false, overflow: "all" };
    const from = Number(cursor);
    const to = Math.max(from, Math.min(from + limit, this.#available));
    return { events: this.#events.slice(from, to), cursor: String(to), hasMore: to < this.#available };
  }

  async conversations() {
    const conversations = this.#conversations.map((id) => ({
      id,
      unread: 0,
      lastSeq: null,
      readSeq: null,
      sort: 0,
      lastMessage: null,
      meta: null,
    }));
    return { conversations, next: null };
  }

  async history() {
    throw new Error("everything is cached: nothing may be asked for");
  }
}

/** What a page load finds that has missed nothing: `cursor` is the newest. */
export class Quiet {
  async pull({ cursor }) {
    if (cursor === null) throw new Error("the cursor is stored");
    return { events: [], cursor, hasMore: false };
  }

  async conversations() {
    throw new Error("the list is stored");
  }

  async history() {
    throw new Error("everything is cached: nothing may be asked for");
  }
}
