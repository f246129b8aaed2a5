// The widget of notebook 3: Monte Carlo as it runs; couplings learn their targets, or are set.

import {
  MonteCarlo,
  bytes,
  packSites,
  randomFrom,
  randomSites,
  realisedCorrelations,
  unpackSites,
} from "./lattice.js";
import { box, button, choices, direct, element, framed, scroll, shape, signed, slider, widget } from "./parts.js";
import { drawPicture } from "./picture.js";
import { makeScattering, namesOf } from "./scattering.js";

const SPAN = 2;
const METHODS = [
  ["target", "target"],
  ["realised", "realised"],
  ["delta-pdf", "ΔPDF"],
];
const HELP = ["neighbours along b", "neighbours along a", "neighbours on the diagonal"];
const POINTS = 300; // of a curve
const PARTS = 10; // of a cycle, one a frame, at low speed
const SWAP = 400; // ms
const AT_ONCE = 20; // cycles without motion
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Curves of c(i, j) over the cycles, with thin lines at the targets.
function makeCurves(names) {
  const [width, height, left] = [600, 220, 34];
  const y = (value) => ((1 - value) * height) / 2;
  const lines = names.map((_, n) => shape("polyline", { class: `curve curve-${n}` }));
  const marks = names.map((_, n) => shape("line", { class: `aim curve-${n}`, x1: left, x2: width }));
  const last = shape("text", { x: width, y: height + 16, "text-anchor": "end" });
  const text = (value) => shape("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, signed(value, 0));
  const grid = [-1, 0, 1].map((value) => shape("line", { class: "level", x1: left, x2: width, y1: y(value), y2: y(value) }));
  const drawn = shape(
    "svg",
    { viewBox: `0 -8 ${width} ${height + 30}`, role: "img" },
    ...grid,
    ...[-1, 0, 1].map(text),
    shape("text", { x: left, y: height + 16 }, "0"),
    shape("text", { x: (left + width) / 2, y: height + 16, "text-anchor": "middle" }, "cycles"),
    last,
    ...marks,
    ...lines,
  );
  const key = (name, n) =>
    element(
      "span",
      {},
      shape("svg", { viewBox: "0 0 30 8", class: "stroke", "aria-hidden": "true" }, shape("line", { class: `curve curve-${n}`, x1: 0, x2: 30, y1: 4, y2: 4 })),
      name,
    );
  return {
    figure: element(
      "figure",
      { class: "curves" },
      element("figcaption", {}, "Correlations of the lattice, cycle by cycle"),
      box("row", names.map(key), element("small", {}, "thin: target")),
      drawn,
    ),
    show(history, targets) {
      const cycles = Math.max(history.length - 1, 1);
      const step = Math.ceil(history.length / POINTS);
      const kept = history.map((values, n) => [n, values]).filter(([n]) => n % step === 0 || n === cycles);
      const x = (n) => left + ((width - left) * n) / cycles;
      lines.forEach((line, m) =>
        line.setAttribute("points", kept.map(([n, values]) => `${x(n).toFixed(1)},${y(values[m]).toFixed(1)}`).join(" ")),
      );
      marks.forEach((mark, m) => {
        mark.setAttribute("visibility", targets ? "visible" : "hidden");
        for (const end of ["y1", "y2"]) if (targets) mark.setAttribute(end, y(targets[m]));
      });
      last.textContent = String(cycles);
      const said = names.map((name, m) => `${name} is ${signed(history.at(-1)[m])}${targets ? `, its target ${signed(targets[m])}` : ""}`);
      drawn.setAttribute("aria-label", `Correlations after ${history.length - 1} cycles: ${said.join("; ")}`);
    },
  };
}

function render({ model, el }) {
  const shared = model.get("shared");
  const { size, gain } = shared;
  const names = namesOf(SPAN);
  const palette = bytes(shared.palettes.sites);
  const random = randomFrom(model.get("seed"));
  let learning = true;
  let speed = "slow";
  let [chain, tried, history, accepted] = [null, 0, [], 0];
  let run = null;
  let count = 0;

  const lattice = framed("Lattice", "", { axes: direct(size) });
  const ends = [0, 1].map(() => element("div", { class: "cursor pair", "aria-hidden": "true" }));
  lattice.canvas.after(...ends);
  const scattering = makeScattering(shared, SPAN, METHODS, () => show());
  const curves = makeCurves(names);
  const said = element("p", { class: "status", "aria-live": "polite" });
  const notes = names.map(() => element("small", {}));
  const sliders = names.map((name, n) =>
    slider(name, { min: -1, max: 1, step: 0.05, value: model.get("target")[n], help: HELP[n], oninput: moved }),
  );
  const values = () => sliders.map((each) => each.value);
  const realised = () => realisedCorrelations(chain.sites, size, SPAN);

  function start(sites) {
    chain = new MonteCarlo(sites, size, new Float64Array(SPAN ** 2), random);
    if (!learning) moved();
    [tried, accepted, history] = [0, 0, [[...realised().subarray(1)]]];
    said.textContent = "A random lattice" + (learning ? ", all couplings 0." : ".");
    show();
  }
  function moved() {
    if (!learning) chain.setCoupling(Float64Array.of(0, ...values()));
    show();
  }

  // Attempt so many swaps; couplings learn at the end of every cycle.
  function advance(attempts) {
    for (let left = attempts; left > 0; ) {
      const some = Math.min(left, size ** 2 - tried);
      accepted += chain.run(some);
      tried += some;
      left -= some;
      if (tried < size ** 2) continue;
      const now = realised();
      history.push([...now.subarray(1)]);
      if (learning) chain.learn([1, ...values()], now, gain);
      const share = ((100 * accepted) / tried).toFixed(0);
      said.textContent = `${history.length - 1} cycles; ${share} % of the swaps of the last one were accepted.`;
      [tried, accepted] = [0, 0];
    }
    if (attempts === 1) explain(chain.last);
    show(attempts === 1 ? chain.last : null);
  }
  function explain({ cost, refused }) {
    const chance = cost > 0 ? Math.exp(-cost) : 1;
    said.textContent =
      `Swap ${tried}: the energy changes by ${signed(cost)} kT, so it is accepted with probability ` +
      `${chance.toFixed(2)}: ${refused ? "refused" : "accepted"}.`;
  }

  function show(pair = null) {
    drawPicture(lattice.canvas, chain.sites, size, size, palette, [-1, 1]);
    lattice.canvas.setAttribute("aria-label", `Lattice of ${size} × ${size} sites after ${history.length - 1} cycles`);
    lattice.small.textContent = `${size} × ${size} sites, half of them +1 (dark)`;
    ends.forEach((each, n) => {
      each.style.display = pair ? "block" : "none";
      if (!pair) return;
      const place = n ? pair.b : pair.a;
      each.classList.toggle("refused", pair.refused);
      each.style.left = `${(100 * (place % size)) / size}%`;
      each.style.bottom = `${(100 * Math.floor(place / size)) / size}%`;
      each.style.width = each.style.height = `${100 / size}%`;
    });
    const now = scattering.show(chain.sites);
    const targets = learning ? values() : null;
    scattering.table.show("target", targets);
    curves.show(history, targets);
    notes.forEach((note, n) => {
      note.textContent = learning
        ? `coupling J = ${signed(chain.coupling[n + 1])}`
        : `realised: ${signed(now[n + 1])}`;
    });
    root.dataset.drawn = ++count; // for tests
  }

  const attempts = () => ({ swap: 1, slow: size ** 2 / PARTS, fast: size ** 2 })[speed];
  function frame(mine) {
    if (run !== mine) return;
    advance(attempts());
    const next = () => requestAnimationFrame(() => frame(mine));
    if (speed === "swap") setTimeout(next, SWAP);
    else next();
  }
  function announce() {
    go.textContent = run ? "Pause" : "Run";
    go.setAttribute("aria-pressed", String(Boolean(run)));
    said.setAttribute("aria-live", run ? "off" : "polite");
  }
  function pause() {
    run = null;
    announce();
    model.set("packed", packSites(chain.sites));
    if (learning) model.set("target", values());
    model.save_changes();
  }
  const go = button(
    "Run",
    () => {
      if (run) pause();
      else if (still()) step(AT_ONCE);
      else {
        run = {};
        announce();
        frame(run);
      }
    },
    { class: "main", "aria-pressed": "false" },
  );
  function step(cycles = 1) {
    if (run) pause();
    advance(speed === "swap" ? 1 : cycles * size ** 2 - tried);
    pause();
  }

  function choose(what) {
    learning = what === "targets";
    const next = learning ? history.at(-1) : [...chain.coupling.subarray(1)];
    sliders.forEach((each, n) => {
      each.value = next[n];
      each.input.setAttribute("aria-label", `${learning ? "target" : "coupling"} ${learning ? names[n] : names[n].replace("c", "J")}`);
      each.label.firstChild.textContent = learning ? names[n] : names[n].replace("c", "J");
    });
    moved();
  }

  const root = widget(
    [lattice.figure, ...scattering.pictures],
    [
      choices("Sliders set", [["targets", "targets, couplings learn"], ["couplings", "couplings"]], "targets", choose),
      box("sliders", sliders.map((each, n) => element("div", {}, each.label, notes[n]))),
      choices("Speed", [["swap", "swap by swap"], ["slow", "slow"], ["fast", "fast"]], speed, (value) => (speed = value)),
      box("row",
        go,
        button("One step", () => step()),
        button("Start over", () => {
          if (run) pause();
          start(randomSites(size, random));
        }),
      ),
      said,
      scattering.lots,
    ],
    [curves.figure, scroll("Correlations", scattering.table.table)],
  );
  el.append(root);
  start(unpackSites(model.get("packed"), size));
  return () => (run = null);
}
export default { render };
