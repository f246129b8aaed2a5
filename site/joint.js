// The joint errors of two correlations: an ellipse, and all correlations of errors as a picture.

import { drawPicture } from "widgets/picture.js";
import { names, palettes } from "./shared.js";
import { box, choice, element, shape, signed } from "./ui.js";

const N = names.length;
const SIDE = 260;
const MARGIN = 34;

// Square of the radius, in units of the covariance, that holds a part of a two-dimensional
// Student's t distribution.
export function radius2(part, freedom) {
  if (!Number.isFinite(freedom)) return -2 * Math.log(1 - part);
  return (freedom - 2) * ((1 - part) ** (-2 / freedom) - 1);
}

export function jointErrors() {
  const options = names.map((name, n) => [String(n), name]);
  const selects = ["First correlation", "Second correlation"].map((text) =>
    choice(text, options, () => draw()),
  );
  [selects[0].value, selects[1].value] = ["0", "3"];
  const plot = shape("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", class: "ellipse" });
  const matrix = element("canvas", { role: "img", "aria-label": "Correlations of all errors" });
  const words = element("p", { class: "hint", role: "status" });
  let result = null;

  function draw() {
    if (!result) return;
    const { mean, covariance, freedom } = result;
    const [a, b] = selects.map((select) => Number(select.value));
    const [x, y] = [mean[a], mean[b]];
    const [sx, sy] = [a, b].map((n) => Math.sqrt(covariance[n * N + n]));
    const rho = a === b ? 1 : covariance[a * N + b] / sx / sy;
    const reach = Math.sqrt(radius2(0.9, freedom)) * Math.max(sx, sy) * 1.15;
    const scale = (SIDE - 2 * MARGIN) / 2 / reach;
    const [toX, toY] = [
      (value) => SIDE / 2 + 8 + (value - x) * scale,
      (value) => SIDE / 2 - 8 - (value - y) * scale,
    ];
    const around = (part) => {
      const length = Math.sqrt(radius2(part, freedom));
      return Array.from({ length: 73 }, (_, n) => {
        const angle = (2 * Math.PI * n) / 72;
        const [u, v] = [Math.cos(angle), rho * Math.cos(angle) + Math.sqrt(Math.max(1 - rho * rho, 0)) * Math.sin(angle)];
        return `${toX(x + length * sx * u).toFixed(1)},${toY(y + length * sy * v).toFixed(1)}`;
      }).join(" ");
    };
    const ends = [-1, 0, 1].map((n) => n * reach * 0.8);
    plot.replaceChildren(
      shape("polygon", { points: around(0.9), class: "outer" }),
      shape("polygon", { points: around(0.5), class: "inner" }),
      shape("circle", { cx: toX(x), cy: toY(y), r: 3.5 }),
      ...ends.flatMap((d) => [
        shape("line", { x1: toX(x + d), x2: toX(x + d), y1: SIDE - MARGIN + 4, y2: SIDE - MARGIN + 9 }),
        shape("text", { x: toX(x + d), y: SIDE - MARGIN + 22, "text-anchor": "middle" }, signed(x + d)),
        shape("line", { y1: toY(y + d), y2: toY(y + d), x1: MARGIN - 1, x2: MARGIN + 4 }),
        shape("text", { x: MARGIN - 4, y: toY(y + d) + 4, "text-anchor": "end" }, signed(y + d)),
      ]),
      shape("text", { x: SIDE - 4, y: SIDE - MARGIN - 2, "text-anchor": "end", class: "name" }, names[a]),
      shape("text", { x: MARGIN + 8, y: 14, class: "name" }, names[b]),
    );
    const close = Math.abs(rho) > 0.8 ? "so their ratio is better known than either" : Math.abs(rho) < 0.3 ? "so they are known almost independently" : "so one tells something of the other";
    words.textContent = `The errors of ${names[a]} and ${names[b]} have a correlation of ${signed(rho)}, ${close}. Dark: 50 % of the probability, pale: 90 %.`;
    plot.setAttribute("aria-label", words.textContent);
  }

  return {
    parts: [
      box("row", selects),
      box("joint", plot, element("figure", {}, box("frame", matrix), element("figcaption", {}, "Correlations of all errors: blue 1, white 0, red −1"))),
      words,
    ],
    show(answer) {
      result = answer;
      const { covariance } = answer;
      const rho = Float64Array.from(covariance, (value, m) => {
        const [i, j] = [Math.floor(m / N), m % N];
        return value / Math.sqrt(covariance[i * N + i] * covariance[j * N + j]);
      });
      drawPicture(matrix, rho, N, N, palettes.signed, [-1, 1]);
      draw();
    },
  };
}
