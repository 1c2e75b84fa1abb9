// @ts-check
// Who is signed in on which device, and with which options: everything that the address can say.

/** @typedef {import("/pkg/index.js").ClientOptions<import("./format.js").Body>} ClientOptions */

const query = new URLSearchParams(location.search);

/**
 * Two devices of one user can live in one browser: each has its own local database. A page may be a device of its own
 * (the tour).
 */
const ownDevice = document.documentElement.dataset.device ?? "1";
export const device = /^[\w-]{1,20}$/.test(query.get("device") ?? "")
  ? /** @type {string} */ (query.get("device"))
  : ownDevice;
export const debug = query.has("debug");
/** Inside one pane of two.html. */
export const embedded = window.parent !== window;

/** @param {string} name */
const key = (name) => `pullcord-demo:${device}:${name}`;

/** @returns {string | null} the user who is signed in here */
export function currentUser() {
  return query.get("user") || localStorage.getItem(key("user"));
}

/** @returns {string | null} the user who was signed in here last */
export function lastUser() {
  return localStorage.getItem(key("last-user"));
}

/** @param {string} name */
export function rememberUser(name) {
  localStorage.setItem(key("user"), name);
  localStorage.setItem(key("last-user"), name);
}

/** Forgets the user; the address must not sign in again either. */
export function forgetUser() {
  localStorage.removeItem(key("user"));
  sessionStorage.removeItem(key("token"));
  const url = new URL(location.href);
  url.searchParams.delete("user");
  url.hash = "";
  history.replaceState(null, "", url);
}

/**
 * Flags that outlive a reload of this tab, and no more.
 * @param {string} name
 */
export const flag = (name) => ({
  get: () => sessionStorage.getItem(key(name)) === "1",
  /** @param {boolean} on */
  set: (on) => (on ? sessionStorage.setItem(key(name), "1") : sessionStorage.removeItem(key(name))),
});

/**
 * What the demo server says of itself: who can sign in, and whether it makes trouble when asked to.
 * A server that says nothing has the usual users; of the trouble one then has to ask.
 * @returns {Promise<{ users: string[], allowTrouble: boolean | undefined }>}
 */
export async function aboutServer() {
  /** @type {any} */
  let answer = {};
  try {
    const response = await fetch("/demo");
    if (response.ok) answer = await response.json();
  } catch {
    // Without the network, or without a demo server: the usual ones.
  }
  const users = Array.isArray(answer.users)
    ? answer.users.filter((/** @type {unknown} */ name) => typeof name === "string" && name)
    : [];
  return {
    users: users.length ? users : ["ada", "grace", "linus", "margaret"],
    allowTrouble: typeof answer.allowTrouble === "boolean" ? answer.allowTrouble : undefined,
  };
}

/**
 * The token that the demo server gives this user: a header takes ASCII only, a name may be anything.
 * @param {string} name
 */
export const demoToken = (name) =>
  `demo-${encodeURIComponent(name).replace(/[!~*'()]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)}`;

/**
 * Asks the demo server for a token; one without sign-in takes `demo-<name>`.
 * @param {string} name
 * @returns {Promise<string>}
 */
export async function signIn(name) {
  const response = await fetch("/demo/sign-in", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  if (response.status === 404 || response.status === 405) return demoToken(name);
  if (!response.ok) throw new Error(`The server refused to sign ${name} in (${response.status})`);
  const { token } = await response.json();
  if (typeof token !== "string") throw new Error("The server's answer holds no token");
  sessionStorage.setItem(key("token"), token);
  return token;
}

/** @returns {string | null} the token of the last sign-in, in this tab */
export const storedToken = () => sessionStorage.getItem(key("token"));

/** @param {string} name */
function wholeNumber(name) {
  const text = query.get(name);
  const value = Number(text);
  return text !== null && Number.isInteger(value) && value >= 0 ? value : undefined;
}

/**
 * Leaves out what is not given, so that the client's own defaults hold.
 * @template {object} T
 * @param {T} values
 * @returns {T}
 */
function given(values) {
  return /** @type {T} */ (
    Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== null))
  );
}

/**
 * How the client is to sync. `push`: the server puts the events into its notifications; for scope account with a
 * socket.
 * @typedef {{ scope: "account" | "conversation" | "mailbox", notify: "socket" | "long-poll" | "poll", push: boolean,
 *   overflow: "clear" | "keep" }} Choice
 */

const SCOPES = /** @type {const} */ (["account", "conversation", "mailbox"]);
const NOTIFICATIONS = /** @type {const} */ (["socket", "long-poll", "poll"]);
const OVERFLOWS = /** @type {const} */ (["clear", "keep"]);

/**
 * What goes together: a long poll and inline push are the account's, and only a socket can carry a push.
 * @param {Choice} choice
 * @returns {Choice}
 */
export function consistent({ scope, notify, push, overflow }) {
  const possible = scope !== "account" && notify === "long-poll" ? "socket" : notify;
  return { scope, notify: possible, push: push && scope === "account" && possible === "socket", overflow };
}

/** @returns {Choice} as the address says */
export function choiceFromAddress() {
  const asked = new URLSearchParams(location.search);
  return consistent({
    scope: SCOPES.find((scope) => scope === asked.get("scope")) ?? "account",
    notify: NOTIFICATIONS.find((notify) => notify === asked.get("notify")) ?? "socket",
    push: asked.get("push") === "1",
    overflow: OVERFLOWS.find((overflow) => overflow === asked.get("overflow")) ?? "clear",
  });
}

/**
 * Writes the choice into the address, so that a reload keeps it.
 * @param {Choice} choice
 */
export function choiceToAddress(choice) {
  const url = new URL(location.href);
  for (const [name, value, standard] of [
    ["scope", choice.scope, "account"],
    ["notify", choice.notify, "socket"],
    ["push", choice.push ? "1" : "", ""],
    ["overflow", choice.overflow, "clear"],
  ]) {
    if (value === standard) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  history.replaceState(null, "", url);
}

/** Items that a timeline holds here: enough to scroll a while, few enough to lay out in a frame. */
export const maxItems = wholeNumber("items") ?? 500;

/**
 * @param {string} user
 * @param {Choice} choice
 * @returns {ClientOptions}
 */
export function clientOptions(user, { scope, notify, overflow }) {
  let asked = false;
  const poll = wholeNumber("poll");
  return given({
    account: device === "1" ? user : `${user}@${device}`,
    transport: {
      baseUrl: location.origin,
      // A second question means that the first answer was refused: only then is a new token asked for.
      token: () => {
        const stored = asked ? null : storedToken();
        asked = true;
        return stored ?? signIn(user);
      },
    },
    sync: given({
      scope,
      notify,
      pollInterval: poll,
      fallbackPollInterval: poll,
      pullLimit: wholeNumber("limit"),
    }),
    overflow,
    storage: given({ mode: /** @type {any} */ (query.get("storage")), maxMessages: wholeNumber("cache") }),
    pageSize: wholeNumber("page"),
    logLevel: /** @type {any} */ (query.get("log")),
  });
}
