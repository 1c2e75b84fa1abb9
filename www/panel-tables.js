// @ts-check
// The panel's numbers: what this device has, and what it has asked the server for.

import { h, setText } from "./dom.js";
import { bytes, number, timeWithSeconds } from "./format.js";
import { describe } from "./status.js";

/** @typedef {import("/pkg/index.js").Inspection} Inspection */
/** @typedef {keyof Inspection["requests"]} RequestKind */

/** @type {readonly (readonly [RequestKind, string])[]} */
const REQUESTS = [
  ["pull", "everything after the cursor"],
  ["history", "a page of messages"],
  ["changes", "what changed in a kept segment"],
  ["conversations", "a page of the list"],
  ["send", "a message to send"],
  ["ack", "deliveries acknowledged"],
];

/** @type {readonly (readonly [string, string])[]} */
const FACTS = [
  ["sync", "Sync"],
  ["synced", "Last pull"],
  ["cursor", "Cursor"],
  ["storage", "Storage"],
  ["cached", "Messages"],
  ["stored", "Stored"],
  ["outbox", "Outbox"],
];

/** How this device stands. */
export function deviceFacts() {
  const element = h("dl", { class: "facts" });
  /** @type {Record<string, HTMLElement>} */
  const values = {};
  for (const [name, label] of FACTS) {
    values[name] = h("dd", {});
    element.append(h("div", {}, h("dt", {}, label), values[name]));
  }
  return {
    element,
    /**
     * @param {import("/pkg/index.js").ClientStatus} status
     * @param {Inspection | null} found none yet
     */
    draw(status, found) {
      setText(values.sync, describe(status).text);
      setText(values.synced, status.lastSyncedAt === null ? "never" : timeWithSeconds(status.lastSyncedAt));
      setText(values.storage, status.storage === "memory" ? "memory only" : "IndexedDB");
      if (!found) return;
      setText(values.cursor, found.cursor ?? "none");
      values.cursor.title = found.cursor ?? "";
      setText(values.cached, number(found.cachedMessages));
      setText(values.stored, bytes(found.storedBytes));
      setText(values.outbox, found.outbox === 0 ? "empty" : `${number(found.outbox)} waiting`);
    },
  };
}

/** Requests of each kind: since the client was opened, and since the count was reset. */
export function requestTable() {
  /** @type {Map<RequestKind, { total: HTMLElement, since: HTMLElement, row: HTMLElement }>} */
  const cells = new Map();
  for (const [kind, what] of REQUESTS) {
    const total = h("td", { class: "n" }, "0");
    const since = h("td", { class: "n" }, "0");
    const row = h("tr", {}, h("th", { scope: "row" }, kind, h("small", {}, what)), since, total);
    cells.set(kind, { total, since, row });
  }
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "request"),
    h("th", { scope: "col", class: "n" }, "since reset"),
    h("th", { scope: "col", class: "n" }, "all"),
  );
  const element = h(
    "table",
    { class: "request-table" },
    h("caption", { class: "visually-hidden" }, "Requests"),
    h("thead", {}, head),
    h("tbody", {}, ...[...cells.values()].map(({ row }) => row)),
  );
  /** @type {Partial<Record<RequestKind, number>>} */
  let base = {};
  return {
    element,
    /** @param {Inspection["requests"] | undefined} requests the count begins anew here */
    reset(requests) {
      base = { ...requests };
    },
    /** @param {Inspection["requests"]} requests since the client was opened */
    draw(requests) {
      for (const [kind, { total, since, row }] of cells) {
        const delta = requests[kind] - (base[kind] ?? 0);
        setText(total, number(requests[kind]));
        if (since.textContent === String(delta)) continue;
        setText(since, String(delta));
        row.classList.toggle("some", delta > 0);
      }
    },
  };
}
