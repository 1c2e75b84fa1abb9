// The way from a client to its engine, wherever that runs.

import type { PullcordError } from "../errors.js";
import type { ClientConfig, Command, Frame, Log, WireError } from "../wire.js";

/** What a client hears of its engine. */
export interface PortEvents {
  /** The engine can be opened: from here on the browser's storage has to answer. `config`: as it is opened. */
  opening(config: ClientConfig): void;
  onFrame(frame: Frame): void;
  log: Log;
  /** The account is wanted by another client: this one has to close. */
  asked(error: PullcordError): void;
  /**
   * The page has slept, and the engine with it: from here on another one shows everything again, from nothing on.
   * @returns what that one is told before it hears of anything
   */
  anew(): Command[];
  /** That one is open: what its client still wants of it is to be said again. */
  again(): void;
  /** It has stopped, and holds nothing any more. */
  stopped(): void;
  /** It does not work any more, and this is a bug. */
  crashed(error: PullcordError): void;
}

export interface Port {
  /**
   * Opens the engine; frames come from here on. Rejects with what an app can be told.
   * @returns false: the port was closed meanwhile
   */
  open(config: ClientConfig, on: PortEvents): Promise<boolean>;
  /** Tells the engine something. What it is told before it is open, or once the port is closed, it does not hear. */
  post(command: Command): void;
  /** What is wrong with a command, which is given later or not at all; nothing where the engine is not open. */
  check(command: Command): WireError | undefined;
  /**
   * Has it end with this command ("close" or "wipe"); `stopped` tells when it has.
   * @returns false: there is no engine that could
   */
  stop(command: Command): boolean;
  /** Lets go of the engine and of the account. */
  close(): void;
  /** Once the account neither is held nor comes any more, for one that was closed before it was open. */
  readonly untied: Promise<void>;
  /** Closes every other client of the account, in all tabs. */
  evictOthers(): Promise<void>;
}
