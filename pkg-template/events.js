// The client's events, to those who listen.

import { revive } from "./errors.js";
import { Listeners } from "./stores.js";

/** @typedef {import("./wire.js").EventName} EventName */

/** Events that carry messages cost something: only those that somebody listens to are sent. @type {EventName[]} */
const COSTLY = ["messages", "updates"];
/** @type {EventName[]} */
export const EVENTS = [...COSTLY, "overflow", "removed", "irregular", "storage", "error"];

export class Events {
  #notifier;
  #listening;
  /** @type {Map<EventName, Listeners>} */
  #listeners;
  /** @type {(() => void)[] | null} what has happened before the app had its client, in order; null once it has it */
  #early = [];
  /** what another engine was told of the costly ones */
  #known = "";

  /**
   * @param {import("./stores.js").Notifier} notifier
   * @param {(events: EventName[]) => void} listening is told which of the costly events are listened to
   */
  constructor(notifier, listening) {
    this.#notifier = notifier;
    this.#listeners = new Map(EVENTS.map((event) => [event, new Listeners(notifier)]));
    this.#listening = listening;
  }

  /**
   * @param {EventName} event one of EVENTS
   * @param {(detail: any) => void} listener
   * @returns {() => void} unsubscribes
   */
  on(event, listener) {
    const listeners = /** @type {Listeners} */ (this.#listeners.get(event));
    const remove = listeners.add(listener);
    if (listeners.size === 1) this.#tellListening(event);
    return () => {
      if (remove() && listeners.size === 0) this.#tellListening(event);
    };
  }

  get #listened() {
    return COSTLY.filter((one) => this.#listeners.get(one)?.size);
  }

  /** @param {EventName} event */
  #tellListening(event) {
    if (COSTLY.includes(event)) this.#listening(this.#listened);
  }

  /**
   * What another engine is told before it hears of anything: an event is told once, and only where it is listened to.
   * @returns {import("./wire.js").Command[]}
   */
  anew() {
    const events = this.#listened;
    this.#known = events.join();
    return events.length ? [{ op: "listening", events }] : [];
  }

  /** That one hears commands: what has changed meanwhile. */
  again() {
    const events = this.#listened;
    if (events.join() !== this.#known) this.#listening(events);
  }

  /** Something has happened. @param {import("./wire.js").WireEvent} event */
  happened({ type, detail }) {
    const shown = type === "error" ? revive(detail) : detail;
    const tell = () => this.#notifier.event(() => this.#listeners.get(type)?.call(shown));
    if (this.#early) this.#early.push(tell);
    else tell();
  }

  /** The app gets its client now. What has happened until here (no IndexedDB) is told once it could listen. */
  handOver() {
    const early = this.#early ?? [];
    this.#early = null;
    // a task later: it may wait for the client in functions of its own
    if (early.length === 0) return;
    setTimeout(() => {
      for (const tell of early) tell();
    });
  }
}
