// Who writes for an account, with the locks, channels and page caches of browsers that Playwright does not drive as
// they are (docs/rules.md, R15): the claim alone, without an engine.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { beginClaim, isHeld, isHidden, locksOf, nextWriter, startSources, toldOf } from "../e2e/support/claims.mjs";
import { eventually } from "../e2e/support/harness.mjs";
import { RUN, browser, name } from "./browsers.mjs";
import { launch } from "./session.mjs";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

describe(`claims in ${name}`, () => {
  let sources, session;
  let accounts = 0;

  before(async () => {
    if (!browser) return;
    [sources, session] = await Promise.all([startSources(), launch(browser)]);
    console.log(`in ${session.name}`);
  });

  after(async () => {
    await session?.close();
    sources?.stop();
  });

  async function several(count) {
    accounts += 1;
    const account = `account ${accounts}`;
    const tabs = [];
    for (let i = 0; i < count; i += 1) {
      const tab = await session.newWindow();
      await tab.goto(sources.url);
      await beginClaim(tab, account);
      tabs.push(tab);
    }
    assert.deepEqual(await Promise.all(tabs.map(isHeld)), [true, ...new Array(count - 1).fill(false)]);
    return { account, tabs };
  }

  /** Nobody but the writer has, or waits for, the account's lock, in the end. */
  const oneHolds = (tab, account) =>
    eventually(async () => assert.deepEqual(await locksOf(tab, account), { held: 1, pending: 0 }));

  test("when the writer's tab is closed another is the next, and nobody stays in the queue", RUN, async () => {
    const { account, tabs } = await several(4);
    while (tabs.length > 1) {
      // one that has been hidden for 10 s gives the work away: for a moment nobody has it
      const held = await eventually(async () => {
        const held = await Promise.all(tabs.map(isHeld));
        assert.equal(held.filter(Boolean).length, 1);
        return held;
      });
      const [writer] = tabs.splice(held.indexOf(true), 1);
      const began = Date.now();
      await writer.close();
      await nextWriter(tabs, began);
      await pause(700);
      await oneHolds(tabs[0], account);
    }
    await tabs[0].close();
  });

  test("a writer that goes into the page cache has let go of all, and out of it it follows", RUN, async () => {
    const { account, tabs } = await several(2);
    const [writer, other] = tabs;
    const began = Date.now();
    await writer.goto(`${sources.url}?elsewhere`);
    await nextWriter([other], began);
    await other.evaluate(() => claim.tell(new Uint8Array([1])));
    await writer.back();
    // a browser may have loaded it anew: then there is nobody to follow
    const isCached = await writer.evaluate(() => typeof claim !== "undefined");
    console.log(isCached ? "it came from the page cache" : "it was loaded anew");
    if (isCached) {
      const told = ["held", "lost", "from the page cache"];
      await eventually(async () => assert.deepEqual(await toldOf(writer), told));
      await other.evaluate(() => claim.tell(new Uint8Array([2])));
      await eventually(async () => assert.deepEqual(await toldOf(writer), [...told, "heard"]));
      assert.equal(await isHeld(writer), false);
    }
    assert.equal(await isHeld(other), true);
    await oneHolds(other, account);
    for (const tab of tabs) await tab.close();
  });

  test("by force, where it is looked at", RUN, async () => {
    const { account, tabs } = await several(2);
    const [writer, other] = tabs;
    const hidden = await isHidden(other);
    const began = Date.now();
    await other.evaluate(() => claim.stuck());
    if (!hidden) await nextWriter([other], began);
    await pause(700);
    await eventually(async () => assert.deepEqual([await isHeld(writer), await isHeld(other)], [hidden, !hidden]));
    await oneHolds(other, account);
    for (const tab of tabs) await tab.close();
  });
});
