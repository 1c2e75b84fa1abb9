// The whole history of a busy channel, paged back through: from the server, then from the cache, without a network.
// What comes is compared with the file that was imported.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { createGunzip, gzipSync } from "node:zlib";
import { ROOT } from "../../tools/run.mjs";
import { findings, importPackage, launchBrowser, openPage, startServer, temporaryFolder } from "./support/harness.mjs";

const REAL = join(ROOT, "..", "shared", "data", "irc", "messages.jsonl.gz");
const CHANNEL = "#ubuntu";
/** messages in a page, and in the window: the memory of the page stays flat */
const PAGE = 500;
const WINDOW = 1000;
/** messages of one digest: a difference is found in this many */
const STRETCH = 10_000;

/** Without the real messages: fewer of the same shape. */
function generated() {
  const file = join(temporaryFolder(), "messages.jsonl.gz");
  const lines = [];
  for (let n = 1; n <= 20_000; n += 1) {
    const text = `${n} ${"word ".repeat(n % 23)}ünï "quoted" \\ 🎈`;
    lines.push(
      JSON.stringify({
        conversation: CHANNEL,
        n,
        createdAt: 1_100_521_080_000 + n * 1000,
        sender: `nick${n % 97}`,
        kind: n % 50 ? "text" : "system",
        text,
      }),
    );
  }
  writeFileSync(file, gzipSync(`${lines.join("\n")}\n`));
  return file;
}

/** One message, as both sides put it into a digest. */
const line = (n, sender, createdAt, kind, text) => `${JSON.stringify([String(n), sender, createdAt, kind, text])}\n`;

/** The channel's digests, newest message first, a stretch each, as the file has it. */
async function expected(file) {
  const all = [];
  for await (const text of createInterface({ input: createReadStream(file).pipe(createGunzip()) })) {
    const { conversation, n, sender, createdAt, kind, text: body } = JSON.parse(text);
    if (conversation === CHANNEL) all.push(line(n, sender, createdAt, kind, body));
  }
  all.reverse();
  const digests = [];
  for (let from = 0; from < all.length; from += STRETCH) {
    digests.push(
      createHash("sha256")
        .update(all.slice(from, from + STRETCH).join(""))
        .digest("hex"),
    );
  }
  return { count: all.length, digests };
}

/** Opens the channel and pages back to its beginning, taking down what comes into the list. */
function pageBack(page) {
  return page.evaluate(
    async ({ channel, size, window, stretch }) => {
      const timeline = client.timeline(channel, { pageSize: size, maxItems: window });
      const stop = timeline.subscribe(() => {});
      const began = performance.now();
      await e2e.until(
        timeline,
        (now) => now.status === "ready" && now.items.length > 0 && now.items[0].kind === "message",
      );
      const opened = performance.now() - began;
      const digests = [];
      let lines = [];
      let count = 0;
      let oldest = null;
      let heap = 0;
      const sources = {};
      const take = async (items) => {
        for (let i = items.length - 1; i >= 0; i -= 1) {
          const { seq, sender, createdAt, body } = items[i].message;
          // what the list had before, and what it has let go of and brought back, is not new
          if (oldest !== null && pullcord.compareSeq(seq, oldest) >= 0) continue;
          oldest = seq;
          lines.push(`${JSON.stringify([seq, sender, createdAt, body.kind, body.text])}\n`);
          count += 1;
          if (lines.length === stretch) await digest();
        }
      };
      const digest = async () => {
        const bytes = new TextEncoder().encode(lines.join(""));
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
        digests.push([...hash].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
        lines = [];
      };
      await take(timeline.getSnapshot().items);
      for (;;) {
        const before = count;
        const { added, end, source } = await timeline.loadOlder({ limit: size });
        sources[source] = (sources[source] ?? 0) + 1;
        const { items } = timeline.getSnapshot();
        if (items.length > window) throw new Error(`${items.length} items in a window of ${window}`);
        await take(items);
        if (count - before !== added)
          throw new Error(`${added} added, but ${count - before} new in the list after ${oldest}`);
        heap = Math.max(heap, /** @type {any} */ (performance).memory?.usedJSHeapSize ?? 0);
        if (end) break;
        if (added !== size) throw new Error(`a page of ${added} before ${oldest}, which is not the end`);
      }
      if (lines.length) await digest();
      const { hasOlder } = timeline.getSnapshot();
      stop();
      timeline.close();
      return {
        count,
        digests,
        hasOlder,
        sources,
        opened: Math.round(opened),
        took: Math.round(performance.now() - began),
        heap,
      };
    },
    { channel: CHANNEL, size: PAGE, window: WINDOW, stretch: STRETCH },
  );
}

describe("history", () => {
  const file = existsSync(REAL) ? REAL : generated();
  let server, browser, context, page, wanted;

  before(async () => {
    [server, wanted] = await Promise.all([startServer({ args: ["--import", file] }), expected(file)]);
    browser = await launchBrowser();
    context = await browser.newContext();
    page = await openPage(context, server);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const inspect = () => page.evaluate((channel) => client.inspect(channel), CHANNEL);

  test("paging back to the beginning gives every message of the file, in order, once", {
    timeout: 240_000,
  }, async (t) => {
    await page.evaluate(async () => {
      globalThis.client = await e2e.open("ada");
      await e2e.until(client.conversations, (list) => list.length > 0);
    });
    const found = await pageBack(page);
    t.diagnostic(
      `${found.count} messages in ${found.took} ms, heap at most ${Math.round(found.heap / 1e6)} MB, ${JSON.stringify(found.sources)}`,
    );
    assert.equal(found.count, wanted.count);
    assert.deepEqual(found.digests, wanted.digests);
    assert.equal(found.hasOlder, false);
  });

  test("what was read is one live segment from the beginning", async () => {
    const { segments, cachedMessages } = await inspect();
    assert.deepEqual(segments, [
      { lo: "0", hi: String(wanted.count), count: wanted.count, live: true, start: true, fresh: true },
    ]);
    assert.equal(cachedMessages, wanted.count);
    assert.deepEqual(await findings(page), []);
  });

  test("after a reload the first page comes from the cache", async (t) => {
    await page.reload();
    await importPackage(page);
    const { opened, source } = await page.evaluate(async (channel) => {
      const began = performance.now();
      globalThis.client = await e2e.open("ada");
      const timeline = client.timeline(channel);
      const stop = timeline.subscribe(() => {});
      await e2e.until(timeline, (now) => now.status === "ready");
      const opened = performance.now() - began;
      const { source } = await timeline.loadOlder();
      stop();
      return { opened: Math.round(opened), source };
    }, CHANNEL);
    t.diagnostic(`first page after ${opened} ms, the wasm's loading included`);
    assert.equal(source, "cache");
    const { requests } = await inspect();
    assert.equal(requests.history, 0);
  });

  test("offline the same history comes from the cache, and nothing is asked but whether there is a network", {
    timeout: 240_000,
  }, async (t) => {
    await page.evaluate(async () => {
      await client.close();
    });
    await context.setOffline(true);
    const requested = [];
    const note = (request) => requested.push(request.url());
    page.on("request", note);
    page.on("websocket", (socket) => requested.push(socket.url()));
    await page.evaluate(async () => {
      globalThis.client = await e2e.open("ada");
    });
    const found = await pageBack(page);
    t.diagnostic(`${found.count} messages in ${found.took} ms, heap at most ${Math.round(found.heap / 1e6)} MB`);
    assert.equal(found.count, wanted.count);
    assert.deepEqual(found.digests, wanted.digests);
    assert.deepEqual(Object.keys(found.sources), ["cache"]);
    const { requests } = await inspect();
    const { pull, ...others } = requests;
    assert.deepEqual(others, { history: 0, changes: 0, send: 0, ack: 0, conversations: 0 });
    assert.ok(pull <= 10, `${pull} pulls that found no network`);
    assert.deepEqual(
      requested.filter((url) => !/\/v1\/(sync|notify)/.test(url)),
      [],
    );
    page.off("request", note);
    await context.setOffline(false);
    assert.deepEqual(await findings(page), []);
  });
});
