// www/examples, with the packed package: each shows its end, keeps the place when a page comes, and sends.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../tools/run.mjs";
import { bundle, install } from "./support/apps.mjs";
import { launchBrowser, openPage } from "./support/harness.mjs";
import { startStatic } from "./support/static.mjs";

const ENTRIES = { html: null, react: "main.jsx", vue: "main.js", svelte: "main.js" };

describe("examples", () => {
  let folder, server, browser;

  before(async () => {
    folder = await install(join(ROOT, "www", "examples"));
    const places = {
      "/html/": `${join(folder, "html")}/`,
      "/node_modules/": `${join(folder, "node_modules")}/`,
      "/out/": `${join(folder, "out")}/`,
      "/backend.js": readFileSync(join(folder, "backend.js"), "utf8"),
      "/style.css": readFileSync(join(folder, "style.css"), "utf8"),
    };
    for (const [name, entry] of Object.entries(ENTRIES)) {
      if (!entry) continue;
      await bundle(folder, `${name}/${entry}`, `out/${name}.js`);
      const page = readFileSync(join(folder, name, "index.html"), "utf8");
      assert.ok(page.includes(`src="${entry}"`));
      places[`/${name}.html`] = page.replace(entry, `/out/${name}.js`).replace("../style.css", "/style.css");
    }
    copyFileSync(join(folder, "node_modules", "pullcord", "pullcord.wasm"), join(folder, "out", "pullcord.wasm"));
    server = await startStatic(places);
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    server?.stop();
  });

  for (const name of Object.keys(ENTRIES))
    test(name, async () => {
      const page = await openPage(browser, server, name === "html" ? "/html/index.html" : `/${name}.html`);
      await page.evaluate(() => {
        const list = () => /** @type {HTMLElement} */ (document.querySelector(".list"));
        /** The rows that are on screen. */
        const visible = () => {
          const { top, bottom } = list().getBoundingClientRect();
          return [...document.querySelectorAll(".row")].filter((row) => {
            const box = row.getBoundingClientRect();
            return box.bottom > top + 1 && box.top < bottom - 1;
          });
        };
        const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
        globalThis.shown = {
          ends: (text) => visible().at(-1)?.textContent.startsWith(text),
          /** Scrolls up, a little each frame, as a hand does; how far a row moved that nobody has moved, at most. */
          async up(least) {
            let most = 0;
            const first = () => Number(/message (\d+)/.exec(visible()[0].textContent)[1]);
            // older pages come when they come
            const end = performance.now() + 30_000;
            for (let i = 0; i < least || (first() >= 270 && performance.now() < end); i += 1) {
              const before = list().scrollTop;
              list().scrollTop -= 80;
              if (list().scrollTop === before) await frame();
              const [row] = visible().slice(1);
              const at = row.getBoundingClientRect().top;
              await frame();
              await frame();
              if (row.isConnected) most = Math.max(most, Math.abs(row.getBoundingClientRect().top - at));
            }
            return [most, first()];
          },
        };
      });
      await page.waitForFunction(() => globalThis.shown.ends("bob: message 300"));
      const [moved, first] = await page.evaluate(() => globalThis.shown.up(45));
      assert.ok(first < 270, `older pages came: it shows message ${first}`);
      assert.ok(moved <= 2, `a row moved by ${moved} px`);
      await page.fill("#text", "hello");
      await page.press("#text", "Enter");
      await page.waitForFunction(() => globalThis.shown.ends("ada: hello") || globalThis.shown.ends("bob: I see"));
      await page.waitForFunction(() => globalThis.shown.ends("bob: I see"));
      assert.deepEqual(page.problems, []);
      await page.close();
    });

  test("the start page's React example, as it stands there", async () => {
    const [, code] = /```jsx\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs", "start.md"), "utf8")) ?? [];
    writeFileSync(join(folder, "start.jsx"), code);
    await bundle(folder, "start.jsx", "out/start.js");
    const html = '<!doctype html><div id="root"></div><script type="module" src="/out/start.js"></script>';
    writeFileSync(join(folder, "out", "start.html"), html);
    const page = await openPage(browser, server, "/out/start.html");
    await page.click("text=Say hello");
    await page.waitForSelector("li:has-text('hello')");
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});
