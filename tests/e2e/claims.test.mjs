// Who writes for an account, with Chromium's own locks, channels, crashes and freezing (docs/rules.md, R15): the claim
// alone, without an engine.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchTools } from "./support/cdp.mjs";
import { beginClaim, isHeld, isHidden, locksOf, nextWriter, startSources, toldOf } from "./support/claims.mjs";
import { eventually } from "./support/harness.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe("claims in Chromium's tabs", () => {
  let sources, tools, context;
  let accounts = 0;

  before(async () => {
    sources = await startSources();
    tools = await launchTools();
    context = await tools.newContext();
  });

  after(async () => {
    await tools?.close();
    sources?.stop();
  });

  async function open(account) {
    const tab = await context.newPage();
    await tab.goto(sources.url);
    await beginClaim(tab, account);
    return tab;
  }

  /** So many tabs, the last of them in front. */
  async function several(count) {
    accounts += 1;
    const account = `account ${accounts}`;
    const tabs = [];
    for (let i = 0; i < count; i += 1) tabs.push(await open(account));
    const hidden = [...new Array(count - 1).fill(true), false];
    await eventually(async () => assert.deepEqual(await Promise.all(tabs.map(isHidden)), hidden));
    return { account, tabs };
  }

  /** Nobody but the writer has, or waits for, the account's lock, in the end. */
  const oneHolds = (tab, account) =>
    eventually(async () => assert.deepEqual(await locksOf(tab, account), { held: 1, pending: 0 }));

  test("one that is looked at is the next when the writer's tab crashes, is closed, or goes elsewhere", async () => {
    const ends = [
      (tab) => void tab.call("Page.crash").catch(() => {}),
      (tab) => tab.close(),
      (tab) => tab.goto(`${sources.url}?elsewhere`),
    ];
    for (const [at, end] of ends.entries()) {
      const { account, tabs } = await several(3);
      const [writer, hidden, seen] = tabs;
      assert.deepEqual(await Promise.all(tabs.map(isHeld)), [true, false, false]);
      const began = Date.now();
      await end(writer);
      const { tab } = await nextWriter([hidden, seen], began);
      assert.equal(tab, seen, `end ${at}`);
      assert.equal(await isHeld(hidden), false);
      await pause(600);
      await oneHolds(seen, account);
      for (const one of [hidden, seen]) await one.close();
    }
  });

  test("a frozen writer has let go of all, and thawed it follows", async () => {
    const { account, tabs } = await several(2);
    const [writer, seen] = tabs;
    assert.deepEqual(await Promise.all(tabs.map(isHeld)), [true, false]);
    await writer.evaluate(() => {
      globalThis.isAwake = false;
      // after the claim's own
      document.addEventListener("resume", () => {
        globalThis.isAwake = true;
      });
    });
    const began = Date.now();
    await writer.call("Page.setWebLifecycleState", { state: "frozen" });
    await nextWriter([seen], began);
    await oneHolds(seen, account);
    // in Chromium a frozen page still runs the handlers of a channel that is open
    await seen.evaluate(() => claim.tell(new Uint8Array([1])));
    await pause(200);
    assert.deepEqual(await toldOf(writer), ["held", "lost"]);
    await writer.call("Page.setWebLifecycleState", { state: "active" });
    await eventually(async () => assert.ok(await writer.evaluate(() => globalThis.isAwake)));
    await pause(300);
    assert.deepEqual(await toldOf(writer), ["held", "lost"]);
    await seen.evaluate(() => claim.tell(new Uint8Array([2])));
    await eventually(async () => assert.deepEqual(await toldOf(writer), ["held", "lost", "heard"]));
    assert.equal(await isHeld(writer), false);
    for (const tab of tabs) await tab.close();
  });

  test("a writer whose script stands still is replaced by force, and then follows", async () => {
    const { account, tabs } = await several(2);
    const [writer, seen] = tabs;
    assert.deepEqual(await Promise.all(tabs.map(isHeld)), [true, false]);
    const { isThere, letGo } = sources.gate();
    const blocked = writer.evaluate(() => {
      const request = new XMLHttpRequest();
      request.open("GET", "/gate", false);
      request.send();
    });
    await isThere;
    const began = Date.now();
    await seen.evaluate(() => claim.stuck());
    // while that one stands still
    await nextWriter([seen], began);
    letGo();
    await blocked;
    await pause(600);
    await eventually(async () => assert.deepEqual(await Promise.all(tabs.map(isHeld)), [false, true]));
    await oneHolds(seen, account);
    for (const tab of tabs) await tab.close();
  });

  test("a writer that is hidden for 10 s gives the work to the tab in front", async () => {
    const { tabs } = await several(2);
    const [writer, seen] = tabs;
    // it was hidden when the other tab came
    const { after } = await nextWriter([seen], 0);
    assert.ok(after > 0);
    assert.deepEqual(await toldOf(writer), ["held", "lost"]);
    await writer.bringToFront();
    // that one is hidden now: 10 s later it is the other's again
    await nextWriter([writer], Date.now());
    for (const tab of tabs) await tab.close();
  });

  // how long that takes is a row of `npm run bench`
  test("20 tabs, closed one after the other: each time one goes on, and nobody stays in the queue", async () => {
    const { account, tabs } = await several(20);
    const rest = [...tabs];
    while (rest.length > 1) {
      // one that has been hidden for 10 s gives the work away: for a moment nobody has it
      const held = await eventually(async () => {
        const held = await Promise.all(rest.map(isHeld));
        assert.equal(held.filter(Boolean).length, 1);
        return held;
      });
      const [writer] = rest.splice(held.indexOf(true), 1);
      const last = rest.at(-1);
      await last.bringToFront();
      await pause(50);
      const began = Date.now();
      await writer.close();
      await nextWriter(rest, began);
      await pause(100);
    }
    await pause(700);
    await oneHolds(rest[0], account);
    await rest[0].close();
  });
});
