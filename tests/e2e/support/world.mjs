// What the long runs (crash.mjs, soak.mjs) have in common: chance that can be repeated, and the server as others than
// the page use it.

import { randomUUID } from "node:crypto";

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * A call of the protocol by this user.
 * @param {{ url: string }} server
 * @param {string} user
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body]
 * @returns {Promise<any>} null where the answer is empty
 */
export async function call(server, user, method, path, body) {
  const response = await fetch(`${server.url}${path}`, {
    method,
    headers: { "content-type": "application/json", authorization: `Bearer demo-${user}` },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok)
    throw Object.assign(new Error(`${method} ${path}: ${response.status} ${text}`), { status: response.status });
  return text ? JSON.parse(text) : null;
}

/** Everything that the server has of a conversation, oldest first. @returns {Promise<any[]>} */
export async function everything(server, user, talk) {
  const pages = [];
  for (let before = ""; ; ) {
    const { messages, hasBefore } = await call(
      server,
      user,
      "GET",
      `/v1/conversations/${talk}/messages?limit=1000${before}`,
    );
    pages.unshift(messages);
    if (!hasBefore) return pages.flat();
    before = `&before=${messages[0].seq}`;
  }
}

/**
 * @param {{ url: string }} server
 * @param {string} user
 * @param {{ conversation: string, id: string }} message of this user's
 * @param {string} text
 */
export function edit(server, user, { conversation, id }, text) {
  return call(server, user, "PATCH", `/v1/conversations/${conversation}/messages/${id}`, {
    clientId: randomUUID(),
    body: { text },
  });
}
export const recall = (server, user, { conversation, id }) =>
  call(server, user, "POST", `/v1/conversations/${conversation}/messages/${id}/recall`, {});

/** A message as it is compared: all that can differ between two versions of it, and its place. */
export const line = ({ id, seq, version, state, body }) =>
  [id, String(seq), version, state, body?.text ?? null].join(" | ");
