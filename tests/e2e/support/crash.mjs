// The browser is killed, again and again, in the middle of its work: `npm run crash-test` a hundred times,
// crash.test.mjs four times.
//
// A life is one profile on the disk and one account, with a scope and an overflow policy. Its browser catches up with
// thousands of messages in small batches, pages through a history, writes messages, or all of that at once, while
// others write, edit, recall, and force overflows; at a moment drawn from the seed every one of its processes gets
// SIGKILL. Three tabs share the account and the work. Up to two times before that the process of the one that writes
// for all gets SIGKILL, and another tab takes its place. Then the browser is started again on the same profile:
//
// 1. With no server in reach, what it has must be true (`checkWreck`). The truth is the server's: a second account, a
//    member of the same conversations whose log never overflows, is asked what was committed after the cursor that the
//    client would ask with. Only that may be missing, or held in an older version.
// 2. Online again (`checkRecovery`), each list must become the server's, and every message whose `send` had resolved
//    must have arrived exactly once, every other at most once, each tab's in the order written. What has resolved is
//    told to this process as it happens, so it is known whatever becomes of the browser.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { start } from "../../../tools/run.mjs";
import { findBrowser } from "../../../tools/setup.mjs";
import { demo, freePort, openPage, startServer, temporaryFolder } from "./harness.mjs";
import { SEQS } from "./lists.mjs";
import { random } from "./page/random.js";
import { call, edit, everything, line, pause, recall } from "./world.mjs";

const SCOPES = ["account", "conversation", "mailbox"];
const POLICIES = ["clear", "keep"];
/** What a kill interrupts. */
export const PHASES = ["catch-up", "paging", "sending", "everything"];

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

/** about how many pages it takes to read a conversation as `paging` does */
const PAGES = 60;

/** ms until a killed process must be gone, and until a phase that does not come to its moment is killed all the same */
const PATIENCE = 30_000;

// ---------------------------------------------------------------- the browser

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

class Killable {
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

function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

// ---------------------------------------------------------------- the truth

const seqOf = (message) => BigInt(message.seq);

/** What the server has, and what of it is news to whoever asks with a certain cursor. */
class Truth {
  /** @type {Map<string, any[]>} */
  lists = new Map();
  /** @type {Map<string, any>} */
  byId = new Map();

  static async of(server, witness, talks) {
    const truth = new Truth();
    for (const talk of talks) {
      const messages = await everything(server, witness, talk);
      truth.lists.set(talk, messages);
      for (const message of messages) truth.byId.set(message.id, message);
    }
    return truth;
  }

  /**
   * The truth as of a set of events that are not yet known.
   * @param {any[] | null} missing events; null: nothing has to be known
   */
  without(missing) {
    const unknown = new Set();
    const changes = new Map();
    for (const { type, message } of missing ?? []) {
      if (type === "message") unknown.add(message.id);
      if (type === "update") changes.set(message.id, (changes.get(message.id) ?? 0) + 1);
    }
    return {
      /** it must be held, wherever it falls into something that claims to be complete */
      required: (message) => missing !== null && !unknown.has(message.id),
      /** the least version that it must have */
      version: (message) => (missing === null ? 1 : this.byId.get(message.id).version - (changes.get(message.id) ?? 0)),
    };
  }
}

/** @returns {Promise<any[]>} the events after a cursor, of the log that never overflows */
async function eventsAfter(server, witness, cursor) {
  const events = [];
  for (let at = cursor, more = true; more; ) {
    const batch = await call(server, witness, "GET", `/v1/sync?limit=1000&cursor=${encodeURIComponent(at)}`);
    if (batch.overflow) throw new Error(`the witness cannot place ${at}`);
    events.push(...batch.events);
    ({ cursor: at, hasMore: more } = batch);
  }
  return events;
}

const head = async (server, witness) => (await call(server, witness, "GET", "/v1/sync?limit=1")).cursor;

/** The user's own calls fail where trouble was made for it. */
async function patiently(ask, tries = 100) {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      tries -= 1;
      if (!(error.status >= 500) || !tries) throw error;
    }
  }
}

/**
 * Events that a mailbox has not been told to forget, or may not have been.
 * @returns {Promise<any[] | null>} null: it begins anew, and what was acknowledged before is not told any more
 */
async function unacknowledged(server, witness, user) {
  const { events, overflow, hasMore } = await patiently(() => call(server, user, "GET", "/v1/mailbox?limit=1000"));
  if (overflow === "all") return null;
  if (!hasMore) return events;
  // what follows is only told once these are acknowledged; every member's log has a message at the same position
  const epoch = /^(.*-)\d+$/.exec(await head(server, witness))[1];
  return [...events, ...(await eventsAfter(server, witness, `${epoch}${events.at(-1).delivery.slice(1)}`))];
}

// ---------------------------------------------------------------- one life

class Life {
  /** @type {{ url: string }} */
  server;
  /** @type {ReturnType<typeof demo>} */
  at;
  /** @type {(below: number) => number} */
  next;
  name = "";
  scope = "";
  overflow = "";
  user = "";
  bob = "";
  witness = "";
  sent = [];
  /** texts that `send` has resolved for */
  accepted = new Set();
  talks = [];
  /** where the witness stood when everything was last right */
  right = null;
  /** an overflow was forced since */
  overflown = false;
  wrong = [];
  /** where the client looked for a server in vain */
  nowhere = "";
  tabs = 1;

  constructor({ server, at, next, name, scope, overflow, tabs }) {
    Object.assign(this, { server, at, next, name, scope, overflow, tabs });
    this.profile = temporaryFolder();
  }

  get options() {
    return {
      sync: {
        scope: this.scope,
        notify: "socket",
        pollInterval: 2000,
        fallbackPollInterval: 500,
        pullLimit: this.pullLimit,
      },
      overflow: this.overflow,
      logLevel: "error",
    };
  }

  async begin() {
    [this.user, this.bob, this.witness] = await this.at.users(
      `${this.name}-ann`,
      `${this.name}-bob`,
      `${this.name}-eve`,
    );
    this.pullLimit = 500;
    for (let i = 0; i < 3; i++) await this.#talk(200);
    // its log begins here
    await head(this.server, this.witness);
  }

  /** A conversation with a history that the user's log does not have: it is there before the user is. */
  async #talk(messages) {
    const talk = await this.at.conversation([this.bob, this.witness], messages);
    await this.at.post("/demo/join", { conversation: talk, user: this.user });
    this.talks.push(talk);
    return talk;
  }

  aTalk() {
    return this.talks[this.next(this.talks.length)];
  }

  // ------------------------------------------------------------ what others do

  #bobs = [];

  async #say(chance) {
    const message = await this.at.send(this.bob, this.talks[chance(this.talks.length)], `Bob says ${chance(1e9)}`);
    this.#bobs.push(message);
    if (this.#bobs.length > 60) this.#bobs.shift();
  }

  /** One thing that somebody else does. `wild`: an overflow may be forced. */
  async #meddle(chance, wild) {
    const own = this.#bobs[chance(this.#bobs.length || 1)];
    const changed = (error) => {
      // recalled already
      if (error.status !== 409) throw error;
    };
    const what = chance(wild ? 40 : 39);
    if (what < 12 || !own) await this.#say(chance);
    else if (what < 22) await edit(this.server, this.bob, own, `edited ${chance(1e9)}`).catch(changed);
    else if (what < 27) await recall(this.server, this.bob, own).catch(changed);
    else if (what < 35)
      await this.at.bulk(this.talks[chance(this.talks.length)], 1 + chance(40), `others ${chance(1e9)}`);
    else if (what < 39) await this.#late(chance);
    else await this.#forceOverflow(chance(2) ? [this.talks[chance(this.talks.length)]] : undefined);
  }

  /** A message that is committed late, below the newest. */
  async #late(chance) {
    const conversation = this.talks[chance(this.talks.length)];
    const [last] = await this.at.history(this.bob, conversation, "limit=1");
    const seq = String(seqOf(last) - 10n * BigInt(chance(15)) - BigInt(1 + chance(9)));
    await this.at
      .post("/demo/late-insert", { conversation, seq, sender: "Mara", body: { text: `late ${seq}` } })
      .catch((error) => {
        // the place is taken
        if (!/: 409 /.test(error.message)) throw error;
      });
  }

  async #forceOverflow(conversations) {
    // what was acknowledged before it: afterwards the mailbox only tells that it begins anew
    if (this.scope === "mailbox" && !this.overflown) {
      const since = await head(this.server, this.witness);
      this.beforeOverflow = { since, events: await unacknowledged(this.server, this.witness, this.user) };
    }
    this.overflown = true;
    await this.at.overflow(this.user, conversations);
  }

  /** Others go on until the kill. */
  #others(seed, wild) {
    const chance = random(seed);
    let stopping = false;
    const running = (async () => {
      while (!stopping) {
        await this.#meddle(chance, wild);
        await pause(chance(60));
      }
    })();
    running.catch(() => {});
    return () => {
      stopping = true;
      return running;
    };
  }

  // ------------------------------------------------------------ a phase, and the kill

  /** Prepares something to be interrupted, and interrupts it. @returns what is known of it */
  async run(phase, seed) {
    const { next } = this;
    const told = { applied: 0, page: 0, accepted: 0 };
    const all = phase === "everything";
    const wanted = { "catch-up": ["caught-up"], paging: ["read"], sending: ["written"] }[phase] ?? [
      "caught-up",
      "read",
      "written",
    ];
    const ended = new Set();
    let look = () => {};
    this.heard = (page, what, detail) => {
      if (what === "writing") this.sent.find((one) => one.text === detail).called = true;
      if (what === "accepted" && !this.accepted.has(detail)) {
        this.accepted.add(detail);
        told.accepted += 1;
      }
      if (what === "wrong") this.wrong.push(detail);
      if (what === "applied") told.applied = Math.max(told.applied, detail);
      if (what === "page") told.page += 1;
      if (what === "written") busy.delete(page);
      if (wanted.includes(what) && (what !== "written" || !busy.size)) ended.add(what);
      look();
    };
    const paged = phase === "paging" || all ? await this.#talk(1500 + next(1500)) : null;
    this.pullLimit = 10 + next(50);
    let missed = 0;
    if (phase === "catch-up" || all) {
      const chance = random(next(2 ** 31));
      for (const count of Array.from({ length: 8 + next(20) }, () => 20 + next(150))) {
        await this.at.bulk(this.talks[chance(this.talks.length)], count, `missed ${chance(1e9)}`);
        missed += count;
        for (let i = chance(4); i > 0; i--) await this.#meddle(chance, false);
      }
    }
    // it would leave nothing to catch up with
    if (phase !== "catch-up" && !next(5)) await this.#forceOverflow(next(2) ? [this.aTalk()] : undefined);
    const trouble = { errorRate: next(4) / 10, delayMs: next(30), dropNotifications: next(4) / 10 };
    if (!next(3)) await this.at.trouble(trouble, this.user);
    const writing = phase === "sending" || all ? this.#toWrite(20 + next(60)) : [];
    const seqs = paged ? await this.#places(paged, 12) : [];

    // the moment: how far one of them has come, and then perhaps some more
    const whole = (1 + next(999)) / 1000;
    const delay = next(2) ? 0 : next(80);
    const work = all ? PHASES[next(3)] : phase;
    const due = {
      "catch-up": (share) => told.applied >= share * missed,
      paging: (share) => told.page >= share * PAGES,
      sending: (share) => told.accepted >= share * writing.length,
    }[work];
    const limit = 20 + next(60);

    const stopOthers = this.#others(seed, next(3) === 0);
    /** @returns {Promise<void>} once so much has been done */
    const moment = (share) =>
      new Promise((resolve) => {
        look = () => {
          if (due(share) || ended.size === wanted.length) resolve();
        };
        look();
        setTimeout(resolve, PATIENCE).unref();
      });
    // each tab writes its own part; the first one pages
    const tabs = [this.page];
    while (tabs.length < this.tabs) tabs.push(await this.#openTab());
    /** those that are writing */
    const busy = new Set();
    const begin = async (number) => {
      const parts = this.sent.filter(({ text, tab, called }) => tab === number && !called && writing.includes(text));
      if (parts.length) busy.add(tabs[number]);
      await tabs[number].evaluate(
        async ({ user, options, paged, seqs, limit, parts, catchUp }) => {
          await crash.start(user, options);
          if (catchUp) crash.watchCatchUp();
          if (paged) crash.page(paged, seqs, limit);
          if (parts.length) crash.write(parts);
        },
        {
          user: this.user,
          options: this.options,
          paged: number === 0 ? paged : null,
          seqs,
          limit,
          parts,
          catchUp: phase === "catch-up" || all,
        },
      );
    };
    for (const number of tabs.keys()) await begin(number);
    let replaced = 0;
    for (const share of this.#momentsBefore(whole)) {
      await moment(share);
      if (ended.size === wanted.length) break;
      replaced += await this.#killWriter(tabs, begin, busy);
    }
    await moment(whole);
    await pause(delay);
    const complete = ended.size === wanted.length;
    this.browser.look();
    const killed = await this.browser.kill();
    // What the page told last may have died with it.
    for (const one of this.sent) if (writing.includes(one.text)) one.called ||= "perhaps";
    await stopOthers();
    await this.at.trouble({}, this.user);
    return { phase, told, missed, complete, killed, replaced, paged };
  }

  /** When the writer's process is killed before the whole browser is. */
  #momentsBefore(share) {
    const many = this.tabs > 1 ? this.next(3) : 0;
    return Array.from({ length: many }, () => (share * this.next(1000)) / 1000).sort((a, b) => a - b);
  }

  /**
   * SIGKILL to the process of the tab that writes for all; a new tab takes over what that one had not begun to do.
   * @param {import("playwright-core").Page[]} tabs
   * @param {(number: number) => Promise<void>} begin
   * @param {Set<import("playwright-core").Page>} busy
   * @returns {Promise<number>} how many tabs were in it
   */
  async #killWriter(tabs, begin, busy) {
    const writers = await Promise.all(tabs.map((tab) => tab.evaluate(() => crash.writes())));
    const writer = tabs[Math.max(0, writers.indexOf(true))];
    const crashed = new Set();
    const crashes = tabs.map((tab) => new Promise((resolve) => tab.once("crash", resolve)));
    for (const [number, crash] of crashes.entries()) crash.then(() => crashed.add(tabs[number]));
    // on a machine that is busy another process may be taken for the tab's: one that runs none
    for (const end = Date.now() + PATIENCE; !crashed.size; ) {
      assert.ok(Date.now() < end, "processes were killed, and no tab has crashed");
      kill(await this.browser.processOf(writer));
      for (let tries = 0; tries < 50 && !crashed.size; tries += 1) await pause(20);
    }
    // they are told of it one after the other: one that lives answers
    await Promise.all(
      tabs.map((tab, number) => Promise.race([crashes[number], tab.evaluate(() => {}).catch(() => crashes[number])])),
    );
    for (const [number, tab] of tabs.entries()) {
      if (!crashed.has(tab)) continue;
      busy.delete(tab);
      tabs[number] = await this.#openTab();
      await begin(number);
    }
    return crashed.size;
  }

  #written = 0;

  /** @returns {string[]} the texts of what is in `sent` now, and not written */
  #toWrite(count) {
    const talks = [this.aTalk(), this.aTalk()];
    const messages = Array.from({ length: count }, () => {
      this.#written += 1;
      return {
        talk: talks[this.next(2)],
        text: `${this.user} writes ${this.#written}`,
        wait: this.next(2) ? 0 : this.next(40 * this.tabs),
        tab: this.next(this.tabs),
        called: false,
      };
    });
    this.sent.push(...messages);
    return messages.map(({ text }) => text);
  }

  async #places(talk, count) {
    const messages = await everything(this.server, this.witness, talk);
    return Array.from({ length: count }, () => String(messages[this.next(messages.length)].seq));
  }

  // ------------------------------------------------------------ after the kill

  async launch() {
    this.browser = await Killable.launch(this.profile);
    await this.browser.context.exposeBinding("report", ({ page }, what, detail) => this.heard(page, what, detail));
    this.page = await this.#openTab();
  }

  async #openTab() {
    const page = await openPage(this.browser.context, this.server);
    await page.evaluate(async () => {
      // @ts-ignore: the address is the page's
      globalThis.crash = await import("/blank/crash.js");
    });
    return page;
  }

  /** @type {(page: any, what: any, detail: any) => void} */
  heard = () => {};

  /**
   * The events that the client need not know, by conversation; null: it need know nothing of it.
   * @param {string | null | Record<string, string>} cursors what it asks with; of a mailbox what the server has no
   *   acknowledgement for counts instead
   * @returns {Promise<Map<string, any[] | null>>}
   */
  async #unknown(cursors) {
    const { server, witness, user, talks } = this;
    const each = async (talk) => {
      if (this.scope === "conversation")
        return cursors?.[talk] === undefined ? null : eventsAfter(server, witness, cursors[talk]);
      if (this.scope === "account") return cursors === null ? null : eventsAfter(server, witness, cursors);
      const open = await unacknowledged(server, witness, user);
      if (open) return open;
      const { since, events } = this.beforeOverflow ?? { since: null, events: null };
      return events && [...events, ...(await eventsAfter(server, witness, since))];
    };
    const unknown = new Map();
    let all;
    for (const talk of talks) {
      if (this.scope === "conversation" || all === undefined) all = await each(talk);
      unknown.set(talk, all);
    }
    return unknown;
  }

  /** What it has after a kill, with no server in reach, against what the server has. @returns figures */
  async checkWreck({ phase, told, complete, paged }) {
    const { page, server, witness, talks } = this;
    const nowhere = `http://127.0.0.1:${await freePort()}`;
    this.nowhere = nowhere.replace("http", "ws");
    const seen = JSON.parse(
      await page.evaluate(
        ({ user, options, nowhere, talks }) => {
          const transport = { baseUrl: nowhere, token: () => "nobody's" };
          return crash.look(user, { ...options, transport }, talks);
        },
        { user: this.user, options: this.options, nowhere, talks },
      ),
    );

    let cursors = null;
    if (this.scope !== "mailbox") {
      const path = { account: "/v1/sync", conversation: "/v1/sync/conversations" }[this.scope];
      const pull = seen.asked.find(({ url }) => new URL(url).pathname === path);
      assert.ok(pull, `it has tried to pull, with ${path}: ${JSON.stringify(seen.asked)}`);
      cursors = this.scope === "account" ? new URL(pull.url).searchParams.get("cursor") : JSON.parse(pull.body).cursors;
      if (this.scope === "account")
        assert.equal(cursors, seen.cursor, "the cursor that it asks with is the one that is stored");
    }

    const truth = await Truth.of(server, witness, talks);
    const unknown = await this.#unknown(cursors);
    const sinceRight = this.right === null ? null : await eventsAfter(server, witness, this.right.cursor);
    const figures = { held: 0, shown: 0, cursor: false, history: false, outbox: false };
    for (const talk of talks) {
      const { segments, shown } = seen.talks[talk];
      const server = truth.lists.get(talk);
      const asOfCursor = truth.without(unknown.get(talk));
      const asOfRight = truth.without(this.right?.talks.includes(talk) ? sinceRight : null);
      const held = new Set();
      let before = -1n;
      for (const { lo, hi, count, live, start, fresh, messages } of segments) {
        const where = `${talk}, segment [${lo}, ${hi}]`;
        assert.ok(BigInt(lo) > before && BigInt(hi) >= BigInt(lo), `${where}: it overlaps the one before, or is none`);
        before = BigInt(hi);
        assert.equal(messages.length, count, `${where}: what can be read of it is what is counted`);
        const { required, version } = fresh ? asOfCursor : asOfRight;
        checkMessages(where, messages, truth, version);
        for (const message of messages) held.add(message.id);
        const claimed = (seq) => (start || seq >= BigInt(lo)) && (live || seq <= BigInt(hi));
        const lacking = server.filter(
          (message) => claimed(seqOf(message)) && !held.has(message.id) && required(message),
        );
        assert.deepEqual(
          lacking.map(line),
          [],
          `${where}${live ? ", live" : ""}: it lacks messages that the cursor is past`,
        );
        figures.held += messages.length;
      }
      // what came with the log was stored with the cursor that is past it
      if (!this.overflown && this.right?.talks.includes(talk) && unknown.get(talk)) {
        const came = sinceRight
          .filter(({ type, message }) => type === "message" && message.conversation === talk)
          .map(({ message }) => message);
        const passed = came.filter((message) => asOfCursor.required(message) && !held.has(message.id));
        assert.deepEqual(passed.map(line), [], `${talk}: the cursor is ahead of the data`);
      }
      this.#checkShown(talk, shown, server, truth, asOfCursor, asOfRight);
      figures.shown += shown.items.length;
      if (told.applied > 0 && unknown.get(talk)?.some(({ type }) => type === "message")) figures.cursor = true;
      if (talk === paged) figures.history = told.page > 0 && !complete && held.size < server.length;
    }
    this.#checkOutbox(seen, truth);
    const undecided = this.sent.filter(({ text, called }) => called && !this.accepted.has(text)).length;
    figures.outbox = (phase === "sending" || phase === "everything") && (undecided > 0 || seen.outbox.length > 0);
    const onServer = new Set([...truth.byId.values()].map((message) => message.clientId ?? message.body?.text));
    figures.answersLost = seen.outbox.filter(({ text }) => onServer.has(text)).length;
    return figures;
  }

  /** A list never puts two messages side by side that might have a third between them. */
  #checkShown(talk, { items }, server, truth, asOfCursor, asOfRight) {
    assert.equal(new Set(items.map((item) => item.key)).size, items.length, `${talk}: a key twice in the list`);
    let last = null;
    let next = 0;
    for (const item of items) {
      if (item.kind === "gap") last = null;
      if (!item.message || item.kind !== "message") continue;
      const { required } = item.fresh && last?.fresh !== false ? asOfCursor : asOfRight;
      while (next < server.length && seqOf(server[next]) < seqOf(item.message)) {
        const between = last && seqOf(server[next]) > seqOf(last.message);
        assert.ok(
          !between || !required(server[next]),
          `${talk}: ${line(server[next])} is missing in the list, and nothing says so`,
        );
        next += 1;
      }
      last = item;
    }
    const messages = items
      .filter((item) => item.kind === "message")
      .map((item) => ({ ...item.message, fresh: item.fresh }));
    checkMessages(`${talk}, the list`, messages, truth, (message) =>
      (message.fresh ? asOfCursor : asOfRight).version(message),
    );
  }

  /** What was accepted and is not on the server is in the outbox, once; and nothing is there that was not written. */
  #checkOutbox(seen, truth) {
    const waiting = seen.outbox.map(({ text }) => text);
    assert.equal(new Set(waiting).size, waiting.length, "something is in the outbox twice");
    const texts = new Set([...truth.byId.values()].map((message) => message.body?.text));
    // A tab writes one after the other: what it wrote without being heard comes right after what it was heard to write.
    const unheard = this.sent.filter(({ called }) => called === "perhaps");
    for (const one of unheard) one.called = waiting.includes(one.text) || texts.has(one.text);
    for (const of of this.#each(unheard)) {
      const hole = of.findIndex(({ called }) => !called);
      assert.ok(
        hole < 0 || of.slice(hole).every(({ called }) => !called),
        "of what was written without being heard something is missing",
      );
    }
    for (const { text, talk, called } of this.sent) {
      const waits = waiting.includes(text);
      if (this.accepted.has(text))
        assert.ok(waits || texts.has(text), `${text} was accepted, and is neither in the outbox nor on the server`);
      if (!called) assert.ok(!waits && !texts.has(text), `${text} was never written`);
      if (!waits) continue;
      const items = seen.talks[talk].shown.items.filter(
        (item) => item.text === text || item.message?.body?.text === text,
      );
      assert.equal(items.length, 1, `${text} waits, and is in its list`);
    }
    assert.ok(
      waiting.every((text) => this.sent.some((one) => one.text === text)),
      "something is in the outbox that nobody wrote",
    );
    for (const of of this.#each(this.sent)) {
      const order = of.map(({ text }) => text).filter((text) => waiting.includes(text));
      const own = new Set(order);
      assert.deepEqual(
        waiting.filter((text) => own.has(text)),
        order,
        "the outbox is in the order in which a tab has written",
      );
    }
  }

  /** What each tab has written, of these. @param {any[]} sent */
  #each(sent) {
    return Array.from({ length: this.tabs }, (_, number) => sent.filter(({ tab }) => tab === number));
  }

  /** Online again: everything is the server's, and what was written is there. @returns figures */
  async checkRecovery() {
    const { page, server, user, witness, talks } = this;
    this.pullLimit = 500;
    await page.evaluate(({ user, options }) => crash.recover(user, options), { user, options: this.options });
    const truth = await Truth.of(server, witness, talks);
    const { conversations } = await call(server, user, "GET", "/v1/conversations?limit=1000");
    let compared = 0;
    for (const talk of talks) {
      const { messages, unread, lastSeq, segments } = JSON.parse(
        await page.evaluate((talk) => crash.whole(talk), talk),
      );
      const wanted = truth.lists.get(talk);
      assert.deepEqual(messages.map(line), wanted.map(line), `${talk}: the list is the server's`);
      const whole = { count: wanted.length, live: true, start: true, fresh: true };
      assert.deepEqual(
        segments.map(({ count, live, start, fresh }) => ({ count, live, start, fresh })),
        [whole],
        `${talk}: its segments`,
      );
      const state = conversations.find((one) => one.id === talk);
      assert.deepEqual([unread, lastSeq], [state.unread, String(state.lastSeq)], `${talk}: its state`);
      compared += wanted.length;
    }
    if (this.scope === "mailbox") {
      for (const end = Date.now() + PATIENCE; ; await pause(50)) {
        const open = await unacknowledged(server, witness, user);
        if (open?.length === 0) break;
        assert.ok(Date.now() < end, `${open?.length} deliveries are not acknowledged`);
      }
    }
    await page.evaluate(() => crash.close());

    const own = [...truth.lists.values()].map((messages) =>
      messages.filter((message) => message.sender === user).map((message) => message.body.text),
    );
    const arrived = new Map();
    for (const text of own.flat()) arrived.set(text, (arrived.get(text) ?? 0) + 1);
    for (const { text, called } of this.sent) {
      const times = arrived.get(text) ?? 0;
      if (this.accepted.has(text)) assert.equal(times, 1, `${text} was accepted, and arrived ${times} times`);
      else assert.ok(times <= (called ? 1 : 0), `${text} arrived ${times} times`);
    }
    assert.ok(
      [...arrived.keys()].every((text) => this.sent.some((one) => one.text === text)),
      "something arrived that nobody wrote",
    );
    const order = new Map(this.sent.map(({ text, tab }, at) => [text, { tab, at }]));
    for (const texts of own.flatMap((texts) => this.#each(texts.map((text) => order.get(text))))) {
      const places = texts.map(({ at }) => at);
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
        "what was written arrived in the order written",
      );
    }
    assert.deepEqual(this.wrong, []);
    // The page's policy lets it have no socket to where nobody is.
    const noise = [
      "Failed to load resource",
      "WebSocket connection",
      "Access to fetch",
      `Connecting to '${this.nowhere}`,
    ];
    assert.deepEqual(
      page.problems.filter((text) => !noise.some((one) => text.startsWith(one))),
      [],
    );
    this.right = { cursor: await head(server, witness), talks: [...talks] };
    this.overflown = false;
    this.beforeOverflow = null;
    return {
      compared,
      arrived: arrived.size,
      unresolvedArrived: [...arrived.keys()].filter((text) => !this.accepted.has(text)).length,
    };
  }

  async end() {
    await this.browser.kill();
  }
}

/** In order, none twice, each one that the server has, and at least as new as the cursor says. */
function checkMessages(where, messages, truth, version) {
  let before = -1n;
  for (const message of messages) {
    assert.ok(seqOf(message) > before, `${where}: ${message.seq} after ${before}`);
    before = seqOf(message);
    const newest = truth.byId.get(message.id);
    assert.ok(newest, `${where}: the server has no ${line(message)}`);
    const least = version(message);
    const known = message.version >= least && message.version <= newest.version;
    assert.ok(
      known,
      `${where}: ${line(message)} is of version ${message.version}, the cursor is past ${least}, the newest is ${newest.version}`,
    );
    if (message.version === newest.version) assert.equal(line(message), line(newest), where);
    assert.equal(String(message.seq), String(newest.seq), where);
  }
}

// ---------------------------------------------------------------- all of it

/**
 * Kills a browser so many times.
 * @param {object} options
 * @param {number} options.kills
 * @param {number} options.seed
 * @param {number} [options.perLife] kills of one profile
 * @param {number} [options.tabs] of each browser
 * @param {string[]} [options.phases]
 * @param {(line: string) => void} [options.say]
 * @returns {Promise<string[]>} figures
 */
export async function crashTest({ kills, seed, perLife = 4, tabs = 3, phases = PHASES, say = () => {} }) {
  const next = random(seed);
  const file = join(temporaryFolder(), "chat.sqlite");
  const server = await startServer({
    args: [...SEQS, "--db", file, "--overflow-after", "200000", "--notify-interval", "20", "--resend-after", "1000"],
  });
  const at = demo(server);
  const sum = {
    ...{ kills: 0, replaced: 0, lives: 0, processes: 0, again: 0, phases: {}, ways: {} },
    ...{ middle: 0, cursor: 0, history: 0, outbox: 0 },
    ...{ held: 0, shown: 0, compared: 0 },
    ...{ accepted: 0, undecided: 0, unresolvedArrived: 0, answersLost: 0 },
  };
  const offset = next(SCOPES.length * POLICIES.length);
  try {
    for (let number = 0; sum.kills < kills; number++) {
      const scope = SCOPES[(number + offset) % SCOPES.length];
      const overflow = POLICIES[Math.floor((number + offset) / SCOPES.length) % POLICIES.length];
      const life = new Life({ server, at, next, name: `life${number}`, scope, overflow, tabs });
      sum.lives += 1;
      let run = null;
      try {
        await life.begin();
        await life.launch();
        const phaseOf = (kill) => phases[(kill + offset) % phases.length];
        // some are first killed before they have ever been in sync; what catches up has been
        if (next(3) || phaseOf(sum.kills) === "catch-up") await life.checkRecovery();
        const many = Math.min(kills - sum.kills, perLife);
        for (let i = 1; i <= many; i++) {
          const phase = phaseOf(sum.kills);
          run = await life.run(phase, next(2 ** 31));
          sum.kills += 1;
          sum.processes += run.killed;
          sum.replaced += run.replaced;
          sum.phases[phase] = (sum.phases[phase] ?? 0) + 1;
          sum.ways[`${scope}, ${overflow}`] = (sum.ways[`${scope}, ${overflow}`] ?? 0) + 1;
          await life.launch();
          const wreck = await life.checkWreck(run);
          for (const what of ["cursor", "history", "outbox"]) sum[what] += Number(wreck[what]);
          sum.middle += Number(wreck.cursor || wreck.history || wreck.outbox);
          for (const what of ["held", "shown", "answersLost"]) sum[what] += wreck[what];
          // some are killed again before they have recovered
          const again = i < many && !next(4);
          sum.again += Number(again);
          const recovery = again ? null : await life.checkRecovery();
          sum.compared += recovery?.compared ?? 0;
          // of the whole life
          if (i === many) sum.unresolvedArrived += recovery.unresolvedArrived;
          const then = again ? "killed again before it recovered" : JSON.stringify(recovery);
          say(
            `kill ${sum.kills} of ${kills}: ${scope}, ${overflow}, ${phase}: ${JSON.stringify(run.told)}, ${run.killed} processes, ${run.replaced} tabs before that; ${JSON.stringify(wreck)}; ${then}`,
          );
        }
        sum.accepted += life.accepted.size;
        sum.undecided += life.sent.filter(({ text, called }) => called && !life.accepted.has(text)).length;
        await life.end();
      } catch (error) {
        const state = {
          right: life.right,
          overflown: life.overflown,
          sent: life.sent.length,
          accepted: life.accepted.size,
          wrong: life.wrong,
        };
        await life.end().catch(() => {});
        const what = `seed ${seed}, kill ${sum.kills}: ${scope}, ${overflow}, after ${JSON.stringify(run)}`;
        throw new Error(`${what}:\n${error.message}\n${JSON.stringify(state)}`, { cause: error });
      }
    }
  } finally {
    await server.stop();
  }
  const each = (counts) =>
    Object.entries(counts)
      .map(([what, count]) => `${what} ${count}`)
      .join("; ");
  return [
    `${sum.kills} kills (${each(sum.phases)}) of ${sum.processes} processes, on ${sum.lives} profiles (${each(sum.ways)}); ${sum.replaced} tabs were killed before that, as the one that wrote`,
    `${sum.middle} hit in the middle of something: ${sum.cursor} with the cursor partly through a catch-up, ${sum.history} with a history partly read, ` +
      `${sum.outbox} with messages written and not delivered; ${sum.again} were killed again before they had recovered`,
    `offline after the kill, ${sum.held} messages in segments and ${sum.shown} items in lists were checked; online, ${sum.compared} messages were compared`,
    `${sum.accepted} sends had resolved, and each arrived once; of ${sum.undecided} that had not, ${sum.unresolvedArrived} arrived, once; ` +
      `${sum.answersLost} were on the server while the outbox still had them`,
  ];
}
