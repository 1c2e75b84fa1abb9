// Angular's zone.js: a timer or a request that was begun in a zone keeps its page unfinished for as long as it is under
// way, and its server answers no request before. Those of a client never end. So a client runs outside, and its
// listeners run where they have subscribed.

/** @typedef {{ run: <T>(does: () => T) => T }} Zone */

/** @returns {{ root: Zone, current: Zone } | undefined} there is none in most apps */
function zones() {
  const { Zone } = /** @type {any} */ (globalThis);
  return typeof Zone?.root?.run === "function" ? Zone : undefined;
}

/**
 * Whatever begins a timer or a request that outlasts the call.
 * @template T
 * @param {() => T} does
 * @returns {T}
 */
export function outside(does) {
  const zone = zones();
  return zone ? zone.root.run(does) : does();
}

/** Remembers where it was called. @returns {(does: () => void) => void} runs there */
export function here() {
  const zone = zones()?.current;
  return zone ? (does) => zone.run(does) : (does) => does();
}
