// @ts-check
// How times, numbers, names, bodies and errors read. (In the inspector: pkg-template/inspector/words.js; see dom.js.)

/** @typedef {import("/pkg/index.js").PullcordError} PullcordError */
/** @typedef {{ text: string, kind: "text" | "action" | "system" }} Body What this demo sends as a message's body. */
/** @typedef {import("/pkg/index.js").Conversation<Body>} Conversation */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayThisYear = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const dayAnyYear = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const dateThisYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const dateAnyYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "medium" });
const precise = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const whole = new Intl.NumberFormat();

/**
 * A server, or an import, may say any number: one that is no time would throw where it is shown, and take the whole
 * list along.
 * @param {number} ms
 */
const possible = (ms) => Math.max(-8.64e15, Math.min(8.64e15, ms));

/** Of a message of which the server gave no time that can be read, 0, none is shown. @param {number} ms */
export const time = (ms) => (ms ? clock.format(possible(ms)) : "");
/** @param {number} ms */
export const timeWithSeconds = (ms) => precise.format(possible(ms));
/** @param {number} ms */
export const fullTime = (ms) => (ms ? moment.format(possible(ms)) : "");
/** As an attribute takes it. @param {number} ms */
export const isoTime = (ms) => new Date(possible(ms)).toISOString();
/** @param {number} n */
export const number = (n) => whole.format(n);

/**
 * Names a local day, so that two times can be compared by day.
 * @param {number} ms
 */
export function dayKey(ms) {
  const date = new Date(possible(ms));
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** @param {number} ms */
export function day(ms) {
  ms = possible(ms);
  const key = dayKey(ms);
  const now = Date.now();
  if (key === dayKey(now)) return "Today";
  if (key === dayKey(now - 86_400_000)) return "Yesterday";
  return new Date(ms).getFullYear() === new Date(now).getFullYear() ? dayThisYear.format(ms) : dayAnyYear.format(ms);
}

/**
 * A time as short as it can be understood: clock, weekday, date, date with year.
 * @param {number} ms
 */
export function shortTime(ms) {
  if (!ms) return "";
  ms = possible(ms);
  const now = Date.now();
  if (dayKey(ms) === dayKey(now)) return clock.format(ms);
  if (now - ms < 6 * 86_400_000 && now > ms) return weekday.format(ms);
  return new Date(ms).getFullYear() === new Date(now).getFullYear() ? dateThisYear.format(ms) : dateAnyYear.format(ms);
}

/** @param {number} n bytes */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  if (n < 1_000_000) return `${(n / 1000).toFixed(n < 10_000 ? 1 : 0)} kB`;
  return `${(n / 1_000_000).toFixed(1)} MB`;
}

/**
 * One hue per name, always the same.
 * @param {string} name
 */
export function hue(name) {
  let hash = 2166136261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16777619);
  return (hash >>> 0) % 360;
}

/** As it is shown: of some messages the server does not say, or not readably, who wrote them. @param {string} name */
export const senderName = (name) => name || "Unknown sender";

/** @param {string} name */
export function initial(name) {
  const letter = name.match(/[\p{L}\p{N}]/u)?.[0] ?? name[0] ?? "?";
  return letter.toUpperCase();
}

/**
 * A body is any JSON: what is not of this demo's shape is shown as the JSON that it is.
 * @param {unknown} body
 * @returns {Body}
 */
export function readBody(body) {
  if (typeof body === "string") return { text: body, kind: "text" };
  if (body && typeof body === "object" && "text" in body && typeof body.text === "string") {
    const kind = "kind" in body && (body.kind === "action" || body.kind === "system") ? body.kind : "text";
    return { text: body.text, kind };
  }
  return { text: JSON.stringify(body) ?? "", kind: "text" };
}

/** @param {Pick<Conversation, "id" | "meta">} conversation */
export function title({ id, meta }) {
  if (meta && typeof meta === "object") {
    for (const name of ["title", "name"]) {
      const value = /** @type {Record<string, unknown>} */ (meta)[name];
      if (typeof value === "string" && value) return value;
    }
  }
  return id;
}

/**
 * The last message in one line.
 * @param {Conversation} conversation
 * @param {string} me
 * @returns {{ who: string, text: string, muted: boolean }}
 */
export function preview({ lastMessage }, me) {
  if (!lastMessage) return { who: "", text: "No messages yet", muted: true };
  const who = lastMessage.sender === me ? "You" : senderName(lastMessage.sender);
  if (lastMessage.state === "recalled") return { who, text: "recalled a message", muted: true };
  if (lastMessage.state === "unreadable") return { who, text: "sent what cannot be read here", muted: true };
  const body = readBody(lastMessage.body);
  if (body.kind !== "text") return { who: "", text: `${senderName(lastMessage.sender)} ${body.text}`, muted: true };
  return { who, text: body.text, muted: false };
}

/** @param {unknown} error @returns {string} its code, or "" */
export const codeOf = (error) => (error && typeof error === "object" && "code" in error ? String(error.code) : "");

/** What to tell a person, by code; what the error itself says is added where it helps to find the cause. */
const EXPLANATIONS = {
  network: "The server could not be reached",
  timeout: "The server took too long to answer",
  offline: "You are offline",
  unauthorized: "The server wants you to sign in again",
  forbidden: "You are not allowed to do this",
  "not-found": "It is not there any more",
  rejected: "The server refused it",
  protocol: "The server gave an answer that makes no sense",
  storage: "The browser's storage failed",
  quota: "The browser's storage is full",
  "storage-newer": "A newer version of this app has stored data here: reload the page",
  aborted: "It was called off",
  closed: "This tab was closed",
  outdated: "Another tab has this device now",
  invalid: "This is not possible",
  internal: "Something went wrong inside",
};

/**
 * @param {unknown} error
 * @returns {string}
 */
export function errorText(error) {
  const code = error && typeof error === "object" && "code" in error ? String(error.code) : "";
  const said =
    error instanceof Error
      ? error.message
      : error && typeof error === "object" && "message" in error
        ? String(error.message)
        : String(error);
  // The code may be the server's own, and is no way to what every object has.
  const known = Object.hasOwn(EXPLANATIONS, code)
    ? EXPLANATIONS[/** @type {keyof typeof EXPLANATIONS} */ (code)]
    : undefined;
  if (!known) return said || "Something went wrong";
  return code === "offline" || code === "network" || code === "timeout" || !said ? known : `${known}: ${said}`;
}
