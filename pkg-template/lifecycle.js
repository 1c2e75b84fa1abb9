// What the browser says about the network and the page, as commands.

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
 * @param {(command: object) => void} command
 * @param {ReturnType<typeof surroundings>} told what the engine was told last
 * @returns {() => void} removes all listeners
 */
export function watchLifecycle(command, told) {
  const controller = new AbortController();
  const listen = (target, type, handler) => target?.addEventListener?.(type, handler, { signal: controller.signal });
  // a worker has no window, but hears online and offline as well
  const scope = globalThis.addEventListener ? globalThis : undefined;
  const { navigator, document } = globalThis;

  const tell = (seen = surroundings()) => {
    const { online, metered, hidden } = seen;
    if (online !== told.online || metered !== told.metered) command({ op: "network", online, metered });
    if (hidden !== told.hidden) command({ op: "visibility", hidden });
    told = seen;
  };
  const freeze = () => command({ op: "freeze" });
  const resume = () => {
    // a page hears no events while it is frozen or in the page cache, and is not told of them afterwards
    tell();
    command({ op: "resume" });
  };

  listen(scope, "online", () => tell({ ...surroundings(), online: true }));
  listen(scope, "offline", () => tell({ ...surroundings(), online: false }));
  // also comes for each change of the connection's estimated speed
  listen(/** @type {any} */ (navigator)?.connection, "change", () => tell());
  listen(document, "visibilitychange", () => tell());
  listen(document, "freeze", freeze);
  listen(document, "resume", resume);
  if (document) {
    // `persisted`: into the page cache, or out of it. Else the page goes for good, or is new.
    listen(scope, "pagehide", (event) => event.persisted && freeze());
    listen(scope, "pageshow", (event) => event.persisted && resume());
  }
  // what has changed since the engine was told, before anybody listened
  tell();
  return () => controller.abort();
}
