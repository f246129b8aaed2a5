// The widget of notebook 1: paint a lattice; image, ΔPDF and correlations follow the hand.

import { makeDrawing } from "./drawing.js";
import { packSites, randomFrom, unpackSites } from "./lattice.js";
import { element } from "./parts.js";
import { bytes, makeScattering } from "./scattering.js";

const METHODS = [
  ["realised", "realised"],
  ["delta-pdf", "ΔPDF"],
];
const HINT = "c(i, j) compares sites i apart along a and j along b: 1 always alike, 0 by chance, −1 never alike.";

function render({ model, el }) {
  const shared = model.get("shared");
  let waiting = false;
  let count = 0;
  const scattering = makeScattering(shared, model.get("span"), METHODS, refresh);
  const drawing = makeDrawing({
    ...shared,
    start: model.get("packed"),
    palette: bytes(shared.palettes.sites),
    random: randomFrom(Date.now()),
    changed: refresh,
    done() {
      model.set("packed", packSites(drawing.sites));
      model.save_changes();
    },
  });

  function refresh() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      drawing.show();
      scattering.show(drawing.sites);
      root.dataset.drawn = ++count; // for tests
    });
  }
  function load() {
    const packed = model.get("packed");
    if (packed !== packSites(drawing.sites)) drawing.replace(unpackSites(packed, shared.size));
  }

  const root = element(
    "div",
    { class: "xrlab-play", "data-lm-suppress-shortcuts": "true" },
    element(
      "div",
      { class: "pictures" },
      [drawing.picture.figure, ...scattering.pictures].map((figure) => element("div", { class: "card" }, figure)),
    ),
    element(
      "div",
      { class: "below" },
      element("div", { class: "card tools" }, drawing.tools, scattering.lots, scattering.status),
      element(
        "div",
        { class: "card" },
        element("p", { class: "hint" }, HINT),
        element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Correlations" }, scattering.table.table),
      ),
    ),
  );
  el.append(root);
  refresh();
  model.on("change:packed", load);
  return () => model.off("change:packed", load);
}
export default { render };
