// What has happened to a conversation's segments between two looks: what was fetched, what was kept over
// an overflow, what has been found to be true still.

import { counted, number } from "./words.js";

/** @typedef {import("../index.js").Inspection["segments"][number]} Segment */
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
const messages = (n) => counted(n, "message");

/**
 * @param {readonly Segment[]} before oldest first, as all
 * @param {readonly Segment[]} after
 * @returns {Change[]}
 */
export function changesBetween(before, after) {
  const lost = before.flatMap((old) => whatBecameOf(old, after) ?? []);
  if (before.length === 0) return lost;
  return [...lost, ...after.flatMap((segment) => whatMade(segment, before) ?? [])];
}

/**
 * What became of a segment; undefined: it stands.
 * @param {Segment} old
 * @param {readonly Segment[]} after
 * @returns {Change | undefined}
 */
function whatBecameOf(old, after) {
  const was = range(old);
  const now = after.filter((segment) => meet(range(segment), was));
  if (now.length === 0) {
    if (old.count === 0) return undefined;
    return { kind: "dropped", ...was, text: `${messages(old.count)} dropped: fetched again when wanted` };
  }
  if (old.fresh && now.every(({ fresh }) => !fresh))
    return { kind: "kept", ...was, text: `${messages(old.count)} kept, but not fresh: there may be news of them` };
  if (!old.fresh && now.every(({ fresh }) => fresh))
    return { kind: "revalidated", ...was, text: `${messages(old.count)} checked with the server: fresh again` };
  return undefined;
}

/**
 * What a segment has come from; undefined: it was there.
 * @param {Segment} segment
 * @param {readonly Segment[]} before
 * @returns {Change | undefined}
 */
function whatMade(segment, before) {
  const is = range(segment);
  const parts = before.filter((old) => meet(range(old), is));
  if (parts.length > 1) {
    const text = "A gap is filled: two segments have become one";
    return { kind: "filled", lo: range(parts[0]).hi, hi: range(parts[parts.length - 1]).lo, text };
  }
  const grown = segment.count - parts.reduce((sum, { count }) => sum + count, 0);
  if (grown <= 0) return undefined;
  if (parts.length === 0) return { kind: "fetched", ...is, text: `A new segment of ${messages(segment.count)}` };
  const was = range(parts[0]);
  if (is.lo < was.lo) return { kind: "fetched", lo: is.lo, hi: was.lo, text: `${messages(grown)} older fetched` };
  if (is.hi <= was.hi) return undefined;
  if (!segment.live) return { kind: "fetched", lo: was.hi, hi: is.hi, text: `${messages(grown)} newer fetched` };
  const text = `${number(grown)} new ${grown === 1 ? "message" : "messages"}`;
  return { kind: "new", lo: was.hi, hi: is.hi, text };
}
