// www/examples, with the packed package: what nobody moves does not move, in any frame that is painted.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../tools/run.mjs";
import { bundle } from "./support/apps.mjs";
import { keyOf, numberOf, openExample, serveExamples } from "./support/example.mjs";
import { endsWithLast, inOrder, isAtTop, isFull, moveByTurns, moves, standStill } from "./support/frames.mjs";
import { launchBrowser, openPage } from "./support/harness.mjs";

const ENTRIES = {
  ...{ html: null, react: "main.jsx", vue: "main.js", svelte: "main.js" },
  ...{ virtuoso: "main.jsx", tanstack: "main.jsx", stories: "main.jsx" },
};

/** px of a turn of the wheel: no row is so high, nor some of them together */
const TURN = 197;
const TURNS = 35;

const UNREAD = 501;
const LAST = 600;

const numbers = (frame) => inOrder(frame).map(({ key }) => numberOf(key));
const isBlank = ({ rows }) => Object.keys(rows).length === 0;
const row = (n) => `[data-key="${keyOf(n)}"]`;

/** From the first frame that shows anything on. */
const shown = (frames) => frames.slice(frames.findIndex((frame) => !isBlank(frame)));

/** Without the rows of other messages. @param {import("./support/frames.mjs").Frame} frame */
const only = (frame, isMeant) => ({
  ...frame,
  rows: Object.fromEntries(Object.entries(frame.rows).filter(([key]) => isMeant(numberOf(key)))),
});

/** Scrolled by so many turns. The browser may lose one where a page comes in between, or where there is no more yet. */
function turned(frames) {
  frames.forEach(isFull);
  const turns = Math.abs(moveByTurns(frames, TURN)) / TURN;
  assert.ok(turns > TURNS * 0.8 && turns < TURNS + 0.1, `${turns} turns`);
}

function still(frames) {
  frames.forEach(isFull);
  standStill(frames);
}

/**
 * The frames before another place is there show what was before; from then on it is the right one.
 * @param {boolean} blank whether frames between may show nothing
 */
function jumped(frames, blank, isRight) {
  const [before] = frames;
  const of = moves(before, before).length;
  const left = frames.findIndex((frame) => moves(before, frame).filter(({ by }) => by === 0).length !== of);
  assert.ok(left > 0, "it shows another place");
  const arrived = frames.findIndex((frame, i) => i >= left && !isBlank(frame));
  assert.ok(blank || arrived === left, `${arrived - left} blank frames`);
  for (const frame of frames.slice(arrived)) {
    isFull(frame);
    isRight(frame);
  }
}

// each waits for frames nearly all of the time
describe("examples", { concurrency: 3 }, () => {
  let server, browser;

  before(async () => {
    server = await serveExamples(ENTRIES);
    // a turn of the wheel is one step, not an animation
    const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-smooth-scrolling"];
    browser = await launchBrowser({ args });
  });

  after(async () => {
    await browser?.close();
    server?.stop();
  });

  for (const name of ["html", "react", "vue", "svelte"])
    test(name, async () => {
      const list = await openExample(browser, server, name);
      const opened = await list.during(() => list.waitForSelector(row(LAST)), 0);
      shown(opened).forEach(endsWithLast);

      const scrolled = await list.during(() => list.wheel(TURNS, -TURN));
      turned(scrolled);
      assert.ok(numbers(scrolled.at(-1))[0] < LAST - 30, "older pages came meanwhile");
      await list.holdPage(-9000);
      still(await list.during(list.letIn));

      still(await list.during(() => list.post("nobody moves")));
      const sent = await list.during(async () => {
        await list.send("hello");
        await list.says("bob: I see");
      });
      const follows = sent.slice(sent.findIndex((frame) => numbers(frame).at(-1) !== numbers(sent[0]).at(-1)));
      follows.forEach(endsWithLast);
      assert.equal(numbers(sent.at(-1)).at(-1), LAST + 3);
      assert.deepEqual(list.problems, []);
      await list.close();
    });

  test("what is typed before there is a client stays, and is sent once it is there", async () => {
    for (const name of ["html", "react", "vue", "svelte", "virtuoso", "tanstack"]) {
      const context = await browser.newContext();
      const page = await context.newPage();
      let comes;
      const held = new Promise((resolve) => {
        comes = resolve;
      });
      await page.route("**/pullcord.wasm", (route) => held.then(() => route.continue()));
      await page.goto(`${server.url}/${name}.html`);
      await page.fill("#text", "an early one");
      await page.press("#text", "Enter");
      await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
      assert.equal(await page.inputValue("#text"), "an early one", name);
      comes();
      await page.waitForSelector("form button:enabled");
      await page.press("#text", "Enter");
      await page.waitForSelector("text=ada: an early one");
      await context.close();
    }
  });

  test("the stories of React's, as Storybook shows them: each on a backend of its own", async () => {
    const page = await openPage(browser, server, "/stories.html");
    await page.exposeFunction("typed", async (text) => {
      for (const part of text.split(/(\{Enter\})/))
        await (part === "{Enter}" ? page.keyboard.press("Enter") : page.keyboard.type(part));
    });
    const last = (story, text) => page.waitForSelector(`#${story} .row:last-child:text-is("${text}")`);
    const count = (story) => page.locator(`#${story} .row`).count();
    await last("Talk", "ada: message 100");
    await page.evaluate(() => globalThis.shown.Refused.play());
    await last("Refused", "refused (failed)");
    await page.fill("#Empty input", "first");
    await page.press("#Empty input", "Enter");
    await last("Empty", "ada: first");
    assert.equal(await count("Empty"), 1);
    assert.equal(await count("Slow"), 0);
    await last("Talk", "ada: message 100");
    // a control that is moved draws it again
    await page.evaluate(() => {
      globalThis.list = document.querySelector("#Talk .list");
      globalThis.shown.Talk.draw();
    });
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    assert.equal(await page.evaluate(() => globalThis.list.isConnected && globalThis.list.children.length >= 30), true);
    assert.deepEqual(
      page.problems.filter((said) => !/send fails with "rejected"/.test(said)),
      [],
    );
    await page.close();
  });

  // react-virtuoso measures the rows of another place while they are hidden: it shows nothing for a frame or two
  for (const [name, blank] of /** @type {const} */ ([
    ["virtuoso", true],
    ["tanstack", false],
  ]))
    test(name, async (t) => {
      const list = await openExample(browser, server, name);
      const jump = async (act, to, isRight) => {
        const frames = await list.during(async () => {
          await act();
          await list.waitForSelector(to);
        });
        jumped(frames, blank, isRight);
      };

      await t.test("opens at the first unread message", async () => {
        const frames = shown(await list.during(() => list.waitForSelector(row(UNREAD)), 0));
        frames.forEach(isFull);
        for (const frame of frames) isAtTop(keyOf(UNREAD), frame);
        assert.equal(await list.textContent(`${row(UNREAD)} .divider`), "Unread");
      });

      await t.test("scrolls up through pages that come, and over a row that has grown", async () => {
        await list.edit(UNREAD - 13, 20);
        const [first] = await list.rendered();
        const frames = await list.during(() => list.wheel(TURNS, -TURN));
        turned(frames);
        assert.ok(numbers(frames.at(-1))[0] < first, "older pages came meanwhile");
        assert.ok(frames.some(({ rows }) => rows[keyOf(UNREAD - 13)]?.[1] > 480));
      });

      await t.test("stands still when an older page comes, also at its very top", async () => {
        await list.holdPage(-9000);
        await list.wheel(3, TURN);
        still(await list.during(list.letIn));
        await list.holdPage(-9000);
        still(await list.during(list.letIn));
      });

      await t.test("stands still when a row above grows; one on screen grows downwards", async () => {
        await list.wheel(1, -2 * TURN);
        const [first, second] = numbers((await list.during(async () => {})).at(-1));
        still(await list.during(() => list.edit(first - 1, 15)));
        const frames = await list.during(() => list.edit(second, 15));
        frames.forEach(isFull);
        standStill(frames.map((frame) => only(frame, (n) => n <= second)));
        assert.ok(frames.at(-1).rows[keyOf(second)][1] > frames[0].rows[keyOf(second)][1]);
      });

      await t.test("jumps to the message that another one answers", async () => {
        const target = Number((await list.locator(".answered").first().textContent()).split(" ").at(-1));
        await jump(
          () => list.follow(target),
          row(target),
          (frame) => isAtTop(keyOf(target), frame),
        );
      });

      await t.test("stands still when a newer page comes, also at the end of what is there", async () => {
        await list.holdPage(9000);
        still(await list.during(list.letIn));
        await list.holdPage(9000);
        await list.wheel(3, -TURN);
        still(await list.during(list.letIn));
      });

      await t.test("jumps to the oldest, and scrolls down through pages that come", async () => {
        await jump(
          () => list.click("text=Oldest"),
          row(1),
          (frame) => isAtTop(keyOf(1), frame),
        );
        const last = (await list.rendered()).at(-1);
        const frames = await list.during(() => list.wheel(TURNS, TURN));
        turned(frames);
        assert.ok(numbers(frames.at(-1)).at(-1) > last, "newer pages came meanwhile");
      });

      await t.test("keeps the end in view at the live end", async () => {
        await jump(() => list.click("text=Latest"), row(LAST), endsWithLast);
        const posted = await list.during(async () => {
          await list.post("one\nmore");
          await list.says("bob: one");
        });
        posted.forEach(endsWithLast);
        assert.equal(numbers(posted.at(-1)).at(-1), LAST + 1);
        const sent = await list.during(async () => {
          await list.send("hello");
          await list.says("bob: I see");
        });
        sent.forEach(endsWithLast);
        assert.equal(numbers(sent.at(-1)).at(-1), LAST + 3);
      });

      await t.test("stands still above the live end, and says how much is unseen", async () => {
        await list.wheel(3, -TURN);
        const frames = await list.during(async () => {
          await list.post("two\nmore");
          await list.waitForSelector(".pill");
        });
        still(frames);
        assert.equal(await list.textContent(".pill"), "1 new");
        await jump(() => list.click(".pill"), '.row:has-text("bob: two")', endsWithLast);
        await list.waitForSelector(".pill", { state: "detached" });
      });

      await t.test("goes back to the first unread message", async () => {
        await jump(
          () => list.click("text=First unread"),
          row(UNREAD),
          (frame) => isAtTop(keyOf(UNREAD), frame),
        );
      });

      assert.deepEqual(list.problems, []);
      await list.close();
    });

  for (const [heading, ...files] of [
    ["## Virtual lists", "virtuoso/Chat.jsx", "tanstack/Chat.jsx"],
    ["### Storybook", "react/Chat.stories.jsx", "react/Chat.stories.jsx"],
  ])
    test(`the lines that docs/frameworks.md shows below "${heading}" are the examples'`, () => {
      const [section] = new RegExp(`${heading}\n[^]*?(?=\n##+ )`).exec(
        readFileSync(join(ROOT, "docs", "frameworks.md"), "utf8"),
      );
      const shown = [...section.matchAll(/```jsx\n([\s\S]*?)```/g)].map(([, code]) => code.trim().split("\n"));
      assert.equal(shown.length, files.length);
      for (const [i, file] of files.entries()) {
        const code = readFileSync(join(ROOT, "www", "examples", file), "utf8");
        const lines = new Set(code.split("\n").map((line) => line.trim()));
        for (const line of shown[i]) assert.ok(lines.has(line.trim()), `${file}: ${line}`);
      }
    });

  test("the start page's React example, as it stands there", async () => {
    const [, code] = /```jsx\n([\s\S]*?)```/.exec(readFileSync(join(ROOT, "docs", "start.md"), "utf8")) ?? [];
    writeFileSync(join(server.folder, "start.jsx"), code);
    await bundle(server.folder, "start.jsx", "out/start.js");
    const html = '<!doctype html><div id="root"></div><script type="module" src="/out/start.js"></script>';
    writeFileSync(join(server.folder, "out", "start.html"), html);
    const page = await openPage(browser, server, "/out/start.html");
    await page.click("text=Say hello");
    await page.waitForSelector("li:has-text('hello')");
    assert.deepEqual(page.problems, []);
    await page.close();
  });
});
