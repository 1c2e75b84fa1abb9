// What the clients of an account tell each other: a BroadcastChannel, or one of this page alone.

/**
 * @typedef {object} Port
 * @property {((event: { data: any }) => void) | null} onmessage
 * @property {(data: unknown) => void} postMessage
 * @property {() => void} close
 */

/** BroadcastChannel for where there is none, and for those that share with their page alone. */
class PageChannel {
  /** @type {Set<PageChannel>} */
  static #open = new Set();
  /** @type {Port["onmessage"]} */
  onmessage = null;

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    PageChannel.#open.add(this);
  }

  /** @param {unknown} data */
  postMessage(data) {
    for (const other of PageChannel.#open) {
      if (other === this || other.name !== this.name) continue;
      // not one that has closed before it comes
      queueMicrotask(() => PageChannel.#open.has(other) && other.onmessage?.({ data }));
    }
  }

  close() {
    PageChannel.#open.delete(this);
  }
}

/** @param {string} name @param {boolean} pageOnly @returns {Port} */
function connect(name, pageOnly) {
  if (pageOnly) return new PageChannel(name);
  try {
    const channel = new BroadcastChannel(name);
    // in Node an open channel would keep the process alive
    /** @type {any} */ (channel).unref?.();
    return /** @type {any} */ (channel);
  } catch {
    return new PageChannel(name);
  }
}

/** A channel that is opened and closed as its client wakes and sleeps. */
export class Channel {
  #name;
  #pageOnly;
  #heard;
  /** @type {Port | null} */
  #port = null;

  /**
   * @param {string} name
   * @param {boolean} pageOnly
   * @param {(message: any) => void} heard
   */
  constructor(name, pageOnly, heard) {
    this.#name = name;
    this.#pageOnly = pageOnly;
    this.#heard = heard;
  }

  open() {
    if (this.#port) return;
    const port = connect(this.#name, this.#pageOnly);
    port.onmessage = ({ data }) => {
      // what was on its way when it was closed is not heard any more
      if (this.#port === port) this.#heard(data);
    };
    this.#port = port;
  }

  /** What is told while it is closed nobody hears. @param {object} message */
  tell(message) {
    try {
      this.#port?.postMessage(message);
    } catch {
      // the browser has closed it
    }
  }

  close() {
    this.#port?.close();
    this.#port = null;
  }
}
