// Next's app router, with the packed package: what its server renders, and what the page makes of it. Not in every run,
// for its size: `npm test -- --only next`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { must } from "../../tools/run.mjs";
import { freePort, launchBrowser, openPage, packPackage } from "../e2e/support/harness.mjs";

const HERE = import.meta.dirname;
const NEXT = join(HERE, "node_modules", "next", "dist", "bin", "next");
const env = { NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production", NODE_OPTIONS: "", NODE_TEST_CONTEXT: "" };

let server, browser, url;

before(async () => {
  const installed = join(HERE, "node_modules", "pullcord");
  rmSync(installed, { recursive: true, force: true });
  rmSync(join(HERE, ".next"), { recursive: true, force: true });
  cpSync(await packPackage(), installed, { recursive: true });
  await must(process.execPath, [NEXT, "build"], { cwd: HERE, env, capture: true });
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const args = [NEXT, "start", "--hostname", "127.0.0.1", "--port", String(port)];
  server = spawn(process.execPath, args, { cwd: HERE, env: { ...process.env, ...env } });
  await new Promise((ready, fail) => {
    let said = "";
    for (const from of [server.stdout, server.stderr])
      from.on("data", (data) => {
        said += data;
        if (said.includes("Ready")) ready(undefined);
      });
    server.once("exit", () => fail(new Error(said)));
  });
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  server?.kill();
});

test("the server renders what is empty, the page takes it over and shows the list", async () => {
  const html = await (await fetch(url)).text();
  assert.match(html, /<p id="server">PullcordError -1<\/p>/);
  assert.match(html, /<p id="status">opening<\/p><ul><\/ul>/);
  const page = await openPage(browser, { url }, "/");
  await page.waitForSelector("li:has-text('Hello')");
  await page.click("button");
  await page.waitForFunction(() => document.querySelectorAll("li")[1]?.textContent === "Hi");
  assert.deepEqual(page.problems, []);
  await page.close();
});
