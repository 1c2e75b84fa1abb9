// The examples as they are served to a test, and what their user, and others, do there.

import assert from "node:assert/strict";
import { appendFileSync, copyFileSync, cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../../tools/run.mjs";
import { bundle, install } from "./apps.mjs";
import { openList } from "./frames.mjs";
import { startStatic } from "./static.mjs";

/** Stands at the end of the examples' backend.js: a page comes when the gate is open. */
const HELD = `
{
  const { transport: made } = backend;
  const seen = { asked: 0, came: 0, pulled: 0 };
  let opened;
  const gate = { close: () => { opened = new Promise((resolve) => { gate.open = resolve; }); } };
  backend.transport = (account) => {
    const transport = made(account);
    const { history, pull } = transport;
    return Object.assign(transport, {
      async history(...request) {
        seen.asked += 1;
        try {
          const page = await history(...request);
          await opened;
          return page;
        } finally {
          seen.came += 1;
        }
      },
      async pull(...request) {
        const batch = await pull(...request);
        seen.pulled += batch.events.length;
        return batch;
      },
    });
  };
  Object.assign(globalThis, { backend, seen, gate });
}
`;

/**
 * @param {Record<string, string | null>} entries name → the file that is bundled; null: nothing is
 * @returns {Promise<{ folder: string, url: string, stop(): void }>}
 */
export async function serveExamples(entries) {
  const folder = await install(join(ROOT, "www", "examples"));
  appendFileSync(join(folder, "backend.js"), HELD);
  cpSync(join(import.meta.dirname, "..", "apps", "stories"), join(folder, "stories"), { recursive: true });
  const places = {
    "/node_modules/": `${join(folder, "node_modules")}/`,
    "/out/": `${join(folder, "out")}/`,
    "/backend.js": readFileSync(join(folder, "backend.js"), "utf8"),
    "/style.css": readFileSync(join(folder, "style.css"), "utf8"),
  };
  for (const [name, entry] of Object.entries(entries)) {
    const page = readFileSync(join(folder, name, "index.html"), "utf8").replaceAll('"../', '"/');
    places[`/${name}.html`] = page;
    if (!entry) continue;
    await bundle(folder, `${name}/${entry}`, `out/${name}.js`);
    assert.ok(page.includes(`src="${entry}"`));
    places[`/${name}.html`] = page.replace(entry, `/out/${name}.js`);
  }
  copyFileSync(join(folder, "node_modules", "pullcord", "pullcord.wasm"), join(folder, "out", "pullcord.wasm"));
  return Object.assign(await startStatic(places), { folder });
}

export const numberOf = (key) => Number(key.split("-")[1]);
export const keyOf = (n) => `m:general-${n}`;

/**
 * An example, with its list.
 * @param {import("playwright-core").Browser} browser @param {{ url: string }} server @param {string} name
 */
export async function openExample(browser, server, name) {
  const page = await openList(browser, server, `/${name}.html`);
  const seen = () => page.evaluate(() => globalThis.seen);
  const pulled = async (act) => {
    const { pulled } = await seen();
    await act();
    await page.waitForFunction((before) => globalThis.seen.pulled > before, pulled);
  };
  return Object.assign(page, {
    /**
     * Scrolls to the end of what there is, beyond which a page is asked for that does not come before it is let in.
     * @param {number} by px: up or down
     */
    async holdPage(by) {
      await page.waitForFunction(() => globalThis.seen.came === globalThis.seen.asked);
      await page.evaluate(() => globalThis.gate.close());
      const place = () =>
        page.evaluate(() => {
          const { scrollTop, scrollHeight, clientHeight } = document.querySelector(".list");
          const { asked, came } = globalThis.seen;
          return { above: scrollTop, below: scrollHeight - scrollTop - clientHeight, waits: asked > came };
        });
      for (let there = false, tries = 0; !there; tries += 1) {
        assert.ok(tries < 50, "no page is asked for");
        await page.wheel(1, by);
        await page.settled();
        const { above, below, waits } = await place();
        there = waits && (by < 0 ? above : below) < 1;
      }
    },
    /** Until it is in the list. */
    async letIn() {
      const height = await page.evaluate(() => document.querySelector(".list").scrollHeight);
      await page.evaluate(() => globalThis.gate.open());
      await page.waitForFunction((before) => document.querySelector(".list").scrollHeight > before, height);
    },
    edit: (n, lines) =>
      pulled(() =>
        page.evaluate(([n, text]) => backend.edit("general", `general-${n}`, text), [n, `grown${"\n…".repeat(lines)}`]),
      ),
    post: (text) => pulled(() => page.evaluate((text) => backend.post("general", text, "bob"), text)),
    async send(text) {
      await page.fill("#text", text);
      await page.press("#text", "Enter");
    },
    says: (text) => page.waitForSelector(`.row:has-text("${text}")`),
    /** The numbers of the messages that are in the document. */
    rendered: async () => {
      const keys = await page.$$eval("[data-key]", (rows) => rows.map(({ dataset }) => dataset.key));
      return keys.map(numberOf).sort((a, b) => a - b);
    },
    /** Presses a button that may be above the screen; the mouse would scroll it into view. */
    follow: (n) => page.locator(".answered", { hasText: `to message ${n}` }).dispatchEvent("click"),
  });
}
