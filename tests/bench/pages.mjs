// The benchmark's page, and the calls of its functions (tests/bench/page/index.js).

/** @param {import("playwright-core").BrowserContext} context @param {string} url */
export async function openPage(context, url) {
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.message}`));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) console.error(`page: ${message.text()}`);
  });
  await page.goto(url);
  await page.addScriptTag({ url: "/bench.js", type: "module" });
  await page.waitForFunction(() => "bench" in globalThis);
  return page;
}

/** Calls a function of tests/bench/page/index.js. @param {import("playwright-core").Page} page */
export function call(page, name, ...args) {
  return page.evaluate(
    ([name, args]) => /** @type {any} */ (globalThis).bench[name](...args),
    /** @type {[string, any[]]} */ ([name, args]),
  );
}

/** Another one begins each round: whoever comes second finds the disk busier. */
export const rotated = (list, round) => list.map((_, index) => list[(index + round) % list.length]);
