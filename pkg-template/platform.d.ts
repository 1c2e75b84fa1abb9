// What the browser, or Node, has: by looking for it, so that a project without the DOM's types compiles as well.

type Global = typeof globalThis;

/** An AbortSignal. */
export type Signal = Global extends { AbortSignal: { prototype: infer T } }
  ? T
  : {
      readonly aborted: boolean;
      readonly reason: unknown;
      addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
      removeEventListener(type: "abort", listener: () => void): void;
    };

/** A URL. */
export type Address = Global extends { URL: { prototype: infer T } } ? T : never;

/** A Response of fetch. */
export type Answer = Global extends { Response: { prototype: infer T } } ? T : never;

/** A WebAssembly.Module. */
export type Module = Global extends { WebAssembly: { Module: { prototype: infer T } } } ? T : never;

/** A BufferSource. */
export type Bytes = Global extends { WebAssembly: { compile(bytes: infer T): unknown } }
  ? T
  : ArrayBuffer | ArrayBufferView;
