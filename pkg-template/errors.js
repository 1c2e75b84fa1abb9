// The one error type of the package, and its form on the wasm boundary:
// {code, message, status?, retryAfter?}, the same that a Transport's rejection takes.

const RETRYABLE = new Set(["network", "timeout", "offline"]);

export class PullcordError extends Error {
  /**
   * @param {import("./index.js").ErrorCode} code
   * @param {string} [message]
   * @param {{ cause?: unknown, status?: number, retryAfter?: number }} [options]
   */
  constructor(code, message = code, options = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    /** @type {string} */
    this.name = code === "aborted" ? "AbortError" : "PullcordError";
    /** @type {import("./index.js").ErrorCode} */
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    if (options.status !== undefined) this.status = options.status;
    if (options.retryAfter !== undefined) this.retryAfter = options.retryAfter;
  }
}

/** @param {string} message what is wrong, and what to do */
export function invalid(message) {
  return new PullcordError("invalid", message);
}

/** @param {AbortSignal} [signal] its reason becomes the cause */
export function aborted(signal) {
  return new PullcordError("aborted", "cancelled by its AbortSignal", { cause: signal?.reason });
}

/** An error that came over the boundary. */
export function revive(wire) {
  if (wire instanceof PullcordError) return wire;
  const { code, message, status, retryAfter } = wire ?? {};
  if (typeof code !== "string") {
    return new PullcordError("internal", message ?? String(wire), { cause: wire });
  }
  return new PullcordError(/** @type {any} */ (code), message, { status, retryAfter });
}

/**
 * An error on its way over the boundary. What the app throws without naming a code counts as "network":
 * a backend that could not be reached is what it nearly always is, and trying again loses nothing.
 */
export function toWire(error) {
  if (!(error instanceof PullcordError)) {
    return { code: "network", message: String(error?.message ?? error) };
  }
  const { code, message, status, retryAfter } = error;
  return { code, message, status, retryAfter };
}

/** A promise of the API: nobody has to await it. */
export function quiet(promise) {
  promise.catch(() => {});
  return promise;
}
