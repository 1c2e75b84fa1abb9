// The entry "pullcord/svelte", for Svelte 5.7 and later. `B` is the application's own message
// body, `M` what it keeps of a conversation.

import type { Readable } from "svelte/store";
import type { PullcordOptions, TimelineMethods, TimelineView } from "./frameworks.js";
import type {
  Client,
  ClientLike,
  ClientStatus,
  Conversation,
  LocalItem,
  PullcordError,
  Store,
  TimelineOptions,
} from "./index.js";

export type { PullcordOptions, TimelineMethods, TimelineView };

/** A value, a store of it, or a function that reads runes. */
export type Given<T> = T | Readable<T> | (() => T);

/** A store of Svelte's (`$shown`), and for runes its value (`shown.current`). */
export interface Shown<T> extends Readable<T> {
  /** what it is now; where runes are read it is read anew when it changes */
  readonly current: T;
}

/** A client that is not there yet is null, with the reason where it could not be opened. */
export interface Opened<B = unknown, M = unknown> {
  /** null until it is open */
  readonly client: Shown<Client<B, M> | null>;
  /** why it could not be opened */
  readonly error: Shown<PullcordError | null>;
}

/**
 * Opens a client for as long as the component is mounted, and puts it into the context. `$client` is null until it is
 * ready, and on a server. When one of the options' values changes the client is closed and another one is opened;
 * functions and the transport are not compared. Called while the component is initialized.
 * @param options null: no client (signed out); left out: what the context has
 * @example
 * const { client, error } = usePullcord(() => user && {
 *   account: `https://chat.example|${user.id}`,
 *   transport: { baseUrl: "https://chat.example", token: () => fetchToken(user) },
 * });
 */
export function usePullcord<B = unknown, M = unknown>(
  options?: Given<PullcordOptions<B> | null | undefined>,
): Opened<B, M>;

/** Puts a client that is open into the context: Svelte's form of a provider. */
export function providePullcord<B = unknown>(client: Given<ClientLike<B> | null>): void;

/**
 * Any store of Pullcord's as one of Svelte's.
 * @example
 * const status = readable(client.status); // $status.connection
 */
export function readable<T>(store: Store<T>): Shown<T>;

// Each takes the client of the context, or the one that is given. Without one they show what is empty.

/** How the client is: "connecting" without one. */
export function useStatus<B = unknown>(client?: Given<ClientLike<B> | null>): Shown<ClientStatus>;

/** Conversations, greatest `sort` first. */
export function useConversations<B = unknown, M = unknown>(
  client?: Given<ClientLike<B, M> | null>,
): Shown<readonly Conversation<B, M>[]>;

/** One conversation; null while not in the list. */
export function useConversation<B = unknown, M = unknown>(
  id: Given<string | null | undefined>,
  client?: Given<ClientLike<B, M> | null>,
): Shown<Conversation<B, M> | null>;

/**
 * A list on the screen: its snapshot with its methods, which are also beside it.
 * @param id null: none is open
 * @example
 * const timeline = useTimeline("general", { start: "first-unread" });
 * // {#each $timeline.items as item (item.key)} … {/each} <button onclick={() => timeline.loadOlder()}>
 */
export function useTimeline<B = unknown>(
  id: Given<string | null | undefined>,
  options?: Given<TimelineOptions | undefined>,
  client?: Given<ClientLike<B> | null>,
): Shown<TimelineView<B>> & TimelineMethods<B>;

/** Every message not delivered yet or failed, oldest first. */
export function useOutbox<B = unknown>(client?: Given<ClientLike<B> | null>): Shown<readonly LocalItem<B>[]>;
