// What scattering shows of a lattice: its image, the ΔPDF of the image, and a table of correlations.

import { deltaPdf, latticeImage, lotsImage, pdfMap } from "./diffraction.js";
import { bytes, realisedCorrelations } from "./lattice.js";
import { choices, correlationTable, element, framed, reciprocal } from "./parts.js";
import { drawPicture, drawSigned } from "./picture.js";

const REACH = 6; // sites, of the map
const LEAST = 0.05; // smaller values have no sign on the map
const ALIKE = "All sites are alike: a perfect crystal has Bragg peaks, and no diffuse scattering.";

// c(0, 1), c(1, 0), ...: the vector of a span, row by row.
export const namesOf = (span) =>
  Array.from({ length: span * span - 1 }, (_, n) => `c(${Math.floor((n + 1) / span)}, ${(n + 1) % span})`);

// shared: constants of the package. methods: columns of the table, "realised" and "delta-pdf" among
// them. changed(): another number of lots was chosen.
export function makeScattering({ grid, size, lot_size, corners, palettes }, span, methods, changed) {
  const [rows, columns] = grid.shape;
  const colours = { intensity: bytes(palettes.intensity), signed: bytes(palettes.signed) };
  const ends = [String(-REACH).replace("-", "−"), String(REACH)];
  let few = false;
  const image = framed("Its diffraction image", "", { axes: reciprocal });
  const map = framed("ΔPDF of the image", "", {
    axes: ["i, sites along a", "j, sites along b"].map((name) => [ends[0], name, ends[1]]),
  });
  const table = correlationTable(methods, namesOf(span));
  const status = element("p", { class: "status", role: "status" });
  const draw = (canvas, values, limits) =>
    drawPicture(canvas, values, rows, columns, colours.intensity, limits);

  return {
    pictures: [image.figure, map.figure],
    table,
    status,
    lots: choices(
      "Seen through",
      [["all", `all lots of ${lot_size} × ${lot_size} sites`], ["few", `${corners.length} lots, with grain`]],
      "all",
      (value) => {
        few = value === "few";
        changed();
      },
    ),
    // Returns c(i, j) of the lattice, row by row, or null where all sites are alike.
    show(sites) {
      const seen = few
        ? lotsImage(sites, size, grid, lot_size, corners)
        : latticeImage(sites, size, grid, lot_size);
      const words = seen ? "" : ALIKE;
      if (status.textContent !== words) status.textContent = words;
      if (!seen) {
        for (const key of ["realised", "delta-pdf"]) table.show(key, null);
        draw(image.canvas, new Float64Array(rows * columns).fill(NaN));
        drawSigned(map.canvas, [[0]], colours.signed, 1, LEAST);
        for (const each of [image, map]) each.canvas.setAttribute("aria-label", "No diffuse scattering");
        return null;
      }
      draw(image.canvas, seen);
      const pdf = pdfMap(seen, grid, REACH, lot_size);
      const around = pdf.flatMap((row, i) => [...row].filter((_, j) => i !== REACH || j !== REACH));
      const limit = Math.max(0.1, ...around.map(Math.abs));
      drawSigned(map.canvas, pdf, colours.signed, limit, LEAST);
      map.small.textContent = `blue + to ${limit.toFixed(2)}, red − to −${limit.toFixed(2)}`;
      const realised = realisedCorrelations(sites, size, span);
      table.show("realised", realised.subarray(1));
      table.show("delta-pdf", deltaPdf(seen, span, grid, lot_size));
      const [b, a] = [realised[1], realised[span]].map((value) => value.toFixed(2));
      const nearest = `c(0, 1) is ${b}, c(1, 0) is ${a}`;
      image.canvas.setAttribute("aria-label", `Diffraction image; ${nearest}`);
      map.canvas.setAttribute("aria-label", `Map of the ΔPDF up to ${REACH} sites; ${nearest}`);
      return realised;
    },
  };
}
