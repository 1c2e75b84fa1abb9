// `syncOnce` of "pullcord/worker": a client that is there for one sync.

import assert from "node:assert/strict";
import { test } from "node:test";
import { once } from "../../pkg-template/once.js";
import { EMPTY_WASM, STATUS, codeOf, fakePackage, message, options, settled, until } from "./fake.mjs";
import { World } from "./tabs.mjs";

/** What an engine answers to commands, by their names: a value, or `{ error }`; else it does as any other. */
function pushed(answers = {}) {
  const { instantiate, world, createClient } = fakePackage();
  const { open } = world;
  world.open = async (config, hooks) => {
    const host = await open(config, hooks);
    const { onCommand } = host;
    host.onCommand = (command) => {
      const answer = answers[command.op];
      if (answer === undefined) return onCommand(command);
      const { error, ok = null } = typeof answer === "function" ? answer(host) : answer;
      if (error || ok !== "never") host.frame({ results: [{ call: command.call, ok, error }] });
    };
    return host;
  };
  const syncOnce = once(instantiate, () => EMPTY_WASM);
  return { world, createClient, syncOnce: (more) => syncOnce(options(more)) };
}

const conversation = (id) => ({ id, unread: 1, lastSeq: "9", readSeq: null, sort: 1, lastMessage: null, meta: null });

test("syncs, tells what is new and whose it is, and ends: on no screen, and without notifications", async () => {
  const news = [message(8), message(9)];
  const { world, syncOnce } = pushed({
    sync: (host) => {
      host.frame({ conversations: [{ at: 0, del: 0, ins: ["c0", "c1"].map(conversation) }] });
      return {};
    },
    tell: { ok: news },
  });
  const told = await syncOnce({
    ifOpen: "take-over",
    worker: "of the page",
    sync: { notify: "long-poll", pullLimit: 7 },
  });
  assert.deepEqual(told, { messages: news, conversations: [conversation("c1")], visible: false });
  const [host] = world.hosts;
  assert.deepEqual(host.ops(), ["sync", "tell", "close"]);
  const { brief, hidden, notify, ifOpen, pullLimit } = host.config;
  assert.deepEqual([brief, hidden, notify, ifOpen, pullLimit], [true, true, "poll", undefined, 7]);
  assert.equal(host.isFree, true);
});

test("says whether another client is on screen", async () => {
  const { createClient, syncOnce } = pushed({ sync: {}, tell: { ok: [] } });
  const account = "ann on screen";
  const client = await createClient(options({ account }));
  assert.equal((await syncOnce({ account })).visible, true);
  await client.close();
  assert.equal((await syncOnce({ account })).visible, false);
});

test("what cannot be done rejects, with the reason; a network that fails is tried again until the deadline", async () => {
  for (const code of ["unauthorized", "storage", "protocol"]) {
    const { world, syncOnce } = pushed({ sync: { error: { code, message: "no" } } });
    assert.equal(await codeOf(syncOnce()), code);
    assert.deepEqual(world.hosts[0].ops(), ["sync", "close"], "nothing is told");
  }
  let tries = 0;
  const { syncOnce } = pushed({
    sync: () => (++tries < 2 ? { error: { code: "network", message: "no" } } : {}),
    tell: { ok: [message(1)] },
  });
  assert.equal((await syncOnce()).messages.length, 1);
  assert.equal(tries, 2);
  // opening fails
  const { world, syncOnce: refused } = pushed();
  world.open = async () => {
    throw { code: "storage-newer", message: "of a newer version" };
  };
  assert.equal(await codeOf(refused()), "storage-newer");
});

test("at the deadline it resolves with what there is, whoever does not answer", async () => {
  const never = { ok: "never" };
  const { world, syncOnce } = pushed({ sync: never, tell: { ok: [message(1)] } });
  assert.equal((await syncOnce({ deadline: 2000 })).messages.length, 1);
  assert.deepEqual(world.hosts[0].ops(), ["sync", "abort", "tell", "close"]);
  const nobody = pushed({ sync: never, tell: never });
  assert.deepEqual(await nobody.syncOnce({ deadline: 50 }), { messages: [], conversations: [], visible: false });
  // what nobody hears is not told: another one tells it
  await until(() => nobody.world.hosts[0].isFree);
  assert.ok(nobody.world.hosts[0].ops().includes("abort"));
  const closed = pushed();
  closed.world.open = () => new Promise(() => {});
  assert.deepEqual((await closed.syncOnce({ deadline: 50 })).messages, []);
});

test("wrong options reject; a signal cancels it", async () => {
  const { world, syncOnce } = pushed({ sync: { ok: "never" } });
  for (const wrong of [
    { deadline: 0 },
    { deadline: "5" },
    { deadline: Number.NaN },
    { deadline: 2 ** 31 },
    { account: "" },
    { transport: {} },
  ])
    assert.equal(await codeOf(syncOnce(wrong)), "invalid", JSON.stringify(wrong));
  const { instantiate } = fakePackage();
  for (const wrong of [undefined, null, "ann", []])
    assert.equal(await codeOf(once(instantiate, () => EMPTY_WASM)(wrong)), "invalid");
  assert.equal(world.hosts.length, 0);
  assert.equal(await codeOf(syncOnce({ signal: AbortSignal.abort() })), "aborted");
  const controller = new AbortController();
  const cancelled = syncOnce({ signal: controller.signal });
  await until(() => world.hosts.at(-1)?.last("sync"));
  controller.abort();
  assert.equal(await codeOf(cancelled), "aborted");
  assert.equal(world.hosts.at(-1).isFree, true);
});

test("one that a newer client has ended says why", async () => {
  const { world, createClient, syncOnce } = pushed({ sync: { ok: "never" } });
  const account = "ann of another scope";
  const told = codeOf(syncOnce({ account }));
  await until(() => world.hosts[0]?.last("sync"));
  const client = await createClient(options({ account, sync: { scope: "mailbox" } }));
  assert.equal(await told, "outdated");
  assert.equal(client.status.getSnapshot().connection, STATUS.connection);
  // and it ends no other, however new it is
  assert.equal(await codeOf(syncOnce({ account })), "outdated");
  await settled();
  assert.equal(client.status.getSnapshot().connection, STATUS.connection);
  await client.close();
});

// ---------------------------------------------------------------- who writes

test("one that is there for one sync takes the place of a writer that is stuck, though nobody looks at it", async (t) => {
  const world = new World(t);
  const tab = world.open();
  await world.run(500);
  const [brief, hidden] = [world.open({ brief: true }), world.open({ hidden: true })];
  await world.run(500);
  assert.deepEqual(world.writers, [tab]);
  tab.block();
  hidden.claim.stuck();
  await world.run(100);
  assert.deepEqual(world.holders, [tab]);
  brief.claim.stuck();
  await world.run(100);
  assert.deepEqual(world.writers, [brief]);
  tab.unblock();
  tab.commit();
  await world.run(100);
  // it is on no screen: who is looked at has the work back, at once
  await world.run(2000);
  assert.deepEqual(world.writers, [tab]);
  brief.close();
  await world.run(500);
  assert.deepEqual(world.writers, [tab]);
});

test("it leaves the work to whoever opens on a screen", async (t) => {
  const world = new World(t);
  const brief = world.open({ brief: true });
  await world.run(500);
  assert.deepEqual(world.writers, [brief]);
  const hidden = world.open({ hidden: true });
  await world.run(1000);
  assert.deepEqual(world.writers, [brief]);
  const tab = world.open();
  await world.run(1000);
  assert.deepEqual(world.writers, [tab]);
  assert.equal(await Promise.race([brief.claim.isSeen(), world.run(1000)]), true);
  tab.close();
  await world.run(1000);
  assert.equal(await Promise.race([brief.claim.isSeen(), world.run(1000)]), false);
  assert.deepEqual([brief.endings, hidden.endings], [[], []]);
});

test("whether somebody looks is answered at once where it ends meanwhile", async (t) => {
  const world = new World(t);
  const brief = world.open({ brief: true });
  await world.run(500);
  const seen = brief.claim.isSeen();
  brief.close();
  assert.equal(await Promise.race([seen, world.run(10_000)]), false);
});
