// What the scripts decide, without what they start.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { deadInSite } from "../../tools/docs.mjs";
import { deadLinks, slug } from "../../tools/links.mjs";
import { longLines, WIDTH } from "../../tools/lines.mjs";
import { faultsOf, reference } from "../../tools/reference.mjs";
import { changesOf, isBefore, obstacles, parse } from "../../tools/release.mjs";
import { APART, STEPS } from "../../tools/test.mjs";
import { cycles, graph, shortestCycle } from "../../tools/use-graph.mjs";
import { repositoryOf, setVersion, versionOf } from "../../tools/version.mjs";

const CHANGELOG =
  "# Changelog\n\n## Unreleased\n\n- later\n\n## 1.2.0 - 2026-01-01\n\n- now\n\n## [1.1.0]\n\n- before\n";
const GOOD = { current: "1.1.0", changed: "", changelog: CHANGELOG, named: true, tagged: null, head: "abc" };

test("a release takes one version, and may be a dry run", () => {
  assert.deepEqual(parse(["1.2.3"]), { version: "1.2.3", dryRun: false });
  assert.deepEqual(parse(["--dry-run", "1.2.3-rc.1"]), { version: "1.2.3-rc.1", dryRun: true });
  for (const args of [[], ["1.2"], ["v1.2.3"], ["01.2.3"], ["1.2.3", "1.2.4"], ["--dry"]]) {
    assert.throws(() => parse(args), /it takes a version/);
  }
});

test("versions are compared by their numbers, a pre-release before its release", () => {
  const inOrder = ["0.1.0", "0.9.0", "0.10.0", "1.0.0-alpha", "1.0.0-beta", "1.0.0", "1.0.1"];
  for (const [i, one] of inOrder.entries()) {
    for (const [j, other] of inOrder.entries()) assert.equal(isBefore(one, other), i < j, `${one}, ${other}`);
  }
});

test("what the change log says of a version is its own section", () => {
  assert.equal(changesOf(CHANGELOG, "1.2.0"), "- now");
  assert.equal(changesOf(CHANGELOG, "1.1.0"), "- before");
  assert.equal(changesOf(CHANGELOG, "1.0.0"), "");
  assert.equal(changesOf("## 1.0.0\n\n## 0.9.0\n\n- old\n", "1.0.0"), "");
});

test("a version is released from a clean tree, with an entry in the change log, once", () => {
  assert.deepEqual(obstacles("1.2.0", GOOD), []);
  // it goes on where a step has failed
  assert.deepEqual(obstacles("1.2.0", { ...GOOD, current: "1.2.0", tagged: "abc" }), []);
  assert.match(obstacles("1.2.0", { ...GOOD, changed: " M README.md" })[0], /not clean/);
  assert.match(obstacles("1.2.0", { ...GOOD, current: "1.3.0" })[0], /older than 1\.3\.0/);
  assert.match(obstacles("1.3.0", GOOD)[0], /no entry "## 1\.3\.0"/);
  assert.match(obstacles("1.2.0", { ...GOOD, tagged: "def" })[0], /another commit/);
  assert.match(obstacles("1.2.0", { ...GOOD, named: false })[0], /no `repository`/);
});

test("the version is the workspace's, and no other of Cargo.toml is touched", () => {
  const cargo =
    '[package]\nname = "a"\nversion.workspace = true\n\n[workspace.package]\nedition = "2024"\nversion = "1.1.0"\n\n[dependencies]\nserde = { version = "1" }\n';
  assert.equal(versionOf(cargo), "1.1.0");
  assert.equal(setVersion(cargo, "1.2.0"), cargo.replace("1.1.0", "1.2.0"));
  assert.throws(() => versionOf('[dependencies]\nversion = "1"\n'), /no version/);
});

test("the version stands in Cargo.toml alone", () => {
  const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
  assert.match(versionOf(read("Cargo.toml")), /^\d+\.\d+\.\d+/);
  for (const name of ["package.json", "pkg-template/package.json"])
    assert.equal(JSON.parse(read(name)).version, undefined);
});

test("a comment fits in the width; a line with a long literal need not", () => {
  const long = "x".repeat(WIDTH);
  assert.deepEqual(longLines(`a\n// ${long}\n * ${long}\n/** ${long} */`), [2, 3, 4]);
  assert.deepEqual(longLines(`say("${long}");\nsay(\`${long}\`);`), []);
  assert.deepEqual(longLines(`${long} + 1`), [1]);
});

test("the use graph has what is named, and not what is declared, told or tested", () => {
  const core = mkdtempSync(join(tmpdir(), "pullcord-graph-"));
  try {
    mkdirSync(join(core, "b"));
    const files = {
      "mod.rs": "pub mod a; mod b; mod c; mod d;",
      "a.rs": "use super::b::{self, inner::{One as Two, Other}};\n/// [`super::d::X`]\npub(in crate::core) fn a() {}",
      "b.rs": "mod inner;\n// use super::d::X;\nfn b<'a>(x: &'a str) -> char { '\"' }",
      "b/inner.rs":
        'const S: &str = r#"use super::super::d::X;"#;\nmod deep { fn d() { super::super::super::c::f::<u8>(1) } }',
      "c.rs": "#[cfg(test)]\nmod tests { use super::super::a::A; }\nuse std::rc::Rc;",
      "d.rs": 'use crate::core::a;\n#[cfg(all(test, not(target_arch = "wasm32")))]\nmod more { use crate::core::c; }',
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(core, name), text);
    const uses = Object.fromEntries([...graph(core)].map(([key, node]) => [key, [...node.uses].sort()]));
    assert.deepEqual(uses, { "": [], a: ["b", "b::inner"], b: [], "b::inner": ["c"], c: [], d: ["a"] });
    assert.deepEqual(cycles(graph(core)), []);
    writeFileSync(join(core, "c.rs"), "use super::a::A;");
    assert.deepEqual(cycles(graph(core)), [["a", "b::inner", "c"]]);
    writeFileSync(join(core, "b/inner.rs"), "use crate::core::{c::f, a};");
    assert.deepEqual(shortestCycle(graph(core), ["a", "b::inner", "c"]), ["a", "b::inner", "a"]);
  } finally {
    rmSync(core, { recursive: true });
  }
});

test("the package comes from the repository that Cargo.toml names, and from none where it names none", () => {
  const cargo = '[workspace.package]\nversion = "1.0.0"\nrepository = "https://code.example/pullcord"\n\n[package]\n';
  assert.deepEqual(repositoryOf(cargo), {
    repository: { type: "git", url: "git+https://code.example/pullcord.git", directory: "pkg-template" },
    homepage: "https://code.example/pullcord#readme",
    bugs: "https://code.example/pullcord/issues",
  });
  assert.deepEqual(repositoryOf('[workspace.package]\nversion = "1.0.0"\n\n[a]\nrepository = "https://b"\n'), {});
});

test("a link of a document leads to a file that is there, and to a heading in it", () => {
  const files = {
    "a.md": [
      "# One `code`, two!",
      "[in it](#one-code-two) [twice](#twice-1) [there](docs/b.md#what-is--isnt)",
      "[folder](docs) ![picture](docs/p.png) [elsewhere](https://a.example/#b) `[code](none.md)`",
      "```\n[code](none.md)\n# no heading\n```",
      "## Twice\n## Twice",
    ].join("\n"),
    "docs/b.md":
      '## What is & isn\'t\n[up](../a.md) [out](../../c.md)\n\n[no](#no-heading) [file](c.md) <a href="d.md">d</a>',
    docs: "",
    "docs/p.png": "",
  };
  const read = (path) => files[path] ?? null;
  assert.deepEqual(deadLinks("a.md", read), []);
  assert.deepEqual(deadLinks("docs/b.md", read), [
    "docs/b.md:2: ../../c.md: no such file",
    "docs/b.md:4: #no-heading: no such heading",
    "docs/b.md:4: c.md: no such file",
    "docs/b.md:4: d.md: no such file",
  ]);
  assert.equal(slug("`status.writer`, and R15: one".replaceAll("`", "")), "statuswriter-and-r15-one");
});

test("a public member that says nothing of itself is told, and so is a comment on what is not there", () => {
  const text = `/**
 * Codes.
 * - "a": known
 */
export type ErrorCode = "a" | "b";
/** A thing. */
export interface Thing<T = { text: string }> {
  readonly id: string;
  /** @param other x */
  call(one: { deep: number }): {
    /** said */
    done: T;
  };
}
interface Own { quiet: true }
export declare function free(): void;
`;
  assert.deepEqual(faultsOf("t.d.ts", text), [
    't.d.ts:5: code "b" is not documented',
    "t.d.ts:8: Thing.id is not documented",
    "t.d.ts:10: Thing.call is not documented",
    "t.d.ts:10: Thing.call has no parameter other",
    "t.d.ts:10: Thing.call.deep is not documented",
    "t.d.ts:16: free is not documented",
  ]);
});

test("the reference has every export of every entry, under the name by which it is linked", () => {
  const read = (name) => readFileSync(new URL(`../../pkg-template/${name}`, import.meta.url), "utf8");
  const pages = new Map(reference(read).map(({ slug, text }) => [slug, text]));
  for (const [page, name] of [
    ["client", "ClientOptions-prefetch"],
    ["client", "createClient"],
    ["values", "code-outdated"],
    ["backend", "Transport-pullConversations"],
    ["vue", "useTimeline"],
    ["testing", "MemoryBackend-trouble"],
  ])
    assert.match(pages.get(page) ?? "", new RegExp(`id="${name}"|\\{#${name}\\}`), `${page}#${name}`);
  // a member of a union is a member of one of its parts, or of what that extends
  assert.match(pages.get("timeline") ?? "", /href="\.\/values\.html#MessageBase-id"><code>Message\.id</);
  assert.match(pages.get("values") ?? "", /Message<\/a>&lt;B = unknown&gt; =\n {2}&#124; <a href="#MessageWithBody">/);
  // React has the form that is common to all, Vue one of its own
  assert.match(pages.get("react") ?? "", /href="\.\/frameworks\.html#TimelineView"/);
  assert.match(pages.get("vue") ?? "", /href="#TimelineView"/);
});

test("each step of the tests is in one job of the workflow, and in CONTRIBUTING's list", () => {
  const read = (name) => readFileSync(new URL(`../../${name}`, import.meta.url), "utf8");
  const names = [...STEPS, ...APART].map(([name]) => name).sort();
  const jobs = [...read(".github/workflows/ci.yml").matchAll(/steps: "([^"]+)"/g)].flatMap(([, steps]) =>
    steps.split(","),
  );
  assert.deepEqual(jobs.sort(), names);
  const [, , line] =
    /one part of `npm test` \| `npm test -- --only (\w+)` \((.*)\)/.exec(read("CONTRIBUTING.md")) ?? [];
  for (const name of names) assert.ok(line?.includes(`\`${name}\``) || name === "native", name);
});

test("the start page begins with README's first example, which is run end to end", () => {
  const exampleOf = (name) =>
    /```html\n[\s\S]*?```/.exec(readFileSync(new URL(`../../${name}`, import.meta.url), "utf8"))?.[0];
  assert.ok(exampleOf("README.md"));
  assert.equal(exampleOf("docs/start.md"), exampleOf("README.md"));
});

test("a link of the built site leads to a page, and to a place in it", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pullcord-site-"));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, "sub"));
  const page =
    '<a href="/base/b.html#two"><a href="b#one"><a href="/base/sub/"><a href="#own"><p id="own"><a href="https://c/">';
  writeFileSync(join(folder, "a.html"), page);
  writeFileSync(join(folder, "b.html"), '<h2 id="one"></h2><img src="/base/none.png"><a href="/a.html">');
  writeFileSync(join(folder, "sub", "index.html"), '<a href="../a.html#none">');
  assert.deepEqual(deadInSite(folder, "/base/").sort(), [
    "a.html: /base/b.html#two",
    "b.html: /a.html",
    "b.html: /base/none.png",
    "sub/index.html: ../a.html#none",
  ]);
});
