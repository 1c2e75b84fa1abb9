// A picture of what the client has of a conversation.
//
// Two strips, because one cannot show both: the first gives every segment and every gap room to be
// seen, the second is to scale, where sixty messages of a quarter of a million are a hairline.

import { h, setText } from "./dom.js";
import { changesBetween } from "./segment-changes.js";
import { number } from "./words.js";

/** @typedef {import("../index.js").Inspection["segments"][number]} Segment */

/** Below this, positions are taken to be counted from 1, and the scale begins at 0; ids begin anywhere. */
const COUNTED = 2n ** 40n;

/** @param {Segment} segment */
const kindOf = ({ live, fresh }) => (!fresh ? "stale" : live ? "live" : "fresh");

const SAYS = { live: "live", fresh: "complete", stale: "not fresh" };

/** What just happened is marked, and said, for this long (ms). */
const MARKED = 1600;
const SAID = 6000;

/** @typedef {import("./segment-changes.js").Change & { at: number }} Happened */

/** What the colours mean, for who sees them for the first time. */
export function segmentLegend() {
  return h(
    "ul",
    { class: "legend", part: "legend", "aria-label": "Legend" },
    ...[
      ["live", "live", "complete, up to the newest"],
      ["fresh", "complete", "nothing missing in it"],
      ["stale", "not fresh", "kept, there may be news"],
      ["stale checking", "checking", "the server is asked"],
      ["gap", "gap", "not on this device"],
      ["gap filling", "filling", "being fetched"],
      ["start", "start", "nothing is older"],
      ["screen", "on screen", ""],
    ].map(([name, word, text]) =>
      h(
        "li",
        {},
        h("i", { class: `swatch ${name}`, "aria-hidden": "true" }),
        h("span", {}, h("b", {}, word), text && `: ${text}`),
      ),
    ),
  );
}

/** The segments as a table: each as it is, in words. */
function segmentTable() {
  const rows = h("tbody", {});
  const head = h(
    "tr",
    {},
    h("th", { scope: "col" }, "from"),
    h("th", { scope: "col" }, "to"),
    h("th", { scope: "col", class: "n" }, "messages"),
    h("th", { scope: "col" }, "is"),
  );
  const element = h(
    "table",
    { class: "segment-table" },
    h("caption", { class: "visually-hidden" }, "Segments, newest first"),
    h("thead", {}, head),
    rows,
  );
  return {
    element,
    /** @param {readonly Segment[]} segments oldest first */
    draw(segments) {
      rows.replaceChildren(...segments.map(segmentRow).reverse());
    },
  };
}

/** @param {Segment} segment */
function segmentRow(segment) {
  const kind = kindOf(segment);
  return h(
    "tr",
    {},
    h("td", { class: "position" }, segment.lo),
    h("td", { class: "position" }, segment.hi),
    h("td", { class: "n" }, number(segment.count)),
    h(
      "td",
      {},
      h("span", { class: `tag ${kind}` }, SAYS[kind]),
      segment.start && h("span", { class: "tag start" }, "start"),
    ),
  );
}

/** What has happened to the segments of the conversation that is shown, for as long as it is said. */
function segmentHistory() {
  /** @type {{ of: string | null, segments: readonly Segment[] }} */
  let last = { of: null, segments: [] };
  /** @type {Happened[]} newest last */
  let happened = [];
  return {
    /** Newest last. */
    lately: () => happened,
    /**
     * @param {string | null} of
     * @param {readonly Segment[]} segments
     * @returns {Happened[]} what is new
     */
    compare(of, segments) {
      const now = performance.now();
      const found =
        of === last.of ? changesBetween(last.segments, segments).map((change) => ({ ...change, at: now })) : [];
      if (of !== last.of) happened = [];
      last = { of, segments };
      happened = [...happened.filter(({ at }) => now - at < SAID), ...found];
      return found;
    },
  };
}

/**
 * What just happened; else how it stands.
 * @param {object} now
 * @param {readonly Segment[]} now.segments
 * @param {boolean} now.checking
 * @param {boolean} now.filling
 * @param {boolean} now.online
 * @param {Happened | undefined} now.latest
 */
function sentence({ segments, checking, filling, online, latest }) {
  if (checking) return "Asking the server what has changed in what is on screen…";
  if (filling) return "Fetching what is missing on screen…";
  if (latest) return `${latest.text}.`;
  const stale = segments.filter(({ fresh }) => !fresh).reduce((sum, { count }) => sum + count, 0);
  if (stale > 0) {
    const when = online
      ? "checked with the server once on screen"
      : "checked once you are online and they are on screen";
    return `${number(stale)} kept ${stale === 1 ? "message is" : "messages are"} not fresh: ${when}.`;
  }
  if (segments.length > 1) return "Each is complete in itself. Between two there is a gap: scroll there and it fills.";
  return segments[0]?.start && segments[0].live
    ? "All there is, from the first message to the newest."
    : "What this device has without a gap. Scroll back and watch it grow.";
}

/** In one sentence, for who does not see it. @param {readonly Segment[]} segments */
function inWords(segments) {
  const each = segments.map((segment) => `${segment.lo} to ${segment.hi}, ${SAYS[kindOf(segment)]}`);
  return `${segments.length} ${segments.length === 1 ? "segment" : "segments"}: ${each.join("; ")}`;
}

/** @param {{ compact?: boolean }} [options] `compact`: no table, no legend, no scale in numbers */
export function segmentPicture({ compact = false } = {}) {
  const strip = h("div", { class: "strip", part: "strip" });
  const scaled = h("div", { class: "scale", part: "scale" });
  const low = h("span", {});
  const high = h("span", {});
  const axis = h("div", { class: "axis", "aria-hidden": "true" }, low, h("span", {}, "to scale, by position"), high);
  const picture = h("div", { class: "segments", role: "img" }, strip, scaled);
  const legend = segmentLegend();
  const activity = h("p", { class: "activity", part: "activity", role: "status" });
  const table = segmentTable();
  const none = h("p", { class: "note", part: "note" });
  const element = compact
    ? h("div", { class: "picture compact" }, none, picture, activity)
    : h("div", { class: "picture" }, none, picture, axis, activity, legend, table.element);
  const history = segmentHistory();
  let drawn = "";

  return {
    element,
    /**
     * @param {object} what
     * @param {string | null} what.of the conversation
     * @param {readonly Segment[]} what.segments oldest first
     * @param {string | null} what.lastSeq the conversation's newest position, as far as it is known
     * @param {readonly [string, string] | null} what.screen the positions on screen
     * @param {boolean} what.gapOnScreen
     * @param {boolean} what.online
     * @param {string} what.empty what to say when there is none
     * @returns {Happened[]} what has happened since it was drawn last
     */
    draw({ of, segments, lastSeq, screen, gapOnScreen, online, empty }) {
      const found = history.compare(of, segments);
      const onScreen = (/** @type {Segment} */ { lo, hi }) =>
        screen !== null && within(screen, BigInt(lo), BigInt(hi)) !== null;
      const checking = new Set(online ? segments.filter((segment) => !segment.fresh && onScreen(segment)) : []);
      const filling = online && gapOnScreen;
      const happened = history.lately();
      activity.hidden = segments.length === 0;
      setText(activity, sentence({ segments, checking: checking.size > 0, filling, online, latest: happened.at(-1) }));
      // It is asked for often and changes seldom.
      const now = JSON.stringify([of, segments, lastSeq, screen, filling, online, empty]);
      if (now === drawn) return found;
      drawn = now;

      const any = segments.length > 0;
      setText(none, any ? "" : empty);
      none.hidden = any;
      for (const part of [picture, axis, legend, table.element]) part.hidden = !any;
      if (!any) return found;

      drawStrip(strip, { segments, lastSeq, screen, checking, filling, happened });
      const span = spanOf(segments, lastSeq);
      drawScale(scaled, segments, screen, span);
      setText(low, String(span.low));
      setText(high, String(span.high));
      picture.setAttribute("aria-label", inWords(segments));
      table.draw(segments);
      return found;
    },
  };
}

/**
 * @typedef {object} Strip
 * @property {readonly Segment[]} segments
 * @property {string | null} lastSeq
 * @property {readonly [string, string] | null} screen
 * @property {Set<Segment>} checking
 * @property {boolean} filling the gap that is on screen is being filled
 * @property {readonly Happened[]} happened
 */

/**
 * Every segment as wide as the logarithm of its messages, every gap as wide as it takes to see it.
 * @param {HTMLElement} strip
 * @param {Strip} what
 */
function drawStrip(strip, what) {
  const { segments, lastSeq } = what;
  const last = segments[segments.length - 1];
  const parts = [];
  if (!segments[0].start) parts.push(gapPart(`Older than ${segments[0].lo}: not fetched`));
  for (const [i, segment] of segments.entries()) {
    const older = segments[i - 1];
    if (older) {
      const title = `Between ${older.hi} and ${segment.lo}: messages may be missing`;
      parts.push(gapPart(title, isFilling(what, older, segment)));
    }
    parts.push(segmentBar(segment, what));
  }
  if (!last.live && (lastSeq === null || BigInt(lastSeq) > BigInt(last.hi)))
    parts.push(gapPart(`Newer than ${last.hi}: not fetched`, isFilling(what, last)));
  strip.replaceChildren(...parts);
}

/** @param {string} title @param {boolean} [filling] */
const gapPart = (title, filling = false) => h("div", { class: filling ? "part gap filling" : "part gap", title });

/**
 * Whether what is on screen reaches from one side of a gap to it, or over it.
 * @param {Strip} what
 * @param {Segment} older
 * @param {Segment} [newer]
 */
function isFilling({ filling, screen }, older, newer) {
  if (!filling || screen === null) return false;
  return BigInt(screen[1]) >= BigInt(older.hi) && (!newer || BigInt(screen[0]) <= BigInt(newer.lo));
}

/**
 * @param {Segment} segment
 * @param {Strip} what
 */
function segmentBar(segment, { screen, checking, happened }) {
  const kind = kindOf(segment);
  const [lo, hi] = [BigInt(segment.lo), BigInt(segment.hi)];
  const bar = h(
    "div",
    {
      class: `part bar ${kind}${checking.has(segment) ? " checking" : ""}${segment.start ? " start" : ""}`,
      title: `${segment.lo} – ${segment.hi}\n${number(segment.count)} messages, ${SAYS[kind]}`,
    },
    h("span", {}, number(segment.count)),
  );
  bar.style.flexGrow = String(1 + Math.log2(1 + segment.count));
  const part = screen && within(screen, lo, hi);
  if (part) bar.append(screenMark(part));
  const now = performance.now();
  const mark = happened.findLast((one) => now - one.at < MARKED && one.lo <= hi && one.hi >= lo);
  if (mark) {
    bar.classList.add("just", mark.kind);
    // Drawn again meanwhile, it goes on where it was.
    bar.style.animationDelay = `${Math.round(mark.at - now)}ms`;
  }
  return bar;
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
  return {
    from: fraction((from < low ? low : from) - low, high - low),
    to: fraction((to > high ? high : to) - low, high - low),
  };
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
