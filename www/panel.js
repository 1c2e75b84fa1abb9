// @ts-check
// The reliability panel: the package's inspector, and in it what is this demo's own: trouble, and the choice of a way
// to sync.

import "/pkg/inspector.js";
import { syncChoice } from "./choices.js";
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { troubleSwitches } from "./trouble.js";

/** Sections that were folded, by name: for the panel that takes this one's place too. @type {Set<string>} */
const folded = new Set();

/**
 * @param {object} given
 * @param {import("/pkg/index.js").Client<import("./format.js").Body>} given.client
 * @param {import("./session.js").Choice} given.choice how this client syncs
 * @param {boolean} given.canPush
 * @param {(choice: import("./session.js").Choice, control: string) => void} given.onChoose
 * @param {() => void} given.onClose
 * @param {AbortSignal} given.life ends with this client
 */
export function reliabilityPanel({ client, choice, canPush, onChoose, onClose, life }) {
  const inspector = document.createElement("pullcord-inspector");
  const { scope, notify, overflow } = choice;
  inspector.options = { sync: { scope, notify }, overflow };
  inspector.conversation = null;
  inspector.client = client;
  const log = (/** @type {string} */ text) => inspector.note(text);
  const trouble = troubleSwitches(log, () => inspector.conversation ?? null);
  const conversations = () => client.conversations.getSnapshot().map(({ id }) => id);
  const choices = syncChoice({ choice, canPush, onChoose, conversations, log, life });
  inspector.append(section("Trouble", trouble.element), section("How it syncs", choices.element));
  inspector.addEventListener("inspected", ({ detail }) => choices.count(detail.requests));
  const scroll = h("div", { class: "panel-scroll" }, inspector);
  const element = frame(scroll, onClose);

  return {
    element,
    ...placeKeeper(scroll),
    /** @param {boolean} shown */
    show(shown) {
      element.hidden = !shown;
      if (shown) trouble.load();
    },
    /** @param {string | null} id the conversation that is open now */
    open(id) {
      inspector.conversation = id;
      trouble.conversationOpen(id !== null);
    },
    /**
     * The positions on screen.
     * @param {string | null} first
     * @param {string | null} last
     * @param {boolean} gap a gap is on screen
     */
    onScreen: (first, last, gap) => inspector.onScreen(first, last, gap),
  };
}

/**
 * The panel around its sections, not shown yet.
 * @param {HTMLElement} scroll
 * @param {() => void} onClose
 */
function frame(scroll, onClose) {
  const close = h(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": "Close the panel",
      title: "Close the panel",
      on: { click: onClose },
    },
    icon("close"),
  );
  return h(
    "aside",
    { id: "panel", class: "panel", "aria-label": "Reliability panel", hidden: true },
    h("header", { class: "bar" }, h("h2", {}, "Reliability"), close),
    scroll,
  );
}

/** @param {HTMLElement} scroll */
function placeKeeper(scroll) {
  /** @param {string} control @returns {number} px below the top of what is on screen */
  const topOf = (control) =>
    (document.getElementById(control)?.getBoundingClientRect().top ?? 0) - scroll.getBoundingClientRect().top;
  return {
    topOf,
    /**
     * Keeps a control where it was in the panel that this one takes the place of, while what is above it comes in: for
     * as long as that takes, until the reader scrolls or touches something.
     * @param {string} control
     * @param {number} top
     */
    hold(control, top) {
      const held = new AbortController();
      const { signal } = held;
      // The browser's own anchor is another row.
      scroll.style.overflowAnchor = "none";
      let at = scroll.scrollTop;
      const kept = new ResizeObserver(() => {
        scroll.scrollTop += topOf(control) - top;
        at = scroll.scrollTop;
      });
      for (const part of scroll.children) kept.observe(part);
      const leave = () => held.abort();
      signal.addEventListener("abort", () => {
        kept.disconnect();
        scroll.style.overflowAnchor = "";
      });
      const byReader = () => {
        if (scroll.scrollTop !== at) leave();
      };
      scroll.addEventListener("scroll", byReader, { signal });
      for (const type of ["pointerdown", "keydown"]) scroll.addEventListener(type, leave, { signal });
    },
  };
}

/**
 * @param {string} name
 * @param {...Node} parts
 */
function section(name, ...parts) {
  const details = h("details", { open: !folded.has(name) }, h("summary", {}, h("h3", {}, name)), ...parts);
  details.addEventListener("toggle", () => (details.open ? folded.delete(name) : folded.add(name)));
  return details;
}
