/** The package's, which the build fills in. */
declare const PULLCORD_VERSION: string | undefined;
/** Which wasm its script is made for, likewise. */
declare const PULLCORD_WASM: string | undefined;
