// What goes out from where this runs, a page or a worker, as `globalThis.wire`: `wire.heard` is told each request to
// /v1/… before it leaves, and `wire.sockets` is how many are open. No module: it is an init script.

(() => {
  const open = new Set();
  const { fetch: request } = globalThis;
  const tell = (input, init) => {
    const copy = new Request(input instanceof Request ? input.clone() : input, init);
    const { pathname, search } = new URL(copy.url);
    if (!pathname.startsWith("/v1/")) return;
    const asked = { method: copy.method, path: `${pathname}${search}`, at: Date.now() };
    copy.text().then((body) => {
      const clientId = /"clientId":"([^"]*)"/.exec(body)?.[1] ?? null;
      globalThis.wire.heard({ ...asked, clientId });
    });
  };
  globalThis.fetch = (input, init) => {
    tell(input, init);
    return request(input, init);
  };
  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(.../** @type {[string]} */ (given));
      open.add(this);
      this.addEventListener("close", () => open.delete(this), { once: true });
    }

    close(...given) {
      open.delete(this);
      super.close(...given);
    }
  };
  globalThis.wire = { heard: (/** @type {object} */ _request) => {}, sockets: () => open.size };
})();
