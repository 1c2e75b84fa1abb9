/**
 * An element.
 * @param {string} tag
 * @param {object} [props]
 * @param {...(Node | string | null | false)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children.filter((child) => child !== null && child !== false));
  return element;
}
