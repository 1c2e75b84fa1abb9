// The entry "pullcord/inspector": importing it defines the element <pullcord-inspector>, which shows a client from
// inside. On a server it defines nothing. Browsers: Chrome and Edge 123+, Firefox 120+, Safari 17.5+.

import type { Client, ClientLike, ClientOptions, Inspection, Seq, Transport } from "./index.js";

/** An HTMLElement, where the project has the DOM's types. */
type PageElement = typeof globalThis extends { HTMLElement: { prototype: infer T } } ? T : object;

/**
 * What `<pullcord-inspector>` is: segments, cursor, who writes and who follows, the requests with their times, what was
 * irregular, and a report for an issue.
 *
 * Attribute `show`: the parts that are shown, without headings that fold: `writer`, `segments`, `events`, `requests`,
 * `device`, `report`; `strip` (the segments alone, small), `legend` (what the colours mean). Left out: all of them.
 * What stands inside the element is shown after the segments.
 *
 * Out of the page it has no timer and no listener, and holds nothing of the client. Back in it, it goes on with the
 * same client, if that is still there.
 *
 * The event `inspected` tells each time what was found: its `detail` is an `Inspection`.
 * @example
 * import "pullcord/inspector";
 *
 * const inspector = document.createElement("pullcord-inspector");
 * inspector.client = client;
 * document.body.append(inspector);
 */
export interface PullcordInspector extends PageElement {
  /** The client that is shown; null: none is open. One that is closed is shown as closed, with what it had. */
  get client(): Client | null;
  set client(client: ClientLike | null);
  /**
   * The conversation whose segments are shown; null: none. Undefined (default): it is chosen in the element. Also an
   * attribute.
   */
  conversation: string | null | undefined;
  /**
   * What createClient was given, so that the report has `sync` and `overflow`; nothing else of it is read or kept.
   * Without it, the scope is told by the requests.
   */
  get options(): Pick<ClientOptions, "sync" | "overflow">;
  set options(options: Pick<ClientOptions, "sync" | "overflow"> | null | undefined);
  /**
   * Marks what is on screen in the picture of the segments.
   * @param first position of the oldest message that can be seen; null: none can
   * @param last position of the newest one
   * @param gap a gap item can be seen
   */
  onScreen(first: Seq | null, last: Seq | null, gap?: boolean): void;
  /**
   * Adds a line of the app's own to "What happened".
   * @param tone how it is coloured (default: as any other)
   */
  note(text: string, tone?: "bad" | "good" | "quiet"): void;
  /**
   * What "Copy report" copies: JSON, with the version, scope, status, writer, cursor, segments, outbox, the last
   * requests, what was irregular and what happened. It has no token and no body of a message. Conversations are
   * numbered, and what others have written is left out.
   * @param options `names`: with the account, the ids of conversations and messages, the texts of errors, and the app's
   *   own lines
   */
  report(options?: {
    /** with what names others and the app (default false) */
    names?: boolean;
  }): Promise<string>;
}
/** The element's class. */
export const PullcordInspector: {
  /** what each element has */
  prototype: PullcordInspector;
  new (): PullcordInspector;
};

/**
 * An app's own transport, with its calls recorded: the inspectors of the page show when each was, how long it took, and
 * what came of it. Neither what it was asked nor what it answered is kept. (Of the built-in transport the browser tells
 * that.)
 * @example
 * const client = await createClient({ account, transport: traced(transport) });
 */
export function traced<B = unknown>(transport: Transport<B>): Transport<B>;

declare global {
  interface HTMLElementTagNameMap {
    "pullcord-inspector": PullcordInspector;
  }
  interface HTMLElementEventMap {
    inspected: CustomEvent<Inspection>;
  }
}
