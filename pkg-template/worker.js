// The entry "pullcord/worker": for the script of a dedicated worker, and of a service worker.

import { server } from "./engine/serve.js";
// made by `npm run build` from wasm-bindgen's output
import instantiate from "./glue.js";
import { once } from "./once.js";
import { besideTheScript } from "./where.js";

export const serve = /* @__PURE__ */ server(instantiate, besideTheScript);
export const syncOnce = /* @__PURE__ */ once(instantiate, besideTheScript);
