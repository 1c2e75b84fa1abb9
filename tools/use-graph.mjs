// The `use` graph of the core has no cycle: no module reaches back (docs/architecture.md). A node is a file of
// `src/core`; an edge leads to each file of which it names an item, in a `use` or by a path. `mod x;` is no edge:
// a module may have children that name it. Tests are left out.
//
// node tools/use-graph.mjs [--list | --dot]

import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { main, Problem, ROOT } from "./run.mjs";

const CORE = "src/core";

/** What names nothing: comments, literals, who may see an item. A lifetime is no literal. */
const NO_CODE =
  /\(in\s+[\w:]+\)|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\bb?r(#*)"[\s\S]*?"\1|b?"(?:[^"\\]|\\[\s\S])*"|b?'(?:[^'\\]|\\(?:x..|u\{[^}]*\}|.))'/g;

/** Where the bracket that opens at `from` is closed: the place after it. */
function closing(/** @type {string} */ text, /** @type {number} */ from) {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    if ("{[(".includes(text[at])) depth++;
    if ("}])".includes(text[at]) && --depth === 0) return at + 1;
  }
  return text.length;
}

/** The code without its tests. @returns {{ code: string, tests: string[] }} and the modules that are tests */
function withoutTests(/** @type {string} */ code) {
  /** @type {string[]} */
  const tests = [];
  const head =
    /#\[cfg\((?:test|all\(test\b[^\]]*)\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*([;{])/g;
  let rest = "";
  let from = 0;
  for (let found = head.exec(code); found; found = head.exec(code)) {
    if (found[2] === ";") tests.push(found[1]);
    rest += code.slice(from, found.index);
    from = found[2] === ";" ? head.lastIndex : closing(code, head.lastIndex - 1);
    head.lastIndex = from;
  }
  return { code: rest + code.slice(from), tests };
}

/** The modules in a file, with their code. @returns {{ module: string[], code: string }[]} */
function scopes(/** @type {string[]} */ module, /** @type {string} */ code) {
  const head = /\bmod\s+(\w+)\s*\{/g;
  const inner = [];
  let rest = "";
  let from = 0;
  for (let found = head.exec(code); found; found = head.exec(code)) {
    const end = closing(code, head.lastIndex - 1);
    inner.push(...scopes([...module, found[1]], code.slice(head.lastIndex, end - 1)));
    rest += code.slice(from, found.index);
    from = end;
    head.lastIndex = end;
  }
  return [{ module, code: rest + code.slice(from) }, ...inner];
}

/** The paths of a `use` tree. @returns {string[][]} */
function paths(/** @type {string} */ tree, /** @type {string[]} */ before = []) {
  const open = tree.indexOf("{");
  const name = (/** @type {string} */ part) => part.replace(/\sas\s.*$/s, "").trim();
  const words = (/** @type {string} */ path) => path.split("::").map(name).filter(Boolean);
  if (open < 0) return [[...before, ...words(tree)]];
  const under = [...before, ...words(tree.slice(0, open))];
  const inside = tree.slice(open + 1, closing(tree, open) - 1);
  const parts = [];
  let from = 0;
  for (let at = 0; at <= inside.length; at++) {
    if (inside[at] === "{") at = closing(inside, at);
    if (at >= inside.length || inside[at] === ",") {
      parts.push(inside.slice(from, at));
      from = at + 1;
    }
  }
  return parts.filter((part) => part.trim()).flatMap((part) => paths(part, under));
}

/** @typedef {{ file: string, uses: Set<string> }} Node */

/**
 * The graph: the nodes by their module's path.
 * @param {string} [root] of the core
 * @returns {Map<string, Node>}
 */
export function graph(root = join(ROOT, CORE)) {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rs"));
  /** @type {Map<string, { file: string, module: string[], code: string, children: string[] }>} */
  const modules = new Map();
  const tests = new Set();
  for (const name of files) {
    const module = name.slice(0, -3).split(sep);
    if (module.at(-1) === "mod") module.pop();
    const bare = readFileSync(join(root, name), "utf8").replace(NO_CODE, (text) => (/^[/(]/.test(text) ? " " : '""'));
    const { code, tests: named } = withoutTests(bare);
    for (const test of named) tests.add([...module, test].join("::"));
    const children = [...code.matchAll(/\bmod\s+(\w+)\s*;/g)].map((found) => found[1]);
    modules.set(module.join("::"), { file: name, module, code, children });
  }
  for (const key of modules.keys()) {
    if ([...tests].some((test) => key === test || key.startsWith(`${test}::`))) modules.delete(key);
  }

  /** The file that a path leads into. @returns {string | undefined} */
  function into(/** @type {string[]} */ path) {
    for (let length = path.length; length >= 0; length--) {
      const key = path.slice(0, length).join("::");
      if (modules.has(key)) return key;
    }
    return undefined;
  }

  /** The file in which a path that stands in `module` leads. @returns {string | undefined} */
  function target(/** @type {string[]} */ module, /** @type {string[]} */ path) {
    const up = path.findIndex((word) => word !== "super");
    const levels = up < 0 ? path.length : up;
    if (levels > module.length) return undefined;
    if (levels > 0) return into([...module.slice(0, module.length - levels), ...path.slice(levels)]);
    if (path[0] === "crate") return path[1] === "core" ? into(path.slice(2)) : undefined;
    if (path[0] === "self") return into([...module, ...path.slice(1)]);
    return modules.get(module.join("::"))?.children.includes(path[0]) ? into([...module, ...path]) : undefined;
  }

  /** @type {Map<string, Node>} */
  const nodes = new Map();
  for (const [key, { file, module, code }] of modules) {
    const uses = new Set();
    for (const scope of scopes(module, code)) {
      const imported = [...scope.code.matchAll(/\buse\s+([^;]+);/g)].flatMap(([, tree]) => paths(tree));
      const inline = scope.code.replace(/\buse\s+[^;]+;/g, "").matchAll(/(?<![\w:])[a-z_]\w*(?:::\w+)+/g);
      for (const path of [...imported, ...[...inline].map(([path]) => path.split("::"))]) {
        const leads = target(scope.module, path);
        if (leads !== undefined && leads !== key) uses.add(leads);
      }
    }
    nodes.set(key, { file, uses });
  }
  return nodes;
}

/** Groups of nodes of which each reaches each other (Tarjan). @returns {string[][]} */
export function cycles(/** @type {Map<string, Node>} */ nodes) {
  /** @type {Map<string, { at: number, low: number, open: boolean }>} */
  const seen = new Map();
  /** @type {string[]} */
  const stack = [];
  /** @type {string[][]} */
  const found = [];
  const visit = (/** @type {string} */ key) => {
    const mine = { at: seen.size, low: seen.size, open: true };
    seen.set(key, mine);
    stack.push(key);
    for (const next of nodes.get(key)?.uses ?? []) {
      const there = seen.get(next) ?? visit(next);
      if (there.open) mine.low = Math.min(mine.low, there.low);
    }
    if (mine.low === mine.at) {
      const group = stack.splice(stack.indexOf(key));
      for (const member of group) {
        const state = seen.get(member);
        if (state) state.open = false;
      }
      if (group.length > 1) found.push(group.sort());
    }
    return mine;
  };
  for (const key of nodes.keys()) if (!seen.has(key)) visit(key);
  return found;
}

/** The shortest way from a node of a group back to itself: what to look at first. @returns {string[]} */
export function shortestCycle(/** @type {Map<string, Node>} */ nodes, /** @type {string[]} */ group) {
  /** @type {string[]} */
  let best = [];
  for (const from of group) {
    const ways = [[from]];
    const seen = new Set();
    for (let way = ways.shift(); way; way = ways.shift()) {
      const next = [...(nodes.get(way[way.length - 1])?.uses ?? [])].filter((use) => group.includes(use));
      if (next.includes(from)) {
        if (best.length === 0 || way.length < best.length) best = way;
        break;
      }
      for (const use of next) {
        if (seen.has(use)) continue;
        seen.add(use);
        ways.push([...way, use]);
      }
    }
  }
  return [...best, best[0]];
}

/** Tells the cycles. @returns {boolean} whether there is none */
export function flowsOneWay() {
  const nodes = graph();
  const found = cycles(nodes);
  const file = (/** @type {string} */ key) => `${CORE}/${nodes.get(key)?.file}`;
  for (const group of found) {
    console.error(`${group.length} files of the core reach each other, the shortest way round is`);
    console.error(`  ${shortestCycle(nodes, group).map(file).join(" -> ")}`);
    for (const key of group) {
      const inside = [...(nodes.get(key)?.uses ?? [])].filter((use) => group.includes(use));
      console.error(`  ${file(key)} uses ${inside.join(", ")}`);
    }
  }
  return found.length === 0;
}

await main(import.meta.url, async (args) => {
  const nodes = [...graph()].sort(([a], [b]) => (a < b ? -1 : 1));
  const name = (/** @type {string} */ key) => key || "mod";
  if (args.includes("--dot")) {
    console.log("digraph core {");
    for (const [key, { uses }] of nodes) for (const use of uses) console.log(`  "${name(key)}" -> "${name(use)}";`);
    console.log("}");
  } else if (args.includes("--list")) {
    for (const [key, { uses }] of nodes) console.log(`${name(key)}: ${[...uses].sort().map(name).join(" ")}`);
  }
  if (!flowsOneWay()) throw new Problem("files of the core reach each other");
  console.error(`${nodes.length} files of ${CORE}, no cycle`);
});
