// @ts-check
// What is to be seen of a snapshot: its items, with days, groups, and where new messages begin.

import { dayKey, readBody } from "./format.js";
import { facts } from "./message.js";
import { compareSeq } from "/pkg/index.js";

/** @typedef {import("./message.js").Drawing} Drawing */
/** @typedef {import("./message.js").MessageItem} MessageItem */
/** @typedef {import("./message.js").LocalItem} LocalItem */
/** @typedef {import("/pkg/index.js").TimelineSnapshot<import("./format.js").Body>} Snapshot */

/** Messages of one sender further apart than this (ms) are not one group. */
const GROUP = 5 * 60_000;

/**
 * @param {Snapshot} snapshot
 * @param {string} me
 * @param {string | null} readUpTo where what is new begins; null: nothing is
 * @returns {Drawing[]}
 */
export function plan(snapshot, me, readUpTo) {
  const planner = new Planner(snapshot, me, readUpTo);
  for (const [i, item] of snapshot.items.entries()) {
    if (item.kind === "gap") planner.separate({ key: item.key, item, day: 0, first: true, last: true });
    else planner.message(item, i === 0);
  }
  return planner.drawings;
}

class Planner {
  #me;
  #hasOlder;
  /** where new messages begin, until they have */
  #newAfter;
  #lastDay = "";
  /** @type {{ drawing: Drawing, facts: ReturnType<typeof facts> } | null} the message above, if a group may go on */
  #above = null;
  /** @type {Drawing[]} */
  drawings = [];

  /** @param {Snapshot} snapshot @param {string} me @param {string | null} readUpTo */
  constructor({ hasOlder }, me, readUpTo) {
    this.#me = me;
    this.#hasOlder = hasOlder;
    this.#newAfter = readUpTo;
  }

  /** Something that is no message: no group goes on over it. @param {Drawing} drawing */
  separate(drawing) {
    this.drawings.push(drawing);
    this.#above = null;
  }

  /** @param {MessageItem | LocalItem} item @param {boolean} isOldest */
  message(item, isOldest) {
    const is = facts(item, this.#me);
    // without a time it is of the day of the one before
    const day = is.at ? dayKey(is.at) : this.#lastDay;
    if (day !== this.#lastDay) {
      this.#lastDay = day;
      this.separate({ key: `day ${item.key}`, item: null, day: is.at, first: true, last: true });
    }
    if (this.#isFirstNew(item, is.own)) {
      this.#newAfter = null;
      // With older ones not shown, the first unread may be above what is held.
      if (!isOldest || !this.#hasOlder) this.separate({ key: "new", item: null, day: 0, first: true, last: true });
    }
    const isPlain = is.state === "recalled" || readBody(is.body).kind === "text";
    const above = isPlain ? this.#above : null;
    const goesOn = above !== null && above.facts.sender === is.sender && is.at - above.facts.at < GROUP;
    if (goesOn) above.drawing.last = false;
    const drawing = { key: item.key, item, day: 0, first: !goesOn, last: true };
    this.drawings.push(drawing);
    this.#above = isPlain ? { drawing, facts: is } : null;
  }

  /** @param {MessageItem | LocalItem} item @param {boolean} own */
  #isFirstNew(item, own) {
    const after = this.#newAfter;
    return after !== null && !own && item.kind === "message" && compareSeq(item.message.seq, after) > 0;
  }
}
