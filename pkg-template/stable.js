// What two values have in common where they say the same.

/**
 * JSON text that is equal for values that mean the same: the order of an object's fields does not count.
 * @param {unknown} value
 */
export function stableText(value) {
  return JSON.stringify(value, (_key, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
