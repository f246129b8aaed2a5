// An image, a guess of its correlations, then the truth and what two methods read.

import { makeGame } from "widgets/guess.js";
import { makeGuessing } from "widgets/guessing.js";
import { randomFrom } from "widgets/lattice.js";
import { grid, names, palettes, perfect, span } from "./shared.js";
import { answer, standardErrors } from "./network.js";
import { loadRounds } from "./rounds.js";
import { intro } from "./ui.js";

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
    intro(
      "Guess the order behind an image",
      "How alike are neighbours in the crystal that scattered this? Set three correlations, then compare with the truth, with a Fourier inversion (ΔPDF) and with the network.",
    ),
    stage,
  );
  return {};
}
