// @ts-check
// The server's trouble switches: what a bad network does, on purpose.

import { h, setText } from "./dom.js";
import { aboutServer, currentUser, demoToken, storedToken } from "./session.js";

/** @typedef {Record<string, number | boolean>} Trouble */

/** The switches that this page knows, in their order; `max` is missing for one that is on or off. */
const SWITCHES = [
  { name: "dropNotifications", label: "Lose notifications", max: 1, unit: "%" },
  { name: "duplicateNotifications", label: "Double notifications", max: 1, unit: "%" },
  { name: "errorRate", label: "Fail requests", max: 1, unit: "%" },
  { name: "delayMs", label: "Delay requests", max: 5000, unit: "ms" },
  { name: "oddItems", label: "Odd messages in answers", max: 1, unit: "%" },
];

/**
 * Asks the demo server something about the account that is signed in.
 * @param {string} path
 * @param {unknown} [body] given: POST
 */
export function askDemo(path, body) {
  const token = storedToken() ?? demoToken(currentUser() ?? "");
  /** @type {Record<string, string>} */
  const headers = { authorization: `Bearer ${token}` };
  if (body === undefined) return fetch(path, { headers });
  headers["content-type"] = "application/json";
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** @param {unknown} error */
const why = (error) => (error instanceof Error ? error.message : error);

/**
 * What a switch stands at, in words.
 * @param {number | boolean} value
 * @param {string} [unit]
 */
const inWords = (value, unit = "") => (unit === "%" ? `${Math.round(Number(value) * 100)} %` : `${value} ${unit}`);

/** @param {number | boolean} value */
const isOn = (value) => value === true || Number(value) > 0;

/**
 * @param {string} name
 * @param {string} label
 * @param {boolean} value
 * @param {(change: Trouble) => void} set
 */
function switchRow(name, label, value, set) {
  const id = `trouble-${name}`;
  const box = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id,
    on: { change: () => set({ [name]: box.checked }) },
  });
  box.checked = value;
  return h("label", { class: "switch-row", for: id }, label, box);
}

/**
 * @param {typeof SWITCHES[number]} of
 * @param {number} value
 * @param {(change: Trouble) => void} set
 */
function rangeRow({ name, label, max, unit }, value, set) {
  const id = `trouble-${name}`;
  const shown = h("output", { for: id });
  const range = h("input", {
    type: "range",
    id,
    min: 0,
    max,
    step: max / 20,
    on: { input: () => show(), change: () => set({ [name]: Number(range.value) }) },
  });
  range.value = String(value);
  const show = () => {
    const at = Number(range.value);
    const text = inWords(at, unit);
    setText(shown, text);
    range.setAttribute("aria-valuetext", text);
    range.classList.toggle("on", isOn(at));
  };
  show();
  return h("div", { class: "range-row" }, h("label", { for: id }, label), shown, range);
}

/**
 * How the server's switches stand; what to say instead, where it has none.
 * @returns {Promise<Trouble | string>}
 */
async function askTrouble() {
  const none =
    "This server makes no trouble. Start it with --allow-trouble to lose notifications, fail requests and force an overflow from here.";
  try {
    const { allowTrouble } = await aboutServer();
    const response = allowTrouble === false ? null : await askDemo("/demo/trouble");
    if (response === null || response.status === 403 || response.status === 404) return none;
    return response.ok ? await response.json() : `The server answered ${response.status}.`;
  } catch {
    return "The server could not be reached.";
  }
}

/**
 * Asks for an overflow, and says so.
 * @param {string | null} id null: of everything
 * @param {(text: string) => void} log
 */
async function overflow(id, log) {
  try {
    const response = await askDemo("/demo/overflow", id === null ? {} : { conversations: [id] });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    log(id === null ? "Overflow of everything asked for" : `Overflow of ${id} asked for`);
  } catch (error) {
    log(`Overflow: ${why(error)}`);
  }
}

/**
 * @param {(text: string) => void} log
 * @param {() => string | null} conversation the open one
 */
export function troubleSwitches(log, conversation) {
  const note = h("p", { class: "panel-note", role: "status" }, "Asking the server…");
  const lead = h(
    "p",
    { class: "panel-lead", hidden: true },
    "For this account, on all its devices. An overflow is what a device is told that was away too long.",
  );
  const switches = h("div", { class: "switches", hidden: true });
  /** @param {string} label @param {() => void} click @param {boolean} [hidden] */
  const button = (label, click, hidden = false) =>
    h("button", { type: "button", class: "button small", hidden, on: { click } }, label);
  const overflowHere = button("Overflow this conversation", () => overflow(conversation(), log));
  const calm = button("All off", allOff, true);
  const buttons = h(
    "div",
    { class: "button-row", hidden: true },
    calm,
    button("Overflow all", () => overflow(null, log)),
  );
  const element = h("div", { class: "trouble" }, note, lead, switches, buttons);

  /** @type {Trouble} how they stand */
  let current = {};
  /** @param {Trouble} trouble */
  function draw(trouble) {
    const known = SWITCHES.filter(({ name }) => trouble[name] !== undefined);
    current = Object.fromEntries(known.map(({ name }) => [name, trouble[name]]));
    switches.replaceChildren(
      ...known.map((one) => {
        const value = trouble[one.name];
        return typeof value === "boolean" ? switchRow(one.name, one.label, value, set) : rangeRow(one, value, set);
      }),
    );
    offer();
  }

  function offer() {
    calm.hidden = !Object.values(current).some(isOn);
  }

  async function allOff() {
    const off = Object.entries(current).map(([name, value]) => [name, typeof value === "boolean" ? false : 0]);
    await set(Object.fromEntries(off));
    draw(current);
    // The button is gone, the keyboard is not.
    switches.querySelector("input")?.focus();
  }

  /** @param {Trouble} change */
  async function set(change) {
    const changed = Object.entries(change).filter(([name, value]) => current[name] !== value);
    try {
      // All of them at once: one that is left out would be switched off.
      Object.assign(current, change);
      const response = await askDemo("/demo/trouble", current);
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      for (const [name, value] of changed) {
        const known = SWITCHES.find((other) => other.name === name);
        log(`${known?.label ?? name}: ${inWords(value, known?.unit)}`);
      }
      offer();
    } catch (error) {
      log(`Trouble: ${why(error)}`);
      load();
    }
  }

  async function load() {
    const found = await askTrouble();
    const text = typeof found === "string" ? found : "";
    if (typeof found !== "string") draw(found);
    setText(note, text);
    note.hidden = !text;
    lead.hidden = switches.hidden = buttons.hidden = Boolean(text);
  }

  return {
    element,
    /** Asks the server how the switches stand: another device may have moved them. */
    load,
    /** @param {boolean} open */
    conversationOpen(open) {
      if (open) buttons.append(overflowHere);
      else overflowHere.remove();
    },
  };
}
