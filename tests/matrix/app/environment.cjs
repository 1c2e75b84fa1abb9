// jsdom has no fetch. What apps do about that: Node's, with what belongs to it. docs/frameworks.md shows it.

const { TestEnvironment } = require("jest-environment-jsdom");

const NODES = ["fetch", "Headers", "Request", "Response", "AbortController", "AbortSignal", "TextDecoder", "TextEncoder"];

module.exports = class extends TestEnvironment {
  async setup() {
    await super.setup();
    for (const name of NODES) this.global[name] = globalThis[name];
  }
};
