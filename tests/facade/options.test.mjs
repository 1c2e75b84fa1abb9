// What an app may say, and what the engine is told of it: options, arguments, places in a list.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { codeOf, fakeClient, fakePackage, options } from "./fake.mjs";

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
