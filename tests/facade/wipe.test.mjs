// Deleting what is stored of an account.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";

test("wipe closes every client of the account, and only those", async () => {
  const { createClient, wipe, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  const waiting = await createClient({ ...shared, ifOpen: "wait" });
  const other = await createClient(options());
  await wipe(shared.account);
  assert.equal(first.status.getSnapshot().connection, "closed");
  for (const one of [second, waiting]) await until(() => one.status.getSnapshot().connection === "closed");
  assert.equal(other.status.getSnapshot().connection, "online");
  await other.close();
});

test("a client's wipe closes the others, then deletes", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  await second.wipe();
  assert.equal(first.status.getSnapshot().connection, "closed");
  assert.deepEqual(
    world.hosts.map((host) => host.ops().at(-1)),
    ["close", "wipe"],
  );
  await second.wipe();
});

test("a wipe that could not delete rejects", async () => {
  const { client } = await fakeClient();
  const refused = (asked) => {
    asked.error = new DOMException("no", "UnknownError");
    asked.onerror();
  };
  await withDatabases(async () => assert.equal(await codeOf(client.wipe()), "storage"), refused);
  assert.equal(client.status.getSnapshot().connection, "closed");
});

/** A browser whose databases are deleted as `request` says, for as long as `run` takes. */
async function withDatabases(run, request = (asked) => asked.onsuccess()) {
  const deleted = [];
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase(name) {
      deleted.push(name);
      const asked = {};
      queueMicrotask(() => request(asked));
      return asked;
    },
  });
  try {
    await run(deleted);
  } finally {
    delete globalThis.indexedDB;
  }
}

test("wipe needs no client and no wasm, and closes the clients that there are", async () => {
  const { createClient, wipe, world } = fakePackage();
  const shared = options();
  await withDatabases(async (deleted) => {
    await wipe(shared.account);
    assert.deepEqual([deleted, world.instances], [[`pullcord:${shared.account}`], 0]);
    const client = await createClient(shared);
    await wipe(shared.account);
    assert.equal(client.status.getSnapshot().connection, "closed");
    assert.equal(deleted.length, 2);
  });
});

test("wipe rejects with storage where the data is not deleted, and resolves where there is none", async (t) => {
  const { wipe } = fakePackage();
  const { account } = options();
  const refused = (name) => (asked) => {
    asked.error = new DOMException("no", name);
    asked.onerror();
  };
  await withDatabases(async () => assert.equal(await codeOf(wipe(account)), "storage"), refused("UnknownError"));
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase() {
      throw new DOMException("no", "SecurityError");
    },
  });
  assert.equal(await codeOf(wipe(account)), "resolved");
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase() {
      throw new Error("no");
    },
  });
  assert.equal(await codeOf(wipe(account)), "storage");
  delete globalThis.indexedDB;
  assert.equal(await codeOf(wipe(account)), "resolved");
  // another tab does not let go, or the browser says nothing at all
  /** @type {[request: (asked: any) => void, bound: number][]} */
  const silences = [
    [(asked) => asked.onblocked(), 5_000],
    [() => {}, 6_000],
  ];
  for (const [request, bound] of silences) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await withDatabases(async (deleted) => {
      const wiping = codeOf(wipe(account));
      for (let turns = 0; turns < 5; turns += 1) await settled();
      assert.equal(deleted.length, 1);
      t.mock.timers.tick(bound);
      assert.equal(await wiping, "storage");
    }, request);
    t.mock.timers.reset();
  }
});

test("a database that takes too long to go is not waited for if it is empty, and 10 s if nothing is known of it", async (t) => {
  const { wipe } = fakePackage();
  /** A database with two tables, or a browser that never opens it. @type {(isSilent: boolean) => any} */
  const withTables = (isSilent) => (name) => {
    // wipes are noted in another one
    if (name === "pullcord") throw new Error("not here");
    /** @type {any} */
    const opening = {};
    /** @type {any} */
    const transaction = { objectStore: () => ({ clear() {} }) };
    const database = { objectStoreNames: ["meta", "guard"], transaction: () => transaction, close() {} };
    if (!isSilent)
      queueMicrotask(() => {
        opening.result = database;
        opening.onsuccess();
        queueMicrotask(() => transaction.oncomplete());
      });
    return opening;
  };
  /** @type {[isSilent: boolean, waits: number[], code: string][]} */
  const all = [
    [false, [2_000], "resolved"],
    [true, [4_000, 6_000], "storage"],
  ];
  for (const [isSilent, waits, code] of all) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await withDatabases(
      async () => {
        globalThis.indexedDB.open = withTables(isSilent);
        const wiping = codeOf(wipe(options().account));
        for (const ms of waits) {
          for (let turns = 0; turns < 8; turns += 1) await settled();
          t.mock.timers.tick(ms);
        }
        assert.equal(await wiping, code);
      },
      () => {},
    );
    t.mock.timers.reset();
  }
});

test("a client whose engine does not stop is wiped all the same", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, host } = await fakeClient();
  host.onCommand = () => {};
  await withDatabases(async (deleted) => {
    const wiping = client.wipe();
    for (let turns = 0; turns < 5; turns += 1) await settled();
    t.mock.timers.tick(5_000);
    await wiping;
    assert.deepEqual(deleted, [`pullcord:${client.account}`]);
    assert.equal(host.isFree, true);
  });
});

test("wipe() while it is being closed deletes the data when it has ended", async () => {
  const { client, host } = await fakeClient();
  host.onCommand = () => {};
  await withDatabases(async (deleted) => {
    const closing = client.close();
    const wiping = client.wipe();
    await settled();
    assert.deepEqual(deleted, []);
    host.hooks.stopped();
    await Promise.all([closing, wiping]);
    assert.deepEqual(deleted, [`pullcord:${client.account}`]);
  });
});
