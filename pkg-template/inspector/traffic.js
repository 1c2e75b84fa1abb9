// The requests of this page, with their times: those of the built-in transport as the browser has measured them, those
// of an app's own as `traced` has. The client itself only counts them.

/** @typedef {import("../index.js").Transport<any>} Transport */
/** @typedef {"pull" | "history" | "changes" | "conversations" | "send" | "ack" | "edit" | "recall" | "read"} Kind */
/**
 * @typedef {object} Exchange
 * @property {number} at when it left, ms since the epoch
 * @property {Kind} kind
 * @property {string | null} conversation
 * @property {number | null} ms how long it took; null: not known
 * @property {string} outcome its HTTP status, "ok", or the code it failed with; "": not known
 * @property {number | null} bytes what came over the wire, where the browser says it
 * @property {string | null} scope what it tells of the client's
 */

/** Requests that are kept. */
export const KEPT = 50;

/** By the method of a Transport: what it is, and the scope that has it. */
const METHODS = /** @type {const} */ ({
  pull: ["pull", "account"],
  pullConversations: ["pull", "conversation"],
  pullMailbox: ["pull", "mailbox"],
  acknowledge: ["ack", "mailbox"],
  conversations: ["conversations", null],
  history: ["history", null],
  changes: ["changes", null],
  send: ["send", null],
  edit: ["edit", null],
  recall: ["recall", null],
  markRead: ["read", null],
});

/** By the path (docs/protocol.md). @type {readonly (readonly [RegExp, keyof typeof METHODS])[]} */
const PATHS = [
  [/\/v1\/sync$/, "pull"],
  [/\/v1\/sync\/conversations$/, "pullConversations"],
  [/\/v1\/mailbox$/, "pullMailbox"],
  [/\/v1\/mailbox\/ack$/, "acknowledge"],
  [/\/v1\/conversations$/, "conversations"],
  [/\/v1\/conversations\/([^/]+)\/messages$/, "history"],
  [/\/v1\/conversations\/([^/]+)\/changes$/, "changes"],
  [/\/v1\/conversations\/([^/]+)\/read$/, "markRead"],
  [/\/v1\/conversations\/([^/]+)\/messages\/[^/]+\/recall$/, "recall"],
  [/\/v1\/conversations\/([^/]+)\/messages\/[^/]+$/, "edit"],
];

/** @type {Exchange[]} of the app's own transports, oldest first */
const calls = [];
/** @type {Set<(exchange: Exchange) => void>} */
const watchers = new Set();

/** @param {Exchange} exchange */
function add(exchange) {
  calls.push(exchange);
  if (calls.length > KEPT) calls.shift();
  for (const tell of watchers) tell(exchange);
}

/**
 * The transport, with each call of a method recorded: what it was, when, how long it took and what came of it.
 * @template {Transport} T
 * @param {T} transport
 * @returns {T}
 */
export function traced(transport) {
  const methods = Object.entries(METHODS).flatMap(([method, [kind, scope]]) => {
    const own = /** @type {any} */ (transport)[method];
    if (typeof own !== "function") return [];
    const call = async (/** @type {any} */ request, /** @type {unknown} */ signal) => {
      const began = performance.now();
      let outcome = "ok";
      try {
        return await own.call(transport, request, signal);
      } catch (error) {
        outcome = codeOf(error);
        throw error;
      } finally {
        const at = performance.timeOrigin + began;
        const { conversation = null } = request ?? {};
        add({ at, kind, conversation, ms: performance.now() - began, outcome, bytes: null, scope });
      }
    };
    return [[method, call]];
  });
  const listen = transport.listen && { listen: transport.listen.bind(transport) };
  return /** @type {any} */ ({ ...Object.fromEntries(methods), ...listen });
}

/** @param {any} error */
function codeOf(error) {
  if (error?.name === "AbortError") return "aborted";
  const { code, status } = error ?? {};
  return [status, typeof code === "string" ? code : "network"].filter(Boolean).join(" ");
}

/**
 * What a request is for: one by `/v1/call` has the method and the path of it behind its "?".
 * @param {URL} url
 * @returns {{ pathname: string, searchParams: URLSearchParams, method: string }} method: "" where it is not told
 */
function asked({ pathname, search, searchParams }) {
  const [, method, path] = (pathname.endsWith("/v1/call") && /^\?([A-Z]+)(\/.*)$/.exec(search)) || [];
  return { pathname: path ?? pathname, searchParams, method: method ?? "" };
}

/**
 * A request of the built-in transport, as the browser tells of it; null: it is none.
 * @param {PerformanceResourceTiming} entry
 * @returns {Exchange | null}
 */
function exchangeOf({ initiatorType, name, startTime, duration, responseStatus, transferSize }) {
  if (initiatorType !== "fetch") return null;
  const { pathname, searchParams, method: called } = asked(new URL(name));
  for (const [path, method] of PATHS) {
    const found = path.exec(pathname);
    if (!found) continue;
    // the same address, and only who reads says how much
    const isSend = method === "history" && (called ? called === "POST" : !searchParams.has("limit"));
    const [kind, scope] = METHODS[isSend ? "send" : method];
    return {
      at: performance.timeOrigin + startTime,
      kind,
      conversation: found[1] === undefined ? null : decoded(found[1]),
      ms: duration,
      outcome: outcomeOf(responseStatus, transferSize),
      bytes: transferSize || null,
      scope,
    };
  }
  return null;
}

/**
 * A browser that does not tell has no such field. It is 0 where no answer came, or the client waited for none any more,
 * and where it has let go of the rest of one.
 * @param {number | undefined} status
 * @param {number} transferSize
 */
function outcomeOf(status, transferSize) {
  if (status === undefined) return "";
  if (status > 0) return String(status);
  return transferSize > 0 ? "cut off" : "no answer";
}

/** @param {string} part of a path */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Tells of each request of this page, from those that the browser still knows on.
 * @param {(exchange: Exchange) => void} tell
 * @returns {() => void} ends it
 */
export function watchTraffic(tell) {
  for (const call of calls) tell(call);
  watchers.add(tell);
  const isMeasured = globalThis.PerformanceObserver?.supportedEntryTypes?.includes("resource");
  const observer = isMeasured
    ? new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          const exchange = exchangeOf(/** @type {PerformanceResourceTiming} */ (entry));
          if (exchange) tell(exchange);
        }
      })
    : null;
  observer?.observe({ type: "resource", buffered: true });
  return () => {
    watchers.delete(tell);
    observer?.disconnect();
  };
}
