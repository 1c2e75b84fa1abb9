// The app's log: what is wrong is said once, with the call and the place that it is wrong in, and what to do. It is
// said again after it has changed, or after that call has gone well again.

import { callback, oneOf } from "./options.js";
import { isEvent, nearest, thrownText } from "./words.js";

/** @typedef {import("./wire.js").WireError} WireError */
/** @typedef {import("./index.js").ClientEvents["irregular"]} Irregular */

/** how it is said that no answer came at all (src/net/http.rs) */
const UNREACHED = /^the server could not be reached/;

const LEVELS = ["debug", "info", "warn", "error", "silent"];
/** options of one call that there are not, and are told each by itself: more are another object in their place */
const MISSPELT = 3;
/** lines that are remembered, the newest */
const MOST = 200;

/** The calls whose answers an event `irregular` is about, where it does not say it. @type {Record<string, string>} */
const CALLS = {
  batch: "pull",
  page: "history",
  list: "conversations",
  answer: "edit or recall",
  stored: "the database",
};

/** What a batch consists of. */
const EVENTS = ["message", "update", "conversation", "removed", "trim"];

/** What became of an irregular item, for people. @type {Record<string, string>} */
const DONE = {
  repaired: "put right here",
  unreadable: "shown as unreadable",
  "left-out": "left out",
  doubted: "fetched again when it is shown",
  dropped: "fetched again",
  kept: "kept, and tried again at the next start",
};

/** What to do, by the HTTP status of a refusal. @type {Record<number, string>} */
const BY_STATUS = {
  403: "this account may not: what is the token for?",
  404: "is baseUrl right? /v1/… is asked for below it",
  405: "is baseUrl right? This server does not speak docs/protocol.md there",
  429: "ask less often: sync.pollInterval, sync.minPullInterval",
};

/** What a server says that was there for other calls. */
const LACKS = "does the server have this call (docs/protocol.md), and what it is about?";

/** how it is said that something has answered, and no page of the network's sign-in */
const STRANGE = /^what answered is not the server.*(gives an empty answer$|begins with [^<])/;

/** Of two that differ in their numbers alone, or in an id, one is said. @param {string} text */
const plain = (text) => text.replace(/\b[\da-f-]{8,}/gi, "").replace(/\d+/g, "");

/** @param {string} call @param {string | null} [conversation] */
const subject = (call, conversation) => (conversation ? `${call}(${JSON.stringify(conversation)})` : call);

/**
 * A page is not told whether it was the network or CORS, which is only between two origins. Nor would a request of the
 * mode "no-cors" tell: of a server that sends `Cross-Origin-Resource-Policy`, as many do, it sees nothing either.
 * @param {{ baseUrl?: string }} server
 */
function unreached({ baseUrl = "" }) {
  const page = globalThis.location;
  const { href, origin } = new URL(baseUrl, page?.href);
  return !page?.origin || page.origin === origin
    ? `does a server run at ${href}?`
    : `does a server run at ${href}, and does it allow ${page.origin} (CORS)? The browser's console says which`;
}

/**
 * What to do.
 * @param {string} call @param {WireError} error @param {{ baseUrl?: string } | null} server null: an own transport
 * @param {boolean} isReached it was there before
 */
function advice(call, { code, status, message }, server, isReached) {
  if (code === "protocol") return server ? "mend the server's answer" : `mend what transport.${call} gives`;
  if (code === "unauthorized") return "what does token() give? The token alone, and a fresh one each time";
  if (code === "timeout" && !server) return `transport.${call} has to settle its promise`;
  if (call === "listen")
    return server
      ? 'nothing is notified until /v1/notify takes a WebSocket; without one set sync.notify to "poll"'
      : "it is called again";
  if (!server) return "";
  if (status === undefined) return UNREACHED.test(message) ? unreached(server) : "";
  if (status === 404 && isReached) return LACKS;
  return status >= 500 ? "the server's own log says why" : (BY_STATUS[status] ?? "");
}

export class Log {
  #least;
  #logger;
  /** @type {Set<string>} */
  #told = new Set();
  /** the server was there, and its channel */
  #reached = false;
  #notified = false;
  /**
   * where the built-in transport's server is; null: the transport is the app's own
   * @type {{ baseUrl?: string } | null}
   */
  server = null;

  /** @param {any} options createClient's */
  constructor(options) {
    try {
      this.#least = LEVELS.indexOf(oneOf("logLevel", options?.logLevel, "warn", LEVELS));
      this.#logger = options?.logger === undefined ? undefined : callback("logger", options.logger);
    } catch (error) {
      // there is no log yet that could say it
      console.warn(`pullcord: createClient: ${/** @type {Error} */ (error).message}`);
      throw error;
    }
  }

  /**
   * A line; of what is wrong each only once.
   * @param {string} level @param {string} message @param {unknown} [detail]
   * @param {string} [key] what is the same is not said again
   */
  say = (level, message, detail, key = message.startsWith("transport.") ? plain(message) : message) => {
    if (LEVELS.indexOf(level) < this.#least) return;
    if (level === "warn" || level === "error") {
      if (this.#told.has(key)) return;
      this.#told.add(key);
      if (this.#told.size > MOST) this.#told.delete(/** @type {string} */ (this.#told.values().next().value));
    }
    const toConsole = /** @type {any} */ (console);
    try {
      if (this.#logger) this.#logger(level, message, detail);
      else toConsole[level](`pullcord: ${message}`, ...(detail === undefined ? [] : [detail]));
    } catch {
      // a logger that fails has no place to say so, and must not stop what it was told about
    }
  };

  /** @param {(key: string) => boolean} fits */
  #hasTold(fits) {
    return [...this.#told].some(fits);
  }

  /** A line of the engine's, or how a call has fared. @param {import("./wire.js").WireLog} line */
  heard({ level, message = "", detail, call, conversation, error, unknown, unlikely }) {
    if (level) this.say(level, message, detail);
    else if (call) this.#fared(call, conversation, error);
    else if (unknown !== undefined) this.#unknownEvent(unknown);
    // wherever it comes
    else if (unlikely) this.#irregular(unlikely, `unlikely ${unlikely.first.reason}`);
  }

  /** A newer server's, or a misspelt one. @param {string} type */
  #unknownEvent(type) {
    const meant = nearest(type, EVENTS);
    const said = `events of the type ${JSON.stringify(type)} are left out`;
    if (meant) this.say("warn", `${said}: is "${meant}" meant?`);
    // The app's own transport is not newer than the app. A mailbox may say so that it has overflowed.
    else if (!this.server && type !== "overflow") this.say("warn", `${said}: the types are ${EVENTS.join(", ")}`);
    else this.say("info", said);
  }

  /** @param {string} call @param {string | undefined} conversation @param {WireError | null | undefined} error */
  #fared(call, conversation, error) {
    const name = subject(call, conversation);
    if (!error) {
      if (call === "listen") this.#notified = true;
      for (const key of this.#told)
        if (key.startsWith(`${call} `) || key.startsWith(`transport.${call} `)) this.#told.delete(key);
      this.say("info", `${name}: goes well`);
      return;
    }
    const { code, status, message } = error;
    const own = !this.server;
    // the log does not reach back that far: no fault
    if (call === "changes" && status === 410) return;
    // said where it was thrown, with its stack
    if (own && code === "network" && this.#hasTold((key) => key.startsWith(plain(thrownText(call, message))))) return;
    const what = advice(call, error, this.server, this.#reached);
    const key = [call, code, status, plain(message)].join(" ");
    this.say(this.#severity(call, error), `${name}: ${message}${what && `; ${what}`}`, undefined, key);
  }

  /** A network that was there, and is gone, is nobody's fault. @param {string} call @param {WireError} error */
  #severity(call, { code, status, message }) {
    // it asks for less
    if (status === 413 || status === 408) return "info";
    if (STRANGE.test(message)) return "warn";
    const lost = status === undefined && ["network", "timeout", "offline"].includes(code);
    if (call === "listen" && lost) return this.#notified ? "info" : this.#reached ? "warn" : "debug";
    if (!lost || (code === "timeout" && !this.server)) return "warn";
    return this.#reached || globalThis.navigator?.onLine === false ? "info" : "warn";
  }

  /** An event of the client's. @param {string} type @param {any} detail */
  happened(type, detail) {
    if (type === "irregular") this.#irregular(detail);
    else if (type === "storage")
      this.say(["evicted", "reopened"].includes(detail.kind) ? "info" : "warn", `the database: ${detail.detail}`);
    else if (type === "overflow") this.say("info", `overflow of ${[detail.conversations].flat().join(", ")}`);
    // one of a call is told already
    else if (type === "error" && !this.#hasTold((key) => key.endsWith(plain(detail.message))))
      this.say("warn", detail.message);
  }

  /**
   * @param {Irregular | NonNullable<import("./wire.js").WireLog["unlikely"]>} event
   * @param {string} [key]
   */
  #irregular({ where, call, conversation, count, first: { id, reason, done, at, value } }, key) {
    const asked = call ?? CALLS[where] ?? where;
    // what it gave in place of a message is said already
    if (call && this.#hasTold((told) => told.startsWith(`transport.${call} gave`))) return;
    const name = subject(asked, conversation);
    const place = at ?? (id === null ? "" : `message ${JSON.stringify(id)}`);
    const is = value ? ` (it is ${value})` : "";
    const more = count > 1 ? `, and ${count - 1} more` : "";
    this.say(
      "warn",
      `${name}: ${place && `${place}: `}${reason}${is}${done ? `; ${DONE[done]}` : ""}${more}`,
      undefined,
      key ?? `irregular ${asked} ${reason} ${plain(at ?? "")}`,
    );
  }

  /** @param {import("./index.js").ClientStatus | null} before @param {import("./index.js").ClientStatus | null} now */
  status(before, now) {
    if (!now || before === now) return;
    // Not by the channel alone: a WebSocket opens also where the server lets no page of this origin ask (CORS).
    this.#reached ||= now.connection === "online" && (now.lastSyncedAt !== null || !!now.progress?.applied);
    for (const field of /** @type {const} */ (["connection", "writer", "storage"]))
      if (before?.[field] !== now[field]) this.say("info", `${field}: ${now[field]}`);
  }

  /** What the app has called something with is wrong. @param {string} call @param {any} error */
  #wrong(call, error) {
    if (error?.code === "invalid") this.say("warn", `${call}: ${error.message}`);
  }

  /**
   * The same of a promise, for perhaps nobody awaits it.
   * @template T
   * @param {string} call @param {Promise<T>} promise
   */
  watch(call, promise) {
    promise.catch((error) => this.#wrong(call, error));
    return promise;
  }

  /**
   * The same of what throws.
   * @template T
   * @param {string} call @param {() => T} run
   */
  judge(call, run) {
    try {
      return run();
    } catch (error) {
      this.#wrong(call, error);
      throw error;
    }
  }

  /**
   * Options that there are not.
   * @param {string} what @param {any} given @param {readonly string[]} known
   * @param {readonly string[]} [elsewhere] that are options of something else
   */
  unknown(what, given, known, elsewhere = []) {
    if (given === null || typeof given !== "object") return;
    if (isEvent(given)) {
      this.say("warn", `${what} was given an event: call it by a function, \`() => ${what}()\``);
      return;
    }
    const none = Object.keys(given).filter((name) => !known.includes(name));
    if (none.length > MISSPELT) {
      const some = none.slice(0, MISSPELT).map((name) => `\`${name}\``);
      this.say(
        "warn",
        `${what} has no options ${some.join(", ")} and ${none.length - MISSPELT} more: is it something else?`,
      );
      return;
    }
    for (const name of none) {
      const meant = nearest(name, [...known, ...elsewhere]);
      this.say("warn", `${what} has no option \`${name}\`${meant ? `: is \`${meant}\` meant?` : ""}`);
    }
  }
}
