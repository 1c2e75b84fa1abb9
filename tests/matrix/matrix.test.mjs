// Tools that apps are made and tested with, each with the packed package installed as an app has it. Where one needs a
// line of configuration the error says which; where none does, there is none here.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { ROOT } from "../../tools/run.mjs";
import {
  freePort,
  launchBrowser,
  openPage,
  packPackage,
  startServer,
  temporaryFolder,
} from "../e2e/support/harness.mjs";
import { startStatic } from "../e2e/support/static.mjs";

const MODULES = join(import.meta.dirname, "node_modules");
const SHOWN = ["Hello", "Hi"];

/** A tool that is installed beside this file. @param {string} name @returns {Promise<any>} */
const tool = (name) => import(name);

/** The app in a folder of its own, with the package in its node_modules. */
async function app() {
  const folder = temporaryFolder();
  cpSync(join(import.meta.dirname, "app"), folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  cpSync(await packPackage(), join(folder, "node_modules", "pullcord"), { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "name": "app", "private": true, "type": "module" }');
  return folder;
}

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser?.close());

/**
 * What a page's `run` gives, or its `runInWorker`.
 * @param {{ url: string }} server
 * @param {string} path
 */
async function shown(server, path = "/", options = {}, run = "run") {
  const page = await openPage(browser, server, path);
  const ask = async () => {
    await page.waitForFunction((run) => globalThis[run], run);
    return page.evaluate(({ run, options }) => globalThis[run](options), { run, options });
  };
  const result = await ask().catch((error) => {
    // Vite's dev server bundles a dependency that it meets only in the worker, and reloads the page for that, once.
    if (!/because of a navigation/.test(error.message)) throw error;
    return ask();
  });
  await page.close();
  return result;
}

const shownInWorker = (server, path = "/") => shown(server, path, {}, "runInWorker");

/** @param {string} folder what is built @param {string} script its script; or the folder has a page */
async function served(folder, script = "") {
  const page =
    script && `<!doctype html><link rel="icon" href="data:,"><script type="module" src="/out/${script}"></script>`;
  return startStatic({ ...(page ? { "/": page } : {}), "/out/": `${folder}/` });
}

for (const name of ["vite-5", "vite-6", "vite-7", "vite"])
  describe(name, () => {
    test("its dev server, unconfigured: also where it has bundled the package", async () => {
      const { createServer } = await tool(name);
      const [root, port] = [await app(), await freePort()];
      const [, start] = /```html\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs", "start.md"), "utf8")) ?? [];
      writeFileSync(join(root, "start.html"), start);
      const server = await createServer({
        root,
        configFile: false,
        logLevel: "error",
        // where Nuxt and Storybook have what they have bundled
        cacheDir: name === "vite-6" ? join(root, "node_modules", ".cache", "vite", "client") : undefined,
        server: { host: "127.0.0.1", port, strictPort: true },
      });
      await server.listen();
      try {
        const url = `http://127.0.0.1:${port}`;
        assert.deepEqual(await shown({ url }), SHOWN);
        assert.deepEqual(await shownInWorker({ url }), SHOWN);
        if (name !== "vite") return;
        // the page that docs/start.md has one write
        const page = await openPage(browser, { url }, "/start.html");
        await page.waitForFunction(() => document.querySelectorAll("li").length === 30);
        await page.close();
      } finally {
        await server.close();
      }
    });

    // between these two a build is as before
    if (["vite-6", "vite-7"].includes(name)) return;
    test("what it builds", async () => {
      const { build } = await tool(name);
      const root = await app();
      await build({ root, configFile: false, logLevel: "error", base: "/out/", build: { outDir: "out" } });
      const server = await served(join(root, "out"));
      try {
        assert.deepEqual(await shown(server, "/out/index.html"), SHOWN);
        assert.deepEqual(await shownInWorker(server, "/out/index.html"), SHOWN);
      } finally {
        server.stop();
      }
    });

    if (name !== "vite") return;
    test("what it builds for a server, with all dependencies in it: the error says where the wasm stays", async () => {
      const { build } = await tool(name);
      const root = await app();
      const ssr = { noExternal: true };
      for (const script of ["main.js", "inline.js"]) {
        const built = { ssr: script, outDir: `out-${script}` };
        await build({ root, configFile: false, logLevel: "error", build: built, ssr });
        await import(pathToFileURL(join(root, `out-${script}`, script)).href);
        const result = await globalThis.run();
        if (script === "inline.js") assert.deepEqual(result, SHOWN);
        else assert.match(result.message, /pullcord\.wasm \(.*Vite .*`ssr\.noExternal`.*\): import "pullcord\/inline"/);
      }
    });
  });

for (const [name, mode] of [
  ["webpack", "development"],
  ["@rspack/core", "production"],
])
  test(`${name}, unconfigured`, async () => {
    const { default: bundler } = await tool(name);
    const folder = await app();
    const stats = await new Promise((done, fail) => {
      const entry = { main: "./main.js", inline: "./inline.js" };
      const output = { path: join(folder, "out"), publicPath: "/out/" };
      bundler({ context: folder, mode, entry, output }, (error, stats) => (error ? fail(error) : done(stats)));
    });
    assert.deepEqual(stats.toJson({ all: false, errors: true, warnings: true }).errors, []);
    for (const script of ["main.js", "inline.js"]) {
      const server = await served(join(folder, "out"), script);
      try {
        assert.deepEqual(await shown(server), SHOWN);
        if (script === "main.js") assert.deepEqual(await shownInWorker(server), SHOWN);
      } finally {
        server.stop();
      }
    }
  });

describe("Parcel", () => {
  /**
   * Its command, until it has come to its end, or has said that it is ready.
   * @param {string} folder
   * @param {string[]} args
   * @param {RegExp} [ready]
   */
  async function parcel(folder, args, ready) {
    const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: "", NODE_ENV: "" };
    const child = spawn(process.execPath, [join(MODULES, "parcel", "lib", "bin.js"), ...args], { cwd: folder, env });
    let said = "";
    await new Promise((done, fail) => {
      for (const from of [child.stdout, child.stderr])
        from.on("data", (data) => {
          said += data;
          if (ready?.test(said)) done(undefined);
        });
      child.once("close", (code) => (code || ready ? fail(new Error(said)) : done(undefined)));
    });
    return child;
  }

  test("what it builds, unconfigured", async () => {
    const folder = await app();
    await parcel(folder, ["build", "index.html", "inline.html", "--public-url", "/out/", "--dist-dir", "out"]);
    const server = await served(join(folder, "out"));
    try {
      assert.deepEqual(await shown(server, "/out/index.html"), SHOWN);
      assert.deepEqual(await shownInWorker(server, "/out/index.html"), SHOWN);
      assert.deepEqual(await shown(server, "/out/inline.html"), SHOWN);
    } finally {
      server.stop();
    }
  });

  test("its dev server, unconfigured", async () => {
    const port = await freePort();
    const child = await parcel(await app(), ["index.html", "--host", "127.0.0.1", "--port", String(port)], /Built in/);
    try {
      const server = { url: `http://127.0.0.1:${port}` };
      assert.deepEqual(await shown(server), SHOWN);
      assert.deepEqual(await shownInWorker(server), SHOWN);
    } finally {
      child.kill();
    }
  });
});

describe("rollup", () => {
  /** @param {string} folder @param {string} input @param {"es" | "iife"} format */
  async function rollup(folder, input, format) {
    const [{ rollup }, { nodeResolve }] = [await tool("rollup"), await tool("@rollup/plugin-node-resolve")];
    /** @type {string[]} */
    const warnings = [];
    const bundle = await rollup({
      input: join(folder, input),
      plugins: [nodeResolve({ browser: true })],
      onwarn: ({ message }) => warnings.push(message),
    });
    await bundle.write({ file: join(folder, "out", input), format, inlineDynamicImports: true });
    await bundle.close();
    return warnings;
  }

  test("it leaves the file behind: the error says so, and with the file beside the script it works", async () => {
    const folder = await app();
    await rollup(folder, "main.js", "es");
    const server = await served(join(folder, "out"), "main.js");
    try {
      const { code, message } = await shown(server);
      assert.equal(code, "network");
      assert.match(message, /404.*rollup.*"pullcord\/inline".*"pullcord\/pullcord\.wasm"/);
      const wasm = join(folder, "node_modules", "pullcord", "pullcord.wasm");
      copyFileSync(wasm, join(folder, "out", "pullcord.wasm"));
      assert.deepEqual(await shown(server), SHOWN);
      copyFileSync(wasm, join(folder, "out", "elsewhere.wasm"));
      assert.deepEqual(await shown(server, "/", { wasm: "/out/elsewhere.wasm" }), SHOWN);
    } finally {
      server.stop();
    }
  });

  test('"pullcord/inline" in one script of format "iife"', async () => {
    const folder = await app();
    assert.deepEqual(await rollup(folder, "inline.js", "iife"), []);
    const server = await served(join(folder, "out"), "inline.js");
    try {
      assert.deepEqual(await shown(server), SHOWN);
    } finally {
      server.stop();
    }
  });
});

test("zone.js (Angular): a client leaves the zone finished, and its listeners run where they subscribed", async () => {
  const folder = await app();
  symlinkSync(join(MODULES, "zone.js"), join(folder, "node_modules", "zone.js"), "dir");
  const env = { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: "" };
  const child = spawn(process.execPath, ["zoned.js"], { cwd: folder, env });
  let said = "";
  for (const from of [child.stdout, child.stderr]) from.on("data", (data) => (said += data));
  const code = await new Promise((done) => child.once("close", done));
  assert.equal(code, 0, said);
  assert.deepEqual(JSON.parse(said), { length: 62, unfinished: [], heardIn: ["app"] });
});

describe("in jsdom", () => {
  let folder, server;
  before(async () => {
    folder = await app();
    for (const name of readdirSync(MODULES))
      if (!name.startsWith(".")) symlinkSync(join(MODULES, name), join(folder, "node_modules", name), "dir");
    symlinkSync(join(ROOT, "node_modules", "react"), join(folder, "node_modules", "react"), "dir");
    server = await startServer();
  });
  after(() => server?.stop());

  /** A run of tests, to its end. @param {string[]} args of Node */
  async function run(...args) {
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...process.env, NODE_OPTIONS: "", NODE_TEST_CONTEXT: "", MATRIX_SERVER: server.url },
    });
    let said = "";
    for (const from of [child.stdout, child.stderr]) from.on("data", (data) => (said += data));
    const code = await new Promise((done) => child.once("close", done));
    return { code, said: stripVTControlCharacters(said) };
  }

  const transformed = { transformIgnorePatterns: ["/node_modules/(?!pullcord/)"] };
  const babel = ["babel-jest", { plugins: ["@babel/plugin-transform-modules-commonjs"] }];
  /** @type {[string, object, ...string[]][]} */
  const jests = [
    ["Jest, modules", { transform: {} }, "--experimental-vm-modules"],
    ["Jest, CommonJS by @swc/jest", { ...transformed, transform: { "\\.js$": "@swc/jest" } }],
    [
      "Jest, CommonJS by babel-jest",
      { ...transformed, transform: { "\\.js$": babel }, moduleNameMapper: { "^pullcord$": "pullcord/inline" } },
    ],
  ];
  for (const [name, config, ...args] of jests)
    test(name, async () => {
      const whole = { testEnvironment: "./environment.cjs", testMatch: ["**/list.test.js"], ...config };
      writeFileSync(join(folder, "jest.config.json"), JSON.stringify(whole));
      const { code, said } = await run(...args, join(MODULES, "jest", "bin", "jest.js"), "--ci", "--runInBand");
      assert.match(said, /Tests: +5 passed, 5 total/, said);
      assert.equal(code, 0, said);
    });

  test("Vitest", async () => {
    writeFileSync(
      join(folder, "vitest.config.js"),
      'export default { test: { environment: "jsdom", globals: true, include: ["list.test.js"] } };\n',
    );
    const { code, said } = await run(join(MODULES, "vitest", "vitest.mjs"), "run", "--reporter=verbose");
    assert.match(said, /Tests +5 passed \(5\)/, said);
    assert.equal(code, 0, said);
  });
});
