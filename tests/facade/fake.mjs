// A stand-in for the wasm: a Host that speaks the boundary's messages as the test tells it to.

import { pullcord } from "../../pkg-template/client.js";
import { besideTheScript } from "../../pkg-template/where.js";

// Node 20 has none, and the facade then polls: what these tests are about is a browser's. Nothing opens one.
globalThis.WebSocket ??= /** @type {any} */ (class {});

/** the smallest wasm module there is: compiled, but never called */
export const EMPTY_WASM = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);

export const STATUS = {
  connection: "online",
  listed: true,
  caughtUp: true,
  pulling: false,
  lastSyncedAt: null,
  progress: null,
  storage: "indexeddb",
  writer: "here",
  error: null,
};

/** All fields of a timeline's entry in a frame; `items` only where given. */
export function timelineEntry(id, fields = {}) {
  return {
    id,
    status: "ready",
    anchor: { key: null, count: 0 },
    firstIndex: 0,
    hasOlder: true,
    hasNewer: false,
    loading: { older: false, newer: false, jump: false },
    unseen: 0,
    error: null,
    ...fields,
  };
}

export function message(seq, fields = {}) {
  return {
    id: `m${seq}`,
    conversation: "c1",
    seq: String(seq),
    sender: "ann",
    createdAt: seq,
    version: 1,
    state: "normal",
    body: { n: seq },
    ...fields,
  };
}

export function messageItem(seq) {
  return { kind: "message", key: `m${seq}`, message: message(seq), fresh: true };
}

class FakeHost {
  commands = [];
  /** what other clients' engines have said */
  heardBytes = [];
  isFree = false;
  /** what the engine does with a command; a test replaces it */
  onCommand = (command) => {
    if (command.op === "close" || command.op === "wipe") {
      this.frame({ status: { ...STATUS, connection: "closed" }, results: [{ call: command.call, ok: null }] });
      queueMicrotask(() => this.hooks.stopped());
    }
    if (command.op === "abort")
      this.frame({ results: [{ call: command.of, error: { code: "aborted", message: "aborted" } }] });
  };

  constructor(config, hooks) {
    this.config = config;
    this.hooks = hooks;
    // the lock was free when it opened, or comes later
    this.isPromoted = config.promoted;
    if (this.isPromoted) hooks.promoted();
  }

  /** @returns {any} the error of one that is wrong */
  command(command) {
    if (this.isFree) throw new Error("null pointer passed to rust");
    this.commands.push(command);
    this.onCommand(command);
  }

  /** what the engine says of a command that is wrong; a test replaces it */
  /** @returns {any} likewise */
  check() {}

  promote() {
    this.isPromoted = true;
    this.hooks.promoted();
  }

  heard(bytes) {
    this.heardBytes.push([...bytes]);
  }

  async rest_after_commit() {
    await this.resting;
    this.isPromoted = false;
    this.commands.push({ op: "rest" });
  }

  resting = Promise.resolve();

  sleep() {
    this.commands.push({ op: "sleep" });
  }

  wake() {
    this.commands.push({ op: "wake" });
  }

  demote() {
    this.isPromoted = false;
  }

  free() {
    this.isFree = true;
  }

  frame(frame) {
    this.hooks.frame(JSON.stringify(frame));
  }

  ops() {
    return this.commands.map(({ op }) => op);
  }

  last(op) {
    return this.commands.findLast((command) => command.op === op);
  }

  answer(op, ok) {
    this.frame({ results: [{ call: this.last(op).call, ok }] });
  }

  refuse(op, error) {
    this.frame({ results: [{ call: this.last(op).call, error }] });
  }
}

/** A package with a fake wasm: `hosts` are those opened so far, `open` may be replaced. @returns {any} */
export function fakePackage() {
  /** @type {any} */
  const world = {
    hosts: [],
    instances: 0,
    schema: 7,
    open: async (config, hooks) => {
      const host = new FakeHost(config, hooks);
      host.frame({ status: STATUS });
      return host;
    },
  };
  /** @type {() => any} */
  const instantiate = () => {
    world.instances += 1;
    return Object.assign(async () => {}, {
      schema: () => world.schema,
      Host: {
        open: async (config, hooks) => {
          const host = await world.open(config, hooks);
          world.hosts.push(host);
          return host;
        },
      },
    });
  };
  return { ...pullcord(instantiate, besideTheScript), instantiate, world };
}

let accounts = 0;

/** Options that are valid, for an account of its own. @param {object} more @returns {any} */
export function options(more = {}) {
  accounts += 1;
  return {
    account: `account-${accounts}`,
    transport: { baseUrl: "https://chat.example/", token: () => "secret" },
    wasm: EMPTY_WASM,
    logLevel: "silent",
    ...more,
  };
}

/** A client on a fake host: tests also call it as it must not be called. @returns {Promise<any>} */
export async function fakeClient(more) {
  const { createClient, wipe, world } = fakePackage();
  const client = await createClient(options(more));
  const [host] = world.hosts;
  return { client, host, createClient, wipe, world };
}

/** Until all microtasks have run. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Until it holds: within half a minute, for a machine may be busy with other tests. */
export async function until(holds, what = "it never came about") {
  for (let tries = 0; tries < 3000; tries += 1) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(what);
}

/** The code that a promise rejects with. */
export async function codeOf(promise) {
  return promise.then(
    () => "resolved",
    (error) => error.code,
  );
}
