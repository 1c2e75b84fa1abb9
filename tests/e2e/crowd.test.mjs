// Many tabs of an account in random use (support/crowd.mjs; `npm run soak -- --tabs 20` is the long one): whatever
// befalls them, each shows what the server has, and nothing is lost or sent twice. PULLCORD_CROWD=seed draws the same
// plan again, PULLCORD_CROWD_MS is its length, PULLCORD_TABS how many tabs.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Book, crowd } from "./support/crowd.mjs";

const SEED = Number(process.env.PULLCORD_CROWD ?? 1 + Math.floor(Math.random() * 1e9));
/** ms of use */
const LENGTH = Number(process.env.PULLCORD_CROWD_MS ?? 15_000);
const TABS = Number(process.env.PULLCORD_TABS ?? 12);

describe("many tabs", () => {
  test("opened, closed, crashed, killed, frozen, away and back: every list is the server's, and each send arrives once", {
    timeout: 420_000,
  }, async (t) => {
    t.diagnostic(`PULLCORD_CROWD=${SEED}`);
    const { wrong, figures } = await crowd({
      length: LENGTH,
      rests: Math.max(1, Math.round(LENGTH / 30_000)),
      seed: SEED,
      tabs: TABS,
      say: (line) => t.diagnostic(line),
    });
    for (const line of figures) t.diagnostic(line);
    assert.deepEqual(wrong, []);
  });

  describe("the judgement", () => {
    const own = (...texts) => texts.map((clientId, at) => ({ sender: "ann", clientId, seq: at + 1 }));
    /** What is wrong with a list, after what a tab has told. */
    function judged(told, list, isKnown = true) {
      const book = new Book();
      for (const [what, detail] of told) book.hear("t1", { what, detail });
      book.check([list], "ann", () => isKnown);
      return book.wrong;
    }
    const written = (...texts) =>
      texts.flatMap((text) => [
        ["writing", { text, talk: "c1" }],
        ["accepted", text],
      ]);
    const left = (clientId, at) => ["request", { method: "POST", path: "/v1/conversations/c1/messages", at, clientId }];

    test("passes what arrived once, in order, and what was discarded and has not", () => {
      const told = [...written("t1-1", "t1-2", "t1-3"), ["discarding", "t1-2"]];
      assert.deepEqual(
        judged([...told, ["discarded", { text: "t1-2", isGone: true, at: 5 }]], own("t1-1", "t1-3")),
        [],
      );
    });

    test("finds one that was accepted and is lost, or arrived twice, or in another order", () => {
      assert.match(judged(written("t1-1", "t1-2"), own("t1-1")).join(), /^t1-2 was accepted, and has not arrived$/);
      assert.match(judged(written("t1-1"), own("t1-1", "t1-1")).join(), /^t1-1 arrived 2 times$/);
      assert.match(judged(written("t1-1", "t1-2"), own("t1-2", "t1-1")).join(), /^t1-1 arrived after t1-2$/);
    });

    test("finds one that nobody wrote, where all was told", () => {
      assert.match(judged([], own("t1-1")).join(), /nobody wrote it/);
      assert.deepEqual(judged([], own("t1-1"), false), []);
    });

    test("finds one that was discarded and left after that, but not one that was under way", () => {
      const gone = ["discarded", { text: "t1-1", isGone: true, at: 10_000 }];
      assert.match(
        judged([...written("t1-1"), gone, left("t1-1", 20_000)], own("t1-1")).join(),
        /left and arrived after/,
      );
      assert.deepEqual(judged([...written("t1-1"), left("t1-1", 9_000), gone], own("t1-1")), []);
    });
  });
});
