// Where a measurement's time goes, by Chromium's sampling profiler.

/** µs between two samples */
const INTERVAL = 200;

const IDLE = "waiting for IndexedDB";

/** @type {[string, (frame: any) => boolean][]} */
const KINDS = [
  ["wasm", ({ url }) => url.startsWith("wasm://") || url.endsWith(".wasm")],
  ["garbage collection", ({ functionName }) => functionName === "(garbage collector)"],
  // the page's thread has nothing to do: the browser's process writes or reads
  [IDLE, ({ functionName }) => functionName === "(idle)"],
  ["Pullcord's JavaScript, JSON among it", ({ url }) => url.includes("/pkg/")],
  ["the benchmark's backend", ({ url }) => url.includes("/bench.js")],
  ["the browser, IndexedDB's calls among it", () => true],
];

/**
 * Profiles what the page runs between `console.profile()` and `console.profileEnd()`.
 * @param {import("playwright-core").Page} page
 * @param {() => Promise<unknown>} measurement
 * @param {{ idle?: boolean }} [options] `idle: false`: time in which the page did nothing does not count
 * @returns {Promise<{ ms: number, shares: Record<string, number> }>} shares of the time, 0 to 1
 */
export async function profile(page, measurement, { idle = true } = {}) {
  const session = await page.context().newCDPSession(page);
  await session.send("Profiler.enable");
  await session.send("Profiler.setSamplingInterval", { interval: INTERVAL });
  const finished = new Promise((resolve) =>
    session.once("Profiler.consoleProfileFinished", ({ profile }) => resolve(profile)),
  );
  await measurement();
  const recorded = await finished;
  await session.detach();

  const frames = new Map(recorded.nodes.map((node) => [node.id, node.callFrame]));
  const shares = Object.fromEntries(KINDS.map(([kind]) => [kind, 0]));
  let total = 0;
  recorded.samples.forEach((id, index) => {
    const frame = frames.get(id);
    // it lasts until the next
    const spent = Math.max(0, recorded.timeDeltas[index + 1] ?? 0);
    const kind = KINDS.find(([, holds]) => holds(frame))?.[0] ?? "";
    if (kind === IDLE && !idle) return;
    shares[kind] += spent;
    total += spent;
  });
  for (const kind in shares) shares[kind] /= total || 1;
  return { ms: total / 1000, shares };
}
