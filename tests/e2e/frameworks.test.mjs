// "pullcord/react", "pullcord/vue" and "pullcord/svelte", from the packed package, each in an app of its framework
// (./apps) on the backend in memory. The apps look alike, and the tests are the same for all.

import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bundle, install } from "./support/apps.mjs";
import { eventually, launchBrowser, openPage } from "./support/harness.mjs";
import { startStatic } from "./support/static.mjs";

const APPS = { react: "jsx", vue: "js", svelte: "js" };

/** what is said of a message that nobody sends */
const LOST = "pullcord: send: there is no client yet, or no conversation; nothing was done";

for (const name of Object.keys(APPS))
  describe(name, () => {
    let server, browser, page, folder;
    /** what it has rendered on a server */
    let rendered;

    before(async () => {
      folder = await install(join(import.meta.dirname, "apps"));
      await bundle(folder, `${name}-page.${APPS[name]}`, `out/${name}-page.js`);
      copyFileSync(join(folder, "node_modules", "pullcord", "pullcord.wasm"), join(folder, "out", "pullcord.wasm"));
      const { render } = createRequire(import.meta.url)(
        await bundle(folder, `${name}-server.${APPS[name]}`, `out/${name}-server.cjs`, "server"),
      );
      rendered = await render({ user: "ada", conversation: "general" });
      const html = (content) =>
        `<!doctype html><div id="app">${content}</div><script type="module" src="/out/${name}-page.js"></script>`;
      server = await startStatic({ "/": html(""), "/rendered": html(rendered), "/out/": `${join(folder, "out")}/` });
      browser = await launchBrowser();
    });

    after(async () => {
      await browser?.close();
      server?.stop();
    });

    async function open(path = "/") {
      page = await openPage(browser, server, path);
      // what a framework warns of
      page.on("console", (message) => {
        if (message.type() === "warning") page.problems.push(message.text());
      });
      await page.waitForFunction(() => globalThis.app);
    }
    const mount = (...given) => page.evaluate((given) => app.mount(...given), given);
    const set = (wanted) => page.evaluate((wanted) => app.set(wanted), wanted);
    const rows = () => page.evaluate(() => [...document.querySelectorAll("li")].map((row) => row.textContent));
    const state = () => page.evaluate(() => document.querySelector("#state").textContent.trim().split(/\s+/).join(" "));
    const shows = (text) =>
      page.waitForFunction((text) => [...document.querySelectorAll("li")].at(-1)?.textContent === text, text);
    const becomes = (wanted) =>
      page.waitForFunction(
        (wanted) => document.querySelector("#state")?.textContent.trim().split(/\s+/).join(" ") === wanted,
        wanted,
      );
    const ended = async () => {
      await page.evaluate(() => app.unmount());
      await page.waitForFunction(() => app.open === 0);
      assert.deepEqual(page.problems, []);
      await page.close();
    };

    test("a list: shown, paged, sent to, and kept up to date", async () => {
      await open();
      await mount({ user: "ada", conversation: "general" });
      await shows("message 100");
      await becomes("online 3 general 0 ready");
      assert.equal((await rows()).length, 30);
      assert.equal((await page.evaluate(() => app.view.loadOlder())).added, 30);
      await page.waitForFunction(() => document.querySelectorAll("li").length === 60);
      await page.evaluate(() => app.view.send({ text: "mine" }));
      await shows("mine");
      // until it is delivered it stands behind all others
      await page.waitForFunction(() => app.view.items.at(-1).kind === "message");
      await page.evaluate(() => app.backend.post("general", "theirs", "bob"));
      await shows("theirs");
      await becomes("online 3 general 0 ready");
      const id = await page.evaluate(() => app.view.items.at(-2).message.id);
      await page.evaluate((id) => app.view.edit(id, { text: "mine, edited" }), id);
      await page.waitForFunction(() => [...document.querySelectorAll("li")].at(-2).textContent === "mine, edited");
      await page.evaluate((id) => app.view.recall(id), id);
      await page.waitForFunction(() => [...document.querySelectorAll("li")].at(-2).textContent === "recalled");
      await page.evaluate(() => app.view.jump({ around: "10" }));
      await page.waitForFunction(() => document.querySelector("li").textContent === "message 1");
      await set({ user: "ada", conversation: "empty" });
      await becomes("online 3 empty 0 ready");
      await eventually(async () => assert.deepEqual(await rows(), []));
      assert.deepEqual(await page.evaluate(() => app.opened), ["apps|ada"]);
      await ended();
    });

    test("rendered again with other functions and another transport, nothing is opened anew", async () => {
      await open();
      await mount({ user: "ada", conversation: "general" });
      await shows("message 100");
      const before = await page.evaluate(() => app.made);
      for (let i = 0; i < 3; i += 1) await page.evaluate(() => app.again());
      await page.waitForFunction((before) => app.made > before, before);
      await page.evaluate(() => app.view.send({ text: "still the same" }));
      await shows("still the same");
      // it is shown before it is sent
      await page.waitForFunction((before) => app.sentBy > before, before);
      assert.deepEqual(await page.evaluate(() => app.opened), ["apps|ada"]);
      await ended();
    });

    test("other values open another client; signing out shows nothing, another account only its own", async () => {
      await open();
      await mount({ user: "ada", conversation: "own" });
      await shows("a secret");
      await set({ user: "ada", conversation: "general", pageSize: 5 });
      await shows("message 100");
      await page.waitForFunction(() => document.querySelectorAll("li").length === 5 && app.open === 1);
      await set(null);
      await becomes("connecting 0 none 0 opening");
      await eventually(async () => assert.deepEqual(await rows(), []));
      await page.waitForFunction(() => app.open === 0);
      await page.evaluate(() => {
        globalThis.shown = [];
        new MutationObserver(() => shown.push(document.querySelector("ul")?.textContent ?? "")).observe(document, {
          subtree: true,
          childList: true,
          characterData: true,
        });
      });
      await set({ user: "bob", conversation: "own" });
      await becomes("online 2 none 0 ready");
      await set({ user: "bob", conversation: "general" });
      await shows("message 100");
      assert.deepEqual(await page.evaluate(() => shown.filter((text) => text.includes("secret"))), []);
      assert.deepEqual(await page.evaluate(() => app.opened), ["apps|ada", "apps|ada", "apps|bob"]);
      await ended();
    });

    test("what cannot be opened is the error, and without a client the methods reject", async () => {
      await open();
      await mount({ user: "", conversation: "general" });
      await page.waitForFunction(() => document.querySelector("#error").textContent === "invalid");
      await eventually(async () => assert.equal(await state(), "connecting 0 none 0 opening"));
      assert.equal(
        await page.evaluate(async () => {
          app.view.visible("a", "b");
          return app.view.send({ text: "nowhere" }).catch(({ code }) => code);
        }),
        "closed",
      );
      assert.deepEqual(page.problems.splice(0), [LOST]);
      await set({ user: "ada", conversation: "general" });
      await shows("message 100");
      await page.waitForFunction(() => document.querySelector("#error").textContent === "");
      await ended();
    });

    test("where no client is above them the parts say so, once, and so does what is not done", async () => {
      await open();
      await mount({ conversation: "general" }, null, true);
      await becomes("connecting 0 none 0 opening");
      await page.waitForFunction(() => app.view);
      await page.evaluate(async () => {
        for (let n = 0; n < 2; n += 1) await app.view.send({ text: "lost" }).catch(() => {});
        await app.view.loadOlder().catch(() => {});
      });
      const parts = ["usePullcord()", "useStatus", "useConversations", "useConversation", "useTimeline", "useOutbox"];
      const above = name === "react" ? "put a <PullcordProvider>" : "call usePullcord(options) in a component";
      assert.deepEqual(page.problems.splice(0).sort(), [
        LOST,
        ...parts
          .map(
            (part) =>
              `pullcord: ${part} has no client and shows nothing: ${above} above it, or pass the client as its last argument`,
          )
          .sort(),
      ]);
      await ended();
    });

    test("an id that is null shows nothing; one that is not there, for long, is told as well", async () => {
      await open();
      await mount({ user: "ada", conversation: null });
      await becomes("online 3 none 0 opening");
      await page.waitForTimeout(3200);
      assert.deepEqual(page.problems, []);
      // for a moment
      await set({ user: "ada", conversation: undefined });
      await set({ user: "ada", conversation: "general" });
      await shows("message 100");
      await page.waitForTimeout(3200);
      assert.deepEqual(page.problems, []);
      const told = (id) =>
        ["useConversation", "useTimeline"].map(
          (part) => `pullcord: ${part} shows nothing: its id is ${id}. Where no conversation is chosen give null`,
        );
      for (const [id, text] of [
        [undefined, "undefined"],
        ["", '""'],
      ]) {
        await set({ user: "ada", conversation: id });
        await becomes("online 3 none 0 opening");
        await eventually(() => assert.deepEqual(page.problems.toSorted(), told(text)));
        page.problems.splice(0);
      }
      await ended();
    });

    test("a promise in place of a client is named, and so is a provider that is given nothing", async () => {
      await open();
      const thrown = await mount({ conversation: "general" }, "promise").catch(String);
      const named = /`client` is what createClient resolves with, and not a promise: await createClient\(…\)/;
      // some frameworks tell the console, and some throw
      await eventually(() => assert.match([thrown, ...page.problems].join("\n"), named));
      await page.close();
      if (name === "svelte") return;
      await open();
      await mount({}, null, "nothing");
      await becomes("connecting 0 none 0 opening");
      assert.deepEqual(page.problems.splice(0), [
        "pullcord: <PullcordProvider> has neither `options` nor `client`, and gives no client",
      ]);
      await ended();
    });

    test("what is no function is refused as createClient does it, and what a part throws is told", async () => {
      await open();
      for (const more of [
        { transport: { baseUrl: "https://chat.example", token: "a token" } },
        { transport: "https://chat.example" },
        { worker: "worker.js" },
        { logger: "console" },
      ]) {
        await mount({ user: "ada", conversation: "general", more });
        await page.waitForFunction(() => document.querySelector("#error")?.textContent === "invalid");
        await page.evaluate(() => app.unmount());
      }
      // no log had it
      assert.deepEqual(page.problems.splice(0), ["pullcord: createClient: logger is a function, not string"]);
      await mount({ user: "ada", conversation: 7 });
      await eventually(() => assert.match(page.problems.join("\n"), /conversation is a text.*not number/));
      await page.close();
    });

    test("options that change by themselves are told, once", async () => {
      await open();
      await mount({ user: "u0", conversation: "general" });
      await page.waitForFunction(() => app.set);
      const told = () => page.problems.filter((text) => /^pullcord: the options have changed 5 times/.test(text));
      // what is told is told within 2 s: on a slow machine it takes more of them
      for (let i = 1; i < 200 && !told().length; i += 1) await set({ user: `u${i}`, conversation: "general" });
      for (let i = 200; i < 210; i += 1) await set({ user: `u${i}`, conversation: "general" });
      await shows("message 100");
      assert.equal(told().length, 1);
      assert.equal(page.problems.splice(0).length, 1);
      await ended();
    });

    test("a client that is given is used, and not closed", async () => {
      await open();
      await mount({ conversation: "general" }, "ada");
      await shows("message 100");
      await page.evaluate(() => app.unmount());
      await page.waitForFunction(() => app.given.status.getSnapshot().connection === "online");
      await page.evaluate(() => app.given.close());
      assert.deepEqual(page.problems, []);
      await page.close();
    });

    test("a server renders what is empty, and the page takes it over as it is", async () => {
      assert.match(rendered, /connecting[\s\S]*0[\s\S]*none[\s\S]*0[\s\S]*opening/);
      assert.doesNotMatch(rendered, /message/);
      await open("/rendered");
      await mount({ user: "ada", conversation: "general" });
      await shows("message 100");
      await ended();
    });

    if (name === "vue")
      test("a part that is called after setup says so, and throws nothing", async () => {
        await open();
        assert.equal(await page.evaluate(() => app.late()), "opening");
        const line = /^pullcord: useTimeline was called outside of setup\(\), after an `await` or in a callback/;
        await eventually(() =>
          assert.ok(
            page.problems.some((text) => line.test(text)),
            page.problems.join("\n"),
          ),
        );
        await page.close();
      });

    if (name === "vue")
      test("a client in a ref, or in a reactive store, works", async () => {
        await open();
        assert.deepEqual(await page.evaluate(() => app.reactive()), [true, "from a ref", "closed"]);
        assert.deepEqual(page.problems, []);
        await page.close();
      });
  });
