// @ts-check
// The same page twice, side by side: as two devices, each with its own local database and network, or as two tabs of
// one device, which share them.

import { h, setText } from "./dom.js";
import { icon } from "./icons.js";
import { aboutServer } from "./session.js";

/** @typedef {"left" | "right"} Side */

const root = /** @type {HTMLElement} */ (document.getElementById("two"));
const query = new URLSearchParams(location.search);
const { users } = await aboutServer();

const SIDES = /** @type {const} */ (["left", "right"]);
const areTabs = query.get("as") === "tabs";
const userOf = (/** @type {Side} */ side) => query.get(areTabs ? "left" : side) || query.get("left") || users[0];

/** What is shown of a tab, by `ClientStatus.writer`. @type {Record<string, string>} */
const WRITER = { here: "writes", elsewhere: "follows", none: "" };

function keepAddress() {
  history.replaceState(null, "", `?${query}${location.hash}`);
}

/**
 * The address of the page in a pane: with the options of this one.
 * @param {Side} side
 */
function address(side) {
  const inner = new URLSearchParams(query);
  for (const name of [...SIDES, "two", "as", "user", "device"]) inner.delete(name);
  inner.set("user", userOf(side));
  inner.set("device", side === "left" || areTabs ? "1" : "2");
  return `./?${inner}${location.hash}`;
}

/** @param {Side} side */
function pane(side) {
  const number = side === "left" ? 1 : 2;
  const name = areTabs ? `Tab ${number}` : `Device ${number}`;
  const frame = h("iframe", { title: name });
  const tag = h("span", { class: "writer-tag", role: "status" });
  const load = () => {
    frame.src = address(side);
  };
  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== location.origin || source !== frame.contentWindow || data?.pullcordWriter === undefined) return;
    const writer = data.pullcordWriter ?? "none";
    tag.dataset.writer = writer;
    setText(tag, WRITER[writer] ?? "");
  });
  load();
  const element = h(
    "section",
    { class: "pane", "aria-label": name },
    h(
      "header",
      {},
      h("span", {}, name),
      areTabs && tag,
      areTabs ? closer(frame, tag, load) : chooser(side, name, load),
    ),
    frame,
    h("p", { class: "pane-closed" }, "This tab is closed. The other one goes on."),
  );
  return { element, load };
}

/**
 * Closes the tab in a pane, as closing it in the browser does, and opens it again.
 * @param {HTMLIFrameElement} frame
 * @param {HTMLElement} tag
 * @param {() => void} open
 */
function closer(frame, tag, open) {
  const button = h("button", { type: "button", class: "button small", on: { click: toggle } }, "Close this tab");
  function toggle() {
    const isOpen = !frame.hidden;
    frame.hidden = isOpen;
    setText(button, isOpen ? "Open it again" : "Close this tab");
    setText(tag, "");
    tag.dataset.writer = "none";
    if (isOpen) frame.src = "about:blank";
    else open();
  }
  return button;
}

/**
 * Who is signed in.
 * @param {Side} side
 * @param {string} name of the pane
 * @param {() => void} load
 */
function chooser(side, name, load) {
  const user = userOf(side);
  const names = users.includes(user) ? users : [user, ...users];
  const select = h(
    "select",
    {
      "aria-label": `User of ${name.toLowerCase()}`,
      on: {
        change: () => {
          query.set(side, select.value);
          keepAddress();
          load();
        },
      },
    },
    ...names.map((one) => h("option", { value: one, selected: one === user }, one)),
  );
  return select;
}

/** Two devices, or two tabs of one. */
function modes() {
  const link = (/** @type {string} */ label, /** @type {boolean} */ tabs) => {
    const other = new URLSearchParams(query);
    if (tabs) other.set("as", "tabs");
    else other.delete("as");
    return h("a", { href: `?${other}${location.hash}`, "aria-current": tabs === areTabs && "page" }, label);
  };
  return h(
    "nav",
    { class: "modes", "aria-label": "What stands side by side" },
    link("Two devices", false),
    link("Two tabs", true),
  );
}

const panes = SIDES.map(pane);
const says = areTabs
  ? "Two tabs of one device: one asks the server, both show the same. Close that one, and the other goes on."
  : "Pull the network of one, write on the other, plug it in again.";
document.title = areTabs ? "Pullcord – two tabs" : "Pullcord – two devices";

root.replaceChildren(
  h(
    "header",
    { class: "two-bar" },
    h("img", { src: "logo.svg", alt: "", width: 24, height: 24 }),
    h("h1", { class: "visually-hidden" }, areTabs ? "Two tabs of one device" : "Two devices"),
    modes(),
    h("p", {}, says),
    areTabs && chooser("left", "both tabs", () => panes.forEach(({ load }) => void load())),
    h(
      "a",
      {
        class: "icon-button",
        href: `./?user=${encodeURIComponent(userOf("left"))}`,
        "aria-label": "Only one device",
        title: "Only one device",
      },
      icon("one"),
    ),
  ),
  h("div", { class: "panes" }, ...panes.map(({ element }) => element)),
);
