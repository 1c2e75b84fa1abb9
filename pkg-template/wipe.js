// Deleting an account's data, without the wasm: it may be elsewhere, or out of reach.

import { PullcordError, textOf } from "./errors.js";

/** ms that another tab may take to let go of the database */
const BLOCKED = 5000;
/** ms that the browser may take where nobody holds it */
const SILENT = 10_000;

/** what a browser throws that has no storage, or forbids it here: nothing is stored */
const FORBIDDEN = ["SecurityError", "NotSupportedError", "InvalidStateError"];

/** @param {string} message @param {unknown} [cause] */
function storageError(message, cause) {
  return new PullcordError("storage", message, cause === undefined ? undefined : { cause });
}

/** The name of an account's database, as in src/store/indexeddb.rs. @param {string} account */
export function databaseName(account) {
  return `pullcord:${account}`;
}

/** @param {string} account @returns {Promise<void>} */
export function deleteDatabase(account) {
  return new Promise((resolve, reject) => {
    /** @type {IDBOpenDBRequest} */
    let request;
    try {
      // where there is no such thing, or it is forbidden, nothing is stored
      const { indexedDB } = globalThis;
      if (!indexedDB) {
        resolve();
        return;
      }
      request = indexedDB.deleteDatabase(databaseName(account));
    } catch (error) {
      if (FORBIDDEN.includes(/** @type {any} */ (error)?.name)) resolve();
      else reject(storageError(`the data of the account could not be deleted: ${textOf(error)}`, error));
      return;
    }
    const give = (/** @type {string} */ message) => () => reject(storageError(message));
    let timer = setTimeout(give("the browser does not answer: the account's data may not be deleted"), SILENT);
    request.onblocked = () => {
      clearTimeout(timer);
      timer = setTimeout(
        give("another tab holds the account's data and does not let go of it: it is deleted once that tab is closed"),
        BLOCKED,
      );
    };
    request.onsuccess = () => {
      clearTimeout(timer);
      resolve();
    };
    request.onerror = () => {
      clearTimeout(timer);
      reject(storageError(`the data of the account could not be deleted: ${textOf(request.error)}`, request.error));
    };
  });
}
