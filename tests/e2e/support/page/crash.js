// What crash.mjs has in the page, as `globalThis.crash`. Each deed runs by itself and tells what it does through
// `report` as it happens: the page may end at any moment, and what was told has been told.

import { caughtUp, open, poll, until } from "./page.js";

/** Tells the test, outside of the browser. */
const report = (what, detail) => globalThis.report(what, detail);

/** @type {import("/pkg/index.js").Client} */
let client;

export async function start(user, options) {
  client = await open(user, options);
}

export async function close() {
  await client.close();
}

/** This client writes for all of the account. */
export const writes = () => client.status.getSnapshot().writer === "here";

/** What may become of a load while others overflow the log and the network fails. */
const EXPECTED = new Set(["offline", "network", "timeout", "aborted", "protocol"]);

function expected(error) {
  if (error.code === "protocol" || !EXPECTED.has(error.code)) report("wrong", `${error.code}: ${error.message}`);
}

// ---------------------------------------------------------------- what is interrupted

/** Catches up, telling how far it has come. */
export function watchCatchUp() {
  let last = 0;
  client.status.subscribe(() => {
    const { progress, caughtUp } = client.status.getSnapshot();
    if (progress && progress.applied > last) {
      last = progress.applied;
      report("applied", last);
    }
    if (caughtUp) report("caught-up");
  });
}

/** Reads a conversation backwards, and from other places in it, with two lists. */
export async function page(talk, seqs, limit) {
  const back = client.timeline(talk, { maxItems: 100_000 });
  back.subscribe(() => {});
  const around = client.timeline(talk, { start: { around: seqs[0] }, maxItems: 2000 });
  around.subscribe(() => {});
  const read = async () => {
    while (back.getSnapshot().hasOlder) {
      await back.loadOlder({ limit }).catch(expected);
      report("page", back.getSnapshot().items.length);
    }
  };
  const leap = async () => {
    for (const seq of seqs) {
      await around.jump({ around: seq }).catch(expected);
      await around.loadOlder({ limit }).catch(expected);
      await around.loadNewer({ limit }).catch(expected);
      report("page", around.getSnapshot().items.length);
    }
  };
  await Promise.all([read(), leap()]);
  report("read");
}

/**
 * Writes them in this order, some before the last was stored.
 * @param {{ talk: string, text: string, wait: number }[]} messages
 */
export async function write(messages) {
  const running = [];
  for (const { talk, text, wait } of messages) {
    report("writing", text);
    const sending = client.send(talk, { text }, { clientId: text });
    running.push(
      sending.then(
        () => report("accepted", text),
        (error) => report("wrong", `send: ${error.code}: ${error.message}`),
      ),
    );
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait));
  }
  await Promise.all(running);
  report("written");
}

// ---------------------------------------------------------------- what is there afterwards

const plain = (item) => ({
  kind: item.kind,
  key: item.key,
  fresh: item.fresh ?? null,
  state: item.state ?? null,
  text: item.body?.text ?? null,
  message: item.message ?? null,
});

/** It shows what it has, or says why it has nothing: own messages may be there before what is stored has been read. */
const settled = (now) => now.status === "ready" && (now.error || now.items.some((item) => item.kind === "message"));

/** All items of one segment that can be read without the network. */
async function readSegment(talk, { lo, hi }) {
  const timeline = client.timeline(talk, { start: { around: hi }, maxItems: 1_000_000, pageSize: 1000 });
  const stop = timeline.subscribe(() => {});
  await until(timeline, settled);
  const within = (item) =>
    item.message && BigInt(item.message.seq) >= BigInt(lo) && BigInt(item.message.seq) <= BigInt(hi);
  for (;;) {
    const { items, hasOlder } = timeline.getSnapshot();
    const first = items.find((item) => item.kind !== "local");
    if (!hasOlder || !first || !within(first)) break;
    const { added } = await timeline.loadOlder({ limit: 1000 }).catch((error) => {
      if (error.code !== "offline" && error.code !== "network") throw error;
      return { added: 0 };
    });
    if (!added) break;
  }
  /** @type {{ items: readonly any[] }} */
  const { items } = timeline.getSnapshot();
  stop();
  timeline.close();
  return items
    .filter((item) => item.kind === "message" && within(item))
    .map(({ message, fresh }) => ({ ...message, fresh }));
}

/**
 * Everything that the device knows by itself: of an account, with a server that cannot be reached. As JSON, which is
 * quicker than what an evaluation makes of it.
 */
export async function look(user, options, talks) {
  const { origin } = new URL(options.transport.baseUrl);
  /** @type {{ url: string, body: string }[]} */
  const asked = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (request, ...rest) => {
    const copy = new Request(request instanceof Request ? request.clone() : request);
    if (!copy.url.startsWith(origin)) return fetch(request, ...rest);
    asked.push({ url: copy.url, body: await copy.text() });
    throw new TypeError("Failed to fetch");
  };
  await start(user, options);
  // it has tried: what it asked with is on record, and from here on it knows that it is offline
  await until(client.status, (status) => status.connection === "offline");
  await poll(async () => asked.some(({ url }) => /\/v1\/(sync|mailbox)/.test(url)));
  const { cursor } = await client.inspect();
  const seen = { cursor, outbox: client.outbox.getSnapshot().map(plain), talks: {} };
  for (const talk of talks) {
    const { segments } = await client.inspect(talk);
    const timeline = client.timeline(talk, { maxItems: 100_000, pageSize: 200 });
    const stop = timeline.subscribe(() => {});
    const { items, hasOlder, hasNewer } = await until(
      timeline,
      (now) => settled(now) && !now.loading.older && !now.loading.newer && !now.loading.jump,
    );
    stop();
    timeline.close();
    const read = [];
    for (const segment of segments) read.push({ ...segment, messages: await readSegment(talk, segment) });
    seen.talks[talk] = { segments: read, shown: { items: items.map(plain), hasOlder, hasNewer } };
  }
  await close();
  globalThis.fetch = fetch;
  return JSON.stringify({ ...seen, asked });
}

/** Gets everything right again. */
export async function recover(user, options) {
  await start(user, options);
  await caughtUp(client);
  await until(client.outbox, (items) => items.length === 0, 120_000);
  await client.sync();
  await poll(async () => client.status.getSnapshot().caughtUp && !client.status.getSnapshot().pulling);
}

/** The whole of a conversation, as a list shows it, with its state. As JSON. */
export async function whole(talk) {
  const timeline = client.timeline(talk, { maxItems: 1_000_000 });
  const stop = timeline.subscribe(() => {});
  await until(timeline, (now) => now.status === "ready" && !now.items.some((item) => item.kind === "gap"));
  for (let calls = 0; timeline.getSnapshot().hasOlder; calls += 1) {
    if (calls > 200) throw new Error("loadOlder without an end");
    await timeline.loadOlder({ limit: 1000 });
  }
  const { items } = await until(
    timeline,
    (now) => !now.hasNewer && !now.hasOlder && now.items.every((item) => item.kind === "message" && item.fresh),
    60_000,
  );
  stop();
  timeline.close();
  const { unread, lastSeq } = client.conversation(talk).getSnapshot() ?? {};
  const { segments } = await client.inspect(talk);
  return JSON.stringify({ messages: items.map((/** @type {any} */ item) => item.message), unread, lastSeq, segments });
}
