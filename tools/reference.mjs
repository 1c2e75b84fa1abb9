// The API reference: pages in Markdown, made from the package's types and what their comments say. A syntax tree is all
// that it needs of a compiler, so any TypeScript with one will do; the one that checks the types has none for programs.

import ts from "typescript-with-ast";

/**
 * @typedef {import("typescript-with-ast").Node} Node
 * @typedef {import("typescript-with-ast").Statement & { members?: any, type?: any }} Statement
 * @typedef {{ name: string, node: Statement, note: string }} Declaration `note`: what stands above it, for it and those
 *   below
 * @typedef {{ slug: string, title: string, lead: string, entry: string, declarations: Declaration[],
 *   source: import("typescript-with-ast").SourceFile }} Page
 */

/** The entries, in the order of the reference: file → its title, which is how it is imported, and its page. */
export const ENTRIES = {
  "index.d.ts": ["pullcord", ""],
  "react.d.ts": ["pullcord/react", "react"],
  "vue.d.ts": ["pullcord/vue", "vue"],
  "svelte.d.ts": ["pullcord/svelte", "svelte"],
  "frameworks.d.ts": ["React, Vue, Svelte: in common", "frameworks"],
  "testing.d.ts": ["pullcord/testing", "testing"],
  "inspector.d.ts": ["pullcord/inspector", "inspector"],
  "worker.d.ts": ["pullcord/worker", "worker"],
  "inline.d.ts": ["pullcord/inline", "inline"],
  "pullcord.wasm.d.ts": ["pullcord/pullcord.wasm", "wasm"],
};

/** "// ----- client" begins a page of the main entry: how it is called there */
const SECTION = /^\/\/ -{10,} (.*)$/;
const SECTIONS = {
  values: ["values", "Values and errors"],
  client: ["client", "Client"],
  timeline: ["timeline", "Timeline"],
  "bring your own backend": ["backend", "Your own backend"],
};

/** what fits into a signature's line */
const LINE = 100;

const FORMS = ["react", "vue", "svelte"];

/** What the platform has, under the names that platform.d.ts gives it. */
const PLATFORM = { Signal: "AbortSignal", Address: "URL", Answer: "Response", Bytes: "BufferSource" };

const { SyntaxKind } = ts;
const printer = ts.createPrinter({ removeComments: true });

/** @param {string} file @param {string} text */
const parse = (file, text) => ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);

// ---------------------------------------------------------------- what a declaration says of itself

/** @param {Node} node its doc comment: the text, and its tags with theirs */
function docOf(node) {
  const found = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc).at(-1);
  const tags = (found?.tags ?? []).map((tag) => ({
    tag: tag.tagName.text,
    name: ts.isJSDocParameterTag(tag) ? tag.name.getText() : "",
    text: (ts.getTextOfJSDocComment(tag.comment) ?? "").trim(),
  }));
  return { text: (ts.getTextOfJSDocComment(found?.comment) ?? "").trim(), tags };
}

const NAMED = new Set([
  SyntaxKind.InterfaceDeclaration,
  SyntaxKind.TypeAliasDeclaration,
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.ClassDeclaration,
  SyntaxKind.VariableStatement,
  SyntaxKind.PropertySignature,
  SyntaxKind.MethodSignature,
  SyntaxKind.PropertyDeclaration,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.GetAccessor,
  SyntaxKind.Constructor,
]);

/** @param {any} node */
const nameOf = (node) => node.name?.getText() ?? node.declarationList?.declarations[0].name.getText() ?? "constructor";

/** @param {any} node */
const isExported = (node) =>
  node.modifiers?.some(({ kind }) => kind === SyntaxKind.ExportKeyword) || ts.isVariableStatement(node);

/**
 * What is public and says nothing of itself, and what a comment says of something that is not there. A default of a
 * type parameter is a value of its own and not looked into.
 * @param {string} file
 * @param {string} text
 * @returns {string[]} "file:line: …"
 */
export function faultsOf(file, text) {
  const source = parse(file, text);
  /** @type {string[]} */
  const faults = [];
  const tell = (/** @type {Node} */ node, /** @type {string} */ what) =>
    faults.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${what}`);

  /** @param {any} node @param {string} at its name */
  function judge(node, at) {
    const { text, tags } = docOf(node);
    if (!text) tell(node, `${at} is not documented`);
    const parameters = (node.parameters ?? []).map(nameOf);
    for (const { tag, name, text } of tags) {
      if (tag === "param" && !parameters.includes(name)) tell(node, `${at} has no parameter ${name}`);
      if (!text) tell(node, `${at}: @${tag} says nothing`);
    }
    const codes = at === "ErrorCode" ? node.type.types.map(({ literal }) => literal) : [];
    for (const code of codes.filter((code) => !text.includes(`- ${code.getText()}: `)))
      tell(code, `code ${code.getText()} is not documented`);
  }
  /** @param {any} node @param {string} path */
  function visit(node, path) {
    if (ts.isTypeParameterDeclaration(node)) return;
    const isNamed = NAMED.has(node.kind);
    const at = isNamed ? [path, nameOf(node)].filter(Boolean).join(".") : path;
    if (isNamed) judge(node, at);
    ts.forEachChild(node, (child) => visit(child, at));
  }
  for (const statement of source.statements) if (isExported(statement)) visit(statement, "");
  return faults;
}

// ---------------------------------------------------------------- pages

/** The lines of "//" right above a node. @param {Node} node @param {string} text */
function notesAbove(node, text) {
  return (ts.getLeadingCommentRanges(text, node.pos) ?? [])
    .filter(({ kind }) => kind === SyntaxKind.SingleLineCommentTrivia)
    .map(({ pos, end }) => text.slice(pos, end));
}

/** @param {string[]} lines */
const plain = (lines) => lines.map((line) => line.replace(/^\/\/ ?/, "")).join(" ");

/**
 * @param {string} file
 * @param {string} text
 * @returns {Page[]} without their texts
 */
function pagesOf(file, text) {
  const source = parse(file, text);
  const [entry, slug] = ENTRIES[file];
  /** @type {Page[]} */
  const pages = [];
  if (slug) pages.push({ slug, title: entry, lead: "", entry, declarations: [], source });
  for (const statement of source.statements) {
    const lines = notesAbove(statement, text);
    const section = lines.map((line) => SECTION.exec(line)?.[1]).find(Boolean);
    if (section && !slug) {
      const [key, lead = ""] = section.split(": ");
      const [slug, title] = SECTIONS[key] ?? [key.replaceAll(" ", "-"), key];
      pages.push({
        slug,
        title,
        lead: lead && `${lead[0].toUpperCase()}${lead.slice(1)}.`,
        entry,
        declarations: [],
        source,
      });
    }
    const isFirst = statement === source.statements[0];
    if (isFirst && slug) pages[0].lead = plain(lines);
    if (!isExported(statement)) continue;
    const note = isFirst || section ? "" : plain(lines);
    pages.at(-1)?.declarations.push({ name: nameOf(statement), node: /** @type {any} */ (statement), note });
  }
  return pages;
}

/** A long union, one of what it may be in each line. @param {string} code `type Name = A | B` */
function inLines(code) {
  const [head, union] = code.split(/ = (?=[^=]*$)/);
  const isLong = code.length > LINE && !code.includes("\n") && !/[{(]/.test(code);
  return isLong
    ? `${head} =${union
        .split(" | ")
        .map((part) => `\n  | ${part}`)
        .join("")}`
    : code;
}

const html = (/** @type {string} */ text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("|", "&#124;");

/** As it is written: `memoryBackend` makes a `MemoryBackend`. @param {string[]} names */
const anchorOf = (...names) => names.join("-");

/** Writes pages: knows where each name stands. */
class Writer {
  /** @type {Map<string, string>} name, or entry/name → page */
  #places = new Map();
  /** @type {Map<string, any[]>} entry/name, and name → what declares it */
  #declared = new Map();
  /** @type {Page} */
  #page;

  /** @param {Page[]} pages */
  constructor(pages) {
    this.pages = pages;
    // a framework's own form of a name is meant on its own page only
    const inOrder = [...pages].sort((a, b) => Number(FORMS.includes(a.slug)) - Number(FORMS.includes(b.slug)));
    for (const { slug, declarations } of inOrder)
      for (const { name, node } of declarations) {
        const own = `${slug}/${name}`;
        this.#places.set(own, slug);
        if (!this.#places.has(name)) this.#places.set(name, slug);
        this.#declared.set(own, [...(this.#declared.get(own) ?? []), node]);
      }
    this.#page = pages[0];
  }

  /** The page of a name. @param {string} name */
  #placeOf(name) {
    return this.#places.get(`${this.#page.slug}/${name}`) ?? this.#places.get(name);
  }

  /**
   * Where a member stands: at the name itself, or at what that extends or is a union of (at the first that has it).
   * @param {string} name
   * @param {string} member
   * @returns {string | null}
   */
  #holderOf(name, member) {
    const nodes = this.#declared.get(`${this.#placeOf(name)}/${name}`) ?? [];
    const own = nodes.flatMap(({ members, type }) => members ?? type?.members ?? []);
    if (own.some((one) => nameOf(one) === member)) return name;
    const parts = nodes.flatMap(({ heritageClauses, type }) => [
      ...(heritageClauses ?? []).flatMap(({ types }) => types.map(({ expression }) => expression)),
      ...(type?.types ?? []).map(({ typeName }) => typeName),
    ]);
    for (const part of parts.filter(Boolean)) {
      const holder = this.#holderOf(part.getText(), member);
      if (holder) return holder;
    }
    return null;
  }

  /** @param {string} name @param {string} [member] @returns {string | null} */
  #address(name, member) {
    const holder = member ? (this.#holderOf(name, member) ?? name) : name;
    const slug = this.#placeOf(holder);
    if (slug === undefined) return null;
    return `${slug === this.#page.slug ? "" : `./${slug}.html`}#${anchorOf(holder, ...(member ? [member] : []))}`;
  }

  /** Code as HTML, its names linked. @param {string} code */
  #code(code) {
    return html(code).replace(/(?<![\w."])[A-Z]\w+(?![\w"])/g, (name) => {
      const address = this.#address(name);
      return address ? `<a href="${address}">${name}</a>` : (PLATFORM[name] ?? name);
    });
  }

  /** What a comment says, as Markdown. @param {string} text */
  prose(text) {
    return text
      .split(/(`[^`]*`)/)
      .map((part) => {
        if (part.startsWith("`")) return this.#named(part.slice(1, -1)) ?? part;
        return html(part)
          .replace(/^- "([\w-]+)"(?=:| \()/gm, (_, value) => `- ${this.#value(value)}`)
          .replace(/docs\/([\w-]+)\.md/g, "[docs/$1.md](../$1.md)")
          .replace(
            /\b[A-Z][a-z]+(?:[A-Z][a-z]+)+(?:\.[a-z]\w*)?\b|\b(?:Client|Timeline)\.[a-z]\w*/g,
            (name) => this.#named(name) ?? name,
          );
      })
      .join("");
  }

  /** One of the texts that a type consists of; an error code has a name to link to. @param {string} value */
  #value(value) {
    const id = this.#page.slug === "values" ? ` id="${anchorOf("code", value)}"` : "";
    return `<code${id}>"${value}"</code>`;
  }

  /** @param {string} code `Client.retry`, `PullcordError` */
  #named(code) {
    const [, name, member] = /^([A-Z]\w*)(?:\.(\w+))?$/.exec(code) ?? [];
    const address = name && this.#address(name, member);
    return address ? `<a href="${address}"><code>${code}</code></a>` : null;
  }

  /** @param {Node} node */
  #print(node) {
    const text = printer.printNode(ts.EmitHint.Unspecified, node, this.#page.source);
    return text.replace(/^( {4})+/gm, (spaces) => " ".repeat(spaces.length / 2)).replace(/;$/, "");
  }

  /**
   * The objects that a type is written with, the outermost.
   * @param {any} node
   * @param {string} path how one comes to it
   * @returns {{ literal: any, path: string }[]}
   */
  #literals(node, path) {
    if (!node || ts.isTypeParameterDeclaration(node)) return [];
    if (ts.isTypeLiteralNode(node)) return [{ literal: node, path }];
    const more = ts.isArrayTypeNode(node) ? "[]" : ts.isFunctionTypeNode(node) ? "()" : "";
    /** @type {{ literal: any, path: string }[]} */
    const found = [];
    ts.forEachChild(node, (child) => {
      found.push(...this.#literals(child, path + more));
    });
    return found;
  }

  /** A type in one line; the objects in it have rows of their own. @param {any} type */
  #type(type) {
    if (!type) return "";
    let text = type.getText();
    const objects = this.#literals(type, "").map(({ literal }) => literal.getText());
    for (const object of objects) text = text.replace(object, "{…}");
    return this.#code(
      text
        .replace(/\/\*[\s\S]*?\*\//g, "")
        .replace(/\s+/g, " ")
        .replace(/^\| /, ""),
    );
  }

  /**
   * One of a list of members or parameters.
   * @param {string} name as it is shown
   * @param {string} type HTML
   * @param {string} said Markdown
   * @param {string} [anchor]
   */
  #entry(name, type, said, anchor) {
    const term = `<dt${anchor ? ` id="${anchor}"` : ""} v-pre><code>${name}</code> <code class="type">${type}</code></dt>`;
    return `${term}\n<dd>\n\n${said}\n\n</dd>`;
  }

  /** @param {string[]} entries */
  #list(entries) {
    return entries.length ? `<dl class="members">\n${entries.join("\n")}\n</dl>\n` : "";
  }

  /** @param {{ tag: string, text: string }[]} tags */
  #examples(tags) {
    return tags.filter(({ tag }) => tag === "example").map(({ text }) => `\`\`\`tsx\n${text}\n\`\`\`\n`);
  }

  /**
   * @param {any} member
   * @param {string} path what stands before its name
   * @param {string} [owner] of which it is a member, where it has an anchor
   * @returns {string[]} its entry, and those of the objects in its type
   */
  #entries(member, path, owner) {
    const name = nameOf(member);
    const { text, tags } = docOf(member);
    const isMethod = ts.isMethodSignature(member);
    const written = this.#print(member).replace(/\s+/g, " ").slice(name.length);
    const type = isMethod ? this.#code(written) : this.#type(member.type);
    const said = [this.prose(text), ...this.#examples(tags)].join("\n\n");
    const shown = path + name + (member.questionToken ? "?" : "");
    const inside = isMethod ? [] : this.#literals(member.type, path + name);
    return [
      this.#entry(shown, type, said, owner && anchorOf(owner, name)),
      ...inside.flatMap((one) => this.#entriesIn(one)),
    ];
  }

  /** @param {{ literal: any, path: string }} object */
  #entriesIn({ literal, path }) {
    return literal.members.flatMap((member) => this.#entries(member, path && `${path}.`));
  }

  /** @param {any} parameter @param {string} said */
  #parameter(parameter, said) {
    const name = nameOf(parameter);
    const inside = this.#literals(parameter.type, name).flatMap((one) => this.#entriesIn(one));
    if (!said && inside.length === 0) return [];
    // an object that says of each of its fields what it is need not be said of
    const isSaid = said || !ts.isTypeLiteralNode(parameter.type);
    const shown = name + (parameter.questionToken ? "?" : "");
    return [...(isSaid ? [this.#entry(shown, this.#type(parameter.type), this.prose(said))] : []), ...inside];
  }

  /** @param {any} node a function, a method or a constructor */
  #callable(node) {
    const { text, tags } = docOf(node);
    const parameters = node.parameters.flatMap((parameter) => {
      const own = tags.find(({ tag, name }) => tag === "param" && name === nameOf(parameter));
      return this.#parameter(parameter, own?.text ?? "");
    });
    const results = this.#literals(node.type, "").flatMap((one) => this.#entriesIn(one));
    const line = (/** @type {string} */ title, /** @type {string} */ wanted) =>
      tags.filter(({ tag }) => tag === wanted).map(({ text }) => `**${title}:** ${this.prose(text)}\n`);
    return [
      this.prose(text),
      parameters.length ? `**Parameters**\n\n${this.#list(parameters)}` : "",
      ...line("Returns", "returns"),
      results.length ? `**Result**\n\n${this.#list(results)}` : "",
      ...line("Throws, or rejects with", "throws"),
      ...this.#examples(tags),
    ]
      .filter(Boolean)
      .join("\n\n");
  }

  /** @param {Node} node @param {(code: string) => string} [change] */
  #signature(node, change = (code) => code) {
    const code = change(this.#print(node).replace(/^export (?:declare )?/, ""));
    return `<pre class="signature" v-pre><code>${this.#code(code)}</code></pre>\n`;
  }

  /** @param {any} node an interface or a class @param {string} name */
  #members(node, name) {
    const isCallable = (/** @type {any} */ member) =>
      ts.isMethodSignature(member) || ts.isConstructorDeclaration(member) || ts.isMethodDeclaration(member);
    // a setter has a getter beside it, which is documented
    const fields = node.members.filter((member) => !isCallable(member) && !ts.isSetAccessor(member));
    const entries = fields.flatMap((member) => this.#entries(member, "", name));
    const calls = node.members.filter(isCallable).map((member, at, all) => {
      const called = ts.isConstructorDeclaration(member) ? `new ${name}` : nameOf(member);
      const given = member.parameters
        .map((parameter) => nameOf(parameter) + (parameter.questionToken ? "?" : ""))
        .join(", ");
      const title = `### ${html(`${called}${member.questionToken ? "?" : ""}(${given})`)} {#${anchorOf(name, nameOf(member))}}`;
      const said = `${this.#signature(member)}\n${this.#callable(member)}`;
      // an overload stands under the first of its name
      const isOverload = at > 0 && nameOf(all[at - 1]) === nameOf(member);
      return isOverload ? said : `${title}\n\n${said}`;
    });
    return [this.#list(entries), ...calls].filter(Boolean).join("\n\n");
  }

  /** A declaration alone. @param {Node} node */
  #once(node) {
    return `${this.#signature(node)}\n${this.prose(docOf(node).text)}`;
  }

  /** @param {Declaration} declaration */
  #declaration({ name, node, note }) {
    const head = `${note ? `---\n\n${this.prose(note)}\n\n` : ""}## ${name} {#${anchorOf(name)}}\n\n`;
    const said = this.prose(docOf(node).text);
    if (ts.isFunctionDeclaration(node)) return `${head}${this.#signature(node)}\n${this.#callable(node)}`;
    if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) {
      const opening = this.#signature(node, (code) => code.slice(0, code.indexOf("{")).trim());
      return `${head}${opening}\n${said}\n\n${this.#members(node, name)}`;
    }
    const type = ts.isVariableStatement(node) ? node.declarationList.declarations[0].type : node.type;
    const literals = this.#literals(type, "");
    // of several that it may be none has the name to itself
    const owner = literals.length > 1 ? undefined : name;
    const lists = literals.map(({ literal }) =>
      this.#list(literal.members.flatMap((member) => this.#entries(member, "", owner))),
    );
    return [`${head}${this.#signature(node, inLines)}`, said, ...lists, ...this.#examples(docOf(node).tags)].join(
      "\n\n",
    );
  }

  /** @param {Page} page */
  write(page) {
    this.#page = page;
    const { title, lead, entry, declarations } = page;
    // the others say it themselves
    const from = entry === "pullcord" ? "From `pullcord`. " : "";
    const written = declarations.map((declaration, at) => {
      // a class of the platform's kind is an interface, and a value of the same name
      const isAgain = declarations.findIndex(({ name }) => name === declaration.name) < at;
      return isAgain ? this.#once(declaration.node) : this.#declaration(declaration);
    });
    const body = written.join("\n\n");
    return `---\noutline: [2, 3]\n---\n\n# ${title} {#top}\n\n${from}${this.prose(lead)}\n\n${body}\n`;
  }

  /** The first page: which entry has what. */
  index() {
    const rows = this.pages.map((page) => {
      this.#page = { ...page, slug: "index" };
      const names = page.declarations.map(
        ({ name }) => `<a href="./${page.slug}.html#${anchorOf(name)}"><code>${name}</code></a>`,
      );
      return `| [${page.title}](./${page.slug}.md) | ${names.join(" ")} |`;
    });
    return `# API reference\n\nMade from the types of the package, which have the same in an editor. Every member is documented.\n\n| | |\n| --- | --- |\n${rows.join("\n")}\n`;
  }
}

/**
 * @param {(file: string) => string} read a file of pkg-template
 * @returns {{ slug: string, title: string, text: string }[]} the pages, the first of them "index"
 */
export function reference(read) {
  const writer = new Writer(Object.keys(ENTRIES).flatMap((file) => pagesOf(file, read(file))));
  const pages = writer.pages.map((page) => ({ slug: page.slug, title: page.title, text: writer.write(page) }));
  return [{ slug: "index", title: "API reference", text: writer.index() }, ...pages];
}
