// An image, a guess of its correlations, then the truth and what two methods read.

import { makeGame } from "widgets/guess.js";
import { makeGuessing } from "widgets/guessing.js";
import { randomFrom } from "widgets/lattice.js";
import { grid, names, palettes, span } from "./shared.js";
import { answer, standardErrors } from "./network.js";
import { loadRounds } from "./rounds.js";
import { element } from "./ui.js";

const perfect = { background: [0, 0], formFactor: [new Float32Array(grid.shape[0] * grid.shape[1]).fill(1)] };

export function openGuess(place) {
  const seed = Number(new URLSearchParams(location.search).get("seed") ?? Date.now());
  let game = null;
  const stage = makeGuessing({
    place,
    grid,
    span,
    names,
    palette: palettes.intensity,
    async deal(level) {
      game ??= makeGame(await loadRounds(), randomFrom(seed));
      return game.next(level);
    },
    async answer({ image }, level) {
      const [read] = await answer([image], level === "clean" ? perfect : {});
      return { mean: read.mean, errors: standardErrors(read) };
    },
  });
  place.append(
    element(
      "section",
      { class: "intro" },
      element("h2", {}, "Guess the order behind an image"),
      element(
        "p",
        {},
        "How alike are neighbours in the crystal that scattered this? Set three correlations, then compare with the truth, with a Fourier inversion (ΔPDF) and with the network.",
      ),
    ),
    stage,
  );
  return {};
}
