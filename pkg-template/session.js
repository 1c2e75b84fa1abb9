// A client from its beginning to its end. Commands go to the engine, and frames come back and become what the stores
// show. It is ready with the engine's first status, and ends once: closed, taken over, fenced, or crashed.

import { Calls } from "./calls.js";
import { PullcordError, invalid, quiet, revive, within } from "./errors.js";
import { Events } from "./events.js";
import { Shown } from "./frames.js";
import { looksLikeKey, newId } from "./ids.js";
import { bodyText, name, optionsOf } from "./options.js";
import { Notifier } from "./stores.js";
import { Made, Timelines } from "./timelines.js";
import { deleteDatabase } from "./wipe.js";
import { outside } from "./zone.js";

/** @typedef {import("./wire.js").Command} Command */
/** @typedef {import("./wire.js").Frame} Frame */

/** ms that the engine has to write what is under way before its client counts as closed */
const STOP_PATIENCE = 5000;
/**
 * ms that the browser may take to open the store and read it, beyond what the store itself waits: then it has fallen
 * silent
 */
const OPEN_PATIENCE = 45_000;

/** ms after which it is told that a list is shown in vain: what a component does for a moment is no fault */
const IN_VAIN = 3000;

/** ms since the epoch, and how much greater than a position it is that was meant */
const YEAR_2000 = 946_684_800_000;
const FAR = 100;

/** names that the app has given to its messages, of which it is remembered what they were given to: the newest */
const NAMED = 100;
/** characters of a body by which it is known again */
const BODY_START = 1000;

export class Session {
  #engine;
  #calls = new Calls((command) => this.command(command));
  #timelines = new Timelines((id) => this.closeTimeline(id));
  /** @type {Made<import("./timeline.js").Timeline>} the lists that the app has */
  made = new Made();
  #events;
  /** the engine is open */
  #isOpen = false;
  /** @type {Promise<void> | null} the running end, from the first call of `stop` on */
  #stopping = null;
  /** @type {(isAtRest: boolean) => void} */
  #stopped = () => {};
  /** @type {PullcordError | null} the error that the status ends with */
  #cause = null;
  /** @type {PullcordError | null} why calls are refused, once it is over */
  #refusal = null;
  /** how the bodies begin that the app has sent with a name of its own @type {Map<string, string>} */
  #named = new Map();
  #becameReady = () => {};
  /** is told once, when it is over */
  ended = () => {};
  /** @type {(error: PullcordError) => void} */
  #neverReady = () => {};

  /**
   * @param {import("./wire.js").ClientConfig} config as clientConfig made it
   * @param {import("./engine/port.js").Port} engine
   * @param {import("./log.js").Log} log
   */
  constructor(config, engine, log) {
    this.config = config;
    this.#engine = engine;
    this.log = log;
    log.server = config.methods ? null : config;
    this.notifier = new Notifier((message) => log.say("warn", message));
    this.notifier.watch = (what) => this.#watch(what);
    this.shown = new Shown(this.notifier);
    this.#events = new Events(this.notifier, (events) => this.command({ op: "listening", events }));
    /** @type {Promise<void>} */
    const ready = new Promise((resolve, reject) => {
      this.#becameReady = resolve;
      this.#neverReady = reject;
    });
    this.ready = quiet(ready);
  }

  get isOver() {
    return this.#refusal !== null;
  }

  /** It ends, but has not yet. */
  get isStopping() {
    return this.#stopping !== null && !this.isOver;
  }

  /** It has ended by itself, or another client has ended it. */
  get hasFailed() {
    return this.isOver && this.shown.status.value?.error !== null;
  }

  /**
   * What is shown in vain for so long is told.
   * @param {() => void} run
   */
  later(run) {
    const timer = outside(() => setTimeout(run, IN_VAIN));
    // Node's: nothing waits for it
    /** @type {any} */ (timer).unref?.();
    return timer;
  }

  /** A store that is listened to. @param {string} what @returns {() => void} it is not any more */
  #watch(what) {
    if (!this.isOver) return () => {};
    const timer = this.later(() => this.saidInVain(what));
    return () => clearTimeout(timer);
  }

  /** @param {string} what */
  saidInVain(what) {
    // why it ended by itself is told already
    if (!this.hasFailed) this.log.say("warn", `${what} is shown, and its client is closed: make another one`);
  }

  /** What calls reject with, once it is over. @returns {PullcordError | null} */
  get refusal() {
    return this.#refusal;
  }

  // ------------------------------------------------------------ begin

  /** Opens the engine. `ready` tells how it went. */
  async start() {
    try {
      const isOpen = await this.#engine.open(this.config, {
        opening: (config) => {
          this.config = config;
          this.log.server = config.methods ? null : config;
          this.#awaitStorage();
        },
        onFrame: (frame) => this.#apply(frame),
        log: this.log.say,
        asked: (error) => quiet(this.stop("close", error)),
        stopped: () => this.#hasStopped(),
        anew: () => this.#anew(),
        again: () => this.#again(),
        crashed: (error) => this.#crash(error),
      });
      if (!isOpen) return;
      this.#isOpen = true;
      this.#announce();
    } catch (error) {
      this.#finish(revive(error));
    }
  }

  /** Whatever the browser does not answer: then `ready` has an end, and what comes later is let go of. */
  #awaitStorage() {
    const silent = "the browser's storage does not answer: reload the page, or close other tabs of it";
    quiet(within(this.ready, OPEN_PATIENCE, () => this.#finish(new PullcordError("storage", silent))));
  }

  /** Ready: there is something to show, and an engine to command; either may come first. */
  #announce() {
    if (this.shown.status.value && this.#isOpen) this.#becameReady();
  }

  /** The app gets its client now. */
  handOver() {
    this.#events.handOver();
  }

  // ------------------------------------------------------------ begin again

  /**
   * Another engine takes the place of the one that has slept.
   * @returns {Command[]} what it is told before it hears of anything
   */
  #anew() {
    this.shown.anew();
    this.#timelines.anew();
    return this.#events.anew();
  }

  #again() {
    this.#events.again();
    this.#timelines.again();
    this.#calls.again();
  }

  // ------------------------------------------------------------ frames

  /** @param {Frame} frame */
  #apply(frame) {
    const before = this.shown.status.value;
    const stopped = this.shown.apply(frame);
    this.log.status(before, this.shown.status.value);
    for (const line of frame.logs ?? []) this.log.heard(line);
    if (stopped) this.#cause ??= stopped.error;
    for (const entry of frame.timelines ?? []) this.#timelines.apply(entry);
    for (const event of frame.events ?? []) {
      this.log.happened(event.type, event.detail);
      this.#events.happened(event);
    }
    // last: whoever awaits a result finds the stores changed
    for (const result of frame.results ?? []) this.#calls.settle(result);
    this.#announce();
  }

  /** @param {import("./wire.js").EventName} event @param {(detail: any) => void} listener */
  on(event, listener) {
    return this.#events.on(event, listener);
  }

  // ------------------------------------------------------------ commands and calls

  /** Tells the engine something that has no answer. @param {Command} command */
  command(command) {
    if (!this.isOver) outside(() => this.#engine.post(command));
  }

  /**
   * What is wrong with a list is told where it is made: opened it is when it is used.
   * @param {import("./wire.js").TimelineConfig} config
   */
  checkTimeline(config) {
    const error = this.isOver ? undefined : this.#engine.check({ op: "open", timeline: 0, ...config });
    if (error) throw revive(error);
    return config;
  }

  /**
   * @param {Command} command
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  call(command, signal) {
    if (this.isOver || this.#stopping) {
      const error = this.#refusal ?? new PullcordError("closed", "the client is closing");
      this.log.say("warn", `${command.op} was called on a client that is closed: ${error.message}`);
      return Promise.reject(error);
    }
    return this.#calls.call(command, signal);
  }

  /** Refuses what the app's transport cannot do, before anything is shown or stored. @param {string} method */
  #needs(method) {
    if (this.config.methods?.includes(method) === false) throw invalid(`the transport has no method ${method}`);
  }

  /** @param {unknown} conversation @param {unknown} body @param {unknown} options */
  send(conversation, body, options) {
    this.#needs("send");
    this.log.unknown("send", options, ["clientId"]);
    const { clientId } = optionsOf("options", options);
    /** @type {{ op: "send", conversation: string, body: string, clientId: string }} */
    const command = {
      op: "send",
      conversation: name("conversation", conversation),
      body: bodyText(body, this.log),
      clientId: name("clientId", clientId === undefined ? newId() : clientId),
    };
    return clientId === undefined ? this.call(command) : this.#sendNamed(command);
  }

  /**
   * With a name that the app has given. The same once more sends nothing, and is meant so only with the same body.
   * @param {{ op: "send", conversation: string, body: string, clientId: string }} command
   */
  #sendNamed(command) {
    const { conversation, clientId, body } = command;
    const named = JSON.stringify([conversation, clientId]);
    // of a long one its beginning says enough
    const start = `${body.length} ${body.slice(0, BODY_START)}`;
    const before = this.#named.get(named);
    if (before !== undefined && before !== start)
      this.log.say(
        "warn",
        `send(${JSON.stringify(conversation)}): the clientId ${JSON.stringify(clientId)} was given to another message, so that nothing is sent: each message has its own`,
        undefined,
        "send clientId",
      );
    if (before !== undefined) return this.call(command);
    this.#named.set(named, start);
    if (this.#named.size > NAMED) this.#named.delete(/** @type {string} */ (this.#named.keys().next().value));
    const sending = this.call(command);
    // one that was not taken may be sent with another body
    sending.catch(() => this.#named.delete(named));
    return sending;
  }

  /** @param {unknown} clientId @param {string} [conversation] only there */
  async retry(clientId, conversation) {
    try {
      await this.call({ op: "retry", clientId: this.#clientId("retry", clientId), conversation });
    } catch (error) {
      // one that was delivered meanwhile is none of these
      if (/** @type {any} */ (error).code === "not-found" && !looksLikeKey(clientId))
        this.log.say("warn", `retry: no message that waits or failed has the clientId ${JSON.stringify(clientId)}`);
      throw error;
    }
  }

  /** The key of a row is none, and looks like it. @param {string} method @param {unknown} given */
  #clientId(method, given) {
    const clientId = name("clientId", given);
    if (looksLikeKey(clientId))
      this.log.say("warn", `${method}: ${JSON.stringify(clientId)} looks like a row's key: give its \`clientId\``);
    return clientId;
  }

  /** @param {unknown} clientId @param {string} [conversation] only there */
  discard(clientId, conversation) {
    return this.call({ op: "discard", clientId: this.#clientId("discard", clientId), conversation });
  }

  /** @param {string} conversation @param {unknown} messageId @param {unknown} body */
  edit(conversation, messageId, body) {
    return this.call({
      op: "edit",
      conversation,
      messageId: name("messageId", messageId),
      body: bodyText(body, this.log),
      clientId: newId(),
    });
  }

  /** @param {string} conversation @param {unknown} messageId */
  recall(conversation, messageId) {
    return this.call({ op: "recall", conversation, messageId: name("messageId", messageId) });
  }

  /** @param {unknown} conversation @param {{ seq: string } | { timeline: number }} upTo */
  async markRead(conversation, upTo) {
    this.#needs("markRead");
    const id = name("conversation", conversation);
    if ("seq" in upTo) this.#judgePosition(id, upTo.seq);
    await this.call({ op: "mark-read", conversation: id, ...upTo });
  }

  /**
   * A time in a position's place. Where positions are times, the newest is as great.
   * @param {string} id @param {string} seq
   */
  #judgePosition(id, seq) {
    const newest = this.shown.conversationStores.of(id).getSnapshot()?.lastSeq;
    if (newest && Number(seq) > YEAR_2000 && Number(seq) > FAR * Number(newest))
      this.log.say(
        "warn",
        `markRead: the newest position of ${JSON.stringify(id)} is ${newest}, and ${seq} looks like a time: give the \`seq\` of a message`,
        undefined,
        `markRead time ${id}`,
      );
  }

  // ------------------------------------------------------------ timelines

  /** The timelines that frames go to. */
  get timelines() {
    return this.#timelines;
  }

  /** @param {number} id */
  closeTimeline(id) {
    if (!this.#timelines.remove(id)) return;
    this.command({ op: "close-timeline", timeline: id });
    this.#calls.giveUp(new PullcordError("closed", "the timeline is closed"), id);
  }

  // ------------------------------------------------------------ end

  /**
   * Lets the engine finish what it is writing, then ends. The first call counts. Rejects if the data could not be
   * deleted.
   * @param {"close" | "wipe"} op
   * @param {PullcordError | null} [cause] shown as the status's error
   * @returns {Promise<void>}
   */
  stop(op, cause = null) {
    if (this.isOver) return Promise.resolve();
    this.#cause ??= cause;
    this.#stopping ??= outside(() => this.#end(op));
    return this.#stopping;
  }

  /** Whether the data that it was to delete was deleted by it: else somebody else has to. */
  hasWiped = false;

  /** @param {"close" | "wipe"} op */
  async #end(op) {
    const isAtRest = await this.#stopEngine(op);
    try {
      if (op === "wipe" && isAtRest) {
        await deleteDatabase(this.config.account);
        this.hasWiped = true;
      }
    } finally {
      // until here the account is held
      this.#finish(this.#cause);
    }
  }

  /**
   * @param {"close" | "wipe"} op
   * @returns {Promise<boolean>} whether it has stopped, and holds nothing any more
   */
  #stopEngine(op) {
    return new Promise((resolve) => {
      const patience = setTimeout(resolve, STOP_PATIENCE, false);
      this.#stopped = (isAtRest) => {
        clearTimeout(patience);
        resolve(isAtRest);
      };
      if (!this.#engine.stop({ op, call: this.#calls.next() })) this.#stopped(false);
    });
  }

  #hasStopped() {
    this.#stopped(true);
    if (!this.#stopping) this.#finish(this.#cause);
  }

  /** Once the account neither is held nor comes any more, for one that has not become ready. */
  get untied() {
    return this.#engine.untied;
  }

  /** Cancels opening. @param {PullcordError} error */
  abandon(error) {
    this.#finish(error);
  }

  /** Closes every other client of the account, in all tabs. */
  evictOthers() {
    return outside(() => this.#engine.evictOthers());
  }

  /** @param {PullcordError} error */
  #crash(error) {
    this.#finish(error);
    this.#stopped(false);
  }

  /** @param {PullcordError | null} error */
  #finish(error) {
    if (this.isOver) return;
    const refusal = error?.code === "internal" ? error : closed(error);
    if (error && error.code !== "aborted")
      this.log.say(error.code === "closed" ? "info" : "warn", `the client ends: ${error.message}`, error.cause);
    this.#refusal = refusal;
    this.ended();
    this.shown.end(error);
    this.#timelines.end();
    this.#calls.giveUp(refusal);
    this.#neverReady(error ?? refusal);
    this.#engine.close();
  }
}

/** What calls reject with once the client is closed. @param {PullcordError | null} cause */
function closed(cause) {
  return cause
    ? new PullcordError("closed", `the client is closed: ${cause.message}`, { cause })
    : new PullcordError("closed", "the client is closed");
}
