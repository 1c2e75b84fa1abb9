// What this device has, in numbers.

import { h, setText } from "./dom.js";
import { bytes, counted, describe, number, time } from "./words.js";

/** @typedef {import("../index.js").Inspection} Inspection */

const FACTS = /** @type {const} */ ([
  ["sync", "Sync"],
  ["synced", "Last pull"],
  ["cursor", "Cursor"],
  ["scope", "Scope"],
  ["storage", "Storage"],
  ["schema", "Database"],
  ["cached", "Messages"],
  ["stored", "Stored"],
  ["outbox", "Outbox"],
]);

/** How this device stands. */
export function deviceFacts() {
  const element = h("dl", { class: "facts" });
  const values = /** @type {Record<typeof FACTS[number][0], HTMLElement>} */ ({});
  for (const [name, label] of FACTS) {
    values[name] = h("dd", {});
    element.append(h("div", {}, h("dt", {}, label), values[name]));
  }
  /** It may be longer than its place. @param {HTMLElement} value @param {string} text */
  const set = (value, text) => {
    setText(value, text);
    value.title = text;
  };
  return {
    element,
    /**
     * @param {import("./view.js").Client} client
     * @param {Inspection | null} found none yet
     * @param {string | null} scope
     */
    draw(client, found, scope) {
      const status = client.status.getSnapshot();
      set(values.sync, describe(status).text);
      set(values.synced, status.lastSyncedAt === null ? "never" : time(status.lastSyncedAt));
      set(values.storage, status.storage === "memory" ? "memory only" : "IndexedDB");
      set(values.scope, scope ?? "not known");
      if (!found) return;
      set(values.cursor, found.cursor ?? "none");
      set(values.schema, `version ${found.schema}`);
      set(values.cached, number(found.cachedMessages));
      set(values.stored, bytes(found.storedBytes));
      set(values.outbox, outbox(found.outbox, client.outbox.getSnapshot()));
    },
  };
}

/** @param {number} waiting @param {readonly import("../index.js").LocalItem[]} items */
function outbox(waiting, items) {
  const failed = items.filter(({ state }) => state === "failed").length;
  if (waiting === 0 && failed === 0) return "empty";
  return failed ? `${counted(waiting, "message")}, ${number(failed)} failed` : `${number(waiting)} waiting`;
}
