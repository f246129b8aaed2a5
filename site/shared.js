// Constants, names and tables that tools/write_site.py takes from the package.

import { bytes } from "widgets/lattice.js";
import shared from "shared.json";

export const { grid, span, names, size, corners, patterns, calibration, version } = shared;
export const lotSize = shared.lot_size;
export const braggRadius = shared.bragg_radius;
export const cellSide = shared.cell;
export const leastMeasured = shared.least_measured;
export const maxPixels = shared.max_pixels;
export const { limits } = shared;
export const alignmentRules = shared.alignment;
export const sectionRules = shared.sections;
export const scaleRules = shared.intensity_scale;
export const storedRules = shared.stored;
export const palettes = Object.fromEntries(
  Object.entries(shared.palettes).map(([name, text]) => [name, bytes(text)]),
);
export { bytes };

// What is known of an image that nothing has spoilt.
export const perfect = { background: [0, 0], formFactor: [new Float32Array(grid.shape[0] * grid.shape[1]).fill(1)] };
