// The page around the devices: it is the server, and makes the trouble.

import { h } from "./dom.js";
import { Server } from "./server.js";

const server = new Server();
// the devices reach it as `parent.server`, and tabs that were opened here as `opener.server`
Object.assign(globalThis, { server });

/** @param {string} user @param {string} label @param {object} on @param {object} off */
function trouble(user, label, on, off) {
  const box = h("input", { type: "checkbox" });
  box.onchange = () => server.trouble(user, box.checked ? on : off);
  return h("label", {}, box, ` ${label}`);
}

function device(user) {
  const address = `app.html?user=${user}`;
  const expire = h("button", { type: "button", className: "link", textContent: "End the session" });
  expire.onclick = () => server.endSessions({ user });
  const tab = h("a", { href: address, target: "_blank", rel: "opener", textContent: "Another tab" });
  const controls = h(
    "p",
    { className: "controls" },
    trouble(user, "offline", { offline: true }, { offline: false }),
    trouble(user, "uploads fail", { uploads: "fail" }, { uploads: undefined }),
    trouble(user, "… are refused", { uploads: "refuse" }, { uploads: undefined }),
    expire,
    tab,
  );
  return h(
    "section",
    { className: "device" },
    h("iframe", { src: address, title: `The device of ${user}`, name: user }),
    controls,
  );
}

// At the first visit they are signed in; who has signed out then stays so.
if (localStorage.getItem("server|sessions") === null)
  for (const user of server.people) localStorage.setItem(`token|recipes|${user}`, await server.signIn(user));
navigator.serviceWorker?.register("sw.js");
document.getElementById("devices").append(...server.people.map(device));
