// Chromium over a DevTools connection of one's own. Through Playwright's `Page.setWebLifecycleState` freezes nothing
// (no `freeze` event, and the timers run on): Playwright tells each page that it is in front. Here a page that is
// frozen is. As much of a page as the other files' helpers use is here under Playwright's names.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import WebSocket from "ws";
import { findBrowser } from "../../../tools/setup.mjs";
import { eventually, temporaryFolder } from "./harness.mjs";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-quic",
  "--no-first-run",
  "--disable-component-update",
  "--disable-background-networking",
  "--disable-sync",
  "--remote-debugging-port=0",
];

/** ms that the browser has to start, and a page to load */
const PATIENCE = 60_000;

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what}`)), PATIENCE);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A connection to the browser, with one session a page. */
class Connection {
  #socket;
  #last = 0;
  /** @type {Map<number, [(result: any) => void, (error: Error) => void]>} */
  #waiting = new Map();
  /** what is told of a session, by its name @type {Map<string | undefined, EventEmitter>} */
  #sessions = new Map();

  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (data) => this.#heard(JSON.parse(String(data))));
    socket.on("close", () => {
      for (const [, reject] of this.#waiting.values()) reject(new Error("the browser has ended"));
    });
  }

  #heard({ id, error, result, method, params, sessionId }) {
    if (method) {
      this.#sessions.get(sessionId)?.emit(method, params);
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.[1](new Error(error.message));
    else waiting?.[0](result);
  }

  events(sessionId) {
    const events = new EventEmitter();
    this.#sessions.set(sessionId, events);
    return events;
  }

  /** @returns {Promise<any>} */
  send(method, params = {}, sessionId = undefined) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(++this.#last, [resolve, reject]);
      this.#socket.send(JSON.stringify({ id: this.#last, method, params, sessionId }));
    });
  }
}

/** A tab. */
class Tab extends EventEmitter {
  #connection;
  #context;
  #targetId;
  #sessionId;
  #told;

  constructor(connection, context, targetId, sessionId) {
    super();
    this.#connection = connection;
    this.#context = context;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
    const told = connection.events(sessionId);
    this.#told = told;
    told.on("Runtime.exceptionThrown", ({ exceptionDetails }) =>
      this.emit("pageerror", new Error(textOf(exceptionDetails))),
    );
    told.on("Runtime.consoleAPICalled", ({ type, args }) =>
      this.emit("console", {
        type: () => type,
        text: () => args.map(({ value, description }) => value ?? description).join(" "),
      }),
    );
    told.on("Network.requestWillBeSent", ({ request }) =>
      this.emit("request", { url: () => request.url, method: () => request.method }),
    );
    told.on("Inspector.targetCrashed", () => this.emit("crash"));
    told.on("Page.loadEventFired", () => this.emit("load"));
  }

  context() {
    return this.#context;
  }

  /** Hears an event of the DevTools, by its name there. */
  hear(event, heard) {
    this.#told.on(event, heard);
  }

  call(method, params) {
    return this.#connection.send(method, params, this.#sessionId);
  }

  async goto(url) {
    const loaded = new Promise((resolve) => this.once("load", resolve));
    const { errorText } = await this.call("Page.navigate", { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await within(loaded, url);
  }

  /** Runs a function in the page. In a frozen one it runs as well, but the page's timers and requests do not. */
  async evaluate(run, argument = undefined) {
    const { exceptionDetails, result } = await this.call("Runtime.evaluate", {
      expression: `(${run})(${JSON.stringify(argument) ?? ""})`,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(textOf(exceptionDetails));
    return result.value;
  }

  /** A function of the page's, in each document from the next on: `heard` is told the text that it is given. */
  async expose(name, heard) {
    this.#told.on("Runtime.bindingCalled", (called) => {
      if (called.name === name) heard(called.payload);
    });
    await this.call("Runtime.addBinding", { name });
  }

  /** A script that runs in each document before anything else does. */
  addInitScript(source) {
    return this.call("Page.addScriptToEvaluateOnNewDocument", { source });
  }

  async reload() {
    const loaded = new Promise((resolve) => this.once("load", resolve));
    await this.call("Page.reload");
    await within(loaded, "the reload");
  }

  /** To the page before this one, out of the page cache if the browser has it there. */
  async back() {
    const { currentIndex, entries } = await this.call("Page.getNavigationHistory");
    const shown = new Promise((resolve) => this.#told.once("Page.frameNavigated", resolve));
    await this.call("Page.navigateToHistoryEntry", { entryId: entries[currentIndex - 1].id });
    await within(shown, "the page before");
  }

  waitForTimeout(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  /** Freezes it, and makes sure that it is: it was told, and its timers stand still. */
  async freeze() {
    await this.evaluate(() => {
      globalThis.frozen = { told: false, ticks: 0 };
      document.addEventListener(
        "freeze",
        () => {
          globalThis.frozen.told = true;
        },
        { once: true },
      );
      globalThis.frozen.timer = setInterval(() => {
        globalThis.frozen.ticks += 1;
      }, 20);
    });
    await this.call("Page.setWebLifecycleState", { state: "frozen" });
    // the call may be answered before the page has heard of it
    await eventually(async () => assert.ok(await this.evaluate(() => globalThis.frozen.told), "the page is told"));
    const ticks = await this.evaluate(() => globalThis.frozen.ticks);
    await this.waitForTimeout(1500);
    assert.deepEqual(
      await this.evaluate(() => [globalThis.frozen.told, globalThis.frozen.ticks]),
      [true, ticks],
      "the page is frozen",
    );
  }

  async thaw() {
    await this.evaluate(() => clearInterval(globalThis.frozen.timer));
    await this.call("Page.setWebLifecycleState", { state: "active" });
  }

  /** In front of the others of its window, so visible. */
  bringToFront() {
    return this.call("Page.bringToFront");
  }

  close() {
    return this.#connection.send("Target.closeTarget", { targetId: this.#targetId });
  }
}

function textOf({ exception, text }) {
  return exception?.description ?? exception?.value ?? text;
}

/** Starts Chromium. What is returned stands for Playwright's browser; close it. */
export async function launchTools() {
  const found = findBrowser();
  if (!found) throw new Error("no Chromium: `node tools/setup.mjs` says what to do");
  const child = spawn(found.chrome, [...ARGS, `--user-data-dir=${temporaryFolder()}`, "about:blank"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const endpoint = await within(
    new Promise((resolve, reject) => {
      let said = "";
      child.once("error", reject);
      child.stderr.on("data", (data) => {
        said += data;
        const listening = /DevTools listening on (\S+)/.exec(said);
        if (listening) resolve(listening[1]);
      });
    }),
    "Chromium",
  );
  const socket = new WebSocket(endpoint, { perMessageDeflate: false });
  await within(
    new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject)),
    "the DevTools connection",
  );
  const connection = new Connection(socket);

  async function newContext() {
    const { browserContextId } = await connection.send("Target.createBrowserContext");
    const context = {
      /** @returns {Promise<any>} a tab, which has what the tests use of Playwright's pages */
      async newPage() {
        const { targetId } = await connection.send("Target.createTarget", { url: "about:blank", browserContextId });
        const { sessionId } = await connection.send("Target.attachToTarget", { targetId, flatten: true });
        const tab = new Tab(connection, context, targetId, sessionId);
        for (const domain of ["Page", "Runtime", "Network", "Inspector"]) await tab.call(`${domain}.enable`);
        return tab;
      },
      close: () => connection.send("Target.disposeBrowserContext", { browserContextId }),
    };
    return context;
  }

  async function close() {
    await connection.send("Browser.close").catch(() => {});
    const patience = setTimeout(kill, 5000);
    await ended;
    clearTimeout(patience);
    socket.terminate();
    process.off("exit", kill);
  }

  /** What the browser consists of: `type` ("renderer" runs pages), `id` of the process, `cpuTime` in seconds. */
  const processes = async () => (await connection.send("SystemInfo.getProcessInfo")).processInfo;

  return { newContext, processes, close };
}
