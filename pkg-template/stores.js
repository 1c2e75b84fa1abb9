// What the app subscribes to. A frame of the engine changes all the stores it concerns, and only then,
// in a microtask, do listeners run: nobody ever sees one store ahead of another.

import { revive, textOf } from "./errors.js";
import { frozen } from "./frozen.js";
import { callback } from "./options.js";
import { here } from "./zone.js";

/** @typedef {import("./index.js").PullcordError} PullcordError */

/** rounds that listeners may make one after the other: after that the page has its turn in between */
const ENDLESS = 1000;
const IS_ENDLESS =
  "a listener changes what it listens to, again and again: does it call `jump`, `send` or a load each time that it runs?";
const NO_VALUE = "a listener of `subscribe` is called without arguments: getSnapshot() gives what is shown";

/** Collects what changed and tells listeners later, once for everything until then. */
export class Notifier {
  /** @type {Set<{ run(): void }>} */
  #changed = new Set();
  /** @type {(() => void)[]} */
  #events = [];
  #scheduled = false;
  #isTelling = false;
  /** rounds that came of the one before */
  #depth = 0;

  /**
   * Is told of each subscription, and gives what is to be called at its end.
   * @type {(what: string) => () => void}
   */
  watch = () => () => {};

  /** @param {(message: string) => void} warn is told of listeners that are hardly meant so */
  constructor(warn) {
    this.warn = warn;
  }

  /** @param {{ run(): void }} source */
  changed(source) {
    this.#changed.add(source);
    this.#schedule();
  }

  /** @param {() => void} deliver runs after the listeners of the stores that changed up to now */
  event(deliver) {
    this.#events.push(deliver);
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#depth = this.#isTelling ? this.#depth + 1 : 0;
    if (this.#depth < ENDLESS) {
      queueMicrotask(() => this.#tell());
      return;
    }
    // in microtasks alone no click and no frame would ever come again
    this.#depth = 0;
    this.warn(IS_ENDLESS);
    setTimeout(() => this.#tell());
  }

  #tell() {
    this.#scheduled = false;
    this.#isTelling = true;
    const changed = [...this.#changed];
    const events = this.#events;
    this.#changed.clear();
    this.#events = [];
    try {
      for (const source of changed) source.run();
      for (const deliver of events) deliver();
    } finally {
      this.#isTelling = false;
    }
  }
}

/**
 * Calls one listener of the app; what it throws is its own, and keeps nobody else from being called.
 * @param {(...details: any[]) => void} listener
 * @param {unknown[]} details
 * @param {(message: string) => void} warn
 */
function callListener(listener, details, warn) {
  try {
    listener(...details);
  } catch (error) {
    if (listener.length && !details.length) warn(NO_VALUE);
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}

/**
 * `before` where both say the same, so that identity means "unchanged".
 * @template {object | null} T
 * @param {T} before
 * @param {T} now
 * @returns {T}
 */
export function kept(before, now) {
  if (before === now) return before;
  if (!before || !now) return now;
  /** @type {Record<string, unknown>} */
  const was = Object(before);
  const is = Object.entries(now);
  const same = is.length === Object.keys(before).length && is.every(([field, value]) => was[field] === value);
  return same ? before : now;
}

const ERROR_FIELDS = /** @type {const} */ (["code", "message", "status", "retryAfter", "uncertain"]);

/**
 * Likewise for an error that came over the boundary.
 * @param {PullcordError | null | undefined} before
 * @param {import("./wire.js").WireError | null} wire
 * @returns {PullcordError | null}
 */
export function keptError(before, wire) {
  if (!wire) return null;
  return before && ERROR_FIELDS.every((field) => before[field] === wire[field]) ? before : revive(wire);
}

/**
 * A local item or a timeline's item, as the app sees it.
 * @template {import("./wire.js").WireItem} T
 * @param {T} item
 * @returns {T extends import("./wire.js").WireLocal ? import("./index.js").LocalItem : T}
 */
export function reviveItem(item) {
  const revived = /** @type {any} */ (item);
  if (revived.error) revived.error = revive(revived.error);
  return revived;
}

/** Listeners; each subscription is its own, also of the same function twice. */
export class Listeners {
  /** @type {Set<{ listener: (...details: any[]) => void, there: (does: () => void) => void }>} */
  #all = new Set();
  #notifier;

  /** @param {Notifier} notifier */
  constructor(notifier) {
    this.#notifier = notifier;
  }

  get size() {
    return this.#all.size;
  }

  /**
   * @param {unknown} listener
   * @returns {() => boolean} unsubscribes; true the first time
   */
  add(listener) {
    const entry = { listener: this.#judged(listener), there: here() };
    this.#all.add(entry);
    return () => this.#all.delete(entry);
  }

  /** Said here, and not by a TypeError at each change. @param {unknown} listener */
  #judged(listener) {
    try {
      return callback("listener", listener);
    } catch (error) {
      this.#notifier.warn(`subscribe: ${textOf(error)}`);
      throw error;
    }
  }

  /** @param {unknown[]} details */
  call(...details) {
    for (const entry of [...this.#all]) {
      // one that an earlier listener has unsubscribed does not hear of it any more
      if (this.#all.has(entry)) entry.there(() => callListener(entry.listener, details, this.#notifier.warn));
    }
  }
}

/**
 * A value that changes, with the read-only `store` that the app gets of it.
 * @template T
 */
export class Source {
  #value;
  #notifier;
  #listeners;

  /**
   * @param {T} value
   * @param {Notifier} notifier
   * @param {string} [name] by which it is told that it is listened to in vain; none: it never is
   */
  constructor(value, notifier, name) {
    this.#value = value;
    this.#notifier = notifier;
    this.#listeners = new Listeners(notifier);
    /** @type {import("./index.js").Store<T>} */
    this.store = Object.freeze({
      getSnapshot: () => this.#value,
      subscribe: (/** @type {() => void} */ listener) => {
        const remove = this.#listeners.add(listener);
        const unwatch = name && notifier.watch(name);
        return () => {
          if (unwatch) unwatch();
          remove();
        };
      },
    });
  }

  get value() {
    return this.#value;
  }

  /** @param {T} value */
  set(value) {
    if (value === this.#value) return;
    this.#value = frozen(value);
    this.#notifier.changed(this);
  }

  run() {
    this.#listeners.call();
  }
}

/**
 * A new list from the old one. Each splice is applied in order; a number in `ins` stands for the element
 * that the list had at that index before the whole patch, so that it stays the same object.
 * @template T
 * @template [W=T]
 * @param {readonly T[]} before
 * @param {readonly import("./wire.js").Splice<W>[]} patch
 * @param {(element: W) => T} [revived] makes a new element what the app sees
 * @returns {readonly T[]}
 */
export function applyPatch(before, patch, revived = (element) => /** @type {any} */ (element)) {
  let list = before;
  for (const { at, del, ins } of patch) {
    const inserted = ins.map((element) => {
      if (typeof element !== "number") return revived(element);
      if (element >= before.length) throw new RangeError(`patch names element ${element} of ${before.length}`);
      return before[element];
    });
    if (at + del > list.length) throw new RangeError(`patch cuts [${at}, ${at + del}) of ${list.length}`);
    // not splice(...inserted): a list may be longer than a call has room for arguments
    list = list.slice(0, at).concat(inserted, list.slice(at + del));
  }
  return list;
}

/**
 * A list that another engine shows anew: what did not change are the same objects, and the list too.
 * @template T
 * @param {readonly T[]} before
 * @param {readonly T[]} now
 * @param {(element: T) => string} nameOf
 * @returns {readonly T[]}
 */
export function renewed(before, now, nameOf) {
  const known = new Map(before.map((element) => [nameOf(element), element]));
  const list = now.map((element) => {
    const old = known.get(nameOf(element));
    return old !== undefined && JSON.stringify(old) === JSON.stringify(element) ? old : element;
  });
  return list.length === before.length && list.every((element, at) => element === before[at]) ? before : list;
}

/** @typedef {import("./index.js").Conversation<any>} Conversation */
/** @typedef {import("./index.js").Store<Conversation | null>} ConversationStore */
/**
 * A conversation that is subscribed to.
 * @typedef {object} Subscribed
 * @property {Conversation | null} seen as its listeners know it
 * @property {() => Conversation | null} look as it is now
 * @property {() => void} run
 * @property {ConversationStore | null} store
 */

/** One conversation each, looked up in the list: no copy of it, so never out of step with it. */
export class ConversationStores {
  #list;
  #notifier;
  /** @type {readonly Conversation[] | null} the list that the index is of */
  #indexed = null;
  /** @type {Map<string, Conversation>} */
  #index = new Map();
  /**
   * So that a component asking on each render gets the same store.
   * @type {Map<string, WeakRef<ConversationStore>>}
   */
  #known = new Map();
  /** @type {Set<Subscribed>} */
  #subscribed = new Set();
  /** @type {FinalizationRegistry<string>} */
  #forget = new FinalizationRegistry((id) => {
    if (!this.#known.get(id)?.deref()) this.#known.delete(id);
  });

  /**
   * @param {Source<readonly Conversation[]>} list
   * @param {Notifier} notifier
   */
  constructor(list, notifier) {
    this.#list = list;
    this.#notifier = notifier;
  }

  /** @param {string} id */
  #lookup(id) {
    const list = this.#list.value;
    if (this.#indexed !== list) {
      this.#indexed = list;
      this.#index = new Map(list.map((conversation) => [conversation.id, conversation]));
    }
    return this.#index.get(id) ?? null;
  }

  /** @param {string} id @returns {ConversationStore} */
  of(id) {
    const known = this.#known.get(id)?.deref();
    if (known) return known;
    const listeners = new Listeners(this.#notifier);
    /** @type {Subscribed} */
    const entry = { seen: null, look: () => this.#lookup(id), run: () => listeners.call(), store: null };
    /** @type {ConversationStore} */
    const store = Object.freeze({
      getSnapshot: () => this.#lookup(id),
      subscribe: (/** @type {() => void} */ listener) => {
        const remove = listeners.add(listener);
        const unwatch = this.#notifier.watch(`conversation(${JSON.stringify(id)})`);
        if (listeners.size === 1) {
          entry.seen = this.#lookup(id);
          // held while subscribed, even if the app keeps nothing but the unsubscribe function
          entry.store = store;
          this.#subscribed.add(entry);
        }
        return () => {
          unwatch();
          if (remove() && listeners.size === 0) {
            this.#subscribed.delete(entry);
            entry.store = null;
          }
        };
      },
    });
    this.#known.set(id, new WeakRef(store));
    this.#forget.register(store, id);
    return store;
  }

  /** The list has changed. */
  changed() {
    for (const entry of this.#subscribed) {
      const now = entry.look();
      if (now === entry.seen) continue;
      entry.seen = now;
      this.#notifier.changed(entry);
    }
  }
}
