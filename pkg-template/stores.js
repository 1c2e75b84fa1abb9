// What the app subscribes to. A frame of the engine changes all the stores it concerns, and only then,
// in a microtask, do listeners run: nobody ever sees one store ahead of another.

import { revive } from "./errors.js";
import { callback } from "./options.js";

/** Collects what changed and tells listeners later, once for everything until then. */
export class Notifier {
  #changed = new Set();
  #events = [];
  #scheduled = false;

  /** @param {{ run(): void }} source */
  changed(source) {
    this.#changed.add(source);
    this.#schedule();
  }

  /** `deliver` runs after the listeners of the stores that changed up to now. */
  event(deliver) {
    this.#events.push(deliver);
    this.#schedule();
  }

  #schedule() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      const changed = [...this.#changed];
      const events = this.#events;
      this.#changed.clear();
      this.#events = [];
      for (const source of changed) source.run();
      for (const deliver of events) deliver();
    });
  }
}

/** Calls one listener of the app; what it throws is its own, and keeps nobody else from being called. */
export function callListener(listener, ...details) {
  try {
    listener(...details);
  } catch (error) {
    if (typeof reportError === "function") reportError(error);
    else console.error(error);
  }
}

/** `before` where both say the same, so that identity means "unchanged". */
export function kept(before, now) {
  if (before === now) return before;
  if (!before || !now) return now;
  const fields = Object.keys(now);
  return fields.length === Object.keys(before).length && fields.every((field) => before[field] === now[field]) ? before : now;
}

export function keptError(before, wire) {
  if (!wire) return null;
  const same = before && ["code", "message", "status", "retryAfter"].every((field) => before[field] === wire[field]);
  return same ? before : revive(wire);
}

/** Listeners; each subscription is its own, also of the same function twice. */
export class Listeners {
  #all = new Set();

  get size() {
    return this.#all.size;
  }

  /** @returns {() => boolean} unsubscribes; true the first time */
  add(listener) {
    // said here, and not by a TypeError at each change
    const entry = { listener: callback("listener", listener) };
    this.#all.add(entry);
    return () => this.#all.delete(entry);
  }

  call(...details) {
    for (const entry of [...this.#all]) {
      // one that an earlier listener has unsubscribed does not hear of it any more
      if (this.#all.has(entry)) callListener(entry.listener, ...details);
    }
  }
}

/** A value that changes, with the read-only `store` that the app gets of it. */
export class Source {
  #value;
  #notifier;
  #listeners = new Listeners();

  constructor(value, notifier) {
    this.#value = value;
    this.#notifier = notifier;
    this.store = Object.freeze({
      getSnapshot: () => this.#value,
      subscribe: (listener) => {
        const remove = this.#listeners.add(listener);
        return () => void remove();
      },
    });
  }

  get value() {
    return this.#value;
  }

  set(value) {
    if (value === this.#value) return;
    this.#value = value;
    this.#notifier.changed(this);
  }

  run() {
    this.#listeners.call();
  }
}

/**
 * A new list from the old one. Each splice is applied in order; a number in `ins` stands for the element
 * that the list had at that index before the whole patch, so that it stays the same object.
 * @param {readonly any[]} before
 * @param {readonly { at: number, del: number, ins: any[] }[]} patch
 * @param {(element: any) => any} [revived] makes a new element what the app sees
 */
export function applyPatch(before, patch, revived = (element) => element) {
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

/** One conversation each, looked up in the list: no copy of it, so never out of step with it. */
export class ConversationStores {
  #list;
  #notifier;
  #indexed = null;
  #index = new Map();
  /** so that a component asking on each render gets the same store */
  #known = new Map();
  #subscribed = new Set();
  #forget = new FinalizationRegistry((id) => {
    if (!this.#known.get(id)?.deref()) this.#known.delete(id);
  });

  /** @param {Source} list the conversations */
  constructor(list, notifier) {
    this.#list = list;
    this.#notifier = notifier;
  }

  #lookup(id) {
    if (this.#indexed !== this.#list.value) {
      this.#indexed = this.#list.value;
      this.#index = new Map(this.#indexed.map((conversation) => [conversation.id, conversation]));
    }
    return this.#index.get(id) ?? null;
  }

  of(id) {
    const known = this.#known.get(id)?.deref();
    if (known) return known;
    const listeners = new Listeners();
    const entry = { seen: null, look: () => this.#lookup(id), run: () => listeners.call(), store: null };
    const store = Object.freeze({
      getSnapshot: () => this.#lookup(id),
      subscribe: (listener) => {
        const remove = listeners.add(listener);
        if (listeners.size === 1) {
          entry.seen = this.#lookup(id);
          // held while subscribed, even if the app keeps nothing but the unsubscribe function
          entry.store = store;
          this.#subscribed.add(entry);
        }
        return () => {
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
