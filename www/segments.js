// @ts-check
// A picture of what the client has of a conversation.
//
// Two strips, because one cannot show both: the first gives every segment and every gap room to be
// seen, the second is to scale, where sixty messages of a quarter of a million are a hairline.

import { h, setText } from "./dom.js";
import { number } from "./format.js";

/** @typedef {import("/pkg/index.js").Inspection["segments"][number]} Segment */

/** Below this, positions are taken to be counted from 1, and the scale begins at 0; ids begin anywhere. */
const COUNTED = 2n ** 40n;

/** @param {Segment} segment */
const kindOf = ({ live, fresh }) => (!fresh ? "stale" : live ? "live" : "fresh");

const SAYS = { live: "live", fresh: "complete", stale: "not fresh" };

export function segmentPicture() {
  const strip = h("div", { class: "strip" });
  const scaled = h("div", { class: "scale" });
  const low = h("span", {});
  const high = h("span", {});
  const axis = h("div", { class: "axis", "aria-hidden": "true" }, low, h("span", {}, "to scale, by position"), high);
  const picture = h("div", { class: "segments", role: "img" }, strip, scaled);
  const legend = h(
    "ul",
    { class: "legend", "aria-label": "Legend" },
    ...[["live", "live: nothing is newer"], ["fresh", "complete and newest"], ["stale", "kept, not fresh"], ["gap", "gap: not fetched"], ["start", "start: nothing is older"], ["screen", "on screen"]].map(([name, text]) =>
      h("li", {}, h("i", { class: `swatch ${name}`, "aria-hidden": "true" }), text),
    ),
  );
  const rows = h("tbody", {});
  const table = h(
    "table",
    { class: "segment-table" },
    h("caption", { class: "visually-hidden" }, "Segments, newest first"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "from"), h("th", { scope: "col" }, "to"), h("th", { scope: "col", class: "n" }, "messages"), h("th", { scope: "col" }, "is"))),
    rows,
  );
  const none = h("p", { class: "panel-note" });
  const element = h("div", {}, none, picture, axis, legend, table);
  let drawn = "";

  return {
    element,
    /**
     * @param {object} what
     * @param {readonly Segment[]} what.segments oldest first
     * @param {string | null} what.lastSeq the conversation's newest position, as far as it is known
     * @param {readonly [string, string] | null} what.screen the positions on screen
     * @param {string} what.empty what to say when there is none
     */
    draw({ segments, lastSeq, screen, empty }) {
      // It is asked for often and changes seldom.
      const now = JSON.stringify([segments, lastSeq, screen, empty]);
      if (now === drawn) return;
      drawn = now;

      const any = segments.length > 0;
      setText(none, any ? "" : empty);
      none.hidden = any;
      for (const part of [picture, axis, legend, table]) part.hidden = !any;
      if (!any) return;

      drawStrip(strip, segments, lastSeq, screen);
      const span = spanOf(segments, lastSeq);
      drawScale(scaled, segments, screen, span);
      setText(low, String(span.low));
      setText(high, String(span.high));
      picture.setAttribute("aria-label", `${segments.length} ${segments.length === 1 ? "segment" : "segments"}: ${segments.map((segment) => `${segment.lo} to ${segment.hi}, ${SAYS[kindOf(segment)]}`).join("; ")}`);
      rows.replaceChildren(
        ...[...segments].reverse().map((segment) =>
          h(
            "tr",
            {},
            h("td", { class: "position" }, segment.lo),
            h("td", { class: "position" }, segment.hi),
            h("td", { class: "n" }, number(segment.count)),
            h("td", {}, h("span", { class: `tag ${kindOf(segment)}` }, SAYS[kindOf(segment)]), segment.start && h("span", { class: "tag start" }, "start")),
          ),
        ),
      );
    },
  };
}

/**
 * Every segment as wide as the logarithm of its messages, every gap as wide as it takes to see it.
 * @param {HTMLElement} strip
 * @param {readonly Segment[]} segments
 * @param {string | null} lastSeq
 * @param {readonly [string, string] | null} screen
 */
function drawStrip(strip, segments, lastSeq, screen) {
  const parts = [];
  const gap = (/** @type {string} */ title) => h("div", { class: "part gap", title });
  if (!segments[0].start) parts.push(gap(`Older than ${segments[0].lo}: not fetched`));
  for (const [i, segment] of segments.entries()) {
    if (i > 0) parts.push(gap(`Between ${segments[i - 1].hi} and ${segment.lo}: messages may be missing`));
    const bar = h(
      "div",
      { class: `part bar ${kindOf(segment)}${segment.start ? " start" : ""}`, title: `${segment.lo} – ${segment.hi}\n${number(segment.count)} messages, ${SAYS[kindOf(segment)]}` },
      h("span", {}, number(segment.count)),
    );
    bar.style.flexGrow = String(1 + Math.log2(1 + segment.count));
    const part = screen && within(screen, BigInt(segment.lo), BigInt(segment.hi));
    if (part) bar.append(screenMark(part));
    parts.push(bar);
  }
  const last = segments[segments.length - 1];
  if (!last.live && (lastSeq === null || BigInt(lastSeq) > BigInt(last.hi))) parts.push(gap(`Newer than ${last.hi}: not fetched`));
  strip.replaceChildren(...parts);
}

/**
 * @param {HTMLElement} scale
 * @param {readonly Segment[]} segments
 * @param {readonly [string, string] | null} screen
 * @param {{ low: bigint, high: bigint }} span
 */
function drawScale(scale, segments, screen, { low, high }) {
  const at = (/** @type {bigint} */ position) => fraction(position - low, high - low) * 100;
  /** @type {HTMLElement[]} */
  const parts = segments.map((segment) => {
    const bar = h("div", { class: `bar ${kindOf(segment)}` });
    const from = at(segment.start ? low : BigInt(segment.lo));
    bar.style.left = `${from}%`;
    bar.style.width = `${at(BigInt(segment.hi)) - from}%`;
    return bar;
  });
  const part = screen && within(screen, low, high);
  if (part) parts.push(screenMark(part));
  scale.replaceChildren(...parts);
}

/** @param {{ from: number, to: number }} part */
function screenMark({ from, to }) {
  const mark = h("i", { class: "screen-mark" });
  mark.style.left = `min(${from * 100}%, 100% - 8px)`;
  mark.style.width = `${(to - from) * 100}%`;
  return mark;
}

/**
 * @param {readonly [string, string]} screen
 * @param {bigint} low
 * @param {bigint} high
 */
function within(screen, low, high) {
  const from = BigInt(screen[0]);
  const to = BigInt(screen[1]);
  if (to < low || from > high) return null;
  return { from: fraction((from < low ? low : from) - low, high - low), to: fraction((to > high ? high : to) - low, high - low) };
}

/**
 * @param {bigint} part
 * @param {bigint} whole
 * @returns {number} 0 to 1
 */
function fraction(part, whole) {
  return whole === 0n ? (part > 0n ? 1 : 0) : Number((part * 1_000_000n) / whole) / 1_000_000;
}

/**
 * @param {readonly Segment[]} segments
 * @param {string | null} lastSeq
 */
function spanOf(segments, lastSeq) {
  const known = BigInt(segments[segments.length - 1].hi);
  const newest = lastSeq === null ? known : BigInt(lastSeq);
  const high = newest > known ? newest : known;
  return { low: high < COUNTED && !segments[0].start ? 0n : BigInt(segments[0].lo), high };
}
