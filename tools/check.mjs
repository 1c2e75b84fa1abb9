// `npm run check`: what is quick, before anything else: format, lints, documents, types, unit tests.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { membersDocumented } from "./docs.mjs";
import { linesFit } from "./lines.mjs";
import { linksHold } from "./links.mjs";
import { main, ROOT } from "./run.mjs";
import { setUpBuild } from "./setup.mjs";
import { all, biome, cargoCounts, check, filesOf, nodeTests, none, runSteps, suite, tsc, verdict } from "./suite.mjs";
import { flowsOneWay } from "./use-graph.mjs";

const WASM = ["--target", "wasm32-unknown-unknown"];
const STRICT = ["--", "-D", "warnings"];
/** the core with its deliberate faults; the wasm has no such feature */
export const FAULTS = ["--features", "pullcord/faults"];
/** readers of the core's documents are who work on it: private items are shown, and may be linked to */
const DOCS = { env: { RUSTDOCFLAGS: "-D warnings -A rustdoc::private_intra_doc_links -A rustdoc::bare_urls" } };

async function contractTypes() {
  if (existsSync(join(ROOT, "..", "shared", "contract", "pullcord.d.ts"))) return tsc("tests/types");
  console.log("the contract is not beside this repository: skipped");
  return { ...none(), skipped: 1 };
}

/** @type {[string, string, () => Promise<{ passed: number, failed: number, skipped: number }>][]} */
export const CHECKS = [
  [
    "format",
    "Formatting",
    () =>
      all(
        () => check("cargo", ["fmt", "--all", "--check"]),
        () => biome("format"),
        () => verdict(linesFit()),
      ),
  ],
  [
    "lint",
    "Clippy, native and wasm; Biome",
    () =>
      all(
        () => check("cargo", ["clippy", "--locked", "--workspace", "--all-targets", ...FAULTS, ...STRICT]),
        () => check("cargo", ["clippy", "--locked", "--package", "pullcord", "--all-targets", ...WASM, ...STRICT]),
        () => biome("lint", "--error-on-warnings"),
      ),
  ],
  [
    "docs",
    "Documents: their links, each public member, the core, the server",
    () =>
      all(
        () => verdict(linksHold()),
        async () => verdict(await membersDocumented()),
        // for wasm: there the core's browser half is, too
        () =>
          check(
            "cargo",
            ["doc", "--locked", "--package", "pullcord", "--no-deps", "--document-private-items", ...WASM],
            DOCS,
          ),
        () =>
          check(
            "cargo",
            ["doc", "--locked", "--package", "pullcord-server", "--no-deps", "--document-private-items"],
            DOCS,
          ),
      ),
  ],
  [
    "types",
    "Types of the package, the demo page, the scripts and the tests",
    () =>
      all(
        () => tsc("."),
        contractTypes,
        () => tsc("www"),
        () => tsc("tests"),
      ),
  ],
  ["graph", "No file of the core reaches back to one that uses it", async () => verdict(flowsOneWay())],
  [
    "facade",
    "The package's JavaScript, in Node",
    // some wait for real timers: all files at once, however few cores there are
    () => nodeTests(filesOf("tests/facade", /\.test\.mjs$/), ["--test-concurrency=16"]),
  ],
  [
    "unit",
    "Unit tests of the core",
    () => suite("cargo", ["test", "--locked", "--package", "pullcord", "--lib"], cargoCounts),
  ],
];

await main(import.meta.url, (args) => runSteps(CHECKS, args, setUpBuild));
