// A way to the server that counts the bytes: all of TCP's, so headers and WebSocket frames too.

import { connect, createServer } from "node:net";

/**
 * @param {string} url of the server
 * @returns {Promise<{ url: string, up: () => number, down: () => number, close: () => void }>} `up`: bytes from the
 *   page to the server so far
 */
export async function meter(url) {
  const { hostname, port } = new URL(url);
  let [up, down] = [0, 0];
  const open = new Set();
  const server = createServer((page) => {
    const upstream = connect(Number(port), hostname);
    for (const socket of [page, upstream]) {
      socket.setNoDelay(true);
      open.add(socket);
      // the other side hears of it by the end of its own
      socket.on("error", () => socket.destroy());
      socket.on("close", () => open.delete(socket));
    }
    page.on("data", (data) => {
      up += data.length;
    });
    upstream.on("data", (data) => {
      down += data.length;
    });
    page.pipe(upstream).pipe(page);
    page.on("close", () => upstream.destroy());
    upstream.on("close", () => page.destroy());
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(undefined));
  });
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${address.port}`,
    up: () => up,
    down: () => down,
    close: () => {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
