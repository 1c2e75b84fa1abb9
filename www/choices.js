// @ts-check
// How the client syncs: the choice, and what each choice has cost so far for the same traffic.

import { h, setText } from "./dom.js";
import { bytes, number } from "./format.js";
import { icon } from "./icons.js";
import { bytesPassed } from "./network.js";
import { consistent } from "./session.js";
import { askDemo } from "./trouble.js";

/** @typedef {import("./session.js").Choice} Choice */
/** @typedef {import("/pkg/index.js").Inspection["requests"]} Requests */
/**
 * @typedef {{ choice: Choice, requests: Requests, bytes: number, bursts: number, since: number, until: number | null }}
 *   Entry
 */

/** One burst: so many messages, one every so many ms, in so many conversations in turn. */
const BURST = { messages: 30, every: 150, conversations: 3 };
/** Earlier choices that are kept to compare. */
const KEPT = 5;

/**
 * @type {readonly { name: keyof Choice, legend: string, options: readonly (readonly [string, string, string])[] }[]}
 */
const QUESTIONS = [
  {
    name: "scope",
    legend: "Whose cursor",
    options: [
      ["account", "Account", "One cursor for everything: one request brings all that is new."],
      ["conversation", "Conversation", "A cursor for each conversation, all of them asked for together."],
      [
        "mailbox",
        "Mailbox",
        "No cursor: the server keeps what this account has not acknowledged. For one device only.",
      ],
    ],
  },
  {
    name: "notify",
    legend: "What starts a pull",
    options: [
      ["socket", "Socket", "The server says over a WebSocket that something is new."],
      ["long-poll", "Long poll", "One request waits at the server until something is new. Account only."],
      ["poll", "Poll", "The client asks every few seconds, whether or not something is new."],
    ],
  },
  {
    name: "overflow",
    legend: "When it was away too long",
    options: [
      ["clear", "Clear", "Drops what it has of the conversation, and fetches it again when it is wanted."],
      ["keep", "Keep", "Keeps it, marks it as not fresh, and asks only for what has changed once it is shown."],
    ],
  },
];

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

/**
 * @param {object} given
 * @param {Choice} given.choice
 * @param {boolean} given.canPush the server can be asked for inline push
 * @param {(choice: Choice, control: string) => void} given.onChoose with the id of the control that has to have the
 *   focus again
 * @param {() => readonly string[]} given.conversations for a burst, as the list shows them
 * @param {(text: string) => void} given.log
 * @param {AbortSignal} given.life
 */
export function syncChoice({ choice, canPush, onChoose, conversations, log, life }) {
  const entry = ledger[0];

  // ---------------------------------------------------------------- choosing

  const questions = QUESTIONS.map(({ name, legend, options }) => {
    const value = choice[name];
    const note = h(
      "p",
      { class: "choice-note", id: `${name}-note` },
      options.find(([option]) => option === value)?.[2],
    );
    return h(
      "fieldset",
      { class: "choice", "aria-describedby": `${name}-note` },
      h("legend", {}, legend),
      h(
        "div",
        { class: "segmented" },
        ...options.map(([option, label]) => {
          const id = `${name}-${option}`;
          const input = h("input", {
            type: "radio",
            name,
            id,
            value: option,
            checked: option === value,
            disabled: option === "long-poll" && choice.scope !== "account",
            on: { change: () => choose({ ...choice, [name]: option }, id) },
          });
          return h("label", { for: id }, input, h("span", {}, label));
        }),
      ),
      note,
    );
  });
  const pushable = canPush && choice.scope === "account" && choice.notify === "socket";
  const push = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id: "push",
    checked: choice.push,
    disabled: !pushable,
    on: { change: () => choose({ ...choice, push: push.checked }, "push") },
  });
  const pushRow = h(
    "label",
    { class: pushable ? "switch-row" : "switch-row off", for: "push" },
    h(
      "span",
      {},
      "Events inline in notifications",
      h(
        "small",
        {},
        canPush
          ? "Account with a socket only, and for all devices of the account."
          : "This server cannot be asked for it: start it with --allow-trouble.",
      ),
    ),
    push,
  );
  questions[1].append(pushRow);

  /**
   * @param {Choice} next
   * @param {string} control
   */
  function choose(next, control) {
    for (const question of questions) question.disabled = true;
    onChoose(consistent(next), control);
  }

  // ---------------------------------------------------------------- what it costs

  const rows = h("tbody", {});
  const table = h(
    "table",
    { class: "cost-table" },
    h("caption", { class: "visually-hidden" }, "Requests and bytes of each choice, the present one first"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        ...[...COLUMNS.map(([, label]) => label), "bytes"].map((label) => h("th", { scope: "col", class: "n" }, label)),
      ),
    ),
    rows,
  );
  const play = h(
    "button",
    { type: "button", class: "button small", on: { click: () => burst() } },
    icon("play"),
    "Play a burst",
  );
  const progress = h("span", { class: "burst-progress", role: "status" });

  /** @type {Map<Entry, { title: HTMLElement, numbers: HTMLElement[] }>} */
  const cells = new Map();
  rows.append(
    ...ledger.flatMap((one) => {
      const now = one === entry;
      const title = h("span", { class: "cost-facts" });
      const numbers = [...COLUMNS, null].map(() => h("td", { class: "n" }));
      cells.set(one, { title, numbers });
      return [
        h(
          "tr",
          { class: now ? "cost-name now" : "cost-name" },
          h("th", { scope: "rowgroup", colspan: COLUMNS.length + 1 }, h("span", {}, nameOf(one.choice)), title),
        ),
        h("tr", { class: now ? "cost now" : "cost", "data-choice": nameOf(one.choice) }, ...numbers),
      ];
    }),
  );

  function draw() {
    for (const [one, { title, numbers }] of cells) {
      const bursts = one.bursts === 0 ? "no burst yet" : one.bursts === 1 ? "1 burst" : `${one.bursts} bursts`;
      setText(title, `${bursts}, ${lasted((one.until ?? Date.now()) - one.since)}`);
      COLUMNS.forEach(([kind], i) => {
        setText(numbers[i], number(one.requests[kind]));
        numbers[i].classList.toggle("zero", one.requests[kind] === 0);
      });
      setText(numbers[COLUMNS.length], bytes(one.bytes));
    }
  }

  async function burst() {
    const where = [...conversations()].sort().slice(0, BURST.conversations);
    if (!where.length) return;
    play.disabled = true;
    try {
      for (let n = 0; n < BURST.messages && !life.aborted; n++) {
        setText(progress, `${n + 1} of ${BURST.messages}`);
        const response = await askDemo("/demo/bulk", {
          conversation: where[n % where.length],
          sender: "Mara",
          count: 1,
          seed: n,
        });
        if (!response.ok) throw new Error(`the server answered ${response.status}`);
        await new Promise((resolve) => setTimeout(resolve, BURST.every));
      }
      if (!life.aborted) entry.bursts++;
      setText(progress, "");
      log(`A burst was played: ${BURST.messages} messages in ${where.length} conversations`);
    } catch (error) {
      setText(progress, "");
      log(`Burst: ${error instanceof Error ? error.message : error}`);
    } finally {
      play.disabled = false;
      draw();
    }
  }

  draw();
  return {
    element: h(
      "div",
      { class: "choices" },
      ...questions,
      h(
        "p",
        { class: "panel-lead" },
        "Requests and bytes of each choice since it was made. Play the same burst under two of them, and compare.",
      ),
      canPush && h("div", { class: "button-row burst" }, play, progress),
      table,
      !canPush && h("p", { class: "panel-note" }, "This server plays no traffic: start it with --allow-trouble."),
    ),
    /** @param {Requests} requests of the client, since it was opened */
    count(requests) {
      if (entry.until !== null) return;
      entry.requests = requests;
      entry.bytes = bytesPassed() - bytesBefore;
      draw();
    },
  };
}
