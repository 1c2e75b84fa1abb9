// What an AbortSignal ends: an opening, a call.

import assert from "node:assert/strict";
import { test } from "node:test";
import { codeOf, fakeClient, fakePackage, options, settled, until } from "./fake.mjs";

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
  host.hooks.stopped();
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
