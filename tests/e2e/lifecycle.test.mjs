// What happens to a page: hidden, frozen, put away and brought back, cut off; and to an account: its token ends,
// another one signs in.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { device, eventually, importPackage, launchBrowser, openPage, signIn } from "./support/harness.mjs";
import {
  SEQS,
  goOffline,
  goOnline,
  nothingWrong,
  requestsFromNow,
  requestsOf,
  serversList,
  shownList,
  showing,
  wholeList,
} from "./support/lists.mjs";
import { withServer } from "./support/stand.mjs";

describe("lifecycle", () => {
  let server, browser, at;

  withServer({ args: SEQS }, (stand) => {
    ({ server, browser, at } = stand);
  });

  /** As when the user goes to another tab, and back. @param {import("playwright-core").Page} page */
  const setHidden = (page, hidden) =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, "visibilityState", {
        configurable: true,
        get: () => (hidden ? "hidden" : "visible"),
      });
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);

  /** As the browser says it of a page that it keeps. */
  const pageTransition = (page, type) =>
    page.evaluate((type) => {
      window.dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
    }, type);

  const pulls = (requests) => requests.filter((request) => request.startsWith("GET /v1/sync?"));
  const waiting = (request) => /\/v1\/sync\?.*wait=/.test(request.url());

  const sawLast = (page, text) =>
    page.evaluate(async (text) => {
      try {
        await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === text);
      } catch (error) {
        const state = JSON.stringify([client.status.getSnapshot(), (await client.inspect()).requests]);
        throw new Error(`${error.message}\nthe client: ${state}`, { cause: error });
      }
    }, text);

  test("a long poll ends when the page has been hidden for long, and one pull comes with its return", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 10);
    const page = await openPage(await browser.newContext(), server);
    // its clock is the test's: a minute need not be waited for
    await page.clock.install();
    await page.reload();
    await importPackage(page);
    const open = new Set();
    page.on("request", (request) => waiting(request) && open.add(request));
    for (const end of ["requestfailed", "requestfinished"])
      page.on(/** @type {any} */ (end), (request) => open.delete(request));
    await signIn(page, ann, { sync: { notify: "long-poll", pollInterval: 600_000 } });
    await showing(page, talk);
    await at.send(bob, talk, "one");
    await sawLast(page, "one");
    await setHidden(page, true);
    // shortly hidden it goes on
    await at.send(bob, talk, "while hidden");
    await sawLast(page, "while hidden");
    // the next one leaves by itself
    const waits = (count) => eventually(() => assert.equal(open.size, count));
    await waits(1);
    await page.clock.runFor(50_000);
    await page.waitForTimeout(500);
    await waits(1);
    await page.clock.runFor(12_000);
    await waits(0);
    await page.waitForTimeout(500);
    assert.equal(open.size, 0);
    await at.send(bob, talk, "unheard");
    const requests = requestsFromNow(page);
    await setHidden(page, false);
    await sawLast(page, "unheard");
    await waits(1);
    assert.deepEqual(
      pulls(requests).map((request) => request.includes("wait=")),
      [false, true],
    );
    await at.send(bob, talk, "heard again");
    await sawLast(page, "heard again");
    await nothingWrong(page);
  });

  for (const notify of ["socket", "long-poll"]) {
    test(`${notify}: put away and brought back by the back button: silent meanwhile, one pull on return`, async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const page = await openPage(await browser.newContext(), server);
      const sockets = new Set();
      /** What has happened on return, in order. */
      const returned = [];
      page.on("websocket", (socket) => {
        sockets.add(socket);
        socket.on("close", () => sockets.delete(socket));
        socket.on("framereceived", ({ payload }) => {
          if (JSON.parse(String(payload)).type === "ready") returned.push("ready");
        });
      });
      page.on("request", (request) => {
        if (/\/v1\/sync\?/.test(request.url()) && !waiting(request)) returned.push("pull");
      });
      await signIn(page, ann, { sync: { notify }, prefetch: false });
      await showing(page, talk);
      await page.waitForTimeout(500);
      await pageTransition(page, "pagehide");
      await eventually(() => assert.equal(sockets.size, 0));
      const requests = requestsFromNow(page);
      await at.bulk(talk, 20, "put away");
      await page.waitForTimeout(1500);
      assert.deepEqual(requests, []);
      returned.length = 0;
      await pageTransition(page, "pageshow");
      await sawLast(page, "put away 20");
      await page.waitForTimeout(500);
      // the channel makes one when it is ready, and only where that is late there is one before
      if (returned.includes("ready") && returned[0] === "pull") returned.shift();
      assert.deepEqual(returned, notify === "socket" ? ["ready", "pull"] : ["pull"], requests.join());
      await at.send(bob, talk, "live again");
      await sawLast(page, "live again");
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });
  }

  test("frozen by the browser, and resumed: nothing is sent meanwhile, and it goes on", async () => {
    const tools = await launchTools();
    try {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const page = await device(tools, server, ann, { prefetch: false, sync: { pollInterval: 500 } });
      await showing(page, talk);
      await page.freeze();
      const requests = requestsFromNow(page);
      await at.bulk(talk, 20, "frozen");
      await page.waitForTimeout(2000);
      assert.deepEqual(requests, []);
      await page.thaw();
      await sawLast(page, "frozen 20");
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await at.send(bob, talk, "live again");
      await sawLast(page, "live again");
      await nothingWrong(page);
    } finally {
      await tools.close();
    }
  });

  test("in the browser's own back/forward cache: the client lets it be kept, and goes on with its list", async () => {
    const keeping = await launchBrowser({ ignoreDefaultArgs: ["--disable-back-forward-cache"] });
    try {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const page = await device(keeping, server, ann, { prefetch: false });
      await showing(page, talk);
      await page.evaluate(() => timeline.send({ text: "before leaving" }));
      await page.goto(`${server.url}/demo`);
      await at.bulk(talk, 20, "elsewhere");
      // a page that was kept is not loaded again, so there is no "load" to wait for
      await page.goBack({ waitUntil: "commit" });
      assert.ok(await page.evaluate(() => "client" in globalThis), "the page was kept");
      // the own message may have been on its way when the page was left: then it is delivered now, and is the last
      await page.evaluate(async () => {
        await e2e.until(timeline, (now) => now.items.some((item) => e2e.textOf(item) === "elsewhere 20"));
        await e2e.until(client.outbox, (waiting) => waiting.length === 0);
      });
      await at.send(bob, talk, "live again");
      await sawLast(page, "live again");
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    } finally {
      await keeping.close();
    }
  });

  test("offline and online: little is tried meanwhile, one pull on return, and what was written then is delivered", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 10);
    const page = await device(browser, server, ann, { prefetch: false });
    await showing(page, talk);
    await goOffline(page);
    const requests = requestsFromNow(page);
    await at.bulk(talk, 20, "missed");
    const key = await page.evaluate(async () => (await timeline.send({ text: "written offline" })).key);
    await page.waitForTimeout(1500);
    // "Offline" is a hint (R14): it delays a try, and forbids none.
    const tried = requests.splice(0);
    assert.ok(pulls(tried).length <= 3 && tried.length - pulls(tried).length <= 3, tried.join());
    assert.equal((await page.evaluate(() => client.outbox.getSnapshot())).length, 1);
    await goOnline(page);
    await page.evaluate(
      (key) => e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message"),
      key,
    );
    await page.waitForTimeout(300);
    // One for the return, one for the channel that is ready, and one at most for the own message.
    const first = pulls(requests);
    assert.ok(first.length >= 1 && first.length <= 3, requests.join());
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  test("a clock that jumps by hours, both ways, changes nothing", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 10);
    const context = await browser.newContext();
    await context.addInitScript(() => {
      const { now } = Date;
      globalThis.clockOff = 0;
      Date.now = () => now.call(Date) + globalThis.clockOff;
    });
    const page = await openPage(context, server);
    await signIn(page, ann, { sync: { pollInterval: 500 } });
    await showing(page, talk);
    for (const hours of [5, -7, 0]) {
      await page.evaluate((hours) => {
        globalThis.clockOff = hours * 3_600_000;
      }, hours);
      await page.evaluate((text) => timeline.send({ text }), `mine at ${hours}`);
      await page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0));
      await at.send(bob, talk, `Bob at ${hours}`);
      await sawLast(page, `Bob at ${hours}`);
    }
    assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
    await nothingWrong(page);
  });

  for (const what of ["stands still", "goes back by an hour", "says nothing"])
    test(`a clock of the page that ${what}: what is never answered ends in time, and all goes on`, async () => {
      const [ann] = await at.users("ann");
      const [talk, other] = [await at.conversation([ann], 10), await at.conversation([ann], 10)];
      const page = await openPage(await browser.newContext(), server);
      await page.evaluate(async (ann) => {
        const transport = { baseUrl: location.origin, token: () => `demo-${ann}`, timeout: 1000 };
        globalThis.client = await e2e.open(ann, { transport, prefetch: false });
        await e2e.caughtUp(client);
      }, ann);
      await showing(page, talk);
      await page.evaluate((what) => {
        const now = performance.now.bind(performance);
        const before = now();
        performance.now = () =>
          ({ "stands still": before, "goes back by an hour": now() - 3_600_000, "says nothing": Number.NaN })[what];
      }, what);
      await at.trouble({ delayMs: 20_000 }, ann);
      const code = await page.evaluate(
        async (other) => (await e2e.refusal(client.timeline(other).loadOlder()))?.code,
        other,
      );
      assert.equal(code, "timeout");
      await at.trouble({}, ann);
      await at.bulk(talk, 1, "after");
      await sawLast(page, "after 1");
      await nothingWrong(page);
    });

  describe("token", () => {
    /**
     * Tokens of the app's own, that end when the test says so: `valid` is the only one that is let in, and is taken for
     * the user's; `expire` is called after `left` requests.
     */
    async function guarded(user) {
      const state = {
        valid: "first",
        given: "first",
        refused: 0,
        asked: 0,
        left: 0,
        expire: async () => {},
        /** @type {any[]} */
        sockets: [],
      };
      const page = await openPage(await browser.newContext(), server);
      const letIn = (token) => token === state.valid;
      await page.route("**/v1/**", async (route) => {
        const token = route.request().headers().authorization?.slice("Bearer ".length);
        if (!letIn(token)) {
          state.refused += 1;
          await route.fulfill({
            status: 401,
            contentType: "application/json",
            body: JSON.stringify({ error: { code: "unauthorized", message: "expired" } }),
          });
          return;
        }
        if (state.left > 0) {
          state.left -= 1;
          if (state.left === 0) await state.expire();
        }
        await route
          .continue({ headers: { ...route.request().headers(), authorization: `Bearer demo-${user}` } })
          .catch(() => {});
      });
      await page.routeWebSocket(/\/v1\/notify/, (socket) => {
        const upstream = socket.connectToServer();
        state.sockets.push(socket);
        socket.onMessage((text) => {
          const frame = JSON.parse(String(text));
          if (frame.type === "auth" && !letIn(frame.token)) {
            state.refused += 1;
            void socket.close({ code: 4401, reason: "expired" });
            return;
          }
          upstream.send(frame.type === "auth" ? JSON.stringify({ ...frame, token: `demo-${user}` }) : text);
        });
        upstream.onMessage((text) => socket.send(text));
      });
      await page.goto(`${server.url}/blank/`);
      await importPackage(page);
      await page.exposeFunction("giveToken", () => {
        state.asked += 1;
        return state.given;
      });
      return { page, state };
    }

    const openWithToken = (page, user, options = {}) =>
      page.evaluate(
        async ({ user, options }) => {
          globalThis.client = await e2e.open(user, {
            ...options,
            transport: { baseUrl: location.origin, token: () => globalThis.giveToken() },
          });
          await e2e.caughtUp(client);
        },
        { user, options },
      );

    for (const scope of ["account", "conversation", "mailbox"]) {
      test(`${scope}: it expires in the middle of catching up, paging and sending; the next one goes on with all of it`, async () => {
        const [ann, bob] = await at.users("ann", "bob");
        const talk = await at.conversation([ann, bob], 200);
        const { page, state } = await guarded(ann);
        await openWithToken(page, ann, { prefetch: false, sync: { scope, pullLimit: 20 } });
        await showing(page, talk, { maxItems: 1000 });
        await goOffline(page);
        await at.bulk(talk, 300, "missed");
        const asked = state.asked;
        // in the middle: the answer to the fifth request from here still comes, and no more after it
        state.expire = async () => {
          state.valid = "second";
          state.given = "second";
          for (const socket of state.sockets.splice(0))
            await socket.close({ code: 4401, reason: "expired" }).catch(() => {});
        };
        state.left = 5;
        await page.context().setOffline(false);
        const key = await page.evaluate(async () => {
          void timeline.loadOlder();
          return (await timeline.send({ text: "with the next one" })).key;
        });
        await page.evaluate(
          (key) => e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message"),
          key,
        );
        await page.evaluate(() => e2e.caughtUp(client));
        assert.equal(state.valid, "second");
        assert.ok(state.asked - asked >= 1 && state.asked - asked <= 10, `asked ${state.asked - asked} times`);
        await page.evaluate(() => e2e.until(client.status, (status) => status.error === null));
        assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
        await at.send(bob, talk, "live");
        await sawLast(page, "live");
        await nothingWrong(page);
      });
    }

    test("it expires and there is no other: the client waits, keeps what is written, and asks nobody until the app says so", async () => {
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 10);
      const { page, state } = await guarded(ann);
      await openWithToken(page, ann, { prefetch: false, sync: { pollInterval: 300, fallbackPollInterval: 300 } });
      await showing(page, talk);
      state.valid = "second";
      await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "needs-auth"));
      const key = await page.evaluate(async () => (await timeline.send({ text: "written meanwhile" })).key);
      await at.send(bob, talk, "missed");
      // what was on its way is refused as well
      const { asked, refused } = await eventually(async () => {
        const { asked, refused } = state;
        await page.waitForTimeout(1000);
        assert.deepEqual([state.asked, state.refused], [asked, refused]);
        return { asked, refused };
      });
      await page.waitForTimeout(2500);
      assert.deepEqual([state.asked, state.refused], [asked, refused]);
      state.given = "second";
      await page.evaluate(() => client.sync());
      await page.evaluate(
        (key) => e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).kind === "message"),
        key,
      );
      assert.deepEqual(await wholeList(page), await serversList(at, ann, talk));
      await nothingWrong(page);
    });
  });

  test("another account while the first is open: each has its own, and one's sign-out leaves the other", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const both = await at.conversation([ann, bob], 30);
    const [anns, bobs] = [await at.conversation([ann], 10), await at.conversation([bob], 10)];
    const page = await device(browser, server, ann);
    await showing(page, both);
    const listed = await page.evaluate(
      async ({ bob, both }) => {
        globalThis.second = await e2e.open(bob, { sync: { scope: "conversation" }, overflow: "keep" });
        await e2e.caughtUp(second);
        globalThis.bobsList = await e2e.show(second, both);
        await bobsList.send({ text: "from Bob" });
        await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "from Bob");
        await timeline.send({ text: "from Ann" });
        await e2e.until(bobsList, (now) => e2e.textOf(now.items.at(-1)) === "from Ann");
        return [client, second].map((one) =>
          one.conversations
            .getSnapshot()
            .map((conversation) => conversation.id)
            .sort(),
        );
      },
      { bob, both },
    );
    assert.deepEqual(listed, [[both, anns].sort(), [both, bobs].sort()]);
    await page.evaluate(() => second.wipe());
    assert.deepEqual(
      await page.evaluate(() => [bobsList.getSnapshot().status, client.status.getSnapshot().connection]),
      ["closed", "online"],
    );
    await at.send(bob, both, "Bob elsewhere");
    await sawLast(page, "Bob elsewhere");
    assert.deepEqual(await wholeList(page), await serversList(at, ann, both));
    await nothingWrong(page);
  });

  test("a page that is hidden slows its timer down, and pulls at once when it is seen again", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 10);
    const page = await device(browser, server, ann, {
      prefetch: false,
      sync: { notify: "poll", pollInterval: 500, fallbackPollInterval: 500 },
    });
    await showing(page, talk);
    // by the page's clock: a machine that is busy makes the time between two of them longer, and none shorter
    const between = (count) =>
      page.evaluate(async (count) => {
        const times = () =>
          performance
            .getEntriesByType("resource")
            .filter(({ name }) => name.includes("/v1/sync?"))
            .map(({ startTime }) => startTime);
        const before = times().length;
        await e2e.poll(() => times().length >= before + count);
        const since = times().slice(before);
        return since.slice(1).map((time, i) => time - since[i]);
      }, count);
    const seen = await between(6);
    await setHidden(page, true);
    const hidden = await between(3);
    assert.ok(
      Math.min(...hidden) > 1.5 * Math.min(...seen) && Math.min(...hidden) > 1500,
      `ms between pulls: ${seen.map(Math.round)}; while hidden: ${hidden.map(Math.round)}`,
    );
    await at.send(bob, talk, "meanwhile");
    await setHidden(page, false);
    await sawLast(page, "meanwhile");
    assert.deepEqual(await shownList(page), await serversList(at, ann, talk));
    assert.ok((await requestsOf(page)).pull > 0);
    await nothingWrong(page);
  });
});
