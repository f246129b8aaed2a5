// An image, a guess of its correlations, then the truth and what two methods read.

import { deltaPdf } from "widgets/diffraction.js";
import { makeGame, points } from "widgets/guess.js";
import { randomFrom } from "widgets/lattice.js";
import { grid, names } from "./shared.js";
import { answer, standardErrors } from "./network.js";
import { loadRounds } from "./rounds.js";
import {
  button,
  choices,
  correlationTable,
  element,
  emptyImage,
  framed,
  reciprocal,
  showImage,
  slider,
  within,
} from "./ui.js";

const SPAN = 2;
const LEVELS = {
  clean: "Nothing but the crystal.",
  laboratory: "Form factor, background, Bragg peaks, counting noise.",
  synchrotron: "Many photons, gaps between the modules of the detector.",
  "bad day": "Few counts, a wide beam, every fault at once.",
};
const HELP = {
  "c(0, 1)": "neighbours along b",
  "c(1, 0)": "neighbours along a",
  "c(1, 1)": "neighbours on the diagonal",
};
const WHO = [
  ["you", "you"],
  ["delta-pdf", "ΔPDF"],
  ["network", "network"],
];

export function openGuess(place) {
  const asked = within(SPAN);
  const seed = Number(new URLSearchParams(location.search).get("seed") ?? Date.now());
  let level = "clean";
  let game = null;
  let item = null;

  const picture = framed("Which crystal scatters like this?", "", { axes: reciprocal });
  emptyImage(picture.canvas);
  const sliders = asked.map((n) =>
    slider(names[n], { min: -1, max: 1, step: 0.05, value: 0, help: HELP[names[n]] }),
  );
  const table = correlationTable([["realised", "truth"], ...WHO], asked.map((n) => names[n]));
  const status = element("p", { class: "status", role: "status" });
  const verdict = element("p", { class: "verdict", role: "status" });
  const board = element("table", { class: "board" });
  const story = element("p", { class: "hint" }, LEVELS[level]);
  const check = button("Check my guess", reveal, { class: "main", disabled: true });
  const next = button("Next image", deal, { disabled: true });

  async function deal() {
    try {
      const levels = await loadRounds();
      game ??= makeGame(levels, randomFrom(seed));
      item = game.next(level);
    } catch (error) {
      status.textContent = `The game cannot start: ${error.message}`;
      status.classList.add("bad");
      return;
    }
    showImage(picture.canvas, item.image);
    const gaps = item.image.some(Number.isNaN);
    picture.canvas.setAttribute("aria-label", `Diffraction image, level ${level}`);
    picture.small.textContent = gaps ? "Grey: not measured." : "";
    for (const [key] of [["realised"], ...WHO]) table.show(key, null);
    for (const each of sliders) {
      each.value = 0;
      each.input.disabled = false;
    }
    verdict.textContent = "";
    check.disabled = false;
    next.disabled = true;
    place.dataset.dealt = Number(place.dataset.dealt ?? 0) + 1;
  }

  async function reveal() {
    check.disabled = true;
    for (const each of sliders) each.input.disabled = true;
    const truth = asked.map((n) => item.truth[n]);
    const guess = sliders.map((each) => each.value);
    const { image } = item;
    const inverted = deltaPdf(image, 4, grid);
    const scores = { you: points(guess, truth) };
    table.show("realised", truth);
    table.show("you", guess);
    if (inverted) {
      const some = asked.map((n) => inverted[n]);
      table.show("delta-pdf", some);
      scores["delta-pdf"] = points(some, truth);
    }
    try {
      const perfect = { background: [0, 0], formFactor: [new Float32Array(image.length).fill(1)] };
      const [read] = await answer([image], level === "clean" ? perfect : {});
      const errors = standardErrors(read);
      const some = asked.map((n) => read.mean[n]);
      table.show("network", some, asked.map((n) => errors[n]));
      scores.network = points(some, truth);
    } catch (error) {
      status.textContent = `The network cannot answer: ${error.message}`;
      status.classList.add("bad");
    }
    game.keep(level, scores);
    const best = Math.max(...Object.values(scores));
    verdict.textContent =
      `${scores.you} of 100 points. ` +
      (scores.you >= best ? "Nobody was better." : `Best: ${WHO.find(([key]) => scores[key] === best)[1]}, ${best}.`);
    showBoard();
    next.disabled = false;
    next.focus();
  }

  function showBoard() {
    const played = Object.keys(LEVELS).filter((name) => game.mean("you", name) !== null);
    const line = (name, chosen, number) =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, name),
        element("td", {}, String(number)),
        WHO.map(([key]) => {
          const mean = game.mean(key, chosen);
          return element("td", {}, Number.isFinite(mean) ? mean.toFixed(0) : "–");
        }),
      );
    board.replaceChildren(
      element("caption", {}, "Mean points"),
      element(
        "thead",
        {},
        element("tr", {}, ["level", "rounds", ...WHO.map(([, name]) => name)].map((name) => element("th", { scope: "col" }, name))),
      ),
      element(
        "tbody",
        {},
        played.map((name) => line(name, name, game.rounds.filter((each) => each.level === name).length)),
        played.length > 1 ? line("all", null, game.rounds.length) : null,
      ),
    );
  }

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
    element(
      "div",
      { class: "stage" },
      element("div", { class: "card" }, picture.figure),
      element(
        "div",
        { class: "card tools" },
        choices("Level", Object.keys(LEVELS).map((name) => [name, name]), level, (name) => {
          level = name;
          story.textContent = LEVELS[name];
          if (game) deal();
        }),
        story,
        element("h3", {}, "Your guess"),
        element(
          "div",
          { class: "sliders tall" },
          asked.map((n, m) => element("div", {}, sliders[m].label, element("small", {}, HELP[names[n]]))),
        ),
        element("p", { class: "hint" }, "1: always alike. 0: by chance. −1: never alike."),
        element("div", { class: "row" }, check, next),
        verdict,
        status,
      ),
      element(
        "div",
        { class: "card table" },
        element("h3", {}, "Truth and answers"),
        element("p", { class: "hint" }, "ΔPDF takes the image as it is; what spoils the image spoils it."),
        element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Truth and answers" }, table.table),
        board,
      ),
    ),
  );
  deal();
  return {};
}
