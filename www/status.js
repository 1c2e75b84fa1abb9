// @ts-check
// How the connection and the synchronisation stand, in a line, with the cable to pull.

import { h, setText } from "./dom.js";
import { errorText, number, timeWithSeconds } from "./format.js";
import { connected } from "./network.js";

/** @typedef {import("/pkg/index.js").ClientStatus} ClientStatus */

/**
 * @param {ClientStatus} status
 * @returns {{ tone: "good" | "busy" | "bad", text: string }}
 */
export function describe(status) {
  switch (status.connection) {
    case "online":
      if (status.progress && status.progress.applied > 0)
        return { tone: "busy", text: `Catching up, ${number(status.progress.applied)} changes` };
      if (!status.caughtUp) return { tone: "busy", text: "Catching up" };
      return { tone: "good", text: "Up to date" };
    case "connecting":
      return {
        tone: "busy",
        text: status.progress?.applied ? `Catching up, ${number(status.progress.applied)} changes` : "Connecting",
      };
    case "offline":
      return { tone: "bad", text: "Offline" };
    case "needs-auth":
      return { tone: "bad", text: "Sign in again" };
    default:
      return { tone: "bad", text: "Closed" };
  }
}

/**
 * Which tab writes: which asks the server and stores what comes.
 * @param {ClientStatus} status
 * @returns {{ text: string, tag: string }}
 */
export function describeWriter({ writer }) {
  if (writer === "here") return { text: "This tab writes", tag: "writes" };
  if (writer === "elsewhere") return { text: "Another tab writes", tag: "follows" };
  return { text: "No tab writes", tag: "no writer" };
}

/**
 * @param {import("/pkg/index.js").Client<import("./format.js").Body>} client
 * @param {AbortSignal} life
 * @returns {HTMLElement}
 */
export function statusLine(client, life) {
  const dot = h("span", { class: "dot", "aria-hidden": "true" });
  const text = h("span", { class: "status-text" });
  const line = h("div", { class: "status", role: "status" }, dot, text);
  const cable = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id: "cable",
    on: { change: () => connected.set(cable.checked) },
  });

  function draw() {
    const status = client.status.getSnapshot();
    const { tone, text: said } = describe(status);
    line.dataset.tone = tone;
    line.dataset.connection = status.connection;
    line.title = [
      status.lastSyncedAt === null ? "Never synced yet" : `Last synced at ${timeWithSeconds(status.lastSyncedAt)}`,
      status.connection === "closed" ? "" : describeWriter(status).text,
      status.error ? errorText(status.error) : "",
    ]
      .filter(Boolean)
      .join("\n");
    setText(text, said);
    cable.checked = connected.get();
  }
  client.status.subscribe(draw);
  life.addEventListener("abort", connected.subscribe(draw));
  draw();
  return h(
    "div",
    { class: "status-bar" },
    line,
    h(
      "label",
      { class: "cable", for: "cable", title: "Takes this device off the network, and back" },
      "Network",
      cable,
    ),
  );
}
