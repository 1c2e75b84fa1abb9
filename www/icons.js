// @ts-check
// The icons, as paths on a 20 × 20 grid, stroked in the colour of the text around them.

const PATHS = {
  back: "M12.5 4.5 7 10l5.5 5.5",
  search: "M9 4a5 5 0 1 0 0 10A5 5 0 0 0 9 4m3.7 8.7L16.5 16.5",
  send: "M10 16V4.5M5 9.5l5-5 5 5",
  panel: "M3.5 5.5h7M3.5 10h4M3.5 14.5h9M14 5.5h2.5M11 10h5.5",
  sun: "M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6m0-4.5v1.5m0 12v1.5M2.5 10H4m12 0h1.5M4.7 4.7l1 1m8.6 8.6 1 1m0-10.6-1 1m-8.6 8.6-1 1",
  moon: "M16.5 11.8A7 7 0 1 1 8.2 3.5a5.6 5.6 0 0 0 8.3 8.3z",
  devices: "M3 5.5h6v9H3zM11 5.5h6v9h-6z",
  one: "M5.5 4h9v12h-9z",
  leave: "M11.5 4.5H5v11h6.5M9 10h8m-3-3 3 3-3 3",
  edit: "M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2z",
  recall: "M7.5 5 4 8.5 7.5 12M4 8.5h8a4 4 0 0 1 0 8H9",
  copy: "M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3",
  retry: "M15.5 10a5.5 5.5 0 1 1-1.7-4M15.5 3.5v3.3h-3.3",
  close: "M5.5 5.5l9 9m0-9-9 9",
  clock: "M10 4a6 6 0 1 0 0 12 6 6 0 0 0 0-12m0 3v3.2l2 1.3",
  check: "M5 10.5l3.3 3.3L15 7",
  checks: "M2.5 10.5l3.3 3.3L12 7m-2.2 5.7 1.1 1.1L17.5 7",
  tour: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M8.3 7.3l4.4 2.7-4.4 2.7z",
  jump: "M4 6.2h12v9.6H4zM4 9h12M7.2 4.2v3.2M12.8 4.2v3.2",
  play: "M6.5 4.5 15 10l-8.5 5.5z",
  pause: "M7 5v10M13 5v10",
  next: "M7.5 4.5 13 10l-5.5 5.5",
  skip: "M5.5 5 11 10l-5.5 5zM14.5 5v10",
  look: "M2.5 10S5.2 5 10 5s7.5 5 7.5 5-2.7 5-7.5 5-7.5-5-7.5-5m7.5-2.2a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4",
  alert: "M10 3.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13m0 3v4m0 2.5v.1",
  down: "M10 4v11m-4.5-4.5L10 15l4.5-4.5",
};

/** @typedef {keyof typeof PATHS} IconName */

const SVG = "http://www.w3.org/2000/svg";

/**
 * A decorative icon; what it means is said by its button's label or by text beside it.
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}
