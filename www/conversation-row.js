// @ts-check
// A conversation in the list.

import { add, h, setText } from "./dom.js";
import { fullTime, hue, initial, number, preview, shortTime, title } from "./format.js";

/** @typedef {import("./format.js").Conversation} Conversation */
/**
 * @typedef {{ element: HTMLElement, name: HTMLElement, time: HTMLElement, preview: HTMLElement, badge: HTMLElement,
 *   failed: HTMLElement, shown: Conversation | null, failures: number }} Row
 */

let made = 0;
/**
 * @param {Conversation} conversation
 * @param {() => void} choose
 * @returns {Row}
 */
export function makeRow(conversation, choose) {
  const avatar = h(
    "span",
    { class: "avatar square", "aria-hidden": "true" },
    initial(title(conversation).replace(/^#/, "")),
  );
  avatar.style.setProperty("--hue", String(hue(conversation.id)));
  const row = {
    name: h("span", { class: "conversation-name", dir: "auto" }),
    time: h("time", { class: "conversation-time" }),
    preview: h("span", { class: "conversation-preview", dir: "auto" }),
    badge: h("span", { class: "badge" }),
    failed: h("span", { class: "badge failed-badge" }),
    shown: null,
    failures: 0,
  };
  const element = h(
    "li",
    {
      class: "conversation",
      role: "option",
      id: `conversation-${made++}`,
      "data-conversation": conversation.id,
      on: { click: choose },
    },
    avatar,
    h("span", { class: "conversation-top" }, row.name, row.time),
    h("span", { class: "conversation-bottom" }, row.preview, row.failed, row.badge),
  );
  return { element, ...row };
}

/**
 * Shows how a conversation stands.
 * @param {Row} row
 * @param {Conversation} conversation
 * @param {number} failures own messages in it that could not be sent
 * @param {string} me
 */
export function fillRow(row, conversation, failures, me) {
  if (row.shown === conversation && row.failures === failures) return;
  row.shown = conversation;
  row.failures = failures;
  const { lastMessage, unread } = conversation;
  setText(row.name, title(conversation));
  setText(row.time, lastMessage ? shortTime(lastMessage.createdAt) : "");
  row.time.title = lastMessage ? fullTime(lastMessage.createdAt) : "";
  fillPreview(row.preview, conversation, me);
  row.badge.hidden = unread === 0;
  setText(row.badge, unread > 999 ? "999+" : String(unread));
  row.badge.setAttribute("aria-label", `${number(unread)} unread`);
  row.failed.hidden = failures === 0;
  setText(row.failed, "!");
  row.failed.setAttribute("aria-label", `${failures} not sent`);
  row.element.classList.toggle("unread", unread > 0);
}

/**
 * @param {HTMLElement} element
 * @param {Conversation} conversation
 * @param {string} me
 */
function fillPreview(element, conversation, me) {
  const { who, text, muted } = preview(conversation, me);
  element.classList.toggle("muted", muted);
  element.replaceChildren();
  add(element, who && h("bdi", { class: "who" }, muted ? `${who} ` : `${who}: `), text);
}
