// No line of the JavaScript is wider than the formatter's width. It breaks code, but neither comments nor literals:
// comments are checked here, and a line with a long literal in it may be longer.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ask, Problem, ROOT } from "./run.mjs";

export const WIDTH = 120;

const CODE = /\.(?:js|mjs|ts)$/;
const COMMENT = /^\s*(?:\/\/|\/?\*)/;
/** a string, a template or a regular expression, whole or a part of it */
const LITERAL = /["'`]|\/.*\/[a-z]*/;

/**
 * The lines of a text that are too long.
 * @param {string} text
 * @returns {number[]} their numbers, from 1 on
 */
export function longLines(text) {
  return text.split("\n").flatMap((line, at) => {
    const mayBe = line.length <= WIDTH || (!COMMENT.test(line) && LITERAL.test(line));
    return mayBe ? [] : [at + 1];
  });
}

/** Tells each line that is too long. @returns {boolean} whether there is none */
export function linesFit() {
  const files = ask("git", ["ls-files", "--cached", "--others", "--exclude-standard"])?.split("\n");
  if (!files) throw new Problem("the lines are not looked at: git does not list the files");
  let fit = true;
  for (const file of files.filter((name) => CODE.test(name) && !name.startsWith("www/server/"))) {
    for (const line of longLines(readFileSync(join(ROOT, file), "utf8"))) {
      console.error(`${file}:${line}: more than ${WIDTH} columns`);
      fit = false;
    }
  }
  return fit;
}
