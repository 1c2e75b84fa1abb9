// Positions: unsigned 64-bit integers, beyond what a JS number holds exactly.

import { invalid } from "./errors.js";

const MAX = 2n ** 64n - 1n;
const CANONICAL = /^(0|[1-9]\d{0,18})$/;

/**
 * The decimal digits of a position, without leading zeros.
 * @param {unknown} input
 * @returns {string}
 */
export function seqText(input) {
  if (typeof input === "string" && CANONICAL.test(input)) return input;
  if (typeof input === "number" && !Number.isSafeInteger(input)) {
    throw invalid(`${input} is no exact position: give positions above 2^53 as text or bigint`);
  }
  if (typeof input === "number" || typeof input === "bigint" || (typeof input === "string" && /^\d+$/.test(input))) {
    const value = BigInt(input);
    if (value >= 0n && value <= MAX) return value.toString();
  }
  throw invalid(`a position is an unsigned 64-bit integer, the \`seq\` of a message, and not ${kindOf(input)}`);
}

/** What is given in a position's place. @param {any} input */
function kindOf(input) {
  if (typeof input?.seq === "string") return "the message itself";
  if (typeof input === "string") return JSON.stringify(input.slice(0, 40));
  return typeof input === "object" && input ? "an object" : String(input).slice(0, 40);
}

/**
 * Compares as integers; in canonical digits the longer text is the greater number.
 * @param {import("./index.js").SeqInput} a
 * @param {import("./index.js").SeqInput} b
 * @returns {-1 | 0 | 1}
 */
export function compareSeq(a, b) {
  const x = seqText(a);
  const y = seqText(b);
  if (x === y) return 0;
  return (x.length === y.length ? x < y : x.length < y.length) ? -1 : 1;
}
