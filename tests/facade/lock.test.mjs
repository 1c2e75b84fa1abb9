// Who works: the lock, where it is none, where it does not answer, and while the page sleeps (docs/rules.md, R14 and
// R15).

import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";

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
  Object.assign(globalThis, { document: page, addEventListener: tab.addEventListener.bind(tab) });
  try {
    await run({ page, tab });
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
  }
}

/** The Web Locks of a browser, one queue a name; `takeAway` is what Safari does to a page that sleeps. */
class WebLocks {
  queues = new Map();

  /**
   * @param {string} name
   * @param {{ ifAvailable?: boolean, steal?: boolean, signal?: AbortSignal }} options
   * @param {(lock: any) => any} use
   */
  request(name, { ifAvailable, steal, signal }, use) {
    const queue = this.queues.get(name) ?? [];
    this.queues.set(name, queue);
    return new Promise((resolve, reject) => {
      const entry = {
        reject,
        give: () =>
          Promise.resolve(use({ name }))
            .then(resolve, reject)
            .finally(() => this.leave(name, entry)),
      };
      if (ifAvailable && queue.length > 0) return resolve(use(null));
      signal?.addEventListener("abort", () => {
        if (queue[0] === entry) return;
        this.leave(name, entry);
        reject(new DOMException("aborted", "AbortError"));
      });
      if (steal) this.takeAway(name, false);
      queue.push(entry);
      if (queue[0] === entry) setImmediate(entry.give);
      return undefined;
    });
  }

  leave(name, entry) {
    const queue = this.queues.get(name);
    const at = queue.indexOf(entry);
    if (at < 0) return;
    queue.splice(at, 1);
    if (at === 0) queue[0]?.give();
  }

  takeAway(name, goesOn = true) {
    const queue = this.queues.get(name);
    queue.shift()?.reject(new DOMException("taken", "AbortError"));
    if (goesOn) queue[0]?.give();
  }
}

/** Another tab, as far as it is heard. */
function otherTab(account) {
  const channel = new BroadcastChannel(`pullcord:${account}`);
  const heard = [];
  channel.onmessage = ({ data }) => {
    heard.push(data.type);
    tab.onMessage(data);
  };
  const tab = {
    heard,
    onMessage: (_message) => {},
    tell: (type, more) => channel.postMessage({ type, by: "~other", ...more }),
    close: () => channel.close(),
  };
  return tab;
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
  for (const locks of [refused, thrown, undefined]) {
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

test("a page that sleeps lets go of the lock before the handler returns, and queues when it wakes", () =>
  inPage(async ({ page, tab }) => {
    const locks = new WebLocks();
    await withLocks(locks, async () => {
      const { createClient, world } = fakePackage();
      const shared = options();
      const first = await createClient(shared);
      const elsewhere = otherTab(shared.account);
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
        await until(() => locks.queues.get(`pullcord:${shared.account}`).length === 0);
        locks.request(
          `pullcord:${shared.account}`,
          {},
          () =>
            new Promise((resolve) => {
              letGo = resolve;
            }),
        );
        await until(() => letGo);
        wake();
        assert.deepEqual(host.ops(), ["sleep", "freeze", "wake", "resume"]);
        await settled();
        assert.equal(host.isPromoted, false, "it waits");
        assert.notEqual(first.status.getSnapshot().connection, "closed");
        letGo();
        await until(() => host.isPromoted, "it goes on when the other has gone");
      }
      await until(() => elsewhere.heard.filter((type) => type === "gone").length === 2);
      elsewhere.close();
      await first.close();
    });
  }));

test("a client that another has taken over from while it slept ends when it wakes, whether it has heard of it or not", () =>
  inPage(async ({ tab }) => {
    const locks = new WebLocks();
    await withLocks(locks, async () => {
      for (const hears of [true, false]) {
        const { createClient, world } = fakePackage();
        const shared = options();
        const name = `pullcord:${shared.account}`;
        const first = await createClient(shared);
        const elsewhere = otherTab(shared.account);
        tab.dispatchEvent(new Event("pagehide"));
        await until(() => locks.queues.get(name).length === 0);
        locks.request(name, {}, () => new Promise(() => {}));
        if (hears) elsewhere.tell("took", { closing: true });
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.notEqual(first.status.getSnapshot().connection, "closed", "it sleeps");
        elsewhere.onMessage = ({ type }) => type === "who" && elsewhere.tell("here", { tookOverAt: Date.now() });
        tab.dispatchEvent(new Event("pageshow"));
        await until(() => first.status.getSnapshot().connection === "closed");
        assert.match(first.status.getSnapshot().error.message, /taken over/);
        assert.equal(world.hosts[0].isPromoted, false);
        elsewhere.close();
      }
    });
  }));

test("a client that is to take over says so, also where the lock is free: one that sleeps has let go of it", async () => {
  const locks = new WebLocks();
  await withLocks(locks, async () => {
    const { createClient } = fakePackage();
    for (const [ifOpen, closing] of [
      ["take-over", true],
      ["wait", false],
    ]) {
      const shared = options();
      const elsewhere = otherTab(shared.account);
      const took = [];
      elsewhere.onMessage = (data) => data.type === "took" && took.push(data.closing);
      const client = await createClient({ ...shared, ifOpen });
      await until(() => took.length);
      assert.deepEqual(took, [closing]);
      await client.close();
      elsewhere.close();
    }
  });
});

test("a lock that the browser takes away is asked for again", async () => {
  const locks = new WebLocks();
  await withLocks(locks, async () => {
    const { client, host } = await fakeClient();
    assert.equal(host.isPromoted, true);
    locks.takeAway(`pullcord:${client.account}`);
    await settled();
    await until(() => host.isPromoted);
    assert.notEqual(client.status.getSnapshot().connection, "closed");
    await client.close();
  });
});

test("a lock that is stolen by one that takes over ends the client, also where the theft is heard of first", async () => {
  const locks = new WebLocks();
  await withLocks(locks, async () => {
    const { createClient, world } = fakePackage();
    const shared = options();
    const first = await createClient(shared);
    const elsewhere = otherTab(shared.account);
    locks.takeAway(`pullcord:${shared.account}`, false);
    locks.request(`pullcord:${shared.account}`, {}, () => new Promise(() => {}));
    await until(() => !world.hosts[0].isPromoted);
    elsewhere.tell("took", { closing: true });
    await until(() => first.status.getSnapshot().connection === "closed");
    assert.match(first.status.getSnapshot().error.message, /taken over/);
    elsewhere.close();
  });
});

test("without Web Locks the last one opened works, and the earlier one again when it has gone", async () => {
  const { client, host } = await fakeClient();
  const elsewhere = otherTab(client.account);
  elsewhere.tell("took");
  await until(() => !host.isPromoted, "the later one has not come to its turn");
  assert.notEqual(client.status.getSnapshot().connection, "closed");
  elsewhere.tell("gone");
  await until(() => host.isPromoted, "its turn has not come again");
  await until(() => elsewhere.heard.includes("took"));
  await client.close();
  await until(() => elsewhere.heard.includes("gone"));
  elsewhere.close();
});

test("one that was fenced is not dead: it works again when nothing is heard of the other, and not while it is", async () => {
  const { client, host } = await fakeClient();
  const elsewhere = otherTab(client.account);
  let answers = 0;
  elsewhere.onMessage = ({ type }) => {
    if (type !== "who" || answers === 1) return;
    answers += 1;
    elsewhere.tell("here");
  };
  elsewhere.tell("took");
  await until(() => !host.isPromoted);
  host.hooks.fenced();
  assert.notEqual(client.status.getSnapshot().connection, "closed");
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  assert.deepEqual([answers, host.isPromoted], [1, false], "it has answered");
  await new Promise((resolve) => setTimeout(resolve, 6_500));
  assert.equal(host.isPromoted, true, "it was silent");
  host.hooks.fenced();
  assert.equal(host.isPromoted, false);
  elsewhere.close();
  await client.close();
});

test("two that come to their turn in the same moment agree on one", async () => {
  const { client, host } = await fakeClient();
  const elsewhere = otherTab(client.account);
  elsewhere.tell("took", { by: "" });
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(host.isPromoted, true, "of the two it has the greater name");
  await until(() => elsewhere.heard.filter((type) => type === "took").length >= 1);
  await client.close();
  elsewhere.close();
});

// Last of all: from here on this process believes its locks to be silent.
test("Web Locks that never answer are done without, and that is said", async () => {
  await withLocks({ request: () => new Promise(() => {}) }, async () => {
    const lines = [];
    const began = Date.now();
    const { createClient, wipe, world } = fakePackage();
    const shared = options({ logLevel: "warn", logger: (level, text) => lines.push([level, text]) });
    const client = await createClient(shared);
    assert.ok(Date.now() - began < 4_000);
    assert.equal(world.hosts[0].isPromoted, true);
    assert.match(lines.join(), /warn,.*locks do not answer/);
    const second = await createClient({ ...shared, ifOpen: "take-over" });
    await until(() => world.hosts[1].isPromoted);
    assert.equal(client.status.getSnapshot().connection, "closed");
    await wipe(shared.account);
    assert.equal(second.status.getSnapshot().connection, "closed");
    const controller = new AbortController();
    const opening = createClient(options({ signal: controller.signal, wasm: new Promise(() => {}) }));
    controller.abort();
    assert.equal(await codeOf(opening), "aborted");
  });
});
