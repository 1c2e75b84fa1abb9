// docs/recipes.md as an app that runs: www/examples/recipes, with the packed package. The page is the server, and has
// Ada's and Bob's device in it; further tabs are opened from it. Each test has a browser's storage of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../tools/run.mjs";
import { install } from "./support/apps.mjs";
import { eventually, launchBrowser, openPage } from "./support/harness.mjs";
import { startStatic } from "./support/static.mjs";

/** A picture of one pixel. */
const PNG = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  "base64",
);

describe("recipes", () => {
  let places, browser;

  before(async () => {
    const folder = await install(join(ROOT, "www", "examples"));
    places = await startStatic({
      "/recipes/": `${join(folder, "recipes")}/`,
      "/node_modules/": `${join(folder, "node_modules")}/`,
      "/style.css": readFileSync(join(folder, "style.css"), "utf8"),
    });
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    places?.stop();
  });

  /**
   * The server's page, with what a device in it, or a tab of its own, can be asked for.
   * @param {{ after(close: () => Promise<void>): void }} t
   */
  async function world(t) {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await openPage(context, places, "/recipes/index.html");
    const problems = [page.problems];
    page.on("dialog", (dialog) => dialog.accept());

    /** @param {import("playwright-core").Page | import("playwright-core").Frame} at */
    function device(at) {
      const row = (text) => at.locator(".row", { hasText: text });
      return {
        at,
        row,
        client: (run, arg) => at.evaluate(run, arg),
        // by no frame of the page: behind another tab there is one a second
        until: (holds) => at.waitForFunction(holds, undefined, { polling: 50 }),
        click: (what) => (typeof what === "string" ? at.locator(what) : what).dispatchEvent("click"),
        write: (text) => at.fill(".message", text),
        send: async (text) => {
          if (text !== undefined) await at.fill(".message", text);
          await at.press(".message", "Enter");
        },
        attach: async (name = "sea.png", buffer = PNG, mimeType = "image/png") => {
          await at.setInputFiles("input[type=file]", { name, mimeType, buffer });
          await at.waitForSelector(".chosen .chip");
        },
        shows: async (selector, count = 1) =>
          eventually(async () => assert.equal(await at.locator(selector).count(), count, selector)),
        /** The same page anew. */
        reload: async () => {
          await at.goto(at.url());
          await at.waitForSelector(".row");
        },
        /** Everything that the server has is here. */
        sync: () => at.evaluate(() => globalThis.client.sync()),
      };
    }

    const frame = async (name) => {
      const found = page.frame({ name });
      await found.waitForSelector(".row");
      return device(found);
    };
    return {
      page,
      problems,
      ada: await frame("ada"),
      bob: await frame("bob"),
      /** Another tab of this user. */
      async tab(user) {
        const opened = page.waitForEvent("popup");
        await page.click(`.device:has(iframe[name=${user}]) a`);
        const tab = await opened;
        tab.on("dialog", (dialog) => dialog.accept());
        await tab.waitForSelector(".row");
        return device(tab);
      },
      /** On the server. */
      server: (run, arg) => page.evaluate(run, arg),
      trouble: (user, trouble) =>
        page.evaluate(([user, trouble]) => globalThis.server.trouble(user, trouble), [user, trouble]),
      /** What the server has of a conversation that says this. */
      has: (text, conversation = "general") =>
        page.evaluate(
          ([text, conversation]) =>
            globalThis.server.backend.messages(conversation).filter(({ body }) => body?.text === text),
          [text, conversation],
        ),
    };
  }

  /** Two tests in one world: it is what takes the time. */
  function shared() {
    /** @type {ReturnType<typeof world> | undefined} */
    let made;
    const closing = [];
    after(() => Promise.all(closing.map((close) => close())));
    return () => {
      made ??= world({ after: (close) => closing.push(close) });
      return made;
    };
  }

  /** Rows of the list, by key. @returns {Promise<string[]>} */
  const keys = ({ at }) =>
    at.evaluate(() => [...document.querySelectorAll(".row")].map((row) => row.getAttribute("data-key")));

  test("read receipts: how far the others have read, never back, also on what is not loaded", async (t) => {
    const { ada, bob, server, has } = await world(t);
    await ada.send("one");
    await ada.row("one").locator(".seen", { hasText: "Read by bob" }).waitFor();

    // Bob looks at something else: what comes now is not read
    await bob.click(bob.row("one").locator(".link"));
    await ada.send("two");
    await bob.until(() => globalThis.client.conversation("general").getSnapshot().unread === 1);
    // his other device tells late what it has read before
    await bob.client(() => globalThis.client.markRead("general", 3));
    const [{ seq }] = await has("one");
    await server(async () => {
      const token = localStorage.getItem("token|recipes|bob");
      const { signal } = new AbortController();
      await globalThis.server.call({ user: "bob", token }, "markRead", { conversation: "general", seq: "3" }, signal);
    });
    await ada.sync();
    assert.deepEqual(
      await ada.client(() => globalThis.client.conversation("general").getSnapshot().meta.read.bob),
      seq,
    );
    assert.equal(await ada.row("one").locator(".seen").count(), 1);
    assert.equal(await ada.row("two").locator(".seen").count(), 0);

    // somebody has read a message that Ada has not loaded
    const before = await keys(ada);
    await server(() =>
      globalThis.server.backend.meta("general", (meta) => ({ ...meta, read: { ...meta.read, carol: "4" } })),
    );
    await ada.sync();
    assert.deepEqual(await keys(ada), before);
    await ada.shows(".seen", 1);
    await showOldest(ada);
    await ada.row("(4)").locator(".seen", { hasText: "carol" }).waitFor();

    // a list that ends before the newest message, and positions that are too large for a number
    const at = await ada.client(async () => {
      // @ts-ignore: the page's own
      const { receipts } = await import("./receipts.js");
      const list = (hasNewer, ...seqs) => ({
        hasNewer,
        items: seqs.map((seq) => ({ kind: "message", message: { id: `m${seq}`, seq } })),
      });
      const read = { ada: "9", bob: "10", carol: 9, dan: "2", eve: "9007199254740994" };
      return [list(true, "3", "9", "10"), list(false, "3", "9007199254740993")].map((one) => [
        ...receipts(one, { read }, "ada"),
      ]);
    });
    assert.deepEqual(at, [
      [
        ["m10", ["bob"]],
        ["m9", ["carol"]],
      ],
      [
        ["m3", ["bob", "carol"]],
        ["m9007199254740993", ["eve"]],
      ],
    ]);

    await bob.click(".back");
    await ada.row("two").locator(".seen", { hasText: "bob" }).waitFor();
    await ada.row("one").locator(".seen").waitFor({ state: "detached" });
  });

  /** Scrolls up as far as there is something. */
  async function showOldest({ until }) {
    await until(() => {
      const list = document.querySelector(".list");
      list.scrollTop = 0;
      return list.textContent.includes("(1)");
    });
  }

  const ofMessages = shared();

  test("reactions: two people at once, on a message that is not loaded, and without a network", async () => {
    const { ada, bob, server, trouble, has } = await ofMessages();
    await ada.send("look");
    await bob.row("look").waitFor();
    const chip = (device, text, emoji) => device.row(text).locator(".chip", { hasText: emoji });
    await Promise.all([ada.click(chip(ada, "look", "★")), bob.click(chip(bob, "look", "★"))]);
    for (const device of [ada, bob]) await chip(device, "look", "★ 2").waitFor();
    const [message] = await has("look");
    assert.deepEqual([...message.body.reactions["★"]].sort(), ["ada", "bob"]);
    assert.equal(message.state, "normal");
    await bob.click(chip(bob, "look", "★ 2"));
    for (const device of [ada, bob]) await chip(device, "look", "★ 1").waitFor();

    // an old message: no row comes, nothing is unread, and its page brings it
    await ada.sync();
    const before = await keys(ada);
    await server(async () => {
      const token = localStorage.getItem("token|recipes|bob");
      const request = { conversation: "general", messageId: "general-2", emoji: "❤", on: true };
      // said twice, as by a request that was not answered
      for (const _ of "12") await globalThis.server.call({ user: "bob", token }, "react", request);
    });
    await ada.sync();
    assert.deepEqual(await keys(ada), before);
    assert.equal(await ada.client(() => globalThis.client.conversation("general").getSnapshot().unread), 0);
    await showOldest(ada);
    await chip(ada, "(2)", "❤ 1").waitFor();

    // shown at once, and gone where it cannot be told
    await trouble("ada", { offline: true });
    await ada.click(chip(ada, "look", "☺"));
    await ada.at.waitForSelector(".notice:not([hidden])");
    await chip(ada, "look", "☺ 1").waitFor({ state: "detached" });
    await trouble("ada", { offline: false });
  });

  test("threads: answered without a network, counted on the message, and in no other list", async () => {
    const { ada, bob, server, trouble } = await ofMessages();
    await bob.send("question");
    // a thread that nobody has answered yet is an empty list, and not one that cannot be read
    await bob.click(bob.row("question").locator(".link"));
    await bob.until(() => {
      const { status, items, hasOlder, error } = globalThis.client
        .timeline(`thread:${globalThis.client.conversation("general").getSnapshot().lastMessage.id}`)
        .getSnapshot();
      return status === "ready" && items.length === 0 && !hasOlder && !error;
    });
    await bob.click(".back");
    await ada.row("question").waitFor();
    await trouble("ada", { offline: true });
    await ada.click(ada.row("question").locator(".link"));
    await ada.send("answer");
    await ada.row("answer").locator(".state", { hasText: "Waiting" }).waitFor();
    // the first answer of the server is lost: it is sent again
    await server(() => {
      const server = globalThis.server;
      const call = server.call.bind(server);
      let lost = 0;
      server.call = async (session, method, ...rest) => {
        const answer = await call(session, method, ...rest);
        if (method === "send" && lost++ === 0) throw new Error("lost");
        return answer;
      };
    });
    await trouble("ada", { offline: false });
    await ada.row("answer").locator(".reactions").waitFor();
    const link = bob.row("question").locator(".link");
    await eventually(async () => assert.equal(await link.textContent(), "1 reply, 1 new"));
    assert.equal(await bob.row("answer").count(), 0);
    assert.equal(await bob.at.locator(".tabs button").count(), 1);
    await bob.click(link);
    await bob.row("answer").waitFor();
    await bob.send("thanks");
    await ada.row("thanks").waitFor();
    for (const device of [ada, bob]) {
      await device.click(".back");
      const words = device.row("question").locator(".link");
      await eventually(async () => assert.equal(await words.textContent(), "2 replies"));
      assert.equal(await device.row("answer").count(), 0);
    }
  });

  const stored = ({ at }, database = "files|recipes|ada") =>
    at.evaluate(
      (database) =>
        new Promise((resolve) => {
          const opened = indexedDB.open(database);
          opened.onsuccess = () => {
            const request = opened.result.transaction("files").objectStore("files").count();
            request.onsuccess = () => {
              opened.result.close();
              resolve(request.result);
            };
          };
        }),
      database,
    );

  /** It is loaded, from wherever it is. */
  const pictureIn = ({ row }, text) =>
    eventually(async () => {
      const width = row(text)
        .locator("img")
        .evaluate((img) => /** @type {any} */ (img).naturalWidth);
      assert.equal(await width, 1);
    });

  const ofFiles = shared();

  test("attachments: chosen and sent offline, reloaded, then uploaded and sent once", async () => {
    const { ada, bob, server, trouble, has } = await ofFiles();
    await trouble("ada", { offline: true });
    await ada.attach();
    // before it is sent it belongs to the draft
    await ada.reload();
    await ada.at.waitForSelector(".chosen .chip");
    await ada.send("my picture");
    await ada.row("my picture").locator(".state", { hasText: "Waiting" }).waitFor();
    await ada.reload();
    await pictureIn(ada, "my picture");
    await trouble("ada", { offline: false });
    await pictureIn(bob, "my picture");
    assert.equal((await has("my picture")).length, 1);
    assert.deepEqual(await server(() => globalThis.server.counts), { begun: 1, pieces: 1 });
    await eventually(async () => assert.equal(await stored(ada), 0));
  });

  test("attachments: a follower's file is uploaded by the tab that writes, and goes on where it was", async (t) => {
    const { ada, bob, server, tab, has } = await world(t);
    const other = await tab("ada");
    const writer = (device) => device.client(() => globalThis.client.status.getSnapshot().writer);
    let follower;
    await eventually(async () => {
      const all = [await writer(ada), await writer(other)];
      assert.deepEqual([...all].sort(), ["elsewhere", "here"]);
      follower = all[0] === "elsewhere" ? ada : other;
    });
    const uploader = follower === ada ? other : ada;
    const uploads = (device) =>
      device.client(() => {
        // each upload reads the file here
        globalThis.reads = 0;
        const { get } = IDBObjectStore.prototype;
        IDBObjectStore.prototype.get = function (...args) {
          if (this.name === "files") globalThis.reads += 1;
          return get.apply(this, args);
        };
      });
    await uploads(uploader);
    // the second piece fails the first time
    await server(() => {
      const server = globalThis.server;
      const call = server.call.bind(server);
      let pieces = 0;
      server.call = async (session, method, ...rest) => {
        if (method === "upload" && ++pieces === 2) throw new Error("lost");
        return call(session, method, ...rest);
      };
    });
    await follower.attach("large.bin", Buffer.alloc(600 * 1024, 7), "application/octet-stream");
    await follower.send("large");
    await bob.row("large").locator("a[data-file]").waitFor();
    assert.equal((await has("large")).length, 1);
    assert.deepEqual(await server(() => globalThis.server.counts), { begun: 2, pieces: 3 });
    assert.ok((await uploader.client(() => globalThis.reads)) >= 2);
    const size = bob
      .row("large")
      .locator("a")
      .evaluate(async (a) => (await (await fetch(a.getAttribute("href"))).blob()).size);
    assert.equal(await size, 600 * 1024);
    // both tabs show it once, and it is not kept
    for (const device of [ada, other]) await device.shows(".row:has-text('large') a[data-file]");
    await eventually(async () => assert.equal(await stored(ada), 0));
  });

  test("attachments: an upload that fails is tried again; one that is refused fails its message alone", async () => {
    const { ada, bob, trouble, has } = await ofFiles();
    await trouble("ada", { uploads: "fail" });
    await ada.attach();
    await ada.send("first");
    await ada.send("second");
    await ada.until(() => globalThis.client.outbox.getSnapshot()[0]?.attempts >= 2);
    assert.equal((await has("first")).length, 0);
    await trouble("ada", { uploads: "refuse" });
    const retry = () => ada.client(() => globalThis.client.retry(globalThis.client.outbox.getSnapshot()[0].clientId));
    await retry();
    await ada.row("first").locator(".failed", { hasText: "files of this kind are not taken" }).waitFor();
    await bob.row("second").waitFor();
    assert.equal(await bob.row("first").count(), 0);
    // the file is still there
    await trouble("ada", { uploads: undefined });
    await ada.click(ada.row("first").locator("text=Try again"));
    await bob.row("first").locator("img").waitFor();

    await trouble("ada", { uploads: "refuse" });
    await ada.attach();
    await ada.send("third");
    await ada.click(ada.row("third").locator("text=Discard"));
    await ada.row("third").waitFor({ state: "detached" });
    await eventually(async () => assert.equal(await stored(ada), 0));
    assert.equal((await has("third")).length, 0);
  });

  const draft = ({ at }, text) =>
    eventually(async () => assert.equal(await at.inputValue(".message"), text, "the draft"));

  test("drafts: in all tabs, over a reload, gone when it is sent, and sent once if the tab dies meanwhile", async (t) => {
    const { ada, bob, tab, has } = await world(t);
    const other = await tab("ada");
    await ada.write("a thought");
    await draft(other, "a thought");
    await ada.reload();
    await draft(ada, "a thought");
    // by conversation
    await ada.click("text=Notes");
    await draft(ada, "");
    await ada.click("text=General");
    await draft(ada, "a thought");
    await other.send();
    for (const device of [ada, other]) await draft(device, "");
    await bob.row("a thought").waitFor();

    // the tab dies before the outbox has it, and after
    for (const [text, stores] of /** @type {const} */ ([
      ["before", false],
      ["after", true],
    ])) {
      await ada.client((stores) => {
        const { send } = globalThis.client;
        globalThis.client.send = async (...args) => {
          if (stores) await send(...args);
          globalThis.died = true;
          await new Promise(() => {});
        };
      }, stores);
      await ada.send(text);
      await draft(ada, "");
      await ada.until(() => globalThis.died);
      if (!stores) assert.equal((await has(text)).length, 0);
      await ada.reload();
      await bob.row(text).waitFor();
      await ada.row(text).locator(".reactions").waitFor();
      await ada.until(() => !Object.keys(localStorage).some((key) => key.startsWith("sending|")));
      await ada.sync();
      assert.equal((await has(text)).length, 1);
      await draft(ada, "");
    }

    // the device is full: the text is not lost
    await ada.client(() => {
      globalThis.client.send = () => Promise.reject(Object.assign(new Error("no room"), { code: "quota" }));
    });
    await ada.send("kept");
    await ada.at.waitForSelector(".notice:has-text('no room')");
    for (const device of [ada, other]) await draft(device, "kept");
  });

  const ofAccounts = shared();

  test("switching accounts: what is on its way is sent, once, and nothing is shown of the other", async () => {
    const { ada: device, bob, server, trouble, has } = await ofAccounts();
    await trouble("ada", { offline: true });
    await device.send("waits");
    await device.row("waits").waitFor();
    await device.write("my secret");
    await device.client(() => {
      globalThis.left = globalThis.client;
    });
    await device.click("text=Switch to bob");
    await device.at.waitForSelector("header strong:has-text('bob')");
    await device.at.waitForSelector(".row");
    assert.equal(await device.row("waits").count(), 0);
    assert.equal(await device.at.locator(".tabs button").count(), 1);
    await draft(device, "");
    assert.equal(await device.client(() => globalThis.client.outbox.getSnapshot().length), 0);
    assert.equal(await device.client(() => globalThis.left.status.getSnapshot().connection), "closed");
    await trouble("ada", { offline: false });
    await device.click("text=Switch to ada");
    await bob.row("waits").waitFor();
    await draft(device, "my secret");

    // while the request is under way, which the server carries out
    await server(() => {
      const server = globalThis.server;
      const call = server.call.bind(server);
      globalThis.held = new Promise((held) => {
        server.call = async (session, method, request, signal) => {
          if (method !== "send" || server.call === call) return call(session, method, request, signal);
          server.call = call;
          const answer = await call(session, method, request, new AbortController().signal);
          held(answer);
          await new Promise(() => {});
        };
      });
    });
    await device.send("under way");
    await server(() => globalThis.held);
    await device.click("text=Switch to bob");
    await device.at.waitForSelector("header strong:has-text('bob')");
    await device.row("under way").waitFor();
    await device.click("text=Switch to ada");
    await device.until(
      () => globalThis.client?.account === "recipes|ada" && globalThis.client.outbox.getSnapshot().length === 0,
    );
    await device.sync();
    for (const text of ["waits", "under way"]) {
      assert.equal((await has(text)).length, 1);
      assert.equal(await device.row(text).count(), 1);
    }
  });

  test("a session that has ended: the data stays, all tabs ask, and go on once one has signed in", async () => {
    const { page, ada, bob, tab, has } = await ofAccounts();
    const end = async () => {
      await page.click(".device:has(iframe[name=ada]) button");
      await ada.client(() => globalThis.client.sync().catch(() => {}));
    };
    await end();
    await ada.at.waitForSelector(".sign-in");
    await ada.send("meanwhile");
    await ada.row("meanwhile").locator(".state").waitFor();
    assert.ok((await keys(ada)).length > 1);
    assert.equal((await has("meanwhile")).length, 0);
    await ada.click(".sign-in button");
    await bob.row("meanwhile").waitFor();

    const other = await tab("ada");
    await end();
    for (const device of [ada, other]) await device.at.waitForSelector(".sign-in");
    await ada.send("again");
    await other.click(".sign-in button");
    await bob.row("again").waitFor();
    for (const device of [ada, other]) await device.at.waitForSelector(".status:has-text('online')");
  });

  test("starting offline: the page, its scripts and the wasm are kept, and so is what was shown", async (t) => {
    const { page, ada, trouble } = await world(t);
    await trouble("ada", { offline: true });
    await ada.send("waits");
    await ada.row("waits").locator(".state").waitFor();
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.context().setOffline(true);
    await page.reload();
    // the page is the server as well, and has begun anew
    const again = page.frame({ name: "ada" });
    await again.locator(".row", { hasText: "waits" }).locator(".reactions").waitFor();
    assert.equal(await again.evaluate(() => globalThis.client.status.getSnapshot().storage), "indexeddb");
  });

  test("signing out leaves nothing of the account, in no tab, also where it was cut short", async (t) => {
    const { ada, bob, tab, trouble } = await world(t);
    const left = () =>
      bob.at.evaluate(async () => {
        const all = await indexedDB.databases();
        const own = Object.keys(localStorage).filter((key) => !key.startsWith("server|"));
        return [...all.map(({ name }) => name), ...own].filter((name) => decodeURIComponent(name).includes("ada"));
      });
    const fill = async () => {
      await trouble("ada", { offline: true });
      await ada.attach();
      await ada.send("lost");
      await ada.attach();
      await ada.write("a draft");
      assert.ok((await left()).length >= 4, String(await left()));
    };
    const other = await tab("ada");
    await fill();
    await ada.click("text=Sign out");
    await ada.at.waitForSelector(".sign-in:has-text('You have signed out.')");
    await other.at.waitForSelector(".sign-in:has-text('in another tab')");
    for (const device of [ada, other]) assert.equal(await device.at.locator(".row").count(), 0);
    await eventually(async () => assert.deepEqual(await left(), []));

    await trouble("ada", { offline: false });
    await ada.at.fill(".sign-in input", "ada");
    await ada.click(".sign-in button");
    await ada.at.waitForSelector(".row");
    assert.equal(await ada.row("lost").count(), 0);
    await draft(ada, "");
    await fill();
    // the tab dies as soon as it has begun
    await ada.client(() => {
      globalThis.client.wipe = () => new Promise(() => {});
    });
    await ada.click("text=Sign out");
    await ada.until(() => localStorage.getItem("token|recipes|ada") === "");
    await ada.at.goto(ada.at.url());
    await ada.at.waitForSelector(".sign-in");
    await eventually(async () => assert.deepEqual(await left(), []));
  });
});
