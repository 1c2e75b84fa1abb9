// The local database: shared by the tabs of a browser, kept over reloads, deleted on request, and not always in order.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, findings, openPage, reload, signIn } from "./support/harness.mjs";
import { accountDatabases, followsBehind, goesOn } from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

describe("storage", () => {
  let server, browser, at;

  withServer({}, (stand) => {
    ({ server, browser, at } = stand);
  });

  const textsOf = async (user, talk) => (await at.history(user, talk)).map((message) => message.body.text);

  const showing = (page, talk, options) =>
    page.evaluate(
      async ({ talk, options }) => {
        globalThis.timeline = await e2e.show(client, talk, options);
      },
      { talk, options },
    );

  const connection = (page, wanted) =>
    page.evaluate((wanted) => e2e.until(client.status, (status) => status.connection === wanted), wanted);

  /** Everything of the conversation, loaded page by page. */
  const wholeList = (page) =>
    page.evaluate(async () => {
      for (let calls = 0; timeline.getSnapshot().hasOlder; calls += 1) {
        if (calls > 100) throw new Error("loadOlder without an end");
        await timeline.loadOlder({ limit: 200 });
      }
      return e2e.texts(timeline);
    });

  async function nothingWrong(context) {
    for (const page of context.pages()) {
      const wrong = (await findings(/** @type {any} */ (page))).filter(
        (text) => !text.startsWith("Failed to load resource") && !text.startsWith("WebSocket connection"),
      );
      assert.deepEqual(wrong, []);
    }
    await context.close();
  }

  describe("one client writes", () => {
    test("a second tab shows the same, live, and goes on when the first has gone", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 60);
      const first = await device(browser, server, ann);
      const context = first.context();
      await showing(first, talk);
      const second = await openPage(context, server);
      await followsBehind(second, ann, talk);
      await first.evaluate(
        (talk) => e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 2, text: "meanwhile" }),
        talk,
      );
      for (const tab of [first, second])
        await tab.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "meanwhile 2"));
      assert.deepEqual(await findings(first), []);
      await first.close();
      await goesOn(second, talk);
      assert.deepEqual(await wholeList(second), await textsOf(ann, talk));
      await nothingWrong(context);
    });

    test('with ifOpen "take-over" the other is closed at once, and says why', async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 40);
      const first = await device(browser, server, ann);
      await showing(first, talk);
      const second = await openPage(first.context(), server);
      await signIn(second, ann, { ifOpen: "take-over", prefetch: false });
      await connection(first, "closed");
      const closed = await first.evaluate(async () => ({
        timeline: timeline.getSnapshot().status,
        items: timeline.getSnapshot().items.length,
        error: client.status.getSnapshot().error.code,
        send: (await e2e.refusal(timeline.send({ text: "no" }))).code,
      }));
      assert.deepEqual(closed, { timeline: "closed", items: 30, error: "closed", send: "closed" });
      await showing(second, talk);
      // the first's data was handed on, not fetched again
      assert.equal(await second.evaluate(async () => (await client.inspect()).requests.history), 0);
      await nothingWrong(first.context());
    });

    test("one that opens after a take-over stays, also where the clock has been put back since", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 40);
      const context = await browser.newContext();
      const ahead = await openPage(context, server);
      await ahead.evaluate(() => {
        const now = Date.now.bind(Date);
        Date.now = () => now() + 3_600_000;
      });
      await signIn(ahead, ann, { ifOpen: "take-over" });
      // that it opens later no clock says
      await ahead.waitForTimeout(1500);
      const later = await openPage(context, server);
      await signIn(later, ann);
      await showing(later, talk);
      const writers = (page) => page.evaluate(() => client.status.getSnapshot().writer);
      assert.deepEqual([await writers(ahead), await writers(later)], ["here", "elsewhere"]);
      // nor of two that open within 1 s which is the later one
      await later.waitForTimeout(1500);
      const newest = await openPage(context, server);
      await signIn(newest, ann, { ifOpen: "take-over" });
      for (const page of [ahead, later]) await connection(page, "closed");
      await newest.waitForTimeout(500);
      assert.equal(await writers(newest), "here");
      await nothingWrong(context);
    });

    test("of three tabs each takes over in turn, and what was written in each is delivered once, in its order", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann]);
      const context = await browser.newContext();
      const tabs = [];
      for (const name of ["a", "b", "c"]) {
        const page = await openPage(context, server);
        await page.evaluate(
          async ({ ann, talk, name }) => {
            globalThis.client = await e2e.open(ann);
            globalThis.timeline = client.timeline(talk);
            e2e.watch(timeline);
            globalThis.written = Promise.all([1, 2, 3].map((n) => client.send(talk, { text: `${name}${n}` })));
          },
          { ann, talk, name },
        );
        tabs.push(page);
      }
      for (const [i, page] of tabs.entries()) {
        await page.evaluate(async () => {
          await e2e.caughtUp(client);
          await written;
        });
        assert.deepEqual(await findings(page), []);
        // the first two go at once with what they have just stored, sent or not
        if (i < 2) await page.close();
      }
      await tabs[2].evaluate(async () => {
        await e2e.until(client.outbox, (items) => items.length === 0);
        await e2e.until(
          timeline,
          (now) => now.items.length === 9 && now.items.every((item) => item.kind === "message"),
        );
      });
      const all = await textsOf(ann, talk);
      assert.deepEqual(all.toSorted(), ["a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"]);
      for (const name of ["a", "b", "c"])
        assert.deepEqual(
          all.filter((text) => text.startsWith(name)),
          [1, 2, 3].map((n) => `${name}${n}`),
        );
      assert.deepEqual(await tabs[2].evaluate(() => e2e.texts(timeline)), all);
      await nothingWrong(context);
    });

    test("a later client of the same page shows the same, live, and goes on when the earlier one is closed", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 10);
      const page = await device(browser, server, ann);
      const seen = await page.evaluate(
        async ({ ann, talk }) => {
          const earlier = client;
          const later = await e2e.open(ann);
          await e2e.caughtUp(later);
          const lists = [earlier, later].map((one) => one.timeline(talk));
          const shows = (text) =>
            Promise.all(lists.map((list) => e2e.until(list, () => e2e.texts(list).at(-1) === text)));
          await shows("message 10");
          await later.send(talk, { text: "by the later" });
          await shows("by the later");
          const writers = [earlier, later].map((one) => one.status.getSnapshot().writer);
          lists.shift();
          await earlier.close();
          await earlier.close();
          await e2e.until(later.status, ({ writer, connection }) => writer === "here" && connection === "online");
          await later.send(talk, { text: "by itself" });
          await shows("by itself");
          await e2e.until(later.outbox, (outbox) => outbox.length === 0);
          return { writers, earlier: earlier.status.getSnapshot().connection };
        },
        { ann, talk },
      );
      assert.deepEqual(seen, { writers: ["here", "elsewhere"], earlier: "closed" });
      assert.equal((await textsOf(ann, talk)).length, 12);
      await nothingWrong(page.context());
    });

    test("an opening that is cancelled leaves nothing held", async () => {
      const [ann] = await at.users("ann");
      const page = await openPage(await browser.newContext(), server);
      const codes = await page.evaluate(async (ann) => {
        const before = await e2e.refusal(e2e.open(ann, { signal: AbortSignal.abort() }));
        const cancel = new AbortController();
        const opening = e2e.open(ann, { signal: cancel.signal });
        cancel.abort();
        const during = await e2e.refusal(opening);
        globalThis.client = await e2e.open(ann);
        await e2e.caughtUp(client);
        return [before.code, before.name, during.code];
      }, ann);
      assert.deepEqual(codes, ["aborted", "AbortError", "aborted"]);
      await nothingWrong(page.context());
    });
  });

  test("two accounts in one page do not see each other's data", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const [hers, his] = [await at.conversation([ann], 10), await at.conversation([bob], 20)];
    const page = await device(browser, server, ann);
    const seen = await page.evaluate(
      async ({ bob, hers, his }) => {
        const other = await e2e.open(bob);
        await e2e.caughtUp(other);
        await e2e.show(client, hers);
        await e2e.show(other, his);
        const of = async (one) => ({
          list: one.conversations.getSnapshot().map(({ id }) => id),
          cached: (await one.inspect()).cachedMessages,
          foreign: [(await one.inspect(hers)).segments.length, (await one.inspect(his)).segments.length],
        });
        const seen = [await of(client), await of(other)];
        await other.wipe();
        return [...seen, await of(client)];
      },
      { bob, hers, his },
    );
    const [first, second, left] = seen;
    assert.deepEqual(first, { list: [hers], cached: 10, foreign: [1, 0] });
    assert.deepEqual(second, { list: [his], cached: 20, foreign: [0, 1] });
    assert.deepEqual(left, first);
    await nothingWrong(page.context());
  });

  describe("wipe", () => {
    test("deletes the account's data, and a new client begins anew", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 40);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      assert.deepEqual(await accountDatabases(page), [`pullcord:${ann}`]);
      await page.evaluate(() => client.wipe());
      assert.deepEqual(await accountDatabases(page), []);
      assert.equal(await page.evaluate(() => client.status.getSnapshot().connection), "closed");
      await signIn(page, ann);
      const { cachedMessages } = await page.evaluate(() => client.inspect());
      assert.equal(cachedMessages, 0);
      await showing(page, talk);
      await nothingWrong(page.context());
    });

    test("of an account that is open in another tab closes that one", async () => {
      const [ann] = await at.users("ann");
      const first = await device(browser, server, ann);
      const second = await openPage(first.context(), server);
      await second.evaluate((ann) => pullcord.wipe(ann), ann);
      await connection(first, "closed");
      assert.deepEqual(await accountDatabases(second), []);
      await second.evaluate((ann) => pullcord.wipe(ann), ann);
      await nothingWrong(first.context());
    });

    test("ends a client that had begun before it, however long that takes to load, and leaves nothing", async () => {
      const [ann] = await at.users("ann");
      const page = await openPage(await browser.newContext(), server);
      const code = await page.evaluate(async (ann) => {
        const { promise: looked, resolve: haveLooked } = Promise.withResolvers();
        const { open } = IDBFactory.prototype;
        IDBFactory.prototype.open = function (name, version) {
          const opening = open.call(this, name, version);
          // where it is noted how often an account was wiped: there is none yet
          if (name === "pullcord") opening.addEventListener("error", haveLooked);
          return opening;
        };
        const loaded = Promise.withResolvers();
        const opening = e2e.open(ann, { wasm: loaded.promise }).then(
          () => "none",
          ({ code }) => code,
        );
        await looked;
        IDBFactory.prototype.open = open;
        await pullcord.wipe(ann);
        loaded.resolve(await fetch("/pkg/pullcord.wasm"));
        return opening;
      }, ann);
      assert.equal(code, "closed");
      assert.deepEqual(await accountDatabases(page), []);
      await signIn(page, ann);
      await page.context().close();
    });
  });

  describe("a database that is not as it should be (and more of that in database.test.mjs)", () => {
    test("a database that the browser deletes under an open client is made again, and the client goes on", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 40);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.evaluate(() => {
        globalThis.told = [];
        globalThis.from = timeline.snapshots.length;
        client.on("storage", ({ kind }) => told.push(kind));
      });
      const cdp = await page.context().newCDPSession(page);
      await cdp.send("Storage.clearDataForOrigin", { origin: server.url, storageTypes: "indexeddb" });
      await at.bulk(talk, 1, "after it was cleared");
      await page.evaluate(async () => {
        await e2e.until(
          timeline,
          (now) =>
            e2e.textOf(now.items.at(-1)) === "after it was cleared 1" && !now.items.some((item) => item.kind === "gap"),
        );
        await e2e.caughtUp(client);
      });
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
      const { told, blank } = await page.evaluate(() => ({
        told,
        blank: timeline.snapshots.slice(from).some((one) => one.items.length < 30),
      }));
      assert.deepEqual(told, ["evicted"]);
      assert.equal(blank, false);
      await nothingWrong(page.context());
    });
  });

  test("without IndexedDB it works from memory, and says so", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 40);
    const context = await browser.newContext();
    await context.addInitScript(() => Object.defineProperty(globalThis, "indexedDB", { value: undefined }));
    const page = await openPage(context, server);
    await signIn(page, ann);
    await showing(page, talk);
    assert.equal(await page.evaluate(() => client.status.getSnapshot().storage), "memory");
    await page.evaluate(() => timeline.send({ text: "kept in memory" }));
    await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
    assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
    assert.equal(
      (await page.evaluate((ann) => e2e.refusal(e2e.open(`${ann}-strict`, { storage: { mode: "indexeddb" } })), ann))
        .code,
      "storage",
    );
    await nothingWrong(context);
  });

  test("past maxMessages old blocks go, what is on screen stays, and nothing is missing when it is loaded again", async () => {
    const [ann] = await at.users("ann");
    const talks = [];
    for (let i = 0; i < 3; i += 1) talks.push(await at.conversation([ann], 700));
    const page = await device(browser, server, ann, { storage: { maxMessages: 1000 } });
    for (const talk of talks) {
      await page.evaluate(() => globalThis.timeline?.close());
      await showing(page, talk);
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
    }
    const cached = await page.evaluate(() =>
      e2e.poll(async () => {
        const { cachedMessages } = await client.inspect();
        return cachedMessages <= 1000 && cachedMessages;
      }),
    );
    assert.ok(cached >= 700, `${cached} cached`);
    // the last is on screen: it is whole; of the others no end is claimed that is not held
    const { segments } = await page.evaluate((talk) => client.inspect(talk), talks[2]);
    assert.deepEqual(
      segments.map(({ count, live, start }) => [count, live, start]),
      [[700, true, true]],
    );
    await page.evaluate(() => client.close());
    await reload(page);
    await signIn(page, ann);
    for (const talk of talks) {
      await page.evaluate(() => globalThis.timeline?.close());
      await showing(page, talk);
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
    }
    await nothingWrong(page.context());
  });
});
