// The guessing game on a page: an image, sliders, then the truth and what two methods read.

import { deltaPdf } from "./diffraction.js";
import { makeGame, points } from "./guess.js";
import { box, button, choices, correlationTable, element, framed, hint, reciprocal, scroll, slider } from "./parts.js";
import { drawPicture } from "./picture.js";

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

// Where c(i, j) with i, j below a smaller span stand among those of the full one.
const within = (small, span) =>
  Array.from({ length: span * span - 1 }, (_, n) => n).filter(
    (n) => Math.floor((n + 1) / span) < small && (n + 1) % span < small,
  );

// deal(level): promises {image, truth}, NaN where unmeasured. answer(item, level): promises {mean,
// errors} of the network. kept(rounds): after every round. Returns what is to be put on the page.
export function makeGuessing({ place, grid, span, names, palette, deal: draw, answer, kept = () => null }) {
  const asked = within(SPAN, span);
  const game = makeGame({}, Math.random);
  const [rows, columns] = grid.shape;
  let level = "clean";
  let item = null;
  let deals = 0;

  const picture = framed("Which crystal scatters like this?", "", { axes: reciprocal });
  drawPicture(picture.canvas, new Float64Array(rows * columns).fill(NaN), rows, columns, palette);
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

  const refuse = (what, error) => {
    status.textContent = `${what}: ${error.message}`;
    status.classList.add("bad");
  };

  async function deal() {
    const turn = ++deals;
    try {
      const next = await draw(level);
      if (turn !== deals) return; // another level was chosen meanwhile
      item = next;
    } catch (error) {
      refuse("The game cannot start", error);
      return;
    }
    drawPicture(picture.canvas, item.image, rows, columns, palette);
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
      const { mean, errors } = await answer(item, level);
      const some = asked.map((n) => mean[n]);
      table.show("network", some, asked.map((n) => errors[n]));
      scores.network = points(some, truth);
    } catch (error) {
      refuse("The network cannot answer", error);
    }
    game.keep(level, scores);
    kept(game.rounds);
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
    const heads = ["level", "rounds", ...WHO.map(([, name]) => name)];
    board.replaceChildren(
      element("caption", {}, "Mean points"),
      element("thead", {}, element("tr", {}, heads.map((name) => element("th", { scope: "col" }, name)))),
      element(
        "tbody",
        {},
        played.map((name) => line(name, name, game.rounds.filter((each) => each.level === name).length)),
        played.length > 1 ? line("all", null, game.rounds.length) : null,
      ),
    );
  }

  deal();
  return box("stage",
    box("card", picture.figure),
    box("card tools",
      choices("Level", Object.keys(LEVELS).map((name) => [name, name]), level, (name) => {
        level = name;
        story.textContent = LEVELS[name];
        deal();
      }),
      story,
      element("h3", {}, "Your guess"),
      box("sliders tall",
        asked.map((n, m) => element("div", {}, sliders[m].label, element("small", {}, HELP[names[n]]))),
      ),
      hint("1: always alike. 0: by chance. −1: never alike."),
      box("row", check, next),
      verdict,
      status,
    ),
    box("card table",
      element("h3", {}, "Truth and answers"),
      hint("ΔPDF takes the image as it is; what spoils the image spoils it."),
      scroll("Truth and answers", table.table),
      board,
    ),
  );
}
