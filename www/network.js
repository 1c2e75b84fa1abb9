// @ts-check
// The cable of this device, to be pulled and plugged in again. Browsers can only be taken offline as
// a whole, by their developer tools; here each of two devices side by side needs its own. So this
// stands before `fetch` and `WebSocket` and behaves as a network that is gone: requests fail, the
// open ones too, sockets close, `navigator.onLine` says so. Only /v1/ and sign-in are concerned:
// the page itself, and the server's trouble switches, stay in reach. What passes is counted.

import { device, flag } from "./session.js";

const stored = flag("offline");
let isPulled = stored.get();
/** All tabs of a device are on one cable. Each page of the tour has its own. */
const tabs = device === "tour" ? null : new BroadcastChannel(`pullcord-demo:${device}:cable`);
const realFetch = window.fetch.bind(window);
/** For what others do elsewhere, whose network this device's cable is not. */
export const fetchElsewhere = realFetch;
const RealWebSocket = window.WebSocket;

/** @type {Set<WebSocket>} */
const sockets = new Set();
/** Aborted when the cable is pulled. */
let cable = new AbortController();
/** @type {Set<() => void>} */
const listeners = new Set();

/** @param {string} url */
function concerned(url) {
  const { pathname } = new URL(url, location.href);
  return pathname.startsWith("/v1/") || pathname === "/demo/sign-in";
}

/** Bytes that have passed, both ways: the bodies of requests and answers, and what sockets carry; no headers. */
let passed = 0;

/** Bytes that this page's clients have sent and received so far. */
export const bytesPassed = () => passed;

const utf8 = new TextEncoder();

/** @param {unknown} data */
function sizeOf(data) {
  if (typeof data === "string") return utf8.encode(data).length;
  if (data instanceof Blob) return data.size;
  return data instanceof ArrayBuffer || ArrayBuffer.isView(data) ? data.byteLength : 0;
}

/** @param {Request | Response} message */
function count(message) {
  const length = message.headers.get("content-length");
  if (length !== null) passed += Number(length);
  // A body of unknown length is read once more. One that breaks off is not counted.
  else if (message.body)
    message
      .clone()
      .arrayBuffer()
      .then(
        (body) => {
          passed += body.byteLength;
        },
        () => {},
      );
}

/** What a browser answers with when there is no network. */
const failed = () => new TypeError("Failed to fetch");

window.fetch = async (input, init) => {
  const request = new Request(input, init);
  if (!concerned(request.url)) return realFetch(request);
  if (isPulled) throw failed();
  const gone = cable.signal;
  count(request);
  const response = await realFetch(request, { signal: AbortSignal.any([request.signal, gone]) }).catch((error) => {
    throw gone.aborted && !request.signal.aborted ? failed() : error;
  });
  count(response);
  return response;
};

/** A socket that finds nobody at the other end. */
class DeadSocket extends EventTarget {
  readyState = 0;
  bufferedAmount = 0;
  extensions = "";
  protocol = "";
  binaryType = "blob";
  /** @type {((event: Event) => void) | null} */
  onopen = null;
  /** @type {((event: Event) => void) | null} */
  onmessage = null;
  /** @type {((event: Event) => void) | null} */
  onerror = null;
  /** @type {((event: Event) => void) | null} */
  onclose = null;

  /** @param {string | URL} url */
  constructor(url) {
    super();
    this.url = String(url);
    setTimeout(() => {
      this.readyState = 3;
      this.#fire(new Event("error"));
      this.#fire(new CloseEvent("close", { code: 1006, wasClean: false }));
    });
  }

  /** @param {Event} event */
  #fire(event) {
    this.dispatchEvent(event);
    const handler = event.type === "error" ? this.onerror : this.onclose;
    handler?.call(this, event);
  }

  send() {}
  close() {}
}

window.WebSocket = /** @type {any} */ (
  new Proxy(RealWebSocket, {
    construct(target, parameters) {
      const [url, protocols] = /** @type {[string | URL, (string | string[])?]} */ (parameters);
      if (isPulled && concerned(String(url).replace(/^ws/, "http"))) return new DeadSocket(url);
      const socket = new target(url, protocols);
      sockets.add(socket);
      socket.addEventListener("close", () => sockets.delete(socket));
      socket.addEventListener("message", ({ data }) => {
        passed += sizeOf(data);
      });
      const send = socket.send.bind(socket);
      socket.send = (data) => {
        passed += sizeOf(data);
        send(data);
      };
      return socket;
    },
  })
);

Object.defineProperty(navigator, "onLine", {
  configurable: true,
  get: () =>
    !isPulled &&
    /** @type {boolean} */ (Object.getOwnPropertyDescriptor(Navigator.prototype, "onLine")?.get?.call(navigator)),
});

/** @param {boolean} on */
function plug(on) {
  isPulled = !on;
  stored.set(isPulled);
  if (on) {
    cable = new AbortController();
  } else {
    cable.abort(failed());
    for (const socket of sockets) socket.close();
  }
  window.dispatchEvent(new Event(on ? "online" : "offline"));
  for (const listener of listeners) listener();
}

tabs?.addEventListener("message", ({ data }) => {
  // A tab that has just been opened asks how it is; who has pulled the cable answers.
  if (data.asks) {
    if (isPulled) tabs.postMessage({ on: false });
  } else if (data.on === isPulled) {
    plug(data.on);
  }
});
tabs?.postMessage({ asks: true });

/** Whether the cable is plugged in. */
export const connected = {
  get: () => !isPulled,
  /** @param {boolean} on */
  set(on) {
    if (on === !isPulled) return;
    plug(on);
    tabs?.postMessage({ on });
  },
  /**
   * @param {() => void} listener
   * @returns {() => void} unsubscribes
   */
  subscribe(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
};
