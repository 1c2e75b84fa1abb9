// A client of the packed package in Node whose log is kept, and what it may be up against.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fresh, packPackage } from "./harness.mjs";

/** the packed package's folder */
export const folder = await packPackage();
/** @type {any} */
export const { createClient, PullcordError } = await import(pathToFileURL(join(folder, "index.js")).href);
/** @type {any} */
export const { memoryBackend } = await import(pathToFileURL(join(folder, "testing.js")).href);

export const MESSAGES = Array.from({ length: 40 }, (_, at) => ({
  conversation: "talk",
  sender: at === 39 ? "ada" : "bob",
  text: `message ${at + 1}`,
}));

/** The backend, and Ada's way to it with some methods in others' place; each gets what it replaces. */
export function world(replaced = {}) {
  const backend = memoryBackend({ conversations: ["talk"], messages: MESSAGES });
  const way = backend.transport("ada");
  const bound = Object.fromEntries(
    Object.entries(way).map(([name, method]) => [name, (...given) => method.apply(way, given)]),
  );
  const others = Object.entries(replaced).map(([name, make]) => [name, make(bound[name], way)]);
  return { backend, transport: { ...bound, ...Object.fromEntries(others) } };
}

/**
 * A client whose log is kept.
 * @param {any} options @param {(client: any, lines: string[][]) => Promise<unknown>} use
 */
export async function said(options, use) {
  /** @type {string[][]} */
  const lines = [];
  const logger = (level, text) => lines.push([level, text]);
  let client;
  try {
    client = await createClient({ account: fresh("ada"), storage: { mode: "memory" }, logger, ...options });
    await use(client, lines);
  } catch (error) {
    if (error.name !== "PullcordError") throw error;
  } finally {
    await client?.close();
  }
  return lines;
}

/** Until it is so, or for long. */
export async function until(holds) {
  for (let tries = 0; tries < 1500 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
}

export const pause = (ms = 60) => new Promise((resolve) => setTimeout(resolve, ms));
export const quiet = (promise) => Promise.resolve(promise).catch(() => {});

/** One line, and the same mistake made again says nothing more. */
export async function once(mistake, options, gist, use) {
  const lines = await said(options, async (client, lines) => {
    await use(client);
    await until(() => lines.some(([, text]) => gist.test(text)));
    await use(client);
    await pause();
  });
  const found = lines.filter(([level, text]) => level === "warn" && gist.test(text));
  assert.equal(found.length, 1, `${mistake}: ${gist} in ${JSON.stringify(lines)}`);
  for (const [, text] of lines) assert.doesNotMatch(text, DEBUG_TEXT, mistake);
}

/** How Rust writes its values for its developers. */
export const DEBUG_TEXT =
  /\b(?:enum|struct|[iu](?:32|64)|f64|usize)\b|\bSome\(|\bNone\b|\bOk\(|\bErr\(|JsValue|\b[A-Z]\w+ \{ \w+: |Error\(/;

export const nothing = async () => {};
export const sync = (client) => quiet(client.sync());
export const open = async (client) => {
  const timeline = client.timeline("talk");
  await quiet(timeline.loadOlder());
};

/**
 * A server that answers each request so.
 * @param {import("node:http").RequestListener} answer
 * @param {(baseUrl: string) => unknown} use
 */
export async function serving(answer, use) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  try {
    await use(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

export const status =
  (code, text = "", headers = {}) =>
  (_, response) =>
    response.writeHead(code, headers).end(text);
export const poll = { sync: { notify: "poll" } };
