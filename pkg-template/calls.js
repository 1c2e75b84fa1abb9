// The commands that are answered: each is a promise until the engine's result comes, its AbortSignal aborts, or
// nothing can come any more.

import { PullcordError, aborted, revive } from "./errors.js";

/** @typedef {import("./wire.js").Command} Command */
/**
 * @typedef {object} Call
 * @property {(value: any) => void} resolve
 * @property {(error: PullcordError) => void} reject
 * @property {AbortSignal} [signal]
 * @property {() => void} forget it is not waited for any more
 * @property {Command} command
 */

/** What these do may have been done all the same, where nobody says whether it was. */
const CHANGES = new Set(["send", "edit", "recall", "retry", "discard", "mark-read"]);

/**
 * The error of a call whose answer does not come any more.
 * @param {string} op
 * @param {PullcordError} error
 */
function inDoubt(op, error) {
  if (!CHANGES.has(op)) return error;
  return new PullcordError(error.code, error.message, { cause: error.cause, uncertain: true });
}

export class Calls {
  #post;
  /** @type {Map<number, Call>} by their numbers */
  #waiting = new Map();
  #last = 0;

  /** @param {(command: Command) => void} post */
  constructor(post) {
    this.#post = post;
  }

  /** A number that no other call has. */
  next() {
    this.#last += 1;
    return this.#last;
  }

  /**
   * @param {Command} command
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  call(command, signal) {
    if (signal?.aborted) return Promise.reject(aborted(signal));
    const call = this.next();
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#post({ op: "abort", of: call });
        // what the engine has not let go of by now (it sleeps, or is still reading) nobody waits for either
        if (!this.#waiting.has(call)) return;
        forget();
        reject(aborted(signal));
      };
      signal?.addEventListener("abort", abort);
      const forget = () => {
        signal?.removeEventListener("abort", abort);
        this.#waiting.delete(call);
      };
      this.#waiting.set(call, { resolve, reject, signal, forget, command });
      this.#post({ ...command, call });
    });
  }

  /** Another engine has taken the place of the one that was asked: each is asked again, under its name. */
  again() {
    for (const [call, { command }] of this.#waiting) this.#post({ ...command, call });
  }

  /** The engine has answered. @param {import("./wire.js").Result} result */
  settle({ call, ok, error }) {
    const waiting = this.#waiting.get(call);
    if (!waiting) return;
    waiting.forget();
    if (!error) waiting.resolve(ok);
    else if (error.code === "aborted" && waiting.signal?.aborted) waiting.reject(aborted(waiting.signal));
    else waiting.reject(revive(error));
  }

  /**
   * No answer comes any more.
   * @param {PullcordError} error
   * @param {number} [timeline] only to calls of this one
   */
  giveUp(error, timeline) {
    for (const { command, forget, reject } of [...this.#waiting.values()]) {
      if (timeline !== undefined && command.timeline !== timeline) continue;
      forget();
      reject(inDoubt(command.op, error));
    }
  }
}
