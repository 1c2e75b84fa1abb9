// A list's window over a long conversation: growing, letting go, numbers, what is unseen, calls at the same time.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demo, device, findings, launchBrowser, startServer } from "./support/harness.mjs";

describe("window", () => {
  let server, browser, at, page, talk, user;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    at = demo(server);
    [user] = await at.users("ann");
    talk = await at.conversation([user], 1000);
    page = await device(browser, server, user);
  });

  after(async () => {
    try {
      assert.deepEqual(await findings(page), []);
    } finally {
      await browser?.close();
      await server?.stop();
    }
  });

  test("past maxItems the far end is let go of, loadNewer brings it back, and nothing is renumbered", async () => {
    const seen = await page.evaluate(async (talk) => {
      const timeline = await e2e.show(client, talk, { pageSize: 50, maxItems: 200 });
      /** number → key: what was numbered once keeps its number */
      const numbers = new Map();
      const wrong = [];
      const look = () => {
        const { items, firstIndex } = timeline.getSnapshot();
        if (items.length > 200) wrong.push(`${items.length} items`);
        items.forEach((item, i) => {
          const known = numbers.get(firstIndex + i);
          if (known !== undefined && known !== item.key) wrong.push(`${firstIndex + i} was ${known}, is ${item.key}`);
          numbers.set(firstIndex + i, item.key);
        });
      };
      look();
      timeline.subscribe(look);
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder();
      const top = { first: e2e.texts(timeline)[0], hasNewer: timeline.getSnapshot().hasNewer };
      const sources = new Set();
      while (timeline.getSnapshot().hasNewer) sources.add((await timeline.loadNewer()).source);
      const bottom = { last: e2e.texts(timeline).at(-1), hasOlder: timeline.getSnapshot().hasOlder };
      const { end, added } = await timeline.loadNewer();
      timeline.close();
      return {
        wrong: wrong.slice(0, 5),
        numbered: numbers.size,
        top,
        bottom,
        end,
        added,
        sources: [...sources],
        anchors: timeline.getSnapshot().anchor.count,
      };
    }, talk);
    assert.deepEqual(seen, {
      wrong: [],
      numbered: 1000,
      top: { first: "message 1", hasNewer: true },
      bottom: { last: "message 1000", hasOlder: true },
      end: true,
      added: 0,
      sources: ["cache"],
      anchors: 1,
    });
  });

  test("scrolled back in a window that has let go of its end, new messages count as unseen and do not appear; a jump shows them", async () => {
    const seen = await page.evaluate(async (talk) => {
      const timeline = await e2e.show(client, talk, { pageSize: 30, maxItems: 60 });
      const keys = () => timeline.getSnapshot().items.map((item) => item.key);
      timeline.visible(keys()[10], keys().at(-1));
      for (let i = 0; i < 4; i += 1) {
        await timeline.loadOlder();
        timeline.visible(keys()[5], keys()[15]);
      }
      const { hasNewer } = timeline.getSnapshot();
      const before = e2e.texts(timeline).join();
      await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 3, text: "unseen" });
      const { unseen } = await e2e.until(timeline, (now) => now.unseen === 3);
      const same = e2e.texts(timeline).join() === before;
      const { count } = timeline.getSnapshot().anchor;
      await timeline.jump("latest");
      const after = timeline.getSnapshot();
      timeline.visible(keys()[0], keys().at(-1));
      await e2e.until(timeline, (now) => now.unseen === 0);
      timeline.close();
      return {
        hasNewer,
        unseen,
        same,
        raised: after.anchor.count - count,
        anchor: after.anchor.key,
        last: e2e.texts(timeline).at(-1),
        newer: after.hasNewer,
      };
    }, talk);
    assert.deepEqual(seen, {
      hasNewer: true,
      unseen: 3,
      same: true,
      raised: 1,
      anchor: null,
      last: "unseen 3",
      newer: false,
    });
  });

  test("calls at the same time share the request; an abort rejects its own call only", async () => {
    const [other] = await at.users("ann");
    const fresh = await at.conversation([other], 300);
    const own = await device(browser, server, other, { prefetch: false });
    const seen = await own.evaluate(async (talk) => {
      const timeline = await e2e.show(client, talk);
      const before = (await client.inspect()).requests.history;
      const cancel = new AbortController();
      const [first, second, third] = [
        timeline.loadOlder(),
        timeline.loadOlder({ signal: cancel.signal }),
        timeline.loadOlder(),
      ];
      cancel.abort();
      const aborted = await e2e.refusal(second);
      const answers = [await first, await third];
      const already = await e2e.refusal(timeline.loadOlder({ signal: AbortSignal.abort() }));
      return {
        answers,
        aborted: aborted.name,
        already: already.name,
        requests: (await client.inspect()).requests.history - before,
        count: timeline.getSnapshot().items.length,
        loading: timeline.getSnapshot().loading,
      };
    }, fresh);
    const answer = { added: 30, end: false, source: "network" };
    assert.deepEqual(seen, {
      answers: [answer, answer],
      aborted: "AbortError",
      already: "AbortError",
      requests: 1,
      count: 60,
      loading: { older: false, newer: false, jump: false },
    });
    assert.deepEqual(await findings(own), []);
    await own.context().close();
  });

  test("two lists of one conversation each have their own window, over the same messages", async () => {
    const seen = await page.evaluate(async (talk) => {
      const [one, two] = [
        await e2e.show(client, talk, { pageSize: 20 }),
        await e2e.show(client, talk, { pageSize: 40 }),
      ];
      await one.loadOlder();
      const shared = one
        .getSnapshot()
        .items.every((item, i) => item.message.id === two.getSnapshot().items[i].message.id);
      await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 1, text: "for both" });
      await e2e.until(one, (now) => e2e.textOf(now.items.at(-1)) === "for both 1");
      const both = e2e.textOf(two.getSnapshot().items.at(-1));
      one.close();
      const after = [
        one.getSnapshot().status,
        one.getSnapshot().items.length,
        two.getSnapshot().status,
        (await e2e.refusal(one.loadOlder())).code,
      ];
      two.close();
      return { shared, both, after };
    }, talk);
    assert.deepEqual(seen, { shared: true, both: "for both 1", after: ["closed", 41, "ready", "closed"] });
  });

  test("an empty conversation is ready, empty, and complete", async () => {
    const empty = await at.conversation([user]);
    const seen = await page.evaluate(async (talk) => {
      const timeline = client.timeline(talk);
      timeline.subscribe(() => {});
      const { items, hasOlder, hasNewer, status } = await e2e.until(
        timeline,
        (now) => now.status === "ready" && !now.hasOlder,
      );
      const { added, end } = await timeline.loadOlder();
      const { segments } = await client.inspect(talk);
      return {
        items: items.length,
        hasOlder,
        hasNewer,
        status,
        added,
        end,
        segments: segments.map(({ count, live, start }) => [count, live, start]),
      };
    }, empty);
    assert.deepEqual(seen, {
      items: 0,
      hasOlder: false,
      hasNewer: false,
      status: "ready",
      added: 0,
      end: true,
      segments: [[0, true, true]],
    });
  });

  test("a conversation that does not exist is refused, once, and raises nothing else", async () => {
    // of its own: the browser tells of what is refused whenever it likes
    const [other] = await at.users("ann");
    const own = await device(browser, server, other);
    const seen = await own.evaluate(async () => {
      const before = (await client.inspect()).requests.history;
      const timeline = client.timeline("no such talk");
      timeline.subscribe(() => {});
      const { items, error, status } = await e2e.until(timeline, (now) => now.error);
      const older = await e2e.refusal(timeline.loadOlder());
      timeline.close();
      return {
        status,
        items: items.map((item) => item.kind),
        code: error.code,
        older: older.code,
        requests: (await client.inspect()).requests.history - before <= 2,
      };
    });
    assert.ok(["forbidden", "not-found"].includes(seen.code), seen.code);
    assert.equal(seen.older, seen.code);
    assert.deepEqual([seen.status, seen.items, seen.requests], ["ready", ["gap"], true]);
    assert.deepEqual(
      (await findings(own)).filter((text) => !text.startsWith("Failed to load resource")),
      [],
    );
    await own.context().close();
  });

  test("an own message that is unsent stands at the newest end while others come", async () => {
    const [other] = await at.users("ann");
    const fresh = await at.conversation([other], 5);
    const own = await device(browser, server, other);
    await own.route(/\/messages$/, (route) => route.abort());
    const during = await own.evaluate(async (talk) => {
      globalThis.timeline = await e2e.show(client, talk);
      await timeline.send({ text: "mine" });
      await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 2, text: "theirs" });
      await client.sync();
      return e2e.texts(timeline).slice(-3);
    }, fresh);
    assert.deepEqual(during, ["theirs 1", "theirs 2", "mine"]);
    await own.unroute(/\/messages$/);
    await own.evaluate(() =>
      e2e.until(timeline, (now) => now.items.at(-1).kind === "message" && e2e.textOf(now.items.at(-1)) === "mine"),
    );
    await own.context().close();
  });
});
