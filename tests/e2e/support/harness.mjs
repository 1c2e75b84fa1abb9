// What the end-to-end tests stand on: the packed package, the real server, and Chromium. Whatever is started
// here ends with the test's process, also when the test fails.

import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { PKG } from "../../../tools/build.mjs";
import { ROOT, must } from "../../../tools/run.mjs";
import { startServer as startProcess } from "../../../tools/server.mjs";
import { findBrowser } from "../../../tools/setup.mjs";

const BLANK = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="/logo.svg">
<title>Pullcord end to end</title>
`;

/** ms that something has until it must have come about: a machine that is busy with other tests is slow */
const PATIENCE = 30_000;

const folders = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder of this test's own. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "pullcord-e2e-"));
  folders.push(folder);
  return folder;
}

/**
 * Looks again and again until `look` throws nothing: for what comes about by itself, and at a time of its own. Where
 * that is too late it throws what `look` has thrown last.
 * @template T
 * @param {() => T | Promise<T>} look
 * @returns {Promise<T>}
 */
export async function eventually(look, patience = PATIENCE) {
  for (const end = Date.now() + patience; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}

let packed;

/**
 * The package as a registry would serve it: packed, and unpacked elsewhere. Once for each process.
 * @returns {Promise<string>} the folder with its package.json
 */
export function packPackage() {
  packed ??= (async () => {
    const folder = temporaryFolder();
    await must("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: PKG, capture: true, quiet: true });
    const [archive] = readdirSync(folder);
    await must("tar", ["-xzf", archive], { cwd: folder });
    return join(folder, "package");
  })();
  return packed;
}

/**
 * The server, with the packed package at /pkg/, an empty page at /blank/, and the demo page at /.
 * @param {{ args?: string[], port?: number, pkg?: string }} [options] `port`: for one that comes back at the same
 *   address after it was killed; `pkg`: another package
 * @returns {ReturnType<typeof startProcess>}
 */
export async function startServer({ args = [], port = 0, pkg = "" } = {}) {
  const blank = temporaryFolder();
  writeFileSync(join(blank, "index.html"), BLANK);
  const files = join(import.meta.dirname, "page");
  for (const name of readdirSync(files)) copyFileSync(join(files, name), join(blank, name));
  const mounts = [`/=${join(ROOT, "www")}`, `/pkg=${pkg || (await packPackage())}`, `/blank=${blank}`].flatMap(
    (mount) => ["--static", mount],
  );
  return startProcess({ args: ["--demo", "--allow-trouble", "--port", String(port), ...mounts, ...args] });
}

/** A port where nobody listens, for a server that is to come back at the same address. @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = /** @type {import("node:net").AddressInfo} */ (probe.address());
      probe.close(() => resolve(port));
    });
  });
}

/** @param {import("playwright-core").LaunchOptions} [options] */
export async function launchBrowser(options = {}) {
  const found = findBrowser();
  if (!found) throw new Error("no Chromium: `node tools/setup.mjs` says what to do");
  return chromium.launch({
    executablePath: found.chrome,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
    ...options,
  });
}

/**
 * Makes the package `globalThis.pullcord`, and page.js `globalThis.e2e`, as on each opened page; again after a reload.
 * @param {import("playwright-core").Page} page
 */
export async function importPackage(page) {
  await page.evaluate(async () => {
    // @ts-ignore: the address is the page's
    globalThis.pullcord = await import("/pkg/index.js");
    // @ts-ignore
    globalThis.e2e = await import("/blank/page.js");
  });
}

/**
 * A page that has the package. What goes wrong in it without a test looking is in `problems`.
 * @template {import("playwright-core").Page} P
 * @param {{ newPage(): Promise<P> }} from a browser: in a context, so with storage, of its own
 * @param {{ url: string }} server
 * @param {string} [path]
 */
export async function openPage(from, server, path = "/blank/") {
  const page = await from.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on("pageerror", (error) => problems.push(error.message));
  page.on("console", (message) => {
    // without a network it tries all the same (R14), and the browser says of each try that there was none
    if (message.type() === "error" && !message.text().includes("net::ERR_INTERNET_DISCONNECTED"))
      problems.push(message.text());
  });
  await page.goto(`${server.url}${path}`);
  if (path === "/blank/") await importPackage(page);
  return Object.assign(page, { problems });
}

/**
 * Page.js's findings and the page's own, which a test that is through has none of.
 * @param {import("playwright-core").Page & { problems: string[] }} page
 */
export async function findings(page) {
  return [...page.problems, ...(await page.evaluate(() => globalThis.e2e.violations))];
}

let names = 0;

/** A name that no other test of this process has. */
export function fresh(prefix) {
  names += 1;
  return `${prefix}${names}`;
}

/**
 * The demo's own calls, from outside of any page.
 * @param {{ url: string }} server
 */
export function demo(server) {
  const post = async (path, body, user) => {
    const response = await fetch(`${server.url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...(user ? { authorization: `Bearer demo-${user}` } : {}) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return text ? JSON.parse(text) : null;
  };
  return {
    post,
    /** New users, in no conversation. @returns {Promise<string[]>} their names */
    async users(...prefixes) {
      const users = prefixes.map(fresh);
      for (const name of users) await post("/demo/sign-in", { name });
      return users;
    },
    /**
     * A new conversation with these messages of somebody else in it, in one commit.
     * @returns {Promise<string>} its id
     */
    async conversation(members, messages = 0) {
      const id = fresh("talk");
      await post("/demo/create", { id, members });
      if (messages) await post("/demo/bulk", { conversation: id, sender: "Mara", count: messages, text: "message" });
      return id;
    },
    bulk: (conversation, count, text = "bulk") => post("/demo/bulk", { conversation, sender: "Mara", count, text }),
    /** For one user, or for all. */
    trouble: (trouble, user) => post("/demo/trouble", trouble, user),
    overflow: (user, conversations) => post("/demo/overflow", conversations ? { conversations } : {}, user),
    send: async (user, conversation, text) =>
      (await post(`/v1/conversations/${conversation}/messages`, { clientId: fresh("other"), body: { text } }, user))
        .message,
    async history(user, conversation, query = "limit=1000") {
      const response = await fetch(
        `${server.url}/v1/conversations/${encodeURIComponent(conversation)}/messages?${query}`,
        { headers: { authorization: `Bearer demo-${user}` } },
      );
      if (!response.ok) throw new Error(`history: ${response.status}`);
      return (await response.json()).messages;
    },
  };
}

/**
 * Opens `user`'s client in a page, as `globalThis.client`, and waits until it is in sync.
 * @param {import("playwright-core").Page} page
 */
export async function signIn(page, user, options = {}) {
  await page.evaluate(
    async ({ user, options }) => {
      globalThis.client = await e2e.open(user, options);
      await e2e.caughtUp(client);
    },
    { user, options },
  );
}

/**
 * A device of this user: a context, so a storage, of its own, with one page and a client in sync.
 * @template {import("playwright-core").Page} P
 * @param {{ newContext(): Promise<{ newPage(): Promise<P> }> }} browser
 * @param {{ url: string }} server
 * @param {string} user
 * @param {object} options of the client
 */
export async function device(browser, server, user, options = {}) {
  const page = await openPage(await browser.newContext(), server);
  await signIn(page, user, options);
  return page;
}

/** The same page loaded anew, without a client yet. @param {import("playwright-core").Page} page */
export async function reload(page) {
  await page.reload();
  await importPackage(page);
}
