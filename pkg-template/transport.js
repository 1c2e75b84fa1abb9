// The app's own Transport, called for the engine: values in, JSON text out. Whether an answer keeps the
// protocol is the engine's to judge; here only what JSON cannot carry is dealt with.

import { CODES, PullcordError, invalid, isPullcordError, plainWire, textOf, toWire } from "./errors.js";
import { nearest, thrownText } from "./words.js";

const METHODS = [
  "pull",
  "pullConversations",
  "pullMailbox",
  "acknowledge",
  "conversations",
  "history",
  "changes",
  "send",
  "edit",
  "recall",
  "markRead",
  "listen",
];
/** @typedef {(what: string) => void} Told is told what was wrong with an element */

/** ms within which a channel is ready, as a rule */
const READY = 10_000;
const NOT_READY =
  "transport.listen has not called sink.ready() within 10 s: until it does the client polls, and does not count on notifications";

const ANSWERS_A_MESSAGE = new Set(["send", "edit", "recall"]);
const ANSWERS_NOTHING = new Set(["acknowledge", "markRead"]);

/** Whatever else it has: one of these makes it a Transport. @param {any} transport */
export function isTransport(transport) {
  return ["pull", "pullConversations", "pullMailbox"].some((method) => typeof transport?.[method] === "function");
}

/** The names of what it can do. @param {any} transport */
export function methodsOf(transport) {
  return METHODS.filter((method) => typeof transport[method] === "function");
}

/** Functions that are none of them, and nearly. @param {any} transport @returns {[name: string, meant: string][]} */
export function misspelt(transport) {
  /** @type {Set<string>} */
  const names = new Set();
  for (let of = transport; of && of !== Object.prototype; of = Object.getPrototypeOf(of))
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(of)))
      if (typeof value === "function") names.add(name);
  const missing = METHODS.filter((method) => !names.has(method));
  return [...names].flatMap((name) => {
    const meant = METHODS.includes(name) ? undefined : nearest(name, missing);
    return meant === undefined ? [] : [/** @type {[string, string]} */ ([name, meant])];
  });
}

/**
 * What it looks like; undefined where it cannot be looked at: it has a getter, or is a proxy.
 * @template T
 * @param {() => T} look
 */
function seen(look) {
  try {
    return look();
  } catch {
    return undefined;
  }
}

/** @param {any} answer */
function isResponse(answer) {
  return typeof answer?.json === "function" && typeof answer.status === "number";
}

/** @param {any} answer */
function otherKind(answer) {
  if (typeof answer?.next === "function")
    return "a generator: an async function, without `*`, gives its answer by `return`";
  // axios and its like
  return answer?.data && answer.headers ? "an answer with its headers: give its `data`" : "";
}

/** A page of the list that is hardly the last one, and says of no next. @param {any} answer @param {any} request */
const isCut = ({ conversations, next, hasMore }, { limit }) =>
  next === undefined && (hasMore === true || conversations?.length >= limit);

/** What is no answer at all, or hardly meant. @param {string} method @param {any} answer @param {any} request */
function judge(method, answer, request) {
  if (ANSWERS_NOTHING.has(method) || (method === "changes" && answer === "gone")) return;
  const what =
    answer === undefined
      ? "undefined: is a `return` missing?"
      : typeof answer === "string"
        ? "a text: give what JSON.parse makes of it"
        : seen(() => isResponse(answer))
          ? "a Response: give what its json() resolves with"
          : (seen(() => otherKind(answer)) ?? "");
  // the message was sent all the same: the sync brings it
  if (what && !ANSWERS_A_MESSAGE.has(method)) throw new PullcordError("protocol", `transport.${method} gave ${what}`);
  if (method === "conversations" && seen(() => isCut(answer, request)))
    return "a page that is hardly the last one, without `next`: the list ends there, and what it lacks is removed";
  return what;
}

/** @param {string} _key @param {unknown} value */
function wireValue(_key, value) {
  return typeof value === "bigint" ? value.toString() : value;
}

/** JSON text; "" of what has none. Throws what JSON cannot carry. @param {unknown} value */
function jsonOf(value) {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    // A replacer makes it three times as slow, for every batch: only where there is a bigint after all.
    return JSON.stringify(value, wireValue) ?? "";
  }
}

/** @param {unknown} cause */
function unfit(cause) {
  // longer than a text can be: less of it may do
  const tooLarge = cause instanceof RangeError && /string length/i.test(cause.message);
  return Object.assign(
    new PullcordError("protocol", `the transport's answer is no JSON: ${textOf(cause)}`, {
      cause,
      status: tooLarge ? 413 : undefined,
    }),
  );
}

// One element that JSON cannot carry, or whose position was lost, is worth itself and no more (docs/rules.md, "One bad
// item"): it goes to the engine as far as it can be read, and the engine does with it what it does with a server's.

/**
 * A position given as a number that has lost digits: JSON would carry the wrong one without a trace.
 * @param {unknown} seq
 */
function isLost(seq) {
  return typeof seq === "number" && Math.abs(seq) > Number.MAX_SAFE_INTEGER;
}

const POSITIONS = ["seq", "prev", "before", "lastSeq", "readSeq", "from", "to"];

/**
 * The same without positions that are lost; the same object where there is none.
 * @param {any} value
 * @param {Told} told
 * @returns {any}
 */
function exact(value, told) {
  if (value === null || typeof value !== "object") return value;
  let copy = null;
  for (const name of POSITIONS) {
    if (!isLost(value[name])) continue;
    told(
      `the transport gave position ${value[name]} as a number: above 2^53-1 it must be a string or a bigint, or it is not exact`,
    );
    copy ??= { ...value };
    delete copy[name];
  }
  for (const name of ["message", "conversation", "lastMessage"]) {
    const inner = exact(value[name], told);
    if (inner === value[name]) continue;
    copy ??= { ...value };
    copy[name] = inner;
  }
  return copy ?? value;
}

/**
 * An element of which something cannot be read: its fields one by one, without those that are none.
 * @param {any} value
 * @param {Told} told
 * @returns {string}
 */
function readable(value, told, depth = 0) {
  let names;
  try {
    names = Object.keys(value);
  } catch {
    return "null";
  }
  /** @type {Map<string, string>} */
  const texts = new Map();
  let blank = false;
  for (const name of names) {
    let field;
    try {
      field = value[name];
      texts.set(name, jsonOf(exact(field, told)));
    } catch (cause) {
      told(`the transport's answer has a field ${JSON.stringify(name)} that is no JSON: ${textOf(cause)}`);
      const inside =
        depth < 2 &&
        field !== null &&
        typeof field === "object" &&
        ["message", "conversation", "lastMessage"].includes(name);
      if (inside) texts.set(name, readable(field, told, depth + 1));
      blank ||= name === "body";
    }
  }
  // a message keeps its place: with a state that the engine does not know and no body it is shown as unreadable, and
  // told
  if (blank) texts.set("body", "null").set("state", '"no-json"');
  const written = [...texts].filter(([, text]) => text).map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  return `{${written.join()}}`;
}

/** @param {unknown} element @param {Told} told */
function elementText(element, told) {
  try {
    return jsonOf(exact(element, told)) || "null";
  } catch (cause) {
    told(`the transport's answer has an element that is no JSON: ${textOf(cause)}`);
    return element !== null && typeof element === "object" ? readable(element, told) : "null";
  }
}

const LISTS = ["messages", "conversations", "events"];

/** @param {string} name @param {unknown} value @param {Told} told */
function fieldText(name, value, told) {
  if (LISTS.includes(name) && Array.isArray(value))
    return `[${value.map((element) => elementText(element, told)).join()}]`;
  if (name === "message") return elementText(value, told);
  try {
    return jsonOf(value);
  } catch (cause) {
    // one that the engine needs it will miss; any other nobody asked for
    told(`the transport's answer has a field ${JSON.stringify(name)} that is no JSON: ${textOf(cause)}`);
    return "";
  }
}

/**
 * An answer, element by element where it is not JSON as a whole.
 * @param {unknown} answer
 * @param {Told} told
 */
function wireText(answer, told) {
  try {
    const fine = exactAnswer(answer, told);
    try {
      return jsonOf(fine);
    } catch (cause) {
      if (fine === null || typeof fine !== "object") throw cause;
      if (cause instanceof RangeError && /string length/i.test(cause.message)) throw cause;
      const fields = Object.entries(fine).map(([name, value]) => {
        const text = fieldText(name, value, told);
        return text && `${JSON.stringify(name)}:${text}`;
      });
      return `{${fields.filter(Boolean).join()}}`;
    }
  } catch (cause) {
    throw cause instanceof PullcordError ? cause : unfit(cause);
  }
}

/** @param {any} answer @param {Told} told */
function exactAnswer(answer, told) {
  if (answer === null || typeof answer !== "object") return answer;
  let copy = null;
  for (const name of LISTS) {
    const list = answer[name];
    if (!Array.isArray(list)) continue;
    let changed = null;
    list.forEach((element, at) => {
      let fine;
      try {
        fine = exact(element, told);
      } catch {
        // a getter or a proxy: said where it is written
        return;
      }
      if (fine === element) return;
      changed ??= [...list];
      changed[at] = fine;
    });
    if (!changed) continue;
    copy ??= { ...answer };
    copy[name] = changed;
  }
  for (const name of ["message", "covers"]) {
    const inner = exact(answer[name], told);
    // half an interval covers nothing
    if (inner === answer[name]) continue;
    copy ??= { ...answer };
    copy[name] = name === "covers" ? undefined : inner;
  }
  return copy ?? answer;
}

/**
 * The answer for several conversations. What is wrong with one is its own error, and holds up no other.
 * @param {any} answer
 * @param {(error: unknown) => object} rejection an error as the engine takes it
 * @param {Told} told
 */
function conversationsText(answer, rejection, told) {
  const { conversations, hasMore } = answer ?? {};
  // no such answer: the engine says so
  if (conversations === null || typeof conversations !== "object") return wireText(answer, told);
  const batchText = (/** @type {any} */ batch) => {
    try {
      const error = batch?.error;
      // a plain object is an error in the wire's form
      if (error)
        return JSON.stringify({
          error:
            isPullcordError(error) || error instanceof Error || typeof error !== "object"
              ? rejection(error)
              : plainWire(error),
        });
      return wireText(batch, told) || "null";
    } catch (error) {
      return JSON.stringify({ error: rejection(error) });
    }
  };
  const batches = Object.entries(conversations).map(([id, batch]) => `${JSON.stringify(id)}:${batchText(batch)}`);
  return `{"conversations":{${batches.join()}}${hasMore === undefined ? "" : `,"hasMore":${wireText(hasMore, told) || "null"}`}}`;
}

/**
 * @param {string} method
 * @param {unknown} answer
 * @param {(error: unknown) => object} rejection an error as the engine takes it
 * @param {Told} told
 */
function answerText(method, answer, rejection, told) {
  // whatever a function that promises nothing resolves with
  if (ANSWERS_NOTHING.has(method)) return "";
  if (method === "pullConversations") return conversationsText(answer, rejection, told);
  if (method === "changes" && answer === "gone") {
    throw new PullcordError("not-found", "the log does not reach back that far", { status: 410 });
  }
  return wireText(ANSWERS_A_MESSAGE.has(method) ? { message: answer } : answer, told);
}

/**
 * ms: no chat server asks for a longer wait than two hours, whether it starts anew or somebody asks too often; 10 s
 * given a thousandfold is more. And 10 min are the most that is waited (errors.js).
 */
const LONG_WAIT = 7_200_000;

/** @param {string} method @param {unknown} retryAfter */
const longWait = (method, retryAfter) =>
  `transport.${method} failed with a retryAfter of ${retryAfter}: it is in milliseconds, and that is over two hours; 10 minutes are waited`;

/** What the server says, which is to be thrown so that it is understood. @type {Record<number, string>} */
const BY_STATUS = { 401: "unauthorized", 403: "forbidden", 404: "not-found" };

/** A PullcordError whose code is none. @param {unknown} code */
function codeHint(code) {
  const codes = /** @type {string[]} */ ([...CODES]);
  const meant = typeof code === "string" ? nearest(code, codes) : undefined;
  const what = typeof code === "string" ? JSON.stringify(code) : typeof code;
  return ` (its code is ${what}, which is no ErrorCode${meant ? `: is "${meant}" meant?` : ""})`;
}

/** What to do about what was thrown. What `fetch` throws is a TypeError too. @param {any} error */
function hint(error) {
  if (isPullcordError(error)) return codeHint(error.code);
  // of axios and its like, or a Response
  const status = seen(() => error?.status ?? error?.response?.status);
  if (status >= 400 && status < 600) {
    const code = BY_STATUS[status] ?? (status < 500 && status !== 429 ? "rejected" : "network");
    return ` (the server's ${status} is understood where a PullcordError is thrown, of the code "${code}")`;
  }
  return error instanceof TypeError && !/fetch|network|load failed/i.test(error.message)
    ? " (a bug in the transport? A method that was taken from another object has lost its `this`)"
    : "";
}

const NOT_CALLED =
  "transport.listen gave a function, which nobody calls: what it is to do is done when the signal, its second argument, aborts";

const ENDED_AT_ONCE =
  "transport.listen has called sink.closed() at once: it is called again and again, and meanwhile the client polls";

/** @param {unknown} spread @param {unknown} conversations @param {import("./wire.js").Log} log */
function judgeHint(spread, conversations, log) {
  const isHint = (spread ?? 0) === 0 || typeof spread === "number";
  if (isHint && Number(spread) > LONG_WAIT)
    log(
      "warn",
      `transport.listen: sink.notify takes ms over which clients spread their pulls, and ${spread} is over two hours`,
    );
  if (isHint && Array.isArray(conversations ?? [])) return;
  log("warn", "transport.listen: sink.notify takes a number of ms, and a list of the ids of conversations");
}

/**
 * What cannot follow on any cursor.
 * @param {any} batch @param {boolean} hasMailbox @param {import("./wire.js").Log} log
 */
function judgePush(batch, hasMailbox, log) {
  const isFit = seen(() => {
    const { events, prev, cursor } = Object(batch);
    return Array.isArray(events) && (hasMailbox || (typeof prev === "string" && typeof cursor === "string"));
  });
  if (!isFit) log("warn", "transport.listen: sink.push takes { prev, cursor, events }; pulling instead");
}

/**
 * What is wrong with elements of an answer: the first of each.
 * @param {string} method @param {import("./wire.js").Log} log
 */
function once(method, log) {
  let said = false;
  return (/** @type {string} */ what) => {
    if (!said) log("warn", `transport.${method}: ${what}`);
    said = true;
  };
}

/**
 * @param {any} transport
 * @param {import("./wire.js").Log} log
 * @param {(call: () => void) => void} intoWasm guards a call of the engine
 * @returns hooks.call and hooks.listen
 */
export function bridge(transport, log, intoWasm) {
  /**
   * The rejection as the engine takes it; one without a code is told to the app, for it may be a bug of its.
   * @param {string} method
   * @param {unknown} error
   * @param {AbortSignal} signal
   * @param {boolean} [isLost] what was there is gone, as networks are: nobody's fault, unless it is a bug
   */
  const rejection = (method, error, signal, isLost = false) => {
    const wire = toWire(error);
    const isFit = isPullcordError(error) && CODES.has(error.code);
    const advice = hint(error);
    const level = isLost && !advice ? "info" : "warn";
    if (!isFit && !signal.aborted) log(level, thrownText(method, wire.message) + advice, error);
    const asked = isFit && seen(() => Number(/** @type {any} */ (error).retryAfter));
    if (asked && asked > LONG_WAIT) log("warn", longWait(method, asked));
    return wire;
  };
  return {
    /** @param {string} method @param {any} request @param {AbortSignal} signal */
    async call(method, request, signal) {
      try {
        if (typeof transport[method] !== "function") throw invalid(`the transport has no method ${method}`);
        const answer = await transport[method](request, signal);
        const what = judge(method, answer, request);
        if (what) log("warn", `transport.${method} gave ${what}`);
        return answerText(method, answer, (error) => rejection(method, error, signal), once(method, log));
      } catch (error) {
        throw rejection(method, error, signal);
      }
    },

    /** @param {any} sink @param {AbortSignal} signal */
    listen(sink, signal) {
      // the channel's end: nothing of it counts any more, and the wasm's side of it may be gone
      let over = false;
      const silent = setTimeout(() => log("warn", NOT_READY), READY);
      /** @type {any} */ (silent).unref?.();
      signal.addEventListener("abort", () => {
        over = true;
        clearTimeout(silent);
      });
      const report = (/** @type {() => void} */ call) => {
        if (!over) intoWasm(call);
      };
      const closed = (/** @type {unknown} */ error) => {
        if (over) return;
        clearTimeout(silent);
        if (isBeginning && error === undefined) log("warn", ENDED_AT_ONCE);
        const isLost = wasReady && !isBeginning;
        const reason = error === undefined ? undefined : JSON.stringify(rejection("listen", error, signal, isLost));
        report(() => sink.closed(reason));
        over = true;
      };
      // a network that is not there ends it later
      let isBeginning = true;
      let wasReady = false;
      try {
        const running = transport.listen(
          {
            ready: () => {
              clearTimeout(silent);
              wasReady = true;
              report(() => sink.ready());
            },
            notify: (/** @type {any} */ spread, /** @type {unknown} */ conversations) => {
              judgeHint(spread, conversations, log);
              // a hint with something strange in it might lack a conversation: then all are asked for
              const named =
                Array.isArray(conversations) &&
                conversations.every((id) => typeof id === "string" && !/\p{Surrogate}/u.test(id))
                  ? [...conversations]
                  : undefined;
              report(() => sink.notify(Number.isFinite(spread) && spread > 0 ? spread : 0, named));
            },
            push: (/** @type {any} */ batch) => {
              judgePush(batch, typeof transport.pullMailbox === "function", log);
              /** @type {string | undefined} */
              let text;
              try {
                text = wireText(batch, once("listen", log));
              } catch (error) {
                // what was pushed can be pulled
                log("warn", "the transport pushed what cannot be used; pulling instead", error);
              }
              report(() => (text ? sink.push(text) : sink.notify(0, undefined)));
            },
            closed,
          },
          signal,
        );
        // an async listen that fails has closed
        Promise.resolve(running).then((/** @type {any} */ given) => {
          if (typeof given === "function") log("warn", NOT_CALLED);
          else if (seen(() => typeof given?.next === "function"))
            log("warn", "transport.listen gave a generator, of which nothing runs: write it without `*`");
        }, closed);
      } catch (error) {
        closed(error);
      } finally {
        isBeginning = false;
      }
    },
  };
}
