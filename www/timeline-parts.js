// @ts-check
// The elements around the rows: the edges of the list, the notice above it, the button to its end.

import { h, setText } from "./dom.js";
import { day, errorText, number } from "./format.js";
import { icon } from "./icons.js";
import { facts } from "./message.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./message.js").Row} Row */
/** @typedef {import("/pkg/index.js").TimelineSnapshot<Body>} Snapshot */

/** The day of what is on screen is shown for this long (ms) after scrolling. */
const DAY_SHOWN = 1200;

export class Parts {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #dayTimer;

  /**
   * @param {object} on
   * @param {() => void} on.toEnd the button to the newest end
   * @param {() => void} on.again the button of the notice
   */
  constructor({ toEnd, again }) {
    this.older = h("div", { class: "edge older" });
    this.newerText = h("span", {});
    const spinner = h("span", { class: "spinner", "aria-hidden": "true" });
    this.newer = h("div", { class: "edge newer" }, spinner, this.newerText);
    this.list = h("div", { class: "rows" });
    // New messages are read out by the announcer; the log itself would also read out older pages.
    this.scroller = h(
      "div",
      { class: "scroller", role: "log", "aria-live": "off", tabindex: "-1" },
      h("div", { class: "column" }, this.older, this.list, this.newer),
    );
    this.dayChip = h("div", { class: "day-chip", "aria-hidden": "true" });
    this.announcer = h("div", { class: "visually-hidden", "aria-live": "polite", role: "status" });
    this.unseen = h("span", { class: "badge" });
    const endButton = { type: "button", class: "to-end", hidden: true, on: { click: toEnd } };
    this.toEnd = h("button", endButton, icon("down"), this.unseen);
    this.noticeText = h("span", {});
    this.noticeAction = h("button", { type: "button", class: "link", on: { click: again } }, "Try again");
    const noticeBox = { class: "notice", role: "alert", hidden: true };
    this.notice = h("div", noticeBox, icon("alert"), this.noticeText, this.noticeAction);
    this.skeleton = skeleton();
    this.element = h(
      "div",
      { class: "timeline" },
      this.skeleton,
      this.scroller,
      this.dayChip,
      this.notice,
      this.toEnd,
      this.announcer,
    );
  }

  /** @param {boolean} opening nothing is known yet */
  drawOpening(opening) {
    this.skeleton.hidden = !opening;
    this.scroller.classList.toggle("hidden", opening);
  }

  /**
   * Says what is beyond the ends of the list.
   * @param {Snapshot} snapshot
   * @param {{ older: boolean, newer: boolean }} waits the ends that wait for the network
   */
  drawEdges(snapshot, waits) {
    const { items, hasOlder, hasNewer } = snapshot;
    // Nothing but a gap: it says by itself what is missing, and what it waits for.
    const onlyGap = items.length > 0 && !items.some(({ kind }) => kind === "message");
    this.older.classList.toggle("busy", hasOlder);
    setText(this.older, hasOlder && onlyGap ? "" : olderText(snapshot, waits.older));
    this.newer.hidden = !hasNewer || onlyGap;
    this.newer.classList.toggle("waiting", waits.newer);
    const newer = waits.newer ? "Newer messages come once you are online again" : "Loading newer messages…";
    setText(this.newerText, newer);
    this.scroller.setAttribute("aria-busy", String(snapshot.status === "opening" || snapshot.loading.jump));
  }

  /**
   * Says what went wrong, if anything has.
   * @param {Snapshot} snapshot
   * @param {object} now
   * @param {string} now.jumpFailed why the last jump failed, else ""
   * @param {{ older: boolean, newer: boolean }} now.failedAt the ends that a load failed at
   * @param {boolean} now.offline
   */
  drawNotice(snapshot, { jumpFailed, failedAt, offline }) {
    const { status } = snapshot;
    const text = jumpFailed || loadError(snapshot, failedAt, offline);
    const removed = status === "removed" ? "You are no longer in this conversation." : "";
    if (text || removed) setText(this.noticeText, text || removed);
    this.notice.hidden = !text && !removed;
    this.notice.classList.toggle("final", status === "removed");
    setText(this.noticeAction, jumpFailed ? "Close" : "Try again");
  }

  /** @param {Snapshot} snapshot @param {boolean} atEnd */
  drawToEnd({ unseen, hasNewer, items }, atEnd) {
    this.toEnd.hidden = !items.some(({ kind }) => kind === "message") || (atEnd && !hasNewer);
    this.unseen.hidden = unseen === 0;
    setText(this.unseen, unseen > 999 ? "999+" : String(unseen));
    const label = unseen > 0 ? `${number(unseen)} new messages, go to the newest` : "Go to the newest message";
    this.toEnd.setAttribute("aria-label", label);
  }

  /**
   * Shows the day of the first row on screen for a moment.
   * @param {Row | undefined} row
   * @param {string} me
   */
  showDay(row, me) {
    const at = row ? timeOf(row, me) : 0;
    if (!at) {
      this.dayChip.classList.remove("shown");
      return;
    }
    setText(this.dayChip, day(at));
    this.dayChip.classList.add("shown");
    clearTimeout(this.#dayTimer);
    this.#dayTimer = setTimeout(() => this.dayChip.classList.remove("shown"), DAY_SHOWN);
  }

  /** Reads it out: a new node is read, the same text once more is not. @param {string} text */
  say(text) {
    this.announcer.replaceChildren(h("span", {}, text));
  }
}

/** @param {Row} row @param {string} me @returns {number} 0: it has none */
function timeOf({ drawing: { item, day } }, me) {
  if (!item) return day;
  return item.kind === "gap" ? 0 : facts(item, me).at;
}

/** @param {Snapshot} snapshot @param {boolean} waits */
function olderText({ items, status, hasOlder }, waits) {
  if (hasOlder) return waits ? "Older messages come once you are online again" : "Loading older messages…";
  if (items.length || status !== "ready") return "This is the beginning of the conversation";
  return "No messages here yet. Say hello!";
}

/**
 * @param {Snapshot} snapshot
 * @param {{ older: boolean, newer: boolean }} failedAt
 * @param {boolean} offline
 */
function loadError({ error }, failedAt, offline) {
  if (!error || error.code === "aborted" || (offline && error.code === "offline")) return "";
  const end = failedAt.older ? "Older" : failedAt.newer ? "Newer" : "";
  return `${end && `${end} messages could not be loaded. `}${errorText(error)}`;
}

/** What stands there until the first page is known. */
function skeleton() {
  const line = (/** @type {unknown} */ _, /** @type {number} */ i) =>
    h("div", { class: i % 3 === 2 ? "skeleton own" : "skeleton" }, h("i", {}), h("i", {}));
  return h("div", { class: "opening", hidden: true, "aria-hidden": "true" }, ...Array.from({ length: 7 }, line));
}
