// The same without a library, as fast as IndexedDB gets with a record a message.

import { pageBack } from "./paging.js";

const BATCH = 500;

const done = (request) =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

const completed = (transaction) =>
  new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(undefined);
    transaction.onabort = () => reject(transaction.error);
  });

/** Chromium reads backwards in one request since version 141 */
const BACKWARDS = "getAllRecords" in IDBObjectStore.prototype;

function connect(name) {
  const request = indexedDB.open(name, 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("messages", { keyPath: ["conversation", "seq"] });
    request.result.createObjectStore("meta");
  };
  return done(request);
}

/** @returns {Promise<any[]>} descending */
function readBackwards(store, range, size) {
  if (BACKWARDS) return done(store.getAll({ query: range, count: size, direction: "prev" }));
  return new Promise((resolve, reject) => {
    const page = [];
    const request = store.openCursor(range, "prev");
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const cursor = request.result;
      if (cursor) page.push(cursor.value);
      if (cursor && page.length < size) cursor.continue();
      else resolve(page);
    };
  });
}

async function readPage(database, conversation, before, size) {
  const store = database.transaction("messages").objectStore("messages");
  const page = await readBackwards(store, IDBKeyRange.bound([conversation], [conversation, before], true, true), size);
  return page.reverse();
}

export const plain = {
  name: "plain IndexedDB",
  does: `a put for each message, without its key, and the cursor in one transaction; ${BACKWARDS ? 'getAll with direction "prev" and a count' : "a cursor that goes backwards"}`,

  async open(name, feed) {
    return { database: await connect(name), feed };
  },

  async catchUp({ database, feed }) {
    let cursor = (await done(database.transaction("meta").objectStore("meta").get("cursor"))) ?? "0";
    for (let hasMore = true; hasMore; ) {
      const batch = await feed.pull({ cursor, limit: BATCH });
      const transaction = database.transaction(["messages", "meta"], "readwrite", { durability: "relaxed" });
      const messages = transaction.objectStore("messages");
      for (const { message } of batch.events) messages.put(message);
      transaction.objectStore("meta").put(batch.cursor, "cursor");
      transaction.commit();
      await completed(transaction);
      ({ cursor, hasMore } = batch);
    }
  },

  async count({ database }) {
    return done(database.transaction("messages").objectStore("messages").count());
  },

  async pageBack(name, _feed, conversation, size, pages, between) {
    const database = await connect(name);
    // an array is greater than every number
    const seqs = (await readPage(database, conversation, [], size)).map((message) => message.seq);
    const paged = await pageBack(seqs, pages, between, async (before) => {
      const found = await readPage(database, conversation, before, size);
      return () => found.map((message) => message.seq);
    });
    database.close();
    return paged;
  },

  async close({ database }) {
    database.close();
  },

  async remove(name) {
    await done(indexedDB.deleteDatabase(name));
  },
};
