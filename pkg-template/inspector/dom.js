// Building elements. Strings become text nodes: nothing given here is ever parsed as HTML.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * Creates an element. `on` holds listeners, `true` and `false` set and omit an attribute; everything else is an
 * attribute as it stands.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {{ on?: Record<string, (event: any) => void>, [name: string]: unknown }} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, { on = {}, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [type, listener] of Object.entries(on)) element.addEventListener(type, listener);
  for (const child of children) if (child) element.append(child);
  return element;
}

/**
 * Sets text only where it differs: assistive technology and layout see no change that is none.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} label @param {() => void} click */
export const button = (label, click) => h("button", { type: "button", on: { click } }, label);
