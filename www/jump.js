// @ts-check
// Going to another place of a conversation: what is unread first, a day, the newest.

import { h, setText } from "./dom.js";
import { number } from "./format.js";
import { icon } from "./icons.js";

/** ms */
const WEEK = 7 * 86_400_000;

/**
 * @param {object} given
 * @param {(to: "latest" | "first-unread" | { at: number }) => Promise<boolean>} given.jump
 * @param {() => number} given.unread of the open conversation, as it was when it was opened
 * @param {AbortSignal} given.life
 */
export function jumpMenu({ jump, unread, life }) {
  const button = h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": "Jump to…",
      title: "Jump to…",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      "aria-controls": "jump",
      on: { click: () => show(Boolean(menu.hidden)) },
    },
    icon("jump"),
  );
  const unreadText = h("small", {});
  const first = h(
    "button",
    { type: "button", class: "jump-to", on: { click: () => go("first-unread") } },
    h("span", {}, "First unread", unreadText),
  );
  const latest = h(
    "button",
    { type: "button", class: "jump-to", on: { click: () => go("latest") } },
    h("span", {}, "Newest", h("small", {}, "where new messages come in")),
  );
  const date = h("input", { class: "field", type: "date", id: "jump-date", required: true });
  const form = h(
    "form",
    {
      class: "jump-date",
      on: {
        submit: (event) => {
          event.preventDefault();
          goToDate();
        },
      },
    },
    h("label", { for: "jump-date" }, "A day"),
    h("div", {}, date, h("button", { class: "button small" }, "Go")),
  );
  const menu = h(
    "div",
    { id: "jump", class: "jump-menu", role: "dialog", "aria-label": "Jump to", hidden: true, on: { keydown: onKey } },
    first,
    form,
    latest,
  );
  const element = h("div", { class: "jump" }, button, menu);

  /** @param {boolean} shown */
  function show(shown) {
    menu.hidden = !shown;
    button.setAttribute("aria-expanded", String(shown));
    if (!shown) return;
    const count = unread();
    first.disabled = count === 0;
    setText(unreadText, count === 0 ? "all is read" : `${number(count)} unread`);
    date.max = dayText(Date.now());
    date.value ||= dayText(Date.now() - WEEK);
    (count === 0 ? date : first).focus();
  }

  /** @param {Parameters<typeof jump>[0]} to */
  async function go(to) {
    show(false);
    button.focus();
    await jump(to);
  }

  function goToDate() {
    // The first moment of that day, here.
    const at = new Date(`${date.value}T00:00`).getTime();
    if (Number.isFinite(at)) go({ at: Math.max(0, at) });
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    show(false);
    button.focus();
  }

  document.addEventListener(
    "pointerdown",
    (event) => {
      if (!menu.hidden && event.target instanceof Node && !element.contains(event.target)) show(false);
    },
    { signal: life },
  );

  return { element, close: () => show(false) };
}

/**
 * A local day as a date field takes it.
 * @param {number} ms
 */
function dayText(ms) {
  const date = new Date(ms);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return `${String(date.getFullYear()).padStart(4, "0")}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
