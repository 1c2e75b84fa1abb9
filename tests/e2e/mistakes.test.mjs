// What goes wrong when an app is made: each mistake once, on the packed package in Node, and the one line of the log
// that says so. What needs a page's address, a worker or time is in tests/facade.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { before, describe, test } from "node:test";
import { fresh, packPackage } from "./support/harness.mjs";

/** @type {any} */
let createClient;
/** @type {any} */
let memoryBackend;
/** @type {string} */
let folder;

before(async () => {
  folder = await packPackage();
  ({ createClient } = await import(pathToFileURL(join(folder, "index.js")).href));
  ({ memoryBackend } = await import(pathToFileURL(join(folder, "testing.js")).href));
});

const MESSAGES = Array.from({ length: 40 }, (_, at) => ({
  conversation: "talk",
  sender: at === 39 ? "ada" : "bob",
  text: `message ${at + 1}`,
}));

/** The backend, and Ada's way to it with some methods in others' place; each gets what it replaces. */
function world(replaced = {}) {
  const backend = memoryBackend({ conversations: ["talk"], messages: MESSAGES });
  const way = backend.transport("ada");
  const bound = Object.fromEntries(
    Object.entries(way).map(([name, method]) => [name, (...given) => method.apply(way, given)]),
  );
  const others = Object.entries(replaced).map(([name, make]) => [name, make(bound[name], way)]);
  return { backend, transport: { ...bound, ...Object.fromEntries(others) } };
}

/**
 * A client whose log is kept.
 * @param {any} options @param {(client: any, lines: string[][]) => Promise<unknown>} use
 */
async function said(options, use) {
  /** @type {string[][]} */
  const lines = [];
  const logger = (level, text) => lines.push([level, text]);
  let client;
  try {
    client = await createClient({ account: fresh("ada"), storage: { mode: "memory" }, logger, ...options });
    await use(client, lines);
  } catch (error) {
    if (error.name !== "PullcordError") throw error;
  } finally {
    await client?.close();
  }
  return lines;
}

/** Until it is so, or for long. */
async function until(holds) {
  for (let tries = 0; tries < 1500 && !holds(); tries += 1) await new Promise((resolve) => setTimeout(resolve, 20));
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 60));
const quiet = (promise) => Promise.resolve(promise).catch(() => {});

/** One line, and the same mistake made again says nothing more. */
async function once(mistake, options, gist, use) {
  const lines = await said(options, async (client, lines) => {
    await use(client);
    await until(() => lines.some(([, text]) => gist.test(text)));
    await use(client);
    await pause();
  });
  const found = lines.filter(([level, text]) => level === "warn" && gist.test(text));
  assert.equal(found.length, 1, `${mistake}: ${gist} in ${JSON.stringify(lines)}`);
  for (const [, text] of lines) assert.doesNotMatch(text, DEBUG_TEXT, mistake);
}

/** How Rust writes its values for its developers. */
const DEBUG_TEXT = /\bSome\(|\bNone\b|\bOk\(|\bErr\(|JsValue|\b[A-Z]\w+ \{ \w+: |Error\(/;

const nothing = async () => {};
const sync = (client) => quiet(client.sync());
const open = async (client) => {
  const timeline = client.timeline("talk");
  await quiet(timeline.loadOlder());
};

describe("options", { concurrency: true }, () => {
  /** @type {[string, object, RegExp][]} */
  const wrong = [
    ["misspelt", { pagesize: 20 }, /no option `pagesize`: is `pageSize` meant/],
    ["misspelt inside", { sync: { pollinterval: 1000 } }, /sync has no option `pollinterval`: is `pollInterval` meant/],
    ["in the wrong place", { pollInterval: 1000 }, /no option `pollInterval`: is `sync.pollInterval` meant/],
    ["unknown", { theme: "dark" }, /no option `theme`/],
    ["unknown inside", { storage: { quota: 5, mode: "memory" } }, /storage has no option `quota`/],
    ["of a wrong type", { pageSize: "30" }, /pageSize.*"30"/],
    ["out of range", { pageSize: 0 }, /pageSize.*0/],
    ["an object", { pageSize: { most: 3 } }, /pageSize: it is an object, expected an integer/],
    ["null", { pageSize: null }, /pageSize: it is null, expected an integer/],
    ["infinite", { pageSize: Infinity }, /pageSize: it is `Infinity`, expected an integer/],
    ["none that there is", { overflow: "reset" }, /overflow: it is `reset`, expected `clear` or `keep`/],
    ["a user who is not known yet", { account: `https://chat.example|${undefined}` }, /is the user known yet/],
    ["a client's in the transport's place", { transport: fetch }, /a Transport\), not a function/],
    ["a promise of a transport", { transport: Promise.resolve({}) }, /a Transport\), not a promise: await it/],
    ["the backend itself", { transport: { transport: () => {} } }, /not a backend: what its `transport/],
    [
      "another object",
      { transport: { a: 1, b: 2, c: 3, d: 4 } },
      /transport has no options `\w+`, `\w+`, `\w+` and \d+ more/,
    ],
    ["none of those that there are", { sync: { scope: "acount" } }, /sync.scope.*acount/],
    ["wrong together", { sync: { notify: "long-poll", scope: "mailbox" } }, /long-poll/],
    ["no account", { account: undefined }, /account is a text/],
    ["an empty account", { account: "" }, /account is a text that is not empty/],
    ["no transport", { transport: undefined }, /transport is \{ baseUrl, token \}/],
    [
      "another name for the address",
      { transport: { url: "https://chat.example", token: () => "t" } },
      /transport has no option `url`/,
    ],
    [
      "a token that is no function",
      { transport: { baseUrl: "https://chat.example", token: "t" } },
      /transport.token is a function/,
    ],
    [
      "a host without protocol",
      { transport: { baseUrl: "chat.example", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*chat\.example/,
    ],
    [
      "a host and port without protocol",
      { transport: { baseUrl: "localhost:3000", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*localhost:3000/,
    ],
    [
      "a WebSocket's address",
      { transport: { baseUrl: "wss://chat.example", token: () => "t" } },
      /begins with https:\/\/ or http:\/\/.*wss:/,
    ],
    [
      "an address with a query",
      { transport: { baseUrl: "http://127.0.0.1:9/?key=1", token: () => "t" } },
      /query or a hash/,
    ],
    [
      "an address with the version",
      { transport: { baseUrl: "http://127.0.0.1:9/v1", token: () => "t" } },
      /ends with \/v1/,
    ],
  ];
  for (const [what, options, gist] of wrong) {
    test(what, () => once(what, { transport: world().transport, ...options }, gist, nothing));
  }
});

/** What it answers, changed. @param {(answer: any, request: any) => any} change */
const answering = (change) => (method) => async (request, signal) => change(await method(request, signal), request);
/** Of the first message of a page. */
const first = (fields) =>
  answering(({ messages: [one, ...more], ...page }) => ({ ...page, messages: [{ ...one, ...fields }, ...more] }));
const json = (value) => new Response(JSON.stringify(value));

/** Events that a pull brings, after the first one. @param {(message: any, round: number) => any[]} make */
const bringing = (make) => (pull, way) => {
  let rounds = 0;
  return async (request, signal) => {
    const batch = await pull(request, signal);
    rounds += 1;
    if (rounds < 2) return batch;
    const { messages } = await way.history({ conversation: "talk", limit: 1, cursor: null }, signal);
    return { ...batch, cursor: `${batch.cursor}-${rounds}`, events: [...batch.events, ...make(messages[0], rounds)] };
  };
};

describe("a transport of one's own", { concurrency: true }, () => {
  /**
   * The mistake, the methods with it, the gist of the line, and what is done for it to show.
   * @type {[string, Record<string, (method: any, way: any) => any>, RegExp, ((client: any) => Promise<unknown>)?][]}
   */
  const wrong = [
    // ------------------------------------------------------------ no answer
    [
      "a page without return",
      { history: () => async () => {} },
      /^history\("talk"\): transport.history gave undefined: is a `return` missing/,
      open,
    ],
    [
      "a pull without return",
      { pull: () => async () => {} },
      /^pull: transport.pull gave undefined: is a `return` missing/,
      sync,
    ],
    [
      "a forgotten json()",
      { history: answering(json) },
      /^history\("talk"\): transport.history gave a Response: .*json\(\)/,
      open,
    ],
    [
      "a text",
      { pull: answering((answer) => JSON.stringify(answer)) },
      /^pull: transport.pull gave a text: .*JSON.parse/,
      sync,
    ],
    [
      "a generator",
      { pull: () => async function* () {} },
      /^pull: transport.pull gave a generator: .*without `\*`/,
      sync,
    ],
    [
      "what axios gives",
      { history: answering((data) => ({ data, status: 200, headers: {} })) },
      /^history\("talk"\): transport.history gave an answer with its headers: give its `data`/,
      open,
    ],
    ["null", { pull: () => async () => null }, /^pull: `cursor` should be a string, and is missing in null/, sync],
    [
      "a list",
      { conversations: answering(({ conversations }) => conversations) },
      /^conversations: `conversations` should be a list, and is missing in \[\{"id":"talk"/,
      sync,
    ],
    [
      "what JSON cannot carry",
      { pull: answering((answer) => ({ ...answer, events: answer.events, cursor: Symbol("x") })) },
      /^pull: `cursor` should be a string, and is missing; mend what transport.pull gives/,
      sync,
    ],
    [
      "a string is thrown",
      { pull: () => async () => Promise.reject("no session") },
      /^transport.pull failed, which counts as a network error: no session/,
      sync,
    ],
    [
      "what the server says, as axios throws it",
      { pull: () => async () => Promise.reject(Object.assign(new Error("no"), { response: { status: 401 } })) },
      /^transport.pull failed.*the server's 401 is understood where a PullcordError is thrown, of the code "unauthorized"/,
      sync,
    ],
    [
      "a Response is thrown",
      { history: () => async () => Promise.reject(new Response("", { status: 422 })) },
      /^transport.history failed.*PullcordError is thrown, of the code "rejected"/,
      open,
    ],
    [
      "a bug",
      { history: () => async () => /** @type {any} */ (undefined).messages },
      /^transport.history failed.*reading 'messages'.*lost its `this`/,
      open,
    ],
    [
      "an unbound method",
      {
        pull: () =>
          function () {
            return /** @type {any} */ (this).session.get();
          },
      },
      /^transport.pull failed.*lost its `this`/,
      sync,
    ],
    [
      "an unknown code",
      { pull: () => async () => Promise.reject(Object.assign(new Error("E_CONN"), { code: "E_CONN" })) },
      /^transport.pull failed.*E_CONN/,
      sync,
    ],

    // ------------------------------------------------------------ an answer's frame
    [
      "messages by another name",
      { history: answering(({ messages, ...page }) => ({ ...page, items: messages })) },
      /^history\("talk"\): `messages` should be a list, and is missing/,
      open,
    ],
    [
      "no hasMore",
      { pull: answering(({ hasMore: _, ...batch }) => batch) },
      /^pull: `hasMore` should be true or false, and is missing/,
      sync,
    ],
    [
      "hasMore is a text",
      { pull: answering((batch) => ({ ...batch, hasMore: "no" })) },
      /^pull: `hasMore` should be true or false, and is "no"/,
      sync,
    ],
    [
      "a cursor that is a number",
      { pull: answering((batch) => ({ ...batch, cursor: 7 })) },
      /^pull: `cursor` should be a string, and is 7/,
      sync,
    ],
    [
      "events that are an object",
      { pull: answering((batch) => ({ ...batch, events: { 0: {} } })) },
      /^pull: `events` should be a list, and is \{/,
      sync,
    ],
    [
      "no hasBefore",
      { history: answering(({ hasBefore: _, ...page }) => page) },
      /^history\("talk"\): `hasBefore` should be true or false, and is missing/,
      open,
    ],
    [
      "newest first",
      { history: answering((page) => ({ ...page, messages: page.messages.reverse() })) },
      /^history\("talk"\): messages have to ascend by seq: messages\[1\] has \d+, the one before it \d+/,
      open,
    ],
    [
      "a next that is a number",
      { conversations: answering((page) => ({ ...page, next: 3 })) },
      /^conversations: `next` should be a string, and is 3/,
      sync,
    ],
    [
      "a page that moves nothing",
      { history: () => async () => ({ messages: [], hasBefore: true, hasAfter: false }) },
      /^history\("talk"\): an empty page that claims that there is more/,
      open,
    ],
    [
      "a list without end",
      {
        conversations:
          () =>
          async ({ after }) => ({ conversations: [], next: `${Number(after ?? 0) + 1}` }),
      },
      /^conversations: .*without end/,
    ],

    // ------------------------------------------------------------ one item
    [
      "a position with a fraction",
      { history: first({ seq: 10.5 }) },
      /^history\("talk"\): messages\[0\].seq: no seq \(it is 10.5\); left out/,
      open,
    ],
    [
      "a position that lost its digits",
      { history: first({ seq: 2 ** 60 }) },
      /^transport.history: .*string or a bigint/,
      open,
    ],
    ["no id", { history: first({ id: undefined }) }, /^history\("talk"\): messages\[0\].id: no id; left out/, open],
    [
      "an id that is a number",
      { history: first({ id: 5 }) },
      /^history\("talk"\): messages\[0\].id: a number where an id is asked for \(it is 5\); put right here/,
      open,
    ],
    ["no sender", { history: first({ sender: null }) }, /messages\[0\].sender: no sender \(it is null\)/, open],
    [
      "a date that is a text",
      { history: first({ createdAt: "2026-11-29" }) },
      /messages\[0\].createdAt: no createdAt \(it is "2026-11-29"\)/,
      open,
    ],
    [
      "a time in seconds",
      { history: first({ createdAt: 1_764_500_000 }) },
      /^transport.history: createdAt is in milliseconds.*looks like seconds/,
      open,
    ],
    [
      "a message without body",
      { history: first({ body: undefined, text: "hi" }) },
      /^transport.history: a message has no `body`/,
      open,
    ],
    ["no version", { history: first({ version: undefined }) }, /messages\[0\].version: no version/, open],
    [
      "a state of one's own",
      { history: first({ state: "deleted" }) },
      /messages\[0\].state: a state that is not known \(it is "deleted"\)/,
      open,
    ],
    [
      "another conversation's message",
      { history: first({ conversation: "other" }) },
      /messages\[0\].conversation: of another conversation than its answer \(it is "other"\)/,
      open,
    ],
    [
      "two messages at one position",
      {
        history: answering((page) => ({
          ...page,
          messages: page.messages.map((one, at) => (at === 1 ? { ...one, seq: page.messages[0].seq } : one)),
        })),
      },
      /^history\("talk"\): .*two messages at one position/,
      open,
    ],
    [
      "a message that is an id",
      { history: answering((page) => ({ ...page, messages: page.messages.map(({ id }) => id) })) },
      /^history\("talk"\): messages\[0\]: no id \(it is "/,
      open,
    ],
    [
      "a conversation without id",
      { conversations: answering((page) => ({ ...page, conversations: [{ name: "Talk" }] })) },
      /^conversations: conversations\[0\].id: no conversation/,
      sync,
    ],
    [
      "an unread that is a text",
      {
        conversations: answering((page) => ({
          ...page,
          conversations: page.conversations.map((one) => ({ ...one, unread: "many" })),
        })),
      },
      /^conversations\("talk"\): conversations\[0\].unread: an unread that cannot be read \(it is "many"\)/,
      sync,
    ],
    [
      "a lastMessage that is a text",
      {
        conversations: answering((page) => ({
          ...page,
          conversations: page.conversations.map((one) => ({ ...one, lastMessage: "hi" })),
        })),
      },
      /conversations\[0\].lastMessage: a lastMessage that cannot be read \(it is "hi"\)/,
      sync,
    ],
    [
      "an event without type",
      { pull: bringing((message) => [{ message }]) },
      /^pull\("talk"\): events\[\d+\].type: an event without type; left out/,
      sync,
    ],
    [
      "an event of a misspelt type",
      { pull: bringing((message) => [{ type: "mesage", message }]) },
      /events of the type "mesage" are left out: is "message" meant/,
      sync,
    ],
    [
      "an event's message lacks its position",
      { pull: bringing((message) => [{ type: "message", message: { ...message, seq: "x1" } }]) },
      /^pull\("talk"\): events\[\d+\].message.seq: no seq \(it is "x1"\); left out/,
      sync,
    ],
    [
      "an update without version",
      { pull: bringing(({ version: _, ...message }) => [{ type: "update", message }]) },
      /events\[\d+\].message.version: an update without version/,
      sync,
    ],
    [
      "an update with the same version",
      { pull: bringing((message) => [{ type: "update", message: { ...message, body: { text: "edited" } } }]) },
      /^pull\("talk"\): message.version: an update with the version that is here already \(it is 1\); left out/,
      async (client) => {
        await open(client);
        await sync(client);
      },
    ],
    [
      "no conversation events",
      {
        pull: bringing((message, rounds) => [
          { type: "message", message: { ...message, id: `n${rounds}`, seq: 1000 + rounds } },
        ]),
      },
      /^pull\("talk"\): new messages came, and no `conversation` event/,
      async (client) => {
        for (let i = 0; i < 3; i += 1) await sync(client);
      },
    ],

    // ------------------------------------------------------------ sending
    [
      "a send without return",
      {
        send:
          (send) =>
          async (...given) =>
            void (await send(...given)),
      },
      /^transport.send gave undefined: is a `return` missing/,
      (client) => client.send("talk", { text: "hi" }),
    ],
    [
      "a send that answers something else",
      { send: answering(() => ({ ok: true })) },
      /^send\("talk"\): message.id: no id/,
      (client) => client.send("talk", { text: "hi" }),
    ],
    [
      "a send that is refused",
      {
        send: () => async () => {
          throw Object.assign(new Error("too long"), { name: "PullcordError", code: "rejected", status: 422 });
        },
      },
      /^send\("talk"\): too long/,
      (client) => client.send("talk", { text: "hi" }),
    ],
    [
      "an edit that does not raise the version",
      { edit: answering((message) => ({ ...message, version: 1 })) },
      /^send\("talk"\): message.version: an update with the version that is here already/,
      async (client) => {
        const timeline = client.timeline("talk");
        await timeline.loadOlder();
        await quiet(timeline.edit(timeline.getSnapshot().items.at(-1).message.id, { text: "edited" }));
      },
    ],
    [
      "a method of another name",
      { markread: () => async () => {}, markRead: () => undefined },
      /transport.markread is never called: is `markRead` meant/,
    ],
    ["a method that is missing", { history: () => undefined }, /transport.history is missing/],
  ];
  for (const [what, replaced, gist, use = nothing] of wrong)
    test(what, () => once(what, { transport: world(replaced).transport, sync: { notify: "poll" } }, gist, use));
});

/**
 * A server that answers each request so.
 * @param {import("node:http").RequestListener} answer
 * @param {(baseUrl: string) => unknown} use
 */
async function serving(answer, use) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  try {
    await use(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const status =
  (code, text = "", headers = {}) =>
  (_, response) =>
    response.writeHead(code, headers).end(text);
const poll = { sync: { notify: "poll" } };

describe("a server", { concurrency: true }, () => {
  /** @type {[string, Parameters<typeof serving>[0], RegExp][]} */
  const wrong = [
    [
      "404 at every request",
      status(404),
      /^pull: the server answered with status 404 at http:\/\/127.0.0.1:\d+\/v1\/sync; is baseUrl right\? \/v1\/… is asked for below it/,
    ],
    ["401", status(401), /^pull: .*status 401.*; what does token\(\) give/],
    ["403", status(403), /^pull: .*status 403.*; this account may not/],
    ["405", status(405), /^pull: .*status 405.*; is baseUrl right/],
    [
      "422, with its reason",
      status(422, '{"error":{"code":"rejected","message":"no such device"}}'),
      /^pull: no such device/,
    ],
    ["429", status(429, "", { "retry-after": "1" }), /^pull: .*status 429.*; ask less often/],
    ["500", status(500, "<h1>Oops</h1>"), /^pull: .*status 500.*; the server's own log says why/],
    [
      "a web page",
      status(200, "<!doctype html><title>App</title>"),
      /^pull: what answered is not the server.*\/v1\/sync begins with <!doctype html>/,
    ],
    [
      "another API",
      status(200, '{"data":[]}', { "content-type": "application/json" }),
      /^pull: `cursor` should be a string, and is missing; mend the server's answer/,
    ],
    [
      "a redirect to nowhere",
      status(302, "", { location: "http://127.0.0.1:9/sign-in" }),
      /^pull: the server could not be reached/,
    ],
    [
      "an answer that breaks off",
      (_, response) => {
        response.writeHead(200, { "content-length": 100 });
        response.write('{"events":[', () => response.destroy());
      },
      /^pull: the answer broke off: /,
    ],
  ];
  for (const [what, answer, gist] of wrong)
    test(what, () =>
      serving(answer, (baseUrl) =>
        once(what, { ...poll, transport: { baseUrl, token: () => "t" } }, gist, async (client) => {
          await sync(client);
          assert.notEqual(client.status.getSnapshot().connection, "online", "nothing has come of it");
          assert.notEqual(client.status.getSnapshot().error, null);
        }),
      ),
    );

  test("nothing is there", () =>
    serving(status(200), (baseUrl) => baseUrl).then(() =>
      once(
        "nothing is there",
        { ...poll, transport: { baseUrl: "http://127.0.0.1:9", token: () => "t" } },
        /^pull: the server could not be reached.*; does a server run at http:\/\/127.0.0.1:9\/\?$/,
        sync,
      ),
    ));

  test("it never answers", () =>
    serving(
      () => {},
      (baseUrl) =>
        once(
          "silence",
          { ...poll, transport: { baseUrl, token: () => "t", timeout: 300 } },
          /^pull: the server did not answer in time/,
          sync,
        ),
    ));
});

describe("a token", { concurrency: true }, () => {
  /** @type {[string, () => any, RegExp][]} */
  const wrong = [
    ["undefined", () => undefined, /^pull: the token provider gave no string/],
    ["an object", async () => ({ token: "t" }), /^pull: the token provider gave no string/],
    ["empty", () => "", /^pull: the token provider gave an empty token/],
    ["with a line break", () => "t\n", /^pull: the token has characters that an HTTP header cannot carry/],
    [
      "that throws",
      () => {
        throw new Error("no session");
      },
      /^pull: the token provider failed: no session/,
    ],
    ["that never comes", () => new Promise(() => {}), /^pull: the token provider did not answer in time/],
  ];
  for (const [what, token, gist] of wrong)
    test(what, () =>
      serving(status(404), (baseUrl) =>
        once(what, { ...poll, transport: { baseUrl, token, timeout: 300 } }, gist, sync),
      ),
    );
});

describe("calls", { concurrency: true }, () => {
  const cyclic = {};
  cyclic.self = cyclic;
  const timeline = (use) => async (client) => {
    const one = client.timeline("talk");
    await one.loadOlder();
    await quiet(use(one));
  };
  /** @type {[string, (client: any) => any, RegExp, object?][]} */
  const wrong = [
    [
      "a body that is undefined",
      (client) => quiet(client.send("talk", undefined)),
      /^send: body is no JSON: undefined/,
    ],
    ["a body that is cyclic", (client) => quiet(client.send("talk", cyclic)), /^send: body is no JSON: .*circular/],
    ["a body with a bigint", (client) => quiet(client.send("talk", { n: 1n })), /^send: body is no JSON: .*BigInt/],
    ["a body that is a form", (client) => client.send("talk", new FormData()), /^body is a FormData, of which JSON/],
    [
      "a body with a file",
      (client) => client.send("talk", { file: new Blob(["x"]) }),
      /^body: `file` is a Blob, of which JSON keeps nothing/,
    ],
    ["a row's key", (client) => quiet(client.retry("c:1")), /^retry: "c:1" looks like a row's key/],
    ["a message's key", (client) => client.discard("m:1"), /^discard: "m:1" looks like a row's key/],
    [
      "a body that is too large",
      (client) => quiet(client.send("talk", "x".repeat(5 << 20))),
      /^send: body: JSON of at most/,
    ],
    [
      "a conversation without name",
      (client) => quiet(client.send("", {})),
      /^send: conversation is a text that is not empty/,
    ],
    [
      "a position that is none",
      (client) => quiet(client.markRead("talk", "latest")),
      /^markRead: a position is an unsigned 64-bit integer/,
    ],
    [
      "an unknown option of send",
      (client) => quiet(client.send("talk", {}, { clientID: "x" })),
      /^send has no option `clientID`: is `clientId` meant/,
    ],
    [
      "an unknown option of a list",
      async (client) => client.timeline("talk", { pagesize: 9 }),
      /^timeline has no option `pagesize`: is `pageSize` meant/,
    ],
    [
      "an unknown option of a page",
      timeline((one) => one.loadOlder({ limits: 3 })),
      /^loadOlder has no option `limits`: is `limit` meant/,
    ],
    ["a page of none", timeline((one) => one.loadOlder({ limit: 0 })), /^loadOlder: limit: .*0.*integer from 1/],
    ["a place that is none", timeline((one) => one.jump("lates")), /^jump: to is "latest"/],
    ["a message without name", timeline((one) => one.edit(undefined, {})), /^edit: messageId is a text/],
    [
      "what the transport cannot do",
      (client) => quiet(client.send("talk", {})),
      /^send: the transport has no method send/,
      { send: () => undefined },
    ],
    [
      "a client that is closed",
      async (client) => {
        await client.close();
        await quiet(client.send("talk", {}));
      },
      /^send was called on a client that is closed/,
    ],
  ];
  for (const [what, use, gist, replaced] of wrong)
    test(what, () => once(what, { transport: world(replaced).transport }, gist, use));
});

test("what cannot be loaded or kept", async () => {
  await once(
    "no IndexedDB",
    { storage: { mode: "auto" }, transport: world().transport },
    /^the database: the data is kept in memory/,
    nothing,
  );
  const noWorker = () => {
    throw new Error("no such file");
  };
  await once(
    "no worker",
    { worker: noWorker, transport: world().transport },
    /^the core runs in the page, and not in a worker: no such file/,
    nothing,
  );
  const other = await import(`${pathToFileURL(join(folder, "index.js")).href}?again`);
  /** @type {string[]} */
  const lines = [];
  const logger = (_, text) => lines.push(text);
  await assert.rejects(
    other.createClient({ account: "a", transport: world().transport, wasm: "file:///nowhere.wasm", logger }),
  );
  assert.deepEqual(lines.length, 1);
  assert.match(lines[0], /^the client ends: cannot read file:\/\/\/nowhere.wasm \(esbuild .*\): /);

  // jsdom in Jest
  const { TextDecoder } = globalThis;
  Reflect.deleteProperty(globalThis, "TextDecoder");
  try {
    const { createClient } = await import(`${pathToFileURL(join(folder, "index.js")).href}?jsdom`);
    const transport = world().transport;
    await assert.rejects(createClient({ account: "a", transport, logger }), { code: "unsupported" });
    assert.match(lines[1], /^the client ends: TextDecoder is missing here, as in Jest's jsdom: /);
  } finally {
    globalThis.TextDecoder = TextDecoder;
  }
});

test("a log that is none is told to the console", async () => {
  /** @type {string[]} */
  const lines = [];
  const { warn } = console;
  console.warn = (text) => lines.push(text);
  try {
    for (const wrong of [{ logger: console }, { logLevel: "verbose" }])
      await assert.rejects(createClient({ account: "a", transport: world().transport, ...wrong }), { code: "invalid" });
  } finally {
    console.warn = warn;
  }
  assert.deepEqual(lines, [
    "pullcord: createClient: logger is a function, not object",
    "pullcord: createClient: logLevel is one of debug, info, warn, error, silent, not verbose",
  ]);
});

test("two clients of one account that differ in their scope", async () => {
  const account = fresh("ada");
  const { transport } = world();
  const lines = await said({ account, transport }, async (_, lines) => {
    await said({ account, transport, sync: { scope: "conversation" } }, () => until(() => lines.length));
  });
  assert.equal(lines.length, 1);
  assert.match(lines[0][1], /^the client ends: .*scope/);
});

test("it is said again after it has changed, and after it went well", async () => {
  let wrong = /** @type {any} */ (null);
  const { transport } = world({
    edit:
      (edit) =>
      async (...given) => {
        if (wrong) throw wrong;
        return edit(...given);
      },
  });
  const error = (code) => Object.assign(new Error(`it is ${code}`), { name: "PullcordError", code });
  const lines = await said({ transport, ...poll }, async (client) => {
    const timeline = client.timeline("talk");
    await timeline.loadOlder();
    const { id } = timeline.getSnapshot().items.at(-1).message;
    for (const now of [error("rejected"), error("rejected"), error("forbidden"), null, error("rejected")]) {
      wrong = now;
      await quiet(timeline.edit(id, { text: "edited" }));
    }
  });
  assert.deepEqual(
    lines.map(([, text]) => text),
    ["rejected", "forbidden", "rejected"].map((code) => `edit("talk"): it is ${code}`),
  );
});

test("where all is well nothing is said", async () => {
  for (const scope of ["account", "conversation", "mailbox"]) {
    const { backend, transport } = world();
    const lines = await said({ transport, sync: { scope } }, async (client) => {
      const timeline = client.timeline("talk");
      const stop = timeline.subscribe(() => {});
      await timeline.loadOlder();
      await timeline.jump({ around: 5 });
      await timeline.jump("latest");
      await timeline.send({ text: "hello" });
      await client.sync();
      await until(() => client.outbox.getSnapshot().length === 0);
      const { message } = timeline.getSnapshot().items.at(-1);
      await timeline.edit(message.id, { text: "edited" });
      await backend.post("talk", "an answer", "bob");
      await client.sync();
      await timeline.markRead();
      await timeline.recall(message.id);
      await client.sync();
      stop();
    });
    assert.deepEqual(lines, [], scope);
  }
});

test("each request and each commit is told to who wants to know", async () => {
  const lines = await said({ transport: world().transport, ...poll, logLevel: "debug" }, async (client) => {
    await client.sync();
    await client.timeline("talk").loadOlder();
  });
  const has = (level, gist) =>
    assert.ok(
      lines.some(([l, text]) => l === level && gist.test(text)),
      `${gist} in ${JSON.stringify(lines)}`,
    );
  has("debug", /^pull : \d+ bytes after \d+ ms/);
  has("debug", /^history talk: \d+ bytes after \d+ ms/);
  has("debug", /^commit, records: \d+$/);
  has("info", /^connection: online$/);
  has("info", /^writer: here$/);
});
