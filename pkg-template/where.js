// Where the wasm is, unless the app says so: beside the script. Bundlers look for exactly this expression.

export const besideTheScript = () => new URL("./pullcord.wasm", import.meta.url);
