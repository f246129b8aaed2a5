// Pixels as a file stores them, and what was not measured: the rules of xrlab/io/stored.py.

import { maxPixels, storedRules } from "../shared.js";

const ROLES = new Map(
  Object.entries(storedRules.words).flatMap(([role, words]) => words.split(" ").map((word) => [word, role])),
);
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/g;

// Numbers of a header by what they mean.
export function meanings(header) {
  const said = {};
  for (const [name, value] of Object.entries(header)) {
    const word = name.trim().toLowerCase();
    const numbers =
      typeof value === "string"
        ? (value.match(NUMBER) ?? []).slice(0, 2).map(Number)
        : [value].flat().slice(0, 2).map(Number);
    if (word === "valid_range" && numbers.length === 2)
      [said.lowest, said.highest] = [[numbers[0]], [numbers[1]]];
    else if (numbers.length && ROLES.has(word) && !(word === "dummy" && numbers[0] === 0))
      (said[ROLES.get(word)] ??= []).push(numbers[0]);
  }
  return said;
}

// Words and numbers of a text with one pair a line.
export function pairs(text) {
  const found = {};
  const line = /(?:^|[#;"'])[#\s]*([A-Za-z_][\w.]*)[ \t:=]+([-+.]?\d[\w.+-]*)/gm;
  for (const [, word, value] of text.matchAll(line)) found[word] = value;
  return found;
}

// stored: {pixels, rows, columns, kind: "u" | "i" | "f", bytes, header, mask, axes}, pixels of any
// typed array. Intensities as Float64Array, NaN where unmeasured.
export function intensities({ pixels, rows, columns, kind, bytes, header = {}, mask = null }) {
  if (rows < 2 || columns < 2)
    throw new Error(`an image has at least 2 × 2 pixels; this one has ${rows} × ${columns}`);
  if (rows * columns > maxPixels)
    throw new Error(`${rows} × ${columns} pixels are more than ${maxPixels}: cut or bin the image first`);
  const image = Float64Array.from(pixels, Number);
  const said = meanings(header);
  const scale = said.scale?.[0] ?? 1;
  const offset = (said.offset?.[0] ?? 0) - scale * (said.pedestal?.[0] ?? 0);
  const packed = "scale" in said || "offset" in said;
  const lost = Array.from(image, (value) => !Number.isFinite(value));
  flagged(image, kind, bytes, said, packed).forEach((flag, n) => (lost[n] ||= flag));
  if (mask) mask.forEach((flag, n) => (lost[n] ||= Boolean(flag)));
  const drop = () => lost.forEach((flag, n) => flag && (image[n] = NaN));
  const dropZeros = () => {
    zerosBeyondChance(image, rows, columns).forEach((flag, n) => (lost[n] ||= Boolean(flag)));
    drop();
  };
  drop();
  if (kind !== "i" || !packed) dropZeros();
  if (scale !== 1 || offset !== 0) {
    image.forEach((value, n) => (image[n] = value * scale + offset));
    dropZeros();
  }
  return image;
}

function flagged(image, kind, bytes, said, packed) {
  const lost = new Uint8Array(image.length);
  const round = kind === "f" && bytes === 4 ? Math.fround : (value) => value;
  const mark = (test) => image.forEach((value, n) => test(value) && (lost[n] = 1));
  for (const flag of said.flags ?? []) {
    const near = said.tolerance?.[0] ?? 0;
    mark((value) => Math.abs(value - flag) <= near || value === round(flag));
  }
  for (const limit of said.saturation ?? []) if (limit > 0) mark((value) => value >= limit);
  for (const limit of said.highest ?? []) mark((value) => value > limit);
  for (const limit of said.lowest ?? []) mark((value) => value < limit);
  let [low, high, finite] = [Infinity, -Infinity, 0];
  image.forEach((value, n) => {
    if (!Number.isFinite(value) || lost[n]) return;
    finite++;
    low = Math.min(low, value);
    high = Math.max(high, value);
  });
  if (!finite) return lost;
  const kept = lost.slice();
  const count = (number) => image.reduce((sum, value) => sum + (value === number), 0);
  if (kind !== "f") {
    const top = kind === "u" ? 2 ** (8 * bytes) - 1 : 2 ** (8 * bytes - 1) - 1;
    if (bytes >= 4) mark((value) => value >= top - 1);
    else if (count(top) > 1) {
      const second = kind === "u" && bytes === 2 && count(top - 1) > 1;
      mark((value) => value >= top - second);
    }
    if (!packed) mark((value) => value < 0);
  }
  const { tops, sentinels, detector_flags: own } = storedRules;
  const many = high > 2 ** 20 || count(high) > 1;
  if (bytes >= 4 && !packed && tops.includes(high) && many)
    mark((value) => value >= high - (high > 2 ** 31));
  if (kind === "f") {
    const largest = Math.fround(3.4028234663852886e38);
    mark((value) => Math.abs(value) >= largest);
    for (const flag of new Set([low, high]))
      if (sentinels.map(round).includes(flag) && count(flag) > 1) mark((value) => value === flag);
    const negative = image.filter((value, n) => value < 0 && Number.isFinite(value) && !kept[n]);
    if (!packed && negative.length > 1 && negative.every((value) => own.includes(value)))
      mark((value) => value < 0);
  }
  return lost;
}

// Zeros in regions too large for chance.
export function zerosBeyondChance(image, rows, columns) {
  const zero = Uint8Array.from(image, (value) => value === 0);
  const zeros = zero.reduce((sum, value) => sum + value, 0);
  if (!zeros || zeros === zero.length) return zero;
  const { false_alarm: alarm, fewest_zeros: fewest, site_animals: animals } = storedRules;
  let found = new Uint8Array(zero.length);
  let chance = 1;
  for (let turn = 0; turn < 2; turn++) {
    const genuine = blocks((n) => zero[n] && !found[n], rows, columns);
    const others = blocks((n) => !zero[n], rows, columns);
    const part = genuine.map((count, n) => count / Math.max(count + others[n], 1));
    const order = part.map((_, n) => n).sort((a, b) => part[a] - part[b]);
    const total = others.reduce((sum, count) => sum + count, 0);
    let sum = 0;
    const place = order.find((n) => (sum += others[n]) / total >= 0.95);
    chance = Math.min(0.9999, Math.max(1e-3, part[place ?? order.at(-1)]));
    const needed = Math.ceil(Math.log(alarm / zero.length) / Math.log(chance));
    found = opened(zero, rows, columns, Math.max(fewest, needed));
    if (!found.includes(1)) break;
  }
  if (animals * chance < 0.9) {
    const rare = Math.log(alarm / zero.length) / Math.log(animals * chance);
    for (const region of regions(zero, rows, columns))
      if (region.length >= rare) for (const n of region) found[n] = 1;
  }
  return found;
}

function blocks(test, rows, columns) {
  const across = Math.ceil(columns / 7);
  const counts = new Array(Math.ceil(rows / 7) * across).fill(0);
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < columns; n++)
      if (test(m * columns + n)) counts[Math.floor(m / 7) * across + Math.floor(n / 7)]++;
  return counts;
}

// Zeros in an all-zero square or line of so many pixels.
function opened(zero, rows, columns, needed) {
  const found = new Uint8Array(zero.length);
  const wide = columns + 1;
  const sums = new Float64Array((rows + 1) * wide);
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < columns; n++)
      sums[(m + 1) * wide + n + 1] =
        zero[m * columns + n] + sums[m * wide + n + 1] + sums[(m + 1) * wide + n] - sums[m * wide + n];
  const side = Math.ceil(Math.sqrt(needed));
  for (const [high, long] of [
    [side, side],
    [1, needed],
    [needed, 1],
  ])
    for (let m = 0; m + high <= rows; m++)
      for (let n = 0; n + long <= columns; n++) {
        const inside =
          sums[(m + high) * wide + n + long] - sums[m * wide + n + long] - sums[(m + high) * wide + n] + sums[m * wide + n];
        if (inside < high * long) continue;
        for (let i = m; i < m + high; i++) found.fill(1, i * columns + n, i * columns + n + long);
      }
  return found;
}

function* regions(zero, rows, columns) {
  const seen = new Uint8Array(zero.length);
  for (let start = 0; start < zero.length; start++) {
    if (!zero[start] || seen[start]) continue;
    const region = [start];
    seen[start] = 1;
    for (let next = 0; next < region.length; next++) {
      const [m, n] = [Math.floor(region[next] / columns), region[next] % columns];
      for (const [i, j] of [
        [m - 1, n],
        [m + 1, n],
        [m, n - 1],
        [m, n + 1],
      ]) {
        const place = i * columns + j;
        if (i < 0 || j < 0 || i >= rows || j >= columns || !zero[place] || seen[place]) continue;
        seen[place] = 1;
        region.push(place);
      }
    }
    yield region;
  }
}
