// The backend in memory as a Transport: what docs/protocol.md asks of any.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryBackend } from "../../pkg-template/testing.js";

const { signal } = new AbortController();

/** A backend with this many messages of Mara's in "talk", and Ann's way to it. @returns {any} */
function world(count = 0, options = {}) {
  let time = 0;
  const messages = Array.from({ length: count }, (_, i) => ({
    conversation: "talk",
    sender: "mara",
    text: `message ${i + 1}`,
    createdAt: 1000 * (i + 1),
  }));
  const backend = memoryBackend({
    conversations: [{ id: "talk", members: ["ann", "bob"], meta: { title: "Talk" } }],
    messages,
    now: () => {
      time += 1;
      return time;
    },
    ...options,
  });
  return { backend, ann: backend.transport("ann"), bob: backend.transport("bob") };
}

const seqs = ({ messages }) => messages.map(({ seq }) => Number(seq));
const refused = (promise) =>
  promise.then(
    () => "none",
    (error) => error.code,
  );

/** Everything after the cursor, in pulls of `limit` events. */
async function chain(transport, cursor, limit = 1) {
  const events = [];
  for (;;) {
    const batch = await transport.pull({ cursor, limit }, signal);
    assert.equal(batch.overflow, undefined);
    events.push(...batch.events);
    cursor = batch.cursor;
    if (!batch.hasMore) return { events, cursor };
  }
}

test("a chain of pulls gives each event once, in order, however small its batches are", async () => {
  const { backend, ann } = world();
  const { cursor, overflow } = await ann.pull({ cursor: null, limit: 10 }, signal);
  assert.equal(overflow, "all");
  for (const text of ["a", "b", "c"]) await backend.post("talk", text);
  const wanted = (await chain(ann, cursor, 100)).events;
  assert.deepEqual(
    wanted.filter(({ type }) => type === "message").map(({ message, prev }) => [message.body.text, prev]),
    [
      ["a", null],
      ["b", 1],
      ["c", 2],
    ],
  );
  assert.deepEqual((await chain(ann, cursor, 1)).events, wanted);
  assert.deepEqual((await chain(ann, cursor, 2)).events, wanted);
});

test("cursors count commits: a position that is committed late is in a later batch", async () => {
  const { backend, ann } = world(2);
  const { cursor } = await ann.pull({ cursor: null, limit: 10 }, signal);
  const late = await backend.begin("talk", "late");
  await backend.post("talk", "early");
  const first = await chain(ann, cursor);
  assert.deepEqual(seqs(await ann.history({ conversation: "talk", limit: 10 }, signal)), [1, 2, 4]);
  await late.commit();
  const second = await chain(ann, first.cursor);
  assert.deepEqual(
    [first, second].map(({ events }) => events.find(({ type }) => type === "message").message.seq),
    [4, 3],
  );
  assert.deepEqual(seqs(await ann.history({ conversation: "talk", limit: 10 }, signal)), [1, 2, 3, 4]);
});

test("a cursor of another backend, or one that is too far behind, is answered with an overflow", async () => {
  const { backend, ann } = world(0, { overflowAfter: 4 });
  const { cursor } = await ann.pull({ cursor: null, limit: 10 }, signal);
  const pull = async (cursor) => (await ann.pull({ cursor, limit: 10 }, signal)).overflow;
  assert.equal(await pull(cursor), undefined);
  assert.equal(await pull((await world().ann.pull({ cursor: null, limit: 1 }, signal)).cursor), "all");
  assert.equal(await pull("nonsense"), "all");
  for (const text of ["a", "b", "c"]) await backend.post("talk", text);
  assert.equal(await pull(cursor), "all");
});

test("an overflow of one conversation stands before the events of its batch, and after those of before it", async () => {
  const { backend, ann } = world();
  const { cursor } = await ann.pull({ cursor: null, limit: 10 }, signal);
  await backend.post("talk", "a");
  await backend.overflow("ann", ["talk"]);
  await backend.post("talk", "b");
  const before = await ann.pull({ cursor, limit: 10 }, signal);
  assert.deepEqual([before.overflow, before.hasMore, before.events[0].message.body.text], [undefined, true, "a"]);
  const from = await ann.pull({ cursor: before.cursor, limit: 10 }, signal);
  assert.deepEqual([from.overflow, from.hasMore], [["talk"], false]);
  assert.deepEqual(
    from.events.map(({ type }) => type),
    ["conversation", "message", "conversation"],
  );
});

test("pages: the latest, before, after, around and at", async () => {
  const { ann } = world(20);
  const page = async (where) => {
    const page = await ann.history({ conversation: "talk", limit: 4, ...where }, signal);
    return [...seqs(page), page.hasBefore, page.hasAfter];
  };
  assert.deepEqual(await page({}), [17, 18, 19, 20, true, false]);
  assert.deepEqual(await page({ before: "17" }), [13, 14, 15, 16, true, true]);
  assert.deepEqual(await page({ before: "3" }), [1, 2, false, true]);
  assert.deepEqual(await page({ after: "16" }), [17, 18, 19, 20, true, false]);
  assert.deepEqual(await page({ after: "0" }), [1, 2, 3, 4, false, true]);
  assert.deepEqual(await page({ around: "10" }), [8, 9, 10, 11, true, true]);
  assert.deepEqual(await page({ around: "1" }), [1, 2, 3, 4, false, true]);
  assert.deepEqual(await page({ around: "99" }), [17, 18, 19, 20, true, false]);
  assert.deepEqual(await page({ at: 10_000 }), [8, 9, 10, 11, true, true]);
  assert.deepEqual(await page({ at: 99_000 }), [17, 18, 19, 20, true, false]);
});

test("the list is paged by its order, greatest sort first", async () => {
  const { backend, ann } = world();
  for (const id of ["b", "a", "c"]) await backend.conversation(id);
  await backend.post("talk", "newest");
  const ids = [];
  for (let after = null; ; ) {
    const { conversations, next } = await ann.conversations({ after, limit: 1 }, signal);
    ids.push(...conversations.map(({ id }) => id));
    if (next === null) break;
    after = next;
  }
  assert.deepEqual(ids, ["talk", "c", "a", "b"]);
});

test("a send is idempotent by its clientId, which its sender alone gets", async () => {
  const { backend, ann, bob } = world();
  const request = { conversation: "talk", clientId: "c1", body: { text: "hello", more: 1 } };
  const [sent, again] = [await ann.send(request, signal), await ann.send(request, signal)];
  assert.deepEqual(again, sent);
  // the same body in another order
  assert.deepEqual(await ann.send({ ...request, body: { more: 1, text: "hello" } }, signal), sent);
  assert.equal(await refused(ann.send({ ...request, body: { text: "other" } }, signal)), "rejected");
  assert.equal(backend.messages("talk").length, 1);
  const [seen] = (await bob.history({ conversation: "talk", limit: 10 }, signal)).messages;
  assert.deepEqual([sent.clientId, seen.clientId], ["c1", undefined]);
  // another account may use the same name
  await bob.send({ ...request, body: { text: "mine" } }, signal);
  assert.equal(backend.messages("talk").length, 2);
});

test("edits and recalls: by the sender alone, again without harm", async () => {
  const { ann, bob } = world();
  const { id } = await ann.send({ conversation: "talk", clientId: "c1", body: { text: "a" } }, signal);
  const request = { conversation: "talk", messageId: id, clientId: "e1", body: { text: "b" } };
  assert.equal((await ann.edit(request, signal)).version, 2);
  assert.equal((await ann.edit(request, signal)).version, 2);
  assert.equal(await refused(bob.edit(request, signal)), "forbidden");
  assert.equal(await refused(ann.edit({ ...request, messageId: "none" }, signal)), "not-found");
  const recalled = await ann.recall(request, signal);
  assert.deepEqual([recalled.state, recalled.body, recalled.version], ["recalled", null, 3]);
  assert.deepEqual(await ann.recall(request, signal), recalled);
  assert.equal(await refused(ann.edit({ ...request, clientId: "e2" }, signal)), "rejected");
});

test("what the server adds to a message is an update in the state that it has, and of two at once both count", async () => {
  const { backend, ann } = world(2);
  const { cursor } = await ann.pull({ cursor: null, limit: 10 }, signal);
  const liked = (who) => backend.update("talk", "talk-1", (body) => ({ ...body, likes: [...(body.likes ?? []), who] }));
  await Promise.all([liked("ann"), liked("bob")]);
  const { events } = await ann.pull({ cursor, limit: 10 }, signal);
  assert.deepEqual(
    events.map(({ type, message }) => [type, message.version, message.state, message.body]),
    [
      ["update", 2, "normal", { text: "message 1", likes: ["ann"] }],
      ["update", 3, "normal", { text: "message 1", likes: ["ann", "bob"] }],
    ],
  );
  assert.equal((await backend.update("talk", "talk-2", "other")).body.text, "other");
  await backend.recall("talk", "talk-1");
  assert.equal(await refused(liked("mara")), "rejected");
  assert.equal(await refused(backend.update("talk", "none", "other")), "not-found");
});

test("another meta is a conversation event to every member", async () => {
  const { backend, ann, bob } = world(1);
  const { cursor } = await bob.pull({ cursor: null, limit: 10 }, signal);
  await backend.meta("talk", (meta) => ({ ...meta, read: { ann: "1" } }));
  const { events } = await bob.pull({ cursor, limit: 10 }, signal);
  assert.deepEqual(
    events.map(({ type, conversation }) => [type, conversation.meta]),
    [["conversation", { title: "Talk", read: { ann: "1" } }]],
  );
  await backend.meta("talk", null);
  const { conversations } = await ann.conversations({ after: null, limit: 10, cursor: null }, signal);
  assert.equal(conversations[0].meta, null);
});

test("unread counts what others wrote after readSeq, which never goes back", async () => {
  const { backend, ann } = world(5);
  const state = async () => (await ann.conversations({ after: null, limit: 1 }, signal)).conversations[0];
  assert.equal((await state()).unread, 5);
  await ann.markRead({ conversation: "talk", seq: "3" }, signal);
  await ann.markRead({ conversation: "talk", seq: "1" }, signal);
  assert.deepEqual([(await state()).unread, (await state()).readSeq], [2, 3]);
  await backend.recall("talk", "talk-5");
  await ann.send({ conversation: "talk", clientId: "c", body: {} }, signal);
  assert.equal((await state()).unread, 1);
});

test("changes: what was committed or changed since a cursor, and gone where that is not known", async () => {
  const { backend, ann } = world(6);
  const { cursor: since } = await ann.pull({ cursor: null, limit: 1 }, signal);
  const changes = (more = {}) =>
    ann.changes({ conversation: "talk", since, cursor: null, from: "2", to: "5", limit: 10, ...more }, signal);
  await backend.edit("talk", "talk-4", "edited");
  await backend.edit("talk", "talk-6", "edited");
  await backend.recall("talk", "talk-2");
  assert.deepEqual(seqs(await changes()), [2, 4]);
  const first = await changes({ limit: 1 });
  assert.deepEqual([seqs(first), first.hasMore], [[2], true]);
  assert.equal(await changes({ since: "nonsense" }), "gone");
  await backend.trim("talk", "2");
  assert.deepEqual(seqs(await changes()), [2, 4]);
  await backend.trim("talk", "3");
  assert.equal(await changes(), "gone");
  const { cursor } = await ann.pull({ cursor: null, limit: 1 }, signal);
  assert.notEqual(await changes({ since: cursor }), "gone");
  await backend.forgetLog("ann");
  assert.equal(await changes({ since: cursor }), "gone");
});

test("scope conversation: a cursor each; what none names comes with an overflow, what was left as removed", async () => {
  const { backend, ann } = world();
  await backend.conversation("other");
  const pull = (cursors, more = {}) => ann.pullConversations({ cursors, limit: 10, ...more }, signal);
  const { conversations } = await pull({});
  assert.deepEqual(Object.keys(conversations), ["talk", "other"]);
  assert.deepEqual(conversations.talk.overflow, ["talk"]);
  const cursors = Object.fromEntries(Object.entries(conversations).map(([id, { cursor }]) => [id, cursor]));
  assert.deepEqual(await pull(cursors), { conversations: {} });
  await backend.post("talk", "a");
  const { conversations: news } = await pull(cursors);
  assert.deepEqual(Object.keys(news), ["talk"]);
  assert.equal(news.talk.events[0].message.body.text, "a");
  await backend.leave("talk", "ann");
  const left = await pull(cursors, { only: ["talk"] });
  assert.deepEqual(left.conversations.talk.events, [{ type: "removed", conversation: "talk" }]);
});

test("scope mailbox: what is not acknowledged comes again, and an overflow until its receipt", async () => {
  const { backend, ann } = world();
  const begin = await ann.pullMailbox({ limit: 10 }, signal);
  assert.equal(begin.overflow, "all");
  assert.equal((await ann.pullMailbox({ limit: 10 }, signal)).overflow, "all");
  const names = ({ events }) => events.map(({ delivery }) => delivery);
  await ann.acknowledge(names(begin), signal);
  await backend.post("talk", "a");
  const first = await ann.pullMailbox({ limit: 1 }, signal);
  assert.deepEqual([first.overflow, first.hasMore, first.events[0].message.body.text], [undefined, true, "a"]);
  assert.deepEqual(await ann.pullMailbox({ limit: 1 }, signal), first);
  await ann.acknowledge([...names(first), "unknown"], signal);
  await ann.acknowledge(names(first), signal);
  const second = await ann.pullMailbox({ limit: 10 }, signal);
  assert.deepEqual(
    second.events.map(({ type }) => type),
    ["conversation"],
  );
  await backend.overflow("ann");
  assert.equal((await ann.pullMailbox({ limit: 10 }, signal)).overflow, "all");
});

test("what an account may not see is in no page, and its devices are told by an overflow", async () => {
  const { backend, ann, bob } = world(3);
  const { cursor } = await ann.pull({ cursor: null, limit: 1 }, signal);
  await backend.hide("talk", "talk-3", "ann");
  assert.deepEqual((await ann.pull({ cursor, limit: 10 }, signal)).overflow, ["talk"]);
  assert.deepEqual(seqs(await ann.history({ conversation: "talk", limit: 10 }, signal)), [1, 2]);
  assert.deepEqual(seqs(await bob.history({ conversation: "talk", limit: 10 }, signal)), [1, 2, 3]);
  await backend.edit("talk", "talk-3", "edited");
  const { events } = await chain(bob, cursor, 100);
  assert.equal(events.filter(({ type }) => type === "update").length, 1);
  await backend.post("talk", "next");
  const news = await chain(ann, (await ann.pull({ cursor, limit: 10 }, signal)).cursor);
  assert.deepEqual(
    news.events.filter(({ type }) => type !== "conversation"),
    [],
  );
});

test("a stranger reads nothing and writes nothing", async () => {
  const { backend } = world(1);
  const eve = backend.transport("eve");
  const { cursor } = await eve.pull({ cursor: null, limit: 1 }, signal);
  await backend.post("talk", "secret");
  assert.deepEqual((await eve.pull({ cursor, limit: 10 }, signal)).events, []);
  assert.deepEqual((await eve.conversations({ after: null, limit: 10 }, signal)).conversations, []);
  const request = { conversation: "talk", limit: 10, clientId: "c", body: {}, messageId: "talk-1", seq: "1" };
  for (const method of ["history", "send", "edit", "recall", "markRead"])
    assert.equal(await refused(eve[method](request, signal)), "forbidden", method);
  // in a conversation of everybody it is no stranger
  await backend.conversation("open");
  assert.equal((await eve.conversations({ after: null, limit: 10 }, signal)).conversations[0].id, "open");
});

/** A channel, and what it was told. */
function listen(transport) {
  const told = [];
  const over = new AbortController();
  const waiting = [];
  const tell = (...what) => {
    told.push(what);
    for (const resolve of waiting.splice(0)) resolve();
  };
  transport.listen(
    {
      ready: () => tell("ready"),
      notify: (_spread, named) => tell("notify", named),
      push: (batch) => tell("push", batch),
      closed: (error) => tell("closed", error?.code),
    },
    over.signal,
  );
  const next = async (count) => {
    while (told.length < count) await new Promise((resolve) => waiting.push(resolve));
    return told[count - 1];
  };
  return { told, next, end: () => over.abort() };
}

test("a notification names its conversations, and what is committed together is told together", async () => {
  const { backend, ann } = world();
  const { told, next, end } = listen(ann);
  assert.deepEqual(await next(1), ["ready"]);
  await Promise.all([backend.post("talk", "a"), backend.post("talk", "b")]);
  assert.deepEqual(await next(2), ["notify", ["talk"]]);
  end();
  await backend.post("talk", "c");
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(told.length, 2);
});

test("pushes bring what is new, each from where the one before has ended", async () => {
  const { backend, ann, bob } = world(0, { push: true });
  const { cursor } = await ann.pull({ cursor: null, limit: 1 }, signal);
  await bob.pullMailbox({ limit: 1 }, signal);
  const [first, second] = [listen(ann), listen(bob)];
  await first.next(1);
  await backend.post("talk", "a");
  const [, a] = await first.next(2);
  await backend.post("talk", "b");
  const [, b] = await first.next(3);
  assert.deepEqual([a.prev, b.prev], [cursor, a.cursor]);
  assert.deepEqual(
    [a, b].map(({ events }) => events[0].message.body.text),
    ["a", "b"],
  );
  assert.deepEqual((await chain(ann, cursor, 100)).events, [...a.events, ...b.events]);
  const [, delivery] = await second.next(2);
  assert.ok(delivery.events.every((event) => typeof event.delivery === "string"));
  for (const { end } of [first, second]) end();
});

test("a long poll is answered when there is something, and empty at its end", async () => {
  const { backend, ann } = world();
  const { cursor } = await ann.pull({ cursor: null, limit: 1 }, signal);
  const waiting = ann.pull({ cursor, limit: 10, wait: 60_000 }, signal);
  await backend.post("talk", "a");
  assert.equal((await waiting).events[0].message.body.text, "a");
  const { cursor: next } = await waiting;
  assert.deepEqual((await ann.pull({ cursor: next, limit: 10, wait: 5 }, signal)).events, []);
  const cancel = new AbortController();
  const cancelled = ann.pull({ cursor: next, limit: 10, wait: 60_000 }, cancel.signal);
  setTimeout(() => cancel.abort(), 5);
  assert.equal(await refused(cancelled), "aborted");
});

test("trouble: offline, errors of a method, of one account, and slow answers that can be cancelled", async () => {
  const { backend, ann, bob } = world(1);
  const page = (transport) => refused(transport.history({ conversation: "talk", limit: 1 }, signal));
  const { next, end } = listen(ann);
  await next(1);
  backend.trouble({ offline: true }, "ann");
  assert.deepEqual(await next(2), ["closed", "network"]);
  assert.deepEqual([await page(ann), await page(bob)], ["network", "none"]);
  end();
  backend.trouble({ error: (method) => (method === "history" ? "forbidden" : null) });
  assert.deepEqual([await page(ann), await page(bob)], ["forbidden", "forbidden"]);
  assert.equal(await refused(ann.pull({ cursor: null, limit: 1 }, signal)), "none");
  backend.trouble({ latency: 60_000 });
  const cancel = new AbortController();
  const slow = ann.history({ conversation: "talk", limit: 1 }, cancel.signal);
  cancel.abort();
  assert.equal(await refused(slow), "aborted");
  backend.trouble({});
  assert.equal(await page(ann), "none");
  await backend.dispose();
  assert.equal(await page(ann), "closed");
});

test("what a backend is made with, or told, is judged at once, and by name", async () => {
  /** @type {any} */
  const any = memoryBackend;
  const mara = { conversation: "talk", sender: "mara" };
  /** @type {[unknown, RegExp][]} */
  const wrong = [
    [{ conversation: ["talk"] }, /^memoryBackend's argument has no `conversation`: is `conversations` meant\?$/],
    [{ users: ["ada"] }, /^memoryBackend's argument has no `users`: it has conversations, messages, latency, /],
    [["talk"], /^memoryBackend's argument is an object, not a list$/],
    [{ conversations: "talk" }, /^conversations is a list, not string$/],
    [{ conversations: [{ name: "talk" }] }, /^conversations\[0\] has no `name`: it has id, meta, members$/],
    [{ conversations: [{ id: 7 }] }, /^conversations\[0\]\.id is a text that is not empty, not number$/],
    [{ conversations: [{ id: "talk", members: "ada" }] }, /^conversations\[0\]\.members is a list, not string$/],
    [{ conversations: [null] }, /^conversations\[0\] is an object, not null$/],
    [{ conversations: ["talk"], messages: ["hello"] }, /^messages\[0\] is an object, not string$/],
    [
      { conversations: ["talk"], messages: [{ ...mara, txt: "hello" }] },
      /^messages\[0\] has no `txt`: is `text` meant\?$/,
    ],
    [{ conversations: ["talk"], messages: [mara] }, /^messages\[0\]\.text is missing: a text, or an object$/],
    [{ conversations: ["talk"], messages: [{ conversation: "talk", text: "a" }] }, /^messages\[0\]\.sender is a text/],
    [{ messages: [{ ...mara, text: "a" }] }, /^messages\[0\] is of "talk", which is none of `conversations`$/],
  ];
  for (const [options, message] of wrong) assert.throws(() => any(options), { code: "invalid", message });
  const { backend } = /** @type {any} */ (world());
  assert.throws(() => backend.transport(), { code: "invalid", message: /^transport: the account is a text/ });
  assert.throws(() => backend.trouble({ latancy: 5 }), { code: "invalid", message: /is `latency` meant\?$/ });
  assert.throws(() => backend.trouble(), { code: "invalid" });
  for (const promise of [backend.post("talk"), backend.post("talk", "a", 7), backend.edit("talk", "m")])
    assert.equal(await refused(promise), "invalid");
  // Nothing is a body as well, where it is said.
  memoryBackend({ conversations: ["talk"], messages: [/** @type {any} */ ({ ...mara, body: null })] });
});
