// Installs what building and testing need, and says what it does. What is there is left alone.

import { existsSync, readFileSync, readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";
import { Problem, ROOT, ask, main, must } from "./run.mjs";

const WASM_PACK = "0.15.1";
const GECKODRIVER = "0.37.1";
const CARGO_FUZZ = "0.13.2";
const TOOLS = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "pullcord", "tools");

/** What runs the tools as they were set up: wasm-bindgen and wasm-opt first on the path. */
export const toolEnv = {
  PATH: [join(TOOLS, "bin"), join(ROOT, "node_modules", ".bin"), process.env.PATH].join(delimiter),
};

export const tool = (name) => join(TOOLS, "bin", name);

function say(text) {
  console.log(`set-up: ${text}`);
}

/** The tool must be of the same version as the crate, exactly. */
function wasmBindgenVersion() {
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  const found = /name = "wasm-bindgen"\nversion = "([^"]+)"/.exec(lock);
  if (!found) throw new Problem("Cargo.lock names no wasm-bindgen");
  return found[1];
}

async function rust() {
  if (!ask("cargo", ["--version"]))
    throw new Problem("Rust is missing: install it from https://rustup.rs, then try again.");
  const needed = /rust-version = "([^"]+)"/.exec(readFileSync(join(ROOT, "Cargo.toml"), "utf8"))[1];
  const present = /rustc (\d+)\.(\d+)/.exec(ask("rustc", ["--version"]) ?? "");
  const [major, minor] = needed.split(".").map(Number);
  if (!present || Number(present[1]) < major || (Number(present[1]) === major && Number(present[2]) < minor)) {
    throw new Problem(
      `Rust ${needed} or newer is needed, not ${present?.[0] ?? "none"}: run \`rustup update stable\`.`,
    );
  }
  const hasRustup = ask("rustup", ["--version"]) !== null;
  const libraries = join(ask("rustc", ["--print", "sysroot"]) ?? "", "lib", "rustlib", "wasm32-unknown-unknown");
  if (!existsSync(libraries)) {
    if (!hasRustup)
      throw new Problem(
        "Rust's target wasm32-unknown-unknown is missing, and there is no rustup to add it: install Rust from https://rustup.rs.",
      );
    say("adding Rust's target wasm32-unknown-unknown");
    await must("rustup", ["target", "add", "wasm32-unknown-unknown"]);
  }
  for (const [component, program] of [
    ["rustfmt", "fmt"],
    ["clippy", "clippy"],
  ]) {
    if (ask("cargo", [program, "--version"])) continue;
    if (!hasRustup) throw new Problem(`cargo ${program} is missing: install Rust's component ${component}.`);
    say(`adding Rust's component ${component}`);
    await must("rustup", ["component", "add", component]);
  }
}

async function cargoTool(name, program, version, more = []) {
  // the first line is "name version", and more for some
  if (ask(tool(program), ["--version"])?.split(/\s/)[1] === version) return;
  say(`installing ${name} ${version} into ${TOOLS} (some minutes, once)`);
  // --force: another version may be there
  await must("cargo", ["install", name, "--version", version, "--root", TOOLS, "--force", ...more]);
}

/** What a folder's lock names. @param {string} what @param {string} folder */
async function nodePackages(what, folder = ROOT) {
  const lock = join(folder, "package-lock.json");
  const installed = join(folder, "node_modules", ".package-lock.json");
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return;
  say(`installing ${what} (npm ci)`);
  await must("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder });
}

/** What `npm run docs` needs. */
export async function setUpSite() {
  await nodePackages("the development dependencies");
  await nodePackages("what builds the site", join(ROOT, "tools", "site"));
}

/** The tools of other people's apps. @param {"matrix" | "next"} folder of the tests */
export async function setUpTools(folder) {
  await nodePackages(`the tools of tests/${folder}`, join(ROOT, "tests", folder));
}

const MAC_CHROMES = [
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

function firstThatRuns(candidates) {
  return candidates.find((candidate) => candidate && ask(candidate, ["--version"]) !== null) ?? null;
}

function which(name) {
  return (
    (process.env.PATH ?? "")
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find((path) => existsSync(path)) ?? null
  );
}

function majorOf(program) {
  return /(\d+)\.\d+\.\d+/.exec(ask(program, ["--version"]) ?? "")?.[1] ?? null;
}

/** Whether this is a Debian, or the like, and we are root there. */
function mayInstall() {
  return process.getuid?.() === 0 && which("apt-get") !== null;
}

async function aptInstall(...packages) {
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await must("apt-get", ["update", "-q"], { env });
  await must("apt-get", ["install", "-y", "-q", "--no-install-recommends", ...packages], { env });
}

/** @returns {{ chrome: string, driver: string } | null} a browser, and the driver that fits it */
export function findBrowser() {
  const named = process.env.CHROME;
  const chromes = named
    ? [named]
    : [
        which("chromium"),
        which("chromium-browser"),
        which("google-chrome"),
        which("google-chrome-stable"),
        ...MAC_CHROMES.filter(existsSync),
      ];
  const drivers = [
    process.env.CHROMEDRIVER,
    which("chromedriver"),
    "/usr/lib/chromium/chromedriver",
    "/usr/lib/chromium-browser/chromedriver",
  ].filter((driver) => driver && existsSync(driver));
  // where there are several the driver may be of another than the first
  for (const chrome of chromes) {
    const major = chrome && majorOf(chrome);
    const driver = major && drivers.find((driver) => majorOf(driver) === major);
    if (driver) return { chrome, driver };
  }
  return null;
}

/** @returns {Promise<{ chrome: string, driver: string }>} */
async function browser() {
  const found = findBrowser();
  if (found) return found;
  if (mayInstall()) {
    say("installing Chromium and its driver (apt-get install chromium chromium-driver)");
    await aptInstall("chromium", "chromium-driver");
    const installed = findBrowser();
    if (installed) return installed;
  }
  throw new Problem(
    "Chromium (or Chrome) with a chromedriver of the same version is missing. Debian, Ubuntu: `sudo apt-get install chromium chromium-driver`; " +
      "macOS: `brew install --cask chromium chromedriver`; elsewhere, set CHROME and CHROMEDRIVER to the two programs.",
  );
}

const MAC_FIREFOX = "/Applications/Firefox.app/Contents/MacOS/firefox";

const firefoxProgram = () =>
  firstThatRuns([
    process.env.FIREFOX,
    which("firefox-esr"),
    which("firefox"),
    existsSync(MAC_FIREFOX) ? MAC_FIREFOX : null,
  ]);
const geckodriver = () => firstThatRuns([process.env.GECKODRIVER, tool("geckodriver"), which("geckodriver")]);

/** @returns {{ firefox: string, driver: string } | null} */
export function findFirefox() {
  const [firefox, driver] = [firefoxProgram(), geckodriver()];
  return firefox && driver ? { firefox, driver } : null;
}

/** WebKit's own small browser: where Debian, and where others put it. */
function miniBrowser() {
  const folders = existsSync("/usr/lib") ? readdirSync("/usr/lib").map((name) => join("/usr/lib", name)) : [];
  const found = ["/usr/libexec", "/usr/lib", ...folders].flatMap((folder) =>
    ["4.1", "4.0"].map((version) => join(folder, `webkit2gtk-${version}`, "MiniBrowser")),
  );
  return found.find((path) => existsSync(path)) ?? null;
}

/**
 * @returns {{ driver: string, browser: string, screen: string } | null} WebKitGTK, which needs a screen: a virtual one
 */
export function findWebKit() {
  const [driver, browser, screen] = [which("WebKitWebDriver"), miniBrowser(), which("Xvfb")];
  return driver && browser && screen ? { driver, browser, screen } : null;
}

/**
 * A browser that tests are skipped without: nothing about it ends the set-up.
 * @returns {Promise<boolean>} whether it is there
 */
async function optional(name, find, install, hint) {
  if (find()) return true;
  let why = "";
  try {
    await install();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    why = ` (${error.message})`;
  }
  if (find()) return true;
  say(`${name} is missing, and its tests are skipped${why}: ${hint}`);
  return false;
}

/** Firefox, for the step that tests in it. */
export function setUpFirefox() {
  const install = async () => {
    if (!firefoxProgram() && mayInstall()) {
      say("installing Firefox (apt-get install firefox-esr)");
      await aptInstall("firefox-esr");
    }
    if (firefoxProgram() && !geckodriver()) await cargoTool("geckodriver", "geckodriver", GECKODRIVER, ["--locked"]);
  };
  return optional(
    "Firefox",
    findFirefox,
    install,
    "Debian: `sudo apt-get install firefox-esr`; Ubuntu, macOS: firefox; elsewhere, set FIREFOX to the program; then `npm test` installs geckodriver.",
  );
}

/** WebKit, likewise. */
export function setUpWebKit() {
  const install = async () => {
    if (!mayInstall()) return;
    say("installing WebKit and a virtual screen for it (apt-get install webkit2gtk-driver xvfb)");
    await aptInstall("webkit2gtk-driver", "xvfb");
  };
  return optional("WebKit", findWebKit, install, "Debian, Ubuntu: `sudo apt-get install webkit2gtk-driver xvfb`.");
}

/** What native code needs: the simulation. */
export async function setUpNative() {
  await rust();
}

/** What `npm run fuzz` needs. */
export async function setUpFuzzing() {
  await rust();
  await cargoTool("cargo-fuzz", "cargo-fuzz", CARGO_FUZZ, ["--locked"]);
}

/** What `npm run build` and `npm run demo` need. */
export async function setUpBuild() {
  await rust();
  await nodePackages("the development dependencies");
  await cargoTool("wasm-bindgen-cli", "wasm-bindgen", wasmBindgenVersion());
}

/** What `npm test` needs besides. */
export async function setUpTests() {
  await setUpBuild();
  await cargoTool("wasm-pack", "wasm-pack", WASM_PACK, ["--locked"]);
  return browser();
}

await main(import.meta.url, async () => {
  const { chrome, driver } = await setUpTests();
  await setUpFirefox();
  await setUpWebKit();
  say(`complete (${chrome}, ${driver}, tools in ${TOOLS})`);
});
