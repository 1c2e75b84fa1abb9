// What the frameworks' entries have in common.

import type { Client, ClientOptions, PullcordError, Timeline, TimelineSnapshot, createClient } from "./index.js";

/**
 * As `createClient` takes them. The client is closed and opened anew when one of the values changes. Functions and the
 * transport may be others on each render: the latest ones are called, and nothing is opened anew for them.
 */
export interface PullcordOptions<B = unknown> extends Omit<ClientOptions<B>, "signal"> {
  /** what opens it (default: that of "pullcord"); that of "pullcord/inline", or of a test */
  createClient?: typeof createClient;
}

/** A client that is not there yet is null, with the reason where it could not be opened. */
export interface Opened<B = unknown, M = unknown> {
  /** null until it is open */
  readonly client: Client<B, M> | null;
  /** why it could not be opened: a PullcordError */
  readonly error: PullcordError | null;
}

/** The methods of a timeline. They reject with "closed" while there is no client. */
export type TimelineMethods<B = unknown> = Pick<
  Timeline<B>,
  "loadOlder" | "loadNewer" | "jump" | "send" | "retry" | "discard" | "edit" | "recall" | "markRead" | "visible"
>;

/** A list on the screen: its snapshot, with its methods beside it. */
export type TimelineView<B = unknown> = TimelineSnapshot<B> & TimelineMethods<B>;
