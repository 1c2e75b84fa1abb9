// @ts-check
// Two devices side by side: the same page twice, each with its own local database and network.

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { aboutServer } from "./session.js";

const root = /** @type {HTMLElement} */ (document.getElementById("two"));
const query = new URLSearchParams(location.search);
const { users } = await aboutServer();

const SIDES = /** @type {const} */ (["left", "right"]);

/** @param {"left" | "right"} side */
function pane(side) {
  const device = side === "left" ? "1" : "2";
  let user = query.get(side) || query.get("left") || users[0];
  const frame = h("iframe", { title: `Device ${device}` });

  function load() {
    const inner = new URLSearchParams(query);
    for (const name of [...SIDES, "two", "user", "device"]) inner.delete(name);
    inner.set("user", user);
    inner.set("device", device);
    frame.src = `./?${inner}${location.hash}`;
  }
  const names = users.includes(user) ? users : [user, ...users];
  const select = h(
    "select",
    {
      "aria-label": `User of device ${device}`,
      on: {
        change: () => {
          user = select.value;
          query.set(side, user);
          history.replaceState(null, "", `?${query}${location.hash}`);
          load();
        },
      },
    },
    ...names.map((name) => h("option", { value: name, selected: name === user }, name)),
  );
  load();
  return h(
    "section",
    { class: "pane", "aria-label": `Device ${device}` },
    h("header", {}, h("span", {}, `Device ${device}`), select),
    frame,
  );
}

root.replaceChildren(
  h(
    "header",
    { class: "two-bar" },
    h("img", { src: "logo.svg", alt: "", width: 24, height: 24 }),
    h("h1", {}, "Two devices"),
    h("p", {}, "Pull the network of one, write on the other, plug it in again."),
    h(
      "a",
      {
        class: "icon-button",
        href: `./?user=${encodeURIComponent(query.get("left") || users[0])}`,
        "aria-label": "Only one device",
        title: "Only one device",
      },
      icon("one"),
    ),
  ),
  h("div", { class: "panes" }, ...SIDES.map(pane)),
);
