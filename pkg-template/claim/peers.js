// The other clients of an account: what is told to them and heard of them, and whether they may live together.
//
// | message      |                                                                                           |
// | ------------ | ----------------------------------------------------------------------------------------- |
// | hello        | I am here: who writes? `fresh`: I have just opened                                        |
// | took, here   | I write: since `at`; the lock `mark` bears my name. `hidden`: nobody has seen me for long |
// | gone         | I do not write any more. `to`: that one is to                                             |
// | want         | `to`: give me the work                                                                    |
// | offer        | `to`: take the work. `round`: who has had it                                              |
// | roll         | who is there?                                                                             |
// | present      | `to`: I am                                                                                |
// | engine       | `bytes`: of my engine for yours                                                           |
// | wipe         | close, the account's data is being deleted                                                |
//
// Each says who it is of (`by`), when that one was made (`age`), the age of the last that has taken over (`era`), and
// what those that share have in common (`as`); one that is there for one sync, that it `yields`.

import { PullcordError, wiped } from "../errors.js";
import { newId } from "../ids.js";
import { Channel } from "./channel.js";
import { ticks } from "./timers.js";

/** ms within which two clients may open at once */
const AT_ONCE = 1000;
/** ms that others have to say that they are there */
const ROLL = 300;

/** digits of the time in a client's age */
const AGE_DIGITS = 16;

let lastBorn = 0;

/** When a client was made, in the order of making: as text, that of a later one is greater. @param {string} id */
function ageOf(id) {
  lastBorn = Math.max(Date.now(), lastBorn + 1);
  return `${String(lastBorn).padStart(AGE_DIGITS, "0")} ${id}`;
}

export class Peers {
  id = newId();
  #age = ageOf(this.id);
  /** what is older is to close */
  #era = "";
  #as;
  #yields;
  #name;
  #on;
  #timers;
  #channel;
  /** where a client that shares with its page alone hears that the account is wiped @type {Channel | null} */
  #wide = null;
  #greetedAt = Infinity;
  /** its age was put after a take-over that was there before it */
  #isLater = false;
  /** nobody knows it before it greets, and nobody hears of it once it wipes */
  #isSilent = true;
  #isDeaf = false;
  /** @type {Promise<{ id: string, hidden: boolean }[]> | null} */
  #rolling = null;
  /** ends it with who has answered */
  #rolled = () => {};
  /** @type {Map<string, boolean>} those that have answered, and whether they are hidden */
  #present = new Map();

  /**
   * @param {string} account
   * @param {string} as what those that share have in common
   * @param {boolean} yields it ends no other, however new it is
   * @param {import("./timers.js").Timers} timers
   * @param {object} on
   * @param {(message: any) => void} on.heard of one that shares
   * @param {(error: PullcordError) => void} on.asked this client has to close
   * @param {() => boolean} on.isSpectator it has nothing that could be taken over
   */
  constructor(account, as, yields, timers, on) {
    this.#as = as;
    this.#yields = yields;
    this.#timers = timers;
    this.#on = on;
    this.#name = `pullcord:${account}`;
    this.#channel = new Channel(this.#name, false, (message) => this.#heard(message));
  }

  open() {
    this.#channel.open();
    this.#wide?.open();
  }

  close() {
    this.#channel.close();
    this.#wide?.close();
    this.#rolled();
  }

  /**
   * From here on it shares with its like in this page. To be called while it is closed.
   * @param {boolean} isAlone and there is none like it
   */
  keepToPage(isAlone) {
    this.#wide = new Channel(this.#name, false, (message) => message?.type === "wipe" && this.#heard(message));
    const where = isAlone ? ` in memory of ${this.id}` : " in memory";
    this.#channel = new Channel(this.#name + where, true, (message) => this.#heard(message));
  }

  // ------------------------------------------------------------ telling

  /** @param {string} type @param {object} more */
  tell(type, more = {}) {
    if (this.#isSilent) return;
    const yields = this.#yields || undefined;
    this.#channel.tell({ type, by: this.id, age: this.#age, era: this.#era, as: this.#as, yields, ...more });
  }

  /** It is open. @param {boolean} takesOver all that are older are to close */
  greet(takesOver) {
    if (takesOver) this.#era = this.#age;
    this.#greetedAt = ticks();
    this.#isSilent = false;
    this.tell("hello", { fresh: true });
  }

  /** Has all others close, and says and hears nothing from here on: it neither shares nor stays. */
  wipe() {
    this.open();
    for (const channel of [this.#channel, this.#wide]) channel?.tell({ type: "wipe", by: this.id });
    this.#isSilent = true;
    this.#isDeaf = true;
  }

  /** @returns {Promise<{ id: string, hidden: boolean }[]>} who else is there, and may write */
  rollCall() {
    this.#rolling ??= new Promise((resolve) => {
      this.#present.clear();
      this.#rolled = () => {
        this.#rolling = null;
        resolve([...this.#present].map(([id, hidden]) => ({ id, hidden })));
      };
      this.tell("roll");
      this.#timers.in("roll", ROLL, this.#rolled);
    });
    return this.#rolling;
  }

  // ------------------------------------------------------------ hearing

  /** @param {any} message */
  #heard(message) {
    if (typeof message !== "object" || message === null) return;
    if (message.type === "wipe") {
      this.#on.asked(wiped());
      return;
    }
    if (this.#isDeaf || ![message.by, message.age, message.era].every((said) => typeof said === "string")) return;
    if (!this.#agrees(message)) return;
    if (message.type !== "present") this.#on.heard(message);
    else if (message.to === this.id) this.#present.set(message.by, message.hidden === true);
  }

  /**
   * What others say of a take-over as this one opens was before it, also where the clock has been put back since.
   * @param {string} era @param {unknown} fresh
   */
  #comesAfter(era, fresh) {
    if (this.#isLater || fresh || era <= this.#age) return;
    if (ticks() - this.#greetedAt > AT_ONCE) return;
    // once: of two that take over at the same time one has to end
    this.#isLater = true;
    const before = this.#age;
    lastBorn = Math.max(lastBorn, Number(era.slice(0, AGE_DIGITS)) || 0);
    this.#age = ageOf(this.id);
    if (this.#era === before) this.#era = this.#age;
  }

  /**
   * Whether the two may live together; if not, the older one ends. Where it is the other one, it is told.
   * @param {any} message
   */
  #agrees({ as, age, era, fresh, yields }) {
    this.#comesAfter(era, fresh);
    // One that opens now is newer, whatever the clocks say; but where this one has just opened itself.
    const isNewer = (/** @type {string} */ than) => (fresh && ticks() - this.#greetedAt > AT_ONCE) || than > this.#age;
    if (as !== this.#as) {
      if (this.#yields || (isNewer(age) && !yields)) this.#on.asked(outdated());
      else this.tell("hello");
      return false;
    }
    if (era > this.#era || (fresh && era === age)) {
      if (!this.#on.isSpectator() && isNewer(era)) {
        this.#on.asked(takenOver());
        return false;
      }
      if (era > this.#era) this.#era = era;
    } else if (era < this.#era && age < this.#era) {
      this.tell("hello");
      return false;
    }
    return true;
  }
}

function takenOver() {
  return new PullcordError("closed", "another client of this account has taken over");
}

function outdated() {
  return new PullcordError(
    "outdated",
    "a newer client has this account, of another version, scope or server: reload the page",
  );
}
