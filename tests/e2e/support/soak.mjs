// A long life at a fast pace, in a real browser against the real server, and what it costs at its end: `npm run soak`
// for half an hour, soak.test.mjs for half a minute.
//
// A page's user (traffic.js) opens, pages, jumps and leaves lists, writes, closes and reopens the client, while others
// write, edit and recall in every conversation, notifications get lost, requests fail, the network goes, the log
// overflows, history is trimmed, and the account leaves and comes back. Every now and then all of that rests: no list
// is open, everything is delivered. What is out then (counting.js: timers, sockets, databases, channels, requests,
// locks) must be what was out at the first rest, exactly; what memory is held after a garbage collection is a sample,
// and the samples must not rise.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { findBrowser } from "../../../tools/setup.mjs";
import { demo, openPage, startServer, temporaryFolder } from "./harness.mjs";
import { random } from "./page/random.js";
import { edit, everything, line, pause, recall } from "./world.mjs";

const TALKS = 6;
/** messages a conversation keeps on the server: older ones are trimmed, so that the server's data is bounded as well */
const KEPT = 600;
/** messages that the client may keep: less than there are, so that it evicts all the time */
const MAX_MESSAGES = 1_500;
/** ms for what is out to come back: timers that are running at a rest have that long to fire */
const PATIENCE = 60_000;

const MB = 1_000_000;

/**
 * What is measured at each rest, and how much more of it the last third of the samples may have than the middle third,
 * in the median: a share, and bytes on top for what does not depend on how much is held. The first third is for warming
 * up.
 */
const SIZES = {
  heap: { title: "JS heap", share: 0.04, most: 0.4 * MB },
  // it never shrinks: one busy moment more raises it by a step of the allocator's for good
  wasm: { title: "wasm memory", share: 0.04, most: 2 * MB },
  stored: { title: "messages stored", share: 0.05, most: 0.1 * MB },
  // a log-structured store: what was deleted takes room until it is compacted, some MB at a time
  disk: { title: "IndexedDB on disk", share: 0.25, most: 8 * MB },
  // its allocator's arenas, one a thread, fill up one by one
  server: { title: "server, resident", share: 0.1, most: 6 * MB },
};
/** What is counted, and must be back at what it was. */
const HANDLES = ["timers", "sockets", "databases", "channels", "requests", "locks"];
const COUNTS = [...HANDLES, "nodes", "listeners"];

/** The middle one, or between the middle two. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** The samples' thirds, as medians of one size. */
function thirds(samples, what) {
  const length = Math.floor(samples.length / 3);
  const of = (third) =>
    median(
      samples
        .slice(samples.length - (3 - third) * length, samples.length - (2 - third) * length || undefined)
        .map((sample) => sample[what]),
    );
  return { first: of(0), middle: of(1), last: of(2) };
}

/**
 * What has grown that must not.
 * @param {Record<string, number>[]} samples at least six, in order; the first is of before
 * @returns {string[]} nothing, if all is well
 */
export function judge(samples) {
  const wrong = [];
  if (samples.length < 6) return [`${samples.length} samples are too few to tell`];
  const [base] = samples;
  for (const what of COUNTS) {
    const more = samples.findIndex((sample) => sample[what] > base[what]);
    if (more > 0) wrong.push(`${what}: ${samples[more][what]} at rest ${more}, ${base[what]} at the first`);
  }
  for (const [what, { title, share, most }] of Object.entries(SIZES)) {
    const { middle, last } = thirds(samples, what);
    if (last > middle * (1 + share) + most)
      wrong.push(`${title}: ${mb(last)} in the last third, ${mb(middle)} in the middle one`);
  }
  const full = samples.find((sample) => sample.messages > MAX_MESSAGES);
  if (full) wrong.push(`${full.messages} messages are kept, at most ${MAX_MESSAGES} were allowed`);
  return wrong;
}

const mb = (bytes) => `${(bytes / MB).toFixed(2)} MB`;

/** A table of what was measured, by thirds. */
export function figures(samples) {
  const [base] = samples;
  const last = samples.at(-1);
  return [
    `${samples.length} rests; medians of the first, the middle and the last third:`,
    ...Object.entries(SIZES).map(([what, { title }]) => {
      const { first, middle, last } = thirds(samples, what);
      return `  ${title.padEnd(18)}${[first, middle, last].map((bytes) => mb(bytes).padStart(12)).join("")}`;
    }),
    `  at the first and at the last rest: ${COUNTS.map((what) => `${what} ${base[what]}/${last[what]}`).join(", ")}`,
  ];
}

/** Everybody else: writes, edits and recalls, and makes trouble for one user. */
class World {
  #server;
  #at;
  #next;
  #user;
  #bob;
  #talks;
  #context;
  #stopping = false;
  #running = Promise.resolve();
  /** messages of Bob's that can still be changed */
  #own = [];
  #rate;
  messages = 0;
  done = {};

  constructor({ server, next, user, bob, talks, context, rate }) {
    this.#server = server;
    this.#at = demo(server);
    this.#next = next;
    this.#user = user;
    this.#bob = bob;
    this.#talks = talks;
    this.#context = context;
    this.#rate = rate;
  }

  #talk() {
    return this.#talks[this.#next(this.#talks.length)];
  }

  async #ownMessage() {
    const message = this.#own[this.#next(this.#own.length)];
    return message ?? this.deeds.say();
  }

  deeds = {
    say: async () => {
      const message = await this.#at.send(this.#bob, this.#talk(), this.#text());
      this.messages += 1;
      this.#own.push(message);
      if (this.#own.length > 50) this.#own.shift();
      return message;
    },
    many: async () => {
      const count = 2 + this.#next(7);
      const talk = this.#talk();
      const { lastSeq } = await this.#at.bulk(talk, count, this.#text());
      this.messages += count;
      if (lastSeq > KEPT * 1.5) await this.#at.post("/demo/trim", { conversation: talk, before: lastSeq - KEPT });
    },
    edit: async () => {
      await edit(this.#server, this.#bob, await this.#ownMessage(), this.#text()).catch(gone);
    },
    recall: async () => {
      await recall(this.#server, this.#bob, await this.#ownMessage()).catch(gone);
    },
    trouble: () => {
      const tenths = (below) => this.#next(below) / 10;
      const trouble = {
        dropNotifications: tenths(5),
        duplicateNotifications: tenths(5),
        errorRate: tenths(3),
        delayMs: this.#next(40),
      };
      return this.#at.trouble(trouble, this.#user);
    },
    calm: () => this.#at.trouble({}, this.#user),
    overflow: () => this.#at.overflow(this.#user, this.#next(2) ? [this.#talk()] : undefined),
    cut: async () => {
      await this.#context.setOffline(true);
      await pause(this.#next(600));
      await this.#context.setOffline(false);
    },
    leave: async () => {
      const conversation = this.#talk();
      await this.#at.post("/demo/leave", { conversation, user: this.#user });
      await pause(this.#next(300));
      await this.#at.post("/demo/join", { conversation, user: this.#user });
    },
  };

  /** Of 10 to 300 characters. */
  #text() {
    return `${this.#next(1e9)} ${"and so on ".repeat(this.#next(30))}`;
  }

  async #live() {
    let due = Date.now();
    const often = ["many", "many", "many", "many", "say", "say", "say", "edit", "recall"];
    const seldom = ["trouble", "calm", "calm", "overflow", "cut", "leave"];
    while (!this.#stopping) {
      const names = this.#next(20) ? often : seldom;
      const name = names[this.#next(names.length)];
      this.done[name] = (this.done[name] ?? 0) + 1;
      const before = this.messages;
      await this.deeds[name]();
      // what took longer than it should is made good, but for a long one
      due = Math.max(due + (1000 * (this.messages - before)) / this.#rate, Date.now() - 1000);
      await pause(due - Date.now());
    }
  }

  resume() {
    this.#stopping = false;
    this.#running = this.#live();
    // told at the rest
    this.#running.catch(() => {});
  }

  async rest() {
    this.#stopping = true;
    await this.#running;
    await this.#at.trouble({});
  }
}

/** What was trimmed or recalled meanwhile cannot be changed. */
function gone(error) {
  if (error.status !== 404 && error.status !== 409) throw error;
}

const resident = (pid) => 1024 * Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }));

/**
 * @param {object} options
 * @param {number} options.length ms
 * @param {number} options.rests how many samples are taken in that time
 * @param {number} options.seed
 * @param {number} [options.rate] messages a second that others write
 * @param {(line: string) => void} [options.say]
 * @param {"" | "timelines" | "snapshots"} [options.leak] what the page shall hold that an app must not: to prove that
 *   it is found
 * @returns {Promise<{ wrong: string[], samples: Record<string, number>[], figures: string[] }>}
 */
export async function soak({ length, rests, seed, rate = 40, say = () => {}, leak = "" }) {
  const server = await startServer({
    args: ["--db", join(temporaryFolder(), "chat.sqlite"), "--overflow-after", "2000", "--notify-interval", "20"],
  });
  const found = findBrowser();
  if (!found) throw new Error("no Chromium: `node tools/setup.mjs` says what to do");
  // a profile on the disk: what Chromium keeps in memory for a context would be measured as a leak of the page's
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"];
  const context = await chromium.launchPersistentContext(temporaryFolder(), {
    executablePath: found.chrome,
    headless: true,
    args,
  });
  try {
    await context.addInitScript({ content: readFileSync(join(import.meta.dirname, "page", "counting.js"), "utf8") });
    const at = demo(server);
    const [user, bob] = await at.users("ann", "bob");
    const talks = [];
    for (let i = 0; i < TALKS; i++) talks.push(await at.conversation([user, bob], KEPT));
    const page = await openPage(context, server);
    const options = {
      storage: { maxMessages: MAX_MESSAGES },
      sync: { pollInterval: 2000, fallbackPollInterval: 500 },
      logLevel: "error",
    };
    // the client is opened anew some twenty times: seldom enough that what it holds on to would add up
    const reopening = Math.max(8, Math.round(length / 20_000));
    await page.evaluate(
      async ({ life, seed }) => {
        // @ts-ignore: the address is the page's
        globalThis.traffic = await import("/blank/traffic.js");
        await traffic.begin(life, seed);
      },
      { life: { user, talks, leak, reopening, options }, seed },
    );
    const devtools = await context.newCDPSession(page);
    await devtools.send("Performance.enable");
    const world = new World({ server, next: random(seed), user, bob, talks, context, rate });

    /** @type {Record<string, number>[]} */
    const samples = [];
    async function sample() {
      await page.evaluate(() => traffic.rest());
      // twice: what finalizers let go of is garbage of the second
      for (let i = 0; i < 2; i++) {
        await devtools.send("HeapProfiler.collectGarbage");
        await pause(300);
      }
      const most = samples.length
        ? Object.fromEntries(HANDLES.map((what) => [what, samples[0][what]]))
        : { requests: 0 };
      const counts = await page.evaluate(({ most, patience }) => traffic.given(most, patience), {
        most,
        patience: PATIENCE,
      });
      await devtools.send("HeapProfiler.collectGarbage");
      const { metrics } = await devtools.send("Performance.getMetrics");
      const metric = (name) => metrics.find((one) => one.name === name).value;
      const inPage = await page.evaluate(async () => {
        const { cachedMessages, storedBytes } = await traffic.inspect();
        const { usage } = await navigator.storage.estimate();
        return { messages: cachedMessages, stored: storedBytes, disk: usage, wasm: counting.wasmBytes() };
      });
      samples.push({
        ...counts,
        nodes: metric("Nodes"),
        listeners: metric("JSEventListeners"),
        heap: metric("JSHeapUsedSize"),
        server: resident(server.pid),
        ...inPage,
      });
    }

    await sample();
    say(`rest 0: ${told(samples[0])}`);
    const began = Date.now();
    for (let rest = 1; rest <= rests; rest++) {
      const until = began + (length * rest) / rests;
      await page.evaluate(() => traffic.resume());
      world.resume();
      // at least a moment of life between two rests, also where resting took long
      await pause(Math.max(1000, until - Date.now()));
      await world.rest();
      await sample();
      say(`rest ${rest} of ${rests}, after ${Math.round((Date.now() - began) / 1000)} s: ${told(samples.at(-1))}`);
    }

    const wrong = judge(samples);
    for (const talk of talks) {
      const shown = await page.evaluate((talk) => traffic.shown(talk), talk);
      const wanted = (await everything(server, user, talk)).map(line);
      if (shown.join("\n") !== wanted.join("\n"))
        wrong.push(`${talk}: ${shown.length} messages are shown, and the server has ${wanted.length}; they differ`);
    }
    const { violations, done, connects } = await page.evaluate(() => ({
      violations: traffic.violations,
      done: traffic.done,
      connects: counting.connects(),
    }));
    wrong.push(...violations.slice(0, 20));
    wrong.push(
      ...page.problems
        .filter((text) => !text.startsWith("Failed to load resource") && !text.startsWith("WebSocket connection"))
        .slice(0, 20),
    );
    await page.evaluate(() => traffic.end());
    const none = Object.fromEntries(HANDLES.map((what) => [what, 0]));
    const closed = await page.evaluate(({ none, patience }) => traffic.given(none, patience), {
      none,
      patience: PATIENCE,
    });
    for (const [what, count] of Object.entries(closed))
      if (count > 0) wrong.push(`${what}: ${count} are left after the client was closed`);
    const seconds = (Date.now() - began) / 1000;
    const lines = [
      `${world.messages} messages of others in ${Math.round(seconds)} s, and ${connects} sockets; in the page ${JSON.stringify(done)}; around it ${JSON.stringify(world.done)}`,
      ...figures(samples),
      `  after the client was closed: ${Object.entries(closed)
        .map(([what, count]) => `${what} ${count}`)
        .join(", ")}`,
    ];
    return { wrong, samples, figures: lines };
  } finally {
    await context.close();
    await server.stop();
  }
}

function told(sample) {
  const sizes = Object.keys(SIZES).map((what) => `${what} ${mb(sample[what])}`);
  return `${sizes.join(", ")}; ${COUNTS.map((what) => `${what} ${sample[what]}`).join(", ")}; ${sample.messages} messages kept`;
}
