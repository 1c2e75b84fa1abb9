// wasm-bindgen's output as `npm run build` wraps it.

import type { ClientConfig, Command, LogLevel, WireError } from "./wire.js";

declare global {
  /** Which wasm this script is made for, which the build fills in. */
  const PULLCORD_WASM: string | undefined;
}

/** An engine with its store, as src/api has it. */
export interface Host {
  /** Gives the error of one that is wrong, and then nothing is done. */
  command(command: Command): WireError | undefined;
  /** The error of one that is wrong; it is done later, or not at all. */
  check(command: Command): WireError | undefined;
  /** Another client's engine has said this with `tell`. It may be of any version, old, doubled or late. */
  heard(bytes: Uint8Array): void;
  /**
   * Its client is to write from here on: it commits a fence, reads the database, and says `promoted`. Told to one that
   * is promoted already it makes its fence the latest once more.
   */
  promote(): void;
  /** Its client does not write any more: it follows. To one that follows this says nothing. */
  demote(): void;
  /**
   * Finishes the commit that is running, writes nothing more, and stands back, as after `demote`; resolves then. It
   * never rejects; who waits gives it 5 s. The host may be freed meanwhile: the promise borrows nothing of it.
   */
  rest_after_commit(): Promise<void>;
  sleep(): void;
  wake(): void;
  free(): void;
}

/** What the engine calls; beside these the methods of `bridge`, or `token`. All may come before `open` resolves. */
export interface Hooks {
  frame(frame: string): void;
  log(level: LogLevel, message: string, detail?: string): void;
  stopped(): void;
  panicked(message: string): void;
  /** To the engines of all other clients of the account that share with this one, and are awake. */
  tell(bytes: Uint8Array): void;
  /** Another client has written since: this one has stood back. */
  fenced(): void;
  /**
   * This engine follows, is looked at, and has asked the writer for something that was not begun within 2 s. Also where
   * there is no writer. Called again as long as that is so: the claim bounds what it does about it.
   */
  stuck(): void;
  /**
   * The fence is committed and the database is read. Once for each `promote`, and for `promoted` in the config, also
   * where that is before `open` resolves.
   */
  promoted(): void;
  /**
   * The server has refused a fresh token, or the provider has: the status is "needs-auth", and stays so unless the work
   * goes to another client. Called each time that it becomes so.
   */
  refused(): void;
  /** Whether the account was wiped since this client was made. Asked before a database that is gone is made anew. */
  wiped(): Promise<boolean>;
}

export interface Glue {
  /** Instantiates the module; nothing else of it may be called before. */
  (options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  /** The number of the stored format: clients of another one do not share. */
  schema(): number;
  Host: { open(config: ClientConfig, hooks: Hooks): Promise<Host> };
}

/**
 * Each call makes an independent instance of the glue.
 * @param Socket stands for WebSocket in it
 */
export default function instantiate(Socket: (url: string) => WebSocket): Glue;
