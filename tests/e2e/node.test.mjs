// The packed package in Node, which has no WebSocket before 22, against the reference server.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT } from "../../tools/run.mjs";
import { demo, fresh, packPackage, startServer, temporaryFolder } from "./support/harness.mjs";

describe("in Node", () => {
  let server, folder;
  before(async () => {
    server = await startServer();
    folder = temporaryFolder();
    mkdirSync(join(folder, "node_modules"));
    cpSync(await packPackage(), join(folder, "node_modules", "pullcord"), { recursive: true });
    symlinkSync(join(ROOT, "node_modules", "ws"), join(folder, "node_modules", "ws"), "dir");
  });
  after(() => server?.stop());

  /** A process of its own, which what fails would end. @param {string} script */
  async function run(script, env = {}) {
    const file = join(folder, `${fresh("script")}.mjs`);
    writeFileSync(file, script);
    const child = spawn(process.execPath, [file], {
      env: { ...process.env, NODE_OPTIONS: "", SERVER: server.url, ...env },
    });
    let [said, complained] = ["", ""];
    child.stdout.on("data", (data) => (said += data));
    child.stderr.on("data", (data) => (complained += data));
    const code = await new Promise((done) => child.once("close", done));
    return { code, said, complained };
  }

  /** What each script begins with. @param {string} user @param {string} first what it does before it makes a client */
  const client = (user, first) => `
import { createClient } from "pullcord";
${first}
const logs = [];
const open = (options) => createClient({
  account: \`\${process.env.SERVER}|${user}\`,
  transport: { baseUrl: process.env.SERVER, token: () => "demo-${user}" },
  storage: { mode: "memory" },
  logger: (level, message) => logs.push(\`\${level}: \${message}\`),
  ...options,
});
`;

  /** The other user posts, and `one` is told. @param {string} user @param {string} talk */
  const news = (user, talk) => `
const came = new Promise((resolve) => one.on("messages", ({ messages }) => messages.at(-1).body.text === "news" && resolve()));
await fetch(\`\${process.env.SERVER}/v1/conversations/${talk}/messages\`, {
  method: "POST",
  headers: { authorization: "Bearer demo-${user}", "content-type": "application/json" },
  body: JSON.stringify({ clientId: "x", body: { text: "news" } }),
});
await came;
`;

  test("without a WebSocket it says so once, and polls", async () => {
    const { users, conversation } = demo(server);
    const [ada, bob] = await users("ada", "bob");
    const talk = await conversation([ada, bob], 1);
    const script = `${client(ada, "delete globalThis.WebSocket;")}
const sync = { fallbackPollInterval: 200, pollInterval: 200 };
const one = await open({ sync });
const other = await open({ account: "another", sync });
await one.sync();
const { connection } = one.status.getSnapshot();
${news(bob, talk)}await one.close();
await other.close();
console.log(JSON.stringify([connection, logs]));
`;
    const { code, said, complained } = await run(script);
    assert.equal(complained, "");
    const [connection, logs] = JSON.parse(said);
    assert.equal(connection, "online");
    assert.equal(logs.length, 1, logs.join("\n"));
    assert.match(logs[0], /^warn: there is no WebSocket here.*"poll".*"ws"$/);
    assert.equal(code, 0);
  });

  test('with the WebSocket of "ws" it is notified, and closing while it connects ends no process', async () => {
    const { users, conversation } = demo(server);
    const [ada, bob] = await users("ada", "bob");
    const talk = await conversation([ada, bob], 1);
    const script = `${client(ada, 'import { WebSocket, WebSocketServer } from "ws";\nimport { createServer } from "node:net";\nglobalThis.WebSocket = WebSocket;')}
// a server that takes connections and says nothing: the WebSocket is still connecting when the client closes
let heard;
const knock = new Promise((resolve) => (heard = resolve));
const silent = createServer((socket) => socket.on("error", () => {}).once("data", (data) => /upgrade/i.test(data) && heard()));
await new Promise((resolve) => silent.listen(0, "127.0.0.1", resolve));
const baseUrl = \`http://127.0.0.1:\${silent.address().port}\`;
const early = await open({ account: "early", transport: { baseUrl, token: () => "t" } });
await knock;
await early.close();

const sync = { pollInterval: 600_000, fallbackPollInterval: 600_000 };
const one = await open({ sync });
await one.sync();
${news(bob, talk)}await one.close();
await new Promise((resolve) => setTimeout(resolve, 50));
console.log(JSON.stringify(logs));
process.exit();
`;
    const { code, said, complained } = await run(script);
    assert.equal(complained, "");
    assert.deepEqual(JSON.parse(said), []);
    assert.equal(code, 0);
  });
});
