// An account that was signed out while a tab slept is not made anew by that tab (docs/rules.md, "Wiped"): how often it
// was wiped is counted in a database of its own, and a client that begins again looks whether that is still the same.

import { within } from "./errors.js";

const DATABASE = "pullcord";
const STORE = "wiped";
/** ms after which a browser that does not answer is not waited for: nothing is noted, or known to be */
const PATIENCE = 2000;

/** A key that does not tell the account's name: 53 bits of a hash (cyrb53). @param {string} account */
function keyOf(account) {
  let [high, low] = [0xdeadbeef, 0x41c6ce57];
  for (let at = 0; at < account.length; at += 1) {
    const unit = account.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function resultOf(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = (event) => {
      event.preventDefault();
      reject(request.error);
    };
  });
}

/**
 * @template T
 * @param {IDBTransactionMode} mode "readonly": where there is no such database none is made, and this rejects
 * @param {(store: IDBObjectStore) => Promise<T>} run
 * @returns {Promise<T>}
 */
async function inNotes(mode, run) {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => {
    if (mode === "readwrite") opening.result.createObjectStore(STORE);
    else opening.transaction?.abort();
  };
  const database = await resultOf(opening);
  try {
    const transaction = database.transaction(STORE, mode);
    const done = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([run(transaction.objectStore(STORE)), done]);
    return result;
  } finally {
    database.close();
  }
}

/** What becomes known of an account's wipes, from now on. */
export class Wipes {
  #account;
  #before;

  /** @param {string} account */
  constructor(account) {
    this.#account = account;
    this.#before = wipesOf(account);
  }

  /** @returns whether it was wiped since, as far as that was noted */
  async haveRisen() {
    const [now, before] = await Promise.all([wipesOf(this.#account), this.#before]);
    return now > before;
  }
}

/**
 * How often the account was wiped here, as far as that was noted.
 * @param {string} account
 * @returns {Promise<number>}
 */
async function wipesOf(account) {
  const noted = inNotes("readonly", (store) => resultOf(store.get(keyOf(account))));
  return within(
    noted.then(Number, () => 0).then((count) => count || 0),
    PATIENCE,
    () => 0,
  );
}

/** Notes that the account is wiped, before it is. @param {string} account @returns {Promise<void>} */
export async function noteWipe(account) {
  const noted = inNotes("readwrite", async (store) => {
    const count = Number(await resultOf(store.get(keyOf(account)))) || 0;
    await resultOf(store.put(count + 1, keyOf(account)));
  });
  // where it cannot be noted it is wiped all the same
  await within(
    noted.catch(() => {}),
    PATIENCE,
    () => {},
  );
}
