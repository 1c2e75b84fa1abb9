// Claims in the tabs of a browser, without an engine: as Chromium, Firefox and WebKit have locks, channels and page
// caches. The tabs load the package's sources as they are.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { ROOT } from "../../../tools/run.mjs";

const PAGE = "<!doctype html><title>Claims</title>";

/** Serves the sources, an empty page at any address with a query, and a gate whose answer waits. */
export async function startSources() {
  let atGate = (/** @type {() => void} */ _answer) => {};
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/gate") {
      atGate(() => response.writeHead(200).end());
      return;
    }
    if (pathname === "/") {
      response.writeHead(200, { "content-type": "text/html" }).end(PAGE);
      return;
    }
    let text;
    try {
      text = readFileSync(join(ROOT, "pkg-template", pathname));
    } catch {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/javascript" }).end(text);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  /** A page that asks for /gate synchronously stands still from `isThere` on, until it is let go. */
  const gate = () => {
    let letGo = () => {};
    const isThere = new Promise((resolve) => {
      atGate = (answer) => {
        letGo = answer;
        resolve(undefined);
      };
    });
    return { isThere, letGo: () => letGo() };
  };
  return { url: `http://127.0.0.1:${port}/`, gate, stop };
}

/**
 * Makes the page a client of the account, as `globalThis.claim`; `globalThis.told` is what befell it, and when.
 * @param {any} tab
 */
export const beginClaim = (tab, account) =>
  tab.evaluate(async (account) => {
    // @ts-ignore: the address is the page's
    const { Claim } = await import("/claim/claim.js");
    const now = () => performance.timeOrigin + performance.now();
    const isHidden = () => document.visibilityState === "hidden";
    globalThis.told = [];
    const tell = (what) => told.push({ what, at: now() });
    globalThis.claim = new Claim(
      account,
      { hidden: isHidden() },
      {
        held: () => {
          tell("held");
          setTimeout(() => claim.promoted(), 5);
        },
        lost: () => tell("lost"),
        rest: () => new Promise((resolve) => setTimeout(resolve, 20)),
        asked: (error) => {
          tell(error.message);
          claim.release();
        },
        heard: () => tell("heard"),
        warn: (message) => tell(message),
      },
    );
    document.addEventListener("visibilitychange", () => claim.look(isHidden()));
    document.addEventListener("freeze", () => claim.rest());
    document.addEventListener("resume", () => claim.wake());
    addEventListener("pagehide", () => claim.rest());
    addEventListener("pageshow", ({ persisted }) => {
      if (persisted) tell("from the page cache");
      claim.wake();
    });
    await claim.start();
    claim.greet();
  }, account);

export const isHeld = (tab) => tab.evaluate(() => claim.isHeld);
export const isHidden = (tab) => tab.evaluate(() => document.visibilityState === "hidden");
/** What befell it, in order. */
export const toldOf = (tab) => tab.evaluate(() => told.map(({ what }) => what));

/** Which of the tabs writes, and how many ms after `since` it did. */
export async function nextWriter(tabs, since, patience = 60_000) {
  const end = Date.now() + patience;
  for (;;) {
    for (const tab of tabs) {
      const at = await tab.evaluate(
        (since) => (claim.isHeld ? told.findLast(({ what, at }) => what === "held" && at > since)?.at : null) ?? null,
        since,
      );
      if (at !== null) return { tab, after: at - since };
    }
    if (Date.now() > end) throw new Error(`no tab writes: ${JSON.stringify(await Promise.all(tabs.map(toldOf)))}`);
  }
}

/** The locks of the account that are held, and those that are waited for, as any page of the browser sees them. */
export const locksOf = (tab, account) =>
  tab.evaluate(async (account) => {
    const { held = [], pending = [] } = await navigator.locks.query();
    const named = (locks) => locks.filter(({ name }) => name === `pullcord:${account}`).length;
    return { held: named(held), pending: named(pending) };
  }, account);
