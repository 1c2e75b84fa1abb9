// @ts-check
// Building elements. Strings become text nodes: nothing given here is ever parsed as HTML.
// The package's inspector has the like of its own, which it does not export: the demo uses the package as any app does.

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * Creates an element. `on` holds listeners, `class` the classes, `true` and `false` set and omit an
 * attribute; everything else is an attribute as it stands.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {{ on?: Record<string, (event: any) => void>, [name: string]: unknown }} [props]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(/** @type {Record<string, (event: any) => void>} */ (value))) {
        element.addEventListener(type, listener);
      }
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  add(element, ...children);
  return element;
}

/**
 * Appends what is there; null, undefined and false are nothing.
 * @param {Element} element
 * @param {...Child} children
 */
export function add(element, ...children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    element.append(typeof child === "number" ? String(child) : child);
  }
}

/**
 * Sets text only where it differs: assistive technology and layout see no change that is none.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Runs `work` at most once in `ms`, and always once more after the last call.
 * @param {number} ms
 * @param {() => void} work
 */
export function throttle(ms, work) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let last = -Infinity;
  const run = () => {
    timer = undefined;
    last = performance.now();
    work();
  };
  return () => {
    if (timer === undefined) timer = setTimeout(run, Math.max(0, last + ms - performance.now()));
  };
}
