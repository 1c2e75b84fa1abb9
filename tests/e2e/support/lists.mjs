// What several files ask of a list: to be shown, read to both ends, and compared with the server's.

import assert from "node:assert/strict";
import { findings } from "./harness.mjs";

/** A page of messages, as it is asked for. */
export const HISTORY = /\/v1\/conversations\/[^/]+\/messages\?/;
export const CHANGES = /\/v1\/conversations\/[^/]+\/changes\?/;

/** Positions as Snowflake's, so that nothing holds for small dense numbers only. */
export const SEQS = ["--seq-base", "9223372036854770000", "--seq-step", "10"];

/** What a browser says by itself of requests that fail, which these tests make on purpose. */
const NOISE = ["Failed to load resource", "WebSocket connection"];

/**
 * The test is through: no snapshot broke a rule, and nothing was thrown.
 * @param {import("playwright-core").Page & { problems: string[] }} page
 */
export async function nothingWrong(page) {
  const wrong = (await findings(page)).filter((text) => !NOISE.some((noise) => text.startsWith(noise)));
  assert.deepEqual(wrong, []);
  await page.context().close();
}

/**
 * Shows the conversation as `globalThis.timeline`, watched.
 * @param {import("playwright-core").Page} page
 * @param {string} talk
 * @param {object} [options]
 */
export const showing = (page, talk, options) =>
  page.evaluate(
    async ({ talk, options }) => {
      globalThis.timeline = await e2e.show(client, talk, options);
    },
    { talk, options },
  );

/** A message as it is compared: all that can differ between two versions of it, and its place. */
const line = ({ id, seq, version, state, body }) => [id, String(seq), version, state, body?.text ?? null].join(" | ");

/** The conversation as the server has it. @param {ReturnType<typeof import("./harness.mjs").demo>} at */
export const serversList = async (at, user, talk) => (await at.history(user, talk)).map(line);

/** What the list shows of it, as it is. Only messages: a gap or an own one that is not delivered yet is an error. */
export const shownList = (page) =>
  page
    .evaluate(() =>
      timeline.getSnapshot().items.map((item) => {
        if (item.kind !== "message") throw new Error(`a ${item.kind} in the list`);
        return item.message;
      }),
    )
    .then((messages) => messages.map(line));

/**
 * Everything of the conversation, once the list was loaded to both ends.
 * @param {import("playwright-core").Page} page
 */
export async function wholeList(page) {
  await page.evaluate(async () => {
    const state = () => {
      const { connection, error } = client.status.getSnapshot();
      return `${connection}, ${error?.message}, the timeline ${timeline.getSnapshot().status}`;
    };
    let failures = 0;
    for (const [more, load] of [
      ["hasNewer", "loadNewer"],
      ["hasOlder", "loadOlder"],
    ]) {
      for (let calls = 0; timeline.getSnapshot()[more]; calls += 1) {
        if (calls > 100) throw new Error(`${load} without an end`);
        await timeline[load]({ limit: 200 }).catch((error) => {
          // A request that left during the trouble may fail after it: what may be tried again is, as an app would, and
          // not before the server wants it.
          failures += 1;
          if (!error.retryable || failures > 5)
            throw new Error(`${load} (${state()}): ${error.message}`, { cause: error });
          return new Promise((resolve) => setTimeout(resolve, error.retryAfter ?? 0));
        });
      }
    }
    await e2e.until(timeline, (now) => now.items.every((item) => item.kind === "message" && item.fresh));
  });
  return shownList(page);
}

/** Lets nothing through that matches, until it is released. @returns {Promise<() => Promise<void>>} what releases it */
export async function hold(page, pattern) {
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  await page.route(pattern, async (route) => {
    await released;
    await route.continue().catch(() => {});
  });
  return async () => {
    release();
    await page.unroute(pattern);
  };
}

/** Cuts the page off, and waits until its client knows. @param {import("playwright-core").Page} page */
export async function goOffline(page) {
  await page.context().setOffline(true);
  await page.evaluate(() => e2e.until(client.status, (status) => status.connection === "offline"));
}

/** And back, until the client is in sync. */
export async function goOnline(page) {
  await page.context().setOffline(false);
  await page.evaluate(() => e2e.caughtUp(client));
}

/** How many requests of each kind the client has sent. */
export const requestsOf = (page) => page.evaluate(async () => (await client.inspect()).requests);

/** The requests to /v1/… that the page makes from now on, as "METHOD path?query". */
export function requestsFromNow(page) {
  const seen = [];
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (url.pathname.startsWith("/v1/")) seen.push(`${request.method()} ${url.pathname}${url.search}`);
  });
  return seen;
}

/**
 * Opens the client of an account that another tab has. It shows all that is stored of a conversation of 60 messages, is
 * caught up as the other is, and what it is given to send is delivered; it asks nobody for any of that.
 * @param {any} page
 */
export async function followsBehind(page, user, talk) {
  const seen = await page.evaluate(
    async ({ user, talk }) => {
      globalThis.client = await e2e.open(user);
      globalThis.timeline = client.timeline(talk);
      e2e.watch(timeline);
      const { items } = await e2e.until(timeline, (now) => now.items.length >= 30);
      await e2e.caughtUp(client);
      await client.send(talk, { text: "from the second" });
      await e2e.until(client.outbox, (outbox) => outbox.length === 0);
      await e2e.until(timeline, (now) => now.items.at(-1)?.message?.body?.text === "from the second");
      return {
        writer: client.status.getSnapshot().writer,
        last: e2e.textOf(items.findLast((item) => item.kind === "message")),
        listed: client.conversations.getSnapshot().length,
        requests: (await client.inspect()).requests,
      };
    },
    { user, talk },
  );
  const requests = { pull: 0, history: 0, changes: 0, send: 0, ack: 0, conversations: 0 };
  assert.deepEqual(seen, { writer: "elsewhere", last: "message 60", listed: 1, requests });
}

/** It goes on by itself, once the tab that it has followed has gone. @param {any} page */
export async function goesOn(page, talk) {
  await page.evaluate(async (talk) => {
    await e2e.until(client.status, ({ writer, connection }) => writer === "here" && connection === "online");
    await client.send(talk, { text: "by itself" });
    await e2e.until(client.outbox, (outbox) => outbox.length === 0);
    await e2e.until(timeline, (now) => now.items.at(-1)?.message?.body?.text === "by itself");
  }, talk);
}

/**
 * The databases of accounts. That one was wiped is noted in another.
 * @param {import("playwright-core").Page} page
 * @returns {Promise<string[]>}
 */
export const accountDatabases = (page) =>
  page.evaluate(async () =>
    (await indexedDB.databases()).map(({ name }) => name ?? "").filter((name) => name.startsWith("pullcord:")),
  );
