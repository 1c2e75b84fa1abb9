// The open timelines of a client: what frames go to. One that nobody subscribes to is held weakly, for an app need
// not close what it drops.

/**
 * What is known of a timeline here.
 * @typedef {object} Control
 * @property {(entry: import("./wire.js").TimelineEntry) => void} apply
 * @property {() => void} end
 * @property {() => void} anew another engine begins, that knows nothing of it
 * @property {() => void} again that one can be told what is wanted of it
 */

export class Timelines {
  /** @type {Map<number, { strong: Control | null, weak: WeakRef<Control> }>} */
  #all = new Map();
  #last = 0;
  /** @type {FinalizationRegistry<number>} */
  #dropped;

  /** @param {(id: number) => void} dropped is told of one that the app has dropped */
  constructor(dropped) {
    this.#dropped = new FinalizationRegistry(dropped);
  }

  /** @param {Control} timeline @returns {number} its id */
  add(timeline) {
    this.#last += 1;
    this.#all.set(this.#last, { strong: timeline, weak: new WeakRef(timeline) });
    return this.#last;
  }

  /** It is needed from here on. @param {number} id @param {Control} timeline */
  hold(id, timeline) {
    const entry = this.#all.get(id);
    if (entry) entry.strong = timeline;
    this.#dropped.unregister(timeline);
  }

  /** It is not needed any more, and goes once the app has dropped it. @param {number} id @param {Control} timeline */
  letGo(id, timeline) {
    const entry = this.#all.get(id);
    if (!entry) return;
    entry.strong = null;
    this.#dropped.register(timeline, id, timeline);
  }

  /** @param {number} id @returns {boolean} whether it was there */
  remove(id) {
    return this.#all.delete(id);
  }

  /** @param {import("./wire.js").TimelineEntry} entry */
  apply(entry) {
    this.#all.get(entry.id)?.weak.deref()?.apply(entry);
  }

  /** Another engine begins. One that is let go of is opened by its next use. */
  anew() {
    for (const [id, { strong, weak }] of [...this.#all]) {
      const control = weak.deref();
      control?.anew();
      if (strong) continue;
      this.#all.delete(id);
      if (control) this.#dropped.unregister(control);
    }
  }

  again() {
    for (const { strong } of this.#all.values()) strong?.again();
  }

  /** All of them end. */
  end() {
    for (const { weak } of this.#all.values()) weak.deref()?.end();
    this.#all.clear();
  }
}

/**
 * The lists that the app was given, by what it asked for: the same again gives the same, from the first asking on until
 * it is let go of or closed. Held weakly: one that was never used may go.
 * @template {object} T
 */
export class Made {
  /** @type {Map<string, WeakRef<T>>} */
  #all = new Map();
  /** @type {FinalizationRegistry<string>} */
  #dropped = new FinalizationRegistry((name) => {
    if (!this.of(name)) this.#all.delete(name);
  });

  /** @param {string} name */
  of(name) {
    return this.#all.get(name)?.deref();
  }

  /** Where there is none of this name. @param {string} name @param {T} made */
  remember(name, made) {
    if (this.of(name)) return;
    this.#all.set(name, new WeakRef(made));
    this.#dropped.register(made, name);
  }

  /** @param {string} name @param {T} made */
  forget(name, made) {
    if (this.of(name) === made) this.#all.delete(name);
  }
}
