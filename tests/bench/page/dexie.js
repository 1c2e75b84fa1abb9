// A sync on Dexie: a record a message under [conversation, seq], the cursor in the same transaction.

import { Dexie } from "dexie";
import { pageBack } from "./paging.js";

export const DEXIE_VERSION = Dexie.semVer;
const BATCH = 500;

function connect(name) {
  const database = new Dexie(name, { chromeTransactionDurability: "relaxed" });
  database.version(1).stores({ messages: "[conversation+seq]", meta: "" });
  return database;
}

async function readPage(database, conversation, before, size) {
  const page = await database
    .table("messages")
    .where("[conversation+seq]")
    .between([conversation, Dexie.minKey], [conversation, before], false, false)
    .reverse()
    .limit(size)
    .toArray();
  return page.reverse();
}

export const dexie = {
  name: "Dexie",
  does: 'bulkPut of a batch\'s messages and put of the cursor in one transaction; where("[conversation+seq]").between(…).reverse().limit(30).toArray()',

  async open(name, feed) {
    const database = connect(name);
    await database.open();
    return { database, feed };
  },

  async catchUp({ database, feed }) {
    const [messages, meta] = [database.table("messages"), database.table("meta")];
    let cursor = (await meta.get("cursor")) ?? "0";
    for (let hasMore = true; hasMore; ) {
      const batch = await feed.pull({ cursor, limit: BATCH });
      await database.transaction("rw", messages, meta, () =>
        Promise.all([messages.bulkPut(batch.events.map((event) => event.message)), meta.put(batch.cursor, "cursor")]),
      );
      ({ cursor, hasMore } = batch);
    }
  },

  async count({ database }) {
    return database.table("messages").count();
  },

  async pageBack(name, _feed, conversation, size, pages, between) {
    const database = connect(name);
    const seqs = (await readPage(database, conversation, Dexie.maxKey, size)).map((message) => message.seq);
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
    await Dexie.delete(name);
  },
};
