// Who works for an account. A Web Lock decides between tabs (and clients of one page), and a channel
// carries two requests between them: "close, I take over" and "close, the data is being deleted".

import { PullcordError } from "./errors.js";

/** ms that a holder has to react before its lock is stolen: a frozen tab never would */
const PATIENCE = 2000;
/** ms that a holder that has closed keeps the lock for the one that asked, so that no waiter slips in */
const HANDOVER = 500;

/** The Web Locks API as far as it is used here, for where there is none (insecure pages, Node): one page. */
class PageLocks {
  /** @type {Map<string, { grant: Function, abandon: Function }[]>} holder first */
  #queues = new Map();

  request(name, { ifAvailable = false, steal = false, signal = undefined }, use) {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      if (ifAvailable && queue.length > 0) {
        resolve(use(null));
        return;
      }
      const leave = () => {
        const held = queue[0] === entry;
        const at = queue.indexOf(entry);
        if (at >= 0) queue.splice(at, 1);
        if (held && queue.length > 0) queue[0].grant();
        if (queue.length === 0 && this.#queues.get(name) === queue) this.#queues.delete(name);
      };
      const broken = () => reject(new DOMException("the lock was taken away", "AbortError"));
      let granted = false;
      const entry = {
        grant: () => {
          granted = true;
          queueMicrotask(() => {
            if (queue[0] === entry) Promise.resolve(use({ name })).then(resolve, reject).finally(leave);
          });
        },
        abandon: broken,
      };
      signal?.addEventListener("abort", () => {
        if (granted) return;
        leave();
        broken();
      });
      if (steal) {
        queue.shift()?.abandon();
        queue.unshift(entry);
      } else {
        queue.push(entry);
      }
      if (queue[0] === entry) entry.grant();
    });
  }
}

/** BroadcastChannel for where there is none. */
class PageChannel {
  static #open = new Set();
  onmessage = null;

  constructor(name) {
    this.name = name;
    PageChannel.#open.add(this);
  }

  postMessage(data) {
    for (const other of PageChannel.#open) {
      if (other !== this && other.name === this.name) queueMicrotask(() => other.onmessage?.({ data }));
    }
  }

  close() {
    PageChannel.#open.delete(this);
  }
}

const pageLocks = new PageLocks();

function locks() {
  return globalThis.navigator?.locks ?? pageLocks;
}

function openChannel(name) {
  try {
    const channel = new BroadcastChannel(name);
    // in Node an open channel would keep the process alive
    /** @type {any} */ (channel).unref?.();
    return channel;
  } catch {
    return new PageChannel(name);
  }
}

export function newId() {
  // randomUUID is missing on insecure pages
  return globalThis.crypto.randomUUID?.() ?? [...globalThis.crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function takenOver() {
  return new PullcordError("closed", "another client of this account has taken over");
}

/** One client's claim to work for an account. */
export class Claim {
  #name;
  #id = newId();
  #channel;
  #handlers;
  #cancel = new AbortController();
  #state = "idle";
  #letGo = () => {};
  /** resolves the wait for an answer to "take-over" */
  #yielded = () => {};
  #successor = null;
  /** Once given up: the lock is neither held nor got by a request that was on its way. @type {Promise<void>} */
  untied = Promise.resolve();
  #settle = () => {};
  /** held, or given up */
  #settled = new Promise((resolve) => {
    this.#settle = () => resolve(undefined);
  });

  /**
   * @param {string} account
   * @param {object} handlers
   * @param {() => void} handlers.held from here on this client works
   * @param {(error: PullcordError) => void} handlers.asked it has to close, and then to call `release`
   */
  constructor(account, handlers) {
    this.#name = `pullcord:${account}`;
    this.#handlers = handlers;
    this.#channel = openChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#heard(data);
  }

  get isHeld() {
    return this.#state === "held";
  }

  #heard(message) {
    if (message?.type === "take-over" && this.isHeld) {
      this.#successor = message.by;
      this.#handlers.asked(takenOver());
    } else if (message?.type === "yielded" && message.to === this.#id) {
      this.#yielded();
    } else if (message?.type === "wipe" && this.#state !== "released") {
      this.#handlers.asked(new PullcordError("closed", "the data of this account was deleted"));
    }
  }

  /** Takes the lock if nobody has it. Resolves either way; `isHeld` tells. */
  async tryAtOnce() {
    this.#state = "waiting";
    const got = await this.#request({ ifAvailable: true });
    if (!got && this.#state === "waiting") this.#state = "idle";
  }

  /** Queues for the lock; `held` is called once it is got. */
  wait() {
    this.#state = "waiting";
    this.#request({ signal: this.#cancel.signal });
  }

  /** Has the holder, if there is one, close, and takes its place. */
  async takeOver() {
    this.#state = "waiting";
    if (await this.#request({ ifAvailable: true })) return;
    if (this.#state !== "waiting") return;
    this.#channel.postMessage({ type: "take-over", by: this.#id });
    await this.#answer(PATIENCE);
    if (this.#state === "waiting") this.#request({ steal: true });
  }

  /** Has all other clients of the account close, in every tab, and resolves once this one holds the lock. */
  async evict() {
    this.#channel.postMessage({ type: "wipe" });
    if (this.#state === "idle") this.wait();
    const patience = setTimeout(() => {
      if (this.#state === "waiting") this.#request({ steal: true });
    }, PATIENCE);
    await this.#settled;
    clearTimeout(patience);
  }

  #answer(patience) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patience);
      this.#yielded = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /** @returns {Promise<boolean>} false: it is not available, or not any more wanted */
  #request(options, api = locks()) {
    return new Promise((resolve) => {
      const use = (lock) => {
        if (!lock || this.#state !== "waiting") {
          resolve(false);
          return undefined;
        }
        this.#state = "held";
        const hold = new Promise((letGo) => {
          this.#letGo = () => letGo(undefined);
        });
        resolve(true);
        this.#settle();
        this.#handlers.held();
        return hold;
      };
      this.untied = api.request(this.#name, options, use).catch((error) => {
        if (error?.name !== "AbortError" && api !== pageLocks) {
          // an origin without a locks manager (sandboxed): it shares its storage with no other tab either
          this.#request(options, pageLocks).then(resolve);
          return this.untied;
        }
        resolve(false);
        if (this.isHeld) this.#handlers.asked(takenOver());
        return undefined;
      });
    });
  }

  /** The client has closed, or does not want to work any more. Safe to call twice. */
  release() {
    if (this.#state === "released") return;
    this.#state = "released";
    this.#settle();
    this.#cancel.abort();
    this.#yielded();
    if (this.#successor) {
      this.#channel.postMessage({ type: "yielded", to: this.#successor });
      setTimeout(this.#letGo, HANDOVER);
    } else {
      this.#letGo();
    }
    this.#channel.close();
  }
}
