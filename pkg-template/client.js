// createClient and wipe, and the object that the app holds.

import { aborted, invalid, quiet, revive } from "./errors.js";
import { Claim } from "./lock.js";
import { abortSignal, clientConfig, logFunction, name, optionsOf, timelineConfig } from "./options.js";
import { seqText } from "./seq.js";
import { EVENTS, Session } from "./session.js";
import { Timeline } from "./timeline.js";
import { Runtime } from "./wasm.js";

/** @typedef {import("./index.js").Client<any>} ClientApi */
/** @implements {ClientApi} */
class Client {
  #session;
  #wipeAccount;

  /** @param {Session} session @param {(account: string) => Promise<void>} wipeAccount */
  constructor(session, wipeAccount) {
    this.#session = session;
    this.#wipeAccount = wipeAccount;
    this.account = session.config.account;
    this.status = session.status.store;
    this.conversations = session.conversations.store;
    this.outbox = session.outbox.store;
  }

  conversation(id) {
    return this.#session.conversationStores.of(name("conversation", id));
  }

  timeline(conversation, options) {
    return new Timeline(this.#session, timelineConfig(conversation, options, this.#session.config.pageSize));
  }

  send(conversation, body, options) {
    return answer(() => this.#session.send(conversation, body, options));
  }

  markRead(conversation, seq) {
    return answer(() => this.#session.markRead(conversation, { seq: seqText(seq) }));
  }

  retry(clientId) {
    return answer(() => this.#session.retry(clientId));
  }

  discard(clientId) {
    return answer(() => this.#session.discard(clientId));
  }

  sync(options) {
    return answer(async () => {
      const { signal } = optionsOf("options", options);
      await this.#session.call({ op: "sync" }, abortSignal(signal));
    });
  }

  on(event, listener) {
    if (!EVENTS.includes(event)) throw invalid(`there is no event ${String(event)}: it is one of ${EVENTS.join(", ")}`);
    return this.#session.on(event, listener);
  }

  inspect(conversation) {
    return answer(() => this.#session.call({ op: "inspect", ...(conversation === undefined ? {} : { conversation: name("conversation", conversation) }) }));
  }

  close() {
    return answer(() => this.#session.stop("close"));
  }

  wipe() {
    return answer(async () => {
      const session = this.#session;
      // what is being closed keeps its data: deleted when it has ended
      if (session.isStopping) await session.stop("wipe");
      else if (!session.isOver) await session.evictOthers();
      if (session.isOver) await this.#wipeAccount(this.account);
      else await session.stop("wipe");
    });
  }
}

/** The promise of an API call: rejects where `run` throws. */
function answer(run) {
  return quiet((async () => run())());
}

/**
 * The package's functions that need the wasm.
 * @param {() => any} instantiate wasm-bindgen's glue: each call makes an independent one
 */
export function pullcord(instantiate) {
  const runtime = new Runtime(instantiate);

  async function wipeAccount(account) {
    const claim = new Claim(account, { held: () => {}, asked: () => claim.release() });
    try {
      await claim.evict();
      // without a database in this place there is nothing to delete, nor a need for the wasm
      if (globalThis.indexedDB) {
        const { glue } = await runtime.instance(undefined);
        await glue.wipe_account(account);
      }
    } catch (error) {
      throw revive(error);
    } finally {
      claim.release();
    }
  }

  async function open(options) {
    const config = clientConfig(options);
    const { signal, transport } = options;
    if (signal?.aborted) throw aborted(signal);
    const session = new Session(config, transport, logFunction(options));
    const cancel = () => session.abandon(aborted(signal));
    signal?.addEventListener("abort", cancel);
    session.start(runtime, options);
    try {
      await session.ready;
    } catch (error) {
      await session.untied;
      throw error;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
    session.handOver();
    return new Client(session, wipeAccount);
  }

  return {
    createClient: (options) => quiet(open(options)),
    wipe: (account) => answer(() => wipeAccount(name("account", account))),
  };
}
