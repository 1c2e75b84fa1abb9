// What a page paints of its list, frame by frame, and what is to hold in each of them.

import assert from "node:assert/strict";
import { openPage } from "./harness.mjs";

/**
 * What a frame has painted: its rows, each with its top below the list's and its height (px).
 * @typedef {{ scrollTop: number, height: number, rows: Record<string, [top: number, height: number]> }} Frame
 */

/** px: positions on the screen are whole ones */
const EXACT = 1;
/** frames that are looked at after what was waited for */
const MORE = 8;

/**
 * Runs in the page, from its beginning: writes down each frame in `globalThis.paints`.
 *
 * What a script measures in requestAnimationFrame is not what is painted: the frame's ResizeObservers come later, and a
 * virtual list puts its rows right in them. The first entry of an IntersectionObserver has the place that is painted in
 * the very frame in which it began to observe, so each frame has its own.
 */
function recordFrames() {
  /** @type {(Frame | null)[]} */
  const frames = [];
  Object.assign(globalThis, { paints: frames });
  const frame = () => {
    requestAnimationFrame(frame);
    const at = frames.push(null) - 1;
    const list = document.querySelector(".list");
    const scrollTop = list?.scrollTop ?? 0;
    const isShown = (row) => row.checkVisibility({ visibilityProperty: true });
    const rows = [...document.querySelectorAll("[data-key]")];
    const were = new Map(rows.map((row) => [row, isShown(row)]));
    const observer = new IntersectionObserver(
      (entries) => {
        observer.disconnect();
        // of a row that moves on at once there are two: the first is of this frame
        const own = entries.filter((entry, i) => entries.findIndex(({ target }) => target === entry.target) === i);
        const painted = own.filter(({ target, boundingClientRect: { top, bottom }, rootBounds }) => {
          // what this very frame has removed has no place in it; what the next one removes is still seen in this one
          const shown = were.has(target) && (target.isConnected ? isShown(target) : were.get(target));
          return shown && bottom > top && bottom > rootBounds.top && top < rootBounds.bottom;
        });
        const { top, bottom } = painted[0]?.rootBounds ?? { top: 0, bottom: 0 };
        frames[at] = {
          scrollTop,
          height: bottom - top,
          rows: Object.fromEntries(
            painted.map(({ target, boundingClientRect: box }) => [
              target.getAttribute("data-key"),
              [box.top - top, box.height],
            ]),
          ),
        };
      },
      { root: list },
    );
    for (const row of rows) observer.observe(row);
    // there is an entry also where there is no row
    if (!rows.length) observer.observe(document.body);
  };
  requestAnimationFrame(frame);
}

/** @param {Frame} frame @returns its rows from top to bottom */
export const inOrder = ({ rows }) =>
  Object.entries(rows)
    .map(([key, [top, height]]) => ({ key, top, bottom: top + height }))
    .sort((a, b) => a.top - b.top);

const near = (a, b) => Math.abs(a - b) <= EXACT;
const px = (number) => Math.round(number * 10) / 10;

/** @param {Frame} frame in words */
export function told(frame) {
  const rows = inOrder(frame).map(({ key, top, bottom }) => `${key} ${px(top)}–${px(bottom)}`);
  return `scrolled to ${px(frame.scrollTop)}, ${px(frame.height)} high: ${rows.join(", ") || "no row"}`;
}

/** @param {Frame} before @param {Frame} after how far each row was moved that is in both */
export function moves(before, after) {
  const both = Object.keys(after.rows).filter((key) => key in before.rows);
  return both.map((key) => ({ key, by: after.rows[key][0] - before.rows[key][0] }));
}

/** Neither a hole between two rows, nor above or below them. @param {Frame} frame */
export function isFull(frame) {
  const rows = inOrder(frame);
  assert.ok(rows.length > 0, `nothing is shown: ${told(frame)}`);
  const between = rows.every(({ top }, i) => i === 0 || near(rows[i - 1].bottom, top));
  assert.ok(between && rows[0].top <= EXACT && rows.at(-1).bottom >= frame.height - EXACT, `a hole: ${told(frame)}`);
}

/** @param {string} key @param {Frame} frame */
export function isAtTop(key, frame) {
  assert.ok(key in frame.rows && near(frame.rows[key][0], 0), `${key} is not at the top: ${told(frame)}`);
}

/** @param {Frame} frame */
export function endsWithLast(frame) {
  assert.ok(near(inOrder(frame).at(-1)?.bottom, frame.height), `not at the end: ${told(frame)}`);
}

/** Nothing that was there moves. @param {Frame[]} frames */
export function standStill(frames) {
  for (const [i, frame] of frames.entries())
    for (const { key, by } of moves(frames[Math.max(0, i - 1)], frame))
      assert.ok(near(by, 0), `${key} was moved by ${px(by)} px, in frame ${i}: ${told(frame)}`);
}

/**
 * All rows are moved alike, by whole turns of the wheel: what comes in above or below moves nothing.
 * @param {Frame[]} frames @param {number} turn px
 */
export function moveByTurns(frames, turn) {
  let way = 0;
  for (const [i, frame] of frames.entries()) {
    const before = frames[Math.max(0, i - 1)];
    const [first, ...others] = moves(before, frame);
    if (!first) continue;
    const odd = others.find(({ by }) => !near(by, first.by));
    assert.ok(!odd, `${first.key} was moved by ${px(first.by)}, ${odd?.key} by ${px(odd?.by)}: ${told(frame)}`);
    // at its upper end it cannot go as far as it is turned
    const whole = before.scrollTop <= EXACT || frame.scrollTop <= EXACT || near(first.by % turn, 0);
    assert.ok(whole, `moved by ${px(first.by)} in frame ${i}, and a turn is ${turn}: ${told(frame)}`);
    way += first.by;
  }
  return way;
}

/**
 * A page with a list (`.list`) of rows (`[data-key]`), whose frames are written down.
 * @param {import("playwright-core").Browser} browser
 * @param {{ url: string }} server
 * @param {string} path
 */
export async function openList(browser, server, path) {
  const newPage = async () => {
    const page = await browser.newPage({ viewport: { width: 800, height: 700 } });
    await page.addInitScript(recordFrames);
    return page;
  };
  const page = await openPage({ newPage }, server, path);
  const drawn = () => page.evaluate(() => globalThis.paints.length);
  /** So many frames more. */
  const settled = async (more = MORE) => {
    const least = (await drawn()) + more;
    await page.waitForFunction((least) => globalThis.paints.length > least && globalThis.paints[least], least);
  };
  return Object.assign(page, {
    settled,
    /**
     * The frames of what is done, with the one before it and some after it.
     * @param {() => Promise<unknown>} act @returns {Promise<Frame[]>}
     */
    async during(act, from = -1) {
      if (from < 0) await settled(2);
      const begin = from < 0 ? (await drawn()) - 2 : from;
      await act();
      await settled();
      const frames = await page.evaluate((begin) => globalThis.paints.slice(begin), begin);
      return frames.filter((frame) => frame !== null);
    },
    /** @param {number} turns @param {number} by px a turn */
    async wheel(turns, by) {
      const box = await page.locator(".list").boundingBox();
      await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      for (let i = 0; i < turns; i += 1) {
        await page.mouse.wheel(0, by);
        await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
      }
    },
  });
}
