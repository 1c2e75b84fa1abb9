// In a development build snapshots are frozen: what changes one by mistake throws there and then.

/**
 * Bundlers put a text in the place of this, and Node has it. In a page without a bundler there is no `process`, unless
 * the page makes one: then nothing is frozen.
 */
function isDevelopment() {
  try {
    // biome-ignore lint/suspicious/noTsIgnore: there is an error only where Node's types are not
    // @ts-ignore
    return process.env.NODE_ENV !== "production";
  } catch {
    return false;
  }
}

const FREEZES = /* @__PURE__ */ isDevelopment();

/**
 * The same value, with all that is in it. What is frozen already is not looked into again: a snapshot has most of the
 * one before. Errors are left alone: who reports them writes on them.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function frozen(value) {
  if (!FREEZES || value === null || typeof value !== "object") return value;
  if (Object.isFrozen(value) || value instanceof Error) return value;
  Object.freeze(value);
  for (const inner of Object.values(value)) frozen(inner);
  return value;
}
