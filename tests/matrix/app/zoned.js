// A client in a zone of zone.js, as Angular has it: what of it keeps the zone unfinished, and where its listeners run.

import "zone.js";
import { createClient } from "pullcord";
import { memoryBackend } from "pullcord/testing";

const backend = memoryBackend({
  conversations: ["general"],
  messages: Array.from({ length: 100 }, (_, at) => ({ conversation: "general", sender: "bob", text: `${at}` })),
});

/** @type {string[]} */
const unfinished = [];
const { Zone } = /** @type {any} */ (globalThis);
const app = Zone.root.fork({
  name: "app",
  onScheduleTask(above, _, target, task) {
    if (task.type === "macroTask") unfinished.push(task.source);
    return above.scheduleTask(target, task);
  },
});

/** @type {Set<string>} */
const heardIn = new Set();
const heard = () => heardIn.add(Zone.current.name);
const options = { account: "zone|ada", transport: backend.transport("ada"), storage: { mode: "memory" } };

const client = await app.run(() => createClient(options));
const timeline = app.run(() => client.timeline("general"));
const stop = app.run(() => timeline.subscribe(heard));
app.run(() => client.on("messages", heard));
await app.run(() => timeline.loadOlder());
await app.run(() => timeline.send({ text: "Hi" }));
await app.run(() => client.sync());
while (timeline.getSnapshot().items.at(-1)?.kind !== "message") await new Promise((done) => setTimeout(done, 10));
backend.post("general", "Hello", "bob");
await app.run(() => client.sync());
app.run(stop);
await app.run(() => client.close());
const { length } = timeline.getSnapshot().items;

console.log(JSON.stringify({ length, unfinished, heardIn: [...heardIn] }));
