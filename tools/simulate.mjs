// `npm run simulate -- --histories N --seed S`: the simulation for as long as one likes, on all cores.
// `-- --hours H`: for H hours, from a seed on that no run had before; it goes on after a failure, and tells
// how often each bound was reached. `--survey` does so too. `-- --replay S` runs one history again and tells it. Where
// PULLCORD_MODES is set, it says what is drawn (tests/simulation/mode.rs).

import { Problem, main, run } from "./run.mjs";
import { setUpNative } from "./setup.mjs";

const OPTIONS = {
  "--histories": "PULLCORD_HISTORIES",
  "--hours": "PULLCORD_HOURS",
  "--seed": "PULLCORD_FIRST",
  "--replay": "PULLCORD_SEED",
  "--story": "PULLCORD_STORY",
};

function parse(args) {
  const env = {};
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--survey") {
      env.PULLCORD_SURVEY = "1";
      continue;
    }
    const name = OPTIONS[args[i]];
    const value = args[i + 1];
    const form = name === "PULLCORD_HOURS" ? /^\d+(\.\d+)?$/ : /^\d+$/;
    if (!name || !form.test(value ?? "")) {
      throw new Problem(
        `${args[i]}${value === undefined ? "" : ` ${value}`}: it takes --histories N, --hours H, --seed S, --survey; or --replay S; --story LINES`,
      );
    }
    env[name] = value;
    i += 1;
  }
  if (env.PULLCORD_HOURS) env.PULLCORD_FIRST ??= String(Date.now());
  return env;
}

await main(import.meta.url, async (args) => {
  const env = parse(args);
  await setUpNative();
  const test = env.PULLCORD_SEED ? "replay" : "every_history_keeps_the_rules";
  const { code } = await run(
    "cargo",
    ["test", "--locked", "--package", "pullcord", "--test", "simulation", "--", "--exact", test, "--nocapture"],
    { env },
  );
  process.exit(code);
});
