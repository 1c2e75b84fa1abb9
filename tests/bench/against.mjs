// Two builds of the package side by side, in one browser and one run: whether a change made it slower.

import { median } from "./numbers.mjs";
import { call, openPage, rotated } from "./pages.mjs";

const PAGE_SIZE = 30;
const PAGES = 100;
const CONVERSATION = "#ubuntu";

/** s of CPU that the page's main thread has taken so far @param {import("playwright-core").CDPSession} session */
async function threadTime(session) {
  const { metrics } = await session.send("Performance.getMetrics");
  return metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0;
}

/**
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ urls: [string, string], count: number, rounds: number, say: (text: string) => void }} options `urls`: a
 *   server of each package (tests/bench/server.mjs); `count`: messages to catch up with
 * @returns {Promise<{ catchUp: number, cpu: number, page: number, cold: number }[][]>} ms, a round and build: the
 *   catch-up, the CPU of the page's thread in it, the median page, a cold open with the wasm loaded
 */
export async function measureAgainst(context, { urls, count, rounds, say }) {
  const builds = [];
  for (const url of urls) {
    const page = await openPage(context, url);
    const session = await context.newCDPSession(page);
    await session.send("Performance.enable", { timeDomain: "threadTicks" });
    await call(page, "loadMessages");
    builds.push({ page, session });
  }
  const measured = builds.map(() => /** @type {any[]} */ ([]));
  for (let round = 0; round < rounds; round++) {
    for (const at of rotated([0, 1], round)) {
      const { page, session } = builds[at];
      await page.bringToFront();
      const database = `bench-${round}`;
      const before = await threadTime(session);
      const catchUp = await call(page, "catchUp", "pullcord", database, count);
      const cpu = 1000 * ((await threadTime(session)) - before);
      const pages = await call(page, "pageBack", "pullcord", database, count, CONVERSATION, PAGE_SIZE, PAGES);
      const cold = await call(page, "coldOpen", database, CONVERSATION, PAGE_SIZE, { warm: true });
      await call(page, "remove", "pullcord", database);
      measured[at].push({ catchUp, cpu, page: median(pages), cold });
    }
    say(`round ${round + 1} of ${rounds}: ${measured.map((of) => of[round].catchUp.toFixed(0)).join(" and ")} ms`);
  }
  for (const { page } of builds) await page.close();
  return measured;
}
