// The entry "pullcord/vue": the client provided to the components below, and composables on its stores.

import {
  computed,
  getCurrentInstance,
  hasInjectionContext,
  inject,
  onMounted,
  onScopeDispose,
  provide,
  shallowRef,
  toRaw,
  toValue,
  watch,
} from "vue";
import { CONNECTING, NONE, OPENING } from "./empty.js";
import { Opening, keyOf, pace } from "./frameworks/opening.js";
import { judged, noClient, noOptions, outsideSetup, withoutId } from "./frameworks/told.js";
import { TIMELINE_METHODS, methodsOfTimeline } from "./frameworks/view.js";

/** @typedef {import("./index.js").Client<any>} Client */
/** @typedef {import("./vue.js").PullcordOptions<any>} Options */

const KEY = Symbol("pullcord");
const SYNC = /** @type {const} */ ({ immediate: true, flush: "sync" });

/**
 * Once it is in the page: not on a server, and not before what a server has rendered is taken over.
 * @param {() => void} run
 */
function inPage(run) {
  if (getCurrentInstance()) onMounted(run);
  else run();
}

/**
 * What the app has made reactive as it was: an object's private fields are behind no proxy.
 * @param {Options | null | undefined} given
 */
function asGiven(given) {
  const options = toRaw(given);
  return options && { ...options, transport: toRaw(options.transport) };
}

/** @param {import("./vue.js").MaybeRefOrGetter<Options | null | undefined>} options */
function opened(options) {
  const client = shallowRef(/** @type {Client | null} */ (null));
  const error = shallowRef(/** @type {any} */ (null));
  /** @type {Opening | null} */
  let opening = null;
  const opens = pace();
  const close = () => {
    opening?.close();
    opening = null;
    client.value = null;
    error.value = null;
  };
  inPage(() => {
    watch(
      () => keyOf(toValue(options)),
      () => {
        close();
        const given = asGiven(toValue(options));
        if (!given) return;
        opens();
        opening = new Opening(given, (now, wrong) => {
          client.value = now;
          error.value = wrong;
        });
      },
      SYNC,
    );
    watch(
      () => toValue(options),
      (now) => {
        const given = asGiven(now);
        if (given) opening?.update(given);
      },
      { flush: "sync" },
    );
  });
  onScopeDispose(close);
  return { client, error };
}

/**
 * What is provided from above.
 * @param {string | null} part who needs it; null: nobody
 * @returns {import("./vue.js").Opened<any>}
 */
function around(part) {
  const nothing = () => {
    if (part && hasInjectionContext()) noClient(part, "call usePullcord(options) in a component");
    return { client: shallowRef(null), error: shallowRef(null) };
  };
  if (hasInjectionContext()) return inject(KEY, nothing, true);
  outsideSetup(part ?? "usePullcord");
  return nothing();
}

/** @type {typeof import("./vue.js").usePullcord} */
export function usePullcord(...given) {
  const [options] = given;
  if (options === undefined) return around(given.length ? null : "usePullcord()");
  const own = opened(options);
  if (getCurrentInstance()) provide(KEY, own);
  return own;
}

/** @type {typeof import("./vue.js").PullcordProvider} */
export const PullcordProvider = /** @type {any} */ ({
  name: "PullcordProvider",
  props: { client: { type: Object, default: undefined }, options: { type: Object, default: undefined } },
  /**
   * @param {{ client?: Client | null, options?: Options | null }} props
   * @param {{ slots: { default?: () => unknown } }} context
   */
  setup(props, { slots }) {
    const given = getCurrentInstance()?.vnode.props ?? {};
    if (!("options" in given || "client" in given)) noOptions("<PullcordProvider>");
    const own = opened(() => props.options);
    const client = computed(() => (props.client === undefined ? own.client.value : judged(props.client)));
    provide(KEY, { client, error: own.error });
    return () => slots.default?.();
  },
});

/**
 * @param {import("./vue.js").MaybeRefOrGetter<import("./index.js").ClientLike<any> | null> | undefined} given
 * @param {string} part
 * @returns {import("vue").Ref<Client | null>}
 */
function useClient(given, part) {
  return given === undefined
    ? around(part).client
    : computed(() => judged(toRaw(/** @type {Client | null} */ (toValue(given)))));
}

/**
 * @template T
 * @param {() => import("./index.js").Store<T> | null | undefined} storeOf
 * @param {T} empty on a server, and before there is a store
 */
function useStore(storeOf, empty) {
  const shown = shallowRef(empty);
  let stop = () => {};
  inPage(() =>
    watch(
      storeOf,
      (store) => {
        stop();
        shown.value = store ? store.getSnapshot() : empty;
        stop = store
          ? store.subscribe(() => {
              shown.value = store.getSnapshot();
            })
          : () => {};
      },
      SYNC,
    ),
  );
  onScopeDispose(() => stop());
  return shown;
}

/**
 * Says so where it has none for long.
 * @param {string} part
 * @param {import("./vue.js").MaybeRefOrGetter<unknown>} id
 * @param {import("vue").Ref<Client | null>} of
 */
function useNamed(part, id, of) {
  inPage(() =>
    watch(
      () => (of.value ? toValue(id) : null),
      (name, _, onCleanup) => onCleanup(withoutId(part, name)),
      SYNC,
    ),
  );
}

/** @type {typeof import("./vue.js").useStatus} */
export function useStatus(client) {
  const of = useClient(client, "useStatus");
  return useStore(() => of.value?.status, CONNECTING);
}

/** @type {typeof import("./vue.js").useConversations} */
export function useConversations(client) {
  const of = useClient(client, "useConversations");
  return useStore(() => of.value?.conversations, NONE);
}

/** @type {typeof import("./vue.js").useConversation} */
export function useConversation(id, client) {
  const of = useClient(client, "useConversation");
  useNamed("useConversation", id, of);
  return useStore(() => {
    const name = toValue(id);
    return name ? of.value?.conversation(name) : null;
  }, null);
}

/** @type {typeof import("./vue.js").useTimeline} */
export function useTimeline(id, options, client) {
  const of = useClient(client, "useTimeline");
  useNamed("useTimeline", id, of);
  const timeline = computed(() => {
    const name = toValue(id);
    return (name && of.value?.timeline(name, toValue(options))) || null;
  });
  const snapshot = useStore(() => timeline.value, OPENING);
  /** @type {any} */
  const view = { snapshot };
  for (const field of /** @type {(keyof typeof OPENING)[]} */ (Object.keys(OPENING)))
    view[field] = computed(() => snapshot.value[field]);
  for (const name of TIMELINE_METHODS)
    view[name] = (/** @type {any[]} */ ...given) =>
      /** @type {any} */ (methodsOfTimeline(timeline.value))[name](...given);
  return view;
}

/** @type {typeof import("./vue.js").useOutbox} */
export function useOutbox(client) {
  const of = useClient(client, "useOutbox");
  return useStore(() => of.value?.outbox, NONE);
}
