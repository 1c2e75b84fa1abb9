// The version of all: it stands in the workspace's Cargo.toml, and nowhere else.

const VERSION = /^(\[workspace\.package\]\n(?:[^[\n].*\n|\n)*?version = ")([^"]+)(")/m;

/** @param {string} cargo Cargo.toml's text */
export function versionOf(cargo) {
  const found = VERSION.exec(cargo);
  if (!found) throw new Error("Cargo.toml has no version in [workspace.package]");
  return found[2];
}

/** @param {string} cargo Cargo.toml's text @param {string} version @returns {string} the text with this version */
export function setVersion(cargo, version) {
  versionOf(cargo);
  return cargo.replace(VERSION, (_, before, _old, after) => `${before}${version}${after}`);
}
