// Runs in a page before anything else does: counts what is handed out and must be given back.
// `globalThis.counting.now()` tells how many of each are out. No module: it is an init script.

(() => {
  const out = {
    timers: new Set(),
    sockets: new Set(),
    databases: new Set(),
    channels: new Set(),
    requests: new Set(),
    connects: 0,
  };
  /** @type {WebAssembly.Memory[]} */
  const memories = [];

  const {
    setTimeout: startTimer,
    clearTimeout: endTimer,
    setInterval: startInterval,
    clearInterval: endInterval,
    fetch: request,
  } = globalThis;
  globalThis.setTimeout = /** @type {any} */ (
    (callback, ms, ...rest) => {
      const id = startTimer(() => {
        out.timers.delete(id);
        callback(...rest);
      }, ms);
      out.timers.add(id);
      return id;
    }
  );
  globalThis.setInterval = /** @type {any} */ (
    (...given) => {
      const id = startInterval(.../** @type {[any]} */ (given));
      out.timers.add(id);
      return id;
    }
  );
  // the two are one list of numbers, and either takes either's
  for (const [name, end] of Object.entries({ clearTimeout: endTimer, clearInterval: endInterval })) {
    globalThis[name] = (id) => {
      out.timers.delete(id);
      end(id);
    };
  }

  // until its answer begins: an aborted one fails
  globalThis.fetch = (input, init) => {
    const running = request(input, init);
    out.requests.add(running);
    const done = () => out.requests.delete(running);
    running.then(done, done);
    return running;
  };

  globalThis.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(.../** @type {[string]} */ (given));
      out.sockets.add(this);
      out.connects += 1;
      this.addEventListener("close", () => out.sockets.delete(this), { once: true });
    }
  };

  globalThis.BroadcastChannel = class extends BroadcastChannel {
    constructor(name) {
      super(name);
      out.channels.add(this);
    }

    close() {
      out.channels.delete(this);
      super.close();
    }
  };

  const { open } = IDBFactory.prototype;
  IDBFactory.prototype.open = function (...given) {
    const opening = open.apply(this, /** @type {[string]} */ (given));
    opening.addEventListener(
      "success",
      () => {
        out.databases.add(opening.result);
        opening.result.addEventListener("close", () => out.databases.delete(opening.result), { once: true });
      },
      { once: true },
    );
    return opening;
  };
  const { close } = IDBDatabase.prototype;
  IDBDatabase.prototype.close = function () {
    out.databases.delete(this);
    close.call(this);
  };

  for (const name of ["instantiate", "instantiateStreaming"]) {
    const instantiate = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const result = await instantiate(...given);
      const { exports } = result.instance ?? result;
      memories.push(...Object.values(exports).filter((one) => one instanceof WebAssembly.Memory));
      return result;
    };
  }

  globalThis.counting = {
    now: async () => ({
      timers: out.timers.size,
      sockets: out.sockets.size,
      databases: out.databases.size,
      channels: out.channels.size,
      requests: out.requests.size,
      locks: (await navigator.locks.query()).held.length,
    }),
    /** sockets opened so far */
    connects: () => out.connects,
    /** bytes of all instances' memories */
    wasmBytes: () => memories.reduce((total, memory) => total + memory.buffer.byteLength, 0),
  };
})();
