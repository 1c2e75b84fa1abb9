// Several tabs of an account: what each costs, how soon all show a message, how soon another goes on when the one that
// writes has gone; and how long a task of the page takes, with the core in it and in a worker.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launchTools } from "../e2e/support/cdp.mjs";
import { demo, launchBrowser, openPage, startServer } from "../e2e/support/harness.mjs";
import { median, quantile } from "./numbers.mjs";

/** how many tabs a figure is taken with */
const COSTS = [1, 5, 20];
const SPREADS = [2, 5, 20];
/** messages a second that come in while the CPU's time is taken, and for how many ms */
const RATE = 10;
const BUSY = 20_000;
/** messages whose way to the last tab is timed, and moves, of each kind */
const MESSAGES = 50;
const MOVES = 50;
const CONVERSATIONS = [5, 10_000];
/** messages that come in while tasks are timed */
const INCOMING = 10_000;

const COUNTING = readFileSync(join(import.meta.dirname, "..", "e2e", "support", "page", "counting.js"), "utf8");

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Opens the account in one more tab, with a list, and notes when it shows what, and when it writes. */
async function openTab(context, server, user, talk) {
  const tab = await openPage(context, server);
  await tab.evaluate(
    async ({ user, talk }) => {
      const page = /** @type {any} */ (globalThis);
      const now = () => performance.timeOrigin + performance.now();
      page.client = await page.e2e.open(user, { prefetch: false });
      page.timeline = page.client.timeline(talk);
      /** when a text was first the last in the list */
      page.seen = {};
      page.timeline.subscribe(() => {
        const last = page.timeline.getSnapshot().items.at(-1);
        const text = last && page.e2e.textOf(last);
        if (text) page.seen[text] ??= now();
      });
      /** since when it writes, and since when it has pulled as the writer */
      page.writes = null;
      page.pulled = null;
      const look = () => {
        const { writer, lastSyncedAt, connection, caughtUp } = page.client.status.getSnapshot();
        if (writer !== "here") return;
        page.writes ??= now();
        if (connection === "online" && caughtUp && lastSyncedAt >= page.writes - 1) page.pulled ??= now();
      };
      page.client.status.subscribe(look);
      page.now = now;
      await page.e2e.caughtUp(page.client);
      await page.e2e.until(page.timeline, ({ items }) => items.length > 0);
      look();
    },
    { user, talk },
  );
  return tab;
}

const writes = (tab) =>
  tab.evaluate(() => /** @type {any} */ (globalThis).client.status.getSnapshot().writer === "here");

/** The one that writes, once that has come out. */
async function writerOf(tabs) {
  for (let tries = 0; tries < 600; tries += 1) {
    const each = await Promise.all(tabs.map(writes));
    if (each.filter(Boolean).length === 1) return each.indexOf(true);
    await pause(50);
  }
  throw new Error("it does not come out who writes");
}

// ---------------------------------------------------------------- what a tab costs

/** Bytes that a process has for itself; null: not told on this system, or it has ended. */
function privateBytes(pid) {
  try {
    const told = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8").matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm);
    return [...told].reduce((sum, [, kilo]) => sum + 1024 * Number(kilo), 0);
  } catch {
    return null;
  }
}

/** CPU seconds of the processes of a browser, and bytes of those that run its tabs. @param {number} tabs how many */
async function used(tools, tabs) {
  const all = await tools.processes();
  const cpu = (of) => of.reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  const renderers = all.filter(({ type }) => type === "renderer");
  // Chromium keeps a process or two in store, which are smaller
  const bytes = renderers
    .map(({ id }) => privateBytes(id))
    .sort((a, b) => (b ?? 0) - (a ?? 0))
    .slice(0, tabs);
  return {
    renderers: cpu(renderers),
    others: cpu(all) - cpu(renderers),
    bytes: bytes.every((one) => one !== null) ? bytes.reduce((sum, one) => sum + one, 0) / tabs : null,
  };
}

/** Twice: what finalizers let go of is garbage of the second. */
async function collectGarbage(tabs) {
  for (const tab of tabs) for (let i = 0; i < 2; i += 1) await tab.call("HeapProfiler.collectGarbage");
}

/** Bytes of the page's JS, and of the core's memory. */
async function heapOf(tab) {
  await tab.call("Performance.enable");
  const { metrics } = await tab.call("Performance.getMetrics");
  const wasm = await tab.evaluate(() => counting.wasmBytes());
  return { js: metrics.find(({ name }) => name === "JSHeapUsedSize").value, wasm };
}

/** Pages with nothing in them but the package, imported. @returns {Promise<number | null>} bytes of a process */
async function emptyTabs(server, count) {
  const tools = await launchTools();
  try {
    const context = await tools.newContext();
    const tabs = [];
    for (let i = 0; i < count; i += 1) tabs.push(await openPage(context, server));
    await collectGarbage(tabs);
    await pause(1000);
    return (await used(tools, count)).bytes;
  } finally {
    await tools.close();
  }
}

async function measureCost(server, count) {
  const at = demo(server);
  const [ann, bob] = await at.users("ann", "bob");
  const talk = await at.conversation([ann, bob], 1000);
  const tools = await launchTools();
  try {
    const context = await tools.newContext();
    const counted = {
      async newPage() {
        const tab = await context.newPage();
        await tab.addInitScript(COUNTING);
        return tab;
      },
    };
    const tabs = [];
    for (let i = 0; i < count; i += 1) tabs.push(await openTab(counted, server, ann, talk));
    await writerOf(tabs);
    await pause(2000);
    const idle = await used(tools, count);
    await pause(BUSY / 2);
    const before = await used(tools, count);
    const began = Date.now();
    for (let i = 0; Date.now() < began + BUSY; i += 1) {
      await at.send(bob, talk, `busy ${i}`);
      await pause(Math.max(0, began + (1000 * (i + 1)) / RATE - Date.now()));
    }
    const seconds = (Date.now() - began) / 1000;
    const after = await used(tools, count);
    await collectGarbage(tabs);
    const heaps = [];
    for (const tab of tabs) heaps.push(await heapOf(tab));
    await pause(1000);
    const { bytes } = await used(tools, count);
    const empty = await emptyTabs(server, count);
    return {
      tabs: count,
      heap: median(heaps.map(({ js }) => js)),
      wasm: median(heaps.map(({ wasm }) => wasm)),
      bytes,
      empty,
      idle: (before.renderers - idle.renderers) / (BUSY / 2000) / count,
      cpu: (after.renderers - before.renderers) / seconds / count,
      others: (after.others - before.others) / seconds,
    };
  } finally {
    await tools.close();
  }
}

// ---------------------------------------------------------------- to the last tab

async function measureSpread(server, count) {
  const at = demo(server);
  const [ann, bob] = await at.users("ann", "bob");
  const talk = await at.conversation([ann, bob], 100);
  const tools = await launchTools();
  try {
    const context = await tools.newContext();
    const tabs = [];
    for (let i = 0; i < count; i += 1) tabs.push(await openTab(context, server, ann, talk));
    const writer = await writerOf(tabs);
    // the last one is in front
    const sender = writer === count - 1 ? 0 : count - 1;
    await tabs[sender].bringToFront();
    await pause(1000);
    const seenAt = async (text) => {
      const seen = (tab) =>
        tab.evaluate(async (text) => {
          const page = /** @type {any} */ (globalThis);
          await page.e2e.poll(() => page.seen[text]);
          return page.seen[text];
        }, text);
      return Promise.all(tabs.map(seen));
    };
    const [incoming, tabsOnly, sent] = [[], [], []];
    for (let i = 0; i < MESSAGES; i += 1) {
      const from = Date.now();
      await at.send(bob, talk, `incoming ${i}`);
      const seen = await seenAt(`incoming ${i}`);
      incoming.push(Math.max(...seen) - from);
      tabsOnly.push(Math.max(...seen) - seen[writer]);
      await pause(120);
      const called = await tabs[sender].evaluate((text) => {
        const page = /** @type {any} */ (globalThis);
        const at = page.now();
        page.timeline.send({ text });
        return at;
      }, `own ${i}`);
      sent.push(Math.max(...(await seenAt(`own ${i}`))) - called);
      await pause(120);
    }
    return { tabs: count, incoming, tabsOnly, sent };
  } finally {
    await tools.close();
  }
}

// ---------------------------------------------------------------- a move

/** The process of a page: the one that is busy while the page is. */
async function processOf(tools, tab) {
  const renderers = async () => (await tools.processes()).filter(({ type }) => type === "renderer");
  const before = new Map((await renderers()).map(({ id, cpuTime }) => [id, cpuTime]));
  await tab.evaluate(() => {
    for (const end = performance.now() + 150; performance.now() < end; );
  });
  const spent = (await renderers()).map(({ id, cpuTime }) => ({ id, spent: cpuTime - (before.get(id) ?? 0) }));
  return spent.reduce((most, one) => (one.spent > most.spent ? one : most)).id;
}

async function measureMoves(server, conversations, say) {
  const at = demo(server);
  const [ann, bob] = await at.users("ann", "bob");
  const talk = await at.conversation([ann, bob], 100);
  for (let made = 1; made < conversations; ) {
    const some = Math.min(50, conversations - made);
    await Promise.all(Array.from({ length: some }, () => at.conversation([ann, bob])));
    made += some;
  }
  const tools = await launchTools();
  const moves = { closed: [], killed: [] };
  try {
    const context = await tools.newContext();
    const tabs = [];
    for (let i = 0; i < 3; i += 1) tabs.push(await openTab(context, server, ann, talk));
    for (let i = 0; i < 2 * MOVES; i += 1) {
      const [writer] = tabs.splice(await writerOf(tabs), 1);
      await tabs.at(-1).bringToFront();
      for (const tab of tabs)
        await tab.evaluate(() => {
          const page = /** @type {any} */ (globalThis);
          page.writes = null;
          page.pulled = null;
        });
      const how = i % 2 ? "killed" : "closed";
      const pid = how === "killed" ? await processOf(tools, writer) : 0;
      await pause(500);
      let hasCrashed = false;
      writer.once("crash", () => {
        hasCrashed = true;
      });
      const from = Date.now();
      if (pid) process.kill(pid, "SIGKILL");
      else writer.close();
      const next = tabs[await writerOf(tabs)];
      const times = await next.evaluate(async () => {
        const page = /** @type {any} */ (globalThis);
        await page.e2e.poll(() => page.pulled);
        return [page.writes, page.pulled];
      });
      // on a machine that is busy the wrong process may have been taken for the tab's
      if (how === "closed" || hasCrashed) moves[how].push(times.map((time) => time - from));
      if (pid) await writer.close().catch(() => {});
      tabs.push(await openTab(context, server, ann, talk));
      if (i % 20 === 19) say(`  ${i + 1} moves with ${conversations} conversations`);
    }
    return { conversations, moves };
  } finally {
    await tools.close();
  }
}

// ---------------------------------------------------------------- tasks

/**
 * Tasks of the pages' own threads, in ms: as they took, and what of that they had a core for.
 * @param {{ traceEvents: any[] }} trace
 */
function tasksOf({ traceEvents }) {
  // One of which the trace has no CPU time counts as long as it took.
  const taken = ({ dur, tdur = dur }) => ({ wall: dur / 1000, cpu: tdur / 1000 });
  const threads = new Map();
  for (const { name, args, pid, tid } of traceEvents)
    if (name === "thread_name" && args.name === "CrRendererMain") threads.set(pid, tid);
  return traceEvents
    .filter(({ name, ph, pid, tid }) => name === "RunTask" && ph === "X" && threads.get(pid) === tid)
    .map(taken);
}

async function measureTasks(server, inWorker) {
  const at = demo(server);
  const [ann] = await at.users("ann");
  const talk = await at.conversation([ann], 30);
  const browser = await launchBrowser();
  try {
    const context = await browser.newContext({ bypassCSP: true });
    const page = await openPage(context, server);
    await page.evaluate(
      async ({ ann, talk, inWorker }) => {
        const page = /** @type {any} */ (globalThis);
        const worker = () => new Worker("/blank/chat.worker.js", { type: "module" });
        page.client = await page.e2e.open(ann, inWorker ? { worker } : {});
        await page.e2e.caughtUp(page.client);
        page.timeline = page.client.timeline(talk);
        page.timeline.subscribe(() => page.timeline.getSnapshot());
        page.client.conversations.subscribe(() => page.client.conversations.getSnapshot());
        await page.e2e.until(page.timeline, ({ items }) => items.length === 30);
      },
      { ann, talk, inWorker },
    );
    await pause(500);
    await browser.startTracing(page, {
      categories: ["disabled-by-default-devtools.timeline", "devtools.timeline", "toplevel", "__metadata"],
    });
    const last = page.evaluate(
      (text) => {
        const page = /** @type {any} */ (globalThis);
        return page.e2e.until(page.timeline, () => page.e2e.texts(page.timeline).at(-1) === text).then(() => {});
      },
      `bulk ${INCOMING / 1000 - 1} 1000`,
    );
    for (let i = 0; i < INCOMING / 1000; i += 1) await at.bulk(talk, 1000, `bulk ${i}`);
    await last;
    const trace = JSON.parse((await browser.stopTracing()).toString());
    return tasksOf(trace);
  } finally {
    await browser.close();
  }
}

// ---------------------------------------------------------------- all of it

/** @param {{ pkg: string, rounds: number, say: (text: string) => void }} options */
export async function measureTabs({ pkg, rounds, say }) {
  const server = await startServer({ pkg, args: ["--notify-interval", "20"] });
  try {
    const costs = [];
    for (const count of COSTS) {
      costs.push(await measureCost(server, count));
      say(`cost of ${count} tabs: ${JSON.stringify(costs.at(-1))}`);
    }
    const spreads = [];
    for (const count of SPREADS) {
      spreads.push(await measureSpread(server, count));
      const { incoming, sent } = spreads.at(-1);
      say(
        `to the last of ${count} tabs: incoming ${median(incoming).toFixed(1)} ms, own ${median(sent).toFixed(1)} ms`,
      );
    }
    const moves = [];
    for (const count of CONVERSATIONS) {
      moves.push(await measureMoves(server, count, say));
      for (const [how, times] of Object.entries(moves.at(-1).moves)) {
        const pulled = times.map(([, pulled]) => pulled);
        say(
          `moves, ${how}, ${count} conversations: median ${median(pulled).toFixed(0)} ms, p95 ${quantile(pulled, 0.95).toFixed(0)} ms`,
        );
      }
    }
    const tasks = { page: [], worker: [] };
    for (let round = 0; round < rounds; round += 1)
      for (const where of /** @type {("page" | "worker")[]} */ (["page", "worker"])) {
        const all = await measureTasks(server, where === "worker");
        tasks[where].push({
          count: all.length,
          longest: Math.max(...all.map(({ wall }) => wall)),
          longestCpu: Math.max(...all.map(({ cpu }) => cpu)),
          over5: all.filter(({ cpu }) => cpu > 5).length,
        });
        say(`tasks, core in the ${where}: ${JSON.stringify(tasks[where].at(-1))}`);
      }
    return { costs, spreads, moves, tasks };
  } finally {
    await server.stop();
  }
}
