// @ts-check
// The page: signs in, opens the client, and puts the parts together.

import "./network.js";
import { createClient } from "/pkg/index.js";
import { beginEntry } from "./choices.js";
import { composer } from "./composer.js";
import { conversationList } from "./conversations.js";
import { ask } from "./dialog.js";
import { h, setText } from "./dom.js";
import { errorText, hue, initial, number, readBody, title } from "./format.js";
import { icon } from "./icons.js";
import { jumpMenu } from "./jump.js";
import { reliabilityPanel } from "./panel.js";
import { aboutServer, choiceFromAddress, choiceToAddress, clientOptions, consistent, currentUser, debug, device, embedded, forgetUser, maxItems, rememberUser, takeOver } from "./session.js";
import { showSignIn } from "./sign-in.js";
import { describe, statusLine } from "./status.js";
import { TimelineView } from "./timeline.js";
import { askDemo } from "./trouble.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Client<Body>} Client */
/** @typedef {import("./session.js").Choice} Choice */
/** @typedef {{ control: string, top: number }} Place where somebody was in the panel who chose another way to sync: on a control, so far (px) below its top */

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

/** Where the panel starts open: beside a conversation there is room for it. */
const ROOMY = matchMedia("(min-width: 1180px)");

async function start() {
  if (new URLSearchParams(location.search).has("two")) {
    location.replace(`two.html${location.search}`);
    return;
  }
  const user = currentUser() ?? (await showSignIn(root));
  rememberUser(user);
  root.replaceChildren(h("div", { class: "boot", role: "status" }, h("img", { src: "logo.svg", alt: "", width: 48, height: 48 }), "Opening…"));
  const canPush = (await aboutServer()).allowTrouble !== false;
  const choice = choiceFromAddress();
  // Where the address does not say it, the server does: it may push anyway, or have been asked to by another device.
  if (canPush && !choice.push) choice.push = await pushes();
  await enter(user, consistent(choice), canPush, null);
}

/** @returns {Promise<boolean>} whether the server pushes to this account; one that cannot say so does not */
async function pushes() {
  try {
    const response = await askDemo("/demo/push");
    return response.ok && (await response.json()).inline === true;
  } catch {
    return false;
  }
}

/**
 * Opens the client so that it syncs as was chosen.
 * @param {string} user
 * @param {Choice} choice
 * @param {boolean} canPush the server can be asked for inline push
 * @param {Place | null} place
 */
async function enter(user, choice, canPush, place) {
  let client;
  try {
    // Of a server without it, or out of reach, nothing is pushed: then the client pulls.
    if (canPush) await askDemo("/demo/push", { inline: choice.push }).catch(() => {});
    beginEntry(choice);
    client = /** @type {Client} */ (await createClient(clientOptions(user, choice)));
  } catch (error) {
    showFatal(errorText(error));
    return;
  }
  takeOver.set(false);
  if (debug) Object.assign(window, { pullcordDemo: { client } });
  showChat(client, user, choice, canPush, place);
}

/** @param {string} text */
function showFatal(text) {
  root.replaceChildren(
    h(
      "div",
      { class: "boot", role: "alert" },
      h("img", { src: "logo.svg", alt: "", width: 48, height: 48 }),
      h("p", {}, text),
      h("button", { class: "button", on: { click: () => location.reload() } }, "Reload"),
      choiceFromAddress().scope !== "account" && h("button", { class: "link", on: { click: () => { choiceToAddress({ scope: "account", notify: "socket", push: false, overflow: "clear" }); location.reload(); } } }, "Sync as usual again"),
      h("button", { class: "link", on: { click: () => { forgetUser(); location.reload(); } } }, "Sign in as somebody else"),
    ),
  );
}

/**
 * @param {Client} client
 * @param {string} me
 * @param {Choice} choice
 * @param {boolean} canPush
 * @param {Place | null} place
 */
function showChat(client, me, choice, canPush, place) {
  /** Ends when another client takes this one's place: what the page itself would go on calling stops. */
  const life = new AbortController();
  /** @type {string | null} the open conversation */
  let open = null;
  /** @type {() => void} */
  let unwatch = () => {};

  const list = conversationList({ client, me, open: go });
  const panel = reliabilityPanel({ client, choice, canPush, onChoose: choose, onClose: () => showPanel(false), life: life.signal });
  const timeline = new TimelineView({
    client,
    me,
    maxItems,
    onEdit: (message) => write.edit(message),
    onRecall: recall,
    onEscape: () => write.focus(),
    onRange: (first, last, gap) => panel.onScreen(first, last, gap),
    life: life.signal,
  });
  const write = composer({ timeline: () => timeline.timeline, lastOwn: () => timeline.lastOwn(), onSent: () => timeline.toSent() });

  // ---------------------------------------------------------------- the frame

  const avatar = h("span", { class: "avatar", "aria-hidden": "true" }, initial(me));
  avatar.style.setProperty("--hue", String(hue(me)));
  const sidebar = h(
    "nav",
    { class: "sidebar", "aria-label": "Conversations" },
    h(
      "header",
      { class: "bar" },
      avatar,
      h("div", { class: "who-am-i" }, h("strong", {}, me), h("span", {}, `Device ${device}`)),
      !embedded && h("a", { class: "icon-button", href: "tour.html", "aria-label": "Guided tour", title: "Guided tour" }, icon("tour")),
      h("button", { type: "button", class: "icon-button", "aria-label": "Light or dark", title: "Light or dark", on: { click: toggleTheme } }, icon("sun"), icon("moon")),
      embedded
        ? h("a", { class: "icon-button", href: location.href, target: "_top", "aria-label": "Only this device", title: "Only this device" }, icon("one"))
        : h("a", { class: "icon-button", href: `two.html${twoQuery(me)}`, "aria-label": "Two devices side by side", title: "Two devices side by side" }, icon("devices")),
      h("button", { type: "button", class: "icon-button", "aria-label": "Sign out", title: "Sign out", on: { click: signOut } }, icon("leave")),
    ),
    list.element,
    statusLine(client, life.signal),
  );

  const jump = jumpMenu({ jump: (to) => (to === "latest" ? timeline.toNewest() : to === "first-unread" ? timeline.toFirstUnread() : timeline.jump(to)), unread: () => timeline.unreadAtOpening, life: life.signal });
  const heading = h("h1", { class: "chat-title", dir: "auto" });
  // Where the list is out of sight, its line of how the connection stands is too.
  const offline = h("span", { class: "offline" });
  const standing = h("span", {});
  const subtitle = h("p", { class: "chat-subtitle" }, offline, standing);
  const panelButton = h(
    "button",
    { type: "button", class: "icon-button panel-button", "aria-label": "Reliability panel", title: "Reliability panel", "aria-controls": "panel", on: { click: () => showPanel(Boolean(panel.element.hidden)) } },
    icon("panel"),
  );
  const chat = h(
    "section",
    { class: "chat", "aria-label": "Conversation", hidden: true },
    h(
      "header",
      { class: "bar" },
      h("button", { type: "button", class: "icon-button back", "aria-label": "Back to the conversations", on: { click: () => { location.hash = ""; } } }, icon("back")),
      h("div", { class: "chat-heading" }, heading, subtitle),
      jump.element,
      panelButton,
    ),
    timeline.element,
    write.element,
  );
  const nothing = h(
    "section",
    { class: "nothing" },
    h("img", { src: "logo.svg", alt: "", width: 64, height: 64 }),
    h("h1", {}, "Choose a conversation"),
    h("p", {}, "Scroll back as far as you like, pull the network, lose notifications: nothing goes missing. The panel shows why, and the tour shows it happen."),
    h(
      "div",
      { class: "nothing-buttons" },
      !embedded && h("a", { class: "button", href: "tour.html" }, icon("tour"), "Take the tour"),
      h("button", { type: "button", class: "button plain", on: { click: () => showPanel(true) } }, icon("panel"), "Show the panel"),
    ),
  );
  const banner = h("div", { class: "banner", role: "alert", hidden: true });
  const shell = h("div", { class: "shell", "data-view": "list" }, banner, sidebar, nothing, chat, panel.element);
  root.replaceChildren(shell);

  // ---------------------------------------------------------------- what is open

  /** @param {string} id */
  function go(id) {
    location.hash = `/${encodeURIComponent(id)}`;
    // The hash may be the same one: then nothing tells us.
    if (open === id) showOpen();
  }

  function route() {
    const id = idFromHash();
    if (id === open) return;
    unwatch();
    open = id;
    jump.close();
    list.select(id);
    panel.open(id);
    if (id === null) {
      timeline.close();
    } else {
      const store = client.conversation(id);
      const draw = () => {
        const conversation = store.getSnapshot();
        const name = title(conversation ?? { id, meta: null });
        setText(heading, name);
        setText(standing, conversation?.lastSeq ? `${conversation.unread ? `${number(conversation.unread)} unread` : "All read"} · newest position ${conversation.lastSeq}` : "");
        timeline.scroller.setAttribute("aria-label", `Messages in ${name}`);
      };
      unwatch = store.subscribe(draw);
      draw();
    }
    showOpen();
    if (id !== null) {
      write.open(id);
      timeline.open(id);
      // On a touch screen this would bring up the keyboard; of two panes only the used one may take it.
      if (matchMedia("(pointer: fine)").matches && (!embedded || document.hasFocus())) write.focus();
    }
  }

  function showOpen() {
    shell.dataset.view = open === null ? "list" : "chat";
    chat.hidden = open === null;
    nothing.hidden = open !== null;
  }

  /** @param {boolean} shown */
  function showPanel(shown) {
    panel.show(shown);
    shell.classList.toggle("with-panel", shown);
    panelButton.setAttribute("aria-expanded", String(shown));
    localStorage.setItem("pullcord-demo:panel", shown ? "1" : "0");
    if (!shown && document.activeElement === document.body) panelButton.focus();
  }

  // ---------------------------------------------------------------- what can be done

  /** @param {import("/pkg/index.js").Message<Body>} message */
  async function recall(message) {
    const { text } = readBody(message.body);
    const sure = await ask({ title: "Recall this message?", text: `“${text.length > 160 ? `${text.slice(0, 160)}…` : text}” goes for everybody, on every device.`, confirm: "Recall" });
    if (!sure) return;
    try {
      await timeline.timeline?.recall(message.id);
    } catch (error) {
      showBanner(`Not recalled. ${errorText(error)}`, null);
    }
  }

  /**
   * Closes this client and opens one that syncs so.
   * @param {Choice} next
   * @param {string} control
   */
  async function choose(next, control) {
    const top = panel.topOf(control);
    shell.inert = true;
    life.abort();
    unwatch();
    // Whatever it was about: the next one takes the account over, or says what is wrong.
    await client.close().catch(() => {});
    choiceToAddress(next);
    await enter(me, next, canPush, { control, top });
  }

  async function signOut() {
    const sure = await ask({ title: "Sign out?", text: "What this device has stored is deleted. What is not sent yet is lost.", confirm: "Sign out" });
    if (!sure) return;
    try {
      await client.wipe();
    } catch (error) {
      showBanner(`Not signed out. ${errorText(error)}`, null);
      return;
    }
    forgetUser();
    location.reload();
  }

  /**
   * @param {string} text
   * @param {{ label: string, run: () => void } | null} action null: it can be put away
   */
  function showBanner(text, action) {
    banner.replaceChildren(
      icon("alert"),
      h("span", {}, text),
      action
        ? h("button", { type: "button", class: "button", on: { click: action.run } }, action.label)
        : h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: () => { banner.hidden = true; } } }, icon("close")),
    );
    banner.hidden = false;
  }

  let lastConnection = "";
  function watchConnection() {
    // One that was closed to choose another is not "closed" to who looks at it.
    if (life.signal.aborted) return;
    const { connection } = client.status.getSnapshot();
    if (connection === lastConnection) return;
    const before = lastConnection;
    lastConnection = connection;
    shell.dataset.connection = connection;
    const { tone, text } = describe(client.status.getSnapshot());
    setText(offline, tone === "bad" ? text : "");
    const here = { label: "Use it here", run: () => { takeOver.set(true); location.reload(); } };
    if (connection === "waiting") showBanner("This device is open in another tab. What is stored is shown; the rest happens there.", here);
    else if (connection === "closed") showBanner("This device was closed, or opened in another tab.", here);
    else if (connection === "needs-auth") showBanner("The server wants you to sign in again.", { label: "Sign in", run: () => void client.sync().catch(() => {}) });
    else if (before === "waiting" || before === "closed" || before === "needs-auth") banner.hidden = true;
  }
  client.status.subscribe(watchConnection);
  watchConnection();

  const name = device === "1" ? `${me} · Pullcord` : `${me} · device ${device} · Pullcord`;
  function drawTitle() {
    const unread = client.conversations.getSnapshot().filter((conversation) => conversation.unread > 0).length;
    document.title = unread ? `(${unread}) ${name}` : name;
  }
  client.conversations.subscribe(drawTitle);
  drawTitle();

  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (open !== null && getComputedStyle(sidebar).display === "none") location.hash = "";
      list.focusFilter();
    } else if (event.key === "Escape" && !panel.element.hidden && panel.element.contains(document.activeElement)) {
      showPanel(false);
      panelButton.focus();
    }
  }, { signal: life.signal });

  window.addEventListener("hashchange", route, { signal: life.signal });
  const remembered = localStorage.getItem("pullcord-demo:panel");
  showPanel(place !== null || (ROOMY.matches && remembered !== "0"));
  route();
  showOpen();
  if (place) {
    panel.hold(place.control, place.top);
    document.getElementById(place.control)?.focus({ preventScroll: true });
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

function toggleTheme() {
  const { dataset } = document.documentElement;
  const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("pullcord-demo:theme", dataset.theme);
}

/**
 * The address of two devices, with the options of this one.
 * @param {string} me
 */
function twoQuery(me) {
  const query = new URLSearchParams(location.search);
  for (const name of ["user", "device", "two"]) query.delete(name);
  query.set("left", me);
  query.set("right", me);
  return `?${query}${location.hash}`;
}

start();
