// @ts-check
// One row of the timeline: a message, a local message, a gap, a day, the mark before what is new.

import { add, h } from "./dom.js";
import { day, errorText, fullTime, hue, initial, isoTime, readBody, senderName, time } from "./format.js";
import { icon } from "./icons.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").MessageItem<Body>} MessageItem */
/** @typedef {import("/pkg/index.js").LocalItem<Body>} LocalItem */
/** @typedef {import("/pkg/index.js").TimelineItem<Body>} Item */

/**
 * What a row is drawn from. Two that are equal in every field look alike: it is not drawn again.
 * @typedef {object} Drawing
 * @property {string} key
 * @property {Item | null} item null: a day or the mark before what is new
 * @property {number} day its day's time, for a day
 * @property {boolean} first the first of its sender's consecutive messages
 * @property {boolean} last the last of them
 */

/** @typedef {{ key: string, element: HTMLElement, drawing: Drawing }} Row */

/**
 * What the rows of messages have in common, whether the sync has brought them or not.
 * @param {MessageItem | LocalItem} item
 * @param {string} me
 */
export function facts(item, me) {
  if (item.kind === "message") {
    const { message } = item;
    return {
      sender: message.sender,
      own: message.sender === me,
      at: message.createdAt,
      state: message.state,
      body: message.body,
      message,
    };
  }
  const { message } = item;
  return {
    sender: me,
    own: true,
    at: message?.createdAt ?? item.createdAt,
    state: message?.state ?? "normal",
    body: message ? message.body : item.body,
    message,
  };
}

/**
 * Whether this user may edit or recall it: their own, known to the server, not recalled.
 * @param {Item | null} item
 * @param {string} me
 */
export function changeable(item, me) {
  if (!item || item.kind === "gap") return null;
  const { own, state, message } = facts(item, me);
  return own && message && state !== "recalled" && state !== "unreadable" ? message : null;
}

/**
 * @param {Drawing} a
 * @param {Drawing} b
 */
const alike = (a, b) => a.item === b.item && a.day === b.day && a.first === b.first && a.last === b.last;

/**
 * @param {Drawing} drawing
 * @param {string} me
 * @returns {Row}
 */
export function makeRow(drawing, me) {
  const element = h("div", { class: "row", "data-key": drawing.key });
  const row = { key: drawing.key, element, drawing };
  draw(row, me);
  return row;
}

/**
 * Draws a row again where it is to look different.
 * @param {Row} row
 * @param {Drawing} drawing
 * @param {string} me
 */
export function updateRow(row, drawing, me) {
  if (alike(row.drawing, drawing)) return;
  row.drawing = drawing;
  draw(row, me);
}

/**
 * @param {Row} row
 * @param {string} me
 */
function draw({ element, drawing }, me) {
  const { item, first, last } = drawing;
  // The buttons of a message stand in its row while it is pointed at: they survive.
  const actions = element.querySelector(".actions");
  if (item === null) drawDivider(element, drawing);
  else if (item.kind === "gap") drawGap(element);
  else drawMessage(element, item, me, first, last);
  if (actions) element.querySelector(".bubble")?.append(actions);
}

/**
 * @param {HTMLElement} element
 * @param {Drawing} drawing
 */
function drawDivider(element, drawing) {
  const isNew = drawing.key === "new";
  element.className = isNew ? "row divider new" : "row divider";
  element.setAttribute("role", "separator");
  element.setAttribute("aria-label", isNew ? "New messages" : day(drawing.day));
  element.replaceChildren(h("span", {}, isNew ? "New messages" : day(drawing.day)));
}

/** @param {HTMLElement} element */
function drawGap(element) {
  element.className = "row gap";
  element.replaceChildren(
    h("div", { class: "skeleton", "aria-hidden": "true" }, h("i", {}), h("i", {}), h("i", {})),
    h(
      "p",
      {},
      "Messages may be missing here",
      h("span", { class: "while-online" }, ", loading…"),
      h("span", { class: "while-offline" }, " until you are online again."),
    ),
  );
}

/**
 * @param {HTMLElement} element
 * @param {MessageItem | LocalItem} item
 * @param {string} me
 * @param {boolean} first
 * @param {boolean} last
 */
function drawMessage(element, item, me, first, last) {
  const is = facts(item, me);
  const { sender, own, at, state } = is;
  const { text, kind } = shownBody(is);
  const failed = item.kind === "local" && item.state === "failed";
  const stale = item.kind === "message" && !item.fresh;
  const delivery = own ? (item.kind === "message" ? "synced" : item.state) : null;
  const gone = state === "recalled" || state === "unreadable";
  const marks = { own, first, last, recalled: gone, failed, stale };
  const set = Object.entries(marks).filter(([, isSet]) => isSet);
  element.className = ["row", "message", kind, ...set.map(([mark]) => mark)].join(" ");
  if (delivery) element.dataset.delivery = delivery;
  else delete element.dataset.delivery;
  element.setAttribute("role", "article");
  element.setAttribute("aria-label", describe(sender, own, text, kind, at, state, delivery, stale));
  element.tabIndex = element.tabIndex === 0 ? 0 : -1;
  element.replaceChildren();
  const names = !own && first && kind === "text";
  add(
    element,
    names && coloured(h("span", { class: "avatar", "aria-hidden": "true" }, initial(sender)), sender),
    h(
      "div",
      { class: "bubble" },
      // A name or a text that turns the writing direction turns its own only.
      names && coloured(h("div", { class: "sender" }, h("bdi", {}, senderName(sender))), sender),
      h("span", { class: "text", dir: "auto" }, ...says(is, kind, text)),
      info(at, state, stale, delivery),
    ),
    failed && failure(item),
  );
}

/**
 * @param {Pick<ReturnType<typeof facts>, "sender" | "own" | "state" | "body">} facts
 * @returns {{ text: string, kind: string }}
 */
function shownBody({ sender, own, state, body }) {
  if (state === "recalled") {
    return { text: own ? "You recalled a message" : `${senderName(sender)} recalled a message`, kind: "text" };
  }
  return state === "unreadable" ? { text: "This message cannot be read here", kind: "text" } : readBody(body);
}

/** What somebody else has written, to be read out. @param {import("/pkg/index.js").Message<Body>} message */
export function spoken({ sender, state, body }) {
  const { text } = shownBody({ sender, own: false, state, body });
  return state === "recalled" ? text : `${sender}: ${text}`;
}

/**
 * The text of a row, with the name where that is part of it.
 * @param {ReturnType<typeof facts>} facts
 * @param {string} kind
 * @param {string} text
 * @returns {(Node | string | false)[]}
 */
function says({ sender, own, state }, kind, text) {
  const name = h("bdi", {}, senderName(sender));
  if (kind !== "text") return [kind === "action" && "* ", name, " ", h("bdi", {}, text)];
  return state === "recalled" && !own ? [name, " recalled a message"] : [text];
}

/** In the colour that its sender has. @param {HTMLElement} element @param {string} sender */
function coloured(element, sender) {
  element.style.setProperty("--hue", String(hue(sender)));
  return element;
}

/**
 * When it was written, and what has become of it.
 * @param {number} at
 * @param {string} state
 * @param {boolean} stale
 * @param {keyof typeof DELIVERY | null} delivery
 */
function info(at, state, stale, delivery) {
  // That it is not fresh is shown by colour alone: it passes, and no row may change its height for it.
  const unchecked = "Not fresh: it has not been asked yet whether it was edited or recalled since";
  return h(
    "span",
    { class: "info", title: stale && unchecked },
    state === "edited" && h("span", { class: "edited" }, "edited"),
    h("time", { datetime: isoTime(at), title: !stale && fullTime(at) }, time(at)),
    delivery && h("span", { class: "delivery", title: DELIVERY[delivery].title }, icon(DELIVERY[delivery].icon)),
  );
}

/** Why it was not sent, and what can be done. @param {LocalItem} item */
function failure({ error }) {
  return h(
    "div",
    { class: "failure" },
    h("span", { class: "failure-text" }, `Not sent. ${error ? errorText(error) : ""}`),
    h(
      "span",
      { class: "failure-actions" },
      h("button", { type: "button", class: "link", "data-action": "retry" }, icon("retry"), "Retry"),
      h("button", { type: "button", class: "link", "data-action": "discard" }, icon("close"), "Discard"),
    ),
  );
}

/**
 * @type {Record<"queued" | "sending" | "sent" | "failed" | "synced", { icon: import("./icons.js").IconName, title:
 *   string }>}
 */
const DELIVERY = {
  queued: { icon: "clock", title: "Waiting to be sent" },
  sending: { icon: "clock", title: "Sending" },
  sent: { icon: "check", title: "Sent: the server has it" },
  synced: { icon: "checks", title: "Synced: it has come back with the sync and is stored" },
  failed: { icon: "alert", title: "Not sent" },
};

/**
 * A message as it is read out.
 * @param {string} sender
 * @param {boolean} own
 * @param {string} text
 * @param {string} kind
 * @param {number} at
 * @param {string} state
 * @param {keyof typeof DELIVERY | null} delivery
 * @param {boolean} stale
 */
function describe(sender, own, text, kind, at, state, delivery, stale) {
  const says =
    state === "recalled" || state === "unreadable"
      ? text
      : kind === "text"
        ? `${own ? "You" : senderName(sender)}: ${text}`
        : `${senderName(sender)} ${text}`;
  const more = [
    time(at),
    state === "edited" ? "edited" : "",
    stale ? "not fresh" : "",
    delivery && delivery !== "synced" ? DELIVERY[delivery].title : "",
  ];
  return [says, ...more.filter(Boolean)].join(", ");
}
