// A conversation of 10,000 messages after an overflow in which 20 of them were changed: what is kept is revalidated
// (R12), what is cleared is fetched again.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { demo, openPage, startServer, temporaryFolder } from "../e2e/support/harness.mjs";
import { meter } from "./meter.mjs";

const MESSAGES = 10_000;
const CHANGED = 20;
/** messages asked for at a time, where the app says so: as many as the server gives */
const PAGE = 1000;
const TALK = "talk";
/** whose messages can be edited here */
const EDITOR = "grace";

/** The newest messages of the file as one conversation; of those that will be edited, the sender is one who can. */
function excerpt(text) {
  const file = join(temporaryFolder(), "talk.jsonl");
  const lines = text
    .split("\n")
    .slice(-MESSAGES)
    .map((line, index) => {
      const message = JSON.parse(line);
      return JSON.stringify({
        ...message,
        conversation: TALK,
        n: index + 1,
        sender: index % (MESSAGES / CHANGED) === 0 ? EDITOR : message.sender,
      });
    });
  writeFileSync(file, `${lines.join("\n")}\n`);
  return file;
}

/** As far as it has come back: the whole conversation is held, and fresh. */
const wholeAgain = async () => {
  const page = /** @type {any} */ (globalThis);
  const { segments } = await page.client.inspect("talk");
  return segments.length === 1 && segments[0].fresh && segments[0].live && segments[0].start;
};

/**
 * @param {import("playwright-core").BrowserContext} context
 * @param {{ text: string, pkg: string, rounds: number, say: (text: string) => void }} options `text`: the messages, one
 *   JSON object a line
 */
export async function measureRevalidation(context, { text, pkg, rounds, say }) {
  const server = await startServer({ pkg, args: ["--import", excerpt(text)] });
  try {
    const at = demo(server);
    const edited = (
      await Promise.all(
        Array.from({ length: MESSAGES / PAGE }, (_, page) =>
          at.history(EDITOR, TALK, `limit=${PAGE}&after=${page * PAGE}`),
        ),
      )
    )
      .flat()
      .filter((message) => message.sender === EDITOR);
    const open = async (overflow, round) => {
      const through = await meter(server.url);
      const page = await openPage(context, through);
      await page.evaluate(
        async ({ user, overflow, account }) => {
          const page = /** @type {any} */ (globalThis);
          page.open = async () => {
            const transport = { baseUrl: location.origin, token: () => `demo-${user}` };
            // no pull by itself, and no page that was not asked for: only the catching up is measured
            const sync = { notify: "poll", pollInterval: 3_600_000, fallbackPollInterval: 3_600_000 };
            page.client = await page.pullcord.createClient({ account, transport, sync, overflow, prefetch: false });
            await page.e2e.caughtUp(page.client);
          };
          /** Everything, in the list's own steps, until all of it is fresh. */
          page.readAll = async (size) => {
            const timeline = page.client.timeline("talk");
            const stop = timeline.subscribe(() => {});
            const fresh = () =>
              page.e2e.until(
                timeline,
                (now) => now.status === "ready" && now.items.every((item) => item.kind === "message" && item.fresh),
              );
            await fresh();
            while (!(await timeline.loadOlder({ limit: size })).end);
            await fresh();
            stop();
            timeline.close();
          };
          await page.open();
        },
        { user: "ada", overflow, account: `bench ${overflow} ${round}` },
      );
      return { page, through };
    };

    const ways =
      /** @type {Record<string, { requests: Record<string, number>, up: number, down: number, ms: number }[]>} */ ({
        keep: [],
        clear: [],
      });
    for (let round = 0; round < rounds; round += 1) {
      const order = round % 2 ? ["clear", "keep"] : ["keep", "clear"];
      const devices = {};
      for (const overflow of order) {
        devices[overflow] = await open(overflow, round);
        await devices[overflow].page.evaluate((size) => /** @type {any} */ (globalThis).readAll(size), PAGE);
        await devices[overflow].page.evaluate(() => /** @type {any} */ (globalThis).client.close());
      }
      for (const message of edited) {
        const response = await fetch(`${server.url}/v1/conversations/${TALK}/messages/${message.id}`, {
          method: "PATCH",
          headers: { authorization: `Bearer demo-${EDITOR}`, "content-type": "application/json" },
          body: JSON.stringify({
            clientId: `round ${round} of ${message.id}`,
            body: { text: `changed in round ${round}` },
          }),
        });
        if (!response.ok) throw new Error(`edit: ${response.status}`);
      }
      await at.overflow("ada");
      for (const overflow of order) {
        const { page, through } = devices[overflow];
        // the pull that brings the overflow is the same for both, and not measured
        await page.evaluate(() => /** @type {any} */ (globalThis).open());
        const from = { up: through.up(), down: through.down() };
        const { ms, requests, changed } = await page.evaluate(
          async ({ size, round }) => {
            const page = /** @type {any} */ (globalThis);
            const before = (await page.client.inspect()).requests;
            const began = performance.now();
            await page.readAll(size);
            const ms = performance.now() - began;
            const after = (await page.client.inspect()).requests;
            const requests = Object.fromEntries(
              Object.keys(after)
                .filter((kind) => after[kind] > before[kind])
                .map((kind) => [kind, after[kind] - before[kind]]),
            );
            const timeline = page.client.timeline("talk", { maxItems: 20_000 });
            const stop = timeline.subscribe(() => {});
            await page.e2e.until(timeline, (now) => now.status === "ready");
            while (!(await timeline.loadOlder({ limit: size })).end);
            const changed = timeline
              .getSnapshot()
              .items.filter((item) => page.e2e.textOf(item) === `changed in round ${round}`).length;
            stop();
            timeline.close();
            return { ms, requests, changed };
          },
          { size: PAGE, round },
        );
        if (changed !== CHANGED) throw new Error(`${overflow}: ${changed} of ${CHANGED} changes were seen`);
        if (!(await page.evaluate(wholeAgain))) throw new Error(`${overflow}: the conversation is not whole again`);
        ways[overflow].push({ ms, requests, up: through.up() - from.up, down: through.down() - from.down });
        await page.evaluate(() => /** @type {any} */ (globalThis).client.wipe());
        await page.close();
        through.close();
      }
      say(
        `round ${round + 1} of ${rounds}: revalidated in ${ways.keep[round].ms.toFixed(0)} ms, fetched again in ${ways.clear[round].ms.toFixed(0)} ms`,
      );
    }
    return { messages: MESSAGES, changed: CHANGED, page: PAGE, ways };
  } finally {
    await server.stop();
  }
}
