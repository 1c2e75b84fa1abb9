// @ts-check
// The list of conversations: newest first as the server sorts them, with a filter.

import { fillRow, makeRow } from "./conversation-row.js";
import { h, setText } from "./dom.js";
import { title } from "./format.js";
import { icon } from "./icons.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./format.js").Conversation} Conversation */
/** @typedef {import("./conversation-row.js").Row} Row */

/**
 * @param {object} given
 * @param {import("/pkg/index.js").Client<Body>} given.client
 * @param {string} given.me
 * @param {(id: string) => void} given.open
 */
export function conversationList({ client, me, open }) {
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
  const list = listBox(filter, onKey, (row, conversation, failures) => fillRow(row, conversation, failures, me));
  const empty = h("p", { class: "list-empty", role: "status" });
  const element = h(
    "div",
    { class: "list" },
    h("div", { class: "filter" }, icon("search"), filter),
    h("div", { class: "list-scroll" }, list.element, empty),
  );

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.isComposing) return;
    const inFilter = event.target === filter;
    if (list.isMovedBy(event.key, inFilter) || acts(event.key, inFilter)) event.preventDefault();
  }

  /**
   * Opens one, or shows all again. Answers whether it was a key for that.
   * @param {string} key
   * @param {boolean} inFilter
   */
  function acts(key, inFilter) {
    if (key === "Enter" || (key === " " && !inFilter)) {
      const id = list.chosen();
      if (id !== undefined) open(id);
      return true;
    }
    if (key !== "Escape" || !inFilter || !filter.value) return false;
    filter.value = "";
    draw();
    return true;
  }

  function draw() {
    const wanted = filter.value.trim().toLocaleLowerCase();
    const all = client.conversations.getSnapshot();
    const shown = wanted ? all.filter((conversation) => title(conversation).toLocaleLowerCase().includes(wanted)) : all;
    list.draw(shown, failuresOf(client.outbox.getSnapshot()), wanted !== "", open);
    setText(empty, shown.length ? "" : whyEmpty(wanted !== "", client.status.getSnapshot().listed));
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

  return { element, focusFilter: () => filter.focus(), select: list.select };
}

/**
 * The list itself: which are shown, which is open, and where the keyboard is.
 * @param {HTMLElement} filter that has the keyboard too
 * @param {(event: KeyboardEvent) => void} onKey
 * @param {(row: Row, conversation: Conversation, failures: number) => void} fill
 */
function listBox(filter, onKey, fill) {
  /** @type {Map<string, Row>} */
  const rows = new Map();
  /** @type {string[]} what is listed now, in order */
  let listed = [];
  /** @type {string | null} */
  let selected = null;
  /** @type {string | null} where the keyboard is */
  let active = null;
  const element = h("ul", {
    id: "conversations",
    class: "conversations",
    role: "listbox",
    tabindex: "0",
    "aria-label": "Conversations",
    on: { keydown: onKey, focus: () => activate(active ?? selected ?? listed[0] ?? null) },
  });

  /** @param {string | null} id */
  function activate(id) {
    if (active !== null) rows.get(active)?.element.classList.remove("active");
    active = id;
    const row = id === null ? undefined : rows.get(id);
    row?.element.classList.add("active");
    for (const owner of [element, filter]) {
      if (row) owner.setAttribute("aria-activedescendant", row.element.id);
      else owner.removeAttribute("aria-activedescendant");
    }
  }

  /** @param {string} id */
  function choose(id) {
    activate(id);
    rows.get(id)?.element.scrollIntoView({ block: "nearest" });
  }

  return {
    element,
    /** What Enter opens. */
    chosen: () => active ?? listed[0],
    /**
     * Moves on by a key. Answers whether it was one that moves.
     * @param {string} key
     * @param {boolean} inFilter
     */
    isMovedBy(key, inFilter) {
      const at = active === null ? -1 : listed.indexOf(active);
      const to = placeOfKey(key, at, listed.length - 1, inFilter);
      if (to === undefined || to < 0) return false;
      choose(listed[to]);
      return true;
    },
    /**
     * @param {readonly Conversation[]} shown
     * @param {Map<string, number>} failures
     * @param {boolean} filtered then Enter opens the first
     * @param {(id: string) => void} open
     */
    draw(shown, failures, filtered, open) {
      listed = shown.map(({ id }) => id);
      const keep = new Set(listed);
      for (const [id, row] of rows) {
        if (keep.has(id)) continue;
        row.element.remove();
        rows.delete(id);
      }
      /** @type {Element | null} */
      let next = element.firstElementChild;
      for (const conversation of shown) {
        const { id } = conversation;
        const click = () => {
          activate(id);
          open(id);
        };
        const row = rows.get(id) ?? makeRow(conversation, click);
        rows.set(id, row);
        fill(row, conversation, failures.get(id) ?? 0);
        row.element.setAttribute("aria-selected", String(id === selected));
        // Moves only what is not where it belongs.
        if (row.element === next) next = next.nextElementSibling;
        else element.insertBefore(row.element, next);
      }
      activate(active !== null && keep.has(active) ? active : filtered ? (listed[0] ?? null) : null);
    },
    /** @param {string | null} id the one that is open now */
    select(id) {
      if (selected !== null) rows.get(selected)?.element.setAttribute("aria-selected", "false");
      selected = id;
      if (id === null) return;
      rows.get(id)?.element.setAttribute("aria-selected", "true");
      choose(id);
    },
  };
}

/**
 * Where a key leads in the list; undefined: nowhere.
 * @param {string} key
 * @param {number} at -1: nowhere yet
 * @param {number} last
 * @param {boolean} inFilter where Home and End are the text's
 */
function placeOfKey(key, at, last, inFilter) {
  if (key === "ArrowDown") return Math.min(at + 1, last);
  if (key === "ArrowUp") return Math.max(at - 1, 0);
  if (key === "Home" && !inFilter) return 0;
  if (key === "End" && !inFilter) return last;
  return undefined;
}

/**
 * How many own messages could not be sent, by conversation.
 * @param {ReturnType<import("/pkg/index.js").Client<Body>["outbox"]["getSnapshot"]>} outbox
 */
function failuresOf(outbox) {
  /** @type {Map<string, number>} */
  const failures = new Map();
  for (const { state, conversation } of outbox) {
    if (state === "failed") failures.set(conversation, (failures.get(conversation) ?? 0) + 1);
  }
  return failures;
}

/**
 * @param {boolean} filtered
 * @param {boolean} isListed the server's list was read
 */
function whyEmpty(filtered, isListed) {
  if (filtered) return "No conversation has that in its name.";
  return isListed ? "No conversations yet." : "Loading conversations…";
}
