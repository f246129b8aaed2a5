// What the playground's modules compute from the numbers on standard input, for tests/test_site.py.

import { readFileSync } from "node:fs";
import {
  MonteCarlo,
  packSites,
  randomFrom,
  randomSites,
  realisedCorrelations,
  unpackSites,
} from "../xrlab/widgets/lattice.js";
import { deltaPdf, deltaPdfError, latticeImage, lotsImage } from "../xrlab/widgets/diffraction.js";
import { makeGame, points } from "../xrlab/widgets/guess.js";
import { aligned } from "../site/alignment.js";
import { calibrated } from "../site/calibration.js";

const { grid, lot, corners, ...given } = JSON.parse(readFileSync(0, "utf-8"));
const sites = Int8Array.from(given.sites);
const image = lotsImage(sites, given.size, grid, lot, corners);
const vector = deltaPdf(image, 4, grid, lot);
const holes = image.map((value, n) => (n % 7 ? value : NaN));

// Mean correlations after Monte Carlo from random sites.
const chains = given.seeds.map((seed) => {
  const random = randomFrom(seed);
  const chain = new MonteCarlo(randomSites(given.size, random), given.size, given.coupling, random);
  chain.run(given.cycles * given.size ** 2);
  const fresh = new MonteCarlo(chain.sites, given.size, given.coupling, random);
  const off = Math.max(...chain.field.map((value, n) => Math.abs(value - fresh.field[n])));
  return { correlations: [...realisedCorrelations(chain.sites, given.size, 2)], off };
});

const game = makeGame({ clean: [0, 1, 2, 3] }, randomFrom(1));
console.log(
  JSON.stringify({
    realised: [...realisedCorrelations(sites, given.size, 4)],
    whole: [...latticeImage(sites, given.size, grid, lot)],
    image: [...image],
    vector: [...vector],
    holed: [...deltaPdf(holes, 4, grid, lot)],
    error: [...deltaPdfError(image, vector, grid, lot, corners.length)],
    back: [...unpackSites(packSites(sites), given.size)],
    alike: latticeImage(sites.map(() => 1), given.size, grid, lot),
    chains,
    aligned: given.pictures.map((picture) =>
      aligned(Float64Array.from(picture, (value) => value ?? NaN), grid, given.rules),
    ),
    calibrated: given.scales.map((scale) => [...calibrated(scale, given.calibration).covariance]),
    rounds: [1, 2, 3, 4].map(() => game.next("clean")).sort(),
    points: [points([0.5, 0], [0.5, 0]), points([0.6, 0.1], [0.5, 0]), points([-1, 1], [1, -1])],
  }),
);
