// Everything at once: five devices of three users, each with a scope, a notification and a policy that the seed draws,
// write, edit, recall and jump about while notifications get lost and doubled, requests fail, cursors overflow,
// networks go and come, and pages are killed. When it is over, every device shows what the server has.
// PULLCORD_STORM=seed repeats one, PULLCORD_STORM_MS is its length.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { eventually, importPackage, openPage } from "./support/harness.mjs";
import { random } from "./support/page/random.js";
import { withServer } from "./support/stand.mjs";

const SEED = Number(process.env.PULLCORD_STORM ?? Math.floor(Math.random() * 1e9));
/** ms of storm */
const LENGTH = Number(process.env.PULLCORD_STORM_MS ?? 15_000);

/** The text as it was before edits, which add to its end. */
const plain = (body) => body?.text.replace(/!*$/, "");

describe("storm", () => {
  let server, browser, at;

  withServer({ args: ["--seq-step", "10", "--overflow-after", "200"] }, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** Opens the client and its list, without waiting for the network. */
  async function open({ page, user, talk, way: { overflow, scope, notify } }) {
    await page.evaluate(
      async ({ user, talk, overflow, scope, notify }) => {
        globalThis.client = await e2e.open(user, {
          sync: { scope, notify, pollInterval: 2000, fallbackPollInterval: 1000, pullLimit: 50 },
          overflow,
          logLevel: "silent",
        });
        globalThis.timeline = client.timeline(talk, { maxItems: 2000 });
        e2e.watch(timeline);
        // edits and recalls on their way
        globalThis.changes = [];
      },
      { user, talk, overflow, scope, notify },
    );
  }

  test("after a storm every device shows what the server has, each message once", { timeout: 300_000 }, async (t) => {
    t.diagnostic(`PULLCORD_STORM=${SEED}`);
    const next = random(SEED);
    const users = await at.users("ann", "bob");
    // a mailbox knows one device only
    const [cat] = await at.users("cat");
    // who has no trouble: for the test's own questions
    const [witness] = await at.users("eve");
    const talk = await at.conversation([...users, cat, witness], 120);
    const devices = [];
    for (const user of [...users, ...users, cat]) {
      const context = await browser.newContext();
      const scope = user === cat ? "mailbox" : ["account", "conversation"][next(2)];
      const notify = ["socket", "poll", ...(scope === "account" ? ["long-poll"] : [])][
        next(scope === "account" ? 3 : 2)
      ];
      const way = { scope, notify, overflow: ["clear", "keep"][next(2)] };
      t.diagnostic(`${user}: ${JSON.stringify(way)}`);
      if (next(2)) await at.post("/demo/push", { inline: true }, user);
      const one = { user, talk, way, context, page: await openPage(context, server), written: 0 };
      await open(one);
      devices.push(one);
    }
    const written = [];
    const trimmed = new Set();
    let recalled = 0;
    const wrong = [];
    const collect = async ({ page }) => wrong.push(...(await page.evaluate(() => e2e.violations.splice(0))));

    /** All that the server has, or all before a position. */
    async function everything(before = "") {
      const messages = await at.history(witness, talk, `limit=1000${before}`);
      return messages.length < 1000 ? messages : [...(await everything(`&before=${messages[0].seq}`)), ...messages];
    }

    const deeds = {
      async write(one) {
        one.written += 1;
        const text = `${one.user} ${devices.indexOf(one)} writes ${one.written}`;
        written.push(text);
        await one.page.evaluate((text) => timeline.send({ text }), text);
      },
      // not stored, so it may fail: the server tells afterwards what came of it
      async edit(one) {
        await one.page.evaluate(
          ({ user, pick }) => {
            const own = timeline
              .getSnapshot()
              .items.filter((item) => item.message?.sender === user && item.message.state !== "recalled");
            const { id, body } = own[pick % own.length]?.message ?? {};
            if (id) changes.push(timeline.edit(id, { text: `${body.text}!` }));
          },
          { user: one.user, pick: next(1000) },
        );
      },
      async recall(one) {
        await one.page.evaluate(
          ({ user, pick }) => {
            const own = timeline.getSnapshot().items.filter((item) => item.message?.sender === user);
            const { id } = own[pick % own.length]?.message ?? {};
            if (id) changes.push(timeline.recall(id));
          },
          { user: one.user, pick: next(1000) },
        );
      },
      older: (one) => one.page.evaluate(() => void timeline.loadOlder({ limit: 20 })),
      look: (one) =>
        one.page.evaluate((pick) => {
          const { items } = timeline.getSnapshot();
          if (items.length < 10) return;
          const from = pick % (items.length - 9);
          timeline.visible(items[from].key, items[from + 9].key);
        }, next(1000)),
      async jump(one) {
        const [{ seq, createdAt }] = await at.history(witness, talk, `limit=${1 + next(400)}`);
        await one.page.evaluate(
          (to) => void timeline.jump(to),
          [{ around: String(seq) }, { at: createdAt }, "latest", "first-unread"][next(4)],
        );
      },
      read: (one) => one.page.evaluate(() => void timeline.markRead()),
      others: () => at.bulk(talk, 1 + next(30), `Mara ${next(1e6)}`),
      flood: () => at.bulk(talk, 250, `flood ${next(1e6)}`),
      overflow: (one) => at.overflow(one.user, next(2) ? [talk] : undefined),
      forget: (one) => at.post("/demo/forget", {}, one.user),
      async late() {
        const [last] = await at.history(witness, talk, "limit=1");
        const seq = Number(last.seq) - 10 * next(20) - 1 - next(9);
        await at
          .post("/demo/late-insert", { conversation: talk, seq, sender: "Mara", body: { text: `late ${seq}` } })
          .catch(() => {});
      },
      async trim() {
        const messages = await at.history(witness, talk, "limit=600");
        const { seq } = messages[Math.min(next(60), messages.length - 1)];
        for (const { state, body } of await everything(`&before=${seq}`)) {
          if (state === "recalled") recalled += 1;
          else trimmed.add(plain(body));
        }
        await at.post("/demo/trim", { conversation: talk, before: seq });
      },
      async leave(one) {
        await at.post("/demo/leave", { conversation: talk, user: one.user });
        await new Promise((resolve) => setTimeout(resolve, next(300)));
        await at.post("/demo/join", { conversation: talk, user: one.user });
      },
      trouble: (one) =>
        at.trouble(
          {
            dropNotifications: next(10) / 10,
            duplicateNotifications: next(10) / 10,
            errorRate: next(5) / 10,
            delayMs: next(150),
          },
          one.user,
        ),
      calm: (one) => at.trouble({}, one.user),
      offline: (one) => one.context.setOffline(true),
      online: (one) => one.context.setOffline(false),
      async killed(one) {
        await one.context.setOffline(false);
        await collect(one);
        await one.page.reload();
        await importPackage(one.page);
        await open(one);
      },
    };
    const often = [
      "write",
      "write",
      "write",
      "edit",
      "recall",
      "older",
      "look",
      "jump",
      "read",
      "others",
      "trouble",
      "online",
    ];
    const seldom = ["flood", "overflow", "forget", "late", "calm", "offline", "killed", "trim", "leave"];
    const done = {};
    for (const end = Date.now() + LENGTH; Date.now() < end; ) {
      const names = next(3) ? often : seldom;
      const name = names[next(names.length)];
      done[name] = (done[name] ?? 0) + 1;
      await deeds[name](devices[next(devices.length)]);
      await new Promise((resolve) => setTimeout(resolve, next(80)));
    }
    t.diagnostic(JSON.stringify(done));

    await at.trouble({});
    for (const one of devices) await one.context.setOffline(false);
    // answers of the storm are still on their way, and some ask to wait for a second
    await new Promise((resolve) => setTimeout(resolve, 1500));
    for (const { page } of devices) {
      await page.evaluate(async () => {
        await Promise.allSettled(changes);
        await e2e.caughtUp(client);
        // those that failed because the account had left
        await e2e.until(
          client.outbox,
          (items) => {
            for (const { state, clientId } of items) if (state === "failed") client.retry(clientId);
            return items.length === 0;
          },
          60_000,
        );
      });
    }
    // only now nothing new comes: those that poll have not heard of all yet
    for (const { page } of devices) {
      await page.evaluate(async () => {
        await client.sync();
        await e2e.until(
          timeline,
          (now) => now.status === "ready" && !now.items.some((item) => item.kind !== "message"),
        );
        // what was on screen may be far back: from here on it is the newest end
        await timeline.jump("latest");
        while (timeline.getSnapshot().hasOlder && timeline.getSnapshot().items.length < 1500)
          await timeline.loadOlder({ limit: 500 });
        await e2e.until(
          timeline,
          (now) => !now.hasNewer && now.items.every((item) => item.kind === "message" && item.fresh),
        );
      });
    }
    const wanted = (await everything()).map(({ id, seq, version, state, body }) => ({
      id,
      seq: String(seq),
      version,
      state,
      body,
    }));
    for (const [i, one] of devices.entries()) {
      const shown = await one.page.evaluate(() =>
        timeline
          .getSnapshot()
          .items.map(({ message: { id, seq, version, state, body } }) => ({ id, seq, version, state, body })),
      );
      assert.ok(shown.length >= Math.min(1500, wanted.length), `device ${i} shows ${shown.length} of ${wanted.length}`);
      assert.deepEqual(shown, wanted.slice(-shown.length), `device ${i}`);
      // a read mark may be on its way still
      await eventually(async () => {
        const { unread, lastSeq, lastMessage } = await one.page.evaluate(
          (talk) => client.conversation(talk).getSnapshot(),
          talk,
        );
        const listed = await (
          await fetch(`${server.url}/v1/conversations`, { headers: { authorization: `Bearer demo-${one.user}` } })
        ).json();
        const [state] = listed.conversations;
        assert.deepEqual(
          [unread, lastSeq, lastMessage.version],
          [state.unread, String(state.lastSeq), state.lastMessage.version],
          `device ${i}'s conversation`,
        );
      });
      await collect(one);
      wrong.push(
        ...one.page.problems.filter(
          (text) => !text.startsWith("Failed to load resource") && !text.startsWith("WebSocket connection"),
        ),
      );
    }
    assert.deepEqual(wrong, []);
    const texts = wanted.map(({ body }) => plain(body));
    recalled += wanted.filter(({ state }) => state === "recalled").length;
    const missing = written.filter((text) => !texts.includes(text) && !trimmed.has(text));
    assert.equal(
      new Set(texts.filter((text) => text?.includes(" writes "))).size,
      texts.filter((text) => text?.includes(" writes ")).length,
      "something was delivered twice",
    );
    assert.ok(
      missing.length <= recalled,
      `of ${written.length} written, ${recalled} were recalled, and these are missing: ${missing.join(", ")}`,
    );
    for (const { context } of devices) await context.close();
  });
});
