// Locks by name: the browser's (Web Locks), or this page's own where it has none, or they do not answer.

/** ms that the browser may take to say whether a lock is free */
const SILENT = 2000;

/**
 * @typedef {object} Options
 * @property {"exclusive" | "shared"} [mode]
 * @property {boolean} [ifAvailable]
 * @property {boolean} [steal]
 * @property {AbortSignal} [signal]
 */
/** @typedef {(lock: { readonly name: string } | null) => Promise<void> | undefined} Use holds it until it settles */
/** @typedef {{ shared: boolean, granted: boolean, grant: () => void, abandon: () => void }} Entry */

/** The Web Locks API as far as it is used here, for one page. */
class PageLocks {
  /** @type {Map<string, Entry[]>} those that hold it, then those that wait */
  #queues = new Map();

  /**
   * @param {string} name
   * @param {Options} options
   * @param {Use} use
   * @returns {Promise<unknown>}
   */
  request(name, { mode = "exclusive", ifAvailable = false, steal = false, signal }, use) {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const shared = mode === "shared";
      if (ifAvailable && !mayHold(queue, shared)) {
        resolve(use(null));
        return;
      }
      const broken = () => reject(new DOMException("the lock was taken away", "AbortError"));
      /** @type {Entry} */
      const entry = {
        shared,
        granted: false,
        grant: () => {
          entry.granted = true;
          queueMicrotask(() => {
            if (queue.includes(entry))
              Promise.resolve(use({ name }))
                .then(resolve, reject)
                .finally(() => this.#leave(name, entry));
          });
        },
        abandon: broken,
      };
      signal?.addEventListener("abort", () => {
        if (entry.granted) return;
        this.#leave(name, entry);
        broken();
      });
      if (steal) {
        while (queue[0]?.granted) queue.shift()?.abandon();
        queue.unshift(entry);
      } else {
        queue.push(entry);
      }
      this.#grant(queue);
    });
  }

  /** @param {string} name @param {Entry} entry */
  #leave(name, entry) {
    const queue = this.#queues.get(name) ?? [];
    const at = queue.indexOf(entry);
    if (at >= 0) queue.splice(at, 1);
    this.#grant(queue);
    if (queue.length === 0) this.#queues.delete(name);
  }

  /** @param {Entry[]} queue */
  #grant(queue) {
    for (const [at, entry] of queue.entries()) {
      if (entry.granted) continue;
      if (!mayHold(queue.slice(0, at), entry.shared)) return;
      entry.grant();
    }
  }
}

/** @param {readonly Entry[]} before those that came earlier @param {boolean} shared */
function mayHold(before, shared) {
  return before.length === 0 || (shared && before.every((entry) => entry.shared && entry.granted));
}

const pageLocks = new PageLocks();
/** Those of a browser that do not answer, or refuse: nobody in this page asks them again. @type {WeakSet<object>} */
const useless = new WeakSet();

function browserLocks() {
  try {
    return globalThis.navigator?.locks;
  } catch {
    // as where there are none
    return undefined;
  }
}

/** Where a client asks for locks. */
export class Locks {
  #pageOnly;
  #browsers = browserLocks();

  /**
   * @param {boolean} pageOnly it shares with this page alone
   * @param {(message: string) => void} warn
   */
  constructor(pageOnly, warn) {
    this.#pageOnly = pageOnly;
    this.warn = warn;
  }

  /** @returns {PageLocks | LockManager} */
  get api() {
    const api = this.#browsers;
    return this.#pageOnly || !api || useless.has(api) ? pageLocks : api;
  }

  /** Whether other tabs see a lock that is held here. */
  get areTabsWide() {
    return this.api !== pageLocks;
  }

  /** Whether the holder of a lock can be waited for, by all that hear of it. */
  get areShared() {
    return this.#pageOnly || this.areTabsWide;
  }

  /**
   * @param {string} name
   * @param {Omit<Options, "signal">} options
   * @param {On} on
   */
  ask(name, options, on) {
    return new Grip(this, name, options, on);
  }
}

/**
 * @typedef {object} On
 * @property {(grip: Grip) => void} got it is held from here on
 * @property {() => void} [lost] it was taken away
 * @property {() => void} [broken] it does not come any more, though it was queued for
 */

/** One lock that was asked for. Once it is let go of, nothing of it is heard any more. */
export class Grip {
  #locks;
  #name;
  #options;
  #on;
  /** the request that counts: what any other has got is let go of as it comes @type {AbortController | null} */
  #attempt = null;
  #giveBack = () => {};
  /** @type {(got: boolean) => void} */
  #answer = () => {};
  isHeld = false;
  /** Whether it was got; false: it is not available, or not wanted any more. @type {Promise<boolean>} */
  answered = new Promise((resolve) => {
    this.#answer = resolve;
  });
  /** Once it neither is held nor comes any more. @type {Promise<unknown>} */
  released;

  /**
   * @param {Locks} locks
   * @param {string} name
   * @param {Omit<Options, "signal">} options
   * @param {On} on
   */
  constructor(locks, name, options, on) {
    this.#locks = locks;
    this.#name = name;
    this.#options = options;
    this.#on = on;
    this.released = this.#request(locks.api);
  }

  /** @param {PageLocks | LockManager} api @returns {Promise<unknown>} */
  #request(api) {
    const { mode, ifAvailable, steal } = this.#options;
    const attempt = new AbortController();
    this.#attempt = attempt;
    const counts = () => this.#attempt === attempt;
    // "is it free" and "give it to me" are answered at once, by a browser that answers at all
    const isPrompt = ifAvailable || steal;
    const silence =
      isPrompt && api !== pageLocks ? setTimeout(() => counts() && this.#givenUp(api), SILENT) : undefined;
    /** @type {Use} */
    const use = (lock) => {
      clearTimeout(silence);
      if (!counts()) return undefined;
      if (!lock) {
        this.letGo();
        return undefined;
      }
      /** @type {Promise<void>} */
      const hold = new Promise((resolve) => {
        this.#giveBack = resolve;
      });
      this.isHeld = true;
      this.#answer(true);
      this.#on.got(this);
      return hold;
    };
    const failed = (/** @type {any} */ error) => {
      clearTimeout(silence);
      if (!counts()) return undefined;
      // whoever has asked for an answer at once has not aborted it, and nobody takes away what is not held
      const isRefused = error?.name !== "AbortError" || (isPrompt && !this.isHeld);
      if (isRefused && api !== pageLocks) {
        // an origin without a locks manager (sandboxed): it shares its storage with no other tab either
        useless.add(api);
        return this.#request(pageLocks);
      }
      const end = this.isHeld ? this.#on.lost : this.#on.broken;
      this.letGo();
      end?.();
      return undefined;
    };
    return new Promise((resolve) => {
      const { signal } = attempt;
      // what throws has failed as well; the browser takes no signal with what it answers at once
      resolve(api.request(this.#name, isPrompt ? { ifAvailable, steal } : { mode, signal }, use));
    }).catch(failed);
  }

  /** @param {PageLocks | LockManager} api */
  #givenUp(api) {
    if (!useless.has(api)) this.#locks.warn("this browser's locks do not answer: going on without them");
    useless.add(api);
    this.released = this.#request(pageLocks);
  }

  letGo() {
    const attempt = this.#attempt;
    if (!attempt) return;
    this.#attempt = null;
    this.isHeld = false;
    this.#answer(false);
    attempt.abort();
    this.#giveBack();
  }
}
