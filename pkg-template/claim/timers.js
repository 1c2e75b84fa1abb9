// Waits of a claim: by name, and growing ones.

/** ms after which what befell is no more of the same */
const QUIET = 60_000;

/** Steady, whatever the clock does. */
export const ticks = () => performance.now();

/** Timers, one of each name, that keep no process alive. */
export class Timers {
  /** @type {Map<string, ReturnType<typeof setTimeout>>} */
  #all = new Map();

  /** @param {string} name replaces the one of that name @param {number} ms @param {() => void} run */
  in(name, ms, run) {
    this.stop(name);
    const timer = setTimeout(() => {
      this.#all.delete(name);
      run();
    }, ms);
    /** @type {any} */ (timer).unref?.();
    this.#all.set(name, timer);
  }

  /** @param {string} name */
  has(name) {
    return this.#all.has(name);
  }

  /** @param {string[]} names */
  stop(...names) {
    for (const name of names) {
      clearTimeout(this.#all.get(name));
      this.#all.delete(name);
    }
  }

  stopAll() {
    this.stop(...this.#all.keys());
  }
}

/** A wait that is twice as long each time, until it is quiet for a while. */
export class Growing {
  #least;
  #most;
  #ms = 0;
  #at = -Infinity;

  /** @param {number} least ms @param {number} most ms */
  constructor(least, most) {
    this.#least = least;
    this.#most = most;
  }

  get isOver() {
    return ticks() - this.#at >= this.#ms;
  }

  /** Once more. @returns {number} ms */
  begin() {
    const now = ticks();
    const isNew = now - this.#at > this.#ms + QUIET;
    this.#ms = isNew ? this.#least : Math.min(this.#ms * 2, this.#most);
    this.#at = now;
    return this.#ms;
  }
}
