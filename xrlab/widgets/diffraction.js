// From a lattice to its diffraction image and back by Delta-PDF. The rules are those of
// xrlab/crystal/diffraction.py and xrlab/inference/delta_pdf.py; tests compare the two.

import { meanOf } from "./lattice.js";

// Points of an axis, ends included.
export function axis([first, last], points) {
  return Float64Array.from(
    { length: points },
    (_, n) => first + ((last - first) * n) / (points - 1),
  );
}

// cos and sin 2 pi q d, a row for each q.
function waves(q, distances) {
  const part = (function_) =>
    Array.from(q, (x) => Float64Array.from(distances, (d) => function_(2 * Math.PI * x * d)));
  return { cos: part(Math.cos), sin: part(Math.sin) };
}

// Rows of a times rows of b, summed over the shared second index: a b^T. Four rows of b at once read
// each number of a once.
function product(a, b) {
  const inner = b[0].length;
  return a.map((row) => {
    const out = new Float64Array(b.length);
    let n = 0;
    for (; n + 3 < b.length; n += 4) {
      const [b0, b1, b2, b3] = [b[n], b[n + 1], b[n + 2], b[n + 3]];
      let [t0, t1, t2, t3] = [0, 0, 0, 0];
      for (let m = 0; m < inner; m++) {
        const x = row[m];
        t0 += x * b0[m];
        t1 += x * b1[m];
        t2 += x * b2[m];
        t3 += x * b3[m];
      }
      [out[n], out[n + 1], out[n + 2], out[n + 3]] = [t0, t1, t2, t3];
    }
    for (; n < b.length; n++) {
      const other = b[n];
      for (let m = 0; m < inner; m++) out[n] += row[m] * other[m];
    }
    return out;
  });
}

const transposed = (a) => Array.from(a[0], (_, n) => Float64Array.from(a, (row) => row[n]));

const known = new Map();
function remembered(key, make) {
  if (!known.has(key)) known.set(key, make());
  return known.get(key);
}

const range = (first, last) => Array.from({ length: last - first + 1 }, (_, n) => first + n);

// c(i, j) of the periodic lattice for -reach <= i, j <= reach, as rows.
export function allCorrelations(sites, size, reach) {
  const mean = meanOf(sites);
  const half = range(0, size >> 1);
  const { all, part, backAll, backPart } = remembered(`cell ${size} ${reach}`, () => {
    const [q, near] = [range(0, size - 1), range(-reach, reach)].map((n) => n.map((x) => x / size));
    const backPart = waves(near, half);
    const twice = (row) => row.map((value, k) => (k === 0 || 2 * k === size ? value : 2 * value));
    return {
      all: waves(q, range(0, size - 1)),
      part: waves(half.map((k) => k / size), range(0, size - 1)),
      backAll: waves(near, range(0, size - 1)),
      backPart: { cos: backPart.cos.map(twice), sin: backPart.sin.map(twice) },
    };
  });
  const rows = range(0, size - 1).map((x) =>
    Float64Array.from(sites.subarray(x * size, (x + 1) * size), (site) => site - mean),
  );
  // Fourier transform along b, then along a; the power of a real lattice is alike at q and -q, so
  // half of the frequencies along b are enough.
  const [realB, imagB] = [product(part.cos, rows), product(part.sin, rows)];
  const [rc, rs, ic, is] = [
    product(realB, all.cos),
    product(realB, all.sin),
    product(imagB, all.cos),
    product(imagB, all.sin),
  ];
  const power = rc.map((row, k) =>
    Float64Array.from(row, (_, h) => (rc[k][h] - is[k][h]) ** 2 + (rs[k][h] + ic[k][h]) ** 2),
  );
  // And back: c(i, j) = sum over (h, k) of the power times cos 2 pi (h i + k j).
  const [alongC, alongS] = [backAll.cos, backAll.sin].map((wave) => transposed(product(power, wave)));
  const [first, second] = [product(alongC, backPart.cos), product(alongS, backPart.sin)];
  const scale = 1 / (size ** 4 * (1 - mean ** 2));
  return first.map((row, i) => row.map((value, j) => (value - second[i][j]) * scale));
}

// I(h, k) = sum of w(i, j) c(i, j) cos 2 pi (h i + k j), w = (1 - |i|/L)(1 - |j|/L): the mean over
// all lots of L x L sites. grid: {h: [first, last], k, shape: [rows, columns]}.
export function correlationImage(correlations, grid, lotSize) {
  const reach = (correlations.length - 1) / 2;
  const { toH, toK } = remembered(`grid ${JSON.stringify(grid)} ${reach}`, () => {
    const [h, k] = [waves(axis(grid.h, grid.shape[0]), range(0, reach)), waves(axis(grid.k, grid.shape[1]), range(0, reach))];
    return { toH: h, toK: k.cos.map((row, n) => Float64Array.of(...row, ...k.sin[n].map((x) => -x))) };
  });
  const window = range(0, reach).map((d) => (lotSize ? Math.max(1 - d / lotSize, 0) : 1));
  // The cosine is alike for (i, j) and (-i, -j): their sum, for i >= 0, a row for every j.
  const sums = range(-reach, reach).map((j) =>
    Float64Array.from(window, (w, i) => {
      const [here, there] = [correlations[reach + i][reach + j], correlations[reach - i][reach - j]];
      return w * window[Math.abs(j)] * (i ? here + there : here);
    }),
  );
  const [cos, sin] = [product(toH.cos, sums), product(toH.sin, sums)];
  // cos(a + b) = cos a cos b - sin a sin b, with those of j and -j together.
  const both = cos.map((row, m) => {
    const out = new Float64Array(2 * reach + 2);
    out[0] = row[reach];
    for (let j = 1; j <= reach; j++) {
      out[j] = row[reach + j] + row[reach - j];
      out[reach + 1 + j] = sin[m][reach + j] - sin[m][reach - j];
    }
    return out;
  });
  const image = new Float64Array(grid.shape[0] * grid.shape[1]);
  product(both, toK).forEach((row, m) => image.set(row, m * row.length));
  return image;
}

// The mean image of all lots of L x L sites of a lattice; null where all sites are alike.
export function latticeImage(sites, size, grid, lotSize) {
  if (Math.abs(meanOf(sites)) === 1) return null;
  return correlationImage(allCorrelations(sites, size, lotSize - 1), grid, lotSize);
}

// The mean image of the lots at the given corners [x, y] alone, as grainy as a real one.
export function lotsImage(sites, size, grid, lotSize, corners) {
  const mean = meanOf(sites);
  if (Math.abs(mean) === 1) return null;
  const distances = range(0, lotSize - 1);
  const [toH, toK] = [
    [grid.h, grid.shape[0]],
    [grid.k, grid.shape[1]],
  ].map(([ends, points]) =>
    remembered(`lot ${ends} ${points} ${lotSize}`, () => waves(axis(ends, points), distances)),
  );
  const image = new Float64Array(grid.shape[0] * grid.shape[1]);
  const scale = 1 / (corners.length * lotSize ** 2 * (1 - mean ** 2));
  for (const [x, y] of corners) {
    // Columns of the lot, so that the first product runs along a.
    const columns = distances.map((j) =>
      Float64Array.from(distances, (i) => sites[((x + i) % size) * size + ((y + j) % size)] - mean),
    );
    const [c, s] = [product(toH.cos, columns), product(toH.sin, columns)];
    const parts = [product(c, toK.cos), product(s, toK.sin), product(s, toK.cos), product(c, toK.sin)];
    for (let m = 0; m < grid.shape[0]; m++)
      for (let n = 0; n < grid.shape[1]; n++) {
        const real = parts[0][m][n] - parts[1][m][n];
        const imag = parts[2][m][n] + parts[3][m][n];
        image[m * grid.shape[1] + n] += (real ** 2 + imag ** 2) * scale;
      }
  }
  return image;
}

// Trapezoid weights along an axis: its ends count half where it covers whole cells.
function trapezoid(values) {
  const cells = values.at(-1) - values[0];
  const whole = Math.abs(cells - Math.round(cells)) < 1e-9;
  return Array.from(values, (_, n) => (whole && (n === 0 || n === values.length - 1) ? 0.5 : 1));
}

// c(i, j) for -reach <= i, j <= reach, as rows, of an image without gaps over whole cells.
export function pdfMap(image, grid, reach, lotSize = null) {
  const [h, k] = [axis(grid.h, grid.shape[0]), axis(grid.k, grid.shape[1])];
  const distances = range(-reach, reach);
  const [toH, toK] = remembered(`map ${JSON.stringify(grid)} ${reach}`, () => [
    waves(distances, h),
    waves(distances, k),
  ]);
  const [down, across] = [trapezoid(h), trapezoid(k)];
  const rows = down.map((weight, m) =>
    Float64Array.from(across, (other, n) => weight * other * image[m * k.length + n]),
  );
  const [even, odd] = [
    product(toH.cos, transposed(product(rows, toK.cos))),
    product(toH.sin, transposed(product(rows, toK.sin))),
  ];
  const window = distances.map((d) => (lotSize ? 1 - Math.abs(d) / lotSize : 1));
  const mean = even[reach][reach];
  return even.map((row, i) => row.map((value, j) => (value - odd[i][j]) / mean / window[i] / window[j]));
}

// Columns 1, 2 cos 2 pi (h i + k j) for i, j >= 0 and then for (i, -j); trapezoid weights.
function cosineBasis(span, grid) {
  const pairs = [];
  for (let n = 1; n < span * span; n++) pairs.push([Math.floor(n / span), n % span]);
  pairs.push(...pairs.filter(([i, j]) => i && j).map(([i, j]) => [i, -j]));
  const [h, k] = [axis(grid.h, grid.shape[0]), axis(grid.k, grid.shape[1])];
  const [rows, columns] = [trapezoid(h), trapezoid(k)];
  const basis = [new Float64Array(h.length * k.length).fill(1)];
  for (const [i, j] of pairs) {
    const column = new Float64Array(h.length * k.length);
    for (let m = 0; m < h.length; m++)
      for (let n = 0; n < k.length; n++)
        column[m * k.length + n] = 2 * Math.cos(2 * Math.PI * (h[m] * i + k[n] * j));
    basis.push(column);
  }
  const weights = new Float64Array(h.length * k.length);
  weights.forEach((_, n) => {
    weights[n] = rows[Math.floor(n / k.length)] * columns[n % k.length];
  });
  return { basis, weights };
}

const basisOf = (span, grid) =>
  remembered(`basis ${span} ${JSON.stringify(grid)}`, () => cosineBasis(span, grid));

// Solve a positive definite system by Cholesky's method; null where it has no single solution.
export function solve(matrix, right) {
  const n = right.length;
  const lower = matrix.map((row) => Float64Array.from(row));
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let total = lower[i][j];
      for (let m = 0; m < j; m++) total -= lower[i][m] * lower[j][m];
      if (i === j) {
        if (total <= 1e-10 * matrix[i][i]) return null;
        lower[i][i] = Math.sqrt(total);
      } else lower[i][j] = total / lower[j][j];
    }
  const x = Float64Array.from(right);
  for (let i = 0; i < n; i++) {
    for (let m = 0; m < i; m++) x[i] -= lower[i][m] * x[m];
    x[i] /= lower[i][i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let m = i + 1; m < n; m++) x[i] -= lower[m][i] * x[m];
    x[i] /= lower[i][i];
  }
  return x;
}

// Correlations by Fourier inversion of an image, NaN where unmeasured: span^2 - 1 values from -1 to
// 1; null where the measured pixels do not determine them.
export function deltaPdf(image, span, grid, lotSize = null) {
  const { basis, weights } = basisOf(span, grid);
  const used = Float64Array.from(weights, (w, n) => (Number.isNaN(image[n]) ? 0 : w));
  const gram = (given) =>
    basis.map((row, a) =>
      basis.slice(0, a + 1).map((other) => {
        let total = 0;
        for (let n = 0; n < given.length; n++) total += given[n] * row[n] * other[n];
        return total;
      }),
    );
  const whole = !image.some(Number.isNaN);
  const matrix = whole
    ? remembered(`gram ${span} ${JSON.stringify(grid)}`, () => gram(used))
    : gram(used);
  const right = basis.map((row) => {
    let total = 0;
    for (let n = 0; n < used.length; n++) if (used[n]) total += used[n] * row[n] * image[n];
    return total;
  });
  const found = solve(matrix, right);
  if (!found) return null;
  return lotsWindow(span, lotSize).map((w, n) =>
    Math.min(1, Math.max(-1, found[n + 1] / found[0] / w)),
  );
}

// Standard error of `deltaPdf` from the speckle of the lots.
export function deltaPdfError(image, vector, grid, lotSize, lots) {
  const span = Math.round(Math.sqrt(vector.length + 1));
  const { basis, weights } = basisOf(span, grid);
  let [total, all] = [0, 0];
  weights.forEach((w, n) => {
    if (Number.isNaN(image[n])) return;
    total += w * image[n];
    all += w;
  });
  const mean = total / all;
  return lotsWindow(span, lotSize).map((w, m) => {
    let scatter = 0;
    weights.forEach((weight, n) => {
      if (Number.isNaN(image[n])) return;
      scatter += weight * ((image[n] / mean) * (basis[m + 1][n] / 2 - w * vector[m])) ** 2;
    });
    return Math.sqrt((2 * scatter) / all / (lots * lotSize ** 2)) / w;
  });
}

function lotsWindow(span, lotSize) {
  const along = (n) => (lotSize ? 1 - n / lotSize : 1);
  return Float64Array.from({ length: span * span - 1 }, (_, n) =>
    along(Math.floor((n + 1) / span)) * along((n + 1) % span),
  );
}
