// What a client has after a kill, with no server in reach: it must be true.

import assert from "node:assert/strict";
import { freePort } from "../harness.mjs";
import { line } from "../world.mjs";
import { Truth, eventsAfter, seqOf, unacknowledged } from "./truth.mjs";

/** What it has after a kill, with no server in reach, against what the server has. @returns figures */
export async function checkWreck(life, { phase, told, complete, paged }) {
  const { page, server, witness, talks } = life;
  const nowhere = `http://127.0.0.1:${await freePort()}`;
  life.nowhere = nowhere.replace("http", "ws");
  const seen = JSON.parse(
    await page.evaluate(
      ({ user, options, nowhere, talks }) => {
        const transport = { baseUrl: nowhere, token: () => "nobody's" };
        return crash.look(user, { ...options, transport }, talks);
      },
      { user: life.user, options: life.options, nowhere, talks },
    ),
  );

  let cursors = null;
  if (life.scope !== "mailbox") {
    const path = { account: "/v1/sync", conversation: "/v1/sync/conversations" }[life.scope];
    const pull = seen.asked.find(({ url }) => new URL(url).pathname === path);
    assert.ok(pull, `it has tried to pull, with ${path}: ${JSON.stringify(seen.asked)}`);
    cursors = life.scope === "account" ? new URL(pull.url).searchParams.get("cursor") : JSON.parse(pull.body).cursors;
    if (life.scope === "account")
      assert.equal(cursors, seen.cursor, "the cursor that it asks with is the one that is stored");
  }

  const truth = await Truth.of(server, witness, talks);
  const unknown = await notYetKnown(life, cursors);
  const sinceRight = life.right === null ? null : await eventsAfter(server, witness, life.right.cursor);
  const figures = { held: 0, shown: 0, cursor: false, history: false, outbox: false };
  for (const talk of talks) {
    const { segments, shown } = seen.talks[talk];
    const server = truth.lists.get(talk);
    const asOfCursor = truth.without(unknown.get(talk));
    const asOfRight = truth.without(life.right?.talks.includes(talk) ? sinceRight : null);
    const held = new Set();
    let before = -1n;
    for (const { lo, hi, count, live, start, fresh, messages } of segments) {
      const where = `${talk}, segment [${lo}, ${hi}]`;
      assert.ok(BigInt(lo) > before && BigInt(hi) >= BigInt(lo), `${where}: it overlaps the one before, or is none`);
      before = BigInt(hi);
      assert.equal(messages.length, count, `${where}: what can be read of it is what is counted`);
      const { required, version } = fresh ? asOfCursor : asOfRight;
      checkMessages(where, messages, truth, version);
      for (const message of messages) held.add(message.id);
      const claimed = (seq) => (start || seq >= BigInt(lo)) && (live || seq <= BigInt(hi));
      const lacking = server.filter((message) => claimed(seqOf(message)) && !held.has(message.id) && required(message));
      assert.deepEqual(
        lacking.map(line),
        [],
        `${where}${live ? ", live" : ""}: it lacks messages that the cursor is past`,
      );
      figures.held += messages.length;
    }
    // what came with the log was stored with the cursor that is past it
    if (!life.overflown && life.right?.talks.includes(talk) && unknown.get(talk)) {
      const came = sinceRight
        .filter(({ type, message }) => type === "message" && message.conversation === talk)
        .map(({ message }) => message);
      const passed = came.filter((message) => asOfCursor.required(message) && !held.has(message.id));
      assert.deepEqual(passed.map(line), [], `${talk}: the cursor is ahead of the data`);
    }
    checkShown(talk, shown, server, truth, asOfCursor, asOfRight);
    figures.shown += shown.items.length;
    if (told.applied > 0 && unknown.get(talk)?.some(({ type }) => type === "message")) figures.cursor = true;
    if (talk === paged) figures.history = told.page > 0 && !complete && held.size < server.length;
  }
  checkOutbox(life, seen, truth);
  const undecided = life.sent.filter(({ text, called }) => called && !life.accepted.has(text)).length;
  figures.outbox = (phase === "sending" || phase === "everything") && (undecided > 0 || seen.outbox.length > 0);
  const onServer = new Set([...truth.byId.values()].map((message) => message.clientId ?? message.body?.text));
  figures.answersLost = seen.outbox.filter(({ text }) => onServer.has(text)).length;
  return figures;
}

/** A list never puts two messages side by side that might have a third between them. */
function checkShown(talk, { items }, server, truth, asOfCursor, asOfRight) {
  assert.equal(new Set(items.map((item) => item.key)).size, items.length, `${talk}: a key twice in the list`);
  let last = null;
  let next = 0;
  for (const item of items) {
    if (item.kind === "gap") last = null;
    if (!item.message || item.kind !== "message") continue;
    const { required } = item.fresh && last?.fresh !== false ? asOfCursor : asOfRight;
    while (next < server.length && seqOf(server[next]) < seqOf(item.message)) {
      const between = last && seqOf(server[next]) > seqOf(last.message);
      assert.ok(
        !between || !required(server[next]),
        `${talk}: ${line(server[next])} is missing in the list, and nothing says so`,
      );
      next += 1;
    }
    last = item;
  }
  const messages = items
    .filter((item) => item.kind === "message")
    .map((item) => ({ ...item.message, fresh: item.fresh }));
  checkMessages(`${talk}, the list`, messages, truth, (message) =>
    (message.fresh ? asOfCursor : asOfRight).version(message),
  );
}

/** What was accepted and is not on the server is in the outbox, once; and nothing is there that was not written. */
function checkOutbox(life, seen, truth) {
  const waiting = seen.outbox.map(({ text }) => text);
  assert.equal(new Set(waiting).size, waiting.length, "something is in the outbox twice");
  const texts = new Set([...truth.byId.values()].map((message) => message.body?.text));
  // A tab writes one after the other: what it wrote without being heard comes right after what it was heard to write.
  const unheard = life.sent.filter(({ called }) => called === "perhaps");
  for (const one of unheard) one.called = waiting.includes(one.text) || texts.has(one.text);
  for (const of of life.byTab(unheard)) {
    const hole = of.findIndex(({ called }) => !called);
    assert.ok(
      hole < 0 || of.slice(hole).every(({ called }) => !called),
      "of what was written without being heard something is missing",
    );
  }
  for (const { text, talk, called } of life.sent) {
    const waits = waiting.includes(text);
    if (life.accepted.has(text))
      assert.ok(waits || texts.has(text), `${text} was accepted, and is neither in the outbox nor on the server`);
    if (!called) assert.ok(!waits && !texts.has(text), `${text} was never written`);
    if (!waits) continue;
    const items = seen.talks[talk].shown.items.filter(
      (item) => item.text === text || item.message?.body?.text === text,
    );
    assert.equal(items.length, 1, `${text} waits, and is in its list`);
  }
  assert.ok(
    waiting.every((text) => life.sent.some((one) => one.text === text)),
    "something is in the outbox that nobody wrote",
  );
  for (const of of life.byTab(life.sent)) {
    const order = of.map(({ text }) => text).filter((text) => waiting.includes(text));
    const own = new Set(order);
    assert.deepEqual(
      waiting.filter((text) => own.has(text)),
      order,
      "the outbox is in the order in which a tab has written",
    );
  }
}

/**
 * The events that the client need not know, by conversation; null: it need know nothing of it.
 * @param {string | null | Record<string, string>} cursors what it asks with; of a mailbox what the server has no
 *   acknowledgement for counts instead
 * @returns {Promise<Map<string, any[] | null>>}
 */
async function notYetKnown(life, cursors) {
  const { server, witness, user, talks } = life;
  const each = async (talk) => {
    if (life.scope === "conversation")
      return cursors?.[talk] === undefined ? null : eventsAfter(server, witness, cursors[talk]);
    if (life.scope === "account") return cursors === null ? null : eventsAfter(server, witness, cursors);
    const open = await unacknowledged(server, witness, user);
    if (open) return open;
    const { since, events } = life.beforeOverflow ?? { since: null, events: null };
    return events && [...events, ...(await eventsAfter(server, witness, since))];
  };
  const unknown = new Map();
  let all;
  for (const talk of talks) {
    if (life.scope === "conversation" || all === undefined) all = await each(talk);
    unknown.set(talk, all);
  }
  return unknown;
}

/** In order, none twice, each one that the server has, and at least as new as the cursor says. */
function checkMessages(where, messages, truth, version) {
  let before = -1n;
  for (const message of messages) {
    assert.ok(seqOf(message) > before, `${where}: ${message.seq} after ${before}`);
    before = seqOf(message);
    const newest = truth.byId.get(message.id);
    assert.ok(newest, `${where}: the server has no ${line(message)}`);
    const least = version(message);
    const known = message.version >= least && message.version <= newest.version;
    assert.ok(
      known,
      `${where}: ${line(message)} is of version ${message.version}, the cursor is past ${least}, the newest is ${newest.version}`,
    );
    if (message.version === newest.version) assert.equal(line(message), line(newest), where);
    assert.equal(String(message.seq), String(newest.seq), where);
  }
}
