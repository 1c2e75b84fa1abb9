// @ts-check
// Asks for more of the list when an end of it comes near.

import { codeOf } from "./format.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Timeline<Body>} Timeline */
/** @typedef {"older" | "newer"} End */

/** A load that failed is tried again after this long (ms), while it is still wanted. */
const RETRY = 4000;
/** How far (px) from either end of the list more is asked for, at least. */
const NEAR = 800;

export class Loader {
  #scroller;
  #place;
  #near;
  #mayLoad;
  #failed;
  /** @type {Timeline | null} */
  #timeline = null;
  /** A load that brought nothing, so that it is not repeated for ever. */
  #fruitless = { older: false, newer: false };
  /** The ends that a load failed at; they are not asked again until something changes. */
  failedAt = { older: false, newer: false };

  /**
   * @param {object} given
   * @param {HTMLElement} given.scroller
   * @param {import("./timeline-place.js").Place} given.place
   * @param {number} [given.near] how far (px) from either end more is asked for
   * @param {() => boolean} given.mayLoad false: the list is about to be another one
   * @param {() => void} given.failed a load has failed
   */
  constructor({ scroller, place, near, mayLoad, failed }) {
    this.#scroller = scroller;
    this.#place = place;
    this.#near = near;
    this.#mayLoad = mayLoad;
    this.#failed = failed;
  }

  /** @param {Timeline | null} timeline whose ends are loaded from here on */
  begin(timeline) {
    this.#timeline = timeline;
    this.forget();
    this.changed();
  }

  /** What has failed may be tried again. */
  forget() {
    this.failedAt = { older: false, newer: false };
  }

  /** The list has changed: what brought nothing before may bring something now. */
  changed() {
    this.#fruitless = { older: false, newer: false };
  }

  get hasFailed() {
    return this.failedAt.older || this.failedAt.newer;
  }

  /** Loads at the ends that are near. */
  loadNear() {
    const snapshot = this.#timeline?.getSnapshot();
    if (snapshot?.status !== "ready" || !this.#mayLoad()) return;
    // With nothing but a gap there is nothing to be older than; it fills by itself.
    if (!snapshot.items.some(({ kind }) => kind === "message")) return;
    const near = this.#place.ends(this.#near ?? Math.max(NEAR, this.#scroller.clientHeight * 1.5));
    // A gap at an end fills by itself, with what belongs there: after an overflow that is the newest page, and not the
    // one after what was kept.
    const gapAt = (/** @type {number} */ index) => snapshot.items.at(index)?.kind === "gap";
    if (snapshot.hasOlder && near.older && !gapAt(0)) this.#load("older");
    if (snapshot.hasNewer && near.newer && !gapAt(-1)) this.#load("newer");
  }

  /** @param {End} end */
  async #load(end) {
    const timeline = this.#timeline;
    if (!timeline || this.failedAt[end] || this.#fruitless[end] || timeline.getSnapshot().loading[end]) return;
    try {
      const { added, end: ended } = await (end === "older" ? timeline.loadOlder() : timeline.loadNewer());
      if (timeline === this.#timeline && added === 0 && !ended) this.#fruitless[end] = true;
    } catch (error) {
      if (timeline !== this.#timeline || codeOf(error) === "aborted") return;
      this.failedAt[end] = true;
      this.#failed();
      if (codeOf(error) !== "offline") this.#tryLater(timeline, end);
    }
  }

  /**
   * The reader may be waiting there: no click is needed to go on when it was only a hiccup.
   * @param {Timeline} timeline
   * @param {End} end
   */
  #tryLater(timeline, end) {
    setTimeout(() => {
      if (timeline !== this.#timeline || !this.failedAt[end]) return;
      this.failedAt[end] = false;
      this.loadNear();
    }, RETRY);
  }

  /** Tries again what has failed. @returns {boolean} whether anything had */
  retry() {
    const { older, newer } = this.failedAt;
    this.forget();
    if (older) this.#load("older");
    if (newer) this.#load("newer");
    return older || newer;
  }
}
