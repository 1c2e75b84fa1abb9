// @ts-check
// How the client syncs: the choice, and a burst of messages to compare what each choice costs.

import { costTable } from "./cost.js";
import { h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { consistent } from "./session.js";
import { askDemo } from "./trouble.js";

/** @typedef {import("./session.js").Choice} Choice */

/** One burst: so many messages, one every so many ms, in so many conversations in turn. */
const BURST = { messages: 30, every: 150, conversations: 3 };

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
  const questions = QUESTIONS.map((question) => fieldset(question, choice, choose));
  questions[1].append(pushSwitch(choice, canPush, choose));
  /** @type {Choose} */
  function choose(next, control) {
    for (const question of questions) question.disabled = true;
    onChoose(consistent(next), control);
  }
  const costs = costTable();
  const lead =
    "Requests and bytes of each choice since it was made. Play the same burst under two of them, and compare.";
  return {
    element: h(
      "div",
      { class: "choices" },
      ...questions,
      h("p", { class: "panel-lead" }, lead),
      canPush && burstPlayer({ conversations, log, life, onPlayed: costs.addBurst }),
      costs.element,
      !canPush && h("p", { class: "panel-note" }, "This server plays no traffic: start it with --allow-trouble."),
    ),
    count: costs.count,
  };
}

/** @typedef {(choice: Choice, control: string) => void} Choose */

/**
 * @param {typeof QUESTIONS[number]} question
 * @param {Choice} choice
 * @param {Choose} choose
 */
function fieldset({ name, legend, options }, choice, choose) {
  const value = choice[name];
  const labels = options.map(([option, label]) => {
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
  });
  const note = options.find(([option]) => option === value)?.[2];
  return h(
    "fieldset",
    { class: "choice", "aria-describedby": `${name}-note` },
    h("legend", {}, legend),
    h("div", { class: "segmented" }, ...labels),
    h("p", { class: "choice-note", id: `${name}-note` }, note),
  );
}

/**
 * @param {Choice} choice
 * @param {boolean} canPush
 * @param {Choose} choose
 */
function pushSwitch(choice, canPush, choose) {
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
  const note = canPush
    ? "Account with a socket only, and for all devices of the account."
    : "This server cannot be asked for it: start it with --allow-trouble.";
  return h(
    "label",
    { class: pushable ? "switch-row" : "switch-row off", for: "push" },
    h("span", {}, "Events inline in notifications", h("small", {}, note)),
    push,
  );
}

/**
 * @param {object} given
 * @param {() => readonly string[]} given.conversations
 * @param {(text: string) => void} given.log
 * @param {AbortSignal} given.life
 * @param {() => void} given.onPlayed
 */
function burstPlayer({ conversations, log, life, onPlayed }) {
  const play = h(
    "button",
    { type: "button", class: "button small", on: { click: () => burst() } },
    icon("play"),
    "Play a burst",
  );
  const progress = h("span", { class: "burst-progress", role: "status" });

  async function burst() {
    const where = [...conversations()].sort().slice(0, BURST.conversations);
    if (!where.length) return;
    play.disabled = true;
    try {
      for (let n = 0; n < BURST.messages && !life.aborted; n++) {
        setText(progress, `${n + 1} of ${BURST.messages}`);
        await playOne(where[n % where.length], n);
      }
      if (!life.aborted) onPlayed();
      log(`A burst was played: ${BURST.messages} messages in ${where.length} conversations`);
    } catch (error) {
      log(`Burst: ${error instanceof Error ? error.message : error}`);
    } finally {
      setText(progress, "");
      play.disabled = false;
    }
  }
  return h("div", { class: "button-row burst" }, play, progress);
}

/**
 * The next message of a burst, and the pause after it.
 * @param {string} conversation
 * @param {number} seed
 */
async function playOne(conversation, seed) {
  const response = await askDemo("/demo/bulk", { conversation, sender: "Mara", count: 1, seed });
  if (!response.ok) throw new Error(`the server answered ${response.status}`);
  await new Promise((resolve) => setTimeout(resolve, BURST.every));
}
