// What others do to the conversations of a life, and to its account.

import { random } from "../page/random.js";
import { edit, pause, recall } from "../world.mjs";
import { head, seqOf, unacknowledged } from "./truth.mjs";

export class Others {
  /** @type {import("./life.mjs").Life} */
  #life;
  #bobs = [];

  constructor(life) {
    this.#life = life;
  }

  #aTalk(chance) {
    const { talks } = this.#life;
    return talks[chance(talks.length)];
  }

  async #say(chance) {
    const { at, bob } = this.#life;
    const message = await at.send(bob, this.#aTalk(chance), `Bob says ${chance(1e9)}`);
    this.#bobs.push(message);
    if (this.#bobs.length > 60) this.#bobs.shift();
  }

  /** One thing that somebody else does. `wild`: an overflow may be forced. */
  async meddle(chance, wild) {
    const { at, server, bob } = this.#life;
    const own = this.#bobs[chance(this.#bobs.length || 1)];
    const changed = (error) => {
      // recalled already
      if (error.status !== 409) throw error;
    };
    const what = chance(wild ? 40 : 39);
    if (what < 12 || !own) await this.#say(chance);
    else if (what < 22) await edit(server, bob, own, `edited ${chance(1e9)}`).catch(changed);
    else if (what < 27) await recall(server, bob, own).catch(changed);
    else if (what < 35) await at.bulk(this.#aTalk(chance), 1 + chance(40), `others ${chance(1e9)}`);
    else if (what < 39) await this.#late(chance);
    else await this.forceOverflow(chance(2) ? [this.#aTalk(chance)] : undefined);
  }

  /** A message that is committed late, below the newest. */
  async #late(chance) {
    const { at, bob } = this.#life;
    const conversation = this.#aTalk(chance);
    const [last] = await at.history(bob, conversation, "limit=1");
    const seq = String(seqOf(last) - 10n * BigInt(chance(15)) - BigInt(1 + chance(9)));
    await at
      .post("/demo/late-insert", { conversation, seq, sender: "Mara", body: { text: `late ${seq}` } })
      .catch((error) => {
        // the place is taken
        if (!/: 409 /.test(error.message)) throw error;
      });
  }

  async forceOverflow(conversations) {
    const life = this.#life;
    const { at, server, witness, user } = life;
    // what was acknowledged before it: afterwards the mailbox only tells that it begins anew
    if (life.scope === "mailbox" && !life.overflown) {
      const since = await head(server, witness);
      life.beforeOverflow = { since, events: await unacknowledged(server, witness, user) };
    }
    life.overflown = true;
    await at.overflow(user, conversations);
  }

  /** Others go on until the kill. */
  goOn(seed, wild) {
    const chance = random(seed);
    let stopping = false;
    const running = (async () => {
      while (!stopping) {
        await this.meddle(chance, wild);
        await pause(chance(60));
      }
    })();
    running.catch(() => {});
    return () => {
      stopping = true;
      return running;
    };
  }
}
