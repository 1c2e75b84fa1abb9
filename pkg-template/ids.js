// Names that nobody else has.

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
