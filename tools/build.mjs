// Builds the publishable package into pkg/: the wasm, and the facade bundled with wasm-bindgen's glue.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Problem, ROOT, main, must } from "./run.mjs";
import { setUpBuild, tool, toolEnv } from "./setup.mjs";
import { versionOf } from "./version.mjs";

export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR || "target");
export const PKG = join(ROOT, "pkg");

const TEMPLATE = join(ROOT, "pkg-template");
const WORK = join(TARGET, "pullcord-package");
const STAMP = join(PKG, ".stamp");
/** KB (1000 bytes) of gzipped download that the package promises not to exceed */
const LIMIT = 110;

// the features: what the wasm of current Rust uses, and every supported browser has; inlining less gzips better;
// the lowest KB of memory is the end of the stack, nothing lies there; by name, what is alike stands together, which
// gzips better
const WASM_OPT = [
  "-Oz",
  "--one-caller-inline-max-function-size=20",
  "--low-memory-unused",
  "--reorder-functions-by-name",
  "--strip-debug",
  "--strip-producers",
  "--strip-target-features",
  "--minify-imports-and-exports-and-modules",
  "--enable-bulk-memory",
  "--enable-nontrapping-float-to-int",
  "--enable-sign-ext",
  "--enable-mutable-globals",
  "--enable-reference-types",
  "--enable-multivalue",
];

function filesBelow(path) {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? /** @type {any} */ (entry).path, entry.name))
    .sort();
}

/** Changes whenever anything that the package is made of does. */
function fingerprint() {
  const hash = createHash("sha256");
  const inputs = ["src", "pkg-template", "tools/build.mjs", "Cargo.toml", "Cargo.lock", "package-lock.json"].flatMap(
    (name) => {
      const path = join(ROOT, name);
      return /\.\w+$/.test(name) ? [path] : filesBelow(path);
    },
  );
  for (const file of inputs) hash.update(relative(ROOT, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

/** No path of this machine in the wasm: panics name their source files. */
function remappedPaths() {
  const cargo = process.env.CARGO_HOME || join(homedir(), ".cargo");
  const sources = join(cargo, "registry", "src");
  const registries = existsSync(sources) ? readdirSync(sources).map((name) => [join(sources, name), "crates"]) : [];
  // the last that matches counts
  return [[homedir(), "home"], [cargo, "cargo"], ...registries, [ROOT.replace(/\/$/, ""), "pullcord"]].map(
    ([from, to]) => `--remap-path-prefix=${from}=${to}`,
  );
}

async function buildWasm() {
  await must("cargo", ["fetch", "--locked", "--quiet", "--target", "wasm32-unknown-unknown"]);
  await must(
    "cargo",
    ["build", "--locked", "--release", "--lib", "--package", "pullcord", "--target", "wasm32-unknown-unknown"],
    {
      env: { CARGO_ENCODED_RUSTFLAGS: remappedPaths().join("\x1f") },
    },
  );
  const built = join(TARGET, "wasm32-unknown-unknown", "release", "pullcord.wasm");
  await must(tool("wasm-bindgen"), [
    built,
    "--target",
    "no-modules",
    "--no-typescript",
    "--omit-default-module-path",
    "--remove-producers-section",
    "--out-dir",
    WORK,
    "--out-name",
    "pullcord",
  ]);
  const optimized = join(WORK, "pullcord.wasm");
  const said = await must("wasm-opt", [...WASM_OPT, join(WORK, "pullcord_bg.wasm"), "-o", optimized], {
    env: toolEnv,
    capture: true,
    quiet: true,
  });
  return { wasm: optimized, names: JSON.parse(said.slice(said.indexOf("{"), said.lastIndexOf("}") + 1)) };
}

/**
 * wasm and glue know each other by names with a hash in each, which do not compress: wasm-opt has given them
 * short ones, and the glue follows.
 * @param {string} glue
 * @param {{ imports: [module: string, long: string, short: string][], exports: [long: string, short: string][] }} names
 */
function shorten(glue, { imports, exports }) {
  let count = 0;
  const rename = (pattern, names, form) => {
    const short = new Map(names);
    glue = glue.replace(pattern, (whole, long) => {
      if (!short.has(long)) return whole;
      count += 1;
      return form(short.get(long));
    });
  };
  rename(
    /\b(__wb\w+)(?=: function\b)/g,
    imports.map(([, long, short]) => [long, short]),
    (short) => short,
  );
  // wasm-opt calls the one module there is so
  glue = glue.replace('"./pullcord_bg.js": import0', '"a": import0');
  if (count !== imports.length || !glue.includes('"a": import0'))
    throw new Problem("wasm-bindgen's output has changed: its imports are no longer found");
  rename(/\bwasm\.(\w+)/g, exports, (short) => `wasm.${short}`);
  return glue;
}

/** wasm-bindgen's glue keeps its instance in variables of its own: each call of the function has others. */
async function wrapGlue(names) {
  const glue = await readFile(join(WORK, "pullcord.js"), "utf8");
  if (!glue.includes("wasm_bindgen"))
    throw new Problem("wasm-bindgen's output has changed: it no longer defines wasm_bindgen");
  const wrapped = join(WORK, "glue.js");
  await writeFile(
    wrapped,
    `export default function instantiate() {\n${shorten(glue, names)}\nreturn wasm_bindgen;\n}\n`,
  );
  return wrapped;
}

/** The entries that load the wasm, each whole in a file of its own: a page loads one of them, its worker the other. */
const WITH_WASM = ["index", "worker"];
/** What apps add to the main entry: where they need it they import it, and it is not in them. */
const BESIDE = ["testing", "react", "vue", "svelte"];
const ENTRIES = [...WITH_WASM, ...BESIDE];

/** @param {string} glue */
async function bundle(glue) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: ENTRIES.map((name) => join(TEMPLATE, `${name}.js`)),
    outdir: PKG,
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    charset: "utf8",
    logLevel: "warning",
    external: ["react", "vue", "svelte"],
    plugins: [
      { name: "glue", setup: ({ onResolve }) => onResolve({ filter: /^\.\/glue\.js$/ }, () => ({ path: glue })) },
      {
        name: "main entry",
        setup: ({ onResolve }) =>
          onResolve({ filter: /^\.\.?\/index\.js$/ }, () => ({ path: "./index.js", external: true })),
      },
    ],
  });
  for (const name of ENTRIES) {
    const text = await readFile(join(PKG, `${name}.js`), "utf8");
    const isFound = /new URL\("\.\/pullcord\.wasm",\s*import\.meta\.url\)/.test(text);
    // bundlers look for exactly this
    if (WITH_WASM.includes(name) && !isFound) throw new Problem(`${name}.js has lost where the wasm is`);
    if (BESIDE.includes(name) && isFound) throw new Problem(`${name}.js has a main entry of its own in it`);
  }
}

async function sizes() {
  const rows = [];
  for (const name of ["pullcord.wasm", "index.js"]) {
    const bytes = await readFile(join(PKG, name));
    rows.push({
      name,
      raw: bytes.length,
      gzip: gzipSync(bytes, { level: 9 }).length,
      brotli: brotliCompressSync(bytes, {
        params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
      }).length,
    });
  }
  const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
  return [...rows, { name: "together", raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") }];
}

async function printSizes() {
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`.padStart(10);
  const all = await sizes();
  console.log("\nwhat a visitor downloads     raw      gzip    brotli");
  for (const { name, raw, gzip, brotli } of all) console.log(name.padEnd(22) + kb(raw) + kb(gzip) + kb(brotli));
  const { gzip } = all.at(-1);
  if (gzip > LIMIT * 1000) console.warn(`warning: more than the ${LIMIT} KB gzipped that were promised`);
}

/** The template's, with the version that stands in Cargo.toml. */
async function writePackageJson() {
  const version = versionOf(await readFile(join(ROOT, "Cargo.toml"), "utf8"));
  const { name, ...more } = JSON.parse(await readFile(join(TEMPLATE, "package.json"), "utf8"));
  await writeFile(join(PKG, "package.json"), `${JSON.stringify({ name, version, ...more }, null, 2)}\n`);
}

/** Builds pkg/, unless it is up to date. */
export async function buildPackage({ quiet = false } = {}) {
  const now = fingerprint();
  if (existsSync(STAMP) && (await readFile(STAMP, "utf8")) === now) {
    console.log("pkg/ is up to date");
  } else {
    await mkdir(WORK, { recursive: true });
    const { wasm, names } = await buildWasm();
    const glue = await wrapGlue(names);
    await rm(PKG, { recursive: true, force: true });
    await mkdir(PKG);
    await bundle(glue);
    await cp(wasm, join(PKG, "pullcord.wasm"));
    await writePackageJson();
    for (const name of [...ENTRIES.map((entry) => `${entry}.d.ts`), "frameworks.d.ts", "README.md"])
      await cp(join(TEMPLATE, name), join(PKG, name));
    for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) await cp(join(ROOT, name), join(PKG, name));
    await writeFile(STAMP, now);
  }
  if (!quiet) await printSizes();
  return (await stat(join(PKG, "pullcord.wasm"))).size;
}

await main(import.meta.url, async () => {
  await setUpBuild();
  await buildPackage();
});
