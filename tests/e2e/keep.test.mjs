// Overflow "keep" (R12): what was read stays, is shown at once as not fresh, and is made fresh by asking for what has
// changed. No change is lost, however the overflow, the pages and a restart fall together.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, findings, openPage, reload } from "./support/harness.mjs";
import {
  CHANGES,
  SEQS,
  goOffline,
  goOnline,
  hold,
  nothingWrong,
  requestsOf,
  serversList,
  showing,
  shownList,
  wholeList,
} from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

/** What asks for anything of a conversation: nothing gets fresh while it is held. */
const ANYTHING = /\/v1\/conversations\/[^/]+\/(messages|changes)\?/;
/** Only what was asked for counts in these tests. */
const KEEP = { overflow: "keep", prefetch: false };

describe('overflow "keep"', () => {
  let server, browser, at;

  withServer({ args: SEQS }, (stand) => {
    ({ server, browser, at } = stand);
  });

  const recall = (user, { conversation, id }) =>
    at.post(`/v1/conversations/${conversation}/messages/${id}/recall`, {}, user);

  /** From now on `overflowed` is the client's next overflow, and the timeline's snapshots are counted. */
  const expectOverflow = (page) =>
    page.evaluate(() => {
      globalThis.from = timeline.snapshots.length;
      globalThis.overflowed = new Promise((resolve) => client.on("overflow", resolve));
    });

  /** Puts the items of these numbers on screen: from here on they must stay there. */
  const look = (page, first, last) =>
    page.evaluate(
      ([first, last]) => {
        globalThis.onScreen = timeline
          .getSnapshot()
          .items.slice(first, last)
          .map((item) => item.key);
        timeline.visible(onScreen[0], onScreen.at(-1));
      },
      [first, last],
    );

  /**
   * How often since then the list was not what it should have been: something on screen was gone or moved apart, or the
   * list was blank or replaced.
   */
  const jolts = (page) =>
    page.evaluate(() => {
      const before = timeline.snapshots[from - 1].anchor.count;
      return timeline.snapshots.slice(from).filter((one) => {
        const keys = one.items.map((item) => item.key);
        const first = keys.indexOf(onScreen[0]);
        return first < 0 || onScreen.some((key, i) => keys[first + i] !== key) || one.anchor.count !== before;
      }).length;
    });

  /** A page that was looking at old messages when it went offline. One of them is recalled; an overflow is expected. */
  async function recalledWhileOffline(between) {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 40);
    const old = await at.send(bob, talk, "to be recalled");
    await at.bulk(talk, between, "between");
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk, { maxItems: 1000 });
    await wholeList(page);
    await look(page, 35, 45);
    await goOffline(page);
    await expectOverflow(page);
    await recall(bob, old);
    return { ann, talk, page, old };
  }

  const freshOnes = (page) =>
    page.evaluate(() => {
      const messages = timeline.getSnapshot().items.filter((item) => item.kind === "message");
      return {
        fresh: messages.filter((item) => item.fresh).length,
        stale: messages.filter((item) => !item.fresh).length,
      };
    });

  const allFresh = (page) =>
    page.evaluate(() => e2e.until(timeline, (now) => now.items.every((item) => item.kind === "message" && item.fresh)));

  test("while scrolled back: shown at once as not fresh, revalidated by its changes, and nothing moves", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 600);
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk, { maxItems: 120 });
    for (let pages = 0; pages < 5; pages += 1) {
      await page.evaluate(() => timeline.loadOlder());
      await look(page, 5, 20);
    }
    await expectOverflow(page);
    const before = await requestsOf(page);
    const letGo = await hold(page, ANYTHING);
    await at.overflow(ann);
    assert.deepEqual(await page.evaluate(() => overflowed), { conversations: "all" });
    const count = await page.evaluate(
      async () => (await e2e.until(timeline, (now) => now.items.some((item) => item.fresh === false))).items.length,
    );
    const stale = await freshOnes(page);
    assert.deepEqual(stale, { fresh: 0, stale: count });
    assert.deepEqual(
      (await page.evaluate((talk) => client.inspect(talk), talk)).segments.map(({ count, live, fresh }) => [
        count,
        live,
        fresh,
      ]),
      [[180, false, false]],
    );
    await letGo();
    await allFresh(page);
    assert.equal(await jolts(page), 0);
    const after = await requestsOf(page);
    assert.ok(after.changes > before.changes);
    assert.equal(after.history, before.history);
    const all = await serversList(at, ann, talk);
    const shown = await shownList(page);
    const begins = all.indexOf(shown[0]);
    assert.deepEqual(shown, all.slice(begins, begins + shown.length));
    await showing(page, talk, { maxItems: 1000 });
    assert.deepEqual(await wholeList(page), all);
    await nothingWrong(page);
  });

  test("at the newest end: kept, revalidated, and goes on with what is new", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 100);
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk);
    await page.evaluate(() => {
      globalThis.onScreen = timeline.getSnapshot().items.map((item) => item.key);
    });
    await expectOverflow(page);
    await at.overflow(ann, [talk]);
    await page.evaluate(() => overflowed);
    for (let n = 1; n <= 3; n += 1) await at.send(bob, talk, `after ${n}`);
    await page.evaluate(() =>
      e2e.until(
        timeline,
        (now) => e2e.textOf(now.items.at(-1)) === "after 3" && now.items.every((item) => item.fresh) && !now.hasNewer,
      ),
    );
    assert.equal(await jolts(page), 0);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("what changed meanwhile is seen: an old recall, an edit, a message committed late", async () => {
    const { ann, talk, page, old } = await recalledWhileOffline(100);
    await at.post("/demo/late-insert", {
      conversation: talk,
      seq: String(BigInt((await at.history(ann, talk))[60].seq) + 5n),
      sender: "Mara",
      body: { text: "late" },
    });
    await at.overflow(ann);
    await at.bulk(talk, 3, "after");
    const before = await requestsOf(page);
    const letGo = await hold(page, CHANGES);
    await goOnline(page);
    await page.evaluate(() => e2e.until(timeline, (now) => now.items.some((item) => item.fresh === false)));
    // not told yet
    assert.deepEqual(
      await page.evaluate(
        (id) =>
          timeline
            .getSnapshot()
            .items.filter((item) => item.message?.id === id)
            .map((item) => [item.message.state, item.fresh]),
        old.id,
      ),
      [["normal", false]],
    );
    await letGo();
    await page.evaluate(
      (id) =>
        e2e.until(timeline, (now) =>
          now.items.some((item) => item.message?.id === id && item.message.state === "recalled" && item.fresh),
        ),
      old.id,
    );
    assert.ok((await requestsOf(page)).changes > before.changes);
    assert.equal(await jolts(page), 0);
    await page.evaluate(() =>
      timeline.visible(timeline.getSnapshot().items.at(-5).key, timeline.getSnapshot().items.at(-1).key),
    );
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("overflow upon overflow, with changes before, between and after", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 30);
    const said = [];
    for (let n = 1; n <= 4; n += 1) {
      said.push(await at.send(bob, talk, `Bob ${n}`));
      await at.bulk(talk, 15, `after Bob ${n}`);
    }
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk, { maxItems: 1000 });
    await wholeList(page);
    const letGo = await hold(page, ANYTHING);
    for (const message of said) {
      await expectOverflow(page);
      await recall(bob, message);
      await at.overflow(ann);
      await page.evaluate(() => overflowed);
      await at.bulk(talk, 1, "between overflows");
    }
    await letGo();
    await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "between overflows 1"));
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("the log does not reach back: the kept segment is dropped, and its messages are fetched again", async () => {
    const { ann, talk, page, old } = await recalledWhileOffline(60);
    await at.post("/demo/forget", {}, ann);
    const before = await requestsOf(page);
    const gone = page.waitForResponse((response) => CHANGES.test(response.url()));
    await goOnline(page);
    assert.equal((await gone).status(), 410);
    await page.evaluate(
      (id) =>
        e2e.until(timeline, (now) =>
          now.items.some((item) => item.message?.id === id && item.message.state === "recalled" && item.fresh),
        ),
      old.id,
    );
    await allFresh(page);
    const after = await requestsOf(page);
    assert.ok(after.history > before.history);
    assert.equal(await jolts(page), 0);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a restart between the overflow and its revalidation: still not fresh, then fresh", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 40);
    const old = await at.send(bob, talk, "to be recalled");
    await at.bulk(talk, 20, "between");
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk, { maxItems: 1000 });
    await wholeList(page);
    let holding = true;
    const held = [];
    await page.route(ANYTHING, (route) => {
      if (!holding) return route.continue();
      held.push(route);
      return undefined;
    });
    await expectOverflow(page);
    await recall(bob, old);
    await at.overflow(ann);
    await page.evaluate(() => overflowed);
    await page.evaluate(() => e2e.until(timeline, (now) => now.items.some((item) => item.fresh === false)));
    await reload(page);
    await page.evaluate(
      async ({ ann, talk, options }) => {
        globalThis.client = await e2e.open(ann, options);
        globalThis.timeline = client.timeline(talk, { maxItems: 1000 });
        Object.assign(timeline, e2e.watch(timeline));
        await e2e.until(timeline, (now) => now.status === "ready" && now.items.some((item) => item.kind === "message"));
      },
      { ann, talk, options: KEEP },
    );
    const { fresh, stale } = await freshOnes(page);
    assert.equal(fresh, 0);
    assert.ok(stale >= 30, `${stale}`);
    holding = false;
    for (const route of held) await route.continue().catch(() => {});
    await allFresh(page);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    const { changes } = await requestsOf(page);
    assert.ok(changes > 0);
    await nothingWrong(page);
  });

  test("offline it goes past a gap into what is kept; online the gap fills, and nothing moves", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 120);
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk);
    await page.evaluate(async () => {
      await timeline.loadOlder();
      timeline.close();
    });
    await goOffline(page);
    await at.bulk(talk, 200, "missed");
    await at.overflow(ann);
    await at.bulk(talk, 5, "newest");
    await goOnline(page);
    // only the newest page, then nothing more
    const letGo = await hold(page, CHANGES);
    await page.route(/\/messages\?.*before=/, (route) => route.abort());
    await page.evaluate((talk) => {
      globalThis.timeline = client.timeline(talk, { maxItems: 1000 });
      Object.assign(timeline, e2e.watch(timeline));
      return e2e.until(timeline, (now) => now.items.length >= 30 && e2e.textOf(now.items.at(-1)) === "newest 5");
    }, talk);
    // the live segment alone
    await page.evaluate(() => timeline.jump("latest"));
    assert.deepEqual(await freshOnes(page), { fresh: 30, stale: 0 });
    await goOffline(page);
    await page.unroute(/\/messages\?.*before=/);
    const crossed = await page.evaluate(async () => {
      const { added, source } = await timeline.loadOlder({ limit: 40 });
      const { items } = timeline.getSnapshot();
      const gap = items.findIndex((item) => item.kind === "gap");
      return {
        added,
        source,
        above: items.length - gap - 1 >= 30,
        below: items.slice(0, gap).every((item) => item.kind === "message" && !item.fresh),
        last: e2e.textOf(items[gap - 1]),
      };
    });
    assert.deepEqual(crossed, { added: 40, source: "cache", above: true, below: true, last: "message 120" });
    // the gap on screen
    await page.evaluate(() => {
      globalThis.from = timeline.snapshots.length;
      const { items } = timeline.getSnapshot();
      const gap = items.findIndex((item) => item.kind === "gap");
      globalThis.onScreen = items.slice(gap - 8, gap).map((item) => item.key);
      timeline.visible(onScreen[0], items[gap + 8].key);
    });
    await letGo();
    await goOnline(page);
    await allFresh(page);
    assert.equal(await jolts(page), 0);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("offline from the beginning, after an overflow: what is kept is shown, and says that it is not fresh", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 60);
    const page = await device(browser, server, ann, KEEP);
    await showing(page, talk);
    await page.evaluate(() => timeline.close());
    await expectOverflow(page);
    await at.overflow(ann);
    await page.evaluate(() => overflowed);
    await goOffline(page);
    const shown = await page.evaluate(async (talk) => {
      globalThis.timeline = client.timeline(talk);
      Object.assign(timeline, e2e.watch(timeline));
      const { items, error } = await e2e.until(timeline, (now) => now.status === "ready" && now.items.length >= 30);
      return {
        kinds: [...new Set(items.map((item) => item.kind))].sort(),
        stale: items.filter((item) => item.fresh === false).length,
        error: error?.code ?? null,
      };
    }, talk);
    assert.equal(shown.stale, 30);
    await goOnline(page);
    await allFresh(page);
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a transport without `changes` fetches again", async () => {
    const page = await openPage(await browser.newContext(), server);
    const seen = await page.evaluate(async () => {
      const { Backend } = await import("/blank/backend.js");
      const backend = new Backend();
      backend.create("talk");
      const first = [];
      for (let n = 1; n <= 50; n += 1) first.push(backend.write("bob", "talk", { text: `message ${n}` }));
      const transport = backend.transport("ann");
      let overflow = false;
      const { pull } = transport;
      transport.pull = async (request, signal) => {
        const batch = await pull.call(transport, overflow ? { ...request, cursor: null } : request, signal);
        overflow = false;
        return batch;
      };
      globalThis.client = await pullcord.createClient({
        account: "ann without changes",
        transport,
        overflow: "keep",
        prefetch: false,
      });
      await e2e.caughtUp(client);
      globalThis.timeline = await e2e.show(client, "talk");
      overflow = true;
      backend.change("bob", "talk", first[40].id, { body: { text: "edited" }, state: "edited" });
      await client.sync();
      await e2e.until(
        timeline,
        (now) => now.items.every((item) => item.fresh) && now.items.some((item) => e2e.textOf(item) === "edited"),
      );
      const { changes, history } = (await client.inspect()).requests;
      await client.close();
      return { changes, fetchedAgain: history > 1, count: timeline.getSnapshot().items.length };
    });
    assert.deepEqual(seen, { changes: 0, fetchedAgain: true, count: 30 });
    assert.deepEqual(await findings(page), []);
    await page.context().close();
  });
});
