// Paint a lattice and watch its diffraction image, and what can be read off the image.

import { deltaPdf, latticeImage, lotsImage } from "widgets/diffraction.js";
import { makeDrawing } from "widgets/drawing.js";
import { MonteCarlo, randomFrom, realisedCorrelations } from "widgets/lattice.js";
import { corners, grid, lotSize, palettes, patterns, perfect, size, span } from "./shared.js";
import { latest, standardErrors } from "./network.js";
import {
  box,
  button,
  choices,
  correlationTable,
  element,
  emptyImage,
  framed,
  hint,
  intro,
  reciprocal,
  scroll,
  showImage,
  slider,
} from "./ui.js";

const COUPLED = [
  [0, 1],
  [1, 0],
  [1, 1],
  [0, 2],
  [2, 0],
];
const FRAME = 16; // ms

export function openDraw(place) {
  let grain = false;
  let known = true;
  let run = null;
  let cycles = 0;
  let drawn = 0;
  let shown = -Infinity; // when the picture that is seen was begun
  let cleared = 0; // answers to drawings before this one come too late
  let asked = null; // when the picture that is to come was asked for
  const random = randomFrom(Date.now());

  const drawing = makeDrawing({
    size,
    patterns,
    start: patterns.ring,
    palette: palettes.sites,
    random,
    changed: refresh,
  });
  const image = framed("Its diffraction image", "", { axes: reciprocal });
  const table = correlationTable([
    ["realised", "realised"],
    ["delta-pdf", "ΔPDF"],
    ["network", "network"],
  ]);
  const status = element("p", { class: "status", role: "status" });

  // At once, or in the next frame if the last picture is younger than one.
  function refresh() {
    if (run) run.chain = null;
    if (asked !== null) return;
    asked = performance.now();
    if (asked - shown > FRAME) {
      redraw();
      asked = null;
      return;
    }
    requestAnimationFrame(() => {
      const since = asked;
      asked = null;
      redraw(since);
    });
  }

  function redraw(since = performance.now()) {
    shown = since;
    const { sites } = drawing;
    drawing.show();
    const pattern = grain
      ? lotsImage(sites, size, grid, lotSize, corners)
      : latticeImage(sites, size, grid, lotSize);
    const turn = ++drawn;
    if (!pattern) {
      cleared = turn;
      emptyImage(image.canvas);
      for (const key of ["realised", "delta-pdf", "network"]) table.show(key, null);
      image.canvas.setAttribute("aria-label", "No diffuse scattering");
      status.textContent = "All sites are alike: a perfect crystal has Bragg peaks, and no diffuse scattering.";
      return;
    }
    latest("draw", [pattern], known ? perfect : {})
      .then((answers) => {
        if (!answers || turn < cleared) return;
        table.show("network", answers[0].mean, standardErrors(answers[0]));
        if (status.textContent.startsWith("All") || status.classList.contains("bad")) status.textContent = "";
        status.classList.remove("bad");
        place.dataset.network = answers[0].took; // ms, of the network alone
        place.dataset.took = performance.now() - since;
        place.dataset.read = Number(place.dataset.read ?? 0) + 1;
        if (place.dataset.read === "1") performance.mark("first answer");
      })
      .catch((error) => {
        status.textContent = `The network cannot answer: ${error.message}`;
        status.classList.add("bad");
      });
    showImage(image.canvas, pattern);
    const realised = realisedCorrelations(sites, size, span).subarray(1);
    table.show("realised", realised);
    table.show("delta-pdf", deltaPdf(pattern, span, grid, lotSize));
    image.canvas.setAttribute(
      "aria-label",
      `Diffraction image; c(0, 1) is ${realised[0].toFixed(2)}, c(1, 0) is ${realised[3].toFixed(2)}`,
    );
    if (status.textContent.startsWith("All")) status.textContent = "";
  }

  // Monte Carlo: a few cycles of one attempted swap per site in each frame.
  const sliders = COUPLED.map(([i, j]) =>
    slider(`J(${i}, ${j})`, {
      min: -1,
      max: 1,
      step: 0.05,
      value: i + j === 1 ? 0.3 : 0,
      help: `above 0, sites ${i} apart along a and ${j} along b like to be alike`,
      oninput: () => run?.chain?.setCoupling(coupling()),
    }),
  );
  const coupling = () => {
    const values = new Float64Array(9);
    COUPLED.forEach(([i, j], n) => (values[3 * i + j] = sliders[n].value));
    return values;
  };
  const said = element("p", { class: "status", role: "status" });
  function advance(number) {
    run ??= {};
    const { sites } = drawing;
    run.chain ??= new MonteCarlo(sites, size, coupling(), random);
    const accepted = run.chain.run(number * sites.length);
    cycles += number;
    said.textContent = `${cycles} cycles; ${((100 * accepted) / number / sites.length).toFixed(0)} % of the swaps were accepted`;
    redraw();
  }
  function frame() {
    if (!run?.on) return;
    advance(1);
    run.timer = requestAnimationFrame(frame);
  }
  const go = button("Run", () => {
    if (run?.on) stop();
    else {
      drawing.remember();
      cycles = 0;
      run = { on: true };
      go.textContent = "Pause";
      go.setAttribute("aria-pressed", "true");
      frame();
    }
  }, { class: "main", "aria-pressed": "false" });
  function stop() {
    if (run) cancelAnimationFrame(run.timer);
    run = null;
    go.textContent = "Run";
    go.setAttribute("aria-pressed", "false");
  }

  place.append(
    intro(
      "Draw a crystal, watch it scatter",
      "Each square is a site of a disordered crystal, taken by one of two kinds of molecule. Paint: the diffuse scattering follows your hand. Which drawings give streaks, which give spots, which give nothing at all?",
    ),
    box("stage",
      box("card", drawing.picture.figure),
      box("card", image.figure),
      box("card tools", drawing.tools),
      box("card tools",
        choices(
          "Seen through",
          [["all", `all lots of ${lotSize} × ${lotSize} sites`], ["few", `${corners.length} lots, with grain`]],
          "all",
          (value) => {
            grain = value === "few";
            refresh();
          },
        ),
        choices(
          "The network",
          [["known", "is told that there is no background"], ["unknown", "is not"]],
          "known",
          (value) => {
            known = value === "known";
            refresh();
          },
        ),
        status,
      ),
      box("card table",
        element("h3", {}, "Correlations"),
        hint("c(i, j) compares sites i apart along a and j along b: 1 always alike, 0 by chance, −1 never alike."),
        scroll("Correlations", table.table),
      ),
      box("card monte-carlo",
        element("h3", {}, "Let physics draw"),
        hint("Monte Carlo swaps sites at random. A coupling J above 0 makes such neighbours alike, below 0 unlike."),
        box("sliders", sliders.map((each) => each.label)),
        box("row",
          go,
          button("One cycle", () => {
            if (run?.on) stop();
            drawing.remember();
            advance(1);
          }),
          button("No couplings", () => {
            for (const each of sliders) each.value = 0;
            run?.chain?.setCoupling(coupling());
          }),
        ),
        said,
      ),
    ),
  );

  return { enter: refresh, exit: stop };
}

