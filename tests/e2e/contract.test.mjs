// The sentences of index.d.ts as an app meets them, on a transport of its own whose answers arrive when the test says
// so.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { findings, fresh, launchBrowser, openPage, startServer } from "./support/harness.mjs";

describe("contract", () => {
  let server, browser, page;

  before(async () => {
    server = await startServer();
    browser = await launchBrowser();
    page = await openPage(await browser.newContext(), server);
    await page.evaluate(async () => {
      const { Backend } = await import("/blank/backend.js");
      const { gated } = await import("/blank/gate.js");
      /** A backend with 100 messages in "talk", one account's way to it, and a client there. */
      globalThis.world = async (account, options = {}) => {
        const backend = new Backend();
        backend.create("talk");
        for (let i = 1; i <= 100; i += 1) backend.write("mara", "talk", { text: `message ${i}` });
        const gate = gated(backend.transport("ann"));
        const open = (more = {}) =>
          pullcord.createClient({
            account,
            transport: gate,
            logger: () => {},
            storage: { mode: "memory" },
            ...options,
            ...more,
          });
        const client = await open();
        await e2e.caughtUp(client);
        return { backend, gate, open, client, say: (text) => backend.write("mara", "talk", { text }) };
      };
      globalThis.codeOf = (promise) =>
        promise.then(
          () => "none",
          (error) => error.code ?? String(error),
        );
      /** messages by their text, own ones that are not delivered by their state, gaps as … */
      globalThis.drawn = (timeline) =>
        timeline
          .getSnapshot()
          .items.map((item) =>
            item.kind === "gap" ? "…" : item.kind === "local" ? `${item.body.text} (${item.state})` : e2e.textOf(item),
          );
      globalThis.ends = (timeline, ...texts) =>
        e2e.until(timeline, () => texts.join() === drawn(timeline).slice(-texts.length).join());
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

  /** Runs in the page, with an account that no other test has. */
  const inPage = (run) => page.evaluate(run, fresh("contract"));

  test("a snapshot is the same object until something changed, and so are its elements", async () => {
    const seen = await inPage(async (account) => {
      const { backend, client, say } = await world(account);
      backend.create("other");
      const timeline = await e2e.show(client, "talk");
      await client.sync();
      const stores = [
        timeline,
        client.conversations,
        client.outbox,
        client.conversation("other"),
        client.conversation("talk"),
      ];
      const before = stores.map((store) => store.getSnapshot());
      await client.sync();
      const idle = stores.map((store, i) => store.getSnapshot() === before[i]);
      say("new");
      await ends(timeline, "new");
      const changed = stores.map((store, i) => store.getSnapshot() === before[i]);
      const elements =
        before[0].items.every((item) => timeline.getSnapshot().items.includes(item)) &&
        client.conversations.getSnapshot().includes(before[3]);
      await client.close();
      return { idle, changed, elements };
    });
    assert.deepEqual(seen, {
      idle: [true, true, true, true, true],
      changed: [false, false, true, true, false],
      elements: true,
    });
  });

  test("all stores change together, before any listener runs, and never inside a call", async () => {
    const seen = await inPage(async (account) => {
      const { client, say } = await world(account);
      const timeline = await e2e.show(client, "talk");
      let [inside, early, apart, heard] = [false, 0, 0, 0];
      const look = () => {
        heard += 1;
        early += inside ? 1 : 0;
        const last = timeline.getSnapshot().items.at(-1);
        if (last.kind === "message" && client.conversation("talk").getSnapshot().lastMessage.id !== last.message.id)
          apart += 1;
      };
      for (const store of [timeline, client.conversations, client.conversation("talk"), client.status, client.outbox])
        store.subscribe(look);
      inside = true;
      const calls = [timeline.send({ text: "mine" }), timeline.loadOlder(), client.sync(), timeline.markRead()];
      inside = false;
      await Promise.all(calls);
      for (const text of ["a", "b", "c"]) say(text);
      await ends(timeline, "a", "b", "c");
      await client.close();
      return { heard: heard > 0, early, apart };
    });
    assert.deepEqual(seen, { heard: true, early: 0, apart: 0 });
  });

  test("what is committed while a page is on its way is in what it shows", async () => {
    const seen = await inPage(async (account) => {
      const { backend, gate, client, say } = await world(account);
      const timeline = await e2e.show(client, "talk");
      const release = gate.hold("history");
      const loading = timeline.loadOlder();
      await e2e.poll(() => gate.count("history") === 2);
      const { loading: flags } = timeline.getSnapshot();
      backend.change("mara", "talk", "id50", { body: { text: "edited" }, state: "edited" });
      say("new");
      await client.sync();
      release();
      const result = await loading;
      const texts = drawn(timeline);
      await client.close();
      return { flags, result, count: texts.length, edited: texts.indexOf("edited"), last: texts.at(-1) };
    });
    assert.deepEqual(seen, {
      flags: { older: true, newer: false, jump: false },
      result: { added: 30, end: false, source: "network" },
      count: 61,
      edited: 9,
      last: "new",
    });
  });

  test("calls in one direction share the request; a signal rejects its own call only", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account, { prefetch: false });
      const timeline = await e2e.show(client, "talk");
      const { firstIndex } = timeline.getSnapshot();
      const release = gate.hold("history");
      const controller = new AbortController();
      const [left, stays] = [timeline.loadOlder({ signal: controller.signal }), timeline.loadOlder()];
      controller.abort();
      const refused = await e2e.refusal(left);
      release();
      const result = await stays;
      const seen = {
        refused: [refused.name, refused.code],
        result,
        requests: gate.count("history"),
        moved: timeline.getSnapshot().firstIndex - firstIndex,
      };
      await client.close();
      return seen;
    });
    assert.deepEqual(seen, {
      refused: ["AbortError", "aborted"],
      result: { added: 30, end: false, source: "network" },
      requests: 2,
      moved: -30,
    });
  });

  test("a clientId that is there already: the same answer, nothing sent; discard until the server has it", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      const release = gate.hold("send");
      const pulls = gate.hold("pull");
      const first = await timeline.send({ text: "one" }, { clientId: "a" });
      await e2e.poll(() => gate.count("send") === 1);
      const again = await client.send("talk", { text: "another" }, { clientId: "a" });
      await timeline.send({ text: "two" }, { clientId: "b" });
      await timeline.send({ text: "three" }, { clientId: "c" });
      const order = drawn(timeline).slice(-3);
      const discarded = [await timeline.discard("b"), await client.discard("b"), await client.discard("none")];
      release();
      await ends(timeline, "one (sent)", "three (sent)");
      discarded.push(await timeline.discard("a"));
      const outbox = client.outbox.getSnapshot().length;
      pulls();
      await ends(timeline, "one", "three");
      const { key } = timeline.getSnapshot().items.at(-2);
      const late = await timeline.send({ text: "late" }, { clientId: "a" });
      const seen = {
        order,
        discarded,
        outbox,
        same: [first, again, late].every((one) => one.clientId === "a" && one.key === key),
        sends: gate.count("send"),
      };
      await client.close();
      return seen;
    });
    assert.deepEqual(seen, {
      order: ["one (sending)", "two (queued)", "three (queued)"],
      discarded: [true, false, false, false],
      outbox: 0,
      same: true,
      sends: 2,
    });
  });

  test("what is discarded on its way and delivered after all comes with the sync, and is no event", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      let events = 0;
      client.on("messages", () => (events += 1));
      const release = gate.hold("send");
      const pulls = gate.hold("pull");
      await timeline.send({ text: "mine" }, { clientId: "a" });
      await e2e.poll(() => gate.count("send") === 1);
      const discarded = await timeline.discard("a");
      const last = drawn(timeline).at(-1);
      const outbox = client.outbox.getSnapshot().length;
      release();
      pulls();
      await ends(timeline, "mine");
      await client.sync();
      const late = await timeline.send({ text: "again" }, { clientId: "a" });
      await client.sync();
      const seen = {
        discarded,
        last,
        outbox,
        events,
        late: late.clientId,
        texts: drawn(timeline).slice(-2),
        sends: gate.count("send"),
      };
      await client.close();
      return seen;
    });
    assert.deepEqual(seen, {
      discarded: true,
      last: "message 100",
      outbox: 0,
      events: 0,
      late: "a",
      texts: ["message 100", "mine"],
      sends: 1,
    });
  });

  test("a failed message does not hold up the next, and is retried or discarded by the user", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      gate.refuse.send = ({ clientId }) =>
        clientId === "bad" ? new pullcord.PullcordError("rejected", "no", { status: 422 }) : null;
      await timeline.send({ text: "bad" }, { clientId: "bad" });
      await timeline.send({ text: "good" }, { clientId: "good" });
      await ends(timeline, "bad (failed)", "good");
      const { key, error } = timeline.getSnapshot().items.at(-2);
      gate.refuse = {};
      await timeline.retry("bad");
      await ends(timeline, "good", "bad");
      const seen = {
        error: [error.code, error.status, error instanceof pullcord.PullcordError],
        kept: timeline.getSnapshot().items.at(-1).key === key,
        outbox: client.outbox.getSnapshot().length,
      };
      await client.close();
      return seen;
    });
    assert.deepEqual(seen, { error: ["rejected", 422, true], kept: true, outbox: 0 });
  });

  test("after a reload: the outbox with its keys, and no snapshot that shows it without what is cached", async () => {
    const seen = await inPage(async (account) => {
      const { gate, open, client } = await world(account, { storage: { mode: "indexeddb" } });
      const before = await e2e.show(client, "talk");
      gate.refuse.send = () => new pullcord.PullcordError("network");
      const { key } = await before.send({ text: "unsent" });
      await client.close();
      gate.refuse.pull = gate.refuse.conversations = gate.refuse.history = gate.refuse.send;
      const next = await open();
      const outbox = next.outbox.getSnapshot().map((item) => item.key);
      const timeline = next.timeline("talk");
      const shown = [];
      const look = () =>
        shown.push([timeline.getSnapshot().status, drawn(timeline).length, drawn(timeline)[0]].join(" "));
      timeline.subscribe(look);
      await e2e.until(timeline, (now) => now.items.length > 30);
      gate.refuse = {};
      await next.sync();
      await ends(timeline, "unsent");
      const seen = {
        outbox: outbox.join() === key,
        shown: [...new Set(shown)],
        kept: timeline.getSnapshot().items.at(-1).key === key,
      };
      await next.wipe();
      return seen;
    });
    assert.deepEqual(seen, { outbox: true, shown: ["ready 31 message 71"], kept: true });
  });

  test("a signal cancels opening and leaves nothing held", async () => {
    const seen = await inPage(async (account) => {
      const { open, client } = await world(account, { storage: { mode: "indexeddb" } });
      await client.close();
      const connections = [];
      for (const when of [0, 1, 5]) {
        const controller = new AbortController();
        const opening = open({ signal: controller.signal });
        if (when) await new Promise((resolve) => setTimeout(resolve, when));
        controller.abort();
        await opening.then(
          (opened) => opened.close(),
          () => {},
        );
        const next = await open();
        connections.push(next.status.getSnapshot().connection === "waiting");
        await next.close();
      }
      await pullcord.wipe(account);
      return connections;
    });
    assert.deepEqual(seen, [false, false, false]);
  });

  test("the account has left: the list stays as it was, what was not sent fails with forbidden and is kept", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      gate.refuse.send = () => new pullcord.PullcordError("network");
      await timeline.send({ text: "unsent" }, { clientId: "a" });
      const pull = gate.pull;
      gate.pull = async (request, signal) => {
        gate.pull = pull;
        const batch = await pull(request, signal);
        return { ...batch, events: [...batch.events, { type: "removed", conversation: "talk" }] };
      };
      await client.sync();
      const { status, items } = timeline.getSnapshot();
      const [unsent] = client.outbox.getSnapshot();
      const seen = {
        status,
        count: items.length,
        listed: client.conversations.getSnapshot().length,
        state: client.conversation("talk").getSnapshot(),
        unsent: [unsent.state, unsent.error.code],
        refused: await codeOf(timeline.loadOlder()),
      };
      await client.close();
      return seen;
    });
    assert.deepEqual(seen, {
      status: "removed",
      count: 31,
      listed: 0,
      state: null,
      unsent: ["failed", "forbidden"],
      refused: "forbidden",
    });
  });

  test("closed: what runs is rejected, what is called later too, and what is shown stays", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      for (const method of ["history", "pull", "edit"]) gate.hold(method);
      const running = [timeline.loadOlder(), client.sync(), timeline.edit("id100", {})].map(codeOf);
      await client.close();
      await client.close();
      const later = [
        timeline.loadOlder(),
        timeline.jump("latest"),
        timeline.send({}),
        client.send("talk", {}),
        client.sync(),
        client.inspect(),
        client.markRead("talk", 1),
        timeline.recall("id1"),
      ].map(codeOf);
      const { status, items } = timeline.getSnapshot();
      return {
        codes: [...new Set(await Promise.all([...running, ...later]))],
        connection: client.status.getSnapshot().connection,
        status,
        count: items.length,
      };
    });
    assert.deepEqual(seen, { codes: ["closed"], connection: "closed", status: "closed", count: 30 });
  });

  test("what is no option, argument or body is refused as invalid, and nothing is sent", async () => {
    const seen = await inPage(async (account) => {
      const { gate, open, client } = await world(account);
      const timeline = await e2e.show(client, "talk");
      const cycle = {};
      cycle.itself = cycle;
      const bad = {
        storage: () => open({ storage: "memory" }),
        sync: () => open({ sync: 5 }),
        wasm: () => open({ wasm: 5 }),
        pageSize: () => open({ pageSize: "30" }),
        logger: () => open({ logger: "console" }),
        scope: () => open({ sync: { scope: "mailbox" } }),
        account: () => open({ account: "" }),
        transport: () => open({ transport: {} }),
        signal: () => open({ signal: {} }),
        load: () => timeline.loadOlder(null),
        limit: () => timeline.loadNewer({ limit: 0 }),
        jump: () => timeline.jump({ around: 1, at: 1 }),
        seq: () => timeline.markRead(2 ** 53),
        undefined: () => timeline.send(undefined),
        bigint: () => timeline.send({ n: 1n }),
        cycle: () => timeline.edit("id1", cycle),
        clientId: () => client.send("talk", {}, { clientId: "" }),
        name: () => client.retry(5),
        timeline: async () => client.timeline("talk", { start: null }),
        listener: async () => timeline.subscribe(null),
        event: async () => client.on("message", () => {}),
        compare: async () => pullcord.compareSeq("1", 1.5),
        wipe: () => pullcord.wipe(""),
      };
      const accepted = [];
      for (const [what, call] of Object.entries(bad))
        if ((await codeOf((async () => call())())) !== "invalid") accepted.push(what);
      const sent =
        gate.count("send") + gate.count("edit") + gate.count("markRead") + client.outbox.getSnapshot().length;
      await client.close();
      return { accepted, sent };
    });
    assert.deepEqual(seen, { accepted: [], sent: 0 });
  });

  test("offline: what is cached is there, what needs the server rejects at once, the rest is kept, merged and sent later", async () => {
    const seen = await inPage(async (account) => {
      const { gate, client } = await world(account, { prefetch: false });
      const timeline = await e2e.show(client, "talk");
      const none = client.timeline("elsewhere");
      // what the browser says is only a hint: the network has to be gone as well
      for (const method of ["pull", "history", "edit", "recall", "send", "markRead", "conversations"])
        gate.refuse[method] = () => new pullcord.PullcordError("network");
      Object.defineProperty(navigator, "onLine", { get: () => false, configurable: true });
      dispatchEvent(new Event("offline"));
      await e2e.until(client.status, (status) => status.connection === "offline");
      const refused = await Promise.all(
        [
          timeline.loadOlder(),
          timeline.jump({ around: 1 }),
          timeline.edit("id100", {}),
          timeline.recall("id100"),
          none.loadOlder(),
        ].map(codeOf),
      );
      // sync() pulls whatever is known, so it says what it met
      const tried = await codeOf(client.sync());
      const { status, items, error } = await e2e.until(none, (now) => now.status === "ready");
      const { items: all } = timeline.getSnapshot();
      for (const at of [5, 20, 10]) await timeline.markRead(all[at].message.seq);
      await timeline.send({ text: "later" });
      const queued = drawn(timeline).at(-1);
      Reflect.deleteProperty(navigator, "onLine");
      gate.refuse = {};
      const { length: before } = gate.calls;
      dispatchEvent(new Event("online"));
      await ends(timeline, "later");
      await e2e.poll(() => gate.count("markRead") > 0);
      const marks = gate.calls
        .slice(before)
        .filter(([method]) => method === "markRead")
        .map(([, { seq }]) => seq === all[20].message.seq);
      await client.close();
      return {
        refused: [...new Set(refused)],
        tried,
        none: [status, items.map((item) => item.kind).join(), error.code],
        queued,
        marks,
      };
    });
    assert.deepEqual(seen, {
      refused: ["offline"],
      tried: "network",
      none: ["ready", "gap", "offline"],
      queued: "later (queued)",
      marks: [true],
    });
  });
});
