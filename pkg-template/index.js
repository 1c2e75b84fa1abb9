// The entry of the package. Importing it does nothing: the wasm is loaded by the first createClient.

import { pullcord } from "./client.js";
// made by `npm run build` from wasm-bindgen's output
import instantiate from "./glue.js";
import { besideTheScript } from "./where.js";

export { PullcordError } from "./errors.js";
export { compareSeq } from "./seq.js";
export const { createClient, wipe } = /* @__PURE__ */ pullcord(instantiate, besideTheScript);
