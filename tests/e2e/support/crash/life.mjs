// One life: a profile on the disk and an account, from its first start over its kills to its end.

import assert from "node:assert/strict";
import { eventually, openPage, temporaryFolder } from "../harness.mjs";
import { random } from "../page/random.js";
import { everything, pause } from "../world.mjs";
import { Killable, PATIENCE, kill } from "./killable.mjs";
import { Others } from "./others.mjs";
import { head } from "./truth.mjs";

/** What a kill interrupts. */
export const PHASES = ["catch-up", "paging", "sending", "everything"];

/** about how many pages it takes to read a conversation as `paging` does */
const PAGES = 60;

export class Life {
  /** @type {{ url: string }} */
  server;
  /** @type {ReturnType<typeof import("../harness.mjs").demo>} */
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
  /** of a mailbox: what was not acknowledged before the first of those, and where the witness stood */
  beforeOverflow = null;
  wrong = [];
  /** where the client looked for a server in vain */
  nowhere = "";
  tabs = 1;
  others = new Others(this);

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

  /** What each tab has written, of these. @param {any[]} sent */
  byTab(sent) {
    return Array.from({ length: this.tabs }, (_, number) => sent.filter(({ tab }) => tab === number));
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
        for (let i = chance(4); i > 0; i--) await this.others.meddle(chance, false);
      }
    }
    // it would leave nothing to catch up with
    if (phase !== "catch-up" && !next(5)) await this.others.forceOverflow(next(2) ? [this.aTalk()] : undefined);
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

    const stopOthers = this.others.goOn(seed, next(3) === 0);
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
      const work = {
        user: this.user,
        options: this.options,
        paged: number === 0 ? paged : null,
        seqs,
        limit,
        parts,
        catchUp: phase === "catch-up" || all,
      };
      const start = async ({ user, options, paged, seqs, limit, parts, catchUp }) => {
        await crash.start(user, options);
        if (catchUp) crash.watchCatchUp();
        if (paged) crash.page(paged, seqs, limit);
        if (parts.length) crash.write(parts);
      };
      await tabs[number].evaluate(start, work).catch(this.#unlessKilled);
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
    const writes = (tab) => tab.evaluate(() => crash.writes()).catch(this.#unlessKilled);
    const writers = await Promise.all(tabs.map(writes));
    const writer = tabs[Math.max(0, writers.indexOf(true))];
    const crashed = () => tabs.filter((tab) => this.#crashed.has(tab)).length;
    // on a machine that is busy another process may be taken for the tab's: one that runs none
    for (const end = Date.now() + PATIENCE; !crashed(); ) {
      assert.ok(Date.now() < end, "processes were killed, and no tab has crashed");
      this.#hasKilled = true;
      kill(await this.browser.processOf(writer));
      for (let tries = 0; tries < 50 && !crashed(); tries += 1) await pause(20);
    }
    // they are told of it one after the other: one that lives answers
    const isTold = (tab) => eventually(() => assert.ok(this.#crashed.has(tab), "a crash is told"));
    const answers = (tab) => tab.evaluate(() => true).catch(this.#unlessKilled);
    await Promise.all(tabs.map(async (tab) => (await answers(tab)) || isTold(tab)));
    let replaced = 0;
    for (;;) {
      const number = tabs.findIndex((tab) => this.#crashed.has(tab));
      if (number < 0) return replaced;
      busy.delete(tabs[number]);
      tabs[number] = await this.#openTab();
      await begin(number);
      replaced += 1;
    }
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

  // ------------------------------------------------------------ its browser

  async launch() {
    this.browser = await Killable.launch(this.profile);
    this.#crashed.clear();
    this.#hasKilled = false;
    await this.browser.context.exposeBinding("report", ({ page }, what, detail) => this.heard(page, what, detail));
    this.page = await this.#openTab();
  }

  /** tabs of this browser that have crashed */
  #crashed = new Set();
  /** a tab's process was killed: until then none may crash */
  #hasKilled = false;

  /** A process that was killed may have run another tab too, which is told so later. @param {Error} error */
  #unlessKilled = (error) => {
    if (!this.#hasKilled || !error.message.includes("Target crashed")) throw error;
  };

  async #openTab() {
    const page = await openPage(this.browser.context, this.server);
    page.once("crash", () => this.#crashed.add(page));
    await page.evaluate(async () => {
      // @ts-ignore: the address is the page's
      globalThis.crash = await import("/blank/crash.js");
    });
    return page;
  }

  /** @type {(page: any, what: any, detail: any) => void} */
  heard = () => {};

  async end() {
    await this.browser.kill();
  }
}
