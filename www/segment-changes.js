// @ts-check
// What has happened to a conversation's segments between two looks: what was fetched, what was kept over
// an overflow, what has been found to be true still.

import { number } from "./format.js";

/** @typedef {import("/pkg/index.js").Inspection["segments"][number]} Segment */
/**
 * @typedef {object} Change
 * @property {"filled" | "fetched" | "new" | "revalidated" | "kept" | "dropped"} kind
 * @property {bigint} lo
 * @property {bigint} hi
 * @property {string} text
 */

/** @param {Segment} segment */
const range = ({ lo, hi }) => ({ lo: BigInt(lo), hi: BigInt(hi) });
/**
 * @param {{ lo: bigint, hi: bigint }} a
 * @param {{ lo: bigint, hi: bigint }} b
 */
const meet = (a, b) => a.lo <= b.hi && b.lo <= a.hi;

/** @param {number} n */
const messages = (n) => `${number(n)} ${n === 1 ? "message" : "messages"}`;

/**
 * @param {readonly Segment[]} before oldest first, as all
 * @param {readonly Segment[]} after
 * @returns {Change[]}
 */
export function changesBetween(before, after) {
  /** @type {Change[]} */
  const changes = [];
  for (const old of before) {
    const was = range(old);
    const now = after.filter((segment) => meet(range(segment), was));
    if (now.length === 0) {
      if (old.count > 0)
        changes.push({ kind: "dropped", ...was, text: `${messages(old.count)} dropped: fetched again when wanted` });
    } else if (old.fresh && now.every(({ fresh }) => !fresh)) {
      changes.push({
        kind: "kept",
        ...was,
        text: `${messages(old.count)} kept, but not fresh: there may be news of them`,
      });
    } else if (!old.fresh && now.every(({ fresh }) => fresh)) {
      changes.push({
        kind: "revalidated",
        ...was,
        text: `${messages(old.count)} checked with the server: fresh again`,
      });
    }
  }
  if (before.length === 0) return changes;
  for (const segment of after) {
    const is = range(segment);
    const parts = before.filter((old) => meet(range(old), is));
    if (parts.length > 1) {
      changes.push({
        kind: "filled",
        lo: range(parts[0]).hi,
        hi: range(parts[parts.length - 1]).lo,
        text: "A gap is filled: two segments have become one",
      });
      continue;
    }
    const grown = segment.count - parts.reduce((sum, { count }) => sum + count, 0);
    if (grown <= 0) continue;
    if (parts.length === 0)
      changes.push({ kind: "fetched", ...is, text: `A new segment of ${messages(segment.count)}` });
    else if (is.lo < range(parts[0]).lo)
      changes.push({ kind: "fetched", lo: is.lo, hi: range(parts[0]).lo, text: `${messages(grown)} older fetched` });
    else if (is.hi > range(parts[0]).hi)
      changes.push({
        kind: segment.live ? "new" : "fetched",
        lo: range(parts[0]).hi,
        hi: is.hi,
        text: segment.live
          ? `${number(grown)} new ${grown === 1 ? "message" : "messages"}`
          : `${messages(grown)} newer fetched`,
      });
  }
  return changes;
}
