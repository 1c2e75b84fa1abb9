// What a user writes is delivered once, in the order written, whatever happens to the network, the page and the
// answers; and what the server refuses is the user's to decide.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, eventually, findings, openPage } from "./support/harness.mjs";
import { withServer } from "./support/stand.mjs";

const SYNCS = /\/v1\/sync(\?|$)/;
const SENDS = /\/v1\/conversations\/[^/]+\/messages$/;

describe("sending", () => {
  let server, browser, at;

  withServer({}, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** The texts that the server has, oldest first. */
  const delivered = async (user, talk) => (await at.history(user, talk)).map((message) => message.body.text);

  const showing = (page, talk) =>
    page.evaluate(async (talk) => {
      globalThis.timeline = await e2e.show(client, talk);
    }, talk);

  /** What a device has not delivered yet, by text and state. */
  const outbox = (page) =>
    page.evaluate(() => client.outbox.getSnapshot().map((item) => `${item.body.text}: ${item.state}`));

  const allDelivered = (page) => page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));

  /** Ends a test: nothing went wrong in the page but what the network did. */
  async function nothingWrong(page) {
    const wrong = (await findings(page)).filter(
      (text) => !text.startsWith("Failed to load resource") && !text.startsWith("WebSocket connection"),
    );
    assert.deepEqual(wrong, []);
    await page.context().close();
  }

  test("many at once are delivered once each, in the order written, each under its key from the echo on", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const wanted = Array.from({ length: 25 }, (_, i) => `number ${i}`);
    const kept = await page.evaluate(async (wanted) => {
      const sent = await Promise.all(wanted.map((text) => timeline.send({ text })));
      const echoed = timeline.getSnapshot().items.map((item) => item.key);
      await e2e.until(
        timeline,
        (now) => now.items.length === wanted.length && now.items.every((item) => item.kind === "message"),
      );
      const synced = timeline.getSnapshot().items.map((item) => item.key);
      return {
        asAnswered: sent.map(({ key }) => key).join() === echoed.join(),
        asEchoed: synced.join() === echoed.join(),
        texts: e2e.texts(timeline),
      };
    }, wanted);
    assert.deepEqual(kept, { asAnswered: true, asEchoed: true, texts: wanted });
    assert.deepEqual(await delivered(ann, talk), wanted);
    await nothingWrong(page);
  });

  test("what was sent offline outlives the page and is delivered once, in order, by the next one", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 3);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const context = page.context();
    await context.setOffline(true);
    await page.evaluate(async () => {
      await e2e.until(client.status, (status) => status.connection === "offline");
      for (const text of ["one", "two", "three"]) await timeline.send({ text });
    });
    // "offline" is a hint (R14): the first may just be tried
    await eventually(async () => assert.deepEqual(await outbox(page), ["one: queued", "two: queued", "three: queued"]));
    // as the browser does with a tab that it discards: nothing is said to the page
    await page.close({ runBeforeUnload: false });
    await context.route("**/v1/**", (route) => route.abort());
    await context.setOffline(false);
    const next = await openPage(context, server);
    await next.evaluate(
      async ({ ann, talk }) => {
        globalThis.client = await e2e.open(ann);
        await e2e.until(client.outbox, (items) => items.length === 3);
        globalThis.timeline = client.timeline(talk);
        e2e.watch(timeline);
        await e2e.until(timeline, (now) => now.items.length === 6);
      },
      { ann, talk },
    );
    assert.deepEqual(await next.evaluate(() => e2e.texts(timeline)), [
      "message 1",
      "message 2",
      "message 3",
      "one",
      "two",
      "three",
    ]);
    await context.unroute("**/v1/**");
    await allDelivered(next);
    await next.evaluate(() =>
      e2e.until(timeline, (now) => now.items.length === 6 && now.items.every((item) => item.kind === "message")),
    );
    assert.deepEqual((await delivered(ann, talk)).slice(3), ["one", "two", "three"]);
    await nothingWrong(next);
  });

  test("a message whose answer was lost is sent again, and is there once", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    let lost = 0;
    await page.route(SENDS, async (route) => {
      if (route.request().method() !== "POST" || lost === 2) return route.fallback();
      lost += 1;
      await route.fetch();
      await route.abort("connectionreset");
    });
    // nor may the sync bring it before it is tried again
    await page.route(SYNCS, (route) => (lost === 2 ? route.fallback() : route.abort("connectionreset")));
    const key = await page.evaluate(async () => (await timeline.send({ text: "once" })).key);
    await allDelivered(page);
    assert.equal(lost, 2);
    const { items } = await page.evaluate(() =>
      e2e.until(timeline, (now) => now.items.length === 1 && now.items[0].kind === "message"),
    );
    assert.equal(items[0].key, key);
    assert.deepEqual(await delivered(ann, talk), ["once"]);
    await nothingWrong(page);
  });

  test("with requests failing at random, half of them after they were carried out, all arrives once and in order", async () => {
    const [ann] = await at.users("ann");
    const talks = [];
    for (let i = 0; i < 4; i += 1) talks.push(await at.conversation([ann]));
    const page = await device(browser, server, ann);
    await at.trouble({ errorRate: 0.5 }, ann);
    await page.evaluate(async (talks) => {
      for (const talk of talks) for (const text of ["a", "b", "c"]) await client.send(talk, { text });
      await e2e.poll(async () => (await client.inspect()).requests.send >= 12);
    }, talks);
    await at.trouble({}, ann);
    await allDelivered(page);
    for (const talk of talks) assert.deepEqual(await delivered(ann, talk), ["a", "b", "c"]);
    await nothingWrong(page);
  });

  test("a send with a clientId that is there already answers the same, and sends nothing", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const answers = await page.evaluate(async () => {
      const both = await Promise.all([
        timeline.send({ text: "mine" }, { clientId: "mine" }),
        timeline.send({ text: "mine" }, { clientId: "mine" }),
      ]);
      await e2e.until(client.outbox, (items) => items.length === 0);
      return [...both, await timeline.send({ text: "mine" }, { clientId: "mine" })];
    });
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
    assert.deepEqual(await delivered(ann, talk), ["mine"]);
    await nothingWrong(page);
  });

  test("one that the server refuses fails, holds up nothing, and can be tried again or discarded", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 1);
    await at.post(
      `/v1/conversations/${talk}/messages`,
      { clientId: "taken", body: { text: "the first of this name" } },
      ann,
    );
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const seen = await page.evaluate(async () => {
      await timeline.send({ text: "x".repeat(300 * 1024) }, { clientId: "large" });
      await timeline.send({ text: "another of this name" }, { clientId: "taken" });
      await timeline.send({ text: "after them" });
      await e2e.until(timeline, (now) =>
        now.items.some((item) => item.kind === "message" && e2e.textOf(item) === "after them"),
      );
      const failed = await e2e.until(
        client.outbox,
        (items) => items.length === 2 && items.every((item) => item.state === "failed"),
      );
      const before = failed.map(({ clientId, error }) => [
        clientId,
        error instanceof pullcord.PullcordError,
        error.code,
        error.status,
        error.retryable,
      ]);
      await timeline.retry("large");
      const after = await e2e.until(
        client.outbox,
        (items) => items.find((item) => item.clientId === "large")?.state === "failed",
      );
      const discarded = [await timeline.discard("large"), await client.discard("taken"), await client.discard("taken")];
      return {
        before,
        retried: after.length,
        discarded,
        outbox: client.outbox.getSnapshot().length,
        texts: e2e.texts(timeline),
      };
    });
    assert.deepEqual(seen, {
      before: [
        ["large", true, "rejected", 413, false],
        ["taken", true, "rejected", 409, false],
      ],
      retried: 2,
      discarded: [true, true, false],
      outbox: 0,
      texts: ["message 1", "the first of this name", "after them"],
    });
    await nothingWrong(page);
  });

  test("one that failed because the account had left is delivered by retry once it is back", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    await at.post("/demo/leave", { conversation: talk, user: ann });
    const code = await page.evaluate(async (talk) => {
      await client.send(talk, { text: "too late" }, { clientId: "late" });
      const [item] = await e2e.until(client.outbox, (items) => items[0]?.state === "failed");
      return item.error.code;
    }, talk);
    assert.ok(["forbidden", "not-found"].includes(code), code);
    await at.post("/demo/join", { conversation: talk, user: ann });
    await page.evaluate((talk) => e2e.until(client.conversation(talk), (one) => one !== null), talk);
    await page.evaluate(() => client.retry("late"));
    await allDelivered(page);
    assert.deepEqual(await delivered(ann, talk), ["too late"]);
    await nothingWrong(page);
  });

  test("discarding takes back also what is on its way, and the next one goes", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    let letGo;
    const held = new Promise((resolve) => {
      letGo = resolve;
    });
    let arrived;
    const left = new Promise((resolve) => {
      arrived = resolve;
    });
    await page.route(SENDS, async (route) => {
      arrived();
      await held;
      // what was discarded has been aborted: nothing is left to go on with
      await route.continue().catch(() => {});
    });
    await page.evaluate(async () => {
      await timeline.send({ text: "on its way" }, { clientId: "left" });
      await timeline.send({ text: "behind it" }, { clientId: "waits" });
      await timeline.send({ text: "the last" }, { clientId: "goes" });
    });
    await left;
    assert.deepEqual(await outbox(page), ["on its way: sending", "behind it: queued", "the last: queued"]);
    const aborted = page.waitForEvent("requestfailed", (request) => request.method() === "POST");
    // in one go: the second must not leave between
    assert.deepEqual(await page.evaluate(() => Promise.all([client.discard("waits"), client.discard("left")])), [
      true,
      true,
    ]);
    // the browser's network hears of it after the page does: let go before that, it would be sent after all
    await aborted;
    letGo();
    await allDelivered(page);
    assert.deepEqual(await delivered(ann, talk), ["the last"]);
    assert.equal(await page.evaluate(() => client.discard("goes")), false);
    await nothingWrong(page);
  });

  test("a body that is no JSON is refused at once, and a mistake raises no unhandledrejection", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann]);
    const page = await device(browser, server, ann);
    const codes = await page.evaluate(async (talk) => {
      const loop = {};
      loop.loop = loop;
      client.send(talk, loop);
      client.send(talk, undefined);
      return [
        await e2e.refusal(client.send(talk, loop)),
        await e2e.refusal(client.send("", {})),
        await e2e.refusal(client.send(talk, 1n)),
      ].map((error) => error.code);
    }, talk);
    assert.deepEqual(codes, ["invalid", "invalid", "invalid"]);
    assert.deepEqual(await outbox(page), []);
    await nothingWrong(page);
  });

  test("editing offline is refused at once, and a recall of somebody else's message by the server", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 1);
    const page = await device(browser, server, ann);
    await showing(page, talk);
    const [{ id }] = await at.history(ann, talk);
    const foreign = await page.evaluate((id) => e2e.refusal(timeline.recall(id)), id);
    assert.equal(foreign.code, "forbidden");
    await page.context().setOffline(true);
    const offline = await page.evaluate(async (id) => {
      await e2e.until(client.status, (status) => status.connection === "offline");
      return e2e.refusal(timeline.edit(id, { text: "no" }));
    }, id);
    assert.equal(offline.code, "offline");
    await nothingWrong(page);
  });
});
