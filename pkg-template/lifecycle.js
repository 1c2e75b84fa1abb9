// What the browser says about the network and the page, as commands, and when the page sleeps.

/** The state to begin with; where nothing is known (Node): online, unmetered and visible. */
export function surroundings() {
  const { navigator, document } = globalThis;
  return {
    online: navigator?.onLine !== false,
    // what the user has asked for; of the connection itself no browser says what it costs
    metered: /** @type {any} */ (navigator)?.connection?.saveData === true,
    hidden: document?.visibilityState === "hidden",
  };
}

/**
 * @param {object} client
 * @param {(command: import("./wire.js").Command) => void} client.command
 * @param {() => void} client.sleep the page goes to sleep: what is to be let go of is let go of before this returns
 * @param {() => void} client.wake it is awake again
 * @returns tells of what has changed since the engine was told `told`, and removes all listeners
 */
export function watchLifecycle({ command, sleep, wake }) {
  /** @type {(() => void)[]} */
  const undo = [];
  /**
   * Not ended by an AbortSignal: jsdom's listeners take none of Node's, which Node's fetch needs.
   * @type {(target: EventTarget | undefined, type: string, handler: () => void) => void}
   */
  const listen = (target, type, handler) => {
    if (typeof target?.addEventListener !== "function") return;
    target.addEventListener(type, handler);
    undo.push(() => target.removeEventListener(type, handler));
  };
  const { navigator, document } = globalThis;
  // A worker has no window, but hears online and offline as well. Where a test has put a window of jsdom's into Node's
  // globals, its functions work on that window alone.
  const scope = document?.defaultView ?? globalThis;
  /** @type {ReturnType<typeof surroundings> | null} what the engine was told last; null: there is none yet */
  let told = null;
  let asleep = false;

  const tell = (seen = surroundings()) => {
    if (!told) return;
    const { online, metered, hidden } = seen;
    if (online !== told.online || metered !== told.metered) command({ op: "network", online, metered });
    if (hidden !== told.hidden) command({ op: "visibility", hidden });
    told = seen;
  };
  const freeze = () => {
    if (asleep) return;
    asleep = true;
    sleep();
  };
  const resume = () => {
    if (!asleep) return;
    asleep = false;
    // a page hears no events while it is frozen or in the page cache, and is not told of them afterwards
    tell();
    wake();
  };

  listen(scope, "online", () => tell({ ...surroundings(), online: true }));
  listen(scope, "offline", () => tell({ ...surroundings(), online: false }));
  // also comes for each change of the connection's estimated speed
  listen(/** @type {any} */ (navigator)?.connection, "change", () => tell());
  listen(document, "visibilitychange", () => {
    // one that is looked at is awake, whatever it was told
    if (!surroundings().hidden) resume();
    tell();
  });
  listen(document, "freeze", freeze);
  listen(document, "resume", resume);
  if (document) {
    // Whether it goes for good, or into the page cache, is not known before it comes out of it: Safari takes its
    // locks away there, or leaves them to it.
    listen(scope, "pagehide", freeze);
    listen(scope, "pageshow", resume);
  }
  return {
    /** @param {ReturnType<typeof surroundings>} before what the engine was told as it began */
    begin(before) {
      told = before;
      // what has changed since, before anybody was told
      tell();
      if (asleep) sleep();
    },
    end() {
      for (const one of undo.splice(0)) one();
    },
  };
}
