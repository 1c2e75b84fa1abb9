// A push wakes a service worker, which brings the account up to date by `syncOnce` and tells what is new: with a tab
// that is looked at, hidden, frozen, and with none. DevTools delivers the push, as a push service would.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { demo, fresh, openPage, signIn, startServer } from "./support/harness.mjs";

/** A push that nobody answers must not hang the whole run. */
const PATIENCE = { timeout: 180_000 };

describe("a push", () => {
  let server, tools, at;

  before(async () => {
    server = await startServer();
    tools = await launchTools();
    at = demo(server);
  });

  after(async () => {
    await tools?.close();
    await server?.stop();
  });

  /** A browser's storage, in which the service worker is installed, and a page of its own that has no client. */
  async function installed() {
    const context = await tools.newContext();
    const page = await context.newPage();
    // the demo's pages may make no worker (trusted-types 'none'), and the service worker is no page's
    await page.call("Page.setBypassCSP", { enabled: true });
    const registered = new Promise((resolve) => {
      page.call("ServiceWorker.enable");
      page.hear("ServiceWorker.workerVersionUpdated", ({ versions }) => {
        const active = versions.find(({ status }) => status === "activated");
        if (active) resolve(active.registrationId);
      });
    });
    await page.goto(`${server.url}/blank/`);
    await page.evaluate(async () => {
      await navigator.serviceWorker.register("/blank/push.worker.js", { type: "module", scope: "/blank/" });
      await navigator.serviceWorker.ready;
    });
    const registrationId = await registered;
    /** What the service worker has told, of this push. */
    async function push(user, { options = {}, times = 1 } = {}) {
      const name = fresh("push");
      const data = JSON.stringify({ name, user, options, times });
      await page.call("ServiceWorker.deliverPushMessage", { origin: server.url, registrationId, data });
      const answers = await page.evaluate(async (name) => {
        for (;;) {
          const answer = await caches.match(`/told/${name}`);
          if (answer) return answer.json();
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }, name);
      return times === 1 ? answers[0] : answers;
    }
    return { context, page, push };
  }

  /** A tab with the user's client. @returns {Promise<any>} */
  async function tabOf(context, user, options = {}) {
    const tab = await openPage(context, server);
    await tab.bringToFront();
    await isHidden(tab, false);
    await signIn(tab, user, options);
    return tab;
  }

  /** Waits until the tab is looked at, or is not: another one of its window is. */
  const isHidden = (tab, hidden) =>
    tab.evaluate((hidden) => e2e.poll(() => (document.visibilityState === "hidden") === hidden), hidden);

  /** The page without a client is in front of the tab. */
  async function hide(tab, page) {
    await page.bringToFront();
    await isHidden(tab, true);
  }

  test(
    "without a tab, of an account that was never opened: the newest; then what is new, each once",
    PATIENCE,
    async () => {
      const { context, push } = await installed();
      const [ann, bob] = await at.users("ann", "bob");
      const [old, talk] = [await at.conversation([ann, bob], 40), await at.conversation([ann, bob])];
      await at.send(bob, talk, "first");
      assert.deepEqual(await push(ann), { texts: ["first"], conversations: [[talk, 1]], visible: false });
      assert.deepEqual(await push(ann), { texts: [], conversations: [], visible: false });
      await at.send(bob, talk, "second");
      await at.send(ann, talk, "my own, from elsewhere");
      await at.send(bob, old, "third");
      const { texts, conversations } = await push(ann);
      assert.deepEqual(texts, ["second", "third"]);
      assert.deepEqual(conversations.map(([id]) => id).sort(), [old, talk].sort());
      // two pushes at once
      await at.send(bob, talk, "fourth");
      const both = await push(ann, { times: 2 });
      assert.deepEqual(
        both.flatMap(({ texts }) => texts),
        ["fourth"],
      );
      // what is stored a tab shows without asking for it
      const tab = await tabOf(context, ann, { prefetch: false });
      await tab.evaluate(
        (talk) =>
          e2e.show(client, talk).then((timeline) => {
            globalThis.timeline = timeline;
          }),
        talk,
      );
      assert.equal((await tab.evaluate(() => e2e.texts(timeline))).at(-1), "fourth");
      await context.close();
    },
  );

  test("with a tab that is looked at: that one syncs and shows it, and nothing is told", PATIENCE, async () => {
    const { context, page, push } = await installed();
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 5);
    const tab = await tabOf(context, ann, {
      sync: { notify: "poll", pollInterval: 3_600_000, fallbackPollInterval: 3_600_000 },
    });
    /** How often it has pulled, and whether it has lost the work since it was asked last. */
    const pulls = () =>
      tab.evaluate(async () => {
        globalThis.moves ??= client.status.subscribe(() => {
          if (client.status.getSnapshot().writer !== "here") globalThis.hasMoved = true;
        });
        const moved = globalThis.hasMoved === true;
        globalThis.hasMoved = false;
        return { moved, count: (await client.inspect()).requests.pull };
      });
    const shows = (text) =>
      tab.evaluate(
        ({ talk, text }) =>
          e2e.until(client.conversation(talk), (now) => now.lastMessage?.body.text === text).then(() => {}),
        { talk, text },
      );
    const writes = () => tab.evaluate(() => e2e.until(client.status, ({ writer }) => writer === "here").then(() => {}));
    // where the tab does not answer within a second the service worker syncs in its place: on a machine that is busy it
    // may come to that, but not each time
    let seen = 0;
    for (let moved = true; moved; ) {
      seen += 1;
      assert.ok(seen <= 10, "the tab never syncs");
      const before = await pulls();
      await at.send(bob, talk, `seen ${seen}`);
      const answer = await push(ann);
      await shows(`seen ${seen}`);
      await writes();
      const after = await pulls();
      ({ moved } = after);
      if (moved) continue;
      assert.deepEqual(answer, { texts: [], conversations: [], visible: true });
      assert.ok(after.count > before.count, "the tab has pulled");
    }
    // nobody looks at it any more
    await hide(tab, page);
    await at.send(bob, talk, "unseen");
    assert.deepEqual(await push(ann), { texts: ["unseen"], conversations: [[talk, 6 + seen]], visible: false });
    await shows("unseen");
    await writes();
    assert.deepEqual(tab.problems, []);
    await context.close();
  });

  test("what a hidden tab has stored between two pushes is told", PATIENCE, async () => {
    const { context, page, push } = await installed();
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 5);
    const tab = await tabOf(context, ann);
    await hide(tab, page);
    await at.send(bob, talk, "stored by the tab");
    await tab.evaluate(
      (talk) =>
        e2e
          .until(client.conversation(talk), (now) => now?.lastMessage?.body.text === "stored by the tab")
          .then(() => {}),
      talk,
    );
    assert.deepEqual((await push(ann)).texts, ["stored by the tab"]);
    assert.deepEqual((await push(ann)).texts, []);
    await context.close();
  });

  test(
    "with a tab that is frozen: the service worker takes its place, and it follows when it wakes",
    PATIENCE,
    async () => {
      const { context, push } = await installed();
      const [ann, bob] = await at.users("ann", "bob");
      const talk = await at.conversation([ann, bob], 5);
      const tab = await tabOf(context, ann);
      await tab.freeze();
      await at.send(bob, talk, "while it slept");
      assert.deepEqual(await push(ann), { texts: ["while it slept"], conversations: [[talk, 6]], visible: false });
      await tab.thaw();
      await tab.evaluate(
        (talk) =>
          e2e
            .until(client.conversation(talk), (now) => now?.lastMessage?.body.text === "while it slept")
            .then(() => {}),
        talk,
      );
      await tab.evaluate(() => e2e.until(client.status, (status) => status.writer === "here").then(() => {}));
      await context.close();
    },
  );

  test("what goes wrong rejects, and a network that fails resolves at the deadline", PATIENCE, async () => {
    const { context, push } = await installed();
    const [ann] = await at.users("ann");
    const refused = await push("nobody signed in");
    assert.deepEqual(refused.error?.slice(0, 2), ["PullcordError", "unauthorized"]);
    for (const options of [
      { deadline: 0 },
      { sync: { scope: "all" } },
      { sync: { notify: "pigeon" } },
      { account: "" },
    ])
      assert.equal((await push(ann, { options })).error?.[1], "invalid", JSON.stringify(options));
    await at.trouble({ errorRate: 1 }, ann);
    assert.deepEqual(await push(ann, { options: { deadline: 1500 } }), {
      texts: [],
      conversations: [],
      visible: false,
    });
    await context.close();
  });
});
