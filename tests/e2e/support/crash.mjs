// The browser is killed, again and again, in the middle of its work: `npm run crash-test` a hundred times,
// crash.test.mjs four times.
//
// A life (`crash/life.mjs`) is one profile on the disk and one account, with a scope and an overflow policy. Its
// browser catches up with thousands of messages in small batches, pages through a history, writes messages, or all of
// that at once, while others write, edit, recall, and force overflows; at a moment drawn from the seed every one of
// its processes gets SIGKILL. Three tabs share the account and the work. Up to two times before that the process of
// the one that writes for all gets SIGKILL, and another tab takes its place. Then the browser is started again on the
// same profile:
//
// 1. With no server in reach, what it has must be true (`crash/wreck.mjs`). The truth is the server's: a second
//    account, a member of the same conversations whose log never overflows, is asked what was committed after the
//    cursor that the client would ask with. Only that may be missing, or held in an older version.
// 2. Online again (`crash/recovery.mjs`), each list must become the server's, and every message whose `send` had
//    resolved must have arrived exactly once, every other at most once, each tab's in the order written. What has
//    resolved is told to this process as it happens, so it is known whatever becomes of the browser.

import { join } from "node:path";
import { Life, PHASES } from "./crash/life.mjs";
import { checkRecovery } from "./crash/recovery.mjs";
import { checkWreck } from "./crash/wreck.mjs";
import { demo, startServer, temporaryFolder } from "./harness.mjs";
import { SEQS } from "./lists.mjs";
import { random } from "./page/random.js";

export { PHASES };

const SCOPES = ["account", "conversation", "mailbox"];
const POLICIES = ["clear", "keep"];

/**
 * Kills a browser so many times.
 * @param {object} options
 * @param {number} options.kills
 * @param {number} options.seed
 * @param {number} [options.perLife] kills of one profile
 * @param {number} [options.tabs] of each browser
 * @param {string[]} [options.phases]
 * @param {(line: string) => void} [options.say]
 * @returns {Promise<string[]>} figures
 */
export async function crashTest({ kills, seed, perLife = 4, tabs = 3, phases = PHASES, say = () => {} }) {
  const next = random(seed);
  const file = join(temporaryFolder(), "chat.sqlite");
  const server = await startServer({
    args: [...SEQS, "--db", file, "--overflow-after", "200000", "--notify-interval", "20", "--resend-after", "1000"],
  });
  const at = demo(server);
  const sum = {
    ...{ kills: 0, replaced: 0, lives: 0, processes: 0, again: 0, phases: {}, ways: {} },
    ...{ middle: 0, cursor: 0, history: 0, outbox: 0 },
    ...{ held: 0, shown: 0, compared: 0 },
    ...{ accepted: 0, undecided: 0, unresolvedArrived: 0, answersLost: 0 },
  };
  const offset = next(SCOPES.length * POLICIES.length);
  try {
    for (let number = 0; sum.kills < kills; number++) {
      const scope = SCOPES[(number + offset) % SCOPES.length];
      const overflow = POLICIES[Math.floor((number + offset) / SCOPES.length) % POLICIES.length];
      const life = new Life({ server, at, next, name: `life${number}`, scope, overflow, tabs });
      sum.lives += 1;
      let run = null;
      try {
        await life.begin();
        await life.launch();
        const phaseOf = (kill) => phases[(kill + offset) % phases.length];
        // some are first killed before they have ever been in sync; what catches up has been
        if (next(3) || phaseOf(sum.kills) === "catch-up") await checkRecovery(life);
        const many = Math.min(kills - sum.kills, perLife);
        for (let i = 1; i <= many; i++) {
          const phase = phaseOf(sum.kills);
          run = await life.run(phase, next(2 ** 31));
          sum.kills += 1;
          sum.processes += run.killed;
          sum.replaced += run.replaced;
          sum.phases[phase] = (sum.phases[phase] ?? 0) + 1;
          sum.ways[`${scope}, ${overflow}`] = (sum.ways[`${scope}, ${overflow}`] ?? 0) + 1;
          await life.launch();
          const wreck = await checkWreck(life, run);
          for (const what of ["cursor", "history", "outbox"]) sum[what] += Number(wreck[what]);
          sum.middle += Number(wreck.cursor || wreck.history || wreck.outbox);
          for (const what of ["held", "shown", "answersLost"]) sum[what] += wreck[what];
          // some are killed again before they have recovered
          const again = i < many && !next(4);
          sum.again += Number(again);
          const recovery = again ? null : await checkRecovery(life);
          sum.compared += recovery?.compared ?? 0;
          // of the whole life
          if (i === many) sum.unresolvedArrived += recovery.unresolvedArrived;
          const then = again ? "killed again before it recovered" : JSON.stringify(recovery);
          say(
            `kill ${sum.kills} of ${kills}: ${scope}, ${overflow}, ${phase}: ${JSON.stringify(run.told)}, ${run.killed} processes, ${run.replaced} tabs before that; ${JSON.stringify(wreck)}; ${then}`,
          );
        }
        sum.accepted += life.accepted.size;
        sum.undecided += life.sent.filter(({ text, called }) => called && !life.accepted.has(text)).length;
        await life.end();
      } catch (error) {
        const state = {
          right: life.right,
          overflown: life.overflown,
          sent: life.sent.length,
          accepted: life.accepted.size,
          wrong: life.wrong,
        };
        await life.end().catch(() => {});
        const what = `seed ${seed}, kill ${sum.kills}: ${scope}, ${overflow}, after ${JSON.stringify(run)}`;
        throw new Error(`${what}:\n${error.message}\n${JSON.stringify(state)}`, { cause: error });
      }
    }
  } finally {
    await server.stop();
  }
  const each = (counts) =>
    Object.entries(counts)
      .map(([what, count]) => `${what} ${count}`)
      .join("; ");
  return [
    `${sum.kills} kills (${each(sum.phases)}) of ${sum.processes} processes, on ${sum.lives} profiles (${each(sum.ways)}); ${sum.replaced} tabs were killed before that, as the one that wrote`,
    `${sum.middle} hit in the middle of something: ${sum.cursor} with the cursor partly through a catch-up, ${sum.history} with a history partly read, ` +
      `${sum.outbox} with messages written and not delivered; ${sum.again} were killed again before they had recovered`,
    `offline after the kill, ${sum.held} messages in segments and ${sum.shown} items in lists were checked; online, ${sum.compared} messages were compared`,
    `${sum.accepted} sends had resolved, and each arrived once; of ${sum.undecided} that had not, ${sum.unresolvedArrived} arrived, once; ` +
      `${sum.answersLost} were on the server while the outbox still had them`,
  ];
}
