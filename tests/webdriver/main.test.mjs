// The main path, and a database that goes wrong, in browsers that Playwright does not drive as they are: `BROWSER` says
// which, "firefox" or "webkit". The same package and the same server as in the end-to-end tests in Chromium; where the
// browser is not there, every test says so and is skipped.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { databaseTests } from "../e2e/support/database.mjs";
import {
  demo,
  eventually,
  findings,
  freePort,
  importPackage,
  signIn,
  startServer,
  temporaryFolder,
} from "../e2e/support/harness.mjs";
import { SEQS, followsBehind, goesOn, serversList, shownList, showing, wholeList } from "../e2e/support/lists.mjs";
import { RUN, browser, name } from "./browsers.mjs";
import { startOrigin } from "./origin.mjs";
import { launch } from "./session.mjs";

/** Nothing but the socket can tell of what is new within these tests. */
const BY_SOCKET = { prefetch: false, sync: { pollInterval: 600_000, fallbackPollInterval: 600_000 } };

describe(name, () => {
  let server, origin, session, at;

  before(async () => {
    if (!browser) return;
    [server, session] = await Promise.all([startServer({ args: [...SEQS, "--cors", "*"] }), launch(browser)]);
    console.log(`in ${session.name}`);
    origin = await startOrigin({ pages: server });
    at = demo(server);
  });

  after(async () => {
    await session?.close();
    origin?.stop();
    await server?.stop();
  });

  /**
   * The window with a new page, that has the package.
   * @returns {Promise<any>} it, with `evaluate` as a page of Playwright's
   */
  async function pageIn(window, at = origin) {
    await window.goto(`${at.url}/blank/`);
    await begin(window);
    return Object.assign(window, { problems: [] });
  }

  async function begin(window) {
    await window.evaluate(() => {
      globalThis.thrown = [];
      addEventListener("error", (event) => thrown.push(event.message));
      addEventListener("unhandledrejection", (event) => thrown.push(String(event.reason)));
    });
    await importPackage(window);
  }

  /** The test is through: no snapshot broke a rule, nothing was thrown; the client lets go of what it holds. */
  async function nothingWrong(page) {
    assert.deepEqual(await findings(page), []);
    assert.deepEqual(await page.evaluate(() => thrown), []);
    await page.evaluate(() => globalThis.client?.close());
  }

  const sawLast = (page, text) =>
    page.evaluate(
      (text) =>
        e2e
          .until(timeline, (now) => now.items.at(-1)?.kind === "message" && e2e.textOf(now.items.at(-1)) === text)
          .then(() => {}),
      text,
    );

  test(
    "the package loads, the client signs in, and the list is complete and in order, a page at a time back to its beginning",
    RUN,
    async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 200);
      const page = await pageIn(session.window);
      await signIn(page, ann, { prefetch: false });
      const status = await page.evaluate(() => client.status.getSnapshot());
      assert.deepEqual([status.storage, status.error], ["indexeddb", null]);
      assert.deepEqual(
        await page.evaluate(() => client.conversations.getSnapshot().map(({ id, unread }) => [id, unread])),
        [[talk, 200]],
      );
      await showing(page, talk);
      const all = await serversList(at, ann, talk);
      assert.deepEqual(await shownList(page), all.slice(-30));
      const loads = await page.evaluate(async () => {
        const loads = [];
        while (timeline.getSnapshot().hasOlder) {
          const { added, end, source } = await timeline.loadOlder();
          loads.push([added, end, source]);
        }
        return loads;
      });
      assert.deepEqual(
        loads,
        [30, 30, 30, 30, 30, 20].map((added) => [added, added === 20, "network"]),
      );
      assert.deepEqual(await shownList(page), all);
      await page.evaluate(() => timeline.markRead());
      await page.evaluate(() => e2e.until(client.conversations, ([one]) => one.unread === 0).then(() => {}));
      await nothingWrong(page);
    },
  );

  test(
    "what is sent is shown at once, and delivered once; what others send, edit and recall comes by the socket",
    RUN,
    async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const page = await pageIn(session.window);
      await signIn(page, ann, BY_SOCKET);
      await showing(page, talk);
      const shown = await page.evaluate(async () => {
        const states = [];
        const look = () => states.push(timeline.getSnapshot().items.at(-1).kind);
        const unsubscribe = timeline.subscribe(look);
        const { key } = await timeline.send({ text: "mine" });
        const here = timeline.getSnapshot().items.at(-1).key === key;
        await e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message");
        unsubscribe();
        return { here, first: states[0], last: states.at(-1) };
      });
      assert.deepEqual(shown, { here: true, first: "local", last: "message" });
      // told of by the socket: no timer is due, and nothing was asked by hand
      const his = await at.send(bob, talk, "from Bob");
      await sawLast(page, "from Bob");
      await page.evaluate(
        ({ bob, talk, id }) =>
          e2e.call(
            "PATCH",
            `/v1/conversations/${talk}/messages/${id}`,
            { clientId: "edit", body: { text: "from Bob, edited" } },
            bob,
          ),
        { bob, talk, id: his.id },
      );
      await sawLast(page, "from Bob, edited");
      const edited = await page.evaluate(async () => {
        const mine = timeline.getSnapshot().items.at(-2).message;
        return (await timeline.edit(mine.id, { text: "mine, edited" })).version > mine.version;
      });
      assert.ok(edited);
      await at.post(`/v1/conversations/${talk}/messages/${his.id}/recall`, {}, bob);
      await page.evaluate(() =>
        e2e.until(timeline, (now) => now.items.at(-1).message.state === "recalled").then(() => {}),
      );
      const all = await serversList(at, ann, talk);
      assert.equal(all.length, 12);
      assert.deepEqual(await shownList(page), all);
      await nothingWrong(page);
    },
  );

  test(
    "without the server a reload shows what is stored; what is written then is delivered once the server is back, once",
    RUN,
    async () => {
      const port = await freePort();
      const start = () => startServer({ args: ["--db", file, ...SEQS], port });
      const file = join(temporaryFolder(), "server.db");
      let mortal = await start();
      // the page itself comes from a server that stays
      const split = await startOrigin({ pages: server, api: mortal });
      try {
        const of = demo(mortal);
        const [ann, bob] = await of.users("ann", "bob");
        const talk = await of.conversation([ann, bob], 50);
        const page = await pageIn(session.window, split);
        const open = () =>
          page.evaluate(async (ann) => {
            globalThis.client = await e2e.open(ann, { sync: { fallbackPollInterval: 500 } });
          }, ann);
        await open();
        await page.evaluate(() => e2e.caughtUp(client).then(() => {}));
        await showing(page, talk);
        const before = await shownList(page);
        await mortal.kill();
        await page.reload();
        await begin(page);
        await open();
        await page.evaluate(async (talk) => {
          globalThis.timeline = client.timeline(talk);
          e2e.watch(timeline);
          await e2e.until(timeline, (now) => now.items.length === 30);
        }, talk);
        assert.deepEqual(await shownList(page), before);
        await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline").then(() => {}));
        const key = await page.evaluate(async () => (await timeline.send({ text: "written offline" })).key);
        // and once more: it waits in the database
        await page.reload();
        await begin(page);
        await open();
        const waiting = await page.evaluate(() => client.outbox.getSnapshot().map((item) => item.body.text));
        assert.deepEqual(waiting, ["written offline"]);
        mortal = await start();
        await of.send(bob, talk, "meanwhile");
        await page.evaluate(async (talk) => {
          await e2e.until(client.outbox, (items) => items.length === 0);
          await e2e.caughtUp(client);
          globalThis.timeline = await e2e.show(client, talk);
        }, talk);
        assert.ok(key);
        const all = await serversList(of, ann, talk);
        assert.deepEqual(all.filter((line) => line.includes("written offline")).length, 1);
        assert.deepEqual(await wholeList(page), all);
        await nothingWrong(page);
      } finally {
        split.stop();
        await mortal.stop();
      }
    },
  );

  test("a second tab shows the same, live, and goes on when the first has gone", RUN, async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 60);
    const first = await pageIn(await session.newWindow());
    await signIn(first, ann);
    await showing(first, talk);
    const second = await pageIn(session.window);
    await followsBehind(second, ann, talk);
    await sawLast(first, "from the second");
    await at.bulk(talk, 1, "meanwhile");
    for (const tab of [first, second]) await sawLast(tab, "meanwhile 1");
    assert.deepEqual(await findings(first), []);
    await first.close();
    await goesOn(second, talk);
    assert.deepEqual(await wholeList(second), await serversList(at, ann, talk));
    await nothingWrong(second);
  });

  test("wipe deletes what is stored, in every tab", RUN, async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 40);
    const page = await pageIn(session.window);
    await signIn(page, ann);
    await showing(page, talk);
    const other = await pageIn(await session.newWindow());
    const databases = (page) => page.evaluate(async () => (await indexedDB.databases()).map((one) => one.name));
    assert.ok((await databases(other)).includes(`pullcord:${ann}`));
    await other.evaluate((ann) => pullcord.wipe(ann), ann);
    await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "closed").then(() => {}));
    await eventually(async () => assert.ok(!(await databases(other)).includes(`pullcord:${ann}`)));
    await other.close();
    await signIn(page, ann);
    assert.equal(await page.evaluate(async () => (await client.inspect()).cachedMessages), 0);
    await showing(page, talk);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await page.evaluate(() => client.wipe());
    assert.ok(!(await databases(page)).includes(`pullcord:${ann}`));
    assert.deepEqual(await findings(page), []);
  });

  /** A window of its own, which is looked at, with a client that notes what it is told. */
  async function watched(user, talk) {
    const page = await pageIn(await session.newWindow("window"));
    await signIn(page, user, BY_SOCKET);
    await page.evaluate(() => {
      globalThis.told = [];
      client.on("messages", ({ messages, live }) => told.push(...messages.map(({ body }) => [body.text, live])));
    });
    await showing(page, talk);
    return page;
  }

  /**
   * To another page, where something happens meanwhile, and back.
   * @returns whether it was in the page cache; else it was loaded anew, and has no client
   */
  async function awayAndBack(t, page, meanwhile) {
    await page.goto(`${origin.url}/blank/?elsewhere`);
    await meanwhile();
    await page.back();
    const isCached = await page.evaluate(() => typeof client !== "undefined");
    console.log(isCached ? "it came from the page cache" : "it was loaded anew");
    // Firefox keeps no page that held a lock or had a socket when it was left
    if (!isCached && name === "webkit") t.skip("the browser has not kept the page");
    return isCached;
  }

  const has = (page, text) =>
    page.evaluate((text) => e2e.until(timeline, () => e2e.texts(timeline).includes(text)).then(() => {}), text);

  const keysOf = (page) => page.evaluate(() => timeline.getSnapshot().items.map(({ key }) => key));

  test("the core in a worker, which ends with the page that goes into the page cache", RUN, async (t) => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 120);
    const page = await pageIn(await session.newWindow());
    await page.evaluate(async (ann) => {
      globalThis.workers = [];
      const worker = () => {
        const made = new Worker("/blank/chat.worker.js", { type: "module" });
        workers.push(made);
        return made;
      };
      globalThis.client = await e2e.open(ann, { worker, prefetch: false });
      await e2e.caughtUp(client);
    }, ann);
    await showing(page, talk);
    await page.evaluate(() => timeline.loadOlder().then(() => {}));
    const all = await serversList(at, ann, talk);
    assert.deepEqual(await shownList(page), all.slice(-60));
    const isLoaded = () => performance.getEntriesByType("resource").some(({ name }) => name.endsWith(".wasm"));
    assert.deepEqual([await page.evaluate(isLoaded), await page.evaluate(() => workers.length)], [false, 1]);
    if (await awayAndBack(t, page, () => at.bulk(talk, 1, "meanwhile"))) {
      await sawLast(page, "meanwhile 1");
      await eventually(async () => assert.equal(await page.evaluate(() => workers.length), 2));
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    }
    await page.close();
  });

  test(
    "the writer goes into the page cache: another goes on, and back it shows what came, and works",
    RUN,
    async (t) => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 60);
      const writer = await watched(ann, talk);
      const other = await watched(ann, talk);
      assert.equal(await writer.evaluate(() => client.status.getSnapshot().writer), "here");
      await writer.evaluate(() => timeline.loadOlder().then(() => {}));
      const keys = await keysOf(writer);
      // stored, and on their way, when it goes
      await writer.evaluate((talk) => {
        globalThis.sent = Promise.all(["a", "b", "c"].map((text) => client.send(talk, { text: `own ${text}` })));
        return sent.then(() => {});
      }, talk);
      const isCached = await awayAndBack(t, writer, async () => {
        await other.evaluate(() => e2e.until(client.status, ({ writer }) => writer === "here").then(() => {}));
        await at.send(bob, talk, "while it was away");
        await has(other, "while it was away");
        await other.evaluate((talk) => client.send(talk, { text: "own d" }).then(() => {}), talk);
        await other.evaluate(() => e2e.until(client.outbox, (outbox) => outbox.length === 0).then(() => {}));
      });
      if (isCached) {
        await has(writer, "while it was away");
        await writer.evaluate(() => e2e.until(client.outbox, (outbox) => outbox.length === 0).then(() => {}));
        assert.deepEqual((await keysOf(writer)).slice(0, keys.length), keys, "what it had is where it was");
        // live in both directions, and the work stays where it is
        assert.equal(await writer.evaluate(() => client.status.getSnapshot().writer), "elsewhere");
        await writer.evaluate((talk) => client.send(talk, { text: "own e" }).then(() => {}), talk);
        for (const page of [writer, other]) await sawLast(page, "own e");
        await at.send(bob, talk, "live again");
        for (const page of [writer, other]) {
          await sawLast(page, "live again");
          assert.deepEqual(
            (await page.evaluate(() => told)).filter(([text]) => text === "live again"),
            [["live again", true]],
          );
        }
      }
      const all = await serversList(at, ann, talk);
      const own = all.flatMap((line) => /own [a-e]/.exec(line) ?? []).sort();
      assert.deepEqual(own, ["own a", "own b", "own c", "own d", ...(isCached ? ["own e"] : [])], "each once");
      for (const page of isCached ? [writer, other] : [other]) {
        assert.deepEqual(await wholeList(page), all);
        await nothingWrong(page);
      }
      for (const page of [writer, other]) await page.close();
    },
  );

  test("alone in the page cache: back it tells once what came meanwhile, and sends what was left", RUN, async (t) => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 60);
    const page = await watched(ann, talk);
    const keys = await keysOf(page);
    await page.evaluate((talk) => client.send(talk, { text: "own a" }).then(() => {}), talk);
    const isCached = await awayAndBack(t, page, () => at.send(bob, talk, "while it was away"));
    if (isCached) {
      await has(page, "while it was away");
      await page.evaluate(() => e2e.until(client.outbox, (outbox) => outbox.length === 0).then(() => {}));
      assert.deepEqual((await keysOf(page)).slice(0, keys.length), keys);
      assert.deepEqual(await page.evaluate(() => told), [["while it was away", false]]);
      const all = await serversList(at, ann, talk);
      assert.equal(all.filter((line) => line.includes("own a")).length, 1);
      assert.deepEqual(await wholeList(page), all);
      await nothingWrong(page);
    }
    await page.close();
  });

  describe("a database that goes wrong", () => {
    const tabs = [];

    databaseTests({
      it: (name, run) => test(name, RUN, run),
      at: () => at,
      newPage: () => pageIn(session.window),
      async newTab() {
        const tab = await pageIn(await session.newWindow());
        tabs.push(tab);
        return tab;
      },
      async done(page) {
        await nothingWrong(page);
        for (const tab of tabs.splice(0)) await tab.close();
      },
    });
  });
});
