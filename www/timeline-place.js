// @ts-check
// Nothing that is on screen moves unless the reader moves it.
//
// Browsers keep a scroll position by pixels from the top, and their own anchoring gives up where rows are added at both
// ends in one step. So before every change the first row on screen that survives it is measured, and after it the list
// is scrolled by what that row moved. Only when the reader is at the newest end is that end kept in place instead.

/** @typedef {import("./message.js").Row} Row */
/** @typedef {import("./timeline-rows.js").Rows} Rows */
/** @typedef {import("/pkg/index.js").TimelineSnapshot<import("./format.js").Body>} Snapshot */
/**
 * What was measured before a change.
 * @typedef {object} Before
 * @property {boolean} replaced the list is another one, and not the same one grown
 * @property {{ key: string, offset: number } | null} held the row to hold in place
 */

/** Closer than this (px) to the newest end counts as being there. */
const NEAR_END = 32;

export class Place {
  #scroller;
  #rows;
  #anchorCount = -1;
  /** The row that holds the view in place, and its distance from the top, for when only the layout changes. */
  #noted = { key: "", offset: 0 };
  /** The reader is at the newest end: it is followed. */
  atEnd = true;
  /** Where the list was scrolled to when it was last looked at (px): what it was moved by since is the reader's. */
  #seen = 0;

  /**
   * @param {HTMLElement} scroller
   * @param {Rows} rows
   */
  constructor(scroller, rows) {
    this.#scroller = scroller;
    this.#rows = rows;
  }

  /** Another conversation begins. */
  reset() {
    this.atEnd = true;
    this.#anchorCount = -1;
  }

  /**
   * Measures before a change.
   * @param {Snapshot} snapshot what will be shown
   * @param {Set<string>} keys of its rows
   * @returns {Before}
   */
  before({ anchor }, keys) {
    const replaced = anchor.count !== this.#anchorCount;
    this.#anchorCount = anchor.count;
    this.#heed();
    return { replaced, held: this.atEnd && !replaced ? null : this.#hold(keys) };
  }

  /**
   * Scrolls after the change.
   * @param {Before} before
   * @param {Snapshot} snapshot what is shown now
   * @param {boolean} jumping the reader has asked for another place
   */
  after({ replaced, held }, { anchor }, jumping) {
    const survivor = held && this.#rows.get(held.key);
    const asked = replaced && anchor.key !== null ? this.#rows.get(anchor.key) : undefined;
    if (survivor && (!replaced || !jumping)) {
      this.#scrollBy(this.#rows.offset(survivor) - held.offset);
    } else if (asked) {
      this.atEnd = false;
      this.#showUpper(asked);
    } else if (replaced || this.atEnd) {
      this.atEnd = true;
      this.toEnd();
    }
  }

  /**
   * The row to hold in place: the first on screen that will still be there, else the nearest one above.
   * @param {Set<string>} keys what will be there
   */
  #hold(keys) {
    const rows = this.#rows.all;
    const start = this.#rows.firstOnScreen();
    // A day can move away from the message below it.
    const stays = (/** @type {Row} */ row) => row.drawing.item && keys.has(row.key);
    const row = rows.slice(start).find(stays) ?? rows.slice(0, start).findLast(stays);
    return row ? { key: row.key, offset: this.#rows.offset(row) } : null;
  }

  /** It holds the view in place from here on. @param {Row} row */
  note(row) {
    this.#noted = { key: row.key, offset: this.#rows.offset(row) };
    this.#seen = this.#scroller.scrollTop;
  }

  /** Only the layout has changed. */
  resized() {
    const byReader = this.#heed();
    const row = this.#rows.get(this.#noted.key);
    if (this.atEnd) this.toEnd();
    else if (row) this.#scrollBy(this.#rows.offset(row) - this.#noted.offset + byReader);
  }

  /**
   * The reader may have scrolled, and the browser has not said so yet: that is not undone.
   * @returns {number} by how many px
   */
  #heed() {
    const moved = this.#scroller.scrollTop - this.#seen;
    if (moved < 0 && this.#toNewest >= NEAR_END) this.atEnd = false;
    return moved;
  }

  /** @param {boolean} hasNewer the list does not reach to the newest end */
  scrolled(hasNewer) {
    this.atEnd = this.#toNewest < NEAR_END && !hasNewer;
    this.#seen = this.#scroller.scrollTop;
  }

  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#seen = this.#scroller.scrollTop;
  }

  /** Brings it on screen, where it is not. @param {Row} row */
  reveal(row) {
    const top = this.#rows.offset(row);
    if (top >= 0 && top + row.element.offsetHeight <= this.#scroller.clientHeight) return;
    this.atEnd = false;
    this.#showUpper(row);
  }

  /** px below what is on screen */
  get #toNewest() {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Which ends are nearer than so many px. @param {number} near */
  ends(near) {
    return { older: this.#scroller.scrollTop < near, newer: this.#toNewest < near };
  }

  /** Where one looks first. @param {Row} row */
  #showUpper(row) {
    this.#scrollBy(this.#rows.offset(row) - this.#scroller.clientHeight / 3);
  }

  /** @param {number} distance px */
  #scrollBy(distance) {
    if (Math.abs(distance) >= 0.5) this.#scroller.scrollTop += distance;
    this.#seen = this.#scroller.scrollTop;
  }
}
