// Builds the publishable package into pkg/: the wasm, and the facade bundled with wasm-bindgen's glue.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join, relative, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { Problem, ROOT, main, must } from "./run.mjs";
import { setUpBuild, tool, toolEnv } from "./setup.mjs";
import { repositoryOf, versionOf } from "./version.mjs";

export const TARGET = resolve(ROOT, process.env.CARGO_TARGET_DIR || "target");
export const PKG = join(ROOT, "pkg");

const TEMPLATE = join(ROOT, "pkg-template");
const WORK = join(TARGET, "pullcord-package");
const STAMP = join(PKG, ".stamp");
/** KB (1000 bytes) of gzipped download that the package promises not to exceed */
const LIMIT = 110;
/** of the documents: what travels in the package, for who writes a server */
const DOCS = ["docs/protocol.md"];

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
  const made = ["src", "pkg-template", "tools/build.mjs", "Cargo.toml", "Cargo.lock", "package-lock.json", ...DOCS];
  const inputs = made.flatMap((name) => {
    const path = join(ROOT, name);
    return /\.\w+$/.test(name) ? [path] : filesBelow(path);
  });
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
  const build = await stampBuild(optimized);
  return { wasm: optimized, build, names: JSON.parse(said.slice(said.indexOf("{"), said.lastIndexOf("}") + 1)) };
}

/**
 * Says in the wasm, in a section of its own, which build it is: its script knows it by that, for the names between
 * them are too short to tell.
 * @param {string} wasm
 * @returns {Promise<string>} the build
 */
async function stampBuild(wasm) {
  const bytes = await readFile(wasm);
  const build = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  const text = Buffer.from(`\x08pullcord${build}`);
  await writeFile(wasm, Buffer.concat([bytes, Buffer.from([0, text.length]), text]));
  return build;
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

/**
 * wasm-bindgen's glue keeps its instance in variables of its own: each call of the function has others. It opens the
 * WebSocket that it is given.
 */
async function wrapGlue(names) {
  const glue = await readFile(join(WORK, "pullcord.js"), "utf8");
  if (!glue.includes("wasm_bindgen"))
    throw new Problem("wasm-bindgen's output has changed: it no longer defines wasm_bindgen");
  if (!glue.includes("new WebSocket(")) throw new Problem("wasm-bindgen's output has changed: it opens no WebSocket");
  const wrapped = join(WORK, "glue.js");
  await writeFile(
    wrapped,
    `export default function instantiate(WebSocket) {\n${shorten(glue, names)}\nreturn wasm_bindgen;\n}\n`,
  );
  return wrapped;
}

/** The entries that load the wasm, each whole in a file of its own: a page loads one of them, its worker the other. */
const WITH_WASM = ["index", "worker"];
/** what the build makes of the wasm */
const PACKED = "packed.js";
/** The main entry with the wasm in it. */
const INLINE = "inline";
/** What apps add to the main entry: where they need it they import it, and it is not in them. */
const BESIDE = ["testing", "inspector", "react", "vue", "svelte"];
const ENTRIES = [...WITH_WASM, INLINE, ...BESIDE];
/** what the supported browsers run */
const TARGET_JS = "es2022";
/** the app's bundler says whether it makes a development build (pkg-template/frozen.js), and not this one */
const LEFT_TO_THE_APP = { "process.env.NODE_ENV": "process.env.NODE_ENV" };

/**
 * The glue, the wasm as a script, and the main entry where another one stands on it.
 * @param {string} glue
 * @param {string} wasm
 */
const modules = (glue, wasm) => ({
  name: "modules",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/glue\.js$/ }, () => ({ path: glue }));
    onResolve({ filter: /^\.\/packed\.js$/ }, () => ({ path: PACKED, namespace: "made" }));
    onLoad({ filter: /./, namespace: "made" }, async () => {
      // the bytes alone decide: no time, no name
      const bytes = gzipSync(await readFile(wasm), { level: 9 });
      return { contents: `export default "${bytes.toString("base64")}";` };
    });
    // by its name: an app that puts "pullcord/inline" in its place (Jest, a bundler's alias) does so for these as well
    onResolve({ filter: /^\.\.?\/index\.js$/ }, () => ({ path: "pullcord", external: true }));
  },
});

/** What is said to who works on it is in the source map; a page need not download it. */
const WITHOUT_COMMENTS = {
  name: "without comments",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      const { transform } = await import("esbuild");
      const { code } = await transform(await readFile(path, "utf8"), {
        minifyWhitespace: true,
        sourcemap: "inline",
        sourcefile: path,
        target: TARGET_JS,
        charset: "utf8",
        define: LEFT_TO_THE_APP,
      });
      return { contents: code, loader: "js" };
    });
  },
};

/**
 * Readable: an uncaught error shows the line it comes from, and names are those of the sources. What a visitor
 * downloads is minified by the app's bundler.
 * @param {string} glue
 * @param {string} wasm
 * @param {string} wasmBuild
 */
async function bundle(glue, wasm, wasmBuild) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: ENTRIES.map((name) => join(TEMPLATE, `${name}.js`)),
    outdir: PKG,
    bundle: true,
    format: "esm",
    target: TARGET_JS,
    charset: "utf8",
    sourcemap: true,
    logLevel: "warning",
    external: ["react", "vue", "svelte"],
    define: {
      ...LEFT_TO_THE_APP,
      PULLCORD_VERSION: JSON.stringify(await packageVersion()),
      PULLCORD_WASM: JSON.stringify(wasmBuild),
    },
    plugins: [modules(glue, wasm), WITHOUT_COMMENTS],
  });
  for (const name of ENTRIES) {
    const text = await readFile(join(PKG, `${name}.js`), "utf8");
    const isFound = /new URL\("\.\/pullcord\.wasm",\s*import\.meta\.url\)/.test(text);
    // bundlers look for exactly this
    if (WITH_WASM.includes(name) && !isFound) throw new Problem(`${name}.js has lost where the wasm is`);
    if (WITH_WASM.includes(name) && !text.includes("process.env.NODE_ENV"))
      throw new Problem(`${name}.js has lost what tells a development build`);
    if (name === INLINE && text.includes("import.meta")) throw new Problem(`${name}.js looks for files beside it`);
    if (BESIDE.includes(name) && isFound) throw new Problem(`${name}.js has a main entry of its own in it`);
    await nameSources(join(PKG, `${name}.js.map`), glue);
  }
}

/** By their place in the package, and not on this machine. @param {string} file @param {string} glue */
async function nameSources(file, glue) {
  const map = JSON.parse(await readFile(file, "utf8"));
  map.sources = map.sources.map((source, at) => {
    if (source === `made:${PACKED}`) {
      map.sourcesContent[at] = null;
      return "pullcord/packed.js";
    }
    const path = resolve(PKG, source);
    return path === glue ? "pullcord/glue.js" : `pullcord/${relative(TEMPLATE, path).replaceAll("\\", "/")}`;
  });
  const strange = map.sources.find((source) => source.includes(".."));
  if (strange) throw new Problem(`${strange} is no source of the package`);
  await writeFile(file, JSON.stringify(map));
}

/** As an app's bundler gives it to a visitor. @param {Buffer} bytes */
export async function minified(bytes) {
  const { transform } = await import("esbuild");
  const { code } = await transform(bytes, { minify: true, format: "esm", target: TARGET_JS, charset: "utf8" });
  return Buffer.from(code);
}

/** @param {string} name @param {Buffer} bytes */
const sizeOf = (name, bytes) => ({
  name,
  raw: bytes.length,
  gzip: gzipSync(bytes, { level: 9 }).length,
  brotli: brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }).length,
});

/** Of what a visitor downloads, file by file. */
async function sizes() {
  return [
    sizeOf("pullcord.wasm", await readFile(join(PKG, "pullcord.wasm"))),
    sizeOf("index.js, minified", await minified(await readFile(join(PKG, "index.js")))),
  ];
}

async function printSizes() {
  const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`.padStart(10);
  const all = await sizes();
  const sum = (field) => all.reduce((total, row) => total + row[field], 0);
  const together = { name: "together", raw: sum("raw"), gzip: sum("gzip"), brotli: sum("brotli") };
  const published = sizeOf("(index.js as it is)", await readFile(join(PKG, "index.js")));
  console.log("\nwhat a visitor downloads     raw      gzip    brotli");
  for (const { name, raw, gzip, brotli } of [...all, together, published])
    console.log(name.padEnd(22) + kb(raw) + kb(gzip) + kb(brotli));
  if (together.gzip > LIMIT * 1000) console.warn(`warning: more than the ${LIMIT} KB gzipped that were promised`);
}

/** Cargo.toml, which has the version. */
const cargoToml = () => readFile(join(ROOT, "Cargo.toml"), "utf8");

/** As it stands in Cargo.toml. */
const packageVersion = async () => versionOf(await cargoToml());

/** The template's, with the version that stands in Cargo.toml, and the repository where it is named there. */
async function writePackageJson() {
  const cargo = await cargoToml();
  const { name, ...more } = JSON.parse(await readFile(join(TEMPLATE, "package.json"), "utf8"));
  const all = { name, version: versionOf(cargo), ...repositoryOf(cargo), ...more };
  await writeFile(join(PKG, "package.json"), `${JSON.stringify(all, null, 2)}\n`);
}

/** The template's README, and the documents that it leads to. */
async function writeDocuments() {
  const text = await readFile(join(TEMPLATE, "README.md"), "utf8");
  await writeFile(join(PKG, "README.md"), text.replaceAll("](../docs/", "](docs/"));
  for (const name of DOCS) await cp(join(ROOT, name), join(PKG, name));
}

/** Builds pkg/, unless it is up to date. */
export async function buildPackage({ quiet = false } = {}) {
  const now = fingerprint();
  if (existsSync(STAMP) && (await readFile(STAMP, "utf8")) === now) {
    console.log("pkg/ is up to date");
  } else {
    await mkdir(WORK, { recursive: true });
    const { wasm, build, names } = await buildWasm();
    const glue = await wrapGlue(names);
    await rm(PKG, { recursive: true, force: true });
    await mkdir(PKG);
    await bundle(glue, wasm, build);
    await cp(wasm, join(PKG, "pullcord.wasm"));
    await writePackageJson();
    await writeDocuments();
    for (const name of [
      ...ENTRIES.map((entry) => `${entry}.d.ts`),
      "frameworks.d.ts",
      "platform.d.ts",
      "pullcord.wasm.d.ts",
    ])
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
