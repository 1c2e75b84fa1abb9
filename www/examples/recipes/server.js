// What stands for a server: the backend in memory, and what the recipes need a server to do beside it.

import { PullcordError } from "pullcord";
import { memoryBackend } from "pullcord/testing";

/** bytes */
const LARGEST = 5 * 1024 * 1024;
const LATENCY = /** @type {[number, number]} */ ([10, 40]);
const PEOPLE = ["ada", "bob"];
const THREAD = "thread:";

const CONVERSATIONS = [
  { id: "general", meta: { title: "General" }, members: PEOPLE },
  { id: "notes-ada", meta: { title: "Notes" }, members: ["ada"] },
];

const TEXTS = ["Good morning", "Is the ferry on time?", "It is, the sea is calm", "I will bring the maps", "Thanks"];
const MESSAGES = Array.from({ length: 80 }, (_, i) => ({
  conversation: "general",
  sender: PEOPLE[(i + (i % 7 === 3 ? 1 : 0)) % 2],
  text: i === 79 ? "See you at the harbour" : `${TEXTS[(i * 3) % TEXTS.length]} (${i + 1})`,
}));

/** What was begun is done whole, whether or not the client still waits for the answer: as in a transaction. */
const { signal: WHOLE } = new AbortController();

const unreachable = () => new PullcordError("network", "the server is out of reach");
const noMember = () => new PullcordError("forbidden", "no member", { status: 403 });

export class Server {
  people = PEOPLE;
  backend = memoryBackend({ conversations: CONVERSATIONS, messages: MESSAGES, latency: LATENCY });
  /** what the uploads came to */
  counts = { begun: 0, pieces: 0 };
  /** conversation → its members; a thread's are those of the conversation that it hangs on */
  #members = new Map(CONVERSATIONS.map(({ id, members }) => [id, members]));
  #transports = new Map(PEOPLE.map((user) => [user, this.backend.transport(user)]));
  /** @type {Map<string, { offline?: boolean, uploads?: "fail" | "refuse" }>} by user */
  #troubles = new Map();
  /** @type {Map<string, { size: number, type: string, pieces: Blob[], at: number, address: string }>} */
  #files = new Map();
  /** what it answers otherwise than the backend, or beside it @type {Record<string, Function>} */
  #own = {
    markRead: this.#markRead,
    react: this.#react,
    history: this.#history,
    send: this.#send,
    beginUpload: this.#beginUpload,
    upload: this.#upload,
  };

  // ------------------------------------------------------------ who asks

  #sessions = () => JSON.parse(localStorage.getItem("server|sessions") ?? "{}");
  #keep = (all) => localStorage.setItem("server|sessions", JSON.stringify(all));

  /** @param {string} user @returns {Promise<string>} a token */
  async signIn(user) {
    if (this.#troubles.get(user)?.offline) throw unreachable();
    if (!PEOPLE.includes(user)) throw new PullcordError("forbidden", `nobody is called ${user}`, { status: 403 });
    const token = crypto.randomUUID();
    this.#keep({ ...this.#sessions(), [token]: user });
    return token;
  }

  /** Ends a session, or all of a user. @param {{ token?: string | null, user?: string }} whose */
  async endSessions({ token, user }) {
    const rest = Object.entries(this.#sessions()).filter((one) => one[0] !== token && one[1] !== user);
    this.#keep(Object.fromEntries(rest));
  }

  #check({ user, token }) {
    if (this.#troubles.get(user)?.offline) throw unreachable();
    // a token of somebody else is none
    if (!token || this.#sessions()[token] !== user) throw new PullcordError("unauthorized", "sign in", { status: 401 });
  }

  /** One request of a client. @returns {Promise<any>} */
  async call(session, method, request, signal) {
    const { user } = session;
    this.#check(session);
    const answer = await (this.#own[method]?.call(this, user, request, signal) ??
      this.#transports.get(user)[method](request, signal));
    // lost on its way back
    if (this.#troubles.get(user)?.offline) throw unreachable();
    return answer;
  }

  listen(session, sink, signal) {
    try {
      this.#check(session);
      this.#transports.get(session.user).listen(sink, signal);
    } catch (error) {
      sink.closed(error);
    }
  }

  /** @param {string} conversation @param {string} user @returns {string[]} */
  #peopleOf(conversation, user) {
    const people = this.#members.get(conversation);
    if (!people?.includes(user)) throw noMember();
    return people;
  }

  // ------------------------------------------------------------ receipts

  /** In the meta, for all members. Devices tell it late and out of order: it never goes back. */
  async #markRead(user, request) {
    await this.#transports.get(user).markRead(request, WHOLE);
    await this.backend.meta(request.conversation, (meta) => {
      const newest = Math.max(Number(meta?.read?.[user] ?? 0), Number(request.seq));
      return { ...meta, read: { ...meta?.read, [user]: String(newest) } };
    });
  }

  // ------------------------------------------------------------ reactions

  /** On or off of this user's own: of two people at once both count. Said again it changes nothing. */
  async #react(user, { conversation, messageId, emoji, on }) {
    this.#peopleOf(conversation, user);
    const now = this.backend.messages(conversation).find(({ id }) => id === messageId);
    if (!now?.body) throw new PullcordError("not-found", "there is no such message", { status: 404 });
    const whose = (body) => body.reactions?.[emoji] ?? [];
    if (whose(now.body).includes(user) === on) return { version: now.version };
    const { version } = await this.backend.update(conversation, messageId, (body) => {
      const others = whose(body).filter((who) => who !== user);
      return { ...body, reactions: { ...body.reactions, [emoji]: on ? [...others, user] : others } };
    });
    return { version };
  }

  // ------------------------------------------------------------ threads

  /** The message that the thread hangs on; null: it is no thread. */
  #rootOf(conversation) {
    if (!conversation.startsWith(THREAD)) return null;
    const id = conversation.slice(THREAD.length);
    const of = [...this.#members.keys()].find((one) => this.backend.messages(one).some((m) => m.id === id));
    if (!of || of.startsWith(THREAD)) throw new PullcordError("not-found", "there is no such message", { status: 404 });
    return { of, id };
  }

  /** Whoever opens a thread before its first answer finds it empty. */
  async #history(user, request, signal) {
    const root = this.#members.has(request.conversation) ? null : this.#rootOf(request.conversation);
    if (!root) return this.#transports.get(user).history(request, signal);
    this.#peopleOf(root.of, user);
    return { messages: [], hasBefore: false, hasAfter: false };
  }

  /** The first answer makes it. */
  async #makeThread(user, conversation, { of, id }) {
    const members = this.#peopleOf(of, user);
    this.#members.set(conversation, members);
    await this.backend.conversation({ id: conversation, members, meta: { of, root: id } });
  }

  /** Counted, and not added up: a send that comes again is no other answer. */
  async #countAnswers(conversation, { of, id }) {
    const count = this.backend.messages(conversation).filter(({ state }) => state !== "recalled").length;
    try {
      await this.backend.update(of, id, (body) => ({ ...body, thread: { count } }));
    } catch (error) {
      // it has been recalled: its thread goes on without a count
      if (error.code !== "rejected") throw error;
    }
  }

  async #send(user, request) {
    for (const { id, name } of request.body?.files ?? []) {
      const file = this.#files.get(id);
      if (!file || file.at < file.size) throw new PullcordError("rejected", `${name} is not here`, { status: 422 });
    }
    const root = this.#rootOf(request.conversation);
    if (root && !this.#members.has(request.conversation)) await this.#makeThread(user, request.conversation, root);
    const message = await this.#transports.get(user).send(request, WHOLE);
    if (root) await this.#countAnswers(request.conversation, root);
    return message;
  }

  // ------------------------------------------------------------ uploads

  /**
   * By the client's id: a second try finds what the first has brought. What is not taken is refused before it comes.
   */
  async #beginUpload(user, { id, size, type }) {
    if (this.#troubles.get(user)?.uploads === "refuse")
      throw new PullcordError("rejected", "files of this kind are not taken", { status: 415 });
    if (size > LARGEST) throw new PullcordError("rejected", "the file is too large", { status: 413 });
    this.counts.begun += 1;
    if (!this.#files.has(id)) this.#files.set(id, { size, type, pieces: [], at: 0, address: "" });
    return { at: this.#files.get(id).at };
  }

  async #upload(user, { id, at, piece }) {
    // with a status: the server is there, it is its storage that is not
    if (this.#troubles.get(user)?.uploads === "fail") throw new PullcordError("network", "no room", { status: 503 });
    const file = this.#files.get(id);
    // else it is there already: sent twice, or by two
    if (at === file.at) {
      file.pieces.push(new Blob([piece]));
      file.at += piece.size;
      this.counts.pieces += 1;
    }
    return { at: file.at };
  }

  /** Where a delivered file is. @param {string} id */
  file(id) {
    const file = this.#files.get(id);
    if (file && !file.address) file.address = URL.createObjectURL(new Blob(file.pieces, { type: file.type }));
    return file?.address ?? "";
  }

  // ------------------------------------------------------------ trouble

  /**
   * @param {string} user
   * @param {{ offline?: boolean, uploads?: "fail" | "refuse" }} trouble what is not named stays
   */
  trouble(user, trouble) {
    this.#troubles.set(user, { ...this.#troubles.get(user), ...trouble });
    this.backend.trouble({ latency: LATENCY, offline: this.#troubles.get(user).offline === true }, user);
  }
}
