// The entry "pullcord/testing". `B` is the application's own message body.

import type { ErrorCode, Message, MessageWithBody, PullcordError, Seq, SeqInput, Transport } from "./index.js";

/** A conversation as it is made. */
export interface ConversationSeed {
  /** its name at the backend */
  readonly id: string;
  /** default: null */
  readonly meta?: unknown;
  /** who is in it (default: every account that there is, or will be) */
  readonly members?: readonly string[];
}

/** A message that is there from the beginning. */
export type MessageSeed<B = { text: string }> = {
  /** id of one of `conversations` */
  readonly conversation: string;
  /** an account, or anybody else */
  readonly sender: string;
  /** ms since the epoch (default: one a minute, the last a minute ago) */
  readonly createdAt?: number;
} & (
  | {
      /** as the apps see it */
      readonly body: B;
      /** not beside a body */
      readonly text?: undefined;
    }
  | {
      /** stands for the body `{ text }` */
      readonly text: string;
      /** not beside a text */
      readonly body?: undefined;
    }
);

/** What a backend begins with, and how it behaves. All of it may be left out. */
export interface MemoryBackendOptions<B = { text: string }> {
  /** an id stands for a conversation of everybody */
  readonly conversations?: readonly (string | ConversationSeed)[];
  /** oldest first */
  readonly messages?: readonly MessageSeed<B>[];
  /** ms that each answer takes, or the least and the most of them (default 0); `trouble` changes it */
  readonly latency?: number | readonly [least: number, most: number];
  /** notifications bring what is new, where the scope allows it (default false: they only say "pull") */
  readonly push?: boolean;
  /** events that a cursor may be behind, until the answer is an overflow (default 1000) */
  readonly overflowAfter?: number;
  /** the clock of `createdAt` (default `Date.now`) */
  readonly now?: () => number;
}

/** How requests go wrong. */
export interface Trouble {
  /** ms that each answer takes, or the least and the most of them */
  readonly latency?: number | readonly [least: number, most: number] | undefined;
  /** nothing is reached: every request fails with "network", and the channels are cut */
  readonly offline?: boolean;
  /** what every request fails with, or a function that says it of one: what it answers nothing for goes well */
  readonly error?:
    | ErrorCode
    | Error
    | ((method: keyof Transport, request: unknown) => ErrorCode | Error | PullcordError | null | undefined);
}

/**
 * A backend in memory, with its members' ways to it. What is done to it here is done as by others: the clients hear of
 * it as of anything else.
 */
export interface MemoryBackend<B = { text: string }> {
  /** What `createClient` takes as `transport`. The account becomes a member of the conversations of everybody. */
  transport(account: string): Required<Transport<B>>;
  /**
   * Makes a conversation.
   * @param conversation default: an empty one of everybody
   * @returns its id
   */
  conversation(conversation?: string | Partial<ConversationSeed>): Promise<string>;
  /**
   * Writes a message.
   * @param body a text stands for `{ text }`
   * @param by whose it is (default "somebody", who has no account)
   * @throws PullcordError "not-found"
   * @example
   * await backend.post("general", "hello", "bob");
   */
  post(
    conversation: string,
    body: B | string,
    by?: string,
    options?: {
      /** ms since the epoch (default: now) */
      createdAt?: number;
      /** the same twice is one message */
      clientId?: string;
    },
  ): Promise<MessageWithBody<B>>;
  /** As `post`, in two steps: it takes its position now, and is visible only after `commit`. */
  begin(
    conversation: string,
    body: B | string,
    by?: string,
  ): Promise<{
    /** makes it visible, as a message that was committed late */
    commit(): Promise<MessageWithBody<B>>;
  }>;
  /** Gives a message, of whomever, another body. */
  edit(conversation: string, id: string, body: B | string): Promise<void>;
  /** Takes a message, of whomever, back. */
  recall(conversation: string, id: string): Promise<void>;
  /**
   * Gives a message another body, and leaves it in its state: what a server adds to it, a reaction or the number of its
   * answers. The clients hear of it as of an edit, by an update.
   * @param body a function is given the body as it is, and gives the next: of two that come at once both count
   * @throws PullcordError "not-found"; "rejected": the message has been recalled
   * @example
   * await backend.update("general", id, (body) => ({ ...body, likes: [...(body.likes ?? []), "bob"] }));
   */
  update(conversation: string, id: string, body: B | string | ((body: B) => B | string)): Promise<MessageWithBody<B>>;
  /**
   * Gives a conversation another `meta`: its title, how far the others have read.
   * @param meta a function is given the meta as it is, and gives the next
   * @throws PullcordError "not-found"
   */
  meta<M = Record<string, unknown> | null>(conversation: string, meta: (meta: M) => unknown): Promise<void>;
  /** Likewise, with a value. */
  meta(conversation: string, meta: unknown): Promise<void>;
  /** Makes the account a member, of all of the history, which counts as read. */
  join(conversation: string, account: string): Promise<void>;
  /** Ends that: its clients drop the conversation. */
  leave(conversation: string, account: string): Promise<void>;
  /** This account may not see the message any more. */
  hide(conversation: string, id: string, from: string): Promise<void>;
  /** History older than `before` no longer exists. */
  trim(conversation: string, before: SeqInput): Promise<void>;
  /** The account is too far behind, in all or in these: the next pull of its clients says so. */
  overflow(account: string, conversations?: readonly string[]): Promise<void>;
  /** It is not known any more what has changed for this account: `changes` answers "gone". */
  forgetLog(account: string): Promise<void>;
  /**
   * Makes requests slow, or lets them fail, from now on; `{}` ends it.
   * @param account only its own (default: all)
   * @example
   * backend.trouble({ offline: true });
   * backend.trouble({ error: (method) => (method === "send" ? "rejected" : null) });
   */
  trouble(trouble: Trouble, account?: string): void;
  /** What it holds, oldest first. */
  messages(conversation: string): readonly Message<B>[];
  /** Cuts every channel; requests fail with "closed" from then on. */
  dispose(): Promise<void>;
  /** The body that stands for a text. */
  body(text: string): B;
  /** The text of a body; "" where it has none. */
  text(body: B): string;
}

/**
 * Makes a backend in memory: a first try of the package without a server, or one for tests and Storybook. It answers
 * all of `Transport`, for each scope, way of notifying and overflow policy. It is gone with the page; a client whose
 * data shall go with it is opened with `storage: { mode: "memory" }`.
 * @example
 * const backend = memoryBackend({
 *   conversations: ["general"],
 *   messages: [{ conversation: "general", sender: "bob", text: "Hello" }],
 * });
 * const client = await createClient({
 *   account: "try|ada",
 *   transport: backend.transport("ada"),
 *   storage: { mode: "memory" },
 * });
 */
export function memoryBackend<B = { text: string }>(options?: MemoryBackendOptions<B>): MemoryBackend<B>;

export type { Message, MessageWithBody, Seq };
