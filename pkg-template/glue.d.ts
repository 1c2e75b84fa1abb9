/** wasm-bindgen's output as `npm run build` wraps it: each call makes an independent instance of the glue. */
export default function instantiate(): any;
