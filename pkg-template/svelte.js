// The entry "pullcord/svelte": the client in the context, and its stores as Svelte's, with a value for runes.

import { getContext, hasContext, onMount, setContext } from "svelte";
import { createSubscriber } from "svelte/reactivity";
import { get, toStore } from "svelte/store";
import { CONNECTING, NONE, OPENING } from "./empty.js";
import { Opening, keyOf, pace } from "./frameworks/opening.js";
import { judged, noClient, withoutId } from "./frameworks/told.js";
import { TIMELINE_METHODS, methodsOfTimeline } from "./frameworks/view.js";

/** @typedef {import("./index.js").Client<any>} Client */
/** @typedef {import("./index.js").ClientLike<any>} ClientLike */
/**
 * What changes, whoever it is of.
 * @template T
 * @typedef {{ get(): T, listen(changed: () => void): () => void }} Source
 */
/**
 * @template T
 * @typedef {import("./svelte.js").Given<T>} Given
 */
/** @typedef {import("./svelte.js").PullcordOptions<any>} Options */
/** @typedef {{ client: Client | null, error: any }} Opened */

const KEY = Symbol("pullcord");
/** @type {Opened} */
const NOTHING = Object.freeze({ client: null, error: null });

/** A value that is set here. @template T @implements {Source<T>} */
class Cell {
  #value;
  /** @type {Set<{ changed: () => void }>} */
  #listeners = new Set();

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get() {
    return this.#value;
  }

  /** @param {T} value */
  set(value) {
    if (value === this.#value) return;
    this.#value = value;
    for (const { changed } of [...this.#listeners]) changed();
  }

  /** @param {() => void} changed */
  listen(changed) {
    const entry = { changed };
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }
}

/**
 * @template T
 * @param {Given<T>} given a value, a store, or a function of runes
 * @returns {Source<T>}
 */
function sourceOf(given) {
  const isFunction = typeof given === "function";
  if (!isFunction && typeof (/** @type {any} */ (given)?.subscribe) !== "function")
    return { get: () => /** @type {T} */ (given), listen: () => () => {} };
  /** @type {import("svelte/store").Readable<T>} */
  const store = isFunction ? toStore(/** @type {() => T} */ (given)) : /** @type {any} */ (given);
  return {
    get: isFunction ? /** @type {() => T} */ (given) : () => get(store),
    listen(changed) {
      // the first call is of the value that is there
      let isFirst = true;
      return store.subscribe(() => {
        if (!isFirst) changed();
        isFirst = false;
      });
    },
  };
}

/**
 * The store that these name at each moment, or what is empty.
 * @template T
 * @param {readonly Source<any>[]} sources
 * @param {() => import("./index.js").Store<T> | null | undefined} storeOf
 * @param {T} empty
 * @returns {Source<T>}
 */
function current(sources, storeOf, empty) {
  return {
    get: () => storeOf()?.getSnapshot() ?? empty,
    listen(changed) {
      let stop = storeOf()?.subscribe(changed);
      const other = () => {
        stop?.();
        stop = storeOf()?.subscribe(changed);
        changed();
      };
      const stops = sources.map((source) => source.listen(other));
      return () => {
        for (const end of stops) end();
        stop?.();
      };
    },
  };
}

/**
 * Says so where it has no conversation for long.
 * @template T
 * @param {string} part @param {Source<unknown>} id @param {Source<Client | null>} of
 * @param {Source<T>} source
 * @returns {Source<T>}
 */
function named(part, id, of, source) {
  return {
    get: source.get,
    listen(changed) {
      let forget = () => {};
      const look = () => {
        forget();
        forget = withoutId(part, of.get() ? id.get() : null);
      };
      const stops = [of.listen(look), id.listen(look), source.listen(changed)];
      look();
      return () => {
        forget();
        for (const stop of stops) stop();
      };
    },
  };
}

/**
 * As Svelte takes it: `$shown` and `shown.current`.
 * @template T
 * @param {Source<T>} source
 * @returns {import("./svelte.js").Shown<T>}
 */
function shown(source) {
  const track = createSubscriber((update) => source.listen(update));
  return {
    subscribe(run) {
      let last = source.get();
      run(last);
      return source.listen(() => {
        const now = source.get();
        if (now === last) return;
        last = now;
        run(now);
      });
    },
    get current() {
      track();
      return source.get();
    },
  };
}

/** @type {typeof import("./svelte.js").readable} */
export function readable(store) {
  return shown({ get: store.getSnapshot, listen: store.subscribe });
}

/** @param {Source<Opened>} opened @returns {import("./svelte.js").Opened<any>} */
function viewOf(opened) {
  return {
    client: shown({ get: () => opened.get().client, listen: opened.listen.bind(opened) }),
    error: shown({ get: () => opened.get().error, listen: opened.listen.bind(opened) }),
  };
}

/**
 * What the context has.
 * @param {string | null} part who needs it; null: nobody
 * @returns {Source<Opened>}
 */
function around(part) {
  if (hasContext(KEY)) return getContext(KEY);
  if (part) noClient(part, "call usePullcord(options) in a component");
  return new Cell(NOTHING);
}

/** @type {typeof import("./svelte.js").usePullcord} */
export function usePullcord(...given) {
  const [options] = given;
  if (options === undefined) return viewOf(around(given.length ? null : "usePullcord()"));
  const wanted = sourceOf(options);
  const cell = new Cell(NOTHING);
  setContext(KEY, cell);
  // not on a server
  onMount(() => {
    /** @type {Opening | null} */
    let opening = null;
    /** @type {string | null} */
    let key = null;
    const opens = pace();
    const close = () => {
      opening?.close();
      opening = null;
      cell.set(NOTHING);
    };
    const look = () => {
      const given = wanted.get();
      const now = keyOf(given);
      if (given && now === key) {
        opening?.update(given);
        return;
      }
      key = now;
      close();
      if (!given) return;
      opens();
      opening = new Opening(given, (client, error) => cell.set({ client, error }));
    };
    const stop = wanted.listen(look);
    look();
    return () => {
      stop();
      close();
    };
  });
  return viewOf(cell);
}

/** @type {typeof import("./svelte.js").providePullcord} */
export function providePullcord(client) {
  const source = clientOf(client, "providePullcord");
  /** @type {Opened} */
  let last = NOTHING;
  setContext(KEY, {
    get() {
      const now = source.get();
      if (now !== last.client) last = { client: now, error: null };
      return last;
    },
    listen: source.listen,
  });
}

/** @param {Given<ClientLike | null> | undefined} given @param {string} part @returns {Source<Client | null>} */
function clientOf(given, part) {
  if (given !== undefined) {
    const source = sourceOf(/** @type {Given<Client | null>} */ (given));
    return { get: () => judged(source.get()), listen: (changed) => source.listen(changed) };
  }
  const opened = around(part);
  return { get: () => opened.get().client, listen: (changed) => opened.listen(changed) };
}

/** @type {typeof import("./svelte.js").useStatus} */
export function useStatus(client) {
  const of = clientOf(client, "useStatus");
  return shown(current([of], () => of.get()?.status, CONNECTING));
}

/** @type {typeof import("./svelte.js").useConversations} */
export function useConversations(client) {
  const of = clientOf(client, "useConversations");
  return shown(current([of], () => of.get()?.conversations, NONE));
}

/** @type {typeof import("./svelte.js").useConversation} */
export function useConversation(id, client) {
  const of = clientOf(client, "useConversation");
  const name = sourceOf(id);
  const storeOf = () => {
    const wanted = name.get();
    return wanted ? of.get()?.conversation(wanted) : null;
  };
  return shown(named("useConversation", name, of, current([of, name], storeOf, null)));
}

/** @type {typeof import("./svelte.js").useTimeline} */
export function useTimeline(id, options, client) {
  const of = clientOf(client, "useTimeline");
  const name = sourceOf(id);
  const wanted = sourceOf(options);
  // the same each time, while the options say the same
  const timeline = () => {
    const conversation = name.get();
    return (conversation && of.get()?.timeline(conversation, wanted.get())) || null;
  };
  const snapshots = named("useTimeline", name, of, current([of, name, wanted], timeline, OPENING));
  /** @type {any} */
  let last = null;
  const view = () => {
    const snapshot = snapshots.get();
    const methods = methodsOfTimeline(timeline());
    if (last?.snapshot !== snapshot || last.methods !== methods)
      last = { snapshot, methods, view: { ...snapshot, ...methods } };
    return last.view;
  };
  /** @type {any} */
  const list = shown({ get: view, listen: snapshots.listen });
  for (const method of TIMELINE_METHODS)
    list[method] = (/** @type {any[]} */ ...given) =>
      /** @type {any} */ (methodsOfTimeline(timeline()))[method](...given);
  return list;
}

/** @type {typeof import("./svelte.js").useOutbox} */
export function useOutbox(client) {
  const of = clientOf(client, "useOutbox");
  return shown(current([of], () => of.get()?.outbox, NONE));
}
