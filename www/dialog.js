// @ts-check
// Questions that want an answer before something goes.

import { h } from "./dom.js";

/**
 * @param {{ title: string, text: string, confirm: string }} question
 * @returns {Promise<boolean>} false when cancelled in any way
 */
export function ask({ title, text, confirm }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      {
        class: "dialog",
        "aria-labelledby": "dialog-title",
        on: {
          close: () => {
            dialog.remove();
            resolve(dialog.returnValue === "yes");
          },
        },
      },
      h(
        "form",
        { method: "dialog" },
        h("h2", { id: "dialog-title" }, title),
        h("p", {}, text),
        h(
          "div",
          { class: "dialog-buttons" },
          h("button", { class: "button", value: "no" }, "Cancel"),
          h("button", { class: "button danger", value: "yes", autofocus: true }, confirm),
        ),
      ),
    );
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close("no");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
