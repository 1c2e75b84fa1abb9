// The app's options and arguments: checked where they come in, so that a mistake is told at the call that made it.

import { invalid } from "./errors.js";
import { seqText } from "./seq.js";
import { surroundings } from "./lifecycle.js";
import { isTransport, methodsOf } from "./transport.js";

/** the longest delay that setTimeout takes, in ms */
const MAX_DELAY = 2 ** 31 - 1;
const LEVELS = ["debug", "info", "warn", "error", "silent"];

/** What a Transport must be able to do, beside what all must, for each scope. */
const SCOPES = {
  account: ["pull"],
  conversation: ["pullConversations"],
  mailbox: ["pullMailbox", "acknowledge"],
};

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

function flag(what, value, standard) {
  if (value === undefined) return standard;
  if (typeof value !== "boolean") throw invalid(`${what} is true or false, not ${String(value)}`);
  return value;
}

/** Options in an object of their own; absent: none. */
export function optionsOf(what, value) {
  if (value === undefined) return {};
  if (value === null || typeof value !== "object" || Array.isArray(value)) throw invalid(`${what} is an object, not ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}`);
  return value;
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

function transportConfig(transport, scope) {
  if (isTransport(transport)) {
    const methods = methodsOf(transport);
    for (const method of [...SCOPES[scope], "conversations", "history"]) {
      if (!methods.includes(method)) throw invalid(`transport.${method} is missing: sync.scope ${JSON.stringify(scope)} needs it`);
    }
    return { transport: "app", methods, canListen: methods.includes("listen"), canRevalidate: methods.includes("changes") };
  }
  if (typeof transport?.baseUrl !== "string") {
    throw invalid("transport is { baseUrl, token } or an object with a pull, pullConversations or pullMailbox function (a Transport)");
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
    canListen: true,
    canRevalidate: true,
    baseUrl: (url.origin + url.pathname).replace(/\/+$/, ""),
    timeout: integer("transport.timeout", transport.timeout, 15_000, 1, MAX_DELAY),
  };
}

/** What the engine has to know of createClient's options. */
export function clientConfig(options) {
  if (options === null || typeof options !== "object") throw invalid("createClient takes an object of options");
  const sync = optionsOf("sync", options.sync);
  const storage = optionsOf("storage", options.storage);
  const scope = oneOf("sync.scope", sync.scope, "account", Object.keys(SCOPES));
  const config = {
    account: name("account", options.account),
    ...transportConfig(options.transport, scope),
    scope,
    notify: oneOf("sync.notify", sync.notify, "socket", ["socket", "long-poll", "poll"]),
    pollInterval: integer("sync.pollInterval", sync.pollInterval, 30_000, 1, MAX_DELAY),
    fallbackPollInterval: integer("sync.fallbackPollInterval", sync.fallbackPollInterval, 5_000, 1, MAX_DELAY),
    minPullInterval: integer("sync.minPullInterval", sync.minPullInterval, 0, 0, MAX_DELAY),
    pullLimit: integer("sync.pullLimit", sync.pullLimit, 500, 1, 100_000),
    overflow: oneOf("overflow", options.overflow, "clear", ["clear", "keep"]),
    mode: oneOf("storage.mode", storage.mode, "auto", ["auto", "indexeddb", "memory"]),
    maxMessages: integer("storage.maxMessages", storage.maxMessages, 1_000_000, 1, Number.MAX_SAFE_INTEGER),
    pageSize: integer("pageSize", options.pageSize, 30, 1, 1_000),
    prefetch: flag("prefetch", options.prefetch, true),
    ...surroundings(),
  };
  if (config.notify === "long-poll" && scope !== "account") {
    throw invalid(`sync.notify "long-poll" needs sync.scope "account": only its pull can wait for something to come. With ${JSON.stringify(scope)}, use "socket" or "poll"`);
  }
  oneOf("ifOpen", options.ifOpen, "wait", ["wait", "take-over"]);
  abortSignal(options.signal);
  // what is no object the page's first client would refuse, and no other would look at
  if (typeof options.wasm !== "string") optionsOf("wasm", options.wasm);
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
  if (to === "latest" || to === "first-unread") return to;
  const { around, at } = typeof to === "object" && to !== null ? to : {};
  // both would be two places
  if ((around === undefined) === (at === undefined)) throw invalid(`${what} is "latest", "first-unread", { around } or { at }`);
  if (around !== undefined) return { around: seqText(around) };
  return { at: integer(`${what}.at, in ms since the epoch,`, at, undefined, 0, Number.MAX_SAFE_INTEGER) };
}

export function timelineConfig(conversation, given, standardPageSize) {
  const options = optionsOf("options", given);
  const pageSize = integer("pageSize", options.pageSize, standardPageSize, 1, 1_000);
  return {
    conversation: name("conversation", conversation),
    start: place("start", options.start === undefined ? "latest" : options.start),
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
