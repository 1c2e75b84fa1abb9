// The app's log, and snapshots that are frozen in development.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";
import { Log } from "../../pkg-template/log.js";
import { transportConfig } from "../../pkg-template/options.js";
import { bridge } from "../../pkg-template/transport.js";
import { fakeClient, message, messageItem, timelineEntry } from "./fake.mjs";

/** A log, and its lines. */
function kept(options = {}) {
  /** @type {any[]} */
  const lines = [];
  const log = new Log({ logger: (level, text) => lines.push(`${level} ${text}`), ...options });
  return { log, lines };
}

const network = { code: /** @type {const} */ ("network"), message: "gone" };

test("what is remembered is bounded, and each line is said once for as long", () => {
  const { log, lines } = kept();
  for (let round = 0; round < 2; round += 1) for (let i = 0; i < 150; i += 1) log.say("warn", `line ${i}`);
  assert.equal(lines.length, 150);
  for (let i = 0; i < 1000; i += 1) log.say("warn", `other ${i}`);
  log.say("warn", "line 0");
  assert.equal(lines.length, 1151, "one that is long ago");
});

test("a network that was there and is gone is no fault, and one that never was is", () => {
  const { log, lines } = kept({ logLevel: "info" });
  log.server = { baseUrl: "https://chat.example" };
  log.heard({ call: "pull", error: network });
  log.heard({ call: "listen", error: network });
  // The channel alone: where CORS is missing it opens all the same.
  const channel = {
    connection: "online",
    writer: "here",
    storage: "memory",
    lastSyncedAt: null,
    progress: { applied: 0 },
  };
  log.status(null, /** @type {any} */ (channel));
  log.heard({ call: "history", error: network });
  log.status(/** @type {any} */ (channel), /** @type {any} */ ({ ...channel, lastSyncedAt: 1 }));
  log.heard({ call: "pull", error: null });
  log.heard({ call: "pull", error: network });
  log.heard({ call: "listen", error: network });
  log.heard({ call: "listen", error: null });
  log.heard({ call: "listen", error: network });
  assert.deepEqual(
    lines.map((line) => line.split(";")[0]),
    [
      "warn pull: gone",
      "info connection: online",
      "info writer: here",
      "info storage: memory",
      "warn history: gone",
      "info pull: goes well",
      "info pull: gone",
      "warn listen: gone",
      "info listen: goes well",
      "info listen: gone",
    ],
  );
});

test("a call that never settles is the transport's fault", () => {
  const { log, lines } = kept();
  log.status(null, /** @type {any} */ ({ connection: "online" }));
  const error = { code: /** @type {const} */ ("timeout"), message: "no answer within 15000 ms" };
  log.heard({ call: "history", conversation: "talk", error });
  assert.deepEqual(lines, [
    'warn history("talk"): no answer within 15000 ms; transport.history has to settle its promise',
  ]);
});

test("what is asked for in pieces, or is not there any more, is no fault", () => {
  const { log, lines } = kept();
  log.heard({ call: "pull", error: { code: "rejected", message: "too large", status: 413 } });
  log.heard({ call: "changes", conversation: "c", error: { code: "not-found", message: "gone", status: 410 } });
  log.server = { baseUrl: "https://chat.example" };
  log.heard({ unknown: "reaction" });
  assert.deepEqual(lines, [], "the server may be newer than the app");
});

test("an app's own transport gives no event of a type that there is not", () => {
  const { log, lines } = kept();
  for (let times = 0; times < 2; times += 1) log.heard({ unknown: "edit" });
  assert.deepEqual(lines, [
    'warn events of the type "edit" are left out: the types are message, update, conversation, removed, trim',
  ]);
});

test("a server that is there, and lacks a call or gives nothing, is told; a page of the network's is not", () => {
  const { log, lines } = kept({ logLevel: "warn" });
  log.server = { baseUrl: "https://chat.example" };
  const strange =
    "what answered is not the server (a sign-in page of the network, or baseUrl is another's): https://c/x";
  const lacks = { code: /** @type {const} */ ("not-found"), status: 404, message: "status 404" };
  log.heard({ call: "send", conversation: "c", error: lacks });
  const now = /** @type {any} */ ({ connection: "online", lastSyncedAt: 1, writer: "here", storage: "memory" });
  log.status(null, now);
  log.heard({ call: "history", conversation: "c", error: lacks });
  for (const end of ["gives an empty answer", 'begins with "hello"', "begins with <!doctype html>"])
    log.heard({ call: "send", conversation: "c", error: { ...network, message: `${strange} ${end}` } });
  assert.deepEqual(lines, [
    'warn send("c"): status 404; is baseUrl right? /v1/… is asked for below it',
    'warn history("c"): status 404; does the server have this call (docs/protocol.md), and what it is about?',
    `warn send("c"): ${strange} gives an empty answer`,
    `warn send("c"): ${strange} begins with "hello"`,
  ]);
});

test("an error of a call is told once, and one of nobody's call too", () => {
  const { log, lines } = kept();
  const error = { code: /** @type {const} */ ("protocol"), message: "`cursor` should be a string, and is 7" };
  log.heard({ call: "pull", error });
  log.happened("error", error);
  log.happened("error", { code: "quota", message: "the disk is full" });
  log.happened("error", { code: "quota", message: "the disk is full" });
  assert.deepEqual(lines, [
    "warn pull: `cursor` should be a string, and is 7; mend what transport.pull gives",
    "warn the disk is full",
  ]);
});

test("an item is told with its place and its beginning, and the next like it is not", () => {
  const { log, lines } = kept();
  const event = (at) => ({
    where: "batch",
    conversation: "talk",
    count: 2,
    first: { id: "m1", reason: "no seq", done: "left-out", at, value: '"x1"' },
  });
  log.happened("irregular", event("events[17].message.seq"));
  log.happened("irregular", event("events[3].message.seq"));
  assert.deepEqual(lines, ['warn pull("talk"): events[17].message.seq: no seq (it is "x1"); left out, and 1 more']);
});

test("an irregular answer is that of the call that it answers", () => {
  const { log, lines } = kept();
  const event = (call) => ({
    ...{ where: "answer", call, conversation: "talk", count: 1 },
    first: { id: "m1", reason: "no version", done: "repaired", at: "message.version", value: null },
  });
  for (const call of ["send", "edit", "recall", undefined]) log.happened("irregular", event(call));
  assert.deepEqual(
    lines,
    ["send", "edit", "recall", "edit or recall"].map(
      (call) => `warn ${call}("talk"): message.version: no version; put right here`,
    ),
  );
});

test("an address that is hardly meant is told, as far as the page's own tells", () => {
  const said = (baseUrl, page) => {
    const before = Object.getOwnPropertyDescriptor(globalThis, "location");
    Object.defineProperty(globalThis, "location", { value: new URL(page), configurable: true });
    try {
      const { log, lines } = kept();
      transportConfig({ baseUrl, token: () => "t" }, log);
      return lines.join();
    } finally {
      if (before) Object.defineProperty(globalThis, "location", before);
      else delete globalThis.location;
    }
  };
  const page = "https://app.example/chat/";
  assert.match(
    said("chat.example", page),
    /"chat.example" lies below this page, at https:\/\/app.example\/chat\/chat.example/,
  );
  assert.match(said("http://chat.example", page), /which the browser does not let a page of https: ask/);
  assert.match(said("https://chat.example/v1/", page), /ends with \/v1/);
  for (const well of ["https://chat.example", "/api", "./api", "api", "", "http://localhost:3000", "http://127.0.0.1"])
    assert.equal(said(well, page), "", well);
  assert.equal(said("http://chat.example", "http://app.example"), "");
});

test("a channel that is never ready is told after 10 s, and one that is, or has ended, is not", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const listened = (listen) => {
      const { log, lines } = kept();
      const abort = new AbortController();
      const sink = { ready: () => {}, notify: () => {}, push: () => {}, closed: () => {} };
      bridge({ listen }, log.say, (call) => call()).listen(sink, abort.signal);
      return { lines, abort };
    };
    const silent = listened(() => {});
    const ready = listened((sink) => sink.ready());
    const closed = listened((sink) => void Promise.resolve().then(() => sink.closed()));
    const over = listened(() => {});
    over.abort.abort();
    await Promise.resolve();
    mock.timers.tick(9_999);
    assert.deepEqual(silent.lines, []);
    mock.timers.tick(1);
    assert.match(silent.lines.join(), /^warn transport.listen has not called sink.ready\(\) within 10 s/);
    for (const { lines } of [ready, closed, over]) assert.deepEqual(lines, []);
  } finally {
    mock.timers.reset();
  }
});

test("a channel that ends at once, a hint and a push that are none: each is told once", () => {
  const { log, lines } = kept();
  /** @type {number[]} lines after what is well */
  const good = [];
  const sink = { ready: () => {}, notify: () => {}, push: () => {}, closed: () => {} };
  const way = bridge(
    {
      listen(/** @type {any} */ given) {
        given.ready();
        for (const hint of [[], [undefined, undefined], [null, null], [5, ["talk"]]]) given.notify(...hint);
        given.push({ prev: "1", cursor: "2", events: [] });
        good.push(lines.length);
        for (const hint of [["talk"], [["talk"]], [0, "talk"]]) given.notify(...hint);
        for (const push of [undefined, [], { type: "message" }, { events: [] }, { events: {}, prev: "1", cursor: "2" }])
          given.push(push);
        given.closed();
      },
    },
    log.say,
    (call) => call(),
  );
  for (let round = 0; round < 2; round += 1) way.listen(sink, new AbortController().signal);
  assert.deepEqual(good, [0, 3]);
  assert.deepEqual(lines, [
    "warn transport.listen: sink.notify takes a number of ms, and a list of the ids of conversations",
    "warn transport.listen: sink.push takes { prev, cursor, events }; pulling instead",
    "warn transport.listen has called sink.closed() at once: it is called again and again, and meanwhile the client polls",
  ]);
});

test("a channel that was ready and is lost is no fault; one that never was, or fails by a bug, is", async () => {
  const { log, lines } = kept();
  const sink = { ready: () => {}, notify: () => {}, push: () => {}, closed: () => {} };
  /** @param {boolean} isReady @param {unknown} error */
  const listened = async (isReady, error) => {
    const listen = async (/** @type {any} */ given) => {
      if (isReady) given.ready();
      await null;
      given.closed(error);
    };
    bridge({ listen }, log.say, (call) => call()).listen(sink, new AbortController().signal);
    await new Promise((resolve) => setTimeout(resolve));
  };
  await listened(true, "lost");
  assert.deepEqual(lines, []);
  await listened(false, "refused");
  await listened(true, new TypeError("x is not a function"));
  assert.match(lines[0], /^warn transport.listen failed, which counts as a network error: refused$/);
  assert.match(lines[1], /^warn transport.listen failed.*x is not a function \(a bug in the transport/);
  assert.equal(lines.length, 2);
});

test("what is hardly meant is told once, wherever it comes, and nothing is said to have been done about it", () => {
  const { log, lines } = kept();
  const first = { id: "m1", reason: "it looks like seconds", at: "messages[0].createdAt", value: "17" };
  for (const where of ["page", "batch", "page"])
    for (const conversation of ["a", "b"])
      log.heard(/** @type {any} */ ({ unlikely: { where, conversation, count: 1, first } }));
  assert.deepEqual(lines, ['warn history("a"): messages[0].createdAt: it looks like seconds (it is 17)']);
});

test("an error whose text is another each time is told once", async () => {
  const { log, lines } = kept();
  let round = 0;
  const pull = async () => {
    round += 1;
    throw new Error(`request 6f1c${round}e0a-77aa-4bcd-8e9f-0123456789ab failed after ${round * 17} ms`);
  };
  const { call } = bridge({ pull }, log.say, (run) => run());
  for (let i = 0; i < 5; i += 1) await assert.rejects(call("pull", { cursor: null }, new AbortController().signal));
  assert.equal(lines.length, 1);
});

test("in development a snapshot is frozen with all that is in it, and keeps what did not change", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.subscribe(() => {});
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [messageItem(1)] }] })] });
  host.frame({
    conversations: [{ at: 0, del: 0, ins: [{ id: "c1", lastMessage: message(1), meta: { tags: ["a"] } }] }],
  });
  const before = timeline.getSnapshot();
  const [conversation] = client.conversations.getSnapshot();
  for (const value of [
    client.status.getSnapshot(),
    before,
    before.items,
    before.items[0].message.body,
    before.anchor,
    conversation,
    conversation.meta.tags,
    conversation.lastMessage.body,
  ])
    assert.ok(Object.isFrozen(value), JSON.stringify(value));
  assert.throws(() => {
    before.items[0].message.body.text = "changed";
  }, TypeError);
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 1, del: 0, ins: [messageItem(2)] }] })] });
  const after = timeline.getSnapshot();
  assert.equal(after.items[0], before.items[0]);
  assert.deepEqual([before.items.length, after.items.length], [1, 2]);
  await client.close();
});

test("in production, and where nobody says, nothing is frozen", () => {
  const source = readFileSync(new URL("../../pkg-template/frozen.js", import.meta.url), "utf8");
  const freezes = (process) => {
    const frozen = new Function("process", `${source.replace("export ", "")}\nreturn frozen;`)(process);
    return Object.isFrozen(frozen({ a: 1 }));
  };
  assert.equal(freezes({ env: { NODE_ENV: "production" } }), false);
  assert.equal(freezes(undefined), false);
  assert.equal(freezes({ env: { NODE_ENV: "development" } }), true);
  assert.equal(freezes({ env: {} }), true);
});

test("CORS is spoken of only where a page asks another origin, and nothing came", () => {
  /** @type {any} */
  const world = globalThis;
  const said = (baseUrl, message = "the server could not be reached: Failed to fetch") => {
    const { log, lines } = kept();
    log.server = { baseUrl };
    log.heard({ call: "pull", error: { code: "network", message } });
    return lines.map((line) => line.split(`${message}`)[1]);
  };
  assert.deepEqual(said("https://chat.example"), ["; does a server run at https://chat.example/?"]);
  world.location = new URL("https://app.example/inbox");
  try {
    for (const baseUrl of ["/api", "https://app.example/api"])
      assert.deepEqual(said(baseUrl), ["; does a server run at https://app.example/api?"]);
    assert.deepEqual(said("https://chat.example/api"), [
      "; does a server run at https://chat.example/api, and does it allow https://app.example (CORS)? The browser's console says which",
    ]);
    // Something was there.
    for (const message of ["the answer broke off: reset", "what answered is not the server: <html>"])
      assert.deepEqual(said("https://chat.example/api", message), [""]);
  } finally {
    delete world.location;
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
