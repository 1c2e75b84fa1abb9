// What the workspace's Cargo.toml says of all, and nothing else does: the version, and the repository once it has an
// address that everybody can reach.

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

const REPOSITORY = /^\[workspace\.package\]\n(?:[^[\n].*\n|\n)*?repository = "([^"]+)"/m;

/**
 * Where the package comes from, as its package.json says it.
 * @param {string} cargo Cargo.toml's text
 * @returns {{ repository?: object, homepage?: string, bugs?: string }} nothing, where no address is named
 */
export function repositoryOf(cargo) {
  const address = REPOSITORY.exec(cargo)?.[1].replace(/\/$|\.git$/, "");
  if (!address) return {};
  const repository = { type: "git", url: `git+${address}.git`, directory: "pkg-template" };
  return { repository, homepage: `${address}#readme`, bugs: `${address}/issues` };
}
