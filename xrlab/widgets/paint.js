// The widget of notebook 1: paint a lattice; image, ΔPDF and correlations follow the hand.

import { makeDrawing } from "./drawing.js";
import { bytes, packSites, randomFrom, unpackSites } from "./lattice.js";
import { hint, scroll, widget } from "./parts.js";
import { makeScattering } from "./scattering.js";

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

  const root = widget(
    [drawing.picture.figure, ...scattering.pictures],
    [drawing.tools, scattering.lots, scattering.status],
    [hint(HINT), scroll("Correlations", scattering.table.table)],
  );
  el.append(root);
  refresh();
  model.on("change:packed", load);
  return () => model.off("change:packed", load);
}
export default { render };
