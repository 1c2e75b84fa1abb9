// Programs that the scripts start: their output is passed on, and nothing of them outlives the script.

import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

/** The whole group: cargo and wasm-pack have children of their own. */
function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    child.kill(signal);
  }
}

function endAll(signal) {
  for (const child of running) killGroup(child, signal);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    endAll("SIGTERM");
    process.exit(signal === "SIGINT" ? 130 : 143);
  });
}
process.on("exit", () => endAll("SIGKILL"));

/**
 * @param {string} program
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, stdio?: "inherit" | string[] }} [options]
 * @returns the child, in a group of its own that ends with this process
 */
export function start(program, args, { env = {}, cwd = ROOT, stdio = "inherit" } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: /** @type {any} */ (stdio === "inherit" ? ["ignore", "inherit", "inherit"] : stdio),
    detached: true,
  });
  running.add(child);
  child.once("exit", () => {
    running.delete(child);
    // what it has left behind: a driver, a browser
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // nothing
    }
  });
  child.once("error", () => running.delete(child));
  return child;
}

/**
 * Runs to its end.
 * @returns {Promise<{ code: number, output: string }>} `output`: what it said, where `capture` is set; `limit`: ms
 *   after which it is ended, and has failed
 */
export function run(program, args, { env = {}, cwd = ROOT, capture = false, quiet = false, limit = 0 } = {}) {
  return new Promise((resolve, reject) => {
    const child = start(program, args, { env, cwd, stdio: capture ? ["ignore", "pipe", "pipe"] : "inherit" });
    let output = "";
    const end = () => {
      console.error(`${[program, ...args].join(" ")} did not end within ${limit / 1000} s, and is ended`);
      // a browser is in a group of its own: who started it ends it, if it still can
      killGroup(child, "SIGTERM");
      setTimeout(() => killGroup(child, "SIGKILL"), 10_000).unref();
    };
    const timer = limit ? setTimeout(end, limit) : undefined;
    for (const [from, to] of /** @type {const} */ ([
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ])) {
      from?.on("data", (data) => {
        output += data;
        if (!quiet) to.write(data);
      });
    }
    child.once("error", (error) => reject(new Problem(`${program} could not be started: ${error.message}`)));
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, output });
    });
  });
}

/** Runs to its end, which has to be a good one. */
export async function must(program, args, options) {
  const { code, output } = await run(program, args, options);
  if (code !== 0) throw new Problem(`${[program, ...args].join(" ")} ended with ${code}`);
  return output;
}

/** What a program prints, or null where it does not work. */
export function ask(program, args) {
  const { status, stdout } = spawnSync(program, args, {
    cwd: ROOT,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return status === 0 ? stdout.trim() : null;
}

/** Something that the user can do something about: told without a stack. */
export class Problem extends Error {}

/** Runs a script's main function, if the script is what was started. */
export async function main(url, script) {
  if (process.argv[1] !== fileURLToPath(url)) return;
  try {
    await script(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof Problem ? `\n${error.message}` : error);
    process.exit(1);
  }
}
