// Pages without a backend: a server of files, and of what a test has made.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".wasm": "application/wasm",
};

/**
 * @param {Record<string, string>} places path → a text that is served there, or, where it ends with "/", a folder
 * @returns {Promise<{ url: string, stop(): void }>}
 */
export async function startStatic(places) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    const folder = Object.keys(places).find((path) => path.endsWith("/") && path !== "/" && pathname.startsWith(path));
    try {
      const body = folder
        ? readFileSync(join(places[folder], normalize(`/${pathname.slice(folder.length)}`)))
        : places[pathname];
      if (body === undefined) throw new Error("nothing is there");
      response.writeHead(200, { "content-type": TYPES[extname(pathname) || ".html"] ?? "text/plain" }).end(body);
    } catch {
      // an empty icon: no page has one
      response.writeHead(pathname === "/favicon.ico" ? 204 : 404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}
