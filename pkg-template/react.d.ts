// The entry "pullcord/react", for React 18 and 19. `B` is the application's own message
// body, `M` what it keeps of a conversation.

import type { ReactElement, ReactNode } from "react";
import type { Opened, PullcordOptions, TimelineMethods, TimelineView } from "./frameworks.js";
import type { ClientLike, ClientStatus, Conversation, LocalItem, TimelineOptions } from "./index.js";

export type { Opened, PullcordOptions, TimelineMethods, TimelineView };

/**
 * Opens a client for as long as the component is mounted. `client` is null until it is ready, and on a server. When one
 * of the options' values changes the client is closed and another one is opened; functions and the transport may be
 * written in the call, for they are not compared.
 * @param options null: no client (signed out); left out: that of the provider
 * @example
 * const { client, error } = usePullcord(user && {
 *   account: `https://chat.example|${user.id}`,
 *   transport: { baseUrl: "https://chat.example", token: () => fetchToken(user) },
 * });
 */
export function usePullcord<B = unknown, M = unknown>(options?: PullcordOptions<B> | null): Opened<B, M>;

/**
 * Gives the hooks below it their client: one that is open, or one that it opens itself, as `usePullcord` does.
 * @example
 * <PullcordProvider options={{ account, transport }}><Chat /></PullcordProvider>
 * @example
 * <PullcordProvider client={client}><Chat /></PullcordProvider>
 */
export function PullcordProvider<B = unknown>(props: {
  /** one that is open; it is not closed here */
  readonly client?: ClientLike<B> | null | undefined;
  /** what one is opened with; null: no client (signed out) */
  readonly options?: PullcordOptions<B> | null | undefined;
  /** what is below it */
  readonly children?: ReactNode;
}): ReactElement;

// Each takes the client from the provider, or the one that is given. Without one they show what is empty.

/** How the client is: "connecting" without one. */
export function useStatus<B = unknown>(client?: ClientLike<B> | null): ClientStatus;

/** Conversations, greatest `sort` first. */
export function useConversations<B = unknown, M = unknown>(
  client?: ClientLike<B, M> | null,
): readonly Conversation<B, M>[];

/** One conversation; null while not in the list. */
export function useConversation<B = unknown, M = unknown>(
  id: string | null | undefined,
  client?: ClientLike<B, M> | null,
): Conversation<B, M> | null;

/**
 * A list on the screen: its snapshot, with its methods beside it. The same conversation and options are the same list.
 * @param id null: none is open
 * @example
 * const { items, hasOlder, loadOlder, send } = useTimeline("general", { start: "first-unread" });
 */
export function useTimeline<B = unknown>(
  id: string | null | undefined,
  options?: TimelineOptions,
  client?: ClientLike<B> | null,
): TimelineView<B>;

/** Every message not delivered yet or failed, oldest first. */
export function useOutbox<B = unknown>(client?: ClientLike<B> | null): readonly LocalItem<B>[];
