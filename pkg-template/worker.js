// The entry "pullcord/worker": for the script of a dedicated worker.

import { server } from "./engine/serve.js";
// made by `npm run build` from wasm-bindgen's output
import instantiate from "./glue.js";
import { besideTheScript } from "./where.js";

export const serve = /* @__PURE__ */ server(instantiate, besideTheScript);
