// `syncOnce` of "pullcord/worker": a client that is there for one sync, on no screen, and tells what is new.

import { Engine } from "./engine/engine.js";
import { PullcordError, aborted, invalid, quiet } from "./errors.js";
import { Log } from "./log.js";
import { abortSignal, clientConfig, optionsOf } from "./options.js";
import { Session } from "./session.js";
import { Runtime } from "./wasm.js";

/** ms that all of it may take */
const DEADLINE = 20_000;
/** what a timer takes */
const DEADLINE_MOST = 2 ** 31 - 1;
/** ms of it that are left for telling what there is, at most, and the part of it where that is less */
const TELLING = 2000;
const TELLING_PART = 4;
/** ms between two tries where the network fails, twice as many each time */
const AGAIN = 1000;
/** ways to be notified, which a client that is there for one sync needs none of */
const NOTIFY = [undefined, "socket", "long-poll"];
/** ms that it has to end */
const END = 1000;

/** @typedef {Awaited<ReturnType<typeof import("./worker.js").syncOnce>>} News */

/** ms from now on. */
class Deadline {
  #at;

  /** @param {number} ms */
  constructor(ms) {
    this.#at = performance.now() + ms;
  }

  get left() {
    return Math.max(0, this.#at - performance.now());
  }

  /**
   * What it gives, or `otherwise` where the time is up.
   * @template T, U
   * @param {(signal: AbortSignal) => Promise<T>} run its signal aborts then
   * @param {U} otherwise
   * @returns {Promise<T | U>}
   */
  async keep(run, otherwise) {
    const controller = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const isUp = new Promise((resolve) => {
      timer = setTimeout(() => {
        resolve(otherwise);
        controller.abort();
      }, this.left);
    });
    try {
      return await Promise.race([quiet(run(controller.signal)), isUp]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}

/**
 * Until it is up to date, or cannot be: a network that fails is tried again.
 * @param {Session} session
 * @param {AbortSignal} signal
 */
async function catchUp(session, signal) {
  for (let wait = AGAIN; !signal.aborted; wait *= 2) {
    try {
      await session.call({ op: "sync" }, signal);
      return;
    } catch (/** @type {any} */ error) {
      if (!signal.aborted && !error.retryable) throw error;
    }
    await pause(wait, signal);
  }
}

/** Why it has ended, where others had it close. @param {any} error */
function reason(error) {
  return error?.code === "closed" && error.cause instanceof PullcordError ? error.cause : error;
}

/**
 * @param {Session} session
 * @param {Engine} engine
 * @param {number} ms
 * @returns {Promise<News>}
 */
async function news(session, engine, ms) {
  const deadline = new Deadline(ms);
  const synced = new Deadline(ms - Math.min(TELLING, ms / TELLING_PART));
  session.start();
  await deadline.keep(() => session.ready, undefined);
  session.handOver();
  await synced.keep((signal) => session.ready.then(() => catchUp(session, signal)), undefined);
  // before it is told: who is on screen has said by then that it shows what has come
  const visible = await deadline.keep(() => engine.isSeen(), false);
  const messages = await deadline.keep((signal) => session.call({ op: "tell" }, signal), []);
  const ids = new Set(messages.map((/** @type {{ conversation: string }} */ m) => m.conversation));
  const conversations = session.shown.conversations.store.getSnapshot().filter(({ id }) => ids.has(id));
  return { messages, conversations, visible };
}

/** @param {unknown} deadline */
function judge(deadline) {
  if (typeof deadline !== "number" || !(deadline >= 1 && deadline <= DEADLINE_MOST))
    throw invalid(`deadline is a number of ms from 1 to ${DEADLINE_MOST}, not ${String(deadline)}`);
  return deadline;
}

/**
 * `syncOnce` of "pullcord/worker".
 * @param {typeof import("./glue.js").default} instantiate each call makes an independent glue
 * @param {() => import("./wasm.js").Source} standard the wasm, where the app does not say
 */
export function once(instantiate, standard) {
  const runtime = new Runtime(instantiate, standard);

  /** @param {any} options */
  async function run(options) {
    const log = new Log(options);
    const { deadline = DEADLINE, ...given } = log.judge("syncOnce", () => optionsOf("options", options));
    const ms = log.judge("syncOnce", () => judge(deadline));
    // the same options as in a page: what concerns a page alone does not count
    const shared = { ...given, ifOpen: undefined, worker: undefined };
    const config = { ...log.judge("syncOnce", () => clientConfig(shared, log)), brief: true };
    // One pull and what follows from it: nothing has to notify. What is wrong the engine refuses.
    if (NOTIFY.includes(config.notify)) config.notify = "poll";
    const engine = new Engine(runtime, { ...shared, brief: true });
    const session = new Session(config, engine, log);
    const signal = abortSignal(given.signal);
    const over = new AbortController();
    const cancelled = new Promise((_, reject) => {
      const cancel = () => reject(aborted(signal));
      if (signal?.aborted) cancel();
      signal?.addEventListener("abort", cancel, { signal: over.signal });
    });
    try {
      return await Promise.race([news(session, engine, ms), quiet(cancelled)]);
    } catch (error) {
      throw reason(error);
    } finally {
      over.abort();
      await new Deadline(END).keep(() => session.stop("close"), undefined);
    }
  }

  /** @param {any} options @returns {Promise<News>} */
  return (options) => quiet(run(options));
}
