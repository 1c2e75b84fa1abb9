// The entry "pullcord/inline": the main entry with the wasm in it, for tools that move a script away from its files.

import { pullcord } from "./client.js";
import { PullcordError } from "./errors.js";
// made by `npm run build` from wasm-bindgen's output
import instantiate from "./glue.js";
// made by `npm run build` from the wasm
import packed from "./packed.js";

export { PullcordError } from "./errors.js";
export { compareSeq } from "./seq.js";

/** @returns {Promise<BufferSource>} */
async function unpacked() {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  // first: jsdom is in Node, and what it has of streams does not fit Node's
  const zlib = /** @type {any} */ (globalThis).process?.getBuiltinModule?.("node:zlib");
  if (zlib) return zlib.gunzipSync(bytes);
  if (typeof DecompressionStream === "function")
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  throw new PullcordError("unsupported", 'this browser cannot unpack "pullcord/inline": import "pullcord" for it');
}

export const { createClient, wipe } = /* @__PURE__ */ pullcord(instantiate, unpacked);
