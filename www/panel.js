// @ts-check
// The reliability panel: what is stored, what was asked for, what happened.

import { syncChoice } from "./choices.js";
import { h, setText, throttle } from "./dom.js";
import { bytes, errorText, number, timeWithSeconds } from "./format.js";
import { icon } from "./icons.js";
import { segmentPicture } from "./segments.js";
import { describe } from "./status.js";
import { troubleSwitches } from "./trouble.js";

/** @typedef {import("/pkg/index.js").Inspection} Inspection */
/** @typedef {keyof Inspection["requests"]} RequestKind */

/** Lines of the log that are kept. */
const LOG_LINES = 200;
/**
 * Least time (ms) between two looks into the store. While nothing changes, it is looked at every `IDLE` ms, and every
 * `BUSY` while something kept is being checked.
 */
const LOOK = 200;
const BUSY = 400;
const IDLE = 2000;

/** ms that a panel takes to fill. */
const HOLD = 2000;

/** Sections that were folded, by name: for the panel that takes this one's place too. @type {Set<string>} */
const folded = new Set();

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

/** @type {readonly (readonly [RequestKind, string])[]} */
const REQUESTS = [
  ["pull", "everything after the cursor"],
  ["history", "a page of messages"],
  ["changes", "what changed in a kept segment"],
  ["conversations", "a page of the list"],
  ["send", "a message to send"],
  ["ack", "deliveries acknowledged"],
];

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
  /** @type {string | null} */
  let conversation = null;
  /** @type {readonly [string, string] | null} */
  let screen = null;
  let gapOnScreen = false;
  /** @type {Inspection | null} */
  let latest = null;
  /** @type {Partial<Record<RequestKind, number>>} */
  let base = {};
  let looking = false;
  /** Something changed during a look. */
  let again = false;

  // ---------------------------------------------------------------- parts

  const picture = segmentPicture();
  const facts = h("dl", { class: "facts" });
  /** @type {Record<string, HTMLElement>} */
  const values = {};
  for (const [name, label] of [
    ["sync", "Sync"],
    ["synced", "Last pull"],
    ["cursor", "Cursor"],
    ["storage", "Storage"],
    ["cached", "Messages"],
    ["stored", "Stored"],
    ["outbox", "Outbox"],
  ]) {
    values[name] = h("dd", {});
    facts.append(h("div", {}, h("dt", {}, label), values[name]));
  }

  /** @type {Map<RequestKind, { total: HTMLElement, since: HTMLElement, row: HTMLElement }>} */
  const requestCells = new Map();
  const requestRows = h("tbody", {});
  for (const [kind, what] of REQUESTS) {
    const cells = { total: h("td", { class: "n" }, "0"), since: h("td", { class: "n" }, "0") };
    const row = h("tr", {}, h("th", { scope: "row" }, kind, h("small", {}, what)), cells.since, cells.total);
    requestCells.set(kind, { ...cells, row });
    requestRows.append(row);
  }
  const requests = h(
    "table",
    { class: "request-table" },
    h("caption", { class: "visually-hidden" }, "Requests"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "request"),
        h("th", { scope: "col", class: "n" }, "since reset"),
        h("th", { scope: "col", class: "n" }, "all"),
      ),
    ),
    requestRows,
  );
  const reset = h(
    "button",
    {
      type: "button",
      class: "button small",
      on: {
        click: () => {
          base = { ...latest?.requests };
          draw();
        },
      },
    },
    "Reset the count",
  );
  const pull = h(
    "button",
    {
      type: "button",
      class: "button small",
      on: {
        click: () =>
          client.sync().then(
            () => log("Pulled: up to date"),
            (error) => log(`Pull: ${errorText(error)}`, "bad"),
          ),
      },
    },
    "Pull now",
  );

  const lines = h("ol", { class: "log-lines", tabindex: "0", "aria-label": "Events, newest first" });
  const trouble = troubleSwitches(
    (text) => log(text),
    () => conversation,
  );
  const choices = syncChoice({
    choice,
    canPush,
    onChoose,
    conversations: () => client.conversations.getSnapshot().map(({ id }) => id),
    log: (text) => log(text),
    life,
  });

  const scroll = h(
    "div",
    { class: "panel-scroll" },
    section("Segments", true, picture.element),
    section("Trouble", true, trouble.element),
    section("What happened", true, lines),
    section("How it syncs", true, choices.element),
    section("Requests", true, requests, h("div", { class: "button-row" }, pull, reset)),
    section("This device", true, facts),
  );
  const element = h(
    "aside",
    { id: "panel", class: "panel", "aria-label": "Reliability panel", hidden: true },
    h(
      "header",
      { class: "bar" },
      h("h2", {}, "Reliability"),
      h(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": "Close the panel",
          title: "Close the panel",
          on: { click: onClose },
        },
        icon("close"),
      ),
    ),
    scroll,
  );

  /** @param {string} control @returns {number} px below the top of what is on screen */
  const topOf = (control) =>
    (document.getElementById(control)?.getBoundingClientRect().top ?? 0) - scroll.getBoundingClientRect().top;

  // ---------------------------------------------------------------- the log

  /** @type {{ text: string, times: number, element: HTMLElement, count: HTMLElement } | null} */
  let newest = null;
  /**
   * @param {string} text
   * @param {"" | "bad" | "good" | "quiet"} [tone]
   */
  function log(text, tone = "") {
    if (newest?.text === text) {
      newest.times++;
      setText(newest.count, `×${newest.times}`);
      return;
    }
    const count = h("span", { class: "times" });
    const line = h("li", { class: tone }, h("time", {}, timeWithSeconds(Date.now())), h("span", {}, text), count);
    newest = { text, times: 1, element: line, count };
    lines.prepend(line);
    while (lines.childElementCount > LOG_LINES) lines.lastElementChild?.remove();
  }

  // A device that has nothing yet is not behind: to it an overflow only says where to begin.
  let isNew = client.conversations.getSnapshot().length === 0;
  client.on("overflow", ({ conversations }) => {
    if (conversations === "all" && isNew)
      log("A new device: the conversations are fetched, and messages of those that are opened", "quiet");
    else
      log(
        conversations === "all"
          ? `Overflow: this device was too far behind. ${BEHIND[choice.overflow]}`
          : `Overflow: ${conversations.join(", ")}`,
        "bad",
      );
    isNew = false;
  });
  client.on("storage", ({ kind, detail }) => log(`Storage, ${kind}: ${detail}`, "bad"));
  client.on("irregular", ({ where, conversation: of, count, first }) =>
    log(
      `${count === 1 ? "One item" : `${count} items`} of a ${where}${of ? ` of ${of}` : ""} not as it has to be (${first.reason}): ${DONE[first.done]}. Everything else went on`,
      "bad",
    ),
  );
  client.on("error", (error) => log(`${error.code}: ${errorText(error)}`, "bad"));
  client.on("removed", ({ conversation: id }) => log(`Left ${id}`));
  client.on("messages", ({ messages, live }) => {
    if (live) log(`${messages.length} new ${messages.length === 1 ? "message" : "messages"}`, "quiet");
  });
  client.on("updates", ({ messages, live }) => {
    if (live) log(`${messages.length} ${messages.length === 1 ? "message" : "messages"} edited or recalled`, "quiet");
  });

  let lastState = "";
  function watchStatus() {
    const status = client.status.getSnapshot();
    const state = `${status.connection} ${status.caughtUp}`;
    if (state !== lastState) {
      lastState = state;
      const { tone, text } = describe(status);
      log(text, tone === "busy" ? "quiet" : tone);
    }
    look();
  }

  // ---------------------------------------------------------------- looking

  const look = throttle(LOOK, async () => {
    if (element.hidden || life.aborted) return;
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    again = false;
    const of = conversation;
    try {
      const found = await client.inspect(of ?? undefined);
      if (of === conversation) latest = found;
      draw();
    } catch {
      // Closed meanwhile: the last picture stays.
    } finally {
      looking = false;
      if (again) look();
    }
  });

  function draw() {
    const status = client.status.getSnapshot();
    setText(values.sync, describe(status).text);
    setText(values.synced, status.lastSyncedAt === null ? "never" : timeWithSeconds(status.lastSyncedAt));
    setText(values.storage, status.storage === "memory" ? "memory only" : "IndexedDB");
    if (!latest) return;
    setText(values.cursor, latest.cursor ?? "none");
    values.cursor.title = latest.cursor ?? "";
    setText(values.cached, number(latest.cachedMessages));
    setText(values.stored, bytes(latest.storedBytes));
    setText(values.outbox, latest.outbox === 0 ? "empty" : `${number(latest.outbox)} waiting`);
    for (const [kind, { total, since, row }] of requestCells) {
      const delta = latest.requests[kind] - (base[kind] ?? 0);
      setText(total, number(latest.requests[kind]));
      if (since.textContent !== String(delta)) {
        setText(since, String(delta));
        row.classList.toggle("some", delta > 0);
      }
    }
    choices.count(latest.requests);
    const happened = picture.draw({
      of: conversation,
      segments: latest.segments,
      lastSeq: conversation === null ? null : (client.conversation(conversation).getSnapshot()?.lastSeq ?? null),
      screen,
      gapOnScreen,
      online: status.connection === "online",
      empty:
        conversation === null
          ? "Open a conversation to see what this device has of it."
          : "This device has nothing of this conversation yet.",
    });
    // What is new is in the log already.
    for (const { kind, text } of happened)
      if (kind !== "new")
        log(text, kind === "revalidated" || kind === "filled" ? "good" : kind === "fetched" ? "quiet" : "");
  }

  client.status.subscribe(watchStatus);
  client.conversations.subscribe(look);
  client.outbox.subscribe(look);
  watchStatus();
  // Requests in flight, evictions and segments out of sight change no snapshot.
  let looked = 0;
  const timer = setInterval(() => {
    const wait = latest?.segments.some(({ fresh }) => !fresh) ? BUSY : IDLE;
    if (document.visibilityState !== "visible" || performance.now() - looked < wait) return;
    looked = performance.now();
    look();
  }, BUSY);
  life.addEventListener("abort", () => clearInterval(timer));

  return {
    element,
    topOf,
    /**
     * Keeps a control where it was in the panel that this one takes the place of, while what is above it comes in.
     * @param {string} control
     * @param {number} top
     */
    hold(control, top) {
      const kept = new ResizeObserver(() => {
        scroll.scrollTop += topOf(control) - top;
      });
      for (const part of scroll.children) kept.observe(part);
      const leave = () => kept.disconnect();
      for (const type of ["wheel", "pointerdown", "keydown"])
        scroll.addEventListener(type, leave, { once: true, passive: true });
      setTimeout(leave, HOLD);
    },
    /** @param {boolean} shown */
    show(shown) {
      element.hidden = !shown;
      if (!shown) return;
      trouble.load();
      look();
    },
    /** @param {string | null} id the conversation that is open now */
    open(id) {
      conversation = id;
      screen = null;
      gapOnScreen = false;
      trouble.conversationOpen(id !== null);
      if (latest) latest = { ...latest, segments: [] };
      draw();
      look();
    },
    /**
     * The positions on screen.
     * @param {string | null} first
     * @param {string | null} last
     * @param {boolean} gap a gap is on screen
     */
    onScreen(first, last, gap) {
      gapOnScreen = gap;
      screen = first !== null && last !== null ? [first, last] : null;
      look();
    },
  };
}

/**
 * @param {string} name
 * @param {boolean} open
 * @param {...Node} parts
 */
function section(name, open, ...parts) {
  const details = h("details", { open: open && !folded.has(name) }, h("summary", {}, name), ...parts);
  details.addEventListener("toggle", () => (details.open ? folded.delete(name) : folded.add(name)));
  return details;
}
