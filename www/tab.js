// @ts-check
// A tab of the guided tour: a page of its own, in a frame that is not seen, with a client that the stage shows.

import { createClient } from "/pkg/index.js";

let isKilled = false;
// Killed, it is to have no time for a goodbye: nobody in it hears that it goes. On the way to whoever listens, an event
// comes by here first.
for (const type of ["pagehide", "visibilitychange", "freeze"]) {
  window.addEventListener(type, (event) => isKilled && event.stopImmediatePropagation(), true);
}

Object.assign(window, {
  pullcordTab: {
    createClient,
    kill() {
      isKilled = true;
      window.frameElement?.remove();
    },
  },
});
