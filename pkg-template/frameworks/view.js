// What a component sees of a timeline: its snapshot, with its methods beside it.

import { PullcordError } from "../index.js";
import { nothingDone } from "./told.js";

/** @typedef {import("../frameworks.js").TimelineMethods<any>} Methods */

/** @type {readonly (keyof Methods)[]} */
export const TIMELINE_METHODS = [
  "loadOlder",
  "loadNewer",
  "jump",
  "send",
  "retry",
  "discard",
  "edit",
  "recall",
  "markRead",
  "visible",
];

/** What a user does. A list that asks for more, or is looked at, before there is a client, is no fault. */
const DEEDS = ["send", "retry", "discard", "edit", "recall"];

/** Where there is no client, or no conversation. @type {any} */
const NOTHING = Object.fromEntries(
  TIMELINE_METHODS.map((name) => [
    name,
    name === "visible"
      ? () => {}
      : () => {
          if (DEEDS.includes(name)) nothingDone(name);
          const refused = Promise.reject(
            new PullcordError("closed", `${name}: there is no client yet, or no conversation`),
          );
          // as all promises of the API: nobody has to await it
          refused.catch(() => {});
          return refused;
        },
  ]),
);

/** @type {WeakMap<object, Methods>} */
const known = new WeakMap();

/**
 * The methods of a timeline alone: the same object for the same timeline.
 * @param {import("../index.js").Timeline<any> | null} timeline
 * @returns {Methods}
 */
export function methodsOfTimeline(timeline) {
  if (!timeline) return NOTHING;
  let methods = known.get(timeline);
  if (!methods) {
    methods = /** @type {Methods} */ (Object.fromEntries(TIMELINE_METHODS.map((name) => [name, timeline[name]])));
    known.set(timeline, methods);
  }
  return methods;
}
