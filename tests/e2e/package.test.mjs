// What is published: each entry whole, readable and typed, and nothing in the main entry that not every visitor needs.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, cpSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { before, describe, test } from "node:test";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { build } from "esbuild";
import { publint } from "publint";
import { deadLinks, linksOf } from "../../tools/links.mjs";
import { ROOT, must } from "../../tools/run.mjs";
import { repositoryOf } from "../../tools/version.mjs";
import { fresh, launchBrowser, openPage, packPackage, temporaryFolder } from "./support/harness.mjs";
import { startStatic } from "./support/static.mjs";

describe("package", () => {
  /** where it is unpacked, and an app's folder in which it is installed */
  let pkg, app;
  const read = (name) => readFileSync(join(pkg, name), "utf8");
  const scripts = () => readdirSync(pkg).filter((name) => name.endsWith(".js"));

  before(async () => {
    pkg = await packPackage();
    app = temporaryFolder();
    mkdirSync(join(app, "node_modules"));
    cpSync(pkg, join(app, "node_modules", "pullcord"), { recursive: true });
  });

  test("its scripts are readable: lines, names, and a map to the sources", () => {
    for (const name of scripts()) {
      const lines = read(name).split("\n");
      const long = lines.filter((line) => line.length > 600);
      // the wasm in one of them is a line
      assert.equal(long.length, name === "inline.js" ? 1 : 0, `${name}: ${long[0]?.slice(0, 100)}`);
      assert.equal(lines.at(-2), `//# sourceMappingURL=${name}.map`);
      const { sources, sourcesContent } = JSON.parse(read(`${name}.map`));
      assert.ok(sources.length > 1);
      for (const [at, source] of sources.entries()) {
        assert.match(source, /^pullcord\/[\w/-]+\.js$/);
        assert.equal(typeof sourcesContent[at], source === "pullcord/packed.js" ? "object" : "string");
      }
    }
  });

  test("an error that nobody catches is a few lines in Node, and its class has its name", async () => {
    const { PullcordError, createClient } = await import(pathToFileURL(join(pkg, "index.js")).href);
    assert.equal(PullcordError.name, "PullcordError");
    const main = join(app, "uncaught.mjs");
    writeFileSync(main, 'import { createClient } from "pullcord";\nawait createClient({ account: "" });\n');
    const { stderr, status } = spawnSync(process.execPath, [main], { encoding: "utf8" });
    assert.equal(status, 1);
    assert.match(stderr, /PullcordError: account is a text that is not empty/);
    assert.ok(stderr.length < 3000, `${stderr.length} characters`);
    assert.equal(typeof createClient, "function");
  });

  test("the main entry has nothing of the others", () => {
    const text = read("index.js");
    const parts = (name) => JSON.parse(read(`${name}.map`)).sources;
    const main = parts("index.js");
    for (const part of [...parts("react.js"), ...parts("testing.js"), ...parts("inspector.js")])
      if (/\/(?:testing|frameworks|inspector)[/.]|react/.test(part)) assert.ok(!main.includes(part), part);
    for (const word of ["memoryBackend", "useSyncExternalStore", "pullcord/packed.js", "pullcord-inspector"])
      assert.ok(!text.includes(word), word);
    assert.deepEqual([...text.matchAll(/^import .*/gm)].map(String), []);
  });

  test("publint and are-the-types-wrong find nothing", async () => {
    const { messages } = await publint({ pkgDir: pkg, level: "suggestion", pack: false, strict: true });
    assert.deepEqual(messages, []);
    const folder = temporaryFolder();
    await must("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: pkg, capture: true, quiet: true });
    const [archive] = readdirSync(folder);
    const checked = await checkPackage(createPackageFromTarballData(readFileSync(join(folder, archive))));
    assert.ok(checked.types);
    // the package is of modules only: it needs a resolution that knows them
    const modern = checked.problems.filter(
      (problem) => !("resolutionKind" in problem) || ["node16-esm", "bundler"].includes(problem.resolutionKind),
    );
    assert.deepEqual(modern, []);
  });

  test("every entry has its files", () => {
    const { exports } = JSON.parse(read("package.json"));
    for (const entry of Object.values(exports))
      for (const file of typeof entry === "string" ? [entry] : Object.values(entry))
        assert.ok(existsSync(join(pkg, file)), file);
  });

  test("it says where everything is, and what it says is there", () => {
    const text = read("README.md");
    assert.ok(linksOf(text).length > 0);
    const within = (path) => {
      if (!existsSync(join(pkg, path))) return null;
      return path.endsWith(".md") ? read(path) : "";
    };
    assert.deepEqual(deadLinks("README.md", within), []);
    for (const [said, place] of Object.entries({ "`www/server`": "www/server", "npm run demo": "tools/demo.mjs" })) {
      assert.ok(text.includes(said), said);
      assert.ok(existsSync(join(ROOT, place)), place);
    }
    const ours = (path) => readFileSync(join(ROOT, path), "utf8");
    assert.ok(text.includes("(docs/protocol.md)"));
    assert.equal(read("docs/protocol.md"), ours("docs/protocol.md"));
    const { repository, homepage, bugs } = JSON.parse(read("package.json"));
    // where Cargo.toml names no address there is none, and `npm run release` refuses
    const named = Object.entries({ repository, homepage, bugs }).filter(([, value]) => value !== undefined);
    assert.deepEqual(Object.fromEntries(named), repositoryOf(ours("Cargo.toml")));
  });

  test("a project without the DOM's types compiles against it", () => {
    const { compilerOptions } = {
      compilerOptions: {
        target: "es2022",
        module: "nodenext",
        lib: ["es2022"],
        types: [],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
      },
    };
    writeFileSync(join(app, "package.json"), '{ "type": "module" }');
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["app.ts"] }));
    writeFileSync(
      join(app, "app.ts"),
      `import { createClient, type Transport } from "pullcord";
import { createClient as inline } from "pullcord/inline";
import wasm from "pullcord/pullcord.wasm";
import { memoryBackend } from "pullcord/testing";
import { serve } from "pullcord/worker";

const transport: Transport<{ text: string }> = memoryBackend().transport("ada");
export const opened = [createClient, inline].map((open) => open({ account: "a", transport, wasm }));
serve({ transport: () => transport });
`,
    );
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", app], { encoding: "utf8" });
    assert.equal(stdout, "");
    assert.equal(status, 0);
  });

  test('"pullcord/inspector" can be imported on a server, and a bundler does not leave it out', async () => {
    const main = join(app, "server.mjs");
    writeFileSync(main, 'import "pullcord/inspector";\nconsole.log("imported", typeof customElements);\n');
    const { stdout } = spawnSync(process.execPath, [main], { encoding: "utf8" });
    assert.equal(stdout, "imported undefined\n");
    const { outputFiles } = await build({ entryPoints: [main], bundle: true, format: "esm", write: false });
    assert.match(outputFiles[0].text, /customElements\.define\(/);
  });

  test('"pullcord/inline" needs no file beside it: in one classic script in a page, and in Node', async () => {
    writeFileSync(
      join(app, "inline.mjs"),
      `import { PullcordError, compareSeq, createClient, wipe } from "pullcord/inline";
import { memoryBackend } from "pullcord/testing";

globalThis.run = async (account) => {
  const backend = memoryBackend({ conversations: ["talk"] });
  const client = await createClient({ account, transport: backend.transport("ada"), storage: { mode: "memory" } });
  await client.send("talk", { text: "hello" });
  await client.sync();
  await client.close();
  return [backend.messages("talk").length, compareSeq(1, 2), PullcordError.name, typeof wipe];
};
`,
    );
    const outfile = join(app, "moved", "somewhere", "app.js");
    await build({ entryPoints: [join(app, "inline.mjs")], bundle: true, format: "iife", outfile, logLevel: "error" });
    const server = await startStatic({
      "/": '<!doctype html><script src="/somewhere/app.js"></script>',
      "/somewhere/": `${dirname(outfile)}/`,
    });
    const browser = await launchBrowser();
    try {
      const page = await openPage(browser, server, "/");
      const wanted = [1, -1, "PullcordError", "function"];
      // @ts-ignore: the script's own
      assert.deepEqual(await page.evaluate((account) => globalThis.run(account), fresh("inline")), wanted);
      assert.deepEqual(page.problems, []);
      await import(pathToFileURL(join(app, "inline.mjs")).href);
      // @ts-ignore: likewise
      assert.deepEqual(await globalThis.run(fresh("inline")), wanted);
    } finally {
      await browser.close();
      server.stop();
    }
  });

  test("where the wasm is lost the error names who loses it and the line that helps, and a later try may work", async () => {
    writeFileSync(
      join(app, "lost.mjs"),
      `import { createClient } from "pullcord";
import { memoryBackend } from "pullcord/testing";

globalThis.tryToOpen = async () => {
  try {
    const transport = memoryBackend().transport("ada");
    const client = await createClient({ account: "lost", transport, storage: { mode: "memory" } });
    await client.close();
    return "open";
  } catch (error) {
    return error.code + ": " + error.message;
  }
};
`,
    );
    const out = join(app, "lost");
    for (const format of /** @type {const} */ (["esm", "iife"])) {
      const outfile = join(out, `${format}.js`);
      await build({ entryPoints: [join(app, "lost.mjs")], bundle: true, format, outfile, logLevel: "error" });
    }
    cpSync(join(pkg, "pullcord.wasm"), join(out, "pullcord.wasm"));
    const html = (script) => `<!doctype html><script type="module" src="/lost/${script}.js"></script>`;
    const worker = `const FILES = ["/pwa", "/lost/esm.js", ...new URL(location).searchParams.getAll("file")];
addEventListener("install", (event) => event.waitUntil(caches.open("app").then((cache) => cache.addAll(FILES))));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) =>
  event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request))));
`;
    const places = { "/esm": html("esm"), "/iife": html("iife"), "/pwa": html("esm"), "/sw.js": worker };
    const server = await startStatic({ ...places, "/lost/": `${out}/` });
    const browser = await launchBrowser();
    try {
      const classic = await openPage(browser, server, "/iife");
      // @ts-ignore: the script's own
      const said = (page) => page.evaluate(() => globalThis.tryToOpen());
      assert.match(await said(classic), /^invalid: .*"iife".*import "pullcord\/inline"/);
      const page = await openPage(browser, server, "/esm");
      /** @type {[(route: import("playwright-core").Route) => Promise<void>, RegExp][]} */
      const faults = [
        // what a service worker says of a file that it has not kept
        [(route) => route.abort(), /^network: .*pullcord\.wasm could not be fetched.*precache.*Workbox.*globPatterns/],
        [(route) => route.fulfill({ status: 404 }), /^network: .*answered 404 \(esbuild, .*rollup.*"pullcord\/inline"/],
        [
          (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }),
          /^internal: .*a page, perhaps \(.*Vite.*optimizeDeps.*"pullcord\/inline"/,
        ],
      ];
      for (const [answer, wanted] of faults) {
        await page.route("**/pullcord.wasm", answer);
        assert.match(await said(page), wanted);
        await page.unroute("**/pullcord.wasm");
      }
      assert.equal(await said(page), "open");
      // an app that starts offline, by what its service worker has kept
      for (const [kept, wanted] of /** @type {const} */ ([
        ["", /^network: .*could not be fetched \(a PWA has to precache it/],
        ["?file=/lost/pullcord.wasm", /^open$/],
      ])) {
        const context = await browser.newContext();
        const app = await context.newPage();
        await app.goto(`${server.url}/pwa`);
        await app.evaluate(async (script) => {
          const { serviceWorker } = navigator;
          await serviceWorker.register(script);
          if (!serviceWorker.controller)
            await new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
        }, `/sw.js${kept}`);
        await context.setOffline(true);
        await app.reload();
        await app.waitForFunction(() => "tryToOpen" in globalThis);
        assert.match(await said(app), wanted);
        await context.close();
      }
    } finally {
      await browser.close();
      server.stop();
    }
  });
});
