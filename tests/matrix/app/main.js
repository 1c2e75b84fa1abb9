import { createClient } from "pullcord";
import { tried } from "./tried.js";

globalThis.run = (options) => tried(createClient, options);

// Without a transport in the page it cannot fall back to it.
globalThis.runInWorker = () =>
  tried(createClient, {
    transport: undefined,
    worker: () => new Worker(new URL("./chat.worker.js", import.meta.url), { type: "module" }),
  });
