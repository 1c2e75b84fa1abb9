// One list on one screen. It is opened in the engine by the first who needs it, let go a little after the
// last subscriber has gone and the last method has settled, and opened again, where it was, by the next.

import { PullcordError, aborted, invalid } from "./errors.js";
import { OPENING } from "./empty.js";
import { looksLikeKey } from "./ids.js";
import { abortSignal, optionsOf, place } from "./options.js";
import { seqText } from "./seq.js";
import { Source, applyPatch, kept, keptError, renewed, reviveItem } from "./stores.js";
import { outside } from "./zone.js";

/** ms at least between the last use and letting go: React's StrictMode unsubscribes and subscribes at once */
const LINGER = 1000;

/** @typedef {import("./index.js").Timeline<any>} TimelineApi */
/** @typedef {import("./index.js").TimelineSnapshot<any>} Snapshot */

/**
 * The list of this conversation and these options that there is, so that a component that asks on each render gets the
 * same; else a new one.
 * @param {import("./session.js").Session} session
 * @param {import("./wire.js").TimelineConfig} config as timelineConfig made it
 * @returns {Timeline}
 */
export function timelineOf(session, config) {
  const name = JSON.stringify(config);
  const made = session.made.of(name) ?? new Timeline(session, session.checkTimeline(config), name);
  session.made.remember(name, made);
  return made;
}

/**
 * Its methods are its own functions, as those of the client.
 * @implements {TimelineApi}
 */
export class Timeline {
  #session;
  #config;
  /** under which it is found */
  #name;
  /** @type {"unopened" | "open" | "released" | "closed"} */
  #state = "unopened";
  #id = 0;
  #source;
  #subscribers = 0;
  /** methods that are running */
  #running = 0;
  /**
   * Runs from the first rest on; what is used meanwhile rests once more.
   * @type {ReturnType<typeof setTimeout> | undefined}
   */
  #linger = undefined;
  #usedMeanwhile = false;
  #lastVisible = "";
  /** @type {import("./timelines.js").Control} what the session knows of this timeline */
  #control = {
    apply: (entry) => this.#apply(entry),
    end: () => this.#end(),
    anew: () => this.#anew(),
    again: () => this.#session.command({ op: "open", timeline: this.#id, ...this.#config }),
  };
  /**
   * What an engine that began anew has said so far: shown once it is no longer opening.
   * @type {Snapshot["items"] | null}
   */
  #fresh = null;
  /** `anchor.count` of the engines before, since it may only rise */
  #counted = 0;
  /** somebody is going to subscribe: React looks at `subscribe` while it renders, and calls it later */
  #isWanted = false;
  /** it was read before anybody was */
  #isWatched = false;
  /** @type {TimelineApi["subscribe"]} */
  subscribe = /** @type {any} */ (undefined);

  /**
   * @param {import("./session.js").Session} session
   * @param {import("./wire.js").TimelineConfig} config as timelineConfig made it
   * @param {string} name
   */
  constructor(session, config, name) {
    this.#session = session;
    this.#config = config;
    this.#name = name;
    this.#source = new Source(OPENING, session.notifier);
    this.conversation = config.conversation;
    // of its own, as the other methods: it works through a proxy, and taken out
    Object.defineProperty(this, "subscribe", {
      enumerable: true,
      get: () => {
        this.#isWanted = true;
        return this.#subscribe;
      },
    });
  }

  getSnapshot = () => {
    if (this.#session.isOver) this.#end();
    if (this.#state === "unopened" && !this.#isWanted && !this.#isWatched) {
      this.#isWatched = true;
      this.#session.later(() => {
        if (this.#state === "unopened" && !this.#isWanted)
          this.#say("is read, and shows nothing before its first `subscribe` or method call");
      });
    }
    return this.#source.value;
  };

  /** @param {string} what */
  #say(what) {
    this.#session.log.say("warn", `timeline(${JSON.stringify(this.conversation)}) ${what}`);
  }

  /** A list that has ended, and is listened to all the same. @param {() => void} unsubscribe */
  #inVain(unsubscribe) {
    const timer = this.#session.later(() => {
      if (!this.#session.isOver) this.#say("is closed, for all who asked for it: to let go of a list, unsubscribe");
      else this.#session.saidInVain(`timeline(${JSON.stringify(this.conversation)})`);
    });
    return () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }

  #subscribe = (/** @type {() => void} */ listener) => {
    const unsubscribe = this.#source.store.subscribe(listener);
    if (!this.#use()) return this.#inVain(unsubscribe);
    this.#subscribers += 1;
    let subscribed = true;
    return () => {
      if (!subscribed) return;
      subscribed = false;
      unsubscribe();
      this.#subscribers -= 1;
      this.#rest();
    };
  };

  /** @type {TimelineApi["loadOlder"]} */
  loadOlder = (options) => this.#load("loadOlder", "older", options);

  /** @type {TimelineApi["loadNewer"]} */
  loadNewer = (options) => this.#load("loadNewer", "newer", options);

  /** @param {string} name @param {"older" | "newer"} direction @param {unknown} options */
  #load(name, direction, options) {
    return this.#method(
      name,
      ({ limit, signal }) => this.#session.call({ op: "load", timeline: this.#id, direction, limit }, signal),
      options,
      ["limit", "signal"],
    );
  }

  /** @type {TimelineApi["jump"]} */
  jump = (to, options) =>
    this.#method(
      "jump",
      async ({ signal }) => {
        await this.#session.call({ op: "jump", timeline: this.#id, to: place("to", to, this.#session.log) }, signal);
      },
      options,
      ["signal"],
    );

  /** @type {TimelineApi["send"]} */
  send = (body, options) => this.#method("send", () => this.#session.send(this.conversation, body, options));

  /** @type {TimelineApi["retry"]} */
  retry = (clientId) => this.#method("retry", () => this.#session.retry(clientId, this.conversation));

  /** @type {TimelineApi["discard"]} */
  discard = (clientId) => this.#method("discard", () => this.#session.discard(clientId, this.conversation));

  /** @type {TimelineApi["edit"]} */
  edit = (messageId, body) =>
    this.#method("edit", async () => this.#session.edit(this.conversation, this.#ofMessage(messageId), body));

  /** @type {TimelineApi["recall"]} */
  recall = (messageId) =>
    this.#method("recall", async () => this.#session.recall(this.conversation, this.#ofMessage(messageId)));

  /** @param {unknown} id */
  #isIdOfShown(id) {
    return this.#source.value.items.some((item) => item.kind !== "gap" && item.message?.id === id);
  }

  /** The key of a row that is shown is no message's id. @param {any} given */
  #ofMessage(given) {
    const isKey = looksLikeKey(given) && this.#source.value.items.some(({ key }) => key === given);
    if (isKey && !this.#isIdOfShown(given))
      throw invalid(`messageId is a row's key, ${JSON.stringify(given)}: give the \`id\` of its message`);
    return given;
  }

  /** @type {TimelineApi["markRead"]} */
  markRead = (seq) =>
    this.#method("markRead", async () => {
      const upTo = seq === undefined ? { timeline: this.#id } : { seq: seqText(seq) };
      await this.#session.markRead(this.conversation, upTo);
    });

  /** @type {TimelineApi["visible"]} */
  visible = (first, last) => {
    this.#session.log.judge("visible", () => {
      if (typeof first !== "string" || typeof last !== "string")
        throw invalid("it takes the keys of the first and the last item on screen");
    });
    if (!this.#use()) return;
    const range = JSON.stringify([first, last]);
    if (range !== this.#lastVisible) {
      const none = [first, last].find((key) => !looksLikeKey(key));
      if (none !== undefined) {
        const what = this.#isIdOfShown(none) ? "the id of a message" : JSON.stringify(none.slice(0, 40));
        this.#session.log.say("warn", `visible was given ${what}: it takes keys of rows, \`item.key\``);
      }
      this.#lastVisible = range;
      this.#session.command({ op: "visible", timeline: this.#id, first, last });
    }
    this.#rest();
  };

  close = () => {
    if (this.#state === "closed") return;
    const id = this.#id;
    this.#end();
    this.#session.made.forget(this.#name, this);
    if (id) this.#session.closeTimeline(id);
  };

  /**
   * Runs a method with the timeline opened for it.
   * @template T
   * @param {string} name
   * @param {(options: Record<string, any>) => Promise<T>} run
   * @param {unknown} [given] the app's options
   * @param {string[]} [known] those that there are
   */
  #method(name, run, given, known = []) {
    const { log } = this.#session;
    log.unknown(name, given, known);
    return log.watch(
      name,
      (async () => {
        if (this.#session.isOver) this.#end();
        // one that is closed says so, whatever it is called with
        const options = this.#state === "closed" ? {} : optionsOf("options", given);
        const { signal } = options;
        // before it is opened for it
        if (abortSignal(signal)?.aborted) throw aborted(signal);
        if (!this.#use()) {
          const error = this.#session.refusal ?? new PullcordError("closed", "the timeline is closed");
          log.say("warn", `${name} was called on a timeline that is closed: ${error.message}`);
          throw error;
        }
        this.#running += 1;
        try {
          return await run(options);
        } finally {
          this.#running -= 1;
          this.#rest();
        }
      })(),
    );
  }

  /** Opens it, if it is not. @returns {boolean} false: it is closed */
  #use() {
    if (this.#session.isOver) this.#end();
    switch (this.#state) {
      case "unopened":
        this.#id = this.#session.timelines.add(this.#control);
        this.#state = "open";
        this.#session.command({ op: "open", timeline: this.#id, ...this.#config });
        this.#session.made.remember(this.#name, this);
        return true;
      case "released":
        this.#session.timelines.hold(this.#id, this.#control);
        this.#state = "open";
        this.#session.command({ op: "attach", timeline: this.#id });
        this.#session.made.remember(this.#name, this);
        return true;
      default:
        return this.#state === "open";
    }
  }

  get #isNeeded() {
    return this.#state !== "open" || this.#subscribers > 0 || this.#running > 0;
  }

  /** Lets go soon, if nobody needs it. */
  #rest() {
    if (this.#isNeeded) return;
    // not a timer for each page that is read: it is armed before the page is handed over
    this.#usedMeanwhile = this.#linger !== undefined;
    const letGo = () => {
      this.#linger = undefined;
      if (this.#isNeeded) return;
      if (this.#usedMeanwhile) {
        this.#rest();
        return;
      }
      this.#state = "released";
      this.#lastVisible = "";
      // whoever comes later begins where its options say
      this.#session.made.forget(this.#name, this);
      this.#session.command({ op: "release", timeline: this.#id });
      this.#session.timelines.letGo(this.#id, this.#control);
    };
    this.#linger ??= outside(() => setTimeout(letGo, LINGER));
  }

  /** Another engine begins, that knows nothing of this list: it opens it where it was, and what is shown stays. */
  #anew() {
    if (this.#state !== "open" && this.#state !== "released") return;
    this.#config = { ...this.#config, start: this.#place() };
    this.#lastVisible = "";
    this.#fresh = [];
    if (this.#state === "released") this.#state = "unopened";
  }

  /** Where it is. @returns {import("./wire.js").Place} */
  #place() {
    const { items, hasNewer } = this.#source.value;
    const [first, last] = this.#lastVisible ? JSON.parse(this.#lastVisible) : [null, items.at(-1)?.key];
    if (!hasNewer && last === items.at(-1)?.key) return "latest";
    const at = first === null ? items.length >> 1 : items.findIndex(({ key }) => key === first);
    for (const item of items.slice(Math.max(at, 0))) {
      if (item.kind !== "gap" && item.message) return { around: item.message.seq };
    }
    return this.#config.start;
  }

  #end() {
    if (this.#state === "closed") return;
    this.#state = "closed";
    clearTimeout(this.#linger);
    this.#source.set({ ...this.#source.value, status: "closed", loading: OPENING.loading });
  }

  /** @param {import("./wire.js").TimelineEntry} entry */
  #apply(entry) {
    const before = this.#source.value;
    let items = this.#fresh ?? before.items;
    if (entry.items?.length) items = applyPatch(items, entry.items, reviveItem);
    if (this.#fresh && entry.status === "opening") {
      this.#fresh = items;
      return;
    }
    if (this.#fresh) {
      this.#fresh = null;
      items = renewed(before.items, items, ({ key }) => key);
      this.#counted = before.anchor.count + 1 - entry.anchor.count;
    }
    const anchor = { key: entry.anchor.key, count: entry.anchor.count + this.#counted };
    // the engine has forgotten what was on screen of the list before: the same keys are news to it
    if (anchor.count !== before.anchor.count) this.#lastVisible = "";
    this.#source.set(
      kept(before, {
        items,
        status: entry.status,
        anchor: kept(before.anchor, anchor),
        firstIndex: entry.firstIndex,
        hasOlder: entry.hasOlder,
        hasNewer: entry.hasNewer,
        loading: kept(before.loading, entry.loading),
        unseen: entry.unseen,
        error: keptError(before.error, entry.error),
      }),
    );
  }
}
