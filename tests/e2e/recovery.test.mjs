// What goes wrong around a client, and what its lists look like meanwhile and afterwards. The server's positions are
// large and far apart, as Snowflake's are, so that nothing here holds for small dense numbers only.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { demo, device, freePort, openPage, startServer, temporaryFolder } from "./support/harness.mjs";
import { hold, nothingWrong, SEQS, showing } from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

const HISTORY = /\/v1\/conversations\/[^/]+\/messages\?/;

/** Everything of the conversation, as the list shows it once it was loaded to both ends. */
const wholeList = (page) =>
  page.evaluate(async () => {
    for (let calls = 0; timeline.getSnapshot().hasNewer; calls += 1) {
      if (calls > 100) throw new Error("loadNewer without an end");
      await timeline.loadNewer({ limit: 200 });
    }
    for (let calls = 0; timeline.getSnapshot().hasOlder; calls += 1) {
      if (calls > 100) throw new Error("loadOlder without an end");
      await timeline.loadOlder({ limit: 200 });
    }
    // a gap fills by itself
    await e2e.until(timeline, (now) => now.items.every((item) => item.kind === "message" && item.fresh));
    return e2e.texts(timeline);
  });

describe("recovery", () => {
  let server, browser, at;

  withServer({ args: SEQS }, (stand) => {
    ({ server, browser, at } = stand);
  });

  const textsOf = async (user, talk) => (await at.history(user, talk)).map((message) => message.body?.text ?? null);

  test("a service worker that answers pulls from its cache is told, and passed by", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 3);
    // The demo's pages may make no worker (trusted-types 'none').
    const page = await openPage(await browser.newContext({ bypassCSP: true }), server);
    await page.evaluate(async () => {
      await navigator.serviceWorker.register("/blank/cache.worker.js", { scope: "/blank/" });
      while (!navigator.serviceWorker.controller) await new Promise((resolve) => setTimeout(resolve, 20));
    });
    await page.evaluate(async (user) => {
      globalThis.lines = [];
      const logger = (level, line) => level === "warn" && lines.push(line);
      globalThis.client = await e2e.open(user, { logger });
      await e2e.caughtUp(client);
      // What is asked now is kept.
      await client.sync();
    }, ann);
    await showing(page, talk);
    await at.send(bob, talk, "not in the cache");
    // However often it is asked: as long as it is asked plainly the cache answers.
    await page.evaluate(async () => {
      const came = () => e2e.texts(timeline).includes("not in the cache");
      while (!came()) {
        await client.sync();
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    });
    const lines = await page.evaluate(() => lines.filter((line) => line.includes("cache")));
    assert.equal(lines.length, 1, lines.join("\n"));
    assert.match(lines[0], /^pull: a cache has answered, and not the server: .*service worker/);
    await page.context().close();
  });

  describe("overflow", () => {
    test("while scrolled back: what is on screen stays, in every snapshot, and is healed around it", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 600);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.evaluate(async () => {
        await timeline.loadOlder({ limit: 200 });
        const { items } = timeline.getSnapshot();
        globalThis.onScreen = items.slice(40, 55).map((item) => item.key);
        timeline.visible(onScreen[0], onScreen.at(-1));
        globalThis.overflowed = new Promise((resolve) => client.on("overflow", resolve));
        globalThis.from = timeline.snapshots.length;
      });
      const letGo = await hold(page, HISTORY);
      await at.overflow(ann);
      assert.deepEqual(await page.evaluate(() => overflowed), { conversations: "all" });
      // its segments are gone, and no page has come yet
      await at.bulk(talk, 1, "during");
      const during = await page.evaluate(async () => {
        const { items } = await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "during 1");
        return { count: items.length, before: items.at(-2).kind };
      });
      assert.deepEqual(during, { count: 232, before: "gap" });
      await letGo();
      const healed = await page.evaluate(async (talk) => {
        await e2e.until(timeline, (now) => !now.items.some((item) => item.kind === "gap"));
        await e2e.poll(async () => (await client.inspect(talk)).segments.some((one) => one.fresh && one.count >= 15));
        const lost = timeline.snapshots.slice(from).filter((one) => {
          const keys = one.items.map((item) => item.key);
          const at = keys.indexOf(onScreen[0]);
          return at < 0 || onScreen.some((key, i) => keys[at + i] !== key);
        });
        return {
          snapshots: timeline.snapshots.length - from > 1,
          lost: lost.length,
          moved: timeline.snapshots.at(-1).anchor.count - timeline.snapshots[from - 1].anchor.count,
        };
      }, talk);
      assert.deepEqual(healed, { snapshots: true, lost: 0, moved: 0 });
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
      await nothingWrong(page);
    });

    test("at the newest end: the list is never blank, keeps its keys, and follows on", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 100);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      const keys = await page.evaluate(() => {
        globalThis.from = timeline.snapshots.length;
        globalThis.overflowed = new Promise((resolve) => client.on("overflow", resolve));
        return timeline.getSnapshot().items.map((item) => item.key);
      });
      await at.overflow(ann, [talk]);
      assert.deepEqual(await page.evaluate(() => overflowed), { conversations: [talk] });
      await at.bulk(talk, 2, "after");
      const seen = await page.evaluate(async (keys) => {
        await e2e.until(
          timeline,
          (now) =>
            e2e.textOf(now.items.at(-1)) === "after 2" &&
            !now.hasNewer &&
            !now.items.some((item) => item.kind === "gap"),
        );
        const missing = timeline.snapshots
          .slice(from)
          .filter((one) => keys.slice(5).some((key) => !one.items.some((item) => item.key === key)));
        return missing.length;
      }, keys);
      assert.equal(seen, 0);
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
      await nothingWrong(page);
    });

    test("own messages that are not delivered stay through it", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 50);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.route("**/v1/conversations/*/messages", (route) => route.abort());
      await page.evaluate(async () => {
        await timeline.send({ text: "still here" }, { clientId: "still" });
        globalThis.overflowed = new Promise((resolve) => client.on("overflow", resolve));
        globalThis.from = timeline.snapshots.length;
      });
      await at.overflow(ann);
      await page.evaluate(() => overflowed);
      await page.unroute("**/v1/conversations/*/messages");
      const gone = await page.evaluate(async () => {
        await e2e.until(client.outbox, (items) => items.length === 0);
        await e2e.until(
          timeline,
          (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "still here",
        );
        return timeline.snapshots.slice(from).filter((one) => !one.items.some((item) => item.key === "c:still")).length;
      });
      assert.equal(gone, 0);
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
      await nothingWrong(page);
    });

    test("too far behind after being offline: the list is what the server has", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 100);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.context().setOffline(true);
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
      await at.bulk(talk, 10_500, "missed");
      await page.context().setOffline(false);
      await page.evaluate(async () => {
        await e2e.caughtUp(client);
        await e2e.until(
          timeline,
          (now) => e2e.textOf(now.items.at(-1)) === "missed 10500" && !now.items.some((item) => item.kind === "gap"),
        );
        await timeline.loadOlder({ limit: 300 });
      });
      const shown = await page.evaluate(() => e2e.texts(timeline));
      assert.ok(shown.length >= 330, `${shown.length}`);
      assert.deepEqual(shown, (await textsOf(ann, talk)).slice(-shown.length));
      await nothingWrong(page);
    });
  });

  test("a server killed in the middle of a catch-up, and started again: nothing is missing, nothing twice", async () => {
    const file = join(temporaryFolder(), "chat.sqlite");
    const port = await freePort();
    const start = () => startServer({ args: ["--db", file, ...SEQS], port });
    let mortal = await start();
    try {
      const its = demo(mortal);
      const [ann] = await its.users("ann");
      const talk = await its.conversation([ann], 50);
      const page = await device(browser, mortal, ann, { sync: { pullLimit: 20 } });
      await showing(page, talk, { maxItems: 5000 });
      await page.context().setOffline(true);
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
      await its.bulk(talk, 2000, "missed");
      // so that it is killed before all is there, however late that is done
      await its.trouble({ delayMs: 100 }, ann);
      await page.context().setOffline(false);
      await page.evaluate(() => e2e.until(client.status, (status) => status.progress?.applied >= 200));
      await mortal.kill();
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
      const [part, sent] = await page.evaluate(async () => {
        const part = timeline.getSnapshot().items.length;
        return [part, await timeline.send({ text: "into the dark" })];
      });
      assert.ok(part >= 230 && part < 2030, `${part} messages when it was killed`);
      mortal = await start();
      await page.evaluate(async (key) => {
        await e2e.caughtUp(client);
        await e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message");
      }, sent.key);
      const shown = await wholeList(page);
      const wanted = [
        ...Array.from({ length: 50 }, (_, i) => `message ${i + 1}`),
        ...Array.from({ length: 2000 }, (_, i) => `missed ${i + 1}`),
        "into the dark",
      ];
      assert.deepEqual(shown, wanted);
      const { segments } = await page.evaluate((talk) => client.inspect(talk), talk);
      assert.deepEqual(
        segments.map(({ count, live, start }) => [count, live, start]),
        [[2051, true, true]],
      );
      await nothingWrong(page);
    } finally {
      await mortal.stop();
    }
  });

  test("a server that has lost everything: its cursors mean nothing, and the list becomes what it has now", async () => {
    const port = await freePort();
    let forgetful = await startServer({ port });
    try {
      const old = await demo(forgetful).conversation(["ada"], 50);
      const page = await device(browser, forgetful, "ada");
      await showing(page, old);
      await forgetful.kill();
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
      forgetful = await startServer({ port });
      const now = await demo(forgetful).conversation(["ada"], 10);
      const seen = await page.evaluate(
        async ({ old, now }) => {
          await e2e.until(client.conversations, (list) => list.map((one) => one.id).join() === now);
          await e2e.until(timeline, (snapshot) => snapshot.status === "removed");
          const { items } = await e2e.show(client, now).then((one) => one.getSnapshot());
          return {
            kept: timeline.getSnapshot().items.length,
            items: items.length,
            segments: (await client.inspect(old)).segments.length,
          };
        },
        { old, now },
      );
      assert.deepEqual(seen, { kept: 30, items: 10, segments: 0 });
      await nothingWrong(page);
    } finally {
      await forgetful.stop();
    }
  });

  test("a server slower than the timeout: each request counts as lost, and all is well once it is quick", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 40);
    const page = await openPage(await browser.newContext(), server);
    await at.trouble({ delayMs: 6000 }, ann);
    const code = await page.evaluate(
      async ({ ann, talk }) => {
        globalThis.client = await e2e.open(ann, {
          transport: { baseUrl: location.origin, token: () => `demo-${ann}`, timeout: 2000 },
        });
        globalThis.timeline = client.timeline(talk);
        e2e.watch(timeline);
        await client.send(talk, { text: "patience" });
        return (await e2e.until(client.status, (status) => status.error)).error.code;
      },
      { ann, talk },
    );
    assert.equal(code, "timeout");
    await at.trouble({}, ann);
    await page.evaluate(async () => {
      await e2e.caughtUp(client);
      await e2e.until(
        timeline,
        (now) => now.items.at(-1)?.kind === "message" && e2e.textOf(now.items.at(-1)) === "patience",
      );
    });
    assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
    await nothingWrong(page);
  });

  describe("notifications", () => {
    test('notify "poll" goes without them', async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 5);
      const page = await openPage(await browser.newContext(), server);
      let sockets = 0;
      page.on("websocket", () => {
        sockets += 1;
      });
      await page.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, {
            sync: { notify: "poll", pollInterval: 200, fallbackPollInterval: 200 },
          });
          await e2e.caughtUp(client);
          globalThis.timeline = await e2e.show(client, talk);
        },
        { ann, talk },
      );
      await at.bulk(talk, 3, "polled");
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "polled 3"));
      assert.equal(sockets, 0);
      await nothingWrong(page);
    });

    test("lost ones are made good by the timed pull", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 5);
      const page = await device(browser, server, ann, { sync: { pollInterval: 400 } });
      await showing(page, talk);
      await at.trouble({ dropNotifications: 1 }, ann);
      await at.bulk(talk, 3, "unannounced");
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "unannounced 3"));
      assert.equal(await page.evaluate(() => client.status.getSnapshot().connection), "online");
      await nothingWrong(page);
    });

    test("doubled ones change nothing: each message is an event once", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 5);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await at.trouble({ duplicateNotifications: 1 }, ann);
      await page.evaluate(() => {
        globalThis.told = [];
        client.on("messages", ({ messages, live }) =>
          told.push(...messages.map((message) => [message.body.text, live])),
        );
      });
      for (let i = 1; i <= 5; i += 1) {
        await at.bulk(talk, 1, `doubled ${i}`);
        await page.evaluate(
          (text) => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === text),
          `doubled ${i} 1`,
        );
      }
      assert.deepEqual(
        await page.evaluate(() => told),
        [1, 2, 3, 4, 5].map((i) => [`doubled ${i} 1`, true]),
      );
      await nothingWrong(page);
    });
  });

  describe("a conversation that changes from outside", () => {
    test("the account leaves it while it is open: it keeps its items, and says removed; and comes back when it is joined again", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 40);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.evaluate(() => {
        globalThis.removed = new Promise((resolve) => client.on("removed", resolve));
      });
      await at.post("/demo/leave", { conversation: talk, user: ann });
      const seen = await page.evaluate(async (talk) => {
        const { items } = await e2e.until(timeline, (now) => now.status === "removed");
        return {
          items: items.length,
          event: await removed,
          one: client.conversation(talk).getSnapshot(),
          listed: client.conversations.getSnapshot().length,
          older: (await e2e.refusal(timeline.loadOlder())).code,
          cached: (await client.inspect(talk)).segments.length,
        };
      }, talk);
      assert.deepEqual(seen, {
        items: 30,
        event: { conversation: talk },
        one: null,
        listed: 0,
        older: "forbidden",
        cached: 0,
      });
      await at.post("/demo/join", { conversation: talk, user: ann });
      await at.bulk(talk, 1, "again");
      await page.evaluate(async () => {
        await e2e.until(
          timeline,
          (now) =>
            now.status === "ready" &&
            e2e.textOf(now.items.at(-1)) === "again 1" &&
            !now.items.some((item) => item.kind === "gap"),
        );
      });
      assert.deepEqual(await wholeList(page), await textsOf(ann, talk));
      await nothingWrong(page);
    });

    test("history is trimmed while it is open: what is gone leaves the list, and the rest begins there", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 60);
      const messages = await at.history(ann, talk);
      const page = await device(browser, server, ann);
      await showing(page, talk, { pageSize: 40 });
      await at.post("/demo/trim", { conversation: talk, before: messages[29].seq });
      const seen = await page.evaluate(async () => {
        const { items } = await e2e.until(timeline, (now) => e2e.textOf(now.items[0]) === "message 30");
        const { added, end } = await timeline.loadOlder();
        return { count: items.length, added, end, hasOlder: timeline.getSnapshot().hasOlder };
      });
      assert.deepEqual(seen, { count: 31, added: 0, end: true, hasOlder: false });
      await nothingWrong(page);
    });

    test("a message that is committed late stands where it belongs", async () => {
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 20);
      const messages = await at.history(ann, talk);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      const between = BigInt(messages[9].seq) + 5n;
      await at.post("/demo/late-insert", {
        conversation: talk,
        seq: String(between),
        sender: "Mara",
        body: { text: "late" },
      });
      const shown = await page.evaluate(async () => {
        await e2e.until(timeline, (now) => now.items.length === 21);
        return e2e.texts(timeline);
      });
      assert.deepEqual(shown, await textsOf(ann, talk));
      assert.equal(shown[10], "late");
      await nothingWrong(page);
    });

    test("a conversation that is new comes into the list, and goes to its top with its first message", async () => {
      const [ann] = await at.users("ann");
      const old = await at.conversation([ann], 5);
      const page = await device(browser, server, ann);
      const talk = await at.conversation([ann]);
      await page.evaluate(
        (talk) => e2e.until(client.conversations, (list) => list.some((one) => one.id === talk)),
        talk,
      );
      await showing(page, talk);
      assert.deepEqual(
        await page.evaluate(() => [
          timeline.getSnapshot().items.length,
          timeline.getSnapshot().hasOlder,
          timeline.getSnapshot().hasNewer,
        ]),
        [0, false, false],
      );
      await at.bulk(talk, 1, "first");
      const order = await page.evaluate(async (talk) => {
        await e2e.until(timeline, (now) => now.items.length === 1);
        const list = await e2e.until(
          client.conversations,
          (list) => list[0].id === talk && list[0].lastMessage !== null,
        );
        return list.map((one) => one.id);
      }, talk);
      assert.deepEqual(order, [talk, old]);
      await nothingWrong(page);
    });
  });

  test("a token that is refused waits for the app, and sync() goes on with the next one", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 5);
    const page = await openPage(await browser.newContext(), server);
    const seen = await page.evaluate(
      async ({ ann, talk }) => {
        let token = "expired";
        let asked = 0;
        globalThis.client = await e2e.open(ann, {
          transport: {
            baseUrl: location.origin,
            token: () => {
              asked += 1;
              return token;
            },
          },
        });
        const refused = await e2e.until(client.status, (status) => status.connection === "needs-auth");
        const askedInVain = asked;
        const still = await e2e.refusal(client.sync());
        await client.send(talk, { text: "once I am let in" });
        token = `demo-${ann}`;
        await client.sync();
        await e2e.caughtUp(client);
        await e2e.until(client.outbox, (items) => items.length === 0);
        return {
          code: refused.error.code,
          askedInVain,
          still: still.code,
          error: client.status.getSnapshot().error,
          listed: client.conversations.getSnapshot().length,
        };
      },
      { ann, talk },
    );
    assert.ok(seen.askedInVain >= 2 && seen.askedInVain <= 6, `${seen.askedInVain} times asked for the token`);
    assert.deepEqual(
      { ...seen, askedInVain: 0 },
      { code: "unauthorized", askedInVain: 0, still: "unauthorized", error: null, listed: 1 },
    );
    assert.deepEqual((await textsOf(ann, talk)).at(-1), "once I am let in");
    await nothingWrong(page);
  });

  test("a client opens at once where no server answers, and is in sync once one does", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 5);
    const page = await openPage(await browser.newContext(), server);
    await page.context().route("**/v1/**", (route) => route.abort());
    const before = await page.evaluate(
      async ({ ann, talk }) => {
        globalThis.client = await e2e.open(ann, {
          sync: { notify: "poll", fallbackPollInterval: 300, pollInterval: 300 },
        });
        await e2e.until(client.status, (status) => status.connection === "offline");
        globalThis.timeline = client.timeline(talk);
        e2e.watch(timeline);
        const { items, error } = await e2e.until(timeline, (now) => now.status === "ready");
        return {
          items: items.map((item) => item.kind),
          error: error?.code,
          listed: client.status.getSnapshot().listed,
          older: (await e2e.refusal(timeline.loadOlder())).code,
        };
      },
      { ann, talk },
    );
    assert.deepEqual(before, { items: ["gap"], error: "offline", listed: false, older: "offline" });
    await page.context().unroute("**/v1/**");
    await page.evaluate(async () => {
      await e2e.caughtUp(client);
      await e2e.until(timeline, (now) => now.items.length === 5 && !now.hasOlder && now.error === null);
    });
    await nothingWrong(page);
  });
});
