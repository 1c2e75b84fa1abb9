// @ts-check
// Which tab of this device writes, in a line of the panel: it asks the server and stores what comes; the others follow.

import { h, setText } from "./dom.js";
import { number } from "./format.js";
import { describeWriter } from "./status.js";

/** What it means. */
const MEANING = {
  here: "It alone asks the server. Other tabs of this device show the same.",
  elsewhere: "It alone asks the server, in the way that was chosen there. This one shows the same.",
  null: "Nobody asks the server now. What is written waits.",
};

/** @param {import("/pkg/index.js").Client<import("./format.js").Body>} client */
export function writerLine(client) {
  const text = h("strong", {});
  const commit = h("span", { class: "writer-commit" });
  const meaning = h("p", { class: "panel-note" });
  const element = h(
    "section",
    { class: "writer", "aria-label": "Which tab writes" },
    h("p", { class: "writer-line" }, h("span", { class: "dot", "aria-hidden": "true" }), text, commit),
    meaning,
  );
  function draw() {
    const status = client.status.getSnapshot();
    const isClosed = status.connection === "closed";
    element.dataset.writer = isClosed ? "closed" : (status.writer ?? "none");
    setText(text, isClosed ? "This tab has stopped" : describeWriter(status).text);
    setText(meaning, isClosed ? "It shows what it had." : MEANING[status.writer ?? "null"]);
  }
  client.status.subscribe(draw);
  draw();
  return {
    element,
    /** @param {import("/pkg/index.js").Inspection["commit"]} newest */
    commit(newest) {
      if (!newest) return;
      setText(commit, `Commit ${number(newest.number)}`);
      commit.title = `The newest commit that this tab knows; its writer's epoch is ${newest.epoch}`;
    },
  };
}
