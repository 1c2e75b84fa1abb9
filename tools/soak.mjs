// `npm run soak`: half an hour of busy traffic in Chromium against the reference server, and whether anything has grown
// by it (tests/e2e/support/soak.mjs). `-- --minutes N` takes another time, `-- --seed S` repeats one, `-- --rate N`
// messages a second of others. `-- --leak timelines` (or `snapshots`) has the page hold what an app must not: that is
// to be found. `-- --tabs 20`: two minutes (or `--minutes`) of so many tabs of an account instead, which are closed,
// crashed, killed, frozen and more (tests/e2e/support/crowd.mjs).

import { parseArgs } from "node:util";
import { crowd } from "../tests/e2e/support/crowd.mjs";
import { soak } from "../tests/e2e/support/soak.mjs";
import { buildPackage } from "./build.mjs";
import { Problem, main } from "./run.mjs";
import { buildServer } from "./server.mjs";
import { setUpTests } from "./setup.mjs";

/** ms between two rests */
const EVERY = 30_000;

function number(name, text, standard) {
  const value = text === undefined ? standard : Number(text);
  if (!(value > 0)) throw new Problem(`--${name} is a number above 0`);
  return value;
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: "string" },
      seed: { type: "string" },
      rate: { type: "string" },
      leak: { type: "string" },
      tabs: { type: "string" },
    },
  });
  const tabs = values.tabs === undefined ? 0 : number("tabs", values.tabs, 0);
  const minutes = number("minutes", values.minutes, tabs ? 2 : 30);
  const seed = number("seed", values.seed, 1 + Math.floor(Math.random() * 1e9));
  const rate = number("rate", values.rate, 40);
  const leak = /** @type {"" | "timelines" | "snapshots"} */ (values.leak ?? "");
  if (!["", "timelines", "snapshots"].includes(leak)) throw new Problem("--leak is timelines or snapshots");
  await setUpTests();
  await buildPackage({ quiet: true });
  await buildServer();
  console.log(`soak: ${minutes} minutes, seed ${seed}`);
  const length = minutes * 60_000;
  const rests = Math.round(length / EVERY);
  const say = (line) => console.log(line);
  if (tabs) {
    const { wrong, figures } = await crowd({ length, rests: Math.max(1, rests), seed, tabs, say });
    console.log(`\n${figures.join("\n")}`);
    if (wrong.length) throw new Problem(`seed ${seed}: wrong:\n${wrong.map((one) => `  ${one}`).join("\n")}`);
    console.log("\nall of it is right: every list was the server's, and each message has arrived once");
    return;
  }
  const { wrong, figures } = await soak({ length, rests: Math.max(6, rests), seed, rate, leak, say });
  console.log(`\n${figures.join("\n")}`);
  if (wrong.length)
    throw new Problem(`seed ${seed}: not flat, or wrong:\n${wrong.map((one) => `  ${one}`).join("\n")}`);
  console.log("\nflat: nothing has grown, nothing is left, and every list is the server's");
});
