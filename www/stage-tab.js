// @ts-check
// A tab on the stage of the guided tour: its client lives in a page of its own, which can be killed.

import { wipe } from "/pkg/index.js";
import { h, setText } from "./dom.js";
import { Broken, Device } from "./stage.js";
import { describeWriter } from "./status.js";

/** @typedef {import("./stage.js").Client} Client */
/** @typedef {{ createClient: typeof import("/pkg/index.js").createClient, kill: () => void }} Page */

/** ms that its page may take to come */
const PATIENCE = 15_000;

/** @param {HTMLIFrameElement} frame @returns {Promise<Page>} */
function pageOf(frame) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Broken("A tab did not open.")), PATIENCE);
    const look = () => {
      const page = /** @type {any} */ (frame.contentWindow)?.pullcordTab;
      if (!page) {
        setTimeout(look, 20);
        return;
      }
      clearTimeout(late);
      resolve(page);
    };
    look();
  });
}

/** One tab of the visitor's device: it has the device's database in common with the others. */
export class Tab extends Device {
  #frame = h("iframe", { src: "tab.html", hidden: true, title: "" });
  /** @type {Page | null} */
  #page = null;
  isKilled = false;

  /** @type {Device["make"]} */
  async make(options) {
    document.body.append(this.#frame);
    this.#page = await pageOf(this.#frame);
    return this.#page.createClient(options);
  }

  /** @returns {"here" | "elsewhere" | null} */
  get writer() {
    return this.isKilled ? null : this.client.status.getSnapshot().writer;
  }

  /** @param {import("/pkg/index.js").ClientStatus} status */
  drawStatus(status) {
    if (this.isKilled) return;
    super.drawStatus(status);
    this.element.dataset.writer = status.writer ?? "none";
    setText(this.note, describeWriter(status).tag);
  }

  /** Its page goes, in the middle of whatever it does, and says nothing to anybody. What it showed stays. */
  kill() {
    this.isKilled = true;
    this.element.inert = true;
    this.#page?.kill();
    this.element.classList.add("killed");
    delete this.element.dataset.writer;
    setText(this.note, "killed");
    setText(this.status, "Gone");
    this.line.dataset.tone = "bad";
  }

  leave() {
    super.leave();
    this.#frame.remove();
  }

  async wipe() {
    if (this.account) await wipe(this.account);
  }
}
