// Online again after a kill: everything is the server's, and what was written has arrived as it must.

import assert from "node:assert/strict";
import { call, line, pause } from "../world.mjs";
import { PATIENCE } from "./killable.mjs";
import { Truth, head, unacknowledged } from "./truth.mjs";

/** Online again: everything is the server's, and what was written is there. @returns figures */
export async function checkRecovery(life) {
  const { page, server, user, witness, talks } = life;
  life.pullLimit = 500;
  await page.evaluate(({ user, options }) => crash.recover(user, options), { user, options: life.options });
  const truth = await Truth.of(server, witness, talks);
  const { conversations } = await call(server, user, "GET", "/v1/conversations?limit=1000");
  let compared = 0;
  for (const talk of talks) {
    const { messages, unread, lastSeq, segments } = JSON.parse(await page.evaluate((talk) => crash.whole(talk), talk));
    const wanted = truth.lists.get(talk);
    assert.deepEqual(messages.map(line), wanted.map(line), `${talk}: the list is the server's`);
    const whole = { count: wanted.length, live: true, start: true, fresh: true };
    assert.deepEqual(
      segments.map(({ count, live, start, fresh }) => ({ count, live, start, fresh })),
      [whole],
      `${talk}: its segments`,
    );
    const state = conversations.find((one) => one.id === talk);
    assert.deepEqual([unread, lastSeq], [state.unread, String(state.lastSeq)], `${talk}: its state`);
    compared += wanted.length;
  }
  if (life.scope === "mailbox") {
    for (const end = Date.now() + PATIENCE; ; await pause(50)) {
      const open = await unacknowledged(server, witness, user);
      if (open?.length === 0) break;
      assert.ok(Date.now() < end, `${open?.length} deliveries are not acknowledged`);
    }
  }
  await page.evaluate(() => crash.close());

  const own = [...truth.lists.values()].map((messages) =>
    messages.filter((message) => message.sender === user).map((message) => message.body.text),
  );
  const arrived = new Map();
  for (const text of own.flat()) arrived.set(text, (arrived.get(text) ?? 0) + 1);
  for (const { text, called } of life.sent) {
    const times = arrived.get(text) ?? 0;
    if (life.accepted.has(text)) assert.equal(times, 1, `${text} was accepted, and arrived ${times} times`);
    else assert.ok(times <= (called ? 1 : 0), `${text} arrived ${times} times`);
  }
  assert.ok(
    [...arrived.keys()].every((text) => life.sent.some((one) => one.text === text)),
    "something arrived that nobody wrote",
  );
  const order = new Map(life.sent.map(({ text, tab }, at) => [text, { tab, at }]));
  for (const texts of own.flatMap((texts) => life.byTab(texts.map((text) => order.get(text))))) {
    const places = texts.map(({ at }) => at);
    assert.deepEqual(
      places,
      [...places].sort((a, b) => a - b),
      "what was written arrived in the order written",
    );
  }
  assert.deepEqual(life.wrong, []);
  // The page's policy lets it have no socket to where nobody is.
  const noise = [
    "Failed to load resource",
    "WebSocket connection",
    "Access to fetch",
    `Connecting to '${life.nowhere}`,
  ];
  assert.deepEqual(
    page.problems.filter((text) => !noise.some((one) => text.startsWith(one))),
    [],
  );
  life.right = { cursor: await head(server, witness), talks: [...talks] };
  life.overflown = false;
  life.beforeOverflow = null;
  return {
    compared,
    arrived: arrived.size,
    unresolvedArrived: [...arrived.keys()].filter((text) => !life.accepted.has(text)).length,
  };
}
