// What the tests have in their pages as globals, and what the pages' own addresses are.

export {};

declare global {
  /** the package, and page.js (tests/e2e/harness.mjs) */
  var pullcord: typeof import("../pkg-template/index.js");
  var e2e: typeof import("./e2e/support/page/page.js");
  var faults: typeof import("./e2e/support/page/faults.js");
  var crash: typeof import("./e2e/support/page/crash.js");
  var traffic: typeof import("./e2e/support/page/traffic.js");
  // what a test keeps in its page for its next step: `client` is the open one, `timeline` its list
  // biome-ignore-start lint/suspicious/noExplicitAny: each test knows what it is
  var client: any;
  var timeline: any;
  var world: any;
  var clientOf: any;
  var told: any;
  var ends: any;
  var backend: any;
  var onScreen: any;
  var from: any;
  var overflowed: any;
  var drawn: any;
  var sent: any;
  var codeOf: any;
  var second: any;
  var thrown: any;
  var lists: any;
  var held: any;
  var workers: any;
  var claim: any;
  var tasks: any;
  var task: any;
  var shown: any;
  var clients: any;
  var bobsList: any;
  var removed: any;
  var opened: any;
  var old: any;
  var logged: any;
  var lies: any;
  var counting: any;
  var wire: any;
  var crowd: typeof import("./e2e/support/page/crowd.js");
  var written: any;
  var leaving: any;
  var holding: any;
  var began: any;
  var app: any;
  var testing: any;
  var aborted: any;
  var heldTexts: any;
  var changes: any;
  var said: any;
  var moves: any;
  var hasMoved: any;
  var wereThere: any;
  var isAwake: any;
  var pullcordTour: any;
  var pullcordDemo: any;
  // biome-ignore-end lint/suspicious/noExplicitAny: as above
}
