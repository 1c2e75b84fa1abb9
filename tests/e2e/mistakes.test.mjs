// What goes wrong when an app is made: each mistake once, on the packed package in Node, and the one line of the log
// that says so. What needs a page's address, a worker or time is in tests/facade.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fresh } from "./support/harness.mjs";
import {
  createClient,
  folder,
  nothing,
  once,
  poll,
  quiet,
  said,
  serving,
  status,
  sync,
  until,
  world,
} from "./support/mistakes.mjs";

describe("options", { concurrency: true }, () => {
  /** @type {[string, object, RegExp][]} */
  const wrong = [
    ["misspelt", { pagesize: 20 }, /no option `pagesize`: is `pageSize` meant/],
    ["misspelt inside", { sync: { pollinterval: 1000 } }, /sync has no option `pollinterval`: is `pollInterval` meant/],
    ["in the wrong place", { pollInterval: 1000 }, /no option `pollInterval`: is `sync.pollInterval` meant/],
    [
      "of the transport, in the wrong place",
      { baseUrl: "http://127.0.0.1:9" },
      /no option `baseUrl`: is `transport.baseUrl` meant/,
    ],
    ["unknown", { theme: "dark" }, /no option `theme`/],
    ["a mode alone", { storage: "memory" }, /storage is an object, as { mode: "memory" }, not string$/],
    ["a way to be notified alone", { sync: "poll" }, /sync is an object, as { notify: "poll" }, not string$/],
    [
      "an address that was not set where the app is built",
      { transport: { baseUrl: undefined, token: () => "t" } },
      /transport.baseUrl is a text, and not undefined: is the variable that it comes from set/,
    ],
    [
      "an address that is an object",
      { transport: { baseUrl: new URL("http://127.0.0.1:9"), token: () => "t" } },
      /transport.baseUrl is a text, and not a URL: give its `href`$/,
    ],
    [
      "an address that is empty",
      { transport: { baseUrl: "", token: () => "t" } },
      /transport.baseUrl is no URL, and begins with https:\/\/ or http:\/\/: ""$/,
    ],
    ["unknown inside", { storage: { quota: 5, mode: "memory" } }, /storage has no option `quota`/],
    ["of a wrong type", { pageSize: "30" }, /pageSize.*"30"/],
    ["out of range", { pageSize: 0 }, /pageSize.*0/],
    ["seconds in place of ms", { sync: { pollInterval: 30 } }, /^sync.pollInterval is 30 ms: .*`pollInterval: 30000`/],
    [
      "seconds in place of ms, of the transport",
      { transport: { baseUrl: "http://127.0.0.1:9", token: () => "t", timeout: 15 }, ...poll },
      /^transport.timeout is 15 ms: is it meant in seconds\? `timeout: 15000`/,
    ],
    [
      "a token that is asked for at once",
      { transport: { baseUrl: "http://127.0.0.1:9", token: Promise.resolve("t") } },
      /^createClient: transport.token is a function, not a promise: give what makes it/,
    ],
    ["an object", { pageSize: { most: 3 } }, /pageSize: it is an object, expected an integer/],
    ["no text", { overflow: true }, /overflow: it is `true`, expected `clear` or `keep`$/],
    [
      "no text inside",
      { sync: { notify: true } },
      /sync.notify: it is `true`, expected `socket`, `long-poll` or `poll`$/,
    ],
    ["null", { pageSize: null }, /pageSize: it is null, expected an integer/],
    ["infinite", { pageSize: Infinity }, /pageSize: it is `Infinity`, expected an integer/],
    ["none that there is", { overflow: "reset" }, /overflow: it is `reset`, expected `clear` or `keep`/],
    ["a user who is not known yet", { account: `https://chat.example|${undefined}` }, /is the user known yet/],
    ["a client's in the transport's place", { transport: fetch }, /a Transport\), not a function/],
    ["a promise of a transport", { transport: Promise.resolve({}) }, /a Transport\), not a promise: await it/],
    ["the backend itself", { transport: { transport: () => {} } }, /not a backend: what its `transport/],
    [
      "another object",
      { transport: { a: 1, b: 2, c: 3, d: 4 } },
      /transport has no options `\w+`, `\w+`, `\w+` and \d+ more/,
    ],
    ["none of those that there are", { sync: { scope: "acount" } }, /sync.scope.*acount/],
    ["wrong together", { sync: { notify: "long-poll", scope: "mailbox" } }, /long-poll/],
    ["no account", { account: undefined }, /account is a text/],
    ["an empty account", { account: "" }, /account is a text that is not empty/],
    ["no transport", { transport: undefined }, /transport is \{ baseUrl, token \}/],
    [
      "another name for the address",
      { transport: { url: "https://chat.example", token: () => "t" } },
      /transport has no option `url`/,
    ],
    [
      "a token that is no function",
      { transport: { baseUrl: "https://chat.example", token: "t" } },
      /transport.token is a function/,
    ],
    [
      "a host without protocol",
      { transport: { baseUrl: "chat.example", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*chat\.example/,
    ],
    [
      "a host and port without protocol",
      { transport: { baseUrl: "localhost:3000", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*localhost:3000/,
    ],
    [
      "a WebSocket's address",
      { transport: { baseUrl: "wss://chat.example", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*wss:/,
    ],
    [
      "an address with a query",
      { transport: { baseUrl: "http://127.0.0.1:9/?key=1", token: () => "t" } },
      /query or a hash/,
    ],
    [
      "an address with the version",
      { transport: { baseUrl: "http://127.0.0.1:9/v1", token: () => "t" } },
      /ends with \/v1/,
    ],
  ];
  for (const [what, options, gist] of wrong) {
    test(what, () => once(what, { transport: world().transport, ...options }, gist, nothing));
  }
});

describe("a token", { concurrency: true }, () => {
  /** @type {[string, () => any, RegExp][]} */
  const wrong = [
    ["undefined", () => undefined, /^pull: the token provider gave no string/],
    ["an object", async () => ({ token: "t" }), /^pull: the token provider gave no string/],
    ["empty", () => "", /^pull: the token provider gave an empty token/],
    ["with a line break", () => "t\n", /^pull: the token has characters that an HTTP header cannot carry/],
    [
      "that throws",
      () => {
        throw new Error("no session");
      },
      /^pull: the token provider failed: no session/,
    ],
    ["that never comes", () => new Promise(() => {}), /^pull: the token provider did not answer in time/],
  ];
  for (const [what, token, gist] of wrong)
    test(what, () =>
      serving(status(404), (baseUrl) =>
        once(what, { ...poll, transport: { baseUrl, token, timeout: 300 } }, gist, sync),
      ),
    );
});

describe("calls", { concurrency: true }, () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const timeline = (use) => async (client) => {
    const one = client.timeline("talk");
    await one.loadOlder();
    await quiet(use(one));
  };
  /** What throws, and is told also where it is caught. @param {(client: any) => any} call */
  const thrown = (call) => async (client) => void assert.throws(() => call(client), { code: "invalid" });
  /** @type {[string, (client: any) => any, RegExp, object?][]} */
  const wrong = [
    [
      "an event that there is not",
      thrown((client) => client.on("message", () => {})),
      /^on: there is no event message: /,
    ],
    [
      "no listener of an event",
      thrown((client) => client.on("messages")),
      /^on: listener is a function, not undefined/,
    ],
    ["a list of nothing", thrown((client) => client.timeline()), /^timeline: conversation is a text that is not empty/],
    [
      "a list that begins nowhere",
      thrown((client) => client.timeline("talk", { start: "last" })),
      /^timeline: start is "latest"/,
    ],
    ["no conversation", thrown((client) => client.conversation(null)), /^conversation: conversation is a text/],
    [
      "no listener of a list",
      thrown((client) => client.timeline("talk").subscribe()),
      /^subscribe: listener is a function, not undefined/,
    ],
    [
      "a listener that is its result",
      thrown((client) => client.conversations.subscribe({})),
      /^subscribe: listener is a function, not object/,
    ],
    [
      "rows' numbers in place of keys",
      thrown((client) => client.timeline("talk").visible(0, 9)),
      /^visible: it takes the keys of the first and the last item/,
    ],
    [
      "a clientId that was given to another message",
      async (client) => {
        await client.send("talk", { text: "one" }, { clientId: "mine" });
        await client.send("talk", { text: "one" }, { clientId: "mine" });
        await client.send("other", { text: "two" }, { clientId: "mine" });
        await client.send("talk", { text: "two" }, { clientId: "mine" });
      },
      /^send\("talk"\): the clientId "mine" was given to another message, so that nothing is sent: each message/,
    ],
    [
      "a body that is undefined",
      (client) => quiet(client.send("talk", undefined)),
      /^send: body is no JSON: undefined/,
    ],
    ["a body that is cyclic", (client) => quiet(client.send("talk", cyclic)), /^send: body is no JSON: .*circular/],
    ["a body with a bigint", (client) => quiet(client.send("talk", { n: 1n })), /^send: body is no JSON: .*BigInt/],
    ["a body that is a form", (client) => client.send("talk", new FormData()), /^body is a FormData, of which JSON/],
    [
      "a body with a file",
      (client) => client.send("talk", { file: new Blob(["x"]) }),
      /^body: `file` is a Blob, of which JSON keeps nothing/,
    ],
    [
      "a body with a function",
      (client) => client.send("talk", { text: () => "hi" }),
      /^body: `text` is a function, of which JSON keeps nothing/,
    ],
    [
      "a body with bytes",
      (client) => client.send("talk", { data: new Uint8Array(3) }),
      /^body: `data` is a Uint8Array, of which JSON/,
    ],
    [
      "a body with a number that is none",
      (client) => client.send("talk", { price: 0 / 0 }),
      /^body: `price` is NaN, of which JSON keeps nothing/,
    ],
    ["a row's key", (client) => quiet(client.retry("c:1")), /^retry: "c:1" looks like a row's key/],
    ["a message's key", (client) => client.discard("m:1"), /^discard: "m:1" looks like a row's key/],
    [
      "a message's id in place of a clientId",
      (client) => quiet(client.retry("talk-1")),
      /^retry: no message that waits or failed has the clientId "talk-1"/,
    ],
    [
      "a row's key in place of a message's id",
      timeline((one) => one.edit(one.getSnapshot().items.at(-1).key, { text: "edited" })),
      /^edit: messageId is a row's key, "m:talk-40": give the `id` of its message/,
    ],
    [
      "messages' ids in place of keys",
      timeline(async (one) => one.visible("talk-30", "talk-40")),
      /^visible was given the id of a message: it takes keys of rows, `item.key`/,
    ],
    [
      "a body that is too large",
      (client) => quiet(client.send("talk", "x".repeat(5 << 20))),
      /^send: body: JSON of at most/,
    ],
    [
      "a conversation without name",
      (client) => quiet(client.send("", {})),
      /^send: conversation is a text that is not empty/,
    ],
    [
      "a position that is none",
      (client) => quiet(client.markRead("talk", "latest")),
      /^markRead: a position is an unsigned 64-bit integer, the `seq` of a message, and not "latest"/,
    ],
    [
      "a message in place of its position",
      timeline((one) => one.markRead(one.getSnapshot().items[0].message)),
      /^markRead: a position is .* the `seq` of a message, and not the message itself/,
    ],
    [
      "no position",
      (client) => quiet(client.markRead("talk")),
      /^markRead: a position is .* the `seq` of a message, and not undefined/,
    ],
    [
      "a time in place of a position",
      async (client) => {
        await client.sync();
        await client.markRead("talk", Date.now());
      },
      /^markRead: the newest position of "talk" is 40, and \d+ looks like a time: give the `seq` of a message/,
    ],
    [
      "a time in seconds to jump to",
      timeline((one) => one.jump({ at: 1_764_500_000 })),
      /^to: `at` is in milliseconds since the epoch, and 1764500000 looks like seconds/,
    ],
    [
      "a Date to jump to",
      timeline((one) => one.jump({ at: new Date() })),
      /^jump: to: `at` is in milliseconds since the epoch, and not a Date: give its getTime\(\)$/,
    ],
    [
      "a text of a time to jump to",
      timeline((one) => one.jump({ at: "2026-12-01" })),
      /^jump: to: `at` is in milliseconds since the epoch, a number, and not string$/,
    ],
    [
      "positions in place of keys",
      timeline(async (one) => one.visible("30", "40")),
      /^visible was given "30": it takes keys of rows, `item.key`/,
    ],
    [
      "an unknown option of send",
      (client) => quiet(client.send("talk", {}, { clientID: "x" })),
      /^send has no option `clientID`: is `clientId` meant/,
    ],
    [
      "an unknown option of a list",
      async (client) => client.timeline("talk", { pagesize: 9 }),
      /^timeline has no option `pagesize`: is `pageSize` meant/,
    ],
    [
      "an unknown option of a page",
      timeline((one) => one.loadOlder({ limits: 3 })),
      /^loadOlder has no option `limits`: is `limit` meant/,
    ],
    [
      "an event in place of options",
      timeline((one) => one.loadOlder(new Event("click"))),
      /^loadOlder was given an event: call it by a function, `\(\) => loadOlder\(\)`/,
    ],
    [
      "an event in place of a body",
      timeline((one) => one.send(new Event("click"))),
      /^send: body is an event: call it by a function/,
    ],
    ["a page of none", timeline((one) => one.loadOlder({ limit: 0 })), /^loadOlder: limit: .*0.*integer from 1/],
    ["a place that is none", timeline((one) => one.jump("lates")), /^jump: to is "latest"/],
    ["a message without name", timeline((one) => one.edit(undefined, {})), /^edit: messageId is a text/],
    [
      "what the transport cannot do",
      (client) => quiet(client.send("talk", {})),
      /^send: the transport has no method send/,
      { send: () => undefined },
    ],
    [
      "a client that is closed",
      async (client) => {
        await client.close();
        await quiet(client.send("talk", {}));
      },
      /^send was called on a client that is closed/,
    ],
  ];
  for (const [what, use, gist, replaced] of wrong)
    test(what, () => once(what, { transport: world(replaced).transport }, gist, use));
});

test("what cannot be loaded or kept", async () => {
  await once(
    "no IndexedDB",
    { storage: { mode: "auto" }, transport: world().transport },
    /^the database: the data is kept in memory/,
    nothing,
  );
  const noWorker = () => {
    throw new Error("no such file");
  };
  await once(
    "no worker",
    { worker: noWorker, transport: world().transport },
    /^the core runs in the page, and not in a worker: `worker` failed: no such file/,
    nothing,
  );
  await once(
    "no worker, but another thing",
    { worker: () => ({ port: {} }), transport: world().transport },
    /^the core runs in the page, and not in a worker: `worker` has to return a Worker, and a new one at each call/,
    nothing,
  );
  const other = await import(`${pathToFileURL(join(folder, "index.js")).href}?again`);
  /** @type {string[]} */
  const lines = [];
  const logger = (_, text) => lines.push(text);
  await assert.rejects(
    other.createClient({ account: "a", transport: world().transport, wasm: "file:///nowhere.wasm", logger }),
  );
  assert.deepEqual(lines.length, 1);
  assert.match(lines[0], /^the client ends: cannot read file:\/\/\/nowhere.wasm \(esbuild, .*\): /);
  // what Next makes of the wasm's address, on its server
  const path = "/_next/static/media/pullcord.0cafe.wasm";
  const opening = other.createClient({ account: "a", transport: world().transport, wasm: path, logger });
  await assert.rejects(opening, { code: "network" });
  const [unfetched] = lines.splice(1);
  assert.match(unfetched, /pullcord.0cafe.wasm could not be fetched \(.*Next bundles .*: import "pullcord\/inline"/);

  // jsdom in Jest
  const { TextDecoder } = globalThis;
  Reflect.deleteProperty(globalThis, "TextDecoder");
  try {
    const { createClient } = await import(`${pathToFileURL(join(folder, "index.js")).href}?jsdom`);
    const transport = world().transport;
    await assert.rejects(createClient({ account: "a", transport, logger }), { code: "unsupported" });
    assert.match(lines[1], /^the client ends: TextDecoder is missing here, as in Jest's jsdom: /);
  } finally {
    globalThis.TextDecoder = TextDecoder;
  }
});

test("a wasm of another build is fetched anew, once, and then refused", async () => {
  const right = readFileSync(join(folder, "pullcord.wasm"));
  const old = Uint8Array.from(right);
  old[old.length - 1] ^= 1;
  /** @param {Uint8Array[]} served @param {(url: string) => any} [given] */
  const opened = async (served, given = (url) => url) => {
    const all = [...served];
    const answer = (_, response) => response.writeHead(200, { "content-type": "application/wasm" }).end(all.shift());
    const name = `${served.map((one) => one === old)}${given}`;
    const { createClient } = await import(
      `${pathToFileURL(join(folder, "index.js")).href}?${encodeURIComponent(name)}`
    );
    let outcome;
    await serving(answer, async (url) => {
      const logger = () => {};
      const options = { account: fresh("a"), transport: world().transport, storage: { mode: "memory" }, logger };
      outcome = await createClient({ ...options, wasm: given(url) }).then((client) => client.close(), String);
    });
    return [outcome, all.length];
  };
  const refused = /the wasm is of another build of the package than its script .*: import "pullcord\/inline"/;
  assert.deepEqual(await opened([right]), [undefined, 0]);
  assert.deepEqual(await opened([old, right]), [undefined, 0], "the cache had it");
  const [error, left] = await opened([old, old, right]);
  assert.match(error, refused);
  assert.equal(left, 1);
  assert.match((await opened([old, right], (url) => fetch(url)))[0], refused);
  assert.match((await opened([], () => old))[0], refused);
});

test("a service worker's sync that is asked for wrongly is told, for nobody sees what `waitUntil` is given", async () => {
  const { syncOnce } = await import(pathToFileURL(join(folder, "worker.js")).href);
  /** @type {string[]} */
  const lines = [];
  const logger = (_, text) => lines.push(text);
  const options = { account: "a", transport: world().transport, logger };
  await assert.rejects(syncOnce({ ...options, deadline: "20s" }), { code: "invalid" });
  await assert.rejects(syncOnce({ ...options, signal: 5 }), { code: "invalid" });
  assert.deepEqual(lines, [
    "syncOnce: deadline is a number of ms from 1 to 2147483647, not 20s",
    "syncOnce: signal is an AbortSignal",
  ]);
});

test("a log that is none is told to the console", async () => {
  /** @type {string[]} */
  const lines = [];
  const { warn } = console;
  console.warn = (text) => lines.push(text);
  try {
    for (const wrong of [{ logger: console }, { logLevel: "verbose" }])
      await assert.rejects(createClient({ account: "a", transport: world().transport, ...wrong }), { code: "invalid" });
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(lines, [
    "pullcord: createClient: logger is a function, not object",
    "pullcord: createClient: logLevel is one of debug, info, warn, error, silent, not verbose",
  ]);
});

test("two clients of one account that differ in their scope", async () => {
  const account = fresh("ada");
  const { transport } = world();
  const lines = await said({ account, transport }, async (_, lines) => {
    await said({ account, transport, sync: { scope: "conversation" } }, () => until(() => lines.length));
  });
  assert.equal(lines.length, 1);
  assert.match(lines[0][1], /^the client ends: .*scope/);
});

test("it is said again after it has changed, and after it went well", async () => {
  let wrong = /** @type {any} */ (null);
  const { transport } = world({
    edit:
      (edit) =>
      async (...given) => {
        if (wrong) throw wrong;
        return edit(...given);
      },
  });
  const error = (code) => Object.assign(new Error(`it is ${code}`), { name: "PullcordError", code });
  const lines = await said({ transport, ...poll }, async (client) => {
    const timeline = client.timeline("talk");
    await timeline.loadOlder();
    const { id } = timeline.getSnapshot().items.at(-1).message;
    for (const now of [error("rejected"), error("rejected"), error("forbidden"), null, error("rejected")]) {
      wrong = now;
      await quiet(timeline.edit(id, { text: "edited" }));
    }
  });
  assert.deepEqual(
    lines.map(([, text]) => text),
    ["rejected", "forbidden", "rejected"].map((code) => `edit("talk"): it is ${code}`),
  );
});

test("where all is well nothing is said", async () => {
  for (const scope of ["account", "conversation", "mailbox"]) {
    const { backend, transport } = world();
    const lines = await said({ transport, sync: { scope } }, async (client) => {
      const timeline = client.timeline("talk");
      const stop = timeline.subscribe(() => {});
      await timeline.loadOlder();
      await timeline.jump({ around: 5 });
      await timeline.jump("latest");
      await timeline.send({ text: "hello" });
      await client.sync();
      await until(() => client.outbox.getSnapshot().length === 0);
      const { message } = timeline.getSnapshot().items.at(-1);
      await timeline.edit(message.id, { text: "edited" });
      await backend.post("talk", "an answer", "bob");
      await client.sync();
      await timeline.markRead();
      await timeline.recall(message.id);
      await client.sync();
      stop();
    });
    assert.deepEqual(lines, [], scope);
  }
});

test("each request and each commit is told to who wants to know", async () => {
  const lines = await said({ transport: world().transport, ...poll, logLevel: "debug" }, async (client) => {
    await client.sync();
    await client.timeline("talk").loadOlder();
  });
  const has = (level, gist) =>
    assert.ok(
      lines.some(([l, text]) => l === level && gist.test(text)),
      `${gist} in ${JSON.stringify(lines)}`,
    );
  has("debug", /^pull : \d+ bytes after \d+ ms/);
  has("debug", /^history talk: \d+ bytes after \d+ ms/);
  has("debug", /^commit, records: \d+$/);
  has("info", /^connection: online$/);
  has("info", /^writer: here$/);
});
