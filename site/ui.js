// Small parts that the doors share.

import { correlationTable as tableOf, element } from "widgets/parts.js";
import { drawPicture } from "widgets/picture.js";
import { grid, names, palettes } from "./shared.js";

export * from "widgets/parts.js";

export const showImage = (canvas, image, limits = null) =>
  drawPicture(canvas, image, grid.shape[0], grid.shape[1], palettes.intensity, limits);

export const showSites = (canvas, sites, side) =>
  drawPicture(canvas, sites, side, side, palettes.sites, [-1, 1]);

export function emptyImage(canvas) {
  showImage(canvas, new Float64Array(grid.shape[0] * grid.shape[1]).fill(NaN), [0, 1]);
}

export const correlationTable = (methods, which = names) => tableOf(methods, which);

// How a door begins: what it is for.
export const intro = (title, text) =>
  element("section", { class: "intro" }, element("h2", {}, title), element("p", {}, text));

export function save(name, content, kind = "application/json") {
  const link = element("a", { href: URL.createObjectURL(new Blob([content], { type: kind })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
