// What a page and its worker tell each other, over a MessagePort.

import type { ClientConfig, Command, WireError } from "../wire.js";
import type { Loaded } from "./core.js";

/** The first message to the worker itself; `port` is transferred with it. */
export interface Hail {
  pullcord: "load";
  account: string;
  port: MessagePort;
  /** the page's own transport is not one that a worker can call */
  hasOwnTransport: boolean;
  /** where the wasm is, or what, unless `serve` says it */
  wasm?: string | BufferSource | WebAssembly.Module;
}

export type ToWorker =
  | { do: "open"; config: ClientConfig; first: Command[] }
  | { do: "command"; command: Command }
  | { do: "heard"; bytes: Uint8Array }
  | { do: "promote" | "demote" | "sleep" | "wake" | "ping" }
  | { do: "rest"; of: number }
  | { do: "token"; of: number; token?: unknown; error?: WireError };

export type ToPage =
  /** it is there, at first and in answer to "ping" */
  | { say: "hello" }
  | ({ say: "loaded" } & Loaded)
  | { say: "opened" }
  /** it did not load, or did not open */
  | { say: "failed"; error: WireError }
  | { say: "frame"; text: string }
  | { say: "log"; level: string; message: string; detail?: unknown }
  | { say: "tell"; bytes: Uint8Array }
  | { say: "stopped" | "fenced" | "stuck" | "promoted" | "refused" }
  | { say: "rested"; of: number }
  | { say: "token"; of: number }
  | { say: "crashed"; error: WireError };
