// What is wrong in a component, where there is no client whose log could say so.

import { PullcordError } from "../index.js";

/** @type {Set<string>} */
const told = new Set();

/** Once. @param {string} text */
function say(text) {
  if (told.has(text)) return;
  told.add(text);
  console.warn(`pullcord: ${text}`);
}

/**
 * A part that shows nothing, for ever.
 * @param {string} part @param {string} above what is missing above it
 */
export const noClient = (part, above) =>
  say(`${part} has no client and shows nothing: ${above} above it, or pass the client as its last argument`);

/** @param {string} part */
export const noOptions = (part) => say(`${part} has neither \`options\` nor \`client\`, and gives no client`);

/** What a user has done is lost. @param {string} method */
export const nothingDone = (method) => say(`${method}: there is no client yet, or no conversation; nothing was done`);

/**
 * A client that the app gives.
 * @template T
 * @param {T} client
 * @returns {T}
 */
export function judged(client) {
  const given = /** @type {any} */ (client);
  if (!given || typeof given.timeline === "function") return client;
  const what =
    typeof given.then === "function" ? "a promise: await createClient(…)" : `something else (${typeof given})`;
  throw new PullcordError("invalid", `\`client\` is what createClient resolves with, and not ${what}`);
}
