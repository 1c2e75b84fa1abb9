// `npm run docs`: the documents as a site, with the API reference, in target/docs. `-- --serve` shows it as well.
// What is written stays plain Markdown, as a code host shows it: here it is laid out for VitePress, and its links are
// led to the site's pages.

import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { TARGET } from "./build.mjs";
import { linksHold, resolveLink, withoutCode } from "./links.mjs";
import { main, must, Problem, ROOT, run } from "./run.mjs";
import { setUpSite } from "./setup.mjs";

const SITE = join(ROOT, "tools", "site");
const WORK = join(SITE, "work");
export const OUT = join(TARGET, "docs");
const VITEPRESS = join(SITE, "node_modules", "vitepress", "bin", "vitepress.js");

/** The pages in their order: file → its title in the list. A document that is not named here stands with the last. */
const PAGES = {
  Start: {
    "docs/start.md": "A list in ten minutes",
    "README.md": "Overview",
    "www/examples/README.md": "Examples",
  },
  "In an app": {
    "docs/frameworks.md": "React, Vue, Svelte, tests",
    "docs/recipes.md": "Recipes",
    "docs/troubleshooting.md": "When something is wrong",
    "docs/several-tabs.md": "Several tabs",
    "docs/inspector.md": "The inspector",
  },
  Server: { "docs/protocol.md": "Wire protocol" },
  "How it works": {
    "docs/rules.md": "The rules",
    "docs/glossary.md": "Glossary",
    "docs/architecture.md": "Architecture",
    "docs/testing.md": "How it is tested",
    "docs/benchmarks.md": "Benchmarks",
  },
  Project: {
    "CONTRIBUTING.md": "Contributing",
    "CHANGELOG.md": "Changelog",
    "SECURITY.md": "Security",
  },
};
/** where the page is not called as its file */
const NAMES = { "README.md": "overview", "www/examples/README.md": "examples" };
/** of www/examples: folder → its heading */
const EXAMPLES = {
  html: "Plain HTML",
  react: "React",
  vue: "Vue",
  svelte: "Svelte",
  virtuoso: "Virtuoso",
  tanstack: "TanStack Virtual",
  recipes: "Recipes",
};

/** @param {string} file */
const read = (file) => readFileSync(join(ROOT, file), "utf8");

/** @param {string} file @returns {string} the page that it becomes, without ".md" */
const pageOf = (file) => NAMES[file] ?? file.slice(file.lastIndexOf("/") + 1, -".md".length).toLowerCase();

/** @returns {Record<string, Record<string, string>>} PAGES, and every other document of docs/ */
function allPages() {
  const named = new Set(Object.values(PAGES).flatMap(Object.keys));
  const others = readdirSync(join(ROOT, "docs"))
    // README.md is what a code host shows for the site's list
    .filter((name) => name.endsWith(".md") && name !== "README.md")
    .map((name) => `docs/${name}`)
    .filter((file) => !named.has(file))
    .map((file) => [file, /^# (.+)$/m.exec(read(file))?.[1] ?? file]);
  return { ...PAGES, Project: { ...Object.fromEntries(others), ...PAGES.Project } };
}

// ---------------------------------------------------------------- what is checked without building

/** Needs a package, which set-up installs after this file is loaded. */
const aboutTypes = () => import("./reference.mjs");

/** Tells each public member that is not documented. @returns {Promise<boolean>} whether there is none */
export async function membersDocumented() {
  const { ENTRIES, faultsOf } = await aboutTypes();
  const published = readdirSync(join(ROOT, "pkg-template")).filter((name) => name.endsWith(".d.ts"));
  const own = ["glue.d.ts", "packed.d.ts", "wire.d.ts", "platform.d.ts"];
  const forgotten = published.filter((name) => !ENTRIES[name] && !own.includes(name));
  const faults = [
    ...forgotten.map((name) => `pkg-template/${name} is in no page of the reference (tools/reference.mjs)`),
    ...Object.keys(ENTRIES).flatMap((name) => faultsOf(`pkg-template/${name}`, read(`pkg-template/${name}`))),
  ];
  for (const fault of faults) console.error(fault);
  return faults.length === 0;
}

// ---------------------------------------------------------------- laid out

/**
 * A document with its links led to pages of the site. What has no page there is named, and not linked.
 * @param {string} file
 * @param {Map<string, string>} pages file, or folder, of the repository → address
 */
function led(file, pages) {
  const text = read(file);
  const bare = withoutCode(text);
  return text.replace(/(!?)\[([^\]]*)\]\(([^)\s]+)\)/g, (whole, image, shown, target, at) => {
    if (bare[at] === " " || /^[a-z][a-z+.-]*:/i.test(target)) return whole;
    const { path, anchor } = resolveLink(file, target);
    if (image) {
      cpSync(join(ROOT, path), join(WORK, "public", path.slice(path.lastIndexOf("/") + 1)));
      return `![${shown}](/${path.slice(path.lastIndexOf("/") + 1)})`;
    }
    const page = pages.get(path);
    if (!page) return shown.startsWith("`") ? shown : `${shown} (\`${path}\` in the repository)`;
    return `[${shown}](${page}${anchor ? `#${anchor}` : ""})`;
  });
}

/** The sources of an example, as sections of a page. @param {string} folder @param {string} title */
function example(folder, title) {
  const path = join(ROOT, "www", "examples", folder);
  const files = readdirSync(path).sort();
  const code = files.map((name) => {
    const language = extname(name).slice(1);
    return `\`www/examples/${folder}/${name}\`\n\n\`\`\`${language}\n${readFileSync(join(path, name), "utf8").trimEnd()}\n\`\`\`\n`;
  });
  return `## ${title}\n\n${code.join("\n")}`;
}

async function layOut() {
  const { reference } = await aboutTypes();
  rmSync(WORK, { recursive: true, force: true });
  mkdirSync(join(WORK, "public"), { recursive: true });
  mkdirSync(join(WORK, "reference"));
  const groups = allPages();
  const files = Object.values(groups).flatMap(Object.keys);
  /** @type {Map<string, string>} */
  const pages = new Map(files.map((file) => [file, `/${pageOf(file)}.md`]));
  for (const [folder, title] of Object.entries(EXAMPLES)) {
    const heading = title.toLowerCase().replaceAll(" ", "-");
    for (const path of [folder, `${folder}/index.html`]) pages.set(`www/examples/${path}`, `/examples.md#${heading}`);
  }
  const examples = Object.entries(EXAMPLES).map(([folder, title]) => example(folder, title));
  for (const file of files) {
    const more = file === "www/examples/README.md" ? `\n${examples.join("\n")}` : "";
    writeFileSync(join(WORK, `${pageOf(file)}.md`), led(file, pages) + more);
  }
  writeFileSync(join(WORK, "index.md"), led("tools/site/index.md", pages));
  cpSync(join(ROOT, "www", "logo.svg"), join(WORK, "public", "logo.svg"));
  const made = reference((file) => read(`pkg-template/${file}`));
  for (const { slug, text } of made) writeFileSync(join(WORK, "reference", `${slug}.md`), text);
  const sidebar = Object.entries(groups).map(([text, files]) => ({
    text,
    items: Object.entries(files).map(([file, text]) => ({ text, link: `/${pageOf(file)}` })),
  }));
  const items = made.map(({ slug, title }) => ({ text: title, link: `/reference/${slug === "index" ? "" : slug}` }));
  // who uses it looks into the reference; how it works is for who has time
  sidebar.splice(Object.keys(PAGES).indexOf("How it works"), 0, { text: "API", items });
  writeFileSync(join(WORK, "sidebar.json"), JSON.stringify(sidebar));
}

// ---------------------------------------------------------------- what was built

/** @param {string} folder @returns {string[]} the pages in it */
const pagesIn = (folder) =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".html"))
    .map((entry) => join(entry.parentPath, entry.name));

/**
 * Links of built pages that lead nowhere.
 * @param {string} folder
 * @param {string} base what the addresses of the site begin with
 * @returns {string[]} "page: link"
 */
export function deadInSite(folder, base = "/") {
  /** @type {Map<string, { text: string, ids: Set<string> }>} */
  const pages = new Map();
  for (const file of pagesIn(folder)) {
    const text = readFileSync(file, "utf8");
    pages.set(file, { text, ids: new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)) });
  }
  /** @param {string} from @param {string} link */
  const holds = (from, link) => {
    const [path, anchor] = link.split("#");
    const to = path.startsWith(base) ? join(folder, path.slice(base.length)) : join(dirname(from), path);
    const file =
      path === ""
        ? from
        : [to, `${to}.html`, join(to, "index.html")].find((one) => existsSync(one) && statSync(one).isFile());
    if (!file || (path.startsWith("/") && !path.startsWith(base))) return false;
    return !anchor || (pages.get(file)?.ids.has(decodeURIComponent(anchor)) ?? false);
  };
  return [...pages].flatMap(([file, { text }]) =>
    [...text.matchAll(/\s(?:href|src)="([^"]+)"/g)]
      .map(([, link]) => link.replaceAll("&amp;", "&"))
      .filter((link) => !/^(?:[a-z][a-z+.-]*:|\/\/)/i.test(link) && !holds(file, link))
      .map((link) => `${relative(folder, file)}: ${link}`),
  );
}

/** Builds the site, and looks at every link in it. @returns {Promise<boolean>} whether all of them lead somewhere */
export async function buildSite() {
  await setUpSite();
  await layOut();
  const env = { DOCS_OUT: OUT, DOCS_CACHE: join(TARGET, "docs-cache") };
  const { code, output } = await run(process.execPath, [VITEPRESS, "build", SITE], { env, capture: true, quiet: true });
  if (code !== 0) throw new Problem(`VitePress ended with ${code}:\n${output}`);
  const dead = deadInSite(OUT, process.env.DOCS_BASE || "/");
  for (const one of dead) console.error(`dead link in the site: ${one}`);
  console.log(`the site is in ${relative(process.cwd(), OUT)}: ${pagesIn(OUT).length} pages`);
  return dead.length === 0;
}

await main(import.meta.url, async (args) => {
  const [serve] = args;
  if (args.length > 1 || (serve && serve !== "--serve")) throw new Problem("it takes --serve, or nothing");
  await setUpSite();
  const good = [linksHold(), await membersDocumented(), await buildSite()];
  if (good.includes(false)) throw new Problem("the documents are not in order");
  if (serve) await must(process.execPath, [VITEPRESS, "preview", SITE], { env: { DOCS_OUT: OUT } });
});
