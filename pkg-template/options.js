// The app's options and arguments: checked where they come in, so that a mistake is told at the call that made it.

import { invalid } from "./errors.js";
import { seqText } from "./seq.js";
import { surroundings } from "./lifecycle.js";
import { isTransport, methodsOf } from "./transport.js";

/** the longest delay that setTimeout takes, in ms */
const MAX_DELAY = 2 ** 31 - 1;
const LEVELS = ["debug", "info", "warn", "error", "silent"];

/** A name: of an account, a conversation, a message. */
export function name(what, value) {
  // half a surrogate pair has no UTF-8 form: neither the wasm nor a server could hold it
  if (typeof value !== "string" || value === "" || /\p{Surrogate}/u.test(value)) {
    throw invalid(`${what} is a text that is not empty, not ${typeof value === "string" ? JSON.stringify(value) : typeof value}`);
  }
  return value;
}

function integer(what, value, standard, least, most) {
  if (value === undefined) return standard;
  if (!Number.isInteger(value) || value < least || value > most) {
    throw invalid(`${what} is an integer from ${least} to ${most}, not ${String(value)}`);
  }
  return value;
}

function oneOf(what, value, standard, all) {
  if (value === undefined) return standard;
  if (!all.includes(value)) throw invalid(`${what} is one of ${all.join(", ")}, not ${String(value)}`);
  return value;
}

/** Known to the contract, and not served by this version. */
function notYet(what, value, instead) {
  throw invalid(`${what} ${JSON.stringify(value)} is not supported by this version: use ${instead}`);
}

export function callback(what, value) {
  if (typeof value !== "function") throw invalid(`${what} is a function, not ${typeof value}`);
  return value;
}

/** @returns {AbortSignal | undefined} */
export function abortSignal(value) {
  if (value === undefined || typeof value?.addEventListener === "function") return value;
  throw invalid("signal is an AbortSignal");
}

function transportConfig(transport) {
  if (isTransport(transport)) {
    for (const method of ["pull", "conversations", "history"]) {
      if (typeof transport[method] !== "function") throw invalid(`transport.${method} is missing: sync scope "account" needs it`);
    }
    return { transport: "app", methods: methodsOf(transport) };
  }
  if (typeof transport?.baseUrl !== "string") {
    throw invalid("transport is { baseUrl, token } or an object with a pull function (a Transport)");
  }
  callback("transport.token", transport.token);
  let url;
  try {
    url = new URL(transport.baseUrl, globalThis.location?.href);
  } catch {
    throw invalid(`transport.baseUrl is no URL: ${transport.baseUrl}`);
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") throw invalid(`transport.baseUrl is http: or https:, not ${url.protocol}`);
  return {
    transport: "http",
    methods: [],
    baseUrl: (url.origin + url.pathname).replace(/\/+$/, ""),
    timeout: integer("transport.timeout", transport.timeout, 15_000, 1, MAX_DELAY),
  };
}

/** What the engine has to know of createClient's options. */
export function clientConfig(options) {
  if (options === null || typeof options !== "object") throw invalid("createClient takes an object of options");
  const { sync = {}, storage = {} } = options;
  const config = {
    account: name("account", options.account),
    ...transportConfig(options.transport),
    scope: oneOf("sync.scope", sync.scope, "account", ["account", "conversation", "mailbox"]),
    notify: oneOf("sync.notify", sync.notify, "socket", ["socket", "long-poll", "poll"]),
    pollInterval: integer("sync.pollInterval", sync.pollInterval, 30_000, 1, MAX_DELAY),
    fallbackPollInterval: integer("sync.fallbackPollInterval", sync.fallbackPollInterval, 5_000, 1, MAX_DELAY),
    minPullInterval: integer("sync.minPullInterval", sync.minPullInterval, 0, 0, MAX_DELAY),
    pullLimit: integer("sync.pullLimit", sync.pullLimit, 500, 1, 100_000),
    overflow: oneOf("overflow", options.overflow, "clear", ["clear", "keep"]),
    mode: oneOf("storage.mode", storage.mode, "auto", ["auto", "indexeddb", "memory"]),
    maxMessages: integer("storage.maxMessages", storage.maxMessages, 1_000_000, 1, Number.MAX_SAFE_INTEGER),
    pageSize: integer("pageSize", options.pageSize, 30, 1, 1_000),
    ...surroundings(),
  };
  if (config.scope !== "account") notYet("sync.scope", config.scope, '"account"');
  if (config.notify === "long-poll") notYet("sync.notify", config.notify, '"socket" or "poll"');
  if (config.overflow === "keep") notYet("overflow", config.overflow, '"clear"');
  oneOf("ifOpen", options.ifOpen, "wait", ["wait", "take-over"]);
  abortSignal(options.signal);
  return config;
}

/** @returns {(level: string, message: string, detail?: unknown) => void} */
export function logFunction(options) {
  const least = LEVELS.indexOf(oneOf("logLevel", options.logLevel, "warn", LEVELS));
  const logger = options.logger === undefined ? undefined : callback("logger", options.logger);
  return (level, message, detail) => {
    if (LEVELS.indexOf(level) < least) return;
    try {
      if (logger) logger(level, message, detail);
      else console[level](`pullcord: ${message}`, ...(detail === undefined ? [] : [detail]));
    } catch {
      // a logger that fails has no place to say so, and must not stop what it was told about
    }
  };
}

/** Where a timeline begins or jumps to, as the engine takes it. */
export function place(what, to) {
  if (to === "latest") return to;
  const known = to === "first-unread" || (typeof to === "object" && to !== null && ("around" in to || "at" in to));
  if (!known) throw invalid(`${what} is "latest", "first-unread", { around } or { at }`);
  if (typeof to === "object" && "around" in to) seqText(to.around);
  throw notYet(what, to === "first-unread" ? to : Object.keys(to)[0], '"latest"');
}

export function timelineConfig(conversation, options = {}, standardPageSize) {
  const pageSize = integer("pageSize", options.pageSize, standardPageSize, 1, 1_000);
  return {
    conversation: name("conversation", conversation),
    start: place("start", options.start ?? "latest"),
    pageSize,
    maxItems: integer("maxItems", options.maxItems, Math.max(1_000, pageSize), pageSize, 1_000_000),
  };
}

export function pageLimit(value, standard) {
  return integer("limit", value, standard, 1, 1_000);
}

/** The JSON text of a message body, read now: what the app does to the object later does not matter. */
export function bodyText(body) {
  let text;
  try {
    text = JSON.stringify(body);
  } catch (cause) {
    throw invalid(`body is no JSON: ${cause.message}`);
  }
  if (text === undefined) throw invalid(`body is no JSON: ${typeof body}`);
  return text;
}
