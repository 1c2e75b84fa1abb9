// From "where the wasm is" to a running instance. The module is compiled once a page; all clients of the
// page share one instance of it, until a panic ends that instance and the next client gets a fresh one.

import { PullcordError, within } from "./errors.js";
import { Socket } from "./socket.js";

const HELP =
  'import "pullcord/inline", which has it inside, or serve "pullcord/pullcord.wasm" beside the script, or pass createClient\'s option `wasm` (its URL, bytes, or compiled module)';

/** What of the usual tools does which. */
const LEFT_BEHIND =
  "esbuild, Angular's `ng build`, rollup, Bun and Metro (Expo) leave it behind; Vite does where `optimizeDeps`, or for a server `ssr.noExternal` or SvelteKit, bundles the package";
const OFFLINE =
  "a PWA has to precache it (Workbox: `globPatterns` with wasm), and a Content-Security-Policy to allow it by connect-src";
const NO_TEXT =
  "TextDecoder is missing here, as in Jest's jsdom: its environment has to set `this.global.TextDecoder = TextDecoder` (docs/frameworks.md)";
const NO_PAGE = "it is an address of a page, and no page is here: Next bundles the package for its server";
const OTHER_BUILD =
  "the wasm is of another build of the package than its script (cached by a service worker or a CDN, or copied by hand before an update?)";
const NO_PLACE =
  'this script does not know where it is (format "iife", "umd" or "cjs" of esbuild, rollup, Vite and others)';

/**
 * Vite up to 7 moves the script of a dependency into a folder of its own, and answers a page for what is not there: the
 * package's own folder is served as well. It moves it below one whose name begins with a dot: `.vite`,
 * `.vite/vitest/…`, `.cache/vite/client` (Nuxt), `.cache/storybook/…`, or the app's own `cacheDir`.
 */
const PREBUNDLED = /(\/node_modules)?\/\.[^/]+(\/[^./][^/]*)*\/deps(_\w+)?\/pullcord\.wasm$/;

/** @typedef {import("./index.js").ClientOptions["wasm"]} Source where the wasm is, or what */
/** @typedef {{ crash(error: PullcordError): void }} Tenant */

/** Node's own object, where this is Node. @returns {any} */
const node = () => /** @type {any} */ (globalThis).process;

/** @param {URL} url @returns {Promise<BufferSource>} */
async function bytesOfFile(url) {
  // not import("node:fs"): bundlers for the browser would stumble over it
  const fs = node()?.getBuiltinModule?.("node:fs/promises");
  if (!fs) throw new PullcordError("network", `cannot read ${url} here: pass the bytes as option \`wasm\``);
  try {
    return await fs.readFile(url);
  } catch (cause) {
    throw new PullcordError("network", `cannot read ${url} (${LEFT_BEHIND}): ${HELP}`, { cause });
  }
}

/** ms for the wasm's answer to begin, and for all of it to come: 200 KB, on a slow line too */
const BEGIN = 30_000;
const ALL = 120_000;

/**
 * The smallest module that uses what the wasm needs of a browser (`memory.fill`): one that is refused tells an old
 * browser from a wrong file.
 */
const PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 0, 1, 10, 13, 1, 11, 0, 65, 0, 65, 0, 65, 0, 252,
  11, 0, 11,
]);

/** @param {boolean} there @param {string} what is said where it is not */
function needs(there, what) {
  if (!there) throw new PullcordError("unsupported", what);
}

/** @param {unknown} source @returns {() => never} */
function silent(source) {
  return () => {
    throw new PullcordError("timeout", `the wasm at ${source ?? "pullcord.wasm"} does not come: ${HELP}`);
  };
}

/** @param {() => Source} standard */
function beside(standard) {
  try {
    const source = standard();
    return source instanceof URL ? source.href.replace(PREBUNDLED, "/node_modules/pullcord/pullcord.wasm") : source;
  } catch (cause) {
    throw new PullcordError("invalid", `${NO_PLACE}, and so not where its wasm is: ${HELP}`, { cause });
  }
}

/** Why a fetch may have failed. @param {string | URL} source */
function unfetched(source) {
  const page = globalThis.location;
  if (!page && String(source).startsWith("/")) return NO_PAGE;
  const { origin, protocol } = new URL(source, page?.href);
  if (protocol === "file:") return "a page that is opened as a file may fetch none";
  return !page || origin === page.origin
    ? OFFLINE
    : `does ${origin} allow ${page.origin} (CORS), and the page's Content-Security-Policy that origin (connect-src)?`;
}

/** Which wasm this script is made for, and the section of the wasm that says which it is. */
const BUILD = typeof PULLCORD_WASM === "string" ? PULLCORD_WASM : null;
const SECTION = "pullcord";

/** One of another build may have all that is asked for under other names. @param {WebAssembly.Module} module */
function fits(module) {
  const [section] = WebAssembly.Module.customSections(module, SECTION);
  // a tool may have left it out
  return !BUILD || !section || new TextDecoder().decode(section) === BUILD;
}

/** @param {unknown} source @param {RequestCache} [cache] */
async function bytesOrResponse(source, cache) {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  if (String(source).startsWith("file:") && node()?.versions?.node) {
    return bytesOfFile(new URL(source));
  }
  try {
    return await fetch(source, cache && { cache });
  } catch (cause) {
    throw new PullcordError("network", `the wasm at ${source} could not be fetched (${unfetched(source)}): ${HELP}`, {
      cause,
    });
  }
}

/**
 * An old one may be cached under the same address: it is fetched anew, once.
 * @param {Source} source
 * @param {() => Source} standard
 */
async function fitting(source, standard) {
  const module = await compile(source, standard);
  if (fits(module)) return module;
  const isAddress = source === undefined || typeof source === "string" || source instanceof URL;
  const anew = isAddress && (await compile(source, standard, "reload"));
  if (anew && fits(anew)) return anew;
  throw new PullcordError("internal", `${OTHER_BUILD}: ${HELP}`);
}

/**
 * @param {Source} source
 * @param {() => Source} standard
 * @param {RequestCache} [cache]
 * @returns {Promise<WebAssembly.Module>}
 */
async function compile(source, standard, cache) {
  needs(typeof WebAssembly === "object", "Pullcord needs WebAssembly, which this browser lacks or forbids");
  needs(typeof TextDecoder === "function", NO_TEXT);
  /** @type {any} whatever the app gave */
  const given = await within(
    (async () => bytesOrResponse(await (source ?? beside(standard)), cache))(),
    BEGIN,
    silent(source),
  );
  if (given instanceof WebAssembly.Module) return given;
  const from = given?.url || String(source ?? "pullcord.wasm");
  const isResponse = typeof given?.arrayBuffer === "function";
  if (isResponse && given.ok === false) {
    throw new PullcordError("network", `the wasm at ${from} answered ${given.status} (${LEFT_BEHIND}): ${HELP}`, {
      status: given.status,
    });
  }
  let bytes = given;
  try {
    if (isResponse) {
      const type = given.headers?.get?.("content-type") ?? "";
      // streaming insists on the type, which many a static server does not send
      if (type.startsWith("application/wasm") && WebAssembly.compileStreaming) {
        return await within(WebAssembly.compileStreaming(given), ALL, silent(from));
      }
      bytes = await within(given.arrayBuffer(), ALL, silent(from));
    }
  } catch (cause) {
    if (cause instanceof PullcordError) throw cause;
    if (cause instanceof WebAssembly.CompileError || isForbidden(cause)) throw notWasm(from, cause);
    throw new PullcordError("network", `the wasm at ${from} did not arrive whole: ${HELP}`, { cause });
  }
  // not by instanceof: jsdom's objects are of another realm
  if (!(Object.prototype.toString.call(bytes) === "[object ArrayBuffer]" || ArrayBuffer.isView(bytes))) {
    throw new PullcordError(
      "invalid",
      "option `wasm` is a URL, a Response, bytes, a WebAssembly.Module, or a promise of one",
    );
  }
  try {
    return await WebAssembly.compile(/** @type {BufferSource} */ (bytes));
  } catch (cause) {
    throw notWasm(from, cause);
  }
}

/** By the page's Content-Security-Policy. @param {any} cause */
function isForbidden(cause) {
  return /unsafe-eval|content security policy/i.test(cause?.message);
}

function isTooOld() {
  try {
    return !WebAssembly.validate(PROBE);
  } catch {
    return false;
  }
}

/** @param {string} from @param {unknown} cause */
function notWasm(from, cause) {
  if (isForbidden(cause)) {
    return new PullcordError(
      "unsupported",
      "the page's Content-Security-Policy forbids WebAssembly: add 'wasm-unsafe-eval' to script-src",
      { cause },
    );
  }
  if (isTooOld())
    return new PullcordError(
      "unsupported",
      "this browser is too old for Pullcord: its WebAssembly lacks what is in every browser since 2021",
      { cause },
    );
  const why = `what is served there is no wasm of this version, but a page, perhaps (${LEFT_BEHIND}): ${HELP}`;
  return new PullcordError("internal", `the wasm (${from}) could not be compiled; ${why}`, { cause });
}

/** One instance of the wasm and the sessions that live in it. */
export class Instance {
  #ended;
  /** @type {Set<Tenant>} */
  #tenants = new Set();
  dead = false;

  /** @param {import("./glue.js").Glue} glue @param {() => void} ended */
  constructor(glue, ended) {
    this.glue = glue;
    this.#ended = ended;
  }

  /** @param {Tenant} tenant */
  enter(tenant) {
    this.#tenants.add(tenant);
  }

  /** @param {Tenant} tenant */
  leave(tenant) {
    this.#tenants.delete(tenant);
  }

  /**
   * After a panic nothing in its memory can be trusted: everybody leaves, and nothing calls into it again but to let
   * go.
   * @param {any} cause
   */
  panic(cause) {
    if (this.dead) return;
    this.dead = true;
    this.#ended();
    // where it has failed; what Rust says of it is in the cause
    const [text] = String(cause?.message ?? cause).split("\n");
    const error = new PullcordError(
      "internal",
      `Pullcord failed, and this is a bug in it; createClient starts afresh (${text})`,
      { cause },
    );
    for (const tenant of [...this.#tenants]) tenant.crash(error);
    this.#tenants.clear();
  }

  /**
   * Calls into the wasm. Nothing in it throws but a panic.
   * @template T
   * @param {() => T} call
   * @returns {T | undefined} undefined: it has panicked, now or before
   */
  run(call) {
    if (this.dead) return undefined;
    try {
      return call();
    } catch (error) {
      this.panic(error);
      return undefined;
    }
  }
}

export class Runtime {
  #instantiate;
  #standard;
  /** @type {Promise<WebAssembly.Module> | null} */
  #module = null;
  /** @type {Promise<Instance> | null} */
  #instance = null;

  /**
   * @param {typeof import("./glue.js").default} instantiate each call makes an independent glue
   * @param {() => Source} standard the wasm, where the app does not say
   */
  constructor(instantiate, standard) {
    this.#instantiate = instantiate;
    this.#standard = standard;
  }

  /**
   * The instance of this page.
   * @param {Source} source counts only until a module was compiled
   * @returns {Promise<Instance>}
   */
  instance(source) {
    this.#instance ??= this.#start(source);
    return this.#instance;
  }

  /** @param {Source} source */
  async #start(source) {
    // what failed is forgotten, so that the next createClient may try again, with another `wasm`
    try {
      this.#module ??= fitting(source, this.#standard);
      const module = await this.#module;
      const glue = this.#instantiate(Socket);
      try {
        await glue({ module_or_path: module });
      } catch (cause) {
        if (isForbidden(cause)) throw notWasm("", cause);
        throw new PullcordError("internal", `the wasm does not fit this version of the package: ${HELP}`, { cause });
      }
      return new Instance(glue, () => {
        this.#instance = null;
      });
    } catch (error) {
      this.#module = null;
      this.#instance = null;
      throw error instanceof PullcordError
        ? error
        : new PullcordError("internal", `the wasm could not be loaded: ${HELP}`, { cause: error });
    }
  }
}
