// Whether the pattern of an image lies where its axes say: the rules of
// xrlab/measurement/alignment.py, whose constants come as `rules`.

import { axis, solve } from "../xrlab/widgets/diffraction.js";
import { quantile } from "../xrlab/widgets/picture.js";

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

const axesOf = (grid) => [grid.h, grid.k].map((ends, n) => axis(ends, grid.shape[n]));

// Index of a place beyond the ends of an axis of n pixels, which is reflected there.
function reflected(place, n) {
  const turn = ((place % (2 * n)) + 2 * n) % (2 * n);
  return turn < n ? turn : 2 * n - 1 - turn;
}

// Along rows and then along columns, every pixel from those near it. reaches: of both axes.
function filtered(image, shape, reaches, combine) {
  let from = image;
  for (const [side, reach] of reaches.entries()) {
    const [length, lines] = [shape[side], shape[1 - side]];
    const at = (line, n) => (side ? line * length + n : n * lines + line);
    const out = new Float64Array(from.length);
    const near = new Float64Array(2 * reach + 1);
    for (let line = 0; line < lines; line++)
      for (let n = 0; n < length; n++) {
        for (let d = -reach; d <= reach; d++) near[d + reach] = from[at(line, reflected(n + d, length))];
        out[at(line, n)] = combine(near, side);
      }
    from = out;
  }
  return from;
}

function gaussian(image, shape, widths) {
  const reaches = widths.map((width) => Math.floor(4 * width + 0.5));
  const kernels = reaches.map((reach, side) => {
    const kernel = Float64Array.from({ length: 2 * reach + 1 }, (_, n) => Math.exp(-((n - reach) ** 2) / 2 / widths[side] ** 2));
    const total = kernel.reduce((sum, value) => sum + value, 0);
    return kernel.map((value) => value / total);
  });
  return filtered(image, shape, reaches, (near, side) => {
    let total = 0;
    for (let n = 0; n < near.length; n++) total += near[n] * kernels[side][n];
    return total;
  });
}

// Medians of squares of 9 x 9 pixels.
function medians(image, [rows, columns]) {
  const reach = 4;
  const near = new Float64Array((2 * reach + 1) ** 2);
  return image.map((_, n) => {
    const [m, l] = [Math.floor(n / columns), n % columns];
    let count = 0;
    for (let i = -reach; i <= reach; i++) {
      const row = reflected(m + i, rows) * columns;
      for (let j = -reach; j <= reach; j++) near[count++] = image[row + reflected(l + j, columns)];
    }
    return near.sort()[(near.length - 1) / 2];
  });
}

// Polynomial that fits the used pixels best, beside cosines that repeat from cell to cell.
function smoothPart(values, used, grid, rules) {
  const [x, y] = grid.shape.map((n) => axis([-1, 1], n));
  const [h, k] = axesOf(grid);
  const columns = grid.shape[1];
  const places = [...values.keys()].map((n) => [Math.floor(n / columns), n % columns]);
  const terms = [];
  for (let m = 0; m <= rules.smooth; m++)
    for (let n = 0; n <= rules.smooth - m; n++) terms.push(places.map(([row, column]) => x[row] ** m * y[column] ** n));
  const powers = terms.length;
  for (const [i, j] of [[0, 1], [1, 0], [1, 1], [1, -1]])
    terms.push(places.map(([row, column]) => Math.cos(2 * Math.PI * (h[row] * i + k[column] * j))));
  const dot = (a, b) => a.reduce((sum, value, n) => (used[n] ? sum + value * b[n] : sum), 0);
  const weights = solve(terms.map((a) => terms.map((b) => dot(a, b))), terms.map((a) => dot(a, values)));
  return weights && values.map((_, n) => terms.slice(0, powers).reduce((sum, term, m) => sum + weights[m] * term[n], 0));
}

// An image without its smooth part, of the same local variance everywhere but where it is faint; NaN
// near Bragg positions and where unmeasured.
function detail(image, grid, rules) {
  const [h, k] = axesOf(grid).map((q) => q.map((x) => x - Math.round(x)));
  const columns = grid.shape[1];
  const used = Uint8Array.from(image, (value, n) =>
    Number.isFinite(value) && Math.hypot(h[Math.floor(n / columns)], k[n % columns]) >= rules.radius ? 1 : 0,
  );
  const none = new Float64Array(image.length).fill(NaN);
  const inside = Float64Array.from(image).filter((_, n) => used[n]);
  if (inside.length < rules.least) return none;
  const top = quantile(inside, rules.brightest);
  const values = Float64Array.from(image, (value) => Math.min(value, top));
  const smooth = smoothPart(values, used, grid, rules);
  if (!smooth) return none;
  const square = values.map((value, n) => (used[n] ? (value - smooth[n]) ** 2 : 0));
  const faint = (rules.faint * values.reduce((sum, value, n) => (used[n] ? sum + Math.abs(value) : sum), 0)) / inside.length;
  const floor = (0.05 * square.reduce((sum, value) => sum + value, 0)) / inside.length + faint ** 2 + 1e-30;
  const widths = grid.shape.map((n) => (10 * n) / 64);
  const near = gaussian(Float64Array.from(used), grid.shape, widths);
  const variance = gaussian(square, grid.shape, widths);
  return none.map((gap, n) => (used[n] ? (values[n] - smooth[n]) / Math.sqrt(variance[n] / Math.max(near[n], 1e-3) + floor) : gap));
}

// Mean product of a at every place and b moved by (i, j), and the number of products.
function agreement(a, b, [rows, columns], i, j) {
  let [total, number] = [0, 0];
  for (let m = Math.max(0, -i); m < Math.min(rows, rows - i); m++)
    for (let n = Math.max(0, -j); n < Math.min(columns, columns - j); n++) {
      const product = a[m * columns + n] * b[(m + i) * columns + n + j];
      if (Number.isNaN(product)) continue;
      total += product;
      number++;
    }
  return [total / Math.max(number, 1), number];
}

// Mean product of neighbouring pixels, and the standard error of such a mean in noise of 1.
function own(pattern, shape) {
  const [up, across] = [agreement(pattern, pattern, shape, 1, 0), agreement(pattern, pattern, shape, 0, 1)];
  const number = up[1] + across[1];
  if (!number) return [0, Infinity];
  return [(up[0] * up[1] + across[0] * across[1]) / number, 1 / Math.sqrt(pattern.filter(Number.isFinite).length / 2)];
}

// How far, in pixels, the pattern's centre lies from that of the axes, and by how many standard
// errors the pattern agrees better with itself turned half round there; NaN from too few pixels.
function halfTurn(pattern, { shape }, rules) {
  const turned = Float64Array.from(pattern).reverse();
  const lags = [];
  for (let i = -rules.reach; i <= rules.reach; i++)
    for (let j = -rules.reach; j <= rules.reach; j++) lags.push([i, j, ...agreement(pattern, turned, shape, i, j)]);
  if (lags.some((lag) => lag[3] < rules.least)) return [NaN, NaN];
  const best = lags.reduce((a, b) => (b[2] > a[2] ? b : a));
  const [here, error] = own(pattern, shape);
  const symmetric = Math.min(1, Math.max(0, best[2] / Math.max(here, 10 * error)));
  return [Math.hypot(best[0], best[1]) / 2, ((best[2] - lags[(lags.length - 1) / 2][2]) / error) * symmetric];
}

// By how many standard errors the pattern lacks what should repeat after one cell; NaN from too few
// pixels.
function repetition(pattern, grid, rules) {
  const [here, error] = own(pattern, grid.shape);
  const missing = axesOf(grid).map((q, side) => {
    const cell = (q.length - 1) / (q.at(-1) - q[0]);
    const steps = [Math.round(cell - 0.25), Math.round(cell + 0.25)];
    const lags = steps.map((step) => agreement(pattern, pattern, grid.shape, ...(side ? [0, step] : [step, 0])));
    if (cell > q.length - 1 || lags.some(([, number]) => number < rules.least)) return NaN;
    return rules.repeats * here - mean(lags.map(([value]) => value));
  });
  return Math.max(...missing) / error;
}

// As Python and NumPy round: halves to the even number.
function rounded(value) {
  const down = Math.floor(value);
  return value - down === 0.5 ? down + (down % 2 ? 1 : 0) : Math.round(value);
}

// What E(-q) I(q) - E(q) I(-q) leaves of an image, in which the pattern S is gone, and the intensity
// that its noise grows with: `without_pattern` of xrlab/measurement/inversion.py.
export function withoutPattern(image, shape, rules, fitted = null) {
  const other = Float64Array.from(image).reverse();
  const left = new Float64Array(image.length).fill(NaN);
  const intensity = left.slice();
  const used = [...image.keys()].filter((n) => Number.isFinite(image[n]) && Number.isFinite(other[n]));
  const chosen = fitted ? used.filter((n) => fitted[n] && fitted[image.length - 1 - n]) : used;
  const mean = chosen.reduce((sum, n) => sum + Math.abs(image[n]), 0) / chosen.length;
  if (chosen.length < rules.fewest || !mean) return { left, intensity };
  const [here, there] = [image, other].map((from) => Float64Array.from(used, (n) => from[n] / mean));
  const [rows, columns] = shape.map((n) => legendre(n, rules.background));
  const [envelope, odd] = [[], []];
  for (let a = 0; a <= rules.background; a++)
    for (let b = 0; b <= rules.background - a; b++) {
      const sign = (a + b) % 2 ? -1 : 1;
      const values = Float64Array.from(used, (n) => rows[a][Math.floor(n / shape[1])] * columns[b][n % shape[1]]);
      if (a + b > 0 && a + b <= rules.formFactor) envelope.push({ sign, values });
      if (sign < 0) odd.push(values);
    }
  const terms = [...envelope.map(({ sign, values }) => values.map((value, n) => value * (here[n] - sign * there[n]))), ...odd];
  const inside = new Set(chosen);
  const weight = here.map((value, n) => (inside.has(used[n]) ? 1 / Math.sqrt(Math.max(value + there[n], 1e-3)) : 0));
  const combined = (answer, from) => here.map((_, n) => from.reduce((sum, term, m) => sum + answer[m] * term[n], 0));
  let [robust, answer, residual] = [weight, null, null];
  for (let round = 0; round < 4; round++) {
    const squared = robust.map((value) => value * value);
    const dot = (a, b) => a.reduce((sum, value, n) => sum + squared[n] * value * b[n], 0);
    const normal = terms.map(() => new Float64Array(terms.length));
    for (let m = 0; m < terms.length; m++) for (let l = 0; l <= m; l++) normal[m][l] = normal[l][m] = dot(terms[m], terms[l]);
    const ridge = (1e-8 * normal.reduce((sum, row, m) => sum + row[m], 0)) / normal.length;
    normal.forEach((row, m) => (row[m] += ridge));
    const opposite = there.map((value, n) => value - here[n]);
    answer = solve(normal, terms.map((term) => dot(term, opposite)));
    residual = combined(answer, terms).map((value, n) => value - opposite[n]);
    const sizes = residual.map((value, n) => Math.abs(value * weight[n])).filter((_, n) => weight[n] > 0);
    const usual = 1.4826 * quantile(sizes, 0.5) + 1e-300;
    robust = weight.map((value, n) => value / Math.sqrt(1 + ((residual[n] * value) / usual / rules.far) ** 2));
  }
  const factor = combined(answer, envelope.map(({ values }) => values)).map((value) => 1 + value);
  const turned = combined(answer, envelope.map(({ sign, values }) => values.map((value) => sign * value))).map((value) => 1 + value);
  used.forEach((n, m) => {
    const norm = factor[m] ** 2 + turned[m] ** 2 + 1e-9;
    left[n] = residual[m] / Math.sqrt(norm);
    intensity[n] = (factor[m] ** 2 * here[m] + turned[m] ** 2 * there[m]) / norm;
  });
  return { left, intensity };
}

// Legendre polynomials at n points from -1 to 1, an array for each degree.
function legendre(n, degree) {
  const x = axis([-1, 1], n);
  const values = [x.map(() => 1), x];
  for (let d = 2; d <= degree; d++)
    values.push(x.map((here, m) => ((2 * d - 1) * here * values[d - 1][m] - (d - 1) * values[d - 2][m]) / d));
  return values;
}

// How much maxima at some pixels differ from those at -q, form factor taken out, as a part of the
// intensity; 0 where none was measured at both.
function unlike(image, grid, rules, at) {
  const [h, k] = axesOf(grid).map((q) => q.map((x) => x - Math.round(x)));
  const columns = grid.shape[1];
  const pixels = Float64Array.from(image, (value, n) =>
    Math.hypot(h[Math.floor(n / columns)], k[n % columns]) < rules.radius ? NaN : value,
  );
  const reach = rules.reach / 2;
  const near = filtered(Float64Array.from(image, (_, n) => (at.has(n) ? 1 : 0)), grid.shape, [reach, reach], (x) => Math.max(...x));
  const { left, intensity } = withoutPattern(pixels, grid.shape, rules, near.map((value) => (value ? 0 : 1)));
  const smooth = (x) => filtered(x.map((value) => value || 0), grid.shape, [1, 1], mean);
  const highest = (x) => filtered(x, grid.shape, [1, 1], (values) => Math.max(...values));
  const [differences, levels] = [highest(smooth(left).map(Math.abs)), highest(smooth(intensity))];
  const ratios = [...at].filter((n) => levels[n] > 0).map((n) => (differences[n] / levels[n]) ** 2);
  return ratios.length ? Math.sqrt(mean(ratios)) : 0;
}

// Height of the highest sharp maximum that repeats away from whole h and k over that of the Bragg
// peaks; NaN if most Bragg positions are unmeasured or most pixels hold nothing.
function strayPeaks(image, grid, rules) {
  const seen = Array.from(image, Number.isFinite);
  const middle = quantile(image, 0.5);
  if (middle <= 0) return NaN;
  const full = Float64Array.from(image, (value, n) => (seen[n] ? value : middle));
  const low = medians(full, grid.shape);
  const excess = filtered(full, grid.shape, [1, 1], mean).map((value, n) => (seen[n] ? value - low[n] : -Infinity));
  const highest = filtered(excess, grid.shape, [1, 1], (near) => Math.max(...near)).map((value, n) => (seen[n] ? value : NaN));
  // Pixels of all cells at the same place, and its distance from the nearest whole number.
  const [rows, columns] = axesOf(grid).map((q, side) => {
    const n = grid.shape[side];
    const cell = (n - 1) / (q.at(-1) - q[0]);
    const first = (Math.ceil(q[0] - 1e-9) - q[0]) * cell;
    return Array.from({ length: rounded(cell) }, (_, place) => ({
      far: Math.min(place, cell - place),
      pixels: Array.from({ length: Math.floor(n / cell) + 2 }, (__, copy) => rounded(first + place + cell * (copy - 1))).filter((p) => p >= 0 && p < n),
    }));
  });
  let [at, number, measured, elsewhere, place] = [-Infinity, 0, 0, -Infinity, null];
  for (const row of rows)
    for (const column of columns) {
      const copies = row.pixels
        .flatMap((m) => column.pixels.map((n) => m * grid.shape[1] + n))
        .filter((n) => Number.isFinite(highest[n]))
        .sort((a, b) => highest[a] - highest[b]);
      const value = copies.length > 1 ? highest[copies[(copies.length - 1) >> 1]] : -Infinity;
      const far = Math.hypot(row.far, column.far);
      if (far > rules.reach && value > elsewhere) {
        elsewhere = value;
        place = row.pixels.flatMap((m) => column.pixels.map((n) => m * grid.shape[1] + n));
      }
      if (far > 1.5) continue;
      number++;
      measured += copies.length > 1;
      at = Math.max(at, value);
    }
  if (measured < 0.5 * number || elsewhere === -Infinity) return NaN;
  if (elsewhere < rules.lowest * middle || unlike(image, grid, rules, new Set(place)) < rules.unlike) return 0;
  return elsewhere / (Math.max(at, 0) + middle);
}

// {displacement, alignment, repetition, peaks} of an image, NaN where unmeasured.
export function aligned(image, grid, rules) {
  const pattern = detail(image, grid, rules);
  const [displacement, alignment] = halfTurn(pattern, grid, rules);
  return { displacement, alignment, repetition: repetition(pattern, grid, rules), peaks: strayPeaks(image, grid, rules) };
}
