// `npm test`: everything that is checked, from a fresh clone on. One step after the other, each to its end
// whatever came of those before; then one line with the sum. `-- --only native,e2e` runs some of them.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TARGET, buildPackage } from "./build.mjs";
import { Problem, ROOT, main, must, run } from "./run.mjs";
import { buildServer, freePort, startServer } from "./server.mjs";
import { findFirefox, setUpFirefox, setUpTests, setUpWebKit, tool, toolEnv } from "./setup.mjs";

/** where the random port of the last run is kept: the browser tests have the address compiled in */
const LAST_PORT = join(TARGET, "test-port");

const CARGO_RESULT = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm;
const NODE_COUNT = /^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$/gm;
const COLOURS = /\x1b\[[0-9;]*m/g;

const none = () => ({ passed: 0, failed: 0, skipped: 0 });

function add(total, { passed, failed, skipped }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

function cargoCounts(output) {
  const total = none();
  for (const [, passed, failed, ignored] of output.replace(COLOURS, "").matchAll(CARGO_RESULT)) {
    add(total, { passed: Number(passed), failed: Number(failed), skipped: Number(ignored) });
  }
  return total;
}

function nodeCounts(output) {
  const total = none();
  const field = { pass: "passed", fail: "failed", cancelled: "failed", skipped: "skipped", todo: "skipped" };
  for (const [, what, count] of output.replace(COLOURS, "").matchAll(NODE_COUNT)) total[field[what]] += Number(count);
  return total;
}

/** A check that is good or not. */
async function check(program, args, options) {
  const { code } = await run(program, args, options);
  return { ...none(), [code === 0 ? "passed" : "failed"]: 1 };
}

/** A run of many tests. One that fails without a failed test (it did not compile, it hung) has failed, and so has one of nothing but skipped tests, unless it may be. */
async function suite(program, args, counts, { maySkip = false, ...options } = {}) {
  const { code, output } = await run(program, args, { ...options, capture: true });
  const total = counts(output);
  if (code !== 0 && total.failed === 0) total.failed = 1;
  if (code === 0 && total.passed + (maySkip ? total.skipped : 0) === 0) {
    console.error("no test was run");
    total.failed += 1;
  }
  return total;
}

async function all(...checks) {
  const total = none();
  for (const one of checks) add(total, await one());
  return total;
}

function filesOf(folder, pattern) {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path).filter((name) => pattern.test(name)).sort().map((name) => join(folder, name));
}

function nodeTests(files, more = [], options = {}) {
  return suite(process.execPath, ["--test", "--test-reporter=spec", ...more, ...files], nodeCounts, options);
}

const tsc = (project) => check(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", project]);

async function contractTypes() {
  if (existsSync(join(ROOT, "..", "shared", "contract", "pullcord.d.ts"))) return tsc("tests/types");
  console.log("the contract is not beside this repository: skipped");
  return { ...none(), skipped: 1 };
}

/** With the server that the browser tests talk to: at the port of the last run where that is free, since its address is compiled in. */
async function withTestServer(use) {
  await buildServer();
  const last = existsSync(LAST_PORT) ? Number(readFileSync(LAST_PORT, "utf8")) : 0;
  const server = await startServer({ args: ["--demo", "--allow-trouble", "--port", String(await freePort(last))] });
  writeFileSync(LAST_PORT, new URL(server.url).port);
  try {
    return await use({ ...toolEnv, PULLCORD_TEST_SERVER: server.url, WASM_BINDGEN_TEST_TIMEOUT: "300" });
  } finally {
    await server.stop();
  }
}

const browserTestNames = () => filesOf("tests", /^browser_.*\.rs$/).map((file) => file.slice("tests/".length, -".rs".length));

/** Each file by itself: wasm-pack would end with the first that fails. It builds before it tests: with another profile it would do so twice, each time. */
function wasmTests(browser, env) {
  const wasmPack = (name) => suite("wasm-pack", ["test", "--headless", ...browser, ".", "--locked", "--profile", "test", "--test", name], cargoCounts, { env });
  return all(...browserTestNames().map((name) => () => wasmPack(name)));
}

function browserTests({ driver }) {
  return withTestServer((env) => wasmTests(["--chrome", "--chromedriver", driver], { ...env, CHROMEDRIVER: driver }));
}

/** What `wasmTests` would have run: all of it is skipped. */
async function wasmTestsSkipped() {
  const env = { ...toolEnv, PULLCORD_TEST_SERVER: existsSync(LAST_PORT) ? `http://127.0.0.1:${readFileSync(LAST_PORT, "utf8")}` : "", CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: tool("wasm-bindgen-test-runner") };
  const files = browserTestNames().flatMap((name) => ["--test", name]);
  const listed = await must("cargo", ["test", "--locked", ...WASM, ...files, "--", "--list"], { env, capture: true, quiet: true });
  return { ...none(), skipped: [...listed.matchAll(/: test$/gm)].length };
}

/** The same programs as in Chromium: they are compiled already. */
async function firefox() {
  const found = (await setUpFirefox()) && findFirefox();
  if (!found) return all(wasmTestsSkipped, () => mainPath("firefox"));
  const capabilities = join(TARGET, "firefox.json");
  writeFileSync(capabilities, JSON.stringify({ "moz:firefoxOptions": { args: ["-headless"], binary: found.firefox } }));
  const inFirefox = (env) => wasmTests(["--firefox", "--geckodriver", found.driver], { ...env, GECKODRIVER: found.driver, WASM_BINDGEN_TEST_WEBDRIVER_JSON: capabilities });
  return all(() => withTestServer(inFirefox), () => mainPath("firefox"));
}

/** End to end by WebDriver. Without the browser each test says so, and is skipped. */
async function mainPath(browser) {
  await buildPackage({ quiet: true });
  await buildServer();
  return nodeTests(filesOf("tests/webdriver", /\.test\.mjs$/), [], { maySkip: true, env: { BROWSER: browser } });
}

async function webkit() {
  await setUpWebKit();
  return mainPath("webkit");
}

async function endToEnd({ chrome }) {
  const files = filesOf("tests/e2e", /\.test\.mjs$/);
  await buildPackage({ quiet: true });
  await buildServer();
  return nodeTests(files, ["--test-concurrency=1"], { env: { CHROME: chrome } });
}

async function build() {
  await buildPackage();
  return { ...none(), passed: 1 };
}

const WASM = ["--target", "wasm32-unknown-unknown"];
const STRICT = ["--", "-D", "warnings"];
/** the core with its deliberate faults; the wasm has no such feature */
const FAULTS = ["--features", "pullcord/faults"];

/** @type {[string, string, (tools: { chrome: string, driver: string }) => Promise<{ passed: number, failed: number, skipped: number }>][]} */
const STEPS = [
  ["format", "Formatting", () => check("cargo", ["fmt", "--all", "--check"])],
  ["lint", "Clippy, native and wasm", () => all(
    () => check("cargo", ["clippy", "--locked", "--workspace", "--all-targets", ...FAULTS, ...STRICT]),
    () => check("cargo", ["clippy", "--locked", "--package", "pullcord", "--all-targets", ...WASM, ...STRICT]),
  )],
  ["types", "Types of the package and the demo page", () => all(() => tsc("."), contractTypes, () => tsc("www"))],
  ["facade", "The package's JavaScript, in Node", () => nodeTests(filesOf("tests/facade", /\.test\.mjs$/))],
  ["native", "Core, memory store, simulation and server, native", () => suite("cargo", ["test", "--locked", "--workspace", "--no-fail-fast"], cargoCounts)],
  ["faults", "Deliberate faults of the core, each found by the simulation", () => suite("cargo", ["test", "--locked", "--workspace", ...FAULTS, "--test", "faults"], cargoCounts)],
  ["build", "The package", build],
  ["browser", "Store, net and API, in Chromium", browserTests],
  ["e2e", "End to end: packed package, Chromium, server", endToEnd],
  ["firefox", "Store, net and API, and the main path end to end, in Firefox", firefox],
  ["webkit", "The main path end to end, in WebKit", webkit],
];

function chosen(args) {
  if (args.length === 0) return STEPS;
  const names = args[0] === "--only" && args[1] ? args[1].split(",") : [];
  const steps = STEPS.filter(([name]) => names.includes(name));
  if (steps.length === 0 || steps.length !== names.length) throw new Problem(`--only takes some of: ${STEPS.map(([name]) => name).join(",")}`);
  return steps;
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

await main(import.meta.url, async (args) => {
  const steps = chosen(args);
  const tools = await setUpTests();
  const total = none();
  const lines = [];
  for (const [name, title, step] of steps) {
    console.log(`\n━━━ ${title} (${name})`);
    const began = performance.now();
    let counts;
    try {
      counts = await step(tools);
    } catch (error) {
      console.error(error instanceof Problem ? error.message : error);
      counts = { ...none(), failed: 1 };
    }
    add(total, counts);
    lines.push(`${counts.failed ? "✗" : "✓"} ${name.padEnd(8)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds(began)})`);
    console.log(lines.at(-1));
  }
  console.log(`\n${lines.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exit(total.failed ? 1 : 0);
});
