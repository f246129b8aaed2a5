// Small parts that the playground and the widgets of the notebooks share; their looks are in parts.css.

// element("button", {class: "main", onclick}, "Go"): attributes, listeners, children.
export function element(kind, attributes = {}, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child != null));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";
export function shape(kind, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const box = (kind, ...children) => element("div", { class: kind }, ...children);
export const hint = (text) => element("p", { class: "hint" }, text);
// What is too wide for a narrow page, such as a table; keys scroll it too.
export const scroll = (name, content) =>
  element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name }, content);

// A widget: pictures side by side, below them its tools and what they show.
export const widget = (pictures, tools, results) =>
  element(
    "div",
    { class: "xrlab-play", "data-lm-suppress-shortcuts": "true" },
    box("pictures", pictures.map((figure) => box("card", figure))),
    box("below", box("card tools", ...tools), box("card", ...results)),
  );

export const button = (text, onclick, attributes = {}) =>
  element("button", { type: "button", onclick, ...attributes }, text);

// Names that occur once on a page, also where several widgets stand on it.
const series = Math.random().toString(36).slice(2, 8);
let count = 0;
export const unique = (kind) => `${kind}-${series}-${++count}`;

export function slider(text, { min, max, step, value, oninput, unit = "", help = null }) {
  const id = unique("slider");
  const shown = element("output", { for: id });
  const input = element("input", { type: "range", id, min, max, step, value, "aria-label": text, title: help });
  const label = element("label", { class: "slider" }, element("span", {}, text), shown, input);
  const digits = String(step).split(".")[1]?.length ?? 0;
  const write = () => (shown.textContent = `${Number(input.value).toFixed(digits).replace("-", "−")}${unit}`);
  input.addEventListener("input", () => {
    write();
    oninput?.(Number(input.value));
  });
  write();
  return {
    label,
    input,
    get value() {
      return Number(input.value);
    },
    set value(next) {
      input.value = next;
      write();
    },
  };
}

export const choice = (text, options, onchange) =>
  element(
    "select",
    { onchange: (event) => onchange(event.target.value), "aria-label": text },
    options.map(([value, words]) => element("option", { value }, words)),
  );

export function choices(legend, options, value, onchange) {
  const name = unique("choice");
  const inputs = options.map(([each]) =>
    element("input", { type: "radio", name, value: each, checked: each === value, onchange: () => onchange(each) }),
  );
  return element(
    "fieldset",
    { class: "choices" },
    element("legend", {}, legend),
    options.map(([, words], n) => element("label", {}, inputs[n], element("span", {}, words))),
  );
}

export function number(text, attributes) {
  const input = element("input", { type: "number", ...attributes });
  return { label: element("label", { class: "number" }, element("span", {}, text), input), input };
}

// A canvas in a frame with the names of its axes and their ends; the cursor of the keyboard on it.
export function framed(title, description, { axes = null, focusable = false, note = "" } = {}) {
  const canvas = element("canvas", {
    role: focusable ? "application" : "img",
    "aria-label": description,
    tabindex: focusable ? 0 : null,
  });
  const cursor = element("div", { class: "cursor", "aria-hidden": "true" });
  const small = element("small", {}, note);
  const [up, across] = axes ?? [];
  const figure = element(
    "figure",
    { class: `picture${axes ? " axes" : ""}` },
    element("figcaption", {}, title),
    element("div", { class: "frame" }, canvas, cursor),
    axes ? element("span", { class: "up", "aria-hidden": "true" }, axisText(up)) : null,
    axes ? element("span", { class: "across", "aria-hidden": "true" }, axisText(across)) : null,
    small,
  );
  return { figure, canvas, cursor, small, title: figure.firstChild };
}

const axisText = ([first, name, last]) => [
  element("b", {}, first),
  element("i", {}, name),
  element("b", {}, last),
];

export const reciprocal = [
  ["0", "h (r.l.u.)", "2"],
  ["0", "k (r.l.u.)", "2"],
];
export const direct = (size) => [
  ["0", "along a", String(size)],
  ["0", "along b", String(size)],
];

export const signed = (value, digits = 2) =>
  value == null || Number.isNaN(value)
    ? "–"
    : `${value < -0.5 / 10 ** digits ? "−" : ""}${Math.abs(value).toFixed(digits)}`;

// Correlations by several methods: a line each with marks on a scale from -1 to 1, and numbers.
// methods: [key, name, has an error]; the key is the class of its marks.
export function correlationTable(methods, names) {
  const body = element("tbody");
  const rows = names.map((name) => {
    const marks = new Map();
    const plot = shape("svg", { viewBox: "-1.04 -0.5 2.08 1", preserveAspectRatio: "none", "aria-hidden": "true" });
    plot.append(
      shape("line", { x1: -1, x2: 1, y1: 0, y2: 0, class: "way" }),
      shape("line", { x1: 0, x2: 0, y1: -0.5, y2: 0.5, class: "zero" }),
    );
    const holder = element("div", { class: "marks", "aria-hidden": "true" }, plot);
    for (const [key] of methods) {
      const bar = element("i", { class: `error ${key}`, hidden: true });
      const mark = element("i", { class: `mark ${key}`, hidden: true });
      holder.append(bar, mark);
      marks.set(key, { bar, mark });
    }
    const cells = new Map(methods.map(([key]) => [key, element("td", { class: key }, "–")]));
    body.append(
      element("tr", {}, element("th", { scope: "row" }, name), element("td", { class: "plot" }, holder), [...cells.values()]),
    );
    return { marks, cells };
  });
  const table = element(
    "table",
    { class: "correlations" },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "c(i, j)"),
        element("th", { scope: "col", class: "plot" }, element("span", {}, "−1"), element("span", {}, "0"), element("span", {}, "1")),
        methods.map(([key, name]) =>
          element("th", { scope: "col" }, element("i", { class: `key ${key}`, "aria-hidden": "true" }), name),
        ),
      ),
    ),
    body,
  );
  const left = (value) => `${(100 * (Math.min(1, Math.max(-1, value)) + 1.04)) / 2.08}%`;
  return {
    table,
    show(key, values, errors = null) {
      rows.forEach(({ marks, cells }, n) => {
        const value = values?.[n];
        const { bar, mark } = marks.get(key);
        mark.hidden = value == null || Number.isNaN(value);
        bar.hidden = mark.hidden || !errors;
        const text = mark.hidden
          ? "–"
          : errors
            ? `${signed(value)} ± ${errors[n].toFixed(2)}`
            : signed(value);
        if (cells.get(key).textContent !== text) cells.get(key).textContent = text;
        if (mark.hidden) return;
        mark.style.left = left(value);
        if (errors) {
          bar.style.left = left(value - errors[n]);
          bar.style.right = `calc(100% - ${left(value + errors[n])})`;
        }
      });
    },
  };
}
