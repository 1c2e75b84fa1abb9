// IndexedDB going wrong under a client, as its app sees it: a typed error or a `storage` event, nothing lost, and it
// heals. In every browser that a page can be had of: Chromium by Playwright, Firefox and WebKit by WebDriver. The
// faults are put under the real API (faults.js).

import assert from "node:assert/strict";
import { signIn } from "./harness.mjs";
import { serversList, shownList, showing, wholeList } from "./lists.mjs";

/** No timer of the client's comes in between: what happens is what the test does. */
const BY_HAND = { prefetch: false, sync: { notify: "poll", pollInterval: 600_000, fallbackPollInterval: 600_000 } };

/** Opens the client where nothing can be stored: it works, and says so once. */
async function opensInMemory(page, ann) {
  const told = await page.evaluate(async (ann) => {
    const told = [];
    globalThis.client = await e2e.open(ann, { prefetch: false });
    client.on("storage", ({ kind }) => told.push(kind));
    await e2e.caughtUp(client);
    await e2e.poll(() => told.length);
    return [client.status.getSnapshot().storage, ...told];
  }, ann);
  assert.deepEqual(told, ["memory", "memory"]);
}

/**
 * @param {object} place
 * @param {(name: string, run: () => Promise<void>) => void} place.it
 * @param {() => any} place.at the server's calls, as harness.mjs's `demo`
 * @param {() => Promise<any>} place.newPage with the package and nothing stored of the account
 * @param {(page: any) => Promise<any>} place.newTab of the same storage
 * @param {(page: any) => Promise<void>} place.done the test is through: nothing else went wrong in the page
 */
export function databaseTests({ it, at, newPage, newTab, done }) {
  /** A page with the faults, and no client yet. */
  async function faulty() {
    const page = await newPage();
    await page.evaluate(async () => {
      globalThis.faults = await import("/blank/faults.js");
    });
    return page;
  }

  /** Keeps what `storage` events say, as `told`. */
  const listen = (page) =>
    page.evaluate(() => {
      globalThis.told = [];
      client.on("storage", ({ kind }) => told.push(kind));
    });

  const whatWasTold = (page) => page.evaluate(() => told);

  /** A client in sync, that shows a conversation of `count` messages; what befalls its storage is in `told`. */
  async function inTalk(count, options = {}) {
    const [ann] = await at().users("ann");
    const talk = await at().conversation([ann], count);
    const page = await faulty();
    await signIn(page, ann, { prefetch: false, ...options });
    await listen(page);
    await showing(page, talk);
    return { ann, talk, page };
  }

  /** The list as it is loaded from end to end, and that it is the server's: complete, in order, nothing twice. */
  async function isWhole(page, ann, talk) {
    const all = await serversList(at(), ann, talk);
    assert.deepEqual(await wholeList(page), all);
    return all;
  }

  const countOf = (all, text) => all.filter((line) => line.endsWith(`| ${text}`)).length;

  const sync = (page) => page.evaluate(() => client.sync());
  const cursor = (page) => page.evaluate(async () => (await client.inspect()).cursor);
  const delivered = (page) =>
    page.evaluate(() => e2e.until(client.outbox, (items) => items.length === 0).then(() => {}));

  /** The server fails this user's requests: what is written stays in the outbox. */
  const unreachable = (user, errorRate = 1) => at().trouble({ errorRate }, user);

  // ------------------------------------------------------------ quota

  for (const atCommit of [false, true]) {
    it(`quota exceeded, ${atCommit ? "at the commit" : "at a write"}: what does not fit is refused or asked for again, and nothing of it is shown as stored`, async () => {
      const { ann, talk, page } = await inTalk(60, BY_HAND);
      const before = { shown: await shownList(page), cursor: await cursor(page) };
      await page.evaluate((atCommit) => faults.fill({ atCommit }), atCommit);
      const refused = await page.evaluate(() => e2e.refusal(timeline.send({ text: "no room" })));
      assert.deepEqual([refused?.code, refused?.name], ["quota", "PullcordError"]);
      await at().bulk(talk, 5, "new");
      assert.equal((await page.evaluate(() => e2e.refusal(client.sync())))?.code, "quota");
      assert.deepEqual({ shown: await shownList(page), cursor: await cursor(page) }, before);
      assert.equal(await page.evaluate(() => client.outbox.getSnapshot().length), 0);
      const kinds = await whatWasTold(page);
      assert.ok(kinds.length > 0 && kinds.every((kind) => kind === "quota"), kinds.join());
      await page.evaluate(() => faults.restore());
      await sync(page);
      await page.evaluate(() => timeline.send({ text: "room again" }));
      await delivered(page);
      await sync(page);
      const all = await isWhole(page, ann, talk);
      assert.deepEqual([countOf(all, "no room"), countOf(all, "room again"), all.length], [0, 1, 66]);
      await done(page);
    });
  }

  it("quota exceeded, and there is something to evict: the least recently opened conversation makes room, and claims nothing that it lost", async () => {
    const { ann, talk, page } = await inTalk(700, BY_HAND);
    await wholeList(page);
    const other = await at().conversation([ann], 60);
    await sync(page);
    await page.evaluate(() => timeline.close());
    await showing(page, other);
    // a commit of more than a few bytes: a block of messages
    await page.evaluate(() => faults.fill({ size: 2000, evictable: true }));
    await at().bulk(other, 20, "new");
    await sync(page);
    await isWhole(page, ann, other);
    const kinds = await whatWasTold(page);
    assert.ok(kinds.length > 0 && kinds.every((kind) => kind === "evicted"), kinds.join());
    const { segments } = await page.evaluate((talk) => client.inspect(talk), talk);
    assert.equal(segments.length, 1);
    assert.ok(segments[0].count < 700 && segments[0].live && !segments[0].start, JSON.stringify(segments));
    await page.evaluate(() => {
      faults.restore();
      timeline.close();
    });
    await showing(page, talk);
    await isWhole(page, ann, talk);
    await done(page);
  });

  // ------------------------------------------------------------ closed, deleted

  it("the handle is closed under us while catching up: it goes on with another one, and nothing is missing", async () => {
    const { ann, talk, page } = await inTalk(60, { sync: { ...BY_HAND.sync, pullLimit: 20 } });
    await at().bulk(talk, 300, "missed");
    const closed = await page.evaluate(async () => {
      const closed = faults.closeHandleAtCommit(2, 5);
      await client.sync();
      faults.restore();
      return closed();
    });
    assert.equal(closed, 5);
    assert.deepEqual(await whatWasTold(page), Array(5).fill("reopened"));
    await isWhole(page, ann, talk);
    await done(page);
  });

  for (const tell of [true, false]) {
    it(`the handle is closed under us ${tell ? "" : "(and nobody says so) "}while paging and sending: both end well, the message is delivered once`, async () => {
      const { ann, talk, page } = await inTalk(200, BY_HAND);
      await page.evaluate(async (tell) => {
        faults.closeHandle({ tell });
        await timeline.loadOlder();
        const loading = timeline.loadOlder();
        const sending = timeline.send({ text: "not lost" });
        faults.closeHandle({ tell });
        await Promise.all([loading, sending]);
      }, tell);
      await delivered(page);
      await sync(page);
      const all = await isWhole(page, ann, talk);
      assert.equal(countOf(all, "not lost"), 1);
      const kinds = await whatWasTold(page);
      assert.ok(kinds.length > 0 && kinds.every((kind) => kind === "reopened"), kinds.join());
      await done(page);
    });
  }

  for (const asked of [false, true])
    it(`the database is deleted under us${asked ? " by a script" : ""}: it is made anew, the list is never blank, and what was written and not delivered is not lost`, async () => {
      const { ann, talk, page } = await inTalk(60, { sync: { fallbackPollInterval: 500 } });
      await unreachable(ann);
      const blank = await page.evaluate(
        async ({ ann, asked }) => {
          await timeline.send({ text: "not delivered yet" });
          globalThis.from = timeline.snapshots.length;
          await faults.deleteUnderneath(ann, { asked });
          // whatever it asks of its database next finds out: here what its next pull writes
          await e2e.poll(() => told.includes("evicted"));
          await timeline.send({ text: "written on" });
          return timeline.snapshots.slice(from).some((one) => one.items.length < 30);
        },
        { ann, asked },
      );
      assert.equal(blank, false);
      await unreachable(ann, 0);
      await delivered(page);
      await page.evaluate(() => e2e.caughtUp(client).then(() => {}));
      const all = await isWhole(page, ann, talk);
      assert.deepEqual([countOf(all, "not delivered yet"), countOf(all, "written on"), all.length], [1, 1, 62]);
      assert.deepEqual(await whatWasTold(page), ["evicted"]);
      // and it is stored again
      await page.evaluate(() => client.close());
      await unreachable(ann);
      await page.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann);
          globalThis.timeline = client.timeline(talk);
          await e2e.until(timeline, (now) => now.items.length >= 30);
        },
        { ann, talk },
      );
      await unreachable(ann, 0);
      await done(page);
    });

  // ------------------------------------------------------------ silent, unreadable, not to be opened

  it("another tab sleeps inside a transaction: every call is answered in time, and all goes on when it lets go", async () => {
    const { ann, talk, page } = await inTalk(60, BY_HAND);
    const refused = await page.evaluate(async (ann) => {
      const letGo = await faults.holdAll(ann);
      const began = performance.now();
      const refused = await Promise.all([e2e.refusal(timeline.send({ text: "held up" })), e2e.refusal(client.sync())]);
      const took = performance.now() - began;
      letGo();
      return { codes: refused.map((error) => error?.code), took };
    }, ann);
    assert.equal(refused.codes[0], "storage");
    assert.ok(refused.took < 60_000, `${refused.took} ms`);
    await page.evaluate(() => timeline.send({ text: "not held up" }));
    await delivered(page);
    await sync(page);
    const all = await isWhole(page, ann, talk);
    assert.deepEqual([countOf(all, "held up"), countOf(all, "not held up")], [0, 1]);
    await done(page);
  });

  for (const name of ["NotReadableError", "DataError", "UnknownError"]) {
    it(`large values cannot be read (${name}): the client starts, the rest is there, and what was lost is fetched again`, async () => {
      const { ann, talk, page } = await inTalk(60, BY_HAND);
      await at().bulk(talk, 1, "x".repeat(150_000));
      await at().bulk(talk, 5, "small");
      await sync(page);
      await isWhole(page, ann, talk);
      await page.evaluate(() => client.close());
      await page.evaluate((name) => faults.loseLarge(70_000, name), name);
      await signIn(page, ann, { prefetch: false });
      await listen(page);
      await showing(page, talk);
      await page.evaluate(() => faults.restore());
      await isWhole(page, ann, talk);
      await done(page);
    });
  }

  it("the database does not open, once: it is tried again; each time: the client works in memory, says so, and what is stored is there the next time", async () => {
    const { ann, talk, page } = await inTalk(60, BY_HAND);
    await unreachable(ann);
    await page.evaluate(async () => {
      await timeline.send({ text: "waits" });
      await client.close();
      faults.failToOpen("UnknownError", 1);
    });
    const storage = await page.evaluate(
      async ({ ann, options }) => {
        globalThis.client = await e2e.open(ann, options);
        return client.status.getSnapshot().storage;
      },
      { ann, options: BY_HAND },
    );
    assert.equal(storage, "indexeddb");
    await page.evaluate(() => client.close());
    await unreachable(ann, 0);
    await page.evaluate(() => faults.failToOpen("UnknownError"));
    await opensInMemory(page, ann);
    await showing(page, talk);
    await isWhole(page, ann, talk);
    await page.evaluate(() => client.close());
    await page.evaluate(() => faults.restore());
    await signIn(page, ann, { prefetch: false });
    await delivered(page);
    await showing(page, talk);
    const all = await isWhole(page, ann, talk);
    assert.equal(countOf(all, "waits"), 1);
    await done(page);
  });

  // ------------------------------------------------------------ versions

  it("an upgrade blocked by an old tab: it goes on as soon as that tab lets go, with all that is stored", async () => {
    const { ann, talk, page } = await inTalk(60);
    await page.evaluate(() => client.close());
    const shown = await page.evaluate(
      async ({ ann, talk }) => {
        const old = await faults.hold(ann);
        faults.newerPackage(old.version + 1);
        const logged = [];
        let opened = false;
        const opening = e2e.open(ann, { logger: (_, message) => logged.push(message) });
        opening.then(() => {
          opened = true;
        });
        await e2e.poll(() => logged.some((line) => line.includes("another tab does not let go")));
        const early = opened;
        old.close();
        globalThis.client = await opening;
        const { cachedMessages } = await client.inspect();
        await e2e.caughtUp(client);
        globalThis.timeline = await e2e.show(client, talk);
        return { early, cachedMessages };
      },
      { ann, talk },
    );
    assert.deepEqual(shown, { early: false, cachedMessages: 30 });
    await isWhole(page, ann, talk);
    await done(page);
  });

  it("an upgrade blocked by an old tab that never lets go: opening fails with `storage`, holds nothing, and works once the tab is closed", async () => {
    const { ann, talk, page } = await inTalk(60);
    await page.evaluate(() => client.close());
    const refused = await page.evaluate(
      async ({ ann }) => {
        globalThis.old = await faults.hold(ann);
        faults.newerPackage(old.version + 1);
        return e2e.refusal(e2e.open(ann));
      },
      { ann },
    );
    assert.deepEqual([refused?.code, refused?.name], ["storage", "PullcordError"]);
    await page.evaluate(() => old.close());
    await signIn(page, ann);
    await showing(page, talk);
    await isWhole(page, ann, talk);
    await done(page);
  });

  it("a database of a newer schema is left alone", async () => {
    const [ann] = await at().users("ann");
    const page = await faulty();
    const seen = await page.evaluate(async (ann) => {
      const future = await faults.hold(ann, 1_000_000, (database) =>
        database.createObjectStore("of-the-future").put("precious", "data"),
      );
      future.close();
      const refused = await e2e.refusal(e2e.open(ann));
      const database = await faults.hold(ann);
      const left = { version: database.version, stores: [...database.objectStoreNames] };
      database.close();
      return { code: refused.code, retryable: refused.retryable, left };
    }, ann);
    assert.deepEqual(seen, {
      code: "storage-newer",
      retryable: false,
      left: { version: 1_000_000, stores: ["of-the-future"] },
    });
    await done(page);
  });

  it("a newer version in another tab gets the database: the client of the old one closes, and says why", async () => {
    const { ann, page } = await inTalk(40);
    const newer = await newTab(page);
    const version = await newer.evaluate(
      (ann) =>
        new Promise((resolve, reject) => {
          const request = indexedDB.open(`pullcord:${ann}`, 1_000_000);
          request.onsuccess = () => {
            resolve(request.result.version);
            request.result.close();
          };
          request.onerror = () => reject(request.error);
          request.onupgradeneeded = () => {};
        }),
      ann,
    );
    assert.equal(version, 1_000_000);
    await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "closed").then(() => {}));
    assert.deepEqual(
      await page.evaluate(async () => [
        client.status.getSnapshot().error?.code,
        (await e2e.refusal(timeline.send({ text: "no" })))?.code,
        timeline.getSnapshot().items.length,
      ]),
      ["closed", "closed", 30],
    );
    await done(page);
  });

  // ------------------------------------------------------------ contents

  for (const [change, what] of [
    ["flip", "a flipped byte in a block"],
    ["delete", "a block that is missing"],
  ]) {
    it(`${what} is noticed and fetched again, and the outbox is kept`, async () => {
      const { ann, talk, page } = await inTalk(500);
      await wholeList(page);
      await unreachable(ann);
      const blocks = await page.evaluate(
        async ({ ann, change }) => {
          await timeline.send({ text: "not lost" });
          await client.close();
          return faults.tamper(ann, "blocks", change);
        },
        { ann, change },
      );
      assert.ok(blocks >= 3);
      await unreachable(ann, 0);
      await page.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann);
          globalThis.told = [];
          client.on("storage", (detail) => told.push(detail.kind));
          globalThis.timeline = client.timeline(talk);
          e2e.watch(timeline);
          await e2e.caughtUp(client);
          await e2e.until(
            timeline,
            (now) =>
              now.items.length >= 30 &&
              now.items.at(-1).kind === "message" &&
              e2e.textOf(now.items.at(-1)) === "not lost",
          );
        },
        { ann, talk },
      );
      const all = await isWhole(page, ann, talk);
      assert.equal(countOf(all, "not lost"), 1);
      assert.deepEqual(await whatWasTold(page), ["corrupt"]);
      const { segments } = await page.evaluate((talk) => client.inspect(talk), talk);
      assert.deepEqual(
        segments.map(({ count, live, start }) => [count, live, start]),
        [[501, true, true]],
      );
      await done(page);
    });
  }

  for (const table of ["segments", "conversations", "meta"]) {
    it(`a flipped byte in the ${table} is noticed, and what it was about is fetched again`, async () => {
      const { ann, talk, page } = await inTalk(100);
      await page.evaluate(
        async ({ ann, table }) => {
          await client.close();
          await faults.tamper(ann, table, "flip");
        },
        { ann, table },
      );
      await signIn(page, ann);
      await showing(page, talk);
      await isWhole(page, ann, talk);
      assert.deepEqual(
        await page.evaluate(() => client.conversations.getSnapshot().map(({ id, unread }) => [id, unread])),
        [[talk, 100]],
      );
      await done(page);
    });
  }

  it("records that are not ours, under keys of any kind, in every store: what is ours is read, and all goes on", async () => {
    const { ann, talk, page } = await inTalk(60);
    await unreachable(ann);
    await page.evaluate(async (ann) => {
      await timeline.send({ text: "not lost" });
      await client.close();
      await faults.litter(ann);
    }, ann);
    await unreachable(ann, 0);
    await signIn(page, ann, { prefetch: false });
    await delivered(page);
    await showing(page, talk);
    const all = await isWhole(page, ann, talk);
    assert.deepEqual([all.length, countOf(all, "not lost")], [61, 1]);
    assert.equal(await page.evaluate(() => client.status.getSnapshot().storage), "indexeddb");
    await done(page);
  });

  // ------------------------------------------------------------ nothing can be written, from the start

  /** 60 messages, one more that waits to be sent, and no client. */
  async function withOneThatWaits() {
    const { ann, talk, page } = await inTalk(60, BY_HAND);
    await unreachable(ann);
    await page.evaluate(async () => {
      await timeline.send({ text: "waits" });
      await client.close();
    });
    await unreachable(ann, 0);
    return { ann, talk, page };
  }

  it("transactions that are aborted, from the start: the client works in memory, says so, and what is stored is there the next time", async () => {
    const { ann, talk, page } = await withOneThatWaits();
    await page.evaluate(() => faults.abortAll("UnknownError"));
    await opensInMemory(page, ann);
    await showing(page, talk);
    await page.evaluate(() => timeline.send({ text: "by memory" }));
    await delivered(page);
    await isWhole(page, ann, talk);
    await page.evaluate(async () => {
      await client.close();
      faults.restore();
    });
    await signIn(page, ann, { prefetch: false });
    await delivered(page);
    await showing(page, talk);
    const all = await isWhole(page, ann, talk);
    assert.deepEqual([countOf(all, "waits"), countOf(all, "by memory"), all.length], [1, 1, 62]);
    await done(page);
  });

  for (const atCommit of [false, true]) {
    it(`a full disk under what is stored, ${atCommit ? "at the commit" : "at a write"}, from the start: that is shown, with what waits to be sent, and goes on once there is room`, async () => {
      const { ann, talk, page } = await withOneThatWaits();
      await page.evaluate((atCommit) => faults.fill({ atCommit }), atCommit);
      const seen = await page.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, { prefetch: false });
          globalThis.timeline = client.timeline(talk);
          const { items } = await e2e.until(timeline, (now) => now.items.length >= 30);
          const { error, storage } = await e2e.until(client.status, (now) => now.error);
          const waits = client.outbox.getSnapshot().map(({ body, state }) => [body.text, state]);
          const refused = await e2e.refusal(timeline.send({ text: "no" }));
          return { last: items.at(-1).kind, codes: [error.code, refused?.code], storage, waits };
        },
        { ann, talk },
      );
      assert.deepEqual(seen, {
        last: "local",
        codes: ["quota", "quota"],
        storage: "indexeddb",
        waits: [["waits", "queued"]],
      });
      await page.evaluate(() => faults.restore());
      await delivered(page);
      const all = await isWhole(page, ann, talk);
      assert.deepEqual([countOf(all, "waits"), all.length], [1, 61]);
      await done(page);
    });
  }

  for (const [what, code] of [
    ["a full disk", "quota"],
    ["transactions that are aborted", "storage"],
  ]) {
    it(`${what}, from the start, where memory will not do: what is stored is shown, it is said what is wrong, and it heals`, async () => {
      const { ann, talk, page } = await inTalk(60, BY_HAND);
      await page.evaluate((code) => {
        client.close();
        return code === "quota" ? faults.fill({}) : faults.abortAll("UnknownError");
      }, code);
      const seen = await page.evaluate(
        async ({ ann, talk }) => {
          globalThis.client = await e2e.open(ann, { prefetch: false, storage: { mode: "indexeddb" } });
          const told = [];
          for (const event of ["storage", "error"]) client.on(event, ({ kind, code }) => told.push(kind ?? code));
          globalThis.timeline = client.timeline(talk);
          await e2e.until(timeline, (now) => now.items.length >= 30);
          const { error } = await e2e.until(client.status, (now) => now.error);
          const code = (await e2e.refusal(timeline.send({ text: "no" })))?.code;
          // it is tried again and again meanwhile, and said once
          await new Promise((resolve) => setTimeout(resolve, 3000));
          return { codes: [error.code, code], told };
        },
        { ann, talk },
      );
      assert.deepEqual(seen.codes, [code, code]);
      assert.ok(seen.told.filter((what) => what === code).length <= 1 && seen.told.length <= 3, seen.told.join());
      await page.evaluate(async () => {
        faults.restore();
        await e2e.caughtUp(client);
      });
      assert.equal(await page.evaluate(() => client.status.getSnapshot().error), null);
      await isWhole(page, ann, talk);
      await done(page);
    });
  }

  // ------------------------------------------------------------ refused

  it("IndexedDB refused, in a document that may not store: it works from memory, and says so; where memory will not do, it is refused", async () => {
    const [ann] = await at().users("ann");
    const talk = await at().conversation([ann], 60);
    const page = await faulty();
    const seen = await page.evaluate(
      (of) =>
        new Promise((resolve) => {
          addEventListener("message", (event) => resolve(event.data), { once: true });
          const frame = document.createElement("iframe");
          frame.sandbox.add("allow-scripts");
          frame.srcdoc = `<script type="module" src="${location.origin}/blank/refused.js#${encodeURIComponent(JSON.stringify(of))}"></script>`;
          document.body.append(frame);
        }),
      { user: ann, talk },
    );
    assert.equal(seen.error, undefined);
    const { texts, ...rest } = seen;
    assert.deepEqual(rest, { strict: "storage", storage: "memory", told: ["memory"], violations: [] });
    assert.deepEqual(
      texts,
      (await at().history(ann, talk)).map((message) => message.body.text),
    );
    assert.equal(texts.at(-1), "kept in memory");
    await done(page);
  });

  // ------------------------------------------------------------ aborted

  it("a transaction aborted in the middle is done again, whole, and nothing of it counts before", async () => {
    const { ann, talk, page } = await inTalk(60, { sync: { ...BY_HAND.sync, pullLimit: 50 } });
    for (const nth of [1, 2, 3]) {
      await at().bulk(talk, 120, `round ${nth}`);
      assert.ok(
        await page.evaluate(async (nth) => {
          const happened = faults.abortAfterPut(nth);
          await client.sync();
          faults.restore();
          return happened();
        }, nth),
      );
      await isWhole(page, ann, talk);
    }
    assert.ok(
      await page.evaluate(async () => {
        const happened = faults.abortAfterPut(1);
        await timeline.send({ text: "not lost" });
        faults.restore();
        return happened();
      }),
    );
    await delivered(page);
    await sync(page);
    const all = await isWhole(page, ann, talk);
    assert.equal(countOf(all, "not lost"), 1);
    assert.deepEqual(await whatWasTold(page), Array(4).fill("reopened"));
    await done(page);
  });

  for (const name of ["UnknownError", "AbortError", "DataError"]) {
    it(`every transaction aborted (${name}): the cursor stays, nothing is shown as synced or sent, and it heals`, async () => {
      const { ann, talk, page } = await inTalk(60, BY_HAND);
      const before = { shown: await shownList(page), cursor: await cursor(page) };
      await page.evaluate((name) => {
        globalThis.aborted = faults.abortAll(name);
      }, name);
      await at().bulk(talk, 5, "new");
      const codes = await page.evaluate(async () => [
        (await e2e.refusal(client.sync()))?.code,
        (await e2e.refusal(timeline.send({ text: "refused" })))?.code,
      ]);
      assert.deepEqual(codes, ["storage", "storage"]);
      assert.ok(await page.evaluate(() => aborted() >= 2));
      assert.deepEqual({ shown: await shownList(page), cursor: await cursor(page) }, before);
      await page.evaluate(() => faults.restore());
      await sync(page);
      const all = await isWhole(page, ann, talk);
      assert.deepEqual([all.length, countOf(all, "refused")], [65, 0]);
      await done(page);
    });
  }
}
