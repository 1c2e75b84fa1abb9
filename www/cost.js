// @ts-check
// What each choice has cost so far for the same traffic: requests and bytes.

import { h, setText } from "./dom.js";
import { bytes, number } from "./format.js";
import { bytesPassed } from "./network.js";

/** @typedef {import("./session.js").Choice} Choice */
/** @typedef {import("/pkg/index.js").Inspection["requests"]} Requests */
/**
 * @typedef {{ choice: Choice, requests: Requests, bytes: number, bursts: number, since: number, until: number | null }}
 *   Entry
 */

/** Earlier choices that are kept to compare. */
const KEPT = 5;

/** @type {readonly (readonly [keyof Requests, string])[]} */
const COLUMNS = [
  ["pull", "pull"],
  ["history", "history"],
  ["changes", "changes"],
  ["conversations", "lists"],
  ["send", "send"],
  ["ack", "ack"],
];

/** @param {Choice} choice */
const nameOf = ({ scope, notify, push, overflow }) => `${scope} · ${notify}${push ? " + push" : ""} · ${overflow}`;

/** @param {number} ms */
function lasted(ms) {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
}

/** @type {Entry[]} newest first; it outlives the client, which each choice replaces */
const ledger = [];
/** The bytes that had passed when the newest entry began. */
let bytesBefore = 0;

/**
 * To be called before a client is opened: from here on, what passes is this choice's.
 * @param {Choice} choice
 */
export function beginEntry(choice) {
  const now = Date.now();
  if (ledger[0]) ledger[0].until ??= now;
  bytesBefore = bytesPassed();
  ledger.unshift({
    choice,
    requests: { pull: 0, history: 0, changes: 0, send: 0, ack: 0, conversations: 0 },
    bytes: 0,
    bursts: 0,
    since: now,
    until: null,
  });
  ledger.splice(1 + KEPT);
}

/** The table, and what counts for the present choice. */
export function costTable() {
  const entry = ledger[0];
  const rows = ledger.map((one) => costRow(one, one === entry));
  const head = [...COLUMNS.map(([, label]) => label), "bytes"];
  const element = h(
    "table",
    { class: "cost-table" },
    h("caption", { class: "visually-hidden" }, "Requests and bytes of each choice, the present one first"),
    h("thead", {}, h("tr", {}, ...head.map((label) => h("th", { scope: "col", class: "n" }, label)))),
    h("tbody", {}, ...rows.flatMap(({ elements }) => elements)),
  );
  const draw = () => {
    for (const row of rows) row.draw();
  };
  draw();
  return {
    element,
    /** A burst was played under this choice. */
    addBurst() {
      entry.bursts++;
      draw();
    },
    /** @param {Requests} requests of the client, since it was opened */
    count(requests) {
      if (entry.until !== null) return;
      entry.requests = requests;
      entry.bytes = bytesPassed() - bytesBefore;
      draw();
    },
  };
}

/**
 * @param {Entry} entry
 * @param {boolean} now it is the present choice
 */
function costRow(entry, now) {
  const title = h("span", { class: "cost-facts" });
  const numbers = COLUMNS.map(([kind]) => /** @type {const} */ ([kind, h("td", { class: "n" })]));
  const size = h("td", { class: "n" });
  const name = nameOf(entry.choice);
  const cells = numbers.map(([, cell]) => cell);
  const heading = h("th", { scope: "rowgroup", colspan: COLUMNS.length + 1 }, h("span", {}, name), title);
  return {
    elements: [
      h("tr", { class: now ? "cost-name now" : "cost-name" }, heading),
      h("tr", { class: now ? "cost now" : "cost", "data-choice": name }, ...cells, size),
    ],
    draw() {
      const { bursts, until, since, requests } = entry;
      const played = bursts === 0 ? "no burst yet" : bursts === 1 ? "1 burst" : `${bursts} bursts`;
      setText(title, `${played}, ${lasted((until ?? Date.now()) - since)}`);
      for (const [kind, cell] of numbers) {
        setText(cell, number(requests[kind]));
        cell.classList.toggle("zero", requests[kind] === 0);
      }
      setText(size, bytes(entry.bytes));
    },
  };
}
