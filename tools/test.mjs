// `npm test`: everything that is checked, from a fresh clone on. One step after the other, each to its end
// whatever came of those before; then one line with the sum. `-- --only native,e2e` runs some of them.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TARGET, buildPackage } from "./build.mjs";
import { CHECKS, FAULTS } from "./check.mjs";
import { buildSite } from "./docs.mjs";
import { main, must } from "./run.mjs";
import { buildServer, freePort, startServer } from "./server.mjs";
import { findFirefox, setUpFirefox, setUpTools, setUpTests, setUpWebKit, tool, toolEnv } from "./setup.mjs";
import { all, cargoCounts, filesOf, nodeTests, none, runSteps, suite, timed, verdict } from "./suite.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];
/** where the random port of the last run is kept: the browser tests have the address compiled in */
const LAST_PORT = join(TARGET, "test-port");

/**
 * With the server that the browser tests talk to: at the port of the last run where that is free, since its address is
 * compiled in.
 */
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

const browserTestNames = () =>
  filesOf("tests", /^browser_.*\.rs$/).map((file) => file.slice("tests/".length, -".rs".length));

/**
 * Each file by itself: wasm-pack would end with the first that fails. It builds before it tests: with another profile
 * it would do so twice, each time.
 */
function wasmTests(browser, env) {
  const wasmPack = (name) =>
    suite(
      "wasm-pack",
      ["test", "--headless", ...browser, ".", "--locked", "--profile", "test", "--test", name],
      cargoCounts,
      { env, flaky: true },
    );
  return all(...browserTestNames().map((name) => () => wasmPack(name)));
}

function browserTests({ driver }) {
  return withTestServer((env) => wasmTests(["--chrome", "--chromedriver", driver], { ...env, CHROMEDRIVER: driver }));
}

/** What `wasmTests` would have run: all of it is skipped. */
async function wasmTestsSkipped() {
  const env = {
    ...toolEnv,
    PULLCORD_TEST_SERVER: existsSync(LAST_PORT) ? `http://127.0.0.1:${readFileSync(LAST_PORT, "utf8")}` : "",
    CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: tool("wasm-bindgen-test-runner"),
  };
  const files = browserTestNames().flatMap((name) => ["--test", name]);
  const listed = await must("cargo", ["test", "--locked", ...WASM, ...files, "--", "--list"], {
    env,
    capture: true,
    quiet: true,
  });
  return { ...none(), skipped: [...listed.matchAll(/: test$/gm)].length };
}

/** The same programs as in Chromium: they are compiled already. */
async function firefox() {
  const found = (await setUpFirefox()) && findFirefox();
  if (!found) return all(wasmTestsSkipped, () => mainPath("firefox"));
  const capabilities = join(TARGET, "firefox.json");
  writeFileSync(capabilities, JSON.stringify({ "moz:firefoxOptions": { args: ["-headless"], binary: found.firefox } }));
  const inFirefox = (env) =>
    wasmTests(["--firefox", "--geckodriver", found.driver], {
      ...env,
      GECKODRIVER: found.driver,
      WASM_BINDGEN_TEST_WEBDRIVER_JSON: capabilities,
    });
  return all(
    () => withTestServer(inFirefox),
    () => mainPath("firefox"),
  );
}

/** End to end by WebDriver. Without the browser each test says so, and is skipped. */
async function mainPath(browser) {
  await buildPackage({ quiet: true });
  await buildServer();
  return nodeTests(filesOf("tests/webdriver", /\.test\.mjs$/), [], {
    maySkip: true,
    flaky: true,
    env: { BROWSER: browser },
  });
}

async function webkit() {
  await setUpWebKit();
  return mainPath("webkit");
}

/** ms that one file has end to end */
const E2E_LIMIT = 8 * 60_000;

async function endToEnd({ chrome }) {
  await buildPackage({ quiet: true });
  await buildServer();
  // each file by itself: one that hangs does not take the others with it
  const files = filesOf("tests/e2e", /\.test\.mjs$/);
  return all(
    ...files.map(
      (file) => () =>
        timed(file, () => nodeTests([file], [], { env: { CHROME: chrome }, limit: E2E_LIMIT, flaky: true })),
    ),
  );
}

/** The packed package in tools that apps are made and tested with. @param {"matrix" | "next"} folder */
const inTools =
  (folder) =>
  async ({ chrome }) => {
    await setUpTools(folder);
    await buildPackage({ quiet: true });
    await buildServer();
    return nodeTests(filesOf(`tests/${folder}`, /\.test\.mjs$/), [], { env: { CHROME: chrome }, limit: E2E_LIMIT });
  };

async function build() {
  await buildPackage();
  return { ...none(), passed: 1 };
}

/**
 * @type {[string, string, (tools: { chrome: string, driver: string }) => Promise<{ passed: number, failed: number,
 *   skipped: number }>][]}
 */
export const STEPS = [
  ...CHECKS,
  [
    "native",
    "Core, memory store, simulation and server, native",
    () => suite("cargo", ["test", "--locked", "--workspace", "--no-fail-fast"], cargoCounts),
  ],
  [
    "faults",
    "Deliberate faults of the core, each found",
    () =>
      all(
        () => suite("cargo", ["test", "--locked", "--workspace", ...FAULTS, "--test", "faults"], cargoCounts),
        () =>
          suite("cargo", ["test", "--locked", "--workspace", ...FAULTS, "--test", "rules", "can_fail"], cargoCounts),
      ),
  ],
  ["build", "The package", build],
  ["site", "The documents as a site, and every link in it", async () => verdict(await buildSite())],
  ["browser", "Store, net and API, in Chromium", browserTests],
  ["e2e", "End to end: packed package, Chromium, server", endToEnd],
  ["matrix", "Bundlers and test runners, with the packed package", inTools("matrix")],
  ["firefox", "Store, net and API, and the main path end to end, in Firefox", firefox],
  ["webkit", "The main path end to end, in WebKit", webkit],
];

/**
 * What is run where it is asked for by its name: it is too large for every run.
 * @type {typeof STEPS}
 */
export const APART = [["next", "Next, with the packed package", inTools("next")]];

await main(import.meta.url, (args) => runSteps(args.length ? [...STEPS, ...APART] : STEPS, args, setUpTests));
