// The demo before hostile text and hostile pages: whatever others have written is shown as its text and is nothing
// else, and under the server's policy nothing would run that got into a page all the same.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { TARGET } from "../../tools/build.mjs";
import { ROOT } from "../../tools/run.mjs";
import { demo, eventually, launchBrowser, startServer, temporaryFolder } from "./support/harness.mjs";
import { audit, LONG, MADE, NAMES, PAYLOADS, probe, sources, WWW } from "./support/hostile.mjs";

/** Where pictures of the pages go, for whoever wants to look at them. */
const PICTURES = join(TARGET, "e2e");

describe("security of the demo", () => {
  let server, browser, at, elsewhere;

  before(async () => {
    mkdirSync(PICTURES, { recursive: true });
    // A file that was imported is hostile in everything that it can say.
    const file = join(temporaryFolder(), "<img src=x onerror=harm()>.jsonl");
    const kinds = ["text", "action", "system", "<b>"];
    const line = (conversation, n, sender, text) =>
      JSON.stringify({ conversation, n, createdAt: 1_700_000_000_000 + 60_000 * n, sender, kind: kinds[n % 4], text });
    const lines = PAYLOADS.flatMap((payload) => [1, 2, 3, 4].map((n) => line(payload, n, payload, payload)));
    writeFileSync(
      file,
      [...lines, line("long", 4, LONG.slice(0, 600), LONG), line("long", 8, "x", LONG), ""].join("\n"),
    );
    server = await startServer({ args: ["--import", file] });
    at = demo(server);
    for (const name of NAMES) await at.post("/demo/sign-in", { name });
    // Another origin, which keeps whatever it is asked for.
    const asked = [];
    const other = createServer((request, response) => {
      if (request.url === "/frame") {
        response.setHeader("content-type", "text/html");
        response.end(`<!doctype html><iframe src="${server.url}/?user=ada"></iframe>`);
        return;
      }
      asked.push(request.url);
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("content-type", "text/javascript");
      response.end("harm('a script of another origin')");
    });
    await new Promise((resolve) => other.listen(0, "127.0.0.1", () => resolve(undefined)));
    const { port } = /** @type {import("node:net").AddressInfo} */ (other.address());
    elsewhere = {
      url: `http://127.0.0.1:${port}`,
      asked,
      close: () => {
        other.closeAllConnections();
        other.close();
      },
    };
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    elsewhere?.close();
  });

  /** A page in which nothing that must not happen goes unseen: `harms`. */
  async function enter(path, { expect = /^$/, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
    const harms = [];
    const violations = [];
    await context.exposeBinding("harm", (_, how) => harms.push(`ran: ${how}`));
    await context.exposeBinding("violated", (_, what) => violations.push(what));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI, sample, disposition }) => {
        // @ts-ignore: exposed
        globalThis.violated({ directive: effectiveDirective, blocked: blockedURI, sample, disposition });
      });
    });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    page.on("dialog", (dialog) => {
      harms.push(`dialog: ${dialog.message()}`);
      dialog.dismiss().catch(() => {});
    });
    page.on("popup", (popup) => harms.push(`popup: ${popup.url()}`));
    page.on("download", (download) => harms.push(`download: ${download.url()}`));
    page.on("pageerror", (error) => harms.push(`error: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && !expect.test(message.text())) harms.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      const { origin, pathname } = new URL(request.url());
      if (origin !== server.url || pathname.startsWith("/harm")) harms.push(`request: ${request.url()}`);
    });
    await page.goto(`${server.url}${path}`);
    return Object.assign(page, {
      harms,
      violations,
      /** Nothing has happened, and every frame holds what its sources make and nothing else. */
      async isSound(what = "") {
        // A document that is still being read lacks what stands further down in it, and a frame that has just been made
        // has none of its own yet.
        for (const frame of page.frames())
          await frame.waitForFunction(() => location.href !== "about:blank" && document.readyState === "complete");
        for (const frame of page.frames())
          assert.deepEqual(await frame.evaluate(audit, [...MADE]), [], `${what} ${frame.url()}`);
        assert.deepEqual([...harms, ...violations], [], what);
      },
    });
  }

  const open = (page, id) =>
    page.evaluate((id) => {
      location.hash = `/${encodeURIComponent(id)}`;
    }, id);
  const texts = (page, selector) => page.locator(selector).evaluateAll((found) => found.map((one) => one.textContent));
  const entered = (page) => page.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor();

  test("names on the sign-in screen, in the title and in the list of two devices are text", async () => {
    const page = await enter("/");
    await eventually(async () => {
      const shown = await texts(page, ".person");
      for (const name of NAMES)
        assert.ok(
          shown.some((text) => text.endsWith(name)),
          name,
        );
    });
    await page.isSound("sign-in");
    await page.locator(".person").filter({ hasText: NAMES[0] }).click();
    await entered(page);
    assert.equal(await page.locator(".who-am-i strong").textContent(), NAMES[0]);
    await eventually(async () => assert.ok((await page.title()).includes(NAMES[0])));
    await page.isSound("signed in");

    const query = NAMES.slice(0, 2)
      .map((name, i) => `${["left", "right"][i]}=${encodeURIComponent(name)}`)
      .join("&");
    await page.goto(`${server.url}/two.html?${query}#/${encodeURIComponent(PAYLOADS[0])}`);
    for (const [i, name] of NAMES.slice(0, 2).entries()) {
      const pane = page.frameLocator(`iframe >> nth=${i}`);
      await pane.locator('.status[data-connection="online"]', { hasText: "Up to date" }).waitFor({ state: "attached" });
      assert.equal(await pane.locator(".who-am-i strong").textContent(), name);
      assert.equal(await page.locator("select").nth(i).inputValue(), name);
    }
    const options = await texts(page, "select >> nth=0 >> option");
    for (const name of NAMES) assert.ok(options.includes(name), name);
    assert.equal(page.frames().length, 3);
    await page.isSound("two devices");
    await page.screenshot({ path: join(PICTURES, "security-two.png") });
    await page.context().close();
  });

  test("conversations, senders and messages, of every kind, are shown verbatim", async () => {
    const page = await enter("/?user=ada");
    await eventually(async () => {
      const listed = await texts(page, ".conversation-name");
      for (const payload of PAYLOADS) assert.ok(listed.includes(payload), payload);
    });
    await page.isSound("the list");
    for (const payload of PAYLOADS) {
      await open(page, payload);
      // until then it shows the conversation before
      await eventually(async () => {
        assert.equal(await page.locator(".chat-title").textContent(), payload);
        // n is 1 to 4: an action, a system message, one of an unknown kind, a text.
        assert.deepEqual(await texts(page, ".row.message .text"), [
          `* ${payload} ${payload}`,
          `${payload} ${payload}`,
          payload,
          payload,
        ]);
        assert.deepEqual(await texts(page, ".sender"), [payload]);
      });
      await page.isSound(payload);
    }
    await page.screenshot({ path: join(PICTURES, "security-text.png") });
    await open(page, "long");
    await eventually(async () => assert.deepEqual(await texts(page, ".row.message .text"), [LONG, LONG]));
    // However long, it makes nothing wider than the window.
    assert.equal(
      await page.evaluate(
        () =>
          document.documentElement.scrollWidth <= innerWidth &&
          [...document.querySelectorAll(".bubble")].every(
            (bubble) => bubble.getBoundingClientRect().right <= innerWidth,
          ),
      ),
      true,
    );
    await page.isSound("long");
    await page.screenshot({ path: join(PICTURES, "security-long.png") });
    await page.context().close();
  });

  test("bodies and descriptions of any shape are shown as what they are", async () => {
    const [markup] = PAYLOADS;
    const raw = [
      [`{"text":${JSON.stringify(markup)},"kind":${JSON.stringify(markup)}}`, markup],
      [`{"__proto__":{"text":"inherited","polluted":1}}`, `{"__proto__":{"text":"inherited","polluted":1}}`],
      [`{"constructor":{"prototype":{"polluted":1}},"text":{"toString":${JSON.stringify(markup)}}}`, null],
      [`[${JSON.stringify(markup)}]`, JSON.stringify([markup])],
      [JSON.stringify(markup), markup],
      ["null", "null"],
      ["17", "17"],
      ["{}", "{}"],
    ];
    const metas = [
      `{"title":{"a":1},"name":${JSON.stringify(markup)}}`,
      `{"__proto__":{"title":"inherited"}}`,
      `[${JSON.stringify(markup)}]`,
      JSON.stringify(markup),
      "null",
      `{"title":"","name":["x"]}`,
    ];
    const headers = { "content-type": "application/json" };
    for (const [i, meta] of metas.entries()) {
      const response = await fetch(`${server.url}/demo/create`, {
        method: "POST",
        headers,
        body: `{"id":"shape-${i}","members":["ada","grace"],"meta":${meta}}`,
      });
      assert.equal(response.status, 200, meta);
    }
    for (const [i, [body]] of raw.entries()) {
      const response = await fetch(`${server.url}/v1/conversations/shape-0/messages`, {
        method: "POST",
        headers: { ...headers, authorization: "Bearer demo-grace" },
        body: `{"clientId":${JSON.stringify(`${markup} ${i}`)},"body":${body}}`,
      });
      assert.equal(response.status, 200, body);
    }
    const page = await enter("/?user=ada#/shape-0");
    await eventually(async () => {
      const shown = await texts(page, ".row.message .text");
      for (const [i, [body, text]] of raw.entries())
        assert.equal(shown[i], text ?? JSON.stringify(JSON.parse(body)), body);
    });
    // the list comes by a request of its own
    const listed = await eventually(async () => {
      const listed = await texts(page, ".conversation-name");
      assert.ok(listed.includes(markup));
      for (const i of [1, 2, 3, 4, 5]) assert.ok(listed.includes(`shape-${i}`), metas[i]);
      return listed;
    });
    assert.ok(!listed.includes("inherited"));
    await page.isSound();
    await page.context().close();
  });

  test("what one writes, edits, recalls and fails to send is text in every dialog and panel", async () => {
    const [markup] = PAYLOADS;
    const id = PAYLOADS[4];
    const page = await enter(`/?user=linus#/${encodeURIComponent(id)}`, { expect: /^Failed to load resource/ });
    await page.locator(".row.message").nth(3).waitFor();
    await entered(page);
    const field = page.getByRole("textbox", { name: "Message" });
    for (const payload of [markup, PAYLOADS[7], `/me ${markup}`]) {
      await field.fill(payload);
      await field.press("Enter");
    }
    await page.locator('.row.message.own[data-delivery="synced"]').nth(2).waitFor();
    await eventually(async () =>
      assert.deepEqual(await texts(page, ".row.message.own .text"), [markup, PAYLOADS[7], `* linus ${markup}`]),
    );
    // The bar above the field, and the question before it goes.
    await field.press("ArrowUp");
    await page.locator(".editing-text", { hasText: "onerror" }).waitFor();
    await page.isSound("editing");
    await field.fill(PAYLOADS[1]);
    await field.press("Enter");
    const edited = page.locator(".row.message.own", { hasText: PAYLOADS[1] });
    await edited.waitFor();
    await edited.hover();
    await edited.getByRole("button", { name: "Recall" }).click();
    const dialog = page.getByRole("dialog", { name: "Recall this message?" });
    assert.ok((await dialog.locator("p").textContent()).includes(PAYLOADS[1]));
    await page.isSound("dialog");
    await page.screenshot({ path: join(PICTURES, "security-dialog.png") });
    await dialog.getByRole("button", { name: "Cancel" }).click();

    // The server refuses, in words of its own.
    await page.route("**/messages", (route) =>
      route.request().method() === "POST"
        ? route.fulfill({
            status: 400,
            contentType: "application/json",
            body: JSON.stringify({ error: { code: "constructor", message: markup } }),
          })
        : route.continue(),
    );
    await field.fill("refused");
    await field.press("Enter");
    const failure = page.locator(".failure-text");
    await failure.waitFor();
    assert.ok((await failure.textContent()).includes(markup), await failure.textContent());
    await page.isSound("a failure");
    // The panel tells of the conversation by its id.
    await page.getByRole("button", { name: "Overflow this conversation" }).click();
    await page.locator(".log-lines li", { hasText: `Overflow of ${id} asked for` }).waitFor();
    await page.locator(".log-lines li", { hasText: `Overflow: ${id}` }).waitFor();
    await page.getByRole("button", { name: "Jump to…" }).click();
    await page.isSound("the panel");
    await page.screenshot({ path: join(PICTURES, "security-panel.png") });
    await page.context().close();
  });

  test("a server that lies about itself, its errors and its times is shown as text", async () => {
    const [markup] = PAYLOADS;
    const page = await enter("/?user=margaret#/long", { expect: /^Failed to load resource/ });
    const context = page.context();
    await page.locator(".row.message").nth(1).waitFor();
    await context.route("**/demo", (route) =>
      route.fulfill({
        contentType: "application/json",
        body: JSON.stringify({ users: [markup, 5, null, { toString: markup }, "__proto__"], allowTrouble: markup }),
      }),
    );
    await context.route("**/demo/trouble", (route) =>
      route.fulfill({
        contentType: "application/json",
        body: JSON.stringify({
          dropNotifications: markup,
          errorRate: { a: markup },
          delayMs: -5,
          [markup]: true,
          __proto__: 1,
        }),
      }),
    );
    // Times that no calendar has.
    await context.route("**/messages?*", async (route) => {
      const response = await route.fetch();
      const page = await response.json();
      for (const [i, message] of page.messages.entries()) Object.assign(message, { createdAt: [9e15, -9e15][i % 2] });
      await route.fulfill({ response, json: page });
    });
    await page.goto("about:blank");
    await page.goto(`${server.url}/?user=margaret&device=2#/long`);
    await page.locator(".row.message").nth(1).waitFor();
    await page.isSound("times and switches");
    await context.route("**/demo/sign-in", (route) =>
      route.fulfill({ status: 418, contentType: "text/html", body: markup }),
    );
    await page.goto("about:blank");
    await page.goto(`${server.url}/?device=3`);
    await page.locator(".person", { hasText: markup }).click();
    await page.locator(".sign-in-error", { hasText: "refused to sign" }).waitFor();
    assert.ok((await page.locator(".sign-in-error").textContent()).includes(markup));
    await page.isSound("sign-in refused");
    // An answer that makes no sense, with words in it.
    await context.route("**/v1/sync*", (route) =>
      route.fulfill({
        status: 403,
        contentType: "application/json",
        body: JSON.stringify({ error: { code: "__proto__", message: markup } }),
      }),
    );
    await context.unroute("**/demo/sign-in");
    await page.goto("about:blank");
    await page.goto(`${server.url}/?user=grace&device=4`);
    await page.locator(".log-lines li.bad", { hasText: markup }).first().waitFor();
    await page.isSound("refused by the server");
    await page.context().close();
  });

  test("addresses that say anything open a page in which nothing runs", async () => {
    // What does not exist may be said to.
    const page = await enter("/", { expect: /^Failed to load resource/ });
    for (const payload of [PAYLOADS[0], PAYLOADS[8], "__proto__", "%", "../..//evil.example"]) {
      const evil = encodeURIComponent(payload);
      for (const address of [
        `/?user=${evil.slice(0, 120)}&device=${evil}&scope=${evil}&notify=${evil}&overflow=${evil}&log=${evil}&storage=${evil}&page=${evil}&cache=${evil}&items=${evil}&poll=${evil}&limit=${evil}&${evil}=${evil}#/${evil}`,
        `/?two=${evil}&left=${evil}&user=${evil}`,
        `/two.html?left=${evil}&right=${evil}&device=${evil}#/${evil}`,
        `/tour.html?pace=${evil}&debug=${evil}#/${evil}`,
        `/#/${payload}`,
      ]) {
        // Otherwise only the hash would change.
        await page.goto("about:blank");
        await page.goto(`${server.url}${address}`);
        // it goes on to another page
        if (address.startsWith("/?two=")) await page.waitForURL("**/two.html?*");
        for (const frame of page.frames()) await frame.locator("main > *").first().waitFor();
        await page.isSound(address);
        assert.ok(page.url().startsWith(`${server.url}/`), page.url());
      }
    }
    await page.context().close();
  });

  test("the tour shows what its guests write as text", async () => {
    const page = await enter("/tour.html?debug&pace=100#/lost", { expect: /^Failed to load resource/ });
    await page.waitForFunction(
      () => /** @type {HTMLElement} */ (document.querySelector(".director"))?.dataset.state === "ready",
    );
    const conversation = await page.evaluate(() => globalThis.pullcordTour.stage.conversation);
    for (const payload of PAYLOADS.slice(0, 8))
      await at.post("/demo/bulk", { conversation, sender: payload, count: 1, text: payload });
    const device = page.locator(".device").first();
    await device.locator(".row.message .text", { hasText: PAYLOADS[7] }).waitFor();
    await eventually(async () => {
      const shown = await texts(page, ".device .row.message .text");
      for (const payload of PAYLOADS.slice(0, 8)) assert.ok(shown.includes(`${payload} 1`), payload);
    });
    await page.isSound("tour");
    await page.screenshot({ path: join(PICTURES, "security-tour.png") });
    await page.context().close();
  });

  test("a name that turns the writing direction turns nothing but itself", async () => {
    const turned = PAYLOADS[23];
    const page = await enter(`/?user=grace#/${encodeURIComponent(turned)}`);
    await page.locator(".row.message").nth(3).waitFor();
    const loose = await page.evaluate((turned) => {
      const loose = [];
      const walk = document.createTreeWalker(document.querySelector(".shell"), NodeFilter.SHOW_TEXT);
      for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        if (!(/** @type {Text} */ (node).data.includes(turned.slice(0, 4)))) continue;
        // Something between the text and whatever stands beside it keeps it apart.
        let apart = false;
        for (let one = node.parentElement; one && !apart; one = one.parentElement) {
          const { display, unicodeBidi } = getComputedStyle(one);
          apart = /isolate|plaintext/.test(unicodeBidi) || !/^inline$|^contents$/.test(display);
          if (!apart && (one.previousSibling || one.nextSibling)) break;
        }
        if (!apart) loose.push(node.parentElement.outerHTML);
      }
      return loose;
    }, turned);
    assert.deepEqual(loose, []);
    await page.isSound();
    await page.context().close();
  });

  test("every page and file comes with the policy, and the pages work under it", async () => {
    for (const path of [
      "/",
      "/index.html",
      "/two.html",
      "/tour.html",
      "/app.js",
      "/css/base.css",
      "/pkg/index.js",
      "/pkg/pullcord.wasm",
      "/nothing.html",
    ]) {
      const { headers } = await fetch(`${server.url}${path}`, { method: "HEAD" });
      const policy = headers.get("content-security-policy") ?? "";
      assert.match(policy, /^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; /, path);
      assert.match(policy, /require-trusted-types-for 'script'; trusted-types 'none'$/, path);
      assert.equal(headers.get("x-content-type-options"), "nosniff", path);
    }
    // What the demo tests play runs under it as well; here it is that nothing is refused.
    for (const [path, ready] of [
      ["/?user=ada#/long", ".row.message"],
      ["/two.html?left=ada&right=grace", "iframe"],
      ["/tour.html#/lost", '.director[data-state="ready"]'],
    ]) {
      const page = await enter(path);
      await page.locator(ready).first().waitFor();
      if (path.includes("user")) {
        await entered(page);
        await page.getByRole("button", { name: "Light or dark" }).click();
        await page.getByRole("textbox", { name: "Message" }).fill("under the policy");
        await page.keyboard.press("Enter");
        await page.locator('.row.message.own[data-delivery="synced"]', { hasText: "under the policy" }).waitFor();
      }
      await page.isSound(path);
      await page.context().close();
    }
  });

  test("what got into a page all the same does not run", async () => {
    const page = await enter("/index.html?user=nobody", {
      expect: /Content Security Policy|TrustedHTML|Refused|violates|Failed to load/,
    });
    // The page as the server sends it, with its headers, but for what somebody has written into it. Its own policy
    // goes: the header is what holds.
    await page.route("**/index.html*", async (route) => {
      const response = await route.fetch();
      const harm = `
        <script>harm("inline script")</script>
        <script src="${elsewhere.url}/harm.js"></script>
        <script type="module">import "${elsewhere.url}/harm-module.js"; harm("module")</script>
        <script src="data:text/javascript,harm('data')"></script>
        <style>body { display: none }</style>
        <link rel="stylesheet" href="${elsewhere.url}/harm.css">
        <img src="${elsewhere.url}/harm.png" onerror="harm('handler')">
        <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" onload="harm('data image')">
        <iframe src="${elsewhere.url}/harm-frame"></iframe>
        <iframe srcdoc="<script>parent.harm('srcdoc')</script>"></iframe>
        <object data="${elsewhere.url}/harm-object"></object>
        <a id="link" href="javascript:harm('link')">link</a>
        <form id="form" action="${elsewhere.url}/harm-form"><button>send</button></form>
        <base href="${elsewhere.url}/">
        <div id="styled" style="display: none">styled</div>
        <script src="${server.url}/blank/probe.js"></script>`;
      const body = (await response.text()).replace(/<meta http-equiv[^>]*>/, "").replace("<body>", `<body>${harm}`);
      await route.fulfill({ response, body });
    });
    // Of this origin, and so allowed to run: what it then tries is refused one by one.
    await page.route("**/blank/probe.js", (route) =>
      route.fulfill({ contentType: "text/javascript", body: `(${probe})(${JSON.stringify(elsewhere.url)})` }),
    );
    await page.reload();
    await page.waitForFunction(() => globalThis.probed);
    const probed = await page.evaluate(() => globalThis.probed);
    for (const [what, outcome] of Object.entries(probed)) assert.match(outcome, /^refused/, `${what}: ${outcome}`);
    assert.equal(Object.keys(probed).length, 12);
    // The page itself is none the worse: it signs in and syncs.
    await entered(page);
    await page.evaluate(() => {
      /** @type {HTMLElement} */ (document.querySelector("#link")).click();
      /** @type {HTMLElement} */ (document.querySelector("#form button")).click();
    });
    const has = (directive) =>
      page.violations.some((one) => one.directive === directive && one.disposition === "enforce");
    for (const directive of [
      "script-src-elem",
      "script-src-attr",
      "style-src-elem",
      "style-src-attr",
      "img-src",
      "frame-src",
      "base-uri",
      "form-action",
      "connect-src",
      "require-trusted-types-for",
    ]) {
      await eventually(() => assert.ok(has(directive), `${directive} in ${JSON.stringify(page.violations)}`));
    }
    assert.equal(await page.locator("#styled").isVisible(), true);
    assert.deepEqual(
      page.harms.filter((harm) => harm.startsWith("ran") || harm.startsWith("dialog") || harm.startsWith("popup")),
      [],
    );
    assert.deepEqual(elsewhere.asked, []);
    await page.context().close();
  });

  test("no page of another origin frames, reads or talks to the demo", async () => {
    const stranger = await browser.newContext();
    const page = await stranger.newPage();
    // Localhost is this machine too, but a name of somebody else's is not.
    const evil = "http://evil.example";
    await page.route(`${evil}/**`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html>" }));
    await page.goto(`${evil}/`);
    const outcomes = await page.evaluate(async (url) => {
      const attempt = async (work) => {
        try {
          return `did: ${await work()}`;
        } catch (error) {
          return `refused: ${error.message ?? error}`;
        }
      };
      const post = (path, body, headers) =>
        attempt(
          async () => (await fetch(`${url}${path}`, { method: "POST", headers, body: JSON.stringify(body) })).status,
        );
      return {
        read: await attempt(
          async () => (await fetch(`${url}/v1/sync`, { headers: { authorization: "Bearer demo-ada" } })).status,
        ),
        signIn: await post("/demo/sign-in", { name: "ada" }, { "content-type": "application/json" }),
        // Without a question before: the answer cannot be read, but the call would be made.
        create: await post("/demo/create", { id: "of-a-stranger", members: ["ada"] }, { "content-type": "text/plain" }),
        socket: await attempt(
          () =>
            new Promise((resolve, reject) => {
              const socket = new WebSocket(`${url.replace("http", "ws")}/v1/notify`);
              socket.onopen = () => resolve("open");
              socket.onerror = () => reject(new Error("closed"));
            }),
        ),
        script: await attempt(() => import(`${url}/app.js`)),
      };
    }, server.url);
    for (const [what, outcome] of Object.entries(outcomes)) assert.match(outcome, /^refused/, what);
    const listed = await fetch(`${server.url}/v1/conversations?limit=1000`, {
      headers: { authorization: "Bearer demo-ada" },
    });
    assert.ok(!(await listed.text()).includes("of-a-stranger"));
    // Nor in a frame, be the other origin on the same machine.
    await page.goto(`${elsewhere.url}/frame`);
    await eventually(() => assert.match(page.frames()[1].url(), /^chrome-error:/));
    await stranger.close();
  });

  test("in the sources no text becomes markup, style or code", () => {
    const sinks =
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\s*\(|new Function|DOMParser|createContextualFragment|srcdoc|setHTML|parseHTML|javascript:|\.cssText|\.style\s*=[^=]|set(Timeout|Interval)\(\s*["'`]|setAttribute\(\s*["'`](on|style)|importScripts|new (Shared)?Worker|import\((?!"\/)/i;
    const made = /\bh\(\s*"(script|style|object|embed|base|template|link|meta)"/;
    const scripts = [
      ...sources(/\.js$/),
      ...readdirSync(join(ROOT, "pkg-template"), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.js$/.test(name))
        .map((name) => join(ROOT, "pkg-template", name)),
    ];
    assert.ok(scripts.length > 20);
    for (const file of scripts) {
      const text = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ""));
      assert.doesNotMatch(text, made, file);
      for (const [i, line] of text.split("\n").entries()) {
        const code = line.replace(/^\s*\/\/.*/, "");
        assert.ok(!sinks.test(code), `${file}:${i + 1}: ${code.trim()}`);
      }
    }
    for (const file of sources(/\.html$/)) {
      const html = readFileSync(file, "utf8");
      assert.doesNotMatch(
        html,
        /<style|\sstyle\s*=|\son\w+\s*=|javascript:|<script(?![^>]*\ssrc="[a-z]+\.js")|https?:\/\//i,
        file,
      );
      assert.match(
        html,
        /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; /,
        file,
      );
    }
    for (const name of readdirSync(join(WWW, "css")))
      assert.doesNotMatch(
        readFileSync(join(WWW, "css", name), "utf8"),
        /url\(|@import|expression\(|(?<!-)behavior:/i,
        name,
      );
  });
});
