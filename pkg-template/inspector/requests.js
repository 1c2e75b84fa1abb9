// What was asked of the server: how often, and the last requests with their times.

import { h, setText } from "./dom.js";
import { KEPT } from "./traffic.js";
import { bytes, lasted, number, time } from "./words.js";

/** @typedef {import("../index.js").Inspection["requests"]} Counts */
/** @typedef {keyof Counts} Counted */
/** @typedef {import("./traffic.js").Exchange} Exchange */

/** Of the last ones, so many are shown. */
const SHOWN = 20;

/** @type {readonly (readonly [Counted, string])[]} */
const REQUESTS = [
  ["pull", "everything after the cursor"],
  ["history", "a page of messages"],
  ["changes", "what changed in a kept segment"],
  ["conversations", "a page of the list"],
  ["send", "a message to send"],
  ["ack", "deliveries acknowledged"],
];

/** Requests of each kind: since the client was opened, and since the count was reset. */
export function requestTable() {
  /** @type {Map<Counted, { total: HTMLElement, since: HTMLElement, row: HTMLElement }>} */
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
    h("caption", { class: "visually-hidden" }, "Requests, counted"),
    h("thead", {}, head),
    h("tbody", {}, ...[...cells.values()].map(({ row }) => row)),
  );
  /** @type {Partial<Counts>} */
  let base = {};
  return {
    element,
    /** @param {Counts | undefined} requests the count begins anew here */
    reset(requests) {
      base = { ...requests };
    },
    /** @param {Counts} requests since the client was opened */
    draw(requests) {
      for (const [kind, { total, since, row }] of cells) {
        const delta = requests[kind] - (base[kind] ?? 0);
        setText(total, number(requests[kind]));
        setText(since, number(delta));
        row.classList.toggle("some", delta > 0);
      }
    },
  };
}

/** What to say where the browser measures nothing of them. */
const NOTICED =
  "These were not made in this page, or by a transport that is not traced: the times are when they were noticed.";

/** The last requests, with their times. */
export function lastRequests() {
  const rows = h("tbody", {});
  const head = ["at", "request", "answer", "took"].map((label, at) =>
    h("th", { scope: "col", class: at === 3 ? "n" : null }, label),
  );
  const table = h(
    "table",
    { class: "last-requests" },
    h("caption", { class: "visually-hidden" }, "The last requests, newest first"),
    h("thead", {}, h("tr", {}, ...head)),
    rows,
  );
  const note = h("p", { class: "note" }, NOTICED);
  const none = h("p", { class: "note" }, "No request yet.");
  /** @type {Exchange[]} newest first: measured, and where there are none, noticed by the counts */
  const measured = [];
  /** @type {Exchange[]} */
  const noticed = [];
  /** @type {Counts | null} as last seen */
  let seen = null;
  let isDrawn = false;

  /** A request is told of once it is over: so not in the order in which they left. @param {Exchange} exchange */
  function add(exchange) {
    isDrawn = false;
    const at = measured.findIndex((other) => other.at <= exchange.at);
    measured.splice(at < 0 ? measured.length : at, 0, exchange);
    measured.splice(KEPT);
  }

  /**
   * At the first look: what the page did before the client was made is another one's.
   * @param {Counts} counts
   */
  function forgetOthers(counts) {
    const left = { ...counts };
    const its = measured.filter(({ kind }) => {
      if (!(kind in left)) return true;
      left[/** @type {Counted} */ (kind)] -= 1;
      return left[/** @type {Counted} */ (kind)] >= 0;
    });
    measured.splice(0, KEPT, ...its);
    isDrawn = false;
  }

  /** @param {Counts} counts @param {Counts} before */
  function notice(counts, before) {
    for (const [kind] of REQUESTS)
      for (let n = before[kind]; n < counts[kind] && n < before[kind] + KEPT; n += 1)
        noticed.unshift({ at: Date.now(), kind, conversation: null, ms: null, outcome: "", bytes: null, scope: null });
    noticed.splice(KEPT);
    isDrawn = false;
  }

  const all = () => (measured.length ? measured : noticed);
  return {
    element: h("div", {}, h("h4", {}, "The last ones"), none, note, table),
    add,
    all,
    /** What the requests tell of the client's scope. */
    scope: () => measured.find(({ scope }) => scope !== null)?.scope ?? null,
    /** @param {Counts} counts */
    draw(counts) {
      if (!seen) forgetOthers(counts);
      else if (measured.length === 0) notice(counts, seen);
      seen = counts;
      if (isDrawn) return;
      isDrawn = true;
      const shown = all().slice(0, SHOWN);
      none.hidden = shown.length > 0;
      table.hidden = shown.length === 0;
      note.hidden = measured.length > 0 || noticed.length === 0;
      rows.replaceChildren(...shown.map(row));
    },
  };
}

/** @type {Record<string, string | undefined>} */
const TITLES = { "no answer": "None came, or the client waited for none any more" };
/** Not bad: it went well, it is not known, or the client itself may have called it off. */
const FINE = /^(?:|ok|aborted|no answer|[23]\d\d)$/;

/** @param {Exchange} exchange */
function row({ at, kind, conversation, outcome, ms, bytes: size }) {
  return h(
    "tr",
    {},
    h("td", {}, h("time", {}, time(at))),
    h("td", {}, kind, conversation !== null && h("small", { class: "of" }, conversation)),
    h("td", { class: FINE.test(outcome) ? null : "bad", title: TITLES[outcome] }, outcome || "–"),
    h("td", { class: "n" }, ms === null ? "–" : lasted(ms), size !== null && h("small", {}, bytes(size))),
  );
}
