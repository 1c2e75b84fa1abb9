// The reference server as a process: built, started, and ended with whoever started it.

import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { TARGET } from "./build.mjs";
import { Problem, must, start } from "./run.mjs";

export const SERVER = join(TARGET, "server", "pullcord-server");

/** ms until a server that imports a large file must have come up */
const START_PATIENCE = 300_000;
/** ms that it has to end orderly */
const STOP_PATIENCE = 5_000;

export async function buildServer() {
  await must("cargo", ["build", "--locked", "--profile", "server", "--package", "pullcord-server"]);
}

/** `wanted` if nobody listens there, else 0: any. @returns {Promise<number>} */
export function freePort(wanted, host = "127.0.0.1") {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(0));
    probe.listen(wanted, host, () => probe.close(() => resolve(wanted)));
  });
}

/**
 * Starts the server and resolves once it listens.
 * @param {{ args?: string[], quiet?: boolean }} [options] `quiet`: what it says is only shown if it fails
 * @returns `url` (no slash at its end), `pid`, `stop` (orderly), `kill` (as a crash), `ended` (its exit code)
 */
export async function startServer({ args = [], quiet = true } = {}) {
  if (!existsSync(SERVER))
    throw new Problem(`${SERVER} is missing: \`cargo build --profile server -p pullcord-server\``);
  // its stdin ends with this process, however this one ends
  const child = start(SERVER, ["--exit-with-stdin", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", (code, signal) => resolve(code ?? signal)));
  let said = "";
  child.stderr.on("data", (data) => {
    said += data;
    if (!quiet) process.stderr.write(data);
  });
  const url = await new Promise((resolve, reject) => {
    let line = "";
    const patience = setTimeout(() => reject(new Problem(`the server did not come up\n${said}`)), START_PATIENCE);
    child.stdout.on("data", (data) => {
      line += data;
      const found = /listening on (http:\/\/\S+)\n/.exec(line);
      if (!found) return;
      clearTimeout(patience);
      resolve(found[1]);
    });
    child.once("error", reject);
    ended.then((code) => {
      clearTimeout(patience);
      reject(new Problem(`the server ended with ${code} before it listened\n${said}`));
    });
  });
  return {
    url,
    pid: child.pid,
    ended,
    async stop() {
      const patience = setTimeout(() => child.kill("SIGKILL"), STOP_PATIENCE);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(patience);
    },
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
