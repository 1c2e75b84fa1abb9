// The app's own Transport: the same client on another backend; and whatever such a transport answers, an error that says so, never a panic.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findings, fresh, launchBrowser, openPage, startServer } from "./harness.mjs";

describe("transport", () => {
  let server, browser, page, account;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    page = await openPage(await browser.newContext(), server);
    await page.evaluate(async () => {
      const { Backend } = await import("/blank/backend.js");
      // each test its own
      globalThis.backend = () => {
        const made = new Backend();
        made.create("talk");
        for (let i = 1; i <= 100; i += 1) made.write("mara", "talk", { text: `message ${i}` });
        return made;
      };
      globalThis.logged = [];
      globalThis.clientOf = (account, transport, options = {}) => pullcord.createClient({ account, transport, logger: (level, message, detail) => logged.push({ level, message, detail: detail instanceof Error ? detail.message : detail }), ...options });
    });
  });

  after(async () => {
    assert.deepEqual(await findings(page), []);
    await browser?.close();
    await server?.stop();
  });

  const name = () => {
    account = fresh("account");
    return account;
  };

  test("the basic flow: list, pages, sending, edits, recalls and read marks between two accounts", async () => {
    const seen = await page.evaluate(async ([ann, bob]) => {
      const shared = backend();
      const [first, second] = [await clientOf(ann, shared.transport("ann")), await clientOf(bob, shared.transport("bob"))];
      for (const client of [first, second]) await e2e.caughtUp(client);
      const [left, right] = [await e2e.show(first, "talk"), await e2e.show(second, "talk")];
      const opened = left.getSnapshot().items.length;
      const { key } = await left.send({ text: "hello" });
      await e2e.until(left, (now) => now.items.at(-1).kind === "message" && now.items.at(-1).key === key);
      const got = await e2e.until(right, (now) => e2e.textOf(now.items.at(-1)) === "hello");
      const { id, seq } = got.items.at(-1).message;
      const unread = second.conversation("talk").getSnapshot().unread;
      await right.markRead();
      await e2e.until(second.conversation("talk"), (one) => one.unread === 0);
      await left.edit(id, { text: "hello, edited" });
      await e2e.until(right, (now) => e2e.textOf(now.items.at(-1)) === "hello, edited");
      await left.recall(id);
      await e2e.until(right, (now) => now.items.at(-1).message.state === "recalled");
      while (left.getSnapshot().hasOlder) await left.loadOlder({ limit: 40 });
      const all = e2e.texts(left);
      const { segments } = await first.inspect("talk");
      const foreign = await e2e.refusal(right.recall(id));
      const result = { opened, seq, unread, count: all.length, first: all[0], segments: segments.map(({ count, live, start }) => [count, live, start]), foreign: foreign.code, title: first.conversations.getSnapshot()[0].meta.title };
      await Promise.all([first.close(), second.close()]);
      return result;
    }, [name(), name()]);
    assert.deepEqual(seen, { opened: 30, seq: String(2n ** 60n + 303n), unread: 101, count: 101, first: "message 1", segments: [[101, true, true]], foreign: "forbidden", title: "TALK" });
  });

  test("one without listen, or whose listen fails, is pulled from on a timer", async () => {
    const shown = await page.evaluate(async (names) => {
      const shared = backend();
      const quiet = shared.transport("ann");
      quiet.listen = undefined;
      const failing = shared.transport("bob");
      failing.listen = () => {
        throw new Error("no channel today");
      };
      const rejecting = shared.transport("eve");
      rejecting.listen = async () => {
        throw new Error("nor tomorrow");
      };
      const shown = [];
      for (const [i, transport] of [quiet, failing, rejecting].entries()) {
        const client = await clientOf(names[i], transport, { sync: { pollInterval: 200, fallbackPollInterval: 200 } });
        const timeline = await e2e.show(client, "talk");
        shared.write("mara", "talk", { text: `to ${i}` });
        shown.push(e2e.textOf((await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === `to ${i}`)).items.at(-1)));
        await client.close();
      }
      return shown;
    }, [name(), name(), name()]);
    assert.deepEqual(shown, ["to 0", "to 1", "to 2"]);
  });

  test("what is pushed is shown once, whether it fits or not, and nonsense is not", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      let sink;
      transport.listen = (given) => {
        sink = given;
        given.ready();
      };
      const client = await clientOf(name, transport);
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      const { cursor } = await client.inspect();
      const message = shared.write("mara", "talk", { text: "pushed" });
      sink.push({ prev: cursor, cursor: String(Number(cursor) + 2), events: [{ type: "message", message, prev: message.seq - 3n }] });
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "pushed");
      shared.write("mara", "talk", { text: "not pushed" });
      sink.push({ prev: "elsewhere", cursor: "beyond", events: [] });
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "not pushed");
      for (const nonsense of [null, 7, "text", {}, { prev: 1 }, { events: 5 }, { prev: "1", cursor: {}, events: [{}] }]) sink.push(nonsense);
      sink.notify(-1, null);
      sink.notify(NaN, [1, {}]);
      shared.write("mara", "talk", { text: "last" });
      await client.sync();
      const last = e2e.texts(timeline).slice(-4);
      await client.close();
      return last;
    }, name());
    assert.deepEqual(seen, ["message 100", "pushed", "not pushed", "last"]);
  });

  test("a transport that throws gives the error's own code, any other counts as network and is logged with its cause", async () => {
    const seen = await page.evaluate(async (names) => {
      const codes = [];
      const failures = [
        () => { throw new Error("the cause"); },
        () => Promise.reject(undefined),
        () => Promise.reject("a text"),
        () => Promise.reject(new pullcord.PullcordError("rejected", "no", { status: 418 })),
        () => Promise.reject(new pullcord.PullcordError("unauthorized")),
      ];
      for (const [i, fail] of failures.entries()) {
        const transport = backend().transport("ann");
        const { pull } = transport;
        transport.pull = fail;
        const client = await clientOf(names[i], transport);
        const { error, connection } = await e2e.until(client.status, (status) => status.error);
        codes.push([error.code, connection]);
        transport.pull = pull;
        await client.sync();
        await e2e.caughtUp(client);
        if (client.status.getSnapshot().error) throw new Error("an error that stays");
        await client.close();
      }
      return { codes, cause: logged.some(({ detail }) => detail === "the cause") };
    }, [name(), name(), name(), name(), name()]);
    assert.deepEqual(seen.codes.map(([code]) => code), ["network", "network", "network", "rejected", "unauthorized"]);
    assert.equal(seen.codes[0][1], "offline");
    assert.equal(seen.codes[4][1], "needs-auth");
    assert.equal(seen.cause, true);
  });

  test("a pull that answers nonsense gives \"protocol\", changes nothing, and the next good one goes on", async () => {
    const wrong = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      const good = transport.pull;
      const { cursor } = await client.inspect();
      const message = (change) => ({ type: "message", message: { id: "x", conversation: "talk", seq: "9000000000000000000", sender: "eve", createdAt: 1, version: 1, state: "normal", body: null, ...change } });
      const batch = (...events) => ({ events, cursor: "999", hasMore: false });
      const loop = batch();
      loop.events.push(loop);
      const deep = {};
      let end = deep;
      for (let i = 0; i < 5000; i += 1) end = end.x = [{}][0];
      const nonsense = {
        nothing: undefined, null: null, number: 42, text: "no", list: [], empty: {}, loop,
        "events are a text": { events: "no", cursor: "1", hasMore: false },
        "events lack": { cursor: "1", hasMore: false },
        "cursor is a number": { events: [], cursor: 5, hasMore: false },
        "cursor lacks": { events: [], hasMore: false },
        "hasMore is a text": { events: [], cursor: "1", hasMore: "no" },
        "an event of nothing": batch(null),
        "an event without a type": batch({}),
        "a message event without its message": batch({ type: "message" }),
        "an update of nothing": batch({ type: "update", message: null }),
        "a state of nothing": batch({ type: "conversation" }),
        "a conversation without an id": batch({ type: "conversation", conversation: {} }),
        "a removal of nothing": batch({ type: "removed" }),
        "a trim without a position": batch({ type: "trim", conversation: "talk" }),
        "an overflow of a number": { ...batch(), overflow: 5 },
        "an endless hasMore that moves nothing": { events: [], cursor, hasMore: true },
      };
      for (const seq of [-1, "-1", 1.5, NaN, Infinity, "", "abc", "1e3", "18446744073709551616", null, {}, [], true]) nonsense[`seq ${String(seq)} ${typeof seq}`] = batch(message({ seq }));
      for (const [field, value] of [["id", 5], ["id", undefined], ["conversation", null], ["sender", {}], ["createdAt", "yesterday"], ["version", 0], ["version", -1], ["version", "2"], ["state", "gone"], ["state", null]]) nonsense[`${field} ${String(value)}`] = batch(message({ [field]: value }));
      const before = JSON.stringify(timeline.getSnapshot().items);
      const wrong = {};
      for (const [what, answer] of Object.entries(nonsense)) {
        transport.pull = async () => answer;
        const refused = await e2e.refusal(client.sync());
        if (refused?.code !== "protocol") wrong[what] = refused?.code ?? "taken";
        if (client.status.getSnapshot().connection === "closed") throw new Error(`closed by: ${what}`);
        if ((await client.inspect()).cursor !== cursor) throw new Error(`the cursor moved by: ${what}`);
        if (JSON.stringify(timeline.getSnapshot().items) !== before) throw new Error(`the list changed by: ${what}`);
      }
      transport.pull = good;
      shared.write("mara", "talk", { text: "after all that" });
      await client.sync();
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "after all that");
      await client.close();
      return wrong;
    }, name());
    assert.deepEqual(wrong, {});
  });

  test("a page that breaks the protocol is the list's error, and the list heals when a good one comes", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      shared.create("other");
      shared.write("mara", "other", { text: "of another" });
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      const good = transport.history;
      const bad = {
        nothing: async () => undefined,
        "no list": async () => ({ messages: 5, hasBefore: true, hasAfter: true }),
        "out of order": async (request, signal) => {
          const page = await good.call(transport, request, signal);
          return { ...page, messages: page.messages.toReversed() };
        },
        "one twice": async (request, signal) => {
          const page = await good.call(transport, request, signal);
          return { ...page, messages: [page.messages[0], ...page.messages] };
        },
        "of another conversation": async () => good.call(transport, { conversation: "other", limit: 30, cursor: null }),
        "not older": async () => good.call(transport, { conversation: "talk", limit: 30, cursor: null }),
        "moves nothing and claims more": async () => ({ messages: [], hasBefore: true, hasAfter: true }),
      };
      const count = timeline.getSnapshot().items.length;
      const codes = {};
      for (const [what, history] of Object.entries(bad)) {
        transport.history = history;
        codes[what] = [(await e2e.refusal(timeline.loadOlder()))?.code, timeline.getSnapshot().error?.code, timeline.getSnapshot().items.length === count];
      }
      transport.history = good;
      const { added } = await timeline.loadOlder();
      const error = timeline.getSnapshot().error;
      await client.close();
      return { codes, added, error };
    }, name());
    for (const [what, found] of Object.entries(seen.codes)) assert.deepEqual(found, ["protocol", "protocol", true], what);
    assert.equal(seen.added, 30);
    assert.equal(seen.error, null);
  });

  test("an answer to a send that breaks the protocol keeps the message, and it is delivered once", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      const timeline = await e2e.show(client, "talk");
      const good = transport.send;
      const answers = [undefined, {}, { id: 1 }];
      transport.send = async (request) => {
        const message = await good.call(transport, request);
        return answers.length ? answers.shift() : message;
      };
      const { key } = await timeline.send({ text: "mine" });
      await e2e.until(timeline, (now) => now.items.at(-1).kind === "message" && now.items.at(-1).key === key);
      await e2e.until(client.outbox, (items) => items.length === 0);
      const all = e2e.texts(timeline);
      await client.close();
      return all.filter((text) => text === "mine").length;
    }, name());
    assert.equal(seen, 1);
  });

  test("methods that it lacks make what needs them reject with \"invalid\"", async () => {
    const seen = await page.evaluate(async ([ann, none]) => {
      const shared = backend();
      const transport = shared.transport("ann");
      for (const method of ["send", "edit", "recall", "markRead"]) transport[method] = undefined;
      const client = await clientOf(ann, transport);
      const timeline = await e2e.show(client, "talk");
      const { id } = timeline.getSnapshot().items[0].message;
      const codes = [await e2e.refusal(timeline.edit(id, {})), await e2e.refusal(timeline.recall(id))].map((error) => error?.code);
      await client.close();
      const withoutHistory = await e2e.refusal(clientOf(none, { pull() {}, conversations() {} }));
      return [...codes, withoutHistory.code];
    }, [name(), name()]);
    assert.deepEqual(seen, ["invalid", "invalid", "invalid"]);
  });

  test("a request that is never answered is aborted, and the client goes on", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      const timeline = await e2e.show(client, "talk");
      let aborted = false;
      transport.history = (_request, signal) => new Promise(() => signal.addEventListener("abort", () => {
        aborted = true;
      }));
      const cancel = new AbortController();
      const loading = timeline.loadOlder({ signal: cancel.signal });
      await e2e.until(timeline, (now) => now.loading.older);
      cancel.abort();
      const refused = await e2e.refusal(loading);
      const written = shared.write("mara", "talk", { text: "still in sync" });
      await e2e.until(timeline, (now) => now.items.at(-1).message?.id === written.id);
      await client.close();
      await e2e.poll(() => aborted);
      return { name: refused.name, code: refused.code };
    }, name());
    assert.deepEqual(seen, { name: "AbortError", code: "aborted" });
  });
});
