// Pullcord as an app uses it, with a transport in the page.

import { Feed } from "./feed.js";
import { pageBack } from "./paging.js";

/** @type {Promise<any>} */
let imported;
/** @type {WebAssembly.Memory | null} */
let memory = null;

// the instance is the package's own: its memory is seen where it is made
const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = /** @type {any} */ (
  async (/** @type {any} */ source, /** @type {any} */ imports) => {
    /** @type {any} */
    const made = await instantiate(source, imports);
    // the package's exports have short names
    memory = Object.values((made.instance ?? made).exports).find((value) => value instanceof WebAssembly.Memory);
    return made;
  }
);

export const wasmBytes = () => memory.buffer.byteLength;

/** The package, not bundled with the contenders: it is measured as it is published. */
export function importPackage() {
  const address = "/pkg/index.js";
  imported ??= import(address);
  return imported;
}

/** Resolves once `found` says so of the store's snapshot. */
export function until(store, found) {
  return new Promise((resolve) => {
    const look = () => {
      if (!found(store.getSnapshot())) return;
      unsubscribe();
      resolve(store.getSnapshot());
    };
    const unsubscribe = store.subscribe(look);
    look();
  });
}

async function connect(account, transport) {
  const { createClient } = await importPackage();
  // no timer pulls in between
  const sync = { notify: "poll", pollInterval: 3_600_000, fallbackPollInterval: 3_600_000 };
  return createClient({ account, transport, sync, storage: { mode: "indexeddb" } });
}

/** The first page of a timeline, as soon as it is there. */
export async function firstPage(account, transport, conversation, size) {
  const client = await connect(account, transport);
  const timeline = client.timeline(conversation);
  await until(timeline, ({ status, items }) => status === "ready" && items.length >= size);
  return { client, timeline };
}

/** Everything that costs once a page: the download, the compilation. */
export async function warmUp() {
  const { createClient } = await importPackage();
  const client = await createClient({ account: "warm-up", transport: new Feed([]), storage: { mode: "memory" } });
  await client.close();
}

export const pullcord = {
  name: "Pullcord",
  does: "createClient with an in-page transport; sync(); then timeline.loadOlder(), until the snapshot has the page",

  /** Signed in, the list read, and not a message yet. */
  async open(database, feed) {
    const client = await connect(database, feed);
    await until(client.status, ({ caughtUp, listed }) => caughtUp && listed);
    return client;
  },

  async catchUp(client) {
    await client.sync();
  },

  async count(client) {
    return (await client.inspect()).cachedMessages;
  },

  /** Reads the newest page, then `pages` of those before it, each after `between`. */
  async pageBack(database, feed, conversation, size, pages, between) {
    const { client, timeline } = await firstPage(database, feed, conversation, size);
    await until(client.status, ({ caughtUp }) => caughtUp);
    const seqs = timeline.getSnapshot().items.map((item) => Number(item.message.seq));
    console.profile();
    const paged = await pageBack(seqs, pages, between, async () => {
      const { added, source } = await timeline.loadOlder({ limit: size });
      const { items } = timeline.getSnapshot();
      return () => {
        if (source !== "cache") throw new Error(`a page came from ${source}`);
        return items.slice(0, added).map((item) => Number(item.message.seq));
      };
    });
    console.profileEnd();
    timeline.close();
    await client.close();
    return paged;
  },

  async close(client) {
    await client.close();
  },

  async remove(database) {
    await (await importPackage()).wipe(database);
  },
};
