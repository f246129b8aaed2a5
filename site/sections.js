// Many windows of one section, read and joined: the rules of xrlab/interpretation/sections.py and
// cells.py, whose constants come as `rules`.

import { axis } from "widgets/diffraction.js";
import { windowOf } from "./reading/section.js";
import { braggRadius, cellSide, sectionRules as rules } from "./shared.js";
import { unfold } from "./structure.js";

const range = (length) => Array.from({ length }, (_, n) => n);
const sum = (values) => values.reduce((total, value) => total + value, 0);
const mean = (values) => sum(values) / values.length;
const spread = (values) => {
  const middle = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
};
const wrap = (place, n) => ((place % n) + n) % n;
const reflect = (place, n) => (place < 0 ? -1 - place : place >= n ? 2 * n - 1 - place : place);

function median(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Inverse of a matrix of rows by Gauss and Jordan.
function inverse(matrix) {
  const n = matrix.length;
  const rows = matrix.map((row, i) => Float64Array.of(...row, ...range(n).map((j) => +(i === j))));
  for (let i = 0; i < n; i++) {
    const best = range(n - i).reduce((a, b) => (Math.abs(rows[i + b][i]) > Math.abs(rows[i + a][i]) ? b : a), 0);
    [rows[i], rows[i + best]] = [rows[i + best], rows[i]];
    const pivot = rows[i][i];
    for (let j = i; j < 2 * n; j++) rows[i][j] /= pivot;
    for (let m = 0; m < n; m++) {
      const part = rows[m][i];
      if (m === i || part === 0) continue;
      for (let j = i; j < 2 * n; j++) rows[m][j] -= part * rows[i][j];
    }
  }
  return rows.map((row) => row.subarray(n));
}

// Weighted least squares with a prior precision: the answer and the inverse of its precision.
function regress(columns, y, weight, prior) {
  const n = columns.length;
  const precision = columns.map((a, i) =>
    columns.map((b, j) => {
      if (j > i) return 0;
      let total = i === j ? prior[i] : 0;
      for (let m = 0; m < y.length; m++) total += weight[m] * a[m] * b[m];
      return total;
    }),
  );
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) precision[i][j] = precision[j][i];
  const right = columns.map((a) => {
    let total = 0;
    for (let m = 0; m < y.length; m++) total += weight[m] * a[m] * y[m];
    return total;
  });
  const covariance = inverse(precision);
  return { answer: covariance.map((row) => sum(row.map((value, m) => value * right[m]))), covariance };
}

const residuals = (columns, y, answer) =>
  y.map((value, m) => {
    let left = value;
    for (let n = 0; n < columns.length; n++) left -= columns[n][m] * answer[n];
    return left;
  });

// Amplitude and level of the pattern in every whole cell of the windows.
class Cells {
  constructor(section, corners) {
    const { side } = rules;
    this.corners = corners;
    this.q = axis([0, 1], side);
    const keys = new Map(corners.flatMap(([h, k]) => [0, 1].flatMap((a) => [0, 1].map((b) => [`${h + a} ${k + b}`, [h + a, k + b]]))));
    const places = [...keys.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const distance = this.q.map((x) => x - Math.round(x));
    const outside = range(side * side).filter((n) => Math.hypot(distance[Math.floor(n / side)], distance[n % side]) >= braggRadius);
    this.cells = [];
    for (const place of places) {
      const image = windowOf(section, place, 1, side, false);
      const seen = image && outside.filter((n) => Number.isFinite(image[n]));
      if (!seen || seen.length < rules.leastMeasured) continue;
      const [x, y] = [seen.map((n) => 2 * this.q[Math.floor(n / side)] - 1), seen.map((n) => 2 * this.q[n % side] - 1)];
      const smooth = [
        x.map(() => 1),
        x,
        y,
        x.map((value) => value ** 2 - 1 / 3),
        x.map((value, n) => value * y[n]),
        y.map((value) => value ** 2 - 1 / 3),
      ].map((values) => Float64Array.from(values));
      this.cells.push({ place, seen, smooth, y: Float64Array.from(seen, (n) => Math.max(image[n], 0)) });
    }
  }

  // (A plane) x pattern + (a quadratic) in every cell, outliers weighted down. Of each cell
  // amplitude, level, their variances and their covariance; minus the logarithm of the likelihood.
  fit(pattern) {
    const repeated = unfold(pattern, this.q, this.q);
    let cost = 0;
    const fits = this.cells.map(({ seen, smooth, y }) => {
      const here = seen.map((n) => repeated[n]);
      const columns = [...smooth.slice(0, 3).map((values) => values.map((value, n) => value * here[n])), ...smooth];
      const top = y.reduce((a, b) => Math.max(a, b), 0);
      let weight = new Float64Array(y.length).fill(1);
      let [answer, covariance, scatter] = [null, null, 0];
      for (let turn = 0; turn < 4; turn++) {
        ({ answer, covariance } = regress(columns, y, weight, new Float64Array(9).fill(1e-9)));
        const left = residuals(columns, y, answer);
        scatter = 1.4826 * median(left.map(Math.abs)) + 1e-9 * (1 + top);
        weight = left.map((value) => 1 / (1 + (value / scatter / 2) ** 2));
      }
      cost += y.length * Math.log(scatter);
      return [answer[0], answer[3], ...[covariance[0][0], covariance[3][3], covariance[0][3]].map((value) => value * scatter ** 2)];
    });
    return { fits, cost };
  }

  // Amplitude of a pattern over the level in every window.
  contrast(pattern) {
    if (!this.cells.length) return this.corners.map(() => 1);
    const { fits } = this.fit(pattern);
    const known = new Map(this.cells.map(({ place }, n) => [place.join(" "), fits[n]]));
    return this.corners.map(([h, k]) => {
      const inside = [0, 1].flatMap((a) => [0, 1].map((b) => known.get(`${h + a} ${k + b}`))).filter(Boolean);
      const [amplitude, level] = inside.length ? [0, 1].map((n) => sum(inside.map((each) => each[n]))) : [0, 1];
      return amplitude / Math.max(level, 1e-12);
    });
  }

  // Factor of S - 1 of this cell by the slope of level against amplitude, and its error.
  scale(cell) {
    const width = spread(cell);
    if (this.cells.length < rules.leastCells || width < 1e-6) return [NaN, NaN];
    const pattern = cell.map((value) => (value - 1) / width);
    const made = rules.blurs.map((blur) => this.fit(blurred(pattern, blur * cellSide)));
    const { fits } = made.reduce((a, b) => (b.cost < a.cost ? b : a));
    const [slope, error] = slopeOfLevel(this.cells.map(({ place }) => place.map((q) => q + 0.5)), fits);
    return slope <= 0 ? [NaN, NaN] : [1 / (slope * width), error / slope / (slope * width)];
  }
}

// A cell, repeated without end, after a Gaussian filter.
function blurred(cell, width) {
  if (!width) return cell;
  const reach = Math.floor(4 * width + 0.5);
  const kernel = range(2 * reach + 1).map((n) => Math.exp(-((n - reach) ** 2) / 2 / width ** 2));
  const total = sum(kernel);
  const pass = (from) => {
    const out = new Float64Array(from.length); // transposed, so that the second pass is the same
    for (let m = 0; m < cellSide; m++)
      for (let n = 0; n < cellSide; n++)
        out[n * cellSide + m] = sum(kernel.map((value, d) => value * from[m * cellSide + wrap(n + d - reach, cellSide)])) / total;
    return out;
  };
  return pass(pass(cell));
}

// Level = slope x amplitude + a background that varies slowly, robustly: `slope_of_level`.
function slopeOfLevel(q, fits) {
  const unit = median(fits.map((each) => each[1])) || 1;
  const [amplitude, level] = [0, 1].map((n) => Float64Array.from(fits, (each) => each[n] / unit));
  const [ofAmplitude, ofLevel, ofBoth] = [2, 3, 4].map((n) => Float64Array.from(fits, (each) => each[n] / unit ** 2));
  const [x, y] = [0, 1].map((side) => {
    const values = q.map((place) => place[side]);
    const half = Math.max((Math.max(...values) - Math.min(...values)) / 2, 1);
    return values.map((value) => (value - mean(values)) / half);
  });
  const distance = q.map((place) => Math.hypot(...place));
  const columns = [
    amplitude,
    x.map(() => 1),
    x,
    y,
    x.map((value) => value ** 2),
    x.map((value, n) => value * y[n]),
    y.map((value) => value ** 2),
    ...rules.reaches.map((reach) => distance.map((r) => Math.exp((0.5 - r) / reach))),
  ];
  const prior = [1e3, 10, 1, 1, 0.5, 0.5, 0.5, 2, 2].map((width) => 1 / width ** 2);
  const [middleA, middleL] = [mean(amplitude), mean(level)];
  const along = sum(amplitude.map((value, n) => (value - middleA) * (level[n] - middleL))) / sum(amplitude.map((value) => (value - middleA) ** 2));
  let slope = Math.max(along, 0.3);
  let excess = 0.01;
  let weight = new Float64Array(q.length).fill(1);
  let [answer, covariance] = [null, null];
  for (let turn = 0; turn < 15; turn++) {
    const noise = ofLevel.map((value, n) => Math.max(value + slope ** 2 * ofAmplitude[n] - 2 * slope * ofBoth[n], 0));
    ({ answer, covariance } = regress(columns, level, noise.map((value, n) => weight[n] / (value + excess)), prior));
    const left = residuals(columns, level, answer);
    slope = Math.max(answer[0], 0.05);
    weight = left.map((value, n) => 5 / (4 + value ** 2 / (noise[n] + excess)));
    const over = sum(left.map((value, n) => weight[n] * value ** 2)) / Math.max(q.length - 7, 3);
    excess = Math.max(over - sum(noise.map((value, n) => value * weight[n])) / sum(weight), 1e-6);
  }
  return [answer[0], Math.sqrt(covariance[0][0])];
}

// What the cells have in common: the first principal component of their S - 1, mean square 1.
function commonPattern(cells) {
  const apart = cells.map((cell) => cell.map((value) => value - 1));
  let power = apart.map((a) => apart.map((b) => sum(a.map((value, n) => value * b[n]))));
  // Squared again and again, the matrix of their products keeps its largest component alone.
  for (let turn = 0; turn < 16; turn++) {
    const trace = sum(power.map((row, n) => row[n])) || 1;
    power = power.map((row) => power.map((other) => sum(row.map((value, n) => (value / trace) * (other[n] / trace)))));
  }
  const largest = power.reduce((a, b, n) => (b[n] > power[a][a] ? n : a), 0);
  const sign = Math.sign(sum(power[largest])) || 1;
  const pattern = apart[0].map((_, n) => sign * sum(power[largest].map((value, m) => value * apart[m][n])));
  const width = spread(pattern);
  return pattern.map((value) => value / width);
}

// Weights of windows so that each cell counts once.
function shares(corners) {
  const four = corners.map(([h, k]) => [0, 1].flatMap((a) => [0, 1].map((b) => `${h + a} ${k + b}`)));
  const number = new Map();
  for (const key of four.flat()) number.set(key, (number.get(key) ?? 0) + 1);
  return four.map((keys) => mean(keys.map((key) => 1 / number.get(key))));
}

// The windows that are copies of each after a turn or a mirror, itself included.
function copies(images, side) {
  const all = range(side * side);
  const means = (values) => {
    const pass = (from, at) => from.map((_, n) => {
      const [m, l] = [Math.floor(n / side), n % side];
      let total = 0;
      for (let d = -2; d <= 2; d++) total += from[at(m, l, d)];
      return total / 5;
    });
    const along = pass(values, (m, l, d) => reflect(m + d, side) * side + l);
    return pass(along, (m, l, d) => m * side + reflect(l + d, side));
  };
  const measured = (values) => values.filter((value) => !Number.isNaN(value));
  const smooth = images.map((image) => {
    const weight = means(image.map((value) => (Number.isFinite(value) ? 1 : 0)));
    const values = means(image.map((value) => (Number.isFinite(value) ? value : 0)));
    const known = values.map((value, n) => (Number.isFinite(image[n]) ? value / (weight[n] + 1e-9) : NaN));
    const level = mean(measured(known));
    return known.map((value) => value / (level > 0 ? level : 1));
  });
  const widths = smooth.map((image) => spread(measured(image)));
  const turns = [true, false].flatMap((exchange) => [true, false].flatMap((up) => [true, false].map((across) =>
    all.map((n) => {
      const [m, l] = exchange ? [n % side, Math.floor(n / side)] : [Math.floor(n / side), n % side];
      return (up ? side - 1 - m : m) * side + (across ? side - 1 - l : l);
    }),
  )));
  const number = images.map(() => 1);
  for (let i = 0; i < images.length; i++)
    for (let other = 0; other < i; other++) {
      const limit = (rules.copy * Math.min(widths[i], widths[other])) ** 2;
      const alike = turns.some((turn) => {
        let [total, count] = [0, 0];
        for (const n of all) {
          const apart = smooth[i][n] - smooth[other][turn[n]];
          if (Number.isNaN(apart)) continue;
          total += apart ** 2;
          count++;
        }
        return total / count < limit;
      });
      if (!alike) continue;
      number[i]++;
      number[other]++;
    }
  return number;
}

const product = (matrix, vector) => matrix.map((row) => sum(row.map((value, n) => value * vector[n])));
const dot = (a, b) => sum(Array.from(a, (value, n) => value * b[n]));
const clipped = (vector) => vector.map((c) => Math.min(1, Math.max(-1, c)));

// Join the mean of so many windows with the scale that the levels of the cells give: `join`.
function join(vector, covariance, windows, scale, error) {
  const { between, factor, scale_floor: floor, scale_factor: stated } = rules.joining;
  const length = dot(vector, vector);
  if (length < 1e-12) return { vector: clipped(vector), joint: covariance.map((row) => row.map((value) => value * factor)) };
  const along = vector.map((c) => c / length);
  const own = dot(along, product(covariance, along));
  const shape = between + (1 - between) / Math.max(windows, 1);
  const before = covariance.map((row, i) => row.map((value, j) => factor * (shape * value + (1 - shape) * own * vector[i] * vector[j])));
  if (!Number.isFinite(scale) || own > rules.vague ** 2) return { vector: clipped(vector), joint: before };
  const prior = dot(along, product(before, along));
  const variance = Math.max(floor ** 2 + (stated * error) ** 2, (scale - 1) ** 2 / 4 - prior);
  const gain = product(before, along).map((value) => value / (prior + variance));
  return {
    vector: clipped(vector.map((c, n) => c + gain[n] * (scale - 1))),
    joint: before.map((row, i) => row.map((value, j) => value - gain[i] * gain[j] * (prior + variance))),
  };
}

// The joint answer to the windows of a section. readings: {mean, covariance, cell} of each window;
// known: whether something is known of the background.
export function joinWindows({ section, corners, images, readings, known }) {
  const n = readings[0].mean.length;
  const matrices = readings.map(({ covariance }) => range(n).map((i) => Array.from(covariance.subarray(i * n, (i + 1) * n))));
  const cells = new Cells(section, corners);
  const contrast = cells.contrast(commonPattern(readings.map(({ cell }) => cell)));
  const second = [...contrast].sort((a, b) => a - b).slice(-2)[0];
  const used = contrast.map((value) => value >= rules.contrast * second);
  const chosen = range(corners.length).filter((m) => used[m]);
  const number = copies(chosen.map((m) => images[m]), Math.sqrt(images[0].length));
  const weights = shares(chosen.map((m) => corners[m])).map((share, m) => share / number[m]);
  const windows = sum(weights);
  const average = (value) => sum(chosen.map((m, place) => weights[place] * value(m))) / windows;
  const pooled = range(n).map((i) => average((m) => readings[m].mean[i]));
  const covariance = range(n).map((i) => range(n).map((j) => average((m) => matrices[m][i][j])));
  let [scale, error] = [NaN, NaN];
  if (!known && corners.length > 1) {
    const cell = readings[0].cell.map((_, p) => average((m) => readings[m].cell[p]));
    const level = mean(cell);
    [scale, error] = cells.scale(cell.map((value) => value / level));
  }
  const { vector, joint } = join(pooled, covariance, windows, scale, error);
  const apart = Math.sqrt(
    average((m) => {
      const deviation = vector.map((c, i) => readings[m].mean[i] - c);
      return dot(deviation, product(inverse(matrices[m]), deviation)) / n;
    }),
  );
  const clearest = contrast.reduce((a, value, m) => (value > contrast[a] ? m : a), 0);
  return { mean: Float64Array.from(vector), covariance: Float64Array.from(joint.flat()), contrast, used, windows, scale, error, apart, clearest };
}
