// The demo page, as somebody at the keyboard finds it.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { demo, eventually, launchBrowser, openPage, startServer } from "./support/harness.mjs";
import { CHANGES, hold } from "./support/lists.mjs";
import { TARGET } from "../../tools/build.mjs";

/** Where pictures of the page go, for whoever wants to look at it. */
const PICTURES = join(TARGET, "e2e");

describe("demo", () => {
  let server, browser, at;

  before(async () => {
    server = await startServer({ args: ["--generate"] });
    browser = await launchBrowser();
    at = demo(server);
    mkdirSync(PICTURES, { recursive: true });
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
  });

  const picture = (page, name) => page.screenshot({ path: join(PICTURES, `${name}.png`) });

  async function enter(options = {}, path = "/") {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const page = await openPage(context, server, path);
    page.setDefaultTimeout(30_000);
    return page;
  }

  /** By key, for as many rows as are given. @param {HTMLElement[]} rows @returns {[string, number][]} */
  const heightsOf = (rows) => rows.map((row) => [row.dataset.key, row.getBoundingClientRect().height]);

  /** Chooses a conversation by its title. */
  const choose = (page, title) => page.getByRole("option", { name: title }).first().click();
  const message = (page, text) => page.locator(".row.message", { hasText: text });

  /** Which pane of two tabs writes. */
  const writer = async (page) => {
    const panes = page.locator(".pane");
    const writes = panes.filter({ has: page.locator('.writer-tag[data-writer="here"]') });
    await writes.waitFor();
    return (await writes.getAttribute("aria-label")) === "Tab 1" ? 0 : 1;
  };

  async function write(page, text) {
    const field = page.getByRole("textbox", { name: "Message" });
    await field.fill(text);
    await field.press("Enter");
  }

  test("signing in, choosing a conversation and writing: a second user sees it", async () => {
    const left = await enter();
    await left.getByRole("button", { name: "ada", exact: false }).first().click();
    await choose(left, "Kitchen & coffee");
    const right = await enter({}, "/?user=grace");
    await choose(right, "Kitchen & coffee");
    await right.locator(".row.message").first().waitFor();
    await write(left, "Is there any coffee left?");
    await message(right, "Is there any coffee left?").waitFor();
    await left.locator('.row.message.own[data-delivery="synced"]', { hasText: "Is there any coffee left?" }).waitFor();
    // A device that is new is nothing bad.
    await left.locator(".log-lines li", { hasText: "A new device" }).waitFor();
    assert.equal(await left.locator(".log-lines .bad").count(), 0);
    await picture(left, "chat");
    assert.deepEqual([...left.problems, ...right.problems], []);
    await left.context().close();
    await right.context().close();
  });

  test("two devices side by side, one of each user, show the same", async () => {
    const page = await enter({ viewport: { width: 1600, height: 900 } }, "/two.html?left=ada&right=grace#/design");
    const [left, right] = [page.frameLocator("iframe >> nth=0"), page.frameLocator("iframe >> nth=1")];
    for (const pane of [left, right]) await pane.locator(".row.message").first().waitFor();
    await write(left, "Seen on both sides");
    await message(right, "Seen on both sides").waitFor();
    await write(right, "And answered");
    await message(left, "And answered").waitFor();
    await picture(page, "two");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("two tabs of one device side by side: one writes, both show the same, and the other goes on", async () => {
    const page = await enter({ viewport: { width: 1600, height: 900 } }, "/two.html?left=ada#/kitchen");
    await page.getByRole("link", { name: "Two tabs" }).click();
    const panes = [0, 1].map((n) => page.frameLocator(`iframe >> nth=${n}`));
    const tag = (n, said) => page.locator(".pane").nth(n).locator(".writer-tag", { hasText: said }).waitFor();
    for (const pane of panes) await pane.locator(".row.message").first().waitFor();
    const writes = await writer(page);
    await tag(writes, "writes");
    await tag(1 - writes, "follows");
    await write(panes[1 - writes], "Seen in both tabs");
    for (const pane of panes)
      await pane.locator('.message.own[data-delivery="synced"]', { hasText: "Seen in both tabs" }).waitFor();
    await picture(page, "two-tabs");
    // One cable for both.
    await panes[1 - writes].locator("#cable").click();
    for (const pane of panes) await pane.locator('.status[data-connection="offline"]').waitFor();
    await panes[writes].locator("#cable").click();
    for (const pane of panes) await pane.locator('.status[data-connection="online"]').waitFor();
    await page.locator(".pane").nth(writes).getByRole("button", { name: "Close this tab" }).click();
    await tag(1 - writes, "writes");
    await at.send("grace", "kitchen", "To the one that is left");
    await message(panes[1 - writes], "To the one that is left").waitFor();
    await page.locator(".pane").nth(writes).getByRole("button", { name: "Open it again" }).click();
    await tag(writes, "follows");
    await message(panes[writes], "To the one that is left").waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("a second tab just works: it says who writes, takes over when the first is closed, and the log shows it", async () => {
    const first = await enter({}, "/?user=linus#/design");
    await first.locator(".row.message").first().waitFor();
    const second = await openPage(first.context(), server, "/?user=linus#/design");
    second.setDefaultTimeout(30_000);
    await second.locator(".row.message").first().waitFor();
    const line = (page) => page.locator(".writer-line strong");
    await second.locator(".writer-line", { hasText: "Another tab writes" }).waitFor();
    await eventually(async () => assert.equal(await line(first).textContent(), "This tab writes"));
    for (const page of [first, second]) assert.equal(await page.locator(".banner").isVisible(), false);
    await write(second, "Written in the second tab");
    for (const page of [first, second])
      await page.locator('.message.own[data-delivery="synced"]', { hasText: "Written in the second tab" }).waitFor();
    // both know the same commit
    await eventually(async () => {
      const [one, other] = await Promise.all(
        [first, second].map((page) => page.locator(".writer-commit").textContent()),
      );
      assert.match(one, /^Commit \d/);
      assert.equal(other, one);
    });
    // the panel looks at its client every now and then
    const all = (page) => page.locator(".request-table tbody td:last-child").allTextContents();
    await eventually(async () => {
      assert.deepEqual(await all(second), Array(6).fill("0"));
      assert.notDeepEqual(await all(first), Array(6).fill("0"));
    });
    await picture(second, "second-tab");
    await first.close();
    await second.locator(".writer-line", { hasText: "This tab writes" }).waitFor();
    await second.locator(".log-lines li.good", { hasText: "This tab writes now" }).waitFor();
    await at.send("grace", "design", "After the move");
    await message(second, "After the move").waitFor();
    assert.deepEqual([...first.problems, ...second.problems], []);
    await second.context().close();
  });

  test("a tab that has stopped says why, and what to do", async () => {
    const first = await enter({}, "/?user=margaret#/design");
    await first.locator(".row.message").first().waitFor();
    // another way to sync does not go with this one's
    const second = await openPage(first.context(), server, "/?user=margaret&scope=conversation#/design");
    second.setDefaultTimeout(30_000);
    await second.locator(".row.message").first().waitFor();
    await first.locator(".banner", { hasText: "in another way, or with a newer version" }).waitFor();
    await first.getByRole("button", { name: "Use it here" }).click();
    await first.locator(".writer-line", { hasText: "This tab writes" }).waitFor();
    await second.locator(".banner", { hasText: "This one has stopped" }).waitFor();
    await second.close();

    // signed out in another tab
    const third = await openPage(first.context(), server, "/?user=margaret");
    third.setDefaultTimeout(30_000);
    await third.getByRole("option").first().waitFor();
    const fourth = await openPage(first.context(), server, "/");
    fourth.setDefaultTimeout(30_000);
    await fourth.getByRole("option").first().waitFor();
    await third.getByRole("button", { name: "Sign out" }).click();
    await third.getByRole("dialog").getByRole("button", { name: "Sign out" }).click();
    await fourth.locator(".banner", { hasText: "You signed out in another tab" }).waitFor();
    await picture(fourth, "signed-out");
    await fourth.locator(".banner").getByRole("button", { name: "Sign in" }).click();
    await fourth.getByRole("button", { name: "margaret" }).waitFor();
    assert.deepEqual([...first.problems, ...second.problems, ...third.problems, ...fourth.problems], []);
    await first.context().close();
  });

  test("a message with markup is shown as its text", async () => {
    const page = await enter({}, "/?user=linus#/kitchen");
    await page.locator(".row.message").first().waitFor();
    const markup = `<img src=x onerror="document.title='harm'"><script>document.title='harm'</script><b>bold</b> &amp;`;
    await at.send("ada", "kitchen", markup);
    const row = message(page, "onerror=");
    await row.waitFor();
    assert.equal(await row.locator(".text").textContent(), markup);
    assert.equal(await row.locator("img, script, b").count(), 0);
    assert.notEqual(await page.title(), "harm");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("scrolling back loads older messages, and what is on screen does not jump", async () => {
    const page = await enter({}, "/?user=ada#/harbour");
    await page.locator(".row.message").first().waitFor();
    const moved = await page.evaluate(async () => {
      const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
      const scroller = [...document.querySelectorAll("*")].find(
        (element) =>
          element.querySelector(".row.message") &&
          element.scrollHeight > element.clientHeight + 50 &&
          getComputedStyle(element).overflowY !== "visible",
      );
      const oldest = () => /** @type {HTMLElement} */ (document.querySelector(".row.message")).dataset.key;
      const first = oldest();
      const jumps = [];
      const end = performance.now() + 30_000;
      for (let seen = new Set([first]); seen.size < 5; ) {
        if (performance.now() > end) throw new Error("no older messages came");
        scroller.scrollTop = Math.max(0, scroller.scrollTop - 150);
        const top = scroller.getBoundingClientRect().top;
        const row = [...document.querySelectorAll(".row.message")].find(
          (one) => one.getBoundingClientRect().top >= top,
        );
        const { key } = /** @type {HTMLElement} */ (row).dataset;
        const before = row.getBoundingClientRect().top;
        await frame();
        await frame();
        const now = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
        const by = now ? now.getBoundingClientRect().top - before : Number.NaN;
        if (!(Math.abs(by) <= 2))
          jumps.push({ key, by, scrollTop: scroller.scrollTop, rows: scroller.querySelectorAll(".row").length });
        seen.add(oldest());
      }
      return jumps;
    });
    assert.deepEqual(moved, []);
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("every way to sync can be chosen: the list stays complete, and what each costs is kept to compare", async () => {
    const page = await enter({}, "/?user=linus#/garden");
    await page.locator(".row.message").first().waitFor();
    const { length: conversations } = (
      await (
        await fetch(`${server.url}/v1/conversations?limit=1000`, { headers: { authorization: "Bearer demo-linus" } })
      ).json()
    ).conversations;
    // the list comes by a request of its own
    const listed = (choice) =>
      eventually(async () => assert.equal(await page.getByRole("option").count(), conversations, choice));
    await listed();
    const written = [];
    const choices = [
      ["overflow-keep", "account · socket · keep"],
      ["push", "account · socket + push · keep"],
      ["notify-poll", "account · poll · keep"],
      ["notify-long-poll", "account · long-poll · keep"],
      // A long poll is the account's.
      ["scope-conversation", "conversation · socket · keep"],
      ["notify-poll", "conversation · poll · keep"],
      ["scope-mailbox", "mailbox · poll · keep"],
      ["notify-socket", "mailbox · socket · keep"],
      ["overflow-clear", "mailbox · socket · clear"],
      ["scope-account", "account · socket · clear"],
    ];
    for (const [control, choice] of choices) {
      const label = page.locator(`.choices label[for="${control}"]`);
      await label.scrollIntoViewIfNeeded();
      await label.evaluate((element) => {
        const place = () => {
          globalThis.pressedAt = element.getBoundingClientRect().top;
        };
        element.addEventListener("pointerdown", place, { once: true });
      });
      await label.click();
      const y = await page.evaluate(() => globalThis.pressedAt);
      await page.locator(`.cost.now[data-choice="${choice}"]`).waitFor();
      await page.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor();
      // The keyboard is where it was.
      await page.waitForFunction((control) => document.activeElement?.id === control, control);
      await page.waitForFunction(
        ([control, y]) =>
          Math.abs(document.querySelector(`.choices label[for="${control}"]`).getBoundingClientRect().top - y) < 3,
        /** @type {[string, number]} */ ([control, y]),
      );
      for (const n of [1, 2]) written.push((await at.send("ada", "garden", `${choice}, ${n}`)).body.text);
      await message(page, written.at(-1)).waitFor();
      await eventually(async () => {
        const shown = await page.locator(".row.message .text").allTextContents();
        assert.deepEqual(shown.slice(-written.length), written, choice);
      });
      await listed(choice);
    }
    // The present choice and the last five before it, newest first.
    const kept = choices
      .map(([, choice]) => choice)
      .reverse()
      .slice(0, 6);
    await eventually(async () =>
      assert.deepEqual(await page.locator(".cost").evaluateAll((rows) => rows.map((row) => row.dataset.choice)), kept),
    );
    await page.reload();
    await page.locator('.cost.now[data-choice="account · socket · clear"]').waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("the same burst makes hardly a request with inline push, and many without", async () => {
    const page = await enter({}, "/?user=margaret&push=1&debug#/welcome");
    await page.locator(".row.message").first().waitFor();
    const pulls = async (choice) => {
      await page.locator(`.cost.now[data-choice="${choice}"]`).waitFor();
      await page.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor();
      await page.getByRole("button", { name: "Play a burst" }).click();
      await page.locator(".cost-name.now", { hasText: "1 burst" }).waitFor();
      const name = await page.locator(".cost-name.now").textContent();
      assert.ok(name.startsWith(choice), name);
      // the panel looks at its client every now and then
      const shown = page.locator(".cost.now td").first();
      return eventually(async () => {
        const pulls = await page.evaluate(async () => (await globalThis.pullcordDemo.client.inspect()).requests.pull);
        assert.equal(await shown.textContent(), String(pulls));
        return pulls;
      });
    };
    const pushed = await pulls("account · socket + push · clear");
    await page.locator('.choices label[for="push"]').click();
    const notified = await pulls("account · socket · clear");
    // a machine that is slow pulls several at once
    assert.ok(pushed < 6 && notified > 2 * pushed, `${pushed} pulls with push, ${notified} without`);
    await picture(page, "menu");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("kept over an overflow: shown as not fresh, checked, and the gap after it filled, while the panel tells it", async () => {
    const page = await enter({}, "/?user=ada&overflow=keep#/ada-grace");
    await page.locator(".row.message").first().waitFor();
    await page.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor();
    const network = page.getByLabel("Network", { exact: true });
    await network.uncheck();
    await page.locator('.status[data-connection="offline"]').waitFor();
    const top = await page.locator(".row.message").evaluateAll((rows) => rows.at(-1).dataset.key);
    await at.bulk("ada-grace", 90, "While it was away");
    await at.overflow("ada");
    // nothing is answered before it was looked at
    const letCheck = await hold(page, CHANGES);
    const letFill = await hold(page, /\/messages\?.*(before|after)=/);
    await network.check();
    await page.locator(".part.stale.checking").waitFor();
    await page.locator(".row.message.stale").first().waitFor();
    await page.locator(".activity", { hasText: "Asking the server" }).waitFor();
    await picture(page, "kept");
    const heights = await page.locator(".row.message.stale").evaluateAll(heightsOf);
    assert.ok(heights.length > 0);
    await letCheck();
    await page.locator(".part.gap.filling").waitFor();
    await letFill();
    await page.locator(".log-lines li", { hasText: "checked with the server" }).first().waitFor();
    await page.locator(".log-lines li", { hasText: "A gap is filled" }).first().waitFor();
    await eventually(async () => assert.equal(await page.locator(".row.stale, .row.gap").count(), 0));
    // Nothing has moved: what was the newest is on screen still, and what is new is below it. No row is lower or higher
    // for having been checked.
    const fresh = new Map(await page.locator(".row.message").evaluateAll(heightsOf));
    assert.deepEqual(
      heights.filter(([key]) => fresh.has(key)),
      heights.flatMap(([key]) => (fresh.has(key) ? [[key, fresh.get(key)]] : [])),
    );
    const box = await page.locator(`[data-key="${top}"]`).boundingBox();
    assert.ok(box && box.y > 0 && box.y < 800);
    await page.locator(".to-end .badge", { hasText: /\d/ }).waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("jumping to a day, to what was unread first, and to the newest", async () => {
    const page = await enter({}, "/?user=grace#/harbour");
    await page.locator(".row.message").first().waitFor();
    const history = await at.history("grace", "harbour");
    const jump = () => page.getByRole("button", { name: "Jump to…" }).click();
    /** Marked for a moment: to be called before that. */
    const onScreen = (text) =>
      page.waitForFunction((wanted) => {
        const { top, bottom } = document.querySelector(".scroller").getBoundingClientRect();
        return [...document.querySelectorAll(".row.message.found")].some(
          (row) =>
            row.textContent.includes(wanted) &&
            row.getBoundingClientRect().top >= top - 1 &&
            row.getBoundingClientRect().top < bottom,
        );
      }, text);

    // A day far back: the first message of it is on screen, and marked.
    const { createdAt } = history[100];
    const day = new Date(createdAt);
    const midnight = new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();
    const first = history.find((one) => one.createdAt >= midnight);
    await jump();
    const two = (n) => String(n).padStart(2, "0");
    await page.getByLabel("A day").fill(`${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`);
    await Promise.all([onScreen(first.body.text), page.getByRole("button", { name: "Go", exact: true }).click()]);
    await page.locator(".segment-table tbody tr").nth(1).waitFor();
    await picture(page, "jump");

    await jump();
    await Promise.all([
      onScreen(history.at(-12).body.text),
      page.getByRole("button", { name: "First unread" }).click(),
    ]);
    await jump();
    await page.getByRole("dialog").waitFor();
    await page.keyboard.press("Escape");
    await eventually(async () => assert.equal(await page.getByRole("dialog").count(), 0));
    await jump();
    await page.getByRole("button", { name: /^Newest/ }).click();
    await page.waitForFunction(() => /** @type {HTMLElement} */ (document.querySelector(".to-end")).hidden);
    await eventually(async () =>
      assert.ok((await page.locator(".row.message .text").last().textContent()).includes(history.at(-1).body.text)),
    );
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("trouble is made with a slider, and ended with one click", async () => {
    const page = await enter({}, "/?user=grace#/welcome");
    await page.locator(".row.message").first().waitFor();
    const made = () =>
      page.evaluate(async () =>
        (await fetch("/demo/trouble", { headers: { authorization: "Bearer demo-grace" } })).json(),
      );
    const [slider, off] = [
      page.getByRole("slider", { name: "Delay requests" }),
      page.getByRole("button", { name: "All off" }),
    ];
    assert.equal(await off.count(), 0);
    await slider.focus();
    for (const ms of [250, 500]) {
      await page.keyboard.press("ArrowRight");
      await page.locator(".log-lines li", { hasText: `Delay requests: ${ms} ms` }).waitFor();
      // It stays in hand.
      assert.ok(await slider.evaluate((element) => element === document.activeElement));
    }
    await eventually(async () => assert.equal((await made()).delayMs, 500));
    await off.click();
    await page.locator(".log-lines li", { hasText: "Delay requests: 0 ms" }).waitFor();
    await eventually(async () =>
      assert.deepEqual(await made(), {
        dropNotifications: 0,
        duplicateNotifications: 0,
        errorRate: 0,
        delayMs: 0,
        oddItems: 0,
      }),
    );
    await off.waitFor({ state: "hidden" });
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("with the cable pulled a message waits, and goes once it is plugged in", async () => {
    const page = await enter({}, "/?user=margaret#/kitchen");
    await page.locator(".row.message").first().waitFor();
    await page.context().setOffline(true);
    await write(page, "Written in a tunnel");
    await page.locator('.row.message.own[data-delivery="queued"]', { hasText: "Written in a tunnel" }).waitFor();
    await picture(page, "offline");
    await page.context().setOffline(false);
    await page.locator('.row.message.own[data-delivery="synced"]', { hasText: "Written in a tunnel" }).waitFor();
    assert.equal(
      (await at.history("ada", "kitchen", "limit=50")).filter((one) => one.body.text === "Written in a tunnel").length,
      1,
    );
    await page.context().close();
  });

  test("offline in a conversation that is not held: it says so, a message waits, and nothing has failed", async () => {
    const page = await enter({ viewport: { width: 390, height: 800 } }, "/?user=linus");
    await page.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor();
    await page.context().setOffline(true);
    await choose(page, "Reading circle");
    await page.locator(".row.gap", { hasText: "until you are online again" }).waitFor();
    await page.locator(".chat-subtitle .offline", { hasText: "Offline" }).waitFor();
    await write(page, "Written before anything was read");
    const own = (delivery) =>
      page.locator(`.row.message.own[data-delivery="${delivery}"]`, { hasText: "Written before anything was read" });
    await own("queued").waitFor();
    await picture(page, "offline-narrow");
    await eventually(async () => {
      for (const part of [".notice", ".edge.newer", ".to-end"])
        assert.equal(await page.locator(part).isVisible(), false, part);
      assert.equal(await page.locator(".edge.older").textContent(), "");
    });
    await page.context().setOffline(false);
    await own("synced").waitFor();
    await page.locator(".chat-subtitle .offline").waitFor({ state: "hidden" });
    // the page comes by a request of its own
    await eventually(async () => assert.equal(await page.locator(".row.gap").count(), 0));
    await page.context().close();
  });

  test("offline, where older messages cannot be had, it says so, and the newer ones that are stored are read on", async () => {
    const page = await enter({}, "/?user=linus&items=60#/harbour");
    const newest = (await at.history("linus", "harbour")).at(-1).body.text;
    await message(page, newest).last().waitFor();
    const stored = () =>
      page
        .locator(".segment-table td.n")
        .last()
        .textContent()
        .then((text) => Number(text.replace(/\D/g, "")));
    const scroll = async (by) => {
      await page.locator(".scroller").evaluate((scroller, by) => {
        scroller.scrollTop += by;
      }, by);
      await page.waitForTimeout(50);
    };
    /** Scrolls until it is so: what comes into the list comes when it comes. */
    const scrollUntil = async (by, holds) => {
      for (const end = Date.now() + 60_000; !(await holds()); await scroll(by))
        assert.ok(Date.now() < end, `scrolled by ${by} in vain for: ${holds}`);
    };
    await scrollUntil(-600, async () => (await stored()) >= 200);
    await eventually(async () => assert.equal(await message(page, newest).count(), 0, "it is out of the window"));
    await page.context().setOffline(true);
    await page.locator('.status[data-connection="offline"]').waitFor();
    const waits = page.locator(".edge.older", { hasText: "Older messages come once you are online again" });
    await scrollUntil(-600, () => waits.count());
    await picture(page, "offline-oldest");
    // What it cannot have is no alarm, and keeps it from nothing else.
    assert.equal(await page.locator(".notice").isVisible(), false);
    await scrollUntil(600, () => message(page, newest).count());
    await page.context().close();
  });

  test("by keyboard: to a conversation, to the newest message and back, and its buttons go with it", async () => {
    const page = await enter({}, "/?user=margaret");
    await page.getByRole("option").nth(2).waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? "");
    const hasFocus = (label) => eventually(async () => assert.match(await focused(), label));
    await page.keyboard.press("Control+k");
    await page.keyboard.type("kitch");
    await eventually(async () => assert.equal(await page.getByRole("option").count(), 1));
    await page.keyboard.press("Enter");
    await page.locator(".row.message").first().waitFor();
    await hasFocus(/^Message$/);
    await page.keyboard.type("From the keyboard");
    await page.keyboard.press("Enter");
    const own = page.locator('.row.message.own[data-delivery="synced"]', { hasText: "From the keyboard" });
    await own.waitFor();
    await page.keyboard.press("Shift+Tab");
    await hasFocus(/^You: From the keyboard/);
    await own.getByRole("button", { name: "Edit" }).waitFor();
    await page.keyboard.press("ArrowUp");
    await eventually(async () => assert.doesNotMatch(await focused(), /From the keyboard/));
    await page.keyboard.press("ArrowDown");
    await hasFocus(/^You: From the keyboard/);
    await page.keyboard.press("e");
    await page.getByRole("button", { name: "Save" }).waitFor();
    await eventually(async () => assert.equal(await page.getByRole("group", { name: "Message actions" }).count(), 0));
    await page.keyboard.press("Escape");
    await hasFocus(/^Message$/);
    await page.getByRole("button", { name: "Send" }).waitFor();
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });

  test("a narrow screen shows the list or the conversation, in the dark as well", async () => {
    const page = await enter({ viewport: { width: 390, height: 800 }, colorScheme: "dark" }, "/?user=ada");
    await choose(page, "Kitchen & coffee");
    await page.locator(".row.message").first().waitFor();
    await page.getByRole("listbox").waitFor({ state: "hidden" });
    await picture(page, "narrow");
    await page.getByRole("button", { name: "Back to the conversations" }).click();
    await page.getByRole("listbox").waitFor();
    await page.getByRole("textbox", { name: "Message" }).waitFor({ state: "hidden" });
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
});
