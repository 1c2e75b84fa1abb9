// The app's options and arguments, told to the engine as they are: it knows what they may be, and what they are where
// they are absent (src/core/options.rs). Here is only what concerns JS alone, or what the boundary could not carry.

import { invalid, textOf } from "./errors.js";
import { seqText } from "./seq.js";
import { surroundings } from "./lifecycle.js";
import { isTransport, methodsOf } from "./transport.js";

const LEVELS = ["debug", "info", "warn", "error", "silent"];

/**
 * A name: of an account, a conversation, a message.
 * @param {string} what @param {unknown} value @returns {string}
 */
export function name(what, value) {
  // half a surrogate pair has no UTF-8 form: neither the wasm nor a server could hold it
  if (typeof value !== "string" || value === "" || /\p{Surrogate}/u.test(value)) {
    throw invalid(
      `${what} is a text that is not empty, not ${typeof value === "string" ? JSON.stringify(value) : typeof value}`,
    );
  }
  return value;
}

/**
 * @template {string | undefined} T
 * @param {string} what @param {unknown} value @param {T} standard @param {readonly T[]} all
 * @returns {T}
 */
function oneOf(what, value, standard, all) {
  if (value === undefined) return standard;
  if (!all.includes(/** @type {T} */ (value)))
    throw invalid(`${what} is one of ${all.join(", ")}, not ${String(value)}`);
  return /** @type {T} */ (value);
}

/**
 * The fields that are given: one that is undefined is not.
 * @template {object} T
 * @param {T} fields
 * @returns {T}
 */
export function given(fields) {
  return /** @type {any} */ (Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)));
}

/**
 * Options in an object of their own; absent: none.
 * @param {string} what @param {unknown} value
 * @returns {any} its fields are judged where they are used
 */
export function optionsOf(what, value) {
  if (value === undefined) return {};
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw invalid(
      `${what} is an object, not ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}`,
    );
  return value;
}

/** @param {string} what @param {unknown} value @returns {(...given: any[]) => any} */
export function callback(what, value) {
  if (typeof value !== "function") throw invalid(`${what} is a function, not ${typeof value}`);
  return /** @type {(...given: any[]) => any} */ (value);
}

/** @param {any} value @returns {AbortSignal | undefined} */
export function abortSignal(value) {
  if (value === undefined || typeof value?.addEventListener === "function") return value;
  throw invalid("signal is an AbortSignal");
}

/** What the engine has to know of it. @param {any} transport */
export function transportConfig(transport) {
  if (isTransport(transport)) return { methods: methodsOf(transport) };
  if (typeof transport?.baseUrl !== "string") {
    throw invalid(
      "transport is { baseUrl, token } or an object with a pull, pullConversations or pullMailbox function (a Transport)",
    );
  }
  callback("transport.token", transport.token);
  let url;
  try {
    url = new URL(transport.baseUrl, globalThis.location?.href);
  } catch {
    throw invalid(`transport.baseUrl is no URL: ${transport.baseUrl}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw invalid(`transport.baseUrl is http: or https:, not ${url.protocol}`);
  return { baseUrl: (url.origin + url.pathname).replace(/\/+$/, ""), timeout: transport.timeout };
}

/** What the engine has to know of createClient's options. @param {any} options */
export function clientConfig(options) {
  if (options === null || typeof options !== "object") throw invalid("createClient takes an object of options");
  const { scope, notify, pollInterval, fallbackPollInterval, minPullInterval, pullLimit } = optionsOf(
    "sync",
    options.sync,
  );
  const { mode, maxMessages } = optionsOf("storage", options.storage);
  const { overflow, pageSize, prefetch } = options;
  if (options.worker !== undefined) callback("worker", options.worker);
  // one that a worker may have, and then says
  const isElsewhere = options.worker && options.transport === undefined;
  const config = given({
    account: name("account", options.account),
    ...(isElsewhere ? {} : transportConfig(options.transport)),
    ifOpen: oneOf("ifOpen", options.ifOpen, undefined, ["share", "wait", "take-over"]),
    scope,
    notify,
    pollInterval,
    fallbackPollInterval,
    minPullInterval,
    pullLimit,
    overflow,
    mode,
    maxMessages,
    pageSize,
    prefetch,
    ...surroundings(),
  });
  abortSignal(options.signal);
  // what is no object the page's first client would refuse, and no other would look at
  if (typeof options.wasm !== "string") optionsOf("wasm", options.wasm);
  return config;
}

/** @param {any} options @returns {(level: string, message: string, detail?: unknown) => void} */
export function logFunction(options) {
  const least = LEVELS.indexOf(oneOf("logLevel", options.logLevel, "warn", LEVELS));
  const logger = options.logger === undefined ? undefined : callback("logger", options.logger);
  const toConsole = /** @type {any} */ (console);
  return (level, message, detail) => {
    if (LEVELS.indexOf(level) < least) return;
    try {
      if (logger) logger(level, message, detail);
      else toConsole[level](`pullcord: ${message}`, ...(detail === undefined ? [] : [detail]));
    } catch {
      // a logger that fails has no place to say so, and must not stop what it was told about
    }
  };
}

/** Where a timeline begins or jumps to, as the engine takes it. @param {string} what @param {any} to */
export function place(what, to) {
  if (to === "latest" || to === "first-unread") return to;
  const { around, at } = typeof to === "object" && to !== null ? to : {};
  // both would be two places
  if ((around === undefined) === (at === undefined))
    throw invalid(`${what} is "latest", "first-unread", { around } or { at }`);
  if (around !== undefined) return { around: seqText(around) };
  return { at };
}

/** @param {string} conversation @param {any} given */
export function timelineConfig(conversation, given) {
  const { pageSize, maxItems, start = "latest" } = optionsOf("options", given);
  return { conversation: name("conversation", conversation), start: place("start", start), pageSize, maxItems };
}

/**
 * The JSON text of a message body, read now: what the app does to the object later does not matter.
 * @param {unknown} body
 */
export function bodyText(body) {
  let text;
  try {
    text = JSON.stringify(body);
  } catch (cause) {
    throw invalid(`body is no JSON: ${textOf(cause)}`);
  }
  if (text === undefined) throw invalid(`body is no JSON: ${typeof body}`);
  return text;
}
