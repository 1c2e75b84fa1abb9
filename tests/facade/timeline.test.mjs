// The life of a timeline: opened by need, let go, opened again, closed; and its methods.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { codeOf, fakeClient, messageItem, settled, timelineEntry } from "./fake.mjs";

const timelineOps = (host) =>
  host.commands.filter(({ timeline }) => timeline).map(({ op, timeline }) => `${op} ${timeline}`);

test("it costs nothing until it is needed", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  assert.equal(timeline.getSnapshot(), timeline.getSnapshot());
  assert.deepEqual(
    { ...timeline.getSnapshot() },
    {
      items: [],
      status: "opening",
      anchor: { key: null, count: 0 },
      firstIndex: 1_000_000_000,
      hasOlder: true,
      hasNewer: true,
      loading: { older: false, newer: false, jump: false },
      unseen: 0,
      error: null,
    },
  );
  assert.deepEqual(host.commands, []);
  timeline.subscribe(() => {});
  assert.deepEqual(host.commands, [{ op: "open", timeline: 1, conversation: "c1", start: "latest" }]);
  await client.close();
});

test("a method opens it as well", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1", { pageSize: 10, maxItems: 50 });
  const loading = timeline.loadOlder();
  assert.deepEqual(
    host.commands.map(({ op }) => op),
    ["open", "load"],
  );
  assert.deepEqual(host.last("load"), { op: "load", call: 1, timeline: 1, direction: "older" });
  host.answer("load", { added: 10, end: false, source: "cache" });
  assert.deepEqual(await loading, { added: 10, end: false, source: "cache" });
  await client.close();
});

test("React's StrictMode mounts, unmounts and mounts: opened once, let go never", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { client, host } = await fakeClient();
    // rendered twice: the first of the two is never used
    client.timeline("c1");
    const timeline = client.timeline("c1");
    const first = timeline.subscribe(() => {});
    first();
    const second = timeline.subscribe(() => {});
    mock.timers.tick(5000);
    assert.deepEqual(timelineOps(host), ["open 1"]);
    second();
    mock.timers.tick(500);
    assert.deepEqual(timelineOps(host), ["open 1"]);
    mock.timers.tick(1000);
    assert.deepEqual(timelineOps(host), ["open 1", "release 1"]);
    timeline.subscribe(() => {});
    assert.deepEqual(timelineOps(host), ["open 1", "release 1", "attach 1"]);
    timeline.close();
    await client.close();
  } finally {
    mock.timers.reset();
  }
});

test("asked for again with the same options it is the same, until it is let go of or closed", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { client } = await fakeClient();
    const first = client.timeline("c1", { start: { around: 5 }, pageSize: 10 });
    // as a component writes them on each render
    assert.equal(client.timeline("c1", { pageSize: 10, start: { around: "5" }, maxItems: undefined }), first);
    for (const [id, options] of [["c2", { start: { around: 5 }, pageSize: 10 }], ["c1"], ["c1", { pageSize: 10 }]])
      assert.notEqual(client.timeline(id, options), first);
    const again = () => client.timeline("c1", { start: { around: 5 }, pageSize: 10 });
    const unsubscribe = first.subscribe(() => {});
    assert.equal(again(), first);
    unsubscribe();
    assert.equal(again(), first, "in use a moment ago");
    mock.timers.tick(1000);
    const second = again();
    assert.notEqual(second, first, "whoever comes later begins where the options say");
    // one that somebody has kept is opened again, and takes nobody's place
    first.subscribe(() => {});
    assert.equal(again(), second);
    second.close();
    assert.notEqual(again(), second);
    await client.close();
    assert.equal(again().getSnapshot(), again().getSnapshot());
  } finally {
    mock.timers.reset();
  }
});

test("client and timeline work behind any proxy, and their methods taken out of them", async () => {
  const { client, host } = await fakeClient();
  const through = new Proxy(client, { get: (target, name, proxy) => Reflect.get(target, name, proxy) });
  const timeline = new Proxy(through.timeline("c1"), {
    get: (target, name, proxy) => Reflect.get(target, name, proxy),
  });
  assert.equal(timeline.getSnapshot().status, "opening");
  const { loadOlder, visible, close } = timeline;
  const loading = loadOlder();
  visible("m1", "m2");
  host.answer("load", { added: 0, end: true, source: "cache" });
  assert.equal((await loading).end, true);
  const { conversation, sync } = through;
  assert.equal(conversation("c1").getSnapshot(), null);
  const syncing = sync();
  host.answer("sync", null);
  await syncing;
  close();
  assert.equal(timeline.getSnapshot().status, "closed");
  await through.close();
});

test("let go, it keeps what it showed; a method attaches it, and it is let go again afterwards", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { client, host } = await fakeClient();
    const timeline = client.timeline("c1");
    const unsubscribe = timeline.subscribe(() => {});
    host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [messageItem(1)] }] })] });
    unsubscribe();
    mock.timers.tick(1000);
    assert.equal(timeline.getSnapshot().items.length, 1);
    const marking = timeline.markRead();
    mock.timers.tick(5000);
    assert.deepEqual(timelineOps(host), ["open 1", "release 1", "attach 1", "mark-read 1"]);
    host.answer("mark-read", null);
    assert.equal(await marking, undefined);
    mock.timers.tick(1000);
    assert.equal(timelineOps(host).at(-1), "release 1");
    timeline.close();
    await client.close();
  } finally {
    mock.timers.reset();
  }
});

test("one on which only methods are called is let go soon after the last of them has settled", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    const { client, host } = await fakeClient();
    const timeline = client.timeline("c1");
    const loading = timeline.loadOlder();
    mock.timers.tick(60_000);
    assert.deepEqual(timelineOps(host), ["open 1", "load 1"], "it is running");
    host.answer("load", { added: 1, end: false, source: "cache" });
    await loading;
    mock.timers.tick(900);
    timeline.visible("m1", "m2");
    mock.timers.tick(900);
    assert.equal(timelineOps(host).includes("release 1"), false, "it was used meanwhile");
    mock.timers.tick(1_100);
    assert.equal(timelineOps(host).at(-1), "release 1");
    const again = timeline.loadOlder();
    host.answer("load", { added: 1, end: false, source: "cache" });
    await again;
    assert.deepEqual(timelineOps(host).slice(-2), ["attach 1", "load 1"], "where it was");
    await client.close();
  } finally {
    mock.timers.reset();
  }
});

test("closed for good: keeps its items, refuses methods, tells its listeners, hears nothing more", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  let told = 0;
  timeline.subscribe(() => {
    told += 1;
  });
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [messageItem(1)] }] })] });
  await settled();
  told = 0;
  const loading = timeline.loadOlder();
  timeline.close();
  timeline.close();
  assert.equal(await codeOf(loading), "closed");
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 1, ins: [] }] })] });
  await settled();
  assert.equal(told, 1);
  const { status, items, loading: flags } = timeline.getSnapshot();
  assert.deepEqual([status, items.length, flags.older], ["closed", 1, false]);
  for (const method of ["loadOlder", "loadNewer", "send", "retry", "discard", "edit", "recall", "markRead", "jump"]) {
    assert.equal(await codeOf(timeline[method]("x", 1)), "closed", method);
  }
  timeline.visible("a", "b");
  timeline.subscribe(() => {})();
  assert.equal(timelineOps(host).filter((op) => op.startsWith("close-timeline")).length, 1);
  await client.close();
});

test("closing the client closes its timelines, also one that was never opened", async () => {
  const { client } = await fakeClient();
  const [open, unopened] = [client.timeline("c1"), client.timeline("c2")];
  open.subscribe(() => {});
  await client.close();
  assert.equal(open.getSnapshot().status, "closed");
  assert.equal(unopened.getSnapshot().status, "closed");
  assert.equal(unopened.getSnapshot(), unopened.getSnapshot());
  assert.equal(await codeOf(open.loadOlder()), "closed");
  assert.equal(client.timeline("c3").getSnapshot().status, "closed");
});

test("an AbortSignal: already aborted rejects and opens nothing; later it tells the engine", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  await assert.rejects(timeline.loadOlder({ signal: AbortSignal.abort("why") }), {
    name: "AbortError",
    code: "aborted",
    cause: "why",
  });
  assert.deepEqual(host.commands, []);
  const controller = new AbortController();
  const loading = timeline.loadOlder({ signal: controller.signal });
  controller.abort();
  assert.deepEqual(host.last("abort"), { op: "abort", of: 1 });
  await assert.rejects(loading, { name: "AbortError", code: "aborted" });
  const done = timeline.loadOlder({ signal: controller.signal });
  assert.equal(await codeOf(done), "aborted");
  await client.close();
});

test("a signal that fires after the answer tells nobody", async () => {
  const { client, host } = await fakeClient();
  const controller = new AbortController();
  const syncing = client.sync({ signal: controller.signal });
  host.answer("sync", null);
  await syncing;
  controller.abort();
  assert.equal(host.last("abort"), undefined);
  await client.close();
});

test("a promise nobody awaits raises no unhandledrejection", async () => {
  const raised = [];
  const note = (error) => raised.push(error);
  process.on("unhandledRejection", note);
  const { client, host, createClient, wipe } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.loadOlder();
  host.refuse("load", { code: "offline", message: "offline" });
  timeline.send(undefined);
  timeline.jump("first-unread");
  client.send("", 1);
  client.sync();
  client.inspect();
  createClient({ account: "" });
  wipe("");
  await client.close();
  timeline.loadOlder();
  client.sync();
  await new Promise((resolve) => setTimeout(resolve, 20));
  process.off("unhandledRejection", note);
  assert.deepEqual(raised, []);
});

test("visible is told once for the same range, and again after it was let go", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.subscribe(() => {});
  timeline.visible("a", "b");
  timeline.visible("a", "b");
  timeline.visible("a", "c");
  assert.deepEqual(
    host.commands.filter(({ op }) => op === "visible").map(({ first, last }) => first + last),
    ["ab", "ac"],
  );
  assert.throws(() => timeline.visible(undefined, "c"), { code: "invalid" });
  await client.close();
});

test("a local item's error, and the timeline's, are PullcordErrors", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.subscribe(() => {});
  const local = {
    kind: "local",
    key: "k",
    clientId: "k",
    conversation: "c1",
    state: "failed",
    message: null,
    body: 1,
    createdAt: 0,
    error: { code: "rejected", message: "no", status: 422 },
  };
  const error = { code: "timeout", message: "late" };
  host.frame({ timelines: [timelineEntry(1, { error, items: [{ at: 0, del: 0, ins: [local] }] })] });
  const snapshot = timeline.getSnapshot();
  assert.deepEqual(
    [snapshot.items[0].error.code, snapshot.items[0].error.status, snapshot.items[0].error.retryable],
    ["rejected", 422, false],
  );
  assert.deepEqual([snapshot.error.name, snapshot.error.retryable], ["PullcordError", true]);
  host.frame({ timelines: [timelineEntry(1, { error })] });
  assert.equal(timeline.getSnapshot(), snapshot);
  await client.close();
});

test("bodies are read at once, as JSON", async () => {
  const { client, host } = await fakeClient();
  const body = { text: "before" };
  client.send("c1", body, { clientId: "x" });
  body.text = "after";
  assert.deepEqual(host.last("send"), {
    op: "send",
    call: 1,
    conversation: "c1",
    body: '{"text":"before"}',
    clientId: "x",
  });
  client.send("c1", null);
  assert.match(host.last("send").clientId, /^[0-9a-f-]{36}$/);
  const cyclic = {};
  cyclic.self = cyclic;
  for (const wrong of [undefined, 1n, cyclic, () => {}])
    assert.equal(await codeOf(client.send("c1", wrong)), "invalid");
  assert.equal(await codeOf(client.send("c1", 1, { clientId: "" })), "invalid");
  assert.equal(await codeOf(client.send("\ud800", 1)), "invalid");
  assert.equal(await codeOf(client.markRead("c1", -1)), "invalid");
  await client.close();
});

test("what is on screen of a replaced list is told again, though the keys are the same", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.subscribe(() => {});
  const told = () => host.commands.filter(({ op }) => op === "visible").length;
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [messageItem(1), messageItem(2)] }] })] });
  timeline.visible("m1", "m2");
  timeline.visible("m1", "m2");
  assert.equal(told(), 1);
  host.frame({ timelines: [timelineEntry(1, { anchor: { key: null, count: 1 } })] });
  timeline.visible("m1", "m2");
  assert.equal(told(), 2);
  await client.close();
});

test("retry and discard of a timeline are about its conversation", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  timeline.retry("k");
  timeline.discard("k");
  client.discard("k");
  await settled();
  assert.deepEqual(
    host.commands.filter(({ op }) => op === "retry" || op === "discard").map(({ conversation }) => conversation),
    ["c1", "c1", undefined],
  );
  await client.close();
});

/** What a client's log says while `use` runs, and for long after. @param {(client: any) => unknown} use */
async function saidLater(use) {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    /** @type {string[]} */
    const lines = [];
    const { client } = await fakeClient({ logLevel: "warn", logger: (_, text) => lines.push(text) });
    await use(client);
    mock.timers.tick(10_000);
    await settled();
    const said = [...lines];
    await client.close();
    return said;
  } finally {
    mock.timers.reset();
  }
}

test("a list that is read, and that nobody is going to subscribe to, is told once", async () => {
  const read = await saidLater((client) => {
    for (let i = 0; i < 3; i += 1) client.timeline("c1").getSnapshot();
  });
  assert.deepEqual(read, ['timeline("c1") is read, and shows nothing before its first `subscribe` or method call']);
  // as React does it: rendered, and not yet in the page
  const rendered = await saidLater((client) => {
    const { subscribe, getSnapshot } = client.timeline("c1");
    getSnapshot();
    return subscribe;
  });
  assert.deepEqual(rendered, []);
  const used = await saidLater((client) => {
    const timeline = client.timeline("c1");
    timeline.getSnapshot();
    timeline.visible("m:a", "m:b");
  });
  assert.deepEqual(used, []);
});

test("who goes on listening to a list that is closed is told, and who does so for a moment is not", async () => {
  const closed = await saidLater((client) => {
    const timeline = client.timeline("c1");
    timeline.subscribe(() => {})();
    timeline.close();
    timeline.subscribe(() => {})();
    timeline.subscribe(() => {});
  });
  assert.deepEqual(closed, ['timeline("c1") is closed, for all who asked for it: to let go of a list, unsubscribe']);
  const ended = await saidLater(async (client) => {
    await client.close();
    client.timeline("c1").subscribe(() => {});
  });
  assert.deepEqual(ended, ['timeline("c1") is shown, and its client is closed: make another one']);
  const others = await saidLater(async (client) => {
    await client.close();
    for (const store of [client.conversations, client.conversation("c1"), client.outbox]) {
      store.subscribe(() => {})();
      store.subscribe(() => {});
    }
    // that it is closed is what this one shows
    client.status.subscribe(() => {});
  });
  assert.deepEqual(
    others,
    ["conversations", 'conversation("c1")', "outbox"].map(
      (what) => `${what} is shown, and its client is closed: make another one`,
    ),
  );
  const moment = await saidLater(async (client) => {
    client.timeline("c1").subscribe(() => {});
    await client.close();
    client.timeline("c1").subscribe(() => {})();
  });
  assert.deepEqual(moment, []);
  const called = await saidLater(async (client) => {
    const timeline = client.timeline("c1");
    timeline.close();
    await timeline.send({}).catch(() => {});
  });
  assert.deepEqual(called, ["send was called on a timeline that is closed: the timeline is closed"]);
});
