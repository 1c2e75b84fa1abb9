// The core in a worker: createClient's option `worker`, with the packed package and the real server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { demo, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { nothingWrong, serversList, showing, shownList, wholeList } from "./support/lists.mjs";

describe("the core in a worker", () => {
  let server, browser, tools, at;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    tools = await launchTools();
    at = demo(server);
  });

  after(async () => {
    await tools?.close();
    await browser?.close();
    await server?.stop();
  });

  /**
   * The demo's pages may make no worker (trusted-types 'none'): these may. The worker's script has a policy of its own,
   * the server's.
   */
  async function withWorkers(from) {
    const context = await from.newContext({ bypassCSP: true });
    if (from !== tools) return context;
    const newPage = async () => {
      const tab = await context.newPage();
      await tab.call("Page.setBypassCSP", { enabled: true });
      return tab;
    };
    return { newPage };
  }

  /** A page with the user's client, whose core is in a worker; `workers` are those that it has made. */
  async function inWorker(from, user, { script = "/blank/chat.worker.js", before = () => {} } = {}) {
    const page = await openPage(await withWorkers(from), server);
    await page.evaluate(before);
    await page.evaluate(
      async ({ user, script }) => {
        globalThis.workers = [];
        globalThis.logged = [];
        const worker = () => {
          const made = new Worker(script, { type: "module" });
          const { terminate } = made;
          made.terminate = () => {
            workers[workers.indexOf(made)] = null;
            terminate.call(made);
          };
          workers.push(made);
          return made;
        };
        const logger = (...line) => logged.push(line.slice(0, 2).join(" "));
        globalThis.client = await e2e.open(user, { worker, logger });
        await e2e.caughtUp(client);
      },
      { user, script },
    );
    return page;
  }

  const wasmIsLoaded = (page) =>
    page.evaluate(() => performance.getEntriesByType("resource").some(({ name }) => name.endsWith(".wasm")));

  test("shows, pages, sends and hears as in the page, which loads no wasm", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 120);
    const page = await inWorker(browser, ann);
    await showing(page, talk);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await page.evaluate((talk) => client.send(talk, { text: "from the page" }), talk);
    await at.send(bob, talk, "from another");
    await page.evaluate(async () => {
      const has = (text) => e2e.texts(timeline).includes(text);
      await e2e.until(timeline, () => has("from the page") && has("from another"));
      await e2e.until(client.outbox, (outbox) => outbox.length === 0);
      await e2e.until(timeline, ({ items }) => items.every((item) => item.kind === "message"));
    });
    assert.deepEqual(await shownList(page), await serversList(at, ann, talk));
    assert.equal(await wasmIsLoaded(page), false);
    assert.deepEqual(await page.evaluate(() => logged), []);
    await page.evaluate(() => client.close());
    assert.deepEqual(await page.evaluate(() => workers), [null]);
    await nothingWrong(page);
  });

  test("does not keep the page while 10,000 messages come in", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 30);
    const page = await inWorker(browser, ann, {
      // how long the page is busy with each message of the worker, and with all that follows from it at once
      before: () => {
        globalThis.tasks = [];
        const { prototype } = MessagePort;
        const { set } = Object.getOwnPropertyDescriptor(prototype, "onmessage");
        Object.defineProperty(prototype, "onmessage", {
          set(hear) {
            set.call(this, (event) => {
              const began = performance.now();
              hear(event);
              queueMicrotask(() => tasks.push(performance.now() - began));
            });
          },
        });
      },
    });
    await page.evaluate((talk) => {
      globalThis.timeline = client.timeline(talk);
      timeline.subscribe(() => timeline.getSnapshot());
      client.conversations.subscribe(() => client.conversations.getSnapshot());
    }, talk);
    // what a machine that is busy with other tests takes from a task is not the package's: the best of some rounds
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 4 && best >= 5; round += 1) {
      await page.evaluate(() => tasks.splice(0).length);
      for (let i = 0; i < 10; i += 1) await at.bulk(talk, 1000, `bulk ${round} ${i}`);
      await page.evaluate(
        (last) => e2e.until(timeline, () => e2e.texts(timeline).at(-1)?.startsWith(last)).then(() => {}),
        `bulk ${round} 9`,
      );
      await page.evaluate(() => e2e.caughtUp(client).then(() => {}));
      const took = (await page.evaluate(() => tasks)).sort((a, b) => a - b);
      console.log(
        `${took.length} tasks, half of them within ${took[took.length >> 1]} ms, all within ${took.at(-1)} ms`,
      );
      assert.ok(took.length > 10);
      best = Math.min(best, took.at(-1));
    }
    assert.ok(best < 5, `${best} ms`);
    await nothingWrong(page);
  });

  test("whose script is missing, or does not serve, leaves the core in the page after 5 s", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 5);
    const page = await inWorker(browser, ann, { script: "/blank/gate.js" });
    await showing(page, talk);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    assert.equal(await wasmIsLoaded(page), true);
    assert.match((await page.evaluate(() => logged)).join(), /warn the core runs in the page/);
    assert.deepEqual(await page.evaluate(() => workers), [null]);
    await page.context().close();
  });

  test("ends when the page is frozen, and another shows the same when it goes on", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 120);
    /** @type {any} */
    const page = await inWorker(tools, ann);
    await showing(page, talk);
    await page.evaluate(async () => {
      await timeline.loadOlder();
      globalThis.shown = timeline.getSnapshot();
    });
    await page.freeze();
    assert.deepEqual(await page.evaluate(() => workers), [null], "it was ended in the handler");
    await at.send(bob, talk, "while it was frozen");
    await page.thaw();
    await page.bringToFront();
    await page.evaluate(async () => {
      await e2e.until(timeline, () => e2e.texts(timeline).at(-1) === "while it was frozen");
      await e2e.caughtUp(client);
    });
    const kept = await page.evaluate(() => {
      const keys = new Map(shown.items.map((item) => [item.key, item]));
      const { items } = timeline.getSnapshot();
      return items.filter((item) => keys.has(item.key)).map((item) => item === keys.get(item.key));
    });
    assert.ok(kept.length >= 30 && kept.every(Boolean), "the same objects");
    await page.evaluate((talk) => client.send(talk, { text: "after" }), talk);
    await page.evaluate(() => e2e.until(client.outbox, (outbox) => outbox.length === 0));
    assert.deepEqual(await page.evaluate(() => workers.map((worker) => worker === null)), [true, false]);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });
});
