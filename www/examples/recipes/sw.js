// Starting offline: the app's files are kept, the wasm among them. What is newer on the network wins.

const CACHE = "recipes";
const OWN = "index.html app.html recipes.css host.js server.js app.js chat.js row.js dom.js".split(" ");
const RECIPES = "accounts attachments drafts reactions receipts threads".split(" ").map((name) => `${name}.js`);
const PACKAGE = "index.js testing.js pullcord.wasm".split(" ").map((name) => `/node_modules/pullcord/${name}`);

addEventListener("install", (event) => {
  const kept = caches.open(CACHE).then((cache) => cache.addAll([...OWN, ...RECIPES, "../style.css", ...PACKAGE]));
  event.waitUntil(kept);
});

addEventListener("fetch", (event) => {
  // a server's own answers are none of the app's files
  if (new URL(event.request.url).pathname.startsWith("/v1/")) return;
  const kept = () => caches.match(event.request, { ignoreSearch: true });
  event.respondWith(fetch(event.request).catch(async (error) => (await kept()) ?? Promise.reject(error)));
});
