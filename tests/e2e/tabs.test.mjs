// A second tab of an account that another one has. Others shipped one that waited for the first: 26 s, and blank
// (open-im-sdk-web-wasm 80). What is asserted is the order of events, not how long they take.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { demo, device, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { nothingWrong, serversList, shownList, showing, wholeList } from "./support/lists.mjs";

const NO_REQUESTS = { pull: 0, history: 0, changes: 0, send: 0, ack: 0, conversations: 0 };

/** A second tab that waits must not hang the whole run. */
const PATIENCE = { timeout: 180_000 };

describe("the second tab", () => {
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
   * A first tab with the account, which has 90 of 120 messages stored.
   * @param {any} from a browser
   * @returns {Promise<any>}
   */
  async function firstTab(from = browser) {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 120);
    const first = await device(from, server, ann, { prefetch: false });
    await showing(first, talk);
    await first.evaluate(async () => {
      await timeline.loadOlder();
      await timeline.loadOlder();
    });
    return { ann, talk, first };
  }

  /**
   * Opens the account in another tab, as `client`, and the conversation, as `timeline`; what is to be seen of it at
   * once.
   */
  async function secondTab(first, ann, talk) {
    const second = await openPage(first.context(), server);
    const seen = await second.evaluate(
      async ({ ann, talk }) => {
        globalThis.client = await e2e.open(ann, { prefetch: false });
        const { connection } = client.status.getSnapshot();
        globalThis.timeline = client.timeline(talk);
        e2e.watch(timeline);
        const { items } = await e2e.until(
          timeline,
          (now) => now.items.filter((item) => item.kind === "message").length >= 30,
        );
        return {
          connection,
          last: e2e.textOf(items.findLast((item) => item.kind === "message")),
          listed: client.conversations.getSnapshot().map(({ id }) => id),
        };
      },
      { ann, talk },
    );
    assert.deepEqual(seen, { connection: "waiting", last: "message 120", listed: [talk] });
    return second;
  }

  /** Who has the account's lock, as any page sees it: the names of the clients are the browser's own. */
  const holders = (page, ann) =>
    page.evaluate(async (name) => {
      const { held, pending } = await navigator.locks.query();
      const of = (locks) => locks.filter((lock) => lock.name === name).map((lock) => lock.clientId);
      return { held: of(held), pending: of(pending) };
    }, `pullcord:${ann}`);

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
    const state = { over: false };
    const over = page
      .evaluate(() => {
        const request = new XMLHttpRequest();
        request.open("GET", "/gate", false);
        request.send();
        return request.responseText;
      })
      .then((text) => {
        state.over = true;
        return text;
      });
    await asked;
    return {
      isOver: () => state.over,
      release: async () => {
        answer();
        assert.equal(await over, "go on");
      },
    };
  }

  test(
    "of an account whose first tab is blocked does not wait for it: it opens, and shows and pages through what is stored",
    PATIENCE,
    async () => {
      const { ann, talk, first } = await firstTab();
      const stopped = await block(first);
      const second = await secondTab(first, ann, talk);
      const paged = await second.evaluate(async () =>
        [await timeline.loadOlder(), await timeline.loadOlder()].map(({ added, source }) => [added, source]),
      );
      assert.deepEqual(paged, [
        [30, "cache"],
        [30, "cache"],
      ]);
      assert.deepEqual(await shownList(second), (await serversList(at, ann, talk)).slice(-90));
      assert.deepEqual(await second.evaluate(async () => (await client.inspect()).requests), NO_REQUESTS);
      // all that while the first had the account, and could do nothing for the second
      const { held, pending } = await holders(second, ann);
      assert.deepEqual([held.length, pending.length, held[0] !== pending[0]], [1, 1, true]);
      assert.equal(stopped.isOver(), false);
      // what is written meanwhile waits, and is delivered once the second works
      await second.evaluate((talk) => {
        globalThis.sent = client.send(talk, { text: "from the second" });
      }, talk);
      await stopped.release();
      assert.deepEqual((await holders(second, ann)).held, held);
      await nothingWrongBut(first);
      await first.close();
      await second.evaluate(async () => {
        await e2e.caughtUp(client);
        await sent;
        await e2e.until(
          timeline,
          (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "from the second",
        );
      });
      assert.deepEqual(await wholeList(second), await serversList(at, ann, talk));
      await nothingWrong(second);
    },
  );

  test(
    "of an account whose first tab is frozen, in the middle of its writing, has it at once; that one waits when it wakes up",
    PATIENCE,
    async () => {
      const { ann, talk, first } = await firstTab(tools);
      await first.evaluate(() => {
        for (let i = 0; i < 20; i += 1)
          timeline.send({ text: `from the first ${i}` }).catch((error) => e2e.violations.push(error.message));
      });
      await first.freeze();
      const second = await openPage(first.context(), server);
      await second.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, { prefetch: false });
          await e2e.caughtUp(client);
          globalThis.timeline = await e2e.show(client, talk);
          await timeline.send({ text: "from the second" });
          await e2e.until(client.outbox, (items) => items.length === 0);
          await e2e.until(
            timeline,
            (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "from the second",
          );
        },
        { ann, talk },
      );
      await first.thaw();
      await first.evaluate(() => e2e.until(client.status, (status) => status.connection === "waiting"));
      assert.equal(await second.evaluate(() => client.status.getSnapshot().connection), "online");
      // it has it again when the second has gone, with all that was written meanwhile
      await second.evaluate(() => client.close());
      await nothingWrongBut(second);
      await second.close();
      await first.evaluate(async () => {
        await e2e.caughtUp(client);
        await e2e.until(client.outbox, (items) => items.length === 0);
      });
      const all = await serversList(at, ann, talk);
      const once = Array.from(
        { length: 20 },
        (_, i) => all.filter((line) => line.endsWith(`| from the first ${i}`)).length,
      );
      assert.deepEqual([all.length, once], [141, Array(20).fill(1)]);
      assert.deepEqual(await wholeList(first), all);
      await nothingWrong(first);
    },
  );

  /** As `nothingWrong`, of a tab whose context goes on. */
  async function nothingWrongBut(page) {
    assert.deepEqual(await page.evaluate(() => e2e.violations), []);
  }

  test("takes over from one that crashed, and delivers what that one had not, once", PATIENCE, async () => {
    const { ann, talk, first } = await firstTab();
    const refused = [];
    await first.route(/\/v1\/conversations\/[^/]+\/messages$/, (route) => {
      refused.push(route.request().method());
      return route.abort();
    });
    await first.evaluate(() => timeline.send({ text: "from the crashed one" }));
    const second = await secondTab(first, ann, talk);
    const { held } = await holders(second, ann);
    const crashed = new Promise((resolve) => first.once("crash", resolve));
    const tools = await first.context().newCDPSession(first);
    tools.send("Page.crash").catch(() => {});
    await crashed;
    await second.evaluate(async () => {
      await e2e.caughtUp(client);
      await e2e.until(client.outbox, (items) => items.length === 0);
      await e2e.until(
        timeline,
        (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "from the crashed one",
      );
    });
    assert.ok(refused.every((method) => method === "POST"));
    assert.notDeepEqual((await holders(second, ann)).held, held);
    const all = await serversList(at, ann, talk);
    assert.equal(all.length, 121);
    assert.deepEqual(await wholeList(second), all);
    await first.close();
    await nothingWrong(second);
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
      assert.equal(await second.evaluate(() => client.status.getSnapshot().connection), "online");
      await nothingWrongBut(first);
      await nothingWrong(second);
    },
  );
});
