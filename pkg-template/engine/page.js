// The core in this page: an instance of the wasm, shared by all clients of the page.

import { given } from "../options.js";
import { bridge } from "../transport.js";

/** @typedef {import("../wire.js").Command} Command */
/** @typedef {import("../wasm.js").Instance} Instance */
/** @typedef {import("./core.js").Core} Core */

/** @implements {Core} */
export class PageCore {
  isElsewhere = false;
  #runtime;
  #wasm;
  #transport;
  /** @type {Instance | null} */
  #instance = null;
  /** @type {import("../glue.js").Host | null} */
  #host = null;
  /** @type {import("./core.js").CoreEvents | null} */
  #on = null;
  #isOver = false;

  /**
   * @param {import("../wasm.js").Runtime} runtime
   * @param {import("../wasm.js").Source} wasm
   * @param {any} transport what calls go to; the config says which kind it is
   */
  constructor(runtime, wasm, transport) {
    this.#runtime = runtime;
    this.#wasm = wasm;
    this.#transport = transport;
  }

  /** @returns {Promise<import("./core.js").Loaded>} */
  async load() {
    this.#instance = await this.#runtime.instance(this.#wasm);
    return { schema: this.#instance.glue.schema() };
  }

  /** @type {Core["open"]} */
  async open(config, on, first) {
    const instance = /** @type {Instance} */ (this.#instance);
    this.#on = on;
    instance.enter(this);
    try {
      this.#host = await instance.glue.Host.open(config, this.#hooks(instance, config, on));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) instance.panic(error);
      instance.leave(this);
      throw error;
    }
    if (this.#isOver) this.#discard();
    // it is reading what is stored
    for (const command of first) this.command(command);
  }

  /**
   * @param {Instance} instance
   * @param {import("../wire.js").ClientConfig} config
   * @param {import("./core.js").CoreEvents} on
   * @returns {import("../glue.js").Hooks}
   */
  #hooks(instance, config, on) {
    /** @param {() => void} say what is said once it is over nobody hears */
    const unlessOver = (say) => {
      if (!this.#isOver) say();
    };
    /** @type {import("../glue.js").Hooks} */
    const hooks = {
      frame: (text) => unlessOver(() => on.frame(text)),
      log: (level, message, detail) => on.log(level, message, detail ? JSON.parse(detail) : undefined),
      stopped: on.stopped,
      panicked: (message) => instance.panic(message),
      tell: (bytes) => unlessOver(() => on.tell(bytes)),
      fenced: () => unlessOver(on.fenced),
      stuck: () => unlessOver(on.stuck),
      promoted: () => unlessOver(on.promoted),
      refused: () => unlessOver(on.refused),
      wiped: () => on.wiped(),
    };
    const transport = this.#transport;
    if (config.methods) {
      return Object.assign(
        hooks,
        bridge(transport, on.log, (call) => instance.run(call)),
      );
    }
    return Object.assign(hooks, { token: () => transport.token() });
  }

  /**
   * @template T
   * @param {(host: import("../glue.js").Host) => T} call
   * @returns {T | undefined}
   */
  #onHost(call) {
    const host = this.#host;
    return host && !this.#isOver ? this.#instance?.run(() => call(host)) : undefined;
  }

  /** @param {Command} command */
  command(command) {
    return this.#onHost((host) => host.command(given(command)));
  }

  /** @param {Command} command */
  check(command) {
    return this.#onHost((host) => host.check(given(command)));
  }

  /** @param {Uint8Array} bytes */
  heard(bytes) {
    this.#onHost((host) => host.heard(bytes));
  }

  promote() {
    this.#onHost((host) => host.promote());
  }

  demote() {
    this.#onHost((host) => host.demote());
  }

  async rest() {
    await this.#onHost((host) => host.rest_after_commit());
  }

  sleep() {
    this.#onHost((host) => host.sleep());
    return true;
  }

  wake() {
    this.#onHost((host) => host.wake());
  }

  /** The wasm has panicked. @param {import("../errors.js").PullcordError} error */
  crash(error) {
    this.#on?.crashed(error);
  }

  end() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#discard();
  }

  /** Gives the host back, once no call of it is on the stack. */
  #discard() {
    const host = this.#host;
    const instance = this.#instance;
    this.#host = null;
    // none yet: `open` comes back with it
    if (!host) return;
    queueMicrotask(() => {
      instance?.leave(this);
      try {
        // also after a panic: sockets, timers and the database of the others are still in order
        host.free();
      } catch (error) {
        this.#on?.log("debug", "the engine could not be freed", error);
      }
    });
  }
}
