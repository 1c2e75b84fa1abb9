// The engine in this page: an instance of the wasm, the account's lock that says whether it may write, and the
// page's life that says when it sleeps.

import { PullcordError, revive, textOf, within } from "../errors.js";
import { surroundings, watchLifecycle } from "../lifecycle.js";
import { Claim } from "../lock.js";
import { given } from "../options.js";
import { bridge } from "../transport.js";

/** ms that a lock may take to be let go of, for one whose opening was cancelled */
const UNTIED_PATIENCE = 1000;

/** @typedef {import("../wire.js").Command} Command */
/** @typedef {import("../wire.js").ClientConfig} ClientConfig */
/** @typedef {import("./port.js").PortEvents} PortEvents */
/** @typedef {import("../wasm.js").Instance} Instance */
/** @typedef {import("./port.js").Port} Port */

/** @implements {Port} */
export class LocalEngine {
  #runtime;
  #transport;
  #options;
  /** @type {PortEvents | null} */
  #on = null;
  /** @type {Instance | null} */
  #instance = null;
  /** @type {import("../glue.js").Host | null} */
  #host = null;
  /** @type {Claim | null} */
  #claim = null;
  /** @type {ReturnType<typeof watchLifecycle> | null} */
  #watch = null;
  /** it was told to end: who has the lock does not matter to it any more */
  #isEnding = false;
  #isClosed = false;

  /**
   * @param {import("../wasm.js").Runtime} runtime
   * @param {import("../index.js").HttpTransport | import("../index.js").Transport<any>} transport
   * @param {Pick<import("../index.js").ClientOptions, "wasm" | "ifOpen">} options
   */
  constructor(runtime, transport, options) {
    this.#runtime = runtime;
    this.#transport = transport;
    this.#options = options;
  }

  // ------------------------------------------------------------ begin

  /**
   * Loads the wasm, opens the store, and queues for the account's lock.
   * @param {ClientConfig} config
   * @param {PortEvents} on
   */
  async open(config, on) {
    const { wasm, ifOpen } = this.#options;
    this.#on = on;
    const claim = this.#claimOf(config.account, on);
    this.#claim = claim;
    const watch = watchLifecycle({
      command: (command) => this.post(command),
      sleep: () => this.#sleep(),
      wake: () => this.#wake(),
    });
    this.#watch = watch;
    // whoever has the lock at once reads and writes from the beginning
    const [instance] = await Promise.all([this.#runtime.instance(wasm), claim.tryAtOnce(ifOpen === "take-over")]);
    if (this.#isClosed) return false;
    const promoted = claim.isHeld;
    const told = surroundings();
    on.opening();
    this.#host = await this.#openHost(instance, { ...config, ...told, promoted }, on);
    if (this.#isClosed) {
      this.#discard();
      return false;
    }
    // what has become of the lock meanwhile
    if (promoted && !claim.isHeld) this.#demote();
    else if (!promoted && claim.isHeld) this.#promote();
    watch.begin(told);
    if (claim.isIdle) {
      if (ifOpen === "take-over") claim.takeOver();
      else claim.wait();
    }
    return true;
  }

  /** @param {string} account @param {PortEvents} on */
  #claimOf(account, on) {
    return new Claim(account, {
      held: () => this.#promote(),
      lost: () => this.#demote(),
      asked: (error) => on.asked(error),
      warn: (message, detail) => on.log("warn", message, detail),
    });
  }

  /** @param {Instance} instance @param {ClientConfig} config @param {PortEvents} on */
  async #openHost(instance, config, on) {
    this.#instance = instance;
    instance.enter(this);
    try {
      return await instance.glue.Host.open(config, this.#hooks(instance, config, on));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) instance.panic(error);
      instance.leave(this);
      throw error;
    }
  }

  /**
   * @param {Instance} instance
   * @param {ClientConfig} config
   * @param {PortEvents} on
   * @returns {import("../glue.js").Hooks}
   */
  #hooks(instance, config, on) {
    const hooks = {
      frame: (/** @type {string} */ text) => this.#frame(text, on),
      /** @type {import("../glue.js").Hooks["log"]} */
      log: (level, message, detail) => on.log(level, message, detail ? JSON.parse(detail) : undefined),
      /** @type {import("../glue.js").Hooks["stopped"]} */
      stopped: (wiped, error) => on.stopped(wiped && !error, error ? revive(JSON.parse(error)) : null),
      panicked: (/** @type {string} */ message) => instance.panic(message),
      // another client has written since: whose turn it is is for the claim to find out
      fenced: () => this.#claim?.fenced(),
    };
    const transport = this.#transport;
    if (config.methods) {
      return Object.assign(
        hooks,
        bridge(transport, on.log, (call) => instance.run(call)),
      );
    }
    return Object.assign(hooks, { token: () => /** @type {any} */ (transport).token() });
  }

  /** @param {string} text @param {PortEvents} on */
  #frame(text, on) {
    if (this.#isClosed) return;
    try {
      on.onFrame(JSON.parse(text));
    } catch (cause) {
      // what is shown and what the engine believes to be shown would differ from here on
      const message = `Pullcord failed, and this is a bug in it: ${textOf(cause)}`;
      on.crashed(new PullcordError("internal", message, { cause }));
    }
  }

  // ------------------------------------------------------------ commands

  /**
   * @template T
   * @param {(host: import("../glue.js").Host) => T} call
   * @returns {T | undefined}
   */
  #onHost(call) {
    const host = this.#host;
    return host && !this.#isClosed ? this.#instance?.run(() => call(host)) : undefined;
  }

  /** @param {Command} command */
  post(command) {
    const error = this.#onHost((host) => host.command(given(command)));
    if (!error) return;
    if (command.call === undefined) this.#on?.log("error", error.message);
    else this.#on?.onFrame({ results: [{ call: command.call, error }] });
  }

  /** @param {Command} command */
  check(command) {
    return this.#onHost((host) => host.check(given(command)));
  }

  /** @param {Command} command */
  stop(command) {
    this.#isEnding = true;
    if (!this.#host) return false;
    this.post(command);
    return true;
  }

  /** The lock was got after opening. */
  #promote() {
    if (!this.#isEnding) this.#onHost((host) => host.promote());
  }

  /** The lock was let go of, or another client works without it: this one goes on showing. */
  #demote() {
    if (!this.#isEnding) this.#onHost((host) => host.demote());
  }

  /** The page sleeps as soon as this has returned: no transaction, socket, channel or lock of it is left. */
  #sleep() {
    this.#onHost((host) => host.sleep());
    this.post({ op: "freeze" });
    this.#claim?.rest();
  }

  #wake() {
    this.#onHost((host) => host.wake());
    this.post({ op: "resume" });
    this.#claim?.wake();
  }

  // ------------------------------------------------------------ end

  get untied() {
    return within(this.#claim?.untied, UNTIED_PATIENCE, () => {});
  }

  async evictOthers() {
    await this.#claim?.evict();
  }

  /** The wasm has panicked. @param {PullcordError} error */
  crash(error) {
    this.#on?.crashed(error);
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch?.end();
    this.#claim?.release();
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
