// The site, as VitePress builds it of what tools/docs.mjs has laid out in ../work.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { slug } from "../../links.mjs";

const work = fileURLToPath(new URL("../work/", import.meta.url));
const sidebar = JSON.parse(readFileSync(`${work}sidebar.json`, "utf8"));

export default {
  title: "Pullcord",
  description: "Message lists for browsers: complete, in order, without duplicates and up to date",
  lang: "en",
  srcDir: "work",
  outDir: process.env.DOCS_OUT,
  cacheDir: process.env.DOCS_CACHE,
  // where it is served, if not at the top of a host: "/pullcord/"
  base: process.env.DOCS_BASE || "/",
  head: [["link", { rel: "icon", href: `${process.env.DOCS_BASE || "/"}logo.svg` }]],
  // a heading's name is the same here and on a code host
  markdown: { anchor: { slugify: slug }, headers: { slugify: slug } },
  themeConfig: {
    logo: "/logo.svg",
    nav: [
      { text: "Start", link: "/start" },
      { text: "In an app", link: "/frameworks" },
      { text: "Server", link: "/protocol" },
      { text: "API", link: "/reference/" },
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      options: { detailedView: true, miniSearch: { searchOptions: { boost: { title: 4, titles: 1 } } } },
    },
    docFooter: { prev: "Before", next: "Next" },
  },
};
