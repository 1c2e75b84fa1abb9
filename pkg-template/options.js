// The app's options and arguments, told to the engine as they are: it knows what they may be, and what they are where
// they are absent (src/core/options.rs). Here is only what concerns JS alone, or what the boundary could not carry.

import { invalid, textOf } from "./errors.js";
import { seqText } from "./seq.js";
import { surroundings } from "./lifecycle.js";
import { isTransport, methodsOf, misspelt } from "./transport.js";
import { isEvent } from "./words.js";

/** What there is, by where it stands. */
const CLIENT = [
  "account",
  "transport",
  "wasm",
  "ifOpen",
  "worker",
  "signal",
  "sync",
  "overflow",
  "storage",
  "pageSize",
  "prefetch",
  "logLevel",
  "logger",
];
const SYNC = ["scope", "notify", "pollInterval", "fallbackPollInterval", "minPullInterval", "pullLimit"];
const STORAGE = ["mode", "maxMessages"];
const TIMELINE = ["start", "pageSize", "maxItems"];
const HTTP = ["baseUrl", "token", "timeout"];

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
export function oneOf(what, value, standard, all) {
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
 * @param {string} what @param {unknown} value @param {string} [example]
 * @returns {any} its fields are judged where they are used
 */
export function optionsOf(what, value, example) {
  if (value === undefined) return {};
  if (value === null || typeof value !== "object" || Array.isArray(value))
    throw invalid(
      `${what} is an object${example ? `, as ${example}` : ""}, not ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}`,
    );
  return value;
}

/** @param {string} what @param {unknown} value @returns {(...given: any[]) => any} */
export function callback(what, value) {
  if (typeof value !== "function") {
    const isPromise = typeof (/** @type {any} */ (value)?.then) === "function";
    throw invalid(`${what} is a function, not ${isPromise ? "a promise: give what makes it" : typeof value}`);
  }
  return /** @type {(...given: any[]) => any} */ (value);
}

/** @param {any} value @returns {AbortSignal | undefined} */
export function abortSignal(value) {
  if (value === undefined || typeof value?.addEventListener === "function") return value;
  throw invalid("signal is an AbortSignal");
}

/** What is given in a transport's place. @param {any} given */
function kindOf(given) {
  if (typeof given?.then === "function") return "a promise: await it";
  if (typeof given?.transport === "function") return "a backend: what its `transport(user)` gives is one";
  if (typeof given === "function") return "a function: give what it makes";
  return given === null ? "null" : typeof given === "object" ? "another object" : typeof given;
}

/** What is given in the place of a server's address, and what to do. @param {unknown} baseUrl */
function noAddress(baseUrl) {
  if (baseUrl === undefined) return "undefined: is the variable that it comes from set where this is built?";
  return baseUrl instanceof URL ? "a URL: give its `href`" : baseUrl === null ? "null" : typeof baseUrl;
}

/** A user that was not known yet, as text: everybody would share one database. */
const NOBODY = /(^|[^\w])(undefined|null|NaN|\[object \w+\])($|[^\w])/;

/**
 * What the engine has to know of it.
 * @param {any} transport
 * @param {import("./log.js").Log} [log] is told of what is hardly meant
 */
export function transportConfig(transport, log) {
  if (isTransport(transport)) {
    for (const [name, meant] of misspelt(transport))
      log?.say("warn", `transport.${name} is never called: is \`${meant}\` meant?`);
    return { methods: methodsOf(transport) };
  }
  log?.unknown("transport", transport, HTTP);
  if (typeof transport?.baseUrl !== "string") {
    if (transport !== null && typeof transport === "object" && "baseUrl" in transport)
      throw invalid(`transport.baseUrl is a text, and not ${noAddress(transport.baseUrl)}`);
    throw invalid(
      `transport is { baseUrl, token } or an object with a pull, pullConversations or pullMailbox function (a Transport), not ${kindOf(transport)}`,
    );
  }
  callback("transport.token", transport.token);
  let url;
  try {
    url = new URL(transport.baseUrl, globalThis.location?.href);
  } catch {
    throw invalid(
      `transport.baseUrl is no URL, and begins with https:// or http://: ${JSON.stringify(transport.baseUrl)}`,
    );
  }
  if (url.protocol !== "http:" && url.protocol !== "https:")
    throw invalid(`transport.baseUrl begins with https:// or http://, and is ${JSON.stringify(transport.baseUrl)}`);
  const doubt = doubtOf(transport.baseUrl, url);
  if (doubt) log?.say("warn", `transport.baseUrl ${JSON.stringify(transport.baseUrl)} ${doubt}`);
  return { baseUrl: (url.origin + url.pathname).replace(/\/+$/, ""), timeout: transport.timeout };
}

/** What is hardly meant. @param {string} given @param {URL} url */
function doubtOf(given, url) {
  const page = globalThis.location;
  if (!/^(https?:|[/.])/i.test(given) && /[.:]/.test(given.split("/")[0]))
    return `lies below this page, at ${url.href}: another host begins with https://`;
  if (/\/v1\/?$/.test(url.pathname)) return "ends with /v1, which is added to it";
  if (url.search || url.hash) return "has a query or a hash, which is left off";
  if (page?.protocol === "https:" && url.protocol === "http:" && !/^(localhost|127\.|\[::1)/.test(url.hostname))
    return "is http:, which the browser does not let a page of https: ask";
  return "";
}

/**
 * What the engine has to know of createClient's options.
 * @param {any} options
 * @param {import("./log.js").Log} log is told of what there is not
 */
export function clientConfig(options, log) {
  if (options === null || typeof options !== "object") throw invalid("createClient takes an object of options");
  const dotted = (/** @type {string} */ of, /** @type {string[]} */ all) => all.map((one) => `${of}.${one}`);
  const inside = [...dotted("sync", SYNC), ...dotted("storage", STORAGE), ...dotted("transport", HTTP)];
  log.unknown("createClient", options, CLIENT, inside);
  log.unknown("sync", options.sync, SYNC, CLIENT);
  log.unknown("storage", options.storage, STORAGE, CLIENT);
  const { scope, notify, pollInterval, fallbackPollInterval, minPullInterval, pullLimit } = optionsOf(
    "sync",
    options.sync,
    '{ notify: "poll" }',
  );
  const { mode, maxMessages } = optionsOf("storage", options.storage, '{ mode: "memory" }');
  const { overflow, pageSize, prefetch } = options;
  if (options.worker !== undefined) callback("worker", options.worker);
  const [, , nobody] = (typeof options.account === "string" && NOBODY.exec(options.account)) || [];
  if (nobody)
    log.say(
      "warn",
      `account is ${JSON.stringify(options.account)}: is the user known yet? All "${nobody}" share its data`,
    );
  // one that a worker may have, and then says
  const isElsewhere = options.worker && options.transport === undefined;
  const config = given({
    account: name("account", options.account),
    ...(isElsewhere ? {} : transportConfig(options.transport, log)),
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
    verbose: options.logLevel === "debug" || undefined,
    ...surroundings(),
  });
  judgeTimes(
    {
      "sync.pollInterval": pollInterval,
      "sync.fallbackPollInterval": fallbackPollInterval,
      "transport.timeout": /** @type {any} */ (config).timeout,
    },
    log,
  );
  abortSignal(options.signal);
  // what is no object the page's first client would refuse, and no other would look at
  if (typeof options.wasm !== "string") optionsOf("wasm", options.wasm);
  return config;
}

/** ms of which no app means so few: seconds, most likely */
const SECONDS = 200;

/** Times that look like seconds. @param {Record<string, unknown>} times @param {import("./log.js").Log} log */
function judgeTimes(times, log) {
  for (const [name, ms] of Object.entries(times))
    if (typeof ms === "number" && ms > 0 && ms < SECONDS)
      log.say("warn", `${name} is ${ms} ms: is it meant in seconds? \`${name.split(".").at(-1)}: ${ms * 1000}\``);
}

/** In seconds 1973 to 5138, in ms the first three years of the epoch. @param {unknown} at */
const isInSeconds = (at) => typeof at === "number" && at >= 1e8 && at < 1e11;

/** @param {unknown} at */
const noTime = (at) =>
  at instanceof Date ? "and not a Date: give its getTime()" : `a number, and not ${at === null ? "null" : typeof at}`;

/**
 * Where a timeline begins or jumps to, as the engine takes it.
 * @param {string} what @param {any} to
 * @param {import("./log.js").Log} log is told of what is hardly meant
 */
export function place(what, to, log) {
  if (to === "latest" || to === "first-unread") return to;
  const { around, at } = typeof to === "object" && to !== null ? to : {};
  // both would be two places
  if ((around === undefined) === (at === undefined))
    throw invalid(`${what} is "latest", "first-unread", { around } or { at }`);
  if (around !== undefined) return { around: seqText(around) };
  if (typeof at !== "number") throw invalid(`${what}: \`at\` is in milliseconds since the epoch, ${noTime(at)}`);
  if (isInSeconds(at))
    log.say("warn", `${what}: \`at\` is in milliseconds since the epoch, and ${at} looks like seconds`);
  return { at };
}

/** @param {string} conversation @param {any} given @param {import("./log.js").Log} log */
export function timelineConfig(conversation, given, log) {
  log.unknown("timeline", given, TIMELINE);
  const { pageSize, maxItems, start = "latest" } = optionsOf("options", given);
  return { conversation: name("conversation", conversation), start: place("start", start, log), pageSize, maxItems };
}

/**
 * What JSON writes as `{}`, or leaves out: a File, a FormData, a Map, a promise, a function; and bytes, of which it
 * writes each as a field.
 * @param {any} value @returns {string} "" of all other
 */
function lostKind(value) {
  if (typeof value === "function") return "a function";
  if (typeof value === "number") return Number.isFinite(value) ? "" : String(value);
  if (value === null || typeof value !== "object") return "";
  if (Object.keys(value).length && !ArrayBuffer.isView(value)) return "";
  const kind = Object.prototype.toString.call(value).slice(8, -1);
  if (/^(Object|Array|String|Number|Boolean)$/.test(kind)) return "";
  return `${/^[AEIO]/.test(kind) ? "an" : "a"} ${kind}`;
}

/**
 * The JSON text of a message body, read now: what the app does to the object later does not matter.
 * @param {unknown} body @param {import("./log.js").Log} [log] is told of what is lost
 */
export function bodyText(body, log) {
  if (isEvent(body)) throw invalid("body is an event: call it by a function, `() => send({ … })`");
  let text;
  try {
    text = JSON.stringify(body, (key, value) => {
      const lost = lostKind(value);
      if (lost) log?.say("warn", `body${key && `: \`${key}\``} is ${lost}, of which JSON keeps nothing`);
      return value;
    });
  } catch (cause) {
    throw invalid(`body is no JSON: ${textOf(cause)}`);
  }
  if (text === undefined) throw invalid(`body is no JSON: ${typeof body}`);
  return text;
}
