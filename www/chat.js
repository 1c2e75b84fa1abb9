// @ts-check
// The chat of one client: which conversation is open, what can be done, and how the client is.

import { composer } from "./composer.js";
import { conversationList } from "./conversations.js";
import { ask } from "./dialog.js";
import { h, setText } from "./dom.js";
import { errorText, number, readBody, title } from "./format.js";
import { Banner, chatSection, leave, nothingOpen, sidebar } from "./frame.js";
import { jumpMenu } from "./jump.js";
import { reliabilityPanel } from "./panel.js";
import { choiceToAddress, currentUser, device, embedded, forgetUser, maxItems, rememberUser } from "./session.js";
import { describe, statusLine } from "./status.js";
import { TimelineView } from "./timeline.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Client<Body>} Client */
/** @typedef {import("./session.js").Choice} Choice */
/**
 * @typedef {{ control: string, top: number }} Place where somebody was in the panel who chose another way to sync: on a
 *   control, so far (px) below its top
 */
/**
 * @typedef {object} Given
 * @property {Client} client
 * @property {string} me
 * @property {Choice} choice
 * @property {boolean} canPush
 * @property {Place | null} place
 * @property {(choice: Choice, place: Place) => Promise<void>} enter opens a client that syncs so, in place of this one
 */

/** Where the panel starts open: beside a conversation there is room for it. */
const ROOMY = matchMedia("(min-width: 1180px)");
const REMEMBERED = "pullcord-demo:panel";
/** The longest text (characters) that a question quotes. */
const QUOTED = 160;

export class Chat {
  #given;
  /** Ends when another client takes this one's place: what the page itself would go on calling stops. */
  #life = new AbortController();
  #list;
  #panel;
  #timeline;
  #write;
  #jump;
  #banner = new Banner();
  #sidebar;
  #chat;
  #nothing;
  /** @type {string | null} the open conversation */
  #open = null;
  /** @type {() => void} */
  #unwatch = () => {};
  #lastConnection = "";
  #isSigningOut = false;
  /** @type {"here" | "elsewhere" | null | undefined} */
  #toldWriter;

  /** @param {Given} given */
  constructor(given) {
    const { client, me } = given;
    const life = this.#life.signal;
    this.#given = given;
    this.#list = conversationList({ client, me, open: (id) => this.#go(id) });
    this.#panel = this.#makePanel(given);
    this.#timeline = this.#makeTimeline(given);
    this.#write = composer({
      timeline: () => this.#timeline.timeline,
      lastOwn: () => this.#timeline.lastOwn(),
      onSent: () => this.#timeline.toSent(),
    });
    this.#jump = jumpMenu({
      jump: (to) => this.#jumpTo(to),
      unread: () => this.#timeline.unreadAtOpening,
      life,
    });
    this.#sidebar = sidebar(me, () => this.#signOut(), this.#list.element, statusLine(client, life));
    const togglePanel = () => this.#showPanel(Boolean(this.#panel.element.hidden));
    const head = { togglePanel, jump: this.#jump.element };
    this.#chat = chatSection(head, this.#timeline.element, this.#write.element);
    this.#nothing = nothingOpen(() => this.#showPanel(true));
    this.element = h(
      "div",
      { class: "shell", "data-view": "list" },
      this.#banner.element,
      this.#sidebar,
      this.#nothing,
      this.#chat.element,
      this.#panel.element,
    );
  }

  /** @param {Given} given */
  #makePanel({ client, choice, canPush }) {
    return reliabilityPanel({
      client,
      choice,
      canPush,
      onChoose: (next, control) => this.#choose(next, control),
      onClose: () => this.#showPanel(false),
      life: this.#life.signal,
    });
  }

  /** @param {Given} given */
  #makeTimeline({ client, me }) {
    return new TimelineView({
      client,
      me,
      maxItems,
      onEdit: (message) => this.#write.edit(message),
      onRecall: (message) => this.#recall(message),
      onEscape: () => this.#write.focus(),
      onRange: (first, last, gap) => this.#panel.onScreen(first, last, gap),
      life: this.#life.signal,
    });
  }

  /** The page shows it from here on: what changes is followed. */
  begin() {
    const { client, place } = this.#given;
    const { signal } = this.#life;
    const drawStatus = () => {
      this.#drawConnection();
      this.#tellWriter();
    };
    client.status.subscribe(drawStatus);
    drawStatus();
    client.conversations.subscribe(() => this.#drawTitle());
    this.#drawTitle();
    document.addEventListener("keydown", (event) => this.#key(event), { signal });
    window.addEventListener("hashchange", () => this.#route(), { signal });
    this.#showPanel(place !== null || (ROOMY.matches && localStorage.getItem(REMEMBERED) !== "0"));
    this.#route();
    this.#showOpen();
    if (!place) return;
    this.#panel.hold(place.control, place.top);
    document.getElementById(place.control)?.focus({ preventScroll: true });
  }

  // ---------------------------------------------------------------- what is open

  /** @param {string} id */
  #go(id) {
    location.hash = `/${encodeURIComponent(id)}`;
    // The hash may be the same one: then nothing tells us.
    if (this.#open === id) this.#showOpen();
  }

  #route() {
    const id = idFromHash();
    if (id === this.#open) return;
    this.#unwatch();
    this.#open = id;
    this.#jump.close();
    this.#list.select(id);
    this.#panel.open(id);
    if (id === null) this.#timeline.close();
    else this.#watchConversation(id);
    this.#showOpen();
    if (id === null) return;
    this.#write.open(id);
    this.#timeline.open(id);
    // On a touch screen this would bring up the keyboard; of two panes only the used one may take it.
    if (matchMedia("(pointer: fine)").matches && (!embedded || document.hasFocus())) this.#write.focus();
  }

  /** Shows its title, and up to where it is read. @param {string} id */
  #watchConversation(id) {
    const store = this.#given.client.conversation(id);
    const draw = () => {
      const conversation = store.getSnapshot();
      const name = title(conversation ?? { id, meta: null });
      setText(this.#chat.heading, name);
      const unread = conversation?.unread ? `${number(conversation.unread)} unread` : "All read";
      const newest = conversation?.lastSeq;
      setText(this.#chat.standing, newest ? `${unread} · newest position ${newest}` : "");
      this.#timeline.scroller.setAttribute("aria-label", `Messages in ${name}`);
    };
    this.#unwatch = store.subscribe(draw);
    draw();
  }

  #showOpen() {
    this.element.dataset.view = this.#open === null ? "list" : "chat";
    this.#chat.element.hidden = this.#open === null;
    this.#nothing.hidden = this.#open !== null;
  }

  /** @param {boolean} shown */
  #showPanel(shown) {
    const { panelButton } = this.#chat;
    this.#panel.show(shown);
    this.element.classList.toggle("with-panel", shown);
    panelButton.setAttribute("aria-expanded", String(shown));
    localStorage.setItem(REMEMBERED, shown ? "1" : "0");
    if (!shown && document.activeElement === document.body) panelButton.focus();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const panel = this.#panel.element;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (this.#open !== null && getComputedStyle(this.#sidebar).display === "none") leave();
      this.#list.focusFilter();
    } else if (event.key === "Escape" && !panel.hidden && panel.contains(document.activeElement)) {
      this.#showPanel(false);
      this.#chat.panelButton.focus();
    }
  }

  // ---------------------------------------------------------------- what can be done

  /** @param {Parameters<Parameters<typeof jumpMenu>[0]["jump"]>[0]} to */
  #jumpTo(to) {
    if (to === "latest") return this.#timeline.toNewest();
    return to === "first-unread" ? this.#timeline.toFirstUnread() : this.#timeline.jump(to);
  }

  /** @param {import("/pkg/index.js").Message<Body>} message */
  async #recall(message) {
    const { text } = readBody(message.body);
    const sure = await ask({
      title: "Recall this message?",
      text: `“${text.length > QUOTED ? `${text.slice(0, QUOTED)}…` : text}” goes for everybody, on every device.`,
      confirm: "Recall",
    });
    if (!sure) return;
    try {
      await this.#timeline.timeline?.recall(message.id);
    } catch (error) {
      this.#banner.show(`Not recalled. ${errorText(error)}`, null);
    }
  }

  /**
   * Closes this client and opens one that syncs so.
   * @param {Choice} next
   * @param {string} control
   */
  async #choose(next, control) {
    const top = this.#panel.topOf(control);
    this.element.inert = true;
    this.#life.abort();
    this.#unwatch();
    // Whatever it was about: the next one takes the account over, or says what is wrong.
    await this.#given.client.close().catch(() => {});
    choiceToAddress(next);
    await this.#given.enter(next, { control, top });
  }

  async #signOut() {
    const sure = await ask({
      title: "Sign out?",
      text: "What this device has stored is deleted. What is not sent yet is lost.",
      confirm: "Sign out",
    });
    if (!sure) return;
    this.#isSigningOut = true;
    // Before the other tabs are told: they say what has happened.
    forgetUser();
    try {
      await this.#given.client.wipe();
    } catch (error) {
      this.#isSigningOut = false;
      rememberUser(this.#given.me);
      this.#banner.show(`Not signed out. ${errorText(error)}`, null);
      return;
    }
    location.reload();
  }

  // ---------------------------------------------------------------- how the client is

  #drawConnection() {
    // One that was closed to choose another, or to sign out, is not "closed" to who looks at it.
    if (this.#life.signal.aborted || this.#isSigningOut) return;
    const status = this.#given.client.status.getSnapshot();
    const { connection } = status;
    if (connection === this.#lastConnection) return;
    const before = this.#lastConnection;
    this.#lastConnection = connection;
    this.element.dataset.connection = connection;
    const { tone, text } = describe(status);
    setText(this.#chat.offline, tone === "bad" ? text : "");
    const said = this.#bannerOf(status);
    if (said) this.#banner.show(said.text, said);
    else if (before === "needs-auth") this.#banner.hide();
  }

  /**
   * What is to be said of how the client stands, and done about it.
   * @param {import("/pkg/index.js").ClientStatus} status
   * @returns {{ text: string, label: string, run: () => void } | null}
   */
  #bannerOf({ connection, error }) {
    const reload = () => location.reload();
    if (connection === "needs-auth") {
      const signIn = () => void this.#given.client.sync().catch(() => {});
      return { text: "The server wants you to sign in again.", label: "Sign in", run: signIn };
    }
    if (connection !== "closed") return null;
    if (error?.code === "outdated") {
      return {
        text: "Another tab syncs this device in another way, or with a newer version of this page. This one has stopped.",
        label: "Use it here",
        run: reload,
      };
    }
    if (currentUser() === null) return { text: "You signed out in another tab.", label: "Sign in", run: reload };
    return { text: error ? errorText(error) : "This tab has stopped.", label: "Open it again", run: reload };
  }

  /** Tells the page around this one which of its panes writes. */
  #tellWriter() {
    const { writer, connection } = this.#given.client.status.getSnapshot();
    const said = connection === "closed" ? null : writer;
    if (!embedded || said === this.#toldWriter || this.#life.signal.aborted) return;
    this.#toldWriter = said;
    window.parent.postMessage({ pullcordWriter: said }, location.origin);
  }

  #drawTitle() {
    const { client, me } = this.#given;
    const name = device === "1" ? `${me} · Pullcord` : `${me} · device ${device} · Pullcord`;
    const unread = client.conversations.getSnapshot().filter((conversation) => conversation.unread > 0).length;
    document.title = unread ? `(${unread}) ${name}` : name;
  }
}

function idFromHash() {
  const text = location.hash.slice(2);
  if (!text) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
