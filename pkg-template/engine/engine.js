// A client's engine: its core, wherever that runs, its claim to write for the account, and the page's life, which says
// when it sleeps.

import { Claim } from "../claim/claim.js";
import { PullcordError, revive, textOf, wiped, within } from "../errors.js";
import { surroundings, watchLifecycle } from "../lifecycle.js";
import { given } from "../options.js";
import { Wipes } from "../wiped.js";
import { PageCore } from "./page.js";
import { RemoteCore } from "./worker.js";

/** ms that a lock may take to be let go of, for one whose opening was cancelled */
const UNTIED_PATIENCE = 1000;
/** messages of other engines that are kept for one that is opening: a core that lacks one reads the database */
const EARLY_MOST = 1000;

const NO_TRANSPORT = { baseUrl: undefined, timeout: undefined, methods: undefined };

/** @typedef {import("../wire.js").Command} Command */
/** @typedef {import("../wire.js").ClientConfig} ClientConfig */
/** @typedef {import("./port.js").PortEvents} PortEvents */
/** @typedef {import("./core.js").Core} Core */
/** @typedef {import("./port.js").Port} Port */

/** What clients that share have in common. @param {number} schema @param {ClientConfig} config */
function fingerprint(schema, { scope = "account", methods, baseUrl }) {
  return JSON.stringify([schema, scope, methods ? "own" : baseUrl]);
}

/** @implements {Port} */
export class Engine {
  #runtime;
  #options;
  /** @type {PortEvents | null} */
  #on = null;
  /** @type {Core | null} */
  #core = null;
  /** it hears commands */
  #isOpen = false;
  /** @type {ClientConfig | null} with what the worker has added */
  #config = null;
  /** @type {Claim | null} */
  #claim = null;
  /** @type {ReturnType<typeof watchLifecycle> | null} */
  #watch = null;
  /** @type {Uint8Array[]} what was heard of others while it is opening */
  #early = [];
  /** @type {Uint8Array[]} what it has said meanwhile, for nobody knows it yet */
  #unsaid = [];
  #isAsleep = false;
  /** resolves once it is awake */
  #awake = Promise.resolve();
  #woken = () => {};
  #isBeginning = false;
  /** a core of it was to open: what that has shown comes again from the next */
  #hasBegun = false;
  #isInMemory = false;
  /** of the account, since it opened @type {Wipes | null} */
  #wipes = null;
  /** the worker did not answer: it is not tried again */
  #isWorkerless = false;
  /** it was told to end: who has the lock does not matter to it any more */
  #isEnding = false;
  #isClosed = false;

  /**
   * @param {import("../wasm.js").Runtime} runtime
   * @param {Pick<import("../index.js").ClientOptions<any>, "transport" | "wasm" | "ifOpen" | "worker">
   *   & { brief?: boolean }} options `brief`: it is there for one sync, and on no screen
   */
  constructor(runtime, options) {
    this.#runtime = runtime;
    this.#options = options;
  }

  // ------------------------------------------------------------ begin

  /**
   * Loads the core, claims the account, and opens the store.
   * @param {ClientConfig} config
   * @param {PortEvents} on
   */
  async open(config, on) {
    this.#on = on;
    this.#config = config;
    const watch = watchLifecycle({
      command: (command) => this.#tellSurroundings(command),
      sleep: () => this.#sleep(),
      wake: () => this.#wake(),
    });
    this.#watch = watch;
    const told = await this.#begin();
    if (!told) return false;
    watch.begin(told);
    return true;
  }

  /**
   * Again each time that the page has slept meanwhile, and its worker has ended.
   * @returns {Promise<ReturnType<typeof surroundings> | null>} what the core was told; null: it is closed
   */
  async #begin() {
    this.#isBeginning = true;
    try {
      const { account } = /** @type {ClientConfig} */ (this.#config);
      while (!this.#isClosed) {
        if (this.#wipes) await this.#isStillTheSame();
        else this.#wipes = new Wipes(account);
        const sleepsAgain = this.#hasBegun && this.#isAsleep;
        const told = sleepsAgain ? null : await this.#beginOnce();
        if (told) return told;
        await this.#awake;
      }
      return null;
    } finally {
      this.#isBeginning = false;
    }
  }

  /** @returns {Promise<ReturnType<typeof surroundings> | null>} null: that core has ended */
  async #beginOnce() {
    const on = /** @type {PortEvents} */ (this.#on);
    const config = /** @type {ClientConfig} */ (this.#config);
    const loaded = await this.#load(config.account);
    if (!loaded) return null;
    const { core, schema, transport } = loaded;
    const hasEnded = () => this.#core !== core || this.#isClosed;
    try {
      if (hasEnded()) return null;
      // the worker's own takes the place of the page's
      const full = transport ? given({ ...config, ...NO_TRANSPORT, ...transport }) : config;
      this.#config = full;
      this.#claim ??= this.#claimOf(full, schema, core.isElsewhere, on);
      const claim = this.#claim;
      // whoever has the account at once reads and writes from the beginning
      const started = this.#isAsleep ? claim.rest() : claim.start();
      // of a wipe from here on it is told; the core may have taken long to load
      await Promise.all([started, this.#isStillTheSame()]);
      if (hasEnded()) return null;
      const first = this.#hasBegun ? on.anew() : [];
      this.#hasBegun = true;
      const told = this.#surroundings();
      on.opening(full);
      const promoted = claim.isHeld;
      await core.open({ ...full, ...told, promoted }, this.#coreEvents(core, claim, on), first);
      if (hasEnded()) return null;
      this.#isOpen = true;
      claim.greet();
      for (const bytes of this.#unsaid.splice(0)) claim.tell(bytes);
      // what has become of the account meanwhile
      if (promoted && !claim.isHeld) core.demote();
      else if (!promoted && claim.isHeld) core.promote();
      for (const bytes of this.#early.splice(0)) core.heard(bytes);
      return told;
    } catch (error) {
      if (hasEnded()) return null;
      throw error;
    } finally {
      if (hasEnded()) core.end();
    }
  }

  /** Only createClient makes an account's database: one that was wiped while this client slept is not made anew. */
  async #isStillTheSame() {
    if (await this.#wipes?.haveRisen()) throw wiped();
  }

  /** A core that can be opened: in a worker, where there is one that answers. @param {string} account */
  async #load(account) {
    const { transport, wasm, worker } = this.#options;
    if (worker && !this.#isWorkerless) {
      const core = new RemoteCore(worker, transport, wasm);
      this.#core = core;
      try {
        return { core, ...(await core.load(account)) };
      } catch (/** @type {any} */ error) {
        core.end();
        if (this.#core !== core || this.#isClosed) return null;
        if (error?.code === "invalid" || !transport) throw error;
        this.#isWorkerless = true;
        this.#on?.log("warn", `the core runs in the page, and not in a worker: ${textOf(error)}`, error);
      }
    }
    /** @type {Core} */
    const core = new PageCore(this.#runtime, wasm, transport);
    this.#core = core;
    return { core, ...(await core.load(account)) };
  }

  /** @param {ClientConfig} config @param {number} schema @param {boolean} isElsewhere @param {PortEvents} on */
  #claimOf(config, schema, isElsewhere, on) {
    const { ifOpen, brief } = this.#options;
    const claim = new Claim(
      config.account,
      {
        ifOpen,
        as: fingerprint(schema, config),
        pageOnly: config.mode === "memory",
        isAlone: isElsewhere,
        hidden: surroundings().hidden,
        brief,
      },
      {
        held: () => this.#toCore((core) => core.promote()),
        lost: () => this.#toCore((core) => core.demote()),
        rest: async () => this.#toCore((core) => core.rest()),
        heard: (bytes) => this.#heard(bytes),
        asked: (error) => on.asked(error),
        warn: (message) => on.log("warn", message),
      },
    );
    return claim;
  }

  /** @param {Core} core @param {Claim} claim @param {PortEvents} on @returns {import("./core.js").CoreEvents} */
  #coreEvents(core, claim, on) {
    /** @param {() => void} say one that has ended has nothing to say */
    const ofCore = (say) => () => {
      if (this.#core === core) say();
    };
    return {
      frame: (text) => this.#core === core && this.#frame(text, on),
      log: on.log,
      stopped: on.stopped,
      tell: (bytes) => {
        if (this.#core !== core) return;
        if (this.#isOpen) claim.tell(bytes);
        // the wasm's memory goes on changing
        else this.#unsaid.push(bytes.slice());
      },
      fenced: ofCore(() => claim.fenced()),
      stuck: ofCore(() => claim.stuck()),
      promoted: ofCore(() => claim.promoted()),
      refused: ofCore(() => void claim.refused()),
      wiped: async () => (await this.#wipes?.haveRisen()) === true,
      lost: ofCore(() => this.#replace(on)),
      crashed: on.crashed,
    };
  }

  /** @param {string} text @param {PortEvents} on */
  #frame(text, on) {
    if (this.#isClosed) return;
    try {
      /** @type {import("../wire.js").Frame} */
      const frame = JSON.parse(text);
      // the browser refuses it a database, and its data is its page's own
      if (frame.status?.storage === "memory" && !this.#isInMemory) {
        this.#isInMemory = true;
        this.#claim?.keepToPage();
      }
      on.onFrame(frame);
    } catch (cause) {
      // what is shown and what the engine believes to be shown would differ from here on
      const message = `Pullcord failed, and this is a bug in it: ${textOf(cause)}`;
      on.crashed(new PullcordError("internal", message, { cause }));
    }
  }

  // ------------------------------------------------------------ commands

  /**
   * Of the claim: while it opens the core is not told, and once it is to end it does not matter.
   * @template T
   * @param {(core: Core) => T} call
   * @returns {T | undefined}
   */
  #toCore(call) {
    return this.#core && this.#isOpen && !this.#isEnding && !this.#isClosed ? call(this.#core) : undefined;
  }

  /** @param {Uint8Array} bytes */
  #heard(bytes) {
    if (this.#isOpen) {
      this.#toCore((core) => core.heard(bytes));
      return;
    }
    if (this.#early.length === EARLY_MOST) this.#early.shift();
    this.#early.push(bytes);
  }

  /** @param {Command} command */
  post(command) {
    if (!this.#isOpen || this.#isClosed) return;
    const error = this.#core?.command(command);
    if (!error) return;
    if (command.call === undefined) this.#on?.log("error", error.message);
    else this.#on?.onFrame({ results: [{ call: command.call, error }] });
  }

  /** @param {Command} command */
  check(command) {
    return this.#isClosed ? undefined : this.#core?.check(command);
  }

  /** @param {Command} command */
  stop(command) {
    this.#isEnding = true;
    if (!this.#isOpen) return false;
    this.post(command);
    return true;
  }

  #surroundings() {
    const seen = surroundings();
    return this.#options.brief ? { ...seen, hidden: true } : seen;
  }

  /** @param {Command} command */
  #tellSurroundings(command) {
    if (command.op === "visibility" && this.#options.brief) return;
    this.post(command);
    if (command.op === "visibility") this.#claim?.look(command.hidden === true);
  }

  /** The page sleeps as soon as this has returned: no transaction, socket, channel or lock of it is left. */
  #sleep() {
    if (!this.#isAsleep) {
      this.#awake = new Promise((resolve) => {
        this.#woken = () => resolve(undefined);
      });
    }
    this.#isAsleep = true;
    if (this.#core && !this.#core.sleep(this.#isInMemory)) {
      // another one begins when the page is awake
      this.#isOpen = false;
      this.#core = null;
    }
    this.post({ op: "freeze" });
    this.#claim?.rest();
  }

  #wake() {
    if (!this.#isAsleep) return;
    this.#isAsleep = false;
    this.#woken();
    if (this.#core) this.#goOn(this.#core);
    else if (!this.#isBeginning) this.#beginAgain();
  }

  /** @param {Core} core it has slept */
  async #goOn(core) {
    try {
      await this.#isStillTheSame();
    } catch (/** @type {any} */ error) {
      this.#on?.crashed(error);
      return;
    }
    if (this.#core !== core || this.#isAsleep || this.#isClosed) return;
    core.wake();
    this.post({ op: "resume" });
    this.#claim?.wake();
  }

  /** The worker has died, and said nothing. @param {PortEvents} on */
  #replace(on) {
    on.log("warn", "the worker does not answer any more: another one takes its place");
    this.#core?.end();
    this.#core = null;
    this.#isOpen = false;
    this.#claim?.rest();
    if (!this.#isAsleep && !this.#isBeginning) this.#beginAgain();
  }

  async #beginAgain() {
    try {
      if (await this.#begin()) this.#on?.again();
    } catch (error) {
      this.#on?.crashed(revive(error));
    }
  }

  // ------------------------------------------------------------ end

  /** @returns {Promise<void>} */
  get untied() {
    return within(/** @type {Promise<any>} */ (this.#claim?.untied), UNTIED_PATIENCE, () => {});
  }

  /** @returns whether somebody looks at another client of the account */
  async isSeen() {
    return (await this.#claim?.isSeen()) === true;
  }

  async evictOthers() {
    await this.#claim?.evict();
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch?.end();
    this.#claim?.release();
    this.#core?.end();
    this.#woken();
  }
}
