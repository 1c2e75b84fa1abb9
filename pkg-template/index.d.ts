// The types of the npm package `pullcord`: its contract, and beside it `ClientOptions.prefetch` and
// `Inspection.commit`. `B` is the application's own message body, `M` what it keeps of a conversation.

import type { Address, Answer, Bytes, Module, Signal } from "./platform.js";

// ---------------------------------------------------------------- values

/** Position of a message in its conversation: the decimal digits of an unsigned 64-bit integer. */
export type Seq = string;
/** A position as the app may give it: a number only up to 2^53 - 1, where it is exact ("invalid" otherwise). */
export type SeqInput = string | number | bigint;
/**
 * Compares positions as integers, not as text.
 * @returns -1: `a` is older; 0: they are the same; 1: `a` is newer
 * @throws PullcordError "invalid": one is no position
 * @example
 * messages.sort((a, b) => compareSeq(a.seq, b.seq));
 */
export function compareSeq(a: SeqInput, b: SeqInput): -1 | 0 | 1;

/** A message of the server, in its newest version that is known here. */
export interface Message<B = unknown> {
  /** the server's name of it */
  readonly id: string;
  readonly conversation: string;
  readonly seq: Seq;
  /** who has written it, as the server names users */
  readonly sender: string;
  /** ms since the epoch, the server's clock */
  readonly createdAt: number;
  /** raised with each edit and recall */
  readonly version: number;
  /**
   * "unreadable": the server has it, and what it sent of it cannot be read (too large, too deep): its place is kept; a
   * readable copy replaces it
   */
  readonly state: "normal" | "edited" | "recalled" | "unreadable";
  /** null once recalled, or unreadable */
  readonly body: B | null;
  /** its sender's own name of it */
  readonly clientId?: string;
}

/** A conversation that the account is in. */
export interface Conversation<B = unknown, M = unknown> {
  readonly id: string;
  /** the server's count; never computed here */
  readonly unread: number;
  /** position of the newest message */
  readonly lastSeq: Seq | null;
  /** up to where this account has read */
  readonly readSeq: Seq | null;
  /** place in the list: the greatest comes first */
  readonly sort: number;
  readonly lastMessage: Message<B> | null;
  /** whatever else the server keeps of it, as JSON: a name, members; null where it keeps nothing */
  readonly meta: M;
}

/**
 * What went wrong, for programs; `message` says it to people.
 *
 * Tried again by itself, where that is of use (`retryable`):
 * - "network": no answer, or one of a broken server (5xx); also whatever an app's own Transport throws without a code
 * - "timeout": no answer within `HttpTransport.timeout`, or the browser did not answer
 * - "offline": needs the server, and the browser says that there is no network
 *
 * The server's answer:
 * - "unauthorized": the token was refused, and a fresh one too; or `token` has failed with this code (401)
 * - "forbidden": this account may not (403)
 * - "not-found": there is no such conversation or message (404, 410)
 * - "rejected": the server refused it for good (409, 422, …)
 * - "protocol": an answer that breaks the protocol; nothing of it was applied
 *
 * What is stored here:
 * - "storage": the browser's database fails or does not answer
 * - "quota": there is no room, and nothing that could go to make some
 * - "storage-newer": a newer version of the package has written the data; reload the page to get it
 * - "outdated": a newer version of the package, another scope or server has the account: reload the page
 *
 * The app itself:
 * - "aborted": cancelled by its AbortSignal, or replaced by a later jump; `name` is "AbortError"
 * - "closed": the client or the timeline is closed, or another client has taken over
 * - "invalid": an option or argument is none, or the transport lacks the method
 *
 * Neither:
 * - "unsupported": the browser lacks or forbids what Pullcord needs (WebAssembly)
 * - "internal": a bug in Pullcord
 */
export type ErrorCode =
  | "network"
  | "timeout"
  | "offline"
  | "unauthorized"
  | "forbidden"
  | "not-found"
  | "rejected"
  | "protocol"
  | "storage"
  | "quota"
  | "storage-newer"
  | "aborted"
  | "closed"
  | "invalid"
  | "outdated"
  | "unsupported"
  | "internal";

/**
 * The one kind of error that this API rejects with and shows. Known by its shape (`name` and a `code` of the list), so
 * that one of another copy of the package counts as well.
 */
export class PullcordError extends Error {
  /**
   * For the app's own Transport.
   * @param code what went wrong; `retryable` follows from it
   * @param message for people (default: the code)
   * @param options `cause`: what was thrown; `status`: the HTTP status; `retryAfter`: ms to wait, which are obeyed
   * @example
   * if (response.status === 429) throw new PullcordError("network", "too many", { status: 429, retryAfter: 5000 });
   */
  constructor(code: ErrorCode, message?: string, options?: { cause?: unknown; status?: number; retryAfter?: number });
  /** "AbortError" for code "aborted", else "PullcordError" */
  readonly name: string;
  readonly code: ErrorCode;
  /** trying again may help: "network", "timeout" or "offline" */
  readonly retryable: boolean;
  /** ms after which to try again, where the server has said so */
  readonly retryAfter?: number;
  /** HTTP status, where there was one */
  readonly status?: number;
  /** it may have been done all the same */
  readonly uncertain?: true;
}

/**
 * A value that changes: fits React's useSyncExternalStore as it is; both functions are bound. A snapshot is not to be
 * changed, the same object until something changed, and its elements are the same objects until they themselves
 * changed. All stores of a client change together, before any listener runs. Listeners run later, never inside a call;
 * changes may merge into one. When a promise of this API settles, the snapshots already show its effect.
 */
export interface Store<T> {
  /** @returns what is now */
  getSnapshot(): T;
  /**
   * @param listener is called after each change, without arguments; what it throws keeps nobody else from being called
   * @returns the function that unsubscribes
   * @example
   * const stop = client.status.subscribe(() => {
   *   banner.hidden = client.status.getSnapshot().connection === "online";
   * });
   * @example
   * const conversations = useSyncExternalStore(client.conversations.subscribe, client.conversations.getSnapshot);
   */
  subscribe(listener: () => void): () => void;
}

// ---------------------------------------------------------------- client

export interface ClientOptions<B = unknown> {
  /**
   * Names the local database, and what is shared between tabs: **whoever opens the same name sees and sends as the same
   * user**. Use the user's id and the server (`"https://chat.example|u123"`), never a constant.
   */
  account: string;
  /**
   * An object with a `pull` or `pullConversations` or `pullMailbox` function is a Transport, whatever else it has;
   * called as its methods.
   */
  transport: HttpTransport | Transport<B>;
  /**
   * Where the wasm is, or what: for bundlers that do not follow `new URL(…, import.meta.url)`, a CDN, a test in Node.
   * It is also exported as "pullcord/pullcord.wasm". Read once a page: by the first createClient.
   */
  wasm?: string | Address | Answer | Bytes | Module | PromiseLike<Answer | Bytes | Module>;
  /**
   * Another client of this account is open, in this page, another tab or a worker:
   * - "share" (default): all show the same, live, and each may do everything; one of them, the writer, asks the network
   * - "take-over": close the others and go on (for a broken or foreign one)
   * - "wait": read what is stored until they have gone; send, markRead, edit, sync … reject "offline" at once
   *
   * Other versions of the package share while the stored format is the same. With a newer format, another scope or
   * server the newest client has the account; the others end: "closed", with code "outdated" (reload the page).
   * storage.mode "memory" shares with its like in this page only. Without Web Locks (insecure pages) the last opened
   * one writes.
   */
  ifOpen?: "share" | "wait" | "take-over";
  /**
   * Runs this client's core there: a dedicated worker whose script calls `serve` of "pullcord/worker"; the function
   * makes one (the page ends it when it sleeps, and needs it anew). If it does not answer in 5 s the core runs in the
   * page, and the log says so. CSP: `worker-src`, and 'wasm-unsafe-eval' in the script's own headers.
   * @example
   * worker: () => new Worker(new URL("./chat.worker.js", import.meta.url), { type: "module" }),
   */
  worker?: () => { postMessage(message: unknown, transfer?: readonly object[]): void; terminate(): void };
  /** Cancels opening: rejects "aborted" and leaves nothing held. */
  signal?: Signal;
  sync?: {
    /**
     * whose cursor it is (default "account"): one for the account (a global or an inbox id), one per conversation, or
     * none (the server keeps a mailbox of what is unacknowledged)
     */
    scope?: "account" | "conversation" | "mailbox";
    /** what starts a pull (default "socket"); a slow timer always runs beside it */
    notify?: "socket" | "long-poll" | "poll";
    /** ms between timed pulls while notified (default 30000) */
    pollInterval?: number;
    /** ms between timed pulls while not notified (default 5000) */
    fallbackPollInterval?: number;
    /** least ms between two pulls, so that a busy group's notifications merge (default 0) */
    minPullInterval?: number;
    /** events asked for at a time (default 500) */
    pullLimit?: number;
  };
  /**
   * On SyncGapOverflow: "clear" (default) drops the conversation's segments; "keep" keeps them, marks them not fresh,
   * and revalidates them when they are shown.
   */
  overflow?: "clear" | "keep";
  storage?: {
    /** "auto" (default): IndexedDB, or memory where there is none */
    mode?: "auto" | "indexeddb" | "memory";
    /** past this many cached messages the least recently opened are dropped (default 1,000,000) */
    maxMessages?: number;
  };
  /** messages in a screen (default 30) */
  pageSize?: number;
  /**
   * Fetches a page of older messages before it is asked for, when what is on screen comes within a screen of the oldest
   * that is cached, and nothing else is being requested (default true). Never while the browser says that data is to be
   * saved.
   */
  prefetch?: boolean;
  /** least severity that is logged (default "warn") */
  logLevel?: "debug" | "info" | "warn" | "error" | "silent";
  /** where it is logged (default: the console) */
  logger?: (level: "debug" | "info" | "warn" | "error", message: string, detail?: unknown) => void;
}

/** A server that speaks docs/protocol.md. */
export interface HttpTransport {
  /** where /v1/… is; ws(s):// is derived from it */
  baseUrl: string;
  /** asked for before the first request and again after a 401; never stored */
  token: () => string | Promise<string>;
  /** ms before a request counts as lost (default 15000; a long poll's wait is added) */
  timeout?: number;
}

/**
 * Deletes an account's local data without opening a client; closes the clients that have it, in every tab.
 * @param account as in ClientOptions
 * @throws PullcordError "storage": the browser does not delete it, or not yet
 * @example
 * await wipe("https://chat.example|ada"); // signed out elsewhere
 */
export function wipe(account: string): Promise<void>;
/**
 * Opens the local database and starts to sync. Resolves as soon as cached data can be shown, online or not.
 * @throws PullcordError "invalid", "aborted", "unsupported", "network" or "timeout" (the wasm does not come),
 *   "storage", "storage-newer", "outdated", "closed", "internal"
 * @example
 * const client = await createClient({
 *   account: "https://chat.example|ada",
 *   transport: { baseUrl: "https://chat.example", token: () => fetchToken() },
 * });
 */
export function createClient<B = unknown, M = unknown>(options: ClientOptions<B>): Promise<Client<B, M>>;

/** How the client is. */
export interface ClientStatus {
  /**
   * "waiting": another tab's client has this account; what is stored is shown, everything else is done after it has
   * gone. "offline": nothing was reached at the last try; it goes on trying. "needs-auth": the server refused a fresh
   * token, or the provider did (PullcordError "unauthorized"); asked again by sync(), on coming online, on waking, and
   * when the page becomes visible.
   */
  readonly connection: "waiting" | "connecting" | "online" | "offline" | "needs-auth" | "closed";
  /** the whole conversation list has been fetched once: an empty list is empty */
  readonly listed: boolean;
  /** how fresh the local data is; `caughtUp` is true once a pull has returned hasMore: false since connecting */
  readonly caughtUp: boolean;
  /** a pull is running */
  readonly pulling: boolean;
  /** ms since the epoch of the last completed pull, or null */
  readonly lastSyncedAt: number | null;
  /** events applied in the catch-up that is running */
  readonly progress: { readonly applied: number } | null;
  /** where the data is; "memory": it goes with the page */
  readonly storage: "indexeddb" | "memory";
  /**
   * who asks the network and writes: this client (in its page or worker: "here"), another ("elsewhere"), nobody (null).
   * At a change `connection`, `caughtUp` and `lastSyncedAt` keep their values for 1 s.
   */
  readonly writer: "here" | "elsewhere" | null;
  /** why the last pull failed, or why the client is closed */
  readonly error: PullcordError | null;
}

/** An open client. Every promise settles; once it is closed they reject "closed". */
export interface Client<B = unknown, M = unknown> {
  /** as in ClientOptions */
  readonly account: string;
  readonly status: Store<ClientStatus>;
  /** Conversations, greatest `sort` first. */
  readonly conversations: Store<readonly Conversation<B, M>[]>;
  /**
   * One conversation; null while not in the list.
   * @example
   * const general = client.conversation("general");
   * general.subscribe(() => setBadge(general.getSnapshot()?.unread ?? 0));
   */
  conversation(id: string): Store<Conversation<B, M> | null>;
  /**
   * Costs nothing until its first subscribe() or method call; let go (not closed) soon after the last subscriber has
   * gone, and opened again, where it was, by the next. close() is for good. The same conversation and options give the
   * same timeline until it is let go or closed, so a component may ask for it on each render.
   * @throws PullcordError "invalid": an option is none
   * @example
   * const timeline = client.timeline("general", { start: "first-unread" });
   * timeline.subscribe(() => render(timeline.getSnapshot()));
   */
  timeline(conversation: string, options?: TimelineOptions): Timeline<B>;
  /** Every message not delivered yet or failed, of all conversations, oldest first. */
  readonly outbox: Store<readonly LocalItem<B>[]>;
  /** As on a Timeline, without opening one. */
  send(
    conversation: string,
    body: B,
    options?: { clientId?: string },
  ): Promise<{ readonly clientId: string; readonly key: string }>;
  /** As on a Timeline, without opening one. @param seq up to and with this position */
  markRead(conversation: string, seq: SeqInput): Promise<void>;
  /** Tries a failed message again, or one that waits at once. */
  retry(clientId: string): Promise<void>;
  /**
   * Lets go of a message that is not delivered yet, failed, or on its way (if it was delivered after all, the sync
   * brings it).
   * @returns false: the server has it already (state "sent"), or there is none of that name
   */
  discard(clientId: string): Promise<boolean>;
  /**
   * Pulls now, whatever backoff or hint says that it should not. Resolves once caught up; rejects with the reason it
   * could not.
   * @param options `signal` ends the waiting, not the pull
   * @example
   * await client.sync({ signal: Signal.timeout(10_000) }); // a push notification came
   */
  sync(options?: { signal?: Signal }): Promise<void>;
  /**
   * @param event see ClientEvents
   * @param listener is called later, after the stores have changed
   * @returns the function that unsubscribes
   * @throws PullcordError "invalid": there is no such event
   * @example
   * client.on("messages", ({ messages, live }) => {
   *   if (live) notify(messages.at(-1));
   * });
   */
  on<K extends keyof ClientEvents<B>>(event: K, listener: (detail: ClientEvents<B>[K]) => void): () => void;
  /** What is stored, for tests and debugging. @param conversation whose segments are listed */
  inspect(conversation?: string): Promise<Inspection>;
  /** This client only, the others go on; keeps the data. Safe to call twice. */
  close(): Promise<void>;
  /**
   * Ends all clients of the account, in every tab, and deletes its local data (sign-out); one that sleeps ends when it
   * wakes.
   * @throws PullcordError "storage": the browser does not delete it, or not yet
   * @example
   * await client.wipe();
   */
  wipe(): Promise<void>;
}

/** What `Client.on` tells of. */
export interface ClientEvents<B = unknown> {
  /**
   * new messages from the server (not history, not an own echo), after they were stored: once a commit. `live`: false
   * while catching up. `body` may be null (recalled, unreadable).
   */
  messages: { readonly messages: readonly Message<B>[]; readonly live: boolean };
  /** edits and recalls, likewise */
  updates: { readonly messages: readonly Message<B>[]; readonly live: boolean };
  /** too much was missed to be told: these are fetched again, or kept and revalidated (ClientOptions.overflow) */
  overflow: { readonly conversations: "all" | readonly string[] };
  /** the account has left it, or it is gone */
  removed: { readonly conversation: string };
  /** what was not as it has to be, and what was done about it; everything else went on (R14). One an answer. */
  irregular: {
    /** what it was in */
    readonly where: "batch" | "push" | "page" | "changes" | "list" | "answer" | "stored";
    /** null: in none, or in several */
    readonly conversation: string | null;
    /** items of that answer */
    readonly count: number;
    readonly first: {
      /** the message's, where it can be read */
      readonly id: string | null;
      /** for people */
      readonly reason: string;
      /** what became of it */
      readonly done: "repaired" | "unreadable" | "left-out" | "doubted" | "dropped" | "kept";
    };
  };
  /** evicted, lost, corrupt or full storage: what happened and what was done */
  storage: { readonly kind: "evicted" | "reopened" | "corrupt" | "quota" | "memory"; readonly detail: string };
  /** what no promise could tell: a sync that fails, a message that the server refuses */
  error: PullcordError;
}

/** What `Client.inspect` tells. */
export interface Inspection {
  /** where the next pull begins; null: at the beginning, or the scope has none for the account */
  readonly cursor: string | null;
  /** version of the database */
  readonly schema: number;
  /** the newest commit that this client knows, and the epoch of the client that made it */
  readonly commit?: { readonly epoch: number; readonly number: number };
  /** of all conversations */
  readonly cachedMessages: number;
  /** what they take, about */
  readonly storedBytes: number;
  /** messages that are not delivered */
  readonly outbox: number;
  /** oldest first; of one conversation when one was named, else empty */
  readonly segments: readonly {
    /** position of its oldest end */
    readonly lo: Seq;
    /** position of its newest end */
    readonly hi: Seq;
    /** messages in it */
    readonly count: number;
    /** its newest end is the conversation's newest message as of the cursor */
    readonly live: boolean;
    /** the server has said that nothing is older */
    readonly start: boolean;
    /** every version in it is the newest as of the cursor */
    readonly fresh: boolean;
  }[];
  /** requests sent since the client was made */
  readonly requests: {
    readonly pull: number;
    readonly history: number;
    readonly changes: number;
    readonly send: number;
    readonly ack: number;
    readonly conversations: number;
  };
}

// ---------------------------------------------------------------- timeline: one list on one screen

export interface TimelineOptions {
  /**
   * Where it opens (default "latest"): at the newest message, around a position, around a time (ms since the epoch),
   * or at the first message that was not read.
   */
  start?: "latest" | { around: SeqInput } | { at: number } | "first-unread";
  /** messages in a screen (default: the client's) */
  pageSize?: number;
  /** items held at most; the far end is let go while the other grows (default 1000) */
  maxItems?: number;
}

/** One element of a list. `key` is for the framework: it stays the same as long as the element is the same. */
export type TimelineItem<B = unknown> = MessageItem<B> | LocalItem<B> | GapItem;
/** A message of the server. */
export interface MessageItem<B = unknown> {
  readonly kind: "message";
  /** the same from the local echo on */
  readonly key: string;
  readonly message: Message<B>;
  /** false: from a kept segment that is not revalidated yet */
  readonly fresh: boolean;
}
/** A message of this client that the sync has not brought yet. */
export interface LocalItem<B = unknown> {
  readonly kind: "local";
  readonly key: string;
  readonly clientId: string;
  readonly conversation: string;
  /** "sent": the server has it, the sync has not brought it yet */
  readonly state: "queued" | "sending" | "sent" | "failed";
  /** the server's answer, once "sent": it can be edited, recalled, replied to */
  readonly message: Message<B> | null;
  readonly body: B;
  /** ms since the epoch, this device's clock */
  readonly createdAt: number;
  /** how often it was tried */
  readonly attempts: number;
  /** why it failed, or why it is still on its way */
  readonly error: PullcordError | null;
}
/** Messages may be missing here; it fills by itself when online. */
export interface GapItem {
  readonly kind: "gap";
  readonly key: string;
}

/** A list as it is. */
export interface TimelineSnapshot<B = unknown> {
  /** oldest first, no two with one key */
  readonly items: readonly TimelineItem<B>[];
  /**
   * "opening": nothing known yet (items empty, hasOlder and hasNewer true). Offline, or refused, with nothing cached:
   * "ready", one gap item, `error`. "removed": the account has left it. Closed or removed keeps its items.
   */
  readonly status: "opening" | "ready" | "removed" | "closed";
  /**
   * `key`: the item that start or jump asked for (that, else the next newer one; null: the newest end). `count` is
   * raised, in the same snapshot, whenever the list was replaced and not grown: scroll then.
   */
  readonly anchor: { readonly key: string | null; readonly count: number };
  /**
   * number of items[0], never negative: 1,000,000,000 at opening and whenever `anchor.count` is raised; growing and
   * letting go at either end do not renumber the rest (a virtual list's firstItemIndex)
   */
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

/** What a page has brought. */
export interface LoadResult {
  /** messages added to the list */
  readonly added: number;
  /** no more in that direction */
  readonly end: boolean;
  /** where they came from */
  readonly source: "cache" | "network" | "both";
}

/** One list on one screen. */
export interface Timeline<B = unknown> extends Store<TimelineSnapshot<B>> {
  readonly conversation: string;
  /**
   * One page older / newer: from the cache as far as its segment reaches, the rest from the server. Calls in one
   * direction share the running request; a signal rejects its own call only. Offline with nothing cached: rejects
   * "offline" at once. A jump rejects running loads, and an earlier jump, with "aborted". A promise of this API that
   * nobody awaits raises no unhandledrejection.
   * @param options `limit`: messages of the page (default: pageSize, at most 1000)
   * @example
   * older.onclick = () => timeline.loadOlder().catch((error) => toast(error.message));
   */
  loadOlder(options?: { limit?: number; signal?: Signal }): Promise<LoadResult>;
  /** Likewise at the other end. */
  loadNewer(options?: { limit?: number; signal?: Signal }): Promise<LoadResult>;
  /**
   * Replaces the list by what is around another place; scroll to `anchor.key` when `anchor.count` is raised.
   * @param to as TimelineOptions.start
   * @param options `signal` cancels it: the list stays as it is
   * @example
   * await timeline.jump({ around: reply.seq });
   */
  jump(to: NonNullable<TimelineOptions["start"]>, options?: { signal?: Signal }): Promise<void>;
  /**
   * Shows the message, stores it in the outbox, then resolves; delivery goes on by itself, across reloads; a failed one
   * does not hold up the next. `body` is read at once, as JSON ("invalid" if it is none). A clientId that is there
   * already: the same answer, nothing sent.
   * @returns the names that it has in `outbox` and in the list
   * @example
   * const { key } = await timeline.send({ text: input.value });
   */
  send(body: B, options?: { clientId?: string }): Promise<{ readonly clientId: string; readonly key: string }>;
  /** As Client.retry, in this conversation. */
  retry(clientId: string): Promise<void>;
  /** As Client.discard, in this conversation. */
  discard(clientId: string): Promise<boolean>;
  /** Not optimistic, not stored: rejects "offline" at once; the list shows the result before it resolves. */
  edit(messageId: string, body: B): Promise<Message<B>>;
  /** Likewise: the message stays in its place, with state "recalled" and without body. */
  recall(messageId: string): Promise<Message<B>>;
  /**
   * Tells the server; the unread count comes back by itself. Only forward; calls merge; kept and sent later when
   * offline.
   * @param seq up to and with this position (default: that of the newest message on screen, see visible)
   * @example
   * onVisible(() => timeline.markRead());
   */
  markRead(seq?: SeqInput): Promise<void>;
  /**
   * What is on screen, by key; call it on scroll. Nothing near it is let go, an overflow reloads around it, fetching
   * ahead and `unseen` go by it. Never called: all items count as on screen, and past maxItems the end not last loaded
   * goes.
   * @param first the key of the oldest item that can be seen
   * @param last the key of the newest one
   */
  visible(first: string, last: string): void;
  /**
   * For good: its methods reject "closed", and its items stay as they were. For all who asked for it with the same
   * options: to let go of it, unsubscribing is enough.
   */
  close(): void;
}

// ---------------------------------------------------------------- bring your own backend

/** What came after a cursor. It is continuous: nothing that lies between its events was left out. */
export type Batch<B = unknown> = {
  events: readonly SyncEvent<B>[];
  /** where the next one begins */
  cursor: string;
  /** ask again at once */
  hasMore: boolean;
  /** these have changed in more than the events tell ("all": every conversation) */
  overflow?: "all" | readonly string[];
};
/**
 * `covers`: the positions that were looked at, where that is more than from the first message to the last: a server
 * that leaves messages out (not visible to this account) may so answer few or none, with hasBefore.
 */
export type Page<B = unknown> = {
  messages: readonly WireMessage<B>[];
  hasBefore: boolean;
  hasAfter: boolean;
  covers?: { from: SeqInput; to: SeqInput };
};
/** A message as a backend may give it. */
export type WireMessage<B = unknown> = Omit<Message<B>, "seq"> & { seq: SeqInput };
/**
 * A field that is absent keeps its value (a new one: 0, null); null is none. An update of lastMessage changes it here
 * too.
 */
export type WireConversation<B = unknown> = {
  id: string;
  unread?: number;
  lastSeq?: SeqInput | null;
  readSeq?: SeqInput | null;
  sort?: number;
  lastMessage?: WireMessage<B> | null;
  meta?: unknown;
};
/**
 * One thing that has happened: a new message, a newer version of one, a conversation's new state, the account has left
 * a conversation, or everything before a position is gone. `delivery` (scope "mailbox") is what is acknowledged.
 */
export type SyncEvent<B = unknown> = { delivery?: string } & (
  | {
      type: "message";
      message: WireMessage<B>;
      /** position of the message before it; null: nothing is before it; absent: not known */
      prev?: SeqInput | null;
    }
  | { type: "update"; message: WireMessage<B> }
  | { type: "conversation"; conversation: WireConversation<B> }
  | { type: "removed"; conversation: string }
  | { type: "trim"; conversation: string; before: SeqInput }
);

/**
 * Implement this to put the client on any chat backend. A rejection with a PullcordError keeps its code; any other
 * counts as "network", is retried, and is logged with its cause. A missing optional method makes what needs it reject
 * with "invalid"; without `listen`, notify "socket" acts as "poll".
 */
export interface Transport<B = unknown> {
  /**
   * scope "account". cursor null, or one you cannot place: answer `overflow: "all"` and where to go on. The cursor
   * counts commits: if yours is an id, never answer past one that may still commit.
   */
  pull?(request: { cursor: string | null; limit: number; wait?: number }, signal: Signal): Promise<Batch<B>>;
  /** scope "conversation" */
  pullConversations?(
    request: {
      cursors: Record<string, string>;
      limit: number;
      /** those a notification named; absent: all */
      only?: readonly string[];
    },
    signal: Signal,
  ): Promise<{ conversations: Record<string, Batch<B> | { error: PullcordError }>; hasMore?: boolean }>;
  /** scope "mailbox" */
  pullMailbox?(
    request: { limit: number },
    signal: Signal,
  ): Promise<{ events: readonly SyncEvent<B>[]; hasMore: boolean; overflow?: "all" | readonly string[] }>;
  /** scope "mailbox": these are stored here */
  acknowledge?(deliveries: string[], signal: Signal): Promise<void>;
  /** Read at or after `cursor`, where one is given; likewise in history and changes. */
  conversations(
    request: { after: string | null; limit: number; cursor: string | null },
    signal: Signal,
  ): Promise<{ conversations: readonly WireConversation<B>[]; next: string | null }>;
  /** One page: the newest, or before, after or around a position, or around a time. */
  history(
    request: {
      conversation: string;
      limit: number;
      cursor: string | null;
      before?: Seq;
      after?: Seq;
      around?: Seq;
      at?: number;
    },
    signal: Signal,
  ): Promise<Page<B>>;
  /** overflow "keep"; absent: kept segments are fetched again instead */
  changes?(
    request: { conversation: string; since: string; cursor: string | null; from: Seq; to: Seq; limit: number },
    signal: Signal,
  ): Promise<{ messages: readonly WireMessage<B>[]; hasMore: boolean } | "gone">;
  /** The same `clientId` twice is one message: answer the first. */
  send?(request: { conversation: string; clientId: string; body: B }, signal: Signal): Promise<WireMessage<B>>;
  edit?(
    request: { conversation: string; messageId: string; clientId: string; body: B },
    signal: Signal,
  ): Promise<WireMessage<B>>;
  recall?(request: { conversation: string; messageId: string }, signal: Signal): Promise<WireMessage<B>>;
  markRead?(request: { conversation: string; seq: Seq }, signal: Signal): Promise<void>;
  /**
   * Calls `sink` until the signal aborts. Reconnecting is the client's: report `closed`, its signal aborts, and it is
   * called again.
   */
  listen?(sink: NotifySink<B>, signal: Signal): void;
}

/** What `listen` tells. */
export interface NotifySink<B = unknown> {
  /** From here on nothing goes unnoticed. */
  ready(): void;
  /**
   * There is something to pull.
   * @param spread ms within which to ask, so that not all clients do so at once
   * @param conversations a hint, so that scope "conversation" asks for those only
   */
  notify(spread?: number, conversations?: readonly string[]): void;
  /** Events without a pull; what does not follow on its cursor is pulled instead. */
  push(
    batch: { prev: string; cursor: string; events: readonly SyncEvent<B>[] } | { events: readonly SyncEvent<B>[] },
  ): void;
  /** It has ended. @param error why, as a rejection of a method */
  closed(error?: unknown): void;
}
