// `npm run crash-test`: Chromium is killed a hundred times in the middle of its work, and started again on the same
// profile (tests/e2e/support/crash.mjs). Three tabs share the work, and now and then the process of the one that writes
// is killed first. `-- --kills N` kills more or less often, `-- --phases catch-up,sending` only in these, `-- --tabs N`
// in so many tabs, `-- --seed S` draws the same plan again: what is done and when it is killed. What the machine makes
// of it differs from run to run.

import { parseArgs } from "node:util";
import { PHASES, crashTest } from "../tests/e2e/support/crash.mjs";
import { buildPackage } from "./build.mjs";
import { Problem, main } from "./run.mjs";
import { buildServer } from "./server.mjs";
import { setUpTests } from "./setup.mjs";

function count(name, text, standard) {
  const value = text === undefined ? standard : Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new Problem(`--${name} is an integer above 0`);
  return value;
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: "string" },
      phases: { type: "string" },
      seed: { type: "string" },
      tabs: { type: "string" },
    },
  });
  const kills = count("kills", values.kills, 100);
  const seed = count("seed", values.seed, 1 + Math.floor(Math.random() * 1e9));
  const tabs = count("tabs", values.tabs, 3);
  const phases = values.phases?.split(",") ?? PHASES;
  if (!phases.every((phase) => PHASES.includes(phase)))
    throw new Problem(`--phases takes some of: ${PHASES.join(",")}`);
  await setUpTests();
  await buildPackage({ quiet: true });
  await buildServer();
  console.log(`crash test: ${kills} kills, ${tabs} tabs, seed ${seed}`);
  const figures = await crashTest({ kills, seed, tabs, phases, say: (line) => console.log(line) });
  console.log(`\n${figures.join("\n")}`);
});
