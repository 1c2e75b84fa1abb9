// The entry "pullcord/inline": as "pullcord", with the wasm in the script.

export * from "./index.js";
