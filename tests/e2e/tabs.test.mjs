// All tabs live (docs/rules.md, R15): whatever of an account is open in a browser shows the same, and one client of it
// asks the server. What is asserted is the order of events, not how long they take.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { demo, device, eventually, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { accountDatabases, nothingWrong, serversList, shownList, showing, wholeList } from "./support/lists.mjs";

const NO_REQUESTS = { pull: 0, history: 0, changes: 0, send: 0, ack: 0, conversations: 0 };

/** A tab that is not live must not hang the whole run. */
const PATIENCE = { timeout: 180_000 };

describe("tabs", () => {
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
   * A first tab with the account, of whose conversation 90 of 120 messages are stored.
   * @param {any} from a browser
   * @returns {Promise<any>}
   */
  async function firstTab(from = browser) {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 120);
    const first = await device(from, server, ann, { prefetch: false });
    await showing(first, talk);
    await first.evaluate(async () => {
      await timeline.loadOlder();
      await timeline.loadOlder();
    });
    return { ann, bob, talk, first };
  }

  /** The account once more, as `client`, and the conversation, as `timeline`. */
  async function anotherTab(first, ann, talk, options = {}) {
    /** @type {any} */
    const page = await openPage(first.context(), server);
    page.sockets = 0;
    page.on("websocket", () => {
      page.sockets += 1;
    });
    await page.evaluate(
      async ({ ann, talk, options }) => {
        globalThis.client = await e2e.open(ann, { prefetch: false, ...options });
        globalThis.timeline = client.timeline(talk);
        e2e.watch(timeline);
        await e2e.until(timeline, (now) => now.items.filter((item) => item.kind === "message").length >= 30);
      },
      { ann, talk, options },
    );
    return page;
  }

  /** Waits until the list ends with this text, delivered. */
  const endsWith = (page, text) =>
    page.evaluate(
      (text) =>
        e2e.until(timeline, ({ items }) => items.at(-1)?.kind === "message" && e2e.textOf(items.at(-1)) === text),
      text,
    );

  const writerOf = (page) => page.evaluate(() => client.status.getSnapshot().writer);

  /** The one of these that writes. */
  const whoWrites = (pages) =>
    eventually(async () => {
      const writers = await Promise.all(pages.map(writerOf));
      const others = Array(pages.length - 1).fill("elsewhere");
      assert.deepEqual(writers.toSorted(), [...others, "here"], "who writes");
      return pages[writers.indexOf("here")];
    });

  /** As `nothingWrong`, of a tab whose context goes on. */
  async function nothingWrongBut(...pages) {
    for (const page of pages) assert.deepEqual(await page.evaluate(() => e2e.violations), []);
  }

  /** Waits until nothing has been written for a second. */
  const atRest = (page) =>
    page.evaluate(async () => {
      const commit = async () => JSON.stringify((await client.inspect()).commit);
      let before;
      do {
        before = await commit();
        await new Promise((resolve) => setTimeout(resolve, 1000));
      } while (before !== (await commit()));
    });

  /**
   * The script of the page stands still, in the middle of something, until the answer to a request comes.
   * @returns what lets it go on
   */
  async function block(page) {
    let answer;
    const answered = new Promise((resolve) => {
      answer = resolve;
    });
    const asked = new Promise((resolve) => {
      page.route("**/gate", async (route) => {
        resolve(undefined);
        await answered;
        await route.fulfill({ body: "go on" });
      });
    });
    const over = page.evaluate(() => {
      const request = new XMLHttpRequest();
      request.open("GET", "/gate", false);
      request.send();
      return request.responseText;
    });
    await asked;
    return async () => {
      answer();
      assert.equal(await over, "go on");
    };
  }

  const DELETIONS = {
    "the browser deletes": async (page) => {
      const cdp = await page.context().newCDPSession(page);
      await cdp.send("Storage.clearDataForOrigin", { origin: server.url, storageTypes: "indexeddb" });
    },
    "a script of the page's deletes": (page) =>
      page.evaluate(async () => {
        const request = indexedDB.deleteDatabase(`pullcord:${client.account}`);
        await new Promise((resolve, reject) => {
          request.onsuccess = resolve;
          request.onerror = () => reject(request.error);
        });
      }),
  };
  for (const [whoDeletes, deleteDatabase] of Object.entries(DELETIONS))
    test(
      `${whoDeletes} the database under three tabs: each says so once, none goes blank, and all go on, live`,
      PATIENCE,
      async () => {
        const { ann, bob, talk, first } = await firstTab();
        const pages = [first, await anotherTab(first, ann, talk), await anotherTab(first, ann, talk)];
        for (const page of pages)
          await page.evaluate(() => {
            globalThis.told = [];
            if (!timeline.snapshots) Object.assign(timeline, e2e.watch(timeline));
            globalThis.from = timeline.snapshots.length;
            client.on("storage", ({ kind }) => told.push(kind));
          });
        await deleteDatabase(first);
        await pages[1].evaluate(() => timeline.send({ text: "written in a follower" }));
        for (const page of pages) await endsWith(page, "written in a follower");
        await at.send(bob, talk, "from elsewhere");
        for (const page of pages) await endsWith(page, "from elsewhere");
        // A follower reads what is stored now, and asks for what is not.
        await pages[2].evaluate(async () => {
          while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 50 });
        });
        for (const page of pages) assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
        for (const page of pages) {
          const { told, blank } = await page.evaluate(() => ({
            told,
            blank: timeline.snapshots.slice(from).some((one) => one.items.length < 30),
          }));
          assert.deepEqual({ told, blank }, { told: ["evicted"], blank: false });
        }
        await whoWrites(pages);
        await nothingWrong(first);
      },
    );

  test(
    "the browser deletes the database as the tab that writes is closed: another one sends what was accepted, in order",
    PATIENCE,
    async () => {
      const { ann, talk, first } = await firstTab();
      const second = await anotherTab(first, ann, talk);
      const context = first.context();
      await context.setOffline(true);
      await first.evaluate(() => timeline.send({ text: "accepted by who writes" }));
      await second.evaluate(() => timeline.send({ text: "accepted by who follows" }));
      for (const page of [first, second])
        await page.evaluate(() =>
          e2e.until(timeline, ({ items }) => items.slice(-2).every((item) => item.kind === "local")),
        );
      await second.evaluate(() => {
        globalThis.told = [];
        client.on("storage", ({ kind }) => told.push(kind));
      });
      const cdp = await context.newCDPSession(second);
      await Promise.all([
        cdp.send("Storage.clearDataForOrigin", { origin: server.url, storageTypes: "indexeddb" }),
        first.close(),
      ]);
      await second.evaluate(() => e2e.poll(() => told.length));
      await context.setOffline(false);
      await second.evaluate(async () => {
        await e2e.until(client.outbox, (items) => items.length === 0);
        await e2e.caughtUp(client);
      });
      const all = await serversList(at, ann, talk);
      assert.deepEqual(
        all.slice(-2).map((line) => line.split("| ").at(-1)),
        ["accepted by who writes", "accepted by who follows"],
      );
      assert.deepEqual(await wholeList(second), all);
      await nothingWrong(second);
    },
  );

  test(
    "five tabs show the same, live, whoever writes what where, and one of them asks the server",
    PATIENCE,
    async () => {
      const { ann, bob, talk, first } = await firstTab();
      const others = [];
      for (let n = 0; n < 4; n += 1) others.push(await anotherTab(first, ann, talk));
      const all = [first, ...others];
      assert.equal(await whoWrites(all), first);
      await at.send(bob, talk, "from elsewhere");
      for (const page of all) await endsWith(page, "from elsewhere");
      // each tab writes one, shown in all from the first moment
      for (const [n, page] of all.entries()) {
        const seen = Promise.all(
          all.map((other) =>
            other.evaluate(
              (text) => e2e.until(timeline, ({ items }) => e2e.textOf(items.at(-1)) === text).then(() => true),
              `from tab ${n}`,
            ),
          ),
        );
        await page.evaluate((text) => timeline.send({ text }), `from tab ${n}`);
        assert.deepEqual(await seen, Array(5).fill(true));
        for (const other of all) await endsWith(other, `from tab ${n}`);
      }
      // an edit in a tab that does not write
      await others[1].evaluate(async () => {
        const { items } = timeline.getSnapshot();
        await timeline.edit(items.at(-1).message.id, { text: "edited" });
      });
      for (const page of all) await endsWith(page, "edited");
      await others[2].evaluate((talk) => client.markRead(talk, timeline.getSnapshot().items.at(-1).message.seq), talk);
      for (const page of all) {
        await page.evaluate(
          (talk) => e2e.until(client.conversations, (list) => list.find(({ id }) => id === talk)?.unread === 0),
          talk,
        );
      }
      for (const page of others) {
        assert.deepEqual(await page.evaluate(async () => (await client.inspect()).requests), NO_REQUESTS);
        assert.equal(page.sockets, 0);
      }
      const lists = await Promise.all(all.map(wholeList));
      const truth = await serversList(at, ann, talk);
      for (const list of lists) assert.deepEqual(list, truth);
      await nothingWrongBut(...all);
      await first.context().close();
    },
  );

  test("a tab that follows pages and jumps, by what is stored and by what the writer asks for", PATIENCE, async () => {
    const { ann, talk, first } = await firstTab();
    const second = await anotherTab(first, ann, talk);
    const sources = await second.evaluate(async () => {
      const pages = [];
      for (let page = 0; page < 3; page += 1) pages.push((await timeline.loadOlder()).source);
      return pages;
    });
    assert.deepEqual(sources, ["cache", "cache", "network"]);
    assert.deepEqual(await wholeList(second), await serversList(at, ann, talk));
    assert.deepEqual(await second.evaluate(async () => (await client.inspect()).requests), NO_REQUESTS);
    await second.evaluate(() => client.sync());
    await nothingWrongBut(first, second);
    await first.context().close();
  });

  for (const [how, leave] of Object.entries({
    "is closed": (page) => page.close(),
    crashes: async (page) => {
      const crashed = new Promise((resolve) => page.once("crash", resolve));
      const tools = await page.context().newCDPSession(page);
      tools.send("Page.crash").catch(() => {});
      await crashed;
    },
    "goes to another page": (page) => page.goto("about:blank"),
  })) {
    test(`the writer's tab ${how}: another goes on, and what was written is delivered once`, PATIENCE, async () => {
      const { ann, bob, talk, first } = await firstTab();
      const second = await anotherTab(first, ann, talk);
      const third = await anotherTab(first, ann, talk);
      await at.trouble({ delayMs: 3000 }, ann);
      await first.evaluate(() => timeline.send({ text: "from the first" }));
      await second.evaluate(() => timeline.send({ text: "from the second" }));
      const before = await second.evaluate(() => {
        return timeline.getSnapshot().anchor.count;
      });
      await leave(first);
      await at.trouble({}, ann);
      const writer = await whoWrites([second, third]);
      await writer.evaluate(() => e2e.caughtUp(client));
      await at.send(bob, talk, "afterwards");
      for (const page of [second, third]) {
        await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
        await page.evaluate(() =>
          e2e.until(timeline, ({ items }) => items.some((item) => e2e.textOf(item) === "afterwards")),
        );
      }
      // it was never elsewhere: no jump
      assert.equal(await second.evaluate(() => timeline.getSnapshot().anchor.count), before);
      const truth = await serversList(at, ann, talk);
      assert.equal(truth.length, 123);
      for (const page of [second, third]) assert.deepEqual(await wholeList(page), truth);
      await nothingWrongBut(second, third);
      await second.context().close();
    });
  }

  test("the tab in front is reloaded, again and again: each time all are live", PATIENCE, async () => {
    const { ann, bob, talk, first } = await firstTab();
    const second = await anotherTab(first, ann, talk);
    for (let n = 0; n < 3; n += 1) {
      await first.close();
      const again = await anotherTab(second, ann, talk);
      await at.send(bob, talk, `message after reload ${n}`);
      for (const page of [again, second]) await endsWith(page, `message after reload ${n}`);
      await again.evaluate((n) => timeline.send({ text: `sent after reload ${n}` }), n);
      for (const page of [again, second]) await endsWith(page, `sent after reload ${n}`);
      await nothingWrongBut(again);
      await again.close();
    }
    await nothingWrong(second);
  });

  test("the writer's tab stands still: the one that needs something takes its place", PATIENCE, async () => {
    const { ann, talk, first } = await firstTab();
    const second = await anotherTab(first, ann, talk);
    // Of one that stands still inside a transaction the database is held: nobody can write then.
    await atRest(first);
    const release = await block(first);
    // what is stored is shown and paged through, and what is written is stored
    const paged = await second.evaluate(async () => {
      const pages = [await timeline.loadOlder(), await timeline.loadOlder()];
      await timeline.send({ text: "from the second" });
      return pages.map(({ source }) => source);
    });
    assert.deepEqual(paged, ["cache", "cache"]);
    await endsWith(second, "from the second");
    assert.equal(await writerOf(second), "here");
    await release();
    await first.evaluate(() => e2e.until(client.status, (status) => status.writer === "elsewhere"));
    await endsWith(first, "from the second");
    await first.evaluate(() => timeline.send({ text: "from the first" }));
    await endsWith(second, "from the first");
    await nothingWrongBut(first, second);
    await first.context().close();
  });

  test(
    "the writer's tab stands still, and another one is only looked at: that one shows what comes",
    PATIENCE,
    async () => {
      const { ann, bob, talk, first } = await firstTab();
      const second = await anotherTab(first, ann, talk);
      await atRest(first);
      const release = await block(first);
      // nothing is called in it
      await at.send(bob, talk, "to who looks");
      await endsWith(second, "to who looks");
      assert.equal(await writerOf(second), "here");
      await release();
      await endsWith(first, "to who looks");
      await nothingWrongBut(first, second);
      await first.context().close();
    },
  );

  test(
    "the writer's tab is frozen, in the middle of its writing: another goes on, and that one follows when it wakes up",
    PATIENCE,
    async () => {
      const { ann, talk, first } = await firstTab(tools);
      const second = await openPage(first.context(), server);
      await second.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, { prefetch: false });
          globalThis.timeline = await e2e.show(client, talk);
        },
        { ann, talk },
      );
      await first.evaluate(() => {
        for (let i = 0; i < 20; i += 1)
          timeline.send({ text: `from the first ${i}` }).catch((error) => e2e.violations.push(error.message));
      });
      await first.freeze();
      await second.evaluate(async () => {
        await timeline.send({ text: "from the second" });
        await e2e.until(client.outbox, (items) => items.length === 0);
        await e2e.until(timeline, ({ items }) =>
          items.some((item) => item.kind === "message" && e2e.textOf(item) === "from the second"),
        );
      });
      await first.thaw();
      await first.evaluate(() => e2e.until(client.status, (status) => status.writer === "elsewhere"));
      await first.evaluate(() => timeline.send({ text: "the last" }));
      for (const page of [first, second]) {
        await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
        await page.evaluate(() =>
          e2e.until(timeline, ({ items }) =>
            items.some((item) => item.kind === "message" && e2e.textOf(item) === "the last"),
          ),
        );
      }
      const all = await serversList(at, ann, talk);
      const once = Array.from(
        { length: 20 },
        (_, i) => all.filter((line) => line.endsWith(`| from the first ${i}`)).length,
      );
      assert.deepEqual([all.length, once], [142, Array(20).fill(1)]);
      for (const page of [first, second]) assert.deepEqual(await wholeList(page), all);
      await nothingWrongBut(second);
      await nothingWrong(first);
    },
  );

  for (const who of ["the one that writes", "one that follows"])
    test(
      `signed out while ${who} is frozen: all is deleted at once, and that tab ends when it wakes up`,
      PATIENCE,
      async () => {
        const { ann, talk, first } = await firstTab(tools);
        const pages = [first, await anotherTab(first, ann, talk)];
        const [asleep, other] = who === "one that follows" ? pages.toReversed() : pages;
        // What it does since the other tab has opened is done: the next test has one in the middle of something.
        await atRest(asleep);
        await asleep.freeze();
        await other.bringToFront();
        await other.evaluate(() => client.wipe());
        assert.deepEqual(await accountDatabases(other), []);
        // Who signs in again works, in the database of their own.
        await other.evaluate(async (ann) => {
          globalThis.client = await e2e.open(ann);
          await e2e.caughtUp(client);
        }, ann);
        assert.equal(await other.evaluate(() => client.status.getSnapshot().storage), "indexeddb");
        await asleep.thaw();
        await asleep.evaluate(() =>
          e2e.until(client.status, ({ connection }) => connection === "closed").then(() => undefined),
        );
        assert.deepEqual(await accountDatabases(other), [`pullcord:${ann}`]);
        await nothingWrong(other);
      },
    );

  test(
    "signed out while one is frozen in the middle of its writing: nothing waits for it, and it ends when it wakes up",
    PATIENCE,
    async () => {
      const { ann, bob, talk, first } = await firstTab(tools);
      const second = await anotherTab(first, ann, talk);
      await first.evaluate(() => {
        for (let i = 0; i < 200; i += 1) timeline.send({ text: `from the first ${i}` }).catch(() => {});
      });
      await first.freeze();
      await second.bringToFront();
      await second.evaluate(() => client.wipe());
      // Who signs in again works, though it may be without the database, which is there until that tab wakes.
      await second.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann);
          globalThis.timeline = await e2e.show(client, talk);
        },
        { ann, talk },
      );
      await at.send(bob, talk, "to who signs in again");
      await endsWith(second, "to who signs in again");
      await first.thaw();
      await first.evaluate(() =>
        e2e.until(client.status, ({ connection }) => connection === "closed").then(() => undefined),
      );
      await second.evaluate(() => client.wipe());
      await eventually(async () => assert.deepEqual(await accountDatabases(first), []));
    },
  );

  test("signed out where the browser does not delete: nothing is left in the database", PATIENCE, async () => {
    const { first } = await firstTab();
    const left = await first.evaluate(async () => {
      IDBFactory.prototype.deleteDatabase = () => /** @type {any} */ (new EventTarget());
      await client.wipe();
      const resultOf = (request) =>
        new Promise((resolve, reject) => {
          request.onsuccess = () => resolve(request.result);
          request.onerror = () => reject(request.error);
        });
      const database = await resultOf(indexedDB.open(`pullcord:${client.account}`));
      const tables = [...database.objectStoreNames];
      const transaction = database.transaction(tables);
      const counts = tables.map((table) => resultOf(transaction.objectStore(table).count()));
      return { tables: tables.length, records: (await Promise.all(counts)).reduce((sum, count) => sum + count, 0) };
    });
    assert.ok(left.tables > 3, `${left.tables} tables`);
    assert.equal(left.records, 0);
    await first.context().close();
  });

  test("two clients in one page, as React's StrictMode makes them: both are live", PATIENCE, async () => {
    const { ann, bob, talk, first } = await firstTab();
    const seen = await first.evaluate(
      async ({ ann, talk }) => {
        const other = await e2e.open(ann, { prefetch: false });
        const list = await e2e.show(other, talk);
        await list.send({ text: "from the other" });
        const shows = (of) =>
          e2e.until(
            of,
            ({ items }) => items.at(-1).kind === "message" && e2e.textOf(items.at(-1)) === "from the other",
          );
        await Promise.all([shows(timeline), shows(list)]);
        await client.close();
        globalThis.client = other;
        globalThis.timeline = list;
        // where the work moves slowly it says in between that it connects
        const { connection } = await e2e.until(
          other.status,
          (status) => status.writer === "here" && status.connection === "online",
        );
        return connection;
      },
      { ann, talk },
    );
    assert.equal(seen, "online");
    await at.send(bob, talk, "still live");
    await endsWith(first, "still live");
    await nothingWrong(first);
  });

  test("told to wait, a tab shows what is stored, says so, and works once the others have gone", PATIENCE, async () => {
    const { ann, bob, talk, first } = await firstTab();
    const second = await anotherTab(first, ann, talk, { ifOpen: "wait" });
    const refused = await second.evaluate(async () => [
      (await e2e.until(client.status, (status) => status.connection === "waiting")).connection,
      (await e2e.refusal(timeline.send({ text: "no" })))?.code,
      (await e2e.refusal(client.sync()))?.code,
    ]);
    assert.deepEqual(refused, ["waiting", "offline", "offline"]);
    assert.equal((await shownList(second)).length, 30);
    await first.close();
    await second.evaluate(() => e2e.caughtUp(client));
    await at.send(bob, talk, "now");
    await endsWith(second, "now");
    await nothingWrong(second);
  });

  test("told to wait and alone, a tab works, and who opens beside it shares it", PATIENCE, async () => {
    const { ann, bob, talk, first } = await firstTab();
    const second = await anotherTab(first, ann, talk, { ifOpen: "wait" });
    await first.close();
    await second.evaluate(() => e2e.caughtUp(client));
    const third = await anotherTab(second, ann, talk);
    await third.evaluate(() => timeline.send({ text: "from the third" }));
    for (const page of [second, third]) await endsWith(page, "from the third");
    await at.send(bob, talk, "to both");
    for (const page of [second, third]) await endsWith(page, "to both");
    await third.evaluate(async () => {
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 50 });
    });
    assert.deepEqual(await wholeList(third), await serversList(at, ann, talk));
    assert.deepEqual([await writerOf(second), await writerOf(third)], ["here", "elsewhere"]);
    await second.close();
    await at.send(bob, talk, "to one");
    await endsWith(third, "to one");
    await nothingWrong(third);
  });

  test(
    "told to take over, takes the account from a frozen one; that one ends when it wakes up, and has written nothing more",
    PATIENCE,
    async () => {
      const { ann, talk, first } = await firstTab(tools);
      // it has one on its way, which it will want to have sent when it wakes up
      await at.trouble({ delayMs: 5000 }, ann);
      await first.evaluate(() => timeline.send({ text: "on its way" }));
      await first.evaluate(() => e2e.until(client.outbox, (items) => items[0]?.state === "sending"));
      await first.freeze();
      await at.trouble({}, ann);
      const second = await openPage(first.context(), server);
      await second.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, { prefetch: false, ifOpen: "take-over" });
          await e2e.caughtUp(client);
          globalThis.timeline = await e2e.show(client, talk);
          await e2e.until(client.outbox, (items) => items.length === 0);
          await timeline.send({ text: "from the second" });
          await e2e.until(
            timeline,
            (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "from the second",
          );
        },
        { ann, talk },
      );
      await first.thaw();
      await first.evaluate(() => e2e.until(client.status, (status) => status.connection === "closed"));
      assert.deepEqual(
        await first.evaluate(async () => [
          client.status.getSnapshot().error.code,
          (await e2e.refusal(timeline.send({ text: "no" })))?.code,
          timeline.getSnapshot().items.length >= 90,
        ]),
        ["closed", "closed", true],
      );
      await second.evaluate(() => client.sync());
      const all = await serversList(at, ann, talk);
      assert.deepEqual(
        [
          all.length,
          ...["on its way", "from the second", "no"].map(
            (text) => all.filter((line) => line.endsWith(`| ${text}`)).length,
          ),
        ],
        [122, 1, 1, 0],
      );
      assert.deepEqual(await wholeList(second), all);
      // and it works on: the waking one has not taken the writer's place
      await second.evaluate(() => timeline.send({ text: "still the one" }));
      await second.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
      await second.evaluate(() => e2e.caughtUp(client));
      await nothingWrongBut(first);
      await nothingWrong(second);
    },
  );
});
