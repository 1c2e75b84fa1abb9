// Which conversation is shown, where the page does not say: a choice of those that the account is in.

import { h } from "./dom.js";

/** Conversations that are offered. */
const OFFERED = 200;

/** @param {import("../index.js").Conversation<any, any>} conversation */
function titleOf({ id, meta }) {
  const name = meta && typeof meta === "object" ? (meta.title ?? meta.name) : null;
  return typeof name === "string" && name && name !== id ? `${name} (${id})` : id;
}

/**
 * @param {import("./view.js").Client} client
 * @param {() => void} changed another one was chosen
 */
export function chooser(client, changed) {
  const select = h("select", { on: { change: changed } });
  const element = h("label", { class: "chooser", hidden: true }, h("span", {}, "Conversation"), select);
  let offered = "";
  return {
    element,
    /** @returns {string | null} */
    chosen: () => (select.selectedIndex < 0 ? null : select.value),
    /** @param {boolean} isNeeded the page has not said which */
    draw(isNeeded) {
      element.hidden = !isNeeded;
      if (!isNeeded) return;
      const all = client.conversations.getSnapshot().slice(0, OFFERED);
      // in an order that does not change under the mouse
      const options = all.map((one) => [one.id, titleOf(one)]).sort(([a], [b]) => (a < b ? -1 : 1));
      const now = JSON.stringify(options);
      if (now === offered) return;
      offered = now;
      // at first the one that is on top of the list
      const chosen = select.selectedIndex < 0 ? all[0]?.id : select.value;
      select.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
      if (all.some(({ id }) => id === chosen)) select.value = chosen;
    },
  };
}
