// Each scope, each way of being notified, both policies: one and the same life of a list, which must always be the
// server's. Then what only one of them does: events inline in notifications, and the mailbox's acknowledgements.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { device, eventually, importPackage, openPage, reload, signIn } from "./support/harness.mjs";
import {
  SEQS,
  goOffline,
  goOnline,
  nothingWrong,
  requestsFromNow,
  requestsOf,
  serversList,
  showing,
  shownList,
  wholeList,
} from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

/** so that a delivery comes again within a test */
const RESEND_AFTER = 400;

/** Which calls of the protocol each scope pulls with. */
const PULLS = { account: "GET /v1/sync?", conversation: "POST /v1/sync/conversations", mailbox: "GET /v1/mailbox?" };

const WAYS = [
  { scope: "account", notify: "socket" },
  { scope: "account", notify: "socket", inline: true },
  { scope: "account", notify: "long-poll" },
  { scope: "account", notify: "poll" },
  { scope: "conversation", notify: "socket" },
  { scope: "conversation", notify: "poll" },
  { scope: "mailbox", notify: "socket" },
  { scope: "mailbox", notify: "poll" },
];

describe("scopes", () => {
  let server, browser, at;

  withServer({ args: [...SEQS, "--resend-after", String(RESEND_AFTER), "--notify-interval", "0"] }, (stand) => {
    ({ server, browser, at } = stand);
  });

  const edit = async (user, { conversation, id }, text) => {
    const response = await fetch(`${server.url}/v1/conversations/${conversation}/messages/${id}`, {
      method: "PATCH",
      headers: { authorization: `Bearer demo-${user}`, "content-type": "application/json" },
      body: JSON.stringify({ clientId: `edit ${id} ${text}`, body: { text } }),
    });
    assert.equal(response.status, 200);
  };
  const recall = (user, { conversation, id }) =>
    at.post(`/v1/conversations/${conversation}/messages/${id}/recall`, {}, user);
  const mailbox = async (user) => {
    const response = await fetch(`${server.url}/v1/mailbox?limit=500`, {
      headers: { authorization: `Bearer demo-${user}` },
    });
    return (await response.json()).events;
  };

  for (const { scope, notify, inline = false } of WAYS) {
    for (const overflow of ["clear", "keep"]) {
      test(`${scope}, ${notify}${inline ? " with inline push" : ""}, ${overflow}: live, reloaded, offline and after an overflow the list is the server's`, async () => {
        const [ann, bob] = await at.users("ann", "bob");
        if (inline) await at.post("/demo/push", { inline: true }, ann);
        const talk = await at.conversation([ann, bob], 70);
        const other = await at.conversation([ann, bob], 3);
        const old = await at.send(bob, talk, "an old one of Bob");
        await at.bulk(talk, 40, "between");
        const options = {
          sync: { scope, notify, ...(notify === "poll" ? { pollInterval: 250, fallbackPollInterval: 250 } : {}) },
          overflow,
        };
        const page = await openPage(await browser.newContext(), server);
        const requests = requestsFromNow(page);
        let sockets = 0;
        page.on("websocket", () => {
          sockets += 1;
        });
        await signIn(page, ann, options);
        assert.deepEqual(await page.evaluate(() => client.conversations.getSnapshot().map((one) => one.id)), [
          talk,
          other,
        ]);
        await showing(page, talk, { maxItems: 2000 });

        // live: new ones, an edit and a recall, one's own
        const said = await at.send(bob, talk, "hello");
        const regretted = await at.send(bob, talk, "oh no");
        await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "oh no"));
        await edit(bob, said, "hello, Ann");
        await recall(bob, regretted);
        await page.evaluate(async () => {
          await e2e.until(
            timeline,
            (now) => now.items.at(-1).message.state === "recalled" && e2e.textOf(now.items.at(-2)) === "hello, Ann",
          );
          const { key } = await timeline.send({ text: "hello, Bob" });
          await e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message");
        });
        assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));

        // a reload: what was read is there without a page
        await reload(page);
        await signIn(page, ann, options);
        await showing(page, talk, { maxItems: 2000 });
        assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
        assert.equal((await requestsOf(page)).history, 0);

        // offline: what comes and changes meanwhile
        await goOffline(page);
        await at.bulk(talk, 40, "missed");
        await edit(bob, old, "an old one of Bob, edited");
        const late = await at.conversation([ann, bob], 1);
        await goOnline(page);
        await page.evaluate(async (late) => {
          await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "missed 40");
          await e2e.until(client.conversations, (list) => list.some((one) => one.id === late));
        }, late);
        assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
        const { history, changes } = await requestsOf(page);
        assert.deepEqual({ history, changes }, { history: 0, changes: 0 });

        // an overflow, and a recall that no event tells of
        await goOffline(page);
        await recall(bob, old);
        await at.overflow(ann);
        await at.bulk(talk, 5, "beyond");
        await goOnline(page);
        await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "beyond 5"));
        assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
        // a mailbox has no cursor that changes could be asked since: there what is kept is fetched again
        assert.equal((await requestsOf(page)).changes > 0, overflow === "keep" && scope !== "mailbox");

        const pulls = requests.filter((request) => /\/v1\/(sync|mailbox)\b/.test(request) && !request.endsWith("/ack"));
        assert.deepEqual(
          pulls.filter((request) => !request.startsWith(PULLS[scope])),
          [],
        );
        assert.equal(
          pulls.some((request) => request.includes("wait=")),
          notify === "long-poll",
        );
        assert.equal(sockets > 0, notify === "socket");
        if (scope === "mailbox") {
          await page.evaluate(() => client.sync());
          await page.evaluate(
            async (ann) =>
              e2e.poll(
                async () => (await e2e.call("GET", "/v1/mailbox?limit=500", undefined, ann)).events.length === 0,
              ),
            ann,
          );
        }
        await nothingWrong(page);
      });
    }
  }

  /**
   * A page whose notification socket goes through the test: `fromServer` and `fromClient` answer what becomes of a
   * frame.
   */
  async function tapped(frames, { fromServer = (frame) => frame, fromClient = (frame) => frame } = {}) {
    const page = await openPage(await browser.newContext(), server);
    await page.routeWebSocket(/\/v1\/notify/, (socket) => {
      const upstream = socket.connectToServer();
      const pass = (from, to, decide) =>
        from.onMessage((text) => {
          const frame = JSON.parse(String(text));
          frames.push({ from: from === upstream ? "server" : "client", ...frame });
          if (decide(frame, (later) => to.send(JSON.stringify(later)))) to.send(text);
        });
      pass(socket, upstream, fromClient);
      pass(upstream, socket, fromServer);
    });
    await page.goto(`${server.url}/blank/`);
    await importPackage(page);
    return page;
  }

  const note = (page) =>
    page.evaluate(() => {
      globalThis.told = [];
      client.on("messages", ({ messages, live }) =>
        told.push(messages.map((message) => `${message.body?.text} ${live}`)),
      );
    });

  /** Waits until no pull is under way and none follows: a push during one counts as a notification. */
  async function idle(page) {
    for (let last = -1; ; ) {
      await page.evaluate(() => client.sync());
      const requests = await requestsOf(page);
      await page.waitForTimeout(300);
      if ((await requestsOf(page)).pull === requests.pull && requests.pull === last + 1) return requests;
      last = requests.pull;
    }
  }

  describe("inline push", () => {
    test("a burst of 50 makes no pull and few commits", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      await at.post("/demo/push", { inline: true }, ann);
      const talk = await at.conversation([ann, bob], 10);
      const frames = [];
      const page = await tapped(frames);
      await signIn(page, ann);
      await showing(page, talk);
      await note(page);
      const before = await idle(page);
      for (let n = 1; n <= 50; n += 1) await at.send(bob, talk, `burst ${n}`);
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "burst 50"));
      const told = await page.evaluate(() => globalThis.told);
      assert.deepEqual(
        told.flat(),
        Array.from({ length: 50 }, (_, i) => `burst ${i + 1} true`),
      );
      assert.ok(told.length <= 50, `${told.length} commits`);
      assert.deepEqual(await requestsOf(page), before);
      assert.ok(frames.filter((frame) => frame.type === "push").length >= 20, "the server pushed each by itself");
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });

    test("pushes that come at once are merged", async (t) => {
      const [ann, bob] = await at.users("ann", "bob");
      await at.post("/demo/push", { inline: true }, ann);
      const talk = await at.conversation([ann, bob], 10);
      const page = await openPage(await browser.newContext(), server);
      // a page that is busy hears all that has come in one go
      await page.evaluate(() => {
        globalThis.held = [];
        globalThis.heldTexts = [];
        globalThis.holding = false;
        const { addEventListener } = WebSocket.prototype;
        WebSocket.prototype.addEventListener = function (type, heard, ...more) {
          const later = (event) => {
            if (!holding) return heard.call(this, event);
            held.push(() => heard.call(this, event));
            heldTexts.push(event.data);
          };
          addEventListener.call(this, type, type === "message" ? later : heard, ...more);
        };
      });
      await signIn(page, ann);
      await showing(page, talk);
      await note(page);
      const before = await idle(page);
      await page.evaluate(() => (globalThis.holding = true));
      for (let n = 1; n <= 50; n += 1) await at.send(bob, talk, `burst ${n}`);
      // a server that is slow pushes several as one
      await page.evaluate(() => e2e.poll(() => heldTexts.some((text) => text.includes("burst 50"))));
      await page.evaluate(() => {
        globalThis.holding = false;
        for (const hear of held) hear();
      });
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "burst 50"));
      const told = await page.evaluate(() => globalThis.told);
      t.diagnostic(`${told.length} commits for 50 pushes`);
      assert.equal(told.flat().length, 50);
      assert.ok(told.length <= 5, `${told.length} commits for 50 pushes`);
      assert.equal((await requestsOf(page)).pull, before.pull);
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });

    test("one that is lost: the next does not follow, counts as a notification, and a pull brings both", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      await at.post("/demo/push", { inline: true }, ann);
      const talk = await at.conversation([ann, bob], 10);
      let losing = false;
      let lost = 0;
      const page = await tapped([], {
        fromServer: (frame) => {
          const drop = losing && frame.type === "push";
          if (drop) lost += 1;
          return !drop;
        },
      });
      await signIn(page, ann);
      await showing(page, talk);
      const before = await requestsOf(page);
      losing = true;
      await at.send(bob, talk, "lost");
      while (!lost) await new Promise((resolve) => setTimeout(resolve, 20));
      losing = false;
      await at.send(bob, talk, "after it");
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "after it"));
      assert.ok((await requestsOf(page)).pull > before.pull);
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });
  });

  describe("mailbox", () => {
    const options = { sync: { scope: "mailbox", notify: "socket" } };

    test("a delivery comes over the socket, is acknowledged over it, and makes no request", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const frames = [];
      const page = await tapped(frames);
      await signIn(page, ann, options);
      await showing(page, talk);
      await at.send(bob, talk, "a first one");
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "a first one"));
      const requests = requestsFromNow(page);
      const from = frames.length;
      for (let n = 1; n <= 20; n += 1) await at.send(bob, talk, `delivered ${n}`);
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "delivered 20"));
      await page.evaluate(
        async (ann) =>
          e2e.poll(async () => (await e2e.call("GET", "/v1/mailbox?limit=500", undefined, ann)).events.length === 0),
        ann,
      );
      // also what a server that has waited for long for an acknowledgement has sent again meanwhile
      await eventually(() => {
        const later = frames.slice(from);
        const pushed = later
          .filter((frame) => frame.type === "push")
          .flatMap((frame) => frame.events.map((event) => event.delivery));
        const acknowledged = frames
          .filter((frame) => frame.type === "ack" && frame.from === "client")
          .flatMap((frame) => frame.deliveries);
        assert.ok(pushed.length >= 20);
        assert.deepEqual(
          pushed.filter((delivery) => !acknowledged.includes(delivery)),
          [],
        );
      });
      // the test's own looks into the mailbox are not the client's
      assert.deepEqual(
        requests.filter((request) => request !== "GET /v1/mailbox?limit=500"),
        [],
      );
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });

    test("what is not acknowledged is sent again, and changes nothing", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const frames = [];
      let deaf = false;
      const page = await tapped(frames, { fromClient: (frame) => !(deaf && frame.type === "ack") });
      await signIn(page, ann, options);
      await showing(page, talk);
      await note(page);
      await page.route("**/v1/mailbox/ack", (route) => (deaf ? route.abort() : route.continue()));
      deaf = true;
      const from = frames.length;
      const { id } = await at.send(bob, talk, "once");
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "once"));
      const times = () =>
        frames
          .slice(from)
          .filter(
            (frame) =>
              frame.type === "push" &&
              frame.events.some((event) => event.type === "message" && event.message.id === id),
          ).length;
      await eventually(() => assert.ok(times() >= 3, `sent ${times()} times`));
      assert.ok((await mailbox(ann)).length > 0);
      deaf = false;
      await page.evaluate(
        async (ann) =>
          e2e.poll(async () => (await e2e.call("GET", "/v1/mailbox?limit=500", undefined, ann)).events.length === 0),
        ann,
      );
      assert.deepEqual(await page.evaluate(() => told.flat()), ["once true"]);
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });

    test("a restart between the commit and its acknowledgement: acknowledged then, and told once", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      let deaf = false;
      const page = await tapped([], { fromClient: (frame) => !(deaf && frame.type === "ack") });
      await page.route("**/v1/mailbox/ack", (route) => (deaf ? route.abort() : route.continue()));
      await signIn(page, ann, options);
      await showing(page, talk);
      deaf = true;
      for (let n = 1; n <= 5; n += 1) await at.send(bob, talk, `stored ${n}`);
      await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "stored 5"));
      assert.ok((await mailbox(ann)).length >= 5);
      await reload(page);
      deaf = false;
      await page.evaluate(
        async (options) => {
          globalThis.told = [];
          globalThis.client = await e2e.open(options.user, options);
          client.on("messages", ({ messages }) => told.push(...messages.map((message) => message.body.text)));
          await e2e.caughtUp(client);
        },
        { ...options, user: ann },
      );
      await showing(page, talk);
      await page.evaluate(
        async (ann) =>
          e2e.poll(async () => (await e2e.call("GET", "/v1/mailbox?limit=500", undefined, ann)).events.length === 0),
        ann,
      );
      assert.deepEqual(await page.evaluate(() => told), []);
      assert.deepEqual(await shownList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });
  });

  test("conversation: one that the account leaves goes, the others live on", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const [talk, left] = [await at.conversation([ann, bob], 10), await at.conversation([ann, bob], 10)];
    const page = await device(browser, server, ann, { sync: { scope: "conversation" } });
    await showing(page, talk);
    await page.evaluate(async (left) => {
      globalThis.leaving = await e2e.show(client, left);
    }, left);
    await at.post("/demo/leave", { conversation: left, user: ann });
    await page.evaluate(() => e2e.until(leaving, (now) => now.status === "removed"));
    await at.send(bob, talk, "still here");
    await page.evaluate(() => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "still here"));
    assert.deepEqual(await page.evaluate(() => client.conversations.getSnapshot().map((one) => one.id)), [talk]);
    await nothingWrong(page);
  });

  test("another scope on the same device begins as a first sign-in does", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 50);
    const page = await device(browser, server, ann, { sync: { scope: "account" } });
    await showing(page, talk);
    for (const scope of ["conversation", "mailbox", "account"]) {
      await page.evaluate(() => client.close());
      await at.send(bob, talk, `before ${scope}`);
      await signIn(page, ann, { sync: { scope } });
      await showing(page, talk);
      await page.evaluate(
        (last) => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === last),
        `before ${scope}`,
      );
      await at.send(bob, talk, `in ${scope}`);
      await page.evaluate((last) => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === last), `in ${scope}`);
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    }
    await nothingWrong(page);
  });
});
