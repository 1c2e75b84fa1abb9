// What the benchmark's script calls in the page. Each function is one measurement of one contender, and
// checks that the work was done.

import { DEXIE_VERSION, dexie } from "./dexie.js";
import { Feed, Quiet, loadEvents } from "./feed.js";
import { plain } from "./plain.js";
import { firstPage, importPackage, pullcord, warmUp, wasmBytes } from "./pullcord.js";

/** @type {Record<string, typeof pullcord | typeof dexie | typeof plain>} */
const CONTENDERS = { pullcord, dexie, plain };

/** @type {any[]} */
let events = [];

/** ms for the disk and the garbage of whoever was before */
const SETTLE = 500;

async function settle() {
  /** @type {any} */ (globalThis).gc?.();
  await new Promise((resolve) => setTimeout(resolve, SETTLE));
}

/** Somebody looks at the page before he wants the next one. */
function frame() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

function must(held, what) {
  if (!held) throw new Error(what);
}

async function loadMessages() {
  await importPackage();
  events = await loadEvents();
  return events.length;
}

const contenders = () => Object.entries(CONTENDERS).map(([key, { name, does }]) => ({ key, name, does }));

/** Into a database that does not exist yet. @returns {Promise<number>} ms */
async function catchUp(key, database, count) {
  const contender = /** @type {any} */ (CONTENDERS[key]);
  const feed = new Feed(events);
  const open = await contender.open(database, feed);
  feed.happen(count);
  await settle();
  // for tests/bench/profile.mjs; nothing, while nobody listens
  console.profile();
  const began = performance.now();
  await contender.catchUp(open);
  const took = performance.now() - began;
  console.profileEnd();
  const stored = await contender.count(open);
  must(stored === feed.available, `${contender.name} stored ${stored} of ${feed.available} messages`);
  await contender.close(open);
  return took;
}

/** The newest page, untimed, then those before it. @returns {Promise<number[]>} ms each */
async function pageBack(key, database, count, conversation, size, pages) {
  const contender = /** @type {any} */ (CONTENDERS[key]);
  const feed = new Feed(events);
  feed.happen(count);
  await settle();
  const { times, seqs } = await contender.pageBack(database, feed, conversation, size, pages, frame);
  const expected = events
    .slice(0, count)
    .filter((event) => event.message.conversation === conversation)
    .slice(-size * (pages + 1));
  const wrong = expected.findLastIndex((event, index) => event.message.seq !== seqs[index]);
  must(
    wrong < 0 && seqs.length === expected.length,
    `${contender.name} read ${seqs.length} messages, which are not the newest ${expected.length}: ${seqs[wrong]} instead of ${expected[wrong]?.message.seq}`,
  );
  return times;
}

/** @returns {Promise<number>} ms from createClient to the first page in a snapshot */
async function coldOpen(account, conversation, size, { warm }) {
  await importPackage();
  if (warm) await warmUp();
  await settle();
  const began = performance.now();
  const { client } = await firstPage(account, new Quiet(), conversation, size);
  const took = performance.now() - began;
  await client.close();
  return took;
}

async function remove(key, database) {
  await CONTENDERS[key].remove(database);
}

Object.assign(globalThis, {
  bench: { DEXIE_VERSION, contenders, loadMessages, catchUp, pageBack, coldOpen, remove, wasmBytes },
});
