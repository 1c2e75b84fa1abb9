// A few kills of the browser (crash.mjs; `npm run crash-test` makes a hundred). PULLCORD_CRASH=seed draws the same plan
// again, PULLCORD_KILLS is how many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crashTest } from "./support/crash.mjs";

const SEED = Number(process.env.PULLCORD_CRASH ?? 1 + Math.floor(Math.random() * 1e9));
const KILLS = Number(process.env.PULLCORD_KILLS ?? 4);

test("a browser killed in the middle of its work has lost nothing, and delivers once what it had accepted", {
  timeout: 600_000,
}, async (t) => {
  t.diagnostic(`PULLCORD_CRASH=${SEED}`);
  const figures = await crashTest({ kills: KILLS, seed: SEED, perLife: 2, say: (line) => t.diagnostic(line) });
  for (const line of figures) t.diagnostic(line);
  assert.match(figures[0], new RegExp(`^${KILLS} kills`));
});
