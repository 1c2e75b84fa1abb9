// What the benchmark runs on: the real messages where they are beside the repository, else as many of the
// same shape, the same ones each time.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { ROOT } from "../../tools/run.mjs";

const REAL = join(ROOT, "..", "shared", "data", "irc", "messages.jsonl.gz");

/** Of the real ones: how many messages each conversation has. */
const COUNTS = { "#ubuntu": 241_233, "#stripe": 3_600, "#mediawiki": 3_600, "#rust": 3_576, "#ubuntu-meeting": 3_266 };
const FIRST = Date.UTC(2004, 10, 15);
const SENDERS = 9_000;
/** Of the real ones: 67 characters on average, few above 200. */
const MEAN_WORDS = 12;

/** Mulberry32: from 0 up to 1. */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function generate() {
  const next = random(1);
  const below = (limit) => Math.floor(next() * limit);
  const syllables = [
    "ba",
    "ker",
    "nel",
    "to",
    "mi",
    "root",
    "sy",
    "an",
    "ux",
    "de",
    "pack",
    "re",
    "li",
    "gno",
    "me",
    "apt",
  ];
  const word = () => Array.from({ length: 1 + below(3) }, () => syllables[below(syllables.length)]).join("");
  const words = Array.from({ length: 4_000 }, word);
  const names = Array.from({ length: SENDERS }, () => word() + below(100));

  const left = { ...COUNTS };
  let remaining = Object.values(left).reduce((sum, count) => sum + count, 0);
  let createdAt = FIRST;
  const lines = [];
  while (remaining > 0) {
    let pick = below(remaining);
    remaining -= 1;
    const conversation = Object.keys(left).find((id) => {
      pick -= left[id];
      return pick < 0;
    });
    left[conversation] -= 1;
    createdAt += below(60) * 1000;
    const length = 1 + Math.floor(-Math.log(1 - next()) * MEAN_WORDS);
    // few write much
    const sender = names[Math.floor(SENDERS * next() ** 3)];
    const text = Array.from({ length }, () => words[Math.floor(words.length * next() ** 2)]).join(" ");
    lines.push(
      JSON.stringify({
        conversation,
        n: COUNTS[conversation] - left[conversation],
        createdAt,
        sender,
        kind: "text",
        text,
      }),
    );
  }
  return lines.join("\n");
}

/** @returns {{ text: string, real: boolean }} one JSON object a line, ordered by time */
export function messages() {
  const real = existsSync(REAL);
  return { text: real ? gunzipSync(readFileSync(REAL)).toString("utf8").trimEnd() : generate(), real };
}
