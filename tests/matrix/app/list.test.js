// Run by Jest and by Vitest, each with a page of jsdom.

import { createClient } from "pullcord";
import { createClient as inline } from "pullcord/inline";
import * as hooks from "pullcord/react";
import { tried } from "./tried.js";

test("a page of jsdom", () => {
  expect(typeof document.createElement).toBe("function");
});

test("the main entry", async () => {
  expect(await tried(createClient)).toEqual(["Hello", "Hi"]);
});

test("the entry with the wasm inside", async () => {
  expect(await tried(inline)).toEqual(["Hello", "Hi"]);
});

test("an entry of a framework", () => {
  expect(typeof hooks.useTimeline).toBe("function");
});

test("the built-in transport, whose answers are of Node's realm", async () => {
  await fetch(`${process.env.MATRIX_SERVER}/demo/sign-in`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "bob" }),
  });
  const client = await createClient({
    account: "matrix|bob",
    transport: { baseUrl: process.env.MATRIX_SERVER, token: () => "demo-bob" },
    storage: { mode: "memory" },
    sync: { notify: "poll" },
  });
  await client.sync();
  expect(client.status.getSnapshot()).toMatchObject({ connection: "online", caughtUp: true });
  await client.close();
});
