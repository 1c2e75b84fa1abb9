// One user's devices, and another user's, on the same conversation: each a browser context, so with storage of its own.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { demo, findings, launchBrowser, openPage, startServer } from "./harness.mjs";

describe("devices", () => {
  let server, browser, at;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    at = demo(server);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A page of this user on a device of their own, online and with the list. */
  async function device(user, options = {}) {
    const page = await openPage(await browser.newContext(), server);
    await page.evaluate(async ({ user, options }) => {
      globalThis.client = await e2e.open(user, options);
      await e2e.until(client.status, (status) => status.connection === "online" && status.caughtUp && status.listed);
    }, { user, options });
    return page;
  }

  test("a message sent on one page is shown on another user's", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 100);
    const [left, right] = [await device(ann), await device(bob)];
    for (const page of [left, right]) {
      const seen = await page.evaluate(async (talk) => {
        globalThis.timeline = await e2e.show(client, talk);
        const { items, hasOlder, hasNewer } = timeline.getSnapshot();
        return { listed: client.conversations.getSnapshot().map((one) => one.id), count: items.length, last: e2e.textOf(items.at(-1)), hasOlder, hasNewer };
      }, talk);
      assert.deepEqual(seen, { listed: [talk], count: 30, last: "message 100", hasOlder: true, hasNewer: false });
    }
    const sent = await left.evaluate(async () => {
      const { key } = await timeline.send({ text: "hello" });
      const { items } = timeline.getSnapshot();
      const synced = await e2e.until(timeline, (now) => now.items.at(-1).kind === "message" && now.items.at(-1).key === key);
      return { shownAtOnce: e2e.textOf(items.at(-1)), last: e2e.textOf(synced.items.at(-1)), outbox: client.outbox.getSnapshot().length };
    });
    assert.deepEqual(sent, { shownAtOnce: "hello", last: "hello", outbox: 0 });
    const got = await right.evaluate(async () => {
      const { items } = await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "hello");
      return items.at(-1).message.sender;
    });
    assert.equal(got, ann);
    for (const page of [left, right]) assert.deepEqual(await findings(page), []);
  });
});
