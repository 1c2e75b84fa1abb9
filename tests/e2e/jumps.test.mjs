// Places in a conversation: around a message, at a time, the first unread, the newest end. From each one pages both
// ways until nothing is missing. Then what a list does around that: several lists share requests, a page is fetched
// ahead, a conversation is left and comes back.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, openPage, signIn } from "./support/harness.mjs";
import {
  SEQS,
  hold,
  nothingWrong,
  requestsFromNow,
  requestsOf,
  serversList,
  shownList,
  showing,
  wholeList,
} from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

describe("jumps", () => {
  let server, browser, at;

  withServer({ args: SEQS }, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** A conversation whose messages are of the last thirty days. */
  async function longTalk(members, count = 400) {
    const talk = await at.conversation(members);
    await at.post("/demo/bulk", { conversation: talk, sender: "Mara", count, text: "message", days: 30 });
    return talk;
  }

  const jump = (page, to) =>
    page.evaluate(async (to) => {
      const { count } = timeline.getSnapshot().anchor;
      await timeline.jump(to);
      const { items, anchor, hasNewer, hasOlder, firstIndex } = timeline.getSnapshot();
      const found = items.findIndex((item) => item.key === anchor.key);
      return {
        id: items[found]?.message?.id ?? null,
        raised: anchor.count - count,
        above: found,
        below: found < 0 ? -1 : items.length - 1 - found,
        hasNewer,
        hasOlder,
        numbered: Number.isInteger(firstIndex),
        gaps: items.filter((item) => item.kind === "gap").length,
      };
    }, to);

  test("around a message: it is the anchor, with messages on both sides, and pages lead to both ends", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    const page = await device(browser, server, ann);
    await showing(page, talk, { maxItems: 1000 });
    const { id, seq } = messages[150];
    const found = await jump(page, { around: String(seq) });
    assert.ok(found.above >= 10 && found.below >= 10, JSON.stringify(found));
    assert.deepEqual(
      { ...found, above: 0, below: 0 },
      { id, raised: 1, above: 0, below: 0, hasNewer: true, hasOlder: true, numbered: true, gaps: 0 },
    );
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    assert.deepEqual(
      (await page.evaluate((talk) => client.inspect(talk), talk)).segments.map(({ count, live, start, fresh }) => [
        count,
        live,
        start,
        fresh,
      ]),
      [[400, true, true, true]],
    );
    await nothingWrong(page);
  });

  test("around a position that no message has: the next newer one", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const { id } = await jump(page, { around: String(BigInt(messages[200].seq) - 3n) });
    assert.equal(id, messages[200].id);
    await nothingWrong(page);
  });

  test("at a time: the first message of then or later; after the last one, the newest end", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    const page = await device(browser, server, ann);
    await showing(page, talk, { maxItems: 1000 });
    for (const n of [120, 300, 40]) {
      const time = messages[n].createdAt - 1;
      const { id } = messages.find((message) => message.createdAt >= time);
      const found = await jump(page, { at: time });
      assert.deepEqual([found.id, found.raised, found.gaps], [id, 1, 0]);
    }
    const latest = await jump(page, { at: messages.at(-1).createdAt + 60_000 });
    assert.deepEqual([latest.id, latest.hasNewer], [null, false]);
    const first = await jump(page, { at: messages[0].createdAt - 60_000 });
    assert.equal(first.id, messages[0].id);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("the first unread, when opening and later; with nothing unread the newest end", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    await at.post(`/v1/conversations/${talk}/read`, { seq: messages[249].seq }, ann);
    const page = await device(browser, server, ann);
    await showing(page, talk, { start: "first-unread", maxItems: 1000 });
    const opened = await page.evaluate(() => {
      const { items, anchor } = timeline.getSnapshot();
      const found = items.findIndex((item) => item.key === anchor.key);
      return { id: items[found].message.id, above: found > 5, below: items.length - found > 5 };
    });
    assert.deepEqual(opened, { id: messages[250].id, above: true, below: true });
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await page.evaluate(
      async ({ talk, seq }) => {
        await client.markRead(talk, seq);
        await e2e.until(client.conversation(talk), (now) => now.unread === 0);
      },
      { talk, seq: String(messages.at(-1).seq) },
    );
    const none = await jump(page, "first-unread");
    assert.deepEqual([none.id, none.hasNewer], [null, false]);
    await nothingWrong(page);
  });

  test("where the cache has the place, no page is asked for", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    const page = await device(browser, server, ann, { prefetch: false });
    await showing(page, talk, { maxItems: 1000 });
    await wholeList(page);
    const { history } = await requestsOf(page);
    for (const [to, id] of [
      [{ around: String(messages[77].seq) }, messages[77].id],
      [{ at: messages[222].createdAt }, messages.find((message) => message.createdAt >= messages[222].createdAt).id],
      ["latest", null],
    ]) {
      assert.equal((await jump(page, to)).id, id);
    }
    assert.equal((await requestsOf(page)).history, history);
    await nothingWrong(page);
  });

  test("messages that arrive while paging to the live end: none is missing, none twice, and the list follows on", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await longTalk([ann, bob], 300);
    const messages = await at.history(ann, talk);
    const page = await openPage(await browser.newContext(), server);
    // the newest end is not in the cache: nothing has been opened before
    await signIn(page, ann);
    await page.evaluate(
      async ({ talk, seq }) => {
        globalThis.timeline = await e2e.show(client, talk, { start: { around: seq }, maxItems: 2000 });
      },
      { talk, seq: String(messages[200].seq) },
    );
    let sent = 0;
    for (;;) {
      // half of them while the page is under way, and committed before it is answered
      const letGo = await hold(page, /\/messages\?.*after=/);
      const loading = page.evaluate(async () => {
        const { end } = await timeline.loadNewer();
        return end;
      });
      for (let n = 0; n < 3; n += 1) {
        sent += 1;
        await at.send(bob, talk, `meanwhile ${sent}`);
      }
      await page.evaluate(() => client.sync());
      await letGo();
      if (await loading) break;
      assert.ok(sent < 100, "paging to the live end does not end");
    }
    await at.send(bob, talk, "afterwards");
    await page.evaluate(() =>
      e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "afterwards" && !now.hasNewer),
    );
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a page up to the live end, and messages sent after the server has read it", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await longTalk([ann, bob], 100);
    const messages = await at.history(ann, talk);
    const page = await openPage(await browser.newContext(), server);
    await signIn(page, ann);
    // answered by the server at once, delivered to the page late
    let deliver;
    const delivered = new Promise((resolve) => {
      deliver = resolve;
    });
    let answered;
    const isAnswered = new Promise((resolve) => {
      answered = resolve;
    });
    await page.route(/\/messages\?.*around=/, async (route) => {
      const response = await route.fetch();
      answered();
      await delivered;
      await route.fulfill({ response });
    });
    const opening = page.evaluate(
      async ({ talk, seq }) => {
        globalThis.timeline = await e2e.show(client, talk, { start: { around: seq }, maxItems: 2000, pageSize: 40 });
      },
      { talk, seq: String(messages[90].seq) },
    );
    await isAnswered;
    for (let n = 1; n <= 5; n += 1) await at.send(bob, talk, `meanwhile ${n}`);
    await page.evaluate(() => client.sync());
    deliver();
    await opening;
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a jump ends what is loading, and the jump before it", async () => {
    const [ann] = await at.users("ann");
    const talk = await longTalk([ann]);
    const messages = await at.history(ann, talk);
    const page = await device(browser, server, ann, { prefetch: false });
    await showing(page, talk);
    const letGo = await hold(page, /\/messages\?.*(before|around)=/);
    const ended = page.evaluate(
      async ([one, two]) => {
        const loading = e2e.refusal(timeline.loadOlder());
        const first = e2e.refusal(timeline.jump({ around: one }));
        const second = timeline.jump({ around: two });
        const refused = [(await loading).code, (await first).code];
        await second;
        return refused;
      },
      [String(messages[50].seq), String(messages[120].seq)],
    );
    await letGo();
    assert.deepEqual(await ended, ["aborted", "aborted"]);
    assert.equal(
      await page.evaluate(
        () => timeline.getSnapshot().items.find((item) => item.key === timeline.getSnapshot().anchor.key).message.id,
      ),
      messages[120].id,
    );
    assert.deepEqual(await page.evaluate(() => timeline.getSnapshot().loading), {
      older: false,
      newer: false,
      jump: false,
    });
    await nothingWrong(page);
  });

  test('in scope "conversation" and "mailbox" a jump pages to the live end as well', async () => {
    for (const scope of ["conversation", "mailbox"]) {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await longTalk([ann, bob], 200);
      const messages = await at.history(ann, talk);
      const page = await device(browser, server, ann, { sync: { scope } });
      await showing(page, talk, { maxItems: 1000 });
      const { id } = await jump(page, { around: String(messages[60].seq) });
      assert.equal(id, messages[60].id);
      await at.send(bob, talk, "meanwhile");
      // the newest page is in the cache: that one comes by itself
      await page.evaluate(() => client.sync());
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    }
  });

  describe("lists", () => {
    test("several of one conversation share requests", async () => {
      const [ann] = await at.users("ann");
      const talk = await longTalk([ann]);
      const messages = await at.history(ann, talk);
      const page = await openPage(await browser.newContext(), server);
      await signIn(page, ann, { prefetch: false });
      const requests = requestsFromNow(page);
      await page.evaluate(async (talk) => {
        // with the same options it would be the same list
        globalThis.lists = await Promise.all([1000, 999, 998].map((maxItems) => e2e.show(client, talk, { maxItems })));
        await Promise.all(lists.map((one) => one.loadOlder()));
      }, talk);
      assert.deepEqual(
        requests.filter((request) => request.includes("/messages?")).map((request) => /before=/.test(request)),
        [false, true],
      );
      await page.evaluate(
        (seq) => Promise.all(lists.map((one) => one.jump({ around: seq }))),
        String(messages[100].seq),
      );
      assert.equal(requests.filter((request) => request.includes("around=")).length, 1);
      const same = await page.evaluate(() =>
        lists.map((one) =>
          one
            .getSnapshot()
            .items.map((item) => item.message.id)
            .join(),
        ),
      );
      assert.equal(new Set(same).size, 1);
      await nothingWrong(page);
    });

    const historyAfter = async (page, ms) => {
      await page.waitForTimeout(ms);
      return (await requestsOf(page)).history;
    };

    test("one page is fetched ahead by itself, and the next call has it", async () => {
      const [ann] = await at.users("ann");
      const talk = await longTalk([ann]);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.evaluate(() => e2e.poll(async () => (await client.inspect()).requests.history === 2));
      await page.evaluate(() => e2e.poll(async () => (await client.inspect()).cachedMessages === 60));
      assert.equal(await historyAfter(page, 2000), 2);
      assert.deepEqual(await page.evaluate(() => timeline.getSnapshot().items.length), 30);
      assert.deepEqual(await page.evaluate(() => timeline.loadOlder()), { added: 30, end: false, source: "cache" });
      await page.evaluate(() => e2e.poll(async () => (await client.inspect()).requests.history === 3));
      assert.equal(await historyAfter(page, 1500), 3);
      await nothingWrong(page);
    });

    test("not ahead with `prefetch: false`, and not where data is to be saved", async () => {
      for (const saveData of [false, true]) {
        const [ann] = await at.users("ann");
        const talk = await longTalk([ann]);
        const context = await browser.newContext();
        if (saveData) {
          await context.addInitScript(() => {
            Object.defineProperty(Object.getPrototypeOf(navigator), "connection", {
              configurable: true,
              get: () => Object.assign(new EventTarget(), { saveData: true }),
            });
          });
        }
        const page = await openPage(context, server);
        await signIn(page, ann, saveData ? {} : { prefetch: false });
        await showing(page, talk);
        assert.equal(await historyAfter(page, 2500), 1);
        assert.deepEqual(await page.evaluate(() => timeline.loadOlder()), { added: 30, end: false, source: "network" });
        await nothingWrong(page);
      }
    });

    test("a conversation that is left says so, keeps its items, and lives again when it comes back", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 50);
      const page = await device(browser, server, ann);
      await showing(page, talk);
      await page.evaluate(() => {
        globalThis.removed = [];
        client.on("removed", ({ conversation }) => removed.push(conversation));
      });
      await at.post("/demo/leave", { conversation: talk, user: ann });
      const left = await page.evaluate(async (talk) => {
        const { items, status } = await e2e.until(timeline, (now) => now.status === "removed");
        const listed = client.conversations.getSnapshot().some((one) => one.id === talk);
        const { segments } = await client.inspect(talk);
        const refused = await e2e.refusal(timeline.loadOlder());
        return { items: items.length, status, listed, segments: segments.length, removed, refused: refused?.code };
      }, talk);
      assert.deepEqual(left, {
        items: 30,
        status: "removed",
        listed: false,
        segments: 0,
        removed: [talk],
        refused: "forbidden",
      });
      await at.send(bob, talk, "while she was away");
      await at.post("/demo/join", { conversation: talk, user: ann });
      await at.send(bob, talk, "welcome back");
      await page.evaluate(() =>
        e2e.until(
          timeline,
          (now) => now.status === "ready" && e2e.textOf(now.items.at(-1)) === "welcome back" && !now.hasNewer,
        ),
      );
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await page.evaluate(async (talk) => {
        globalThis.timeline = await e2e.show(client, talk, { maxItems: 1000 });
      }, talk);
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });

    test("left and back again while offline: the list is what the server has now", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 50);
      const page = await device(browser, server, ann, { overflow: "keep" });
      await showing(page, talk);
      await page.context().setOffline(true);
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
      await at.post("/demo/leave", { conversation: talk, user: ann });
      await at.bulk(talk, 10, "without her");
      await at.post("/demo/join", { conversation: talk, user: ann });
      await at.send(bob, talk, "with her");
      await page.context().setOffline(false);
      await page.evaluate(async () => {
        await e2e.caughtUp(client);
        await e2e.until(timeline, (now) => now.status === "ready" && e2e.textOf(now.items.at(-1)) === "with her");
      });
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      assert.deepEqual(await shownList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });
  });
});
