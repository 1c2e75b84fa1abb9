// Opening and ending a client: the account, its lock, taking over, closing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";

test("a client resolves with the engine's first status, and works once it has the lock", async () => {
  const { createClient, world } = fakePackage();
  let show;
  const original = world.open;
  world.open = async (config, hooks) => {
    const frame = hooks.frame;
    let held = [];
    hooks.frame = (text) => held.push(text);
    const host = await original(config, hooks);
    show = () => {
      hooks.frame = frame;
      for (const text of held) frame(text);
      held = [];
    };
    return host;
  };
  let open = false;
  const opening = createClient(options()).then((client) => {
    open = true;
    return client;
  });
  await until(() => world.hosts.length === 1 && world.hosts[0].isPromoted);
  assert.equal(open, false);
  show();
  await (await opening).close();
});

test("a second client of the account follows, and writes when the first has closed", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(world.hosts[1].isPromoted, false);
  await first.close();
  await until(() => world.hosts[1].isPromoted);
  assert.equal(world.instances, 1, "several clients share one instance");
  await second.close();
});

test("a following client that closes is passed by", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const second = await createClient(shared);
  const third = await createClient(shared);
  await second.close();
  await first.close();
  await until(() => world.hosts[2].isPromoted);
  assert.equal(world.hosts[1].isPromoted, false);
  await third.close();
});

test("take-over closes the earlier client, which says so, and passes by a waiting one", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const waiting = await createClient({ ...shared, ifOpen: "wait" });
  const second = await createClient({ ...shared, ifOpen: "take-over" });
  await until(() => world.hosts[2].isPromoted);
  const { connection, error } = first.status.getSnapshot();
  assert.deepEqual([connection, error.code], ["closed", "closed"]);
  assert.match(error.message, /taken over/);
  assert.equal(await codeOf(first.sync()), "closed");
  assert.deepEqual(world.hosts[0].ops(), ["close"]);
  assert.equal(world.hosts[1].isPromoted, false);
  await second.close();
  await until(() => world.hosts[1].isPromoted);
  await waiting.close();
});

test("take-over steals the lock from a client that does not react", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  world.hosts[0].onCommand = () => {};
  const second = await createClient({ ...shared, ifOpen: "take-over" });
  await until(() => world.hosts[1].isPromoted);
  assert.equal(await codeOf(first.sync()), "closed");
  world.hosts[0].hooks.stopped();
  await second.close();
});

test("take-over of an account that nobody has works at once", async () => {
  const { client, host } = await fakeClient({ ifOpen: "take-over" });
  await until(() => host.isPromoted);
  await client.close();
});

test("close is safe to call twice, and gives the host back", async () => {
  const { client, host } = await fakeClient();
  const pending = client.inspect();
  const [once, again] = [client.close(), client.close()];
  assert.equal(await codeOf(client.sync()), "closed");
  await Promise.all([once, again]);
  await client.close();
  await settled();
  assert.equal(await codeOf(pending), "closed");
  assert.deepEqual(host.ops(), ["inspect", "close"]);
  assert.equal(host.isFree, true);
  const { connection, error } = client.status.getSnapshot();
  assert.deepEqual([connection, error], ["closed", null]);
});

test("a change that was on its way when the client ended says that it may have been made", async () => {
  for (const end of [(host) => host.hooks.stopped(), (host) => host.hooks.panicked("mine")]) {
    const { client, host } = await fakeClient();
    host.onCommand = () => {};
    const timeline = client.timeline("c1");
    const changes = [
      client.send("c1", 1),
      timeline.edit("m1", 2),
      timeline.recall("m1"),
      client.markRead("c1", 5),
      client.retry("a"),
      client.discard("a"),
    ];
    const others = [client.sync(), client.inspect(), timeline.loadOlder()];
    await settled();
    end(host);
    const uncertain = async (promise) => promise.catch((error) => error.uncertain);
    assert.deepEqual(
      await Promise.all(changes.map(uncertain)),
      changes.map(() => true),
    );
    assert.deepEqual(
      await Promise.all(others.map(uncertain)),
      others.map(() => undefined),
    );
    assert.equal(await client.send("c1", 1).catch((error) => "uncertain" in error), false, "this one never left");
  }
});

test("an engine that stops by itself closes its client, with its reason", async () => {
  const { client, host } = await fakeClient();
  host.frame({
    status: {
      ...client.status.getSnapshot(),
      connection: "closed",
      error: { code: "storage", message: "deleted elsewhere" },
    },
  });
  host.hooks.stopped();
  const { connection, error } = client.status.getSnapshot();
  assert.deepEqual([connection, error.code], ["closed", "storage"]);
  await settled();
  assert.equal(host.isFree, true);
});

test("a store that does not open rejects with its reason, and the next try may work", async () => {
  const { createClient, world } = fakePackage();
  const original = world.open;
  world.open = async () => {
    throw { code: "storage-newer", message: "a newer version wrote it" };
  };
  const shared = options();
  await assert.rejects(
    createClient(shared),
    (error) => error instanceof PullcordError && error.code === "storage-newer",
  );
  world.open = original;
  const client = await createClient(shared);
  await client.close();
});

test("clients that are made again and again, and never closed, are told once", async () => {
  const { createClient } = fakePackage();
  /** @type {string[]} */
  const lines = [];
  const make = () =>
    createClient(options({ account: "many", logLevel: "warn", logger: (_, text) => lines.push(text) }));
  for (let i = 0; i < 20; i += 1) await (await make()).close();
  const all = [];
  for (let i = 0; i < 9; i += 1) all.push(await make());
  assert.deepEqual(lines, []);
  for (let i = 0; i < 3; i += 1) all.push(await make());
  assert.deepEqual(lines, ["createClient: 10 clients of this account are open in this page: make one, and close() it"]);
  for (const client of all) await client.close();
});
