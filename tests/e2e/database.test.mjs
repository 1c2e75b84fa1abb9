// IndexedDB going wrong under a client, in Chromium; the same tests run in Firefox and WebKit (tests/webdriver). Here
// besides: what only the developer tools' protocol can do for real.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { findBrowser } from "../../tools/setup.mjs";
import { databaseTests } from "./support/database.mjs";
import { demo, device, launchBrowser, openPage, signIn, startServer, temporaryFolder } from "./support/harness.mjs";
import { nothingWrong, serversList, showing, wholeList } from "./support/lists.mjs";

/** What hangs must not hang the whole run. */
const PATIENCE = { timeout: 180_000 };

describe("a database that goes wrong", () => {
  let server, browser, at;

  before(async () => {
    // a frame of no origin is to load the package, too
    server = await startServer({ args: ["--cors", "*"] });
    browser = await launchBrowser();
    at = demo(server);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  databaseTests({
    it: (name, run) => test(name, PATIENCE, run),
    at: () => at,
    // the page's policy forbids a test to make a frame of a text
    newPage: async () => openPage(await browser.newContext({ bypassCSP: true }), server),
    newTab: (page) => openPage(page.context(), server),
    done: nothingWrong,
  });

  /** A client in sync that shows a conversation, and the developer tools beside it. */
  async function inspected(count, options) {
    const [ann] = await at.users("ann");
    const talk = await at.conversation([ann], count);
    const page = await device(browser, server, ann, options);
    await showing(page, talk);
    await page.evaluate(() => {
      globalThis.told = [];
      client.on("storage", ({ kind }) => told.push(kind));
    });
    return { ann, talk, page, tools: await page.context().newCDPSession(page) };
  }

  const WAYS = [
    [
      '"Delete database"',
      (tools, origin, ann) =>
        tools.send("IndexedDB.deleteDatabase", { securityOrigin: origin, databaseName: `pullcord:${ann}` }),
    ],
    ['"Clear site data"', (tools, origin) => tools.send("Storage.clearDataForOrigin", { origin, storageTypes: "all" })],
  ];
  for (const [what, erase] of /** @type {any[]} */ (WAYS)) {
    test(
      `deleted from the developer tools, by ${what}: what was written and not delivered is not lost, and the list is whole again`,
      PATIENCE,
      async () => {
        const { ann, talk, page, tools } = await inspected(60, { sync: { fallbackPollInterval: 500 } });
        await at.trouble({ errorRate: 1 }, ann);
        await page.evaluate(() => timeline.send({ text: "not delivered yet" }));
        await erase(tools, server.url, ann);
        await at.trouble({}, ann);
        await page.evaluate(async () => {
          await e2e.poll(() => told.length);
          await timeline.send({ text: "written on" });
          await e2e.until(client.outbox, (items) => items.length === 0);
          await e2e.caughtUp(client);
        });
        const all = await serversList(at, ann, talk);
        assert.deepEqual(await wholeList(page), all);
        assert.deepEqual(
          ["not delivered yet", "written on"].map((text) => all.filter((line) => line.endsWith(`| ${text}`)).length),
          [1, 1],
        );
        assert.deepEqual(await page.evaluate(() => told), ["evicted"]);
        assert.ok(
          await page.evaluate(
            async (ann) => (await indexedDB.databases()).some(({ name }) => name === `pullcord:${ann}`),
            ann,
          ),
        );
        await nothingWrong(page);
      },
    );
  }

  test(
    "the files of large values are gone for real: the client starts, and the list is whole again",
    PATIENCE,
    async () => {
      const folder = temporaryFolder();
      const launch = () =>
        chromium.launchPersistentContext(folder, {
          executablePath: findBrowser().chrome,
          args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        });
      const [ann] = await at.users("ann");
      const talk = await at.conversation([ann], 60);
      let context = await launch();
      try {
        const page = await openPage(context, server);
        await signIn(page, ann, { prefetch: false });
        await showing(page, talk);
        // it does not compress
        await at.bulk(talk, 1, randomBytes(120_000).toString("base64"));
        await at.bulk(talk, 5, "small");
        await page.evaluate(() => client.sync());
        await wholeList(page);
        await context.close();
        const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
          (file) => file.isFile() && /indexeddb\.blob/.test(file.parentPath),
        );
        assert.ok(files.length > 0, "Chromium keeps large values elsewhere by now");
        for (const file of files) rmSync(join(file.parentPath, file.name));
        context = await launch();
        const again = await openPage(context, server);
        await signIn(again, ann, { prefetch: false });
        await showing(again, talk);
        assert.deepEqual(await wholeList(again), await serversList(at, ann, talk));
        await nothingWrong(again);
      } finally {
        await context.close();
      }
    },
  );

  test(
    "the origin's quota is used up for real: old messages make room, what does not fit is told of, and with more room all is there",
    PATIENCE,
    async () => {
      // in memory, as the databases of Playwright's other contexts are, there is no quota
      const context = await chromium.launchPersistentContext(temporaryFolder(), {
        executablePath: findBrowser().chrome,
        args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
      });
      try {
        const [ann] = await at.users("ann");
        const talk = await at.conversation([ann], 60);
        const other = await at.conversation([ann], 60);
        const page = await openPage(context, server);
        const tools = await context.newCDPSession(page);
        // before anything is stored: Chromium goes for a while by what it knew last
        await tools.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 1_000_000 });
        await signIn(page, ann, { prefetch: false });
        await showing(page, talk);
        await page.evaluate(() => {
          globalThis.told = [];
          client.on("storage", ({ kind }) => told.push(kind));
        });
        // more than 2 MB that do not compress, in the conversation on screen and in one that nobody looks at
        const refusals = [];
        for (let round = 0; round < 12; round += 1) {
          for (const one of [other, talk]) await at.bulk(one, 1, randomBytes(75_000).toString("base64"));
          refusals.push((await page.evaluate(() => e2e.refusal(client.sync())))?.code ?? null);
        }
        assert.equal(refusals[0], null);
        assert.equal(refusals.at(-1), "quota");
        const kinds = await page.evaluate(() => [...new Set(told)]);
        assert.deepEqual(kinds, ["evicted", "quota"]);
        await tools.send("Storage.overrideQuotaForOrigin", { origin: server.url });
        await page.evaluate(() => client.sync());
        for (const one of [talk, other]) {
          await page.evaluate(() => timeline.close());
          await showing(page, one);
          assert.deepEqual(await wholeList(page), await serversList(at, ann, one));
        }
        await nothingWrong(page);
      } finally {
        await context.close();
      }
    },
  );
});
