// The wasm: in each form, where a browser lacks or forbids it, and after a panic.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Runtime } from "../../pkg-template/wasm.js";
import { EMPTY_WASM, codeOf, fakeClient, fakePackage, options } from "./fake.mjs";

test("after a panic all clients of the page are closed with internal, and the next one is fresh", async () => {
  const { createClient, world } = fakePackage();
  const [a, b] = [await createClient(options()), await createClient(options())];
  const timeline = a.timeline("c1");
  timeline.subscribe(() => {});
  const pending = b.sync();
  world.hosts[0].onCommand = () => {
    world.hosts[0].hooks.panicked("index out of bounds");
    throw new WebAssembly.RuntimeError("unreachable");
  };
  assert.equal(await codeOf(a.send("c1", 1)), "internal");
  assert.equal(await codeOf(pending), "internal");
  for (const client of [a, b]) {
    const { connection, error } = client.status.getSnapshot();
    assert.deepEqual([connection, error.code], ["closed", "internal"]);
    await client.close();
  }
  assert.equal(timeline.getSnapshot().status, "closed");
  const next = await createClient(options());
  assert.equal(world.instances, 2);
  await next.close();
});

test("a panic while opening rejects", async () => {
  const { createClient, world } = fakePackage();
  world.open = (_config, hooks) => {
    queueMicrotask(() => hooks.panicked("early"));
    return new Promise(() => {});
  };
  assert.equal(await codeOf(createClient(options())), "internal");
});

/** A browser whose WebAssembly is otherwise, for as long as `run` takes. */
async function withoutWasm(otherwise, run) {
  const before = WebAssembly;
  const { Module, CompileError, RuntimeError } = before;
  globalThis.WebAssembly =
    otherwise &&
    /** @type {any} */ ({
      Module,
      CompileError,
      RuntimeError,
      compile: before.compile,
      validate: before.validate,
      ...otherwise,
    });
  try {
    await run();
  } finally {
    globalThis.WebAssembly = before;
  }
}

const forbidden = async () => {
  throw new WebAssembly.CompileError(
    "Refused to compile or instantiate WebAssembly module because 'wasm-unsafe-eval' is not an allowed source of script",
  );
};

test("a browser that lacks or forbids WebAssembly, or is too old for it, is unsupported", async () => {
  const { createClient } = fakePackage();
  await withoutWasm(undefined, async () => assert.equal(await codeOf(createClient(options())), "unsupported"));
  await withoutWasm({ compile: forbidden }, async () =>
    assert.equal(await codeOf(createClient(options())), "unsupported"),
  );
  const old = async () => {
    throw new WebAssembly.CompileError("invalid opcode");
  };
  await withoutWasm({ compile: old, validate: () => false }, async () =>
    assert.equal(await codeOf(createClient(options())), "unsupported"),
  );
  await withoutWasm({ compile: old }, async () => assert.equal(await codeOf(createClient(options())), "internal"));
  await (await createClient(options())).close();
});

test("the wasm in all its forms", async () => {
  const server = createServer((request, response) => {
    if (request.url === "/missing") response.writeHead(404).end();
    else if (request.url === "/page") response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>");
    else
      response
        .writeHead(200, { "content-type": request.url === "/typed" ? "application/wasm" : "application/octet-stream" })
        .end(EMPTY_WASM);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const base = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`;
  try {
    const module = await WebAssembly.compile(EMPTY_WASM);
    const forms = [
      EMPTY_WASM,
      EMPTY_WASM.buffer,
      module,
      Promise.resolve(module),
      `${base}/typed`,
      new URL(`${base}/untyped`),
      fetch(`${base}/typed`),
      await fetch(`${base}/untyped`),
    ];
    for (const wasm of forms) {
      const { client } = await fakeClient({ wasm });
      await client.close();
    }
    const { createClient } = fakePackage();
    assert.equal(await codeOf(createClient(options({ wasm: `${base}/missing` }))), "network");
    assert.equal(await codeOf(createClient(options({ wasm: `${base}/page` }))), "internal");
    for (const url of ["/typed", "/untyped"]) {
      await withoutWasm({ compile: forbidden, compileStreaming: forbidden }, async () => {
        assert.equal(await codeOf(createClient(options({ wasm: base + url }))), "unsupported");
      });
    }
    assert.equal(await codeOf(createClient(options({ wasm: "http://127.0.0.1:1/" }))), "network");
    assert.equal(await codeOf(createClient(options({ wasm: 7 }))), "invalid");
    await assert.rejects(createClient(options({ wasm: new URL("./nowhere.wasm", import.meta.url) })), /pullcord\.wasm/);
    await (await createClient(options())).close();
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

/** What is fetched where the script is at this address, and its error; nothing is served. @param {string} script */
async function fetchedFrom(script) {
  /** @type {string[]} */
  const asked = [];
  const before = globalThis.fetch;
  globalThis.fetch = async (url) => {
    asked.push(String(url));
    throw new TypeError("Failed to fetch");
  };
  try {
    const instantiate = /** @type {any} */ (() => {});
    await new Runtime(instantiate, () => new URL("./pullcord.wasm", script)).instance(undefined);
  } catch (error) {
    return [asked.join(), /** @type {Error} */ (error).message];
  } finally {
    globalThis.fetch = before;
  }
  return [asked.join(), ""];
}

test("where Vite has moved the script the package's own folder is asked, whatever Vite's folder is called", async () => {
  const own = "node_modules/pullcord/pullcord.wasm";
  for (const [script, wanted] of [
    ["node_modules/.vite/deps/pullcord.js", own],
    ["node_modules/.vite/deps_temp_1a2b/pullcord.js", own],
    ["node_modules/.vite/vitest/1a2b/deps/pullcord.js", own],
    ["_nuxt/node_modules/.cache/vite/client/deps/pullcord.js", `_nuxt/${own}`],
    ["node_modules/.cache/storybook/1a2b/sb-vite/deps/pullcord.js", own],
    [".vite/deps/pullcord.js", own],
    ["@fs/home/ada/.work/app/node_modules/.vite/deps/pullcord.js", `@fs/home/ada/.work/app/${own}`],
    ["assets/deps/app.js", "assets/deps/pullcord.wasm"],
    ["node_modules/pullcord/index.js", own],
  ])
    assert.equal((await fetchedFrom(`http://app.example/${script}`))[0], `http://app.example/${wanted}`, script);
});

test("why the wasm may not be fetched goes by where it is", async () => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "location");
  const at = async (/** @type {string} */ page, /** @type {string} */ script) => {
    Object.defineProperty(globalThis, "location", { value: new URL(page), configurable: true });
    return (await fetchedFrom(script))[1];
  };
  try {
    assert.match(
      await at("https://app.example/", "https://app.example/app.js"),
      /a PWA has to precache it.*connect-src/,
    );
    assert.match(
      await at("https://app.example/", "https://cdn.example/app.js"),
      /does https:\/\/cdn.example allow https:\/\/app.example \(CORS\)/,
    );
  } finally {
    if (before) Object.defineProperty(globalThis, "location", before);
    else Reflect.deleteProperty(globalThis, "location");
  }
});
