// Deleting an account's data, without the wasm: it may be elsewhere, or out of reach.

import { PullcordError, textOf, within } from "./errors.js";

/** ms that the browser may take to empty a database */
const EMPTYING = 4000;
/** ms that the browser may take to delete a database in which nothing is left */
const EMPTY = 2000;
/** ms that another tab may take to let go of the database */
const BLOCKED = 5000;
/** ms that the browser may take where nobody holds it: 10 s with those before */
const SILENT = 6000;

/** what a browser throws that has no storage, or forbids it here: nothing is stored */
const FORBIDDEN = ["SecurityError", "NotSupportedError", "InvalidStateError"];

/** @param {string} message @param {unknown} [cause] */
function storageError(message, cause) {
  return new PullcordError("storage", message, cause === undefined ? undefined : { cause });
}

/** @param {any} error */
function undeleted(error) {
  return storageError(`the data of the account could not be deleted: ${textOf(error)}`, error);
}

/** The name of an account's database, as in src/store/indexeddb. @param {string} account */
export function databaseName(account) {
  return `pullcord:${account}`;
}

/**
 * Deletes what the browser has stored of an account.
 *
 * It is emptied first: of a page that was frozen in the middle of a transaction Chromium keeps the database open until
 * that page wakes, and nothing is to be found in it until then.
 *
 * @param {string} account
 * @returns {Promise<void>} rejects with "storage" where something may be left
 */
export async function deleteDatabase(account) {
  try {
    // where there is no such thing, or it is forbidden, nothing is stored
    const { indexedDB } = globalThis;
    if (!indexedDB) return;
    const name = databaseName(account);
    // what cannot be emptied is deleted as it is
    const emptied = empty(indexedDB, name).catch(() => false);
    const isEmpty = await within(emptied, EMPTYING, () => false);
    await deleted(indexedDB, name, isEmpty);
  } catch (error) {
    if (error instanceof PullcordError) throw error;
    if (!FORBIDDEN.includes(/** @type {any} */ (error)?.name)) throw undeleted(error);
  }
}

/**
 * @param {IDBFactory} indexedDB
 * @param {string} name
 * @returns {Promise<boolean>} whether it is on the disk that nothing is in it
 */
function empty(indexedDB, name) {
  return new Promise((resolve) => {
    const opening = indexedDB.open(name);
    // none is made where there is none
    opening.onupgradeneeded = () => opening.transaction?.abort();
    opening.onerror = (event) => {
      event.preventDefault();
      resolve(false);
    };
    opening.onsuccess = () => {
      const database = opening.result;
      try {
        const tables = [...database.objectStoreNames];
        const transaction = database.transaction(tables, "readwrite", { durability: "strict" });
        transaction.oncomplete = () => resolve(true);
        transaction.onabort = () => resolve(false);
        for (const table of tables) transaction.objectStore(table).clear();
      } catch {
        resolve(false);
      } finally {
        // once the transaction has ended
        database.close();
      }
    };
  });
}

/**
 * @param {IDBFactory} indexedDB
 * @param {string} name
 * @param {boolean} isEmpty then it need not be gone
 * @returns {Promise<void>}
 */
function deleted(indexedDB, name, isEmpty) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    /** @param {number} ms @param {string} message */
    const patience = (ms, message) =>
      setTimeout(() => (isEmpty ? resolve() : reject(storageError(message))), isEmpty ? EMPTY : ms);
    let timer = patience(SILENT, "the browser does not answer: the account's data may not be deleted");
    request.onblocked = () => {
      clearTimeout(timer);
      timer = patience(
        BLOCKED,
        "another tab holds the account's data and does not let go of it: it is deleted once that tab is closed",
      );
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(undeleted(request.error));
    };
  });
}
