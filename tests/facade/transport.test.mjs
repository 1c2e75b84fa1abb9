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
  await client.close();
});

test("a Transport that cannot serve the scope is refused", async () => {
  const { createClient } = fakePackage();
  assert.equal(await codeOf(createClient(options({ transport: { pullMailbox: async () => {} } }))), "invalid");
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
    changes: async () => "gone",
    pullConversations: async () => ({ conversations: { c1: { error: new PullcordError("forbidden", "no", { status: 403 }) } } }),
  });
  assert.equal(JSON.parse(await hooks.call("history", "{}", never)).messages[0].seq, "9223372036854775808");
  assert.equal(JSON.parse(await hooks.call("send", '{"clientId":"x","body":{"a":1}}', never)).message.clientId, "x");
  assert.equal(await hooks.call("markRead", "{}", never), "");
  assert.deepEqual(JSON.parse(await hooks.call("pullConversations", "{}", never)), { conversations: { c1: { error: { code: "forbidden", message: "no" } } } });
  await assert.rejects(hooks.call("changes", "{}", never), { code: "not-found", status: 410 });
  await client.close();
});

test("a position that a number cannot hold is refused, and not rounded", async () => {
  const lost = 2 ** 53 + 2;
  const { client, hooks } = await withTransport({
    history: async () => ({ messages: [message(1), { ...message(2), seq: lost }], hasBefore: false, hasAfter: false }),
    pull: async () => ({ events: [{ type: "message", message: message(1), prev: lost }], cursor: "1", hasMore: false }),
    conversations: async () => ({ conversations: [{ id: "c", lastSeq: lost }], next: null }),
    send: async () => ({ ...message(3), seq: lost }),
  });
  for (const method of ["history", "pull", "conversations", "send"]) {
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
  assert.equal((await rejection("edit")).code, "invalid");
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
  sink.push({ events: [{ type: "trim", conversation: "c1", before: 5n }] });
  sink.push({ events: [() => {}], big: { toJSON: () => { throw new Error("no"); } } });
  assert.deepEqual(heard, [
    "ready", ["notify", 0, undefined], ["notify", 250, ["c1"]], ["notify", 0, undefined],
    ["push", { events: [{ type: "trim", conversation: "c1", before: "5" }] }], ["notify", 0, undefined],
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
