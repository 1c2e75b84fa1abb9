// The WebSocket that the engine opens, where there is one.

/**
 * The platform's, or what the app has put in its place, as the engine can do with it: one that it has closed says
 * nothing any more. Browsers' are so once they are told an event "close" that is made for them; Node before 23 has no
 * such events, and npm's "ws" takes none.
 * @param {string} url
 */
export function Socket(url) {
  /** @type {any} */
  const socket = new WebSocket(url);
  if (typeof CloseEvent === "function" && socket.dispatchEvent) return socket;
  const { addEventListener, close } = socket;
  let isOver = false;
  socket.addEventListener = (/** @type {string} */ type, /** @type {any} */ listener, /** @type {any} */ options) =>
    addEventListener.call(socket, type, (/** @type {any} */ event) => isOver || listener(event), options);
  socket.close = () => {
    isOver = true;
    close.call(socket);
  };
  // "ws" ends the process over an error that nobody hears, as of one that is closed while it connects
  socket.on?.("error", () => {});
  return socket;
}

let isTold = false;

/**
 * What the client is opened with, where a server could only notify by a WebSocket and there is none: by the timer.
 * @template {import("./wire.js").ClientConfig} T
 * @param {T} config
 * @param {import("./wire.js").Log} log is told once
 * @returns {T}
 */
export function withoutSocket(config, log) {
  const { baseUrl, notify = "socket" } = config;
  if (!baseUrl || notify !== "socket" || typeof WebSocket === "function") return config;
  if (!isTold)
    log(
      "warn",
      'there is no WebSocket here (Node has one from 22 on), so it polls: set sync.notify to "poll", or globalThis.WebSocket to that of npm\'s "ws"',
    );
  isTold = true;
  return { ...config, notify: "poll" };
}
