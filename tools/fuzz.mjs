// `npm run fuzz -- [target …] [--seconds N]`: fuzzes what reads bytes from outside (tests/fuzz/targets.rs), each
// target in turn, by libFuzzer on the stable toolchain. What it finds anew stays in target/fuzz; an input that fails
// is named, and belongs into tests/fuzz/corpus once it is mended. `--minimise` keeps of both corpora what covers most.

import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TARGET } from "./build.mjs";
import { Problem, ROOT, main, must, run } from "./run.mjs";
import { setUpFuzzing, toolEnv } from "./setup.mjs";

const PACKAGE = join("tests", "fuzz");
const TARGETS = readdirSync(join(ROOT, PACKAGE, "fuzz_targets")).map((file) => file.replace(/\.rs$/, ""));
/** s for each target */
const SECONDS = 60;
/** No sanitizer: they need a nightly, and the product has no unsafe code for them to watch. */
const CARGO_FUZZ = ["--fuzz-dir", PACKAGE, "--target-dir", join(TARGET, "fuzz", "build"), "--sanitizer", "none"];
/** bytes of an input; s and MB that one may take */
const LIMITS = ["-max_len=8192", "-timeout=5", "-rss_limit_mb=1500", "-malloc_limit_mb=512"];

function parse(args) {
  const targets = [];
  let seconds = SECONDS;
  let minimise = false;
  for (let i = 0; i < args.length; i += 1) {
    if (args[i] === "--minimise") minimise = true;
    else if (args[i] === "--seconds" && /^\d+$/.test(args[i + 1] ?? "")) {
      i += 1;
      seconds = Number(args[i]);
    } else if (TARGETS.includes(args[i])) targets.push(args[i]);
    else throw new Problem(`${args[i]}: it takes some of ${TARGETS.join(", ")}; --seconds N; --minimise`);
  }
  return { targets: targets.length ? targets : TARGETS, seconds, minimise };
}

await main(import.meta.url, async (args) => {
  const { targets, seconds, minimise } = parse(args);
  await setUpFuzzing();
  await must("cargo", ["fuzz", "build", ...CARGO_FUZZ], { env: toolEnv });
  let failed = false;
  for (const target of targets) {
    console.log(`\n━━━ ${target}`);
    const [found, kept, artifacts] = [
      join(TARGET, "fuzz", target),
      join(PACKAGE, "corpus", target),
      join(TARGET, "fuzz", "artifacts", target),
    ];
    for (const folder of [found, artifacts]) mkdirSync(folder, { recursive: true });
    const libFuzzer = minimise
      ? ["-merge=1", "-max_len=1024"]
      : [`-max_total_time=${seconds}`, "-print_final_stats=1", ...LIMITS];
    const folders = minimise ? [kept, found] : [found, kept];
    const { code } = await run(
      "cargo",
      ["fuzz", "run", ...CARGO_FUZZ, target, ...folders, "--", ...libFuzzer, `-artifact_prefix=${artifacts}/`],
      { env: toolEnv },
    );
    failed ||= code !== 0;
  }
  process.exit(failed ? 1 : 0);
});
