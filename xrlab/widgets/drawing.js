// A lattice to paint on, with its tools: brush, patterns, undo.

import { packSites, randomSites, unpackSites } from "./lattice.js";
import { makePainter } from "./painter.js";
import { box, button, choice, choices, direct, element, framed, unique } from "./parts.js";
import { drawPicture } from "./picture.js";

const UNDO = 50;

// patterns: packed sites by name; start: one of them. palette: of the sites.
// changed(): after every change, also in the middle of a stroke. done(): after a stroke or a button.
export function makeDrawing({ size, patterns, start, palette, random, changed, done = () => null }) {
  let sites = unpackSites(start, size);
  let tool = 1;
  let width = 1;
  const undo = [];
  const picture = framed("Lattice", "", { axes: direct(size), focusable: true });
  const { canvas, cursor, small } = picture;
  const id = unique("keys");
  canvas.setAttribute("aria-describedby", id);

  function remember() {
    undo.push(packSites(sites));
    if (undo.length > UNDO) undo.shift();
  }
  function put(next) {
    sites = next;
    changed();
    done();
  }
  function replace(next) {
    remember();
    put(next);
  }

  makePainter({
    canvas,
    cursor,
    shape: () => [size, size],
    radius: () => (width - 1) / 2,
    begin: remember,
    paint(cells) {
      for (const [row, column] of cells)
        sites[(((row % size) + size) % size) * size + (((column % size) + size) % size)] = tool;
      changed();
    },
  });
  for (const end of ["pointerup", "keyup"]) canvas.addEventListener(end, () => done());

  const fill = choice(
    "Fill with a pattern",
    [["", "Fill with …"], ["random", "random"], ...Object.keys(patterns).map((name) => [name, name])],
    (name) => {
      if (name) replace(name === "random" ? randomSites(size, random) : unpackSites(patterns[name], size));
      fill.value = "";
    },
  );
  return {
    picture,
    remember,
    replace,
    get sites() {
      return sites;
    },
    show() {
      drawPicture(canvas, sites, size, size, palette, [-1, 1]);
      const share = sites.reduce((sum, site) => sum + (site > 0), 0) / sites.length;
      const part = `${(100 * share).toFixed(0)} %`;
      canvas.setAttribute("aria-label", `Lattice of ${size} × ${size} sites, ${part} of them +1`);
      small.textContent = `${size} × ${size} sites, ${part} are +1 (dark)`;
    },
    tools: [
      choices("Brush", [["1", "paint"], ["-1", "erase"]], "1", (value) => (tool = Number(value))),
      choices("Width", [["1", "1"], ["3", "3"], ["7", "7"]], "1", (value) => (width = Number(value))),
      box("row",
        fill,
        button("Random", () => replace(randomSites(size, random))),
        button("Invert", () => replace(sites.map((site) => -site))),
        button("Clear", () => replace(new Int8Array(sites.length).fill(-1))),
        button("Undo", () => undo.length && put(unpackSites(undo.pop(), size))),
      ),
      element("p", { class: "hint", id }, "Keyboard: arrows move, space paints, shift with arrows paints a line."),
    ],
  };
}
