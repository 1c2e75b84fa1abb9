// Who writes for an account (docs/rules.md, R15): claims of several tabs, on a browser's locks and channels that are
// played, in time that is played as well.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Locks } from "../../pkg-template/claim/locks.js";
import { World } from "./tabs.mjs";

test("the first writes, the others follow it and queue for nothing", async (t) => {
  const world = new World(t);
  const [first, second, third] = [world.open(), world.open(), world.open({ hidden: true })];
  await world.run(1000);
  assert.deepEqual(world.writers, [first]);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
  assert.deepEqual([second.claim.isHeld, third.claim.isHeld], [false, false]);
  first.claim.tell(new Uint8Array([1, 2]));
  second.claim.tell(new Uint8Array([9, 3, 9]).subarray(1, 2));
  await world.run(10);
  assert.deepEqual([first.heard, second.heard, third.heard], [[3], [1, 2], [1, 2, 3]]);
});

test("the writer's end: closed, asleep, crashed, in whatever order its locks go, a visible one is the next, soon", async (t) => {
  const account = "pullcord:ann";
  /** @type {[string, (tab: any, names: string[]) => void][]} */
  const ends = [
    ["closed", (tab) => tab.close()],
    ["asleep", (tab) => tab.sleep()],
    ["crashed, account first", (tab, names) => tab.crash([account, ...names])],
    ["crashed, name first", (tab, names) => tab.crash([...names, account])],
  ];
  const world = new World(t);
  for (const [how, end] of ends) {
    const first = world.open();
    await world.run(100);
    const [hidden, visible] = [world.open({ hidden: true }), world.open()];
    await world.run(1000);
    assert.deepEqual(world.writers, [first], how);
    const names = world.told.findLast(([name, type]) => name === first.name && type === "took")[2].mark.name;
    end(first, [names]);
    await world.run(50);
    assert.deepEqual(world.writers, [visible], how);
    visible.close();
    await world.run(250);
    assert.deepEqual(world.writers, [], "a hidden one is later");
    await world.run(150);
    assert.deepEqual(world.writers, [hidden], how);
    hidden.close();
    if (!first.isOver) first.close();
    await world.run(50);
    assert.deepEqual(world.holders, []);
  }
});

test("of 20 tabs one is the next, and nobody stays in the queue", async (t) => {
  const world = new World(t);
  for (let i = 0; i < 20; i += 1) world.open({ hidden: i % 3 === 1 });
  await world.run(1000);
  for (let left = 20; left > 0; left -= 1) {
    assert.equal(world.writers.length, 1);
    assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
    world.writers[0].close();
    await world.run(500);
  }
  assert.equal(world.epoch, 20, "each in its turn");
});

test("a client that opens while there is no word of the writer has its turn when the lock is free", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  first.block();
  const second = world.open();
  await world.run(3000);
  assert.equal(second.claim.isHeld, false);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), [second]);
  first.unblock();
  await world.run(100);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), [], "it follows");
  first.close();
  await world.run(50);
  assert.deepEqual(world.writers, [second]);
});

test("a writer that stands still is replaced by force, by one candidate", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const [second, third, hidden] = [world.open(), world.open(), world.open({ hidden: true })];
  await world.run(1000);
  first.block();
  for (const tab of [hidden, second, third]) tab.claim.stuck();
  await world.run(50);
  assert.deepEqual(world.writers, [second]);
  assert.equal(world.epoch, 2);
  first.unblock();
  first.commit();
  await world.run(500);
  assert.deepEqual(world.writers, [second], "the old one has stood back");
  assert.equal(first.claim.isHeld, false);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
  // and again, by another
  second.block();
  third.claim.stuck();
  await world.run(50);
  assert.deepEqual(world.writers, [third]);
  third.close();
  await world.run(50);
  assert.equal(world.writers.length, 1);
});

test("one that opens while the writer stands still takes its place by itself", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  first.block();
  const second = world.open();
  await world.run(10_000);
  assert.deepEqual(world.writers, [second]);
});

test("by force once in 10 s, and twice as seldom each time", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const second = world.open();
  await world.run(100);
  const at = [];
  const began = Date.now();
  await world.run(100_000, () => {
    if (second.claim.isHeld) {
      at.push(Date.now() - began);
      // and again the other one writes
      world.locks.takeAway(second);
      first.claim.stuck();
    } else {
      second.claim.stuck();
    }
  });
  // each of the two by itself
  const count = second.warnings.filter((text) => /does not answer/.test(text)).length;
  assert.ok(count >= 3 && count <= 4, `${count} of them`);
});

test("one that cannot commit its fence leaves it to the others, and each that cannot tries once a minute", async (t) => {
  const world = new World(t);
  const first = world.open();
  first.isBroken = true;
  await world.run(12_000);
  assert.equal(first.claim.isHeld, true, "there is nobody else");
  const second = world.open();
  await world.run(6000);
  assert.deepEqual(world.writers, [second]);
  second.isBroken = true;
  const third = world.open();
  third.isBroken = true;
  await world.run(1000);
  second.hide();
  await world.run(30_000);
  assert.equal(second.claim.isHeld, false, "it was asked for the work, being hidden");
  let held = 0;
  const took = world.told.filter(([, type]) => type === "took").length;
  await world.run(180_000, () => {
    held = Math.max(held, world.holders.length);
  });
  assert.equal(held, 1);
  const tries = world.told.filter(([, type]) => type === "took").length - took;
  assert.ok(tries >= 6 && tries <= 12, `${tries} in three minutes`);
  second.isBroken = false;
  await world.run(61_000);
  assert.deepEqual(world.writers, [second], "who can does");
});

test("a writer that is hidden for 10 s gives the work to one that is looked at, after its commit, and to nobody else", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const [second, third] = [world.open(), world.open({ hidden: true })];
  await world.run(1000);
  first.restMs = 500;
  first.hide();
  await world.run(9900);
  assert.deepEqual(world.writers, [first]);
  await world.run(300);
  assert.deepEqual([first.rests, world.writers], [1, [first]], "it writes to the end");
  await world.run(500);
  assert.deepEqual(world.writers, [second]);
  // nobody looks at any of them: it keeps the work, until one is looked at
  second.hide();
  await world.run(20_000);
  assert.deepEqual(world.writers, [second]);
  third.hide(false);
  await world.run(100);
  assert.deepEqual(world.writers, [third]);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
  // and one that opens
  third.hide();
  await world.run(11_000);
  const fourth = world.open();
  await world.run(100);
  assert.deepEqual(world.writers, [fourth]);
});

test("a writer that is looked at again keeps the work, whoever has asked for it", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const second = world.open();
  await world.run(1000);
  first.hide();
  second.block();
  await world.run(10_500);
  first.hide(false);
  second.unblock();
  await world.run(1000);
  assert.deepEqual(world.writers, [first]);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
});

test("a word that is lost does not keep the work with one that is hidden", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const second = world.open();
  await world.run(100);
  let lost = 0;
  const { post } = world;
  world.post = (from, data) => {
    if (data.type === "want" && lost === 0) lost += 1;
    else post.call(world, from, data);
  };
  first.hide();
  await world.run(12_000);
  assert.deepEqual([lost, world.writers], [1, [first]]);
  await world.run(6_000);
  assert.deepEqual(world.writers, [second]);
});

test("a commit that never ends does not keep the work", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const second = world.open();
  await world.run(100);
  first.restMs = 3_600_000;
  first.hide();
  await world.run(16_000);
  assert.deepEqual(world.writers, [second]);
});

test("one that sleeps has nothing and hears nothing, and awake it knows nothing of before", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const second = world.open();
  await world.run(100);
  for (const tab of [second, first]) {
    tab.sleep();
    assert.deepEqual(
      [...world.channels].filter((channel) => channel.tab === tab),
      [],
    );
    await world.run(0);
    assert.equal(world.holders.includes(tab), false);
  }
  await world.run(60_000);
  assert.deepEqual(world.holders, [], "both sleep");
  second.wake();
  await world.run(50);
  assert.deepEqual(world.writers, [second]);
  first.wake();
  await world.run(50);
  assert.deepEqual(world.writers, [second], "it has come later");
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
  second.sleep();
  await world.run(50);
  assert.deepEqual(world.writers, [first]);
});

test("a lock that the browser takes away is asked for again", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  world.locks.takeAway(first);
  await world.run(50);
  assert.deepEqual([world.writers, first.promotions], [[first], 2]);
});

test("take-over closes all others, and one that slept when it wakes; not what only waits", async (t) => {
  const world = new World(t);
  const [first, second, sleeper] = [world.open(), world.open(), world.open()];
  await world.run(100);
  const waiting = world.open({ ifOpen: "wait" });
  await world.run(1000);
  sleeper.sleep();
  await world.run(10);
  const newest = world.open({ ifOpen: "take-over" });
  await world.run(100);
  assert.deepEqual(world.writers, [newest]);
  for (const tab of [first, second]) assert.match(tab.endings[0]?.message, /taken over/);
  assert.deepEqual([waiting.endings, newest.endings], [[], []]);
  // it is no writer any more, and is known all the same
  const later = world.open();
  await world.run(10);
  newest.sleep();
  await world.run(100);
  assert.deepEqual([world.writers, later.endings], [[later], []]);
  sleeper.wake();
  await world.run(100);
  assert.match(sleeper.endings[0]?.message, /taken over/);
  assert.deepEqual([world.writers, waiting.endings], [[later], []]);
});

test("take-over steals from one that does not react within 2 s", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  first.block();
  const second = world.open({ ifOpen: "take-over" });
  await world.run(1900);
  assert.equal(second.claim.isHeld, false);
  await world.run(300);
  assert.deepEqual(world.writers, [second]);
  first.unblock();
  await world.run(100);
  assert.match(first.endings[0]?.message, /taken over/);
});

test("two that take over at once: one of them stays", async (t) => {
  const world = new World(t);
  const [first, second] = [world.open({ ifOpen: "take-over" }), world.open({ ifOpen: "take-over" })];
  await world.run(3000);
  assert.deepEqual([first.endings.length, second.endings.length], [1, 0]);
  assert.deepEqual(world.writers, [second]);
});

test("ifOpen wait: it waits until all others have gone, also where the work moves", async (t) => {
  const world = new World(t);
  const waiting = world.open({ ifOpen: "wait" });
  await world.run(100);
  assert.deepEqual(world.writers, [waiting], "there was nobody");
  waiting.close();
  const first = world.open();
  await world.run(100);
  const second = world.open();
  const patient = world.open({ ifOpen: "wait" });
  const hidden = world.open({ hidden: true });
  await world.run(1000);
  first.hide();
  await world.run(10_500);
  assert.deepEqual(world.writers, [second]);
  first.close();
  second.crash();
  await world.run(500);
  assert.deepEqual(world.writers, [hidden]);
  patient.claim.stuck();
  await world.run(500);
  assert.deepEqual(world.writers, [hidden], "it asks for nothing");
  hidden.close();
  await world.run(1000);
  assert.deepEqual(world.writers, [patient]);
});

test("clients that cannot share: the newest has the account, whatever the clock says, the others are outdated", async (t) => {
  const world = new World(t);
  const [old, sleeper] = [world.open({ as: "1" }), world.open({ as: "1" })];
  await world.run(2000);
  sleeper.sleep();
  t.mock.timers.setTime(Date.now() - 500_000);
  const newest = world.open({ as: "2" });
  await world.run(200);
  assert.deepEqual(
    old.endings.map(({ code }) => code),
    ["outdated"],
  );
  assert.deepEqual([newest.endings, world.writers], [[], [newest]]);
  const same = world.open({ as: "2" });
  await world.run(2000);
  assert.deepEqual([same.endings, newest.endings], [[], []]);
});

test("one that slept is outdated when it wakes, also where the newer one does not write", async (t) => {
  const world = new World(t);
  const sleeper = world.open({ as: "1" });
  await world.run(100);
  sleeper.sleep();
  const newest = world.open({ as: "2" });
  await world.run(2000);
  newest.claim.tell(new Uint8Array([1]));
  sleeper.wake();
  await world.run(100);
  assert.deepEqual(
    sleeper.endings.map(({ code }) => code),
    ["outdated"],
  );
  assert.deepEqual([sleeper.heard, newest.endings], [[], []]);
});

test("a refused token: the others are offered the work once each, visible first, and then it stays", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const [hidden, second, third] = [world.open({ hidden: true }), world.open(), world.open()];
  world.open({ ifOpen: "wait" });
  await world.run(1000);
  const order = [];
  let writer = first;
  first.claim.refused();
  await world.run(8_000, () => {
    const [now] = world.writers;
    if (!now || now === writer) return;
    writer = now;
    order.push(now);
    now.claim.refused();
  });
  assert.deepEqual(
    [
      order
        .slice(0, 2)
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ name }) => name),
      order.slice(2).map(({ name }) => name),
    ],
    [[second.name, third.name], [hidden.name]],
  );
  assert.deepEqual(
    world.writers.map(({ name }) => name),
    [hidden.name],
  );
  // one that is looked at has it from the hidden one, and does no better
  await world.run(20_000);
  assert.equal(world.writers[0].isHidden, false);
  const at = world.told.length;
  world.writers[0].claim.refused();
  await world.run(5_000);
  assert.equal(world.told.slice(at).filter(([, type]) => type === "offer").length, 0);
  // a later refusal is a round of its own, and who does not answer is passed by
  await world.run(60_000);
  const last = world.writers[0];
  const [next, ...others] = [first, second, third].filter((tab) => tab !== last);
  for (const tab of others) tab.block();
  last.claim.refused();
  await world.run(5000);
  assert.deepEqual(
    world.writers.map(({ name }) => name),
    [next.name],
  );
});

test("wipe ends all, and has the lock", async (t) => {
  const world = new World(t);
  const [first, second, deaf] = [world.open(), world.open(), world.open({ ifOpen: "wait" })];
  await world.run(1000);
  let gone = false;
  world.as(second, () => second.claim.evict().then(() => (gone = true)));
  await world.run(1000);
  for (const tab of [first, deaf]) assert.match(tab.endings[0]?.message, /deleted/);
  assert.deepEqual([gone, second.claim.isHeld, second.endings], [true, true, []]);
  second.close();
  // one that does not react
  const blocked = world.open();
  await world.run(100);
  blocked.block();
  const third = world.open();
  await world.run(100);
  gone = false;
  third.claim.evict().then(() => (gone = true));
  await world.run(4100);
  assert.deepEqual([gone, third.claim.isHeld], [true, true]);
});

test("without Web Locks the last opened one writes, an earlier one when it has gone or says nothing any more", async (t) => {
  const world = new World(t, { locks: false });
  // each tab has locks of its own: here one of another page is but heard
  const first = world.open();
  await world.run(100);
  assert.deepEqual(world.writers, [first]);
  let answers = true;
  const other = new (world.as({ name: "other", isDead: false }, () => BroadcastChannel))("pullcord:ann");
  const heard = [];
  const header = { by: "~other", age: "0000000001001000 ~other", era: "", as: "" };
  const tell = (type, more = {}) => world.post(other, { type, ...header, at: Date.now() + 1, mark: null, ...more });
  other.onmessage = ({ data }) => {
    heard.push(data.type);
    if (data.type === "hello" && answers) tell("here");
  };
  tell("took");
  await world.run(20);
  assert.equal(first.claim.isHeld, false);
  await world.run(30_000);
  assert.equal(first.claim.isHeld, false, "it answers");
  answers = false;
  await world.run(8_000);
  assert.equal(first.claim.isHeld, true, "it does not answer");
  answers = true;
  tell("took");
  await world.run(20);
  assert.equal(first.claim.isHeld, false);
  tell("gone");
  await world.run(350);
  assert.equal(first.claim.isHeld, true);
  // both at once: the later one writes, and has the later fence
  const before = first.promotions;
  heard.length = 0;
  tell("took", { at: Date.now() - 10_000 });
  await world.run(400);
  assert.deepEqual([first.claim.isHeld, first.promotions], [true, before + 1]);
  assert.ok(heard.includes("here"));
  // it is asked for the work
  first.hide();
  await world.run(10_500);
  tell("want", { to: world.told.findLast(([name]) => name === first.name)[2].by });
  await world.run(100);
  assert.deepEqual([first.claim.isHeld, heard.at(-1)], [false, "gone"]);
});

test("what has not the form of a client's word is not heard", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(2000);
  const other = new (world.as({ name: "other", isDead: false }, () => BroadcastChannel))("pullcord:ann");
  for (const odd of [{}, [], 5, null, undefined])
    for (const form of [{ age: odd }, { era: odd }, { by: odd }])
      world.post(other, { type: "hello", by: "~other", age: "~", era: "~", as: "another", fresh: true, ...form });
  await world.run(2000);
  assert.deepEqual([first.endings, first.claim.isHeld], [[], true]);
});

test("two of one page, without Web Locks: the second follows, and has its turn", async (t) => {
  const world = new World(t, { locks: false });
  const [first, second] = [world.open(), world.open()];
  await world.run(1000);
  assert.deepEqual(world.writers, [first]);
  first.close();
  await world.run(700);
  assert.deepEqual(world.writers, [second]);
});

test("one that was fenced waits for who did it, and tries again where nothing is heard, more seldom each time", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const waits = [];
  for (let i = 0; i < 4; i += 1) {
    world.epoch += 1;
    first.commit();
    assert.equal(first.claim.isHeld, false);
    const began = Date.now();
    while (!first.claim.isHeld) await world.run(100);
    await world.run(20);
    waits.push(Math.round((Date.now() - began) / 1000));
  }
  assert.deepEqual(waits, [5, 10, 20, 40]);
});

test("memory: clients share with their like of the page, and leave the account to the others", async (t) => {
  const world = new World(t);
  const first = world.open();
  await world.run(100);
  const refused = world.open();
  const second = world.open();
  await world.run(100);
  await Promise.all([world.as(first, () => first.claim.keepToPage()), world.run(100)]);
  await world.run(500);
  assert.equal(first.claim.isHeld, true, "of its own");
  assert.equal(world.holders.length, 1, "and another of what is stored");
  assert.ok(world.holders[0] === refused || world.holders[0] === second);
  const memory = world.open({ pageOnly: true });
  await world.run(1000);
  assert.equal(memory.claim.isHeld, false);
  memory.claim.tell(new Uint8Array([7]));
  await world.run(10);
  assert.deepEqual([first.heard, second.heard, refused.heard], [[7], [], []]);
  first.close();
  await world.run(50);
  assert.equal(memory.claim.isHeld, true);
  second.claim.evict();
  await world.run(100);
  assert.match(memory.endings[0]?.message, /deleted/, "the account is wiped, wherever it is");
  memory.close();
});

/** Numbers that look random, the same for a seed. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Tabs to which anything happens, in any order; then all is well, and it has to be well.
 * @param {any} t
 * @param {number} seed
 * @param {{ apart: number, heals: number }} terms `apart`: of so many tabs one is in a page without Web Locks; `heals`:
 *   ms until there is another writer, where nobody takes the work by force
 */
async function anything(t, seed, { apart, heals }) {
  const pick = random(seed);
  const world = new World(t);
  const any = (which) => {
    const those = world.tabs.filter(which);
    return those[pick(those.length)];
  };
  const awake = (tab) => tab.isAwake;
  const open = (options = {}) => world.open({ ...options, apart: apart > 0 && pick(apart) === 0 });
  const commits = () => {
    for (const tab of world.tabs) if (tab.isAwake && !tab.isBlocked) tab.commit();
  };
  /** What a core does: it commits, and asks the writer for something. */
  const cores = () => {
    if (Date.now() % 1000 !== 0) return;
    commits();
    for (const tab of world.tabs) {
      if (!tab.isAwake || tab.isBlocked) continue;
      const served = world.writers.some((writer) => !writer.isBlocked);
      if (!tab.isHidden && !tab.isWriter && !served && Date.now() % 2000 === 0) tab.claim.stuck();
    }
  };
  const steps = [
    () => world.tabs.length < 8 && open({ hidden: pick(2) === 0, ifOpen: pick(6) ? "share" : "wait" }),
    () => any(awake)?.close(),
    () => any(awake)?.crash(),
    () => any((tab) => awake(tab) && !tab.isBlocked)?.sleep(),
    () => any((tab) => tab.isAsleep && !tab.isOver)?.wake(),
    () => any(awake)?.hide(pick(2) === 0),
    () => any((tab) => awake(tab) && !tab.isBlocked)?.block(),
    () => any((tab) => tab.isBlocked)?.unblock(),
    () => world.locks.takeAway(any(awake)),
    () => any((tab) => tab.isWriter)?.claim.refused(),
  ];
  for (let i = 0; i < 40; i += 1) {
    steps[pick(steps.length)]();
    await world.run([0, 10, 50, 300, 3000, 12_000][pick(6)], cores);
    assert.ok(world.holders.length <= 1);
  }
  for (const tab of world.tabs) if (tab.isBlocked) tab.unblock();
  // time enough for one that gave it up; nobody takes it by force
  await world.run(62_000, commits);
  const last = open();
  await world.run(12_000 + heals, commits);
  assert.equal(world.writers.length, 1, "one writes");
  world.writers[0].crash();
  await world.run(heals, commits);
  assert.equal(world.writers.length, world.tabs.some(awake) ? 1 : 0, "and then another");
  if (last.isOver) open();
  await world.run(80_000, cores);
  assert.equal(world.writers.length, 1, "one writes");
  const [writer] = world.writers;
  assert.equal(writer.isHidden, false, "it is looked at");
  if (apart === 0) assert.deepEqual(world.holders, [writer]);
  assert.deepEqual(world.locks.waiting("pullcord:ann"), []);
  assert.deepEqual(
    world.tabs.filter((tab) => tab.endings.length > 0),
    [],
  );
  for (const tab of world.tabs) if (!tab.isOver) tab.close();
  await world.run(10);
  const channels = [...world.channels].filter(({ tab }) => !tab.isDead);
  const left = new Locks(true, () => {}).ask("pullcord:ann", { ifAvailable: true }, { got: () => {} });
  assert.deepEqual([world.holders.length, channels.length, await left.answered], [0, 0, true]);
  left.letGo();
}

test("whatever befalls tabs, in any order: in the end one writes, one that is looked at, and nobody waits for nothing", async (t) => {
  for (let seed = 1; seed <= 40; seed += 1)
    await t.test(`seed ${seed}`, (t) => anything(t, seed, { apart: 0, heals: 1000 }));
});

test("likewise where some of them are in a page without Web Locks", async (t) => {
  for (let seed = 1; seed <= 40; seed += 1)
    await t.test(`seed ${seed}`, (t) => anything(t, seed, { apart: 2, heals: 45_000 }));
});
