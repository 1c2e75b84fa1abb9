// @ts-check
// The scenes of the guided tour. Each says what it does and what to look at, does it with real
// clients and the real server, and ends with a comparison of the two.

import { number } from "./format.js";
import { tabs } from "./scene-tabs.js";
import { Broken, FRIEND } from "./stage.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {{ say: string, look: string, act: (stage: Stage) => Promise<void> }} Step */
/**
 * @typedef {object} Scene
 * @property {string} id
 * @property {string} title
 * @property {string} short its title where there is little room
 * @property {string} about
 * @property {(stage: Stage) => Promise<void>} set
 * @property {readonly Step[]} steps
 * @property {(stage: Stage) => Promise<string>} check what was found in the end, in a sentence; throws where the
 *   promise is not kept
 */

const DAY = 86_400_000;

/** @type {Scene} */
const lost = {
  id: "lost",
  title: "A lost notification",
  short: "Lost notification",
  about: "A notification only says “something is new”. It may get lost; the messages must not.",
  async set(stage) {
    await stage.set({ title: "Lost notification", messages: 24, days: 3 });
    await stage.device("Your device", "socket, and a timer", { sync: { pollInterval: 10_000 } });
  },
  steps: [
    {
      say: `${FRIEND} writes. The server tells this device over its socket that something is new, and the device pulls it.`,
      look: "The message comes in at once, at the bottom of the list.",
      async act(stage) {
        await stage.write(1);
        await has(stage, 25);
      },
    },
    {
      say: `From now on the server loses every notification. ${FRIEND} writes three more messages.`,
      look: "Nothing comes in. The device has 25 of 28 messages, and does not know it.",
      async act(stage) {
        // So that the timer has just run.
        await stage.devices[0].client.sync();
        await stage.trouble({ dropNotifications: 1 });
        await stage.write(3);
        await stage.pause(2500);
      },
    },
    {
      say: "Beside the socket runs a slow timer; here it asks every ten seconds. The device says how far it got, the server says what came after.",
      look: "All three come in together: in order, complete, and nobody had to tell the device.",
      act: (stage) => has(stage, 28),
    },
  ],
  async check(stage) {
    return `Compared with the server: ${await stage.devices[0].compare()} of ${stage.total} messages, in order, none twice.`;
  },
};

/** @param {Stage} stage @param {number} count */
const has = (stage, count) =>
  stage.until(`${count} messages on the list`, () => stage.devices[0].messages.length === count);

/** The message that is taken back during the week. @type {WeakMap<Stage, import("./stage.js").Message>} */
const taken = new WeakMap();

/** @type {Scene} */
const week = {
  id: "week",
  title: "A week offline, cleared or kept",
  short: "A week offline",
  about:
    "Away for too long, the server can no longer list all that was missed. There are two ways to go on: clear what is here, or keep it.",
  async set(stage) {
    await stage.set({ title: "A week offline", messages: 400, days: 40, ago: 7 });
    await Promise.all([
      stage.device("Clear", "drops what it had", { overflow: "clear" }),
      stage.device("Keep", "keeps it, and checks it", { overflow: "keep" }),
    ]);
  },
  steps: [
    {
      say: "Two devices of one account. On both we scroll back a little.",
      look: "Both have one green segment: complete, and up to the newest message.",
      async act(stage) {
        await Promise.all(
          stage.devices.map((device) =>
            device.read("older", `${device.label} has read back`, () => device.messages.length >= 120),
          ),
        );
        await Promise.all(stage.devices.map((device) => device.view.toNewest()));
        await stage.pause(600);
      },
    },
    {
      say: `Both go offline for a week. 90 messages are written, and ${FRIEND} takes an old one back.`,
      look: "Nothing moves here: the devices show what they have, and cannot know.",
      async act(stage) {
        stage.cable(false);
        await stage.until("both are offline", () =>
          stage.devices.every(({ client }) => client.status.getSnapshot().connection === "offline"),
        );
        const old = stage.devices[1].messages.filter(
          ({ message }) => message.sender === FRIEND && message.state === "normal",
        );
        const { message } = old[Math.floor(old.length / 3)];
        taken.set(stage, message);
        await stage.write(90, { days: 6.9 });
        await stage.recall(message);
        await stage.overflow();
        await stage.pause(1200);
      },
    },
    {
      say: "They are online again, too far behind to be told what they missed. The network is slow, so that you can watch.",
      look: "“Clear” drops all it had and starts with the newest page. “Keep” goes on showing its old segment, striped: not fresh. It asks what has changed in it, then fills the gap to the newest page.",
      async act(stage) {
        await stage.trouble({ delayMs: 900 });
        stage.cable(true);
        await stage.until("both are up to date again", () =>
          stage.devices.every((device) => device.caughtUp && device.segments.some(({ live, fresh }) => live && fresh)),
        );
        await stage.until(
          "what was kept is checked, and the gap filled",
          () => stage.devices[1].segments.length === 1 && !stage.devices[1].snapshot.hasNewer,
        );
        await stage.trouble({});
        await stage.pause(800);
      },
    },
    {
      say: `Back to the message that ${FRIEND} took back meanwhile.`,
      look: "“Clear” fetches that part again. “Keep” has it still, and knows of the recall already: one “changes” request brought all that was new in what it kept.",
      async act(stage) {
        const message = takenIn(stage);
        await Promise.all(
          stage.devices.map(async (device) => {
            if (!(await device.view.jump({ around: message.seq })))
              throw new Broken(`${device.label} did not get there.`);
            await stage.until(`${device.label} shows it as recalled`, () => {
              const item = device.message(message.id);
              return item?.fresh === true && item.message.state === "recalled";
            });
          }),
        );
        await stage.pause(600);
      },
    },
  ],
  async check(stage) {
    const [cleared, kept] = stage.devices;
    await stage.until("“Keep” has asked for what changed", () => (kept.latest?.requests.changes ?? 0) > 0);
    for (const device of stage.devices) await device.compare();
    const pages = (/** @type {import("./stage.js").Device} */ { latest }) => number(latest?.requests.history ?? 0);
    const has = (/** @type {import("./stage.js").Device} */ { latest }) => number(latest?.cachedMessages ?? 0);
    return `Both show exactly what the server has. “Clear” fetched ${pages(cleared)} pages and has ${has(cleared)} messages; “Keep” fetched ${pages(kept)} pages, asked for changes, and has ${has(kept)}.`;
  },
};

/** @param {Stage} stage */
function takenIn(stage) {
  const message = taken.get(stage);
  if (!message) throw new Broken("No message was taken back.");
  return message;
}

const CORRECTED = "Written on the phone, corrected on the laptop";

/** @type {Scene} */
const devices = {
  id: "devices",
  title: "Two devices",
  short: "Two devices",
  about: "One account, a phone and a laptop. Each has its own cursor, and both come to the same list.",
  async set(stage) {
    await stage.set({ title: "Two devices", messages: 25, days: 2 });
    stage.total = null;
    await Promise.all([stage.device("Phone", "its own database"), stage.device("Laptop", "its own database")]);
  },
  steps: [
    {
      say: "You write on the phone.",
      look: "A clock: stored on the phone. One tick: the server has it. Two ticks: it has come back with the sync. On the laptop it is yours as well, once.",
      async act(stage) {
        await stage.devices[0].send("Written on the phone");
        await both(stage, "the message", ({ text }) => text === "Written on the phone");
      },
    },
    {
      say: "You correct it on the laptop.",
      look: "Both show the new text, marked “edited”, in the same place.",
      async act(stage) {
        const [phone, laptop] = stage.devices;
        const item = laptop.messages.findLast(({ message }) => message.sender === stage.visitor);
        if (!item) throw new Broken(`The message is not on the ${phone.label}.`);
        await laptop.timeline.edit(item.message.id, { text: CORRECTED, kind: "text" });
        await both(stage, "the correction", ({ text }) => text === CORRECTED);
      },
    },
    {
      say: "Now both write at the same moment, three messages each.",
      look: "For a moment each shows its own first. Then both lists are the same: the order is the server's.",
      async act(stage) {
        await Promise.all(
          stage.devices.map(async (device) => {
            for (const n of ["one", "two", "three"]) await device.send(`${device.label} ${n}`);
          }),
        );
        for (const { label } of stage.devices)
          await both(stage, "all of them", ({ text }) => text === `${label} three`);
        await stage.until("nothing waits to be sent", () =>
          stage.devices.every(({ client }) => client.outbox.getSnapshot().length === 0),
        );
      },
    },
  ],
  async check(stage) {
    const counts = [];
    for (const device of stage.devices) counts.push(await device.compare());
    const [phone, laptop] = stage.devices.map(({ messages }) =>
      messages.map(({ message }) => `${message.id} ${message.version}`).join(),
    );
    if (phone !== laptop) throw new Broken("The two lists differ.");
    return `Both lists are the same, message for message, and the same as the server's: ${counts[0]} messages.`;
  },
};

/**
 * @param {Stage} stage
 * @param {string} what
 * @param {(body: import("./format.js").Body) => boolean} is
 */
const both = (stage, what, is) =>
  stage.until(`${what} on both devices`, () =>
    stage.devices.every(({ messages }) => messages.some(({ message }) => message.body !== null && is(message.body))),
  );

/** @type {Scene} */
const recall = {
  id: "recall",
  title: "An old message is recalled",
  short: "A recall",
  about: "What is taken back must go everywhere, however old it is, and also where it is not yet.",
  async set(stage) {
    await stage.set({ title: "A recall", messages: 500, days: 60 });
    await stage.write(3);
    await stage.device("Your device", "has the newest page");
  },
  steps: [
    {
      say: `${FRIEND} takes back a message that is on your screen.`,
      look: "It keeps its place and loses its text. Nothing else moves, and the segments stay as they are.",
      async act(stage) {
        const [device] = stage.devices;
        const on = device.messages.findLast(
          ({ message }, i) => message.sender === FRIEND && i < device.messages.length - 1,
        );
        if (!on) throw new Broken(`Nothing of ${FRIEND} is on the list.`);
        await stage.recall(on.message);
        await stage.until("it is shown as recalled", () => device.message(on.message.id)?.message.state === "recalled");
      },
    },
    {
      say: "Now one of 300 messages ago, which this device does not have.",
      look: "Nothing happens, and nothing is fetched: what is not here needs no update.",
      async act(stage) {
        const [device] = stage.devices;
        const { cursor } = await device.client.inspect();
        const found = (await stage.history("limit=300")).find(
          ({ sender, state }) => sender === FRIEND && state === "normal",
        );
        if (!found) throw new Broken(`Nothing of ${FRIEND} is that old.`);
        taken.set(stage, found);
        await stage.recall(found);
        await stage.until(
          "the device has heard of it",
          () => device.latest !== null && device.latest.cursor !== cursor,
        );
        await stage.pause(1200);
      },
    },
    {
      say: "We jump to that place.",
      look: "The old text is never shown: the page already brings the newest version. In the strip there is a second segment now.",
      async act(stage) {
        const [device] = stage.devices;
        const { id, seq } = takenIn(stage);
        if (!(await device.view.jump({ around: seq }))) throw new Broken("The jump did not get there.");
        await stage.until("it is on the list", () => device.message(id)?.message.state === "recalled");
      },
    },
  ],
  async check(stage) {
    const [device] = stage.devices;
    const count = await device.compare();
    if (device.message(takenIn(stage).id)?.message.body !== null) throw new Broken("The text is still there.");
    return `Compared with the server: ${count} messages around that place, each the newest version.`;
  },
};

const WRITTEN = ["First of six", "Second of six", "Third of six", "Fourth of six", "Fifth of six", "Last of six"];

/** @type {Scene} */
const send = {
  id: "send",
  title: "Sending on a bad network",
  short: "Bad network",
  about:
    "A request may fail before the server has seen it, or after. Sent again, a message must still be there only once.",
  async set(stage) {
    await stage.set({ title: "Bad network", messages: 20, days: 1 });
    stage.total = null;
    await stage.device("Your device", "half of its requests will fail");
  },
  steps: [
    {
      say: "The network gets bad: half of all requests fail, and half of those after the server has done what they ask for. You write five messages.",
      look: "They show at once, each with a clock: stored on this device, also across a reload. They go out one after the other.",
      async act(stage) {
        await stage.trouble({ errorRate: 0.5, delayMs: 250 });
        for (const text of WRITTEN.slice(0, 5)) {
          await stage.devices[0].send(text);
          await stage.pause(250);
        }
        await stage.pause(2000);
      },
    },
    {
      say: "Now the cable is out as well, and you write one more.",
      look: "It waits with the others. The device says that it is offline.",
      async act(stage) {
        stage.cable(false);
        await stage.until(
          "the device is offline",
          () => stage.devices[0].client.status.getSnapshot().connection === "offline",
        );
        await stage.devices[0].send(WRITTEN[5]);
        await stage.pause(1500);
      },
    },
    {
      say: "The cable is back. The network is bad for some seconds more, then good.",
      look: "Clock, one tick, two ticks: all six go, in the order in which they were written. Those that were sent twice are there once.",
      async act(stage) {
        stage.cable(true);
        const [{ client }] = stage.devices;
        const done = () => client.outbox.getSnapshot().length === 0;
        const end = performance.now() + 6000;
        while (!done() && performance.now() < end) await stage.pause(100);
        await stage.trouble({});
        await stage.until("nothing waits to be sent", done);
        await stage.until("all six have come back with the sync", () => own(stage).length >= WRITTEN.length);
      },
    },
  ],
  async check(stage) {
    const count = await stage.devices[0].compare();
    const there = (await stage.history("limit=100"))
      .filter(({ sender }) => sender === stage.visitor)
      .map(({ body }) => body?.text);
    if (there.join() !== WRITTEN.join()) throw new Broken(`The server has: ${there.join(", ")}.`);
    return `The server has all six, each once and in order, and so has the list: ${count} messages.`;
  },
};

/** @param {Stage} stage */
const own = ({ devices: [device], visitor }) => device.messages.filter(({ message }) => message.sender === visitor);

/** @type {Scene} */
const jump = {
  id: "jump",
  title: "A jump into the past",
  short: "A jump",
  about: "To read what was said a year ago, a device need not fetch the year. It must only never pretend that it has.",
  async set(stage) {
    await stage.set({ title: "A jump", messages: 2000, days: 800 });
    await stage.device("Your device", "has the newest page");
  },
  steps: [
    {
      say: "We jump one year back.",
      look: "One page around that day is fetched. In the strip it is a second segment, with a gap on either side.",
      async act(stage) {
        const [device] = stage.devices;
        if (!(await device.view.jump({ at: Date.now() - 365 * DAY }))) throw new Broken("The jump did not get there.");
        await stage.until("there are two segments", () => device.segments.length === 2);
      },
    },
    {
      say: "We read on from there, towards today.",
      look: "The segment grows at its newer end, page by page.",
      async act(stage) {
        const [device] = stage.devices;
        const before = device.latest?.cachedMessages ?? 0;
        await device.read("newer", "three more pages", () => (device.latest?.cachedMessages ?? 0) >= before + 90);
      },
    },
    {
      say: `Meanwhile ${FRIEND} writes twice.`,
      look: "The list stays where you read. The newest segment grows, and the round button counts what you have not seen.",
      async act(stage) {
        const [device] = stage.devices;
        await stage.write(2);
        await stage.until("two are counted as unseen", () => device.snapshot.unseen >= 2);
        await stage.pause(600);
      },
    },
    {
      say: "A second jump, to a place close to today. From there we read on until the segments meet.",
      look: "The gap goes: two segments become one. From here on new messages come in by themselves again.",
      async act(stage) {
        const [device] = stage.devices;
        const [near] = await stage.history("limit=130");
        if (!(await device.view.jump({ around: near.seq }))) throw new Broken("The jump did not get there.");
        await stage.until("there are three segments", () => device.segments.length === 3);
        await stage.pause(1200);
        await device.read("newer", "the newest message is reached", () => !device.snapshot.hasNewer);
        await device.view.toNewest();
        await stage.until(
          "the segments have met",
          () => device.segments.length === 2 && device.segments.some(({ live, count }) => live && count > 100),
        );
      },
    },
  ],
  async check(stage) {
    const [device] = stage.devices;
    const count = await device.compare();
    return `Compared with the server: ${count} messages up to the newest, none missing where segments met. Only ${number(device.latest?.cachedMessages ?? 0)} of ${number(stage.total ?? 0)} had to be fetched.`;
  },
};

export const SCENES = [lost, week, devices, recall, send, jump, tabs];
