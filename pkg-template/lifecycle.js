// What the browser says about the network and the page, as commands.

/** The state to begin with; where nothing is known (Node): online and visible. */
export function surroundings() {
  return {
    online: globalThis.navigator?.onLine !== false,
    hidden: globalThis.document?.visibilityState === "hidden",
  };
}

/**
 * @param {(command: object) => void} command
 * @returns {() => void} removes all listeners
 */
export function watchLifecycle(command) {
  const controller = new AbortController();
  const listen = (target, type, handler) => target?.addEventListener?.(type, handler, { signal: controller.signal });
  // a worker has no window, but hears online and offline as well
  const scope = globalThis.addEventListener ? globalThis : undefined;
  const { document } = globalThis;
  listen(scope, "online", () => command({ op: "network", online: true }));
  listen(scope, "offline", () => command({ op: "network", online: false }));
  listen(document, "visibilitychange", () => command({ op: "visibility", hidden: document.visibilityState === "hidden" }));
  listen(document, "freeze", () => command({ op: "freeze" }));
  listen(document, "resume", () => command({ op: "resume" }));
  if (document) {
    listen(scope, "pagehide", () => command({ op: "freeze" }));
    listen(scope, "pageshow", (event) => {
      // the first pageshow of a page is no return
      if (event.persisted) command({ op: "resume" });
    });
  }
  return () => controller.abort();
}
