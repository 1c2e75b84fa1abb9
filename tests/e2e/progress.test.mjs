// Nothing stops what does not depend on it (R14), as far as only a browser shows it: the reference server's odd
// messages, a slow line, a browser that says it is offline, a server that closes the sockets of all at once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { demo, freePort, importPackage, openPage, startServer, temporaryFolder } from "./support/harness.mjs";
import { nothingWrong, serversList, showing, wholeList } from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

/** bytes a second of a slow line */
const SLOW = 60_000;
/** ms of silence after which a request counts as lost, here: less than a large answer takes */
const TIMEOUT = 3_000;
/** bytes of text in a message of which a few are a large answer */
const LARGE = 8_000;

describe("progress", () => {
  let server, browser, at;

  withServer({}, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** The page's own line from here on; null: as fast as it is. */
  async function line(page, bytesPerSecond) {
    const tools = await page.context().newCDPSession(page);
    await tools.send("Network.enable");
    const throughput = bytesPerSecond ?? -1;
    await tools.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 0,
      downloadThroughput: throughput,
      uploadThroughput: throughput,
    });
  }

  /** A page that shows the conversation, and whose client takes `TIMEOUT` of silence for a lost request. */
  async function impatient(user, talk) {
    const page = await openPage(await browser.newContext(), server);
    await page.evaluate(
      async ({ user, timeout }) => {
        globalThis.client = await e2e.open(user, {
          prefetch: false,
          transport: { baseUrl: location.origin, token: () => `demo-${user}`, timeout },
        });
        await e2e.caughtUp(client);
      },
      { user, timeout: TIMEOUT },
    );
    await showing(page, talk);
    return page;
  }

  const sawLast = (page, text) =>
    page.evaluate((text) => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === text), text);

  describe("a server whose every answer has an odd message", () => {
    test("is told of, answer by answer; everything else goes on: each message has its place, what is sent is delivered once", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 100);
      const other = await at.conversation([ann, bob], 3);
      await at.trouble({ oddItems: 1 }, ann);
      const page = await openPage(await browser.newContext(), server);
      await page.evaluate(async (ann) => {
        globalThis.client = await e2e.open(ann, { prefetch: false });
        globalThis.told = [];
        client.on("irregular", (detail) => told.push(detail));
        await e2e.caughtUp(client);
      }, ann);
      await showing(page, talk);
      for (let i = 1; i <= 12; i += 1) {
        const { id } = await at.send(bob, talk, `from Bob ${i}`);
        // it has its place, whatever can be read of it
        await page.evaluate((id) => e2e.until(timeline, (now) => now.items.at(-1).message?.id === id), id);
      }
      for (let i = 1; i <= 3; i += 1) await page.evaluate((text) => timeline.send({ text }), `mine ${i}`);
      await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
      await at.send(bob, other, "elsewhere");
      await page.evaluate((other) => e2e.until(client.conversation(other), (one) => one.unread === 4), other);
      // what could not be read has no text, and the rest is as the server has it
      const places = (list) => list.map((line) => line.split(" | ").slice(0, 3).join(" | "));
      // (Bob's answers are as they have to be)
      const all = await serversList(at, bob, talk);
      const shown = await wholeList(page);
      assert.deepEqual(places(shown), places(all));
      const differ = shown.filter((line, i) => line !== all[i]);
      assert.ok(
        differ.every((line) => line.includes(" | unreadable | ") && line.endsWith(" | ")),
        differ.join("\n"),
      );
      const { told, status } = await page.evaluate(() => ({ told, status: client.status.getSnapshot() }));
      assert.deepEqual([status.connection, status.error], ["online", null]);
      assert.ok(
        told.some(({ where }) => where === "batch") && told.some(({ where }) => where === "page"),
        JSON.stringify(told),
      );
      assert.ok(
        told.every(({ count, first }) => count >= 1 && first.reason && ["repaired", "unreadable"].includes(first.done)),
        JSON.stringify(told),
      );
      await at.trouble({}, ann);
      await nothingWrong(page);
    });

    test("shows in the demo: a message that cannot be read has its place and says so, and the panel has a line", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 3);
      await at.trouble({ oddItems: 1 }, ann);
      const page = await openPage(
        await browser.newContext({ viewport: { width: 1280, height: 800 } }),
        server,
        `/?user=${ann}`,
      );
      page.setDefaultTimeout(30_000);
      await page.getByRole("option").first().click();
      await page.locator(".row.message").first().waitFor();
      const unreadable = page.locator(".row.message", { hasText: "cannot be read" });
      for (let i = 1; i <= 40 && !(await unreadable.count()); i += 1) {
        const { id } = await at.send(bob, talk, `from Bob ${i}`);
        await page
          .locator(".row.message")
          .nth(2 + i)
          .waitFor();
        assert.ok(id);
      }
      assert.ok(await unreadable.count(), "one that cannot be read is shown");
      await page.locator(".log-lines li.bad", { hasText: "not as it has to be" }).first().waitFor();
      await page.locator(".log-lines li.bad", { hasText: "its place is kept" }).first().waitFor();
      await at.trouble({}, ann);
      await page.context().close();
    });
  });

  test("on a slow line an answer arrives that takes longer than the time-out, since bytes come all the while", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 3);
    const page = await impatient(ann, talk);
    await line(page, SLOW);
    const began = Date.now();
    await at.bulk(talk, 50, randomBytes(LARGE).toString("base64"));
    await page.evaluate(() =>
      e2e.until(timeline, (now) => now.items.at(-1).message?.body?.text?.endsWith(" 50"), 60_000),
    );
    assert.ok(Date.now() - began > TIMEOUT, "the line was slow");
    await line(page, null);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("on a slow line what is sent is delivered, once, though it takes longer than the time-out", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 3);
    const page = await impatient(ann, talk);
    await line(page, SLOW / 2);
    await page.evaluate((size) => timeline.send({ text: `${"x".repeat(size)} the end` }), 15 * LARGE);
    await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0, 90_000));
    await line(page, null);
    const all = await serversList(at, ann, talk);
    assert.equal(all.length, 4);
    assert.deepEqual(await wholeList(page), all);
    await nothingWrong(page);
  });

  test("a browser that says it is offline, from the start or from some time on, forbids nothing", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 3);
    const context = await browser.newContext();
    await context.addInitScript(() => {
      globalThis.lies = true;
      Object.defineProperty(Navigator.prototype, "onLine", { configurable: true, get: () => !globalThis.lies });
    });
    const page = await openPage(context, server);
    const works = async (what) => {
      await at.send(bob, talk, `to Ann, ${what}`);
      await sawLast(page, `to Ann, ${what}`);
      await page.evaluate(async (what) => {
        await timeline.send({ text: `of Ann, ${what}` });
        await e2e.until(client.outbox, (items) => items.length === 0);
        await client.sync();
      }, what);
    };
    await page.evaluate(async (ann) => {
      globalThis.client = await e2e.open(ann, { prefetch: false });
      await e2e.caughtUp(client);
    }, ann);
    await showing(page, talk);
    await works("from the start");
    await page.evaluate(() => {
      lies = false;
      dispatchEvent(new Event("online"));
    });
    await works("online");
    await page.evaluate(() => {
      lies = true;
      dispatchEvent(new Event("offline"));
    });
    await works("from some time on");
    assert.equal(await page.evaluate(() => client.status.getSnapshot().connection), "online");
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("when the server stops, its clients do not come back all at once: their sockets are opened over seconds", async () => {
    const port = await freePort();
    const args = ["--db", `${temporaryFolder()}/chat.db`];
    let stopping = await startServer({ port, args });
    const users = Array.from({ length: 12 }, (_, i) => `member${i}`);
    const there = demo(stopping);
    for (const name of users) await there.post("/demo/sign-in", { name });
    await there.post("/demo/create", { id: "all", members: users });
    const page = await browser.newContext().then((context) => context.newPage());
    await page.goto(`${stopping.url}/blank/`);
    await importPackage(page);
    await page.evaluate(async (users) => {
      globalThis.opened = [];
      globalThis.ends = [];
      globalThis.WebSocket = class extends WebSocket {
        constructor(address, protocols) {
          super(address, protocols);
          opened.push(performance.now());
          this.addEventListener("close", ({ code }) => ends.push([performance.now(), code]));
        }
      };
      globalThis.clients = await Promise.all(
        users.map((user) => e2e.open(user, { prefetch: false, storage: { mode: "memory" } })),
      );
      for (const client of clients) await e2e.caughtUp(client);
      await e2e.poll(() => opened.length >= users.length);
    }, users);
    /** The server stops and comes back: how far its clients' new sockets are spread. */
    const stopAndStart = async () => {
      await page.waitForTimeout(1000);
      const before = await page.evaluate(() => {
        ends.length = 0;
        return opened.length;
      });
      await stopping.stop();
      stopping = await startServer({ port, args });
      const { opened: again, ends: closed } = await page.evaluate(
        async ({ before, count }) => {
          await e2e.poll(() => opened.length >= before + count);
          return { opened: opened.slice(before), ends };
        },
        { before, count: users.length },
      );
      const since = Math.min(...closed.map(([time]) => time));
      // the first that each has opened again: no two of them within a millisecond or so, as a rule
      const firsts = again
        .slice(0, users.length)
        .map((time) => time - since)
        .sort((a, b) => a - b);
      assert.ok(
        firsts.at(-1) - firsts[0] > 1500,
        `all within ${firsts.at(-1) - firsts[0]} ms: ${firsts.map(Math.round)}; closed with ${closed.map(([, code]) => code)}`,
      );
      const near = firsts.filter((time, i) => i > 0 && time - firsts[i - 1] < 10).length;
      assert.ok(near <= users.length / 3, `in the same moment: ${firsts.map(Math.round)}`);
    };
    try {
      // a page that stands still for a moment does all at once that has become due meanwhile: not each time
      for (let rounds = 3; rounds; ) {
        rounds -= 1;
        const error = await stopAndStart().then(
          () => null,
          (error) => error,
        );
        if (!error) break;
        if (!rounds || error.code !== "ERR_ASSERTION") throw error;
      }
      await page.evaluate(async () => {
        for (const client of clients) await e2e.caughtUp(client);
      });
      await there.send("member0", "all", "to everybody");
      await page.evaluate(async () => {
        for (const client of clients)
          await e2e.until(client.conversation("all"), (one) => one.lastMessage?.body.text === "to everybody");
      });
    } finally {
      await page.context().close();
      await stopping.stop();
    }
  });
});
