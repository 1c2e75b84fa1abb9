// "pullcord/testing", from the packed package: README's first example as it stands there, and one story that is told
// to the backend in memory and to the server: whoever looks at the client cannot tell which it was.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../tools/run.mjs";
import {
  demo,
  eventually,
  findings,
  fresh,
  launchBrowser,
  openPage,
  packPackage,
  startServer,
} from "./support/harness.mjs";
import { startStatic } from "./support/static.mjs";
import { call, edit, recall } from "./support/world.mjs";

const IMPORTS = JSON.stringify({
  imports: { pullcord: "/pkg/index.js", "pullcord/testing": "/pkg/testing.js" },
});

/** @param {import("playwright-core").Page} page */
const rows = (page) => page.evaluate(() => [...document.querySelectorAll("li")].map((row) => row.textContent));

test("README's first example runs as it stands there, without a server", async () => {
  const [, example] = /```html\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "README.md"), "utf8"));
  const server = await startStatic({
    "/": `<!doctype html><script type="importmap">${IMPORTS}</script>${example}`,
    "/pkg/": `${await packPackage()}/`,
  });
  const browser = await launchBrowser();
  try {
    const page = await openPage(browser, server, "/");
    const shows = (text) =>
      page.waitForFunction((text) => document.querySelector("ul").textContent.includes(text), text);
    await shows("bob: message 100");
    assert.equal((await rows(page))[0], "bob: message 71");
    await page.click("#older");
    await shows("bob: message 41");
    assert.equal((await rows(page)).length, 60);
    await page.fill("#text", "hello");
    await page.press("#text", "Enter");
    await shows("ada: hello");
    await shows("bob: I see");
    assert.deepEqual((await rows(page)).slice(-3), ["bob: message 100", "ada: hello", "bob: I see"]);
    assert.deepEqual(page.problems, []);
  } finally {
    await browser.close();
    server.stop();
  }
});

test("it runs in Node, which has no IndexedDB", async () => {
  const folder = await packPackage();
  const { createClient } = await import(pathToFileURL(join(folder, "index.js")).href);
  const { memoryBackend } = await import(pathToFileURL(join(folder, "testing.js")).href);
  const backend = memoryBackend({ conversations: ["talk"] });
  const client = await createClient({
    account: fresh("node"),
    transport: backend.transport("ada"),
    storage: { mode: "memory" },
  });
  await client.send("talk", { text: "hello" });
  await client.sync();
  // it is delivered by itself
  await eventually(() => {
    assert.deepEqual(
      backend.messages("talk").map(({ sender, body }) => [sender, body]),
      [["ada", { text: "hello" }]],
    );
    assert.equal(client.conversation("talk").getSnapshot().lastMessage?.body.text, "hello");
  });
  const refused = (promise) =>
    promise.then(
      () => "none",
      ({ code }) => code,
    );
  backend.trouble({ offline: true });
  assert.equal(await refused(client.sync()), "network");
  assert.equal(client.status.getSnapshot().connection, "offline");
  await client.send("talk", { text: "later" });
  backend.trouble({ error: (method) => (method === "send" ? "rejected" : null) });
  const failed = new Promise((resolve) => {
    const stop = client.outbox.subscribe(() => {
      const [item] = client.outbox.getSnapshot();
      if (item?.state !== "failed") return;
      stop();
      resolve(item);
    });
  });
  await client.sync();
  const { clientId, error } = await failed;
  assert.equal(error.code, "rejected");
  backend.trouble({});
  const delivered = new Promise((resolve) => {
    const stop = client.outbox.subscribe(() => {
      if (client.outbox.getSnapshot().length) return;
      stop();
      resolve(true);
    });
  });
  await client.retry(clientId);
  await delivered;
  assert.deepEqual(
    backend.messages("talk").map(({ body }) => body.text),
    ["hello", "later"],
  );
  await client.close();
});

describe("the backend in memory is to a client as the server is", () => {
  let server, browser, page, at;

  before(async () => {
    server = await startServer();
    at = demo(server);
    browser = await launchBrowser();
    page = await openPage(await browser.newContext(), server);
    await page.evaluate(async () => {
      // @ts-ignore: the address is the page's
      globalThis.testing = await import("/pkg/testing.js");
    });
  });

  after(async () => {
    try {
      assert.deepEqual(await findings(page), []);
    } finally {
      await browser?.close();
      await server?.stop();
    }
  });

  /** Everybody else, on the server. */
  async function onServer(options) {
    const [ann, bob] = await at.users("ann", "bob");
    const talk = await at.conversation([ann, bob], 100);
    await page.evaluate(
      async ({ ann, options }) => {
        globalThis.client = await e2e.open(ann, options);
      },
      { ann, options },
    );
    return {
      talk,
      post: (text) => at.send(bob, talk, text),
      edit: (id, text) => edit(server, bob, { conversation: talk, id }, text),
      recall: (id) => recall(server, bob, { conversation: talk, id }),
      trim: (before) => at.post("/demo/trim", { conversation: talk, before }),
      overflow: (some) => at.overflow(ann, some ? [talk] : undefined),
      leave: () => at.post("/demo/leave", { conversation: talk, user: ann }),
      join: () => at.post("/demo/join", { conversation: talk, user: ann }),
      held: async () => (await call(server, bob, "GET", `/v1/conversations/${talk}/messages?limit=200`)).messages,
    };
  }

  /** The same in memory. */
  async function inMemory(options, push) {
    const talk = fresh("memory");
    await page.evaluate(
      async ({ talk, options, push }) => {
        const messages = Array.from({ length: 100 }, (_, i) => ({
          conversation: talk,
          sender: "Mara",
          text: `message ${i + 1}`,
          // as those of one commit
          createdAt: Date.now(),
        }));
        const conversations = [{ id: talk, members: ["ann", "bob"] }];
        globalThis.backend = testing.memoryBackend({ conversations, messages, push });
        globalThis.client = await pullcord.createClient({
          account: talk,
          transport: backend.transport("ann"),
          ...options,
        });
      },
      { talk, options, push },
    );
    const tell =
      (method) =>
      (...given) =>
        page.evaluate(({ method, given }) => backend[method](...given), { method, given });
    const some =
      (method) =>
      (...given) =>
        tell(method)(talk, ...given);
    return {
      talk,
      post: (text) => tell("post")(talk, text, "bob"),
      edit: some("edit"),
      recall: some("recall"),
      trim: some("trim"),
      overflow: (one) => tell("overflow")("ann", ...(one ? [[talk]] : [])),
      leave: () => tell("leave")(talk, "ann"),
      join: () => tell("join")(talk, "ann"),
      held: some("messages"),
    };
  }

  /** What the client shows now, by text. */
  const look = () =>
    page.evaluate(() => {
      const { items, status, hasOlder, hasNewer, unseen, anchor } = timeline.getSnapshot();
      const list = items.map((item) =>
        item.kind === "gap"
          ? "…"
          : item.kind === "local"
            ? `${item.body.text} (${item.state})`
            : `${item.message.body?.text.replace("bulk", "message") ?? "-"} ${item.message.state} v${item.message.version}`,
      );
      const [one] = client.conversations.getSnapshot();
      const state = one && [one.unread, one.lastMessage?.body?.text ?? null];
      return { list, status, hasOlder, hasNewer, unseen, count: anchor.count, state };
    });

  /** @returns what was seen at each step */
  async function story({ talk, post, edit, recall, trim, overflow, leave, join, held }) {
    const seen = [];
    const step = async (what, run, argument) => {
      await run?.();
      await page.evaluate(what, argument);
      await page.evaluate(async () => {
        await client.sync();
        await e2e.caughtUp(client);
      });
      seen.push(await look());
    };
    const idOf = async (text) => (await held()).find(({ body }) => body?.text === text).id;
    await step(
      async (talk) => {
        await e2e.caughtUp(client);
        globalThis.timeline = await e2e.show(client, talk);
      },
      null,
      talk,
    );
    await step(() => timeline.loadOlder());
    const places = await held();
    await step((seq) => timeline.jump({ around: seq }), null, String(places[20].seq));
    await step(() => timeline.loadNewer());
    await step((at) => timeline.jump({ at }), null, places[40].createdAt);
    await step(() => timeline.jump("latest"));
    await step(async () => {
      const { key } = await timeline.send({ text: "mine" });
      await e2e.until(timeline, (now) => now.items.at(-1).kind === "message" && now.items.at(-1).key === key);
    });
    const showsLast = (text) => e2e.until(timeline, (now) => now.items.some((item) => e2e.textOf(item) === text));
    await step(showsLast, () => post("one"), "one");
    await step(showsLast, () => post("two"), "two");
    const id = await idOf("one");
    await step(showsLast, () => edit(id, "one, edited"), "one, edited");
    await step((id) => timeline.edit(id, { text: "mine, edited" }), null, await idOf("mine"));
    await step((id) => timeline.recall(id), null, await idOf("mine, edited"));
    await step(
      () => client.sync(),
      async () => recall(await idOf("two")),
    );
    await step(async () => {
      await timeline.markRead();
      await e2e.until(client.conversations, ([one]) => one.unread === 0);
    });
    await step(
      () => client.sync(),
      () => trim(String(places[30].seq)),
    );
    await step(async () => {
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder();
    });
    const settles = async () => {
      await client.sync();
      await e2e.until(
        timeline,
        ({ status, hasNewer, items }) =>
          status === "ready" && !hasNewer && items.every((item) => item.kind === "message" && item.fresh),
      );
    };
    await step(settles, () => overflow(true));
    await step(settles, () => overflow(false));
    await step(showsLast, () => post("after it"), "after it");
    await step(() => e2e.until(timeline, (now) => now.status === "removed"), leave);
    await step(
      async (talk) => {
        await e2e.until(client.conversation(talk), (one) => one !== null);
        globalThis.timeline = await e2e.show(client, talk);
        await timeline.jump("latest");
        await e2e.until(timeline, ({ status, hasNewer }) => status === "ready" && !hasNewer);
        while (timeline.getSnapshot().hasOlder) await timeline.loadOlder();
      },
      join,
      talk,
    );
    await page.evaluate(() => client.wipe());
    return seen;
  }

  for (const [scope, overflow, push] of [
    ["account", "clear", false],
    ["account", "keep", true],
    ["conversation", "keep", false],
    ["mailbox", "clear", true],
  ])
    test(`scope ${scope}, overflow ${overflow}${push ? ", pushed" : ""}`, async () => {
      // a jump shows what is around it in the cache: what has been fetched ahead by then is a matter of time
      const options = { sync: { scope }, overflow, prefetch: false };
      const there = await story(await onServer(options));
      const here = await story(await inMemory(options, push));
      assert.equal(here.length, there.length);
      for (const [at, seen] of here.entries()) assert.deepEqual(seen, there[at], `step ${at}`);
    });
});
