// What nearly every suite sets up, and takes down.

import { after, before } from "node:test";
import { demo, launchBrowser, startServer } from "./harness.mjs";

/**
 * A server and a browser for the tests of a suite: they are there before its first test, and end after its last. Called
 * in `describe`.
 * @typedef {{ server: Awaited<ReturnType<typeof startServer>>, browser: import("playwright-core").Browser,
 *   at: ReturnType<typeof demo> }} Stand
 * @param {{ args?: string[] }} options of the server
 * @param {(stand: Stand) => unknown} ready is given them; what else the tests need it may make
 */
export function withServer(options, ready) {
  /** @type {Partial<Stand>} */
  const stand = {};
  before(async () => {
    stand.server = await startServer(options);
    stand.browser = await launchBrowser();
    stand.at = demo(stand.server);
    await ready(/** @type {Stand} */ (stand));
  });
  after(async () => {
    await stand.browser?.close();
    await stand.server?.stop();
  });
}
