// A page of one origin and a server of another: the preflights that arrive are counted, and what comes of each way.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { startBetween } from "./support/between.mjs";
import { demo, eventually, launchBrowser, openPage, startServer } from "./support/harness.mjs";

describe("a server of another origin", () => {
  let server, browser, at, between, page, ann, talk;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    at = demo(server);
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    between = await startBetween(server);
    // the page's policy lets it ask its own origin alone
    page = await openPage(await browser.newContext({ bypassCSP: true }), server);
    [ann] = await at.users("ann");
    talk = await at.conversation([ann], 200);
  });
  afterEach(async () => {
    await page?.context().close();
    between?.stop();
  });

  const preflights = () => between.arrived.filter((one) => one.startsWith("OPTIONS "));
  const calls = () => between.arrived.filter((one) => one.startsWith("POST /v1/call"));

  const start = (options = {}) =>
    page.evaluate(
      async ([baseUrl, user, options]) => {
        globalThis.asked = 0;
        globalThis.lines = [];
        const token = () => {
          globalThis.asked += 1;
          return `demo-${user}`;
        };
        globalThis.client = await pullcord.createClient({
          account: user,
          transport: { baseUrl, token },
          logger: (level, message) => globalThis.lines.push(`${level} ${message}`),
          ...options,
        });
      },
      [between.url, ann, options],
    );

  /** Pulls, pages back, a send, an edit and a read mark: all of it comes to its end. */
  async function work() {
    await page.evaluate(async (talk) => {
      await e2e.caughtUp(client);
      globalThis.timeline = await e2e.show(client, talk);
    }, talk);
    for (const n of [1, 2, 3]) {
      await at.send("ada", await at.conversation(["ada", ann]), `elsewhere ${n}`);
      await at.bulk(talk, 1, `news ${n}:`);
      await page.evaluate(
        (text) => e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === text).then(() => undefined),
        `news ${n}: 1`,
      );
    }
    const texts = await page.evaluate(async () => {
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 50 });
      const { key } = await timeline.send({ text: "hello" });
      const sent = await e2e.until(timeline, (now) =>
        now.items.some((item) => item.key === key && item.kind === "message"),
      );
      const { id } = sent.items.find((item) => item.key === key).message;
      await timeline.edit(id, { text: "hello, edited" });
      await timeline.markRead();
      await e2e.until(client.conversation(timeline.conversation), (one) => one.unread === 0);
      await client.sync();
      return e2e.texts(timeline);
    });
    assert.equal(texts.length, 204);
    assert.equal(texts.at(-1), "hello, edited");
    const stored = await at.history(ann, talk);
    assert.equal(stored.filter(({ body }) => body.text === "hello, edited").length, 1);
  }

  test("one that agrees is asked beforehand once: the rest goes without a preflight, as what it is", async () => {
    await start();
    await work();
    assert.deepEqual(preflights(), ["OPTIONS /v1/sync"]);
    assert.deepEqual(
      between.arrived.filter((one) => !/^OPTIONS|^POST \/v1\/call/.test(one)),
      ["GET /v1/sync"],
    );
    const messages = `/v1/conversations/${talk}/messages`;
    for (const one of [`GET${messages}`, `POST${messages}`, `POST/v1/conversations/${talk}/read`, "GET/v1/sync"])
      assert.ok(calls().includes(`POST /v1/call?${one}`), one);
    for (const { authorization, cookie, "content-type": type } of between.called)
      assert.deepEqual([authorization, cookie, type], [undefined, undefined, "text/plain;charset=UTF-8"]);

    // Its 401 asks for another token, and nothing goes back to plain requests for that.
    const asked = await page.evaluate(() => globalThis.asked);
    between.call = "refused";
    await page.evaluate(() => client.sync());
    assert.equal(await page.evaluate(() => globalThis.asked), asked + 1);
    assert.equal(preflights().length, 1);

    // The inspector knows them.
    await page.evaluate(async () => {
      // @ts-ignore: the address is the page's
      await import("/pkg/inspector.js");
      globalThis.inspector = document.createElement("pullcord-inspector");
      document.body.append(globalThis.inspector);
      globalThis.inspector.client = client;
    });
    await eventually(async () => {
      const { requests } = JSON.parse(await page.evaluate(() => globalThis.inspector.report()));
      const kinds = requests.map(({ kind }) => kind);
      for (const kind of ["pull", "history", "send", "edit", "read"])
        assert.ok(kinds.includes(kind), `${kind}: ${kinds}`);
      assert.equal(
        requests.find(({ kind }) => kind === "edit").conversation,
        requests.find(({ kind }) => kind === "read").conversation,
      );
    });
    assert.deepEqual(await page.evaluate(() => globalThis.lines), []);
    assert.deepEqual(
      page.problems.filter((said) => !said.includes("401")),
      [],
    );
  });

  test("one that does not agree is asked as ever", async () => {
    between.agrees = false;
    await start();
    await work();
    assert.deepEqual(calls(), []);
    assert.ok(preflights().length > 8, `${preflights()}`);
    assert.deepEqual(page.problems, []);
  });

  test("one that says so and has no /v1/call, or loses it, is gone back from", async () => {
    between.call = "missing";
    await start();
    await work();
    assert.ok(calls().length >= 1 && calls().length <= 3, `those that were under way at once: ${calls()}`);
    assert.deepEqual(await page.evaluate(() => globalThis.lines), []);
  });

  test("one whose /v1/call never answers is gone back from after three tries", async () => {
    between.call = "cut";
    await start();
    // A plain request says each time that it is served, and the next one would be tried so: until none is any more.
    await eventually(async () => {
      const seen = calls().length;
      for (let n = 0; n < 2; n += 1) await page.evaluate(() => client.sync());
      assert.ok(seen >= 3 && calls().length === seen, `${seen} so far`);
    });
    const tried = calls().length;
    await work();
    assert.equal(calls().length, tried);
  });

  test("what fails by /v1/call is asked again as a plain request is: told once, and nothing lost or sent twice", async () => {
    await start();
    await page.evaluate(async (talk) => {
      await e2e.caughtUp(client);
      globalThis.timeline = await e2e.show(client, talk);
    }, talk);
    const sends = new RegExp(`^POST (/v1/call\\?POST)?/v1/conversations/${talk}/messages$`);
    const busy = { agrees: true, headers: { "retry-after": "1" }, body: "busy" };
    /**
     * what it meets, and which way is next, where that is certain
     * @type {[string, import("./support/between.mjs").Meets, string][]}
     */
    const troubles = [
      ["busy", { status: 503, ...busy }, "call"],
      ["too many", { status: 429, ...busy }, "call"],
      ["a page", { status: 200, agrees: true, body: "<!doctype html><p>maintenance" }, "call"],
      ["short", "short", ""],
      ["unanswered", "unanswered", ""],
      ["a proxy in trouble", { status: 502, body: "<html>" }, ""],
      ["a proxy's limit", { status: 413, body: "<html>" }, "plain"],
      ["elsewhere", { status: 302, headers: { location: `${server.url}/` } }, "plain"],
    ];
    for (const [text, trouble, next] of troubles) {
      // A plain one says that there is `/v1/call`, and one that goes by it ends the row of what has failed.
      between.meets = () => undefined;
      for (let n = 0; n < 2; n += 1) await page.evaluate(() => client.sync());
      const tried = [];
      between.meets = (search) => {
        if (!search.startsWith("?POST") || tried.length) return undefined;
        tried.push(performance.now());
        return trouble;
      };
      const before = between.arrived.length;
      await page.evaluate(async (text) => {
        const { key } = await timeline.send({ text });
        await e2e.until(timeline, (now) => now.items.some((item) => item.key === key && item.kind === "message"));
      }, text);
      assert.equal(tried.length, 1, text);
      if (typeof trouble === "object" && trouble.headers?.["retry-after"])
        assert.ok(performance.now() - tried[0] >= 1000, `${text}: it waits as long as it is told to`);
      const ways = between.arrived
        .slice(before)
        .filter((one) => sends.test(one))
        .map((one) => (one.startsWith("POST /v1/call") ? "call" : "plain"));
      // A message that is stored may come by a pull first.
      if (next) assert.deepEqual(ways, ["call", next], text);
      else assert.ok(ways[0] === "call" && ways.length <= 2, `${text}: ${ways}`);
    }
    // After the redirect nothing goes so any more.
    const tried = calls().length;
    await page.evaluate(async () => {
      await client.sync();
      await timeline.loadOlder();
    });
    assert.equal(calls().length, tried);
    const stored = (await at.history(ann, talk)).map(({ body }) => body.text);
    assert.deepEqual(
      stored.filter((text) => troubles.some(([one]) => one === text)),
      troubles.map(([text]) => text),
    );
    const where = `${between.url}/v1/conversations/${talk}/messages`;
    assert.deepEqual(
      (await page.evaluate(() => globalThis.lines)).map((line) => line.replace(/; .*/, "")),
      ["503 WHERE: busy", "429 WHERE: busy", "502 WHERE"].map(
        (status) => `warn send("${talk}"): the server answered with status ${status.replace("WHERE", `at ${where}`)}`,
      ),
    );
  });

  test("what is let go of by /v1/call is aborted", async () => {
    await start();
    await page.evaluate(async (talk) => {
      await e2e.caughtUp(client);
      globalThis.timeline = await e2e.show(client, talk);
    }, talk);
    between.meets = (search) => (search.startsWith("?GET") ? "held" : undefined);
    const older = `?GET/v1/conversations/${talk}/messages`;
    const held = (search) => eventually(() => calls().includes(`POST /v1/call${search}`));
    await page.evaluate(() => {
      globalThis.letGo = new AbortController();
      globalThis.older = timeline.loadOlder({ signal: globalThis.letGo.signal }).catch(({ code }) => code);
    });
    await held(older);
    assert.equal(
      await page.evaluate(() => {
        globalThis.letGo.abort();
        return globalThis.older;
      }),
      "aborted",
    );
    await eventually(() => between.letGo.includes(older));
    await page.evaluate(() => {
      globalThis.synced = client.sync().catch(({ code }) => code);
    });
    await held("?GET/v1/sync");
    assert.equal(
      await page.evaluate(async () => {
        await client.close();
        return globalThis.synced;
      }),
      "closed",
    );
    await eventually(() => between.letGo.includes("?GET/v1/sync"));
  });

  test("one that does not let this page's origin: the line of the log says where to look", async () => {
    between.open = false;
    await start();
    const line = await page.evaluate(() => e2e.poll(() => globalThis.lines.find((line) => /CORS/.test(line))));
    assert.match(line, /^warn pull: the server could not be reached: .+; does a server run at /);
    assert.ok(line.includes(`${between.url}/, and does it allow ${server.url} (CORS)?`), line);
    assert.ok(
      page.problems.some((said) => /blocked by CORS policy/.test(said)),
      "the browser says so too",
    );
    // Once it does, all is well; a try that began before may still fail.
    between.open = true;
    await page.evaluate(() =>
      e2e.poll(() =>
        client.sync().then(
          () => true,
          () => false,
        ),
      ),
    );
    await page.evaluate(() => e2e.caughtUp(client));
    assert.equal(await page.evaluate(() => globalThis.lines.filter((line) => /CORS/.test(line)).length), 1);
  });
});
