// The core in a worker: createClient's option `worker`, with the packed package and the real server.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { demo, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { accountDatabases, nothingWrong, serversList, showing, shownList, wholeList } from "./support/lists.mjs";

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

  test("one whose script does not load, or throws, leaves the core in the page, and the log says why", async () => {
    const [ann] = await at.users("ann");
    const page = await openPage(await withWorkers(browser), server);
    // and not that it does not answer, which is known after 5 s only
    const lines = await page.evaluate(async (user) => {
      const lines = [];
      const broken = URL.createObjectURL(new Blob(["throw new Error('broken')"], { type: "text/javascript" }));
      for (const script of ["/blank/nowhere.js", broken]) {
        const worker = () => new Worker(script, { type: "module" });
        const client = await e2e.open(user, { worker, logger: (level, text) => lines.push(`${level} ${text}`) });
        await client.close();
      }
      return lines;
    }, ann);
    assert.deepEqual(lines, [
      "warn the core runs in the page, and not in a worker: the worker's script does not load",
      "warn the core runs in the page, and not in a worker: the worker's script throws: Uncaught Error: broken",
    ]);
    await page.context().close();
  });

  // What bounds a task of the page is tested here; how long one takes is a row of `npm run bench`.
  test("does not keep the page while 10,000 messages come in", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 30);
    const page = await inWorker(browser, ann, {
      // what the page has to do for each message of the worker, and for all that follows from it at once
      before: () => {
        globalThis.tasks = [];
        globalThis.task = null;
        const { prototype } = MessagePort;
        const { set } = Object.getOwnPropertyDescriptor(prototype, "onmessage");
        Object.defineProperty(prototype, "onmessage", {
          set(hear) {
            set.call(this, (event) => {
              const { say, text = "" } = event.data;
              const lists = text ? JSON.parse(text).timelines : [];
              const ins = (lists ?? []).flatMap(({ items = [] }) => items.flatMap((splice) => splice.ins));
              const rows = ins.filter((one) => typeof one === "object");
              globalThis.task = { say, size: text.length, rows: rows.length, read: 0, called: 0 };
              tasks.push(task);
              hear(event);
              queueMicrotask(() => {
                globalThis.task = null;
              });
            });
          },
        });
        const { parse } = JSON;
        JSON.parse = (text, ...more) => {
          if (globalThis.task) task.read += String(text).length;
          return parse(text, ...more);
        };
      },
    });
    await page.evaluate((talk) => {
      globalThis.timeline = client.timeline(talk);
      globalThis.rowsMade = 0;
      let shown = new Set();
      timeline.subscribe(() => {
        if (task) task.called += 1;
        const { items } = timeline.getSnapshot();
        globalThis.rowsMade += items.filter((item) => !shown.has(item)).length;
        shown = new Set(items);
      });
      client.conversations.subscribe(() => client.conversations.getSnapshot());
    }, talk);
    await page.evaluate(() => e2e.until(timeline, ({ items }) => items.length === 30).then(() => {}));
    for (let i = 0; i < 10; i += 1) await at.bulk(talk, 1000, `bulk ${i}`);
    await page.evaluate(() =>
      e2e.until(timeline, () => e2e.texts(timeline).at(-1) === "bulk 9 1000", 120_000).then(() => {}),
    );
    const { tasks, rowsMade } = await page.evaluate(() => ({ tasks, rowsMade }));
    const most = (what) => Math.max(...tasks.map((task) => task[what]));
    console.log(`${tasks.length} tasks; at most`, ...["rows", "size", "read", "called"].map((of) => [of, most(of)]));
    // a frame is of one commit, which is one batch of a pull: 500 events, whatever is behind
    assert.ok(most("rows") > 300 && most("rows") <= 500, `${most("rows")} rows in a task`);
    // of the list it says what has changed, so each message comes once, and is made into a row once
    assert.equal(
      tasks.reduce((sum, { rows }) => sum + rows, 0),
      10_030,
    );
    assert.equal(rowsMade, 10_030);
    for (const task of tasks) {
      assert.ok(task.size < 2000 + 400 * task.rows, `${task.size} characters for ${task.rows} rows`);
      // it reads the frame once, and tells each listener once
      assert.equal(task.read, task.size);
      assert.ok(task.called <= 1);
    }
    assert.equal(await wasmIsLoaded(page), false);
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
      globalThis.told = [];
      client.on("messages", ({ messages, live }) => told.push([messages.map(({ body }) => body.text).join(), live]));
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
    assert.deepEqual(await page.evaluate(() => told), [["while it was frozen", false]], "told once");
    await page.evaluate((talk) => client.send(talk, { text: "after" }), talk);
    await page.evaluate(() => e2e.until(client.outbox, (outbox) => outbox.length === 0));
    assert.deepEqual(await page.evaluate(() => workers.map((worker) => worker === null)), [true, false]);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a script deletes the database: it goes on with a new one; wiped in another tab, it ends", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 60);
    const page = await inWorker(browser, ann);
    await showing(page, talk);
    const told = await page.evaluate(async () => {
      const told = [];
      client.on("storage", ({ kind }) => told.push(kind));
      const request = indexedDB.deleteDatabase(`pullcord:${client.account}`);
      await new Promise((resolve, reject) => {
        request.onsuccess = resolve;
        request.onerror = () => reject(request.error);
      });
      await timeline.send({ text: "written on" });
      await e2e.until(client.outbox, (items) => items.length === 0);
      await e2e.caughtUp(client);
      return told;
    });
    assert.deepEqual(told, ["evicted"]);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    assert.deepEqual(await page.evaluate(() => e2e.violations), []);
    const other = await openPage(page.context(), server);
    await other.evaluate((ann) => pullcord.wipe(ann), ann);
    await page.evaluate(() => e2e.until(client.status, ({ connection }) => connection === "closed").then(() => {}));
    assert.deepEqual(await accountDatabases(other), []);
    await page.context().close();
  });

  test("signed out in another tab while the page is frozen, it ends when it wakes up, and the account is not made anew", async () => {
    const [ann] = await at.users("ann");
    /** @type {any} */
    const page = await inWorker(tools, ann);
    /** @type {any} */
    const other = await openPage(page.context(), server);
    await page.freeze();
    await other.bringToFront();
    await other.evaluate((ann) => pullcord.wipe(ann), ann);
    await page.thaw();
    await page.evaluate(() => e2e.until(client.status, ({ connection }) => connection === "closed").then(() => {}));
    assert.match(
      await page.evaluate(() => client.status.getSnapshot().error.message),
      /the data of this account was deleted/,
    );
    assert.deepEqual(await accountDatabases(other), []);
    // Who signs in again is not held up by it, and is another one's client.
    await page.evaluate(async (ann) => {
      globalThis.client = await e2e.open(ann);
      await e2e.caughtUp(client);
    }, ann);
    assert.deepEqual(await accountDatabases(other), [`pullcord:${ann}`]);
    await nothingWrong(page);
  });
});
