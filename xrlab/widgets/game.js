// The widget of notebook 6: the guessing game; Python deals the images and asks the network.

import { makeGuessing } from "./guessing.js";
import { bytes } from "./lattice.js";
import { element } from "./parts.js";

const PATIENCE = 60_000; // ms

function render({ model, el }) {
  const { grid, span, names, palettes } = model.get("shared");
  const opened = ({ image, ...item }) => ({ ...item, image: new Float32Array(image.buffer.slice(image.byteOffset, image.byteOffset + image.byteLength)) });
  let first = true;

  function deal(level) {
    const ready = model.get("item");
    if (first && ready.turn === 0 && ready.level === level) {
      first = false;
      return Promise.resolve(opened(ready));
    }
    const turn = Math.random();
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error("Python does not answer; run the cell again"));
      const timer = setTimeout(late, PATIENCE);
      const look = () => {
        const item = model.get("item");
        if (item.turn !== turn) return;
        clearTimeout(timer);
        model.off("change:item", look);
        resolve(opened(item));
      };
      model.on("change:item", look);
      model.set("asked", { level, turn });
      model.save_changes();
    });
  }

  const root = element("div", { class: "xrlab-play guess", "data-lm-suppress-shortcuts": "true" });
  root.append(
    makeGuessing({
      place: root,
      grid,
      span,
      names,
      palette: bytes(palettes.intensity),
      deal,
      answer: async ({ mean, errors }) => ({ mean, errors }),
      kept(rounds) {
        model.set("rounds", [...rounds]);
        model.save_changes();
      },
    }),
  );
  el.append(root);
}
export default { render };
