// Who works for an account. A Web Lock decides between tabs (and clients of one page), and a channel
// carries what they tell each other: "close, I take over", "close, the data is being deleted", "I work now".
//
// ```text
//  idle ─▶ waiting ─▶ held ─▶ released
//             ▲         │ ▲
//      wake() │   rest()│ │ the one that works has gone, or does not answer
//           asleep ◀────┤ │
//                       └▶ turn: another works, without the lock
// ```
// The lock is a hint: the store's fence is the truth. Where there are no Web Locks (insecure pages), or they
// do not answer, or another client has fenced this one, clients take turns: the last one opened works, and
// when it has gone another does. Nothing here waits for ever, and nothing ends a client but who says so.

import { PullcordError, within } from "./errors.js";
import { newId } from "./ids.js";

/** ms that a holder has to react before its lock is stolen */
const PATIENCE = 2000;
/** ms that the browser may take to say whether a lock is free */
const SILENT = 2000;
/**
 * ms between two looks whether the client whose turn it is is still there; more each time one had to be taken from it
 */
const LOOK = 5000;
/** ms that it has to answer */
const ANSWER = 2000;
/** ms within which two that take their turn have done so at once */
const AT_ONCE = 300;
/** ms that a holder that has closed keeps the lock for the one that asked, so that no waiter slips in */
const HANDOVER = 500;

/** @typedef {{ ifAvailable?: boolean, steal?: boolean, signal?: AbortSignal }} LockOptions */
/**
 * @typedef {(lock: { readonly name: string } | null) => Promise<void> | undefined} Use holds the lock until it settles
 */
/** @typedef {(event: { data: any }) => void} Heard */

/** The Web Locks API as far as it is used here, for where there is none (insecure pages, Node): one page. */
class PageLocks {
  /** @type {Map<string, { grant: () => void, abandon: () => void }[]>} holder first */
  #queues = new Map();

  /**
   * @param {string} name
   * @param {LockOptions} options
   * @param {Use} use
   * @returns {Promise<unknown>}
   */
  request(name, { ifAvailable = false, steal = false, signal }, use) {
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
  /** @type {Set<PageChannel>} */
  static #open = new Set();
  /** @type {Heard | null} */
  onmessage = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    PageChannel.#open.add(this);
  }

  /** @param {unknown} data */
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
/** the browser's locks have not answered: no other client of this page waits for them */
let silent = false;

/** @returns {PageLocks | LockManager} */
function locks() {
  if (silent) return pageLocks;
  try {
    return globalThis.navigator?.locks ?? pageLocks;
  } catch {
    // as where there are none
    return pageLocks;
  }
}

/** @param {string} name @returns {BroadcastChannel | PageChannel} */
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

/** A timer that keeps no process alive. @param {() => void} run @param {number} ms */
function later(run, ms) {
  const timer = setTimeout(run, ms);
  /** @type {any} */ (timer).unref?.();
  return timer;
}

function isHidden() {
  return globalThis.document?.visibilityState === "hidden";
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
  /** @type {"idle" | "waiting" | "held" | "turn" | "asleep" | "released"} */
  #state = "idle";
  /**
   * The request for the lock that counts, and the lock once it is got; any other is let go of as it comes.
   * @type {{ cancel: AbortController, letGo: () => void, settle: (got: boolean) => void } | null}
   */
  #attempt = null;
  /** it has asked the others to close */
  #closing = false;
  /** when it has taken over, ms since the epoch: what was open before is to close */
  #tookOverAt = 0;
  #openedAt = Date.now();
  /** it has slept: it may not have heard that another has taken over */
  #slept = false;
  /** another has taken over while it slept */
  #over = false;
  /** the lock was taken away: if by one that takes over, this client closes */
  #robbed = false;
  /** resolves the wait for an answer to "take-over" */
  #yielded = () => {};
  /** @type {string | null} who has asked this one to close */
  #successor = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #turnTimer = undefined;
  #tookAt = -Infinity;
  /** what was heard of the client whose turn it is */
  #heardOther = false;
  #look = LOOK;
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
   * @param {() => void} [handlers.lost] it does not work any more, until it is held again
   * @param {(error: PullcordError) => void} handlers.asked it has to close, and then to call `release`
   * @param {(message: string, detail?: unknown) => void} [handlers.warn]
   */
  constructor(account, handlers) {
    this.#name = `pullcord:${account}`;
    this.#handlers = handlers;
    this.#channel = openChannel(this.#name);
    this.#channel.onmessage = (/** @type {{ data: any }} */ { data }) => this.#heard(data);
  }

  /** It has asked for the lock, and may ask again. */
  get isIdle() {
    return this.#state === "idle";
  }

  get isHeld() {
    return this.#state === "held";
  }

  /** @param {string} type @param {object} more */
  #tell(type, more = {}) {
    try {
      this.#channel.postMessage({ type, by: this.#id, ...more });
    } catch {
      // it is closed: nobody is told anything any more
    }
  }

  /** @param {any} message */
  #heard(message) {
    const { type, by } = message ?? {};
    if (type === "take-over" && (this.isHeld || this.#robbed)) {
      this.#successor = by;
      this.#handlers.asked(takenOver());
    } else if (type === "yielded" && message.to === this.#id) {
      this.#yielded();
    } else if (type === "wipe" && this.#state !== "released") {
      this.#handlers.asked(new PullcordError("closed", "the data of this account was deleted"));
    } else if (type === "took") {
      this.#otherTook(by, message.closing === true);
    } else if (type === "who" && this.isHeld) {
      this.#tell("here", { tookOverAt: this.#tookOverAt });
    } else if (type === "here" && this.#state === "turn") {
      this.#heardOther = true;
    } else if (type === "here" && this.#slept && this.#state === "waiting" && message.tookOverAt > this.#openedAt) {
      this.#handlers.asked(takenOver());
    } else if (type === "gone" && this.#state === "turn") {
      this.#heardOther = false;
      // one of those that wait, rather one that is looked at
      this.#turnIn((isHidden() ? AT_ONCE : 0) + Math.random() * AT_ONCE, () =>
        this.#heardOther ? this.#awaitTurn() : this.#takeTurn(),
      );
    }
  }

  // ------------------------------------------------------------ the lock

  /**
   * Takes the lock if nobody has it. Resolves either way, and soon; `isHeld` tells. `closing`: to take over, also from
   * one that sleeps, and has let go of it.
   */
  async tryAtOnce(closing = false) {
    this.#state = "waiting";
    this.#closing = closing;
    const got = await this.#request({ ifAvailable: true });
    if (!got && this.#state === "waiting") this.#state = "idle";
  }

  /** Queues for the lock; `held` is called once it is got. */
  wait() {
    this.#state = "waiting";
    this.#request({});
  }

  /** Has the holder, if there is one, close, and takes its place. */
  async takeOver() {
    this.#state = "waiting";
    this.#closing = true;
    if (await this.#request({ ifAvailable: true })) return;
    if (this.#state !== "waiting") return;
    this.#tell("take-over");
    await this.#answer(PATIENCE);
    if (this.#state === "waiting") this.#request({ steal: true });
  }

  /**
   * Has all other clients of the account close, in every tab. Resolves once this one holds the lock, or soon after: the
   * store is asked to let go as well.
   */
  async evict() {
    this.#tell("wipe");
    if (this.#state === "idle") this.wait();
    const steal = setTimeout(() => {
      if (this.#state === "waiting") this.#request({ steal: true });
    }, PATIENCE);
    await within(this.#settled, 2 * PATIENCE, () => {});
    clearTimeout(steal);
  }

  /** @param {number} patience ms */
  #answer(patience) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, patience);
      this.#yielded = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  /** The request before counts no more, nor does what it has got. */
  #drop() {
    const attempt = this.#attempt;
    this.#attempt = null;
    if (!attempt) return;
    attempt.cancel.abort();
    attempt.letGo();
    attempt.settle(false);
  }

  /**
   * @param {LockOptions} options
   * @param {PageLocks | LockManager} api
   * @returns {Promise<boolean>} false: it is not available, or not any more wanted
   */
  #request(options, api = locks()) {
    this.#drop();
    return new Promise((settle) => {
      const attempt = { cancel: new AbortController(), letGo: () => {}, settle };
      this.#attempt = attempt;
      const counts = () => this.#attempt === attempt;
      // "is it free" and "give it to me" are answered at once, by a browser that answers at all
      const prompt = options.ifAvailable || options.steal;
      const silence =
        prompt && api !== pageLocks
          ? setTimeout(() => counts() && this.#withoutLocks(options, settle), SILENT)
          : undefined;
      /** @type {Use} */
      const use = (lock) => {
        clearTimeout(silence);
        if (!lock || !counts() || this.#state !== "waiting") {
          settle(false);
          return undefined;
        }
        /** @type {Promise<void>} */
        const hold = new Promise((resolve) => {
          attempt.letGo = resolve;
        });
        settle(true);
        this.#hold();
        return hold;
      };
      const failed = (/** @type {any} */ error) => {
        clearTimeout(silence);
        if (!counts()) return undefined;
        if (error?.name !== "AbortError" && api !== pageLocks) {
          // an origin without a locks manager (sandboxed): it shares its storage with no other tab either
          this.#again(options, settle);
          return this.untied;
        }
        settle(false);
        this.#attempt = null;
        if (this.isHeld || this.#state === "turn") this.#rob();
        return undefined;
      };
      this.untied = new Promise((resolve) => {
        // what throws has failed as well
        resolve(api.request(this.#name, prompt ? options : { signal: attempt.cancel.signal }, use));
      }).catch(failed);
    });
  }

  /** @param {LockOptions} options @param {(got: boolean) => void} settle */
  #withoutLocks(options, settle) {
    silent = true;
    this.#handlers.warn?.("this browser's locks do not answer: going on without them");
    this.#again(options, settle);
  }

  /**
   * The same of the page's own locks, for the same caller.
   * @param {LockOptions} options
   * @param {(got: boolean) => void} settle
   */
  #again(options, settle) {
    // what comes of the request before is let go of, and nobody is told of it
    this.#attempt = null;
    this.#request(options, pageLocks).then(settle);
  }

  #hold() {
    this.#state = "held";
    this.#robbed = false;
    this.#tookAt = Date.now();
    clearTimeout(this.#turnTimer);
    this.#tell("took", { closing: this.#closing });
    if (this.#closing) this.#tookOverAt = Date.now();
    // only who was there when it took over
    this.#closing = false;
    this.#settle();
    this.#handlers.held();
  }

  /** @param {"waiting" | "turn" | "asleep" | "released"} state */
  #lose(state) {
    const held = this.isHeld;
    this.#state = state;
    if (held) this.#handlers.lost?.();
  }

  /**
   * The lock was taken away. If a client that takes over has done that, it says so; if the browser has, this one queues
   * again.
   */
  #rob() {
    this.#robbed = true;
    this.#lose("waiting");
    later(() => {
      if (this.#state === "waiting" && !this.#attempt) this.wait();
    }, 0);
  }

  // ------------------------------------------------------------ turns

  /** Another client works from here on, with the lock or without. @param {string} by @param {boolean} closing */
  #otherTook(by, closing) {
    if (closing && (this.isHeld || this.#robbed || this.#state === "turn")) {
      this.#handlers.asked(takenOver());
      return;
    }
    this.#over ||= closing && this.#state === "asleep";
    this.#heardOther = true;
    if (!this.isHeld) return;
    if (Date.now() - this.#tookAt < AT_ONCE && this.#id > by) {
      // both at once: who is this one, whichever fence came last
      later(() => this.isHeld && this.#hold(), AT_ONCE);
      return;
    }
    this.#awaitTurn();
  }

  /** Another client has fenced this one: it writes, lock or no lock. */
  fenced() {
    if (!this.isHeld) return;
    // where nothing is heard of it, it is not left at once again
    if (!this.#heardOther) this.#look = Math.min(this.#look * 2, 60_000);
    this.#awaitTurn();
  }

  /** Works again when the one that does has gone, or is not heard of. */
  #awaitTurn() {
    this.#lose("turn");
    const look = () => {
      if (isHidden()) {
        this.#turnIn(this.#look, look);
        return;
      }
      this.#heardOther = false;
      this.#tell("who");
      this.#turnIn(ANSWER, () => (this.#heardOther ? this.#turnIn(this.#look, look) : this.#takeTurn()));
    };
    this.#turnIn(this.#look, look);
  }

  /** @param {number} ms @param {() => void} run */
  #turnIn(ms, run) {
    clearTimeout(this.#turnTimer);
    this.#turnTimer = later(() => {
      if (this.#state === "turn") run();
    }, ms);
  }

  #takeTurn() {
    // it has kept the lock that it had
    if (this.#attempt) this.#hold();
    else this.wait();
  }

  // ------------------------------------------------------------ sleep, end

  /** The page goes to sleep: it lets go of all, and says so, before this returns. */
  rest() {
    if (this.#state === "released" || this.#state === "asleep") return;
    const works = this.isHeld;
    this.#lose("asleep");
    clearTimeout(this.#turnTimer);
    this.#drop();
    if (works) this.#tell("gone");
  }

  /** It is awake again, and queues. */
  async wake() {
    if (this.#state !== "asleep") return;
    if (this.#over) {
      this.#handlers.asked(takenOver());
      return;
    }
    this.#slept = true;
    await this.tryAtOnce();
    if (!this.isIdle) return;
    this.wait();
    this.#tell("who");
  }

  /** The client has closed, or does not want to work any more. Safe to call twice. */
  release() {
    if (this.#state === "released") return;
    const worked = this.isHeld;
    this.#state = "released";
    clearTimeout(this.#turnTimer);
    this.#settle();
    this.#yielded();
    if (worked) this.#tell("gone");
    if (this.#successor) {
      this.#tell("yielded", { to: this.#successor });
      setTimeout(() => this.#drop(), HANDOVER);
    } else {
      this.#drop();
    }
    this.#channel.close();
  }
}
