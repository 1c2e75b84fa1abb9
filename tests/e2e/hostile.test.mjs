// Servers and transports that do what none should: what breaks an answer ends in an error that says so, nothing of it
// is shown or stored (one bad item of it is worth itself: see progress and transport), requests are backed off, and
// once it is good again the client goes on.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createServer, request } from "node:http";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { demo, eventually, fresh, launchBrowser, openPage, startServer } from "./support/harness.mjs";

/** the largest answer that is taken, bytes */
const ANSWER_MAX = 64 << 20;
/** what may have been written before the browser's end of it was heard of, bytes */
const ON_ITS_WAY = 64 << 20;
/** ms in which requests are counted */
const WATCHED = 3_000;

const lie = (seq) =>
  `{"type":"message","message":{"id":"lie${seq}","conversation":"c","seq":${seq},"sender":"eve","createdAt":1,"version":1,"state":"normal","body":{"text":"lie"}}}`;
const batch = (events, cursor, hasMore = false) =>
  `{"events":[${events}],"cursor":${JSON.stringify(cursor)},"hasMore":${hasMore}}`;

/**
 * Before the real server, page and all, whose answers to pulls it replaces: `gate.answer(response, n)` with the n-th.
 */
function startGate(target) {
  const gate = { answer: null, pulls: 0, url: "", written: 0, cut: false };
  const server = createServer((incoming, response) => {
    if (gate.answer && incoming.url.startsWith("/v1/sync")) {
      gate.pulls += 1;
      return gate.answer(response, gate.pulls);
    }
    const forwarded = request(
      `${target}${incoming.url}`,
      { method: incoming.method, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.headers);
        answer.pipe(response);
      },
    );
    forwarded.once("error", () => response.destroy());
    return incoming.pipe(forwarded);
  });
  gate.close = () => {
    server.closeAllConnections();
    server.close();
  };
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      gate.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
      resolve(gate);
    });
  });
}

const json = (text) => (response) => response.writeHead(200, { "content-type": "application/json" }).end(text);

describe("hostile", () => {
  let server, browser, gate, page, user, talk;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    gate = await startGate(server.url);
  });

  after(async () => {
    gate?.close();
    await browser?.close();
    await server?.stop();
  });

  /** The server hears a moment later that the browser has had enough. */
  async function cut() {
    await eventually(() => assert.ok(gate.cut, "the connection is cut"));
  }

  /** Writes `part` again and again, `count` times or until the browser has had enough. */
  const flood = (status, headers, head, part, count) => (response) => {
    gate.written = 0;
    gate.cut = false;
    response.writeHead(status, headers);
    response.write(head);
    response.once("close", () => {
      gate.cut = !response.writableFinished;
    });
    const many = part.repeat(Math.ceil((1 << 20) / part.length));
    const total = count * part.length;
    const more = () => {
      while (!response.destroyed && gate.written < total) {
        gate.written += many.length;
        if (!response.write(many)) return response.once("drain", more);
      }
      return response.end();
    };
    more();
  };

  const firstError = async () => {
    const { code, message } = (await e2e.until(client.status, (status) => status.error)).error;
    return { code, message };
  };

  /** A client in sync through the gate, which then answers so; the error, and how often it asked. */
  async function suffer(answer, timeout = 15_000, told = firstError) {
    [user] = await demo(server).users("ann");
    talk = await demo(server).conversation([user], 5);
    gate.answer = null;
    page = await openPage(await browser.newContext(), gate);
    await page.evaluate(
      async ({ user, talk, timeout }) => {
        const transport = { baseUrl: location.origin, token: () => `demo-${user}`, timeout };
        globalThis.client = await e2e.open(user, {
          transport,
          sync: { notify: "poll", pollInterval: 200, fallbackPollInterval: 200 },
        });
        await e2e.caughtUp(client);
        globalThis.timeline = await e2e.show(client, talk);
      },
      { user, talk, timeout },
    );
    gate.pulls = 0;
    const telling = page.evaluate(told);
    gate.answer = answer;
    const error = await telling;
    const before = gate.pulls;
    await page.waitForTimeout(WATCHED);
    return { ...error, pulls: gate.pulls, during: gate.pulls - before };
  }

  /** The gate is good again: what was written meanwhile is there, and nothing else. */
  async function recover() {
    gate.answer = null;
    await demo(server).bulk(talk, 1, "truth");
    const shown = await page.evaluate(async () => {
      // a pull from before may be under way still: whoever asks during it hears how that one ends
      await client.sync().catch(() => client.sync());
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1))?.startsWith("truth"));
      const { error } = client.status.getSnapshot();
      return { texts: e2e.texts(timeline), error, violations: e2e.violations };
    });
    assert.equal(shown.error, null);
    assert.deepEqual(shown.violations, []);
    assert.equal(shown.texts.length, 6);
    assert.ok(!shown.texts.some((text) => text.includes("lie")), `${shown.texts}`);
    await page.evaluate(() => client.close());
    await page.context().close();
  }

  const cases = [
    ["200 with HTML", json("<!doctype html><title>Sign in to the hotel's network</title>"), "network", 15],
    [
      "garbage for gzip",
      (response) =>
        response
          .writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
          .end(randomBytes(5_000)),
      "network",
      15,
    ],
    [
      "gzip that breaks off",
      (response) =>
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(batch(lie(1), "lie")).subarray(0, 40)),
      "network",
      15,
    ],
    [
      "gzip of a gigabyte",
      (response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb()),
      "protocol",
      15,
    ],
    ["a cursor of 1 MB", (response) => json(batch(lie(1), "x".repeat(1 << 20)))(response), "protocol", 15],
    ["five million values", (response) => json(batch(`{}${",{}".repeat(5_000_000)}`, "lie"))(response), "protocol", 15],
    [
      "an endless chain whose cursors alternate",
      (response, n) =>
        json(batch(`{"type":"removed","conversation":"nowhere"}`, n % 2 ? "lie a" : "lie b", true))(response),
      "protocol",
      60,
    ],
    [
      "an endless chain of empty batches whose cursors move",
      (response, n) => json(batch("", `lie ${n}`, true))(response),
      "protocol",
      200,
    ],
  ];
  let bombed;
  const bomb = () => (bombed ??= gzipSync(Buffer.alloc(1 << 30, " "), { level: 1 }));

  for (const [what, answer, code, most] of cases) {
    test(`${what}: ${code}, and backed off`, async () => {
      const met = await suffer(answer);
      assert.equal(met.code, code, met.message);
      assert.ok(met.pulls <= most, `${met.pulls} pulls`);
      await recover();
    });
  }

  test("a body nested 100,000 deep is one message that cannot be read, and no error", async () => {
    const deep = lie(1).replace(`{"text":"lie"}`, `${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    let asked = 0;
    const told = () =>
      new Promise((resolve) =>
        client.on("irregular", ({ first }) => resolve({ code: first.done, message: first.reason })),
      );
    const met = await suffer((response) => json(batch(asked++ ? "" : deep, "lie"))(response), 15_000, told);
    assert.equal(met.code, "unreadable", met.message);
    assert.equal(await page.evaluate(() => client.status.getSnapshot().error), null);
    await recover();
  });

  test("ten million events, of a length that is not said, are not read to their end", async () => {
    const met = await suffer(
      flood(
        200,
        { "content-type": "application/json" },
        `{"cursor":"lie","hasMore":false,"events":[${lie(0)}`,
        `,${lie(1)}`,
        10_000_000,
      ),
    );
    assert.equal(met.code, "protocol", met.message);
    await cut();
    assert.ok(gate.written <= ANSWER_MAX + ON_ITS_WAY, `${gate.written} bytes were taken`);
    assert.ok(met.pulls <= 15, `${met.pulls} pulls`);
    await recover();
  });

  test("an error without end is its status, and is not read to its end", async () => {
    const met = await suffer(
      flood(500, { "content-type": "application/json" }, `{"error":{"message":"`, "x".repeat(1000), 1_000_000),
    );
    assert.equal(met.code, "network", met.message);
    await cut();
    assert.ok(gate.written <= ON_ITS_WAY, `${gate.written} bytes were taken`);
    await recover();
  });

  test("no answer at all: timeout", async () => {
    const met = await suffer(() => {}, 1_000);
    assert.equal(met.code, "timeout", met.message);
    assert.ok(met.pulls <= 10, `${met.pulls} pulls`);
    await recover();
  });

  test("whatever a transport does, it is an error that says so, and the client goes on", async () => {
    const page = await openPage(await browser.newContext(), server);
    const seen = await page.evaluate(async (account) => {
      const { Backend } = await import("/blank/backend.js");
      const backend = new Backend();
      backend.create("talk");
      backend.write("mara", "talk", { text: "first" });
      const transport = backend.transport("ann");
      transport.listen = undefined;
      const good = transport.pull;
      const answer = { events: [], cursor: "lie", hasMore: false };
      const cyclic = { ...answer };
      cyclic.events = [cyclic];
      let deep = [];
      for (let i = 0; i < 200_000; i += 1) deep = [deep];
      const message = {
        id: "lie",
        conversation: "talk",
        seq: 9,
        sender: "eve",
        createdAt: 1,
        version: 1,
        state: "normal",
        body: { text: "lie" },
      };
      const thrower = () => {
        throw new Error("a getter");
      };
      const { proxy, revoke } = Proxy.revocable({}, {});
      revoke();
      const bad = {
        throws: () => {
          throw new Error("at once");
        },
        "throws undefined": () => {
          throw undefined;
        },
        "rejects with nothing": () => Promise.reject(),
        "rejects with a symbol": () => Promise.reject(Symbol("s")),
        "rejects with an object without prototype": () => Promise.reject(Object.create(null)),
        "rejects with getters that throw": () =>
          Promise.reject(Object.defineProperties({}, { code: { get: thrower }, message: { get: thrower } })),
        "rejects with a revoked proxy": () => Promise.reject(proxy),
        "rejects with a text of 100 MB": () => Promise.reject("x".repeat(100 << 20)),
        "rejects, then resolves, twice": () => ({
          then: (resolve, reject) => {
            reject(new Error("first"));
            resolve(answer);
            reject(7);
            resolve(answer);
          },
        }),
        "a thenable that throws": () => ({ then: thrower }),
        "a then that throws when looked at": () => Object.defineProperty({}, "then", { get: thrower }),
        "resolves with undefined": async () => undefined,
        "resolves with null": async () => null,
        "resolves with a function": async () => () => {},
        "resolves with a symbol": async () => Symbol("s"),
        "resolves with a number": async () => 7,
        "resolves with a revoked proxy": async () => [proxy],
        cyclic: async () => cyclic,
        "getters that throw": async () =>
          Object.defineProperty({ ...answer }, "events", { get: thrower, enumerable: true }),
        "toJSON that throws": async () => ({ ...answer, toJSON: thrower }),
        "a bigint for a flag": async () => ({ ...answer, hasMore: 1n }),
        "a body nested 200,000 deep": async () => ({
          ...answer,
          events: [{ type: "message", message: { ...message, body: deep } }],
        }),
        "a body nested 101 deep": async () => ({
          ...answer,
          events: [{ type: "message", message: { ...message, body: JSON.parse("[".repeat(101) + "]".repeat(101)) } }],
        }),
        "a text of 70 MB": async () => ({ ...answer, cursor: "x".repeat(70 << 20) }),
        "ten million events": async () => ({ ...answer, events: Array(10_000_000).fill({ type: "x" }) }),
      };
      let pulls = 0;
      const codes = {};
      const client = await pullcord.createClient({
        account,
        transport,
        logLevel: "silent",
        sync: { notify: "poll", pollInterval: 50, fallbackPollInterval: 50 },
      });
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      for (const [what, pull] of Object.entries(bad)) {
        pulls = 0;
        transport.pull = (...args) => {
          pulls += 1;
          return /** @type {any} */ (pull)(...args);
        };
        const { code } = (await e2e.refusal(client.sync())) ?? { code: "none" };
        await new Promise((resolve) => setTimeout(resolve, 300));
        // what is too large is asked for in halves, from 500 down to one
        const most = what.startsWith("a text of") ? 10 : 4;
        codes[what] = code === "none" || pulls <= most ? code : `${code}, asked for ${pulls} times`;
        transport.pull = good;
        backend.write("mara", "talk", { text: `after: ${what}` });
        await client.sync();
        await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === `after: ${what}`);
      }
      // resolves twice: the first counts
      transport.pull = async (...args) => {
        const first = await good.apply(transport, args);
        /** @type {any} */
        const twice = {
          then: (resolve, reject) => {
            resolve(first);
            reject(new Error("second"));
            resolve(7);
          },
        };
        return twice;
      };
      await client.sync();
      // never: everything else goes on, and it can be closed
      let asked = 0;
      transport.pull = () => {
        asked += 1;
        return new Promise(() => {});
      };
      const hangs = e2e.refusal(client.sync());
      const { key } = await timeline.send({ text: "meanwhile" });
      await e2e.until(timeline, (now) => now.items.at(-1).key === key && now.items.at(-1).state !== "queued");
      await new Promise((resolve) => setTimeout(resolve, 500));
      const lies = e2e.texts(timeline).filter((text) => text?.includes("lie"));
      await client.close();
      return { codes, asked, hung: (await hangs).code, lies, violations: e2e.violations };
    }, fresh("account"));
    const network = [
      "throws",
      "throws undefined",
      "rejects with nothing",
      "rejects with a symbol",
      "rejects with an object without prototype",
      "rejects with getters that throw",
      "rejects with a revoked proxy",
      "rejects with a text of 100 MB",
      "rejects, then resolves, twice",
      "a thenable that throws",
      "a then that throws when looked at",
    ];
    // one item that cannot be read is worth itself; of an answer whose toJSON throws its fields are taken
    const none = ["cyclic", "toJSON that throws", "a body nested 200,000 deep", "a body nested 101 deep"];
    for (const [what, code] of Object.entries(seen.codes))
      assert.equal(code, network.includes(what) ? "network" : none.includes(what) ? "none" : "protocol", what);
    assert.deepEqual([seen.asked, seen.hung, seen.lies, seen.violations], [1, "closed", [], []]);
    await page.context().close();
  });
});
