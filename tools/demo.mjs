// The demo: the package and the server are built, and the chat page is served, until Ctrl-C.
// Arguments are passed on to the server: `npm run demo -- --import FILE.jsonl.gz`.

import { join } from "node:path";
import { buildPackage, PKG } from "./build.mjs";
import { main, ROOT } from "./run.mjs";
import { buildServer, freePort, startServer } from "./server.mjs";
import { setUpBuild } from "./setup.mjs";

const PORT = 8780;

await main(import.meta.url, async (given) => {
  await setUpBuild();
  await buildPackage({ quiet: true });
  await buildServer();
  const has = (option) => given.some((arg) => arg === option || arg.startsWith(`${option}=`));
  const standard = [
    "--demo",
    "--allow-trouble",
    ...["--static", `/=${join(ROOT, "www")}`, "--static", `/pkg=${PKG}`],
    ...(has("--port") ? [] : ["--port", String(await freePort(PORT))]),
    ...(has("--simulate") ? [] : ["--simulate", "0.3"]),
    ...(has("--import") || has("--db") ? [] : ["--generate"]),
  ];
  const { url, ended } = await startServer({ args: [...standard, ...given], quiet: false });
  console.log(
    `\nThe demo is at ${url}/ (a guided tour: ${url}/tour.html; two devices side by side: ${url}/two.html). Ctrl-C ends it.`,
  );
  const code = await ended;
  process.exit(typeof code === "number" ? code : 1);
});
