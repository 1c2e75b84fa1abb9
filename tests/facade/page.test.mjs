// What the page and its network tell a client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fakeClient, fakePackage, options, settled } from "./fake.mjs";

/** A page with its tab and its connection, for as long as `run` takes; it starts visible, online and unmetered. */
async function inPage(run) {
  const [page, tab, connection] = [new EventTarget(), new EventTarget(), new EventTarget()];
  Object.assign(page, { visibilityState: "visible" });
  const navigator = { onLine: true, connection };
  const before = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  const addEventListener = tab.addEventListener.bind(tab);
  const removeEventListener = tab.removeEventListener.bind(tab);
  Object.assign(globalThis, { document: page, addEventListener, removeEventListener });
  Object.defineProperty(globalThis, "navigator", { value: navigator, configurable: true });
  try {
    await run({ page, tab, connection, navigator });
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
    if (before) Object.defineProperty(globalThis, "navigator", before);
    else delete globalThis.navigator;
  }
}

const event = (type, fields = {}) => Object.assign(new Event(type), fields);

test("what the browser says about network and page becomes commands", () =>
  inPage(async ({ page, tab, connection, navigator }) => {
    const { client, host } = await fakeClient();
    const told = (target, type, fields) => {
      host.commands.length = 0;
      target.dispatchEvent(event(type, fields));
      return host.commands;
    };
    assert.deepEqual(host.commands, []);
    navigator.onLine = false;
    assert.deepEqual(told(tab, "offline"), [{ op: "network", online: false, metered: false }]);
    navigator.onLine = true;
    assert.deepEqual(told(tab, "online"), [{ op: "network", online: true, metered: false }]);
    page.visibilityState = "hidden";
    assert.deepEqual(told(page, "visibilitychange"), [{ op: "visibility", hidden: true }]);
    Object.assign(page, { visibilityState: "visible" });
    assert.deepEqual(told(page, "visibilitychange"), [{ op: "visibility", hidden: false }]);
    assert.deepEqual(told(page, "freeze"), [{ op: "sleep" }, { op: "freeze" }]);
    const woken = told(page, "resume");
    await settled();
    assert.deepEqual(woken, [{ op: "wake" }, { op: "resume" }]);
    connection.saveData = true;
    assert.deepEqual(told(connection, "change"), [{ op: "network", online: true, metered: true }]);
    assert.deepEqual(told(connection, "change"), [], "its estimated speed is no news");
    await client.close();
  }));

test("a window that is not the global object, as jsdom's in Node, is listened to itself", () =>
  inPage(async ({ page, tab, navigator }) => {
    const { addEventListener, removeEventListener } = EventTarget.prototype;
    Object.assign(globalThis, { addEventListener, removeEventListener });
    page.defaultView = tab;
    const { client, host } = await fakeClient();
    host.commands.length = 0;
    navigator.onLine = false;
    tab.dispatchEvent(event("offline"));
    assert.deepEqual(host.commands, [{ op: "network", online: false, metered: false }]);
    await client.close();
  }));

test("every pagehide freezes, whatever the browser says of its page cache, and the next sign of life resumes", () =>
  inPage(async ({ page, tab, navigator }) => {
    const { client, host } = await fakeClient();
    tab.dispatchEvent(event("pageshow", { persisted: false }));
    assert.deepEqual(host.commands, [], "a new page was not asleep");
    for (const persisted of [false, true]) {
      tab.dispatchEvent(event("pagehide", { persisted }));
      assert.deepEqual(host.commands, [{ op: "sleep" }, { op: "freeze" }]);
      page.dispatchEvent(event("freeze"));
      assert.equal(host.commands.length, 2, "it sleeps already");
      host.commands.length = 0;
      tab.dispatchEvent(event("pageshow", { persisted }));
      page.dispatchEvent(event("resume"));
      await settled();
      assert.deepEqual(host.commands, [{ op: "wake" }, { op: "resume" }]);
      host.commands.length = 0;
    }
    tab.dispatchEvent(event("pagehide", { persisted: true }));
    page.dispatchEvent(event("visibilitychange"));
    await settled();
    assert.deepEqual(host.ops(), ["sleep", "freeze", "wake", "resume"], "one that is looked at is awake");
    tab.dispatchEvent(event("pagehide", { persisted: true }));
    host.commands.length = 0;
    // what went on meanwhile the page is not told of
    navigator.onLine = false;
    page.visibilityState = "hidden";
    tab.dispatchEvent(event("pageshow", { persisted: true }));
    await settled();
    assert.deepEqual(host.commands, [
      { op: "network", online: false, metered: false },
      { op: "visibility", hidden: true },
      { op: "wake" },
      { op: "resume" },
    ]);
    await client.close();
  }));

test("a metered connection is told from the beginning, and so is what changes while the client opens", () =>
  inPage(async ({ connection, navigator }) => {
    connection.saveData = true;
    const { client, host } = await fakeClient();
    assert.deepEqual([host.config.metered, host.config.online], [true, true]);
    await client.close();
    const { createClient, world } = fakePackage();
    const { open } = world;
    world.open = async (...given) => {
      navigator.onLine = false;
      return open(...given);
    };
    const late = await createClient(options());
    const [opened] = world.hosts;
    assert.equal(opened.config.online, true);
    assert.deepEqual(opened.commands, [{ op: "network", online: false, metered: true }]);
    await late.close();
  }));

test("no listener stays once the client has closed", () =>
  inPage(async ({ page, tab, connection }) => {
    const kinds = new Set();
    const count = (target, name) => {
      const { addEventListener, removeEventListener } = target;
      const counted = {
        addEventListener(type, listener) {
          kinds.add(`${name} ${type}`);
          addEventListener.call(target, type, listener);
        },
        removeEventListener(type, listener) {
          kinds.delete(`${name} ${type}`);
          removeEventListener.call(target, type, listener);
        },
      };
      Object.assign(target, counted);
      if (target === tab) Object.assign(globalThis, counted);
    };
    count(page, "page");
    count(tab, "tab");
    count(connection, "connection");
    const { client } = await fakeClient();
    assert.deepEqual([...kinds].sort(), [
      "connection change",
      "page freeze",
      "page resume",
      "page visibilitychange",
      "tab offline",
      "tab online",
      "tab pagehide",
      "tab pageshow",
    ]);
    await client.close();
    assert.deepEqual([...kinds], []);
  }));
