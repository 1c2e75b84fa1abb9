// The entry "pullcord/inspector": the element <pullcord-inspector>, which shows a page's client from inside.

import { segmentLegend } from "./inspector/segments.js";
import { reportOf, textOf } from "./inspector/report.js";
import { style } from "./inspector/style.js";
import { traced } from "./inspector/traffic.js";
import { View } from "./inspector/view.js";

export { traced };

/** @typedef {import("./inspector/view.js").Client} Client */

const NAME = "pullcord-inspector";
/** Properties that a page may have set before this script came. */
const EARLY = /** @type {const} */ (["client", "conversation", "options"]);

/** On a server there is none: then nothing is defined. @type {typeof HTMLElement} */
const Base = globalThis.HTMLElement ?? class {};

export class PullcordInspector extends Base {
  static observedAttributes = ["conversation", "show"];

  /** @type {Client | null} until it leaves the page */
  #client = null;
  /** For one that comes back. @type {WeakRef<Client> | null} */
  #known = null;
  /** @type {import("./inspector/view.js").Shown} */
  #shown = { conversation: undefined, screen: null, gapOnScreen: false, options: {} };
  /** @type {View | null} */
  #view = null;
  #root = this.attachShadow({ mode: "open" });

  constructor() {
    super();
    style(this.#root);
  }

  /** @returns {Client | null} */
  get client() {
    return this.#client ?? this.#known?.deref() ?? null;
  }

  set client(client) {
    const next = client ?? null;
    if (next !== null && (typeof next.inspect !== "function" || typeof next.status?.subscribe !== "function"))
      throw new TypeError("client is what createClient resolves with: await it before it is given to the inspector");
    if (next === this.client) return;
    this.#end();
    this.#client = next;
    this.#known = next && new WeakRef(next);
    this.#begin();
  }

  /** @returns {string | null | undefined} */
  get conversation() {
    return this.#shown.conversation;
  }

  set conversation(id) {
    if (id !== undefined && id !== null && typeof id !== "string")
      throw new TypeError("conversation is the id of one, null, or undefined");
    if (id === this.#shown.conversation) return;
    Object.assign(this.#shown, { conversation: id, screen: null, gapOnScreen: false });
    this.#view?.changed();
  }

  get options() {
    return this.#shown.options;
  }

  set options(options) {
    // nothing of the transport: it has the token
    const { sync, overflow } = options ?? {};
    this.#shown.options = { ...(sync && { sync: { ...sync } }), ...(overflow && { overflow }) };
    this.#view?.changed();
  }

  /** @param {string | null} first @param {string | null} last @param {boolean} [gap] */
  onScreen(first, last, gap = false) {
    this.#shown.screen = first !== null && last !== null ? [first, last] : null;
    this.#shown.gapOnScreen = gap;
    this.#view?.changed();
  }

  /** @param {string} text @param {import("./inspector/events.js").Tone} [tone] */
  note(text, tone) {
    this.#view?.note(text, tone);
  }

  /** @param {{ names?: boolean }} [options] */
  async report(options) {
    if (this.#view) return this.#view.report(options);
    const nothing = { conversation: null, found: null, requests: [], irregular: [], lines: [], scope: null };
    return textOf(reportOf({ ...nothing, client: this.client, options: this.options }, options));
  }

  // ------------------------------------------------------------ the page's life

  connectedCallback() {
    for (const name of EARLY) {
      if (!Object.hasOwn(this, name)) continue;
      const value = /** @type {any} */ (this)[name];
      delete (/** @type {any} */ (this)[name]);
      /** @type {any} */ (this)[name] = value;
    }
    if (!this.#view) this.#begin();
  }

  disconnectedCallback() {
    // one that is only moved is in the page again by then
    queueMicrotask(() => {
      if (!this.isConnected) this.#end();
    });
  }

  /** @param {string} name @param {string | null} _before @param {string | null} value */
  attributeChangedCallback(name, _before, value) {
    if (name === "conversation") this.conversation = value ?? undefined;
    else if (this.isConnected) {
      this.#end();
      this.#begin();
    }
  }

  #begin() {
    if (!this.isConnected) return;
    const { client } = this;
    this.#client = client;
    const parts = (this.getAttribute("show") ?? "").split(/\s+/).filter(Boolean);
    if (client) {
      this.#view = new View({
        client,
        shown: this.#shown,
        host: this,
        parts,
        inspected: (detail) => this.dispatchEvent(new CustomEvent("inspected", { detail })),
      });
      this.#root.replaceChildren(...this.#view.elements);
    } else if (parts.includes("legend")) {
      this.#root.replaceChildren(segmentLegend());
    } else {
      const none = document.createElement("p");
      none.className = "none";
      none.textContent = "No client is open.";
      this.#root.replaceChildren(none, ...(parts.length ? [] : [document.createElement("slot")]));
    }
  }

  /** Lets go of the client, and of whatever was going on for it. */
  #end() {
    this.#view?.stop();
    this.#view = null;
    this.#client = null;
    this.#root.replaceChildren();
  }
}

if (globalThis.customElements && !customElements.get(NAME)) customElements.define(NAME, PullcordInspector);
