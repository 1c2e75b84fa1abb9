// What stores show while there is nothing to show: before a client is there, and on a server.

const IDLE = Object.freeze({ older: false, newer: false, jump: false });

/** @type {import("./index.js").TimelineSnapshot<any>} */
export const OPENING = Object.freeze({
  items: Object.freeze([]),
  status: "opening",
  anchor: Object.freeze({ key: null, count: 0 }),
  firstIndex: 1_000_000_000,
  hasOlder: true,
  hasNewer: true,
  loading: IDLE,
  unseen: 0,
  error: null,
});

/** @type {import("./index.js").ClientStatus} */
export const CONNECTING = Object.freeze({
  connection: "connecting",
  listed: false,
  caughtUp: false,
  pulling: false,
  lastSyncedAt: null,
  progress: null,
  storage: "indexeddb",
  writer: null,
  error: null,
});

/** @type {readonly any[]} */
export const NONE = Object.freeze([]);
