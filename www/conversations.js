// @ts-check
// The list of conversations: newest first as the server sorts them, with a filter.

import { add, h, setText } from "./dom.js";
import { fullTime, hue, initial, number, preview, shortTime, title } from "./format.js";
import { icon } from "./icons.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./format.js").Conversation} Conversation */
/**
 * @typedef {{ element: HTMLElement, name: HTMLElement, time: HTMLElement, preview: HTMLElement, badge: HTMLElement,
 *   failed: HTMLElement, shown: Conversation | null, failures: number }} Row
 */

/**
 * @param {object} given
 * @param {import("/pkg/index.js").Client<Body>} given.client
 * @param {string} given.me
 * @param {(id: string) => void} given.open
 */
export function conversationList({ client, me, open }) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {string[]} what is listed now, in order */
  let listed = [];
  /** @type {string | null} */
  let selected = null;
  /** @type {string | null} where the keyboard is */
  let active = null;

  const filter = h("input", {
    class: "field",
    type: "search",
    placeholder: "Search conversations",
    "aria-label": "Search conversations",
    "aria-controls": "conversations",
    autocomplete: "off",
    spellcheck: "false",
    "aria-keyshortcuts": "Control+K",
    on: { input: draw, keydown: onKey },
  });
  const list = h("ul", {
    id: "conversations",
    class: "conversations",
    role: "listbox",
    tabindex: "0",
    "aria-label": "Conversations",
    on: { keydown: onKey, focus: () => activate(active ?? selected ?? listed[0] ?? null) },
  });
  const empty = h("p", { class: "list-empty", role: "status" });
  const element = h(
    "div",
    { class: "list" },
    h("div", { class: "filter" }, icon("search"), filter),
    h("div", { class: "list-scroll" }, list, empty),
  );

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.isComposing) return;
    const at = active === null ? -1 : listed.indexOf(active);
    const inFilter = event.target === filter;
    /** @type {number | undefined} */
    let to;
    if (event.key === "ArrowDown") to = Math.min(at + 1, listed.length - 1);
    else if (event.key === "ArrowUp") to = Math.max(at - 1, 0);
    else if (event.key === "Home" && !inFilter) to = 0;
    else if (event.key === "End" && !inFilter) to = listed.length - 1;
    else if (event.key === "Enter" || (event.key === " " && !inFilter)) {
      const id = active ?? listed[0];
      if (id !== undefined) open(id);
      event.preventDefault();
    } else if (event.key === "Escape" && inFilter && filter.value) {
      filter.value = "";
      draw();
      event.preventDefault();
    }
    if (to === undefined || to < 0) return;
    event.preventDefault();
    activate(listed[to]);
    rows.get(listed[to])?.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {string | null} id */
  function activate(id) {
    if (active !== null) rows.get(active)?.element.classList.remove("active");
    active = id;
    const row = id === null ? undefined : rows.get(id);
    row?.element.classList.add("active");
    for (const owner of [list, filter]) {
      if (row) owner.setAttribute("aria-activedescendant", row.element.id);
      else owner.removeAttribute("aria-activedescendant");
    }
  }

  let made = 0;
  /**
   * @param {Conversation} conversation
   * @returns {Row}
   */
  function makeRow(conversation) {
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
        on: {
          click: () => {
            activate(conversation.id);
            open(conversation.id);
          },
        },
      },
      avatar,
      h("span", { class: "conversation-top" }, row.name, row.time),
      h("span", { class: "conversation-bottom" }, row.preview, row.failed, row.badge),
    );
    return { element, ...row };
  }

  /**
   * @param {Row} row
   * @param {Conversation} conversation
   * @param {number} failures
   */
  function fill(row, conversation, failures) {
    if (row.shown === conversation && row.failures === failures) return;
    row.shown = conversation;
    row.failures = failures;
    setText(row.name, title(conversation));
    const { lastMessage, unread } = conversation;
    setText(row.time, lastMessage ? shortTime(lastMessage.createdAt) : "");
    row.time.title = lastMessage ? fullTime(lastMessage.createdAt) : "";
    const { who, text, muted } = preview(conversation, me);
    row.preview.classList.toggle("muted", muted);
    row.preview.replaceChildren();
    add(row.preview, who && h("bdi", { class: "who" }, muted ? `${who} ` : `${who}: `), text);
    row.badge.hidden = unread === 0;
    setText(row.badge, unread > 999 ? "999+" : String(unread));
    row.badge.setAttribute("aria-label", `${number(unread)} unread`);
    row.failed.hidden = failures === 0;
    setText(row.failed, "!");
    row.failed.setAttribute("aria-label", `${failures} not sent`);
    row.element.classList.toggle("unread", unread > 0);
  }

  function draw() {
    const all = client.conversations.getSnapshot();
    const wanted = filter.value.trim().toLocaleLowerCase();
    const shown = wanted ? all.filter((conversation) => title(conversation).toLocaleLowerCase().includes(wanted)) : all;
    /** @type {Map<string, number>} */
    const failures = new Map();
    for (const item of client.outbox.getSnapshot()) {
      if (item.state === "failed") failures.set(item.conversation, (failures.get(item.conversation) ?? 0) + 1);
    }

    listed = shown.map(({ id }) => id);
    const keep = new Set(listed);
    for (const [id, row] of rows) {
      if (keep.has(id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    /** @type {Element | null} */
    let next = list.firstElementChild;
    for (const conversation of shown) {
      let row = rows.get(conversation.id);
      if (!row) {
        row = makeRow(conversation);
        rows.set(conversation.id, row);
      }
      fill(row, conversation, failures.get(conversation.id) ?? 0);
      row.element.setAttribute("aria-selected", String(conversation.id === selected));
      if (row.element === next) next = next.nextElementSibling;
      else list.insertBefore(row.element, next);
    }
    activate(active !== null && keep.has(active) ? active : wanted ? (listed[0] ?? null) : null);
    if (shown.length) setText(empty, "");
    else if (wanted) setText(empty, "No conversation has that in its name.");
    else setText(empty, client.status.getSnapshot().listed ? "No conversations yet." : "Loading conversations…");
    empty.hidden = shown.length > 0;
  }

  client.conversations.subscribe(draw);
  client.outbox.subscribe(draw);
  let wasListed = client.status.getSnapshot().listed;
  client.status.subscribe(() => {
    const { listed: now } = client.status.getSnapshot();
    if (now !== wasListed) draw();
    wasListed = now;
  });
  draw();

  return {
    element,
    focusFilter: () => filter.focus(),
    /** @param {string | null} id */
    select(id) {
      if (selected !== null) rows.get(selected)?.element.setAttribute("aria-selected", "false");
      selected = id;
      if (id !== null) {
        rows.get(id)?.element.setAttribute("aria-selected", "true");
        activate(id);
        rows.get(id)?.element.scrollIntoView({ block: "nearest" });
      }
    },
  };
}
