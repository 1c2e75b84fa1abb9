// @ts-check
// The frame of the page: what is around the list of conversations, the conversation and the panel.

import { h } from "./dom.js";
import { hue, initial } from "./format.js";
import { icon } from "./icons.js";
import { device, embedded } from "./session.js";

/** @typedef {import("./icons.js").IconName} IconName */

/**
 * @param {string} label
 * @param {() => void} click
 * @param {IconName[]} icons
 */
function iconButton(label, click, ...icons) {
  const attributes = { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click } };
  return h("button", attributes, ...icons.map((name) => icon(name)));
}

/**
 * @param {string} label
 * @param {string} href
 * @param {IconName} name
 * @param {string} [target]
 */
function iconLink(label, href, name, target) {
  return h("a", { class: "icon-button", href, target, "aria-label": label, title: label }, icon(name));
}

/**
 * The side: who one is, the conversations, how the connection is.
 * @param {string} me
 * @param {() => void} signOut
 * @param {HTMLElement[]} content
 */
export function sidebar(me, signOut, ...content) {
  const avatar = h("span", { class: "avatar", "aria-hidden": "true" }, initial(me));
  avatar.style.setProperty("--hue", String(hue(me)));
  const bar = h(
    "header",
    { class: "bar" },
    avatar,
    h("div", { class: "who-am-i" }, h("strong", {}, me), h("span", {}, `Device ${device}`)),
    !embedded && iconLink("Guided tour", "tour.html", "tour"),
    iconButton("Light or dark", toggleTheme, "sun", "moon"),
    embedded
      ? iconLink("Only this device", location.href, "one", "_top")
      : iconLink("Two devices side by side", `two.html${twoQuery(me)}`, "devices"),
    iconButton("Sign out", signOut, "leave"),
  );
  return h("nav", { class: "sidebar", "aria-label": "Conversations" }, bar, ...content);
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

/**
 * The conversation: its title, what is in it, and where one writes.
 * @param {object} given
 * @param {() => void} given.togglePanel
 * @param {HTMLElement} given.jump the menu
 * @param {HTMLElement[]} content
 */
export function chatSection({ togglePanel, jump }, ...content) {
  const heading = h("h1", { class: "chat-title", dir: "auto" });
  // Where the list is out of sight, its line of how the connection stands is too.
  const offline = h("span", { class: "offline" });
  const standing = h("span", {});
  const subtitle = h("p", { class: "chat-subtitle" }, offline, standing);
  const panelButton = iconButton("Reliability panel", togglePanel, "panel");
  panelButton.classList.add("panel-button");
  panelButton.setAttribute("aria-controls", "panel");
  const back = h(
    "button",
    { type: "button", class: "icon-button back", "aria-label": "Back to the conversations", on: { click: leave } },
    icon("back"),
  );
  const element = h(
    "section",
    { class: "chat", "aria-label": "Conversation", hidden: true },
    h("header", { class: "bar" }, back, h("div", { class: "chat-heading" }, heading, subtitle), jump, panelButton),
    ...content,
  );
  return { element, heading, offline, standing, panelButton };
}

/** Closes the conversation. */
export function leave() {
  location.hash = "";
}

/** What stands where no conversation is open. @param {() => void} showPanel */
export function nothingOpen(showPanel) {
  const text =
    "Scroll back as far as you like, pull the network, lose notifications: nothing goes missing. " +
    "The panel shows why, and the tour shows it happen.";
  const panel = { type: "button", class: "button plain", on: { click: showPanel } };
  return h(
    "section",
    { class: "nothing" },
    h("img", { src: "logo.svg", alt: "", width: 64, height: 64 }),
    h("h1", {}, "Choose a conversation"),
    h("p", {}, text),
    h(
      "div",
      { class: "nothing-buttons" },
      !embedded && h("a", { class: "button", href: "tour.html" }, icon("tour"), "Take the tour"),
      h("button", panel, icon("panel"), "Show the panel"),
    ),
  );
}

/** What has to be said above everything. */
export class Banner {
  element = h("div", { class: "banner", role: "alert", hidden: true });

  /**
   * @param {string} text
   * @param {{ label: string, run: () => void } | null} action null: it can be put away
   */
  show(text, action) {
    const button = action
      ? h("button", { type: "button", class: "button", on: { click: action.run } }, action.label)
      : h(
          "button",
          { type: "button", class: "icon-button", "aria-label": "Close", on: { click: () => this.hide() } },
          icon("close"),
        );
    this.element.replaceChildren(icon("alert"), h("span", {}, text), button);
    this.element.hidden = false;
  }

  hide() {
    this.element.hidden = true;
  }
}
