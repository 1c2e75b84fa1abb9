// A browser that is spoken to by the WebDriver protocol alone: Firefox by geckodriver, WebKit by WebKitWebDriver. As
// much of the protocol as the tests here need. What is started ends with the test's process.

import { once } from "node:events";
import { createInterface } from "node:readline";
import { start } from "../../tools/run.mjs";
import { freePort, temporaryFolder } from "../e2e/support/harness.mjs";

/** ms that a driver or a browser has to come up: a cold start on a busy machine is slow */
const START_PATIENCE = 120_000;
/** ms that a script in the page has to answer: more than page.js waits for anything */
const SCRIPT_PATIENCE = 60_000;

/** A virtual screen of its own, for a browser that has no headless mode. */
async function startScreen(program) {
  // it chooses a display that is free, and writes its number to descriptor 3
  const child = start(program, ["-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const lines = createInterface({ input: /** @type {any} */ (child.stdio[3]) });
  const patience = AbortSignal.timeout(START_PATIENCE);
  const display = await Promise.race([
    once(lines, "line", { signal: patience }).then(([line]) => `:${line}`),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`))),
  ]);
  return { display, end: () => child.kill() };
}

/**
 * Starts a driver, and a browser with a profile of its own.
 * @param {{ driver: string, args?: string[], capabilities: object, screen?: string | null }} browser `screen`: the Xvfb
 *   to show it on
 */
export async function launch({ driver, args = [], capabilities, screen = null }) {
  const display = screen && (await startScreen(screen));
  const port = await freePort();
  const home = temporaryFolder();
  const env = {
    // nothing of the user's own profile, cache or settings
    HOME: home,
    XDG_CACHE_HOME: `${home}/cache`,
    XDG_CONFIG_HOME: `${home}/config`,
    XDG_DATA_HOME: `${home}/data`,
    ...(display
      ? { DISPLAY: display.display, WEBKIT_DISABLE_COMPOSITING_MODE: "1", GDK_BACKEND: "x11", NO_AT_BRIDGE: "1" }
      : {}),
  };
  const child = start(driver, [...args, `--port=${port}`], { env, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (data) => {
      said = (said + data).slice(-4000);
    });
  }
  const base = `http://127.0.0.1:${port}`;
  const end = () => {
    child.kill();
    display?.end();
  };
  try {
    await accepting(base, child);
    const { sessionId, capabilities: got } = await ask(`${base}/session`, "POST", {
      capabilities: { alwaysMatch: capabilities },
    });
    const session = new Session(`${base}/session/${sessionId}`, got, end);
    await session.begin();
    return session;
  } catch (error) {
    end();
    throw new Error(`${driver}: ${error.message}\n${said}`, { cause: error });
  }
}

async function accepting(base, child) {
  const patience = Date.now() + START_PATIENCE;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      await ask(`${base}/status`, "GET");
      return;
    } catch (error) {
      if (Date.now() > patience) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function ask(url, method, body) {
  const response = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    body: method === "POST" ? JSON.stringify(body ?? {}) : undefined,
  });
  const { value } = /** @type {any} */ (await response.json());
  if (!response.ok) throw new Error(`${value?.error}: ${value?.message}`);
  return value;
}

/**
 * Runs in the page's own world, whatever world the browser runs WebDriver's scripts in (Firefox: a sandbox): as a
 * script element, which answers with an event. What it answers goes by JSON.
 */
const RUN = `
  const [source, argument, done] = arguments;
  const name = "webdriver-" + Math.random();
  document.addEventListener(name, (event) => done(event.detail), { once: true });
  const script = document.createElement("script");
  script.textContent = \`(async () => {
    const answer = (what) => document.dispatchEvent(new CustomEvent("\${name}", { detail: JSON.stringify(what) }));
    try {
      answer({ value: await (\${source})(\${argument}) });
    } catch (error) {
      answer({ error: String(error?.stack ?? "").includes(String(error)) ? error.stack : error + "\\\\n" + (error?.stack ?? "") });
    }
  })()\`;
  document.head.append(script);
  script.remove();
`;

class Session {
  #url;
  #end;
  /** @type {Promise<unknown>} a session does one thing at a time, in one of its windows */
  #last = Promise.resolve();

  constructor(url, capabilities, end) {
    this.#url = url;
    this.#end = end;
    /** what it is: "firefox 153.0" */
    this.name = `${capabilities.browserName} ${capabilities.browserVersion}`;
  }

  async begin() {
    await this.#ask("/timeouts", "POST", { script: SCRIPT_PATIENCE, pageLoad: SCRIPT_PATIENCE });
    /** the window that the browser came with */
    this.window = new Window(this, await this.#ask("/window", "GET"));
  }

  #ask(path, method, body) {
    return ask(`${this.#url}${path}`, method, body);
  }

  /** Asks of one window, once what was asked before is done. */
  in(window, path, method, body) {
    const asked = this.#last.then(async () => {
      await this.#ask("/window", "POST", { handle: window });
      return this.#ask(path, method, body);
    });
    this.#last = asked.catch(() => {});
    return asked;
  }

  /**
   * A second tab: of the same browser, so with the same storage.
   * @param {"tab" | "window"} type a tab hides the one before it, a window none
   */
  async newWindow(type = "tab") {
    const { handle } = await this.in(this.window.handle, "/window/new", "POST", { type });
    return new Window(this, handle);
  }

  async close() {
    await this.#last;
    // what does not end so is killed
    await Promise.race([this.#ask("", "DELETE").catch(() => {}), new Promise((resolve) => setTimeout(resolve, 5000))]);
    this.#end();
  }
}

class Window {
  constructor(session, handle) {
    this.session = session;
    this.handle = handle;
  }

  goto(url) {
    return this.session.in(this.handle, "/url", "POST", { url });
  }

  /** To the page before, which may come from the page cache. */
  back() {
    return this.session.in(this.handle, "/back", "POST");
  }

  reload() {
    return this.session.in(this.handle, "/refresh", "POST");
  }

  close() {
    return this.session.in(this.handle, "/window", "DELETE");
  }

  /**
   * As Playwright's: a function of its own scope, called in the page, with an argument; what it resolves with, or
   * throws.
   */
  async evaluate(run, argument) {
    const answer = await this.session.in(this.handle, "/execute/async", "POST", {
      script: RUN,
      args: [String(run), JSON.stringify(argument ?? null)],
    });
    const { value, error } = JSON.parse(answer);
    if (error) throw new Error(`in the page: ${error}`);
    return value;
  }
}
