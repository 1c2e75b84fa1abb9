// What crosses the engine's boundary: commands go in as values (src/core/command.rs reads them), frames come out as
// JSON (src/core/snapshot writes them).

import type {
  ClientEvents,
  ClientStatus,
  Conversation,
  ErrorCode,
  GapItem,
  LocalItem,
  MessageItem,
  TimelineSnapshot,
} from "./index.js";

export type LogLevel = "debug" | "info" | "warn" | "error";
/** `level` is a LogLevel. */
export type Log = (level: string, message: string, detail?: unknown) => void;

export interface WireError {
  code: ErrorCode;
  message: string;
  status?: number;
  retryAfter?: number;
  uncertain?: boolean;
}

/** A snapshot whose error has not become a PullcordError yet. */
type Wire<T extends { error: unknown }> = Omit<T, "error"> & { error: WireError | null };

/** A number in `ins` stands for the element that the list had at that index before the whole patch. */
export interface Splice<T> {
  at: number;
  del: number;
  ins: (T | number)[];
}

export type WireStatus = Wire<ClientStatus>;
export type WireLocal = Wire<LocalItem>;
export type WireItem = MessageItem | WireLocal | GapItem;

/** What changed in a timeline; without `items`: these did not. */
export interface TimelineEntry extends Wire<Omit<TimelineSnapshot, "items">> {
  id: number;
  items?: Splice<WireItem>[];
}

export type EventName = keyof ClientEvents;

export interface WireEvent {
  type: EventName;
  /** a WireError, where the type is "error" */
  detail: unknown;
}

/** The answer of a call. */
export interface Result {
  call: number;
  ok?: unknown;
  error?: WireError;
}

/**
 * A line of the log; or how a call has fared: `error` is null where it goes well again; or the type of an event that is
 * not known; or what is hardly meant, and was taken as it came.
 */
export interface WireLog {
  unknown?: string;
  unlikely?: Omit<ClientEvents["irregular"], "first"> & {
    first: Omit<ClientEvents["irregular"]["first"], "done"> & { done?: undefined };
  };
  level?: LogLevel;
  message?: string;
  detail?: unknown;
  call?: string;
  conversation?: string;
  error?: WireError | null;
}

/** What changed since the frame before. */
export interface Frame {
  status?: WireStatus;
  conversations?: Splice<Conversation>[];
  outbox?: Splice<WireLocal>[];
  timelines?: TimelineEntry[];
  events?: WireEvent[];
  logs?: WireLog[];
  results?: Result[];
}

export interface Command {
  op: string;
  /** the timeline that it is for */
  timeline?: number;
  /** the number of its answer, where it has one */
  call?: number;
  [field: string]: unknown;
}

/** Where a timeline begins or jumps to. */
export type Place = "latest" | "first-unread" | { around: string } | { at: number };

export interface TimelineConfig {
  conversation: string;
  start: Place;
  /** what is absent is the engine's to choose, and what is wrong its to refuse */
  pageSize?: number;
  maxItems?: number;
}

/** As options.js makes it of the app's options; the engine reads more of it than is named here. */
export interface ClientConfig {
  account: string;
  /** what the app's own Transport can do; absent: the built-in one is used */
  methods?: string[];
  /** where the built-in one's server is */
  baseUrl?: string;
  [field: string]: unknown;
}
