// What is known of a client, as a text for an issue. No token and no body of a message is read for it. Names (of the
// account, of conversations, of messages) and what others have written stand in it only where that is asked for.

import { messageOf } from "./words.js";

/** @typedef {import("../index.js").Inspection} Inspection */
/** @typedef {import("../index.js").PullcordError} PullcordError */
/**
 * @typedef {object} Known
 * @property {import("./view.js").Client | null} client
 * @property {string | null} conversation that is shown
 * @property {Inspection | null} found as last looked at
 * @property {readonly import("./traffic.js").Exchange[]} requests newest first
 * @property {readonly import("./events.js").Irregular[]} irregular newest first
 * @property {readonly import("./events.js").Line[]} lines newest first
 * @property {import("./view.js").Options} options
 * @property {string | null} scope
 */

const VERSION = typeof PULLCORD_VERSION === "string" ? PULLCORD_VERSION : "from its sources";

/** Lines of what happened, and messages of the outbox, that a report has. */
const LINES = 60;
const OUTBOX = 50;
/** Characters of an object that stands on one line. */
const WIDTH = 160;

/** Each name as another one, the same for the same. @param {boolean} asked names are wanted as they are */
function aliases(asked) {
  /** @type {Map<string, string>} */
  const known = new Map();
  return (/** @type {string | null} */ id) => {
    if (id === null || asked) return id;
    if (!known.has(id)) known.set(id, `conversation ${known.size + 1}`);
    return /** @type {string} */ (known.get(id));
  };
}

/**
 * What stands in quotation marks may be a piece of a message: from the first of them, which is not inside a word, to
 * the last, or to the end.
 */
const QUOTED = /(?<![\p{L}\p{N}])["'`“‘].*(?:["'`”’]|$)/su;

/** @typedef {(id: string | null) => string | null} Alias */

/**
 * @param {Known} known
 * @param {{ names?: boolean | undefined }} [options]
 */
export function reportOf(known, { names = false } = {}) {
  const { client, found } = known;
  const alias = aliases(names);
  // first: the one that is shown is the first of them
  const shown = alias(known.conversation);
  const errorOf = (/** @type {PullcordError | null} */ error) =>
    error && { code: error.code, ...given("status", error.status), ...(names && { message: messageOf(error) }) };
  const where = {
    browser: globalThis.navigator?.userAgent ?? null,
    page: globalThis.document?.visibilityState ?? null,
  };
  const sync = { scope: known.scope, ...known.options.sync, overflow: known.options.overflow ?? null };
  const status = client && statusOf(client.status.getSnapshot(), errorOf);
  const conversation = client && shown !== null ? conversationOf(client, known, shown) : null;
  return {
    ...{ pullcord: VERSION, at: iso(Date.now()), ...where },
    ...(names && client && { account: client.account }),
    ...{ sync, status, database: found && databaseOf(found) },
    ...{ conversations: client?.conversations.getSnapshot().length ?? null, conversation },
    outbox: client ? outboxOf(client, alias) : [],
    counts: found?.requests ?? null,
    requests: known.requests.map((request) => requestOf(request, alias)),
    irregular: known.irregular.map((one) => irregularOf(one, alias, names)),
    happened: happenedOf(known.lines, names),
  };
}

/** @param {Inspection} found */
function databaseOf({ schema, cursor, commit, cachedMessages, storedBytes, outbox }) {
  return { schema, cursor, commit: commit ?? null, messages: cachedMessages, bytes: storedBytes, outbox };
}

/** Everything of them but what they say. @param {import("./view.js").Client} client @param {Alias} alias */
function outboxOf(client, alias) {
  const items = client.outbox.getSnapshot().slice(0, OUTBOX);
  return items.map(({ conversation, state, attempts, createdAt, error }) => {
    const why = { error: error?.code ?? null, ...given("status", error?.status) };
    return { conversation: alias(conversation), state, attempts, since: iso(createdAt), ...why };
  });
}

/** @param {import("./traffic.js").Exchange} request @param {Alias} alias */
function requestOf({ at, kind, conversation, outcome, ms, bytes }, alias) {
  const of = given("conversation", alias(conversation));
  const took = { ms: ms === null ? null : Math.round(ms), ...given("bytes", bytes) };
  return { at: iso(at), kind, ...of, outcome: outcome || null, ...took };
}

/** @param {import("./events.js").Irregular} irregular @param {Alias} alias @param {boolean} names */
function irregularOf({ at, where, conversation, count, first }, alias, names) {
  const of = given("conversation", alias(conversation));
  const reason = names ? first.reason : first.reason.replace(QUOTED, "…");
  return { at: iso(at), where, ...of, count, done: first.done, reason, ...(names && given("id", first.id)) };
}

/** @param {readonly import("./events.js").Line[]} lines @param {boolean} names */
function happenedOf(lines, names) {
  const told = lines.map(({ at, text, plain, times }) => {
    return { at: iso(at), what: names ? text : plain, ...given("repeated", times - 1) };
  });
  return told.filter(({ what }) => what !== null).slice(0, LINES);
}

/**
 * @param {import("../index.js").ClientStatus} status
 * @param {(error: PullcordError | null) => object | null} errorOf
 */
function statusOf({ connection, writer, caughtUp, listed, pulling, lastSyncedAt, progress, storage, error }, errorOf) {
  return {
    connection,
    writer,
    caughtUp,
    listed,
    pulling,
    lastSyncedAt: lastSyncedAt === null ? null : iso(lastSyncedAt),
    progress: progress?.applied ?? null,
    storage,
    error: errorOf(error),
  };
}

/** @param {import("./view.js").Client} client @param {Known} known @param {string} shown */
function conversationOf(client, { conversation, found }, shown) {
  const { lastSeq = null, readSeq = null, unread = null } = client.conversation(conversation ?? "").getSnapshot() ?? {};
  return { name: shown, lastSeq, readSeq, unread, segments: found?.segments ?? [] };
}

/** @param {number} ms */
const iso = (ms) => (Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : null);

/** A field that is there only where there is something in it. @param {string} name @param {unknown} value */
const given = (name, value) => (value === undefined || value === null || value === 0 ? {} : { [name]: value });

/**
 * JSON to be read by people as well: what has no parts of its own is one line.
 * @param {unknown} value
 * @returns {string}
 */
export function textOf(value, indent = "") {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const parts = Object.values(value);
  const isFlat = parts.every((part) => part === null || typeof part !== "object");
  const line = JSON.stringify(value);
  if (parts.length === 0 || (isFlat && line.length <= WIDTH)) return line;
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const each = Array.isArray(value)
    ? value.map((part) => textOf(part, inner))
    : Object.entries(value).map(([name, part]) => `${JSON.stringify(name)}: ${textOf(part, inner)}`);
  return `${open}\n${each.map((part) => inner + part).join(",\n")}\n${indent}${close}`;
}
