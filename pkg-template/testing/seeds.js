// What a backend is made with, judged: in a test, and at a first try, nobody looks at a log.

import { invalid } from "../errors.js";
import { nearest } from "../words.js";

const OPTIONS = ["conversations", "messages", "latency", "push", "overflowAfter", "now"];
const CONVERSATION = ["id", "meta", "members"];
const MESSAGE = ["conversation", "sender", "body", "text", "createdAt"];
const TROUBLE = ["latency", "offline", "error"];

/** @param {unknown} value how it is called in a message */
const kindOf = (value) => (value === null ? "null" : Array.isArray(value) ? "a list" : typeof value);

/**
 * An object of these fields, and no others.
 * @param {string} what @param {any} value @param {readonly string[]} known
 */
function fields(what, value, known) {
  if (kindOf(value) !== "object") throw invalid(`${what} is an object, not ${kindOf(value)}`);
  for (const field of Object.keys(value)) {
    if (known.includes(field)) continue;
    const meant = nearest(field, known);
    throw invalid(`${what} has no \`${field}\`: ${meant ? `is \`${meant}\` meant?` : `it has ${known.join(", ")}`}`);
  }
}

/** @param {string} what @param {any} value @returns {readonly any[]} */
function list(what, value = []) {
  if (!Array.isArray(value)) throw invalid(`${what} is a list, not ${kindOf(value)}`);
  return value;
}

/** @template T @param {string} what @param {T} value @returns {T} */
export function named(what, value) {
  if (typeof value === "string" && value !== "") return value;
  throw invalid(`${what} is a text that is not empty, not ${value === "" ? '""' : kindOf(value)}`);
}

/** Of a message: a text stands for a body that has one. @param {string} what @param {any} body @returns {unknown} */
export function bodyOf(what, body) {
  if (body === undefined) throw invalid(`${what} is missing: a text, or an object`);
  return typeof body === "string" ? { text: body } : body;
}

/** @param {any} options memoryBackend's */
export function judge(options) {
  fields("memoryBackend's argument", options, OPTIONS);
  const ids = new Set();
  list("conversations", options.conversations).forEach((one, at) => {
    const what = `conversations[${at}]`;
    if (typeof one === "string") ids.add(named(what, one));
    else {
      fields(what, one, CONVERSATION);
      ids.add(named(`${what}.id`, one.id));
      for (const member of list(`${what}.members`, one.members)) named(`a member of ${what}`, member);
    }
  });
  list("messages", options.messages).forEach((one, at) => {
    const what = `messages[${at}]`;
    fields(what, one, MESSAGE);
    named(`${what}.sender`, one.sender);
    if (!ids.has(named(`${what}.conversation`, one.conversation)))
      throw invalid(`${what} is of ${JSON.stringify(one.conversation)}, which is none of \`conversations\``);
    bodyOf(`${what}.text`, one.body === undefined ? one.text : one.body);
  });
}

/** @param {any} trouble */
export const judgeTrouble = (trouble) => fields("trouble", trouble, TROUBLE);
