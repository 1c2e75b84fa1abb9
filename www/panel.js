// @ts-check
// The reliability panel: what is stored, what was asked for, what happened.

import { syncChoice } from "./choices.js";
import { h, throttle } from "./dom.js";
import { errorText } from "./format.js";
import { icon } from "./icons.js";
import { eventLog, logEvents, logStatus } from "./panel-log.js";
import { deviceFacts, requestTable } from "./panel-tables.js";
import { segmentPicture } from "./segments.js";
import { troubleSwitches } from "./trouble.js";
import { writerLine } from "./writer.js";

/** @typedef {import("/pkg/index.js").Inspection} Inspection */
/** @typedef {import("./panel-log.js").Client} Client */

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

/** @type {Partial<Record<import("./segment-changes.js").Change["kind"], import("./panel-log.js").Tone>>} */
const TONES = { revalidated: "good", filled: "good", fetched: "quiet" };

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
  /** @type {{ of: string | null, screen: readonly [string, string] | null, gapOnScreen: boolean }} */
  const view = { of: null, screen: null, gapOnScreen: false };
  /** @type {Inspection | null} */
  let latest = null;

  const { element: lines, log } = eventLog();
  const picture = segmentPicture();
  const facts = deviceFacts();
  const writer = writerLine(client);
  const requests = requestTable();
  const trouble = troubleSwitches(log, () => view.of);
  const choices = syncChoice({
    choice,
    canPush,
    onChoose,
    conversations: () => client.conversations.getSnapshot().map(({ id }) => id),
    log,
    life,
  });
  const pull = pullButton(client, log);
  const reset = button("Reset the count", () => {
    requests.reset(latest?.requests);
    draw();
  });
  const scroll = h(
    "div",
    { class: "panel-scroll" },
    writer.element,
    section("Segments", true, picture.element),
    section("Trouble", true, trouble.element),
    section("What happened", true, lines),
    section("How it syncs", true, choices.element),
    section("Requests", true, requests.element, h("div", { class: "button-row" }, pull, reset)),
    section("This device", true, facts.element),
  );
  const element = frame(scroll, onClose);

  function draw() {
    facts.draw(client.status.getSnapshot(), latest);
    if (!latest) return;
    writer.commit(latest.commit);
    requests.draw(latest.requests);
    choices.count(latest.requests);
    const happened = picture.draw({ ...view, ...whatIs(client, view.of), segments: latest.segments });
    // What is new is in the log already.
    for (const { kind, text } of happened) if (kind !== "new") log(text, TONES[kind]);
  }

  const look = looks(
    () => !element.hidden && !life.aborted,
    async () => {
      const { of } = view;
      const found = await client.inspect(of ?? undefined);
      if (of === view.of) latest = found;
      draw();
    },
  );
  logEvents(client, choice, log);
  watch(client, logStatus(client, log), look);
  lookAgain(look, () => latest?.segments.some(({ fresh }) => !fresh) ?? false, life);

  return {
    element,
    ...placeKeeper(scroll),
    /** @param {boolean} shown */
    show(shown) {
      element.hidden = !shown;
      if (!shown) return;
      trouble.load();
      look();
    },
    /** @param {string | null} id the conversation that is open now */
    open(id) {
      Object.assign(view, { of: id, screen: null, gapOnScreen: false });
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
      view.gapOnScreen = gap;
      view.screen = first !== null && last !== null ? [first, last] : null;
      look();
    },
  };
}

/**
 * What the picture says besides the segments.
 * @param {Client} client
 * @param {string | null} of the conversation that is open
 */
function whatIs(client, of) {
  return {
    lastSeq: of === null ? null : (client.conversation(of).getSnapshot()?.lastSeq ?? null),
    online: client.status.getSnapshot().connection === "online",
    empty:
      of === null
        ? "Open a conversation to see what this device has of it."
        : "This device has nothing of this conversation yet.",
  };
}

/**
 * @param {string} label
 * @param {() => void} click
 */
const button = (label, click) => h("button", { type: "button", class: "button small", on: { click } }, label);

/** @param {Client} client @param {import("./panel-log.js").Log} log */
const pullButton = (client, log) =>
  button("Pull now", () =>
    client.sync().then(
      () => log("Pulled: up to date"),
      (error) => log(`Pull: ${errorText(error)}`, "bad"),
    ),
  );

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

/**
 * Looks into the store: one look at a time, and once more where it was asked for during one.
 * @param {() => boolean} wanted
 * @param {() => Promise<void>} inspect
 */
function looks(wanted, inspect) {
  let looking = false;
  let again = false;
  const look = throttle(LOOK, async () => {
    if (!wanted()) return;
    if (looking) {
      again = true;
      return;
    }
    looking = true;
    again = false;
    try {
      await inspect();
    } catch {
      // Closed meanwhile: the last picture stays.
    } finally {
      looking = false;
      if (again) look();
    }
  });
  return look;
}

/**
 * @param {Client} client
 * @param {() => void} onStatus
 * @param {() => void} look
 */
function watch(client, onStatus, look) {
  const statusChanged = () => {
    onStatus();
    look();
  };
  client.status.subscribe(statusChanged);
  client.conversations.subscribe(look);
  client.outbox.subscribe(look);
  statusChanged();
}

/**
 * Requests in flight, evictions and segments out of sight change no snapshot: it is looked at from time to time.
 * @param {() => void} look
 * @param {() => boolean} isBusy something kept is being checked
 * @param {AbortSignal} life
 */
function lookAgain(look, isBusy, life) {
  let looked = 0;
  const timer = setInterval(() => {
    const wait = isBusy() ? BUSY : IDLE;
    if (document.visibilityState !== "visible" || performance.now() - looked < wait) return;
    looked = performance.now();
    look();
  }, BUSY);
  life.addEventListener("abort", () => clearInterval(timer));
}

/** @param {HTMLElement} scroll */
function placeKeeper(scroll) {
  /** @param {string} control @returns {number} px below the top of what is on screen */
  const topOf = (control) =>
    (document.getElementById(control)?.getBoundingClientRect().top ?? 0) - scroll.getBoundingClientRect().top;
  return {
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
