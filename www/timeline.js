// @ts-check
// The message list of one conversation: what is in the snapshot becomes rows, and nothing that is on
// screen moves unless the reader moves it.
//
// Browsers keep a scroll position by pixels from the top, and their own anchoring gives up where
// rows are added at both ends in one step. So before every change the first row on screen that
// survives it is measured, and after it the list is scrolled by what that row moved. Only when the
// reader is at the newest end is that end kept in place instead.

import { h, setText } from "./dom.js";
import { day, dayKey, errorText, number, readBody } from "./format.js";
import { icon } from "./icons.js";
import { changeable, facts, makeRow, updateRow } from "./message.js";
import { compareSeq } from "/pkg/index.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./message.js").Drawing} Drawing */
/** @typedef {import("./message.js").Row} Row */
/** @typedef {import("/pkg/index.js").Timeline<Body>} Timeline */
/** @typedef {import("/pkg/index.js").TimelineSnapshot<Body>} Snapshot */
/** @typedef {import("/pkg/index.js").TimelineItem<Body>} Item */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */

/** Closer than this (px) to the newest end counts as being there. */
const NEAR_END = 32;
/** Messages of one sender further apart than this (ms) are not one group. */
const GROUP = 5 * 60_000;
/** A load that failed is tried again after this long (ms), while it is still wanted. */
const RETRY = 4000;
/** The message that a jump went to is marked for this long (ms). */
const FOUND = 2200;
/** How far (px) from either end of the list more is asked for, at least. */
const NEAR = 800;
/** Messages arriving at once that are read out one by one; more are only counted. */
const READ_OUT = 3;

export class TimelineView {
  #client;
  #me;
  #maxItems;
  #onEdit;
  #onRecall;
  #onEscape;
  #onRange;
  #near;

  /** @type {Timeline | null} */
  #timeline = null;
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {() => void} */
  #unsubscribe = () => {};
  /** Ends the waiting for what was unread. @type {() => void} */
  #unwatch = () => {};

  /** @type {Row[]} */
  #rows = [];
  /** @type {Map<string, Row>} */
  #byKey = new Map();

  /** The reader is at the newest end: it is followed. */
  #atEnd = true;
  /** A jump that this view asked for is under way: its answer decides where to scroll. */
  #jumping = false;
  /** Why the last jump failed, until something else is tried. */
  #jumpFailed = "";
  #anchorCount = -1;
  /** The row that holds the view in place, and its distance from the top, for when only the layout changes. */
  #place = { key: "", offset: 0 };
  /** The ends that a load failed at; they are not asked again until something changes. */
  #failedAt = { older: false, newer: false };
  /** A load that brought nothing, so that it is not repeated for ever. */
  #fruitless = { older: false, newer: false };
  #reported = "";
  #marked = "";
  /** Up to where everything was read when the conversation was opened. @type {string | null} */
  #readUpTo = null;
  /** How many messages were unread then. */
  unreadAtOpening = 0;
  /** The row that Tab reaches. */
  #roving = "";
  #frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #dayTimer;

  /**
   * @param {object} given
   * @param {import("/pkg/index.js").Client<Body>} given.client
   * @param {string} given.me
   * @param {number} given.maxItems
   * @param {(message: Message) => void} given.onEdit
   * @param {(message: Message) => void} given.onRecall
   * @param {() => void} given.onEscape
   * @param {(first: string | null, last: string | null, gap: boolean) => void} given.onRange what is on screen, as positions, and whether a gap is
   * @param {number} [given.near] how far (px) from either end more is asked for (default: a screen and a half, at least 800)
   * @param {AbortSignal} given.life ends with this view
   */
  constructor({ client, me, maxItems, onEdit, onRecall, onEscape, onRange, near, life }) {
    this.#client = client;
    this.#me = me;
    this.#maxItems = maxItems;
    this.#onEdit = onEdit;
    this.#onRecall = onRecall;
    this.#onEscape = onEscape;
    this.#onRange = onRange;
    this.#near = near;

    this.older = h("div", { class: "edge older" });
    this.newerText = h("span", {});
    this.newer = h("div", { class: "edge newer" }, h("span", { class: "spinner", "aria-hidden": "true" }), this.newerText);
    this.list = h("div", { class: "rows" });
    this.scroller = h(
      "div",
      {
        // New messages are read out by the region below; the log itself would also read out older pages.
        class: "scroller", role: "log", "aria-live": "off", tabindex: "-1",
        on: {
          keydown: (event) => this.#key(event),
          click: (event) => this.#click(event),
          pointerover: (event) => this.#point(event),
          pointerleave: () => this.#showActions(null),
          focusin: (event) => this.#focus(event),
          focusout: (event) => this.#blur(event),
        },
      },
      h("div", { class: "column" }, this.older, this.list, this.newer),
    );
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.dayChip = h("div", { class: "day-chip", "aria-hidden": "true" });
    this.announcer = h("div", { class: "visually-hidden", "aria-live": "polite", role: "status" });
    this.unseen = h("span", { class: "badge" });
    this.toEnd = h("button", { type: "button", class: "to-end", hidden: true, on: { click: () => this.toNewest() } }, icon("down"), this.unseen);
    this.noticeText = h("span", {});
    this.noticeAction = h("button", { type: "button", class: "link", on: { click: () => this.#retryLoad() } }, "Try again");
    this.notice = h(
      "div",
      { class: "notice", role: "alert", hidden: true },
      icon("alert"),
      this.noticeText,
      this.noticeAction,
    );
    this.skeleton = h(
      "div",
      { class: "opening", hidden: true, "aria-hidden": "true" },
      ...Array.from({ length: 7 }, (_, i) => h("div", { class: i % 3 === 2 ? "skeleton own" : "skeleton" }, h("i", {}), h("i", {}))),
    );
    this.actions = h(
      "div",
      { class: "actions", role: "group", "aria-label": "Message actions" },
      actionButton("edit", "Edit", "E"),
      actionButton("recall", "Recall", "Delete"),
      actionButton("copy", "Copy text", null),
      actionButton("discard", "Do not send", "Delete"),
    );
    this.element = h("div", { class: "timeline" }, this.skeleton, this.scroller, this.dayChip, this.notice, this.toEnd, this.announcer);

    new ResizeObserver(() => this.#resized()).observe(this.scroller);
    document.addEventListener("visibilitychange", () => this.#markRead(), { signal: life });
    life.addEventListener("abort", () => this.close());
    client.on("messages", ({ messages, live }) => {
      if (live) this.#announce(messages);
    });
    let connection = client.status.getSnapshot().connection;
    client.status.subscribe(() => {
      const now = client.status.getSnapshot().connection;
      // Back online, what failed for want of a network is worth another try.
      if (now === "online" && (this.#failedAt.older || this.#failedAt.newer)) this.#retryLoad();
      if (now !== connection && this.#snapshot) this.#drawEdges(this.#snapshot);
      connection = now;
    });
  }

  /** @param {string} conversation its id */
  open(conversation) {
    this.close();
    const store = this.#client.conversation(conversation);
    const note = () => {
      const state = store.getSnapshot();
      if (!state) return false;
      this.unreadAtOpening = state.unread;
      this.#readUpTo = state.unread > 0 ? (state.readSeq ?? "0") : null;
      this.#unwatch();
      return true;
    };
    // On a device that has just signed in, the list of conversations is still on its way.
    if (!note()) this.#unwatch = store.subscribe(note);
    this.#start(conversation);
  }

  /** @param {string} conversation */
  #start(conversation) {
    this.#clear();
    const timeline = this.#client.timeline(conversation, { start: "latest", maxItems: this.#maxItems });
    this.#timeline = timeline;
    this.#atEnd = true;
    this.#anchorCount = -1;
    this.#unsubscribe = timeline.subscribe(() => this.#render());
    this.#render();
  }

  close() {
    this.actions.remove();
    this.#timeline?.close();
    this.#clear();
    this.#unwatch();
    this.#readUpTo = null;
    this.unreadAtOpening = 0;
  }

  #clear() {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#timeline = null;
    this.#snapshot = null;
    this.#showActions(null);
    this.list.replaceChildren();
    this.#rows = [];
    this.#byKey.clear();
    this.#failedAt = { older: false, newer: false };
    this.#fruitless = { older: false, newer: false };
    this.#reported = "";
    this.#marked = "";
    this.#roving = "";
    this.#jumping = false;
    this.#jumpFailed = "";
    this.notice.hidden = true;
    this.toEnd.hidden = true;
    this.#onRange(null, null, false);
  }

  /** @returns {Timeline | null} */
  get timeline() {
    return this.#timeline;
  }

  /**
   * Scrolls to the newest end, wherever the window is now.
   * @returns {Promise<boolean>} whether it got there
   */
  async toNewest() {
    if (!this.#timeline || !this.#snapshot) return false;
    if (this.#snapshot.hasNewer) return this.jump("latest");
    this.#atEnd = true;
    this.#scrollToEnd();
    return true;
  }

  /** To what was just sent, which stands at the end. Offline the newest end cannot be had, and nobody has asked for it. */
  async toSent() {
    if (this.#snapshot?.hasNewer && this.#offline) this.#scrollToEnd();
    else await this.toNewest();
  }

  get #offline() {
    return this.#client.status.getSnapshot().connection === "offline";
  }

  /**
   * Goes to what was unread first when the conversation was opened: looking at it may have marked it as read since.
   * @returns {Promise<boolean>} whether it got there
   */
  toFirstUnread() {
    const id = this.#timeline?.conversation;
    const stillUnread = id !== undefined && (this.#client.conversation(id).getSnapshot()?.unread ?? 0) > 0;
    return this.jump(stillUnread || this.#readUpTo === null ? "first-unread" : { around: BigInt(this.#readUpTo) + 1n });
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
      const row = this.#byKey.get(timeline.getSnapshot().anchor.key ?? "");
      if (row) this.#pointOut(row);
      return true;
    } catch (error) {
      if (timeline !== this.#timeline || codeOf(error) === "aborted") return false;
      this.#jumpFailed = `It is not possible to go there now. ${errorText(error)}`;
      this.#drawEdges(timeline.getSnapshot());
      return false;
    } finally {
      if (timeline === this.#timeline) this.#jumping = false;
    }
  }

  /**
   * Shows the message that was asked for, and marks it for a moment.
   * @param {Row} row
   */
  #pointOut(row) {
    const { element } = row;
    const top = this.#offset(row);
    // It was on the list already, which then stayed where it was.
    if (top < 0 || top + element.offsetHeight > this.scroller.clientHeight) {
      this.#atEnd = false;
      this.#scrollBy(top - this.scroller.clientHeight / 3);
    }
    element.classList.add("found");
    setTimeout(() => element.classList.remove("found"), FOUND);
  }

  /** @returns {Message | null} the newest message on the list that this user may edit */
  lastOwn() {
    const items = this.#snapshot?.items ?? [];
    for (let i = items.length - 1; i >= 0; i--) {
      const message = changeable(items[i], this.#me);
      if (message && readBody(message.body).kind !== "system") return message;
    }
    return null;
  }

  // ---------------------------------------------------------------- drawing

  #render() {
    const timeline = this.#timeline;
    if (!timeline) return;
    const snapshot = timeline.getSnapshot();
    if (snapshot === this.#snapshot) return;
    const before = this.#snapshot;
    this.#snapshot = snapshot;

    const opening = snapshot.status === "opening";
    this.skeleton.hidden = !opening;
    this.scroller.classList.toggle("hidden", opening);
    if (before?.items !== snapshot.items) {
      this.#fruitless = { older: false, newer: false };
      this.#drawItems(snapshot, before);
    }
    this.#drawEdges(snapshot);
    this.#settle();
  }

  /**
   * @param {Snapshot} snapshot
   * @param {Snapshot | null} before
   */
  #drawItems(snapshot, before) {
    const drawings = this.#plan(snapshot);
    const keys = new Set(drawings.map(({ key }) => key));
    const replaced = snapshot.anchor.count !== this.#anchorCount;
    this.#anchorCount = snapshot.anchor.count;
    const held = this.#atEnd && !replaced ? null : this.#hold(keys);
    const focused = document.activeElement;
    const newestBefore = this.#rows.at(-1)?.key;

    for (const row of this.#rows) {
      if (keys.has(row.key)) continue;
      row.element.remove();
      this.#byKey.delete(row.key);
    }
    /** @type {Row[]} */
    const rows = [];
    let next = this.list.firstElementChild;
    for (const drawing of drawings) {
      let row = this.#byKey.get(drawing.key);
      if (row) {
        updateRow(row, drawing, this.#me);
      } else {
        row = makeRow(drawing, this.#me);
        this.#byKey.set(drawing.key, row);
      }
      if (row.element === next) next = next.nextElementSibling;
      else this.list.insertBefore(row.element, next);
      rows.push(row);
    }
    this.#rows = rows;
    if (focused instanceof HTMLElement && focused !== document.activeElement && this.list.contains(focused)) focused.focus({ preventScroll: true });

    // What has just come in at the end that is on screen comes in visibly; a page does not.
    if (before && this.#atEnd && !snapshot.hasNewer && newestBefore !== undefined) {
      for (let i = rows.length - 1; i >= 0 && i >= rows.length - 4 && rows[i].key !== newestBefore; i--) {
        if (!before.items.some(({ key }) => key === rows[i].key)) rows[i].element.classList.add("enter");
      }
    }

    const survivor = held && this.#byKey.get(held.key);
    if (survivor && (!replaced || !this.#jumping)) {
      this.#scrollBy(this.#offset(survivor) - held.offset);
    } else if (replaced && snapshot.anchor.key !== null && this.#byKey.has(snapshot.anchor.key)) {
      this.#atEnd = false;
      const row = /** @type {Row} */ (this.#byKey.get(snapshot.anchor.key));
      this.#scrollBy(this.#offset(row) - this.scroller.clientHeight / 3);
    } else if (replaced || this.#atEnd) {
      this.#atEnd = true;
      this.#scrollToEnd();
    }

    // From outside, Tab reaches the newest; who is in the list stays where they are.
    const away = this.#atEnd && !this.list.contains(document.activeElement);
    if (away || !this.#byKey.has(this.#roving)) this.#setRoving(rows.findLast(({ drawing }) => drawing.item && drawing.item.kind !== "gap")?.key ?? "");
  }

  /**
   * What is to be seen: the items, with days, groups, and where new messages begin.
   * @param {Snapshot} snapshot
   * @returns {Drawing[]}
   */
  #plan({ items, hasOlder }) {
    /** @type {Drawing[]} */
    const drawings = [];
    let lastDay = "";
    let marked = this.#readUpTo === null;
    /** @type {Drawing | null} the message above, if a group may go on from it */
    let above = null;
    /** @type {ReturnType<typeof facts> | null} */
    let aboveFacts = null;
    for (const [i, item] of items.entries()) {
      if (item.kind === "gap") {
        drawings.push({ key: item.key, item, day: 0, first: true, last: true });
        above = aboveFacts = null;
        continue;
      }
      const is = facts(item, this.#me);
      const key = dayKey(is.at);
      if (key !== lastDay) {
        lastDay = key;
        drawings.push({ key: `day ${item.key}`, item: null, day: is.at, first: true, last: true });
        above = aboveFacts = null;
      }
      if (!marked && !is.own && item.kind === "message" && compareSeq(item.message.seq, /** @type {string} */ (this.#readUpTo)) > 0) {
        marked = true;
        // With older ones not shown, the first unread may be above what is held.
        if (i > 0 || !hasOlder) {
          drawings.push({ key: "new", item: null, day: 0, first: true, last: true });
          above = aboveFacts = null;
        }
      }
      const plain = is.state === "recalled" || readBody(is.body).kind === "text";
      /** @type {boolean} */
      const goesOn = plain && above !== null && aboveFacts !== null && aboveFacts.sender === is.sender && is.at - aboveFacts.at < GROUP;
      if (goesOn && above) above.last = false;
      /** @type {Drawing} */
      const drawing = { key: item.key, item, day: 0, first: !goesOn, last: true };
      drawings.push(drawing);
      above = plain ? drawing : null;
      aboveFacts = plain ? is : null;
    }
    return drawings;
  }

  /** @param {Snapshot} snapshot */
  #drawEdges(snapshot) {
    const { items, status, hasOlder, hasNewer, error } = snapshot;
    const offline = this.#offline;
    // Nothing but a gap: it says by itself what is missing, and what it waits for.
    const onlyGap = items.length > 0 && !items.some(({ kind }) => kind === "message");
    this.older.classList.toggle("busy", hasOlder);
    if (hasOlder && onlyGap) setText(this.older, "");
    else if (hasOlder) setText(this.older, offline && this.#failedAt.older ? "Older messages come once you are online again" : "Loading older messages…");
    else setText(this.older, items.length || status !== "ready" ? "This is the beginning of the conversation" : "No messages here yet. Say hello!");
    this.newer.hidden = !hasNewer || onlyGap;
    this.newer.classList.toggle("waiting", offline && this.#failedAt.newer);
    setText(this.newerText, offline && this.#failedAt.newer ? "Newer messages come once you are online again" : "Loading newer messages…");
    if (this.#jumpFailed) {
      setText(this.noticeText, this.#jumpFailed);
      this.notice.hidden = false;
    } else if (error && codeOf(error) !== "aborted" && !(offline && codeOf(error) === "offline")) {
      const what = this.#failedAt.older ? "Older messages could not be loaded. " : this.#failedAt.newer ? "Newer messages could not be loaded. " : "";
      setText(this.noticeText, `${what}${errorText(error)}`);
      this.notice.hidden = false;
    } else if (status === "removed") {
      setText(this.noticeText, "You are no longer in this conversation.");
      this.notice.hidden = false;
    } else {
      this.notice.hidden = true;
    }
    this.notice.classList.toggle("final", status === "removed");
    setText(this.noticeAction, this.#jumpFailed ? "Close" : "Try again");
    this.scroller.setAttribute("aria-busy", String(status === "opening" || snapshot.loading.jump));
    this.#drawToEnd();
  }

  #drawToEnd() {
    const snapshot = this.#snapshot;
    if (!snapshot) return;
    const { unseen, hasNewer, items } = snapshot;
    this.toEnd.hidden = !items.some(({ kind }) => kind === "message") || (this.#atEnd && !hasNewer);
    this.unseen.hidden = unseen === 0;
    setText(this.unseen, unseen > 999 ? "999+" : String(unseen));
    this.toEnd.setAttribute("aria-label", unseen > 0 ? `${number(unseen)} new messages, go to the newest` : "Go to the newest message");
  }

  // ---------------------------------------------------------------- keeping the place

  /**
   * @param {Row} row
   * @returns {number} px from the top of what is on screen
   */
  #offset(row) {
    return row.element.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top;
  }

  /**
   * The row to hold in place: the first on screen that will still be there, else the nearest one.
   * @param {Set<string>} keys what will be there
   */
  #hold(keys) {
    if (!this.#rows.length) return null;
    const start = this.#firstOnScreen();
    for (let i = start; i < this.#rows.length; i++) {
      const row = this.#rows[i];
      // A day can move away from the message below it.
      if (row.drawing.item && keys.has(row.key)) return { key: row.key, offset: this.#offset(row) };
    }
    for (let i = start - 1; i >= 0; i--) {
      const row = this.#rows[i];
      if (row.drawing.item && keys.has(row.key)) return { key: row.key, offset: this.#offset(row) };
    }
    return null;
  }

  /** @returns {number} index of the first row whose end is below the top of the screen */
  #firstOnScreen() {
    const top = this.scroller.scrollTop - this.list.offsetTop;
    let low = 0;
    let high = this.#rows.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offsetTop, offsetHeight } = this.#rows[middle].element;
      if (offsetTop + offsetHeight > top + 1) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** @param {number} distance px */
  #scrollBy(distance) {
    if (Math.abs(distance) >= 0.5) this.scroller.scrollTop += distance;
  }

  #scrollToEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #resized() {
    if (!this.#snapshot) return;
    if (this.#atEnd) this.#scrollToEnd();
    else {
      const row = this.#byKey.get(this.#place.key);
      if (row) this.#scrollBy(this.#offset(row) - this.#place.offset);
    }
    this.#settle();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.#atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END && this.#snapshot?.hasNewer === false;
    this.#showDayChip();
    this.#settle();
  }

  /** Once a frame after scrolling or drawing: says what is on screen, and asks for what is near. */
  #settle() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      if (!this.#timeline || !this.#snapshot) return;
      this.#report();
      this.#drawToEnd();
      this.#loadNear();
      this.#markRead();
    });
  }

  #report() {
    if (!this.#rows.length) return;
    const bottom = this.scroller.scrollTop - this.list.offsetTop + this.scroller.clientHeight;
    /** @type {Row | undefined} */
    let first;
    /** @type {Row | undefined} */
    let last;
    /** @type {string | null} */
    let from = null;
    /** @type {string | null} */
    let to = null;
    let gap = false;
    for (let i = this.#firstOnScreen(); i < this.#rows.length; i++) {
      const row = this.#rows[i];
      if (row.element.offsetTop >= bottom) break;
      const { item } = row.drawing;
      if (!item) continue;
      first ??= row;
      last = row;
      if (item.kind === "message") {
        from ??= item.message.seq;
        to = item.message.seq;
      } else if (item.kind === "gap") {
        gap = true;
      }
    }
    if (!first || !last) return;
    this.#place = { key: first.key, offset: this.#offset(first) };
    const report = JSON.stringify([first.key, last.key, gap]);
    if (report !== this.#reported) {
      this.#reported = report;
      this.#timeline?.visible(first.key, last.key);
      this.#onRange(from, to, gap);
    }
  }

  #showDayChip() {
    const item = this.#rows[this.#firstOnScreen()]?.drawing;
    const at = item?.item ? (item.item.kind === "gap" ? 0 : facts(item.item, this.#me).at) : (item?.day ?? 0);
    if (!at || this.#atEnd) {
      this.dayChip.classList.remove("shown");
      return;
    }
    setText(this.dayChip, day(at));
    this.dayChip.classList.add("shown");
    clearTimeout(this.#dayTimer);
    this.#dayTimer = setTimeout(() => this.dayChip.classList.remove("shown"), 1200);
  }

  // ---------------------------------------------------------------- loading and reading

  #loadNear() {
    const snapshot = this.#snapshot;
    if (!snapshot || snapshot.status !== "ready" || this.#jumping) return;
    // With nothing but a gap there is nothing to be older than; it fills by itself.
    if (!snapshot.items.some(({ kind }) => kind === "message")) return;
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const near = this.#near ?? Math.max(NEAR, clientHeight * 1.5);
    // A gap at an end fills by itself, with what belongs there: after an overflow that is the newest page, and not the one after what was kept.
    const gapAt = (/** @type {number} */ index) => snapshot.items.at(index)?.kind === "gap";
    if (snapshot.hasOlder && scrollTop < near && !gapAt(0)) this.#load("older");
    if (snapshot.hasNewer && scrollHeight - scrollTop - clientHeight < near && !gapAt(-1)) this.#load("newer");
  }

  /** @param {"older" | "newer"} end */
  async #load(end) {
    const timeline = this.#timeline;
    if (!timeline || this.#failedAt[end] || this.#fruitless[end] || this.#snapshot?.loading[end]) return;
    try {
      const { added, end: ended } = await (end === "older" ? timeline.loadOlder() : timeline.loadNewer());
      if (timeline === this.#timeline && added === 0 && !ended) this.#fruitless[end] = true;
    } catch (error) {
      if (timeline !== this.#timeline || codeOf(error) === "aborted") return;
      this.#failedAt[end] = true;
      this.#drawEdges(timeline.getSnapshot());
      // The reader may be waiting there: no click is needed to go on when it was only a hiccup.
      setTimeout(() => {
        if (timeline !== this.#timeline || !this.#failedAt[end] || codeOf(error) === "offline") return;
        this.#failedAt[end] = false;
        this.#loadNear();
      }, RETRY);
    }
  }

  #retryLoad() {
    const failed = this.#failedAt;
    const timeline = this.#timeline;
    this.#failedAt = { older: false, newer: false };
    if (!timeline) return;
    if (this.#jumpFailed) {
      this.#jumpFailed = "";
      this.#drawEdges(timeline.getSnapshot());
      return;
    }
    if (failed.older || failed.newer) {
      if (failed.older) this.#load("older");
      if (failed.newer) this.#load("newer");
    } else if (this.#snapshot?.items.every(({ kind }) => kind !== "message")) this.#reopen();
    else this.#loadNear();
  }

  /** Opens the same conversation again, at its newest end. */
  #reopen() {
    const timeline = this.#timeline;
    if (!timeline) return;
    timeline.close();
    this.#start(timeline.conversation);
  }

  #markRead() {
    const timeline = this.#timeline;
    const snapshot = this.#snapshot;
    if (!timeline || !snapshot || !this.#atEnd || snapshot.hasNewer || document.visibilityState !== "visible") return;
    const newest = snapshot.items.findLast(({ kind }) => kind === "message");
    if (newest?.kind !== "message" || newest.message.seq === this.#marked) return;
    this.#marked = newest.message.seq;
    // Nothing is lost when this fails: the next newer message marks this one too.
    timeline.markRead(newest.message.seq).catch(() => {});
  }

  /** @param {readonly Message[]} messages */
  #announce(messages) {
    const here = messages.filter(({ conversation, sender }) => conversation === this.#timeline?.conversation && sender !== this.#me);
    if (!here.length) return;
    const text = here.length > READ_OUT ? `${here.length} new messages` : here.map(({ sender, body }) => `${sender}: ${readBody(body).text}`).join(". ");
    this.#say(text);
  }

  // ---------------------------------------------------------------- pointing and keys

  /** @param {EventTarget | null} target */
  #rowAt(target) {
    const element = target instanceof Element ? target.closest(".row") : null;
    return element instanceof HTMLElement ? this.#byKey.get(element.dataset.key ?? "") : undefined;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    if (event.pointerType === "touch") return;
    this.#showActions(this.#rowAt(event.target) ?? null);
  }

  /** @param {FocusEvent} event */
  #focus(event) {
    const row = this.#rowAt(event.target);
    if (!row) return;
    if (row.element === event.target) this.#setRoving(row.key);
    this.#showActions(row);
  }

  /** @param {FocusEvent} event */
  #blur({ relatedTarget }) {
    if (!(relatedTarget instanceof Node && this.scroller.contains(relatedTarget))) this.actions.remove();
  }

  /** @param {string} key */
  #setRoving(key) {
    const before = this.#byKey.get(this.#roving);
    if (before) before.element.tabIndex = -1;
    this.#roving = key;
    const now = this.#byKey.get(key);
    if (now) now.element.tabIndex = 0;
  }

  /**
   * The buttons of the message that is pointed at or focused. They exist once, and move.
   * @param {Row | null} row
   */
  #showActions(row) {
    const item = row?.drawing.item;
    // While the keyboard is on one of the buttons, pointing elsewhere does not take them away.
    if (this.actions.contains(document.activeElement) && !row?.element.contains(this.actions)) return;
    if (!row || !item || item.kind === "gap") {
      this.actions.remove();
      return;
    }
    const { own, state, body } = facts(item, this.#me);
    const mine = changeable(item, this.#me) !== null && readBody(body).kind !== "system";
    const unsent = item.kind === "local" && (item.state === "queued" || item.state === "sending");
    const offered = { edit: mine, recall: mine, copy: state !== "recalled", discard: own && unsent };
    for (const button of this.actions.children) {
      if (button instanceof HTMLElement) button.hidden = !offered[/** @type {keyof typeof offered} */ (button.dataset.action)];
    }
    const bubble = row.element.querySelector(".bubble");
    if (!Object.values(offered).some(Boolean)) this.actions.remove();
    else if (this.actions.parentElement !== bubble) bubble?.append(this.actions);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const row = this.#rowAt(event.target);
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    if (row && button instanceof HTMLElement) this.#act(row, button.dataset.action ?? "");
    // By touch there is no pointing: a tap shows what can be done.
    else if (row) this.#showActions(row);
  }

  /**
   * @param {Row} row
   * @param {string} action
   */
  #act(row, action) {
    const { item } = row.drawing;
    const timeline = this.#timeline;
    if (!item || item.kind === "gap" || !timeline) return;
    const message = changeable(item, this.#me);
    if (action === "edit" && message) this.#onEdit(message);
    else if (action === "recall" && message) this.#onRecall(message);
    else if (action === "copy") navigator.clipboard?.writeText(readBody(facts(item, this.#me).body).text).catch(() => {});
    else if (action === "retry" && item.kind === "local") timeline.retry(item.clientId).catch((error) => this.#say(errorText(error)));
    else if (action === "discard" && item.kind === "local") {
      timeline.discard(item.clientId).then(
        (done) => done || this.#say("Too late: it is on its way already."),
        (error) => this.#say(errorText(error)),
      );
      this.#onEscape();
    }
  }

  /** @param {string} text */
  #say(text) {
    // A new node is read out, the same text once more is not.
    this.announcer.replaceChildren(h("span", {}, text));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const row = this.#rowAt(event.target);
    if (event.key === "Escape") {
      this.#onEscape();
      event.preventDefault();
      return;
    }
    if (!row || event.target !== row.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0;
    if (step) {
      event.preventDefault();
      for (let i = this.#rows.indexOf(row) + step; i >= 0 && i < this.#rows.length; i += step) {
        const { item } = this.#rows[i].drawing;
        if (!item || item.kind === "gap") continue;
        this.#rows[i].element.focus({ preventScroll: true });
        this.#rows[i].element.scrollIntoView({ block: "nearest" });
        return;
      }
      if (step > 0) this.#onEscape();
    } else if (event.key === "End") {
      event.preventDefault();
      this.toNewest().then(() => this.#rows.at(-1)?.element.focus());
    } else if (event.key === "e" || event.key === "E") {
      event.preventDefault();
      this.#act(row, "edit");
    } else if (event.key === "Delete") {
      event.preventDefault();
      this.#act(row, row.drawing.item?.kind === "local" && !row.drawing.item.message ? "discard" : "recall");
    }
  }
}

/**
 * @param {import("./icons.js").IconName | "discard"} action
 * @param {string} label
 * @param {string | null} shortcut
 */
function actionButton(action, label, shortcut) {
  return h(
    "button",
    { type: "button", class: "icon-button", "data-action": action, "aria-label": label, title: shortcut ? `${label} (${shortcut})` : label },
    icon(action === "discard" ? "close" : action),
  );
}

/** @param {unknown} error */
const codeOf = (error) => (error && typeof error === "object" && "code" in error ? String(error.code) : "");
