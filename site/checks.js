// Checks of an image and an answer that need no fit, by the rules of xrlab/interpretation/findings.py
// and with the limits of the package.

import { aligned, withoutPattern } from "./alignment.js";
import { alignmentRules, braggRadius, grid, limits, names, scaleRules, sectionRules } from "./shared.js";
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

// Power of the intensity that the noise grows with, at most; NaN from too few pixels, or without noise.
export function noiseExponent(image) {
  const [dh, dk] = [grid.h, grid.k].map((ends, n) => axis(ends, grid.shape[n]).map((q) => q - Math.round(q)));
  const pixels = Float64Array.from(image, (value, n) =>
    Math.hypot(dh[Math.floor(n / COLUMNS)], dk[n % COLUMNS]) >= braggRadius ? value : NaN,
  );
  const points = secondDifferences(withoutPattern(pixels, grid.shape, alignmentRules));
  points.sort((a, b) => a[0] - b[0]);
  if (points.length < 500) return NaN;
  const squares = (from) => from.map(([, square]) => square);
  const mean = points.reduce((sum, [level]) => sum + level, 0) / points.length;
  if (median(squares(points)) < (scaleRules.noNoise * mean) ** 2) return NaN;
  const groups = [];
  let start = 0;
  for (let n = 0; n < 12; n++) {
    const length = Math.floor(points.length / 12) + (n < points.length % 12 ? 1 : 0);
    const group = points.slice(start, start + length);
    start += length;
    groups.push([
      Math.log(median(group.map(([level]) => level))),
      Math.log(median(squares(group)) + 1e-12 * mean ** 2),
    ]);
  }
  const [x, y] = [0, 1].map((part) => groups.reduce((sum, group) => sum + group[part], 0) / groups.length);
  const spread = groups.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
  if (!spread) return NaN;
  const slope = groups.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0) / spread;
  return slope + scaleRules.scatter / Math.sqrt((points.length * spread) / groups.length);
}

// Mean intensities and squares of second differences along both axes, as noise variances.
function secondDifferences({ left, intensity }) {
  const points = [];
  for (const step of [1, COLUMNS])
    for (let n = step; n < left.length - step; n++) {
      if (step === 1 && (n % COLUMNS === 0 || n % COLUMNS === COLUMNS - 1)) continue;
      const level = (intensity[n - step] + intensity[n] + intensity[n + step]) / 3;
      if (level > 0) points.push([level, (left[n - step] - 2 * left[n] + left[n + step]) ** 2 / 6]);
    }
  return points;
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

// Check an answer {mean, covariance} and widen its errors as far as other answers disagree: those
// to the other views, in its order, and the one without what was known, if something was.
// `conclude` of xrlab/interpretation/conclusion.py without a fit.
export function conclude(image, { mean, covariance }, turned, alone) {
  const n = mean.length;
  const error = mean.map((_, m) => Math.sqrt(covariance[m * n + m]));
  const shares = (part) => `${Math.round(100 * part)} %`;
  const gaps = image.reduce((sum, value) => sum + Number.isNaN(value), 0) / image.length;
  const apart = turned.map((other) => other.map((c, m) => c - mean[m]));
  const moved = rootMeanSquare(apart.flatMap((part) => Array.from(part, (d, m) => d / error[m])));
  const exponent = noiseExponent(image);
  const [scale, whole] = countsBehind(image);
  const place = aligned(image, grid, alignmentRules);
  const found = [
    ["unmeasured", gaps, "≤", `${shares(gaps)} of the image is unmeasured; the network was rarely trained with more than ${shares(limits.unmeasured)}.`],
    ["outside the training", moved, "≤", `The answer moves by ${moved.toFixed(1)} of its standard errors when the image is turned half round or its axes exchanged, which changes nothing in the crystal.`],
    ["alignment", place.alignment, "≤", place.alignment > limits.alignment ? `The pattern agrees with itself turned half round better, by ${place.alignment.toFixed(1)} standard errors, if its centre is moved by ${place.displacement.toFixed(1)} pixels: the axes are shifted, turned or of another length.` : "The pattern is alike at q and −q about the centre that the axes give."],
    ["repetition", place.repetition, "≤", place.repetition > limits.repetition ? `The detail of the image lacks ${place.repetition.toFixed(1)} standard errors of what would repeat after one cell: the axes are others, or most of the image is no pattern of this kind.` : "The detail of the image repeats from cell to cell."],
    ["Bragg positions", place.peaks, "≤", place.peaks > limits["Bragg positions"] ? `A sharp maximum that repeats from cell to cell lies away from whole h and k and is ${place.peaks.toFixed(1)} times as high as those there: the window begins elsewhere, or Bragg peaks were removed and a superstructure was not.` : "No sharp maximum away from whole h and k is much higher than those there."],
    ["counting noise", exponent, "≥", `Noise grows as the intensity to the power ${exponent.toFixed(1)} at most; that of counts has the power 1.${exponent < limits["counting noise"] ? " These intensities look like logarithms or square roots of counts." : ""}`],
    ["intensity scale", whole, "≤", whole > limits["intensity scale"] ? `${shares(whole)} of the pixels are whole numbers once the ${scale} is undone: give the counts themselves.` : "No logarithm or root of whole numbers."],
  ];
  const wider = Float64Array.from(covariance);
  const widen = (key, value, parts) => {
    const weight = Math.min(1, (value / limits[key]) ** 4) / parts.length;
    for (const part of parts) wider.forEach((_, m) => (wider[m] += weight * part[Math.floor(m / n)] * part[m % n]));
  };
  widen("outside the training", moved, apart);
  if (alone) {
    const part = mean.map((c, m) => c - alone.mean[m]);
    const shift = rootMeanSquare(Array.from(part, (d, m) => d / alone.error[m]));
    found.push(["knowledge", shift, "≤", `What is known of the background moves the answer by ${shift.toFixed(1)} of the standard errors that hold without it${shift > limits.knowledge ? ": it contradicts the image." : "."}`]);
    widen("knowledge", shift, [part]);
  }
  return { covariance: wider, checks: [...found.filter(([, value]) => Number.isFinite(value)).map(finding), precision(wider)] };
}

function finding([key, value, direction, sentence, limit = limits[key]]) {
  return { key, value, limit, direction, sentence, ok: direction === "≥" ? value >= limit : value <= limit };
}

// Whether the stated standard errors are small enough to be of use.
export function precision(covariance) {
  const n = names.length;
  const errors = names.map((_, m) => Math.sqrt(covariance[m * n + m]));
  const vague = names.filter((_, m) => errors[m] > limits.precision);
  const worst = Math.max(...errors);
  return finding(["precision", worst, "≤", vague.length ? `The standard error is above ${limits.precision} for ${vague.join(", ")}: the image hardly determines these values.` : `The largest standard error is ${worst.toFixed(2)}.`]);
}

// Whether the windows of a section agree with the joined answer within their errors.
export function agreement({ used, apart }) {
  const limit = sectionRules.joining.apart;
  const number = used.filter(Boolean).length;
  return finding(["windows", apart, "≤", `${number} of ${used.length} windows have enough contrast to be read; they differ from the joined answer by ${apart.toFixed(1)} of their own standard errors (root mean square); in sections of one crystal by ${limit.toFixed(1)} at most.`, limit]);
}
