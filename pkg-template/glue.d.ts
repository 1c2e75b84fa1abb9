// wasm-bindgen's output as `npm run build` wraps it.

import type { ClientConfig, Command, LogLevel, WireError } from "./wire.js";

/** An engine with its store, as src/api has it. */
export interface Host {
  /** Gives the error of one that is wrong, and then nothing is done. */
  command(command: Command): WireError | undefined;
  /** The error of one that is wrong; it is done later, or not at all. */
  check(command: Command): WireError | undefined;
  /** Its client has got the account's lock. */
  promote(): void;
  /** Its client does not have the lock any more: it goes on showing. */
  demote(): void;
  sleep(): void;
  wake(): void;
  free(): void;
}

/** What the engine calls; beside these the methods of `bridge`, or `token`. */
export interface Hooks {
  frame(frame: string): void;
  log(level: LogLevel, message: string, detail?: string): void;
  stopped(wiped: boolean, error?: string): void;
  panicked(message: string): void;
  fenced(): void;
}

export interface Glue {
  /** Instantiates the module; nothing else of it may be called before. */
  (options: { module_or_path: WebAssembly.Module }): Promise<unknown>;
  Host: { open(config: ClientConfig, hooks: Hooks): Promise<Host> };
}

/** Each call makes an independent instance of the glue. */
export default function instantiate(): Glue;
