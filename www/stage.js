// @ts-check
// The stage of the guided tour: guests who exist for one scene, a conversation of theirs, and the devices
// that have it. Nothing is played here: a device is a client as any app opens it, and what goes wrong is
// made by the server when it is asked to.

import { connected, fetchElsewhere } from "./network.js";
import { createClient, wipe } from "/pkg/index.js";
import "/pkg/inspector.js";
import { h, setText } from "./dom.js";
import { number } from "./format.js";
import { describe } from "./status.js";
import { TimelineView } from "./timeline.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Message<Body>} Message */
/** @typedef {import("/pkg/index.js").Client<Body>} Client */
/** @typedef {import("/pkg/index.js").Inspection} Inspection */
/** @typedef {Pick<import("/pkg/index.js").ClientOptions<Body>, "sync" | "overflow">} SyncOptions */

/** Who writes to the visitor. */
export const FRIEND = "Robin";
/** Others who wrote in the history. */
const OTHERS = ["Mara", "Yuki", "Tobias"];

/** Between two looks at a device (ms). */
const LOOK = 200;
/** What a scene waits for must come within this (ms). */
const PATIENCE = 30_000;
/** Messages of a page: small, so that segments are seen to grow. */
const PAGE = 30;
/** A list asks for more this close (px) to its end: late, so that a scene shows when it does. */
const NEAR = 60;

/** Local databases of scenes that were left without a goodbye, to be deleted by the next. */
const LEFT_BEHIND = "pullcord-demo:tour";

/** A part of the package's inspector. @param {"strip" | "legend"} part */
export function inspectorOf(part) {
  const inspector = document.createElement("pullcord-inspector");
  inspector.setAttribute("show", part);
  return inspector;
}

/** @returns {string[]} */
function leftBehind() {
  try {
    const names = JSON.parse(localStorage.getItem(LEFT_BEHIND) ?? "[]");
    return Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  } catch {
    return [];
  }
}

/** @param {string[]} names */
const leaveBehind = (names) => localStorage.setItem(LEFT_BEHIND, JSON.stringify(names));

/** Held as long as a scene has that database: the tour of another tab leaves it alone. @param {string} account */
const lockOf = (account) => `pullcord-demo:tour:${account}`;

/** Deletes what scenes have left behind that did not end: a tab that was closed. */
export async function sweep() {
  /** @type {string[]} */
  const kept = [];
  const sweepOne = (/** @type {string} */ name) =>
    navigator.locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
      if (lock) await wipe(name);
      else kept.push(name);
    });
  // Without locks (a page that is not from a secure origin) there is no telling whose they are.
  await Promise.allSettled(leftBehind().map("locks" in navigator ? sweepOne : (name) => wipe(name)));
  leaveBehind(kept);
}

/**
 * @param {string} account
 * @param {AbortSignal} until
 */
function holdLock(account, until) {
  const held = () =>
    new Promise((resolve) => {
      if (until.aborted) resolve(undefined);
      else until.addEventListener("abort", resolve, { once: true });
    });
  if (!("locks" in navigator)) return;
  // Nobody else asks for it in this way; should the page go, the lock goes with it.
  navigator.locks.request(lockOf(account), held).catch(() => {});
}

/** What a scene had promised did not come true. */
export class Broken extends Error {}

/** @param {number} ms @param {AbortSignal} signal */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve(undefined);
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
}

/**
 * @param {string} path
 * @param {string | null} token
 * @param {unknown} [body] given: POST
 * @returns {Promise<any>}
 */
async function call(path, token, body) {
  /** @type {Record<string, string>} */
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const response = await fetchElsewhere(
    path,
    body === undefined ? { headers } : { method: "POST", headers, body: JSON.stringify(body) },
  );
  if (!response.ok) throw new Error(`The server answered ${response.status} to ${path}`);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

/** @param {string} name @returns {Promise<string>} the token */
const guest = async (name) => (await call("/demo/sign-in", null, { name, guest: true })).token;

export class Stage {
  #friend = "";
  #token = "";
  /** @type {Device[]} */
  devices = [];
  /** Messages that the server has, where the scene counts them. @type {number | null} */
  total = 0;

  /**
   * @param {HTMLElement} element where the devices stand
   * @param {AbortSignal} signal aborts when the scene is left
   */
  constructor(element, signal) {
    const name = Array.from(crypto.getRandomValues(new Uint8Array(4)), (byte) =>
      byte.toString(16).padStart(2, "0"),
    ).join("");
    this.element = element;
    this.signal = signal;
    this.visitor = `visitor-${name}`;
    this.conversation = `tour-${name}`;
  }

  /**
   * Signs the guests in, and writes the history that the scene begins with.
   * @param {object} what
   * @param {string} what.title
   * @param {number} what.messages
   * @param {number} what.days that the history goes back
   * @param {number} [what.ago] days ago that it ends
   */
  async set({ title, messages, days, ago = 0 }) {
    connected.set(true);
    [this.#token, this.#friend] = await Promise.all([guest(this.visitor), guest(FRIEND)]);
    await call("/demo/create", null, { id: this.conversation, members: [this.visitor, FRIEND], meta: { title } });
    await call("/demo/history", null, {
      conversation: this.conversation,
      senders: [FRIEND, ...OTHERS],
      count: messages,
      days,
      ago,
      seed: 11,
    });
    this.total = messages;
    this.signal.throwIfAborted();
  }

  /**
   * Puts a device on the stage and opens its client.
   * @param {string} label
   * @param {string} note
   * @param {SyncOptions} [options]
   */
  async device(label, note, options = {}) {
    const account = `${this.visitor}@${this.devices.length + 1}`;
    return this.put(new Device(this, label, note), account, options);
  }

  /**
   * Puts one on the stage, at the end or in the place of another, and opens its client.
   * @template {Device} T
   * @param {T} device
   * @param {string} account
   * @param {SyncOptions} [options]
   * @param {Device} [instead]
   * @returns {Promise<T>}
   */
  async put(device, account, options = {}, instead) {
    if (instead) {
      this.devices.splice(this.devices.indexOf(instead), 1, device);
      instead.element.replaceWith(device.element);
      instead.leave();
    } else {
      this.devices.push(device);
      this.element.append(device.element);
    }
    this.element.dataset.devices = String(this.devices.length);
    leaveBehind([...new Set([...leftBehind(), account])]);
    await device.open(account, this.#token, options);
    this.signal.throwIfAborted();
    return device;
  }

  // ---------------------------------------------------------------- what others do, and what goes wrong

  /**
   * The friend writes.
   * @param {number} count
   * @param {{ days?: number }} [over] the days before now over which it was written
   */
  async write(count, { days } = {}) {
    await call("/demo/bulk", null, {
      conversation: this.conversation,
      sender: FRIEND,
      count,
      days,
      seed: (this.total ?? 0) + count,
    });
    if (this.total !== null) this.total += count;
  }

  /** The friend takes a message of theirs back. @param {Message} message */
  async recall({ id }) {
    await call(`/v1/conversations/${this.conversation}/messages/${id}/recall`, this.#friend, {});
  }

  /** @param {{ dropNotifications?: number, errorRate?: number, delayMs?: number }} trouble nothing: none any more */
  async trouble(trouble) {
    await call("/demo/trouble", this.#token, trouble);
  }

  /** The server answers every cursor that there is now with an overflow, as if it had been too far behind. */
  async overflow() {
    await call("/demo/overflow", this.#token, {});
  }

  /** The network cable of this browser. @param {boolean} plugged */
  cable(plugged) {
    connected.set(plugged);
  }

  /**
   * What the server has, as the friend sees it.
   * @param {string} query
   * @returns {Promise<Message[]>}
   */
  async history(query) {
    return (await call(`/v1/conversations/${this.conversation}/messages?${query}`, this.#friend)).messages;
  }

  // ---------------------------------------------------------------- time

  /** @param {number} ms */
  pause(ms) {
    return pause(ms, this.signal);
  }

  /**
   * @param {string} what
   * @param {() => boolean} holds
   * @param {number} [patience] ms
   */
  async until(what, holds, patience = PATIENCE) {
    for (const end = performance.now() + patience; !holds(); await this.pause(60)) {
      if (performance.now() > end) throw new Broken(`Not within ${Math.round(patience / 1000)} seconds: ${what}.`);
    }
  }

  /** Takes everything back: devices and their data, the trouble, the memberships. */
  async end() {
    const devices = this.devices.splice(0);
    for (const device of devices) device.leave();
    connected.set(true);
    const gone = await Promise.allSettled(devices.map((device) => device.wipe()));
    leaveBehind(
      leftBehind().filter(
        (name) => !devices.some(({ account }, i) => account === name && gone[i].status === "fulfilled"),
      ),
    );
    if (!this.#token) return;
    const leave = (/** @type {string} */ user) => call("/demo/leave", null, { conversation: this.conversation, user });
    await Promise.allSettled([this.trouble({}), leave(this.visitor), leave(FRIEND)]);
  }
}

/** One device of the visitor: its client, the list on its screen, and what it has. */
export class Device {
  #stage;
  #life = new AbortController();
  /** @type {Client | null} */
  #client = null;
  /** @type {TimelineView | null} */
  #view = null;
  /** @type {Inspection | null} */
  latest = null;
  account = "";

  /**
   * @param {Stage} stage
   * @param {string} label
   * @param {string} note
   */
  constructor(stage, label, note) {
    this.#stage = stage;
    this.label = label;
    this.picture = inspectorOf("strip");
    this.has = h("span", { class: "device-has" });
    this.requests = h("span", {});
    this.status = h("span", { class: "status-text" });
    this.line = h("span", { class: "status" }, h("span", { class: "dot", "aria-hidden": "true" }), this.status);
    this.screen = h("div", { class: "device-screen" });
    this.note = h("span", { class: "device-note" }, note);
    this.element = h(
      "section",
      { class: "device", "aria-label": label },
      h("header", {}, h("h3", {}, label), this.note, this.line),
      this.picture,
      h(
        "p",
        { class: "device-facts" },
        this.has,
        h("span", { class: "device-requests" }, h("span", { class: "wide" }, "Requests: "), this.requests),
      ),
      this.screen,
    );
  }

  /**
   * @param {import("/pkg/index.js").ClientOptions<Body>} options
   * @returns {Promise<Client>}
   */
  make(options) {
    return createClient(options);
  }

  /**
   * @param {string} account
   * @param {string} token
   * @param {SyncOptions} options
   */
  async open(account, token, options) {
    this.account = account;
    holdLock(account, this.#life.signal);
    const client = await this.make({
      ...options,
      account,
      transport: { baseUrl: location.origin, token: () => token },
      pageSize: PAGE,
      // Only what the scene asks for is to be seen.
      prefetch: false,
      logLevel: "error",
    });
    this.#client = client;
    this.picture.conversation = this.#stage.conversation;
    this.picture.client = client;
    if (this.#life.signal.aborted) return;
    client.status.subscribe(() => this.drawStatus(client.status.getSnapshot()));
    await this.#stage.until(`${this.label} is up to date`, () => this.caughtUp);
    const view = new TimelineView({
      client: this.#client,
      me: this.#stage.visitor,
      maxItems: 400,
      near: NEAR,
      life: this.#life.signal,
      onEdit: () => {},
      onRecall: () => {},
      onEscape: () => {},
      onRange: (first, last, gap) => this.picture.onScreen(first, last, gap),
    });
    this.#view = view;
    this.screen.append(view.element);
    view.scroller.setAttribute("aria-label", `Messages on ${this.label}`);
    view.open(this.#stage.conversation);
    this.#watch();
    await this.#stage.until(
      `${this.label} shows the newest messages`,
      () => !this.snapshot.hasNewer && this.messages.length > 0,
    );
  }

  async #watch() {
    const { signal } = this.#life;
    while (!signal.aborted) {
      await this.#look();
      await pause(LOOK, signal).catch(() => {});
    }
  }

  async #look() {
    const client = this.#client;
    if (!client) return;
    try {
      this.latest = await client.inspect(this.#stage.conversation);
    } catch {
      // Closed meanwhile.
      return;
    }
    const status = client.status.getSnapshot();
    this.drawStatus(status);
    const { cachedMessages, requests } = this.latest;
    const { total } = this.#stage;
    setText(
      this.has,
      total === null ? `${number(cachedMessages)} messages` : `${number(cachedMessages)} of ${number(total)} messages`,
    );
    setText(this.requests, `${requests.pull} pull, ${requests.history} history, ${requests.changes} changes`);
  }

  /** @param {import("/pkg/index.js").ClientStatus} status */
  drawStatus(status) {
    const { tone, text } = describe(status);
    this.line.dataset.tone = tone;
    this.element.dataset.connection = status.connection;
    setText(this.status, text);
  }

  get client() {
    if (!this.#client) throw new Broken(`${this.label} is not open.`);
    return this.#client;
  }

  get view() {
    if (!this.#view) throw new Broken(`${this.label} is not open.`);
    return this.#view;
  }

  get timeline() {
    const { timeline } = this.view;
    if (!timeline) throw new Broken(`${this.label} shows no conversation.`);
    return timeline;
  }

  get snapshot() {
    return this.timeline.getSnapshot();
  }

  get caughtUp() {
    const { connection, caughtUp } = this.client.status.getSnapshot();
    return connection === "online" && caughtUp;
  }

  /** The messages on the list, oldest first. */
  get messages() {
    return this.snapshot.items.filter((item) => item.kind === "message");
  }

  /** The conversation's newest position, as far as this device has heard. */
  get lastSeq() {
    return this.client.conversation(this.#stage.conversation).getSnapshot()?.lastSeq ?? null;
  }

  /** @param {string} id */
  message(id) {
    return this.messages.find(({ message }) => message.id === id);
  }

  /** As last looked at. */
  get segments() {
    return this.latest?.segments ?? [];
  }

  /** @param {string} text */
  async send(text) {
    await this.timeline.send({ text, kind: "text" });
    this.view.toNewest();
  }

  /**
   * Scrolls as a reader does, so that the list asks for what comes, until something holds.
   * @param {"older" | "newer"} way
   * @param {string} what
   * @param {() => boolean} holds
   */
  async read(way, what, holds) {
    const { scroller } = this.view;
    await this.#stage.until(what, () => {
      if (holds()) return true;
      scroller.scrollBy({ top: (way === "older" ? -0.25 : 0.25) * scroller.clientHeight });
      return false;
    });
  }

  /**
   * Compares the list, message for message, with what the server has there.
   * @returns {Promise<number>} how many messages it is; throws where something is missing, doubled or old
   */
  async compare() {
    await this.#stage.until(`${this.label} shows only what is fresh`, () =>
      this.snapshot.items.every((item) => item.kind !== "gap" && (item.kind !== "message" || item.fresh)),
    );
    const { messages } = this;
    const first = messages[0];
    const last = messages.at(-1);
    if (!first || !last) throw new Broken(`${this.label} shows nothing.`);
    const held = await this.#stage.history(`limit=1000&after=${BigInt(first.message.seq) - 1n}`);
    const there = this.snapshot.hasNewer ? held.filter(({ seq }) => BigInt(seq) <= BigInt(last.message.seq)) : held;
    const line = (/** @type {Message} */ { id, version, state }) => `${id} ${version} ${state}`;
    const [want, have] = [there.map(line), messages.map(({ message }) => line(message))];
    const wrong = want.findIndex((one, i) => one !== have[i]);
    if (wrong >= 0 || want.length !== have.length)
      throw new Broken(`${this.label} and the server differ: ${have.length} messages here, ${want.length} there.`);
    return have.length;
  }

  /** Stops what the page itself does with it. */
  leave() {
    this.#life.abort();
    this.element.remove();
  }

  async wipe() {
    if (this.#client) await this.#client.wipe();
    else if (this.account) await wipe(this.account);
  }
}
