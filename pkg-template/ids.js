// Names: those that nobody else has, and the keys of rows.

/**
 * The key of a row names nothing but the row, and is easily taken for the name of what it shows.
 * @param {unknown} name
 */
export const looksLikeKey = (name) => typeof name === "string" && /^(?:[cm]:|gap[:/])/.test(name);

/** @returns {string} 128 random bits */
export function newId() {
  // randomUUID is missing on insecure pages
  return (
    globalThis.crypto.randomUUID?.() ??
    [...globalThis.crypto.getRandomValues(new Uint8Array(16))]
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join("")
  );
}
