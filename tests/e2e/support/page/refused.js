// In a frame that may not store anything (sandboxed, so of no origin): opens a client, and answers the page around it
// with what it shows.

import * as pullcord from "/pkg/index.js";
import * as e2e from "/blank/page.js";

const { user, talk } = JSON.parse(decodeURIComponent(new URL(import.meta.url).hash.slice(1)));
const transport = { baseUrl: new URL(import.meta.url).origin, token: () => `demo-${user}` };

async function show() {
  const strict = await e2e.refusal(pullcord.createClient({ account: user, transport, storage: { mode: "indexeddb" } }));
  const client = await pullcord.createClient({ account: user, transport });
  const told = [];
  client.on("storage", ({ kind }) => told.push(kind));
  await e2e.caughtUp(client);
  const timeline = await e2e.show(client, talk);
  while (timeline.getSnapshot().hasOlder) await timeline.loadOlder();
  await timeline.send({ text: "kept in memory" });
  await e2e.until(client.outbox, (items) => items.length === 0);
  await e2e.until(timeline, (now) => now.items.at(-1).kind === "message");
  const { storage } = client.status.getSnapshot();
  const texts = e2e.texts(timeline);
  await client.wipe();
  return { strict: strict?.code ?? null, storage, told, texts, violations: e2e.violations };
}

show()
  .catch((error) => ({ error: `${error}\n${error.stack}` }))
  .then((answer) => parent.postMessage(answer, "*"));
