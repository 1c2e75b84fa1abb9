// One log for each account, in the order of commits: what cursors point into, and what a mailbox delivers. A batch is
// a piece of it, so it is continuous.

/** @typedef {import("../index.js").SyncEvent<any>} SyncEvent */
/**
 * @typedef {object} Entry
 * @property {number} pos no two have the same
 * @property {string} conversation
 * @property {SyncEvent | null} event null: an overflow
 */
/** @typedef {{ low: number, overflow: number, done: Set<number> }} Mailbox what of it has been acknowledged */

/**
 * A piece of these entries. It ends before an overflow, or begins with it.
 * @param {readonly Entry[]} entries
 * @param {number} limit
 */
function piece(entries, limit) {
  let overflows = 0;
  while (overflows < Math.min(entries.length, limit) && !entries[overflows].event) overflows += 1;
  let end = overflows;
  while (end < Math.min(entries.length, limit) && entries[end].event) end += 1;
  return { overflows: entries.slice(0, overflows), events: entries.slice(overflows, end), more: end < entries.length };
}

/** @param {readonly Entry[]} overflows @returns {{ overflow?: string[] }} as it stands in a batch */
function overflowOf(overflows) {
  return overflows.length === 0 ? {} : { overflow: overflows.map(({ conversation }) => conversation) };
}

export class Log {
  #backend;
  /** @type {Entry[]} */
  #entries = [];
  /** @type {Mailbox | null} null: nobody has asked for a mailbox yet */
  #mailbox = null;
  /** cursors before it are answered with an overflow */
  #floor;
  /** how far back it says what has changed */
  #reach;

  /** @param {string} backend the name of its backend @param {number} pos where it begins */
  constructor(backend, pos) {
    this.#backend = backend;
    this.#floor = pos;
    this.#reach = pos;
  }

  /** The position of a device that has everything. */
  get head() {
    return Math.max(this.#floor, this.#entries.at(-1)?.pos ?? 0);
  }

  /** @param {Entry} entry */
  add(entry) {
    this.#entries.push(entry);
  }

  /** What it says of a conversation that the account has left is no longer the account's to read. @param {string} id */
  drop(id) {
    this.#entries = this.#entries.filter(({ conversation }) => conversation !== id);
  }

  /** Events of messages that are gone have nothing to say. @param {string} id @param {number} before */
  trim(id, before) {
    const isGone = (/** @type {Entry} */ { conversation, event }) =>
      conversation === id && event !== null && "message" in event && Number(event.message.seq) < before;
    this.#entries = this.#entries.filter((entry) => !isGone(entry));
  }

  /** It no longer says what has changed before `pos`, and cursors of before overflow. @param {number} pos */
  forget(pos) {
    this.#floor = pos;
    this.#reach = pos;
  }

  /** Cursors of before `pos` overflow. @param {number} pos */
  overflow(pos) {
    this.#floor = pos;
  }

  /** Whether it says what has changed since. @param {number | null} pos */
  reaches(pos) {
    return pos !== null && pos >= this.#reach;
  }

  /**
   * What comes after `pos`; null: that is too far behind.
   * @param {number | null} pos
   * @param {{ limit: number, bound: number, only?: string }} options `bound`: more than that is too far; `only`: of one
   *   conversation
   */
  after(pos, { limit, bound, only }) {
    if (pos === null || pos < this.#floor) return null;
    const all = this.#entries.slice(this.#entries.findLastIndex((entry) => entry.pos <= pos) + 1);
    const entries = only === undefined ? all : all.filter(({ conversation }) => conversation === only);
    if (entries.length > bound) return null;
    const { overflows, events, more } = piece(entries, limit);
    return {
      ...overflowOf(overflows),
      events: events.map(({ event }) => /** @type {SyncEvent} */ (event)),
      end: [...overflows, ...events].at(-1)?.pos ?? pos,
      hasMore: more,
    };
  }

  // ------------------------------------------------------------ the mailbox

  /** @param {number} pos */
  #delivery(pos) {
    return `${this.#backend}-${pos}`;
  }

  /** @param {Mailbox} box */
  #waiting({ low, done }) {
    return this.#entries.filter(({ pos }) => pos > low && !done.has(pos));
  }

  /** The same as a mailbox has it, each with its delivery. @param {number} pos */
  deliveries(pos) {
    return this.#entries.filter((entry) => entry.pos > pos).map((entry) => this.#delivered(entry));
  }

  /** @param {Entry} entry @returns {SyncEvent} */
  #delivered({ pos, event }) {
    return { .../** @type {SyncEvent} */ (event), delivery: this.#delivery(pos) };
  }

  /**
   * What has not been acknowledged, oldest first. An overflow is repeated until its receipt is acknowledged: there is
   * no cursor that would show that it arrived.
   * @param {{ limit: number, bound: number, next: () => number }} options `next`: a new position
   */
  mailbox({ limit, bound, next }) {
    let box = this.#mailbox;
    if (!box || box.low < this.#floor || this.#waiting(box).length > bound) {
      box = { low: this.head, overflow: next(), done: new Set() };
      this.#mailbox = box;
    }
    const { overflows, events, more } = piece(this.#waiting(box), limit);
    const receipts = [...(box.overflow ? [box.overflow] : []), ...overflows.map(({ pos }) => pos)];
    return {
      ...overflowOf(overflows),
      ...(box.overflow ? { overflow: /** @type {const} */ ("all") } : {}),
      events: [
        // an event of a type that no client knows: it is acknowledged, and nothing else is done about it
        ...receipts.map(
          (pos) =>
            /** @type {SyncEvent} */ (/** @type {unknown} */ ({ type: "overflow", delivery: this.#delivery(pos) })),
        ),
        ...events.map((entry) => this.#delivered(entry)),
      ],
      hasMore: more,
    };
  }

  /** An unknown one, or one that was acknowledged before, is no error. @param {readonly string[]} deliveries */
  acknowledge(deliveries) {
    const box = this.#mailbox;
    if (!box) return;
    const named = new Set(deliveries);
    if (named.has(this.#delivery(box.overflow))) box.overflow = 0;
    for (const { pos } of this.#waiting(box)) if (named.has(this.#delivery(pos))) box.done.add(pos);
  }
}
