// Opening and ending a client: options, the lock, taking over, wiping, a panic, the wasm.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { compareSeq } from "../../pkg-template/seq.js";
import { EMPTY_WASM, codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";

test("PullcordError is what the contract says", () => {
  const cause = new Error("deeper");
  /** @type {import("../../pkg-template/index.js").PullcordError} */
  const error = new PullcordError("timeout", "late", { cause, status: 504, retryAfter: 5 });
  assert.ok(error instanceof Error);
  assert.deepEqual(
    [error.name, error.code, error.message, error.retryable, error.cause, error.status, error.retryAfter],
    ["PullcordError", "timeout", "late", true, cause, 504, 5],
  );
  assert.equal(new PullcordError("aborted").name, "AbortError");
  assert.equal("uncertain" in error, false);
  assert.deepEqual(
    /** @type {const} */ (["network", "timeout", "offline", "rejected", "unauthorized"]).map(
      (code) => new PullcordError(code).retryable,
    ),
    [true, true, true, false, false],
  );
  assert.equal("cause" in new PullcordError("closed"), false);
});

test("positions compare as integers", () => {
  assert.equal(compareSeq("9", "10"), -1);
  assert.equal(compareSeq("18446744073709551615", 18446744073709551614n), 1);
  assert.equal(compareSeq("0010", 10), 0);
  assert.equal(compareSeq(9007199254740991, "9007199254740993"), -1);
  for (const wrong of [-1, 1.5, 2 ** 53, "1e3", "", "-1", 2n ** 64n, null, undefined]) {
    assert.throws(() => compareSeq(wrong, 1), { code: "invalid" }, String(wrong));
  }
});

test("options that are wrong are refused with what to do", async () => {
  const { createClient, world } = fakePackage();
  const wrong = [
    undefined,
    {},
    { account: "" },
    { account: 7 },
    { transport: {} },
    { transport: { baseUrl: "x", token: () => "" } },
    { transport: { baseUrl: "ftp://x/", token: () => "" } },
    { transport: { baseUrl: "https://x/" } },
    { ifOpen: "fight" },
    { logLevel: "loud" },
    { logger: 1 },
    { signal: true },
    { sync: 5 },
    { sync: null },
    { storage: [] },
    { storage: "memory" },
    { wasm: 5 },
    { wasm: null },
  ];
  for (const one of wrong) {
    const given = one === undefined || Object.keys(one).length === 0 ? one : options(one);
    await assert.rejects(
      createClient(given),
      (error) => error instanceof PullcordError && error.code === "invalid" && error.message.length > 10,
      JSON.stringify(one),
    );
  }
  assert.equal(world.hosts.length, 0);
  const { client } = await fakeClient();
  assert.throws(() => client.timeline(""), { code: "invalid" });
  for (const options of [null, 5, "latest", { start: null }])
    assert.throws(() => client.timeline("c1", options), { code: "invalid" });
  const timeline = client.timeline("c1");
  for (const options of [null, 5, "text"]) {
    const calls = [
      client.sync(options),
      timeline.loadOlder(options),
      timeline.loadNewer(options),
      timeline.jump("latest", options),
      timeline.send({}, options),
      client.send("c1", {}, options),
    ];
    assert.deepEqual(
      await Promise.all(calls.map(codeOf)),
      calls.map(() => "invalid"),
      String(options),
    );
  }
  for (const store of [client.status, client.conversations, client.conversation("c1"), client.outbox, timeline]) {
    for (const listener of [undefined, null, 5, {}])
      assert.throws(() => store.subscribe(listener), { code: "invalid" });
  }
  await client.close();
});

test("arguments that are none of the kind reject with invalid, and subscribing throws it", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  for (const wrong of [null, 5, "x", []]) {
    const calls = [
      timeline.loadOlder(wrong),
      timeline.loadNewer(wrong),
      timeline.jump("latest", wrong),
      timeline.send("hello", wrong),
      client.send("c1", "hello", wrong),
      client.sync(wrong),
    ];
    assert.deepEqual(
      await Promise.all(calls.map(codeOf)),
      calls.map(() => "invalid"),
      JSON.stringify(wrong),
    );
    assert.throws(() => client.timeline("c1", wrong), { code: "invalid" });
  }
  for (const store of [client.status, client.conversations, client.outbox, client.conversation("c1"), timeline])
    assert.throws(() => store.subscribe({}), { code: "invalid" });
  assert.throws(() => client.timeline("c1", { start: null }), { code: "invalid" });
  assert.deepEqual(
    host.ops().filter((op) => op !== "open"),
    [],
  );
  await client.close();
});

test("what the engine refuses is refused where it was said: options, a list, a command", async () => {
  const { createClient, world } = fakePackage();
  const error = { code: "invalid", message: "sync.pollInterval: not that" };
  const { open } = world;
  world.open = async () => {
    throw error;
  };
  const { instances } = world;
  await assert.rejects(
    createClient(options({ sync: { pollInterval: 0 } })),
    (refused) => refused instanceof PullcordError && refused.message === error.message,
  );
  world.open = open;
  const client = await createClient(options());
  const [host] = world.hosts;
  host.check = (command) => {
    assert.deepEqual(command, { op: "open", timeline: 0, conversation: "c1", start: "latest", maxItems: 5 });
    return error;
  };
  assert.throws(
    () => client.timeline("c1", { maxItems: 5 }),
    (refused) => refused instanceof PullcordError && refused.code === "invalid",
  );
  host.check = () => undefined;
  const timeline = client.timeline("c1");
  const { command } = host;
  host.command = (told) => (told.op === "load" ? error : command.call(host, told));
  await assert.rejects(timeline.loadOlder({ limit: 0 }), { name: "PullcordError", ...error });
  assert.equal(world.instances, instances + 1, "it is no panic");
  await client.close();
});

test("every scope, notification and overflow policy is told to the engine", async () => {
  const kinds = [
    ["account", "socket"],
    ["account", "long-poll"],
    ["account", "poll"],
    ["conversation", "socket"],
    ["conversation", "poll"],
    ["mailbox", "socket"],
    ["mailbox", "poll"],
  ];
  for (const [scope, notify] of kinds) {
    for (const overflow of ["clear", "keep"]) {
      const { client, host } = await fakeClient({ sync: { scope, notify }, overflow });
      assert.deepEqual([host.config.scope, host.config.notify, host.config.overflow], [scope, notify, overflow]);
      await client.close();
    }
  }
  const { client, host } = await fakeClient({ prefetch: false });
  assert.equal(host.config.prefetch, false);
  await client.close();
});

test("a place is told to the engine exactly, as a start and as a jump", async () => {
  const { client, host } = await fakeClient();
  const places = [
    ["latest", "latest"],
    ["first-unread", "first-unread"],
    [{ around: 5 }, { around: "5" }],
    [{ around: "007" }, { around: "7" }],
    [{ around: 2n ** 64n - 1n }, { around: "18446744073709551615" }],
    [{ at: 0 }, { at: 0 }],
    [{ at: 1_700_000_000_000, around: undefined }, { at: 1_700_000_000_000 }],
  ];
  for (const [given, told] of places) {
    const timeline = client.timeline("c1", { start: given });
    timeline.subscribe(() => {});
    assert.deepEqual(host.last("open").start, told);
    timeline.jump(given);
    assert.deepEqual(host.last("jump").to, told);
  }
  await client.close();
});

test("a place that is none is refused, as a start and as a jump", async () => {
  const { client, host } = await fakeClient();
  const wrong = [
    "oldest",
    "",
    5,
    null,
    {},
    { around: undefined },
    { around: null },
    { around: -1 },
    { around: 2 ** 53 },
    { around: "m5" },
    { around: "5", at: 5 },
  ];
  for (const place of wrong) {
    if (place !== null)
      assert.throws(() => client.timeline("c1", { start: place }), { code: "invalid" }, JSON.stringify(place));
    assert.equal(await codeOf(client.timeline("c1").jump(place)), "invalid", JSON.stringify(place));
  }
  assert.equal(host.last("jump"), undefined);
  await client.close();
});

test("the engine is told the options that are given, as they are", async () => {
  const { client, host } = await fakeClient({
    account: "told",
    sync: { notify: "poll", pullLimit: undefined },
    prefetch: null,
  });
  assert.deepEqual(host.config, {
    account: "told",
    baseUrl: "https://chat.example",
    notify: "poll",
    prefetch: null,
    online: true,
    metered: false,
    hidden: false,
    promoted: true,
  });
  assert.equal(host.hooks.token(), "secret");
  await client.close();
});

test("a client resolves with the engine's first status, and works once it has the lock", async () => {
  const { createClient, world } = fakePackage();
  let show;
  const original = world.open;
  world.open = async (config, hooks) => {
    const frame = hooks.frame;
    let held = [];
    hooks.frame = (text) => held.push(text);
    const host = await original(config, hooks);
    show = () => {
      hooks.frame = frame;
      for (const text of held) frame(text);
      held = [];
    };
    return host;
  };
  let open = false;
  const opening = createClient(options()).then((client) => {
    open = true;
    return client;
  });
  await until(() => world.hosts.length === 1 && world.hosts[0].isPromoted);
  assert.equal(open, false);
  show();
  await (await opening).close();
});

test("a second client of the account follows, and writes when the first has closed", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(world.hosts[1].isPromoted, false);
  await first.close();
  await until(() => world.hosts[1].isPromoted);
  assert.equal(world.instances, 1, "several clients share one instance");
  await second.close();
});

test("a following client that closes is passed by", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  const second = await createClient(shared);
  const third = await createClient(shared);
  await second.close();
  await first.close();
  await until(() => world.hosts[2].isPromoted);
  assert.equal(world.hosts[1].isPromoted, false);
  await third.close();
});

test("take-over closes the earlier client, which says so, and passes by a waiting one", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const waiting = await createClient({ ...shared, ifOpen: "wait" });
  const second = await createClient({ ...shared, ifOpen: "take-over" });
  await until(() => world.hosts[2].isPromoted);
  const { connection, error } = first.status.getSnapshot();
  assert.deepEqual([connection, error.code], ["closed", "closed"]);
  assert.match(error.message, /taken over/);
  assert.equal(await codeOf(first.sync()), "closed");
  assert.deepEqual(world.hosts[0].ops(), ["close"]);
  assert.equal(world.hosts[1].isPromoted, false);
  await second.close();
  await until(() => world.hosts[1].isPromoted);
  await waiting.close();
});

test("take-over steals the lock from a client that does not react", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  world.hosts[0].onCommand = () => {};
  const second = await createClient({ ...shared, ifOpen: "take-over" });
  await until(() => world.hosts[1].isPromoted);
  assert.equal(await codeOf(first.sync()), "closed");
  world.hosts[0].hooks.stopped(false);
  await second.close();
});

test("take-over of an account that nobody has works at once", async () => {
  const { client, host } = await fakeClient({ ifOpen: "take-over" });
  await until(() => host.isPromoted);
  await client.close();
});

test("close is safe to call twice, and gives the host back", async () => {
  const { client, host } = await fakeClient();
  const pending = client.inspect();
  const [once, again] = [client.close(), client.close()];
  assert.equal(await codeOf(client.sync()), "closed");
  await Promise.all([once, again]);
  await client.close();
  await settled();
  assert.equal(await codeOf(pending), "closed");
  assert.deepEqual(host.ops(), ["inspect", "close"]);
  assert.equal(host.isFree, true);
  const { connection, error } = client.status.getSnapshot();
  assert.deepEqual([connection, error], ["closed", null]);
});

test("a change that was on its way when the client ended says that it may have been made", async () => {
  for (const end of [(host) => host.hooks.stopped(false), (host) => host.hooks.panicked("mine")]) {
    const { client, host } = await fakeClient();
    host.onCommand = () => {};
    const timeline = client.timeline("c1");
    const changes = [
      client.send("c1", 1),
      timeline.edit("m1", 2),
      timeline.recall("m1"),
      client.markRead("c1", 5),
      client.retry("a"),
      client.discard("a"),
    ];
    const others = [client.sync(), client.inspect(), timeline.loadOlder()];
    await settled();
    end(host);
    const uncertain = async (promise) => promise.catch((error) => error.uncertain);
    assert.deepEqual(
      await Promise.all(changes.map(uncertain)),
      changes.map(() => true),
    );
    assert.deepEqual(
      await Promise.all(others.map(uncertain)),
      others.map(() => undefined),
    );
    assert.equal(await client.send("c1", 1).catch((error) => "uncertain" in error), false, "this one never left");
  }
});

test("an engine that stops by itself closes its client, with its reason", async () => {
  const { client, host } = await fakeClient();
  host.frame({
    status: {
      ...client.status.getSnapshot(),
      connection: "closed",
      error: { code: "storage", message: "deleted elsewhere" },
    },
  });
  host.hooks.stopped(false);
  const { connection, error } = client.status.getSnapshot();
  assert.deepEqual([connection, error.code], ["closed", "storage"]);
  await settled();
  assert.equal(host.isFree, true);
});

test("wipe closes every client of the account, and only those", async () => {
  const { createClient, wipe, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  const waiting = await createClient({ ...shared, ifOpen: "wait" });
  const other = await createClient(options());
  await wipe(shared.account);
  assert.equal(first.status.getSnapshot().connection, "closed");
  for (const one of [second, waiting]) await until(() => one.status.getSnapshot().connection === "closed");
  assert.equal(other.status.getSnapshot().connection, "online");
  await other.close();
});

test("a client's wipe closes the others, then deletes", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const first = await createClient(shared);
  await until(() => world.hosts[0].isPromoted);
  const second = await createClient(shared);
  await second.wipe();
  assert.equal(first.status.getSnapshot().connection, "closed");
  assert.deepEqual(
    world.hosts.map((host) => host.ops().at(-1)),
    ["close", "wipe"],
  );
  await second.wipe();
});

test("a wipe that could not delete rejects", async () => {
  const { client, host } = await fakeClient();
  host.onCommand = () =>
    queueMicrotask(() => host.hooks.stopped(true, JSON.stringify({ code: "storage", message: "blocked" })));
  assert.equal(await codeOf(client.wipe()), "storage");
  assert.equal(client.status.getSnapshot().connection, "closed");
});

test("a signal cancels opening and leaves nothing held", async () => {
  const { createClient, world } = fakePackage();
  assert.equal(await codeOf(createClient(options({ signal: AbortSignal.abort() }))), "aborted");
  assert.equal(world.hosts.length, 0);
  const original = world.open;
  let opened;
  world.open = (config, hooks) =>
    new Promise((resolve) => {
      opened = () => resolve(original(config, hooks));
    });
  const controller = new AbortController();
  const shared = options();
  const opening = createClient({ ...shared, signal: controller.signal });
  await until(() => opened);
  controller.abort();
  await assert.rejects(opening, { name: "AbortError" });
  opened();
  await until(() => world.hosts[0]?.isFree);
  world.open = original;
  const next = await createClient(shared);
  await until(() => world.hosts[1].isPromoted);
  await next.close();
});

test("an opening settles at whatever stage it is cancelled, and whatever does not answer", async (t) => {
  const never = new Promise((end) => {
    // or its time-out would keep this process for half a minute
    t.after(end);
  });
  const stages = {
    "the wasm": () => ({ wasm: never }),
    "the store": (world) => {
      world.open = () => never;
      return {};
    },
    "the first frame": (world) => {
      const { open } = world;
      world.open = (config, hooks) => open(config, { ...hooks, frame: () => {} });
      return {};
    },
  };
  for (const [stage, prepare] of Object.entries(stages)) {
    const { createClient, world } = fakePackage();
    const controller = new AbortController();
    const opening = codeOf(createClient(options({ signal: controller.signal, ...prepare(world) })));
    await settled();
    controller.abort();
    assert.equal(await opening, "aborted", stage);
    // and by itself
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const hung = fakePackage();
    const given = prepare(hung.world);
    const { open } = hung.world;
    let opens = given.wasm !== undefined;
    hung.world.open = (...all) => {
      opens = true;
      return open(...all);
    };
    const alone = codeOf(hung.createClient(options(given)));
    while (!opens) await settled();
    for (let turns = 0; turns < 5; turns += 1) await settled();
    t.mock.timers.tick(stage === "the wasm" ? 30_000 : 45_000);
    assert.equal(await alone, stage === "the wasm" ? "timeout" : "storage", stage);
    t.mock.timers.reset();
  }
});

test("a signal rejects its own call at once, also where the engine does not answer", async () => {
  const { client, host } = await fakeClient();
  host.onCommand = () => {};
  const controller = new AbortController();
  const [mine, other] = [codeOf(client.sync({ signal: controller.signal })), codeOf(client.sync())];
  controller.abort();
  assert.equal(await mine, "aborted");
  host.answer("sync", null);
  assert.equal(await other, "resolved");
  assert.deepEqual(host.ops(), ["sync", "sync", "abort"]);
  // what comes after all is nobody's
  host.frame({ results: [{ call: host.commands[0].call, ok: null }] });
  host.hooks.stopped(false);
});

test("what was not as it has to be is an event of its own", async () => {
  const { client, host } = await fakeClient();
  const heard = [];
  client.on("irregular", (detail) => heard.push(detail));
  const detail = {
    where: "batch",
    conversation: null,
    count: 1,
    first: { id: null, reason: "no seq", done: "left-out" },
  };
  host.frame({ events: [{ type: "irregular", detail }] });
  await settled();
  assert.deepEqual(heard, [detail]);
  await client.close();
});

test("what is cancelled at once holds nothing once it has rejected", async () => {
  const { createClient, world } = fakePackage();
  const shared = options();
  const controller = new AbortController();
  const opening = createClient({ ...shared, signal: controller.signal });
  controller.abort();
  await assert.rejects(opening, { name: "AbortError" });
  const next = await createClient(shared);
  assert.equal(world.hosts.at(-1).isPromoted, true, "it did not wait for what was cancelled");
  await next.close();
});

test("a store that does not open rejects with its reason, and the next try may work", async () => {
  const { createClient, world } = fakePackage();
  const original = world.open;
  world.open = async () => {
    throw { code: "storage-newer", message: "a newer version wrote it" };
  };
  const shared = options();
  await assert.rejects(
    createClient(shared),
    (error) => error instanceof PullcordError && error.code === "storage-newer",
  );
  world.open = original;
  const client = await createClient(shared);
  await client.close();
});

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

test("logs obey their level, and a logger that throws does no harm", async () => {
  const lines = [];
  const { client, host } = await fakeClient({
    logLevel: "info",
    logger: (level, text, detail) => {
      lines.push([level, text, detail]);
      throw new Error("mine");
    },
  });
  lines.length = 0;
  host.frame({
    logs: [
      { level: "debug", message: "too fine" },
      { level: "info", message: "pulled", detail: { events: 3 } },
    ],
  });
  host.hooks.log("error", "trouble", JSON.stringify([1]));
  assert.deepEqual(lines, [
    ["info", "pulled", { events: 3 }],
    ["error", "trouble", [1]],
  ]);
  await client.close();
});

/** A page with its tab and its connection, for as long as `run` takes; it starts visible, online and unmetered. */
async function inPage(run) {
  const [page, tab, connection] = [new EventTarget(), new EventTarget(), new EventTarget()];
  Object.assign(page, { visibilityState: "visible" });
  const navigator = { onLine: true, connection };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const addEventListener = tab.addEventListener.bind(tab);
  const removeEventListener = tab.removeEventListener.bind(tab);
  Object.assign(globalThis, { document: page, addEventListener, removeEventListener });
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  try {
    await run({ page, tab, connection, navigator });
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
}

const event = (type, fields = {}) => Object.assign(new Event(type), fields);

test("what the browser says about network and page becomes commands", () =>
  inPage(async ({ page, tab, connection, navigator }) => {
    const { client, host } = await fakeClient();
    const told = (target, type, fields) => {
      host.commands.length = 0;
      target.dispatchEvent(event(type, fields));
      return host.commands;
    };
    assert.deepEqual(host.commands, []);
    navigator.onLine = false;
    assert.deepEqual(told(tab, "offline"), [{ op: "network", online: false, metered: false }]);
    navigator.onLine = true;
    assert.deepEqual(told(tab, "online"), [{ op: "network", online: true, metered: false }]);
    page.visibilityState = "hidden";
    assert.deepEqual(told(page, "visibilitychange"), [{ op: "visibility", hidden: true }]);
    Object.assign(page, { visibilityState: "visible" });
    assert.deepEqual(told(page, "visibilitychange"), [{ op: "visibility", hidden: false }]);
    assert.deepEqual(told(page, "freeze"), [{ op: "sleep" }, { op: "freeze" }]);
    assert.deepEqual(told(page, "resume"), [{ op: "wake" }, { op: "resume" }]);
    connection.saveData = true;
    assert.deepEqual(told(connection, "change"), [{ op: "network", online: true, metered: true }]);
    assert.deepEqual(told(connection, "change"), [], "its estimated speed is no news");
    await client.close();
  }));

test("every pagehide freezes, whatever the browser says of its page cache, and the next sign of life resumes", () =>
  inPage(async ({ page, tab, navigator }) => {
    const { client, host } = await fakeClient();
    tab.dispatchEvent(event("pageshow", { persisted: false }));
    assert.deepEqual(host.commands, [], "a new page was not asleep");
    for (const persisted of [false, true]) {
      tab.dispatchEvent(event("pagehide", { persisted }));
      assert.deepEqual(host.commands, [{ op: "sleep" }, { op: "freeze" }]);
      page.dispatchEvent(event("freeze"));
      assert.equal(host.commands.length, 2, "it sleeps already");
      host.commands.length = 0;
      tab.dispatchEvent(event("pageshow", { persisted }));
      page.dispatchEvent(event("resume"));
      assert.deepEqual(host.commands, [{ op: "wake" }, { op: "resume" }]);
      host.commands.length = 0;
    }
    tab.dispatchEvent(event("pagehide", { persisted: true }));
    page.dispatchEvent(event("visibilitychange"));
    assert.deepEqual(host.ops(), ["sleep", "freeze", "wake", "resume"], "one that is looked at is awake");
    tab.dispatchEvent(event("pagehide", { persisted: true }));
    host.commands.length = 0;
    // what went on meanwhile the page is not told of
    navigator.onLine = false;
    page.visibilityState = "hidden";
    tab.dispatchEvent(event("pageshow", { persisted: true }));
    assert.deepEqual(host.commands, [
      { op: "network", online: false, metered: false },
      { op: "visibility", hidden: true },
      { op: "wake" },
      { op: "resume" },
    ]);
    await client.close();
  }));

test("a metered connection is told from the beginning, and so is what changes while the client opens", () =>
  inPage(async ({ connection, navigator }) => {
    connection.saveData = true;
    const { client, host } = await fakeClient();
    assert.deepEqual([host.config.metered, host.config.online], [true, true]);
    await client.close();
    const { createClient, world } = fakePackage();
    const { open } = world;
    world.open = async (...given) => {
      navigator.onLine = false;
      return open(...given);
    };
    const late = await createClient(options());
    const [opened] = world.hosts;
    assert.equal(opened.config.online, true);
    assert.deepEqual(opened.commands, [{ op: "network", online: false, metered: true }]);
    await late.close();
  }));

test("no listener stays once the client has closed", () =>
  inPage(async ({ page, tab, connection }) => {
    const kinds = new Set();
    const count = (target, name) => {
      const { addEventListener, removeEventListener } = target;
      const counted = {
        addEventListener(type, listener) {
          kinds.add(`${name} ${type}`);
          addEventListener.call(target, type, listener);
        },
        removeEventListener(type, listener) {
          kinds.delete(`${name} ${type}`);
          removeEventListener.call(target, type, listener);
        },
      };
      Object.assign(target, counted);
      if (target === tab) Object.assign(globalThis, counted);
    };
    count(page, "page");
    count(tab, "tab");
    count(connection, "connection");
    const { client } = await fakeClient();
    assert.deepEqual([...kinds].sort(), [
      "connection change",
      "page freeze",
      "page resume",
      "page visibilitychange",
      "tab offline",
      "tab online",
      "tab pagehide",
      "tab pageshow",
    ]);
    await client.close();
    assert.deepEqual([...kinds], []);
  }));

/** A browser whose databases are deleted as `request` says, for as long as `run` takes. */
async function withDatabases(run, request = (asked) => asked.onsuccess()) {
  const deleted = [];
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase(name) {
      deleted.push(name);
      const asked = {};
      queueMicrotask(() => request(asked));
      return asked;
    },
  });
  try {
    await run(deleted);
  } finally {
    delete globalThis.indexedDB;
  }
}

test("wipe needs no client and no wasm, and closes the clients that there are", async () => {
  const { createClient, wipe, world } = fakePackage();
  const shared = options();
  await withDatabases(async (deleted) => {
    await wipe(shared.account);
    assert.deepEqual([deleted, world.instances], [[`pullcord:${shared.account}`], 0]);
    const client = await createClient(shared);
    await wipe(shared.account);
    assert.equal(client.status.getSnapshot().connection, "closed");
    assert.equal(deleted.length, 2);
  });
});

test("wipe rejects with storage where the data is not deleted, and resolves where there is none", async (t) => {
  const { wipe } = fakePackage();
  const { account } = options();
  const refused = (name) => (asked) => {
    asked.error = new DOMException("no", name);
    asked.onerror();
  };
  await withDatabases(async () => assert.equal(await codeOf(wipe(account)), "storage"), refused("UnknownError"));
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase() {
      throw new DOMException("no", "SecurityError");
    },
  });
  assert.equal(await codeOf(wipe(account)), "resolved");
  globalThis.indexedDB = /** @type {any} */ ({
    deleteDatabase() {
      throw new Error("no");
    },
  });
  assert.equal(await codeOf(wipe(account)), "storage");
  delete globalThis.indexedDB;
  assert.equal(await codeOf(wipe(account)), "resolved");
  // another tab does not let go, or the browser says nothing at all
  /** @type {[request: (asked: any) => void, bound: number][]} */
  const silences = [
    [(asked) => asked.onblocked(), 5_000],
    [() => {}, 10_000],
  ];
  for (const [request, bound] of silences) {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    await withDatabases(async (deleted) => {
      const wiping = codeOf(wipe(account));
      for (let turns = 0; turns < 5; turns += 1) await settled();
      assert.equal(deleted.length, 1);
      t.mock.timers.tick(bound);
      assert.equal(await wiping, "storage");
    }, request);
    t.mock.timers.reset();
  }
});

test("a client whose engine does not stop is wiped all the same", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { client, host } = await fakeClient();
  host.onCommand = () => {};
  await withDatabases(async (deleted) => {
    const wiping = client.wipe();
    for (let turns = 0; turns < 5; turns += 1) await settled();
    t.mock.timers.tick(5_000);
    await wiping;
    assert.deepEqual(deleted, [`pullcord:${client.account}`]);
    assert.equal(host.isFree, true);
  });
});

test("wipe() while it is being closed deletes the data when it has ended", async () => {
  const { client, host } = await fakeClient();
  host.onCommand = () => {};
  await withDatabases(async (deleted) => {
    const closing = client.close();
    const wiping = client.wipe();
    await settled();
    assert.deepEqual(deleted, []);
    host.hooks.stopped(false);
    await Promise.all([closing, wiping]);
    assert.deepEqual(deleted, [`pullcord:${client.account}`]);
  });
});

test("what the app's transport cannot do is refused at once", async () => {
  const transport = { pull: async () => {}, conversations: async () => {}, history: async () => {} };
  const { client, host } = await fakeClient({ transport });
  assert.equal(await codeOf(client.send("c1", "hello")), "invalid");
  assert.equal(await codeOf(client.timeline("c1").send("hello")), "invalid");
  assert.equal(await codeOf(client.markRead("c1", 5)), "invalid");
  assert.equal(host.last("send"), undefined);
  assert.equal(host.last("mark-read"), undefined);
  await client.close();
});
