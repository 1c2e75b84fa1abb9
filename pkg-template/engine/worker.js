// The core in a worker of the page: what the engine tells it goes there, and what it says comes from there.

import { PullcordError, invalid, revive, textOf, toWire, within } from "../errors.js";
import { given } from "../options.js";
import { isTransport } from "../transport.js";
import { ticks } from "../claim/timers.js";

/** ms that a worker has to answer at all */
const PATIENCE = 5000;
/** ms that it still has after an error of its script, which need not be the end of it */
const GRACE = 500;
/** ms that nothing is heard of one that was asked for something, until it counts as dead: a call has 10 s (R14) */
const LOST = 8000;
/** ms by which a timer comes late where the page itself stood still: what the worker has said may not be heard yet */
const LATE = 1000;
/** ms between two times that one of which nothing is asked is asked whether it is there */
const LOOK = 10_000;
/** ms that it then has to load its wasm: as long as a page has */
const LOAD = 150_000;

/** what the core allows (src/core/options.rs): a list that is wrong is refused where it is made */
const SCREEN = 1000;
const ITEMS = 1_000_000;
const PAGE_SIZE = 30;

/** @typedef {import("../wire.js").Command} Command */
/** @typedef {import("./core.js").Core} Core */
/** @typedef {import("./core.js").CoreEvents} CoreEvents */
/** @typedef {import("./messages.js").ToWorker} ToWorker */
/** @typedef {import("./messages.js").ToPage} ToPage */

/**
 * Rejects once its script does not load, or throws.
 * @param {any} worker as a browser makes them, or with what createClient's option asks of it alone
 * @returns {Promise<never>}
 */
const failed = (worker) =>
  new Promise((_, reject) => {
    const onError = (/** @type {{ message?: string }} */ { message }) => {
      const what = message ? `throws: ${message}` : "does not load";
      setTimeout(() => reject(new PullcordError("network", `the worker's script ${what}`)), GRACE);
    };
    worker.addEventListener?.("error", onError, { once: true });
  });

/**
 * The app's own function: what it throws is no bug of Pullcord's.
 * @template T
 * @param {() => T} make
 */
function made(make) {
  try {
    return make();
  } catch (/** @type {any} */ cause) {
    const origin = cause?.name === "SecurityError" ? ": serve its script from the page's own origin" : "";
    throw new PullcordError("unsupported", `\`worker\` failed${origin}: ${textOf(cause)}`, { cause });
  }
}

/** @implements {Core} */
export class RemoteCore {
  isElsewhere = true;
  #make;
  #transport;
  #wasm;
  /** @type {{ terminate(): void } | null} */
  #worker = null;
  /** @type {MessagePort | null} */
  #port = null;
  /** @type {CoreEvents | null} */
  #on = null;
  /** what `load` or `open` waits for */
  #settle = { resolve: (/** @type {any} */ _loaded) => {}, reject: (/** @type {PullcordError} */ _error) => {} };
  #answered = () => {};
  /** It was asked whether it is there. @type {ReturnType<typeof setTimeout> | undefined} */
  #pinged = undefined;
  /** It will be. @type {ReturnType<typeof setTimeout> | undefined} */
  #looking = undefined;
  /** @type {Map<number, () => void>} waits for a rest */
  #rests = new Map();
  #lastRest = 0;
  #pageSize = PAGE_SIZE;

  /**
   * @param {() => { postMessage(message: unknown, transfer?: readonly object[]): void, terminate(): void }} make
   * @param {any} transport the page's, if it has one
   * @param {import("../wasm.js").Source} wasm
   */
  constructor(make, transport, wasm) {
    this.#make = make;
    this.#transport = transport;
    this.#wasm = wasm;
  }

  /** @param {string} account */
  async load(account) {
    const worker = made(this.#make);
    if (typeof worker?.postMessage !== "function")
      throw new PullcordError("unsupported", "`worker` has to return a Worker, and a new one at each call");
    const { port1, port2 } = new MessageChannel();
    this.#worker = worker;
    this.#port = port1;
    port1.onmessage = ({ data }) => this.#heardOf(data);
    // in Node an open port would keep the process alive
    /** @type {any} */ (port1).unref?.();
    const answered = new Promise((resolve) => {
      this.#answered = () => resolve(undefined);
    });
    const loaded = this.#answer();
    // what comes of it once nobody waits is nobody's
    loaded.catch(() => {});
    /** @type {import("./messages.js").Hail} */
    const hail = {
      pullcord: "load",
      account,
      port: port2,
      hasOwnTransport: isTransport(this.#transport),
      wasm: this.#toldWasm,
    };
    worker.postMessage(hail, [port2]);
    const silent = () => {
      throw new PullcordError("timeout", "the worker does not answer: its script calls serve() of pullcord/worker");
    };
    await within(Promise.race([answered, loaded, failed(worker)]), PATIENCE, silent);
    return within(loaded, LOAD, silent);
  }

  /** The page's option, as far as a worker can be told it; relative to the page, for a worker has its own address. */
  get #toldWasm() {
    const wasm = this.#wasm;
    if (typeof wasm === "string" || wasm instanceof URL) return new URL(wasm, globalThis.location?.href).href;
    const isPlain = wasm instanceof WebAssembly.Module || wasm instanceof ArrayBuffer || ArrayBuffer.isView(wasm);
    return isPlain ? wasm : undefined;
  }

  /** @returns {Promise<any>} */
  #answer() {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** @type {Core["open"]} */
  async open(config, on, first) {
    this.#on = on;
    if (typeof config.pageSize === "number") this.#pageSize = config.pageSize;
    const opened = this.#answer();
    this.#post({ do: "open", config, first });
    await opened;
    this.#look();
  }

  /** A worker may die while nobody calls anything: its page would show nothing new, and not know. */
  #look() {
    clearTimeout(this.#looking);
    if (!this.#port) return;
    this.#looking = setTimeout(() => {
      this.#ping();
      this.#look();
    }, LOOK);
    /** @type {any} */ (this.#looking).unref?.();
  }

  /** @param {ToWorker} message */
  #post(message) {
    this.#port?.postMessage(message);
  }

  /** @param {ToPage} message */
  #heardOf(message) {
    const on = this.#on;
    clearTimeout(this.#pinged);
    this.#pinged = undefined;
    switch (message.say) {
      case "hello":
        this.#answered();
        return;
      case "loaded": {
        const { schema, transport } = message;
        this.#settle.resolve({ schema, transport });
        return;
      }
      case "opened":
        this.#settle.resolve(undefined);
        return;
      case "failed":
        this.#settle.reject(revive(message.error));
        return;
      case "frame":
        on?.frame(message.text);
        return;
      case "log":
        on?.log(message.level, message.message, message.detail);
        return;
      case "tell":
        on?.tell(message.bytes);
        return;
      case "rested":
        this.#rests.get(message.of)?.();
        return;
      case "token":
        this.#giveToken(message.of);
        return;
      case "crashed":
        on?.crashed(revive(message.error));
        return;
      default:
        on?.[message.say]();
    }
  }

  /** @param {number} of */
  async #giveToken(of) {
    try {
      const token = await this.#transport.token();
      // what is no text is no token, whatever it is
      this.#post({ do: "token", of, token: typeof token === "string" ? token : null });
    } catch (error) {
      this.#post({ do: "token", of, error: toWire(error) });
    }
  }

  /** @type {Core["command"]} */
  command(command) {
    try {
      this.#post({ do: "command", command: given(command) });
      if (command.call !== undefined) this.#ping();
      return undefined;
    } catch (error) {
      // the app has given what cannot be told, and is no option either
      return toWire(invalid(textOf(error)));
    }
  }

  /** A worker that has died says nothing of it. @param {boolean} [again] */
  #ping(again = false) {
    if (this.#pinged !== undefined || !this.#port) return;
    this.#post({ do: "ping" });
    const due = ticks() + LOST;
    this.#pinged = setTimeout(() => {
      this.#pinged = undefined;
      if (!again && ticks() > due + LATE) this.#ping(true);
      else this.#on?.lost();
    }, LOST);
    /** @type {any} */ (this.#pinged).unref?.();
  }

  /** @type {Core["check"]} */
  check({ pageSize = this.#pageSize, maxItems = ITEMS }) {
    const wrong = (/** @type {string} */ what, /** @type {number} */ least, /** @type {number} */ most) =>
      invalid(`${what} is a whole number from ${least} to ${most}`);
    const isWhole = (/** @type {unknown} */ value, /** @type {number} */ least, /** @type {number} */ most) =>
      typeof value === "number" && Number.isInteger(value) && value >= least && value <= most;
    if (!isWhole(pageSize, 1, SCREEN)) return wrong("pageSize", 1, SCREEN);
    const least = /** @type {number} */ (pageSize);
    return isWhole(maxItems, least, ITEMS) ? undefined : wrong("maxItems", least, ITEMS);
  }

  /** @param {Uint8Array} bytes */
  heard(bytes) {
    this.#post({ do: "heard", bytes });
  }

  promote() {
    this.#post({ do: "promote" });
  }

  demote() {
    this.#post({ do: "demote" });
  }

  rest() {
    this.#lastRest += 1;
    const of = this.#lastRest;
    /** @type {Promise<void>} */
    const rested = new Promise((resolve) => {
      this.#rests.set(of, () => {
        this.#rests.delete(of);
        resolve();
      });
    });
    this.#post({ do: "rest", of });
    return rested;
  }

  /**
   * A worker of a page that sleeps stands still, in the middle of a transaction too: it ends, where there may be one.
   * @type {Core["sleep"]}
   */
  sleep(inMemory) {
    if (inMemory) {
      // it is told before it stands still, or when it goes on
      clearTimeout(this.#pinged);
      clearTimeout(this.#looking);
      this.#post({ do: "sleep" });
    } else {
      this.end();
    }
    return inMemory;
  }

  wake() {
    this.#pinged = undefined;
    this.#post({ do: "wake" });
    this.#look();
  }

  end() {
    this.#on = null;
    clearTimeout(this.#pinged);
    clearTimeout(this.#looking);
    this.#port?.close();
    this.#port = null;
    try {
      this.#worker?.terminate();
    } catch {
      // the app's own function
    }
    this.#worker = null;
    this.#settle.reject(new PullcordError("closed", "the worker has ended"));
    for (const rested of [...this.#rests.values()]) rested();
  }
}
