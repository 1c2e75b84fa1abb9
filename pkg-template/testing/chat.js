// What the backend holds: accounts, conversations and messages, and what each commit writes into the accounts' logs.
// It answers as www/server does, the reference server of docs/protocol.md.

import { PullcordError } from "../errors.js";
import { stableText } from "../stable.js";
import { Log } from "./log.js";

/** @typedef {import("../index.js").SyncEvent<any>} SyncEvent */
/** @typedef {import("../index.js").WireMessage<any>} WireMessage */
/**
 * A message, with the position of its last change.
 * @typedef {Omit<WireMessage, "seq"> & { seq: number, changed: number }} Held
 */
/**
 * @typedef {object} Member
 * @property {number} joined position
 * @property {number} readSeq
 * @property {Set<string>} hidden ids of messages that it may not see
 */
/**
 * @typedef {object} Talk
 * @property {string} id
 * @property {unknown} meta
 * @property {boolean} open each account is a member
 * @property {Map<string, Member>} members by account
 * @property {Held[]} messages in the order of their positions
 * @property {number} lastSeq
 * @property {number} sort
 * @property {{ pos: number, before: number }[]} trims
 * @property {Map<string, { id: string, body: string }>} sends by sender and clientId
 * @property {Set<string>} edits by message and clientId
 */

/** @param {unknown} value @returns {any} its own copy, as JSON has it */
const copyOf = (value) => (value === undefined ? null : JSON.parse(JSON.stringify(value)));

/** @param {string} message */
const conflict = (message) => new PullcordError("rejected", message, { status: 409 });

export class Chat {
  /** Its cursors are its own: those of another one, of before the page was loaded anew, it cannot place. */
  #name = `m${Math.random().toString(36).slice(2, 10)}`;
  #pos = 0;
  #now;
  #bound;
  /** @type {Map<string, Talk>} */
  #talks = new Map();
  /** @type {Map<string, Log>} by account */
  #logs = new Map();
  /**
   * is told which account has news, and in which conversation
   * @type {(account: string, conversation: string | null) => void}
   */
  onNews = () => {};

  /** @param {{ now: () => number, bound: number }} options `bound`: events that a cursor may be behind */
  constructor({ now, bound }) {
    this.#now = now;
    this.#bound = bound;
  }

  #next() {
    this.#pos += 1;
    return this.#pos;
  }

  /** @param {number} pos */
  cursor(pos) {
    return `${this.#name}-${pos}`;
  }

  /** @param {string | null | undefined} cursor @returns {number | null} null: it is none of this backend's */
  #place(cursor) {
    const [name, pos] = (cursor ?? "").split("-");
    return name === this.#name && Number(pos) <= this.#pos ? Number(pos) : null;
  }

  // ------------------------------------------------------------ accounts and conversations

  /** @param {string} account @returns {Log} */
  account(account) {
    const known = this.#logs.get(account);
    if (known) return known;
    const log = new Log(this.#name, this.#pos);
    this.#logs.set(account, log);
    for (const talk of this.#talks.values()) if (talk.open) this.join(talk.id, account);
    return log;
  }

  /** @param {string} id @returns {Talk} */
  talk(id) {
    const talk = this.#talks.get(id);
    if (!talk) throw new PullcordError("not-found", `there is no conversation ${id}`, { status: 404 });
    return talk;
  }

  /** @param {string} account @param {string} id */
  #membership(account, id) {
    const talk = this.#talks.get(id);
    const member = talk?.members.get(account);
    // a stranger cannot tell which
    if (!talk || !member) throw new PullcordError("forbidden", `${account} is no member of ${id}`, { status: 403 });
    return { talk, member };
  }

  /** @param {{ id: string, meta?: unknown, members?: readonly string[], sort?: number }} conversation */
  create({ id, meta, members, sort = this.#now() }) {
    if (this.#talks.has(id)) throw conflict(`there is a conversation ${id}`);
    this.#talks.set(id, {
      id,
      meta: copyOf(meta),
      open: members === undefined,
      members: new Map(),
      messages: [],
      lastSeq: 0,
      sort,
      trims: [],
      sends: new Map(),
      edits: new Set(),
    });
    for (const account of members ?? this.#logs.keys()) this.join(id, account);
  }

  /** With all of the history, which counts as read. @param {string} id @param {string} account */
  join(id, account) {
    const talk = this.talk(id);
    this.account(account);
    if (talk.members.has(account)) return;
    talk.members.set(account, { joined: this.#next(), readSeq: talk.lastSeq, hidden: new Set() });
    this.#logState(talk, [account]);
  }

  /** @param {string} id @param {string} account */
  leave(id, account) {
    const talk = this.talk(id);
    if (!talk.members.delete(account)) return;
    this.account(account).drop(id);
    this.#log(talk, [account], () => ({ type: "removed", conversation: id }));
  }

  // ------------------------------------------------------------ the log

  /**
   * @param {Talk} talk
   * @param {Iterable<string>} accounts
   * @param {(account: string) => SyncEvent | null} eventOf
   */
  #log(talk, accounts, eventOf) {
    const pos = this.#next();
    for (const account of accounts) {
      this.account(account).add({ pos, conversation: talk.id, event: eventOf(account) });
      this.onNews(account, talk.id);
    }
  }

  /** @param {Talk} talk @param {Iterable<string>} accounts */
  #logState(talk, accounts = talk.members.keys()) {
    this.#log(talk, accounts, (account) => ({ type: "conversation", conversation: this.#state(account, talk) }));
  }

  /** Those that may see it. @param {Talk} talk @param {Held} message */
  #readers({ members }, { id }) {
    return [...members].filter(([, { hidden }]) => !hidden.has(id)).map(([account]) => account);
  }

  /** @param {string} account @param {Talk} talk */
  #seen(account, { members, messages }) {
    const hidden = members.get(account)?.hidden;
    return hidden?.size ? messages.filter(({ id }) => !hidden.has(id)) : messages;
  }

  /**
   * As this account gets it: `clientId` is its sender's alone.
   * @param {string} account
   * @param {Held} held
   * @returns {WireMessage}
   */
  #wire(account, { changed: _, clientId, ...message }) {
    return clientId !== undefined && message.sender === account ? { ...message, clientId } : message;
  }

  /** @param {string} account @param {Talk} talk */
  #state(account, talk) {
    const readSeq = talk.members.get(account)?.readSeq ?? 0;
    const seen = this.#seen(account, talk);
    const last = seen.at(-1);
    let unread = 0;
    for (let at = seen.length - 1; at >= 0 && seen[at].seq > readSeq; at -= 1)
      if (seen[at].sender !== account && seen[at].state !== "recalled") unread += 1;
    return {
      id: talk.id,
      unread,
      lastSeq: last?.seq ?? null,
      readSeq: readSeq || null,
      sort: talk.sort,
      lastMessage: last ? this.#wire(account, last) : null,
      meta: talk.meta,
    };
  }

  // ------------------------------------------------------------ messages

  /**
   * Takes a position now, and is visible once the function is called that it returns.
   * @param {string} id of the conversation
   * @param {{ sender: string, body: unknown, clientId?: string, createdAt?: number }} draft
   * @returns {() => Held}
   */
  begin(id, { sender, body, clientId, createdAt = this.#now() }) {
    const talk = this.talk(id);
    talk.lastSeq += 1;
    const seq = talk.lastSeq;
    const state = /** @type {const} */ ("normal");
    const message = {
      id: `${id}-${seq}`,
      conversation: id,
      seq,
      sender,
      createdAt,
      version: 1,
      state,
      body: copyOf(body),
    };
    return () => {
      const held = { ...message, ...(clientId === undefined ? {} : { clientId }), changed: this.#pos + 1 };
      const at = talk.messages.findLastIndex((one) => one.seq < seq) + 1;
      const before = at === 0 ? null : talk.messages[at - 1];
      const prev = before === null ? null : before.seq;
      talk.messages.splice(at, 0, held);
      talk.sort = Math.max(talk.sort, createdAt);
      this.#log(talk, talk.members.keys(), (account) => {
        // one that this account may not see is not before anything
        const isHidden = before !== null && talk.members.get(account)?.hidden.has(before.id);
        return {
          type: "message",
          message: this.#wire(account, held),
          ...(isHidden ? {} : { prev }),
        };
      });
      this.#logState(talk);
      return held;
    };
  }

  /** @param {string} account @param {{ conversation: string, clientId: string, body: unknown }} request */
  send(account, { conversation, clientId, body }) {
    const { talk } = this.#membership(account, conversation);
    const name = JSON.stringify([account, clientId]);
    const earlier = talk.sends.get(name);
    if (earlier && earlier.body !== stableText(body)) throw conflict("this clientId was used for another body");
    const sent = earlier
      ? talk.messages[this.#indexOf(talk, earlier.id)]
      : this.begin(conversation, { sender: account, body, clientId })();
    talk.sends.set(name, { id: sent.id, body: stableText(body) });
    return this.#wire(account, sent);
  }

  /** @param {Talk} talk @param {string} id */
  #indexOf(talk, id) {
    const at = talk.messages.findIndex((one) => one.id === id);
    if (at < 0) throw new PullcordError("not-found", `there is no message ${id} in ${talk.id}`, { status: 404 });
    return at;
  }

  /** @param {string} account @param {{ conversation: string, messageId: string }} request */
  #own(account, { conversation, messageId }) {
    const { talk } = this.#membership(account, conversation);
    const message = talk.messages[this.#indexOf(talk, messageId)];
    if (message.sender !== account)
      throw new PullcordError("forbidden", "only its sender may change a message", { status: 403 });
    return { talk, message };
  }

  /**
   * @param {string} account
   * @param {{ conversation: string, messageId: string, clientId: string, body: unknown }} request
   */
  edit(account, request) {
    const { talk, message } = this.#own(account, request);
    const name = JSON.stringify([message.id, request.clientId]);
    // again: the message as it now is
    if (talk.edits.has(name)) return this.#wire(account, message);
    const edited = this.change(talk.id, message.id, "edited", request.body);
    talk.edits.add(name);
    return this.#wire(account, edited);
  }

  /** @param {string} account @param {{ conversation: string, messageId: string }} request */
  recall(account, request) {
    const { talk, message } = this.#own(account, request);
    return this.#wire(account, this.change(talk.id, message.id, "recalled", null));
  }

  /**
   * A new version of a message. Recalling it again changes nothing.
   * @param {string} conversation @param {string} id @param {Held["state"]} state @param {unknown} body
   */
  change(conversation, id, state, body) {
    const talk = this.talk(conversation);
    const at = this.#indexOf(talk, id);
    const before = talk.messages[at];
    if (before.state === "recalled" && state === "recalled") return before;
    if (before.state === "recalled") throw conflict("the message has been recalled");
    const message = { ...before, version: before.version + 1, state, body: copyOf(body), changed: this.#pos + 1 };
    talk.messages[at] = message;
    this.#log(talk, this.#readers(talk, message), (account) => ({
      type: "update",
      message: this.#wire(account, message),
    }));
    // an edit shows in the conversation's state only where it is of the last message
    if (state === "recalled" || at === talk.messages.length - 1) this.#logState(talk);
    return message;
  }

  /**
   * A new version of a message, in the state that it has: what the server itself adds to it.
   * @param {string} conversation @param {string} id
   * @param {(body: any) => unknown} bodyOf is given the body that it has
   */
  update(conversation, id, bodyOf) {
    const talk = this.talk(conversation);
    const { state, body } = talk.messages[this.#indexOf(talk, id)];
    if (state === "recalled") throw conflict("the message has been recalled");
    return this.change(conversation, id, state, bodyOf(copyOf(body)));
  }

  /** @param {string} conversation @param {(meta: any) => unknown} metaOf is given the meta that it has */
  describe(conversation, metaOf) {
    const talk = this.talk(conversation);
    talk.meta = copyOf(metaOf(copyOf(talk.meta)));
    this.#logState(talk);
  }

  /**
   * Never back, and not past the newest message.
   * @param {string} account
   * @param {{ conversation: string, seq: string }} request
   */
  markRead(account, { conversation, seq }) {
    const { talk, member } = this.#membership(account, conversation);
    const upTo = Math.min(Number(seq), talk.messages.at(-1)?.seq ?? 0);
    if (upTo <= member.readSeq) return;
    member.readSeq = upTo;
    this.#logState(talk, [account]);
  }

  // ------------------------------------------------------------ what an operator does

  /** History older than `before` no longer exists. @param {string} id @param {number} before */
  trim(id, before) {
    const talk = this.talk(id);
    talk.messages = talk.messages.filter(({ seq }) => seq >= before);
    for (const log of this.#logs.values()) log.trim(id, before);
    talk.trims.push({ pos: this.#next(), before });
    this.#log(talk, talk.members.keys(), () => ({ type: "trim", conversation: id, before }));
    this.#logState(talk);
  }

  /**
   * This account may not see the message any more.
   * @param {string} conversation
   * @param {string} id
   * @param {string} account
   */
  hide(conversation, id, account) {
    const { talk, member } = this.#membership(account, conversation);
    this.#indexOf(talk, id);
    member.hidden.add(id);
    this.overflow(account, [conversation]);
    // what was kept may have it still
    member.joined = this.#pos;
  }

  /**
   * The account is too far behind: in all, or in these.
   * @param {string} account @param {readonly string[]} [conversations]
   */
  overflow(account, conversations) {
    if (!conversations) {
      this.account(account).overflow(this.#next());
      this.onNews(account, null);
      return;
    }
    for (const id of conversations) {
      const { talk } = this.#membership(account, id);
      this.#log(talk, [account], () => null);
      this.#logState(talk, [account]);
    }
  }

  /** Nothing is known any more of what has changed for this account. @param {string} account */
  forget(account) {
    this.account(account).forget(this.#next());
    this.onNews(account, null);
  }

  // ------------------------------------------------------------ reading

  /** @param {string} account @param {{ cursor: string | null, limit: number }} request */
  pull(account, { cursor, limit }) {
    const log = this.account(account);
    const tail = log.after(this.#place(cursor), { limit, bound: this.#bound });
    return tail
      ? this.#batch(tail)
      : { overflow: /** @type {const} */ ("all"), events: [], cursor: this.cursor(log.head), hasMore: false };
  }

  /** @param {NonNullable<ReturnType<Log["after"]>>} tail */
  #batch({ end, ...batch }) {
    return { ...batch, cursor: this.cursor(end) };
  }

  /**
   * One of many: with its state where it overflows, so that the client owes itself no list. Undefined: nothing is new.
   * @param {string} account @param {string} id @param {{ cursor: string | null, limit: number }} request
   */
  pullOne(account, id, { cursor, limit }) {
    const log = this.account(account);
    const talk = this.#talks.get(id);
    if (!talk?.members.has(account)) {
      const removed = /** @type {const} */ ({ type: "removed", conversation: id });
      return { events: [removed], cursor: this.cursor(this.#pos), hasMore: false };
    }
    const tail = log.after(this.#place(cursor), { limit, bound: this.#bound, only: id });
    if (!tail) {
      const state = /** @type {const} */ ({ type: "conversation", conversation: this.#state(account, talk) });
      return { overflow: [id], events: [state], cursor: this.cursor(this.#pos), hasMore: false };
    }
    return tail.events.length || tail.overflow || tail.hasMore ? this.#batch(tail) : undefined;
  }

  /** @param {string} account */
  conversationsOf(account) {
    return [...this.#talks.values()].filter(({ members }) => members.has(account)).map(({ id }) => id);
  }

  /** @param {string} account @param {{ limit: number }} request */
  mailbox(account, { limit }) {
    return this.account(account).mailbox({ limit, bound: this.#bound, next: () => this.#next() });
  }

  /** @param {string} account @param {{ after: string | null, limit: number }} request */
  conversations(account, { after, limit }) {
    const all = this.conversationsOf(account)
      .map((id) => this.#state(account, this.talk(id)))
      .sort((a, b) => b.sort - a.sort || (a.id < b.id ? -1 : 1));
    // by its place and not by its number: the list may have changed between two pages
    const [sort, id] = after === null ? [Number.POSITIVE_INFINITY, ""] : JSON.parse(after);
    const rest = all.filter((one) => one.sort < sort || (one.sort === sort && one.id > id));
    const page = rest.slice(0, limit);
    const last = page.at(-1);
    return { conversations: page, next: last && rest.length > limit ? JSON.stringify([last.sort, last.id]) : null };
  }

  /**
   * @param {string} account
   * @param {{ conversation: string, limit: number, before?: string, after?: string, around?: string, at?: number }}
   *   request
   */
  history(account, { conversation, limit, ...where }) {
    const { talk } = this.#membership(account, conversation);
    const all = this.#seen(account, talk);
    const from = Math.max(0, Math.min(firstOf(all, limit, where), all.length));
    const end =
      where.before === undefined ? from + limit : all.findLastIndex(({ seq }) => seq < Number(where.before)) + 1;
    const messages = all.slice(from, end);
    return {
      messages: messages.map((message) => this.#wire(account, message)),
      hasBefore: from > 0 && all.length > 0,
      hasAfter: from + messages.length < all.length,
    };
  }

  /**
   * @param {string} account
   * @param {{ conversation: string, since: string, from: string, to: string, limit: number }} request
   */
  changes(account, { conversation, since, from, to, limit }) {
    const { talk, member } = this.#membership(account, conversation);
    const pos = this.#place(since);
    const isTrimmed = talk.trims.some((trim) => trim.pos > Number(pos) && trim.before > Number(from));
    if (pos === null || !this.account(account).reaches(pos) || member.joined > pos || isTrimmed) return "gone";
    const changed = this.#seen(account, talk).filter(
      (message) => message.seq >= Number(from) && message.seq <= Number(to) && message.changed > pos,
    );
    return {
      messages: changed.slice(0, limit).map((message) => this.#wire(account, message)),
      hasMore: changed.length > limit,
    };
  }

  /** What is held of a conversation, oldest first. @param {string} id @returns {WireMessage[]} */
  messages(id) {
    return this.talk(id).messages.map(({ changed: _, ...message }) => message);
  }
}

/**
 * The index of a page's first message.
 * @param {readonly Held[]} all
 * @param {number} limit
 * @param {{ before?: string, after?: string, around?: string, at?: number }} where
 */
function firstOf(all, limit, { before, after, around, at }) {
  if (before !== undefined) return all.findLastIndex(({ seq }) => seq < Number(before)) + 1 - limit;
  if (after !== undefined) {
    const first = all.findIndex(({ seq }) => seq > Number(after));
    return first < 0 ? all.length : first;
  }
  const middle = all.findIndex((one) =>
    around === undefined ? at !== undefined && one.createdAt >= at : one.seq >= Number(around),
  );
  if (middle < 0) return all.length - limit;
  // as far from the end as a whole page needs
  return Math.min(middle - (limit >> 1), all.length - limit);
}
