// Links of the documents, as a code host follows them: to files of the repository, and to headings in them. No network:
// what is elsewhere is not looked at.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { ask, Problem, ROOT } from "./run.mjs";

const FENCE = /^( *)(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1\2[^\n]*$/gm;
/** not over the end of a paragraph: what is never closed is no code */
const CODE = /(`+)(?!`)(?:(?!\n\n)[\s\S])*?[^`]\1(?!`)/g;
/** `[text](target)`, with an image as its text or not; `[name]: target`; an attribute of HTML */
const LINK = /\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)|\b(?:href|src)="([^"]+)"/gm;
const ELSEWHERE = /^(?:[a-z][a-z+.-]*:|\/\/)/i;

/** The same length and lines, without what is in code. @param {string} text */
export const withoutCode = (text) =>
  [FENCE, CODE].reduce((rest, code) => rest.replace(code, (found) => found.replace(/[^\n]/g, " ")), text);

/**
 * The name of a heading, as GitHub gives it; the site gives the same.
 * @param {string} heading its text, as it is shown
 */
export function slug(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc}\- ]/gu, "")
    .replaceAll(" ", "-");
}

/** @param {string} text Markdown @returns {Set<string>} what its headings are called, and what has a name in HTML */
export function anchors(text) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  const found = new Set();
  const bare = text.replace(FENCE, "");
  for (const [, heading] of bare.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const shown = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[`*]/g, "");
    const name = slug(shown);
    const count = seen.get(name) ?? 0;
    seen.set(name, count + 1);
    found.add(count ? `${name}-${count}` : name);
  }
  for (const [, name] of bare.matchAll(/\b(?:id|name)="([^"]+)"/g)) found.add(name);
  return found;
}

/** @param {string} text Markdown @returns {{ target: string, line: number }[]} that lead into the repository */
export function linksOf(text) {
  const bare = withoutCode(text);
  return [...bare.matchAll(LINK)]
    .map((found) => ({
      target: found[1] ?? found[2] ?? found[3],
      line: bare.slice(0, found.index).split("\n").length,
    }))
    .filter(({ target }) => !ELSEWHERE.test(target));
}

/**
 * @param {string} file that has the link, from the top of the repository
 * @param {string} target
 * @returns {{ path: string, anchor: string }} from the top as well
 */
export function resolveLink(file, target) {
  const [path, anchor = ""] = target.split("#");
  if (!path) return { path: file, anchor };
  return { path: normalize(join(dirname(file), decodeURI(path))).replace(/\/$/, ""), anchor };
}

/**
 * What a document's links lack.
 * @param {string} file
 * @param {(path: string) => string | null} read a file's text; "" of what is a folder or none, null: it is not there
 * @returns {string[]} "file:line: …"
 */
export function deadLinks(file, read) {
  return linksOf(read(file) ?? "").flatMap(({ target, line }) => {
    const { path, anchor } = resolveLink(file, target);
    const text = path.startsWith("..") ? null : read(path);
    if (text === null) return [`${file}:${line}: ${target}: no such file`];
    if (anchor && !anchors(text).has(anchor)) return [`${file}:${line}: ${target}: no such heading`];
    return [];
  });
}

/** @returns {string[]} every document of the repository */
export function documents() {
  const listed = ask("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"]);
  if (listed === null) throw new Problem("the links are not looked at: git does not list the files");
  return listed.split("\n").filter((file) => file && existsSync(join(ROOT, file)));
}

/** Tells each dead link of the documents. @returns {boolean} whether there is none */
export function linksHold() {
  /** @param {string} path */
  const read = (path) => {
    if (!existsSync(join(ROOT, path))) return null;
    return path.endsWith(".md") ? readFileSync(join(ROOT, path), "utf8") : "";
  };
  const dead = documents().flatMap((file) => deadLinks(file, read));
  for (const one of dead) console.error(one);
  return dead.length === 0;
}
