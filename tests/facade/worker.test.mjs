// The core in a worker: createClient's option `worker`, and `serve` of "pullcord/worker".

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { server } from "../../pkg-template/engine/serve.js";
import { besideTheScript } from "../../pkg-template/where.js";
import { PullcordError } from "../../pkg-template/errors.js";
import { STATUS, codeOf, fakePackage, message, options, settled, timelineEntry, until } from "./fake.mjs";

// ports keep no process alive: the tests wait for what comes over them
let alive;
before(() => {
  alive = setInterval(() => {}, 1000);
});
after(() => clearInterval(alive));

const OWN = { pull: async () => ({}), conversations: async () => ({}), history: async () => ({}) };

/** A page whose clients have workers, each with a wasm of its own, that serve as `served` says. */
function pageWithWorkers(served = {}, isDeaf = false) {
  const page = fakePackage();
  const workers = [];
  const worker = () => {
    const { instantiate, world } = fakePackage();
    const scope = new EventTarget();
    server(instantiate, besideTheScript, /** @type {any} */ (scope))(served);
    const made = {
      world,
      isOver: false,
      postMessage(sent, transfer) {
        const data = structuredClone(sent, { transfer });
        made.port = data.port;
        setImmediate(() => {
          if (!isDeaf) scope.dispatchEvent(Object.assign(new Event("message"), { data }));
        });
      },
      terminate() {
        made.isOver = true;
        made.port.close();
        for (const host of world.hosts) host.isFree = true;
      },
    };
    workers.push(made);
    return made;
  };
  const open = (more = {}) => page.createClient(options({ worker, ...more }));
  return { ...page, worker, workers, open, host: () => workers.at(-1).world.hosts[0] };
}

/** A page that can go to sleep. */
async function inPage(run) {
  const [page, tab] = [new EventTarget(), new EventTarget()];
  Object.assign(page, { visibilityState: "visible" });
  const addEventListener = tab.addEventListener.bind(tab);
  const removeEventListener = tab.removeEventListener.bind(tab);
  Object.assign(globalThis, { document: page, addEventListener, removeEventListener });
  try {
    await run({
      page,
      sleep: () => tab.dispatchEvent(new Event("pagehide")),
      wake: () => tab.dispatchEvent(new Event("pageshow")),
    });
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
}

const item = (seq, more = {}) => ({ kind: "message", key: `m:m${seq}`, message: message(seq, more), fresh: true });
const items = (...list) => [{ at: 0, del: 0, ins: list }];

test("the core is in the worker: commands go there, frames come from there, and the page has no wasm", async () => {
  const { open, host, workers, world } = pageWithWorkers();
  const client = await open({ pageSize: 20, ifOpen: "share" });
  assert.deepEqual([world.instances, workers.length, workers[0].world.instances], [0, 1, 1]);
  const { config } = host();
  assert.deepEqual(
    [config.account, config.baseUrl, config.pageSize, config.promoted, config.online, config.ifOpen],
    [client.account, "https://chat.example", 20, true, true, "share"],
  );
  const timeline = client.timeline("c1");
  timeline.subscribe(() => {});
  const sent = client.send("c1", { text: "hello" });
  await until(() => host().last("send"));
  assert.deepEqual(host().ops(), ["open", "send"]);
  host().frame({ timelines: [timelineEntry(1, { items: items(item(1)) })] });
  host().answer("send", { clientId: "a", key: "c:a" });
  assert.deepEqual(await sent, { clientId: "a", key: "c:a" });
  assert.equal(timeline.getSnapshot().items.length, 1, "it shows what it has resolved with");
  host().command = (command) => {
    host().commands.push(command);
    return { code: "invalid", message: "not that" };
  };
  await assert.rejects(timeline.loadOlder({ limit: 0 }), {
    name: "PullcordError",
    code: "invalid",
    message: "not that",
  });
  assert.equal(await codeOf(timeline.loadOlder({ limit: () => 5 })), "invalid");
  for (const wrong of [{ pageSize: 0 }, { pageSize: 1.5 }, { maxItems: 19 }, { maxItems: 1e7 }, { pageSize: "20" }])
    assert.throws(() => client.timeline("c1", wrong), { code: "invalid" }, JSON.stringify(wrong));
  client.timeline("c1", { maxItems: 20 });
  delete host().command;
  await client.close();
  assert.equal(workers[0].isOver, true);
});

test("an engine that ends by itself, and one that panics, end the client and the worker", async () => {
  /** @type {[(host: any) => void, string | undefined][]} */
  const ends = [
    [(host) => host.hooks.stopped(), undefined],
    [(host) => host.hooks.panicked("index"), "internal"],
  ];
  for (const [end, code] of ends) {
    const { open, host, workers } = pageWithWorkers();
    const client = await open();
    end(host());
    await until(() => client.status.getSnapshot().connection === "closed");
    assert.equal(client.status.getSnapshot().error?.code, code);
    await until(() => workers[0].isOver);
  }
});

test("a store that does not open rejects as in the page", async () => {
  const { open, workers } = pageWithWorkers();
  const opening = open();
  await until(() => workers.length);
  workers[0].world.open = async () => {
    throw { code: "storage-newer", message: "a newer version wrote it" };
  };
  await assert.rejects(opening, (error) => error instanceof PullcordError && error.code === "storage-newer");
  assert.equal(workers[0].isOver, true);
});

test("the token of an HttpTransport is asked in the page, and so is what it rejects with", async () => {
  const { open, host } = pageWithWorkers();
  const tokens = [() => "secret", async () => "later", () => 5];
  const transport = {
    baseUrl: "https://chat.example",
    token() {
      assert.equal(this, transport);
      return tokens.shift()();
    },
  };
  const client = await open({ transport });
  assert.equal(await host().hooks.token(), "secret");
  assert.equal(await host().hooks.token(), "later");
  assert.equal(await host().hooks.token(), null);
  tokens.push(() => {
    throw new PullcordError("unauthorized", "signed out");
  });
  await assert.rejects(host().hooks.token(), { name: "PullcordError", code: "unauthorized", message: "signed out" });
  await client.close();
});

test("an own Transport in the page is refused, one of the worker's is called there, and then the page needs none", async () => {
  const alone = pageWithWorkers();
  await assert.rejects(alone.open({ transport: OWN }), { code: "invalid", message: /serve\(\{ transport \}\)/ });
  assert.deepEqual([alone.workers[0].isOver, alone.world.instances], [true, 0]);
  const accounts = [];
  const transport = (account) => {
    accounts.push(account);
    return OWN;
  };
  for (const given of [OWN, undefined]) {
    const { open, host } = pageWithWorkers({ transport });
    const client = await open({ transport: given });
    assert.equal(accounts.at(-1), client.account);
    assert.deepEqual(host().config.methods, ["pull", "conversations", "history"]);
    assert.equal(typeof host().hooks.call, "function");
    assert.equal(await codeOf(client.send("c1", "hello")), "invalid", "it has no method send");
    await client.close();
  }
  const http = pageWithWorkers({ transport: () => ({ baseUrl: "https://other.example/", token: () => "mine" }) });
  const client = await http.open({ transport: OWN });
  assert.equal(http.host().config.methods, undefined);
  assert.equal(http.host().config.baseUrl, "https://other.example");
  assert.equal(await http.host().hooks.token(), "mine");
  await client.close();
  const wrong = pageWithWorkers({ transport: () => ({}) });
  assert.equal(await codeOf(wrong.open()), "invalid");
  assert.throws(() => pageWithWorkers({ transport: 5 }).worker(), { code: "invalid" });
});

test("a worker that does not answer in 5 s leaves the core in the page, and the log says so", async (t) => {
  const lines = [];
  const { open, world, workers } = pageWithWorkers({}, true);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const opening = open({ logLevel: "warn", logger: (level, text) => lines.push([level, text]) });
  for (let turns = 0; turns < 20; turns += 1) await settled();
  t.mock.timers.tick(4_900);
  for (let turns = 0; turns < 20; turns += 1) await settled();
  assert.equal(world.hosts.length, 0);
  t.mock.timers.tick(200);
  const client = await opening;
  t.mock.timers.reset();
  assert.deepEqual([world.hosts.length, workers[0].isOver], [1, true]);
  assert.match(lines.join(), /warn,.*the core runs in the page.*does not answer/);
  await client.close();
});

test("a function that makes no worker leaves the core in the page as well", async () => {
  const { open, world } = pageWithWorkers();
  const client = await open({
    worker: () => {
      throw new TypeError("Worker is not defined");
    },
  });
  assert.equal(world.hosts.length, 1);
  await client.close();
  assert.equal(await codeOf(open({ worker: "chat.worker.js" })), "invalid");
});

test("what the app's function throws is no bug of Pullcord's, and a script of another origin is named", async () => {
  const { open } = pageWithWorkers();
  const worker = () => {
    throw new DOMException("Script at 'https://cdn.example/w.js' cannot be accessed", "SecurityError");
  };
  await assert.rejects(open({ transport: undefined, worker }), {
    code: "unsupported",
    message: /^`worker` failed: serve its script from the page's own origin: Script at 'https:\/\/cdn\.example/,
  });
});

test("the claim and the worker's engine hear of each other", async () => {
  const { createClient, worker, workers, world } = pageWithWorkers();
  const shared = options({ worker });
  const first = await createClient(shared);
  const second = await createClient({ ...shared, worker: undefined });
  const [one] = workers[0].world.hosts;
  const [two] = world.hosts;
  assert.deepEqual([one.isPromoted, two.isPromoted], [true, false]);
  one.hooks.tell(new Uint8Array([1, 2]));
  two.hooks.tell(new Uint8Array([3]));
  await until(() => two.heardBytes.length && one.heardBytes.length);
  assert.deepEqual([one.heardBytes, two.heardBytes], [[[3]], [[1, 2]]]);
  // it offers the work, and finishes its commit
  one.hooks.refused();
  await until(() => two.isPromoted);
  assert.deepEqual([one.isPromoted, one.ops()], [false, ["rest"]]);
  one.hooks.stuck();
  await until(() => one.isPromoted && !two.isPromoted);
  one.hooks.fenced();
  await until(() => !one.isPromoted);
  await first.close();
  await second.close();
});

test("logs come with their details, also with those that cannot be told", async () => {
  const lines = [];
  const transport = () => ({
    ...OWN,
    pull: async () => {
      throw Object.assign(new Error("mine"), { toJSON: () => {}, run: () => {} });
    },
  });
  const { open, host } = pageWithWorkers({ transport });
  const client = await open({ logLevel: "debug", logger: (level, text, detail) => lines.push([level, text, detail]) });
  lines.length = 0;
  host().hooks.log("info", "pulled", JSON.stringify({ events: 3 }));
  await assert.rejects(host().hooks.call("pull", {}, new AbortController().signal));
  await until(() => lines.length === 2);
  assert.deepEqual(lines[0], ["info", "pulled", { events: 3 }]);
  assert.match(String(lines[1][2]), /mine/);
  await client.close();
});

test("a page that sleeps ends its worker before the handler returns, and awake has another that shows the same", () =>
  inPage(async ({ sleep, wake }) => {
    const { open, host, workers } = pageWithWorkers();
    const client = await open({ pageSize: 3 });
    client.on("messages", () => {});
    const [latest, middle, released, untouched] = ["c1", "c2", "c3", "c4"].map((id) => client.timeline(id));
    for (const timeline of [latest, middle]) timeline.subscribe(() => {});
    const letGo = released.subscribe(() => {});
    const talk = (id, unread = 0) => ({
      id,
      unread,
      lastSeq: "9",
      readSeq: null,
      sort: 1,
      lastMessage: null,
      meta: null,
    });
    await until(
      () =>
        host()
          .ops()
          .filter((op) => op === "open").length === 3,
    );
    host().frame({
      conversations: items(talk("c1"), talk("c2")),
      outbox: items({ kind: "local", key: "c:a", clientId: "a", conversation: "c1", state: "queued", error: null }),
      timelines: [
        timelineEntry(1, { items: items(item(8), item(9)), anchor: { key: null, count: 2 } }),
        timelineEntry(2, { items: items(item(1), item(2), item(3)), hasNewer: true }),
        timelineEntry(3, { items: items(item(5)), hasNewer: true }),
      ],
    });
    await until(() => client.outbox.getSnapshot().length);
    middle.visible("m:m2", "m:m3");
    letGo();
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await until(() => host().last("release"));
    const before = {
      list: client.conversations.getSnapshot(),
      latest: latest.getSnapshot(),
      middle: middle.getSnapshot(),
    };
    const sent = client.send("c1", "hello", { clientId: "b" });
    await until(() => host().last("send"));

    sleep();
    assert.equal(workers[0].isOver, true);
    const late = client.markRead("c1", 9);
    await settled();
    wake();
    await until(() => workers.length === 2 && host()?.last("send"));
    const began = host();
    await until(() => began.isPromoted);
    const told = began.commands.map(({ op, conversation, start, clientId, events }) => [
      op,
      conversation ?? events,
      start ?? clientId,
    ]);
    assert.deepEqual(told, [
      ["listening", ["messages"], undefined],
      ["open", "c1", "latest"],
      ["open", "c2", { around: "2" }],
      ["send", "c1", "b"],
      ["mark-read", "c1", undefined],
    ]);
    // until it shows something, what was shown stays
    began.frame({ timelines: [timelineEntry(1, { status: "opening" }), timelineEntry(2, { status: "opening" })] });
    await until(() => !Object.is(client.conversations.getSnapshot(), before.list));
    assert.deepEqual(
      [client.conversations.getSnapshot(), latest.getSnapshot(), middle.getSnapshot()].map((now, at) =>
        Object.is(now, Object.values(before)[at]),
      ),
      [false, true, true],
      "but the list, which is empty now",
    );
    began.frame({
      status: STATUS,
      timelines: [
        timelineEntry(1, { items: items(item(8), item(9, { body: "new" })) }),
        timelineEntry(2, { items: items(item(1), item(2), item(3)), hasNewer: true }),
      ],
    });
    began.answer("send", { clientId: "b", key: "c:b" });
    began.answer("mark-read", null);
    await sent;
    await late;
    const now = latest.getSnapshot();
    assert.deepEqual([now.items[0] === before.latest.items[0], now.items[1].message.body], [true, "new"]);
    assert.equal(middle.getSnapshot().items, before.middle.items);
    assert.equal(now.anchor.count, 3, "it was replaced");
    // what was let go of is opened again, where it was
    released.subscribe(() => {});
    await until(() => began.last("open").conversation === "c3");
    assert.deepEqual(began.last("open").start, { around: "5" });
    untouched.subscribe(() => {});
    await until(() => began.last("open").conversation === "c4");
    assert.equal(began.last("open").start, "latest");
    await client.close();
    assert.equal(workers[1].isOver, true);
  }));

/** The second worker is made, and has not begun: what it is asked can still be another's. */
async function another(workers) {
  for (let turns = 0; turns < 1000 && workers.length < 2; turns += 1) await null;
  assert.equal(workers.length, 2);
}

test("what another worker shows anew keeps its objects, and goes on by patches", () =>
  inPage(async ({ sleep, wake }) => {
    const { open, host, workers } = pageWithWorkers();
    const talk = (id, unread) => ({
      id,
      unread,
      lastSeq: null,
      readSeq: null,
      sort: 1,
      lastMessage: null,
      meta: { id },
    });
    const client = await open();
    host().frame({ conversations: items(talk("c1", 0), talk("c2", 0)) });
    await until(() => client.conversations.getSnapshot().length);
    const before = client.conversations.getSnapshot();
    const store = client.conversation("c2");
    const seen = [];
    store.subscribe(() => seen.push(store.getSnapshot()));
    sleep();
    wake();
    await another(workers);
    const { world } = workers[1];
    world.open = async (config, hooks) => {
      const { open } = fakePackage().world;
      return open(config, {
        ...hooks,
        // the list comes with the first status
        frame: () =>
          hooks.frame(JSON.stringify({ status: STATUS, conversations: items(talk("c1", 0), talk("c2", 5)) })),
      }).then((host) => Object.assign(host, { hooks }));
    };
    await until(() => host());
    await until(() => client.conversations.getSnapshot() !== before);
    const after = client.conversations.getSnapshot();
    assert.deepEqual([after[0] === before[0], after[1].unread], [true, 5]);
    host().frame({ conversations: [{ at: 0, del: 2, ins: [1, 0] }] });
    await until(() => client.conversations.getSnapshot() !== after);
    assert.deepEqual(
      client.conversations.getSnapshot().map((one, at) => one === after[1 - at]),
      [true, true],
    );
    assert.deepEqual(
      seen.map(({ unread }) => unread),
      [5],
    );
    await client.close();
  }));

test("a page that sleeps while its worker opens begins again when it wakes", () =>
  inPage(async ({ sleep, wake }) => {
    const { open, workers } = pageWithWorkers();
    const opening = open();
    await until(() => workers.length === 1);
    sleep();
    assert.equal(workers[0].isOver, true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(workers.length, 1);
    wake();
    const client = await opening;
    assert.equal(workers.length, 2);
    // and once more, twice
    for (let i = 0; i < 2; i += 1) {
      sleep();
      wake();
    }
    await until(() => workers.some((worker) => !worker.isOver && worker.world.hosts.length === 1));
    assert.equal(workers.filter((worker) => !worker.isOver).length, 1);
    assert.equal(client.status.getSnapshot().connection, "online");
    await client.close();
    assert.equal(workers.filter((worker) => !worker.isOver).length, 0);
  }));

test("what is listened to another worker knows before it hears of anything", () =>
  inPage(async ({ sleep, wake }) => {
    const { createClient, worker, workers, world } = pageWithWorkers();
    const shared = options({ worker });
    const first = await createClient(shared);
    const second = await createClient({ ...shared, worker: undefined });
    first.on("messages", () => {});
    sleep();
    wake();
    await another(workers);
    const [two] = world.hosts;
    const { world: other } = workers[1];
    const open = other.open;
    let knew;
    other.open = async (config, hooks) => {
      const host = await open(config, hooks);
      host.heard = () => {
        knew ??= host.commands.map(({ op, events }) => [op, events]);
      };
      // while it opens another client says something
      await until(() => {
        two.hooks.tell(new Uint8Array([3]));
        return two.isPromoted;
      });
      first.on("updates", () => {});
      await new Promise((resolve) => setTimeout(resolve, 50));
      return host;
    };
    await until(() => knew);
    assert.deepEqual(knew, [["listening", ["messages"]]]);
    // what has changed while it opened it is told then
    const [one] = other.hosts;
    await until(() => one.commands.length === 2);
    assert.deepEqual(one.last("listening").events, ["messages", "updates"]);
    await first.close();
    await second.close();
  }));

test("a worker that dies while nothing is asked of it is replaced as well", async (t) => {
  const { open, host, workers } = pageWithWorkers();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const client = await open();
  const turns = async () => {
    for (let turn = 0; turn < 50; turn += 1) await settled();
  };
  // one that answers is left alone
  for (let looks = 0; looks < 5; looks += 1) {
    t.mock.timers.tick(10_000);
    await turns();
  }
  assert.equal(workers.length, 1);
  workers[0].port.close();
  t.mock.timers.tick(10_000);
  await turns();
  t.mock.timers.tick(8000);
  t.mock.timers.reset();
  await until(() => workers.length === 2 && host());
  await client.close();
});

test("a page that stood still itself does not take its worker for dead", async (t) => {
  const { open, host, workers } = pageWithWorkers();
  const client = await open();
  let stoodStill = 0;
  const { now } = performance;
  t.mock.method(performance, "now", () => now.call(performance) + stoodStill);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = client.send("c1", "hello", { clientId: "a" });
  // its timers fire before it hears what the worker has said meanwhile
  stoodStill = 60_000;
  t.mock.timers.tick(8000);
  t.mock.timers.reset();
  await until(() => host().last("send"));
  assert.equal(workers.length, 1);
  host().answer("send", { clientId: "a", key: "c:a" });
  await sent;
  await client.close();
});

test("a worker that has died is replaced within 10 s, and what was asked of it is asked of the next", async (t) => {
  const lines = [];
  const { open, host, workers } = pageWithWorkers();
  const client = await open({ logLevel: "warn", logger: (level, text) => lines.push([level, text]) });
  // one that answers is left alone, however long a call takes
  const controller = new AbortController();
  const slow = codeOf(client.sync({ signal: controller.signal }));
  await until(() => host().last("sync"));
  // its answer that it is there is told to nobody
  await new Promise((resolve) => setTimeout(resolve, 500));
  workers[0].port.close();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const sent = client.send("c1", "hello", { clientId: "a" });
  t.mock.timers.tick(8000);
  t.mock.timers.reset();
  await until(() => workers.length === 2 && host()?.last("send"));
  assert.match(lines.join(), /does not answer any more/);
  assert.deepEqual(host().ops(), ["sync", "send"]);
  host().answer("send", { clientId: "a", key: "c:a" });
  assert.deepEqual(await sent, { clientId: "a", key: "c:a" });
  controller.abort();
  assert.equal(await slow, "aborted");
  await client.close();
});

test("data in a worker's memory is nobody else's, and stays while the page sleeps", () =>
  inPage(async ({ sleep, wake }) => {
    const { worker, createClient, workers } = pageWithWorkers();
    const shared = options({ worker, storage: { mode: "memory" } });
    const [first, second] = [await createClient(shared), await createClient(shared)];
    const hosts = workers.map(({ world }) => world.hosts[0]);
    assert.deepEqual(
      hosts.map((host) => host.isPromoted),
      [true, true],
    );
    for (const host of hosts) host.frame({ status: { ...STATUS, storage: "memory" } });
    await until(() => second.status.getSnapshot().storage === "memory");
    sleep();
    await until(() => hosts[1].last("freeze"));
    assert.deepEqual(
      workers.map(({ isOver }) => isOver),
      [false, false],
    );
    assert.deepEqual(hosts[0].ops(), ["sleep", "freeze"]);
    wake();
    await until(() => hosts.every((host) => host.isPromoted && host.last("resume")));
    await first.close();
    await second.close();
  }));
