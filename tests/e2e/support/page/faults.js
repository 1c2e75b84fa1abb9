// What may befall a database, done to the real one from below the API that the package calls; in the page as
// `globalThis.faults`. Import it before a client is made: handles are caught as they are opened.

const { open, deleteDatabase } = IDBFactory.prototype;
const { transaction } = IDBDatabase.prototype;
const { put, get, getAll, delete: remove } = IDBObjectStore.prototype;
const { commit } = IDBTransaction.prototype;

/** @type {IDBDatabase[]} */
const handles = [];
/** @type {Map<IDBTransaction, IDBDatabase>} those that write, while they run */
const running = new Map();

function caught(request) {
  request.addEventListener("success", () => handles.push(request.result));
  return request;
}

/** The browser is itself again. */
export function restore() {
  IDBFactory.prototype.open = function (...args) {
    return caught(open.apply(this, args));
  };
  IDBDatabase.prototype.transaction = function (...args) {
    const made = transaction.apply(this, args);
    if (made.mode === "readwrite") {
      running.set(made, this);
      for (const end of ["complete", "abort"]) made.addEventListener(end, () => running.delete(made));
    }
    return made;
  };
  Object.assign(IDBObjectStore.prototype, { put, get, getAll, delete: remove });
  IDBTransaction.prototype.commit = commit;
}
restore();

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

/** A handle of another tab's, with nobody who would let go of it. @returns {Promise<IDBDatabase>} */
export const hold = (account, version, upgraded = (_) => {}) => {
  const request = open.call(indexedDB, `pullcord:${account}`, version);
  request.onupgradeneeded = () => upgraded(request.result);
  return done(request);
};

/**
 * The browser takes the client's handle away: what is being written is aborted, and an event tells of it, unless it was
 * forgotten (Safari).
 */
export function closeHandle({ tell = true } = {}) {
  const handle = handles.at(-1);
  for (const [writing, of] of running) {
    if (of === handle) writing.abort();
  }
  handle.close();
  if (tell) handle.dispatchEvent(new Event("close"));
}

/** It does so at every nth commit from now on, `times` times. @returns {() => number} how often it has */
export function closeHandleAtCommit(nth, times) {
  let commits = 0;
  let closed = 0;
  IDBTransaction.prototype.commit = function () {
    commits += 1;
    if (running.has(this) && commits % nth === 0 && closed < times) {
      closed += 1;
      closeHandle({ tell: closed % 2 === 1 });
    } else {
      commit.call(this);
    }
  };
  return () => closed;
}

/** The database is deleted, under the client's hands; `asked`: by a script, which waits for the handle to be closed. */
export async function deleteUnderneath(account, { asked = false } = {}) {
  if (!asked) closeHandle();
  await done(deleteDatabase.call(indexedDB, `pullcord:${account}`));
}

/**
 * The disk is full: no put of more than `size` bytes fits, until `restore`, or, with `evictable`, until something was
 * deleted.
 * @param {{ size?: number, evictable?: boolean, atCommit?: boolean }} how `atCommit`: the browser only finds out at the
 *   end
 */
export function fill({ size = 0, evictable = false, atCommit = false }) {
  let room = false;
  const full = () => new DOMException("no room", "QuotaExceededError");
  const tooMuch = new WeakSet();
  IDBObjectStore.prototype.put = function (...args) {
    if (!room && args[0].byteLength > size) {
      if (!atCommit) throw full();
      tooMuch.add(this.transaction);
    }
    return put.apply(this, args);
  };
  IDBObjectStore.prototype.delete = function (...args) {
    room ||= evictable;
    return remove.apply(this, args);
  };
  IDBTransaction.prototype.commit = function () {
    if (room || !tooMuch.has(this)) {
      commit.call(this);
      return;
    }
    Object.defineProperty(this, "error", { value: full() });
    this.abort();
  };
}

/**
 * The transaction of the nth put from now on is aborted right after it.
 * @returns {() => boolean} whether that has happened
 */
export function abortAfterPut(nth) {
  IDBObjectStore.prototype.put = function (...args) {
    const request = put.apply(this, args);
    nth -= 1;
    if (nth === 0) this.transaction.abort();
    return request;
  };
  return () => nth <= 0;
}

/** No write gets to its end, and why is `name`. @returns {() => number} how many did not */
export function abortAll(name) {
  let aborted = 0;
  IDBTransaction.prototype.commit = function () {
    if (!running.has(this)) {
      commit.call(this);
      return;
    }
    aborted += 1;
    Object.defineProperty(this, "error", { value: new DOMException("the disk fails", name) });
    this.abort();
  };
  return () => aborted;
}

/** As a tab does that sleeps inside a transaction: it has all of the account's database, until it is told to let go. */
export async function holdAll(account) {
  const handle = await hold(account);
  const store = transaction.call(handle, [...handle.objectStoreNames], "readwrite").objectStore("meta");
  let held = true;
  const again = () => {
    if (held) get.call(store, 1).onsuccess = again;
  };
  again();
  return () => {
    held = false;
    handle.close();
  };
}

/** `indexedDB.open` fails, the next `times` times. */
export function failToOpen(name, times = Infinity) {
  const genuine = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...args) {
    if (times <= 0) return genuine.apply(this, args);
    times -= 1;
    const request = Object.assign(new EventTarget(), {
      readyState: "pending",
      error: null,
      transaction: null,
      onsuccess: null,
      onerror: null,
      onblocked: null,
      onupgradeneeded: null,
    });
    setTimeout(() => {
      request.readyState = "done";
      request.error = new DOMException("Internal error opening backing store for indexedDB.open.", name);
      const event = new Event("error");
      request.dispatchEvent(event);
      request.onerror?.(event);
    });
    return request;
  };
}

/**
 * Values of more than `size` bytes cannot be read: where the browser keeps them in files of their own, and those are
 * gone.
 */
export function loseLarge(size, name = "NotReadableError") {
  const error = new DOMException("data lost", name);
  const spoil = (original) =>
    function (...args) {
      const request = original.apply(this, args);
      request.addEventListener(
        "success",
        () => {
          const { result } = request;
          const values = Array.isArray(result) ? result : [result];
          if (!values.some((value) => value?.byteLength > size)) return;
          Object.defineProperty(request, "error", { value: error });
        },
        { capture: true },
      );
      return request;
    };
  Object.assign(IDBObjectStore.prototype, { get: spoil(get), getAll: spoil(getAll) });
}

/** What the package opens is of this version, as if that were its own. */
export function newerPackage(version) {
  IDBFactory.prototype.open = function (name) {
    return caught(open.call(this, name, version));
  };
}

/** Puts records that nobody of ours has written into all the account's object stores. */
export async function litter(account) {
  const database = await hold(account);
  const names = [...database.objectStoreNames];
  const writing = transaction.call(database, names, "readwrite");
  for (const name of names)
    for (const key of [Infinity, -1e300, 5, "a text", new Date(0), [[], 1], new Uint8Array(2000)])
      for (const value of ["a text", new Float64Array(3)]) put.call(writing.objectStore(name), value, key);
  await new Promise((resolve, reject) => {
    writing.oncomplete = resolve;
    writing.onabort = () => reject(writing.error);
  });
  database.close();
}

/**
 * Changes the last record of one of the account's object stores by hand.
 * @param {"flip" | "delete"} change
 * @returns {Promise<number>} how many there are
 */
export async function tamper(account, store, change) {
  const database = await hold(account);
  const records = transaction.call(database, store, "readwrite").objectStore(store);
  const keys = await done(records.getAllKeys());
  const key = keys.at(-1);
  if (change === "delete") {
    await done(remove.call(records, key));
  } else {
    const bytes = await done(records.get(key));
    bytes[Math.floor(bytes.length / 2)] ^= 0x40;
    await done(put.call(records, bytes, key));
  }
  database.close();
  return keys.length;
}
