// createClient and wipe, and the object that the app holds.

import { aborted, invalid, quiet, revive } from "./errors.js";
import { Claim } from "./claim/claim.js";
import { Log } from "./log.js";
import { abortSignal, callback, clientConfig, name, optionsOf, timelineConfig } from "./options.js";
import { seqText } from "./seq.js";
import { Engine } from "./engine/engine.js";
import { EVENTS } from "./events.js";
import { Session } from "./session.js";
import { withoutSocket } from "./socket.js";
import { timelineOf } from "./timeline.js";
import { Runtime } from "./wasm.js";
import { deleteDatabase } from "./wipe.js";
import { noteWipe } from "./wiped.js";
import { outside } from "./zone.js";

/** clients of one account in a page that are no app's: each is kept until it is closed */
const MANY = 10;

/** @typedef {import("./index.js").Client<any>} ClientApi */
/**
 * Its methods are its own functions, so that they work wherever they are called from: through a proxy (Vue's `ref` and
 * `reactive`), taken out of it, or passed on.
 * @implements {ClientApi}
 */
class Client {
  #session;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
    this.account = session.config.account;
    /** Nobody has the client before the engine has said how it is. @type {ClientApi["status"]} */
    this.status = /** @type {any} */ (session.shown.status.store);
    this.conversations = session.shown.conversations.store;
    this.outbox = session.shown.outbox.store;
  }

  /** @type {ClientApi["conversation"]} */
  conversation = (id) =>
    this.#judge("conversation", () => this.#session.shown.conversationStores.of(name("conversation", id)));

  /** @type {ClientApi["timeline"]} */
  timeline = (conversation, options) =>
    this.#judge("timeline", () => timelineOf(this.#session, timelineConfig(conversation, options, this.#session.log)));

  /** @type {ClientApi["send"]} */
  send = (conversation, body, options) => this.#answer("send", () => this.#session.send(conversation, body, options));

  /** @type {ClientApi["markRead"]} */
  markRead = (conversation, seq) =>
    this.#answer("markRead", () => this.#session.markRead(conversation, { seq: seqText(seq) }));

  /** @type {ClientApi["retry"]} */
  retry = (clientId) => this.#answer("retry", () => this.#session.retry(clientId));

  /** @type {ClientApi["discard"]} */
  discard = (clientId) => this.#answer("discard", () => this.#session.discard(clientId));

  /** @type {ClientApi["sync"]} */
  sync = (options) =>
    this.#answer("sync", async () => {
      this.#session.log.unknown("sync", options, ["signal"]);
      const { signal } = optionsOf("options", options);
      await this.#session.call({ op: "sync" }, abortSignal(signal));
    });

  /** @type {ClientApi["on"]} */
  on = (event, listener) =>
    this.#judge("on", () => {
      if (!EVENTS.includes(event))
        throw invalid(`there is no event ${String(event)}: it is one of ${EVENTS.join(", ")}`);
      return this.#session.on(event, callback("listener", listener));
    });

  /** @type {ClientApi["inspect"]} */
  inspect = (conversation) =>
    this.#answer("inspect", () =>
      this.#session.call({
        op: "inspect",
        ...(conversation === undefined ? {} : { conversation: name("conversation", conversation) }),
      }),
    );

  /**
   * What an API call gives at once. What it throws is said also where the app, or its framework, catches it.
   * @template T
   * @param {string} call @param {() => T} run
   */
  #judge(call, run) {
    return this.#session.log.judge(call, run);
  }

  /**
   * The promise of an API call. What it is called with is wrong: said also where nobody awaits it.
   * @template T
   * @param {string} call @param {() => T | Promise<T>} run
   */
  #answer(call, run) {
    return this.#session.log.watch(call, answer(run));
  }

  close = () => answer(() => this.#session.stop("close"));

  wipe = () =>
    answer(async () => {
      const session = this.#session;
      // what is being closed keeps its data: deleted when it has ended
      if (session.isStopping) await session.stop("wipe");
      else if (!session.isOver) await session.evictOthers();
      await noteWipe(this.account);
      if (!session.isOver) await session.stop("wipe");
      // it was over before, or did not stop in time
      if (!session.hasWiped) await wipeAccount(this.account);
    });
}

/**
 * The promise of an API call: rejects where `run` throws.
 * @template T
 * @param {() => T | Promise<T>} run
 * @returns {Promise<T>}
 */
function answer(run) {
  return quiet((async () => run())());
}

/** @param {string} account */
async function wipeAccount(account) {
  const claim = new Claim(account, {}, { held: () => {}, asked: () => claim.release() });
  try {
    await claim.evict();
    await noteWipe(account);
    await deleteDatabase(account);
  } catch (error) {
    throw revive(error);
  } finally {
    claim.release();
  }
}

/**
 * The package's functions that need the wasm.
 * @param {typeof import("./glue.js").default} instantiate each call makes an independent glue
 * @param {() => import("./wasm.js").Source} standard the wasm, where the app does not say
 * @returns {Pick<typeof import("./index.js"), "createClient" | "wipe">}
 */
export function pullcord(instantiate, standard) {
  const runtime = new Runtime(instantiate, standard);
  /** how many are open, by account @type {Map<string, number>} */
  const open = new Map();
  let isTold = false;

  /** @param {Session} session one more */
  function count({ config: { account }, log }, by = 1) {
    const many = (open.get(account) ?? 0) + by;
    if (many) open.set(account, many);
    else open.delete(account);
    if (many < MANY || isTold) return;
    isTold = true;
    log.say("warn", `createClient: ${MANY} clients of this account are open in this page: make one, and close() it`);
  }

  /** @param {import("./index.js").ClientOptions<any>} options */
  async function make(options) {
    const log = new Log(options);
    const given = log.judge("createClient", () => clientConfig(options, log));
    const { signal } = options;
    if (signal?.aborted) throw aborted(signal);
    const engine = new Engine(runtime, options);
    // a worker has its own
    const config = options.worker ? given : withoutSocket(given, log.say);
    const session = new Session(config, engine, log);
    const cancel = () => session.abandon(aborted(signal));
    signal?.addEventListener("abort", cancel);
    outside(() => session.start());
    try {
      await session.ready;
    } catch (error) {
      await session.untied;
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
    session.handOver();
    if (session.isOver) return new Client(session);
    count(session);
    session.ended = () => count(session, -1);
    return new Client(session);
  }

  return {
    createClient: (options) => quiet(make(options)),
    wipe: (account) => answer(() => wipeAccount(name("account", account))),
  };
}
