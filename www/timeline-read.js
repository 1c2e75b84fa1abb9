// @ts-check
// What was unread when a conversation was opened, and up to where it is read now.

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Client<Body>} Client */
/** @typedef {import("/pkg/index.js").Timeline<Body>} Timeline */

export class ReadMark {
  #client;
  /** Ends the waiting for what was unread. @type {() => void} */
  #unwatch = () => {};
  /** the newest position that was marked as read */
  #marked = "";
  /** Up to where everything was read when the conversation was opened; null: all of it. @type {string | null} */
  readUpTo = null;
  /** How many messages were unread then. */
  unreadAtOpening = 0;

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
  }

  /** @param {string} conversation its id */
  open(conversation) {
    const store = this.#client.conversation(conversation);
    const note = () => {
      const state = store.getSnapshot();
      if (!state) return false;
      this.unreadAtOpening = state.unread;
      this.readUpTo = state.unread > 0 ? (state.readSeq ?? "0") : null;
      this.#unwatch();
      return true;
    };
    // On a device that has just signed in, the list of conversations is still on its way.
    if (!note()) this.#unwatch = store.subscribe(note);
  }

  close() {
    this.#unwatch();
    this.readUpTo = null;
    this.unreadAtOpening = 0;
  }

  /** Another list begins. */
  clear() {
    this.#marked = "";
  }

  /**
   * Where what was unread first when the conversation was opened is: looking at it may have marked it as read since.
   * @param {string | undefined} conversation
   * @returns {Parameters<Timeline["jump"]>[0]}
   */
  firstUnread(conversation) {
    const state = conversation === undefined ? null : this.#client.conversation(conversation).getSnapshot();
    const stillUnread = (state?.unread ?? 0) > 0;
    return stillUnread || this.readUpTo === null ? "first-unread" : { around: BigInt(this.readUpTo) + 1n };
  }

  /** The newest end is on screen: marks it as read, where somebody looks at it. @param {Timeline} timeline */
  mark(timeline) {
    if (document.visibilityState !== "visible") return;
    const newest = timeline.getSnapshot().items.findLast(({ kind }) => kind === "message");
    if (newest?.kind !== "message" || newest.message.seq === this.#marked) return;
    this.#marked = newest.message.seq;
    // Nothing is lost when this fails: the next newer message marks this one too.
    timeline.markRead(newest.message.seq).catch(() => {});
  }
}
