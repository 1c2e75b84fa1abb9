// The entry "pullcord/vue", for Vue 3.3 and later. `B` is the application's own message
// body, `M` what it keeps of a conversation.

import type { DefineComponent, MaybeRefOrGetter, ShallowRef } from "vue";
import type { PullcordOptions, TimelineMethods } from "./frameworks.js";
import type {
  Client,
  ClientLike,
  ClientStatus,
  Conversation,
  LocalItem,
  PullcordError,
  TimelineOptions,
  TimelineSnapshot,
} from "./index.js";

export type { MaybeRefOrGetter, PullcordOptions, TimelineMethods };

/** A client that is not there yet is null, with the reason where it could not be opened. */
export interface Opened<B = unknown, M = unknown> {
  /** null until it is open */
  readonly client: Readonly<ShallowRef<Client<B, M> | null>>;
  /** why it could not be opened */
  readonly error: Readonly<ShallowRef<PullcordError | null>>;
}

/**
 * Opens a client for as long as the component is mounted, and provides it to the components below. `client.value` is
 * null until it is ready, and on a server. When one of the options' values changes the client is closed and another one
 * is opened; functions and the transport are not compared.
 * @param options a value, a ref or a getter; null: no client (signed out); left out: what is provided from above
 * @example
 * const { client, error } = usePullcord(() => user.value && {
 *   account: `https://chat.example|${user.value.id}`,
 *   transport: { baseUrl: "https://chat.example", token: () => fetchToken(user.value) },
 * });
 */
export function usePullcord<B = unknown, M = unknown>(
  options?: MaybeRefOrGetter<PullcordOptions<B> | null | undefined>,
): Opened<B, M>;

/**
 * Provides the components below with a client: one that is open (`client`), or one that it opens itself (`options`).
 */
export const PullcordProvider: DefineComponent<{
  /** one that is open; it is not closed here */
  client?: ClientLike | null;
  /** what one is opened with; null: no client (signed out) */
  options?: PullcordOptions<unknown> | null;
}>;

// Each takes the client that is provided, or the one that is given. Without one they show what is empty.

/** How the client is: "connecting" without one. */
export function useStatus<B = unknown>(
  client?: MaybeRefOrGetter<ClientLike<B> | null>,
): Readonly<ShallowRef<ClientStatus>>;

/** Conversations, greatest `sort` first. */
export function useConversations<B = unknown, M = unknown>(
  client?: MaybeRefOrGetter<ClientLike<B, M> | null>,
): Readonly<ShallowRef<readonly Conversation<B, M>[]>>;

/** One conversation; null while not in the list. */
export function useConversation<B = unknown, M = unknown>(
  id: MaybeRefOrGetter<string | null | undefined>,
  client?: MaybeRefOrGetter<ClientLike<B, M> | null>,
): Readonly<ShallowRef<Conversation<B, M> | null>>;

/** A list on the screen: each field of its snapshot as a ref, the whole of it too, and its methods. */
export type TimelineView<B = unknown> = {
  readonly [K in keyof TimelineSnapshot<B>]: Readonly<ShallowRef<TimelineSnapshot<B>[K]>>;
} & {
  /** all of it */
  readonly snapshot: Readonly<ShallowRef<TimelineSnapshot<B>>>;
} & TimelineMethods<B>;

/**
 * A list on the screen.
 * @param id null: none is open
 * @example
 * const { items, hasOlder, loadOlder, send } = useTimeline(() => props.conversation, { start: "first-unread" });
 */
export function useTimeline<B = unknown>(
  id: MaybeRefOrGetter<string | null | undefined>,
  options?: MaybeRefOrGetter<TimelineOptions | undefined>,
  client?: MaybeRefOrGetter<ClientLike<B> | null>,
): TimelineView<B>;

/** Every message not delivered yet or failed, oldest first. */
export function useOutbox<B = unknown>(
  client?: MaybeRefOrGetter<ClientLike<B> | null>,
): Readonly<ShallowRef<readonly LocalItem<B>[]>>;
