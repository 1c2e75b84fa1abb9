// Words that the log and what it is told of have in common.

/** What is said of an own transport's error that has no code. @param {string} method @param {string} message */
export function thrownText(method, message) {
  return `transport.${method} failed, which counts as a network error: ${message}`;
}

/**
 * What a handler is called with: a method that is one itself (`onclick = timeline.loadOlder`) is given it.
 * @param {any} given
 */
export const isEvent = (given) => typeof given?.preventDefault === "function";

/** Names that are not far from this one: how many letters differ. @param {string} a @param {string} b */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let k = 0; k < b.length; k++)
      next.push(Math.min(next[k] + 1, row[k + 1] + 1, row[k] + (a[i] === b[k] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}

/** Of the known names the one that was meant, perhaps. @param {string} name @param {readonly string[]} known */
export function nearest(name, known) {
  const far = (/** @type {string} */ one) =>
    distance(name.toLowerCase(), /** @type {string} */ (one.split(".").at(-1)).toLowerCase());
  const [best] = [...known].sort((a, b) => far(a) - far(b));
  return best !== undefined && far(best) <= Math.max(1, name.length >> 2) ? best : undefined;
}
