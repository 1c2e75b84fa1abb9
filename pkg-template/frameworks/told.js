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

/** ms after which it is told that a part waits for its conversation: what is fetched first may be there soon */
const IN_VAIN = 3000;

/**
 * A part that shows nothing for want of an id: `null` says that none is chosen, and anything else may be a name that
 * is not there.
 * @param {string} part @param {unknown} id
 * @returns {() => void} it has another one, or is gone
 */
export function withoutId(part, id) {
  if (id || id === null) return () => {};
  const timer = setTimeout(
    () => say(`${part} shows nothing: its id is ${id === "" ? '""' : id}. Where no conversation is chosen give null`),
    IN_VAIN,
  );
  return () => clearTimeout(timer);
}

/**
 * Vue knows a component only in its setup: what is called later has none, and is never ended by one.
 * @param {string} part
 */
export const outsideSetup = (part) =>
  say(`${part} was called outside of setup(), after an \`await\` or in a callback: call it before, and in setup()`);

/** @param {string} part */
export const noOptions = (part) => say(`${part} has neither \`options\` nor \`client\`, and gives no client`);

/** A client that is closed and opened again and again. */
export const openedAnew = () =>
  say(
    "the options have changed 5 times within 2 s, and each time another client was opened: keep what they say (`account`, `baseUrl`, …) between two renders",
  );

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
    typeof given.then === "function"
      ? "a promise: await createClient(…)"
      : "client" in Object(given)
        ? "what usePullcord gives: pass its `client`"
        : `something else (${typeof given})`;
  throw new PullcordError("invalid", `\`client\` is what createClient resolves with, and not ${what}`);
}
