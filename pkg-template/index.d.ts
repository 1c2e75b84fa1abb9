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

/** What every message has, whatever its state. */
export interface MessageBase {
  /** the server's name of it */
  readonly id: string;
  /** id of the conversation that it is in */
  readonly conversation: string;
  /** its position there; it never changes */
  readonly seq: Seq;
  /** who has written it, as the server names users */
  readonly sender: string;
  /** ms since the epoch, the server's clock */
  readonly createdAt: number;
  /** raised with each edit and recall */
  readonly version: number;
  /** its sender's own name of it */
  readonly clientId?: string;
}
/** A message that has its body. `S` is its state, where that is known. */
export interface MessageWithBody<B = unknown, S extends "normal" | "edited" = "normal" | "edited"> extends MessageBase {
  /** "edited": it had another body before */
  readonly state: S;
  /** as the server has it */
  readonly body: B;
}
/** A message that has none: its place is kept. `S` is its state, where that is known. */
export interface MessageWithoutBody<S extends "recalled" | "unreadable" = "recalled" | "unreadable">
  extends MessageBase {
  /**
   * "recalled": it was taken back; "unreadable": the server has it, and what it sent of it cannot be read (too large,
   * too deep): a readable copy replaces it
   */
  readonly state: S;
  /** there is none */
  readonly body: null;
}
/**
 * A message of the server, in its newest version that is known here. Its `state` says whether it has a body. What a
 * backend gives is a WireMessage.
 * @example
 * const textOf = (message: Message<Body>) =>
 *   message.state === "normal" || message.state === "edited" ? message.body.text : `(${message.state})`;
 */
export type Message<B = unknown> =
  | MessageWithBody<B, "normal">
  | MessageWithBody<B, "edited">
  | MessageWithoutBody<"recalled">
  | MessageWithoutBody<"unreadable">;

/** A conversation that the account is in. */
export interface Conversation<B = unknown, M = unknown> {
  /** the server's name of it */
  readonly id: string;
  /** messages that this account has not read: the server's count, never computed here */
  readonly unread: number;
  /** position of the newest message */
  readonly lastSeq: Seq | null;
  /** up to where this account has read */
  readonly readSeq: Seq | null;
  /** place in the list: the greatest comes first */
  readonly sort: number;
  /** what a list shows below its name; null: there is none, or the server does not say */
  readonly lastMessage: Message<B> | null;
  /** whatever else the server keeps of it, as JSON: a name, members; null where it keeps nothing */
  readonly meta: M;
}

/**
 * What went wrong, for programs; `message` says it to people. Each code here with when it comes, and what to do.
 *
 * It may pass (`retryable`). What syncs and what waits in the outbox is tried again without the app; a call that has
 * rejected may be made again:
 * - "network": no answer, or one of a broken server (5xx); also whatever an app's own Transport throws without a code.
 *   Show `status.connection`, and let the user go on.
 * - "timeout": no answer within `HttpTransport.timeout`, or the browser itself did not answer. As "network".
 * - "offline": needs the server, and the browser says that there is no network. Call again once `status.connection` is
 *   "online".
 *
 * The server has refused:
 * - "unauthorized": the token, and a fresh one too; or `token` has failed with this code (401). `status.connection` is
 *   "needs-auth": let the user sign in, then call `client.sync()`.
 * - "forbidden": this account may not (403). Tell the user; a message that failed so is for `retry` or `discard`.
 * - "not-found": there is no such conversation or message (404, 410). Where it comes at every call, `baseUrl` is wrong.
 * - "rejected": for good (409, 422, …). The same again gives the same: let the user change it.
 * - "protocol": not at all, but its answer breaks the protocol, and nothing of it was applied. Mend the server, or the
 *   app's own Transport: `message` names what is wrong, docs/protocol.md what is right.
 *
 * What is stored here:
 * - "storage": the browser's database fails or does not answer. Tell the user that nothing can be stored; a reload or
 *   another start of the browser may help.
 * - "quota": there is no room, and nothing that could go to make some. Ask the user to free some.
 * - "storage-newer": a newer version of the package has written the data. Reload the page, which loads that version.
 * - "outdated": a newer version of the package, another scope or server has the account. Ask the user to reload the
 *   page; do not reload in a loop.
 *
 * The app itself:
 * - "aborted": cancelled by its AbortSignal, or replaced by a later jump; `name` is "AbortError". Ignore it.
 * - "closed": the client or the timeline is closed, or another client has taken over, or wiped the data. Make a new
 *   client if the user is still signed in.
 * - "invalid": an option or argument is none, or the transport lacks the method. `message` names it: mend the call.
 *
 * Neither:
 * - "unsupported": the browser lacks or forbids what Pullcord needs (WebAssembly). Add 'wasm-unsafe-eval' to the page's
 *   Content-Security-Policy, or ask for a newer browser: `message` says which.
 * - "internal": a bug in Pullcord, or the file that was served is not its wasm. A new `createClient` starts afresh;
 *   report it with `message` and `cause`.
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
   * @param options what else is known of it
   * @example
   * if (response.status === 429) throw new PullcordError("network", "too many", { status: 429, retryAfter: 5000 });
   */
  constructor(
    code: ErrorCode,
    message?: string,
    options?: {
      /** what was thrown, for the log */
      cause?: unknown;
      /** the HTTP status */
      status?: number;
      /** ms to wait before the next try; obeyed for at most 10 minutes */
      retryAfter?: number;
    },
  );
  /** "AbortError" for code "aborted", else "PullcordError" */
  readonly name: string;
  /** what went wrong, for programs */
  readonly code: ErrorCode;
  /** trying again may help: "network", "timeout" or "offline" */
  readonly retryable: boolean;
  /** ms after which to try again, where the server has said so */
  readonly retryAfter?: number;
  /** HTTP status, where there was one */
  readonly status?: number;
  /** it may have been done all the same: look before doing it again */
  readonly uncertain?: true;
}

/**
 * A value that changes: fits React's useSyncExternalStore as it is; both functions are bound. A snapshot is not to be
 * changed (in development builds it is frozen), the same object until something changed, and its elements are the same
 * objects until they themselves changed. All stores of a client change together, before any listener runs. Listeners
 * run later, never inside a call; changes may merge into one. When a promise of this API settles, the snapshots already
 * show its effect.
 */
export interface Store<T> {
  /**
   * What it shows now.
   * @returns the same object until something changed
   */
  getSnapshot(): T;
  /**
   * Listens to changes.
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

/** What `createClient` takes. Only `account` and `transport` are needed. */
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
   * makes one (the page ends it when it sleeps, and needs it anew). If it fails, or does not answer in 5 s, the core
   * runs in the page, and the log says so. CSP: `worker-src`, and 'wasm-unsafe-eval' in the script's own headers.
   * @example
   * worker: () => new Worker(new URL("./chat.worker.js", import.meta.url), { type: "module" }),
   */
  worker?: () => {
    /** the Worker's own */
    postMessage(message: unknown, transfer?: readonly object[]): void;
    /** the Worker's own */
    terminate(): void;
  };
  /** Cancels opening: rejects "aborted" and leaves nothing held. */
  signal?: Signal;
  /** How the client learns what is new. It has to be what the server offers. */
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
  /** Where the data is kept, and how much of it. */
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
  /**
   * least severity that is logged (default "warn"): "warn" is what the app or the server does wrong, each once; "info"
   * changes of state; "debug" every request and commit. docs/troubleshooting.md says what to do about each line
   */
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
   * gone. "connecting": also as long as the server, or what answers in its place, only refuses; `error` says why.
   * "offline": nothing was reached at the last try; it goes on trying. "needs-auth": the server refused a fresh
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
  /** how far the catch-up that is running is; null: none is */
  readonly progress: {
    /** events so far */
    readonly applied: number;
  } | null;
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
  /** How the client is: connected, caught up, who writes. */
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
  /**
   * As on a Timeline, without opening one.
   * @throws PullcordError "invalid": the body is no JSON; "storage", "quota": it cannot be stored; "closed". Why the
   *   server does not take it is told later, by the item in `outbox`
   */
  send(
    conversation: string,
    body: B,
    options?: {
      /** the message's own name, unique for its sender (default: a random one) */
      clientId?: string;
    },
  ): Promise<{
    /** its name in `outbox`, for retry and discard */
    readonly clientId: string;
    /** its key in the list, before and after its delivery */
    readonly key: string;
  }>;
  /**
   * As on a Timeline, without opening one.
   * @param seq up to and with this position
   */
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
   * @throws PullcordError what the server or the network said: "network", "timeout", "offline", "unauthorized",
   *   "protocol", …; "aborted", "closed"
   * @example
   * await client.sync({ signal: AbortSignal.timeout(10_000) }); // a push notification came
   */
  sync(options?: {
    /** ends the waiting, not the pull */
    signal?: Signal;
  }): Promise<void>;
  /**
   * Listens to what happens once, and is no state: a sound for a new message, a line in a log.
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
  /**
   * What is stored, for tests and debugging.
   * @param conversation whose segments are listed
   */
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

/**
 * A client as the frameworks' entries and the inspector take it: a Client, or one whose messages are of another type (a
 * test's own, which has no union on `state`).
 */
export interface ClientLike<B = unknown, M = unknown>
  extends Omit<Client<B>, "conversations" | "conversation" | "timeline" | "outbox" | "on"> {
  /** As Client.conversations. */
  readonly conversations: Store<
    readonly {
      /** as in Conversation */
      readonly id: string;
      /** as in Conversation */
      readonly meta: M;
    }[]
  >;
  /** As Client.conversation. */
  conversation(id: string): Store<object | null>;
  /** As Client.timeline. */
  timeline(conversation: string, options?: TimelineOptions): Store<object>;
  /** As Client.outbox. */
  readonly outbox: Store<readonly object[]>;
  /** As Client.on. */
  on(event: keyof ClientEvents, listener: () => void): () => void;
}

/** What `Client.on` tells of. */
export interface ClientEvents<B = unknown> {
  /**
   * new messages from the server (not history, not an own echo), after they were stored: once a commit. A client that
   * slept while another one stored them hears once of those that it missed, at the newest ends that it held (up to
   * 1,000 a conversation), with `live: false`. One may have been recalled meanwhile: see `Message.state`
   */
  messages: {
    /** in the order in which they came */
    readonly messages: readonly Message<B>[];
    /** they have just been written: false while catching up */
    readonly live: boolean;
  };
  /** edits and recalls, likewise */
  updates: {
    /** in their newest version */
    readonly messages: readonly Message<B>[];
    /** false while catching up */
    readonly live: boolean;
  };
  /** too much was missed to be told: these are fetched again, or kept and revalidated (ClientOptions.overflow) */
  overflow: {
    /** their ids */
    readonly conversations: "all" | readonly string[];
  };
  /** the account has left it, or it is gone */
  removed: {
    /** its id */
    readonly conversation: string;
  };
  /** what was not as it has to be, and what was done about it; everything else went on (R14). One an answer. */
  irregular: {
    /** what it was in */
    readonly where: "batch" | "push" | "page" | "changes" | "list" | "answer" | "stored";
    /** what was answered, where that is "answer" */
    readonly call?: "send" | "edit" | "recall";
    /** null: in none, or in several */
    readonly conversation: string | null;
    /** items of that answer */
    readonly count: number;
    /** the first of them */
    readonly first: {
      /** the message's, where it can be read */
      readonly id: string | null;
      /** for people */
      readonly reason: string;
      /** what became of it */
      readonly done: "repaired" | "unreadable" | "left-out" | "doubted" | "dropped" | "kept";
      /** where it stands in the answer (`events[17].message.seq`), where it is a field of one */
      readonly at?: string;
      /** how the value there begins, as JSON; null: it is missing */
      readonly value?: string | null;
    };
  };
  /** evicted, lost, corrupt or full storage: what happened and what was done */
  storage: {
    /**
     * "evicted": old messages were let go to make room, or the browser has deleted the data, and it is fetched again;
     * "reopened": the database was closed under the client, and is open again; "corrupt": a record could not be read,
     * and was put right or is fetched again; "quota": the disk is full, and nothing of the last change was applied;
     * "memory": the database cannot be used, and the data goes with the page
     */
    readonly kind: "evicted" | "reopened" | "corrupt" | "quota" | "memory";
    /** for people */
    readonly detail: string;
  };
  /**
   * what no promise could tell: a sync or a read mark that fails. Of a message that the server refuses its item tells,
   * in the list and in the outbox
   */
  error: PullcordError;
}

/** What `Client.inspect` tells. */
export interface Inspection {
  /** where the next pull begins; null: at the beginning, or the scope has none for the account */
  readonly cursor: string | null;
  /** version of the database */
  readonly schema: number;
  /** the newest commit that this client knows, and the epoch of the client that made it */
  readonly commit?: {
    /** raised by each client that becomes the writer */
    readonly epoch: number;
    /** raised by each commit */
    readonly number: number;
  };
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
    /** what is new, in each scope */
    readonly pull: number;
    /** pages */
    readonly history: number;
    /** kept segments revalidated */
    readonly changes: number;
    /** messages; edits, recalls and read marks are not counted */
    readonly send: number;
    /** deliveries acknowledged (scope "mailbox") */
    readonly ack: number;
    /** pages of the conversation list */
    readonly conversations: number;
  };
}

// ---------------------------------------------------------------- timeline: one list on one screen

/** Where a list opens, and how long it gets. */
export interface TimelineOptions {
  /**
   * Where it opens (default "latest"): at the newest message, around a position, around a time (ms since the epoch),
   * or at the first message that was not read.
   */
  start?:
    | "latest"
    | {
        /** this position in the middle */
        around: SeqInput;
      }
    | {
        /** ms since the epoch: the first message at or after it in the middle */
        at: number;
      }
    | "first-unread";
  /** messages in a screen (default: the client's) */
  pageSize?: number;
  /** items held at most; the far end is let go while the other grows (default 1000) */
  maxItems?: number;
}

/** One element of a list. `key` is for the framework: it stays the same as long as the element is the same. */
export type TimelineItem<B = unknown> = MessageItem<B> | LocalItem<B> | GapItem;
/** A message of the server. */
export interface MessageItem<B = unknown> {
  /** tells the kinds of items apart */
  readonly kind: "message";
  /** the same from the local echo on */
  readonly key: string;
  /** as the server has it */
  readonly message: Message<B>;
  /** false: from a kept segment that is not revalidated yet */
  readonly fresh: boolean;
}
/** A message of this client that the sync has not brought yet. */
export interface LocalItem<B = unknown> {
  /** tells the kinds of items apart */
  readonly kind: "local";
  /** the same as that of its message, once the sync brings it */
  readonly key: string;
  /** its name, for retry and discard */
  readonly clientId: string;
  /** id of the conversation that it goes to */
  readonly conversation: string;
  /**
   * "queued": waits for its turn, or for the network; "sending": on its way; "sent": the server has it, the sync has
   * not brought it yet; "failed": the server refuses it, see `error`, and retry or discard it
   */
  readonly state: "queued" | "sending" | "sent" | "failed";
  /** the server's answer, once "sent": it can be edited, recalled, replied to */
  readonly message: Message<B> | null;
  /** as it was given to send */
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
  /** tells the kinds of items apart */
  readonly kind: "gap";
  /** the same as long as the gap is there */
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
  /** where to scroll to, and when */
  readonly anchor: {
    /** the item that start or jump asked for (that, else the next newer one; null: the newest end) */
    readonly key: string | null;
    /** raised, in the same snapshot, whenever the list was replaced and not grown: scroll then */
    readonly count: number;
  };
  /**
   * number of items[0], never negative: 1,000,000,000 at opening and whenever `anchor.count` is raised; growing and
   * letting go at either end do not renumber the rest (a virtual list's firstItemIndex)
   */
  readonly firstIndex: number;
  /** false only when the server has said that nothing is older */
  readonly hasOlder: boolean;
  /** false: the newest end is the conversation's newest message, and follows it */
  readonly hasNewer: boolean;
  /** what is running, for a spinner */
  readonly loading: {
    /** loadOlder */
    readonly older: boolean;
    /** loadNewer */
    readonly newer: boolean;
    /** jump */
    readonly jump: boolean;
  };
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
  /** id of the conversation that it shows */
  readonly conversation: string;
  /**
   * One page older / newer: from the cache as far as its segment reaches, the rest from the server. Calls in one
   * direction share the running request; a signal rejects its own call only. Offline with nothing cached: rejects
   * "offline" at once. A jump rejects running loads, and an earlier jump, with "aborted". A promise of this API that
   * nobody awaits raises no unhandledrejection.
   * @throws PullcordError "offline", "network", "timeout", "forbidden", "not-found", "protocol": the page does not
   *   come, and `error` of the snapshot says so too; "aborted", "closed"
   * @example
   * older.onclick = () => timeline.loadOlder().catch((error) => toast(error.message));
   */
  loadOlder(options?: {
    /** messages of the page (default: pageSize, at most 1000) */
    limit?: number;
    /** cancels this call */
    signal?: Signal;
  }): Promise<LoadResult>;
  /** Likewise at the other end. */
  loadNewer(options?: {
    /** messages of the page (default: pageSize, at most 1000) */
    limit?: number;
    /** cancels this call */
    signal?: Signal;
  }): Promise<LoadResult>;
  /**
   * Replaces the list by what is around another place; scroll to `anchor.key` when `anchor.count` is raised.
   * @param to as TimelineOptions.start
   * @throws PullcordError as loadOlder
   * @example
   * await timeline.jump({ around: reply.seq });
   */
  jump(
    to: NonNullable<TimelineOptions["start"]>,
    options?: {
      /** cancels it: the list stays as it is */
      signal?: Signal;
    },
  ): Promise<void>;
  /**
   * Shows the message, stores it in the outbox, then resolves; delivery goes on by itself, across reloads; a failed one
   * does not hold up the next. `body` is read at once, as JSON ("invalid" if it is none). A clientId that is there
   * already: the same answer, nothing sent.
   * @returns the names that it has in `outbox` and in the list
   * @throws PullcordError "invalid", "storage", "quota", "closed": it is not stored. Why the server does not take it is
   *   told later, by its item
   * @example
   * const { key } = await timeline.send({ text: input.value });
   */
  send(
    body: B,
    options?: {
      /** the message's own name, unique for its sender (default: a random one) */
      clientId?: string;
    },
  ): Promise<{
    /** its name in `outbox`, for retry and discard */
    readonly clientId: string;
    /** its key in the list, before and after its delivery */
    readonly key: string;
  }>;
  /** As Client.retry, in this conversation. */
  retry(clientId: string): Promise<void>;
  /** As Client.discard, in this conversation. */
  discard(clientId: string): Promise<boolean>;
  /**
   * Gives a message another body. Not optimistic, not stored: rejects "offline" at once; the list shows the result
   * before it resolves.
   * @param messageId `Message.id`
   * @returns the message as it now is
   * @throws PullcordError "forbidden", "not-found", "rejected": the server refuses; "network", "timeout": where it may
   *   have been done all the same `uncertain` is true; "offline", "invalid", "closed"
   */
  edit(messageId: string, body: B): Promise<Message<B>>;
  /**
   * Takes a message back, likewise: it stays in its place, with state "recalled" and without body.
   * @param messageId `Message.id`
   * @returns the message as it now is
   * @throws PullcordError as edit
   */
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
  /** in the server's order */
  events: readonly SyncEvent<B>[];
  /** where the next one begins */
  cursor: string;
  /** ask again at once */
  hasMore: boolean;
  /** these have changed in more than the events tell ("all": every conversation) */
  overflow?: "all" | readonly string[];
};
/** A stretch of a conversation's history. It is continuous: no message lies between two neighbours. */
export type Page<B = unknown> = {
  /** oldest first */
  messages: readonly WireMessage<B>[];
  /** there are older ones; false: nothing is before it */
  hasBefore: boolean;
  /** there are newer ones; false: nothing is after it */
  hasAfter: boolean;
  /**
   * the positions that were looked at, where that is more than from the first message to the last: a server that leaves
   * messages out (not visible to this account) may so answer few or none, with hasBefore
   */
  covers?: {
    /** the oldest position */
    from: SeqInput;
    /** the newest position */
    to: SeqInput;
  };
};
/**
 * A message as a backend may give it. A Message is one; and so is an object whose `state` and `body` come from
 * elsewhere, each by itself. A body beside "recalled" or "unreadable" is left out.
 */
export interface WireMessage<B = unknown> extends Omit<MessageBase, "seq"> {
  /** its position: a string or a bigint above 2^53 - 1 */
  readonly seq: SeqInput;
  /** as in a Message */
  readonly state: Message["state"];
  /** null where there is none */
  readonly body: B | null;
}
/**
 * A conversation as a backend may give it. A field that is absent keeps its value (a new one: 0, null); null is none.
 * An update of lastMessage changes it here too.
 */
export type WireConversation<B = unknown> = {
  /** the server's name of it */
  id: string;
  /** messages that this account has not read */
  unread?: number;
  /** position of the newest message */
  lastSeq?: SeqInput | null;
  /** up to where this account has read */
  readSeq?: SeqInput | null;
  /** place in the list: the greatest comes first, ties by id */
  sort?: number;
  /** the newest message */
  lastMessage?: WireMessage<B> | null;
  /** whatever else is kept of it, as JSON */
  meta?: unknown;
};
/** One thing that has happened. */
export type SyncEvent<B = unknown> = {
  /** scope "mailbox": what is acknowledged once the event is stored */
  delivery?: string;
} & (
  | {
      /** a new message */
      type: "message";
      /** as it now is */
      message: WireMessage<B>;
      /** position of the message before it; null: nothing is before it; absent: not known */
      prev?: SeqInput | null;
    }
  | {
      /** a newer version of a message: edited or recalled */
      type: "update";
      /** with a raised `version` */
      message: WireMessage<B>;
    }
  | {
      /** a conversation's new state, its unread count included */
      type: "conversation";
      /** what has changed of it, or all */
      conversation: WireConversation<B>;
    }
  | {
      /** the account has left it, or it is gone: its data is dropped */
      type: "removed";
      /** its id */
      conversation: string;
    }
  | {
      /** older history no longer exists */
      type: "trim";
      /** id of the conversation */
      conversation: string;
      /** the oldest position that still exists */
      before: SeqInput;
    }
);

/**
 * Implement this to put the client on any chat backend. A rejection with a PullcordError keeps its code; any other
 * counts as "network", is retried, and is logged with its cause. A missing optional method makes what needs it reject
 * with "invalid"; without `listen`, notify "socket" acts as "poll".
 */
export interface Transport<B = unknown> {
  /**
   * What is new for the account (scope "account"). cursor null, or one you cannot place: answer `overflow: "all"` and
   * where to go on. The cursor counts commits: if yours is an id, never answer past one that may still commit.
   * @param signal aborts when the answer is not wanted any more; likewise in each method
   */
  pull?(
    request: {
      /** that of the last answer; null: the first sign-in on this device */
      cursor: string | null;
      /** events at most */
      limit: number;
      /** long poll: ms to wait at the server for something new */
      wait?: number;
    },
    signal: Signal,
  ): Promise<Batch<B>>;
  /** What is new, with a cursor for each conversation (scope "conversation"). */
  pullConversations?(
    request: {
      /** conversation → its cursor; one of the account that is not named here comes as a Batch with `overflow` */
      cursors: Record<string, string>;
      /** events at most, of each conversation */
      limit: number;
      /** those a notification named; absent: all */
      only?: readonly string[];
    },
    signal: Signal,
  ): Promise<{
    /** conversation → what is new in it, or why that is not known; one with nothing new may be left out */
    conversations: Record<
      string,
      | Batch<B>
      | {
          /** holds up this conversation only */
          error: PullcordError;
        }
    >;
    /** there are more conversations: ask again at once */
    hasMore?: boolean;
  }>;
  /** What this account has not acknowledged, oldest first (scope "mailbox"). */
  pullMailbox?(
    request: {
      /** events at most */
      limit: number;
    },
    signal: Signal,
  ): Promise<{
    /** each with its `delivery` */
    events: readonly SyncEvent<B>[];
    /** ask again, once these are acknowledged */
    hasMore: boolean;
    /** as in a Batch */
    overflow?: "all" | readonly string[];
  }>;
  /**
   * These are stored here, and need not be given again (scope "mailbox"). Twice is no error.
   * @param deliveries `delivery` of each event
   */
  acknowledge?(deliveries: string[], signal: Signal): Promise<void>;
  /**
   * One page of the conversation list, greatest `sort` first, then by id. Read at or after `cursor`, where one is
   * given; likewise in history and changes.
   */
  conversations(
    request: {
      /** `next` of the page before; null: the first page */
      after: string | null;
      /** conversations at most */
      limit: number;
      /** the client's own: the state that is read is at least as new */
      cursor: string | null;
    },
    signal: Signal,
  ): Promise<{
    /** of this page */
    conversations: readonly WireConversation<B>[];
    /** where the next page begins; null: this is the last */
    next: string | null;
  }>;
  /** One page: the newest, or before, after or around a position, or around a time. */
  history(
    request: {
      /** its id */
      conversation: string;
      /** messages at most */
      limit: number;
      /** the client's own (scope "conversation": that conversation's): the state that is read is at least as new */
      cursor: string | null;
      /** strictly older than this position */
      before?: Seq;
      /** strictly newer than this position */
      after?: Seq;
      /** this position in the middle */
      around?: Seq;
      /** ms since the epoch: the first message at or after it in the middle; the newest where there is none */
      at?: number;
    },
    signal: Signal,
  ): Promise<Page<B>>;
  /**
   * The messages of a range that were committed or changed since a cursor, oldest first: for overflow "keep". Absent:
   * kept segments are fetched again instead.
   * @returns "gone": the log does not reach back to `since`, or history in the range was trimmed since
   */
  changes?(
    request: {
      /** its id */
      conversation: string;
      /** the cursor up to which the range is known */
      since: string;
      /** the client's own: the state that is read is at least as new */
      cursor: string | null;
      /** the oldest position of the range */
      from: Seq;
      /** the newest position of the range */
      to: Seq;
      /** messages at most */
      limit: number;
    },
    signal: Signal,
  ): Promise<
    | {
        /** in their newest version */
        messages: readonly WireMessage<B>[];
        /** ask again, from the last one's position on */
        hasMore: boolean;
      }
    | "gone"
  >;
  /**
   * Writes a message. The same `clientId` twice is one message: answer the first.
   * @returns the message as it is stored, with its id and position
   */
  send?(
    request: {
      /** its id */
      conversation: string;
      /** unique for the sender and the conversation */
      clientId: string;
      /** as the app gave it */
      body: B;
    },
    signal: Signal,
  ): Promise<WireMessage<B>>;
  /**
   * Gives a message another body, and raises its version.
   * @returns the message as it now is
   */
  edit?(
    request: {
      /** id of its conversation */
      conversation: string;
      /** `id` of the message */
      messageId: string;
      /** names this edit: the same twice is one edit */
      clientId: string;
      /** the new one */
      body: B;
    },
    signal: Signal,
  ): Promise<WireMessage<B>>;
  /**
   * Takes a message back: its place stays, its body goes, its version is raised. Twice is no error.
   * @returns the message as it now is
   */
  recall?(
    request: {
      /** id of its conversation */
      conversation: string;
      /** `id` of the message */
      messageId: string;
    },
    signal: Signal,
  ): Promise<WireMessage<B>>;
  /** The account has read up to a position. It never moves back; the new unread count comes as an event. */
  markRead?(
    request: {
      /** its id */
      conversation: string;
      /** up to and with this position */
      seq: Seq;
    },
    signal: Signal,
  ): Promise<void>;
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
    batch:
      | {
          /** the cursor that these follow on */
          prev: string;
          /** where the next begins */
          cursor: string;
          /** all between the two */
          events: readonly SyncEvent<B>[];
        }
      | {
          /** scope "mailbox": each with its `delivery` */
          events: readonly SyncEvent<B>[];
        },
  ): void;
  /**
   * It has ended.
   * @param error why, as a rejection of a method
   */
  closed(error?: unknown): void;
}
