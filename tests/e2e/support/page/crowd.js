// One of many tabs of an account, as `globalThis.crowd`: a user who writes, edits, recalls, discards, reads, pages and
// jumps at random, until the tab rests. What befalls it is told as it happens (`report`), for the tab may end at any
// moment; what it then shows is compared with the server's (`same`).

import { compareSeq } from "/pkg/index.js";
import { open, poll, until } from "./page.js";
import { random } from "./random.js";

/** lists on the screen at a time */
const LISTS = 3;
/** ms between two things that the user does, at least */
const PACE = 100;
/** ms that what must come about has: many tabs share the machine */
const PATIENCE = 60_000;

/** @param {string} what @param {unknown} [detail] */
const report = (what, detail) => globalThis.report(JSON.stringify({ what, detail }));
const wrong = (text) => report("wrong", text);

/** @type {{ user: string, name: string, talks: string[], options: object, inWorker: boolean }} */
let life;
let next;
/** @type {import("/pkg/index.js").Client} */
let client;
/** @type {Set<{ timeline: import("/pkg/index.js").Timeline, stop: () => void }>} */
const lists = new Set();
/** promises of the API that have not settled: what was asked */
const pending = new Map();
let calls = 0;
let written = 0;
/** lists that were opened: no two have the same options, or they would be one */
let opened = 0;
let stopping = false;
let running = Promise.resolve();
/** sockets of the worker */
let workers = 0;

/** Of a page that is frozen it does not rise. */
export let ticks = 0;
/** how often the page was told that it is frozen */
export let freezes = 0;
setInterval(() => {
  ticks += 1;
}, 20);
document.addEventListener("freeze", () => {
  freezes += 1;
});

globalThis.wire.heard = (request) => report("request", request);

export const sockets = () => globalThis.wire.sockets() + workers;
export const status = () => client.status.getSnapshot();

function makeWorker() {
  const worker = new Worker("/blank/crowd.worker.js", { type: "module" });
  worker.addEventListener("message", ({ data: { request, sockets } }) => {
    if (request) report("request", request);
    if (sockets !== undefined) workers = sockets;
  });
  const { terminate } = worker;
  worker.terminate = () => {
    workers = 0;
    terminate.call(worker);
  };
  return worker;
}

/** Looks at every snapshot as it comes: keys once, messages in order, none older than it was. */
function looking(timeline) {
  let before = new Map();
  return () => {
    const { items } = timeline.getSnapshot();
    const now = new Map();
    let last = null;
    for (const { key, message } of items) {
      if (now.has(key)) wrong(`${timeline.conversation}: the key ${key} twice`);
      now.set(key, message);
      if (!message) continue;
      if (last !== null && compareSeq(last, message.seq) !== -1)
        wrong(`${timeline.conversation}: ${message.seq} after ${last}`);
      last = message.seq;
      if (before.get(key)?.version > message.version) wrong(`${timeline.conversation}: ${key} is older than it was`);
    }
    before = now;
  };
}

// ---------------------------------------------------------------- what the user does

/**
 * What may come of a load, an edit or a recall in such a life: its list is closed, the message was recalled. What the
 * tab stores by itself must not fail.
 */
const EXPECTED = new Set(["offline", "network", "timeout", "aborted", "closed", "not-found", "rejected"]);

/** @template T @param {string} what @param {Promise<T>} promise @param {(value: T) => void} [then] */
function track(what, promise, then, expected = EXPECTED) {
  calls += 1;
  const call = calls;
  pending.set(call, what);
  promise
    .then(then, (error) => {
      if (!expected.has(error.code)) wrong(`${what}: ${error.code}: ${error.message}`);
    })
    .finally(() => pending.delete(call));
}

const NONE = new Set();
const oneOf = (list) => list[next(list.length)];
const aList = () => (lists.size ? oneOf([...lists]) : null);
const ownOf = (list) =>
  list?.timeline
    .getSnapshot()
    .items.filter(
      ({ kind, message }) => kind === "message" && message.sender === life.user && message.state !== "recalled",
    ) ?? [];

const deeds = {
  open() {
    if (lists.size >= LISTS) return;
    const start = oneOf(["latest", "latest", "first-unread", { at: Date.now() - 1000 * next(60) }]);
    const timeline = client.timeline(oneOf(life.talks), { start, maxItems: 200 + (opened++ % 100) });
    lists.add({ timeline, stop: timeline.subscribe(looking(timeline)) });
  },
  close() {
    const list = aList();
    if (!list) return;
    lists.delete(list);
    list.stop();
    if (next(2)) list.timeline.close();
  },
  write() {
    written += 1;
    const text = `${life.name}-${written}`;
    const talk = oneOf(life.talks);
    report("writing", { text, talk });
    track(`send ${text}`, client.send(talk, { text }, { clientId: text }), () => report("accepted", text), NONE);
  },
  discard() {
    const waiting = client.outbox.getSnapshot();
    if (!waiting.length) return;
    const { clientId } = oneOf(waiting);
    report("discarding", clientId);
    track(
      `discard ${clientId}`,
      client.discard(clientId),
      (isGone) => report("discarded", { text: clientId, isGone, at: Date.now() }),
      NONE,
    );
  },
  retry() {
    const waiting = client.outbox.getSnapshot();
    // meanwhile it may have been delivered, or let go of
    if (waiting.length) track("retry", client.retry(oneOf(waiting).clientId), undefined, new Set(["not-found"]));
  },
  edit() {
    const own = ownOf(aList());
    if (!own.length) return;
    const { id, conversation } = oneOf(own).message;
    const timeline = client.timeline(conversation);
    track("edit", timeline.edit(id, { text: `edited by ${life.name} ${next(1e6)}` }));
  },
  recall() {
    const own = ownOf(aList());
    if (own.length) track("recall", client.timeline(own[0].message.conversation).recall(oneOf(own).message.id));
  },
  read() {
    const list = aList();
    const seqs = list?.timeline.getSnapshot().items.flatMap(({ message }) => message?.seq ?? []) ?? [];
    if (seqs.length) track("markRead", list.timeline.markRead(oneOf(seqs)), undefined, NONE);
  },
  older() {
    const list = aList();
    if (list) track("loadOlder", list.timeline.loadOlder({ limit: 10 + next(90) }));
  },
  newer() {
    const list = aList();
    if (list) track("loadNewer", list.timeline.loadNewer());
  },
  jump() {
    const list = aList();
    if (!list) return;
    const seqs = list.timeline.getSnapshot().items.flatMap(({ message }) => message?.seq ?? []);
    const around = seqs.length ? [{ around: oneOf(seqs) }] : [];
    track(
      "jump",
      list.timeline.jump(oneOf(["latest", "first-unread", { at: Date.now() - 1000 * next(120) }, ...around])),
    );
  },
  sync() {
    if (!next(4)) track("sync", client.sync());
  },
};
const NAMES = [
  ...["open", "open", "close", "write", "write", "write", "write", "discard", "discard", "retry"],
  ...["edit", "edit", "recall", "read", "read", "older", "older", "newer", "jump", "sync"],
];

async function live() {
  while (!stopping) {
    // the timers of a page that is hidden run once a second
    for (let more = document.hidden ? next(6) : 0; more >= 0; more -= 1) {
      const name = oneOf(NAMES);
      try {
        deeds[name]();
      } catch (error) {
        wrong(`${name}: ${error.message}`);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, PACE + next(3 * PACE)));
  }
}

export async function begin(given, seed) {
  life = given;
  next = random(seed);
  const { user, options, inWorker } = life;
  client = await open(user, {
    ...options,
    ...(inWorker ? { worker: makeWorker } : {}),
    logger: (level, message) => report("logged", `${level}: ${message}`),
    logLevel: "error",
  });
  resume();
}

export function resume() {
  stopping = false;
  running = live();
}

// ---------------------------------------------------------------- when it rests

/** Nothing more is done, and what was asked has been answered. */
export async function rest() {
  stopping = true;
  await running;
  await poll(() => pending.size === 0, PATIENCE).catch(() => {
    for (const what of pending.values()) wrong(`${life.name}: ${what} has not settled within ${PATIENCE} ms`);
  });
}

/** Waits until nothing is left that is to be delivered; what the server has refused often is let go of. */
export async function deliver() {
  const letGo = new Set();
  await until(
    client.outbox,
    (items) => {
      for (const { state, clientId } of items) {
        if (state !== "failed" || letGo.has(clientId)) continue;
        letGo.add(clientId);
        report("discarding", clientId);
        track(`discard ${clientId}`, client.discard(clientId), undefined, NONE);
      }
      return items.length === 0;
    },
    PATIENCE,
  );
  await client.sync();
}

/** As it is compared. */
const line = ({ id, seq, version, state, body }) => [id, String(seq), version, state, body?.text ?? null].join(" | ");
const state = ({ id, unread, lastSeq, readSeq, lastMessage }) =>
  [id, unread, lastSeq, readSeq, lastMessage?.id, lastMessage?.version].map(String).join(" | ");

/** The conversations, as they are shown. */
export const states = () => client.conversations.getSnapshot().map(state);

export async function digest(lines) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(lines.join("\n")));
  return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** What is wrong with the lines, where they are to be a stretch of the server's. */
function notWithin(lines, whole, isLive) {
  const at = whole.indexOf(lines[0]);
  if (!lines.length) return whole.length ? "it is empty" : null;
  if (at < 0) return `the server has no ${lines[0]}`;
  const differs = lines.findIndex((one, n) => one !== whole[at + n]);
  if (differs >= 0) return `it shows ${lines[differs]} where the server has ${whole[at + differs]}`;
  return isLive && at + lines.length !== whole.length ? `it ends before ${whole.at(-1)}` : null;
}

/** The whole of a conversation, as a list shows it once it was loaded to both ends. */
async function wholeOf(talk, wanted) {
  const timeline = client.timeline(talk, { maxItems: 100_000, pageSize: 500 });
  const stop = timeline.subscribe(looking(timeline));
  let lines = [];
  try {
    await until(timeline, (now) => now.status === "ready", PATIENCE);
    await poll(async () => {
      while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 1000 });
      const { items, hasNewer } = timeline.getSnapshot();
      lines = items.map((item) =>
        item.kind === "message" ? `${line(item.message)}${item.fresh ? "" : " old"}` : item.kind,
      );
      return !hasNewer && (await digest(lines)) === wanted;
    }, PATIENCE);
    return { lines, isRight: true };
  } catch (error) {
    return { lines, isRight: false, reason: error.message };
  } finally {
    stop();
    timeline.close();
  }
}

/**
 * Compares all that the tab shows with the server's, once that has come.
 * @param {{ lists: Record<string, string>, conversations: string[] }} wanted a digest of each conversation's lines, and
 *   what is to be shown of the conversations
 * @returns what differs: nothing, where all is well
 */
export async function same(wanted) {
  const differing = [];
  const whole = {};
  await until(client.status, ({ connection, caughtUp }) => connection === "online" && caughtUp, PATIENCE);
  for (const [talk, lines] of Object.entries(wanted.lists)) {
    const read = await wholeOf(talk, lines);
    whole[talk] = read.lines;
    if (!read.isRight) differing.push({ talk, lines: read.lines, reason: read.reason });
  }
  if (differing.length) return differing;
  for (const { timeline } of lists) {
    let reason = null;
    await poll(() => {
      const { items, hasNewer, loading } = timeline.getSnapshot();
      const lines = items.map((item) => (item.kind === "message" ? line(item.message) : item.kind));
      reason = notWithin(lines, whole[timeline.conversation], !hasNewer);
      return !reason && !loading.jump;
    }, PATIENCE).catch(() =>
      differing.push({ talk: timeline.conversation, lines: [], reason: `an open list: ${reason}` }),
    );
  }
  await until(client.outbox, (items) => items.length === 0, PATIENCE).catch((error) =>
    differing.push({ talk: "the outbox", lines: [], reason: error.message }),
  );
  let shown = [];
  await poll(() => {
    shown = states();
    return shown.join("\n") === wanted.conversations.join("\n");
  }, PATIENCE).catch(() => differing.push({ talk: "the list of conversations", lines: shown, reason: "it differs" }));
  return differing;
}

/** Waits until the conversation ends with this text, in a list that is opened for it beforehand. */
export function expecting(talk, text) {
  const timeline = client.timeline(talk, { maxItems: 900 });
  return until(
    timeline,
    ({ items }) => /** @type {any} */ (items.at(-1))?.message?.body?.text === text,
    PATIENCE,
  ).finally(() => timeline.close());
}
