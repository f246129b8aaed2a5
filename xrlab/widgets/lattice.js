// A periodic lattice of +1 and -1 sites, kept row by row: the correlations that it has, and Monte
// Carlo. The rules are those of xrlab/crystal/lattice.py and kernels.py; tests compare the two.

// Random numbers from 0 to 1 that repeat for the same seed (sfc32 of PractRand).
export function randomFrom(seed) {
  let [a, b, c, d] = [0x9e3779b9, 0x243f6a88, 0xb7e15162, seed | 0];
  const next = () => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  for (let n = 0; n < 16; n++) next();
  return next;
}

// Half of the sites +1, at random places.
export function randomSites(size, random) {
  const sites = Int8Array.from({ length: size * size }, (_, n) => (2 * n < size * size ? 1 : -1));
  for (let n = sites.length - 1; n > 0; n--) {
    const other = Math.floor(random() * (n + 1));
    [sites[n], sites[other]] = [sites[other], sites[n]];
  }
  return sites;
}

export function meanOf(sites) {
  let total = 0;
  for (const site of sites) total += site;
  return total / sites.length;
}

// c(i, j) for 0 <= i, j < span, row by row, c(0, 0) = 1 first; null where all sites are alike.
export function realisedCorrelations(sites, size, span) {
  const square = meanOf(sites) ** 2;
  if (square === 1) return null;
  const c = new Float64Array(span * span);
  for (let i = 0; i < span; i++)
    for (let j = 0; j < span; j++) {
      let total = 0;
      for (let x = 0; x < size; x++) {
        const row = x * size;
        const other = ((x + i) % size) * size;
        for (let y = 0; y < size; y++) {
          const right = y + j < size ? y + j : y + j - size;
          total += sites[row + y] * sites[other + right];
        }
      }
      c[i * span + j] = (total / sites.length - square) / (1 - square);
    }
  return c;
}

// Metropolis swaps of a +1 with a -1 at kT = 1, E = -sum of J_ij s s' over pairs (i, j) apart.
export class MonteCarlo {
  // coupling: J_ij for 0 <= i, j < span, row by row; J_00 is not used.
  constructor(sites, size, coupling, random) {
    Object.assign(this, { sites, size, random });
    this.plus = [];
    this.minus = [];
    sites.forEach((site, n) => (site > 0 ? this.plus : this.minus).push(n));
    this.setCoupling(coupling);
  }

  setCoupling(coupling) {
    const { size, sites } = this;
    const span = Math.round(Math.sqrt(coupling.length));
    this.coupling = coupling;
    this.bonds = []; // (i, j) and (-i, -j)
    for (let n = 1; n < coupling.length; n++) {
      const [i, j] = [Math.floor(n / span), n % span];
      if (coupling[n]) this.bonds.push([i, j, coupling[n]], [-i, -j, coupling[n]]);
    }
    this.between = new Float64Array(size * size); // J of two sites that far apart, either way
    for (const [i, j, value] of this.bonds) this.between[this.place(i, j)] = value;
    this.field = new Float64Array(size * size);
    sites.forEach((site, n) => this.spread(n, site));
  }

  place(x, y) {
    const { size } = this;
    return ((x + size) % size) * size + ((y + size) % size);
  }

  // Add a change of the site n to the fields of its neighbours.
  spread(n, change) {
    const { size } = this;
    const [x, y] = [Math.floor(n / size), n % size];
    for (const [i, j, value] of this.bonds) this.field[this.place(x + i, y + j)] += change * value;
  }

  cost(a, b) {
    const { size, field } = this;
    const [i, j] = [Math.floor(b / size) - Math.floor(a / size), (b % size) - (a % size)];
    return 2 * (field[a] - field[b]) + 4 * this.between[this.place(i, j)];
  }

  // Attempt so many swaps; return how many were accepted.
  run(attempts) {
    const { plus, minus, sites, random } = this;
    let accepted = 0;
    if (!plus.length || !minus.length) return accepted;
    for (let n = 0; n < attempts; n++) {
      const p = Math.floor(random() * plus.length);
      const m = Math.floor(random() * minus.length);
      const [a, b] = [plus[p], minus[m]];
      const cost = this.cost(a, b);
      const refused = cost > 0 && random() >= Math.exp(-cost);
      if (n === attempts - 1) this.last = { a, b, cost, refused };
      if (refused) continue;
      [sites[a], sites[b], plus[p], minus[m]] = [-1, 1, b, a];
      this.spread(a, -2);
      this.spread(b, 2);
      accepted++;
    }
    return accepted;
  }

  // After a cycle: couplings grow in proportion to the correlations that are missing. target: c(i, j)
  // as realised.
  learn(target, realised, gain) {
    this.setCoupling(
      Float64Array.from(this.coupling, (J, n) => (n ? J + gain * (target[n] - realised[n]) : 0)),
    );
  }
}

export const bytes = (text) => Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));

// 1 bit for each site, as base64 text, and back.
export function packSites(sites) {
  const packed = new Uint8Array(Math.ceil(sites.length / 8));
  sites.forEach((site, n) => (packed[n >> 3] |= site > 0 ? 128 >> n % 8 : 0));
  return btoa(String.fromCharCode(...packed));
}

export function unpackSites(text, size) {
  const packed = bytes(text);
  return Int8Array.from({ length: size * size }, (_, n) => (packed[n >> 3] & (128 >> n % 8) ? 1 : -1));
}
