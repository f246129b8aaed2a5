// Checks of an image and an answer that need no fit: `examine` of xrlab/interpretation/findings.py
// without its fit, with the limits of the package.

import { braggRadius, grid, limits, names, scaleRules } from "./shared.js";
import { axis } from "widgets/diffraction.js";

const [ROWS, COLUMNS] = grid.shape;

export const rootMeanSquare = (values) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// The image turned half round, with its axes exchanged, and both.
export function views(image) {
  const turned = Float64Array.from(image).reverse();
  const exchanged = (given) => given.map((_, n) => given[(n % ROWS) * COLUMNS + Math.floor(n / ROWS)]);
  const other = exchanged(image);
  return [image, turned, other, Float64Array.from(other).reverse()];
}

// Correlations of an image with exchanged axes, in the order of the image.
export function exchangedBack(vector) {
  const side = Math.round(Math.sqrt(vector.length + 1));
  return vector.map((_, n) => vector[((n + 1) % side) * side + Math.floor((n + 1) / side) - 1]);
}

// Exponent of the noise in the intensity plus two standard errors; NaN from too few pixels.
export function noiseExponent(image) {
  const away = (q) => axis(q, ROWS).map((value) => value - Math.round(value));
  const [dh, dk] = [away(grid.h), away(grid.k)];
  const pixel = (m, n) => (Math.hypot(dh[m], dk[n]) >= braggRadius ? image[m * COLUMNS + n] : NaN);
  const points = [];
  const weights = [1, -4, 6, -4, 1];
  for (const [up, across] of [
    [1, 0],
    [0, 1],
  ])
    for (let m = 0; m + 4 * up < ROWS; m++)
      for (let n = 0; n + 4 * across < COLUMNS; n++) {
        let [difference, level] = [0, 0];
        weights.forEach((weight, i) => {
          const value = pixel(m + i * up, n + i * across);
          difference += weight * value;
          level += value / 5;
        });
        if (level > 0) points.push([level, difference ** 2 / 70]);
      }
  points.sort((a, b) => a[0] - b[0]);
  if (points.length < 500 || points[0][0] === points.at(-1)[0]) return NaN;
  const mean = points.reduce((sum, [level]) => sum + level, 0) / points.length;
  const groups = [];
  let start = 0;
  for (let n = 0; n < 12; n++) {
    const length = Math.floor(points.length / 12) + (n < points.length % 12 ? 1 : 0);
    const group = points.slice(start, start + length);
    start += length;
    groups.push([
      Math.log(group.reduce((sum, [level]) => sum + level, 0) / length),
      Math.log(median(group.map(([, square]) => square)) + 1e-12 * mean ** 2),
    ]);
  }
  const [x, y] = [0, 1].map((part) => groups.reduce((sum, group) => sum + group[part], 0) / groups.length);
  const spread = groups.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  const slope = groups.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / spread;
  const left = groups.reduce((sum, [a, b]) => sum + (b - y - slope * (a - x)) ** 2, 0);
  return slope + 2 * Math.sqrt(left / (groups.length - 2) / spread);
}

const INVERSES = {
  "decimal logarithm": (y) => 10 ** y,
  "natural logarithm": Math.exp,
  "binary logarithm": (y) => 2 ** y,
  "square root": (y) => y * y,
};

// The scale whose inverse gives whole numbers, and the share of pixels for which it does.
export function countsBehind(image) {
  const values = image.filter((value) => Number.isFinite(value) && value > 0);
  const whole = values.reduce((sum, value) => sum + (value === Math.round(value)), 0) / values.length;
  if (values.length < scaleRules.least_pixels) return ["decimal logarithm", NaN];
  let best = ["decimal logarithm", 0];
  if (whole > 0.5) return best;
  for (const [name, inverse] of Object.entries(INVERSES)) {
    const counts = values.map(inverse).filter((count) => count > 1.5 && count < 0.05 / scaleRules.digits);
    if (counts.length < 0.5 * values.length) continue;
    const share =
      counts.reduce((sum, count) => sum + (Math.abs(count - Math.round(count)) <= scaleRules.digits * count), 0) / counts.length;
    if (share > best[1]) best = [name, share];
  }
  return best;
}

// mean, error: the answer. turned: answers to the other views, in its order. alone: mean and error
// without what was known, if something was.
export function findings(image, mean, error, turned, alone) {
  const percent = (part) => `${Math.round(100 * part)} %`;
  const gaps = image.reduce((sum, value) => sum + Number.isNaN(value), 0) / image.length;
  const moved = rootMeanSquare(turned.flatMap((other) => Array.from(other, (c, n) => (c - mean[n]) / error[n])));
  const exponent = noiseExponent(image);
  const [scale, share] = countsBehind(image);
  const vague = names.filter((_, n) => error[n] > limits.VAGUE);
  const worst = Math.max(...error);
  const found = [
    ["unmeasured", gaps, limits.UNMEASURED, "≤", `${percent(gaps)} of the image is unmeasured; the network was rarely trained with more than ${percent(limits.UNMEASURED)}.`],
    ["outside the training", moved, limits.MOVED, "≤", `The answer moves by ${moved.toFixed(1)} of its standard errors when the image is turned half round or its axes exchanged, which changes nothing in the crystal.`],
    ["counting noise", exponent, limits.EXPONENT, "≥", `Noise grows as the intensity to the power ${exponent.toFixed(1)} at most; that of counts has the power 1.${exponent < limits.EXPONENT ? " These intensities look like logarithms or square roots of counts." : ""}`],
    ["intensity scale", share, limits.WHOLE, "≤", share > limits.WHOLE ? `${percent(share)} of the pixels are whole numbers once the ${scale} is undone: give the counts themselves.` : "No logarithm or root of whole numbers."],
    ["precision", worst, limits.VAGUE, "≤", vague.length ? `The standard error is above ${limits.VAGUE} for ${vague.join(", ")}: the image hardly determines these values.` : `The largest standard error is ${worst.toFixed(2)}.`],
  ];
  if (alone) {
    const shift = rootMeanSquare(Array.from(mean, (c, n) => (c - alone.mean[n]) / alone.error[n]));
    found.push(["knowledge", shift, limits.WRONG, "≤", `What is known of the background moves the answer by ${shift.toFixed(1)} of the standard errors that hold without it${shift > limits.WRONG ? ": it contradicts the image." : "."}`]);
  }
  return found
    .filter(([, value]) => Number.isFinite(value))
    .map(([key, value, limit, direction, sentence]) => ({
      key, value, limit, direction, sentence, ok: direction === "≥" ? value >= limit : value <= limit,
    }));
}
