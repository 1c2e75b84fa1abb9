// The entry "pullcord/worker".

import type { ClientOptions, Conversation, HttpTransport, Message, Transport } from "./index.js";

/**
 * Called by the script of a dedicated worker: it runs the core of the page that made it, for createClient's option
 * `worker`.
 * @param options what the page cannot hand over
 * @example
 * // chat.worker.js
 * import { serve } from "pullcord/worker";
 * serve();
 */
export function serve<B = unknown>(options?: {
  /**
   * makes the app's own transport; createClient's may be left out then. An own Transport in the page with none here
   * rejects "invalid"; an HttpTransport's token() is asked in the page
   */
  transport?: (account: string) => HttpTransport | Transport<B>;
  /** where the wasm is, as in createClient's options */
  wasm?: ClientOptions["wasm"];
}): void;

/**
 * For a service worker's "push" event: brings the account up to date and stores it: by the client that writes if one
 * does within 1 s, else here, in its place. Needs no WebSocket. Give it the options of createClient.
 *
 * A message is told once: by one of two calls at the same time, and not again by a later one. That is stored before the
 * promise resolves. Rejects as `sync` does, but that a network that fails is tried again until the deadline.
 * @param options those of createClient, and a deadline
 * @throws PullcordError as `Client.sync`: "unauthorized", "storage", "outdated", …
 * @example
 * self.addEventListener("push", (event) => event.waitUntil((async () => {
 *   const { messages, visible } = await syncOnce({ account, transport });
 *   for (const m of messages) if (!visible) await self.registration.showNotification(m.sender, { tag: m.id });
 * })()));
 */
export function syncOnce<B = unknown>(
  options: Omit<ClientOptions<B>, "ifOpen" | "worker"> & {
    /** ms (default 20,000), then it resolves with what there is */
    deadline?: number;
  },
): Promise<{
  /**
   * those of others that no `syncOnce` has told before and no visible client has shown, newest 100, in the order in
   * which they came, whoever stored them
   */
  readonly messages: readonly Message<B>[];
  /** those of these messages, as in the list */
  readonly conversations: readonly Conversation<B>[];
  /** whether a client is on screen (then show no notification, where the browser allows that) */
  readonly visible: boolean;
}>;
