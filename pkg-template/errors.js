// The one error type of the package, and its form on the wasm boundary:
// {code, message, status?, retryAfter?, uncertain?}, the same that a Transport's rejection takes.

const RETRYABLE = new Set(["network", "timeout", "offline"]);
/** @type {Set<unknown>} */
export const CODES = new Set([
  ...RETRYABLE,
  "unauthorized",
  "forbidden",
  "not-found",
  "rejected",
  "protocol",
  "storage",
  "quota",
  "storage-newer",
  "aborted",
  "closed",
  "invalid",
  "outdated",
  "unsupported",
  "internal",
]);

/** ms that a wait of others is obeyed, at most: it delays a try, and forbids none (R14) */
const WAIT_MAX = 600_000;

export class PullcordError extends Error {
  /**
   * @param {import("./index.js").ErrorCode} code
   * @param {string} [message]
   * @param {{ cause?: unknown, status?: number, retryAfter?: number, uncertain?: boolean }} [options]
   */
  constructor(code, message = code, options = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    /** @type {string} */
    this.name = code === "aborted" ? "AbortError" : "PullcordError";
    /** @type {import("./index.js").ErrorCode} */
    this.code = code;
    this.retryable = RETRYABLE.has(code);
    // these are there only where they say something
    if (options.status !== undefined) /** @type {any} */ (this).status = options.status;
    if (options.retryAfter !== undefined) /** @type {any} */ (this).retryAfter = options.retryAfter;
    // it may have been done all the same
    if (options.uncertain) /** @type {any} */ (this).uncertain = true;
  }
}

/**
 * Whether it is a PullcordError, also one of another copy of the package: known by its shape.
 * @param {any} error
 * @returns {error is PullcordError}
 */
export function isPullcordError(error) {
  try {
    return (
      error instanceof PullcordError ||
      ((error?.name === "PullcordError" || error?.name === "AbortError") && CODES.has(error.code))
    );
  } catch {
    // a getter or a proxy
    return false;
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

/** What a thrown value says of itself, whatever it is. @param {any} thrown */
export function textOf(thrown) {
  try {
    return String(thrown?.message ?? thrown);
  } catch {
    return "no reason was given";
  }
}

/** What serde says of a value that is none, without Rust's own names of what JS has. @param {string} message */
function plainly(message) {
  const [, before, is, expected] =
    /^(.*?)(?:invalid type: |invalid value: |unknown variant )(.*)(, expected .*)$/s.exec(message) ?? [];
  if (!expected) return message;
  const value = is
    .replace(/^JsValue\(\[.*/s, "a list")
    .replace(/^JsValue.*/s, "an object")
    .replace(/^unit value$/, "null")
    .replace(/^(floating point|integer|string|boolean) /, "")
    .replace("inf", "Infinity");
  return `${before}it is ${value}${expected}`;
}

/** An error that came over the boundary. @param {any} wire @returns {PullcordError} */
export function revive(wire) {
  if (wire instanceof PullcordError) return wire;
  const { code, message, status, retryAfter, uncertain } = wire ?? {};
  if (typeof code !== "string") {
    return new PullcordError("internal", textOf(wire), { cause: wire });
  }
  const said = code === "invalid" ? plainly(message) : message;
  return new PullcordError(/** @type {any} */ (code), said, { status, retryAfter, uncertain });
}

/**
 * ms that others ask to wait: JSON has no Infinity, and what is beyond all numbers is the most that is obeyed.
 * @param {unknown} ms
 */
function wait(ms) {
  if (typeof ms !== "number" && typeof ms !== "bigint") return undefined;
  return Math.min(Math.max(Number(ms) || 0, 0), WAIT_MAX);
}

/** Only an HTTP status is one. @param {any} status @returns {number | undefined} */
function statusOf(status) {
  return Number.isInteger(status) && status >= 100 && status < 1000 ? status : undefined;
}

/**
 * An error on its way over the boundary. What the app throws without naming a code counts as "network":
 * a backend that could not be reached is what it nearly always is, and trying again loses nothing.
 * @param {unknown} error
 * @returns {import("./wire.js").WireError}
 */
export function toWire(error) {
  if (!isPullcordError(error)) return { code: "network", message: textOf(error) };
  try {
    return plainWire(error);
  } catch {
    return { code: "network", message: textOf(error) };
  }
}

/** Fields that an error in the wire's form may have, whoever has made it. @param {any} error */
export function plainWire({ code, message, status, retryAfter, uncertain }) {
  return {
    code: CODES.has(code) ? code : "network",
    message: textOf(message ?? code),
    status: statusOf(status),
    retryAfter: wait(retryAfter),
    ...(uncertain === true ? { uncertain } : {}),
  };
}

/**
 * A promise of the API: nobody has to await it.
 * @template T
 * @param {Promise<T>} promise
 */
export function quiet(promise) {
  promise.catch(() => {});
  return promise;
}

/** Why the clients end of an account that was signed out. */
export function wiped() {
  return new PullcordError("closed", "the data of this account was deleted");
}

/**
 * What a promise gives, or `otherwise()` where it takes longer than `ms`.
 * @template T
 * @param {PromiseLike<T> | T} promise
 * @param {number} ms
 * @param {() => any} otherwise
 * @returns {Promise<T>}
 */
export function within(promise, ms, otherwise) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // what it throws is what it gives
      Promise.resolve().then(otherwise).then(resolve, reject);
    }, ms);
    Promise.resolve(promise)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}
