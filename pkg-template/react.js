"use client";
// The entry "pullcord/react": the client from a context, and hooks on its stores.

import {
  createContext,
  createElement,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import { CONNECTING, NONE, OPENING } from "./empty.js";
import { Opening, keyOf, pace } from "./frameworks/opening.js";
import { judged, noClient, noOptions, withoutId } from "./frameworks/told.js";
import { methodsOfTimeline } from "./frameworks/view.js";

/** @typedef {import("./index.js").Client<any>} Client */
/** @typedef {import("./index.js").ClientLike<any>} ClientLike */
/** @typedef {import("./react.js").Opened<any>} Opened */

/** @type {Opened} */
const NOTHING = Object.freeze({ client: null, error: null });
const Context = createContext(/** @type {Opened | null} */ (null));

/**
 * A client for as long as the component is mounted, and its options say the same.
 * @param {import("./react.js").PullcordOptions<any> | null | undefined} options
 * @returns {Opened}
 */
function useOpening(options) {
  const key = keyOf(options);
  const [state, setState] = useState({ key, opened: NOTHING });
  const latest = useRef(options);
  const [opens] = useState(pace);
  /** @type {import("react").RefObject<Opening | null>} */
  const opening = useRef(null);
  useEffect(() => {
    latest.current = options;
    if (options) opening.current?.update(options);
  });
  useEffect(() => {
    if (key === null || !latest.current) return undefined;
    opens();
    const mine = new Opening(latest.current, (client, error) => setState({ key, opened: { client, error } }));
    opening.current = mine;
    return () => {
      opening.current = null;
      mine.close();
      setState({ key: null, opened: NOTHING });
    };
  }, [key, opens]);
  // a client of other options is not shown for a single frame
  return state.key === key ? state.opened : NOTHING;
}

/**
 * What the provider gives.
 * @param {string | null} part who needs it; null: nobody
 */
function useAround(part) {
  const around = useContext(Context);
  if (!around && part) noClient(part, "put a <PullcordProvider>");
  return around ?? NOTHING;
}

/** @type {typeof import("./react.js").usePullcord} */
export function usePullcord(...given) {
  const [options] = given;
  // options that are not there yet, as a user who is not known yet, are no call for the provider's
  const around = useAround(given.length ? null : "usePullcord()");
  const own = useOpening(options);
  return options === undefined ? around : own;
}

/** @type {typeof import("./react.js").PullcordProvider} */
export function PullcordProvider(props) {
  const { client, options, children } = props;
  if (!("options" in props || "client" in props)) noOptions("<PullcordProvider>");
  const own = useOpening(options);
  const given = judged(/** @type {Client | null | undefined} */ (client));
  const value = useMemo(() => (given === undefined ? own : { client: given, error: null }), [given, own]);
  return createElement(Context.Provider, { value }, children);
}

/** @param {ClientLike | null | undefined} given @param {string} part @returns {Client | null} */
function useClient(given, part) {
  const { client } = useAround(given === undefined ? part : null);
  return given === undefined ? client : judged(/** @type {Client | null} */ (given));
}

/** Says so where it has none for long. @param {string} part @param {unknown} id @param {Client | null} of */
function useNamed(part, id, of) {
  useEffect(() => (of ? withoutId(part, id) : undefined), [part, id, of]);
}

const never = () => () => {};

/**
 * @template T
 * @param {import("./index.js").Store<T> | null | undefined} store
 * @param {T} empty on a server, and before there is a store
 */
function useStore(store, empty) {
  const nothing = () => empty;
  return useSyncExternalStore(store?.subscribe ?? never, store?.getSnapshot ?? nothing, nothing);
}

/** @type {typeof import("./react.js").useStatus} */
export function useStatus(client) {
  return useStore(useClient(client, "useStatus")?.status, CONNECTING);
}

/** @type {typeof import("./react.js").useConversations} */
export function useConversations(client) {
  return useStore(useClient(client, "useConversations")?.conversations, NONE);
}

/** @type {typeof import("./react.js").useConversation} */
export function useConversation(id, client) {
  const of = useClient(client, "useConversation");
  useNamed("useConversation", id, of);
  return useStore(id ? of?.conversation(id) : null, null);
}

/** @type {typeof import("./react.js").useTimeline} */
export function useTimeline(id, options, client) {
  const of = useClient(client, "useTimeline");
  useNamed("useTimeline", id, of);
  // the same on each render, while the options say the same
  const timeline = (id && of?.timeline(id, options)) || null;
  const snapshot = useStore(timeline, OPENING);
  return useMemo(() => ({ ...snapshot, ...methodsOfTimeline(timeline) }), [snapshot, timeline]);
}

/** @type {typeof import("./react.js").useOutbox} */
export function useOutbox(client) {
  return useStore(useClient(client, "useOutbox")?.outbox, NONE);
}
