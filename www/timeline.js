// @ts-check
// The message list of one conversation: what is in the snapshot becomes rows. Its parts:
//
// - timeline-plan.js: which rows a snapshot has
// - timeline-rows.js: the rows in the page, and which of them are on screen
// - timeline-place.js: nothing that is on screen moves unless the reader moves it
// - timeline-load.js: asks for more when an end comes near
// - timeline-read.js: what is read, and what was unread
// - timeline-actions.js: pointing, keys, and what can be done with a message
// - timeline-parts.js: the elements around the rows

import { codeOf, errorText, readBody } from "./format.js";
import { changeable, spoken } from "./message.js";
import { RowActions } from "./timeline-actions.js";
import { Loader } from "./timeline-load.js";
import { Parts } from "./timeline-parts.js";
import { Place } from "./timeline-place.js";
import { plan } from "./timeline-plan.js";
import { ReadMark } from "./timeline-read.js";
import { Rows } from "./timeline-rows.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./message.js").Row} Row */
/** @typedef {import("/pkg/index.js").Timeline<Body>} Timeline */
/** @typedef {import("/pkg/index.js").TimelineSnapshot<Body>} Snapshot */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */
/**
 * @typedef {object} Given
 * @property {import("/pkg/index.js").Client<Body>} client
 * @property {string} me
 * @property {number} maxItems
 * @property {(message: Message) => void} onEdit
 * @property {(message: Message) => void} onRecall
 * @property {() => void} onEscape
 * @property {(first: string | null, last: string | null, gap: boolean) => void} onRange what is on screen, as
 *   positions, and whether a gap is
 * @property {number} [near] how far (px) from either end more is asked for (default: a screen and a half, at least 800)
 * @property {AbortSignal} life ends with this view
 */

/** The message that a jump went to is marked for this long (ms). */
const FOUND = 2200;
/** Messages arriving at once that are read out one by one; more are only counted. */
const READ_OUT = 3;

export class TimelineView {
  #given;
  #parts;
  #rows;
  #place;
  #loader;
  #read;
  #actions;

  /** @type {Timeline | null} */
  #timeline = null;
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {() => void} */
  #unsubscribe = () => {};
  /** A jump that this view asked for is under way: its answer decides where to scroll. */
  #jumping = false;
  /** Why the last jump failed, until something else is tried. */
  #jumpFailed = "";
  /** what was told to be on screen */
  #reported = "";
  #frame = 0;

  /** @param {Given} given */
  constructor(given) {
    const { client, me, near } = given;
    this.#given = given;
    this.#parts = new Parts({ toEnd: () => this.toNewest(), again: () => this.#retry() });
    const { scroller, list } = this.#parts;
    this.#rows = new Rows(scroller, list, me);
    this.#place = new Place(scroller, this.#rows);
    this.#loader = new Loader({
      scroller,
      place: this.#place,
      near,
      mayLoad: () => !this.#jumping,
      failed: () => this.#drawEdges(),
    });
    this.#read = new ReadMark(client);
    this.#actions = new RowActions(scroller, this.#rows, me, {
      timeline: () => this.#timeline,
      edit: given.onEdit,
      recall: given.onRecall,
      escape: given.onEscape,
      toNewest: () => this.toNewest(),
      say: (text) => this.#parts.say(text),
    });
    this.#listen(given);
  }

  /** @param {Given} given */
  #listen({ client, life }) {
    const { scroller } = this.#parts;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#resized()).observe(scroller);
    document.addEventListener("visibilitychange", () => this.#markRead(), { signal: life });
    life.addEventListener("abort", () => this.close());
    client.on("messages", ({ messages, live }) => {
      if (live) this.#announce(messages);
    });
    let connection = client.status.getSnapshot().connection;
    client.status.subscribe(() => {
      const now = client.status.getSnapshot().connection;
      // Back online, what failed for want of a network is worth another try.
      if (now === "online" && this.#loader.hasFailed) this.#retry();
      if (now !== connection) this.#drawEdges();
      connection = now;
    });
  }

  get element() {
    return this.#parts.element;
  }

  get scroller() {
    return this.#parts.scroller;
  }

  /** @returns {Timeline | null} */
  get timeline() {
    return this.#timeline;
  }

  /** How many messages were unread when the conversation was opened. */
  get unreadAtOpening() {
    return this.#read.unreadAtOpening;
  }

  // ---------------------------------------------------------------- begin and end

  /** @param {string} conversation its id */
  open(conversation) {
    this.close();
    this.#read.open(conversation);
    this.#start(conversation);
  }

  /** @param {string} conversation */
  #start(conversation) {
    this.#clear();
    const { client, maxItems } = this.#given;
    const timeline = client.timeline(conversation, { start: "latest", maxItems });
    this.#timeline = timeline;
    this.#place.reset();
    this.#loader.begin(timeline);
    this.#unsubscribe = timeline.subscribe(() => this.#render());
    this.#render();
  }

  close() {
    this.#actions.remove();
    this.#timeline?.close();
    this.#clear();
    this.#read.close();
  }

  #clear() {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#timeline = null;
    this.#snapshot = null;
    this.#actions.clear();
    this.#rows.clear();
    this.#loader.begin(null);
    this.#read.clear();
    this.#reported = "";
    this.#jumping = false;
    this.#jumpFailed = "";
    this.#parts.notice.hidden = true;
    this.#parts.toEnd.hidden = true;
    this.#given.onRange(null, null, false);
  }

  // ---------------------------------------------------------------- going elsewhere

  /**
   * Scrolls to the newest end, wherever the window is now.
   * @returns {Promise<boolean>} whether it got there
   */
  async toNewest() {
    if (!this.#timeline || !this.#snapshot) return false;
    if (this.#snapshot.hasNewer) return this.jump("latest");
    this.#place.atEnd = true;
    this.#place.toEnd();
    return true;
  }

  /**
   * To what was just sent, which stands at the end. Offline the newest end cannot be had, and nobody has asked for it.
   */
  async toSent() {
    if (this.#snapshot?.hasNewer && this.#offline) this.#place.toEnd();
    else await this.toNewest();
  }

  get #offline() {
    return this.#given.client.status.getSnapshot().connection === "offline";
  }

  /**
   * Goes to what was unread first when the conversation was opened.
   * @returns {Promise<boolean>} whether it got there
   */
  toFirstUnread() {
    return this.jump(this.#read.firstUnread(this.#timeline?.conversation));
  }

  /**
   * Goes to another place of the conversation. What fails is said in the notice above the list.
   * @param {Parameters<Timeline["jump"]>[0]} to
   * @returns {Promise<boolean>} whether it got there
   */
  async jump(to) {
    const timeline = this.#timeline;
    if (!timeline) return false;
    this.#jumping = true;
    this.#jumpFailed = "";
    try {
      await timeline.jump(to);
      if (timeline !== this.#timeline) return false;
      // The snapshot shows it already; the list is drawn with it before "jumping" ends.
      this.#render();
      const row = this.#rows.get(timeline.getSnapshot().anchor.key ?? "");
      if (row) this.#pointOut(row);
      return true;
    } catch (error) {
      if (timeline !== this.#timeline || codeOf(error) === "aborted") return false;
      this.#jumpFailed = `It is not possible to go there now. ${errorText(error)}`;
      this.#drawEdges();
      return false;
    } finally {
      if (timeline === this.#timeline) this.#jumping = false;
    }
  }

  /** Shows the message that was asked for, and marks it for a moment. @param {Row} row */
  #pointOut(row) {
    // It may have been on the list already, which then stayed where it was.
    this.#place.reveal(row);
    const { classList } = row.element;
    classList.add("found");
    setTimeout(() => classList.remove("found"), FOUND);
  }

  /** @returns {Message | null} the newest message on the list that this user may edit */
  lastOwn() {
    for (const item of [...(this.#snapshot?.items ?? [])].reverse()) {
      const message = changeable(item, this.#given.me);
      if (message && readBody(message.body).kind !== "system") return message;
    }
    return null;
  }

  // ---------------------------------------------------------------- drawing

  #render() {
    const timeline = this.#timeline;
    if (!timeline) return;
    const snapshot = timeline.getSnapshot();
    const before = this.#snapshot;
    if (snapshot === before) return;
    this.#snapshot = snapshot;
    this.#parts.drawOpening(snapshot.status === "opening");
    if (before?.items !== snapshot.items) {
      this.#loader.changed();
      this.#drawItems(snapshot, before);
    }
    this.#drawEdges();
    this.#settle();
  }

  /**
   * @param {Snapshot} snapshot
   * @param {Snapshot | null} before
   */
  #drawItems(snapshot, before) {
    const drawings = plan(snapshot, this.#given.me, this.#read.readUpTo);
    const measured = this.#place.before(snapshot, new Set(drawings.map(({ key }) => key)));
    const newest = this.#rows.all.at(-1)?.key;
    this.#rows.draw(drawings);
    // What has just come in at the end that is on screen comes in visibly; a page does not.
    const follows = before && this.#place.atEnd && !snapshot.hasNewer;
    if (follows && newest !== undefined) this.#rows.enter(newest, before.items);
    this.#place.after(measured, snapshot, this.#jumping);
    this.#actions.drawn(this.#place.atEnd);
  }

  #drawEdges() {
    const timeline = this.#timeline;
    if (!timeline || !this.#snapshot) return;
    const snapshot = timeline.getSnapshot();
    const { failedAt } = this.#loader;
    const offline = this.#offline;
    const waits = { older: offline && failedAt.older, newer: offline && failedAt.newer };
    this.#parts.drawEdges(snapshot, waits);
    this.#parts.drawNotice(snapshot, { jumpFailed: this.#jumpFailed, failedAt, offline });
    this.#drawToEnd();
  }

  #drawToEnd() {
    if (this.#snapshot) this.#parts.drawToEnd(this.#snapshot, this.#place.atEnd);
  }

  // ---------------------------------------------------------------- what is on screen

  #resized() {
    if (!this.#snapshot) return;
    this.#place.resized();
    this.#settle();
  }

  #scrolled() {
    this.#place.scrolled(this.#snapshot?.hasNewer !== false);
    const first = this.#place.atEnd ? undefined : this.#rows.all[this.#rows.firstOnScreen()];
    this.#parts.showDay(first, this.#given.me);
    this.#settle();
  }

  /** Once a frame after scrolling or drawing: says what is on screen, and asks for what is near. */
  #settle() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#timeline || !this.#snapshot) return;
      this.#report();
      this.#drawToEnd();
      this.#loader.loadNear();
      this.#markRead();
    });
  }

  #report() {
    const rows = [...this.#rows.onScreen()].filter(({ drawing }) => drawing.item);
    const [first] = rows;
    const last = rows.at(-1);
    if (!first || !last) return;
    this.#place.note(first);
    const items = rows.map(({ drawing }) => drawing.item);
    const gap = items.some((item) => item?.kind === "gap");
    const report = JSON.stringify([first.key, last.key, gap]);
    if (report === this.#reported) return;
    this.#reported = report;
    this.#timeline?.visible(first.key, last.key);
    const seqs = items.flatMap((item) => (item?.kind === "message" ? [item.message.seq] : []));
    this.#given.onRange(seqs[0] ?? null, seqs.at(-1) ?? null, gap);
  }

  /** The button of the notice. */
  #retry() {
    if (!this.#timeline) return;
    if (this.#jumpFailed) {
      this.#jumpFailed = "";
      this.#loader.forget();
      this.#drawEdges();
    } else if (!this.#loader.retry()) {
      if (this.#snapshot?.items.every(({ kind }) => kind !== "message")) this.#reopen(this.#timeline);
      else this.#loader.loadNear();
    }
  }

  /** Opens the same conversation again, at its newest end. @param {Timeline} timeline */
  #reopen(timeline) {
    timeline.close();
    this.#start(timeline.conversation);
  }

  #markRead() {
    if (this.#timeline && this.#place.atEnd && this.#snapshot?.hasNewer === false) this.#read.mark(this.#timeline);
  }

  /** Reads out what has come. @param {readonly Message[]} messages */
  #announce(messages) {
    const { me } = this.#given;
    const here = messages.filter((one) => one.conversation === this.#timeline?.conversation && one.sender !== me);
    if (here.length === 0) return;
    const texts = here.map(spoken);
    this.#parts.say(here.length > READ_OUT ? `${here.length} new messages` : texts.join(". "));
  }
}
