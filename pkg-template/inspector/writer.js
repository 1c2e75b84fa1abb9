// Which tab writes (it asks the server and stores what comes; the others follow), and how the sync stands.

import { h, setText } from "./dom.js";
import { describe, describeWriter, messageOf, number } from "./words.js";

/** What it means. */
const MEANING = {
  here: "It alone asks the server. Other tabs of this device show the same.",
  elsewhere: "It alone asks the server. This one shows the same.",
  null: "Nobody asks the server now. What is written waits.",
};

/** @param {import("./view.js").Client} client */
export function writerLine(client) {
  const text = h("strong", {});
  const commit = h("span", { class: "writer-commit" });
  const standing = h("span", { class: "standing" });
  const meaning = h("span", {});
  const error = h("p", { class: "note bad", hidden: true });
  const element = h(
    "section",
    { class: "writer", "aria-label": "Which tab writes" },
    h("p", { class: "writer-line" }, h("span", { class: "dot", "aria-hidden": "true" }), text, commit),
    h("p", { class: "note" }, standing, " · ", meaning),
    error,
  );
  return {
    element,
    draw() {
      const status = client.status.getSnapshot();
      const isClosed = status.connection === "closed";
      const { tone, text: stands } = describe(status);
      element.dataset.writer = isClosed ? "closed" : (status.writer ?? "none");
      standing.dataset.tone = tone;
      setText(text, isClosed ? "This tab has stopped" : describeWriter(status));
      setText(standing, stands);
      setText(meaning, isClosed ? "It shows what it had." : MEANING[status.writer ?? "null"]);
      setText(error, status.error ? `${status.error.code}: ${messageOf(status.error)}` : "");
      error.hidden = !status.error;
    },
    /** @param {import("../index.js").Inspection["commit"]} newest */
    commit(newest) {
      if (!newest) return;
      setText(commit, `Commit ${number(newest.number)}`);
      commit.title = `The newest commit that this tab knows; its writer's epoch is ${newest.epoch}`;
    },
  };
}
