// What happened to a client, as lines: the newest first.

import { h, setText } from "./dom.js";
import { counted, describe, describeWriter, messageOf, time } from "./words.js";

/** @typedef {"" | "bad" | "good" | "quiet"} Tone */
/**
 * @typedef {object} Line
 * @property {number} at ms since the epoch
 * @property {string} text
 * @property {string | null} plain the same without names, and without what others have written; null: there is no such
 * @property {number} times
 */
/** @typedef {(text: string, tone?: Tone, plain?: string | null) => void} Log */
/** @typedef {import("./view.js").Client} Client */
/** @typedef {import("../index.js").ClientEvents["irregular"] & { at: number }} Irregular */

/** Lines that are kept, and irregular answers. */
const LINES = 200;
const IRREGULAR = 20;

/** What becomes of what it had. */
const BEHIND = {
  clear: "What it had of all conversations is fetched again",
  keep: "What it had is kept, and it asks what has changed in that once it is on screen",
};

/** What was done about what was not as it has to be. */
const DONE = {
  repaired: "put right",
  unreadable: "its place is kept",
  "left-out": "left out",
  doubted: "the conversation is checked again",
  dropped: "fetched again",
  kept: "kept, and tried again",
};

/** The lines. The same text again is counted, not repeated. */
export function eventLog() {
  const element = h("ol", { class: "log-lines", tabindex: "0", "aria-label": "Events, newest first" });
  /** @type {Line[]} newest first */
  const lines = [];
  /** @type {HTMLElement} of the newest */
  let count;
  return {
    element,
    lines,
    /** @type {Log} */
    log(text, tone = "", plain = text) {
      const [newest] = lines;
      if (newest?.text === text) {
        newest.times += 1;
        setText(count, `×${newest.times}`);
        return;
      }
      const at = Date.now();
      lines.unshift({ at, text, plain, times: 1 });
      lines.splice(LINES);
      count = h("span", { class: "times" });
      element.prepend(h("li", { class: tone }, h("time", {}, time(at)), h("span", {}, text), count));
      while (element.childElementCount > LINES) element.lastElementChild?.remove();
    },
  };
}

/**
 * Writes down each message that has failed: the outbox shows it, and no event tells.
 * @param {Client} client
 * @param {Log} log
 */
function logFailed(client, log) {
  /** @type {Set<string>} */
  let told = new Set();
  const look = () => {
    const failed = client.outbox.getSnapshot().filter(({ state }) => state === "failed");
    for (const { key, conversation, error } of failed) {
      if (told.has(key)) continue;
      const code = error?.code ?? "unknown";
      log(
        `A message to ${conversation} failed, ${code}: ${error ? messageOf(error) : ""}`,
        "bad",
        `A message failed, ${code}`,
      );
    }
    told = new Set(failed.map(({ key }) => key));
  };
  look();
  return client.outbox.subscribe(look);
}

/**
 * Writes down what a client says.
 * @param {Client} client
 * @param {Log} log
 * @param {() => "clear" | "keep" | undefined} policy what becomes of what it had, where that is known
 */
export function logEvents(client, log, policy) {
  /** @type {Irregular[]} newest first */
  const irregular = [];
  // A device that has nothing yet is not behind: to it an overflow only says where to begin.
  let isNew = client.conversations.getSnapshot().length === 0;
  const stops = [
    logFailed(client, log),
    client.on("overflow", ({ conversations }) => {
      const behind = policy();
      if (conversations !== "all") {
        log(
          `Overflow: ${conversations.join(", ")}`,
          "bad",
          `Overflow of ${counted(conversations.length, "conversation")}`,
        );
      } else if (isNew) {
        log("A new device: the conversations are fetched, and messages of those that are opened", "quiet");
      } else {
        log(`Overflow: this device was too far behind. ${behind ? BEHIND[behind] : ""}`.trim(), "bad");
      }
      isNew = false;
    }),
    client.on("storage", ({ kind, detail }) => log(`Storage, ${kind}: ${detail}`, "bad", `Storage, ${kind}`)),
    client.on("irregular", (detail) => {
      irregular.unshift({ ...detail, at: Date.now() });
      irregular.splice(IRREGULAR);
      const { where, conversation, count, first } = detail;
      const items = count === 1 ? "One item" : `${count} items`;
      const answer = conversation ? `${where} of ${conversation}` : where;
      log(
        `${items} of a ${answer} not as it has to be (${first.reason}): ${DONE[first.done]}. Everything else went on`,
        "bad",
        `${items} of a ${where} not as it has to be: ${DONE[first.done]}`,
      );
    }),
    client.on("error", (error) =>
      log(`${error.code}: ${messageOf(error)}`, "bad", [error.code, error.status].filter(Boolean).join(" ")),
    ),
    client.on("removed", ({ conversation }) => log(`Left ${conversation}`, "", "Left a conversation")),
    client.on("messages", ({ messages, live }) => {
      if (live) log(counted(messages.length, "new message"), "quiet");
    }),
    client.on("updates", ({ messages, live }) => {
      if (live) log(`${counted(messages.length, "message")} edited or recalled`, "quiet");
    }),
  ];
  return {
    irregular,
    stop() {
      for (const stop of stops) stop();
    },
  };
}

/**
 * Writes down how the client stands, each time that this has become another.
 * @param {Client} client
 * @param {Log} log
 * @returns {() => void} to be called when its status may have changed
 */
export function logStatus(client, log) {
  const logMove = logWriter(client, log);
  let last = "";
  return () => {
    logMove();
    const status = client.status.getSnapshot();
    const state = `${status.connection} ${status.caughtUp}`;
    if (state === last) return;
    last = state;
    const { tone, text } = describe(status);
    log(text, tone);
  };
}

/** What is said when the work has moved. */
const MOVES = {
  here: "This tab writes now",
  elsewhere: "Another tab writes now",
  null: "The tab that wrote is gone",
};

/**
 * Writes down which tab writes, each time that this has become another.
 * @param {Client} client
 * @param {Log} log
 */
function logWriter(client, log) {
  let { writer: last } = client.status.getSnapshot();
  if (last !== null) log(describeWriter(client.status.getSnapshot()), "quiet");
  return () => {
    const { writer, connection } = client.status.getSnapshot();
    if (writer === last || connection === "closed") return;
    last = writer;
    log(MOVES[writer ?? "null"], writer === "here" ? "good" : "quiet");
  };
}
