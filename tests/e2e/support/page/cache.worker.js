// A service worker as some apps have it: what was asked for by GET is answered from its cache ever after.

/** @type {any} */
const worker = globalThis;

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !new URL(request.url).pathname.startsWith("/v1/")) return;
  event.respondWith(
    (async () => {
      const cache = await caches.open("all");
      const kept = await cache.match(request);
      if (kept) return kept;
      const answer = await fetch(request);
      await cache.put(request, answer.clone());
      return answer;
    })(),
  );
});
