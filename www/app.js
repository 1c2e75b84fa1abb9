// @ts-check
// The page: signs in, opens the client, and puts the parts together.

import "./network.js";
import { createClient } from "/pkg/index.js";
import { Chat } from "./chat.js";
import { beginEntry } from "./cost.js";
import { h } from "./dom.js";
import { errorText } from "./format.js";
import {
  aboutServer,
  choiceFromAddress,
  choiceToAddress,
  clientOptions,
  consistent,
  currentUser,
  debug,
  forgetUser,
  rememberUser,
} from "./session.js";
import { showSignIn } from "./sign-in.js";
import { askDemo } from "./trouble.js";

/** @typedef {import("./format.js").Body} Body */
/** @typedef {import("/pkg/index.js").Client<Body>} Client */
/** @typedef {import("./session.js").Choice} Choice */
/** @typedef {import("./chat.js").Place} Place */

const root = /** @type {HTMLElement} */ (document.getElementById("app"));

async function start() {
  if (new URLSearchParams(location.search).has("two")) {
    location.replace(`two.html${location.search}`);
    return;
  }
  const user = currentUser() ?? (await showSignIn(root));
  rememberUser(user);
  root.replaceChildren(
    h(
      "div",
      { class: "boot", role: "status" },
      h("img", { src: "logo.svg", alt: "", width: 48, height: 48 }),
      "Opening…",
    ),
  );
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
  if (debug) Object.assign(window, { pullcordDemo: { client } });
  const again = (/** @type {Choice} */ next, /** @type {Place} */ at) => enter(user, next, canPush, at);
  const chat = new Chat({ client, me: user, choice, canPush, place, enter: again });
  root.replaceChildren(chat.element);
  chat.begin();
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
      choiceFromAddress().scope !== "account" &&
        h(
          "button",
          {
            class: "link",
            on: {
              click: () => {
                choiceToAddress({ scope: "account", notify: "socket", push: false, overflow: "clear" });
                location.reload();
              },
            },
          },
          "Sync as usual again",
        ),
      h(
        "button",
        {
          class: "link",
          on: {
            click: () => {
              forgetUser();
              location.reload();
            },
          },
        },
        "Sign in as somebody else",
      ),
    ),
  );
}

start();
