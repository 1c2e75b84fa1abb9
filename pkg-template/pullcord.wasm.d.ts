// "pullcord/pullcord.wasm": the file itself. What an import of it gives is the bundler's: its address, mostly.

/** Where the file is. */
declare const wasm: string;
export default wasm;
