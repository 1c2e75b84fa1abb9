// Many tabs of one account in random use, in Chromium against the real server: crowd.test.mjs for half a minute,
// `npm run soak -- --tabs 20` for as long as is wanted.
//
// In each tab a user writes, edits, recalls, discards, reads, pages and jumps (page/crowd.js); every fifth has its core
// in a worker. The tabs are opened, closed, crashed, killed with their process, frozen, sent to another page and back
// out of the page cache, and reloaded, while others write, edit and recall, notifications get lost, requests fail, and
// the log overflows. Every now and then all of that rests. Then, tab for tab:
//
// 1. Every promise has settled, and nothing is left to be delivered.
// 2. Every list is the server's, message for message: each conversation read from end to end, each list that is open,
//    and the list of conversations. Once one tab has read them, the others ask the server for nothing.
// 3. What was accepted has arrived once, the rest at most once, each tab's in the order written. What was discarded has
//    not, unless a request with it had left before.
// 4. One tab writes, and there is one socket. A message from elsewhere is pulled as often as by one tab.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launchTools } from "./cdp.mjs";
import { demo, eventually, startServer } from "./harness.mjs";
import { random } from "./page/random.js";
import { call, edit, everything, line, pause, recall } from "./world.mjs";

const TALKS = 3;
/** messages in each of them at the beginning */
const HISTORY = 250;
/** ms between two things that befall the tabs, about */
const PACE = 400;
/** ms after a discard in which a request with the message may still leave: of a writer that is slow to hear of it */
const LATE = 3000;
/** ms that a tab has for what the test asks of it */
const PATIENCE = 120_000;
const WIRE = readFileSync(join(import.meta.dirname, "page", "wire.js"), "utf8");

const OPTIONS = { sync: { pollInterval: 5000, fallbackPollInterval: 1000 } };

/** What a browser says by itself of requests that fail, which is made on purpose here. */
const NOISE = ["Failed to load resource", "WebSocket connection", "WebSocket is closed"];

const digest = (lines) => createHash("sha256").update(lines.join("\n")).digest("hex");

/** What was trimmed or recalled meanwhile cannot be changed. */
function gone(error) {
  if (error.status !== 404 && error.status !== 409) throw error;
}

// ---------------------------------------------------------------- what the tabs have told

/** Own messages: what was wished of each, as the tabs have told it, and what has left. */
export class Book {
  /** @type {Map<string, { text: string, tab: string, talk: string, accepted: boolean, discarded: number | null,
   *   left: number | null }>} by text, which is the clientId as well */
  messages = new Map();
  /** texts that some tab has begun to discard: it may have ended before it could tell what came of it */
  letGo = new Set();
  /** @type {string[]} what must not be */
  wrong = [];
  /** all that left, in order */
  requests = [];
  /** how often each thing has befallen the tabs */
  done = {};

  hear(tab, { what, detail }) {
    if (what === "writing")
      this.messages.set(detail.text, { ...detail, tab, accepted: false, discarded: null, left: null });
    else if (what === "accepted") this.#of(detail).accepted = true;
    else if (what === "discarding") this.letGo.add(detail);
    else if (what === "discarded" && detail.isGone) this.#of(detail.text).discarded ??= detail.at;
    else if (what === "request") this.#left(tab, detail);
    else if (what === "wrong" || what === "logged") this.wrong.push(`${tab}: ${detail}`);
  }

  /** One that a tab has not told of before it ended. */
  #of(text) {
    if (!this.messages.has(text))
      this.messages.set(text, {
        text,
        tab: text.replace(/-\d+$/, ""),
        talk: "",
        accepted: false,
        discarded: null,
        left: null,
      });
    return this.messages.get(text);
  }

  #left(tab, { method, path, at, clientId }) {
    this.requests.push({ tab, method, path, at });
    if (method !== "POST" || !path.endsWith("/messages") || !clientId) return;
    this.#of(clientId).left ??= at;
  }

  /**
   * @param {any[][]} lists what the server has of each conversation
   * @param {string} user
   * @param {(tab: string) => boolean} isKnown the tab lives as it began: all that it did was told
   */
  check(lists, user, isKnown) {
    const arrived = new Map();
    for (const messages of lists) {
      /** @type {Map<string, number>} the last of each tab */
      const last = new Map();
      for (const { sender, clientId, seq } of messages) {
        if (sender !== user) continue;
        if (!clientId) {
          this.wrong.push(`the message at ${seq} has no clientId`);
          continue;
        }
        arrived.set(clientId, (arrived.get(clientId) ?? 0) + 1);
        const [, tab, number] = /^(.*)-(\d+)$/.exec(clientId) ?? [];
        if (last.get(tab) > Number(number)) this.wrong.push(`${clientId} arrived after ${tab}-${last.get(tab)}`);
        last.set(tab, Number(number));
        if (!this.messages.has(clientId) && isKnown(tab)) this.wrong.push(`${clientId} arrived, and nobody wrote it`);
      }
    }
    for (const { text, accepted, discarded: letGo, left } of this.messages.values()) {
      const times = arrived.get(text) ?? 0;
      if (times > 1) this.wrong.push(`${text} arrived ${times} times`);
      if (times === 0 && accepted && letGo === null && !this.letGo.has(text))
        this.wrong.push(`${text} was accepted, and has not arrived`);
      if (times > 0 && letGo !== null && left !== null && left > letGo + LATE)
        this.wrong.push(`${text} was discarded, and has left and arrived after that`);
    }
  }
}

// ---------------------------------------------------------------- the tabs

/**
 * @typedef {object} Of what a crowd is made of
 * @property {{ url: string }} server
 * @property {Awaited<ReturnType<typeof launchTools>>} tools
 * @property {{ newPage(): Promise<any> }} context
 * @property {Book} book
 * @property {(below: number) => number} next
 * @property {string} user
 * @property {string[]} talks
 * @property {number} seed
 * @property {number} most tabs at a time
 */

/**
 * @typedef {object} One a tab
 * @property {string} name
 * @property {any} tab
 * @property {"live" | "frozen" | "away"} state
 * @property {number} ticks how far its timers had come when it was frozen
 * @property {Promise<never>} gone rejects when it has crashed
 * @property {number} lives clients so far
 */

class Crowd {
  /** @type {One[]} */
  tabs = [];
  /** names of tabs of which not all may have been told */
  lost = new Set();
  kept = 0;
  anew = 0;
  #of;
  #last = 0;

  /** @param {Of} of */
  constructor(of) {
    this.#of = of;
  }

  get #book() {
    return this.#of.book;
  }

  #next(below) {
    return this.#of.next(below);
  }

  #oneOf(state) {
    const of = this.tabs.filter((one) => one.state === state);
    return of[this.#next(of.length)];
  }

  /** Asks a tab, which may end meanwhile. */
  ask(one, run, argument) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${one.name} does not answer: ${String(run).slice(0, 80)}`)), PATIENCE);
    });
    return Promise.race([one.tab.evaluate(run, argument), one.gone, late]).finally(() => clearTimeout(timer));
  }

  async open() {
    this.#last += 1;
    const name = `tab${this.#last}`;
    const tab = await this.#of.context.newPage();
    await tab.call("Page.setBypassCSP", { enabled: true });
    await tab.addInitScript(WIRE);
    let end;
    /** @type {Promise<never>} */
    const gone = new Promise((_, reject) => {
      end = () => reject(new Error(`${name} has crashed`));
    });
    gone.catch(() => {});
    /** @type {One} */
    const one = { name, tab, state: "live", ticks: 0, gone, lives: 0 };
    await tab.expose("report", (text) => this.#book.hear(name, JSON.parse(text)));
    tab.once("crash", () => {
      this.lost.add(name);
      this.#remove(one);
      end();
    });
    tab.on("pageerror", (error) => this.#book.wrong.push(`${name}: ${error.message}`));
    tab.on("console", (message) => {
      if (message.type() === "error" && !NOISE.some((noise) => message.text().startsWith(noise)))
        this.#book.wrong.push(`${name}: ${message.text()}`);
    });
    this.tabs.push(one);
    await tab.goto(`${this.#of.server.url}/blank/`);
    await this.#begin(one);
  }

  /** A client in the page as it was loaded. */
  async #begin(one) {
    one.lives += 1;
    const number = Number(one.name.slice(3));
    const life = {
      user: this.#of.user,
      name: `${one.name}.${one.lives}`,
      talks: this.#of.talks,
      options: OPTIONS,
      inWorker: number % 5 === 0,
    };
    await this.ask(
      one,
      async ({ life, seed }) => {
        // @ts-ignore: the address is the page's
        globalThis.crowd = await import("/blank/crowd.js");
        await globalThis.crowd.begin(life, seed);
      },
      { life, seed: this.#of.seed + 1000 * number + one.lives },
    );
  }

  #remove(one) {
    const at = this.tabs.indexOf(one);
    if (at >= 0) this.tabs.splice(at, 1);
  }

  deeds = {
    open: async () => {
      if (this.tabs.length >= this.#of.most) return false;
      await this.open();
    },
    close: async () => {
      const one = this.tabs[this.#next(this.tabs.length)];
      if (!one) return false;
      this.lost.add(one.name);
      this.#remove(one);
      await one.tab.close();
    },
    crash: async () => {
      const one = this.tabs[this.#next(this.tabs.length)];
      if (!one) return false;
      const crashed = one.gone.catch(() => {});
      one.tab.call("Page.crash").catch(() => {});
      await crashed;
    },
    /** a process, with all tabs that are in it */
    kill: async () => {
      const before = this.tabs.length;
      const renderers = (await this.#of.tools.processes()).filter(({ type }) => type === "renderer");
      if (!renderers.length) return false;
      process.kill(renderers[this.#next(renderers.length)].id, "SIGKILL");
      await pause(200);
      return before !== this.tabs.length;
    },
    freeze: async () => {
      const one = this.#oneOf("live");
      if (!one) return false;
      const before = await this.ask(one, () => globalThis.crowd.freezes);
      await one.tab.call("Page.setWebLifecycleState", { state: "frozen" });
      one.state = "frozen";
      const look = () =>
        this.ask(one, () => [globalThis.crowd.freezes, globalThis.crowd.sockets(), globalThis.crowd.ticks]);
      // the call may be answered before the page has heard of it
      const seen = await eventually(async () => {
        const seen = await look();
        assert.notEqual(seen[0], before);
        return seen;
      }).catch(look);
      if (seen[0] !== before + 1 || seen[1] !== 0)
        this.#book.wrong.push(`${one.name}: frozen, it was told ${seen[0] - before} times, and has ${seen[1]} sockets`);
      one.ticks = seen[2];
    },
    thaw: async () => {
      const one = this.#oneOf("frozen");
      if (!one) return false;
      await this.#thaw(one);
    },
    /** to another page of the site; where the browser can, it keeps this one */
    away: async () => {
      const one = this.#oneOf("live");
      if (!one) return false;
      await Promise.race([one.tab.goto(`${this.#of.server.url}/blank/?elsewhere`), one.gone]);
      one.state = "away";
    },
    back: async () => {
      const one = this.#oneOf("away");
      if (!one) return false;
      await this.#back(one);
    },
    reload: async () => {
      const one = this.#oneOf("live");
      if (!one) return false;
      this.lost.add(one.name);
      await Promise.race([one.tab.reload(), one.gone]);
      await this.#begin(one);
    },
    front: async () => {
      const one = this.#oneOf("live");
      if (!one) return false;
      await one.tab.bringToFront();
    },
  };

  async #thaw(one) {
    // of a page that is frozen no timer runs
    const ticks = await this.ask(one, () => globalThis.crowd.ticks);
    if (ticks !== one.ticks)
      this.#book.wrong.push(`${one.name}: its timers ran ${ticks - one.ticks} times while frozen`);
    await one.tab.call("Page.setWebLifecycleState", { state: "active" });
    one.state = "live";
  }

  async #back(one) {
    await Promise.race([one.tab.back(), one.gone]);
    one.state = "live";
    const isKept = await this.ask(one, () => typeof globalThis.crowd !== "undefined");
    this[isKept ? "kept" : "anew"] += 1;
    if (isKept) return;
    this.lost.add(one.name);
    await this.#begin(one);
  }

  /** One thing befalls them. */
  async befall() {
    const names = [
      ...["open", "open", "open", "open", "open", "open", "close", "crash", "kill", "freeze", "freeze", "thaw", "thaw"],
      ...["away", "away", "back", "back", "reload", "front", "front"],
    ];
    const name = names[this.#next(names.length)];
    let was;
    try {
      was = await this.deeds[name]();
    } catch (error) {
      // it has ended in the middle of it
      if (!/has crashed/.test(error.message)) throw error;
    }
    if (was !== false) this.#book.done[name] = (this.#book.done[name] ?? 0) + 1;
  }

  /** All of them awake and here. */
  async gather() {
    for (const one of [...this.tabs]) {
      if (one.state === "frozen") await this.#thaw(one);
      if (one.state === "away") await this.#back(one);
    }
  }
}

// ---------------------------------------------------------------- everybody else

/** The others, and what they do to the user's requests. */
class Others {
  #at;
  #server;
  #next;
  #user;
  #bob;
  #talks;
  #own = [];
  #stopping = false;
  #running = Promise.resolve();
  messages = 0;

  constructor({ server, at, next, user, bob, talks }) {
    this.#server = server;
    this.#at = at;
    this.#next = next;
    this.#user = user;
    this.#bob = bob;
    this.#talks = talks;
  }

  #talk() {
    return this.#talks[this.#next(this.#talks.length)];
  }

  async #say() {
    const message = await this.#at.send(this.#bob, this.#talk(), `Bob says ${this.#next(1e9)}`);
    this.messages += 1;
    this.#own.push(message);
    if (this.#own.length > 40) this.#own.shift();
    return message;
  }

  async #do() {
    const own = this.#own[this.#next(this.#own.length)] ?? (await this.#say());
    const what = this.#next(30);
    if (what < 11) await this.#say();
    else if (what < 15) {
      const count = 2 + this.#next(6);
      this.messages += count;
      await this.#at.bulk(this.#talk(), count, `others ${this.#next(1e9)}`);
    } else if (what < 19) await edit(this.#server, this.#bob, own, `edited ${this.#next(1e9)}`).catch(gone);
    else if (what < 21) await recall(this.#server, this.#bob, own).catch(gone);
    // the user, on another device
    else if (what < 23) await this.#read().catch(lost);
    else if (what < 25) await this.#trouble();
    else if (what < 29) await this.#at.trouble({}, this.#user);
    else if (!this.#next(3)) await this.#at.overflow(this.#user, this.#next(2) ? [this.#talk()] : undefined);
  }

  async #read() {
    const talk = this.#talk();
    const [last] = await this.#at.history(this.#bob, talk, "limit=1");
    await call(this.#server, this.#user, "POST", `/v1/conversations/${talk}/read`, { seq: last.seq });
  }

  /** Slow enough that something waits in the outbox. */
  #trouble() {
    const tenths = (below) => this.#next(below) / 10;
    return this.#at.trouble(
      {
        dropNotifications: tenths(5),
        duplicateNotifications: tenths(5),
        errorRate: tenths(4),
        delayMs: this.#next(600),
      },
      this.#user,
    );
  }

  async #live() {
    while (!this.#stopping) {
      await this.#do();
      await pause(20 + this.#next(200));
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
    await this.#at.trouble({}, this.#user);
  }
}

/** The trouble is the user's, here too. */
function lost(error) {
  if (!(error.status >= 500)) throw error;
}

// ---------------------------------------------------------------- all of it

/**
 * @param {object} options
 * @param {number} options.length ms of use
 * @param {number} options.rests how often all of it is compared in that time
 * @param {number} options.seed
 * @param {number} options.tabs at most so many at a time
 * @param {(line: string) => void} [options.say]
 * @returns {Promise<{ wrong: string[], figures: string[] }>}
 */
export async function crowd({ length, rests, seed, tabs, say = () => {} }) {
  const server = await startServer({ args: ["--notify-interval", "20"] });
  const tools = await launchTools();
  try {
    const at = demo(server);
    const [user, bob] = await at.users("ann", "bob");
    const talks = [];
    for (let i = 0; i < TALKS; i += 1) talks.push(await at.conversation([user, bob], HISTORY));
    const book = new Book();
    const next = random(seed);
    const context = await tools.newContext();
    const all = new Crowd({ server, tools, context, book, next, user, talks, seed, most: tabs });
    const others = new Others({ server, at, next: random(seed + 1), user, bob, talks });
    for (let i = 0; i < tabs; i += 1) await all.open();
    say(`${tabs} tabs are open`);

    const compared = { tabs: 0, messages: 0 };
    /** Compares everything with the server. */
    async function compare() {
      await others.rest();
      await all.gather();
      await Promise.all(all.tabs.map((one) => all.ask(one, () => globalThis.crowd.rest())));
      // one that is hidden may be behind, until it is looked at
      await all.tabs[0].tab.bringToFront();
      await all.ask(all.tabs[0], () => globalThis.crowd.deliver());
      await pause(300);
      const statesOf = async () => {
        const { conversations } = await call(server, user, "GET", "/v1/conversations?limit=1000");
        return conversations.map(({ id, unread, lastSeq, readSeq, lastMessage }) =>
          [id, unread, lastSeq, readSeq, lastMessage?.id, lastMessage?.version].map(String).join(" | "),
        );
      };
      // a read mark may be on its way still; what differs for good is told below
      await eventually(async () =>
        assert.deepEqual(await all.ask(all.tabs[0], () => globalThis.crowd.states()), await statesOf()),
      ).catch((error) => say(`the conversations differ: ${error.message}`));
      const lists = new Map();
      for (const talk of talks) lists.set(talk, await everything(server, user, talk));
      const wanted = {
        lists: Object.fromEntries(talks.map((talk) => [talk, digest(lists.get(talk).map(line))])),
        conversations: await statesOf(),
      };
      let asked = null;
      for (const one of all.tabs) {
        await one.tab.bringToFront();
        for (const { talk, lines, reason } of await all.ask(one, (wanted) => globalThis.crowd.same(wanted), wanted)) {
          const truth = lists.get(talk)?.map(line) ?? wanted.conversations;
          const differs = truth.findIndex((one, n) => one !== lines[n]);
          book.wrong.push(
            `${one.name}, ${talk}: ${reason}; ${lines.length} lines, the server has ${truth.length}; at ${differs}: ${lines[differs]}, the server's is ${truth[differs]}`,
          );
        }
        compared.tabs += 1;
        asked ??= book.requests.length;
      }
      compared.messages += [...lists.values()].reduce((sum, list) => sum + list.length, 0) * all.tabs.length;
      const again = book.requests.slice(asked).filter(({ path }) => /\/messages\?|\/changes\?/.test(path));
      for (const { tab, path } of again.slice(0, 5))
        book.wrong.push(`${tab} asks for ${path}, which another tab has read`);
      book.check([...lists.values()], user, (tab) => !all.lost.has(tab.replace(/\.\d+$/, "")));
      await oneWrites();
      await pulledOnce();
    }

    async function oneWrites() {
      for (const end = Date.now() + 30_000; ; await pause(100)) {
        const each = await Promise.all(
          all.tabs.map((one) => all.ask(one, () => [globalThis.crowd.status().writer, globalThis.crowd.sockets()])),
        );
        const writers = each.filter(([writer]) => writer === "here").length;
        const sockets = each.reduce((sum, [, sockets]) => sum + sockets, 0);
        if (writers === 1 && sockets === 1) return;
        if (Date.now() < end) continue;
        book.wrong.push(`${writers} tabs write, and ${sockets} sockets are open: ${JSON.stringify(each)}`);
        return;
      }
    }

    const writerNow = async () => {
      const each = await Promise.all(all.tabs.map((one) => all.ask(one, () => globalThis.crowd.status().writer)));
      return all.tabs[each.indexOf("here")]?.name;
    };

    /** A message that comes is shown by all, and asked for by one. */
    async function pulledOnce() {
      const writer = await writerNow();
      const before = book.requests.length;
      const text = `to all ${before}`;
      const seen = all.tabs.map((one) =>
        all.ask(one, ({ talk, text }) => globalThis.crowd.expecting(talk, text).then(() => {}), {
          talk: talks[0],
          text,
        }),
      );
      await pause(100);
      const began = Date.now();
      await at.send(bob, talks[0], text);
      const results = await Promise.allSettled(seen);
      for (const [n, { status, reason }] of /** @type {any} */ (results).entries())
        if (status === "rejected") book.wrong.push(`${all.tabs[n]?.name} does not show "${text}": ${reason.message}`);
      const pulls = book.requests.slice(before).filter(({ path }) => path.startsWith("/v1/sync"));
      // the timer's may fall into it, and the tab in front may have got the work from one that is hidden
      const most = 2 + Math.ceil((Date.now() - began) / OPTIONS.sync.pollInterval);
      const isOneTabs = pulls.every(({ tab }) => tab === writer) || writer !== (await writerNow());
      if (!isOneTabs || pulls.length > most)
        book.wrong.push(`one message was pulled ${pulls.length} times: ${JSON.stringify(pulls)}`);
    }

    const began = Date.now();
    for (let rest = 1; rest <= rests && !book.wrong.length; rest += 1) {
      const until = Date.now() + length / rests;
      if (rest > 1) for (const one of all.tabs) await all.ask(one, () => globalThis.crowd.resume());
      others.resume();
      while (Date.now() < until) {
        await all.befall();
        await pause(next(2 * PACE));
      }
      const used = Date.now();
      if (!all.tabs.length) await all.open();
      await compare();
      say(
        `rest ${rest} of ${rests}, after ${Math.round((Date.now() - began) / 1000)} s: ${all.tabs.length} tabs compared in ${Math.round((Date.now() - used) / 1000)} s; ${JSON.stringify(book.done)}`,
      );
    }
    assert.ok(book.messages.size > 0, "something was written");
    const own = [...book.messages.values()];
    const figures = [
      `${compared.tabs} times a tab was compared with the server, ${compared.messages} messages; the tabs: ${JSON.stringify(book.done)}; out of the page cache ${all.kept}, loaded anew ${all.anew}`,
      `${own.length} written, ${own.filter(({ accepted }) => accepted).length} accepted, ${own.filter(({ discarded }) => discarded).length} discarded; ${others.messages} of others; ${book.requests.length} requests`,
    ];
    return { wrong: book.wrong, figures };
  } finally {
    await tools.close();
    await server.stop();
  }
}
