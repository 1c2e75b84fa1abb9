// An app's service worker: tells what a push has brought. It keeps what it told, for the test to look at.

// @ts-ignore: the address is the page's
import { syncOnce } from "/pkg/worker.js";

const scope = /** @type {any} */ (self);

/** What the test asks for, as a push's payload says it, and what came of it. */
async function told({ user, options }) {
  const transport = { baseUrl: location.origin, token: () => `demo-${user}` };
  try {
    const { messages, conversations, visible } = await syncOnce({ account: user, transport, ...options });
    return {
      texts: messages.map(({ body }) => body?.text ?? null),
      conversations: conversations.map(({ id, unread }) => [id, unread]),
      visible,
    };
  } catch (error) {
    return { error: [error.name, error.code, error.message] };
  }
}

scope.addEventListener("install", () => scope.skipWaiting());
scope.addEventListener("push", (event) => {
  const asked = event.data.json();
  event.waitUntil(
    (async () => {
      const answers = await Promise.all(Array.from({ length: asked.times ?? 1 }, () => told(asked)));
      const kept = await caches.open("told");
      await kept.put(`/told/${asked.name}`, new Response(JSON.stringify(answers)));
    })(),
  );
});
