// @ts-check
// What can be done with the message that is pointed at or focused, by pointer and by keys.

import { h } from "./dom.js";
import { errorText, readBody } from "./format.js";
import { icon } from "./icons.js";
import { changeable, facts } from "./message.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("./message.js").Row} Row */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */
/**
 * What the rows' view does for them.
 * @typedef {object} Deeds
 * @property {() => import("/pkg/index.js").Timeline<Body> | null} timeline
 * @property {(message: Message) => void} edit
 * @property {(message: Message) => void} recall
 * @property {() => void} escape
 * @property {() => Promise<unknown>} toNewest
 * @property {(text: string) => void} say
 */

export class RowActions {
  #scroller;
  #rows;
  #me;
  #deeds;
  /** The key of the row that Tab reaches. */
  #roving = "";
  /** The buttons exist once, and move to the row that they are for. */
  #element = h(
    "div",
    { class: "actions", role: "group", "aria-label": "Message actions" },
    actionButton("edit", "Edit", "E"),
    actionButton("recall", "Recall", "Delete"),
    actionButton("copy", "Copy text", null),
    actionButton("discard", "Do not send", "Delete"),
  );

  /**
   * @param {HTMLElement} scroller
   * @param {import("./timeline-rows.js").Rows} rows
   * @param {string} me
   * @param {Deeds} deeds
   */
  constructor(scroller, rows, me, deeds) {
    this.#scroller = scroller;
    this.#rows = rows;
    this.#me = me;
    this.#deeds = deeds;
    scroller.addEventListener("keydown", (event) => this.#key(event));
    scroller.addEventListener("click", (event) => this.#click(event));
    scroller.addEventListener("pointerover", (event) => this.#point(event));
    scroller.addEventListener("pointerleave", () => this.#show(null));
    scroller.addEventListener("focusin", (event) => this.#focus(event));
    scroller.addEventListener("focusout", (event) => this.#blur(event));
  }

  /** Another conversation begins. */
  clear() {
    this.#show(null);
    this.#roving = "";
  }

  /** Takes the buttons away, whoever is on them. */
  remove() {
    this.#element.remove();
  }

  /** From outside, Tab reaches the newest; who is in the list stays where they are. @param {boolean} atEnd */
  drawn(atEnd) {
    const away = atEnd && !this.#rows.hasFocus;
    if (!away && this.#rows.get(this.#roving)) return;
    this.#setRoving(this.#rows.all.findLast(({ drawing: { item } }) => item && item.kind !== "gap")?.key ?? "");
  }

  // ---------------------------------------------------------------- pointing

  /** @param {PointerEvent} event */
  #point(event) {
    if (event.pointerType === "touch") return;
    this.#show(this.#rows.at(event.target) ?? null);
  }

  /** @param {FocusEvent} event */
  #focus(event) {
    const row = this.#rows.at(event.target);
    if (!row) return;
    if (row.element === event.target) this.#setRoving(row.key);
    this.#show(row);
  }

  /** @param {FocusEvent} event */
  #blur({ relatedTarget }) {
    if (!(relatedTarget instanceof Node && this.#scroller.contains(relatedTarget))) this.remove();
  }

  /** @param {string} key */
  #setRoving(key) {
    const before = this.#rows.get(this.#roving);
    if (before) before.element.tabIndex = -1;
    this.#roving = key;
    const now = this.#rows.get(key);
    if (now) now.element.tabIndex = 0;
  }

  /** Shows the buttons at a row. @param {Row | null} row */
  #show(row) {
    const buttons = this.#element;
    // While the keyboard is on one of the buttons, pointing elsewhere does not take them away.
    if (buttons.contains(document.activeElement) && !row?.element.contains(buttons)) return;
    const offered = row && this.#offered(row);
    if (!row || !offered?.size) {
      this.remove();
      return;
    }
    for (const button of buttons.children) {
      if (button instanceof HTMLElement) button.hidden = !offered.has(button.dataset.action ?? "");
    }
    const bubble = row.element.querySelector(".bubble");
    if (buttons.parentElement !== bubble) bubble?.append(buttons);
  }

  /** @param {Row} row @returns {Set<string>} the actions that there are for it */
  #offered({ drawing: { item } }) {
    /** @type {Set<string>} */
    const offered = new Set();
    if (!item || item.kind === "gap") return offered;
    const { own, state, body } = facts(item, this.#me);
    const mine = changeable(item, this.#me) !== null && readBody(body).kind !== "system";
    const unsent = item.kind === "local" && (item.state === "queued" || item.state === "sending");
    if (mine) offered.add("edit").add("recall");
    if (state !== "recalled") offered.add("copy");
    if (own && unsent) offered.add("discard");
    return offered;
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const row = this.#rows.at(event.target);
    const button = event.target instanceof Element ? event.target.closest("[data-action]") : null;
    if (row && button instanceof HTMLElement) this.#act(row, button.dataset.action ?? "");
    // By touch there is no pointing: a tap shows what can be done.
    else if (row) this.#show(row);
  }

  // ---------------------------------------------------------------- doing

  /**
   * @param {Row} row
   * @param {string} action
   */
  #act({ drawing: { item } }, action) {
    if (!item || item.kind === "gap") return;
    const message = changeable(item, this.#me);
    if (action === "edit" && message) this.#deeds.edit(message);
    else if (action === "recall" && message) this.#deeds.recall(message);
    else if (action === "copy") copy(readBody(facts(item, this.#me).body).text);
    else if (action === "retry" && item.kind === "local") this.#retry(item.clientId);
    else if (action === "discard" && item.kind === "local") this.#discard(item.clientId);
  }

  /** @param {string} clientId */
  #retry(clientId) {
    this.#deeds
      .timeline()
      ?.retry(clientId)
      .catch((error) => this.#deeds.say(errorText(error)));
  }

  /** @param {string} clientId */
  #discard(clientId) {
    const timeline = this.#deeds.timeline();
    if (!timeline) return;
    timeline.discard(clientId).then(
      (done) => done || this.#deeds.say("Too late: it is on its way already."),
      (error) => this.#deeds.say(errorText(error)),
    );
    this.#deeds.escape();
  }

  // ---------------------------------------------------------------- keys

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Escape") {
      this.#deeds.escape();
      event.preventDefault();
      return;
    }
    const row = this.#rows.at(event.target);
    if (!row || event.target !== row.element || event.ctrlKey || event.metaKey || event.altKey) return;
    const run = this.#keyOf(event.key, row);
    if (!run) return;
    event.preventDefault();
    run();
  }

  /**
   * What a key does on a row.
   * @param {string} key
   * @param {Row} row
   * @returns {(() => void) | null} null: nothing
   */
  #keyOf(key, row) {
    const { item } = row.drawing;
    switch (key) {
      case "ArrowUp":
        return () => this.#step(row, -1);
      case "ArrowDown":
        return () => this.#step(row, 1);
      case "End":
        return () => this.#deeds.toNewest().then(() => this.#rows.all.at(-1)?.element.focus());
      case "e":
      case "E":
        return () => this.#act(row, "edit");
      case "Delete":
        return () => this.#act(row, item?.kind === "local" && !item.message ? "discard" : "recall");
      default:
        return null;
    }
  }

  /**
   * To the next message; below the newest one is where one writes.
   * @param {Row} row
   * @param {1 | -1} step
   */
  #step(row, step) {
    const rows = this.#rows.all;
    for (let i = rows.indexOf(row) + step; i >= 0 && i < rows.length; i += step) {
      const { item } = rows[i].drawing;
      if (!item || item.kind === "gap") continue;
      rows[i].element.focus({ preventScroll: true });
      rows[i].element.scrollIntoView({ block: "nearest" });
      return;
    }
    if (step > 0) this.#deeds.escape();
  }
}

/** @param {string} text */
function copy(text) {
  navigator.clipboard?.writeText(text).catch(() => {});
}

/**
 * @param {import("./icons.js").IconName | "discard"} action
 * @param {string} label
 * @param {string | null} shortcut
 */
function actionButton(action, label, shortcut) {
  return h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "data-action": action,
      "aria-label": label,
      title: shortcut ? `${label} (${shortcut})` : label,
    },
    icon(action === "discard" ? "close" : action),
  );
}
