// @ts-check
// What happened to a client, as lines: the newest first.

import { h, setText } from "./dom.js";
import { errorText, timeWithSeconds } from "./format.js";
import { describe, describeWriter } from "./status.js";

/** @typedef {"" | "bad" | "good" | "quiet"} Tone */
/** @typedef {(text: string, tone?: Tone) => void} Log */
/** @typedef {import("/pkg/index.js").Client<import("./format.js").Body>} Client */

/** Lines that are kept. */
const LINES = 200;

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

/** The lines. The same text again is counted, not repeated. @returns {{ element: HTMLElement, log: Log }} */
export function eventLog() {
  const element = h("ol", { class: "log-lines", tabindex: "0", "aria-label": "Events, newest first" });
  /** @type {{ text: string, times: number, count: HTMLElement } | null} */
  let newest = null;
  return {
    element,
    log(text, tone = "") {
      if (newest?.text === text) {
        newest.times++;
        setText(newest.count, `×${newest.times}`);
        return;
      }
      const count = h("span", { class: "times" });
      newest = { text, times: 1, count };
      element.prepend(h("li", { class: tone }, h("time", {}, timeWithSeconds(Date.now())), h("span", {}, text), count));
      while (element.childElementCount > LINES) element.lastElementChild?.remove();
    },
  };
}

/**
 * Writes down what a client says.
 * @param {Client} client
 * @param {import("./session.js").Choice} choice how it syncs
 * @param {Log} log
 */
export function logEvents(client, choice, log) {
  // A device that has nothing yet is not behind: to it an overflow only says where to begin.
  let isNew = client.conversations.getSnapshot().length === 0;
  client.on("overflow", ({ conversations }) => {
    if (conversations !== "all") log(`Overflow: ${conversations.join(", ")}`, "bad");
    else if (isNew) log("A new device: the conversations are fetched, and messages of those that are opened", "quiet");
    else log(`Overflow: this device was too far behind. ${BEHIND[choice.overflow]}`, "bad");
    isNew = false;
  });
  client.on("storage", ({ kind, detail }) => log(`Storage, ${kind}: ${detail}`, "bad"));
  client.on("irregular", ({ where, conversation, count, first }) => {
    const items = count === 1 ? "One item" : `${count} items`;
    const answer = conversation ? `${where} of ${conversation}` : where;
    log(
      `${items} of a ${answer} not as it has to be (${first.reason}): ${DONE[first.done]}. Everything else went on`,
      "bad",
    );
  });
  client.on("error", (error) => log(`${error.code}: ${errorText(error)}`, "bad"));
  client.on("removed", ({ conversation }) => log(`Left ${conversation}`));
  client.on("messages", ({ messages, live }) => {
    if (live) log(`${messages.length} new ${messages.length === 1 ? "message" : "messages"}`, "quiet");
  });
  client.on("updates", ({ messages, live }) => {
    if (live) log(`${messages.length} ${messages.length === 1 ? "message" : "messages"} edited or recalled`, "quiet");
  });
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
    log(text, tone === "busy" ? "quiet" : tone);
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
  if (last !== null) log(describeWriter(client.status.getSnapshot()).text, "quiet");
  return () => {
    const { writer, connection } = client.status.getSnapshot();
    if (writer === last || connection === "closed") return;
    last = writer;
    log(MOVES[writer ?? "null"], writer === "here" ? "good" : "quiet");
  };
}
