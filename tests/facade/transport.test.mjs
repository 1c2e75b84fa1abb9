// The app's own Transport, as the engine meets it through the facade.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { fakeClient, message } from "./fake.mjs";

const REQUIRED = { pull: async () => ({}), conversations: async () => ({}), history: async () => ({}) };
const never = new AbortController().signal;

async function withTransport(transport, more) {
  const { client, host } = await fakeClient({ transport: { ...REQUIRED, ...transport }, ...more });
  return { client, host, hooks: host.hooks };
}

test("the engine is told which methods there are", async () => {
  const { client, host } = await withTransport({
    baseUrl: "https://not.this",
    send: async () => {},
    somethingElse: () => {},
  });
  assert.deepEqual(host.config.methods, ["pull", "conversations", "history", "send"]);
  await client.close();
  const all = await withTransport({ listen: () => {}, changes: async () => "gone" });
  assert.deepEqual(all.host.config.methods, ["pull", "conversations", "history", "changes", "listen"]);
  await all.client.close();
});

test("methods are called as methods, with the request and the signal", async () => {
  class Backend {
    #seen = "mine";
    async pull(request, signal) {
      return { events: [], cursor: this.#seen + request.cursor, hasMore: signal.aborted };
    }
    async conversations() {}
    async history() {}
  }
  const { client, host } = await fakeClient({ transport: new Backend() });
  assert.deepEqual(host.config.methods, ["pull", "conversations", "history"]);
  const text = await host.hooks.call("pull", { cursor: "7", limit: 5 }, never);
  assert.deepEqual(JSON.parse(text), { events: [], cursor: "mine7", hasMore: false });
  await client.close();
});

test("answers take the wire's form", async () => {
  const { client, hooks } = await withTransport({
    history: async () => ({ messages: [{ ...message(1), seq: 2n ** 63n }], hasBefore: false, hasAfter: false }),
    send: async ({ clientId, body }) => ({ ...message(3), seq: 3n, clientId, body }),
    markRead: async () => {},
    pullMailbox: async ({ limit }) => ({
      events: [{ delivery: "d1", type: "message", message: message(4, { seq: 4n }), prev: 3n }],
      hasMore: limit === 7,
    }),
    acknowledge: async (deliveries) => deliveries,
    changes: async ({ from, to }) =>
      from === "1" ? { messages: [message(5, { seq: BigInt(to) })], hasMore: false } : "gone",
  });
  assert.equal(JSON.parse(await hooks.call("history", {}, never)).messages[0].seq, "9223372036854775808");
  assert.equal(JSON.parse(await hooks.call("send", { clientId: "x", body: { a: 1 } }, never)).message.clientId, "x");
  assert.equal(await hooks.call("markRead", {}, never), "");
  const mailbox = JSON.parse(await hooks.call("pullMailbox", { limit: 7 }, never));
  assert.deepEqual(
    [mailbox.events[0].delivery, mailbox.events[0].message.seq, mailbox.events[0].prev, mailbox.hasMore],
    ["d1", "4", "3", true],
  );
  assert.equal(await hooks.call("acknowledge", ["d1"], never), "", "whatever it resolves with");
  assert.equal(
    JSON.parse(await hooks.call("changes", { from: "1", to: "18446744073709551615" }, never)).messages[0].seq,
    "18446744073709551615",
  );
  await assert.rejects(hooks.call("changes", { from: "2", to: "3" }, never), { code: "not-found", status: 410 });
  await client.close();
});

test("what is wrong with one conversation of several is that one's error", async () => {
  const bug = new TypeError("mine");
  const cyclic = { cursor: "x" };
  cyclic.self = cyclic;
  const lines = [];
  const batch = (seq) => ({
    events: [{ type: "message", message: { ...message(1), seq }, prev: null }],
    cursor: "9",
    hasMore: false,
  });
  const conversations = {
    good: batch(2n ** 63n),
    forbidden: { error: new PullcordError("forbidden", "no", { status: 403 }) },
    busy: { error: new PullcordError("network", "later", { retryAfter: 700 }) },
    wire: { error: { code: "not-found", message: "as it came" } },
    bug: { error: bug },
    lost: batch(2 ** 53 + 2),
    cyclic,
    nothing: undefined,
    '__proto"__': batch(1),
  };
  const { client, hooks } = await withTransport(
    {
      pullConversations: async (request) => ({
        conversations: request.only ? {} : conversations,
        hasMore: request.only ? undefined : true,
      }),
    },
    { logLevel: "warn", logger: (...line) => lines.push(line) },
  );
  const answer = JSON.parse(await hooks.call("pullConversations", {}, never));
  assert.equal(answer.hasMore, true);
  const { good, lost, cyclic: circle, ...rest } = answer.conversations;
  assert.equal(good.events[0].message.seq, "9223372036854775808");
  // what is left of it the engine refuses, for that conversation
  assert.deepEqual(["seq" in lost.events[0].message, lost.cursor, circle], [false, "9", { cursor: "x" }]);
  assert.deepEqual(rest, {
    forbidden: { error: { code: "forbidden", message: "no", status: 403 } },
    busy: { error: { code: "network", message: "later", retryAfter: 700 } },
    wire: { error: { code: "not-found", message: "as it came" } },
    bug: { error: { code: "network", message: "mine" } },
    nothing: null,
    '__proto"__': batch(1),
  });
  assert.deepEqual(
    lines.map(([level, text, cause]) => [level, cause ?? text.match(/string or a bigint|no JSON/)[0]]),
    [
      ["warn", bug],
      ["warn", "string or a bigint"],
    ],
    "the first of each is told",
  );
  assert.deepEqual(JSON.parse(await hooks.call("pullConversations", { only: [] }, never)), { conversations: {} });
  await client.close();
});

test("an answer for several conversations that is none is passed on as it is", async () => {
  for (const wrong of [null, 5, [], { conversations: null }, { conversations: "c1" }, {}]) {
    const { client, hooks } = await withTransport({ pullConversations: async () => wrong });
    assert.equal(await hooks.call("pullConversations", {}, never), JSON.stringify(wrong));
    await client.close();
  }
});

test("a position that a number cannot hold is left out, never rounded, and costs nothing else", async () => {
  const lost = 2 ** 53 + 2;
  const lines = [];
  const { client, hooks } = await withTransport(
    {
      history: async () => ({
        messages: [message(1), { ...message(2), seq: lost }],
        hasBefore: false,
        hasAfter: false,
      }),
      pull: async () => ({
        events: [{ type: "message", message: message(1), prev: lost }],
        cursor: "1",
        hasMore: false,
      }),
      conversations: async () => ({ conversations: [{ id: "c", lastSeq: lost }], next: null }),
      send: async () => ({ ...message(3), seq: lost }),
      pullMailbox: async () => ({
        events: [{ delivery: "d", type: "trim", conversation: "c", before: lost }],
        hasMore: false,
      }),
      changes: async () => ({ messages: [{ ...message(4), seq: lost }], hasMore: false }),
    },
    { logLevel: "warn", logger: (...line) => lines.push(line) },
  );
  const answer = async (method) => JSON.parse(await hooks.call(method, {}, never));
  const without = ({ seq: _, ...rest }) => rest;
  assert.deepEqual(await answer("history"), {
    messages: [message(1), without(message(2))],
    hasBefore: false,
    hasAfter: false,
  });
  assert.deepEqual(await answer("pull"), {
    events: [{ type: "message", message: message(1) }],
    cursor: "1",
    hasMore: false,
  });
  assert.deepEqual(await answer("conversations"), { conversations: [{ id: "c" }], next: null });
  assert.deepEqual(await answer("send"), { message: without(message(3)) });
  assert.deepEqual(await answer("pullMailbox"), {
    events: [{ delivery: "d", type: "trim", conversation: "c" }],
    hasMore: false,
  });
  assert.deepEqual(await answer("changes"), { messages: [without(message(4))], hasMore: false });
  assert.equal(lines.length, 6);
  for (const [level, text] of lines) assert.match(`${level} ${text}`, /^warn .*string or a bigint/);
  await client.close();
});

test("what JSON cannot carry costs its own element, and of a message its body", async () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const throwing = {
    get text() {
      throw new Error("mine");
    },
  };
  const answers = {
    body: {
      messages: [message(1), message(2, { body: cyclic, seq: 2n }), message(3, { extra: cyclic })],
      hasBefore: false,
      hasAfter: true,
      covers: { from: 0n, to: "9" },
    },
    event: {
      events: [
        { type: "message", message: message(4, { body: throwing }), prev: 3n },
        { type: "message", message: message(5), prev: null },
      ],
      cursor: "7",
      hasMore: false,
      more: cyclic,
    },
    list: {
      conversations: [
        { id: "c", meta: cyclic, unread: 1 },
        { id: "d", lastMessage: message(6, { body: cyclic }) },
        cyclic,
        5n,
        () => {},
        undefined,
      ],
      next: null,
    },
    covers: { messages: [], hasBefore: true, hasAfter: false, covers: { from: 2 ** 60, to: "9" } },
    infinite: {
      events: [{ type: "message", message: message(7, { createdAt: Infinity, id: 7, body: { half: "\ud800" } }) }],
      cursor: "8",
      hasMore: false,
    },
  };
  const { client, hooks } = await withTransport({ pull: async ({ cursor }) => answers[cursor] });
  const pull = async (cursor) => JSON.parse(await hooks.call("pull", { cursor }, never));
  const unreadable = (seq) => message(seq, { body: null, state: "no-json" });
  assert.deepEqual(await pull("body"), {
    messages: [message(1), unreadable(2), message(3)],
    hasBefore: false,
    hasAfter: true,
    covers: { from: "0", to: "9" },
  });
  assert.deepEqual(await pull("event"), {
    events: [
      { type: "message", message: unreadable(4), prev: "3" },
      { type: "message", message: message(5), prev: null },
    ],
    cursor: "7",
    hasMore: false,
  });
  assert.deepEqual(await pull("list"), {
    conversations: [{ id: "c", unread: 1 }, { id: "d", lastMessage: unreadable(6) }, {}, "5", null, null],
    next: null,
  });
  assert.deepEqual(
    await pull("covers"),
    { messages: [], hasBefore: true, hasAfter: false },
    "half an interval covers nothing",
  );
  assert.deepEqual(await pull("infinite"), {
    events: [{ type: "message", message: message(7, { createdAt: null, id: 7, body: { half: "\ud800" } }) }],
    cursor: "8",
    hasMore: false,
  });
  await client.close();
});

test("an answer that cannot be looked at at all is protocol, and one that is none is passed on", async () => {
  const hostile = new Proxy(
    {},
    {
      get(_, name) {
        if (name === "then") return undefined;
        throw new Error("no");
      },
      ownKeys() {
        throw new Error("no");
      },
    },
  );
  for (const [answer, outcome] of [
    [hostile, "protocol"],
    [undefined, "protocol"],
    [new Response("{}"), "protocol"],
    ["text", "protocol"],
    [null, "null"],
    [5n, '"5"'],
    [NaN, "null"],
    [Symbol("x"), ""],
    [() => {}, ""],
  ]) {
    const { client, hooks } = await withTransport({ pull: () => answer });
    assert.equal(await hooks.call("pull", {}, never).catch((error) => error.code), outcome, String(outcome));
    await client.close();
  }
});

test("an error of another copy of the package keeps its code, and only what has its shape does", async () => {
  class Other extends Error {
    name = "PullcordError";
    code = "forbidden";
    status = 403;
  }
  const axios = Object.assign(new Error("Network Error"), { name: "AxiosError", code: "ERR_NETWORK", status: 401 });
  const hostile = new Proxy(new Error("x"), {
    get() {
      throw new Error("no");
    },
  });
  const thrown = [
    [new Other("no"), { code: "forbidden", message: "no", status: 403, retryAfter: undefined }],
    [Object.assign(new Error("no"), { code: "forbidden" }), { code: "network", message: "no" }],
    [
      Object.assign(new Error("no"), { name: "PullcordError", code: "of a later version" }),
      { code: "network", message: "no" },
    ],
    [
      { code: "unauthorized", message: "no name" },
      { code: "network", message: "no name" },
    ],
    [axios, { code: "network", message: "Network Error" }],
    [new DOMException("gone", "AbortError"), { code: "network", message: "gone" }],
    [undefined, { code: "network", message: "undefined" }],
    [Symbol("s"), { code: "network", message: "Symbol(s)" }],
    [Object.create(null), { code: "network", message: "no reason was given" }],
    [hostile, { code: "network", message: "no reason was given" }],
  ];
  for (const [error, wire] of thrown) {
    const { client, hooks } = await withTransport({
      pull: () => {
        throw error;
      },
      pullConversations: async () => ({ conversations: { c: { error } } }),
    });
    assert.deepEqual(await hooks.call("pull", {}, never).catch((rejection) => rejection), wire);
    await client.close();
  }
});

test("a wait beyond all numbers is the most that is obeyed, and one that is none is 0", async () => {
  for (const [given, wire] of [
    [Infinity, 600_000],
    [1e300, 600_000],
    [86_400_000, 600_000],
    [2n ** 70n, 600_000],
    [-5, 0],
    [-Infinity, 0],
    [NaN, 0],
    [250, 250],
    ["soon", undefined],
    [null, undefined],
  ]) {
    const { client, hooks } = await withTransport({
      pull: async () => {
        throw new PullcordError("network", "busy", {
          retryAfter: /** @type {any} */ (given),
          status: /** @type {any} */ (given),
        });
      },
    });
    const rejection = await hooks.call("pull", {}, never).catch((error) => error);
    assert.deepEqual([rejection.retryAfter, rejection.status], [wire, given === 250 ? 250 : undefined], String(given));
    await client.close();
  }
});

test("rejections: a PullcordError keeps its code, any other is network and logged with its cause, a missing method invalid", async () => {
  const lines = [];
  const bug = new TypeError("mine");
  const cyclic = {};
  cyclic.self = cyclic;
  const { client, hooks } = await withTransport(
    {
      pull: async () => {
        throw new PullcordError("rejected", "never", { status: 422, retryAfter: 9 });
      },
      conversations: () => {
        throw bug;
      },
      history: async () => cyclic,
    },
    { logLevel: "warn", logger: (...line) => lines.push(line) },
  );
  const rejection = (method, signal = never) => hooks.call(method, {}, signal).catch((error) => error);
  assert.deepEqual(await rejection("pull"), { code: "rejected", message: "never", status: 422, retryAfter: 9 });
  assert.deepEqual(lines, []);
  const network = await rejection("conversations");
  assert.deepEqual([network.code, network.message], ["network", "mine"]);
  assert.equal(lines[0][2], bug);
  assert.equal(await hooks.call("history", {}, never), "{}", "the engine says what is missing");
  lines.length = 1;
  for (const missing of ["edit", "changes", "acknowledge"]) assert.equal((await rejection(missing)).code, "invalid");
  await rejection("conversations", AbortSignal.abort());
  assert.equal(lines.length, 1, "what fails because it was cancelled is no news");
  await client.close();
});

test("listen: what the app reports reaches the engine until the signal aborts", async () => {
  let sink;
  const { client, hooks } = await withTransport({
    listen: (given) => {
      sink = given;
    },
  });
  const heard = [];
  const engineSink = {
    ready: () => heard.push("ready"),
    notify: (spread, conversations) => heard.push(["notify", spread, conversations]),
    push: (text) => heard.push(["push", JSON.parse(text)]),
    closed: (text) => heard.push(["closed", text && JSON.parse(text).code]),
  };
  const controller = new AbortController();
  hooks.listen(engineSink, controller.signal);
  const { ready, notify } = sink;
  ready();
  notify();
  notify(250, ["c1"]);
  notify("soon");
  notify(1, "c1");
  for (const strange of [["c1", 5], ["c1", "\ud800"], [Symbol("x")]]) notify(2, strange);
  sink.push({ events: [{ type: "trim", conversation: "c1", before: 5n }] });
  sink.push({
    prev: "a",
    cursor: "b",
    events: [{ delivery: "d", type: "message", message: message(7, { seq: 7n }), prev: null }],
  });
  sink.push({
    events: [() => {}],
    big: {
      toJSON: () => {
        throw new Error("no");
      },
    },
  });
  sink.push({ events: [{ type: "message", message: message(8, { seq: 2 ** 53 + 2 }) }] });
  sink.push(undefined);
  assert.deepEqual(heard, [
    "ready",
    ["notify", 0, undefined],
    ["notify", 250, ["c1"]],
    ["notify", 0, undefined],
    ["notify", 1, undefined],
    ["notify", 2, undefined],
    ["notify", 2, undefined],
    ["notify", 2, undefined],
    ["push", { events: [{ type: "trim", conversation: "c1", before: "5" }] }],
    ["push", { prev: "a", cursor: "b", events: [{ delivery: "d", type: "message", message: message(7), prev: null }] }],
    ["push", { events: [null] }],
    ["push", { events: [{ type: "message", message: (({ seq: _, ...rest }) => rest)(message(8)) }] }],
    ["notify", 0, undefined],
  ]);
  heard.length = 0;
  controller.abort();
  sink.notify();
  sink.closed();
  assert.deepEqual(heard, []);

  hooks.listen(engineSink, never);
  sink.closed(new PullcordError("unauthorized", "again"));
  sink.notify();
  hooks.listen(engineSink, never);
  sink.closed();
  assert.deepEqual(heard, [
    ["closed", "unauthorized"],
    ["closed", undefined],
  ]);
  await client.close();
});

test("a listen that throws, at once or later, has closed", async () => {
  const closed = [];
  const engineSink = { closed: (text) => closed.push(JSON.parse(text).code) };
  const { client, hooks } = await withTransport({
    listen: () => {
      throw new Error("at once");
    },
  });
  hooks.listen(engineSink, never);
  await client.close();
  const later = await withTransport({
    listen: async () => {
      throw new PullcordError("unauthorized");
    },
  });
  later.hooks.listen(engineSink, never);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(closed, ["network", "unauthorized"]);
  await later.client.close();
});
