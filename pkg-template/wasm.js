// From "where the wasm is" to a running instance. The module is compiled once a page; all clients of the
// page share one instance of it, until a panic ends that instance and the next client gets a fresh one.

import { PullcordError } from "./errors.js";

const HELP = 'serve "pullcord/pullcord.wasm" beside the bundle, or pass createClient\'s option `wasm` (its URL, bytes, or compiled module)';

async function bytesOfFile(url) {
  // not import("node:fs"): bundlers for the browser would stumble over it
  const fs = globalThis.process?.getBuiltinModule?.("node:fs/promises");
  if (!fs) throw new PullcordError("network", `cannot read ${url} here: pass the bytes as option \`wasm\``);
  try {
    return await fs.readFile(url);
  } catch (cause) {
    throw new PullcordError("network", `cannot read ${url}: ${HELP}`, { cause });
  }
}

async function bytesOrResponse(source) {
  if (typeof source !== "string" && !(source instanceof URL)) return source;
  if (String(source).startsWith("file:") && globalThis.process?.versions?.node) {
    return bytesOfFile(new URL(source));
  }
  try {
    return await fetch(source);
  } catch (cause) {
    throw new PullcordError("network", `the wasm at ${source} could not be fetched: ${HELP}`, { cause });
  }
}

/**
 * @param {any} source the option `wasm`
 * @returns {Promise<WebAssembly.Module>}
 */
async function compile(source) {
  if (typeof WebAssembly !== "object") {
    throw new PullcordError("internal", "Pullcord needs WebAssembly, which this browser lacks or forbids");
  }
  const given = await bytesOrResponse(await (source ?? new URL("./pullcord.wasm", import.meta.url)));
  if (given instanceof WebAssembly.Module) return given;
  const from = given?.url || String(source ?? "pullcord.wasm");
  const isResponse = typeof given?.arrayBuffer === "function";
  if (isResponse && given.ok === false) {
    throw new PullcordError("network", `the wasm at ${from} answered ${given.status}: ${HELP}`, { status: given.status });
  }
  let bytes = given;
  try {
    if (isResponse) {
      const type = given.headers?.get?.("content-type") ?? "";
      // streaming insists on the type, which many a static server does not send
      if (type.startsWith("application/wasm") && WebAssembly.compileStreaming) {
        return await WebAssembly.compileStreaming(given);
      }
      bytes = await given.arrayBuffer();
    }
  } catch (cause) {
    if (cause instanceof WebAssembly.CompileError) throw notWasm(from, cause);
    throw new PullcordError("network", `the wasm at ${from} did not arrive whole: ${HELP}`, { cause });
  }
  if (!(bytes instanceof ArrayBuffer || ArrayBuffer.isView(bytes))) {
    throw new PullcordError("invalid", "option `wasm` is a URL, a Response, bytes, a WebAssembly.Module, or a promise of one");
  }
  try {
    return await WebAssembly.compile(/** @type {BufferSource} */ (bytes));
  } catch (cause) {
    throw notWasm(from, cause);
  }
}

function notWasm(from, cause) {
  const why = /unsafe-eval/.test(cause?.message)
    ? "the page's Content-Security-Policy forbids it: add 'wasm-unsafe-eval' to script-src"
    : `what is served there is no wasm of this version (a page instead of the file, perhaps): ${HELP}`;
  return new PullcordError("internal", `the wasm (${from}) could not be compiled; ${why}`, { cause });
}

/** One instance of the wasm and the sessions that live in it. */
class Instance {
  #ended;
  /** @type {Set<{ crash(error: PullcordError): void }>} */
  #tenants = new Set();
  dead = false;

  /** @param {any} glue what wasm-bindgen generated @param {() => void} ended */
  constructor(glue, ended) {
    this.glue = glue;
    this.#ended = ended;
  }

  enter(tenant) {
    this.#tenants.add(tenant);
  }

  leave(tenant) {
    this.#tenants.delete(tenant);
  }

  /** After a panic nothing in its memory can be trusted: everybody leaves, and nothing calls into it again but to let go. */
  panic(cause) {
    if (this.dead) return;
    this.dead = true;
    this.#ended();
    const text = typeof cause === "string" ? cause : cause?.message;
    const error = new PullcordError("internal", `Pullcord failed, and this is a bug in it; createClient starts afresh (${text})`, { cause });
    for (const tenant of [...this.#tenants]) tenant.crash(error);
    this.#tenants.clear();
  }

  /** Calls into the wasm. Nothing in it throws but a panic. */
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
  /** @type {Promise<WebAssembly.Module> | null} */
  #module = null;
  /** @type {Promise<Instance> | null} */
  #instance = null;

  /** @param {() => any} instantiate wasm-bindgen's glue: each call makes an independent one */
  constructor(instantiate) {
    this.#instantiate = instantiate;
  }

  /**
   * The instance of this page. `source` counts only until a module was compiled.
   * @returns {Promise<Instance>}
   */
  instance(source) {
    this.#instance ??= this.#start(source);
    return this.#instance;
  }

  async #start(source) {
    // what failed is forgotten, so that the next createClient may try again, with another `wasm`
    try {
      this.#module ??= compile(source);
      const module = await this.#module;
      const glue = this.#instantiate();
      try {
        await glue({ module_or_path: module });
      } catch (cause) {
        throw new PullcordError("internal", `the wasm does not fit this version of the package: ${HELP}`, { cause });
      }
      return new Instance(glue, () => {
        this.#instance = null;
      });
    } catch (error) {
      this.#module = null;
      this.#instance = null;
      throw error instanceof PullcordError ? error : new PullcordError("internal", `the wasm could not be loaded: ${HELP}`, { cause: error });
    }
  }
}
