// Apps of the frameworks, with the packed package installed beside them, and bundled.

import { cpSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { compile } from "svelte/compiler";
import { compileScript, parse } from "vue/compiler-sfc";
import { ROOT } from "../../../tools/run.mjs";
import { packPackage, temporaryFolder } from "./harness.mjs";

/** What the apps import beside the package. */
const LIBRARIES = ["react", "react-dom", "scheduler", "react-virtuoso", "@tanstack", "vue", "@vue", "svelte"];

/** @param {"client" | "server"} generate @returns {import("esbuild").Plugin} */
const svelte = (generate) => ({
  name: "svelte",
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, ({ path }) => {
      const { js, warnings } = compile(readFileSync(path, "utf8"), { generate, filename: path, dev: true });
      return { contents: js.code, loader: "js", warnings: warnings.map(({ message }) => ({ text: message })) };
    });
  },
});

/** @type {import("esbuild").Plugin} */
const vue = {
  name: "vue",
  setup({ onLoad }) {
    onLoad({ filter: /\.vue$/ }, ({ path }) => {
      const { descriptor, errors } = parse(readFileSync(path, "utf8"), { filename: path });
      if (errors.length) return { errors: errors.map(({ message }) => ({ text: message })) };
      const { content } = compileScript(descriptor, { id: "example", inlineTemplate: true });
      return { contents: content, loader: "js" };
    });
  },
};

/**
 * The sources, beside a node_modules in which the packed package is installed.
 * @param {string} sources a folder
 * @returns {Promise<string>} theirs in a folder of its own
 */
export async function install(sources) {
  const folder = temporaryFolder();
  cpSync(sources, folder, { recursive: true });
  mkdirSync(join(folder, "node_modules"));
  cpSync(await packPackage(), join(folder, "node_modules", "pullcord"), { recursive: true });
  for (const name of LIBRARIES)
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name), "dir");
  return folder;
}

/**
 * @param {string} folder where it is installed
 * @param {string} entry a file there
 * @param {string} outfile likewise
 * @param {"page" | "server"} place
 */
export async function bundle(folder, entry, outfile, place = "page") {
  await build({
    absWorkingDir: folder,
    entryPoints: [entry],
    outfile: join(folder, outfile),
    bundle: true,
    format: place === "page" ? "esm" : "cjs",
    platform: place === "page" ? "browser" : "node",
    jsx: "automatic",
    // what the developer is told is looked at
    jsxDev: true,
    conditions: ["svelte", "development"],
    define: {
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
    },
    plugins: [svelte(place === "page" ? "client" : "server"), vue],
    logLevel: "error",
  });
  return join(folder, outfile);
}
