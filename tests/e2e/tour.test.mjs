// The guided tour: each of its scenes plays to its end, and what it promises is found on the page and on the server.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { TARGET } from "../../tools/build.mjs";

/** Where pictures of the scenes go, for whoever wants to look at them. */
const PICTURES = join(TARGET, "e2e");
/** ms that a scene may take, from its setting on */
const PATIENCE = 90_000;

describe("tour", () => {
  let server, browser;

  before(async () => {
    // As `npm run demo` starts it: with talk going on all the time.
    server = await startServer({ args: ["--generate", "--simulate", "2"] });
    browser = await launchBrowser();
    mkdirSync(PICTURES, { recursive: true });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  async function enter(scene, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await openPage(context, server, `/tour.html?debug&pace=150#/${scene}`);
    page.setDefaultTimeout(PATIENCE);
    return page;
  }

  const director = (page) => page.locator(".director");
  const inState = (page, ...states) =>
    page.waitForFunction(
      (wanted) => wanted.includes(/** @type {HTMLElement} */ (document.querySelector(".director"))?.dataset.state),
      states,
    );

  /**
   * What the server makes fail on purpose, and what the pulled cable does, is in the browser's console: that is the
   * scene.
   */
  const unexpected = (page) => page.problems.filter((text) => !/^Failed to load resource/.test(text));

  /** Plays one step; looks at the page when it is done. */
  async function step(page, number) {
    await inState(page, "ready");
    await page.getByRole("button", { name: number === 1 ? "Begin" : "Next step" }).click();
    await page.waitForFunction(
      (done) =>
        Number(/** @type {HTMLElement} */ (document.querySelector(".director"))?.dataset.done) >= done ||
        /** @type {HTMLElement} */ (document.querySelector(".director"))?.dataset.state === "broken",
      number,
    );
    assert.notEqual(
      await director(page).getAttribute("data-state"),
      "broken",
      await page.locator(".verdict").textContent(),
    );
  }

  /** To the end of the scene: what it found when it compared the list with the server. */
  async function found(page, scene) {
    await inState(page, "done", "broken");
    const verdict = page.locator(".verdict");
    assert.equal(await verdict.getAttribute("data-ok"), "true", await verdict.textContent());
    await page.screenshot({ path: join(PICTURES, `tour-${scene}.png`) });
    assert.deepEqual(unexpected(page), []);
    return verdict.textContent();
  }

  /** Databases of the tour's guests. */
  const leftBehind = (page) =>
    page.evaluate(async () =>
      (await indexedDB.databases()).map(({ name }) => name).filter((name) => name?.includes("visitor")),
    );

  /** What a device of the stage shows and has. */
  const device = (page, index = 0) =>
    page.evaluate(async (index) => {
      const device = globalThis.pullcordTour.stage.devices[index];
      const { segments, requests, cachedMessages } = await device.client.inspect(device.timeline.conversation);
      const { items, hasNewer, unseen } = device.snapshot;
      return {
        segments: segments.map(({ count, live, fresh }) => ({ count, live, fresh })),
        requests,
        cachedMessages,
        hasNewer,
        unseen,
        items: items.map((item) =>
          item.kind === "gap"
            ? { kind: "gap" }
            : {
                kind: item.kind,
                id: item.message?.id,
                seq: item.message?.seq,
                text: item.message?.body?.text ?? null,
                state: item.message?.state,
                sender: item.message?.sender,
                fresh: item.fresh,
              },
        ),
      };
    }, index);

  test("a lost notification: the list lacks what it was not told of, until the timer", async () => {
    const page = await enter("lost");
    await step(page, 1);
    assert.equal((await device(page)).items.length, 25);
    // It lasts until the timer, which does not wait for this test: whatever the page says of itself is noted.
    await page.evaluate(() => {
      const has = document.querySelector(".device-has");
      globalThis.said = [];
      const look = () => said.push([has.textContent, pullcordTour.stage.devices[0].snapshot.items.length]);
      new MutationObserver(look).observe(has, { subtree: true, childList: true, characterData: true });
    });
    await step(page, 2);
    await page.waitForFunction(() => said.some(([text, items]) => text.includes("25 of 28") && items === 25));
    await step(page, 3);
    assert.match(await found(page, "lost"), /28 of 28/);
    assert.equal((await device(page)).items.length, 28);
    await page.context().close();
  });

  test("a week offline: cleared it starts anew, kept it is checked, and both are complete", async () => {
    const page = await enter("week");
    await step(page, 1);
    for (const index of [0, 1])
      assert.deepEqual(
        (await device(page, index)).segments.map(({ live, fresh }) => [live, fresh]),
        [[true, true]],
      );
    await step(page, 2);
    const before = await device(page, 1);
    // While it is going on: kept and striped in the strip and on the list, with a gap after it. It is looked at
    // whenever anything in it changes, for it lasts as long as the server takes.
    await page.evaluate(() => {
      const keeping = document.querySelectorAll(".device")[1];
      // the strip is in the inspector
      const strip = keeping.querySelector("pullcord-inspector").shadowRoot;
      globalThis.wereThere = new Set();
      const look = () => {
        if (strip.querySelector(".part.stale")) globalThis.wereThere.add("strip");
        for (const row of [".row.message.stale", ".row.gap"])
          if (keeping.querySelector(row)) globalThis.wereThere.add(row);
      };
      for (const part of [keeping, strip])
        new MutationObserver(look).observe(part, { subtree: true, childList: true, attributes: true });
    });
    const third = step(page, 3);
    await page.waitForFunction(() => globalThis.wereThere.size === 3);
    await page.screenshot({ path: join(PICTURES, "tour-week-kept.png") });
    await third;
    const [cleared, kept] = [await device(page, 0), await device(page, 1)];
    for (const { segments } of [cleared, kept])
      assert.deepEqual(
        segments.map(({ live, fresh }) => [live, fresh]),
        [[true, true]],
      );
    assert.ok(cleared.cachedMessages < before.cachedMessages);
    assert.ok(kept.cachedMessages >= before.cachedMessages + 90);
    await step(page, 4);
    await found(page, "week");
    for (const index of [0, 1]) {
      const { items } = await device(page, index);
      const recalled = items.filter(({ state }) => state === "recalled");
      assert.equal(recalled.length, 1);
      assert.deepEqual([recalled[0].text, recalled[0].fresh], [null, true]);
    }
    const counts = [(await device(page, 0)).requests.changes, (await device(page, 1)).requests.changes];
    assert.equal(counts[0], 0);
    assert.ok(counts[1] > 0);
    await page.context().close();
  });

  test("two devices: both come to the same list", async () => {
    const page = await enter("devices");
    for (const number of [1, 2, 3]) await step(page, number);
    await found(page, "devices");
    const [phone, laptop] = [await device(page, 0), await device(page, 1)];
    assert.deepEqual(phone.items, laptop.items);
    const own = phone.items.slice(-7).map(({ text }) => text);
    assert.equal(own[0], "Written on the phone, corrected on the laptop");
    assert.deepEqual(own.slice(1).toSorted(), [
      "Laptop one",
      "Laptop three",
      "Laptop two",
      "Phone one",
      "Phone three",
      "Phone two",
    ]);
    await page.context().close();
  });

  test("a recall: what is on screen keeps its place, what is not here is never shown with its text", async () => {
    const page = await enter("recall");
    await inState(page, "ready");
    const before = await device(page);
    await step(page, 1);
    const after = await device(page);
    assert.deepEqual(
      after.items.map(({ id }) => id),
      before.items.map(({ id }) => id),
    );
    assert.equal(after.items.filter(({ state }) => state === "recalled").length, 1);
    await step(page, 2);
    assert.equal((await device(page)).requests.history, after.requests.history);
    await step(page, 3);
    await found(page, "recall");
    assert.equal((await device(page)).segments.length, 2);
    await page.context().close();
  });

  test("sending on a bad network: all six are there once, in the order in which they were written", async () => {
    const page = await enter("send");
    for (const number of [1, 2, 3]) await step(page, number);
    await found(page, "send");
    const { items } = await device(page);
    assert.deepEqual(
      items.slice(-6).map(({ kind, text }) => [kind, text]),
      ["First of six", "Second of six", "Third of six", "Fourth of six", "Fifth of six", "Last of six"].map((text) => [
        "message",
        text,
      ]),
    );
    await page.context().close();
  });

  test("a jump into the past: segments grow until they meet, and the list is live again", async () => {
    const page = await enter("jump");
    await step(page, 1);
    assert.equal((await device(page)).segments.length, 2);
    await step(page, 2);
    await step(page, 3);
    assert.ok((await device(page)).unseen >= 2);
    await step(page, 4);
    await found(page, "jump");
    const { segments, hasNewer } = await device(page);
    assert.equal(hasNewer, false);
    assert.deepEqual(
      segments.map(({ live, fresh }) => [live, fresh]),
      [
        [false, true],
        [true, true],
      ],
    );
    await page.context().close();
  });

  test("three tabs, of which one is killed: another goes on, and nothing is lost or sent twice", async () => {
    const page = await enter("tabs");
    const requests = async () => {
      const all = [await device(page, 0), await device(page, 1), await device(page, 2)];
      return all.map(({ requests }) => requests.pull + requests.history + requests.send > 0);
    };
    await step(page, 1);
    assert.equal((await requests()).filter(Boolean).length, 1);
    await step(page, 2);
    assert.equal((await requests()).filter(Boolean).length, 1);
    const killed = await eventually(async () => {
      const before = await page.evaluate(() => globalThis.pullcordTour.stage.devices.map(({ writer }) => writer));
      assert.deepEqual(before.toSorted(), ["elsewhere", "elsewhere", "here"]);
      return before.indexOf("here");
    });
    await step(page, 3);
    await page.locator(".device").nth(killed).locator(".device-note", { hasText: "killed" }).waitFor();
    const others = [0, 1, 2].filter((n) => n !== killed);
    await eventually(async () => {
      const writers = await page.evaluate(() => globalThis.pullcordTour.stage.devices.map(({ writer }) => writer));
      assert.deepEqual(others.map((n) => writers[n]).toSorted(), ["elsewhere", "here"]);
    });
    await page.screenshot({ path: join(PICTURES, "tour-tabs-killed.png") });
    await step(page, 4);
    assert.match(await found(page, "tabs"), /26 messages, yours each once\. Another tab wrote \d+ ms/);
    const lists = [await device(page, 0), await device(page, 1), await device(page, 2)].map(({ items }) => items);
    assert.deepEqual(lists[1], lists[0]);
    assert.deepEqual(lists[2], lists[0]);
    assert.deepEqual(
      lists[0].slice(-2).map(({ kind, text }) => [kind, text]),
      [
        ["message", "Written just before"],
        ["message", "Written by the next"],
      ],
    );
    await page.getByRole("link", { name: "Leave the tour" }).click();
    await page.getByRole("button", { name: "ada" }).waitFor();
    await eventually(async () => assert.deepEqual(await leftBehind(page), []));
    await page.context().close();
  });

  test("a scene plays by itself, is replayed, and left in the middle leaves nothing behind", async () => {
    const page = await enter("devices", { viewport: { width: 390, height: 844 } });
    await inState(page, "ready");
    await page.getByRole("button", { name: "Play", exact: true }).click();
    await found(page, "devices-narrow");
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390);
    await page.getByRole("button", { name: "Replay" }).click();
    await inState(page, "ready");
    assert.equal(await director(page).getAttribute("data-done"), "0");

    // Another scene, by its number; in the middle of it the tour is left.
    await page.getByRole("button", { name: /^Scene 5/ }).click();
    await step(page, 1);
    await page.getByRole("button", { name: "Next step" }).click();
    await page.locator('.device[data-connection="offline"]').waitFor();
    await page.getByRole("link", { name: "Leave the tour" }).click();
    await page.getByRole("button", { name: "ada" }).click();
    await page.getByRole("option", { name: "Harbour office" }).first().click();
    await page.locator(".row.message").first().waitFor();
    await page.getByRole("button", { name: "Back to the conversations" }).click();
    await page.locator('.status[data-connection="online"]').waitFor();
    await eventually(async () => {
      assert.deepEqual(await leftBehind(page), []);
      const { users } = await (await fetch(`${server.url}/demo`)).json();
      assert.deepEqual(users, ["ada", "grace", "linus", "margaret"]);
    });
    assert.deepEqual(unexpected(page), []);
    await page.context().close();
  });
});
