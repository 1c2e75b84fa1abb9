// "pullcord/inspector", from the packed package, in a page that has nothing of the demo, under the server's policy.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TARGET } from "../../tools/build.mjs";
import { demo, eventually, launchBrowser, openPage, startServer } from "./support/harness.mjs";

/** Where pictures go, for whoever wants to look at them. */
const PICTURES = join(TARGET, "e2e");
/** What no report may hold. */
const SECRET = "a secret between two";

describe("the inspector", () => {
  let server, browser, at;

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    server = await startServer();
    browser = await launchBrowser();
    at = demo(server);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  /** A page with the element in it, and no client yet. What the policy refuses is a problem. */
  async function withElement(context) {
    const page = await openPage(context, server);
    page.setDefaultTimeout(30_000);
    await page.evaluate(async () => {
      addEventListener("securitypolicyviolation", ({ effectiveDirective }) => console.error(effectiveDirective));
      // @ts-ignore: the address is the page's
      globalThis.entry = await import("/pkg/inspector.js");
      globalThis.inspector = document.createElement("pullcord-inspector");
      document.body.append(globalThis.inspector);
    });
    return page;
  }

  /** The same with the user's client, in sync. */
  async function inspecting(context, user, options = {}) {
    const page = await withElement(context);
    await page.evaluate(
      async ({ user, options }) => {
        globalThis.client = await e2e.open(user, options);
        globalThis.inspector.client = client;
        await e2e.caughtUp(client);
      },
      { user, options },
    );
    return page;
  }

  /** A conversation's newest page comes, as by a list of it. */
  const show = (page, talk) =>
    page.evaluate(async (talk) => {
      globalThis.timeline = client.timeline(talk);
      await e2e.until(timeline, ({ status, hasNewer }) => status === "ready" && !hasNewer);
    }, talk);

  const writer = (page, text) => page.locator(".writer-line strong", { hasText: text }).waitFor();
  const fact = (page, name) => page.locator(".facts div", { has: page.locator("dt", { hasText: name }) }).locator("dd");
  const report = (page, options) =>
    page.evaluate(async (options) => {
      const text = await globalThis.inspector.report(options);
      return { text, ...JSON.parse(text) };
    }, options);
  /** Everything that the element shows. */
  const text = (page) => page.evaluate(() => globalThis.inspector.shadowRoot.textContent);

  test("two tabs under a strict policy: who writes and who follows, segments, the cursor, and requests with their times", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 60);
    const other = await at.conversation([ann, bob], 3);
    const context = await browser.newContext({ viewport: { width: 760, height: 1500 } });
    const first = await inspecting(context, ann);
    await writer(first, "This tab writes");
    const second = await inspecting(context, ann);
    await writer(second, "Another tab writes");
    for (const page of [first, second]) {
      await show(page, talk);
      await page.getByRole("combobox", { name: "Conversation" }).selectOption(talk);
      const row = page.locator(".segment-table tbody tr");
      await row.filter({ has: page.locator(".tag.live") }).waitFor();
      assert.equal(await row.count(), 1);
      // a page that is fetched ahead comes between the two looks
      await eventually(async () => {
        const { cursor, segments } = await page.evaluate((talk) => client.inspect(talk), talk);
        assert.equal(await row.locator(".n").textContent(), String(segments[0].count));
        assert.equal(await fact(page, "Cursor").textContent(), cursor);
      });
      // the sheet is there, with no exception in the policy
      assert.equal(await page.locator(".strip").evaluate((strip) => getComputedStyle(strip).display), "flex");
      await page.getByRole("combobox", { name: "Conversation" }).selectOption(other);
      await page.locator(".note", { hasText: "has nothing of this conversation yet" }).waitFor();
    }
    assert.equal(await fact(first, "Scope").textContent(), "account");
    const history = first.locator(".last-requests tbody tr", { hasText: "history" }).first();
    await history.waitFor();
    await eventually(async () => {
      const [when, what, answer, took] = await history.locator("td").allTextContents();
      assert.match(when, /^\d\d:\d\d:\d\d$/);
      assert.equal(what, `history${talk}`);
      assert.equal(answer, "200");
      assert.match(took, /^[\d,.]+ m?s/);
    });
    await second.locator(".note", { hasText: "No request yet." }).waitFor();
    assert.equal(await second.locator(".last-requests").isVisible(), false);
    for (const page of [first, second]) assert.ok(!(await text(page)).includes("message 60"), "no message is shown");

    await first.screenshot({ path: join(PICTURES, "inspector.png") });
    await first.evaluate(() => client.close());
    await writer(first, "This tab has stopped");
    await writer(second, "This tab writes");
    await first.locator(".standing", { hasText: "Closed" }).waitFor();
    assert.equal((await report(first)).status.connection, "closed");
    assert.deepEqual([...first.problems, ...second.problems], []);
    await context.close();
  });

  test("the report: versions, cursor, segments, outbox and requests; no token, no body, and names only if asked for", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob]);
    await at.send(bob, talk, SECRET);
    const context = await browser.newContext();
    const page = await inspecting(context, ann);
    await show(page, talk);
    // one that waits: its text is stored, and nobody's business
    await at.trouble({ errorRate: 1 }, ann);
    await page.evaluate(async ({ talk, SECRET }) => client.send(talk, { text: `${SECRET}, not sent` }), {
      talk,
      SECRET,
    });
    await page.evaluate((talk) => {
      Object.assign(globalThis.inspector, { conversation: talk, options: { sync: { scope: "account" } } });
    }, talk);
    await page.evaluate(() => e2e.until(client.outbox, ([item]) => item?.attempts > 2 && item.error));
    // the browser tells of a request a little later
    await page.evaluate(() =>
      e2e.poll(async () => {
        const { requests } = JSON.parse(await globalThis.inspector.report());
        return requests.some(({ kind }) => kind === "send");
      }),
    );
    const { text, ...plain } = await eventually(async () => {
      const told = await report(page);
      const found = await page.evaluate((talk) => client.inspect(talk), talk);
      assert.equal(told.database.cursor, found.cursor);
      assert.equal(told.database.schema, found.schema);
      assert.deepEqual(told.conversation.segments, found.segments);
      return told;
    });
    assert.match(plain.pullcord, /^\d+\.\d+\.\d+/);
    assert.equal(plain.sync.scope, "account");
    assert.equal(plain.status.writer, "here");
    assert.equal(plain.conversation.name, "conversation 1");
    assert.equal(plain.outbox.length, 1);
    assert.ok(plain.outbox[0].attempts > 0);
    const history = plain.requests.find(({ kind }) => kind === "history");
    assert.equal(history.outcome, "200");
    // an error answer is read to its end: it has its status
    for (const { kind, outcome } of plain.requests) if (kind === "send") assert.match(outcome, /^50[03]$/);
    assert.ok(history.ms >= 0 && Number.isFinite(Date.parse(history.at)), JSON.stringify(history));
    assert.equal(history.conversation, "conversation 1");
    for (const word of [SECRET, `demo-${ann}`, ann, talk]) assert.ok(!text.includes(word), word);

    const { text: named } = await report(page, { names: true });
    for (const word of [ann, talk]) assert.ok(named.includes(word), word);
    for (const word of [SECRET, `demo-${ann}`]) assert.ok(!named.includes(word), word);

    // where the clipboard may not be written it is shown
    await page.evaluate(() => {
      navigator.clipboard.write = () => Promise.reject(new Error("no"));
    });
    await page.getByRole("button", { name: "Copy report" }).click();
    const shown = page.getByRole("textbox", { name: "Report" });
    await shown.waitFor();
    assert.ok(await shown.evaluate((area) => area.matches(":focus")));
    assert.equal(JSON.parse(await shown.inputValue()).conversation.name, "conversation 1");
    await page.evaluate(() => {
      delete navigator.clipboard.write;
    });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("checkbox", { name: "With names" }).check();
    await page.getByRole("button", { name: "Copy report" }).click();
    await page.locator(".said", { hasText: "Copied" }).waitFor();
    assert.equal(await shown.isVisible(), false);
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    assert.equal(copied.conversation.name, talk);
    assert.deepEqual(
      page.problems.filter((problem) => !problem.includes("status of 5")),
      [],
    );
    await context.close();
  });

  test("an app's own transport: traced calls with what came of them, and what was irregular", async () => {
    const page = await withElement(await browser.newContext());
    await page.evaluate(async (SECRET) => {
      // @ts-ignore: the address is the page's
      const { memoryBackend } = await import("/pkg/testing.js");
      const texts = Array.from({ length: 10 }, (_, n) => ({
        conversation: "talk",
        sender: "bob",
        text: `${SECRET} ${n}`,
      }));
      const backend = memoryBackend({ conversations: ["talk"], messages: texts });
      backend.trouble({ error: (method) => (method === "send" ? "rejected" : null) });
      const way = backend.transport("ada");
      const odd = (message) => (Number(message.seq) === 4 ? { ...message, state: `"${SECRET}"` } : message);
      const transport = globalThis.entry.traced({
        pull: (request, signal) => way.pull(request, signal),
        conversations: (request, signal) => way.conversations(request, signal),
        send: (request, signal) => way.send(request, signal),
        listen: (sink, signal) => way.listen(sink, signal),
        history: async (request, signal) => {
          const found = await way.history(request, signal);
          return { ...found, messages: found.messages.map(odd) };
        },
      });
      globalThis.client = await pullcord.createClient({ account: "own", transport, storage: { mode: "memory" } });
      globalThis.inspector.client = client;
    }, SECRET);
    await show(page, "talk");
    await page.locator(".log-lines li.bad", { hasText: "not as it has to be" }).waitFor();
    await page.evaluate(async (SECRET) => {
      await client.send("talk", { text: SECRET });
      await e2e.until(client.outbox, ([item]) => item?.state === "failed");
    }, SECRET);
    await page.locator(".log-lines li.bad", { hasText: "A message to talk failed, rejected" }).waitFor();
    const row = (kind) => page.locator(".last-requests tbody tr", { hasText: kind }).first();
    await row("send").waitFor();
    const answer = (kind) => row(kind).locator("td").nth(2);
    await eventually(async () => {
      assert.match(await answer("send").textContent(), /rejected/);
      assert.equal(await answer("send").getAttribute("class"), "bad");
      assert.equal(await answer("history").textContent(), "ok");
      assert.match(await row("history").locator("td").nth(3).textContent(), /^[\d,.]+ ms$/);
      assert.match(await fact(page, "Outbox").textContent(), /1 failed/);
    });
    const { irregular, requests, outbox, text } = await report(page);
    assert.equal(irregular.length, 1);
    assert.equal(irregular[0].where, "page");
    assert.equal(irregular[0].count, 1);
    assert.equal(irregular[0].conversation, "conversation 1");
    assert.ok(irregular[0].reason && irregular[0].done);
    assert.ok(requests.some(({ kind, outcome, ms }) => kind === "history" && outcome === "ok" && ms >= 0));
    assert.deepEqual([outbox[0].state, outbox[0].error], ["failed", "rejected"]);
    assert.ok(!text.includes(SECRET) && !text.includes("talk"), text);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("out of the page it ends its timers and listeners and holds no client, and back in it goes on", async () => {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 5);
    const page = await withElement(await browser.newContext());
    await page.evaluate(async (user) => {
      const timers = new Set();
      globalThis.world = { timers, listeners: 0, looks: 0 };
      for (const [begin, end] of [
        ["setInterval", "clearInterval"],
        ["setTimeout", "clearTimeout"],
      ]) {
        const [start, stop] = [globalThis[begin], globalThis[end]];
        // those of the entry: the client's own are its business
        const isIts = () => new Error().stack?.includes("/pkg/inspector.js");
        globalThis[begin] = (work, ...rest) => {
          const its = isIts();
          const id = start(
            () => {
              if (begin === "setTimeout") timers.delete(id);
              work();
            },
            ...rest,
          );
          if (its) timers.add(id);
          return id;
        };
        globalThis[end] = (id) => {
          timers.delete(id);
          stop(id);
        };
      }
      globalThis.client = await e2e.open(user);
      await e2e.caughtUp(client);
      /** The client, with what is listened to counted. */
      const counted = () => {
        const count = (stop) => {
          world.listeners += 1;
          return () => {
            world.listeners -= 1;
            stop();
          };
        };
        const store = ({ getSnapshot, subscribe }) => ({ getSnapshot, subscribe: (look) => count(subscribe(look)) });
        const { account, conversation, sync, status, conversations, outbox } = client;
        return {
          ...{ account, conversation, sync },
          ...{ status: store(status), conversations: store(conversations), outbox: store(outbox) },
          on: (event, listener) => count(client.on(event, listener)),
          inspect: (of) => {
            world.looks += 1;
            return client.inspect(of);
          },
        };
      };
      globalThis.shown = counted();
      globalThis.inspector.client = globalThis.shown;
      await e2e.poll(() => world.looks > 1);
    }, ann);
    const live = () => page.evaluate(() => ({ ...world, timers: world.timers.size }));
    const begun = await live();
    assert.ok(begun.listeners >= 3 && begun.timers >= 1, JSON.stringify(begun));
    // moved, it stays as it is
    const line = "a line of the app's own";
    await page.evaluate((line) => {
      globalThis.inspector.note(line);
      const place = document.createElement("div");
      document.body.append(place);
      place.append(globalThis.inspector);
    }, line);
    await eventually(async () => assert.ok((await text(page)).includes(line)));

    await page.evaluate(() => globalThis.inspector.remove());
    const ended = await live();
    assert.deepEqual([ended.listeners, ended.timers], [0, 0]);
    await at.send(bob, talk, "nobody looks");
    await page.evaluate((talk) => e2e.until(client.conversation(talk), (one) => one?.unread === 6), talk);
    await page.waitForTimeout(1000);
    assert.equal((await live()).looks, ended.looks);

    // back, with the client that is still there
    await page.evaluate(() => document.body.append(globalThis.inspector));
    await writer(page, "This tab writes");
    assert.equal((await live()).listeners, begun.listeners);
    await page.evaluate(() => {
      globalThis.inspector.remove();
      globalThis.gone = new WeakRef(globalThis.shown);
      delete globalThis.shown;
    });
    const cdp = await page.context().newCDPSession(page);
    let isGone = false;
    for (let tries = 0; tries < 20 && !isGone; tries += 1) {
      await cdp.send("HeapProfiler.collectGarbage");
      isGone = await page.evaluate(() => globalThis.gone.deref() === undefined);
    }
    assert.ok(isGone, "the element holds the client");
    assert.equal(await page.evaluate(() => globalThis.inspector.client), null);
    await page.evaluate(() => document.body.append(globalThis.inspector));
    await page.getByText("No client is open.").waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("a client whose core is in a worker; properties that were set before the script came; a promise is no client", async () => {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], 40);
    // the server's policy for pages allows no worker
    const page = await openPage(await browser.newContext({ bypassCSP: true }), server);
    page.setDefaultTimeout(30_000);
    await page.evaluate(
      async ({ user, talk }) => {
        const worker = () => new Worker("/blank/chat.worker.js", { type: "module" });
        globalThis.client = await e2e.open(user, { worker });
        const inspector = document.createElement("pullcord-inspector");
        Object.assign(inspector, { client, conversation: talk });
        document.body.append(inspector);
        await e2e.caughtUp(client);
        // @ts-ignore: the address is the page's
        await import("/pkg/inspector.js");
        globalThis.inspector = inspector;
      },
      { user: ann, talk },
    );
    await writer(page, "This tab writes");
    await page.locator(".picture .note", { hasText: "nothing of this conversation" }).waitFor();
    await show(page, talk);
    await page.locator(".segment-table .tag.live").waitFor();
    // the worker's requests are not the page's: they are counted, and noticed
    const history = page.locator(".last-requests tbody tr", { hasText: "history" }).first();
    await history.waitFor();
    assert.match((await history.locator("td").first().textContent()) ?? "", /^\d\d:\d\d:\d\d$/);
    await page.locator(".note", { hasText: "when they were noticed" }).waitFor();
    const refused = await page.evaluate(() => {
      try {
        globalThis.inspector.client = Promise.resolve();
        return "";
      } catch (error) {
        return error.message;
      }
    });
    assert.match(refused, /await it/);
    await page.evaluate(() => client.close());
    await writer(page, "This tab has stopped");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
});
