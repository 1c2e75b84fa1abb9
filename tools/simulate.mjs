// `npm run simulate -- --histories N --seed S`: the simulation for as long as one likes, on all cores.
// `-- --replay S` runs one history again and tells it; `--survey` goes on after a failure. Where
// PULLCORD_MODES is set, it says what is drawn (tests/simulation/mode.rs).

import { Problem, main, run } from "./run.mjs";
import { setUpNative } from "./setup.mjs";

const OPTIONS = { "--histories": "PULLCORD_HISTORIES", "--seed": "PULLCORD_FIRST", "--replay": "PULLCORD_SEED", "--story": "PULLCORD_STORY" };

function parse(args) {
  const env = {};
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--survey") {
      env.PULLCORD_SURVEY = "1";
      continue;
    }
    const name = OPTIONS[args[i]];
    const value = args[i + 1];
    if (!name || !/^\d+$/.test(value ?? "")) {
      throw new Problem(`${args[i]}${value === undefined ? "" : ` ${value}`}: it takes --histories N, --seed S, --survey; or --replay S; --story LINES`);
    }
    env[name] = value;
    i += 1;
  }
  return env;
}

await main(import.meta.url, async (args) => {
  const env = parse(args);
  await setUpNative();
  const test = env.PULLCORD_SEED ? "replay" : "every_history_keeps_the_rules";
  const { code } = await run("cargo", ["test", "--locked", "--package", "pullcord", "--test", "simulation", "--", "--exact", test, "--nocapture"], { env });
  process.exit(code);
});
