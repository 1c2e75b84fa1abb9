// A browser that can be killed: all of it, or the process of one page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chromium } from "playwright-core";
import { start } from "../../../../tools/run.mjs";
import { findBrowser } from "../../../../tools/setup.mjs";
import { pause } from "../world.mjs";

const ARGUMENTS = [
  ...[
    "--headless",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-breakpad",
  ],
  ...[
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
];

/** ms until a killed process must be gone, and until a phase that does not come to its moment is killed all the same */
export const PATIENCE = 30_000;

/**
 * @returns {{ pid: number, parent: number, group: number, args: string }[]} what runs; what has ended and was not yet
 *   collected does not
 */
function processes() {
  const listed = execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,pgid=,stat=,args="], {
    encoding: "utf8",
    maxBuffer: 64 << 20,
  });
  return listed.split("\n").flatMap((text) => {
    const [, pid, parent, group, state, args] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(text) ?? [];
    return pid && !state.startsWith("Z")
      ? [{ pid: Number(pid), parent: Number(parent), group: Number(group), args }]
      : [];
  });
}

/**
 * The processes of a browser: of its group, its descendants, and whoever names its profile.
 * @param {{ pid: number, profile: string }} browser
 */
function processesOf({ pid, profile }) {
  const all = processes();
  const own = new Set([pid]);
  for (let size = 0; size !== own.size; ) {
    size = own.size;
    for (const one of all) if (own.has(one.parent) || one.group === pid || one.args.includes(profile)) own.add(one.pid);
  }
  // `ps` itself and this process are none of them
  return all.filter((one) => own.has(one.pid) && one.pid !== process.pid);
}

/** A browser of its own on a profile, all of whose processes can be killed at once. */
export class Killable {
  pid = 0;
  profile = "";
  /** @type {import("playwright-core").BrowserContext} */
  context;
  #child;
  #browser;
  #tools;
  #seen = new Set();

  /** @param {string} profile a folder */
  static async launch(profile) {
    const found = findBrowser();
    if (!found) throw new Error("no Chromium: `node tools/setup.mjs` says what to do");
    const self = new Killable();
    self.profile = profile;
    self.#child = start(found.chrome, [...ARGUMENTS, `--user-data-dir=${profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    self.pid = self.#child.pid;
    const address = await new Promise((resolve, reject) => {
      let said = "";
      const patience = setTimeout(() => reject(new Error(`the browser did not come up\n${said}`)), 2 * PATIENCE);
      self.#child.stderr.on("data", (data) => {
        said += data;
        const found = /DevTools listening on (ws:\S+)/.exec(said);
        if (!found) return;
        clearTimeout(patience);
        resolve(found[1]);
      });
      self.#child.once("exit", (code, signal) =>
        reject(new Error(`the browser ended with ${code ?? signal}\n${said}`)),
      );
    });
    self.#browser = await chromium.connectOverCDP(address, { timeout: 2 * PATIENCE });
    self.#tools = await self.#browser.newBrowserCDPSession();
    self.context = self.#browser.contexts()[0];
    return self;
  }

  async #renderers() {
    const { processInfo } = await this.#tools.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer");
  }

  /**
   * The process that runs a page: the one that is busy while the page is.
   * @param {import("playwright-core").Page} page
   * @returns {Promise<number>} its pid
   */
  async processOf(page) {
    const before = new Map((await this.#renderers()).map(({ id, cpuTime }) => [id, cpuTime]));
    await page.evaluate(() => {
      for (const end = performance.now() + 150; performance.now() < end; );
    });
    const used = (await this.#renderers()).map(({ id, cpuTime }) => ({ id, used: cpuTime - (before.get(id) ?? 0) }));
    return used.reduce((most, one) => (one.used > most.used ? one : most)).id;
  }

  /** Looks which processes it has, so that `kill` need not. */
  look() {
    for (const { pid } of processesOf(this)) this.#seen.add(pid);
  }

  /**
   * SIGKILL to all of its processes at once.
   * @returns {Promise<number>} how many are known that it had, none of which is left
   */
  async kill() {
    process.kill(-this.pid, "SIGKILL");
    for (const end = Date.now() + PATIENCE; ; await pause(20)) {
      const left = [...processesOf(this), ...processes().filter((one) => this.#seen.has(one.pid))];
      if (!left.length) return this.#seen.size;
      assert.ok(
        Date.now() < end,
        `still there after SIGKILL: ${left.map(({ pid, args }) => `${pid} ${args.slice(0, 100)}`).join("; ")}`,
      );
      // whatever has left the group
      for (const { pid } of left) kill(pid);
    }
  }
}

export function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}
