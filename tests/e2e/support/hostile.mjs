// Names and texts that would harm, what the sources of the demo page make, and what is looked for in a page that shows
// them.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../../tools/run.mjs";

export const WWW = join(ROOT, "www");

/**
 * Each calls `harm`, wherever a browser would run it, or asks for /harm, wherever it would fetch it; or spoils objects,
 * styles and writing directions.
 */
export const PAYLOADS = [
  `<img src=/harm onerror="harm('img')">`,
  `<script>harm('script')</script>`,
  `</script><script>harm('closed script')</script>`,
  `</title></style></textarea></template></noscript><svg/onload=harm('svg')>`,
  `"><img src=/harm onerror=harm('double')>`,
  `' autofocus onfocus='harm()' x='`,
  `" style="background:url(/harm)" onmouseover="harm()`,
  `<a href="javascript:harm('link')">a link</a>`,
  "javascript:harm('address')",
  "data:text/html,<script>parent.harm('data')</script>",
  `<iframe srcdoc="<script>parent.harm('frame')</script>"></iframe>`,
  `<object data=/harm></object><embed src=/harm><video src=/harm onerror=harm()>`,
  `<base href=//harm.example/><meta http-equiv=refresh content="0;url=/harm">`,
  `<style>*{background:url(/harm)}</style><link rel=stylesheet href=/harm>`,
  `<form action=/harm id=app><button formaction="javascript:harm()">b</button><input name=children></form>`,
  `<template shadowrootmode=open><script>harm('shadow')</script></template>`,
  `<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=harm()&gt;">`,
  '<noscript><p title="</noscript><img src=x onerror=harm()>">',
  "]]><!--<![CDATA[<!DOCTYPE x [<!ENTITY e SYSTEM '/harm'>]>&e;",
  "${harm('literal')} {{constructor.constructor('harm()')()}} <%= harm() %>",
  "red;} * { background: url(/harm) } /*",
  "__proto__",
  "constructor",
  "\u202Eexe.cod\u202D \u2066\u2067\u200Eabc",
  "&lt;b&gt; &amp;amp; &#60;img&#62; %3Cimg%3E \\u003cimg\\u003e",
];
export const LONG = `${"\u{1F4A3}<b>".repeat(2000)}${"W".repeat(8000)}`;

/** What a name may be: at most 40 characters. */
export const NAMES = [
  "<img src=/harm onerror=harm()>",
  `"><svg/onload=harm()>`,
  "</option><script>harm()</script>",
  "javascript:harm()",
  "__proto__",
  "constructor",
  "\u202Elive",
];

/** The package's element, which the panel is. */
export const INSPECTOR = "pullcord-inspector";
/** Elements that the sources of the page make by name. */
export const MADE = new Set(["svg", "path", INSPECTOR]);
export const SHADOW = join(ROOT, "pkg-template", "inspector");
export const inspectors = readdirSync(SHADOW).filter((name) => name.endsWith(".js"));
for (const file of [...sources(/\.js$/), ...inspectors.map((name) => join(SHADOW, name))])
  for (const [, tag] of readFileSync(file, "utf8").matchAll(/\bh\(\s*"([a-z][a-z0-9]*)"/g)) MADE.add(tag);
for (const file of sources(/\.html$/))
  for (const [, tag] of readFileSync(file, "utf8").matchAll(/<([a-z][a-z0-9]*)/g)) MADE.add(tag);

/** @param {RegExp} kind */
export function sources(kind) {
  return readdirSync(WWW)
    .filter((name) => kind.test(name))
    .map((name) => join(WWW, name));
}

/**
 * Runs in the page: everything in the document that its sources did not make, or not so.
 * @param {string[]} made
 */
export function audit(made) {
  const found = [];
  const { origin } = location;
  const inside = [...document.querySelectorAll("pullcord-inspector")].flatMap(({ shadowRoot }) => [
    ...shadowRoot.querySelectorAll("*"),
  ]);
  for (const element of [...document.querySelectorAll("*"), ...inside]) {
    const tag = element.localName;
    if (!made.includes(tag)) found.push(`<${tag}>`);
    if (element.shadowRoot && tag !== "pullcord-inspector") found.push(`<${tag}> has a shadow`);
    for (const { name, value } of element.attributes) {
      const what = `<${tag} ${name}="${value}">`;
      if (/^on|^(srcdoc|srcset|formaction|action|data|background|ping|xlink:href|is|slot|nonce|integrity)$/.test(name))
        found.push(what);
      if (name === "src" || name === "href") {
        const to = new URL(value, location.href);
        if (
          to.origin !== origin ||
          !/^\/((index|tour|two)\.html|[a-z-]+\.js|css\/[a-z]+\.css|logo\.svg)?$/.test(to.pathname)
        )
          found.push(what);
      }
      if (name === "style" && !/^((--hue|left|width|height|flex-grow|animation-delay): [\w.%(), -]+;\s*)*$/.test(value))
        found.push(what);
      if (name === "content" && tag === "meta" && /url=/i.test(value)) found.push(what);
    }
  }
  // Of these a page has as many as are written in it.
  const scripts = document.querySelectorAll("script").length;
  if (scripts !== 2) found.push(`${scripts} scripts`);
  // What every object has is as it was.
  for (const key in {}) found.push(`every object has ${key}`);
  return found;
}

/**
 * Runs in the page, as a script of its own origin: each attempt must fail.
 * @param {string} elsewhere
 */
export function probe(elsewhere) {
  const attempt = async (work) => {
    try {
      await work();
      return "done";
    } catch (error) {
      return `refused: ${error}`;
    }
  };
  /** An element that says what became of it. */
  const loads = (element) =>
    new Promise((resolve, reject) => {
      element.onload = resolve;
      element.onerror = () => reject(new Error("not loaded"));
      document.head.append(element);
    });
  (async () => {
    const { body } = document;
    globalThis.probed = {
      eval: await attempt(() => (0, eval)("harm('eval')")),
      Function: await attempt(() => new Function("harm('Function')")()),
      innerHTML: await attempt(() => {
        body.innerHTML += "<b>x</b>";
      }),
      insertAdjacentHTML: await attempt(() => body.insertAdjacentHTML("beforeend", "<b>x</b>")),
      write: await attempt(() => document.write("<b>x</b>")),
      srcdoc: await attempt(() => {
        document.createElement("iframe").srcdoc = "<b>x</b>";
      }),
      scriptText: await attempt(() => {
        document.createElement("script").text = "harm('text')";
      }),
      policy: await attempt(() => globalThis.trustedTypes.createPolicy("harm", { createHTML: (text) => text })),
      fetch: await attempt(() => fetch(`${elsewhere}/harm-fetch`)),
      socket: await attempt(
        () =>
          new Promise((resolve, reject) => {
            const socket = new WebSocket(`${elsewhere.replace("http", "ws")}/harm-socket`);
            socket.onopen = resolve;
            socket.onerror = () => reject(new Error("not opened"));
          }),
      ),
      image: await attempt(() =>
        loads(Object.assign(document.createElement("img"), { src: `${elsewhere}/harm-image` })),
      ),
      style: await attempt(() =>
        loads(Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${elsewhere}/harm-style` })),
      ),
    };
  })();
}
