// What is wrong with a backend's answers: each mistake once, of a transport of an app's own and of a server, on the
// packed package in Node, and the one line of the log that says so.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  PullcordError,
  nothing,
  once,
  open,
  pause,
  poll,
  quiet,
  said,
  serving,
  status,
  sync,
  until,
  world,
} from "./support/mistakes.mjs";

/** What it answers, changed. @param {(answer: any, request: any) => any} change */
const answering = (change) => (method) => async (request, signal) => change(await method(request, signal), request);
/** Of the first message of a page. */
const first = (fields) =>
  answering(({ messages: [one, ...more], ...page }) => ({ ...page, messages: [{ ...one, ...fields }, ...more] }));
/** Changes the newest message by what the list does. @param {(timeline: any, id: string) => Promise<any>} act */
const change = (act) => async (client) => {
  const timeline = client.timeline("talk");
  await timeline.loadOlder();
  await quiet(act(timeline, timeline.getSnapshot().items.at(-1).message.id));
};
/** Opens it, and syncs for longer than a server has to make its events. */
const longer = async (client) => {
  await open(client);
  for (let seconds = 0; seconds < 13; seconds += 1) {
    await sync(client);
    await pause(1000);
  }
};
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
      "a page that does not look at before",
      { history: (history) => (request, signal) => history({ ...request, before: undefined }, signal) },
      /^history\("talk"\): message ".+": a message that is not older than `before`; left out/,
      open,
    ],
    [
      "a page that does not look at before: what it comes to",
      { history: (history) => (request, signal) => history({ ...request, before: undefined }, signal) },
      /^history\("talk"\): a page with nothing on the side of `before` or `after` that was asked for/,
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
      /^pull: `cursor` should be a string, and is missing: it has .*; mend what transport.pull gives/,
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
      "a page of the list without `next`",
      { conversations: answering(({ conversations }) => ({ conversations, hasMore: true })) },
      /^transport.conversations gave a page that is hardly the last one, without `next`: the list ends there/,
      sync,
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
      /^history\("talk"\): messages\[0\].createdAt: createdAt is in milliseconds.*looks like seconds \(it is 1764500000\)$/,
      open,
    ],
    [
      "a time in microseconds",
      { history: first({ createdAt: 1_764_500_000_000_000 }) },
      /^history\("talk"\): messages\[0\].createdAt: createdAt is in milliseconds.*this is finer, or a far future/,
      open,
    ],
    [
      "a message without body",
      { history: first({ body: undefined, text: "hi" }) },
      /^history\("talk"\): messages\[0\].body: a message has no `body`/,
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

    // ------------------------------------------------------------ one that contradicts another
    [
      "ids that are made in each page",
      {
        history: answering((page) => ({
          ...page,
          messages: page.messages.map((one, at) => ({ ...one, id: `${at}` })),
        })),
      },
      /^history\("talk"\): message.id: the id of a message at another position: .* \(it is "\d+"\)$/,
      async (client) => {
        await open(client);
        await open(client);
      },
    ],
    [
      "one clientId of all messages",
      {
        history: answering((page) => ({
          ...page,
          messages: page.messages.map((one) => ({ ...one, clientId: "web" })),
        })),
      },
      /^history\("talk"\): message.clientId: the clientId of a message at another position: .* \(it is "web"\)$/,
      open,
    ],
    [
      "an edit that moves its message",
      {
        pull: bringing((message, rounds) => [
          { type: "update", message: { ...message, seq: 1000 + rounds, version: rounds } },
        ]),
      },
      /^pull\("talk"\): message.id: the id of a message at another position/,
      async (client) => {
        await open(client);
        await sync(client);
      },
    ],
    [
      "hasBefore that is never set",
      {
        history: answering((page) => ({ ...page, hasBefore: false })),
        pull: bringing((message) => [{ type: "update", message: { ...message, id: "talk-3", seq: 3, version: 2 } }]),
      },
      /^pull\("talk"\): message.seq: a message that is known of and has never come: are `hasBefore` .* \(it is 3\)$/,
      longer,
    ],
    [
      "hasAfter that is never set",
      { history: answering((page) => ({ ...page, hasAfter: false })) },
      /^pull\("talk"\): message.seq: a message that is known of and has never come: are `hasBefore` .* \(it is 40\)$/,
      async (client) => {
        await sync(client);
        await quiet(client.timeline("talk", { start: { around: 10 }, pageSize: 9 }).loadOlder());
        await longer(client);
      },
    ],
    [
      "a conversation's event alone",
      {
        pull: bringing((message) => [
          {
            type: "conversation",
            conversation: { id: "talk", lastSeq: 1000, lastMessage: { ...message, id: "new", seq: 1000 } },
          },
        ]),
      },
      /^pull\("talk"\): message.seq: a message that is known of and has never come: .* \(it is 1000\)$/,
      longer,
    ],
    [
      "a send that its sender is not told of",
      {
        send:
          () =>
          async ({ conversation, clientId, body }) => ({
            ...{ id: "new", conversation, clientId, body, seq: 1000, sender: "ada" },
            ...{ createdAt: Date.now(), version: 1, state: "normal" },
          }),
      },
      /^pull\("talk"\): message.seq: a message that is known of and has never come: .* for its sender too\? \(it is 1000\)$/,
      async (client) => {
        await open(client);
        await client.send("talk", { text: "hi" });
        await longer(client);
      },
    ],
    [
      "a prev that is always null",
      {
        pull: bringing((message, rounds) => [
          { type: "message", prev: null, message: { ...message, id: `n${rounds}`, seq: 1000 + rounds } },
        ]),
      },
      /^pull\("talk"\): prev: null says that nothing is before the message, and there is/,
      async (client) => {
        await open(client);
        await sync(client);
      },
    ],
    [
      "a prev that is the message itself",
      { pull: bringing((message) => [{ type: "message", prev: message.seq, message }]) },
      /^pull\("talk"\): events\[\d+\].prev: a prev that is not before its message/,
      sync,
    ],
    [
      "a page that does not look at around",
      { history: (history) => (request, signal) => history({ ...request, around: undefined }, signal) },
      /^history\("talk"\): messages: a page whose messages are all on one side of what was asked for/,
      (client) => quiet(client.timeline("talk", { start: { around: 3 }, pageSize: 9 }).loadNewer()),
    ],
    [
      "a page that does not look at at",
      { history: (history) => (request, signal) => history({ ...request, at: undefined }, signal) },
      /^history\("talk"\): messages: a page whose messages are all on one side of what was asked for/,
      (client) => quiet(client.timeline("talk", { pageSize: 9 }).jump({ at: 1 })),
    ],
    [
      "an edit that answers the message as it was",
      { edit: answering((message) => ({ ...message, state: "normal" })) },
      /^edit\("talk"\): the message that it is answered with: its `state` is not "edited"/,
      change((timeline, id) => timeline.edit(id, { text: "edited" })),
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
      "a send that forgets the clientId",
      { send: answering(({ clientId: _, ...message }) => message) },
      /^send\("talk"\): the message that it is answered with: its `clientId` is not that of the message that was sent/,
      (client) => client.send("talk", { text: "hi" }),
    ],
    [
      "a recall that recalls nothing",
      { recall: answering((message) => ({ ...message, state: "normal", body: { text: "still here" } })) },
      /^recall\("talk"\): the message that it is answered with: its `state` is not "recalled"/,
      change((timeline, id) => timeline.recall(id)),
    ],
    [
      "an event of a type of one's own",
      { pull: bringing((message) => [{ type: "edit", message }]) },
      /^events of the type "edit" are left out: the types are message, update, conversation, removed, trim/,
      async (client) => {
        await sync(client);
        await sync(client);
      },
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
      /^edit\("talk"\): message.version: an update with the version that is here already/,
      change((timeline, id) => timeline.edit(id, { text: "edited" })),
    ],
    [
      "an edit that answers something else",
      { edit: answering(() => ({ ok: true })) },
      /^edit\("talk"\): message.id: no id/,
      change((timeline, id) => timeline.edit(id, { text: "edited" })),
    ],
    [
      "a recall that does not raise the version",
      { recall: answering((message) => ({ ...message, version: 1 })) },
      /^recall\("talk"\): message.version: an update with the version that is here already/,
      change((timeline, id) => timeline.recall(id)),
    ],
    [
      "a recall without sender",
      { recall: answering(({ sender: _, ...message }) => message) },
      /^recall\("talk"\): message.sender: no sender/,
      change((timeline, id) => timeline.recall(id)),
    ],
    [
      "a method of another name",
      { markread: () => async () => {}, markRead: () => undefined },
      /transport.markread is never called: is `markRead` meant/,
    ],
    [
      "a listen that gives what ends it",
      {
        listen: () => (sink) => {
          sink.ready();
          return () => {};
        },
      },
      /^transport.listen gave a function, which nobody calls: .*second argument, aborts/,
    ],
    [
      "a listen that is a generator",
      { listen: () => async function* () {} },
      /^transport.listen gave a generator, of which nothing runs/,
    ],
    [
      "a code that there is not",
      { pull: () => async () => Promise.reject(new PullcordError("network-error", "no")) },
      /^transport.pull failed.*: no \(its code is "network-error", which is no ErrorCode\)/,
      sync,
    ],
    ["a method that is missing", { history: () => undefined }, /transport.history is missing/],
    [
      "a time in place of a wait",
      { pull: () => async () => Promise.reject(new PullcordError("network", "busy", { retryAfter: Date.now() })) },
      /^transport.pull failed with a retryAfter of \d+: it is in milliseconds, and that is over two hours; 10 minutes/,
      sync,
    ],
    [
      "a time in place of a spread",
      {
        listen: () => (sink) => {
          sink.ready();
          sink.notify(Date.now());
        },
      },
      /^transport.listen: sink.notify takes ms over which clients spread their pulls, and \d+ is over two hours/,
    ],
  ];
  for (const [what, replaced, gist, use = nothing] of wrong) {
    const notify = "listen" in replaced ? "socket" : "poll";
    test(what, () => once(what, { transport: world(replaced).transport, sync: { notify } }, gist, use));
  }
});

test("a server that does not wait as a long poll asks it to", async () => {
  /** @type {[string, (answer: any) => any, RegExp][]} */
  const ways = [
    ["answers at once", (answer) => answer, /was answered at once, with nothing, 3 times in a row: hold it/],
    [
      "refuses",
      () => Promise.reject(new PullcordError("rejected", "no such parameter")),
      /was refused at once \(rejected: no such parameter\), 3 times in a row: hold it/,
    ],
  ];
  for (const [what, waited, gist] of ways) {
    const { transport } = world({
      pull: (pull) => async (asked, signal) => {
        const answer = await pull({ ...asked, wait: undefined }, signal);
        return asked.wait ? waited(answer) : answer;
      },
    });
    const options = { transport, sync: { notify: "long-poll", fallbackPollInterval: 100 } };
    await once(what, options, gist, nothing);
  }
});

test("what is given in place of a message is told, and not what it lacks as well", async () => {
  for (const given of [undefined, "m1", new Response("{}")]) {
    const { transport } = world({ send: () => async () => given });
    const lines = await said({ transport, ...poll }, async (client, lines) => {
      await client.send("talk", { text: "hi" });
      await until(() => lines.length);
      await pause();
    });
    const [, ...more] = lines.filter(([level, text]) => level === "warn" && /send/.test(text));
    assert.deepEqual(more, []);
  }
});

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
    [
      "400, with a reason of its own",
      status(400, '{"message":"limit is too large"}'),
      /^pull: .*status 400 at .*: \{"message":"limit is too large"\}/,
    ],
    [
      "JSON that breaks off",
      status(200, '{"events":['),
      /^pull: the answer broke off: http:.*\/v1\/sync begins with \{"events":\[/,
    ],
    ["429", status(429, "", { "retry-after": "1" }), /^pull: .*status 429.*; ask less often/],
    [
      "Retry-After in ms",
      status(429, "", { "retry-after": "30000" }),
      /^transport.baseUrl's server answered with Retry-After: 30000, in seconds, and that is over two hours; is it in mi/,
    ],
    ["500", status(500, "<h1>Oops</h1>"), /^pull: .*status 500.*; the server's own log says why/],
    [
      "a web page",
      status(200, "<!doctype html><title>App</title>"),
      /^pull: what answered is not the server.*\/v1\/sync begins with <!doctype html>/,
    ],
    [
      "another API",
      status(200, '{"data":[]}', { "content-type": "application/json" }),
      /^pull: `cursor` should be a string, and is missing: it has "data"; mend the server's answer/,
    ],
    [
      "an error with a status of success",
      status(200, '{"error":"no session"}'),
      /^pull: .* is missing: it has "error";/,
    ],
    ["204", status(204), /^pull: the answer is empty, as with status 204: no batch; mend the server's answer/],
    ["nothing", status(200), /^pull: what answered is not the server.*\/v1\/sync gives an empty answer/],
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

  /** What goes on all the same: the first pull, and each later one; and where the line is. */
  const event = JSON.stringify({
    type: "message",
    prev: null,
    message: {
      id: "m",
      conversation: "talk",
      seq: 1,
      sender: "bob",
      version: 1,
      state: "normal",
      createdAt: 1764500000,
    },
  });
  const pulled = (rest, events = "") => `{"events":[${events}],"hasMore":false,${rest}}`;
  /** @type {[string, (pulls: number) => string, RegExp][]} */
  const odd = [
    [
      "a time in seconds, from a server",
      (pulls) => pulled(`"cursor":"${pulls}"`, event),
      /^pull\("talk"\): events\[0\].message.createdAt: createdAt is in milliseconds.*looks like seconds \(it is 1764500000\)$/,
    ],
    [
      "no body, from a server",
      (pulls) => pulled(`"cursor":"${pulls}"`, event),
      /^pull\("talk"\): events\[0\].message.body: a message has no `body`: what it says belongs in there$/,
    ],
    [
      "a cursor that does not move",
      () => pulled('"cursor":"1"', event),
      /^pull: events came with the cursor that was asked with: they come again at each pull/,
    ],
    [
      "an overflow at each pull",
      (pulls) => pulled(`"cursor":"${pulls}","overflow":"all"`),
      /^pull: 3 pulls in a row brought an overflow/,
    ],
  ];
  for (const [what, pull, gist] of odd) {
    let pulls = 0;
    const answer = (request, response) => {
      // plainly, or by /v1/call
      if (!/\/v1\/sync/.test(request.url))
        return response.end(request.method === "GET" ? '{"conversations":[]}' : undefined);
      pulls += 1;
      return response.end(pull(pulls));
    };
    test(what, () =>
      serving(answer, (baseUrl) =>
        once(what, { ...poll, transport: { baseUrl, token: () => "t" } }, gist, async (client) => {
          for (let i = 0; i < 4; i += 1) await client.sync();
        }),
      ),
    );
  }

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
