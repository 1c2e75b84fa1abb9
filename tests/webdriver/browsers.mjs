// Which browser the tests here are for: `BROWSER` says it, "firefox" or "webkit".

import { findFirefox, findWebKit } from "../../tools/setup.mjs";

const BROWSERS = {
  firefox() {
    const found = findFirefox();
    return (
      found && {
        driver: found.driver,
        capabilities: { "moz:firefoxOptions": { binary: found.firefox, args: ["-headless"] } },
      }
    );
  },
  webkit() {
    const found = findWebKit();
    return (
      found && {
        driver: found.driver,
        screen: found.screen,
        capabilities: { "webkitgtk:browserOptions": { binary: found.browser, args: ["--automation"] } },
      }
    );
  },
};

export const name = process.env.BROWSER ?? "webkit";
export const browser = BROWSERS[name]();
/** How each test is run: what hangs must not hang the whole run. */
export const RUN = { skip: browser ? false : `there is no ${name} here`, timeout: 180_000 };
