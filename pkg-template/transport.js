// The app's own Transport, called for the engine: JSON text in, JSON text out. Whether an answer keeps the
// protocol is the engine's to judge; here only what JSON cannot carry is dealt with.

import { PullcordError, invalid, toWire } from "./errors.js";

const METHODS = ["pull", "pullConversations", "pullMailbox", "acknowledge", "conversations", "history", "changes", "send", "edit", "recall", "markRead", "listen"];
const ANSWERS_A_MESSAGE = new Set(["send", "edit", "recall"]);
const ANSWERS_NOTHING = new Set(["acknowledge", "markRead"]);

/** Whatever else it has: one of these makes it a Transport. */
export function isTransport(transport) {
  return ["pull", "pullConversations", "pullMailbox"].some((method) => typeof transport?.[method] === "function");
}

/** The names of what it can do. */
export function methodsOf(transport) {
  return METHODS.filter((method) => typeof transport[method] === "function");
}

function wireValue(_key, value) {
  return typeof value === "bigint" ? value.toString() : value;
}

/** @returns {string} */
function wireText(value, replacer = undefined) {
  try {
    return JSON.stringify(value, replacer) ?? "";
  } catch (cause) {
    // A replacer makes it three times as slow, for every batch: only where there is a bigint after all.
    if (!replacer) return wireText(value, wireValue);
    throw new PullcordError("protocol", `the transport's answer is no JSON: ${cause.message}`, { cause });
  }
}

/** A position given as a number that has lost digits: JSON would carry the wrong one without a trace. */
function checkSeq(seq) {
  if (typeof seq === "number" && Math.abs(seq) > Number.MAX_SAFE_INTEGER) {
    throw new PullcordError("protocol", `the transport gave position ${seq} as a number: above 2^53-1 it must be a string or a bigint, or it is not exact`);
  }
}

function checkConversation(conversation) {
  checkSeq(conversation?.lastSeq);
  checkSeq(conversation?.readSeq);
  checkSeq(conversation?.lastMessage?.seq);
}

/** All positions in an answer, whatever it is the answer to. */
function checkSeqs(answer) {
  try {
    lookAtSeqs(answer);
  } catch (cause) {
    if (cause instanceof PullcordError) throw cause;
    // a getter or a proxy: no network has failed
    throw new PullcordError("protocol", `the transport's answer cannot be looked at: ${cause?.message}`, { cause });
  }
}

function lookAtSeqs(answer) {
  checkSeq(answer?.seq);
  const each = (list, check) => Array.isArray(list) && list.forEach(check);
  each(answer?.messages, (message) => checkSeq(message?.seq));
  each(answer?.conversations, checkConversation);
  each(answer?.events, (event) => {
    checkSeq(event?.message?.seq);
    checkSeq(event?.prev);
    checkSeq(event?.before);
    checkConversation(event?.conversation);
  });
}

/**
 * The answer for several conversations. What is wrong with one is its own error, and holds up no other.
 * @param {(error: unknown) => object} rejection an error as the engine takes it
 */
function conversationsText(answer, rejection) {
  const { conversations, hasMore } = answer ?? {};
  // no such answer: the engine says so
  if (conversations === null || typeof conversations !== "object") return wireText(answer);
  const batchText = (batch) => {
    try {
      const error = batch?.error;
      // a plain object is an error in the wire's form, passed on
      if (error) return wireText({ error: error instanceof Error || typeof error !== "object" ? rejection(error) : error });
      checkSeqs(batch);
      return wireText(batch) || "null";
    } catch (error) {
      return wireText({ error: rejection(error) });
    }
  };
  const batches = Object.entries(conversations).map(([id, batch]) => `${JSON.stringify(id)}:${batchText(batch)}`);
  return `{"conversations":{${batches.join()}}${hasMore === undefined ? "" : `,"hasMore":${wireText(hasMore) || "null"}`}}`;
}

function answerText(method, answer, rejection) {
  // whatever a function that promises nothing resolves with
  if (ANSWERS_NOTHING.has(method)) return "";
  if (method === "pullConversations") return conversationsText(answer, rejection);
  if (method === "changes" && answer === "gone") {
    throw new PullcordError("not-found", "the log does not reach back that far", { status: 410 });
  }
  checkSeqs(answer);
  return wireText(ANSWERS_A_MESSAGE.has(method) ? { message: answer } : answer);
}

/**
 * @param {any} transport
 * @param {(level: string, message: string, detail?: unknown) => void} log
 * @param {(call: () => void) => void} intoWasm guards a call of the engine
 * @returns hooks.call and hooks.listen
 */
export function bridge(transport, log, intoWasm) {
  /** The rejection as the engine takes it; one without a code is told to the app, for it may be a bug of its. */
  const rejection = (method, error, signal) => {
    if (!(error instanceof PullcordError) && !signal.aborted) {
      log("warn", `transport.${method} failed, which counts as a network error`, error);
    }
    return toWire(error);
  };

  return {
    async call(method, requestText, signal) {
      try {
        if (typeof transport[method] !== "function") throw invalid(`the transport has no method ${method}`);
        const answer = await transport[method](JSON.parse(requestText), signal);
        return answerText(method, answer, (error) => rejection(method, error, signal));
      } catch (error) {
        throw rejection(method, error, signal);
      }
    },

    listen(sink, signal) {
      // the channel's end: nothing of it counts any more, and the wasm's side of it may be gone
      let over = false;
      signal.addEventListener("abort", () => {
        over = true;
      });
      const report = (call) => {
        if (!over) intoWasm(call);
      };
      const closed = (error) => {
        if (over) return;
        const reason = error === undefined ? undefined : JSON.stringify(rejection("listen", error, signal));
        report(() => sink.closed(reason));
        over = true;
      };
      try {
        const running = transport.listen({
          ready: () => report(() => sink.ready()),
          notify: (spread, conversations) => {
            const named = Array.isArray(conversations) ? conversations.map(String) : undefined;
            report(() => sink.notify(Number.isFinite(spread) && spread > 0 ? spread : 0, named));
          },
          push: (batch) => {
            let text;
            try {
              checkSeqs(batch);
              text = wireText(batch);
            } catch (error) {
              // what was pushed can be pulled
              log("warn", "the transport pushed what cannot be used; pulling instead", error);
            }
            report(() => (text ? sink.push(text) : sink.notify(0, undefined)));
          },
          closed,
        }, signal);
        // an async listen that fails has closed
        Promise.resolve(running).catch(closed);
      } catch (error) {
        closed(error);
      }
    },
  };
}
