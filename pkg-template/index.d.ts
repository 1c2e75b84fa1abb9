// The types of the npm package `pullcord`: its contract, and beside it `ClientOptions.prefetch`. `B` is the application's own message body.

// ---------------------------------------------------------------- values

/** Position of a message in its conversation: the decimal digits of an unsigned 64-bit integer. */
export type Seq = string;
export type SeqInput = string | number | bigint;
/** -1, 0 or 1; compares positions as integers, not as text. */
export function compareSeq(a: SeqInput, b: SeqInput): -1 | 0 | 1;

export interface Message<B = unknown> {
  readonly id: string;
  readonly conversation: string;
  readonly seq: Seq;
  readonly sender: string;
  /** ms since the epoch, the server's clock */
  readonly createdAt: number;
  readonly version: number;
  readonly state: "normal" | "edited" | "recalled";
  /** null once recalled */
  readonly body: B | null;
  readonly clientId?: string;
}

export interface Conversation<B = unknown> {
  readonly id: string;
  /** the server's count; never computed here */
  readonly unread: number;
  readonly lastSeq: Seq | null;
  readonly readSeq: Seq | null;
  readonly sort: number;
  readonly lastMessage: Message<B> | null;
  readonly meta: unknown;
}

export type ErrorCode =
  | "network" | "timeout" | "offline" | "unauthorized" | "forbidden" | "not-found"
  | "rejected"      // the server refused it for good (409, 422, …)
  | "protocol"      // an answer that breaks the protocol; nothing of it was applied
  | "storage" | "quota" | "storage-newer" | "aborted" | "closed" | "invalid" | "internal";

export class PullcordError extends Error {
  /** For the app's own Transport. `retryable` follows from the code; `retryAfter` (ms) is obeyed. */
  constructor(code: ErrorCode, message?: string, options?: { cause?: unknown; status?: number; retryAfter?: number });
  /** "AbortError" for code "aborted", else "PullcordError" */
  readonly name: string;
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfter?: number;
  /** HTTP status, where there was one */
  readonly status?: number;
}

/**
 * A value that changes: fits React's useSyncExternalStore as it is; both functions are bound. A snapshot is not to be changed, the same object
 * until something changed, and its elements are the same objects until they themselves changed. All stores of a client change together, before any listener runs.
 * Listeners run later, never inside a call; changes may merge into one. When a promise of this API settles, the snapshots already show its effect.
 */
export interface Store<T> {
  getSnapshot(): T;
  /** @returns the function that unsubscribes */
  subscribe(listener: () => void): () => void;
}

// ---------------------------------------------------------------- client

export interface ClientOptions<B = unknown> {
  /** Names the local database: one per signed-in account. */
  account: string;
  /** An object with a `pull` or `pullConversations` or `pullMailbox` function is a Transport, whatever else it has; called as its methods. */
  transport: HttpTransport | Transport<B>;
  /** Where the wasm is, or what: for bundlers that do not follow `new URL(…, import.meta.url)`, a CDN, a test in Node. It is also exported as "pullcord/pullcord.wasm". Read once a page: by the first createClient. */
  wasm?: string | URL | Response | BufferSource | WebAssembly.Module | PromiseLike<Response | BufferSource | WebAssembly.Module>;
  /** Another tab, or an earlier client of this page, has this account: wait ("waiting", default), or close that one and go on. */
  ifOpen?: "wait" | "take-over";
  /** Cancels opening: rejects "aborted" and leaves nothing held. */
  signal?: AbortSignal;
  sync?: {
    /** whose cursor it is (default "account"): one for the account (a global or an inbox id), one per conversation, or none (the server keeps a mailbox of what is unacknowledged) */
    scope?: "account" | "conversation" | "mailbox";
    /** what starts a pull (default "socket"); a slow timer always runs beside it */
    notify?: "socket" | "long-poll" | "poll";
    /** ms between timed pulls while notified (default 30000) and while not (default 5000) */
    pollInterval?: number;
    fallbackPollInterval?: number;
    /** least ms between two pulls, so that a busy group's notifications merge (default 0) */
    minPullInterval?: number;
    /** events asked for at a time (default 500) */
    pullLimit?: number;
  };
  /** On SyncGapOverflow: "clear" (default) drops the conversation's segments; "keep" keeps them, marks them not fresh, and revalidates them when they are shown. */
  overflow?: "clear" | "keep";
  storage?: {
    /** "auto" (default): IndexedDB, or memory where there is none */
    mode?: "auto" | "indexeddb" | "memory";
    /** past this many cached messages the least recently opened are dropped (default 1,000,000) */
    maxMessages?: number;
  };
  /** messages in a screen (default 30) */
  pageSize?: number;
  /** Fetches a page of older messages before it is asked for, when what is on screen comes within a screen of the oldest that is cached, and nothing else is being requested (default true). Never while the browser says that data is to be saved. */
  prefetch?: boolean;
  /** least severity that is logged (default "warn") */
  logLevel?: "debug" | "info" | "warn" | "error" | "silent";
  logger?: (level: "debug" | "info" | "warn" | "error", message: string, detail?: unknown) => void;
}

export interface HttpTransport {
  /** where /v1/… is; ws(s):// is derived from it */
  baseUrl: string;
  /** asked for before the first request and again after a 401; never stored */
  token: () => string | Promise<string>;
  /** ms before a request counts as lost (default 15000; a long poll's wait is added) */
  timeout?: number;
}

/** Deletes an account's local data without opening a client; closes the clients that have it, in every tab. */
export function wipe(account: string): Promise<void>;
/** Opens the local database and starts to sync. Resolves as soon as cached data can be shown, online or not. */
export function createClient<B = unknown>(options: ClientOptions<B>): Promise<Client<B>>;

export interface ClientStatus {
  /** "waiting": another tab's client has this account; what is stored is shown, everything else is done after it has gone. "needs-auth": sync() asks for the token again. */
  readonly connection: "waiting" | "connecting" | "online" | "offline" | "needs-auth" | "closed";
  /** the whole conversation list has been fetched once: an empty list is empty */
  readonly listed: boolean;
  /** how fresh the local data is; `caughtUp` is true once a pull has returned hasMore: false since connecting */
  readonly caughtUp: boolean;
  readonly pulling: boolean;
  /** ms since the epoch of the last completed pull, or null */
  readonly lastSyncedAt: number | null;
  /** events applied in the catch-up that is running */
  readonly progress: { readonly applied: number } | null;
  readonly storage: "indexeddb" | "memory";
  readonly error: PullcordError | null;
}

export interface Client<B = unknown> {
  readonly account: string;
  readonly status: Store<ClientStatus>;
  /** Conversations, greatest `sort` first. */
  readonly conversations: Store<readonly Conversation<B>[]>;
  /** One conversation; null while not in the list. */
  conversation(id: string): Store<Conversation<B> | null>;
  /** Costs nothing until its first subscribe() or method call; let go (not closed) soon after the last subscriber has gone, and opened again, where it was, by the next. close() is for good. */
  timeline(conversation: string, options?: TimelineOptions): Timeline<B>;
  /** Every message not delivered yet or failed, of all conversations, oldest first. */
  readonly outbox: Store<readonly LocalItem<B>[]>;
  /** As on a Timeline, without opening one. */
  send(conversation: string, body: B, options?: { clientId?: string }): Promise<{ readonly clientId: string; readonly key: string }>;
  markRead(conversation: string, seq: SeqInput): Promise<void>;
  retry(clientId: string): Promise<void>;
  discard(clientId: string): Promise<boolean>;
  /** Pulls now. Resolves once caught up; rejects with the reason it could not. */
  sync(options?: { signal?: AbortSignal }): Promise<void>;
  on<K extends keyof ClientEvents<B>>(event: K, listener: (detail: ClientEvents<B>[K]) => void): () => void;
  /** What is stored, for tests and debugging. */
  inspect(conversation?: string): Promise<Inspection>;
  /** Stops, keeps the data. Safe to call twice. */
  close(): Promise<void>;
  /** Stops and deletes this account's local data (sign-out). */
  wipe(): Promise<void>;
}

export interface ClientEvents<B = unknown> {
  /** new messages from the server (not history, not an own echo), after they were stored: once a commit. `live`: false while catching up. */
  messages: { readonly messages: readonly Message<B>[]; readonly live: boolean };
  updates: { readonly messages: readonly Message<B>[]; readonly live: boolean };
  overflow: { readonly conversations: "all" | readonly string[] };
  removed: { readonly conversation: string };
  /** evicted, lost, corrupt or full storage: what happened and what was done */
  storage: { readonly kind: "evicted" | "reopened" | "corrupt" | "quota" | "memory"; readonly detail: string };
  error: PullcordError;
}

export interface Inspection {
  readonly cursor: string | null;
  readonly schema: number;
  readonly cachedMessages: number;
  readonly storedBytes: number;
  readonly outbox: number;
  /** oldest first; of one conversation when one was named, else empty */
  readonly segments: readonly {
    readonly lo: Seq; readonly hi: Seq; readonly count: number;
    /** its newest end is the conversation's newest message as of the cursor */
    readonly live: boolean;
    /** the server has said that nothing is older */
    readonly start: boolean;
    /** every version in it is the newest as of the cursor */
    readonly fresh: boolean;
  }[];
  /** requests sent since the client was made */
  readonly requests: { readonly pull: number; readonly history: number; readonly changes: number; readonly send: number; readonly ack: number; readonly conversations: number };
}

// ---------------------------------------------------------------- timeline: one list on one screen

export interface TimelineOptions {
  /** default "latest" */
  start?: "latest" | { around: SeqInput } | { at: number } | "first-unread";
  pageSize?: number;
  /** items held at most; the far end is let go while the other grows (default 1000) */
  maxItems?: number;
}

export type TimelineItem<B = unknown> = MessageItem<B> | LocalItem<B> | GapItem;
export interface MessageItem<B = unknown> { readonly kind: "message"; /** the same from the local echo on */ readonly key: string; readonly message: Message<B>;
  /** false: from a kept segment that is not revalidated yet */ readonly fresh: boolean }
export interface LocalItem<B = unknown> { readonly kind: "local"; readonly key: string; readonly clientId: string; readonly conversation: string;
  /** "sent": the server has it, the sync has not brought it yet */
  readonly state: "queued" | "sending" | "sent" | "failed";
  /** the server's answer, once "sent": it can be edited, recalled, replied to */
  readonly message: Message<B> | null;
  readonly body: B; readonly createdAt: number; readonly error: PullcordError | null }
export interface GapItem { /** messages may be missing here; it fills by itself when online */ readonly kind: "gap"; readonly key: string }

export interface TimelineSnapshot<B = unknown> {
  /** oldest first, no two with one key */
  readonly items: readonly TimelineItem<B>[];
  /** "opening": nothing known yet (items empty, hasOlder and hasNewer true). Offline, or refused, with nothing cached: "ready", one gap item, `error`. "removed": the account has left it. Closed or removed keeps its items. */
  readonly status: "opening" | "ready" | "removed" | "closed";
  /** `key`: the item that start or jump asked for (that, else the next newer one; null: the newest end). `count` is raised, in the same snapshot, whenever the list was replaced and not grown: scroll then. */
  readonly anchor: { readonly key: string | null; readonly count: number };
  /** number of items[0]; growing and letting go at either end do not renumber the rest (a virtual list's firstItemIndex) */
  readonly firstIndex: number;
  /** false only when the server has said that nothing is older */
  readonly hasOlder: boolean;
  /** false: the newest end is the conversation's newest message, and follows it */
  readonly hasNewer: boolean;
  readonly loading: { readonly older: boolean; readonly newer: boolean; readonly jump: boolean };
  /** messages newer than the newest that was on screen (see visible) */
  readonly unseen: number;
  /** why the last opening, load or jump failed; null as soon as another begins */
  readonly error: PullcordError | null;
}

export interface LoadResult {
  /** messages added to the list */
  readonly added: number;
  /** no more in that direction */
  readonly end: boolean;
  readonly source: "cache" | "network" | "both";
}

export interface Timeline<B = unknown> extends Store<TimelineSnapshot<B>> {
  readonly conversation: string;
  /**
   * One page older / newer: from the cache as far as its segment reaches, the rest from the server. Calls in one direction share the running request;
   * a signal rejects its own call only. Offline with nothing cached: rejects "offline" at once. A jump rejects running loads, and an earlier jump, with "aborted".
   * A promise of this API that nobody awaits raises no unhandledrejection.
   */
  loadOlder(options?: { limit?: number; signal?: AbortSignal }): Promise<LoadResult>;
  loadNewer(options?: { limit?: number; signal?: AbortSignal }): Promise<LoadResult>;
  jump(to: NonNullable<TimelineOptions["start"]>, options?: { signal?: AbortSignal }): Promise<void>;
  /** Shows the message, stores it in the outbox, then resolves; delivery goes on by itself, across reloads; a failed one does not hold up the next. `body` is read at once, as JSON ("invalid" if it is none). A clientId that is there already: the same answer, nothing sent. */
  send(body: B, options?: { clientId?: string }): Promise<{ readonly clientId: string; readonly key: string }>;
  retry(clientId: string): Promise<void>;
  /** Takes a message that is not sent yet, or failed, out of the outbox. false: too late, a request for it has left. */
  discard(clientId: string): Promise<boolean>;
  /** Not optimistic, not stored: rejects "offline" at once; the list shows the result before it resolves. */
  edit(messageId: string, body: B): Promise<Message<B>>;
  recall(messageId: string): Promise<Message<B>>;
  /** Tells the server; the unread count comes back by itself. Only forward; calls merge; kept and sent later when offline. Default: the newest message on screen (see visible). */
  markRead(seq?: SeqInput): Promise<void>;
  /** What is on screen, by key; call it on scroll. Nothing near it is let go, an overflow reloads around it, fetching ahead and `unseen` go by it. Never called: all items count as on screen, and past maxItems the end not last loaded goes. */
  visible(first: string, last: string): void;
  close(): void;
}

// ---------------------------------------------------------------- bring your own backend

export type Batch<B = unknown> = { events: readonly SyncEvent<B>[]; cursor: string; hasMore: boolean; overflow?: "all" | readonly string[] };
export type Page<B = unknown> = { messages: readonly WireMessage<B>[]; hasBefore: boolean; hasAfter: boolean };
export type WireMessage<B = unknown> = Omit<Message<B>, "seq"> & { seq: SeqInput };
/** A field that is absent keeps its value (a new one: 0, null); null is none. An update of lastMessage changes it here too. */
export type WireConversation<B = unknown> = { id: string; unread?: number; lastSeq?: SeqInput | null; readSeq?: SeqInput | null; sort?: number; lastMessage?: WireMessage<B> | null; meta?: unknown };
export type SyncEvent<B = unknown> = { delivery?: string } & (
  | { type: "message"; message: WireMessage<B>; /** null: nothing is before it; absent: not known */ prev?: SeqInput | null }
  | { type: "update"; message: WireMessage<B> }
  | { type: "conversation"; conversation: WireConversation<B> }
  | { type: "removed"; conversation: string }
  | { type: "trim"; conversation: string; before: SeqInput });

/**
 * Implement this to put the client on any chat backend. A rejection with a PullcordError keeps its code; any other counts as "network", is retried, and is
 * logged with its cause. A missing optional method makes what needs it reject with "invalid"; without `listen`, notify "socket" acts as "poll".
 */
export interface Transport<B = unknown> {
  /** scope "account". cursor null, or one you cannot place: answer `overflow: "all"` and where to go on. The cursor counts commits: if yours is an id, never answer past one that may still commit. */
  pull?(request: { cursor: string | null; limit: number; wait?: number }, signal: AbortSignal): Promise<Batch<B>>;
  /** scope "conversation" */
  pullConversations?(request: { cursors: Record<string, string>; limit: number; /** those a notification named; absent: all */ only?: readonly string[] }, signal: AbortSignal): Promise<{ conversations: Record<string, Batch<B> | { error: PullcordError }>; hasMore?: boolean }>;
  /** scope "mailbox" */
  pullMailbox?(request: { limit: number }, signal: AbortSignal): Promise<{ events: readonly SyncEvent<B>[]; hasMore: boolean; overflow?: "all" | readonly string[] }>;
  acknowledge?(deliveries: string[], signal: AbortSignal): Promise<void>;
  /** Read at or after `cursor`, where one is given; likewise in history and changes. */
  conversations(request: { after: string | null; limit: number; cursor: string | null }, signal: AbortSignal): Promise<{ conversations: readonly WireConversation<B>[]; next: string | null }>;
  history(request: { conversation: string; limit: number; cursor: string | null; before?: Seq; after?: Seq; around?: Seq; at?: number }, signal: AbortSignal): Promise<Page<B>>;
  /** overflow "keep"; absent: kept segments are fetched again instead */
  changes?(request: { conversation: string; since: string; cursor: string | null; from: Seq; to: Seq; limit: number }, signal: AbortSignal): Promise<{ messages: readonly WireMessage<B>[]; hasMore: boolean } | "gone">;
  send?(request: { conversation: string; clientId: string; body: B }, signal: AbortSignal): Promise<WireMessage<B>>;
  edit?(request: { conversation: string; messageId: string; clientId: string; body: B }, signal: AbortSignal): Promise<WireMessage<B>>;
  recall?(request: { conversation: string; messageId: string }, signal: AbortSignal): Promise<WireMessage<B>>;
  markRead?(request: { conversation: string; seq: Seq }, signal: AbortSignal): Promise<void>;
  /** Calls `sink` until the signal aborts. Reconnecting is the client's: report `closed`, its signal aborts, and it is called again. */
  listen?(sink: NotifySink<B>, signal: AbortSignal): void;
}

export interface NotifySink<B = unknown> {
  ready(): void;
  /** `conversations`: a hint, so that scope "conversation" asks for those only */
  notify(spread?: number, conversations?: readonly string[]): void;
  push(batch: { prev: string; cursor: string; events: readonly SyncEvent<B>[] } | { events: readonly SyncEvent<B>[] }): void;
  closed(error?: unknown): void;
}
