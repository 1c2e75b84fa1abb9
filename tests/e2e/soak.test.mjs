// A short soak (soak.mjs; `npm run soak` is the long one): what is handed out is given back, memory does not rise, and
// the lists are the server's. And that the judgement can fail. PULLCORD_SOAK=seed repeats one, PULLCORD_SOAK_MS is its
// length.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { judge, soak } from "./support/soak.mjs";

const SEED = Number(process.env.PULLCORD_SOAK ?? Math.floor(Math.random() * 1e9));
/** ms of traffic */
const LENGTH = Number(process.env.PULLCORD_SOAK_MS ?? 36_000);

describe("soak", () => {
  test("busy traffic leaves nothing behind: no memory, handle or timer", { timeout: 300_000 }, async (t) => {
    t.diagnostic(`PULLCORD_SOAK=${SEED}`);
    const { wrong, figures } = await soak({ length: LENGTH, rests: 9, seed: SEED });
    for (const line of figures) t.diagnostic(line);
    assert.deepEqual(wrong, []);
  });

  describe("the judgement", () => {
    const counts = {
      timers: 2,
      sockets: 1,
      databases: 1,
      channels: 1,
      requests: 0,
      locks: 1,
      nodes: 12,
      listeners: 16,
    };
    const flat = { ...counts, heap: 2e6, wasm: 2e6, stored: 2e5, disk: 2e6, server: 12e6, messages: 1500 };
    const samples = (change) => Array.from({ length: 12 }, (_, i) => ({ ...flat, ...change(i) }));

    test("passes what warms up and then wavers", () => {
      assert.deepEqual(
        judge(samples((i) => ({ heap: 2e6 + 1e6 * Math.min(i, 4) + 1e5 * (i % 2), disk: 2e6 + 3e6 * (i % 3) }))),
        [],
      );
    });

    for (const what of ["heap", "wasm", "stored", "disk", "server"]) {
      test(`finds that ${what} rises`, () => {
        assert.match(judge(samples((i) => ({ [what]: flat[what] * (1 + 4 * i) }))).join(), / in the last third, /);
      });
    }

    for (const what of Object.keys(counts)) {
      test(`finds one of the ${what} that is not given back`, () => {
        assert.deepEqual(judge(samples((i) => ({ [what]: flat[what] + (i > 6 ? 1 : 0) }))), [
          `${what}: ${flat[what] + 1} at rest 7, ${flat[what]} at the first`,
        ]);
      });
    }

    test("finds more messages kept than were allowed", () => {
      assert.deepEqual(judge(samples((i) => ({ messages: i === 9 ? 1501 : 1400 }))), [
        "1501 messages are kept, at most 1500 were allowed",
      ]);
    });
  });
});
