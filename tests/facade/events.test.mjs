// The events that an app hears: the engine, the facade and the types call them by the same names.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EVENTS } from "../../pkg-template/events.js";
import { fakeClient, settled } from "./fake.mjs";

const ROOT = join(import.meta.dirname, "..", "..");

/** What the core tells the app by name. */
function told() {
  const core = join(ROOT, "src", "core");
  const files = readdirSync(core, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".rs"));
  const sources = files.map((file) => readFileSync(join(core, file), "utf8"));
  return new Set(sources.flatMap((source) => [...source.matchAll(/\.event\(\s*"([\w-]+)"/g)].map(([, name]) => name)));
}

test("what the engine tells the app has a name that it can listen to", () => {
  const names = told();
  assert.ok(names.size >= 5, [...names].join());
  assert.deepEqual(
    [...names].filter((name) => !EVENTS.includes(/** @type {any} */ (name))),
    [],
  );
});

test("each event that an app can listen to has its type", () => {
  const types = readFileSync(join(ROOT, "pkg-template", "index.d.ts"), "utf8");
  const from = types.indexOf("export interface ClientEvents");
  const body = types.slice(from, types.indexOf("\n}", from));
  const typed = [...body.matchAll(/^ {2}(\w+): /gm)].map(([, name]) => name);
  assert.deepEqual(typed.sort(), [...EVENTS].sort());
});

test("what was not as it has to be is an event of its own", async () => {
  const { client, host } = await fakeClient();
  const heard = [];
  client.on("irregular", (detail) => heard.push(detail));
  const detail = {
    where: "batch",
    conversation: null,
    count: 1,
    first: { id: null, reason: "no seq", done: "left-out" },
  };
  host.frame({ events: [{ type: "irregular", detail }] });
  await settled();
  assert.deepEqual(heard, [detail]);
  await client.close();
});
