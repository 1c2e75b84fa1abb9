// A busy user in the page, as `globalThis.traffic`: lists are opened, paged, jumped and let go in every way there is,
// messages written, the client closed and opened again; until it is told to rest.

import { compareSeq } from "/pkg/index.js";
import { caughtUp, open, poll, until } from "./page.js";
import { random } from "./random.js";

/** lists on the screen at a time */
const LISTS = 4;
/** ms between two things that the user does, at least */
const PACE = 25;

/** What broke a rule, and what was refused that must not be. */
export const violations = [];
export const done = {};
/** For the proof that a leak is found: what an app must not hold. */
const leaked = [];

/** @type {{ user: string, talks: string[], options: object, leak: string, reopening: number }} */
let life;
let next;
/** @type {import("/pkg/index.js").Client} */
let client;
/** @type {Set<{ timeline: import("/pkg/index.js").Timeline, stop: () => void }>} */
const lists = new Set();
let stopping = false;
let running = Promise.resolve();
let written = 0;
/** lists that were opened: no two have the same options, or they would be one */
let opened = 0;

/** Looks at every snapshot as it comes, and keeps none. */
function look(timeline) {
  const { items } = timeline.getSnapshot();
  if (life.leak === "snapshots") leaked.push(items.map((item) => ({ ...item })));
  const keys = new Set();
  let last = null;
  for (const { key, message } of items) {
    if (keys.has(key)) violations.push(`${timeline.conversation}: the key ${key} twice`);
    keys.add(key);
    if (!message) continue;
    if (last !== null && compareSeq(last, message.seq) !== -1)
      violations.push(`${timeline.conversation}: ${message.seq} after ${last}`);
    last = message.seq;
  }
}

const oneOf = (list) => list[next(list.length)];
const aList = () => (lists.size ? oneOf([...lists]) : null);

/**
 * What may come of a call in such a life: the network is cut, another jump is made, the conversation is left, what is
 * edited was recalled.
 */
const EXPECTED = new Set(["offline", "network", "timeout", "aborted", "closed", "forbidden", "not-found", "rejected"]);

function expected(error) {
  if (!EXPECTED.has(error.code)) violations.push(`${error.code}: ${error.message}`);
}

const deeds = {
  open() {
    if (lists.size >= LISTS) return;
    const start = oneOf(["latest", "latest", "first-unread", { at: Date.now() - 1000 * (1 + next(60)) }]);
    const timeline = client.timeline(oneOf(life.talks), { start, maxItems: 300 + (opened++ % 100) });
    lists.add({ timeline, stop: timeline.subscribe(() => look(timeline)) });
  },
  close() {
    const list = aList();
    if (!list) return;
    lists.delete(list);
    if (life.leak === "timelines") {
      leaked.push(list);
      return;
    }
    list.stop();
    list.timeline.close();
  },
  /** as a component that goes: it says nothing more than that it no longer listens */
  drop() {
    const list = aList();
    if (!list) return;
    lists.delete(list);
    list.stop();
  },
  /** as a component that goes and comes back */
  resubscribe() {
    const list = aList();
    if (!list) return;
    list.stop();
    list.stop = list.timeline.subscribe(() => look(list.timeline));
  },
  older() {
    aList()
      ?.timeline.loadOlder({ limit: 10 + next(90) })
      .catch(expected);
  },
  newer() {
    aList()?.timeline.loadNewer().catch(expected);
  },
  jump() {
    const list = aList();
    if (!list) return;
    const seqs = list.timeline.getSnapshot().items.flatMap((item) => item.message?.seq ?? []);
    const around = seqs.length ? [{ around: oneOf(seqs) }] : [];
    list.timeline
      .jump(oneOf(["latest", "first-unread", { at: Date.now() - 1000 * next(120) }, ...around]))
      .catch(expected);
  },
  /** and in the middle of it something else is wanted */
  cancel() {
    const cancel = new AbortController();
    aList()?.timeline.loadOlder({ signal: cancel.signal }).catch(expected);
    cancel.abort();
  },
  visible() {
    const list = aList();
    const items = list?.timeline.getSnapshot().items ?? [];
    if (items.length < 10) return;
    const from = next(items.length - 9);
    list.timeline.visible(items[from].key, items[from + 9].key);
  },
  write() {
    written += 1;
    client.send(oneOf(life.talks), { text: `${life.user} writes ${written}` }).catch(expected);
  },
  change() {
    const list = aList();
    const own =
      list?.timeline
        .getSnapshot()
        .items.filter((item) => item.message?.sender === life.user && item.message.state !== "recalled") ?? [];
    if (!own.length) return;
    const { id, body } = oneOf(own).message;
    (next(2) ? list.timeline.edit(id, { text: `${body.text.slice(0, 40)}!` }) : list.timeline.recall(id)).catch(
      expected,
    );
  },
  read() {
    aList()?.timeline.markRead().catch(expected);
  },
  listen() {
    const stop = client.on(oneOf(["messages", "updates", "overflow"]), () => {});
    const watch = client.conversation(oneOf(life.talks)).subscribe(() => {});
    setTimeout(() => {
      stop();
      watch();
    }, next(500));
  },
  async reopen() {
    if (next(life.reopening)) return;
    closeLists();
    await client.close();
    client = await open(life.user, life.options);
  },
};
const OFTEN = ["open", "open", "close", "drop", "older", "older", "newer", "jump", "visible", "write", "read"];
const SELDOM = ["resubscribe", "cancel", "change", "listen", "reopen"];

function closeLists() {
  for (const { timeline, stop } of lists) {
    stop();
    timeline.close();
  }
  lists.clear();
}

async function live() {
  while (!stopping) {
    const name = oneOf(next(4) ? OFTEN : SELDOM);
    done[name] = (done[name] ?? 0) + 1;
    try {
      await deeds[name]();
    } catch (error) {
      violations.push(`${name}: ${error.message}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PACE + next(PACE)));
  }
}

export async function begin(given, seed) {
  life = given;
  next = random(seed);
  client = await open(life.user, life.options);
  await caughtUp(client);
}

export function resume() {
  stopping = false;
  running = live();
}

/** No list is open, everything is delivered, nothing is under way. */
export async function rest() {
  stopping = true;
  await running;
  closeLists();
  await caughtUp(client);
  await until(
    client.outbox,
    (items) => {
      // written while the account had left
      for (const { state, clientId } of items) if (state === "failed") client.discard(clientId);
      return items.length === 0;
    },
    120_000,
  );
  // a pull of before may still fail, and what waits for it with it
  await poll(
    () =>
      client.sync().then(
        () => true,
        (error) => expected(error),
      ),
    60_000,
  );
  await until(client.status, (status) => status.caughtUp && !status.pulling);
}

export const inspect = () => client.inspect();

/** Resolves once no more is out than `most`, or with what still is after `patience`. */
export async function given(most, patience) {
  const back = async () => {
    const now = await globalThis.counting.now();
    return Object.keys(most).every((what) => now[what] <= most[what]) && now;
  };
  return poll(back, patience).catch(() => globalThis.counting.now());
}

/** The whole of a conversation, as a list shows it. */
export async function shown(talk) {
  const timeline = client.timeline(talk, { maxItems: 5000 });
  const stop = timeline.subscribe(() => look(timeline));
  await until(timeline, (now) => now.status === "ready");
  while (timeline.getSnapshot().hasOlder) await timeline.loadOlder({ limit: 500 });
  const { items } = await until(
    timeline,
    (now) => !now.hasNewer && now.items.every((item) => item.kind === "message" && item.fresh),
  );
  stop();
  timeline.close();
  return items.map((/** @type {any} */ { message: { id, seq, version, state, body } }) =>
    [id, seq, version, state, body?.text ?? null].join(" | "),
  );
}

export async function end() {
  await client.close();
  client = null;
}
