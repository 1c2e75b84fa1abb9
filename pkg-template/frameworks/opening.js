// What the frameworks' entries have in common: a client that is opened for a component, and closed with it.

import { createClient } from "../index.js";
import { stableText } from "../stable.js";
import { isTransport, methodsOf } from "../transport.js";
import { openedAnew } from "./told.js";

/** @typedef {import("../index.js").Client<any>} Client */
/** @typedef {import("../frameworks.js").PullcordOptions<any>} Options */

/**
 * Equal for options between which the client need not be opened anew: functions and the transport's own state do not
 * count, for a component makes them on each render; what is called is always the latest.
 * @param {Options | null | undefined} options
 * @returns {string | null} null: no client is wanted
 */
export function keyOf(options) {
  if (!options) return null;
  const { transport, worker, logger: _logger, wasm: _wasm, createClient: _createClient, ...values } = options;
  const { baseUrl, timeout } = /** @type {any} */ (transport ?? {});
  const way = isTransport(transport) ? methodsOf(transport) : [String(baseUrl), timeout];
  return stableText([values, way, worker !== undefined]);
}

/** Openings of one component within so many ms that are no user's doing. */
const OFTEN = 5;
const SOON = 2000;

/** @returns {() => void} called at each opening of one component: says so where its options change by themselves */
export function pace() {
  /** @type {number[]} */
  let times = [];
  return () => {
    const now = Date.now();
    times = [...times.filter((time) => now - time < SOON), now];
    if (times.length === OFTEN) openedAnew();
  };
}

/** A client that is being opened, or is open. */
export class Opening {
  #options;
  #cancel = new AbortController();
  /** @type {Client | null} */
  #client = null;

  /**
   * @param {Options} options
   * @param {(client: Client | null, error: any) => void} changed is told once, later, unless it was closed before
   */
  constructor(options, changed) {
    this.#options = options;
    this.#open(changed);
  }

  /** The same by `keyOf`, with other functions: they are called from now on. @param {Options} options */
  update(options) {
    this.#options = options;
  }

  /** @param {(client: Client | null, error: any) => void} changed */
  async #open(changed) {
    const { signal } = this.#cancel;
    /** @type {Client | null} */
    let client = null;
    let wrong = null;
    try {
      // React's StrictMode closes at once what it has opened: that one never begins
      await null;
      if (signal.aborted) return;
      const { createClient: open = createClient, ...options } = this.#options;
      client = await open({ ...options, ...this.#functions(), signal });
      this.#client = client;
    } catch (error) {
      wrong = error;
    }
    if (signal.aborted) client?.close();
    // not in the `try`: what the app throws at it is the app's, and the client is open
    else changed(client, wrong);
  }

  /** Each calls the latest of its name. One that is none is createClient's to refuse. */
  #functions() {
    const { worker, logger } = this.#options;
    const transport = /** @type {any} */ (this.#options.transport);
    const latest = () => /** @type {any} */ (this.#options);
    /** @type {any} */
    const way = isTransport(transport)
      ? Object.fromEntries(
          methodsOf(transport).map((method) => [
            method,
            (/** @type {unknown[]} */ ...given) => latest().transport[method](...given),
          ]),
        )
      : typeof transport?.token === "function"
        ? { ...transport, token: () => latest().transport.token() }
        : transport;
    return {
      transport: way,
      ...(typeof worker === "function" && { worker: () => latest().worker() }),
      ...(typeof logger === "function" && {
        logger: (/** @type {unknown[]} */ ...given) => latest().logger?.(...given),
      }),
    };
  }

  close() {
    this.#cancel.abort();
    this.#client?.close();
  }
}
