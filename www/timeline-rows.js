// @ts-check
// The rows that are in the page, and which of them are on screen. A row whose item is the same stays the same element.

import { makeRow, updateRow } from "./message.js";

/** @typedef {import("./message.js").Drawing} Drawing */
/** @typedef {import("./message.js").Row} Row */

/** Rows that may come in visibly at once. */
const ENTER = 4;

export class Rows {
  #scroller;
  #list;
  #me;
  /** @type {Row[]} */
  #all = [];
  /** @type {Map<string, Row>} */
  #byKey = new Map();

  /**
   * @param {HTMLElement} scroller
   * @param {HTMLElement} list what the rows are in
   * @param {string} me
   */
  constructor(scroller, list, me) {
    this.#scroller = scroller;
    this.#list = list;
    this.#me = me;
  }

  /** Oldest first. @returns {readonly Row[]} */
  get all() {
    return this.#all;
  }

  /** @param {string} key */
  get(key) {
    return this.#byKey.get(key);
  }

  /** Whether the keyboard is on one of them. */
  get hasFocus() {
    return this.#list.contains(document.activeElement);
  }

  clear() {
    this.#list.replaceChildren();
    this.#all = [];
    this.#byKey.clear();
  }

  /** Makes the page show these. @param {readonly Drawing[]} drawings */
  draw(drawings) {
    const focused = document.activeElement;
    this.#removeAllBut(new Set(drawings.map(({ key }) => key)));
    let next = this.#list.firstElementChild;
    this.#all = drawings.map((drawing) => {
      const row = this.#rowOf(drawing);
      if (row.element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(row.element, next);
      return row;
    });
    // one that was moved has lost it
    const moved = focused instanceof HTMLElement && focused !== document.activeElement;
    if (moved && this.#list.contains(focused)) focused.focus({ preventScroll: true });
  }

  /** @param {Set<string>} keys */
  #removeAllBut(keys) {
    for (const row of this.#all) {
      if (keys.has(row.key)) continue;
      row.element.remove();
      this.#byKey.delete(row.key);
    }
  }

  /** @param {Drawing} drawing @returns {Row} as it was, or made */
  #rowOf(drawing) {
    const known = this.#byKey.get(drawing.key);
    if (known) {
      updateRow(known, drawing, this.#me);
      return known;
    }
    const row = makeRow(drawing, this.#me);
    this.#byKey.set(drawing.key, row);
    return row;
  }

  /**
   * What has just come in at the end comes in visibly.
   * @param {string} newest the key of the newest row before
   * @param {readonly { key: string }[]} before the items before
   */
  enter(newest, before) {
    for (const row of this.#all.slice(-ENTER).reverse()) {
      if (row.key === newest) return;
      if (!before.some(({ key }) => key === row.key)) row.element.classList.add("enter");
    }
  }

  /** @param {EventTarget | null} target @returns {Row | undefined} the row that it is in */
  at(target) {
    const element = target instanceof Element ? target.closest(".row") : null;
    return element instanceof HTMLElement ? this.#byKey.get(element.dataset.key ?? "") : undefined;
  }

  /**
   * @param {Row} row
   * @returns {number} px from the top of what is on screen
   */
  offset(row) {
    return row.element.getBoundingClientRect().top - this.#scroller.getBoundingClientRect().top;
  }

  /** @returns {number} index of the first row whose end is below the top of the screen */
  firstOnScreen() {
    const top = this.#scroller.scrollTop - this.#list.offsetTop;
    let low = 0;
    let high = this.#all.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offsetTop, offsetHeight } = this.#all[middle].element;
      if (offsetTop + offsetHeight > top + 1) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** The rows on screen, oldest first. */
  *onScreen() {
    const bottom = this.#scroller.scrollTop - this.#list.offsetTop + this.#scroller.clientHeight;
    for (let i = this.firstOnScreen(); i < this.#all.length; i++) {
      const row = this.#all[i];
      if (row.element.offsetTop >= bottom) return;
      yield row;
    }
  }
}
