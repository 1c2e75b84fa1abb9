// Made by `npm run build`: the wasm, by gzip, as base64.

declare const packed: string;
export default packed;
