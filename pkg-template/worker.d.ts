// The entry "pullcord/worker".

import type { ClientOptions, HttpTransport, Transport } from "./index.js";

/**
 * Called by the script of a dedicated worker: it runs the core of the page that made it, for createClient's option
 * `worker`.
 * @param options `transport`: the app's own, then createClient's may be left out. An own Transport in the page with
 *   none here rejects "invalid"; an HttpTransport's token() is asked in the page.
 *   `wasm`: where the wasm is, as in createClient's options
 * @example
 * // chat.worker.js
 * import { serve } from "pullcord/worker";
 * serve();
 */
export function serve<B = unknown>(options?: {
  transport?: (account: string) => HttpTransport | Transport<B>;
  wasm?: ClientOptions["wasm"];
}): void;
