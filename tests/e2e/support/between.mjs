// A way to the server at another origin, which counts what really arrives and can make less of it.

import { createServer, request as ask } from "node:http";
import { connect } from "node:net";

const CORS = { "access-control-allow-origin": "*" };
const AGREES = {
  "access-control-expose-headers": "retry-after, date, pullcord-accept",
  "pullcord-accept": "call",
};

/**
 * An answer in place of the server's (`agrees`: as if it was its own); or none at all; or the server's: without its
 * end, or never, though the server has done what it was asked.
 * @typedef {{ status: number, agrees?: boolean, headers?: Record<string, string>, body?: string } | "held" | "short" |
 *   "unanswered"} Meets
 */

/** @param {import("node:http").IncomingMessage} answer @param {import("node:http").ServerResponse} response */
async function cutShort(answer, response) {
  const body = Buffer.concat(await answer.toArray());
  response.writeHead(answer.statusCode ?? 502, { ...answer.headers, "content-length": body.length });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}

/**
 * @param {{ url: string }} server
 */
export async function startBetween(server) {
  const { hostname, port } = new URL(server.url);
  const between = {
    url: "",
    /** what has arrived: "METHOD path", the path without its query; of `/v1/call` what it is for */
    arrived: /** @type {string[]} */ ([]),
    /** the headers of each `/v1/call` */
    called: /** @type {import("node:http").IncomingHttpHeaders[]} */ ([]),
    /** whether the server says what else it takes */
    agrees: true,
    /** whether its answers are for pages of other origins */
    open: true,
    /** what becomes of `/v1/call`: it is passed on, there is none, its connection ends, its token is refused */
    call: /** @type {"passed" | "missing" | "cut" | "refused"} */ ("passed"),
    /** what one of them meets, by its query, instead of being passed on */
    meets: /** @type {(search: string) => Meets | undefined} */ (() => undefined),
    /** those that were held, and have been let go of */
    letGo: /** @type {string[]} */ ([]),
    stop() {
      way.close();
      way.closeAllConnections();
      for (const socket of sockets) socket.destroy();
    },
  };
  const sockets = new Set();
  const way = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? "/", server.url);
    const isCall = request.method === "POST" && pathname === "/v1/call";
    between.arrived.push(`${request.method} ${pathname}${isCall ? search : ""}`);
    if (isCall) between.called.push(request.headers);
    if (isCall && between.call === "cut") return request.socket.destroy();
    if (isCall && between.call === "missing") return response.writeHead(404, CORS).end("no such page");
    if (isCall && between.call === "refused") {
      between.call = "passed";
      return response.writeHead(401, { ...CORS, ...AGREES }).end("{}");
    }
    const meets = isCall ? between.meets(search) : undefined;
    if (meets === "held") return response.on("close", () => between.letGo.push(search));
    if (typeof meets === "object") {
      const { status, agrees, headers, body } = meets;
      return response.writeHead(status, { ...CORS, ...(agrees ? AGREES : {}), ...headers }).end(body);
    }
    const onward = ask({ hostname, port, method: request.method, path: request.url, headers: request.headers });
    onward.on("error", () => response.destroy());
    onward.on("response", (answer) => {
      if (meets === "short") return cutShort(answer, response);
      if (meets === "unanswered") return request.socket.destroy();
      const headers = { ...answer.headers };
      if (!between.agrees) delete headers["pullcord-accept"];
      if (!between.open) for (const name of Object.keys(headers)) if (/^access-/.test(name)) delete headers[name];
      response.writeHead(answer.statusCode ?? 502, headers);
      answer.pipe(response);
    });
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  });
  way.on("upgrade", (request, socket, head) => {
    const onward = connect(Number(port), hostname, () => {
      const lines = request.rawHeaders.flatMap((name, at, all) => (at % 2 ? [] : [`${name}: ${all[at + 1]}`]));
      onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`);
      onward.write(head);
      onward.pipe(socket).pipe(onward);
    });
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise((resolve) => way.listen(0, "127.0.0.1", () => resolve(undefined)));
  between.url = `http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (way.address()).port}`;
  return between;
}
