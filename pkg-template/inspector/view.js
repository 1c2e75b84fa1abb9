// What the element shows of one client, put together.

import { reportPart } from "./copying.js";
import { chooser } from "./chooser.js";
import { deviceFacts } from "./device.js";
import { button, h } from "./dom.js";
import { eventLog, logEvents, logStatus } from "./events.js";
import { looks } from "./looks.js";
import { reportOf, textOf } from "./report.js";
import { lastRequests, requestTable } from "./requests.js";
import { segmentLegend, segmentPicture } from "./segments.js";
import { watchTraffic } from "./traffic.js";
import { messageOf } from "./words.js";
import { writerLine } from "./writer.js";

/** @typedef {import("../index.js").Client} Client */
/** @typedef {import("../index.js").Inspection} Inspection */
/**
 * What the app has asked for, where it has said so: of createClient's options those that a report has.
 * @typedef {object} Options
 * @property {import("../index.js").ClientOptions["sync"]} [sync]
 * @property {"clear" | "keep"} [overflow]
 */
/**
 * @typedef {object} Shown
 * @property {string | null | undefined} conversation undefined: one that is chosen here
 * @property {readonly [string, string] | null} screen the positions on screen
 * @property {boolean} gapOnScreen
 * @property {Options} options
 */

/** @type {Partial<Record<import("./segment-changes.js").Change["kind"], import("./events.js").Tone>>} */
const TONES = { revalidated: "good", filled: "good", fetched: "quiet" };

/** Sections that were folded, by name: for the element that takes this one's place too. @type {Set<string>} */
const folded = new Set();

/** Shows a client from here on, until `stop`. */
export class View {
  #client;
  #shown;
  /** @type {Inspection | null} */
  latest = null;
  /** the conversation that `latest` is of @type {string | null} */
  #of = null;
  /** @type {(() => void)[]} */
  #stops = [];
  #log = eventLog();
  #events;
  #statusMoved;
  #looks;
  #inspected;
  #writer;
  #facts = deviceFacts();
  #requests = requestTable();
  #last = lastRequests();
  #chooser;
  #picture;

  /**
   * @param {object} given
   * @param {Client} given.client
   * @param {Shown} given.shown is looked at anew each time
   * @param {HTMLElement} given.host
   * @param {readonly string[]} given.parts the parts that are shown, in this order; none: all of them, to be folded
   * @param {(found: Inspection) => void} given.inspected is told what was found
   */
  constructor({ client, shown, host, parts, inspected }) {
    this.#client = client;
    this.#shown = shown;
    this.#inspected = inspected;
    this.#writer = writerLine(client);
    this.#picture = segmentPicture({ compact: parts.includes("strip") });
    this.#chooser = chooser(client, () => this.changed());
    this.elements = this.#elements(parts);
    this.#events = logEvents(client, this.#log.log, () => shown.options.overflow);
    this.#statusMoved = logStatus(client, this.#log.log);
    this.#looks = looks({
      host,
      inspect: () => this.#inspect(),
      isBusy: () => this.latest?.segments.some(({ fresh }) => !fresh) ?? false,
    });
    const { look } = this.#looks;
    const statusChanged = () => {
      this.#statusMoved();
      this.#draw();
      // one that is closed has nothing more to tell
      if (client.status.getSnapshot().connection === "closed") this.#looks.stop();
      else look();
    };
    this.#stops.push(
      this.#looks.stop,
      this.#events.stop,
      client.status.subscribe(statusChanged),
      client.conversations.subscribe(look),
      client.outbox.subscribe(look),
      watchTraffic(this.#last.add),
    );
    statusChanged();
  }

  /** @param {readonly string[]} parts */
  #elements(parts) {
    const pull = button("Pull now", () => this.#pull());
    const reset = button("Reset the count", () => {
      this.#requests.reset(this.latest?.requests);
      this.#draw();
    });
    const report = reportPart((options) => this.report(options));
    /** @type {Record<string, readonly [name: string, ...Node[]]>} */
    const all = {
      segments: ["Segments", this.#chooser.element, this.#picture.element],
      events: ["What happened", this.#log.element],
      requests: [
        "Requests",
        this.#requests.element,
        h("div", { class: "button-row" }, pull, reset),
        this.#last.element,
      ],
      device: ["This device", this.#facts.element],
      report: ["Report", report],
    };
    if (parts.length === 0) {
      const [segments, ...rest] = Object.values(all).map(([name, ...content]) => section(name, ...content));
      return [this.#writer.element, segments, h("slot", {}), ...rest];
    }
    return parts.flatMap((part) => {
      if (part === "writer") return [this.#writer.element];
      if (part === "strip") return [this.#picture.element];
      if (part === "legend") return [segmentLegend()];
      return all[part] ? [h("div", { class: "bare" }, ...all[part].slice(1))] : [];
    });
  }

  #pull() {
    const { log } = this.#log;
    this.#client.sync().then(
      () => log("Pulled: up to date"),
      (error) => log(`Pull: ${error.code}: ${messageOf(error)}`, "bad", `Pull: ${error.code}`),
    );
  }

  /** The conversation that is shown. */
  get conversation() {
    const { conversation } = this.#shown;
    return conversation === undefined ? this.#chooser.chosen() : conversation;
  }

  async #inspect() {
    this.#chooser.draw(this.#shown.conversation === undefined);
    const of = this.conversation;
    const found = await this.#client.inspect(of ?? undefined);
    if (of === this.conversation) this.#found(found, of);
  }

  /** @param {Inspection} found @param {string | null} of */
  #found(found, of) {
    this.latest = found;
    this.#of = of;
    this.#draw();
    this.#inspected(found);
  }

  #draw() {
    this.#writer.draw();
    this.#facts.draw(this.#client, this.latest, this.#scope());
    const { latest } = this;
    if (!latest) return;
    this.#writer.commit(latest.commit);
    this.#requests.draw(latest.requests);
    this.#last.draw(latest.requests);
    const { screen, gapOnScreen } = this.#shown;
    const of = this.#of;
    const { log } = this.#log;
    const happened = this.#picture.draw({
      of,
      segments: latest.segments,
      lastSeq: of === null ? null : (this.#client.conversation(of).getSnapshot()?.lastSeq ?? null),
      screen,
      gapOnScreen,
      online: this.#client.status.getSnapshot().connection === "online",
      empty: emptyText(of, this.#shown.conversation),
    });
    // What is new is in the log already.
    for (const { kind, text } of happened) if (kind !== "new") log(text, TONES[kind]);
  }

  /** Whose cursor it is: as the app has said, or as its requests tell. */
  #scope() {
    return this.#shown.options.sync?.scope ?? this.#last.scope() ?? (this.latest?.cursor ? "account" : null);
  }

  /** What is to be shown has changed. */
  changed() {
    if (this.#of !== this.conversation) {
      this.#of = this.conversation;
      if (this.latest) this.latest = { ...this.latest, segments: [] };
      this.#draw();
    }
    this.#looks.look();
  }

  /** A line of the app's own. @type {import("./events.js").Log} */
  note(text, tone) {
    this.#log.log(text, tone, null);
  }

  /** @param {{ names?: boolean | undefined }} [options] */
  async report(options) {
    const client = this.#client;
    const of = this.conversation;
    // Out of sight nothing is looked at: the report is of now. One that is closed has what it had.
    const found = await client.inspect(of ?? undefined).catch(() => null);
    if (found && of === this.conversation) this.#found(found, of);
    return textOf(
      reportOf(
        {
          client,
          conversation: of,
          found: found ?? this.latest,
          requests: this.#last.all(),
          irregular: this.#events.irregular,
          lines: this.#log.lines,
          options: this.#shown.options,
          scope: this.#scope(),
        },
        options,
      ),
    );
  }

  /** Lets go of everything. */
  stop() {
    for (const stop of this.#stops) stop();
  }
}

/**
 * What to say where there is no segment.
 * @param {string | null} of
 * @param {string | null | undefined} asked
 */
function emptyText(of, asked) {
  if (of !== null) return "This device has nothing of this conversation yet.";
  return asked === undefined ? "No conversation yet." : "Open a conversation to see what this device has of it.";
}

/** @param {string} name @param {...Node} parts */
function section(name, ...parts) {
  const details = h("details", { open: !folded.has(name) }, h("summary", {}, h("h3", {}, name)), ...parts);
  details.addEventListener("toggle", () => (details.open ? folded.delete(name) : folded.add(name)));
  return details;
}
