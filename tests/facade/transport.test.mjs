// The app's own Transport, as the engine meets it through the facade.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PullcordError } from "../../pkg-template/errors.js";
import { codeOf, fakeClient, message, options, fakePackage } from "./fake.mjs";

const REQUIRED = { pull: async () => ({}), conversations: async () => ({}), history: async () => ({}) };
const never = new AbortController().signal;

async function withTransport(transport, more) {
  const { client, host } = await fakeClient({ transport: { ...REQUIRED, ...transport }, ...more });
  return { client, host, hooks: host.hooks };
}

test("the engine is told which methods there are", async () => {
  const { client, host } = await withTransport({ baseUrl: "https://not.this", send: async () => {}, somethingElse: () => {} });
  assert.equal(host.config.transport, "app");
  assert.deepEqual(host.config.methods, ["pull", "conversations", "history", "send"]);
  assert.deepEqual([host.config.canListen, host.config.canRevalidate], [false, false]);
  await client.close();
  const all = await withTransport({ listen: () => {}, changes: async () => "gone" });
  assert.deepEqual([all.host.config.canListen, all.host.config.canRevalidate], [true, true]);
  await all.client.close();
});

test("a Transport has the functions that its scope needs, or is refused by name", async () => {
  const { createClient, world } = fakePackage();
  const needs = { account: ["pull"], conversation: ["pullConversations"], mailbox: ["pullMailbox", "acknowledge"] };
  const of = (methods) => Object.fromEntries(methods.map((method) => [method, async () => ({})]));
  for (const [scope, own] of Object.entries(needs)) {
    const needed = [...own, "conversations", "history"];
    for (const missing of needed) {
      // `pull` makes it a Transport, where it is not what is missing
      const methods = ["pull", "pullConversations", ...needed].filter((method) => method !== missing);
      await assert.rejects(createClient(options({ transport: of(methods), sync: { scope } })), { code: "invalid", message: new RegExp(`transport\\.${missing} is missing.*"${scope}"`) });
    }
    const client = await createClient(options({ transport: of(needed), sync: { scope } }));
    assert.equal(world.hosts.at(-1).config.scope, scope);
    await client.close();
  }
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
  const text = await host.hooks.call("pull", '{"cursor":"7","limit":5}', never);
  assert.deepEqual(JSON.parse(text), { events: [], cursor: "mine7", hasMore: false });
  await client.close();
});

test("answers take the wire's form", async () => {
  const { client, hooks } = await withTransport({
    history: async () => ({ messages: [{ ...message(1), seq: 2n ** 63n }], hasBefore: false, hasAfter: false }),
    send: async ({ clientId, body }) => ({ ...message(3), seq: 3n, clientId, body }),
    markRead: async () => {},
    pullMailbox: async ({ limit }) => ({ events: [{ delivery: "d1", type: "message", message: message(4, { seq: 4n }), prev: 3n }], hasMore: limit === 7 }),
    acknowledge: async (deliveries) => deliveries,
    changes: async ({ from, to }) => (from === "1" ? { messages: [message(5, { seq: BigInt(to) })], hasMore: false } : "gone"),
  });
  assert.equal(JSON.parse(await hooks.call("history", "{}", never)).messages[0].seq, "9223372036854775808");
  assert.equal(JSON.parse(await hooks.call("send", '{"clientId":"x","body":{"a":1}}', never)).message.clientId, "x");
  assert.equal(await hooks.call("markRead", "{}", never), "");
  const mailbox = JSON.parse(await hooks.call("pullMailbox", '{"limit":7}', never));
  assert.deepEqual([mailbox.events[0].delivery, mailbox.events[0].message.seq, mailbox.events[0].prev, mailbox.hasMore], ["d1", "4", "3", true]);
  assert.equal(await hooks.call("acknowledge", '["d1"]', never), "", "whatever it resolves with");
  assert.equal(JSON.parse(await hooks.call("changes", '{"from":"1","to":"18446744073709551615"}', never)).messages[0].seq, "18446744073709551615");
  await assert.rejects(hooks.call("changes", '{"from":"2","to":"3"}', never), { code: "not-found", status: 410 });
  await client.close();
});

test("what is wrong with one conversation of several is that one's error", async () => {
  const bug = new TypeError("mine");
  const cyclic = { cursor: "x" };
  cyclic.self = cyclic;
  const lines = [];
  const batch = (seq) => ({ events: [{ type: "message", message: { ...message(1), seq }, prev: null }], cursor: "9", hasMore: false });
  const conversations = {
    good: batch(2n ** 63n),
    forbidden: { error: new PullcordError("forbidden", "no", { status: 403 }) },
    busy: { error: new PullcordError("network", "later", { retryAfter: 700 }) },
    wire: { error: { code: "not-found", message: "as it came" } },
    bug: { error: bug },
    lost: batch(2 ** 53 + 2),
    cyclic,
    nothing: undefined,
    "__proto\"__": batch(1),
  };
  const { client, hooks } = await withTransport(
    { pullConversations: async (request) => ({ conversations: request.only ? {} : conversations, hasMore: request.only ? undefined : true }) },
    { logLevel: "warn", logger: (...line) => lines.push(line) },
  );
  const answer = JSON.parse(await hooks.call("pullConversations", "{}", never));
  assert.equal(answer.hasMore, true);
  const { good, lost, cyclic: circle, ...rest } = answer.conversations;
  assert.equal(good.events[0].message.seq, "9223372036854775808");
  assert.deepEqual([lost.error.code, circle.error.code], ["protocol", "protocol"]);
  assert.match(lost.error.message, /string or a bigint/);
  assert.deepEqual(rest, {
    forbidden: { error: { code: "forbidden", message: "no", status: 403 } },
    busy: { error: { code: "network", message: "later", retryAfter: 700 } },
    wire: { error: { code: "not-found", message: "as it came" } },
    bug: { error: { code: "network", message: "mine" } },
    nothing: null,
    "__proto\"__": batch(1),
  });
  assert.deepEqual(lines.map(([level, , cause]) => [level, cause]), [["warn", bug]]);
  assert.deepEqual(JSON.parse(await hooks.call("pullConversations", '{"only":[]}', never)), { conversations: {} });
  await client.close();
});

test("an answer for several conversations that is none is passed on as it is", async () => {
  for (const wrong of [undefined, null, 5, [], { conversations: null }, { conversations: "c1" }, {}]) {
    const { client, hooks } = await withTransport({ pullConversations: async () => wrong });
    assert.equal(await hooks.call("pullConversations", "{}", never), wrong === undefined ? "" : JSON.stringify(wrong));
    await client.close();
  }
});

test("a position that a number cannot hold is refused, and not rounded", async () => {
  const lost = 2 ** 53 + 2;
  const { client, hooks } = await withTransport({
    history: async () => ({ messages: [message(1), { ...message(2), seq: lost }], hasBefore: false, hasAfter: false }),
    pull: async () => ({ events: [{ type: "message", message: message(1), prev: lost }], cursor: "1", hasMore: false }),
    conversations: async () => ({ conversations: [{ id: "c", lastSeq: lost }], next: null }),
    send: async () => ({ ...message(3), seq: lost }),
    pullMailbox: async () => ({ events: [{ delivery: "d", type: "trim", conversation: "c", before: lost }], hasMore: false }),
    changes: async () => ({ messages: [{ ...message(4), seq: lost }], hasMore: false }),
  });
  for (const method of ["history", "pull", "conversations", "send", "pullMailbox", "changes"]) {
    await assert.rejects(hooks.call(method, "{}", never), (error) => error.code === "protocol" && /string or a bigint/.test(error.message), method);
  }
  await client.close();
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
  const rejection = (method, signal = never) => hooks.call(method, "{}", signal).catch((error) => error);
  assert.deepEqual(await rejection("pull"), { code: "rejected", message: "never", status: 422, retryAfter: 9 });
  assert.deepEqual(lines, []);
  const network = await rejection("conversations");
  assert.deepEqual([network.code, network.message], ["network", "mine"]);
  assert.equal(lines[0][2], bug);
  assert.equal((await rejection("history")).code, "protocol");
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
  sink.push({ events: [{ type: "trim", conversation: "c1", before: 5n }] });
  sink.push({ prev: "a", cursor: "b", events: [{ delivery: "d", type: "message", message: message(7, { seq: 7n }), prev: null }] });
  sink.push({ events: [() => {}], big: { toJSON: () => { throw new Error("no"); } } });
  sink.push({ events: [{ type: "message", message: message(8, { seq: 2 ** 53 + 2 }) }] });
  sink.push(undefined);
  assert.deepEqual(heard, [
    "ready", ["notify", 0, undefined], ["notify", 250, ["c1"]], ["notify", 0, undefined], ["notify", 1, undefined],
    ["push", { events: [{ type: "trim", conversation: "c1", before: "5" }] }],
    ["push", { prev: "a", cursor: "b", events: [{ delivery: "d", type: "message", message: message(7), prev: null }] }],
    ["notify", 0, undefined], ["notify", 0, undefined], ["notify", 0, undefined],
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
  assert.deepEqual(heard, [["closed", "unauthorized"], ["closed", undefined]]);
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
