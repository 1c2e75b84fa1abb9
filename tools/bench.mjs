// `npm run bench`: Pullcord beside Dexie and plain IndexedDB, in Chromium, on the real messages; then what each scope
// and notification costs against the real server, and each overflow policy; then several tabs. Prints tables and writes
// them as JSON (`-- --out FILE`; else target/bench.json). `-- --pkg FOLDER` measures a package that is built already,
// `-- --rounds N` more or fewer rounds, `-- --only tabs` the tabs alone. `-- --against FOLDER` measures that
// package's catch-up, paging and cold open beside this one's, and nothing else: whether a change made it slower.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import { measureAgainst } from "../tests/bench/against.mjs";
import { messages } from "../tests/bench/data.mjs";
import { figure, median, quantile, table } from "../tests/bench/numbers.mjs";
import { call, openPage, rotated } from "../tests/bench/pages.mjs";
import { profile } from "../tests/bench/profile.mjs";
import { measureRevalidation } from "../tests/bench/revalidate.mjs";
import { serve } from "../tests/bench/server.mjs";
import { measureTabs } from "../tests/bench/tabs.mjs";
import { measureTraffic } from "../tests/bench/traffic.mjs";
import { packPackage, temporaryFolder } from "../tests/e2e/support/harness.mjs";
import { TARGET, buildPackage, minified } from "./build.mjs";
import { Problem, ROOT, main } from "./run.mjs";
import { buildServer } from "./server.mjs";
import { findBrowser, setUpBuild } from "./setup.mjs";

const CATCH_UP = 100_000;
const SMALL = 1_000;
const PAGE_SIZE = 30;
const PAGES = 100;
const CONVERSATION = "#ubuntu";

const TARGETS = { catchUp: 8, paging: 0.5, coldOpen: 1.3, download: 110, memory: 64 };
/** rounds of a cold open for each round of the rest: it is short, and much of it is the browser's */
const OPENINGS = 3;

async function bundleContenders() {
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, "tests", "bench", "page", "index.js")],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    minify: true,
    // as an app is built; Dexie's development build does more
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "warning",
  });
  return outputFiles[0].text;
}

function say(text) {
  console.log(text);
}

// ---------------------------------------------------------------- measurements

async function measureContenders(context, url, rounds) {
  const page = await openPage(context, url);
  await call(page, "loadMessages");
  const contenders = await call(page, "contenders");
  say('What each does, in the same page, with durability "relaxed", each on a fresh database of its own:');
  for (const { name, does } of contenders) say(`  ${name}: ${does}`);
  say(
    "The backend is an array in the page. Pullcord's answers still become JSON text for its wasm, which over HTTP they are already: it does work here that the others do not. Paging, all let the browser draw a frame between two pages, untimed.\n",
  );

  const keys = contenders.map(({ key }) => key);
  const times = Object.fromEntries(keys.map((key) => [key, /** @type {number[]} */ ([])]));
  const pages = Object.fromEntries(keys.map((key) => [key, /** @type {number[]} */ ([])]));
  for (let round = 0; round < rounds; round++) {
    const database = (key) => `bench-${key}-${round}`;
    for (const key of rotated(keys, round)) times[key].push(await call(page, "catchUp", key, database(key), CATCH_UP));
    // each time on a client and a database that were just opened: nothing is in memory yet
    for (const key of rotated(keys, round))
      pages[key].push(...(await call(page, "pageBack", key, database(key), CATCH_UP, CONVERSATION, PAGE_SIZE, PAGES)));
    for (const key of keys) await call(page, "remove", key, database(key));
    say(
      `round ${round + 1} of ${rounds}: catch-up ${keys.map((key) => `${key} ${figure(times[key][round])} ms`).join(", ")}; median page ${keys.map((key) => `${key} ${figure(median(pages[key].slice(-PAGES)))} ms`).join(", ")}`,
    );
  }

  const profiles = {
    catchUp: await profile(page, () => call(page, "catchUp", "pullcord", "bench-profile", CATCH_UP)),
    // between two pages it waits for a frame
    paging: await profile(
      page,
      () => call(page, "pageBack", "pullcord", "bench-profile", CATCH_UP, CONVERSATION, PAGE_SIZE, PAGES),
      { idle: false },
    ),
  };
  await call(page, "remove", "pullcord", "bench-profile");
  const dexieVersion = await page.evaluate(() => /** @type {any} */ (globalThis).bench.DEXIE_VERSION);
  await page.close();

  const catchUp = Object.fromEntries(
    keys.map((key) => [
      key,
      { ms: times[key], median: median(times[key]), rate: CATCH_UP / (median(times[key]) / 1000) },
    ]),
  );
  const paging = Object.fromEntries(
    keys.map((key) => [key, { median: median(pages[key]), p99: quantile(pages[key], 0.99), pages: pages[key].length }]),
  );
  return { contenders, dexieVersion, catchUp, paging, profiles };
}

/** Leaves both databases for the cold opens. */
async function measureMemory(context, url) {
  const page = await openPage(context, url);
  const all = await call(page, "loadMessages");
  const before = await call(page, "catchUp", "pullcord", "bench-small", SMALL);
  const ms = await call(page, "catchUp", "pullcord", "bench-large", all);
  const bytes = await call(page, "wasmBytes");
  await page.close();
  return { all, bytes, ms, small: before };
}

async function measureColdOpen(context, url, rounds, all) {
  const page = await openPage(context, url);
  const measure = async (database, warm) => {
    const ms = await call(page, "coldOpen", database, CONVERSATION, PAGE_SIZE, { warm });
    await page.reload();
    await page.addScriptTag({ url: "/bench.js", type: "module" });
    await page.waitForFunction(() => "bench" in globalThis);
    return ms;
  };
  const sizes = [
    ["bench-small", SMALL],
    ["bench-large", all],
  ];
  const result = {};
  for (const [name, warm] of /** @type {[string, boolean][]} */ ([
    ["whole", false],
    ["wasmLoaded", true],
  ])) {
    const times = sizes.map(() => /** @type {number[]} */ ([]));
    // the first of all fills the browser's caches
    for (const [database] of sizes) await measure(database, warm);
    for (let round = 0; round < rounds * OPENINGS; round++) {
      for (const at of rotated([0, 1], round)) times[at].push(await measure(sizes[at][0], warm));
    }
    const [small, large] = times.map((ms) => ({ ms, median: median(ms) }));
    result[name] = { small, large, ratio: large.median / small.median };
  }
  for (const [database] of sizes) await call(page, "remove", "pullcord", database);
  await page.close();
  return result;
}

async function measureDownload(pkg) {
  const read = (name) => readFile(join(pkg, name));
  const gzipped = (bytes) => gzipSync(bytes, { level: 9 }).length;
  const files = {
    "pullcord.wasm": gzipped(await read("pullcord.wasm")),
    "index.js": gzipped(await minified(await read("index.js"))),
  };
  return { files, gzip: Object.values(files).reduce((sum, bytes) => sum + bytes, 0) };
}

// ---------------------------------------------------------------- what came of it

const percent = (share) => `${(share * 100).toFixed(0)} %`;

/** What a profile says, greatest first. */
function shares({ shares }) {
  return Object.entries(shares)
    .filter(([, share]) => share >= 0.01)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, share]) => `${kind} ${percent(share)}`)
    .join(", ");
}

/** Each target, whether it is met, and if not, what stands in the way. */
function judge({ catchUp, paging, coldOpen, download, memory, profiles }) {
  const ratio = {
    catchUp: catchUp.pullcord.rate / catchUp.dexie.rate,
    median: paging.pullcord.median / paging.dexie.median,
    p99: paging.pullcord.p99 / paging.dexie.p99,
    coldOpen: coldOpen.whole.ratio,
    download: download.gzip / 1000,
    memory: memory.bytes / 2 ** 20,
  };
  const why = {
    catchUp: () =>
      `at ${TARGETS.catchUp} times Dexie's rate it would take ${figure(catchUp.dexie.median / TARGETS.catchUp)} ms and takes ${figure(catchUp.pullcord.median)}: ${shares(profiles.catchUp)}`,
    median: () =>
      `a page takes ${figure(paging.pullcord.median)} ms, and half of Dexie's is ${figure(paging.dexie.median / 2)}: ${shares(profiles.paging)}`,
    p99: () =>
      `the slowest pages are those that read their blocks from IndexedDB: ${figure(paging.pullcord.p99)} ms, ${figure(paging.pullcord.p99 / paging.pullcord.median)} times the median; Dexie's p99 is only ${figure(paging.dexie.p99 / paging.dexie.median)} times its own`,
    coldOpen: () =>
      `${figure(coldOpen.whole.large.median - coldOpen.whole.small.median)} ms more (${figure(coldOpen.wasmLoaded.large.median - coldOpen.wasmLoaded.small.median)} of them with the wasm loaded before): the index of the conversation's blocks is read whole, and it is as long as the history`,
    download: () =>
      `${Object.entries(download.files)
        .map(([name, bytes]) => `${name} ${figure(bytes / 1000)} KB`)
        .join(
          ", ",
        )}: the wasm is ${figure(download.files["pullcord.wasm"] / 1000 - TARGETS.download + download.files["index.js"] / 1000)} KB too large`,
    memory: () => `wasm memory never shrinks: this is its peak in ${figure(memory.ms / 1000)} s of catching up`,
  };
  const target = (key, name, shown, limit, met) => ({
    name,
    target: limit,
    measured: shown,
    value: ratio[key],
    met,
    why: met ? null : why[key](),
  });
  return [
    target(
      "catchUp",
      "Catch-up of 100,000 messages, batches of 500",
      `${figure(ratio.catchUp)} × Dexie's rate`,
      `≥ ${TARGETS.catchUp} ×`,
      ratio.catchUp >= TARGETS.catchUp,
    ),
    target(
      "median",
      "Paging back through 3,000, a page: median",
      `${figure(ratio.median)} × Dexie's`,
      `≤ ${TARGETS.paging} ×`,
      ratio.median <= TARGETS.paging,
    ),
    target(
      "p99",
      "Paging back through 3,000, a page: p99",
      `${figure(ratio.p99)} × Dexie's`,
      `≤ ${TARGETS.paging} ×`,
      ratio.p99 <= TARGETS.paging,
    ),
    target(
      "coldOpen",
      `Cold open, ${memory.all.toLocaleString("en-US")} messages : 1,000`,
      `${figure(ratio.coldOpen)} ×`,
      `≤ ${TARGETS.coldOpen} ×`,
      ratio.coldOpen <= TARGETS.coldOpen,
    ),
    target(
      "download",
      "Download, gzipped",
      `${figure(ratio.download)} KB`,
      `≤ ${TARGETS.download} KB`,
      ratio.download <= TARGETS.download,
    ),
    target(
      "memory",
      `wasm memory after ${memory.all.toLocaleString("en-US")} messages`,
      `${figure(ratio.memory)} MB`,
      `≤ ${TARGETS.memory} MB`,
      ratio.memory <= TARGETS.memory,
    ),
  ];
}

function print({ contenders, catchUp, paging, coldOpen, memory, profiles }, targets) {
  const rows = (cells) => contenders.map(({ key, name }) => [name, ...cells(key)]);
  say(
    `\nCatch-up of ${CATCH_UP.toLocaleString("en-US")} messages in batches of 500 (median of ${catchUp.pullcord.ms.length} rounds)`,
  );
  say(
    table([
      ["", "messages/s", "ms", "× Dexie's rate"],
      ...rows((key) => [
        figure(catchUp[key].rate),
        figure(catchUp[key].median),
        figure(catchUp[key].rate / catchUp.dexie.rate),
      ]),
    ]),
  );
  say(`  Pullcord's time, profiled: ${shares(profiles.catchUp)}`);
  say(`\nPaging back, ${PAGE_SIZE} at a time (${paging.pullcord.pages} pages each)`);
  say(
    table([
      ["", "median ms", "p99 ms", "× Dexie's median", "× its p99"],
      ...rows((key) => [
        figure(paging[key].median),
        figure(paging[key].p99),
        figure(paging[key].median / paging.dexie.median),
        figure(paging[key].p99 / paging.dexie.p99),
      ]),
    ]),
  );
  say(`  Pullcord's time, profiled: ${shares(profiles.paging)}`);
  say(
    `\nCold open: page loaded, createClient to the first page in a snapshot (median of ${coldOpen.whole.small.ms.length})`,
  );
  const opening = (name, { small, large, ratio }) => [name, figure(small.median), figure(large.median), figure(ratio)];
  say(
    table([
      ["", "1,000: ms", `${memory.all.toLocaleString("en-US")}: ms`, "ratio"],
      opening("with the wasm's download (cached) and compilation", coldOpen.whole),
      opening("wasm loaded before", coldOpen.wasmLoaded),
    ]),
  );
  say("\nTargets");
  say(
    table([
      ["", "measured", "target", ""],
      ...targets.map(({ name, measured, target, met }) => [name, measured, target, met ? "met" : "MISSED"]),
    ]),
  );
  for (const { name, why } of targets.filter(({ met }) => !met)) say(`  Missed, ${name}: ${why}`);
}

/** bytes, as KB */
const kilo = (bytes) => `${figure(bytes / 1000)} KB`;

function printAgainst(rounds) {
  const [now, other] = rounds;
  const row = (name, of) => {
    const [a, b] = [now, other].map((measured) => median(measured.map((round) => round[of])));
    return [name, figure(a), figure(b), `${figure(a / b)} ×`];
  };
  say(
    table([
      [`median of ${now.length}, in ms`, "this package", "the other", "this : other"],
      row(`catch-up of ${CATCH_UP.toLocaleString("en-US")} messages`, "catchUp"),
      row("  CPU of the page's thread", "cpu"),
      row("a page back", "page"),
      row("cold open, wasm loaded", "cold"),
    ]),
  );
}

function printTraffic({ messages, bytes, conversations, speed, ways }) {
  say(
    `\nAn hour of traffic: ${messages.toLocaleString("en-US")} messages (${kilo(bytes)} of text) in ${conversations} conversations, played ${figure(speed)} times as fast against the real server, timers likewise; all at once, a device each`,
  );
  say(
    table([
      ["", "pulls", "acks", "frames in", "frames out", "up", "down"],
      ...ways.map(({ name, requests, frames, up, down }) => [
        name,
        ...[requests.pull ?? 0, requests.ack ?? 0, frames.received, frames.sent].map(String),
        kilo(up),
        kilo(down),
      ]),
    ]),
  );
  say(
    "  Bytes are TCP's: HTTP/1.1 with Chromium's headers, uncompressed, and WebSocket frames. \"poll\" asks every 5 s; a socket is backed by a pull every 30 s, a long poll waits up to 30 s.",
  );
}

/** What was measured in several rounds, as medians. */
function typical(rounds) {
  const middle = (of) => median(rounds.map(of));
  return {
    ms: middle(({ ms }) => ms),
    up: middle(({ up }) => up),
    down: middle(({ down }) => down),
    requests: middle(({ requests }) => Object.values(requests).reduce((sum, count) => sum + count, 0)),
  };
}

function printRevalidation({ messages, changed, ways }) {
  const [keep, clear] = [typical(ways.keep), typical(ways.clear)];
  say(
    `\nAfter an overflow: a conversation of ${messages.toLocaleString("en-US")} messages, ${changed} of them changed, until all of it is fresh again (median of ${ways.keep.length})`,
  );
  const row = (name, { requests, up, down, ms }) => [name, String(requests), kilo(up), kilo(down), figure(ms)];
  say(
    table([
      ["", "requests", "up", "down", "ms"],
      row("keep: revalidated", keep),
      row("clear: fetched again, 1,000 at a time", clear),
      ["clear : keep", ...["requests", "up", "down", "ms"].map((of) => `${figure(clear[of] / keep[of])} ×`)],
    ]),
  );
}

const TAB_TARGETS = { spread: 50, move: 200, task: 5 };

function printTabs({ costs, spreads, moves, tasks }) {
  const met = (value, most) => (value <= most ? "met" : "MISSED");
  const mega = (bytes) => (bytes === null ? "–" : `${figure(bytes / 1e6)} MB`);
  say(
    "\nWhat a tab costs: its JS, the core's memory, its process (one of a page that has no client beside it), and CPU",
  );
  const [one] = costs;
  say(
    table([
      ["tabs", "JS", "wasm", "process", "without a client", "CPU, idle", "CPU at 10 messages/s", ": with 1 tab"],
      ...costs.map(({ tabs, heap, wasm, bytes, empty, idle, cpu }) => [
        String(tabs),
        mega(heap),
        mega(wasm),
        mega(bytes),
        mega(empty),
        `${figure(100 * idle)} %`,
        `${figure(100 * cpu)} %`,
        `${figure(cpu / one.cpu)} ×`,
      ]),
    ]),
  );
  say(`\nFrom a message to the last tab: median of ${spreads[0].sent.length}, in ms (target ${TAB_TARGETS.spread})`);
  say(
    table([
      ["tabs", "incoming, from its sending", "from the writer's tab", "", "sent in one", ": with 2 tabs", ""],
      ...spreads.map(({ tabs, incoming, tabsOnly, sent }) => [
        String(tabs),
        figure(median(incoming)),
        figure(median(tabsOnly)),
        met(median(incoming), TAB_TARGETS.spread),
        figure(median(sent)),
        `${figure(median(sent) / median(spreads[0].sent))} ×`,
        met(median(sent), TAB_TARGETS.spread),
      ]),
    ]),
  );
  say(`\nA move: until another tab writes, and until it has pulled, in ms (target: p95 ${TAB_TARGETS.move})`);
  say(
    table([
      ["the writer's tab is", "conversations", "tries", "writes: median", "p95", "live: median", "p95", ""],
      ...moves.flatMap(({ conversations, moves }) =>
        Object.entries(moves).map(([how, times]) => {
          const [writes, live] = [0, 1].map((at) => times.map((time) => time[at]));
          const each = [median(writes), quantile(writes, 0.95), median(live), quantile(live, 0.95)].map(figure);
          return [
            how,
            conversations.toLocaleString("en-US"),
            String(times.length),
            ...each,
            met(quantile(live, 0.95), TAB_TARGETS.move),
          ];
        }),
      ),
    ]),
  );
  say(
    `\nThe page's longest task while 10,000 messages come in, in ms (median of ${tasks.page.length}; target with a worker: ${TAB_TARGETS.task})`,
  );
  const longest = (where, of) => median(tasks[where].map((round) => round[of]));
  say(
    table([
      ["the core is in", "CPU", "as it took", "tasks over 5 ms of CPU", ""],
      ...["page", "worker"].map((where) => [
        `the ${where}`,
        figure(longest(where, "longestCpu")),
        figure(longest(where, "longest")),
        figure(longest(where, "over5")),
        where === "worker" ? met(longest(where, "longestCpu"), TAB_TARGETS.task) : "",
      ]),
      ["worker : page", `${figure(longest("worker", "longestCpu") / longest("page", "longestCpu"))} ×`, "", "", ""],
    ]),
  );
}

await main(import.meta.url, async (args) => {
  const { values: options } = parseArgs({
    args,
    options: {
      out: { type: "string" },
      pkg: { type: "string" },
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
      against: { type: "string" },
    },
  });
  if (options.only !== undefined && options.only !== "tabs") throw new Problem("--only takes: tabs");
  const rounds = Number(options.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Problem("--rounds takes a number, at least 1");
  await setUpBuild();
  if (!options.pkg) await buildPackage({ quiet: true });
  const found = findBrowser();
  if (!found) throw new Problem("Chromium is missing: `npm run setup` installs it, or says what to do");
  await buildServer();
  // packed, it is a copy: a build that runs meanwhile does not matter
  const pkg = options.pkg ? resolve(options.pkg) : await packPackage();
  const out = resolve(
    options.out ??
      join(TARGET, options.only ? "bench-tabs.json" : options.against ? "bench-against.json" : "bench.json"),
  );
  const write = async (measured) => {
    await mkdir(dirname(out), { recursive: true });
    await writeFile(out, `${JSON.stringify(measured, null, 2)}\n`);
    say(`\nwritten to ${out}`);
  };
  if (options.only) {
    const tabs = await measureTabs({ pkg, rounds, say });
    printTabs(tabs);
    await write({ tabs });
    return;
  }
  const { text, real } = messages();
  const script = await bundleContenders();
  const server = await serve({ pkg, script, data: text });
  // with a profile on the disk: without one Chromium keeps IndexedDB in memory
  const context = await chromium.launchPersistentContext(temporaryFolder(), {
    executablePath: found.chrome,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--js-flags=--expose-gc"],
  });
  try {
    const environment = {
      date: new Date().toISOString(),
      chromium: context.browser()?.version() ?? null,
      cpu: cpus()[0]?.model ?? null,
      cores: cpus().length,
      node: process.version,
    };
    say(
      `Chromium ${environment.chromium}, ${environment.cores} × ${environment.cpu}; ${real ? "the real messages" : "generated messages, for ../shared/data/irc is missing"}\n`,
    );
    if (options.against) {
      const other = await serve({ pkg: resolve(options.against), script, data: text });
      const against = await measureAgainst(context, { urls: [server.url, other.url], count: CATCH_UP, rounds, say });
      other.close();
      printAgainst(against);
      await write({ environment, real, against });
      return;
    }
    const download = await measureDownload(pkg);
    const contenders = await measureContenders(context, server.url, rounds);
    const memory = await measureMemory(context, server.url);
    const coldOpen = await measureColdOpen(context, server.url, rounds, memory.all);
    say("");
    const revalidation = await measureRevalidation(context, { text, pkg, rounds, say });
    const traffic = await measureTraffic(context, { text, pkg, say });
    const tabs = await measureTabs({ pkg, rounds, say });
    const measured = { ...contenders, coldOpen, download, memory, revalidation, traffic, tabs };
    const targets = judge(measured);
    print(measured, targets);
    printRevalidation(revalidation);
    printTraffic(traffic);
    printTabs(tabs);
    await write({ environment, real, targets, ...measured });
  } finally {
    await context.close();
    server.close();
  }
});
