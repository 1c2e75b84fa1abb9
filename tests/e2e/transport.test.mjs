// The app's own Transport: the same client on another backend; and whatever such a transport answers, an error that
// says so, never a panic.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findings, fresh, launchBrowser, openPage, startServer } from "./support/harness.mjs";

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
      globalThis.clientOf = (account, transport, options = {}) =>
        pullcord.createClient({
          account,
          transport,
          logger: (level, message, detail) =>
            logged.push({ level, message, detail: detail instanceof Error ? detail.message : detail }),
          ...options,
        });
    });
  });

  after(async () => {
    try {
      assert.deepEqual(await findings(page), []);
    } finally {
      await browser?.close();
      await server?.stop();
    }
  });

  const name = () => {
    account = fresh("account");
    return account;
  };

  test("the basic flow: list, pages, sending, edits, recalls and read marks between two accounts", async () => {
    const seen = await page.evaluate(
      async ([ann, bob]) => {
        const shared = backend();
        const [first, second] = [
          await clientOf(ann, shared.transport("ann")),
          await clientOf(bob, shared.transport("bob")),
        ];
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
        const result = {
          opened,
          seq,
          unread,
          count: all.length,
          first: all[0],
          segments: segments.map(({ count, live, start }) => [count, live, start]),
          foreign: foreign.code,
          title: first.conversations.getSnapshot()[0].meta.title,
        };
        await Promise.all([first.close(), second.close()]);
        return result;
      },
      [name(), name()],
    );
    assert.deepEqual(seen, {
      opened: 30,
      seq: String(2n ** 60n + 303n),
      unread: 101,
      count: 101,
      first: "message 1",
      segments: [[101, true, true]],
      foreign: "forbidden",
      title: "TALK",
    });
  });

  test("one without listen, or whose listen fails, is pulled from on a timer", async () => {
    const shown = await page.evaluate(
      async (names) => {
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
          const client = await clientOf(names[i], transport, {
            sync: { pollInterval: 200, fallbackPollInterval: 200 },
          });
          const timeline = await e2e.show(client, "talk");
          shared.write("mara", "talk", { text: `to ${i}` });
          shown.push(
            e2e.textOf((await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === `to ${i}`)).items.at(-1)),
          );
          await client.close();
        }
        return shown;
      },
      [name(), name(), name()],
    );
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
      sink.push({
        prev: cursor,
        cursor: String(Number(cursor) + 2),
        events: [{ type: "message", message, prev: message.seq - 3n }],
      });
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "pushed");
      shared.write("mara", "talk", { text: "not pushed" });
      sink.push({ prev: "elsewhere", cursor: "beyond", events: [] });
      await e2e.until(timeline, (now) => e2e.textOf(now.items.at(-1)) === "not pushed");
      for (const nonsense of [null, 7, "text", {}, { prev: 1 }, { events: 5 }, { prev: "1", cursor: {}, events: [{}] }])
        sink.push(nonsense);
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
    const seen = await page.evaluate(
      async (names) => {
        const codes = [];
        const failures = [
          () => {
            throw new Error("the cause");
          },
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
      },
      [name(), name(), name(), name(), name()],
    );
    assert.deepEqual(
      seen.codes.map(([code]) => code),
      ["network", "network", "network", "rejected", "unauthorized"],
    );
    assert.equal(seen.codes[0][1], "offline");
    assert.equal(seen.codes[4][1], "needs-auth");
    assert.equal(seen.cause, true);
  });

  test('a pull whose frame is broken gives "protocol", changes nothing, and the next good one goes on', async () => {
    const wrong = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      const good = transport.pull;
      const { cursor } = await client.inspect();
      const nonsense = {
        nothing: undefined,
        null: null,
        number: 42,
        text: "no",
        list: [],
        empty: {},
        "events are a text": { events: "no", cursor: "1", hasMore: false },
        "events lack": { cursor: "1", hasMore: false },
        "cursor is an object": { events: [], cursor: {}, hasMore: false },
        "cursor lacks": { events: [], hasMore: false },
        "hasMore is a text": { events: [], cursor: "1", hasMore: "no" },
        "an endless hasMore that moves nothing": { events: [], cursor, hasMore: true },
      };
      const before = JSON.stringify(timeline.getSnapshot().items);
      const wrong = {};
      for (const [what, answer] of Object.entries(nonsense)) {
        transport.pull = async () => answer;
        const refused = await e2e.refusal(client.sync());
        if (refused?.code !== "protocol") wrong[what] = refused?.code ?? "taken";
        if (client.status.getSnapshot().connection === "closed") throw new Error(`closed by: ${what}`);
        if ((await client.inspect()).cursor !== cursor) wrong[`${what}: the cursor`] = "moved";
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

  test("one event of a pull that cannot be read is left out or put right, and told; the others are shown, and the cursor moves on", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      await e2e.caughtUp(client);
      const timeline = await e2e.show(client, "talk");
      const told = [];
      client.on("irregular", ({ where, first }) => told.push([where, first.done]));
      const good = transport.pull;
      const message = (seq, change = {}) => ({
        type: "message",
        message: {
          id: `m${seq}`,
          conversation: "talk",
          seq,
          sender: "eve",
          createdAt: 1,
          version: 1,
          state: "normal",
          body: { text: `at ${seq}` },
          ...change,
        },
      });
      const loop = {};
      loop.loop = loop;
      let deep = {};
      for (let i = 0; i < 5000; i += 1) deep = { deep };
      const left = {
        "an event that holds itself": loop,
        "an event of nothing": null,
        "a text": "no",
        "an event without a type": {},
        "a message event without its message": { type: "message" },
        "an update of nothing": { type: "update", message: null },
        "a state of nothing": { type: "conversation" },
        "a conversation without an id": { type: "conversation", conversation: {} },
        "a removal of nothing": { type: "removed" },
        "a trim without a position": { type: "trim", conversation: "talk" },
      };
      for (const seq of [-1, "-1", 1.5, NaN, Infinity, "", "abc", "1e3", "18446744073709551616", null, {}, [], true])
        left[`seq ${String(seq)} ${typeof seq}`] = message(seq);
      for (const [field, value] of /** @type {[string, any][]} */ ([
        ["id", undefined],
        ["id", {}],
      ]))
        left[`${field} ${String(value)}`] = message(1n, { [field]: value });
      const right = {};
      for (const [field, value] of /** @type {[string, any][]} */ ([
        ["id", 5],
        ["conversation", null],
        ["sender", {}],
        ["sender", undefined],
        ["createdAt", "yesterday"],
        ["createdAt", NaN],
        ["version", 0],
        ["version", -1],
        ["version", "2"],
        ["version", undefined],
        ["state", "gone"],
        ["state", null],
        ["clientId", {}],
        ["sender", "half \ud800"],
        ["body", deep],
      ]))
        right[`${field} ${String(value)} ${typeof value}`] = { [field]: value };
      const wrong = {};
      let at = 9_000_000_000_000_000_000n;
      let moved = 0;
      const look = async (what, odd, shownAlso) => {
        at += 10n;
        const behind = message(at);
        moved += 1;
        const answer = { events: [odd, behind], cursor: `odd${moved}`, hasMore: false };
        transport.pull = async () => answer;
        told.length = 0;
        const refused = await e2e.refusal(client.sync());
        if (refused) wrong[what] = refused;
        const cursor = (await client.inspect()).cursor;
        if (cursor !== `odd${moved}`) wrong[`${what}: the cursor`] = cursor;
        // behind a gap, where something may be missing; and one may stand behind it until that is known
        const last = timeline.getSnapshot().items.findLast((item) => item.kind === "message");
        if (e2e.textOf(last) !== behind.message.body.text) wrong[`${what}: the one behind`] = e2e.textOf(last);
        if (shownAlso) {
          const item = timeline.getSnapshot().items.find((one) => one.message?.seq === String(shownAlso));
          if (!item) wrong[`${what}: its place`] = "not there";
        }
        if (told.length !== 1) wrong[`${what}: told`] = JSON.stringify(told);
        return told[0]?.[1];
      };
      const done = {};
      for (const [what, odd] of Object.entries(left)) done[what] = await look(what, odd);
      for (const [what, change] of Object.entries(right)) {
        at += 10n;
        const seq = at;
        done[what] = await look(what, message(seq, change), what.startsWith("conversation") ? null : seq);
      }
      transport.pull = good;
      await client.close();
      return { wrong, done };
    }, name());
    assert.deepEqual(seen.wrong, {});
    // what has no name or no place is left out; the rest has its place, and what can be shown of it is shown
    const by = (done) => Object.keys(seen.done).filter((what) => seen.done[what] === done);
    assert.deepEqual(by("unreadable"), ["body [object Object] object"]);
    assert.deepEqual(by("repaired").length, 13);
    assert.equal(by("left-out").length, Object.keys(seen.done).length - 14);
  });

  test("a page that breaks the protocol is the list's error, and the list heals when a good one comes", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      shared.create("other");
      for (let i = 0; i < 40; i += 1) shared.write("mara", "other", { text: `of another ${i}` });
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
        "of another conversation": async () => good.call(transport, { conversation: "other", limit: 30, cursor: null }),
        "not older": async () => good.call(transport, { conversation: "talk", limit: 30, cursor: null }),
        "moves nothing and claims more": async () => ({ messages: [], hasBefore: true, hasAfter: true }),
      };
      const count = timeline.getSnapshot().items.length;
      const codes = {};
      for (const [what, history] of Object.entries(bad)) {
        transport.history = history;
        codes[what] = [
          (await e2e.refusal(timeline.loadOlder()))?.code,
          timeline.getSnapshot().error?.code,
          timeline.getSnapshot().items.length === count,
        ];
      }
      transport.history = good;
      const { added } = await timeline.loadOlder();
      const error = timeline.getSnapshot().error;
      await client.close();
      return { codes, added, error };
    }, name());
    for (const [what, found] of Object.entries(seen.codes))
      assert.deepEqual([what, ...found], [what, "protocol", "protocol", true]);
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

  test('methods that it lacks make what needs them reject with "invalid"', async () => {
    const seen = await page.evaluate(
      async ([ann, none]) => {
        const shared = backend();
        const transport = shared.transport("ann");
        for (const method of ["send", "edit", "recall", "markRead"]) transport[method] = undefined;
        const client = await clientOf(ann, transport);
        const timeline = await e2e.show(client, "talk");
        const { id } = timeline.getSnapshot().items[0].message;
        const codes = [await e2e.refusal(timeline.edit(id, {})), await e2e.refusal(timeline.recall(id))].map(
          (error) => error?.code,
        );
        await client.close();
        const withoutHistory = await e2e.refusal(clientOf(none, { pull() {}, conversations() {} }));
        return [...codes, withoutHistory.code];
      },
      [name(), name()],
    );
    assert.deepEqual(seen, ["invalid", "invalid", "invalid"]);
  });

  test("a request that is never answered is aborted, and the client goes on", async () => {
    const seen = await page.evaluate(async (name) => {
      const shared = backend();
      const transport = shared.transport("ann");
      const client = await clientOf(name, transport);
      const timeline = await e2e.show(client, "talk");
      let aborted = false;
      transport.history = (_request, signal) =>
        new Promise(() =>
          signal.addEventListener("abort", () => {
            aborted = true;
          }),
        );
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
