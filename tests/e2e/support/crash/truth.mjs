// What the server has, and what of it a client need not know yet.

import { call, everything } from "../world.mjs";

export const seqOf = (message) => BigInt(message.seq);

/** What the server has, and what of it is news to whoever asks with a certain cursor. */
export class Truth {
  /** @type {Map<string, any[]>} */
  lists = new Map();
  /** @type {Map<string, any>} */
  byId = new Map();

  static async of(server, witness, talks) {
    const truth = new Truth();
    for (const talk of talks) {
      const messages = await everything(server, witness, talk);
      truth.lists.set(talk, messages);
      for (const message of messages) truth.byId.set(message.id, message);
    }
    return truth;
  }

  /**
   * The truth as of a set of events that are not yet known.
   * @param {any[] | null} missing events; null: nothing has to be known
   */
  without(missing) {
    const unknown = new Set();
    const changes = new Map();
    for (const { type, message } of missing ?? []) {
      if (type === "message") unknown.add(message.id);
      if (type === "update") changes.set(message.id, (changes.get(message.id) ?? 0) + 1);
    }
    return {
      /** it must be held, wherever it falls into something that claims to be complete */
      required: (message) => missing !== null && !unknown.has(message.id),
      /** the least version that it must have */
      version: (message) => (missing === null ? 1 : this.byId.get(message.id).version - (changes.get(message.id) ?? 0)),
    };
  }
}

/** @returns {Promise<any[]>} the events after a cursor, of the log that never overflows */
export async function eventsAfter(server, witness, cursor) {
  const events = [];
  for (let at = cursor, more = true; more; ) {
    const batch = await call(server, witness, "GET", `/v1/sync?limit=1000&cursor=${encodeURIComponent(at)}`);
    if (batch.overflow) throw new Error(`the witness cannot place ${at}`);
    events.push(...batch.events);
    ({ cursor: at, hasMore: more } = batch);
  }
  return events;
}

export const head = async (server, witness) => (await call(server, witness, "GET", "/v1/sync?limit=1")).cursor;

/** The user's own calls fail where trouble was made for it. */
async function patiently(ask, tries = 100) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      tries -= 1;
      if (!(error.status >= 500) || !tries) throw error;
    }
  }
}

/**
 * Events that a mailbox has not been told to forget, or may not have been.
 * @returns {Promise<any[] | null>} null: it begins anew, and what was acknowledged before is not told any more
 */
export async function unacknowledged(server, witness, user) {
  const { events, overflow, hasMore } = await patiently(() => call(server, user, "GET", "/v1/mailbox?limit=1000"));
  if (overflow === "all") return null;
  if (!hasMore) return events;
  // what follows is only told once these are acknowledged; every member's log has a message at the same position
  const epoch = /^(.*-)\d+$/.exec(await head(server, witness))[1];
  return [...events, ...(await eventsAfter(server, witness, `${epoch}${events.at(-1).delivery.slice(1)}`))];
}
