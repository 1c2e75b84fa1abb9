// @ts-check
// The scene of the guided tour with three tabs of one device: one of them asks the server, until it is killed.

import { number } from "./format.js";
import { Tab } from "./stage-tab.js";
import { Broken, FRIEND } from "./stage.js";

/** @typedef {import("./stage.js").Stage} Stage */

/** Own messages, in the order of writing, by the tab that they are written in. */
const FIRST = ["From the first tab", "From the second tab", "From the third tab"];
/** Written while the server is slow: the tab that writes is killed before they are delivered. */
const LATE = ["Written just before", "Written by the next"];
const LABELS = ["Tab 1", "Tab 2", "Tab 3"];
/** ms that the server takes for an answer then */
const SLOW = 3000;

/** ms from the end of a tab until another wrote. @type {WeakMap<Stage, number>} */
const moved = new WeakMap();

/** @param {Stage} stage */
const tabsOf = (stage) => stage.devices.filter((device) => device instanceof Tab);
/** Those that live. @param {Stage} stage */
const living = (stage) => tabsOf(stage).filter((tab) => !tab.isKilled);

/** @param {Stage} stage */
function writerOf(stage) {
  const writer = living(stage).find((tab) => tab.writer === "here");
  if (!writer) throw new Broken("No tab writes.");
  return writer;
}

/** @param {Stage} stage @param {readonly string[]} texts */
const allShow = (stage, texts) =>
  stage.until(`all tabs show ${texts.map((text) => `“${text}”`).join(", ")}`, () =>
    living(stage).every(({ messages }) =>
      texts.every((text) => messages.some(({ message }) => message.body?.text === text)),
    ),
  );

/**
 * Ends a tab, and waits until another writes.
 * @param {Stage} stage
 * @param {Tab} victim
 */
async function kill(stage, victim) {
  const began = performance.now();
  const others = living(stage).filter((tab) => tab !== victim);
  const taken = Promise.race(
    others.map(
      (tab) =>
        new Promise((resolve) => {
          const stop = tab.client.status.subscribe(() => {
            if (tab.writer !== "here") return;
            moved.set(stage, performance.now() - began);
            stop();
            resolve(undefined);
          });
        }),
    ),
  );
  victim.kill();
  await Promise.race([taken, stage.until("another tab writes", () => others.some(({ writer }) => writer === "here"))]);
}

/** @type {import("./scenes.js").Scene} */
export const tabs = {
  id: "tabs",
  title: "Three tabs, one is killed",
  short: "Three tabs",
  about:
    "People open a chat in several tabs. All of them show everything, at once; one of them asks the server for all. It may die at any moment.",
  async set(stage) {
    await stage.set({ title: "Three tabs", messages: 20, days: 2 });
    stage.total = null;
    for (const label of LABELS) await stage.put(new Tab(stage, label, ""), `${stage.visitor}@1`);
    await stage.until("one tab writes", () => tabsOf(stage).filter(({ writer }) => writer === "here").length === 1);
  },
  steps: [
    {
      say: `Three tabs of one device, on one database. ${FRIEND} writes.`,
      look: "All three show it at the same moment. Only the tab that writes has made a request: the others follow it.",
      async act(stage) {
        const [before] = living(stage).map(({ messages }) => messages.length);
        await stage.write(1);
        await stage.until("all tabs show it", () => living(stage).every(({ messages }) => messages.length > before));
        await stage.pause(600);
      },
    },
    {
      say: "You write in each of them, at the same moment.",
      look: "Each message is in all three lists from the first moment on. The tab that writes sends them all.",
      async act(stage) {
        await Promise.all(living(stage).map((tab, i) => tab.send(FIRST[i])));
        await allShow(stage, FIRST);
      },
    },
    {
      say: "The server gets slow. You write in the tab that writes and in another one. Then the first is killed, with your message on its way.",
      look: "Before you can look another tab writes. The lists stay where they are, and the message is still there: it was stored before it was sent.",
      async act(stage) {
        await stage.trouble({ delayMs: SLOW });
        const victim = writerOf(stage);
        const [other] = living(stage).filter((tab) => tab !== victim);
        await victim.send(LATE[0]);
        await stage.pause(900);
        await other.send(LATE[1]);
        await kill(stage, victim);
        await stage.trouble({});
        await stage.pause(900);
      },
    },
    {
      say: "The killed tab is opened again.",
      look: "It shows what is stored, and follows. Both late messages are delivered, each once: a message that is sent again has the same name, and the server knows it.",
      async act(stage) {
        const killed = tabsOf(stage).find((tab) => tab.isKilled);
        if (!killed) throw new Broken("No tab was killed.");
        await stage.put(new Tab(stage, killed.label, ""), killed.account, {}, killed);
        await stage.until("nothing waits to be sent", () =>
          living(stage).every(({ client }) => client.outbox.getSnapshot().length === 0),
        );
        await allShow(stage, LATE);
      },
    },
  ],
  async check(stage) {
    const all = living(stage);
    const counts = [];
    for (const tab of all) counts.push(await tab.compare());
    const written = [...FIRST, ...LATE];
    const texts = (await stage.history("limit=200")).map(({ body }) => body?.text);
    const wrong = written.find((text) => texts.filter((one) => one === text).length !== 1);
    if (wrong !== undefined) throw new Broken(`The server has “${wrong}” not exactly once.`);
    if (new Set(counts).size !== 1) throw new Broken("The lists differ.");
    const ms = moved.get(stage);
    const after = ms === undefined ? "" : ` Another tab wrote ${number(Math.round(ms))} ms after the end of the first.`;
    return `All three lists are the same as the server's: ${counts[0]} messages, yours each once.${after}`;
  },
};
