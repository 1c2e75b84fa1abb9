// The core of one client, in this page or in a worker: a Host with its hooks, as the engine needs them.

import type { PullcordError } from "../errors.js";
import type { ClientConfig, Command, Log, WireError } from "../wire.js";

/** What it says; see Hooks in glue.d.ts. */
export interface CoreEvents {
  frame(frame: string): void;
  log: Log;
  stopped(): void;
  tell(bytes: Uint8Array): void;
  fenced(): void;
  stuck(): void;
  promoted(): void;
  refused(): void;
  wiped(): Promise<boolean>;
  /** Nothing is heard of it any more: another one has to take its place. */
  lost(): void;
  /** It does not work any more, and this is a bug. */
  crashed(error: PullcordError): void;
}

export interface Loaded {
  /** the number of the stored format */
  schema: number;
  /** what the engine has to know of the transport, where that is not the page's */
  transport?: { baseUrl?: string; timeout?: number; methods?: string[] };
}

export interface Core {
  /** Its memory is another than the page's: what it keeps there it shares with no client of the page. */
  readonly isElsewhere: boolean;
  /** Once it can be opened. Rejects with what an app can be told. */
  load(account: string): Promise<Loaded>;
  /**
   * Opens the account. Rejects likewise.
   * @param first what it is told before it hears of anything
   */
  open(config: ClientConfig, on: CoreEvents, first: Command[]): Promise<void>;
  /** Gives the error of one that is wrong, where that is known at once. */
  command(command: Command): WireError | undefined;
  check(command: Command): WireError | undefined;
  heard(bytes: Uint8Array): void;
  promote(): void;
  demote(): void;
  rest(): Promise<void>;
  /**
   * No transaction of it is under way when this returns.
   * @param inMemory its data is in its memory, and would go with it
   * @returns false: it has ended, and another one has to be opened once the page is awake
   */
  sleep(inMemory: boolean): boolean;
  wake(): void;
  /** Nothing is heard of it any more, and it holds nothing. Safe to call twice. */
  end(): void;
}
