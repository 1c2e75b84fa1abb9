// What the same hour costs under each scope and notification: requests by kind, and bytes both ways.

import { demo, openPage, startServer } from "../e2e/support/harness.mjs";
import { meter } from "./meter.mjs";

const HOUR = 3_600_000;
/** Of a channel's hours in which anything was said: busier than nine in ten. */
const BUSY = 0.9;
/**
 * How many times faster than real time the hour is played. All that the client and the server do on a timer is
 * quickened alike; what a request takes is not.
 */
const SPEED = 30;
/** ms, as they are by default */
const DEFAULTS = { pollInterval: 30_000, fallbackPollInterval: 5_000, notifyInterval: 100 };

/** @type {{ name: string, scope: string, notify: string, inline?: boolean }[]} */
const WAYS = [
  { name: "account, socket", scope: "account", notify: "socket" },
  { name: "account, socket with inline push", scope: "account", notify: "socket", inline: true },
  { name: "account, long-poll", scope: "account", notify: "long-poll" },
  { name: "account, poll", scope: "account", notify: "poll" },
  { name: "conversation, socket", scope: "conversation", notify: "socket" },
  { name: "conversation, poll", scope: "conversation", notify: "poll" },
  { name: "mailbox, socket (delivered inline)", scope: "mailbox", notify: "socket" },
  { name: "mailbox, poll", scope: "mailbox", notify: "poll" },
];

/**
 * A busy hour of each channel, laid over each other.
 * @param {string} text one JSON object a line
 * @returns {{ at: number, conversation: string, text: string }[]} `at`: ms from the beginning of the hour
 */
function busyHour(text) {
  /** @type {Map<string, Map<number, any[]>>} */
  const channels = new Map();
  for (const line of text.split("\n")) {
    const message = JSON.parse(line);
    const hours = channels.get(message.conversation) ?? new Map();
    channels.set(message.conversation, hours);
    const hour = Math.floor(message.createdAt / HOUR);
    const said = hours.get(hour) ?? [];
    hours.set(hour, said);
    said.push({ at: message.createdAt % HOUR, conversation: message.conversation, text: message.text });
  }
  return [...channels.values()]
    .flatMap((hours) => {
      const byCount = [...hours.values()].sort((a, b) => a.length - b.length);
      return byCount[Math.floor(byCount.length * BUSY)] ?? [];
    })
    .sort((a, b) => a.at - b.at);
}

/** Which of the protocol's calls a request is. */
function kindOf(method, path) {
  if (path === "/v1/sync" || path === "/v1/sync/conversations" || path === "/v1/mailbox") return "pull";
  if (path === "/v1/mailbox/ack") return "ack";
  return `${method} ${path}`;
}

/** One device that follows the hour in its own way: signed in, with the busiest channel open. */
async function follow(context, server, user, way, conversations) {
  const through = await meter(server.url);
  const page = await openPage(context, through);
  const sync = {
    scope: way.scope,
    notify: way.notify,
    pollInterval: Math.round(DEFAULTS.pollInterval / SPEED),
    fallbackPollInterval: Math.round(DEFAULTS.fallbackPollInterval / SPEED),
  };
  await page.evaluate(
    async ({ user, sync, conversations }) => {
      const page = /** @type {any} */ (globalThis);
      page.client = await page.e2e.open(user, { sync, prefetch: false });
      await page.e2e.caughtUp(page.client);
      page.told = 0;
      page.client.on("messages", ({ messages }) => {
        page.told += messages.length;
      });
      page.timeline = await page.e2e.show(page.client, conversations[0], { maxItems: 200 });
    },
    { user, sync, conversations },
  );
  const requests = {};
  const frames = { sent: 0, received: 0 };
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    const kind = kindOf(request.method(), pathname);
    if (pathname.startsWith("/v1/")) requests[kind] = (requests[kind] ?? 0) + 1;
  });
  const devtools = await context.newCDPSession(page);
  await devtools.send("Network.enable");
  devtools.on("Network.webSocketFrameReceived", () => {
    frames.received += 1;
  });
  devtools.on("Network.webSocketFrameSent", () => {
    frames.sent += 1;
  });
  const from = { up: through.up(), down: through.down() };
  return {
    /** What it took so far. */
    measured: () => ({
      ...way,
      requests: { ...requests },
      frames: { ...frames },
      up: through.up() - from.up,
      down: through.down() - from.down,
    }),
    /** Resolves once it was told of so many messages; not a figure counts if one is missing, or one came twice. */
    async complete(count) {
      const told = await page.evaluate(async (count) => {
        const page = /** @type {any} */ (globalThis);
        await page.e2e.poll(() => page.told >= count);
        await page.client.sync();
        return page.told;
      }, count);
      if (told !== count) throw new Error(`${way.name}: told of ${told} messages, and ${count} were sent`);
    },
    async close() {
      await page.evaluate(() => /** @type {any} */ (globalThis).client.close());
      await page.close();
      through.close();
    },
  };
}

/**
 * All ways at once, each on a device and an account of its own, in the same conversations: so the same messages at the
 * same time.
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ text: string, pkg: string, say: (text: string) => void }} options `text`: the messages, one JSON object a
 *   line
 */
export async function measureTraffic(context, { text, pkg, say }) {
  const messages = busyHour(text);
  const server = await startServer({
    pkg,
    args: ["--notify-interval", String(Math.max(1, Math.round(DEFAULTS.notifyInterval / SPEED)))],
  });
  try {
    const at = demo(server);
    const users = await at.users(...WAYS.map(() => "reader"));
    for (const [index, { inline }] of WAYS.entries()) {
      if (inline) await at.post("/demo/push", { inline }, users[index]);
    }
    const channels = new Map();
    for (const { conversation } of messages) {
      if (!channels.has(conversation)) channels.set(conversation, await at.conversation(users, 50));
    }
    const conversations = [...channels.values()];
    const readers = [];
    for (const [index, way] of WAYS.entries())
      readers.push(await follow(context, server, users[index], way, conversations));

    const began = performance.now();
    for (const message of messages) {
      const early = began + message.at / SPEED - performance.now();
      if (early > 1) await new Promise((resolve) => setTimeout(resolve, early));
      await at.post("/demo/bulk", {
        conversation: channels.get(message.conversation),
        sender: "somebody",
        count: 1,
        text: message.text,
      });
    }
    const rest = began + HOUR / SPEED - performance.now();
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest));
    const took = performance.now() - began;
    // of all at once: those that are looked at later would have gone on polling
    const ways = readers.map((reader) => reader.measured());
    for (const reader of readers) await reader.complete(messages.length);
    for (const reader of readers) await reader.close();
    say(
      `an hour of traffic: ${messages.length} messages in ${conversations.length} conversations, played in ${(took / 1000).toFixed(0)} s`,
    );
    return {
      messages: messages.length,
      bytes: messages.reduce((sum, message) => sum + Buffer.byteLength(message.text), 0),
      conversations: conversations.length,
      speed: HOUR / took,
      ways,
    };
  } finally {
    await server.stop();
  }
}
