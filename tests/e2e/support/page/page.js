// What the tests have in the page beside the package, as `globalThis.e2e`.

import * as pullcord from "/pkg/index.js";

/** ms that something has until it must have happened: a machine busy with other tests is slow */
const PATIENCE = 30_000;

/** Timelines that were watched, and what was wrong with their snapshots. */
export const violations = [];

/**
 * Resolves with the first snapshot for which `holds` is true.
 * @template T
 * @param {import("/pkg/index.js").Store<T>} store
 * @param {(snapshot: T) => unknown} holds
 * @returns {Promise<T>}
 */
export function until(store, holds, patience = PATIENCE) {
  return new Promise((resolve, reject) => {
    let settled = false;
    const finish = (end) => {
      settled = true;
      clearTimeout(timer);
      unsubscribe();
      end();
    };
    const look = () => {
      if (settled) return;
      try {
        const snapshot = store.getSnapshot();
        if (holds(snapshot)) finish(() => resolve(snapshot));
      } catch (error) {
        finish(() => reject(error));
      }
    };
    const timer = setTimeout(
      () => finish(() => reject(new Error(`waited in vain for: ${holds}\nlast seen: ${brief(store.getSnapshot())}`))),
      patience,
    );
    let unsubscribe = () => {};
    unsubscribe = store.subscribe(look);
    look();
  });
}

/** Resolves with what `ask` answers once that is true; for what is no store. */
export async function poll(ask, patience = PATIENCE) {
  const end = performance.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (performance.now() > end) throw new Error(`waited in vain for: ${ask}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** @param {any} snapshot */
function brief(snapshot) {
  const items = Array.isArray(snapshot) ? snapshot : snapshot?.items;
  if (!items) return JSON.stringify(snapshot)?.slice(0, 1000);
  const { items: _, ...rest } = Array.isArray(snapshot) ? { items } : snapshot;
  return JSON.stringify({ ...rest, count: items.length, last: items.slice(-3) }).slice(0, 1500);
}

/** Opens a user's client. `options` go over the usual ones. */
export function open(user, options = {}) {
  return pullcord.createClient({
    account: user,
    transport: { baseUrl: location.origin, token: () => `demo-${user}` },
    ...options,
  });
}

/** A call beside the client, as another program of this user would make it; without a user, of the demo's own. */
export async function call(method, path, body, user) {
  const response = await fetch(path, {
    method,
    headers: { "content-type": "application/json", ...(user ? { authorization: `Bearer demo-${user}` } : {}) },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text && JSON.parse(text);
}

/** The text of an item, whichever kind it is; null for a gap. */
export function textOf(item) {
  const body = item.kind === "message" ? item.message.body : item.body;
  return item.kind === "gap" ? null : (body?.text ?? null);
}

export const texts = (timeline) => timeline.getSnapshot().items.map(textOf);

/** All that an item says: of an error JSON leaves out the message. */
const told = (item) => `${JSON.stringify(item)} ${item.error?.message ?? ""}`;

/** The position of an item in its conversation, or null. */
const seqOf = (item) => item.message?.seq ?? null;

/**
 * Subscribes to a timeline and looks at every snapshot: keys once, messages in order, none twice, unchanged items the
 * same objects.
 * @param {import("/pkg/index.js").Timeline} timeline
 * @returns the snapshots so far, and the function that ends it
 */
export function watch(timeline) {
  const snapshots = [];
  let before = new Map();
  const look = () => {
    const snapshot = timeline.getSnapshot();
    if (snapshots.at(-1) === snapshot) return;
    snapshots.push(snapshot);
    const wrong = (what) => violations.push(`${timeline.conversation}, snapshot ${snapshots.length}: ${what}`);
    const now = new Map();
    const ids = new Set();
    let last = null;
    for (const item of snapshot.items) {
      if (now.has(item.key)) wrong(`the key ${item.key} twice`);
      now.set(item.key, item);
      const seq = seqOf(item);
      if (seq === null) continue;
      if (last !== null && pullcord.compareSeq(last, seq) !== -1) wrong(`${seq} after ${last}`);
      last = seq;
      const { id } = /** @type {any} */ (item).message;
      if (ids.has(id)) wrong(`the message ${id} twice`);
      ids.add(id);
    }
    for (const [key, item] of now) {
      const old = before.get(key);
      if (old && old !== item && told(old) === told(item))
        wrong(`${key} is another object, and the same in everything: ${told(item)}`);
      if (old?.message && item.message && item.message.version < old.message.version)
        wrong(`${key} is older than it was`);
    }
    before = now;
  };
  const unsubscribe = timeline.subscribe(look);
  look();
  return { snapshots, stop: unsubscribe };
}

/** A timeline that is watched, and open. */
export async function show(client, conversation, options) {
  const timeline = client.timeline(conversation, options);
  const { snapshots, stop } = watch(timeline);
  await until(
    timeline,
    (snapshot) => snapshot.status === "ready" && !snapshot.items.some((item) => item.kind === "gap"),
  );
  return Object.assign(timeline, { snapshots, stop });
}

/** What a promise rejects with, as plain data; null if it does not. */
export async function refusal(promise) {
  try {
    await promise;
    return null;
  } catch (error) {
    return {
      name: error.name,
      code: error.code,
      message: error.message,
      status: error.status,
      retryable: error.retryable,
    };
  }
}

/** Resolves once the client is online and in sync. */
export function caughtUp(client) {
  return until(client.status, (status) => status.connection === "online" && status.caughtUp && status.listed);
}
