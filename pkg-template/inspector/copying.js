// The report, copied; where that is not possible, shown to be copied by hand.

import { button, h, setText } from "./dom.js";

/** @param {(options: { names: boolean }) => Promise<string>} report */
export function reportPart(report) {
  const names = h("input", { type: "checkbox" });
  const said = h("p", { class: "note said", role: "status" });
  const text = h("textarea", { readonly: true, hidden: true, rows: "12", spellcheck: "false", "aria-label": "Report" });
  const copy = button("Copy report", async () => {
    setText(said, "");
    const made = report({ names: names.checked });
    try {
      await toClipboard(made);
      text.hidden = true;
      setText(said, "Copied. It has no token and no message in it.");
    } catch {
      text.value = await made;
      text.hidden = false;
      setText(said, "The clipboard cannot be written here. This is the report, to be copied by hand:");
      text.focus();
      text.select();
    }
  });
  return h(
    "div",
    { class: "report" },
    h("p", { class: "note" }, "What is shown here, as a text for an issue: without tokens and without messages."),
    h("label", { class: "check" }, names, "With names, and the texts of errors"),
    h("div", { class: "button-row" }, copy),
    said,
    text,
  );
}

/**
 * Begun at once, while the click still counts: some browsers take nothing that comes later.
 * @param {Promise<string>} made
 */
async function toClipboard(made) {
  const { clipboard } = navigator;
  if (typeof ClipboardItem === "undefined") await clipboard.writeText(await made);
  else {
    const text = made.then((report) => new Blob([report], { type: "text/plain" }));
    await clipboard.write([new ClipboardItem({ "text/plain": text })]);
  }
}
