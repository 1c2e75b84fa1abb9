// One open engine: commands go in, frames come out and become what the stores show. A session begins with
// `start`, is ready with the engine's first status, and ends once: closed, taken over, fenced, or crashed.

import { PullcordError, aborted, invalid, quiet, revive } from "./errors.js";
import { surroundings, watchLifecycle } from "./lifecycle.js";
import { Claim, newId } from "./lock.js";
import { bodyText, name, optionsOf } from "./options.js";
import { ConversationStores, Listeners, Notifier, Source, applyPatch, kept, keptError } from "./stores.js";
import { bridge } from "./transport.js";

/** ms that the engine has to write what is under way before its client counts as closed */
const STOP_PATIENCE = 5000;

const COSTLY = ["messages", "updates"];
export const EVENTS = [...COSTLY, "overflow", "removed", "storage", "error"];

/** A local item or a timeline's item, as the app sees it. */
export function reviveItem(item) {
  if (item.error) item.error = revive(item.error);
  return item;
}

export class Session {
  #transport;
  #log;
  #instance = null;
  #host = null;
  #claim;
  #unwatch = () => {};
  /** the running end, from the first call of `stop` on */
  #stopping = null;
  /** @type {(error?: PullcordError | null) => void} */
  #stopped = () => {};
  /** the error that the status ends with */
  #cause = null;
  /** why calls are refused, once it is over */
  #refusal = null;
  #becameReady;
  #neverReady;

  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: PullcordError) => void, signal?: AbortSignal, forget: () => void, timeline?: number }>} */
  #calls = new Map();
  #lastCall = 0;

  /**
   * What frames go to. A timeline that nobody subscribes to is held weakly: an app need not close what it drops.
   * @type {Map<number, { strong: any, weak: WeakRef<any> }>}
   */
  #timelines = new Map();
  #lastTimeline = 0;
  #dropped = new FinalizationRegistry((id) => this.closeTimeline(id));

  #listeners = Object.fromEntries(EVENTS.map((event) => [event, new Listeners()]));
  /** what has happened before the app had its client, in order; null once it has it */
  #early = [];

  /**
   * @param {any} config as clientConfig made it
   * @param {any} transport
   * @param {(level: string, message: string, detail?: unknown) => void} log
   */
  constructor(config, transport, log) {
    this.config = config;
    this.#transport = transport;
    this.#log = log;
    this.notifier = new Notifier();
    this.status = new Source(null, this.notifier);
    this.conversations = new Source([], this.notifier);
    this.outbox = new Source([], this.notifier);
    this.conversationStores = new ConversationStores(this.conversations, this.notifier);
    this.ready = quiet(new Promise((resolve, reject) => {
      this.#becameReady = () => resolve(undefined);
      this.#neverReady = reject;
    }));
  }

  get isOver() {
    return this.#refusal !== null;
  }

  /** It ends, but has not yet. */
  get isStopping() {
    return this.#stopping !== null && !this.isOver;
  }

  /** What calls reject with, once it is over. @returns {PullcordError | null} */
  get refusal() {
    return this.#refusal;
  }

  // ------------------------------------------------------------ begin

  /** Loads the wasm, opens the store, and queues for the account's lock. `ready` tells how it went. */
  async start(runtime, { wasm, ifOpen }) {
    try {
      const { account } = this.config;
      this.#claim = new Claim(account, {
        held: () => this.#promote(),
        asked: (error) => quiet(this.stop("close", error)),
      });
      // whoever has the lock at once reads and writes from the beginning
      const [instance] = await Promise.all([runtime.instance(wasm), this.#claim.tryAtOnce()]);
      if (this.isOver) return;
      this.#instance = instance;
      instance.enter(this);
      const promoted = this.#claim.isHeld;
      const told = surroundings();
      const config = { ...this.config, ...told, promoted };
      let host;
      try {
        host = await instance.glue.Host.open(JSON.stringify(config), this.#hooks(instance));
      } catch (error) {
        if (error instanceof WebAssembly.RuntimeError) instance.panic(error);
        throw error;
      }
      this.#host = host;
      if (this.isOver) {
        this.#discard();
        return;
      }
      this.#unwatch = watchLifecycle((command) => this.command(command), told);
      if (!promoted && ifOpen === "take-over") this.#claim.takeOver();
      else if (!promoted) this.#claim.wait();
      this.#announce();
    } catch (error) {
      this.#instance?.leave(this);
      this.#finish(revive(error));
    }
  }

  /** The lock was got after opening. */
  #promote() {
    const host = this.#host;
    if (host && !this.isOver && !this.#stopping) this.#instance.run(() => host.promote());
  }

  #hooks(instance) {
    const hooks = {
      frame: (text) => {
        if (this.isOver) return;
        try {
          this.#apply(JSON.parse(text));
        } catch (cause) {
          // what is shown and what the engine believes to be shown would differ from here on
          this.#finish(new PullcordError("internal", `Pullcord failed, and this is a bug in it: ${cause.message}`, { cause }));
        }
      },
      log: (level, message, detail) => this.#log(level, message, detail ? JSON.parse(detail) : undefined),
      stopped: (_wiped, error) => {
        this.#stopped(error ? revive(JSON.parse(error)) : null);
        if (!this.#stopping) this.#finish(this.#cause);
      },
      panicked: (message) => instance.panic(message),
    };
    const transport = this.#transport;
    if (this.config.transport === "app") {
      return Object.assign(hooks, bridge(transport, this.#log, (call) => instance.run(call)));
    }
    return Object.assign(hooks, { token: () => transport.token() });
  }

  // ------------------------------------------------------------ commands and calls

  /** Tells the engine something that has no answer. */
  command(command) {
    if (this.isOver || !this.#host) return;
    const host = this.#host;
    this.#instance.run(() => host.command(JSON.stringify(command)));
  }

  /**
   * @param {{ op: string, timeline?: number, [field: string]: unknown }} command
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  call(command, signal) {
    if (this.isOver || this.#stopping) return Promise.reject(this.#refusal ?? new PullcordError("closed", "the client is closing"));
    if (signal?.aborted) return Promise.reject(aborted(signal));
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      const abort = () => this.command({ op: "abort", of: call });
      signal?.addEventListener("abort", abort);
      const forget = () => {
        signal?.removeEventListener("abort", abort);
        this.#calls.delete(call);
      };
      this.#calls.set(call, { resolve, reject, signal, forget, timeline: command.timeline });
      this.command({ ...command, call });
    });
  }

  /** Refuses what the app's transport cannot do, before anything is shown or stored. */
  #needs(method) {
    const { transport, methods } = this.config;
    if (transport === "app" && !methods.includes(method)) throw invalid(`the transport has no method ${method}`);
  }

  send(conversation, body, options) {
    this.#needs("send");
    const { clientId = newId() } = optionsOf("options", options);
    return this.call({ op: "send", conversation: name("conversation", conversation), body: bodyText(body), clientId: name("clientId", clientId) });
  }

  /** @param {string} [conversation] only there */
  async retry(clientId, conversation) {
    await this.call({ op: "retry", clientId: name("clientId", clientId), conversation });
  }

  /** @param {string} [conversation] only there */
  discard(clientId, conversation) {
    return this.call({ op: "discard", clientId: name("clientId", clientId), conversation });
  }

  edit(conversation, messageId, body) {
    return this.call({ op: "edit", conversation, messageId: name("messageId", messageId), body: bodyText(body), clientId: newId() });
  }

  recall(conversation, messageId) {
    return this.call({ op: "recall", conversation, messageId: name("messageId", messageId) });
  }

  /** @param {{ seq: string } | { timeline: number }} upTo */
  async markRead(conversation, upTo) {
    this.#needs("markRead");
    await this.call({ op: "mark-read", conversation: name("conversation", conversation), ...upTo });
  }

  // ------------------------------------------------------------ frames

  #apply(frame) {
    const { status } = frame;
    const before = this.status.value;
    const error = keptError(before?.error, status?.error);
    // shown as closed together with the timelines, when the engine has stopped
    if (status?.connection === "closed") this.#cause ??= error;
    else if (status) this.status.set(kept(before, { ...status, progress: kept(before?.progress, status.progress), error }));
    if (frame.conversations?.length) {
      this.conversations.set(applyPatch(this.conversations.value, frame.conversations));
      this.conversationStores.changed();
    }
    if (frame.outbox?.length) this.outbox.set(applyPatch(this.outbox.value, frame.outbox, reviveItem));
    for (const entry of frame.timelines ?? []) this.#timelines.get(entry.id)?.weak.deref()?.apply(entry);
    for (const { type, detail } of frame.events ?? []) {
      const shown = type === "error" ? revive(detail) : detail;
      const tell = () => this.notifier.event(() => this.#listeners[type]?.call(shown));
      if (this.#early) this.#early.push(tell);
      else tell();
    }
    for (const { level, message, detail } of frame.logs ?? []) this.#log(level, message, detail);
    // last: whoever awaits a result finds the stores changed
    for (const result of frame.results ?? []) this.#settle(result);
    this.#announce();
  }

  /** Ready: there is something to show, and an engine to command; either may come first. */
  #announce() {
    if (this.status.value && this.#host) this.#becameReady();
  }

  #settle({ call, ok, error }) {
    const waiting = this.#calls.get(call);
    if (!waiting) return;
    waiting.forget();
    if (!error) waiting.resolve(ok);
    else if (error.code === "aborted" && waiting.signal?.aborted) waiting.reject(aborted(waiting.signal));
    else waiting.reject(revive(error));
  }

  /** @returns {() => void} */
  on(event, listener) {
    const listeners = this.#listeners[event];
    const remove = listeners.add(listener);
    if (listeners.size === 1) this.#tellListening(event);
    return () => {
      if (remove() && listeners.size === 0) this.#tellListening(event);
    };
  }

  /** The app gets its client now: what has happened until here (no IndexedDB) is told once it has had a chance to listen. */
  handOver() {
    const early = this.#early;
    this.#early = null;
    // a task later: it may wait for the client in functions of its own
    if (early.length > 0) setTimeout(() => early.forEach((tell) => tell()));
  }

  /** Events that carry messages cost something: only those that somebody listens to are sent. */
  #tellListening(event) {
    if (!COSTLY.includes(event)) return;
    this.command({ op: "listening", events: COSTLY.filter((one) => this.#listeners[one].size > 0) });
  }

  // ------------------------------------------------------------ timelines

  /** @param {{ apply(entry: object): void, end(): void }} timeline @returns {number} its id */
  addTimeline(timeline) {
    const id = ++this.#lastTimeline;
    this.#timelines.set(id, { strong: timeline, weak: new WeakRef(timeline) });
    return id;
  }

  holdTimeline(id, timeline) {
    const entry = this.#timelines.get(id);
    if (entry) entry.strong = timeline;
    this.#dropped.unregister(timeline);
  }

  letGoTimeline(id, timeline) {
    const entry = this.#timelines.get(id);
    if (!entry) return;
    entry.strong = null;
    this.#dropped.register(timeline, id, timeline);
  }

  closeTimeline(id) {
    if (!this.#timelines.delete(id)) return;
    this.command({ op: "close-timeline", timeline: id });
    const closed = new PullcordError("closed", "the timeline is closed");
    for (const waiting of [...this.#calls.values()]) {
      if (waiting.timeline !== id) continue;
      waiting.forget();
      waiting.reject(closed);
    }
  }

  // ------------------------------------------------------------ end

  /**
   * Lets the engine finish what it is writing, then ends. The first call counts. Rejects if the data could not be deleted.
   * @param {"close" | "wipe"} op
   * @param {PullcordError | null} [cause] shown as the status's error
   * @returns {Promise<void>}
   */
  stop(op, cause = null) {
    if (this.isOver) return Promise.resolve();
    this.#cause ??= cause;
    this.#stopping ??= this.#stopEngine(op).then((error) => {
      this.#finish(this.#cause);
      if (error) throw error;
    });
    return this.#stopping;
  }

  /** @returns {Promise<PullcordError | null | undefined>} why the data could not be deleted */
  #stopEngine(op) {
    if (!this.#host) return Promise.resolve(null);
    return new Promise((resolve) => {
      const patience = setTimeout(resolve, STOP_PATIENCE);
      this.#stopped = (error) => {
        clearTimeout(patience);
        resolve(error);
      };
      this.command({ op, call: ++this.#lastCall });
    });
  }

  /** Once the account's lock neither is held nor comes any more, for one that has not become ready. */
  get untied() {
    return this.#claim?.untied;
  }

  /** Cancels opening. */
  abandon(error) {
    this.#finish(error);
  }

  /** Closes every other client of the account, in all tabs. */
  evictOthers() {
    return this.#claim.evict();
  }

  /** The wasm has panicked. */
  crash(error) {
    this.#finish(error);
    this.#stopped();
  }

  /** @param {PullcordError | null} error */
  #finish(error) {
    if (this.isOver) return;
    this.#refusal = error?.code === "internal" ? error : new PullcordError("closed", error ? `the client is closed: ${error.message}` : "the client is closed", error ? { cause: error } : {});
    this.#unwatch();
    const status = this.status.value;
    if (status) this.status.set({ ...status, connection: "closed", pulling: false, progress: null, error: error ?? status.error });
    for (const { weak } of this.#timelines.values()) weak.deref()?.end();
    this.#timelines.clear();
    for (const waiting of [...this.#calls.values()]) {
      waiting.forget();
      waiting.reject(this.#refusal);
    }
    this.#neverReady(error ?? this.#refusal);
    this.#claim?.release();
    this.#discard();
  }

  /** Gives the host back, once no call of it is on the stack. */
  #discard() {
    const host = this.#host;
    const instance = this.#instance;
    this.#host = null;
    // none yet: `start` comes back with it
    if (!host) return;
    queueMicrotask(() => {
      instance.leave(this);
      try {
        // also after a panic: sockets, timers and the database of the others are still in order
        host.free();
      } catch (error) {
        this.#log("debug", "the engine could not be freed", error);
      }
    });
  }
}
