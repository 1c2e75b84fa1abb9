// Which client of an account writes: of all tabs, and of all clients of a page (docs/rules.md, R15).
//
// The writer holds the account's lock, and beside it one that bears its own name, which it tells the others. They wait
// for that one in shared mode: when it comes, the writer has gone. Nobody queues for the account's lock but who is to
// have it next. A channel carries what the clients tell each other, and the bytes of their engines.
// The locks are hints, the store's fence is the truth. Where there are no Web Locks the channel alone decides.
//
// | state      | it has                | it waits for                                                              |
// | ---------- | --------------------- | ------------------------------------------------------------------------- |
// | new        | nothing               | `start`, and then `greet`: till then it says nothing                      |
// | seeking    | nothing               | the account's lock: at once, hidden later, with ifOpen "wait" last of all |
// | following  | nothing               | the lock that bears the writer's name; for want of it, the writer's word  |
// | writing    | account's, own        |                                                                           |
// | giving     | account's, own        | its running commit: then it is another's turn                             |
// | asleep     | nothing, no channel   | `wake`                                                                    |
// | over       | nothing, no channel   |                                                                           |
//
// | input                     | seeking      | following            | writing                    | giving       |
// | ------------------------- | ------------ | -------------------- | -------------------------- | ------------ |
// | took, here (of another)   | following    | following that one   | following, if it was later | following    |
// | gone, the writer's lock   |              | seeking              |                            |              |
// | the account's lock        | writing      | writing              |                            |              |
// | it is taken away          |              |                      | seeking                    | seeking      |
// | here, hidden              | following    | asks for the work    |                            |              |
// | want (hidden, or offered) |              |                      | giving                     |              |
// | fenced                    |              |                      | seeking, a little later    | as writing   |
// | stuck                     | takes it     | takes it by force    |                            |              |
// | not promoted within 5 s   |              |                      | seeking, a minute later    |              |
// | rest, release             | asleep, over | asleep, over         | asleep, over               | asleep, over |
//
// Nothing here waits for ever, and nothing ends a client but who says so: one that takes over or wipes, or a newer
// client that cannot share with this one.

import { within } from "../errors.js";
import { Locks } from "./locks.js";
import { Peers } from "./peers.js";
import { Growing, Timers, ticks } from "./timers.js";

/** ms that a hidden client waits longer than a visible one, before it asks for the lock of a writer that has gone */
const HIDDEN_LATER = 300;
/** likewise one that is to wait until all others have gone */
const WAIT_LATER = 600;
/** likewise one that has just stood back: whoever is to have the work has it within that time */
const STOOD_BACK_LATER = 1000;
/** ms after which the later of two that took their turn at once makes sure that its fence is the later one, too */
const AGAIN = 300;
/** ms after which one that seeks asks who writes, again and again */
const ASK = 500;
const ASK_AGAIN = 2000;
/** ms that one that seeks in sight waits for a lock whose holder says nothing */
const SEEK = 6000;
/** ms that a client has to close for one that takes over, before its lock is stolen */
const PATIENCE = 2000;
/** ms between two questions whether a writer is still there, whose lock cannot be waited for */
const LOOK = 5000;
const LOOK_HIDDEN = 20_000;
/** ms that it has to answer */
const ANSWER = 2000;
const LOOK_MOST = 60_000;
/** ms that a writer has to commit its fence and to read the database */
const PROMISE = 5000;
/** ms until one that could not tries again */
const BARRED = 60_000;
/** ms that a writer is hidden before it is asked for the work */
const HIDDEN = 10_000;
/** ms that a writer has to finish a commit before it stands back */
const REST = 5000;
/** ms that one that asks for the work waits for it: longer than the writer takes */
const WANT = 6000;
/** ms between two takings by force, twice as many each time */
const FORCE = 10_000;
const FORCE_MOST = 320_000;
/** ms that one has to take what it is offered */
const OFFER = 1000;
/** ms within which an offer goes to each client once */
const ROUND = 60_000;

/** @typedef {{ name: string, pageOnly: boolean }} Mark the lock that bears a writer's name, and who can wait for it */
/** @typedef {{ by: string, at: number, mark: Mark | null }} Writer */
/** @typedef {{ began: number, ids: string[] }} Round clients that have had the work since then, because of a refusal */

/** One client's claim to write for an account. */
export class Claim {
  #account;
  #ifOpen;
  #pageOnly;
  #isAlone;
  #isHidden;
  #isBrief;
  #handlers;
  #locks;
  #timers = new Timers();
  #peers;
  /** @type {"new" | "seeking" | "following" | "writing" | "giving" | "asleep" | "over"} */
  #state = "new";
  #isOpen = false;
  #hasGreeted = false;

  /** The account's lock, asked for or held. @type {import("./locks.js").Grip | null} */
  #grip = null;
  /** The last of those. @type {import("./locks.js").Grip | null} */
  #lastGrip = null;
  /** The one that bears this writer's name. @type {import("./locks.js").Grip | null} */
  #own = null;
  /** The one that bears the writer's name that is followed. @type {import("./locks.js").Grip | null} */
  #watch = null;
  /** The right to take the account by force. @type {import("./locks.js").Grip | null} */
  #candidacy = null;
  #marks = 0;

  /** Who writes, as far as it is heard. @type {Writer | null} */
  #writer = null;
  #heardWriter = false;
  /** when this one became the writer, ms since the epoch, more each time */
  #tookAt = 0;
  #isPromoted = false;
  #longHidden = false;
  /** it is about to delete the account's data: it follows nobody any more */
  #isEvicting = false;
  /** before that time it does not try, for it could not */
  #barredUntil = -Infinity;
  #forcing = new Growing(FORCE, FORCE_MOST);
  #fencings = new Growing(LOOK, LOOK_MOST);
  /** @type {Round | null} */
  #round = null;
  #offeredTo = "";
  /** it asks for work that it was offered, and not for that of a hidden writer */
  #isOffered = false;
  #settle = () => {};
  /** it writes, or is over */
  #settled = new Promise((resolve) => {
    this.#settle = () => resolve(undefined);
  });

  /**
   * @param {string} account
   * @param {object} options
   * @param {"share" | "wait" | "take-over"} [options.ifOpen]
   * @param {string} [options.as] what clients that share have in common
   * @param {boolean} [options.pageOnly] it shares with its like in this page
   * @param {boolean} [options.isAlone] and that would be with nobody: its memory is not the page's
   * @param {boolean} [options.hidden] nobody looks at the page, until `look` says otherwise
   * @param {boolean} [options.brief] it is there for one sync: it is never preferred, and ends no other client
   * @param {object} handlers
   * @param {() => void} handlers.held from here on this client writes; also where it has to make sure of it again
   * @param {() => void} [handlers.lost] it does not write any more, until it is held again
   * @param {() => Promise<void>} [handlers.rest] it finishes its commit, and stands back
   * @param {(bytes: Uint8Array) => void} [handlers.heard] another client's engine has said this
   * @param {(error: import("../errors.js").PullcordError) => void} handlers.asked it has to close, then `release`
   * @param {(message: string) => void} [handlers.warn]
   */
  constructor(account, options, handlers) {
    const { ifOpen = "share", as = "", pageOnly = false, isAlone = false, hidden = false, brief = false } = options;
    this.#account = account;
    this.#ifOpen = ifOpen;
    this.#pageOnly = pageOnly;
    this.#isAlone = isAlone;
    this.#isHidden = hidden || brief;
    this.#isBrief = brief;
    this.#handlers = handlers;
    this.#locks = this.#newLocks();
    this.#peers = new Peers(account, as, brief, this.#timers, {
      heard: (message) => this.#heard(message),
      asked: handlers.asked,
      isSpectator: () => ifOpen === "wait" && !this.isHeld,
    });
    if (pageOnly) this.#peers.keepToPage(isAlone);
  }

  #newLocks() {
    return new Locks(this.#pageOnly, (message) => this.#handlers.warn?.(message));
  }

  /** @param {string} what */
  #lockName(what) {
    const where = this.#pageOnly ? ` in memory${this.#isAlone ? ` of ${this.#peers.id}` : ""}` : "";
    return `pullcord${where}${what}:${this.#account}`;
  }

  /** It writes, as far as the locks say. */
  get isHeld() {
    return this.#state === "writing" || this.#state === "giving";
  }

  /** Once it neither holds the account nor gets it by a request that was on its way. */
  get untied() {
    return this.#lastGrip?.released ?? Promise.resolve();
  }

  get #isActive() {
    return this.#state !== "new" && this.#state !== "asleep" && this.#state !== "over";
  }

  /** It has no writer, or is to have the work of the one that it has. */
  get #isIdle() {
    return this.#state === "seeking" || this.#state === "following";
  }

  // ------------------------------------------------------------ what is told and heard

  /** A message for the other clients' engines. @param {Uint8Array} bytes */
  tell(bytes) {
    // of a view the whole memory of the wasm would be copied
    const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    this.#peers.tell("engine", { bytes: own });
  }

  #sayHere() {
    this.#peers.tell("here", {
      at: this.#tookAt,
      mark: this.#mark,
      hidden: this.#longHidden && this.#state === "writing",
    });
  }

  /** @type {Mark | null} */
  get #mark() {
    if (!this.#own?.isHeld || !this.#locks.areShared) return null;
    return { name: this.#ownName, pageOnly: this.#pageOnly };
  }

  get #ownName() {
    return `pullcord writer ${this.#peers.id}.${this.#marks}`;
  }

  /** @param {any} message of another that shares */
  #heard(message) {
    const { type, by } = message;
    if (by === this.#writer?.by) this.#heardWriter = true;
    const isForThis = message.to === this.#peers.id;
    switch (type) {
      case "engine":
        // not by instanceof: in jsdom a channel's are of another realm
        if (ArrayBuffer.isView(message.bytes)) this.#handlers.heard?.(message.bytes);
        return;
      case "hello":
        if (this.isHeld) this.#sayHere();
        return;
      case "took":
      case "here":
        this.#otherWrites(message);
        return;
      case "gone":
        this.#otherGone(message);
        return;
      case "want":
        if (isForThis) this.#wanted(by);
        return;
      case "roll":
        if (this.#ifOpen !== "wait") this.#peers.tell("present", { to: by, hidden: this.#isHidden });
        return;
      case "offer":
        // also of one that is offered to another
        this.#round = message.round;
        if (isForThis) this.#offered(by);
    }
  }

  // ------------------------------------------------------------ begin

  /**
   * Begins. Resolves soon, and once it is known whether the account was free; `isHeld` tells. Nobody hears of it before
   * `greet`: one whose opening fails has ended no other.
   */
  async start() {
    if (this.#state === "asleep") {
      this.wake();
      // where it is free it comes at once
      await within(this.#grip?.answered, ASK, () => {});
    } else if (this.#state === "new") {
      this.#state = "seeking";
      this.#peers.open();
      await this.#ask({ ifAvailable: true }).answered;
    }
  }

  /** It is open: from here on the others know it. */
  greet() {
    this.#isOpen = true;
    if (this.#isActive) this.#sayGreeting();
  }

  #sayGreeting() {
    if (this.#hasGreeted) return;
    this.#hasGreeted = true;
    const takesOver = this.#ifOpen === "take-over";
    this.#peers.greet(takesOver);
    if (this.isHeld) this.#sayTook();
    if (this.#state !== "seeking") return;
    this.#seek(takesOver ? 0 : undefined);
    if (takesOver) this.#timers.in("steal", PATIENCE, () => this.#steal());
  }

  /** @param {{ ifAvailable?: boolean, steal?: boolean }} options */
  #ask(options) {
    this.#grip?.letGo();
    const grip = this.#locks.ask(this.#lockName(""), options, {
      got: () => this.#work(),
      lost: () => this.#robbed(),
      broken: () => {
        this.#grip = null;
        if (this.#state === "seeking") this.#timers.in("seek", ASK, () => this.#queue());
      },
    });
    this.#grip = grip;
    this.#lastGrip = grip;
    return grip;
  }

  /** Lets go of every lock, and of what was asked for. The account's first: who waits for the other goes on to it. */
  #letGo() {
    for (const grip of [this.#grip, this.#own, this.#watch, this.#candidacy]) grip?.letGo();
    this.#grip = null;
    this.#own = null;
    this.#watch = null;
    this.#candidacy = null;
  }

  // ------------------------------------------------------------ seeking

  /** How much later than others this one asks for the lock. */
  get #rank() {
    if (this.#ifOpen === "wait") return WAIT_LATER;
    // where each page has locks of its own it is the channel that keeps them apart
    const apart = this.#locks.areShared ? 0 : Math.random() * HIDDEN_LATER;
    return (this.#isHidden ? HIDDEN_LATER : 0) + apart;
  }

  /** There is no writer, as far as this one knows. @param {number} delay ms */
  #seek(delay = this.#rank) {
    this.#state = "seeking";
    this.#writer = null;
    this.#timers.stop("look", "want", "ask");
    this.#letGo();
    const wait = Math.max(delay, this.#barredUntil - ticks());
    if (wait > 0) this.#timers.in("seek", wait, () => this.#queue());
    else this.#queue();
  }

  #queue() {
    if (this.#state !== "seeking") return;
    if (!this.#grip) this.#ask({});
    const began = ticks();
    const askAgain = () => {
      if (this.#state !== "seeking") return;
      this.#peers.tell("hello");
      // who has the lock says nothing, to nobody: it stands still, or is none that shares
      if (ticks() - began > SEEK && this.#ifOpen !== "wait") this.stuck();
      this.#timers.in("ask", ASK_AGAIN, askAgain);
    };
    this.#timers.in("ask", ASK, askAgain);
  }

  // ------------------------------------------------------------ following

  /** Another client writes. @param {any} message its `took` or `here` */
  #otherWrites({ type, by, at, mark, hidden }) {
    const writer = { by, at: Number(at) || 0, mark: mark ?? null };
    if (this.#state === "writing" && !this.#isLater(writer)) {
      this.#sayHere();
      // its fence may have come after this one's
      if (type === "took") this.#timers.in("again", AGAIN, () => this.#state === "writing" && this.#handlers.held());
      return;
    }
    // an old one that has not heard yet of its successor
    if (type === "here" && this.#writer && this.#writer.by !== by && writer.at < this.#writer.at) return;
    this.#standDown();
    this.#follow(writer);
    if (type !== "here" || this.#ifOpen === "wait") return;
    if (hidden) {
      if (!this.#isHidden) this.#want(by);
    } else if (!this.#isOffered) {
      // it is looked at again: it keeps the work
      this.#stopWanting();
    }
  }

  /** Of two that write the one that has begun later does. @param {Writer} other */
  #isLater({ at, by }) {
    return at > this.#tookAt || (at === this.#tookAt && by > this.#peers.id);
  }

  /** @param {Writer} writer */
  #follow(writer) {
    const before = this.#writer;
    this.#writer = writer;
    const isSame = before?.by === writer.by && before.mark?.name === writer.mark?.name;
    if (this.#state === "following" && isSame) return;
    this.#state = "following";
    this.#timers.stop("seek", "ask", "steal", "look", "want");
    this.#letGo();
    const { mark } = writer;
    if (mark && this.#locks.areShared && mark.pageOnly === this.#pageOnly) {
      const gone = () => this.#writerGone();
      this.#watch = this.#locks.ask(mark.name, { mode: "shared" }, { got: gone, broken: gone });
    } else {
      this.#heardWriter = true;
      this.#lookAfter();
    }
  }

  /** Asks from time to time whether a writer is there whose end no lock would tell of. */
  #lookAfter() {
    this.#timers.in("look", this.#isHidden ? LOOK_HIDDEN : LOOK, () => {
      this.#heardWriter = false;
      this.#peers.tell("hello");
      this.#timers.in("look", ANSWER, () => (this.#heardWriter ? this.#lookAfter() : this.#seek()));
    });
  }

  /** @param {any} message */
  #otherGone({ by, to }) {
    if (this.#state !== "following" || this.#writer?.by !== by) return;
    this.#writerGone(to === undefined ? this.#rank : to === this.#peers.id ? 0 : this.#rank + STOOD_BACK_LATER);
  }

  /** @param {number} [delay] ms */
  #writerGone(delay) {
    if (!this.#grip) {
      this.#seek(delay);
      return;
    }
    // it has asked for the work, and keeps its place in the queue
    this.#state = "seeking";
    this.#writer = null;
    this.#watch?.letGo();
    this.#watch = null;
    this.#timers.stop("look", "want");
    this.#queue();
  }

  // ------------------------------------------------------------ writing

  #work() {
    this.#state = "writing";
    this.#writer = null;
    this.#isOffered = false;
    this.#timers.stop("seek", "ask", "steal", "look", "want");
    this.#watch?.letGo();
    this.#watch = null;
    this.#tookAt = Math.max(Date.now(), this.#tookAt + 1);
    this.#marks += 1;
    this.#own?.letGo();
    this.#own = this.#locks.ask(this.#ownName, {}, { got: () => this.#sayTook() });
    // whatever becomes of that lock
    this.#timers.in("took", ASK, () => this.#sayTook());
    this.#settle();
    this.#isPromoted = false;
    this.#timers.in("promise", PROMISE, () => this.#unpromoted());
    this.#watchHiding();
    this.#handlers.held();
  }

  #sayTook() {
    this.#timers.stop("took");
    if (this.isHeld) this.#peers.tell("took", { at: this.#tookAt, mark: this.#mark });
  }

  /** It writes no more, and has nothing of a writer. @returns {boolean} whether it did */
  #standDown() {
    if (!this.isHeld) return false;
    this.#state = "seeking";
    this.#timers.stop("took", "promise", "hidden", "again", "offer");
    this.#longHidden = false;
    this.#offeredTo = "";
    // before anybody else can have the lock
    this.#handlers.lost?.();
    this.#letGo();
    return true;
  }

  /** The lock was taken away: by one that says so, or by the browser. */
  #robbed() {
    if (this.#standDown()) this.#seek();
  }

  /** The engine has committed its fence, and read what is stored. */
  promoted() {
    this.#isPromoted = true;
    this.#barredUntil = -Infinity;
    this.#timers.stop("promise");
    this.#candidacy?.letGo();
    this.#candidacy = null;
  }

  /** It cannot do it: others may. */
  async #unpromoted() {
    const others = await this.#peers.rollCall();
    if (this.#state !== "writing" || this.#isPromoted) return;
    this.#candidacy?.letGo();
    this.#candidacy = null;
    if (others.length === 0 || this.#isEvicting) {
      // there is nobody who could do better
      this.#timers.in("promise", PROMISE, () => this.#unpromoted());
      return;
    }
    this.#handlers.warn?.("this client cannot write: it leaves that to another one");
    this.#barredUntil = ticks() + BARRED;
    this.#standDown();
    this.#peers.tell("gone");
    this.#seek();
  }

  /** Another client has fenced this one: it writes, lock or no lock. */
  fenced() {
    if (this.#timers.has("again") && this.#state === "writing") {
      // both at once, and that other one stands back
      this.#handlers.held();
      return;
    }
    if (!this.#standDown()) return;
    // where nothing is heard of it, it is not left at once again
    const wait = this.#fencings.begin();
    this.#seek(wait);
    this.#peers.tell("hello");
    this.#timers.in("ask", wait / 2, () => this.#peers.tell("hello"));
  }

  // ------------------------------------------------------------ by force

  /** The writer has not begun in time what the engine of this client, which is looked at or brief, has asked of it. */
  stuck() {
    if (!this.#isIdle || this.#ifOpen === "wait" || this.#candidacy || this.#isEvicting) return;
    if (this.#isHidden && !this.#isBrief) return;
    if (ticks() < this.#barredUntil || !this.#forcing.isOver) return;
    // one at a time: who does not get it leaves it to the one that has it
    const candidacy = this.#locks.ask(
      this.#lockName(" candidate"),
      { ifAvailable: true },
      { got: () => this.#force() },
    );
    this.#candidacy = candidacy;
    candidacy.answered.then((got) => {
      if (!got && this.#candidacy === candidacy) this.#candidacy = null;
    });
  }

  #force() {
    this.#forcing.begin();
    this.#handlers.warn?.("the client that writes does not answer: this one takes its place");
    this.#steal();
  }

  #steal() {
    if (this.#isIdle) this.#ask({ steal: true });
  }

  // ------------------------------------------------------------ hidden, and offered

  /** The page is looked at, or not. @param {boolean} hidden */
  look(hidden) {
    this.#isHidden = hidden;
    if (this.isHeld) {
      this.#watchHiding();
    } else if (!hidden && this.#state === "following") {
      // whether it has been hidden for long
      this.#peers.tell("hello");
    } else if (!hidden && this.#state === "seeking" && !this.#grip) {
      this.#seek();
    }
  }

  #watchHiding() {
    this.#longHidden = false;
    this.#timers.stop("hidden");
    if (!this.#isHidden) return;
    this.#timers.in("hidden", this.#isBrief ? 0 : HIDDEN, () => {
      this.#longHidden = true;
      this.#sayHere();
    });
  }

  /** Asks the writer for the work. Who asks is in the lock's queue already: nobody else slips in. @param {string} by */
  #want(by) {
    if (!this.#isIdle || ticks() < this.#barredUntil) return;
    // where each page has locks of its own this one's would be free
    if (!this.#grip && this.#locks.areShared) this.#ask({});
    this.#timers.in("want", WANT, () => {
      this.#stopWanting();
      // whether it is to ask again
      if (this.#state === "following" && !this.#isHidden) this.#peers.tell("hello");
    });
    this.#peers.tell("want", { to: by });
  }

  #stopWanting() {
    this.#timers.stop("want");
    this.#isOffered = false;
    if (this.#state !== "following") return;
    this.#grip?.letGo();
    this.#grip = null;
  }

  /** @param {string} by */
  #wanted(by) {
    if (this.#state !== "writing") return;
    if (this.#longHidden || this.#offeredTo === by) this.#give(by);
    else this.#sayHere();
  }

  /** @param {string} to */
  async #give(to) {
    this.#state = "giving";
    this.#offeredTo = "";
    await within(this.#handlers.rest?.(), REST, () => {}).catch(() => {});
    if (this.#state !== "giving") return;
    this.#standDown();
    this.#peers.tell("gone", { to });
    this.#seek(this.#rank + STOOD_BACK_LATER);
  }

  /** @param {string} by the writer, who cannot get on */
  #offered(by) {
    if (this.#ifOpen === "wait") return;
    this.#isOffered = true;
    this.#want(by);
  }

  /** The server has refused this client's token: the others are offered the work, each once, those in sight first. */
  async refused() {
    if (this.#state !== "writing") return;
    const now = Date.now();
    if (!this.#round || Math.abs(now - this.#round.began) > ROUND) this.#round = { began: now, ids: [] };
    const round = this.#round;
    if (!round.ids.includes(this.#peers.id)) round.ids.push(this.#peers.id);
    const all = await this.#peers.rollCall();
    const others = all.filter(({ id }) => !round.ids.includes(id)).sort((a, b) => Number(a.hidden) - Number(b.hidden));
    const offer = () => {
      const next = others.shift();
      if (!next || this.#state !== "writing") return;
      round.ids.push(next.id);
      this.#offeredTo = next.id;
      // the round goes with the work
      this.#peers.tell("offer", { to: next.id, round });
      this.#timers.in("offer", OFFER, offer);
    };
    offer();
  }

  /** @returns whether somebody looks at another client of the account */
  async isSeen() {
    const others = this.#isActive ? await this.#peers.rollCall() : [];
    return others.some(({ hidden }) => !hidden);
  }

  // ------------------------------------------------------------ memory, wipe

  /** The browser has no storage for this client: it shares with its like, in this page. */
  async keepToPage() {
    if (this.#pageOnly || this.#state === "over") return;
    const sleeps = !this.#isActive;
    const wrote = this.#standDown();
    if (wrote) this.#peers.tell("gone");
    this.#timers.stopAll();
    this.#letGo();
    this.#peers.close();
    this.#peers.keepToPage(this.#isAlone);
    this.#pageOnly = true;
    this.#locks = this.#newLocks();
    this.#writer = null;
    if (sleeps) return;
    this.#hasGreeted = false;
    this.#state = "new";
    await this.start();
    if (this.#isOpen) this.greet();
  }

  /**
   * Has all other clients of the account close, in every tab. Resolves once this one holds the lock, or soon after: the
   * store is asked to let go as well.
   */
  async evict() {
    this.#isEvicting = true;
    this.#peers.wipe();
    if (!this.isHeld && this.#state !== "over" && this.#state !== "asleep") {
      this.#barredUntil = -Infinity;
      this.#seek(0);
      this.#timers.in("steal", PATIENCE, () => this.#steal());
    }
    await within(this.#settled, 2 * PATIENCE, () => {});
  }

  // ------------------------------------------------------------ sleep, end

  /** It lets go of all, and says so. @param {"asleep" | "over"} state */
  #leave(state) {
    const wrote = this.#standDown();
    this.#state = state;
    this.#timers.stopAll();
    this.#letGo();
    this.#writer = null;
    if (wrote) this.#peers.tell("gone");
    this.#peers.close();
  }

  /** The page goes to sleep: no lock and no channel of it is left when this returns. */
  rest() {
    if (this.#isActive || this.#state === "new") this.#leave("asleep");
  }

  /** It is awake again, and knows nothing: who has gone or come meanwhile it hears in answer. */
  wake() {
    if (this.#state !== "asleep") return;
    if (!this.#isOpen) {
      this.#state = "new";
      this.start();
      return;
    }
    this.#state = "seeking";
    this.#peers.open();
    if (this.#hasGreeted) {
      this.#peers.tell("hello");
      this.#seek();
    } else {
      this.#sayGreeting();
    }
  }

  /** The client has closed. Safe to call twice. */
  release() {
    if (this.#state === "over") return;
    this.#leave("over");
    this.#settle();
  }
}
