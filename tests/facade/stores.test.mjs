// What the app subscribes to: patches, identity, and when listeners run.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Notifier, Source, applyPatch } from "../../pkg-template/stores.js";
import {
  STATUS,
  fakeClient,
  fakePackage,
  message,
  messageItem,
  options,
  settled,
  timelineEntry,
  until,
} from "./fake.mjs";

function conversation(id, fields = {}) {
  return { id, unread: 0, lastSeq: null, readSeq: null, sort: 0, lastMessage: null, meta: null, ...fields };
}

test("a patch moves elements as the same objects", () => {
  const [a, b, c] = [{ n: "a" }, { n: "b" }, { n: "c" }];
  const moved = applyPatch([a, b, c], [{ at: 0, del: 3, ins: [2, { n: "new" }, 0] }]);
  assert.deepEqual(moved, [c, { n: "new" }, a]);
  assert.equal(moved[0], c);
  assert.equal(moved[2], a);
});

test("the splices of a patch are applied in order, and numbers mean the list before all of them", () => {
  const before = [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }];
  const after = applyPatch(before, [
    { at: 0, del: 2, ins: [] },
    { at: 1, del: 1, ins: [0, 3] },
  ]);
  assert.deepEqual(
    after.map(({ n }) => n),
    [2, 0, 3],
  );
  assert.deepEqual(
    before.map(({ n }) => n),
    [0, 1, 2, 3],
    "the old snapshot is not touched",
  );
});

test("a patch of 300,000 elements fits", () => {
  const ins = Array.from({ length: 300_000 }, (_, n) => ({ n }));
  assert.equal(applyPatch([], [{ at: 0, del: 0, ins }]).length, 300_000);
});

test("a patch against naive splicing", () => {
  let seed = 7;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  for (let round = 0; round < 500; round += 1) {
    /** @type {object[]} */
    const before = Array.from({ length: random(8) }, (_, n) => ({ n }));
    const model = [...before];
    const patch = [];
    for (let splices = 1 + random(3); splices > 0; splices -= 1) {
      const at = random(model.length + 1);
      const del = random(model.length - at + 1);
      const ins = Array.from({ length: random(4) }, () =>
        before.length > 0 && random(2) ? random(before.length) : { fresh: random(1e6) },
      );
      model.splice(at, del, ...ins.map((element) => (typeof element === "number" ? before[element] : element)));
      patch.push({ at, del, ins });
    }
    const after = applyPatch(before, patch);
    assert.equal(after.length, model.length);
    for (const [at, element] of after.entries()) assert.equal(element, model[at]);
  }
});

test("a snapshot is the same object until something changed", async () => {
  const { client, host } = await fakeClient();
  host.frame({ conversations: [{ at: 0, del: 0, ins: [conversation("c1"), conversation("c2")] }] });
  const before = client.conversations.getSnapshot();
  host.frame({ status: { ...STATUS, pulling: true } });
  assert.equal(client.conversations.getSnapshot(), before);
  host.frame({ conversations: [{ at: 1, del: 1, ins: [conversation("c2", { unread: 3 })] }] });
  const after = client.conversations.getSnapshot();
  assert.notEqual(after, before);
  assert.equal(after[0], before[0]);
  assert.equal(after[1].unread, 3);
  await client.close();
});

test("all stores have changed before any listener runs, and listeners run later, once", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  const seen = [];
  const look = (who) => () =>
    seen.push([
      who,
      client.conversations.getSnapshot().length,
      client.outbox.getSnapshot().length,
      timeline.getSnapshot().items.length,
    ]);
  client.conversations.subscribe(look("conversations"));
  client.outbox.subscribe(look("outbox"));
  const unsubscribe = timeline.subscribe(look("timeline"));
  await settled();
  seen.length = 0;
  const local = {
    kind: "local",
    key: "k",
    clientId: "k",
    conversation: "c1",
    state: "queued",
    message: null,
    body: 1,
    createdAt: 0,
    error: null,
  };
  host.frame({
    conversations: [{ at: 0, del: 0, ins: [conversation("c1")] }],
    outbox: [{ at: 0, del: 0, ins: [local] }],
    timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [local] }] })],
  });
  host.frame({ conversations: [{ at: 0, del: 1, ins: [conversation("c1", { unread: 1 })] }] });
  assert.deepEqual(seen, []);
  await settled();
  assert.deepEqual(seen, [
    ["conversations", 1, 1, 1],
    ["outbox", 1, 1, 1],
    ["timeline", 1, 1, 1],
  ]);
  unsubscribe();
  timeline.close();
  await client.close();
});

test("a listener that throws keeps nobody else from being called", async () => {
  const { client, host } = await fakeClient();
  const reported = [];
  globalThis.reportError = (error) => reported.push(error.message);
  let called = 0;
  const unsubscribe = client.status.subscribe(() => {
    throw new Error("mine");
  });
  client.status.subscribe(() => {
    called += 1;
  });
  host.frame({ status: { ...STATUS, pulling: true } });
  await settled();
  delete globalThis.reportError;
  unsubscribe();
  assert.deepEqual([called, reported], [1, ["mine"]]);
  await client.close();
});

test("a listener that changes what it listens to, without an end, leaves the page its turn, and is told of", async () => {
  let told = 0;
  const notifier = new Notifier((message) => {
    assert.match(message, /^a listener changes what it listens to/);
    told += 1;
  });
  const source = new Source(0, notifier);
  let ends = false;
  source.store.subscribe(() => {
    if (!ends) source.set(source.value + 1);
  });
  source.set(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  ends = true;
  assert.ok(told > 0 && source.value >= 1000, `${told}, ${source.value}`);
  // and what comes now and then is told at once
  let heard = 0;
  source.store.subscribe(() => {
    heard += 1;
  });
  await new Promise((resolve) => setTimeout(resolve, 5));
  [told, heard] = [0, 0];
  for (let i = 0; i < 3000; i += 1) {
    source.set(-i - 1);
    await null;
    await null;
  }
  assert.deepEqual([told, heard], [0, 3000]);
});

test("the same listener subscribed twice is called twice, and unsubscribing twice counts once", async () => {
  const { client, host } = await fakeClient();
  let called = 0;
  const listener = () => {
    called += 1;
  };
  const first = client.status.subscribe(listener);
  client.status.subscribe(listener);
  host.frame({ status: { ...STATUS, pulling: true } });
  await settled();
  assert.equal(called, 2);
  first();
  first();
  host.frame({ status: STATUS });
  await settled();
  assert.equal(called, 3);
  await client.close();
});

test("when a promise settles, the snapshots show its effect and listeners have run", async () => {
  const { client, host } = await fakeClient();
  const order = [];
  client.outbox.subscribe(() => order.push(`outbox ${client.outbox.getSnapshot().length}`));
  const sending = client.send("c1", { text: "hello" }, { clientId: "x" }).then((answer) => order.push(answer));
  host.frame({
    outbox: [
      {
        at: 0,
        del: 0,
        ins: [
          {
            kind: "local",
            key: "x",
            clientId: "x",
            conversation: "c1",
            state: "queued",
            message: null,
            body: { text: "hello" },
            createdAt: 0,
            error: null,
          },
        ],
      },
    ],
    results: [{ call: host.last("send").call, ok: { clientId: "x", key: "x" } }],
  });
  await sending;
  assert.deepEqual(order, ["outbox 1", { clientId: "x", key: "x" }]);
  await client.close();
});

test("one conversation: the same store while in use, told only of its own changes", async () => {
  const { client, host } = await fakeClient();
  const store = client.conversation("c2");
  assert.equal(client.conversation("c2"), store);
  assert.equal(store.getSnapshot(), null);
  let told = 0;
  const unsubscribe = store.subscribe(() => {
    told += 1;
  });
  host.frame({ conversations: [{ at: 0, del: 0, ins: [conversation("c1")] }] });
  await settled();
  assert.equal(told, 0);
  host.frame({ conversations: [{ at: 1, del: 0, ins: [conversation("c2", { unread: 2 })] }] });
  await settled();
  assert.equal(told, 1);
  assert.equal(store.getSnapshot(), client.conversations.getSnapshot()[1]);
  host.frame({ conversations: [{ at: 0, del: 2, ins: [1, 0] }] });
  await settled();
  assert.equal(told, 1, "moved, but the same");
  unsubscribe();
  host.frame({ conversations: [{ at: 0, del: 2, ins: [] }] });
  await settled();
  assert.equal(told, 1);
  assert.equal(store.getSnapshot(), null);
  await client.close();
});

test("events come after the stores' listeners, errors as PullcordError", async () => {
  const { client, host } = await fakeClient();
  const order = [];
  client.status.subscribe(() => order.push("status"));
  const off = client.on("messages", ({ messages, live }) => order.push([messages.length, live]));
  client.on("error", (error) => order.push([error.name, error.code, error.retryable, error.status]));
  host.frame({
    events: [
      { type: "messages", detail: { messages: [message(1)], live: true } },
      { type: "error", detail: { code: "network", message: "gone", status: 503 } },
    ],
    status: { ...STATUS, pulling: true },
  });
  assert.deepEqual(order, []);
  await settled();
  assert.deepEqual(order, ["status", [1, true], ["PullcordError", "network", true, 503]]);
  off();
  host.frame({ events: [{ type: "messages", detail: { messages: [], live: true } }] });
  await settled();
  assert.equal(order.length, 3);
  assert.throws(() => client.on("message", () => {}), { code: "invalid" });
  await client.close();
});

test("what has happened before the app had its client is told to who listens as soon as it has it", async () => {
  const { createClient, world } = fakePackage();
  const { open } = world;
  world.open = async (config, hooks) => {
    const host = await open(config, hooks);
    host.frame({ events: [{ type: "storage", detail: { kind: "memory", detail: "no IndexedDB" } }] });
    return host;
  };
  // as in an app's own function around it
  const opened = async () => createClient(options());
  const client = await opened();
  const told = [];
  client.on("storage", ({ kind }) => told.push(kind));
  await until(() => told.length > 0, "nobody was told");
  assert.deepEqual(told, ["memory"]);
  await client.close();
});

test("the engine is told which of the events with messages anybody listens to", async () => {
  const { client, host } = await fakeClient();
  const offs = [
    client.on("messages", () => {}),
    client.on("messages", () => {}),
    client.on("updates", () => {}),
    client.on("error", () => {}),
  ];
  for (const off of offs) off();
  offs[0]();
  assert.deepEqual(
    host.commands.map(({ events }) => events),
    [["messages"], ["messages", "updates"], ["updates"], []],
  );
  await client.close();
});

test("a timeline's unchanged parts keep their identity", async () => {
  const { client, host } = await fakeClient();
  const timeline = client.timeline("c1");
  const unsubscribe = timeline.subscribe(() => {});
  host.frame({ timelines: [timelineEntry(1, { items: [{ at: 0, del: 0, ins: [messageItem(1), messageItem(2)] }] })] });
  const before = timeline.getSnapshot();
  host.frame({ timelines: [timelineEntry(1)] });
  assert.equal(timeline.getSnapshot(), before, "nothing changed");
  host.frame({ timelines: [timelineEntry(1, { unseen: 1, items: [{ at: 2, del: 0, ins: [messageItem(3)] }] })] });
  const after = timeline.getSnapshot();
  assert.notEqual(after, before);
  assert.equal(after.items[0], before.items[0]);
  assert.equal(after.anchor, before.anchor);
  assert.equal(after.loading, before.loading);
  unsubscribe();
  timeline.close();
  await client.close();
});

test("a frame that does not fit ends its client with internal, and no other", async () => {
  const { client, host, createClient } = await fakeClient();
  const other = await createClient({
    account: "unharmed",
    transport: { baseUrl: "https://chat.example", token: () => "t" },
    logLevel: "silent",
  });
  host.frame({ conversations: [{ at: 5, del: 1, ins: [] }] });
  assert.equal(client.status.getSnapshot().connection, "closed");
  assert.equal(client.status.getSnapshot().error.code, "internal");
  assert.equal(other.status.getSnapshot().connection, "online");
  await other.close();
});

test("a status keeps its error and its progress until they change", async () => {
  const { client, host } = await fakeClient();
  const error = { code: "network", message: "gone" };
  host.frame({ status: { ...STATUS, error, progress: { applied: 1 } } });
  const before = client.status.getSnapshot();
  host.frame({ status: { ...STATUS, error, progress: { applied: 1 } } });
  assert.equal(client.status.getSnapshot(), before);
  host.frame({ status: { ...STATUS, error: { ...error, retryAfter: 5 }, progress: { applied: 1 } } });
  assert.notEqual(client.status.getSnapshot().error, before.error);
  assert.equal(client.status.getSnapshot().progress, before.progress);
  await client.close();
});
