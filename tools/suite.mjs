// What runs tests, counts them, and prints the sum: `npm run check` and `npm test`.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { Problem, ROOT, run } from "./run.mjs";

const CARGO_RESULT = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm;
const NODE_COUNT = /^(?:ℹ|#) (pass|fail|cancelled|skipped|todo) (\d+)$/gm;
/** the escape sequences that colour a terminal */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g");

export const none = () => ({ passed: 0, failed: 0, skipped: 0 });

export function add(total, { passed, failed, skipped }) {
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}

export function cargoCounts(output) {
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
export async function check(program, args, options) {
  const { code } = await run(program, args, options);
  return verdict(code === 0);
}

/** One check, as it is counted. @param {boolean} good */
export const verdict = (good) => ({ ...none(), [good ? "passed" : "failed"]: 1 });

/**
 * What failed, as the run tells it at its end (`node --test`: "failing tests:", cargo: "failures:"), or its last lines.
 */
const FAILURES = /^(?:✖ failing tests:|failures:)$/m;
/** lines of it that are said again below all steps: the reason is not to be looked for in an hour of output */
const LINES_SAID_AGAIN = 80;

function whatFailed(output) {
  const text = output.replace(COLOURS, "");
  const at = text.search(FAILURES);
  const lines = text.slice(Math.max(at, 0)).split("\n");
  return (at < 0 ? lines.slice(-LINES_SAID_AGAIN) : lines.slice(0, LINES_SAID_AGAIN)).join("\n");
}

/**
 * ms that one run of tests has, until it counts as one that hangs: the longest takes a quarter of it where others work
 * too
 */
const LIMIT = 20 * 60_000;

/** of the runs so far, in their order: what failed, and what failed once and then passed */
const failures = [];
const flaky = [];

/** failed tests of one run that may be flaky ones: more than these are a fault, and nothing is tried again */
const FLAKY_AT_MOST = 2;

/**
 * A run of many tests. One that fails without a failed test (it did not compile, it hung) has failed, and so has one of
 * nothing but skipped tests, unless it may be.
 *
 * One in a real browser (`flaky`) depends on the clock and the load of the machine: where one or two of its tests
 * failed, it is run once more, and that run counts. What failed at first is told at the end as flaky, never hidden.
 * @param {string} program
 * @param {string[]} args
 * @param {(output: string) => ReturnType<typeof none>} counts
 * @param {{ maySkip?: boolean, flaky?: boolean, limit?: number, env?: NodeJS.ProcessEnv }} [options]
 */
export async function suite(program, args, counts, { flaky: mayBeFlaky = false, ...options } = {}) {
  const first = await runOnce(program, args, counts, options);
  const { failed } = first.total;
  if (failed === 0) return first.total;
  if (!mayBeFlaky || failed > FLAKY_AT_MOST) {
    failures.push(whatFailed(first.output));
    return first.total;
  }
  console.log(`${failed} failed: once more, to know whether they do so each time`);
  const second = await runOnce(program, args, counts, options);
  if (second.total.failed) failures.push(whatFailed(first.output), whatFailed(second.output));
  else flaky.push(whatFailed(first.output));
  return second.total;
}

async function runOnce(program, args, counts, { maySkip = false, limit = LIMIT, ...options }) {
  const { code, output } = await run(program, args, { ...options, limit, capture: true });
  const total = counts(output);
  if (code !== 0 && total.failed === 0) total.failed = 1;
  if (code === 0 && total.passed + (maySkip ? total.skipped : 0) === 0) {
    console.error("no test was run");
    total.failed += 1;
  }
  return { total, output };
}

export async function all(...checks) {
  const total = none();
  for (const one of checks) add(total, await one());
  return total;
}

export function filesOf(folder, pattern) {
  const path = join(ROOT, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => pattern.test(name))
    .sort()
    .map((name) => join(folder, name));
}

export function nodeTests(files, more = [], options = {}) {
  return suite(process.execPath, ["--test", "--test-reporter=spec", ...more, ...files], nodeCounts, options);
}

/** @param {...string} args `format`, `lint`, and what they take */
export const biome = (...args) =>
  check(process.execPath, [join("node_modules", "@biomejs", "biome", "bin", "biome"), ...args]);

export const tsc = (project) =>
  check(process.execPath, [join("node_modules", "typescript", "bin", "tsc"), "-p", project]);

/** Says how long it took: what is slow is seen. */
export async function timed(name, step) {
  const began = performance.now();
  const counts = await step();
  console.log(`${name}: ${seconds(began)}`);
  return counts;
}

function seconds(since) {
  return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

function chosen(all, args) {
  if (args.length === 0) return all;
  const names = args[0] === "--only" && args[1] ? args[1].split(",") : [];
  const steps = all.filter(([name]) => names.includes(name));
  if (steps.length === 0 || steps.length !== names.length)
    throw new Problem(`--only takes some of: ${all.map(([name]) => name).join(",")}`);
  return steps;
}

/**
 * Runs these one after the other, each to its end whatever came of those before; then prints one line with the sum.
 * @template T
 * @param {[string, string, (tools: T) => Promise<{ passed: number, failed: number, skipped: number }>][]} steps name,
 *   title, and what is done
 * @param {string[]} args `--only NAME,NAME`: some of them
 * @param {() => Promise<T>} setUp what they stand on
 */
export async function runSteps(steps, args, setUp) {
  const wanted = chosen(steps, args);
  const tools = await setUp();
  const total = none();
  const lines = [];
  for (const [name, title, step] of wanted) {
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
    lines.push(
      `${counts.failed ? "✗" : "✓"} ${name.padEnd(8)} ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped (${seconds(began)})`,
    );
    console.log(lines.at(-1));
  }
  if (flaky.length)
    console.log(`\n━━━ What is flaky: it failed, and passed when it was run once more\n${flaky.join("\n")}`);
  if (failures.length) console.log(`\n━━━ What failed\n${failures.join("\n")}`);
  console.log(`\n${lines.join("\n")}\n`);
  const runs = flaky.length
    ? `, ${flaky.length} flaky ${flaky.length === 1 ? "run" : "runs"} passed the second time`
    : "";
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped${runs}`);
  process.exit(total.failed ? 1 : 0);
}
