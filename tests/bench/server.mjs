// Serves the benchmark's page: the packed package, the contenders, the messages.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

const PAGE = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>Pullcord benchmark</title>
`;
const TYPES = { ".js": "text/javascript", ".wasm": "application/wasm" };

const HEADERS = {
  // isolated, performance.now() counts in 5 µs and not in 100
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};
/** what never changes while the benchmark runs is cached, as a site's files are */
const CACHED = { "cache-control": "public, max-age=86400, immutable" };

/**
 * @param {{ pkg: string, script: string, data: string }} what `pkg`: a folder; `script` and `data`: texts
 * @returns {Promise<{ url: string, close(): void }>}
 */
export async function serve({ pkg, script, data }) {
  const send = (response, type, body) =>
    response.writeHead(200, { ...HEADERS, ...CACHED, "content-type": type }).end(body);
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
    try {
      if (path === "/") send(response, "text/html; charset=utf-8", PAGE);
      else if (path === "/bench.js") send(response, TYPES[".js"], script);
      else if (path === "/messages.jsonl") send(response, "text/plain; charset=utf-8", data);
      else if (path.startsWith("/pkg/"))
        send(response, TYPES[extname(path)] ?? "text/plain", await readFile(join(pkg, path.slice("/pkg/".length))));
      else response.writeHead(404, HEADERS).end();
    } catch {
      response.writeHead(404, HEADERS).end();
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => resolve(undefined));
  });
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
