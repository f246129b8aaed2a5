// Sections and windows: the rules of xrlab/io/section.py and axes.py.

import { axis } from "widgets/diffraction.js";
import { grid, leastMeasured } from "../shared.js";

const BRACKETED = /^[[({]?([-+\d.*/hkl]+(?:[,\s]+[-+\d.*/hkl]+){2})[\])}]?$/;
const NAMED = /^(?:q[_ ]?|miller[_ ]?(?:index[_ ]?)?|index[_ ]?)?([hkl])(?:[_ -]?(?:axis|index|values?))?$/;
const RLU = /^(?:r\.?l\.?u\.?|(?:reciprocal|recip\.?)lattice?\.?units?|hkl|in[\d.]+(?:a|å|angstrom)\^?[-⁻][1¹]|2\*?(?:pi|π)\/[abcd]|[abc]\*)$/;
const UNIT = /^(.*?\S)\s*[([/|]\s*([^()[\]]*[^()[\]\s\d][^()[\]]*)\s*[)\]]?$/s;

// Letter of the Miller index that a label names first.
export function miller(label) {
  const plain = label.trim().toLowerCase();
  const named = plain.match(NAMED);
  if (named) return named[1];
  const inside = plain.match(BRACKETED);
  return inside ? ([...inside[1]].find((letter) => "hkl".includes(letter)) ?? null) : null;
}

export function splitUnit(label) {
  const parts = label.trim().match(UNIT);
  return !parts || miller(label) ? [label.trim(), ""] : [parts[1].trim(), parts[2].trim()];
}

function isRlu(label) {
  const [name, unit] = splitUnit(label);
  const plain = unit.replace(/\s/g, "").toLowerCase();
  if (["", "dimensionless", "1", "none", "unitless", "a.u.", "arb.units"].includes(plain)) return miller(name) ? true : null;
  return RLU.test(plain);
}

// A section {image, h, k}, rising along both axes.
export function section(image, h, k) {
  let [values, rows, columns] = [image, Array.from(h), Array.from(k)];
  const monotonic = (q) => q.every((value, n) => !n || value > q[n - 1]) || q.every((value, n) => !n || value < q[n - 1]);
  if (![rows, columns].every((q) => q.every(Number.isFinite) && monotonic(q)))
    throw new Error("h and k must rise or fall throughout");
  const across = columns.length;
  if (rows[0] > rows.at(-1)) {
    rows.reverse();
    values = values.map((_, n) => values[(rows.length - 1 - Math.floor(n / across)) * across + (n % across)]);
  }
  if (columns[0] > columns.at(-1)) {
    columns.reverse();
    const turned = values;
    values = values.map((_, n) => turned[n - (n % across) + across - 1 - (n % across)]);
  }
  return { image: values, h: rows, k: columns };
}

export const fromRange = ({ image, rows, columns }, h, k) => section(image, axis(h, rows), axis(k, columns));

// On the axes of a file: null without axes; throws where they are not in r.l.u.
export function onAxes({ image, rows, columns, axes }) {
  if (!axes) return null;
  const [[first, h], [second, k]] = axes;
  if (![first, second].every((label) => isRlu(label)))
    throw new Error(`the axes of the file, “${first}” and “${second}”, are not known as h and k in reciprocal lattice units: give h and k below`);
  const letters = [second, first].map((label) => miller(splitUnit(label)[0]) ?? "z");
  if (letters[0] >= letters[1]) return section(image, h, k);
  const turned = image.map((_, n) => image[(n % rows) * columns + Math.floor(n / rows)]);
  return section(turned, k, h);
}

function edgesOf(values) {
  const inner = values.slice(1).map((value, n) => (value + values[n]) / 2);
  return [2 * values[0] - inner[0], ...inner, 2 * values.at(-1) - inner.at(-1)];
}

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
const below = (sorted, value) => {
  const place = sorted.findIndex((each) => each >= value);
  return place < 0 ? sorted.length : place;
};

// Which pixels of an axis a window needs, and their shares in its own.
function shares(have, edges, want) {
  const borders = edgesOf(want);
  const first = Math.max(below(edges, borders[0]) - 2, 0);
  const last = Math.min(below(edges, borders.at(-1)) + 1, have.length);
  const near = have.slice(first, last);
  const between = edges.slice(first, last + 1);
  const steps = between.slice(1).map((value, n) => value - between[n]);
  const fine = near.length && median(steps) < want[1] - want[0];
  const rows = want.map((q, m) => {
    let row;
    if (fine)
      row = near.map((_, n) => Math.max(Math.min(borders[m + 1], between[n + 1]) - Math.max(borders[m], between[n]), 0));
    else {
      row = near.map(() => 0);
      if (q <= near[0]) row[0] = 1;
      else if (q >= near.at(-1)) row[near.length - 1] = 1;
      else {
        const next = below(near, q);
        const part = (q - near[next - 1]) / (near[next] - near[next - 1]);
        row[next - 1] = 1 - part;
        row[next] += part;
      }
    }
    const total = row.reduce((sum, value) => sum + value, 0);
    return Float64Array.from(row, (value) => value / total);
  });
  return { first, rows };
}

// The window of so many cells from [h, k] on, resampled, by default to the standard grid. Where
// nothing was measured, an error, or null if that may be.
export function windowOf({ image, h, k }, [h0, k0], cells = grid.h[1], side = grid.shape[0], needed = true) {
  const want = [h0, k0].map((first) => Array.from(axis([first, first + cells], side)));
  const [along, across] = [h, k].map((have, n) => {
    const edges = edgesOf(have);
    const slack = (want[n][1] - want[n][0]) / 2 + 1e-9;
    const name = "hk"[n];
    if (want[n][0] < edges[0] - slack || want[n].at(-1) > edges.at(-1) + slack)
      throw new Error(
        `the window, ${name} from ${want[n][0]} to ${want[n].at(-1)}, reaches out of the section, ${name} from ${have[0].toPrecision(4)} to ${have.at(-1).toPrecision(4)}: choose one inside it`,
      );
    return shares(have, edges, want[n]);
  });
  const [rows, columns] = [side, side];
  const out = new Float64Array(rows * columns);
  const sums = along.rows[0].length;
  const width = across.rows[0].length;
  // Along k first, then along h; the measured share likewise.
  const [value, part] = [new Float64Array(sums * columns), new Float64Array(sums * columns)];
  for (let m = 0; m < sums; m++)
    for (let n = 0; n < columns; n++) {
      const weights = across.rows[n];
      let [total, share] = [0, 0];
      for (let i = 0; i < width; i++) {
        if (!weights[i]) continue;
        const pixel = image[(along.first + m) * k.length + across.first + i];
        if (Number.isNaN(pixel)) continue;
        total += weights[i] * pixel;
        share += weights[i];
      }
      value[m * columns + n] = total;
      part[m * columns + n] = share;
    }
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < columns; n++) {
      let [total, share] = [0, 0];
      along.rows[m].forEach((weight, i) => {
        total += weight * value[i * columns + n];
        share += weight * part[i * columns + n];
      });
      out[m * columns + n] = share < leastMeasured ? NaN : total / share;
    }
  if (out.every(Number.isNaN)) {
    if (!needed) return null;
    throw new Error("nothing was measured in this window: choose another");
  }
  return out;
}

// Windows of 2 x 2 cells at whole numbers of which half was measured, the one nearest to the origin
// first.
export function cornersOf({ image, h, k }) {
  const [rows, columns] = [h, k].map((values) => {
    const edges = edgesOf(values);
    const found = [];
    for (let q = Math.ceil(edges[0] - 1e-9); q <= Math.floor(edges.at(-1) - 2 + 1e-9); q++) found.push(q);
    return found;
  });
  const inside = (values, q) => values.flatMap((value, n) => (value >= q - 1e-9 && value <= q + 2 + 1e-9 ? [n] : []));
  const found = [];
  for (const h0 of rows) {
    const up = inside(h, h0);
    for (const k0 of columns) {
      const along = inside(k, k0);
      let measured = 0;
      for (const m of up) for (const n of along) measured += !Number.isNaN(image[m * k.length + n]);
      if (up.length * along.length && measured >= up.length * along.length / 2) found.push([h0, k0]);
    }
  }
  const rank = ([a, b]) => [Math.abs(a) + Math.abs(b), a < 0 ? 1 : 0, b < 0 ? 1 : 0];
  return found.sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
}
