// The worker's side: it runs the core for the page that has made the worker.

import { invalid, revive, textOf, toWire } from "../errors.js";
import { callback, optionsOf, transportConfig } from "../options.js";
import { Runtime } from "../wasm.js";
import { Wipes } from "../wiped.js";
import { PageCore } from "./page.js";

/** @typedef {import("./messages.js").Hail} Hail */
/** @typedef {import("./messages.js").ToWorker} ToWorker */
/** @typedef {import("./messages.js").ToPage} ToPage */

/** One client of the page. */
class Served {
  #port;
  /** @type {PageCore | null} */
  #core = null;
  /** of the account, since the page has looked for them @type {Wipes | null} */
  #wipes = null;
  #isOpen = false;
  /** @type {ToWorker[]} what it was told while it was opening */
  #early = [];
  /** @type {Map<number, { resolve: (token: unknown) => void, reject: (error: unknown) => void }>} */
  #tokens = new Map();
  #lastToken = 0;

  /** @param {MessagePort} port */
  constructor(port) {
    this.#port = port;
    port.onmessage = ({ data }) => this.#heard(data);
    /** @type {any} */ (port).unref?.();
  }

  /** @param {ToPage} message */
  #say(message) {
    this.#port.postMessage(message);
  }

  /**
   * @param {Hail} hail
   * @param {Runtime} runtime
   * @param {import("../index.js").ClientOptions["wasm"]} wasm
   * @param {((account: string) => any) | undefined} transportOf
   */
  async load({ account, hasOwnTransport, wasm: pages }, runtime, wasm, transportOf) {
    try {
      this.#say({ say: "hello" });
      const own = transportOf?.(account);
      if (!own && hasOwnTransport)
        throw invalid(
          "the transport is an object of the page, which the worker cannot call: give it to serve({ transport }) in the worker's script",
        );
      // of the page's it needs but the token, and the engine's config says the rest
      const transport = own ?? { token: () => this.#askToken() };
      this.#wipes = new Wipes(account);
      const core = new PageCore(runtime, wasm ?? pages, transport);
      this.#core = core;
      const { schema } = await core.load();
      this.#say({ say: "loaded", schema, ...(own ? { transport: transportConfig(own) } : {}) });
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {unknown} error */
  #fail(error) {
    this.#say({ say: "failed", error: toWire(error) });
  }

  #askToken() {
    this.#lastToken += 1;
    const of = this.#lastToken;
    return new Promise((resolve, reject) => {
      this.#tokens.set(of, { resolve, reject });
      this.#say({ say: "token", of });
    });
  }

  /** @param {ToWorker} message */
  #heard(message) {
    if (message.do === "token") {
      const waiting = this.#tokens.get(message.of);
      this.#tokens.delete(message.of);
      if (message.error) waiting?.reject(revive(message.error));
      else waiting?.resolve(message.token);
    } else if (message.do === "open") {
      this.#open(message);
    } else if (message.do === "ping") {
      this.#say({ say: "hello" });
    } else if (this.#isOpen) {
      this.#do(message);
    } else {
      this.#early.push(message);
    }
  }

  /** @param {Extract<ToWorker, { do: "open" }>} message */
  async #open({ config, first }) {
    const core = /** @type {PageCore} */ (this.#core);
    /** @param {"stopped" | "fenced" | "stuck" | "promoted" | "refused"} say */
    const plain = (say) => () => this.#say({ say });
    try {
      /** @type {import("./core.js").CoreEvents} */
      const events = {
        frame: (text) => this.#say({ say: "frame", text }),
        log: (level, message, detail) => this.#log(level, message, detail),
        stopped: plain("stopped"),
        tell: (bytes) => this.#say({ say: "tell", bytes }),
        fenced: plain("fenced"),
        stuck: plain("stuck"),
        promoted: plain("promoted"),
        refused: plain("refused"),
        wiped: async () => (await this.#wipes?.haveRisen()) === true,
        // what is in its own thread is not lost
        lost: () => {},
        crashed: (error) => this.#say({ say: "crashed", error: toWire(error) }),
      };
      await core.open(config, events, first);
      this.#say({ say: "opened" });
      this.#isOpen = true;
      for (const message of this.#early.splice(0)) this.#do(message);
    } catch (error) {
      // as the core has it: no error of the app's
      this.#say({ say: "failed", error: toWire(revive(error)) });
    }
  }

  /** @param {string} level @param {string} message @param {unknown} detail */
  #log(level, message, detail) {
    try {
      this.#say({ say: "log", level, message, detail });
    } catch {
      // what the app's transport has thrown may be anything
      this.#say({ say: "log", level, message, detail: textOf(detail) });
    }
  }

  /** @param {ToWorker} message */
  #do(message) {
    const core = /** @type {PageCore} */ (this.#core);
    switch (message.do) {
      case "command": {
        const { command } = message;
        const error = core.command(command);
        if (!error) return;
        if (command.call === undefined) this.#log("error", error.message, undefined);
        else this.#say({ say: "frame", text: JSON.stringify({ results: [{ call: command.call, error }] }) });
        return;
      }
      case "heard":
        core.heard(message.bytes);
        return;
      case "promote":
      case "demote":
      case "sleep":
      case "wake":
        core[message.do]();
        return;
      case "rest":
        core.rest().then(() => this.#say({ say: "rested", of: message.of }));
    }
  }
}

/**
 * `serve` of "pullcord/worker".
 * @param {typeof import("../glue.js").default} instantiate each call makes an independent glue
 * @param {() => import("../wasm.js").Source} standard the wasm, where the script does not say
 * @param {{ addEventListener(type: "message", heard: (event: MessageEvent) => void): void }} [scope] the worker's own
 */
export function server(instantiate, standard, scope = /** @type {any} */ (globalThis)) {
  const runtime = new Runtime(instantiate, standard);
  /** @param {any} options */
  return (options) => {
    const { transport, wasm } = optionsOf("serve", options);
    if (transport !== undefined) callback("transport", transport);
    scope.addEventListener("message", ({ data }) => {
      // the script may have messages of its own
      if (data?.pullcord === "load") new Served(data.port).load(data, runtime, wasm, transport);
    });
  };
}
