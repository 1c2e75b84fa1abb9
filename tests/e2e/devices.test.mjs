// One user's devices, and another user's, on the same conversation: each a browser context, so with a storage of its
// own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, findings, reload, signIn } from "./support/harness.mjs";
import { withServer } from "./support/stand.mjs";

describe("devices", () => {
  let server, browser, at;

  withServer({}, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** Devices of these users, each with the conversation on screen as `timeline`. */
  async function showing(talk, ...users) {
    const pages = [];
    for (const user of users) {
      const page = await device(browser, server, user);
      await page.evaluate(async (talk) => {
        globalThis.timeline = await e2e.show(client, talk);
      }, talk);
      pages.push(page);
    }
    return pages;
  }

  async function nothingWrong(...pages) {
    for (const page of pages) {
      assert.deepEqual(await findings(page), []);
      await page.context().close();
    }
  }

  test("the list, the newest page and a message just sent are shown to both users", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 100);
    const [left, right] = await showing(talk, ann, bob);
    for (const page of [left, right]) {
      const seen = await page.evaluate(() => {
        const { items, hasOlder, hasNewer } = timeline.getSnapshot();
        return {
          listed: client.conversations.getSnapshot().map((one) => one.id),
          count: items.length,
          last: e2e.textOf(items.at(-1)),
          hasOlder,
          hasNewer,
        };
      });
      assert.deepEqual(seen, { listed: [talk], count: 30, last: "message 100", hasOlder: true, hasNewer: false });
    }
    const sent = await left.evaluate(async () => {
      const { key } = await timeline.send({ text: "hello" });
      const { items } = timeline.getSnapshot();
      const synced = await e2e.until(
        timeline,
        (now) => now.items.at(-1).kind === "message" && now.items.at(-1).key === key,
      );
      return {
        shownAtOnce: e2e.textOf(items.at(-1)),
        last: e2e.textOf(synced.items.at(-1)),
        outbox: (await e2e.until(client.outbox, (items) => items.length === 0)).length,
      };
    });
    assert.deepEqual(sent, { shownAtOnce: "hello", last: "hello", outbox: 0 });
    const sender = await right.evaluate(async () => {
      const { items } = await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "hello");
      return items.at(-1).message.sender;
    });
    assert.equal(sender, ann);
    await nothingWrong(left, right);
  });

  test("what is sent on one device of a user is on the other, and counts as unread for nobody but others", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 5);
    const [phone, laptop, other] = await showing(talk, ann, ann, bob);
    await phone.evaluate(() => timeline.send({ text: "from the phone" }));
    for (const page of [laptop, other]) {
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "from the phone"));
    }
    const unread = (page) => page.evaluate((talk) => client.conversation(talk).getSnapshot().unread, talk);
    const before = await unread(laptop);
    await other.evaluate(
      ({ talk, before }) => e2e.until(client.conversation(talk), (one) => one.unread === before + 1),
      { talk, before },
    );
    assert.equal(await unread(phone), before);
    await nothingWrong(phone, laptop, other);
  });

  test("marking as read on one device clears the count on the other", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const [phone, laptop] = await showing(talk, ann, ann);
    await at.bulk(talk, 7);
    for (const page of [phone, laptop]) {
      await page.evaluate((talk) => e2e.until(client.conversation(talk), (one) => one.unread === 7), talk);
    }
    await phone.evaluate(async () => {
      await e2e.until(timeline, (now) => now.items.length === 7);
      const { items } = timeline.getSnapshot();
      timeline.visible(items[0].key, items[3].key);
      await timeline.markRead();
    });
    for (const page of [phone, laptop]) {
      await page.evaluate((talk) => e2e.until(client.conversation(talk), (one) => one.unread === 3), talk);
    }
    await laptop.evaluate((talk) => client.markRead(talk, client.conversation(talk).getSnapshot().lastSeq), talk);
    for (const page of [phone, laptop]) {
      await page.evaluate(
        (talk) => e2e.until(client.conversation(talk), (one) => one.unread === 0 && one.readSeq === one.lastSeq),
        talk,
      );
    }
    await nothingWrong(phone, laptop);
  });

  test("an edit and a recall are seen in the open list and in the conversation's last message", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 3);
    const [left, right] = await showing(talk, ann, bob);
    await left.evaluate(async () => {
      const { key } = await timeline.send({ text: "first" });
      globalThis.sent = await e2e.until(
        timeline,
        (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message",
      );
    });
    await right.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "first"));
    const edited = await left.evaluate(async () => {
      const { version } = await timeline.edit(sent.items.at(-1).message.id, { text: "second" });
      const { message, key } = timeline.getSnapshot().items.at(-1);
      return { version, shown: message.body.text, state: message.state, sameKey: key === sent.items.at(-1).key };
    });
    assert.deepEqual(edited, { version: 2, shown: "second", state: "edited", sameKey: true });
    await right.evaluate(async (talk) => {
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "second");
      await e2e.until(client.conversation(talk), (one) => one.lastMessage?.body?.text === "second");
    }, talk);
    await left.evaluate(() => timeline.recall(sent.items.at(-1).message.id));
    for (const page of [left, right]) {
      const [inList, last, count] = await page.evaluate(async (talk) => {
        const { items } = await e2e.until(timeline, (now) => now.items.at(-1).message.state === "recalled");
        const { lastMessage } = await e2e.until(
          client.conversation(talk),
          (one) => one.lastMessage.state === "recalled",
        );
        return [items.at(-1).message.body, lastMessage.body, items.length];
      }, talk);
      assert.deepEqual([inList, last, count], [null, null, 4]);
    }
    await nothingWrong(left, right);
  });

  test("an edit and a recall of old messages reach the cache of a device that was offline", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob]);
    const one = await at.send(ann, talk, "one");
    const two = await at.send(ann, talk, "two");
    await at.bulk(talk, 200);
    const [left, right] = await showing(talk, ann, bob);
    await right.evaluate(async () => {
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 100 });
    });
    await right.context().setOffline(true);
    await left.evaluate(
      async ({ talk, one, two }) => {
        await timeline.edit(one.id, { text: "one, edited" });
        await timeline.recall(two.id);
        await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 50, text: "later" });
      },
      { talk, one, two },
    );
    await right.evaluate(() => client.close());
    await right.context().setOffline(false);
    await reload(right);
    await signIn(right, bob);
    const seen = await right.evaluate(async (talk) => {
      globalThis.timeline = await e2e.show(client, talk);
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 100 });
      const { items } = timeline.getSnapshot();
      const { requests, segments } = await client.inspect(talk);
      return {
        count: items.length,
        first: items.slice(0, 2).map((item) => [item.message.state, e2e.textOf(item)]),
        last: e2e.textOf(items.at(-1)),
        history: requests.history,
        segments: segments.length,
      };
    }, talk);
    assert.deepEqual(seen, {
      count: 252,
      first: [
        ["edited", "one, edited"],
        ["recalled", null],
      ],
      last: "later 50",
      history: 0,
      segments: 1,
    });
    await nothingWrong(left, right);
  });

  test("subscribing, unsubscribing and subscribing again, as React's StrictMode does, opens once and follows on", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 40);
    const page = await device(browser, server, ann, { prefetch: false });
    const seen = await page.evaluate(async (talk) => {
      const before = (await client.inspect()).requests.history;
      const timeline = client.timeline(talk);
      timeline.subscribe(() => {})();
      const twice = e2e.watch(timeline);
      const again = timeline.subscribe(() => {});
      again();
      again();
      await e2e.until(timeline, (now) => now.status === "ready");
      const mounted = (await client.inspect()).requests.history - before;
      await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 1, text: "still there" });
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "still there 1");
      // the last goes for good: it is let go of, and comes back where it was
      twice.stop();
      const first = timeline.getSnapshot().items[0].key;
      await new Promise((resolve) => setTimeout(resolve, 1300));
      await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 1, text: "meanwhile" });
      const back = e2e.watch(timeline);
      const { items } = await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "meanwhile 1");
      return {
        mounted,
        keeps: items.some((item) => item.key === first),
        blank: back.snapshots.some((one) => one.items.length === 0),
        history: (await client.inspect()).requests.history - before,
      };
    }, talk);
    assert.deepEqual(seen, { mounted: 1, keeps: true, blank: false, history: 1 });
    await nothingWrong(page);
  });

  test("two stores that change together are both changed when either's listener runs", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 10);
    const page = await device(browser, server, ann);
    const seen = await page.evaluate(async (talk) => {
      const timeline = await e2e.show(client, talk);
      const one = client.conversation(talk);
      const torn = [];
      const look = () => {
        const last = timeline.getSnapshot().items.at(-1).message?.seq;
        if (one.getSnapshot().lastSeq !== last) torn.push([one.getSnapshot().lastSeq, last]);
      };
      one.subscribe(look);
      timeline.subscribe(look);
      for (let i = 0; i < 5; i += 1) {
        await e2e.call("POST", "/demo/bulk", { conversation: talk, sender: "Mara", count: 2, text: `round ${i}` });
        await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === `round ${i} 2`);
      }
      return torn;
    }, talk);
    assert.deepEqual(seen, []);
    await nothingWrong(page);
  });
});
