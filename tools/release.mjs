// `npm run release -- X.Y.Z [--dry-run]`: sets the version, tags it, packs the package and publishes it. The version
// stands in Cargo.toml alone; the build writes it into the package. Where a step failed, the same call goes on.

import { readFileSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { buildPackage, PKG, TARGET } from "./build.mjs";
import { ask, main, must, Problem, ROOT } from "./run.mjs";
import { setUpBuild } from "./setup.mjs";
import { repositoryOf, setVersion, versionOf } from "./version.mjs";

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-[0-9A-Za-z.-]+)?$/;
const HEADING = /^## \[?([^\s\]]+)\]?/;
const PACKED = join(TARGET, "release-package");

/** @param {string[]} args @returns {{ version: string, dryRun: boolean }} */
export function parse(args) {
  const [version, ...more] = args.filter((arg) => arg !== "--dry-run");
  if (!version || more.length > 0 || !VERSION.test(version)) {
    throw new Problem("it takes a version: npm run release -- 1.2.3 [--dry-run]");
  }
  return { version, dryRun: args.includes("--dry-run") };
}

/**
 * Whether one version comes before another. A pre-release comes before its release, and by its text before the next.
 * @param {string} one
 * @param {string} other
 */
export function isBefore(one, other) {
  const [[ones, onesPre = ""], [others, othersPre = ""]] = [one, other].map((text) => text.split(/-(.*)/s));
  const numbers = [ones, others].map((text) => text.split(".").map(Number));
  for (const [at, number] of numbers[0].entries()) {
    if (number !== numbers[1][at]) return number < numbers[1][at];
  }
  if (onesPre === "" || othersPre === "") return onesPre !== "" && othersPre === "";
  return onesPre < othersPre;
}

/**
 * What the change log says of a version.
 * @param {string} text CHANGELOG.md
 * @param {string} version
 * @returns {string} "": nothing
 */
export function changesOf(text, version) {
  const lines = text.split("\n");
  const begin = lines.findIndex((line) => HEADING.exec(line)?.[1] === version);
  if (begin < 0) return "";
  const length = lines.slice(begin + 1).findIndex((line) => HEADING.test(line));
  return lines
    .slice(begin + 1, length < 0 ? undefined : begin + 1 + length)
    .join("\n")
    .trim();
}

/**
 * Why this version cannot be released.
 * @param {string} version
 * @param {object} now
 * @param {string} now.current the version in Cargo.toml
 * @param {string} now.changed what `git status` says
 * @param {string} now.changelog
 * @param {boolean} now.named Cargo.toml names the repository
 * @param {string | null} now.tagged the commit that has its tag
 * @param {string} now.head the commit that is checked out
 * @returns {string[]} nothing: it can
 */
export function obstacles(version, { current, changed, changelog, named, tagged, head }) {
  const found = [];
  if (changed) found.push(`the tree is not clean:\n${changed}`);
  if (isBefore(version, current)) found.push(`${version} is older than ${current}, which Cargo.toml has`);
  if (!changesOf(changelog, version)) found.push(`CHANGELOG.md has no entry "## ${version}"`);
  if (!named) found.push("[workspace.package] of Cargo.toml has no `repository`, which npm's provenance is about");
  if (tagged !== null && tagged !== head) found.push(`the tag v${version} is of another commit, ${tagged}`);
  return found;
}

/** @param {string} file in the repository */
const read = (file) => readFileSync(join(ROOT, file), "utf8");

/** @param {string[]} args of git @returns {string} */
function git(...args) {
  const said = ask("git", args);
  if (said === null) throw new Problem(`git ${args.join(" ")} does not work here`);
  return said;
}

/** @param {string} version */
function writeVersion(version) {
  writeFileSync(join(ROOT, "Cargo.toml"), setVersion(read("Cargo.toml"), version));
}

/**
 * What is done, in this order.
 * @param {string} version
 * @param {boolean} isTagged it was done up to the tag, in an earlier call
 * @returns {[what: string, run: () => unknown][]}
 */
function steps(version, isTagged) {
  /** @type {(program: string, ...args: string[]) => [string, () => unknown]} */
  const command = (program, ...args) => [[program, ...args].join(" "), () => must(program, args)];
  /** @type {[string, () => unknown][]} */
  const tag = [
    [`write ${version} into Cargo.toml`, () => writeVersion(version)],
    command("cargo", "update", "--workspace", "--offline"),
    command("git", "commit", "--allow-empty", "--all", "--message", `Version ${version}`),
    command("git", "tag", "--annotate", `v${version}`, "--message", `Version ${version}`),
  ];
  return [
    ...(isTagged ? [] : tag),
    ["npm run build", () => buildPackage()],
    [`mkdir -p ${PACKED}`, () => mkdir(PACKED, { recursive: true })],
    command("npm", "pack", PKG, "--pack-destination", PACKED),
    command("npm", "publish", join(PACKED, `pullcord-${version}.tgz`), "--provenance", "--access", "public"),
  ];
}

await main(import.meta.url, async (args) => {
  const { version, dryRun } = parse(args);
  const tagged = ask("git", ["rev-list", "--max-count=1", `v${version}`]);
  const found = obstacles(version, {
    current: versionOf(read("Cargo.toml")),
    changed: git("status", "--porcelain"),
    changelog: read("CHANGELOG.md"),
    named: "repository" in repositoryOf(read("Cargo.toml")),
    tagged,
    head: git("rev-parse", "HEAD"),
  });
  for (const obstacle of found) console.error(obstacle);
  if (found.length > 0 && !dryRun) throw new Problem(`${version} is not released`);
  if (!dryRun) await setUpBuild();
  for (const [what, run] of steps(version, tagged !== null)) {
    console.log(dryRun ? `would: ${what}` : `\n━━━ ${what}`);
    if (!dryRun) await run();
  }
  console.log(dryRun ? "a dry run: nothing was done" : `\n${version} is out. Now: git push --follow-tags`);
});
