// What modules of the notebooks' widgets compute from standard input, for tests/test_play.py.

import { readFileSync } from "node:fs";
import { latticeImage, pdfMap } from "../xrlab/widgets/diffraction.js";
import {
  MonteCarlo,
  randomFrom,
  randomSites,
  realisedCorrelations,
  unpackSites,
} from "../xrlab/widgets/lattice.js";

const { grid, lot, size, reach, span, gain, cycles, target, packed, image, seeds } = JSON.parse(readFileSync(0, "utf-8"));
const sites = unpackSites(packed, size);

// Couplings that learn, from random sites.
const chains = seeds.map((seed) => {
  const random = randomFrom(seed);
  const chain = new MonteCarlo(randomSites(size, random), size, new Float64Array(span ** 2), random);
  for (let n = 0; n < cycles; n++) {
    chain.run(size ** 2);
    chain.learn(target, realisedCorrelations(chain.sites, size, span), gain);
  }
  const { a, b, cost, refused } = chain.last;
  const opposite = chain.sites[a] !== chain.sites[b];
  return { coupling: [...chain.coupling], realised: [...realisedCorrelations(chain.sites, size, span)], cost, refused, opposite };
});

console.log(
  JSON.stringify({
    sites: [...sites],
    realised: [...realisedCorrelations(sites, size, span)],
    map: pdfMap(image, grid, reach, lot).map((row) => [...row]),
    whole: pdfMap(latticeImage(sites, size, grid, lot), grid, reach, lot).map((row) => [...row]),
    chains,
  }),
);
