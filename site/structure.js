// From the cleaned cell to a structure that has its correlations: a Gaussian field with that
// spectrum, cut at its middle, as `interpret` makes one from the spectrum of its fit.

import { cellSide, grid } from "./shared.js";
import { axis } from "widgets/diffraction.js";

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

// The cell, at q = (m + 1/2) / side, repeated over the standard grid, or over these h and k, by
// linear interpolation.
export function unfold(cell, h = axis(grid.h, grid.shape[0]), k = axis(grid.k, grid.shape[1])) {
  const along = (values) =>
    Array.from(values, (q) => {
      const place = q * cellSide - 0.5;
      const low = Math.floor(place);
      const wrap = (n) => ((n % cellSide) + cellSide) % cellSide;
      return [wrap(low), wrap(low + 1), place - low];
    });
  const [rows, columns] = [along(h), along(k)];
  const out = new Float64Array(rows.length * columns.length);
  rows.forEach(([m, i, up], row) =>
    columns.forEach(([n, j, right], column) => {
      const low = cell[m * cellSide + n] * (1 - right) + cell[m * cellSide + j] * right;
      const high = cell[i * cellSide + n] * (1 - right) + cell[i * cellSide + j] * right;
      out[row * columns.length + column] = low * (1 - up) + high * up;
    }),
  );
  return out;
}

// Fourier transform of an N x N array of complex numbers, rows of [re, im] typed arrays.
function transform({ re, im }, size, sign) {
  const turn = range(0, size - 1).map((n) => (2 * Math.PI * n * sign) / size);
  const [cos, sin] = [turn.map(Math.cos), turn.map(Math.sin)];
  const pass = (from) => {
    const to = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
    // Along the second axis; the result is transposed, so that the second pass is the same.
    for (let m = 0; m < size; m++)
      for (let q = 0; q < size; q++) {
        let [real, imaginary] = [0, 0];
        for (let n = 0; n < size; n++) {
          const place = (q * n) % size;
          const [a, b] = [from.re[m * size + n], from.im[m * size + n]];
          real += a * cos[place] - b * sin[place];
          imaginary += a * sin[place] + b * cos[place];
        }
        to.re[q * size + m] = real;
        to.im[q * size + m] = imaginary;
      }
    return to;
  };
  return pass(pass({ re, im }));
}

// Correlations of a cell up to half its side: c(i, j) for 1 - reach <= i, j < reach.
function cellCorrelations(cell) {
  const reach = cellSide / 2;
  const steps = range(1 - reach, reach - 1);
  const total = cell.reduce((sum, value) => sum + value, 0);
  const q = range(0, cellSide - 1).map((n) => (n + 0.5) / cellSide);
  const cos = steps.map((d) => q.map((x) => Math.cos(2 * Math.PI * d * x)));
  const sin = steps.map((d) => q.map((x) => Math.sin(2 * Math.PI * d * x)));
  const sums = (waves) => waves.map((wave) => q.map((_, n) => wave.reduce((sum, value, m) => sum + value * cell[m * cellSide + n], 0)));
  const [even, odd] = [sums(cos), sums(sin)];
  const c = steps.map((_, i) =>
    steps.map((__, j) => q.reduce((sum, ___, n) => sum + even[i][n] * cos[j][n] - odd[i][n] * sin[j][n], 0) / total),
  );
  return { c, steps };
}

// A lattice of so many sites along each axis, with random phases.
export function structure(cell, size, random) {
  const { c, steps } = cellCorrelations(cell);
  const rho = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
  const wrap = (d) => (d + size) % size;
  steps.forEach((i, m) =>
    steps.forEach((j, n) => {
      rho.re[wrap(i) * size + wrap(j)] = Math.sin((Math.PI / 2) * Math.min(1, Math.max(-1, c[m][n])));
    }),
  );
  const spectrum = transform(rho, size, -1).re.map((value) => Math.max(value, 0));
  spectrum[0] = 0; // the concentration is fixed
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const noise = transform(
    { re: Float64Array.from({ length: size * size }, normal), im: new Float64Array(size * size) },
    size,
    -1,
  );
  const field = { re: new Float64Array(size * size), im: new Float64Array(size * size) };
  spectrum.forEach((value, n) => {
    const length = Math.sqrt(value) / Math.max(Math.hypot(noise.re[n], noise.im[n]), 1e-12);
    field.re[n] = noise.re[n] * length;
    field.im[n] = noise.im[n] * length;
  });
  const values = transform(field, size, 1).re;
  const order = range(0, values.length - 1).sort((a, b) => values[a] - values[b]);
  const sites = new Int8Array(values.length);
  order.forEach((n, place) => (sites[n] = 2 * place < values.length ? -1 : 1));
  return sites;
}
