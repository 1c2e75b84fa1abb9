// Tabs of a browser, as far as a claim sees them: Web Locks and channels of all of them, a store's fence, and time that
// runs when it is told to.

import { runInNewContext } from "node:vm";
import { Claim } from "../../pkg-template/claim/claim.js";
import { settled } from "./fake.mjs";

/** What a channel delivers in jsdom: its objects are of another realm, so `instanceof` knows none of them. */
const Elsewhere = runInNewContext("Uint8Array");

/** A message as a channel delivers it. @param {any} data */
function copyOf(data) {
  const copy = structuredClone(data);
  if (copy.bytes) copy.bytes = Elsewhere.from(copy.bytes);
  return copy;
}

/** The Web Locks of a browser; `of(tab)` are they as one tab sees them. */
export class WebLocks {
  /** @type {Map<string, any[]>} those that hold it, then those that wait */
  #queues = new Map();

  /** @param {any} tab its locks are never answered once it is dead */
  of(tab) {
    return {
      request: (name, options, use) =>
        new Promise((resolve, reject) => {
          if (!tab.isDead) this.#request(tab, name, options, use, resolve, reject);
        }),
    };
  }

  #request(tab, name, { mode, ifAvailable, steal, signal }, use, resolve, reject) {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    const broken = () => reject(new DOMException("gone", "AbortError"));
    const entry = { tab, shared: mode === "shared", granted: false, use, resolve, reject, broken };
    if (ifAvailable && queue.length > 0) {
      queueMicrotask(() => resolve(use(null)));
      return;
    }
    signal?.addEventListener("abort", () => {
      if (entry.granted) return;
      this.#remove(name, (one) => one === entry);
      broken();
    });
    if (steal) {
      for (const one of queue.splice(0, queue.filter(({ granted }) => granted).length)) one.broken();
      queue.unshift(entry);
    } else {
      queue.push(entry);
    }
    this.#grant(name);
  }

  #remove(name, which) {
    const queue = this.#queues.get(name) ?? [];
    for (let at = queue.length - 1; at >= 0; at -= 1) if (which(queue[at])) queue.splice(at, 1);
    this.#grant(name);
  }

  #grant(name) {
    const queue = this.#queues.get(name) ?? [];
    for (const [at, entry] of queue.entries()) {
      if (entry.granted) continue;
      const before = queue.slice(0, at);
      if (at > 0 && !(entry.shared && before.every((one) => one.shared && one.granted))) return;
      entry.granted = true;
      queueMicrotask(() => {
        if (!queue.includes(entry) || entry.tab.isDead) return;
        Promise.resolve(entry.use({ name }))
          .then(entry.resolve, entry.reject)
          .finally(() => this.#remove(name, (one) => one === entry));
      });
    }
  }

  /** What the browser does with a tab that has crashed, in no order that is known. */
  forget(tab, names = [...this.#queues.keys()]) {
    for (const name of names) this.#remove(name, (one) => one.tab === tab);
  }

  /** As Safari does to a page that sleeps. */
  takeAway(tab) {
    for (const name of this.#queues.keys()) {
      for (const one of this.#queues.get(name) ?? []) if (one.tab === tab && one.granted) one.broken();
      this.#remove(name, (one) => one.tab === tab && one.granted);
    }
  }

  /** @returns {any[]} the tabs that hold it */
  holders(name) {
    return (this.#queues.get(name) ?? []).filter(({ granted }) => granted).map(({ tab }) => tab);
  }

  waiting(name) {
    return (this.#queues.get(name) ?? []).filter(({ granted }) => !granted).map(({ tab }) => tab);
  }
}

/** A tab with one client. */
export class Tab {
  /** @type {any} */
  claim;
  isDead = false;
  isAsleep = false;
  isHidden = false;
  isBlocked = false;
  /** its last fence, while it is to write */
  epoch = 0;
  isWriter = false;
  /** it cannot commit a fence */
  isBroken = false;
  /** the promotion that counts @type {symbol | null} */
  attempt = null;
  /** ms that it takes for its commit, and to close */
  restMs = 20;
  closeMs = 10;
  locks;
  starting;
  /** @type {any[]} */
  endings = [];
  warnings = [];
  heard = [];
  rests = 0;
  promotions = 0;
  /** @type {(() => void)[]} what comes when it is not blocked any more */
  held = [];

  constructor(world, name) {
    this.world = world;
    this.name = name;
  }

  get isOver() {
    return this.isDead || this.endings.length > 0 || this.isClosed;
  }

  get isAwake() {
    return !this.isOver && !this.isAsleep;
  }

  isClosed = false;

  close() {
    this.isClosed = true;
    this.claim.release();
  }

  hide(hidden = true) {
    this.isHidden = hidden;
    this.claim.look(hidden);
  }

  sleep() {
    this.isAsleep = true;
    this.claim.rest();
  }

  wake() {
    this.isAsleep = false;
    this.world.as(this, () => this.claim.wake());
  }

  crash(names) {
    this.isDead = true;
    this.world.locks.forget(this, names);
    if (names) this.world.locks.forget(this);
    // its page's own locks go as well; nobody hears of it
    this.claim.release();
  }

  block() {
    this.isBlocked = true;
  }

  unblock() {
    this.isBlocked = false;
    for (const run of this.held.splice(0)) run();
  }

  /** It writes, and finds out whether it may. */
  commit() {
    if (!this.isWriter || this.isBlocked || this.epoch === this.world.epoch) return;
    this.isWriter = false;
    this.claim.fenced();
  }
}

export class World {
  locks = new WebLocks();
  /** @type {Tab[]} */
  tabs = [];
  channels = new Set();
  epoch = 0;
  told = [];
  #mock;

  /** @param {any} t the test: its time runs by `run` alone @param {{ locks?: boolean }} options */
  constructor(t, { locks = true } = {}) {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    t.mock.method(performance, "now", () => Date.now());
    this.#mock = t.mock.timers;
    this.hasLocks = locks;
    // a page's own locks outlive the test
    t.after(() => {
      for (const tab of this.tabs) tab.claim.release();
    });
  }

  /** Runs at once what a tab does by itself: its browser is there meanwhile. */
  as(tab, run) {
    const names = ["navigator", "BroadcastChannel"];
    const before = names.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));
    const world = this;
    class Channel {
      onmessage = null;
      constructor(name) {
        this.name = name;
        this.tab = tab;
        world.channels.add(this);
      }
      postMessage(data) {
        world.post(this, copyOf(data));
      }
      close() {
        world.channels.delete(this);
      }
    }
    Object.defineProperty(globalThis, "navigator", { value: { locks: tab.locks }, configurable: true });
    Object.defineProperty(globalThis, "BroadcastChannel", { value: Channel, configurable: true, writable: true });
    try {
      return run();
    } finally {
      for (const [at, name] of names.entries()) {
        if (before[at]) Object.defineProperty(globalThis, name, before[at]);
        else delete globalThis[name];
      }
    }
  }

  post(from, data) {
    if (from.tab.isDead) return;
    this.told.push([from.tab.name, data.type, data]);
    for (const channel of this.channels) {
      if (channel === from || channel.name !== from.name) continue;
      const deliver = () => {
        if (!this.channels.has(channel) || channel.tab.isDead) return;
        if (channel.tab.isBlocked) channel.tab.held.push(deliver);
        else channel.onmessage?.({ data });
      };
      queueMicrotask(deliver);
    }
  }

  /** @returns {Tab} with a client that opens */
  open(options = {}) {
    const tab = new Tab(this, `tab ${this.tabs.length}`);
    this.tabs.push(tab);
    Object.assign(tab, {
      locks: this.hasLocks && !options.apart ? this.locks.of(tab) : undefined,
      isHidden: options.hidden === true,
    });
    const handlers = {
      held: () => {
        const attempt = Symbol();
        tab.attempt = attempt;
        setTimeout(() => {
          if (tab.attempt !== attempt || tab.isBroken || tab.isDead) return;
          this.epoch += 1;
          Object.assign(tab, { epoch: this.epoch, isWriter: true, promotions: tab.promotions + 1 });
          tab.claim.promoted();
        }, 10);
      },
      lost: () => Object.assign(tab, { isWriter: false, attempt: null }),
      rest: async () => {
        tab.rests += 1;
        await new Promise((resolve) => setTimeout(resolve, tab.restMs));
        Object.assign(tab, { isWriter: false });
      },
      heard: (bytes) => tab.heard.push(...bytes),
      asked: (error) => {
        if (tab.isOver) return;
        tab.endings.push(error);
        // it finishes what it is writing
        setTimeout(() => tab.claim.release(), tab.closeMs);
      },
      warn: (message) => tab.warnings.push(message),
    };
    this.as(tab, () => {
      tab.claim = new Claim("ann", options, handlers);
      tab.starting = tab.claim.start().then(() => tab.claim.greet());
    });
    return tab;
  }

  /** Time passes. @param {number} ms @param {() => void} [each] after each step of it */
  async run(ms, each = () => {}) {
    for (let passed = 0; passed < ms; passed += 10) {
      this.#mock.tick(10);
      await settled();
      each();
    }
    await settled();
  }

  /** Tabs that hold the account's lock. */
  get holders() {
    return this.locks.holders("pullcord:ann");
  }

  /** Who writes, by its own belief and the store's. */
  get writers() {
    return this.tabs.filter((tab) => tab.isAwake && tab.isWriter && tab.epoch === this.epoch);
  }
}
