// An origin for the pages: what the server serves, but without its Content-Security-Policy, under which a test's own
// scripts would not run where a browser is driven by WebDriver; and there also while the server that syncs is not.

import { createServer, request as ask } from "node:http";
import { connect } from "node:net";

const isPage = (path) => path.startsWith("/blank/") || path.startsWith("/pkg/");

/**
 * @param {{ pages: { url: string }, api?: { url: string } }} servers `pages`: for the page and the package; `api`: for
 *   the rest (else the same)
 * @returns {Promise<{ url: string, stop: () => void }>}
 */
export async function startOrigin({ pages, api = pages }) {
  const upstream = (path) => new URL((isPage(path) ? pages : api).url);
  const sockets = new Set();
  const origin = createServer((request, response) => {
    const { hostname, port } = upstream(request.url);
    const passed = ask(
      { hostname, port, path: request.url, method: request.method, headers: request.headers },
      (answer) => {
        const { "content-security-policy": _, ...headers } = answer.headers;
        response.writeHead(answer.statusCode, headers);
        answer.pipe(response);
        answer.on("error", () => response.destroy());
      },
    );
    // as if nobody were there
    passed.on("error", () => response.destroy());
    response.on("close", () => passed.destroy());
    request.pipe(passed);
  });
  origin.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  origin.on("upgrade", (request, socket, head) => {
    const { hostname, port } = upstream(request.url);
    const passed = connect(Number(port), hostname, () => {
      const { rawHeaders } = request;
      const lines = rawHeaders.flatMap((text, i) => (i % 2 ? [] : [`${text}: ${rawHeaders[i + 1]}`]));
      passed.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      passed.write(head);
      passed.pipe(socket).pipe(passed);
    });
    passed.on("error", () => socket.destroy());
    passed.on("close", () => socket.destroy());
    socket.on("error", () => passed.destroy());
    socket.on("close", () => passed.destroy());
  });
  await new Promise((resolve) => origin.listen(0, "127.0.0.1", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (origin.address());
  return {
    url: `http://127.0.0.1:${port}`,
    stop() {
      origin.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
