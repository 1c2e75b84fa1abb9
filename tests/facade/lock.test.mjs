// What a client does with the account (docs/rules.md, R14 and R15): where there are no locks, where they do not answer,
// while the page sleeps, and what its engine hears of it. Who is to write is for claim.test.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { STATUS, codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";
import { WebLocks } from "./tabs.mjs";

/** A browser with these locks, for as long as `run` takes. */
async function withLocks(locks, run) {
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  Object.defineProperty(globalThis, "navigator", { value: { onLine: true, locks }, configurable: true });
  try {
    await run();
  } finally {
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
}

/** A page that can go to sleep. */
async function inPage(run) {
  const [page, tab] = [new EventTarget(), new EventTarget()];
  Object.assign(page, { visibilityState: "visible" });
  const addEventListener = tab.addEventListener.bind(tab);
  const removeEventListener = tab.removeEventListener.bind(tab);
  Object.assign(globalThis, { document: page, addEventListener, removeEventListener });
  try {
    await run({ page, tab });
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
}

test("Web Locks that throw, for a sandboxed page, leave the page's own", async () => {
  const refused = {
    request: async () => {
      throw new DOMException("no", "SecurityError");
    },
  };
  const thrown = {
    request: () => {
      throw new TypeError("no");
    },
  };
  // nobody here has aborted that
  const aborted = {
    request: async () => {
      throw new DOMException("no", "AbortError");
    },
  };
  for (const locks of [refused, thrown, aborted, undefined]) {
    await withLocks(locks, async () => {
      const { createClient, world } = fakePackage();
      const shared = options();
      const first = await createClient(shared);
      assert.equal(world.hosts[0].isPromoted, true);
      const second = await createClient(shared);
      assert.equal(world.hosts[1].isPromoted, false);
      await first.close();
      await until(() => world.hosts[1].isPromoted);
      await second.close();
    });
  }
});

test("a page that sleeps lets go of all before the handler returns, and awake it follows who has the account", () =>
  inPage(async ({ page, tab }) => {
    const locks = new WebLocks();
    const mine = locks.of({ name: "mine", isDead: false });
    await withLocks(mine, async () => {
      const { createClient, world } = fakePackage();
      const shared = options();
      const account = `pullcord:${shared.account}`;
      const first = await createClient(shared);
      const [host] = world.hosts;
      assert.equal(host.isPromoted, true);
      for (const [sleep, wake] of [
        [() => tab.dispatchEvent(new Event("pagehide")), () => tab.dispatchEvent(new Event("pageshow"))],
        [() => page.dispatchEvent(new Event("freeze")), () => page.dispatchEvent(new Event("resume"))],
      ]) {
        host.commands.length = 0;
        sleep();
        assert.equal(host.isPromoted, false, "it writes no more");
        assert.deepEqual(host.ops(), ["sleep", "freeze"]);
        // another tab has it at once
        let letGo;
        locks.of({ name: "other", isDead: false }).request(
          account,
          {},
          () =>
            new Promise((resolve) => {
              letGo = resolve;
            }),
        );
        await settled();
        assert.ok(letGo);
        wake();
        await settled();
        assert.deepEqual(host.ops(), ["sleep", "freeze", "wake", "resume"]);
        assert.equal(host.isPromoted, false, "it waits");
        assert.notEqual(first.status.getSnapshot().connection, "closed");
        letGo();
        await until(() => host.isPromoted, "it goes on when the other has gone");
      }
      await first.close();
      assert.deepEqual(locks.holders(account), []);
    });
  }));

test("a page that goes to sleep while its client opens leaves the account to others until it wakes", () =>
  inPage(async ({ tab }) => {
    const locks = new WebLocks();
    await withLocks(locks.of({ isDead: false }), async () => {
      const { createClient, world } = fakePackage();
      const shared = options();
      const { open } = world;
      let go;
      world.open = async (...given) => {
        await new Promise((resolve) => {
          go = resolve;
        });
        return open(...given);
      };
      const opening = createClient(shared);
      await until(() => go);
      tab.dispatchEvent(new Event("pagehide"));
      assert.equal(locks.holders(`pullcord:${shared.account}`).length, 1);
      await settled();
      assert.deepEqual(locks.holders(`pullcord:${shared.account}`), []);
      go();
      const client = await opening;
      const [host] = world.hosts;
      assert.deepEqual([host.isPromoted, host.ops()], [false, ["sleep", "freeze"]]);
      tab.dispatchEvent(new Event("pageshow"));
      await until(() => host.isPromoted);
      await client.close();
    });
  }));

test("the engines of two clients hear each other, also what was said while one was opening", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const [writer] = world.hosts;
  const { open } = world;
  let go;
  world.open = async (...given) => {
    await new Promise((resolve) => {
      go = resolve;
    });
    return open(...given);
  };
  const opening = createClient(shared);
  await until(() => go);
  writer.hooks.tell(new Uint8Array([1]));
  await new Promise((resolve) => setTimeout(resolve, 30));
  go();
  const second = await opening;
  const follower = world.hosts[1];
  await until(() => follower.heardBytes.length);
  assert.deepEqual(follower.heardBytes, [[1]]);
  // a view of the wasm's memory, which goes on changing
  const memory = new Uint8Array([8, 2, 3, 8]);
  follower.hooks.tell(memory.subarray(1, 3));
  memory.fill(0);
  writer.hooks.tell(new Uint8Array([4]));
  await until(() => writer.heardBytes.length && follower.heardBytes.length === 2);
  assert.deepEqual([writer.heardBytes, follower.heardBytes], [[[2, 3]], [[1], [4]]]);
  await first.close();
  await second.close();
  assert.equal(world.instances, 1, "one instance a page");
});

test("options say who shares: another scope, server or format is outdated, another account is not touched", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const others = [
    { sync: { scope: "conversation" } },
    { transport: { baseUrl: "https://other.example", token: () => "" } },
    { transport: { pull: async () => {}, conversations: async () => {}, history: async () => {} } },
    {},
  ];
  let before = await createClient(shared);
  const elsewhere = await createClient(options());
  for (const [at, more] of others.entries()) {
    if (at === 3) world.schema = 8;
    const next = await createClient({ ...shared, ...more });
    await until(() => before.status.getSnapshot().connection === "closed");
    assert.equal(before.status.getSnapshot().error.code, "outdated");
    await until(() => world.hosts.at(-1).isPromoted);
    assert.equal(next.status.getSnapshot().connection, "online");
    before = next;
  }
  world.schema = 8;
  const same = await createClient(shared);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.notEqual(before.status.getSnapshot().connection, "closed");
  assert.notEqual(elsewhere.status.getSnapshot().connection, "closed");
  for (const client of [same, before, elsewhere]) await client.close();
});

test("a client that does not open has ended no other, whatever it asked for", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const { open } = world;
  world.open = async () => {
    throw { code: "invalid", message: "sync.pollInterval: not that" };
  };
  for (const more of [{ ifOpen: "take-over" }, { sync: { scope: "mailbox" } }, {}])
    assert.equal(await codeOf(createClient({ ...shared, ...more })), "invalid");
  // nor one that is cancelled
  const controller = new AbortController();
  world.open = (...given) =>
    new Promise((resolve) => {
      controller.abort();
      resolve(open(...given));
    });
  assert.equal(await codeOf(createClient({ ...shared, ifOpen: "take-over", signal: controller.signal })), "aborted");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(first.status.getSnapshot().connection, "online");
  assert.equal(world.hosts[0].isPromoted, true);
  await first.close();
});

test("what an engine says while it opens the others hear once it is open", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const { open } = world;
  const memory = new Uint8Array([1, 2]);
  world.open = async (config, hooks) => {
    hooks.tell(memory);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(world.hosts[0].heardBytes, []);
    memory.fill(9);
    return open(config, hooks);
  };
  const second = await createClient(shared);
  await until(() => world.hosts[0].heardBytes.length);
  assert.deepEqual(world.hosts[0].heardBytes, [[1, 2]]);
  await first.close();
  await second.close();
});

test("ifOpen is the engine's to know", async () => {
  for (const ifOpen of [undefined, "share", "wait", "take-over"]) {
    const { client, host } = await fakeClient({ ifOpen });
    assert.equal(host.config.ifOpen, ifOpen);
    await client.close();
  }
});

test("a client whose data is in memory shares with its like, whether that was asked for or happened", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const stored = await createClient(shared);
  const { open } = world;
  world.open = async (config, hooks) => {
    const host = await open(config, hooks);
    host.frame({ status: { ...STATUS, storage: "memory" } });
    return host;
  };
  const first = await createClient({ ...shared, storage: { mode: "memory" } });
  const refused = await createClient(shared);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(
    world.hosts.map((host) => host.isPromoted),
    [true, true, false],
  );
  world.hosts[1].hooks.tell(new Uint8Array([1]));
  await until(() => world.hosts[2].heardBytes.length);
  assert.deepEqual(world.hosts[0].heardBytes, []);
  await first.close();
  await until(() => world.hosts[2].isPromoted);
  for (const client of [stored, refused]) await client.close();
});

test("a writer that is to stand back finishes its commit before another is told to write", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const second = await createClient(shared);
  const [writer, follower] = world.hosts;
  let done;
  writer.resting = new Promise((resolve) => {
    done = resolve;
  });
  await settled();
  // what it cannot do the other is offered
  writer.hooks.refused();
  await new Promise((resolve) => setTimeout(resolve, 800));
  assert.deepEqual([writer.isPromoted, follower.isPromoted], [true, false], "it is writing");
  done();
  await until(() => follower.isPromoted);
  assert.deepEqual([writer.isPromoted, writer.ops()], [false, ["rest"]]);
  await first.close();
  await second.close();
});

test("a stuck writer is replaced, and one that does not confirm its promotion hands it on", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const second = await createClient(shared);
  const [one, two] = world.hosts;
  await settled();
  two.hooks.stuck();
  await until(() => two.isPromoted && !one.isPromoted);
  // back again: but now it cannot
  one.promote = () => {
    one.isPromoted = true;
  };
  one.hooks.stuck();
  await until(() => one.isPromoted && !two.isPromoted);
  const began = Date.now();
  while (!two.isPromoted) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.ok(Date.now() - began > 4_000);
  assert.equal(one.isPromoted, false);
  await first.close();
  await second.close();
});

test("StrictMode, hot reload, a createClient too many: all live, on one instance of the wasm", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const clients = await Promise.all([createClient(shared), createClient(shared), createClient(shared)]);
  await settled();
  assert.equal(world.instances, 1);
  assert.equal(world.hosts.filter((host) => host.isPromoted).length, 1);
  for (const client of clients) assert.equal(client.status.getSnapshot().connection, "online");
  // each of them goes on when the others have gone
  await clients[0].close();
  await clients[2].close();
  await until(() => world.hosts.filter((host) => !host.isFree).length === 1);
  await until(() => world.hosts.some((host) => !host.isFree && host.isPromoted));
  assert.equal(clients[1].status.getSnapshot().connection, "online");
  await clients[1].close();
});

test("Web Locks that never answer are done without, and that is said", async () => {
  await withLocks({ request: () => new Promise(() => {}) }, async () => {
    const lines = [];
    const { createClient, wipe, world } = fakePackage();
    const shared = options({ logLevel: "warn", logger: (level, text) => lines.push([level, text]) });
    const client = await createClient(shared);
    assert.equal(world.hosts[0].isPromoted, true);
    assert.match(lines.join(), /warn,.*locks do not answer/);
    const second = await createClient({ ...shared, ifOpen: "take-over" });
    await until(() => world.hosts[1].isPromoted);
    assert.equal(client.status.getSnapshot().connection, "closed");
    await wipe(shared.account);
    await until(() => second.status.getSnapshot().connection === "closed");
    const controller = new AbortController();
    const opening = createClient(options({ signal: controller.signal, wasm: new Promise(() => {}) }));
    controller.abort();
    assert.equal(await codeOf(opening), "aborted");
  });
});
