// A matrix of sliders, one for each c(i, j), each with the range that it can go through.

const percent = (value) => `${50 * (value + 1)}%`;
const written = (value) => value.toFixed(2).replace("-", "−");

function makeCell(model, n, span) {
  const name = `c(${Math.floor((n + 1) / span)}, ${(n + 1) % span})`;
  const cell = document.createElement("div");
  cell.className = "xrlab-slider";
  cell.innerHTML = `
    <label><span>${name}</span><output></output>
      <div class="way"><div class="allowed"></div><div class="sure"></div>
        <input type="range" min="-1" max="1" step="0.01" aria-label="${name}">
      </div>
    </label>
    <small aria-hidden="true"></small>`;
  const [input, output, allowed, sure, words] = ["input", "output", ".allowed", ".sure", "small"].map(
    (part) => cell.querySelector(part),
  );
  input.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take the arrow keys
  input.addEventListener("input", () => {
    const values = [...model.get("values")];
    values[n] = Number(input.value);
    output.textContent = written(values[n]);
    model.set("moved", n);
    model.set("values", values);
    model.save_changes();
  });
  const place = (bar, range) => {
    bar.hidden = !range;
    if (range) Object.assign(bar.style, { left: percent(range[0]), right: percent(-range[1]) });
  };
  const show = () => {
    const value = model.get("values")[n];
    if (Math.abs(Number(input.value) - value) > 0.004) input.value = value;
    input.disabled = model.get("locked").includes(n);
    const range = model.get("sure")[n];
    output.textContent = written(value);
    place(sure, range);
    place(allowed, model.get("allowed")[n]);
    words.textContent = range ? `${written(range[0])} … ${written(range[1])}` : "no range";
    const said = range ? `can go from ${written(range[0])} to ${written(range[1])}` : "no range";
    input.setAttribute("aria-valuetext", `${written(value)}, ${said}`);
  };
  return { cell, show };
}

function render({ model, el }) {
  const grid = document.createElement("div");
  grid.className = "xrlab-sliders";
  grid.setAttribute("role", "group");
  grid.setAttribute("aria-label", "wanted correlations c(i, j)");
  el.append(grid);
  let cells = [];
  const show = () => {
    const values = model.get("values");
    if (values.length !== cells.length) {
      const span = Math.round(Math.sqrt(values.length + 1));
      const first = document.createElement("div");
      first.textContent = "c(0, 0) = 1, always";
      cells = values.map((_, n) => makeCell(model, n, span));
      grid.replaceChildren(first, ...cells.map((each) => each.cell));
      grid.style.gridTemplateColumns = `repeat(${span}, minmax(120px, 220px))`;
    }
    for (const each of cells) each.show();
  };
  const changed = "change:values change:sure change:allowed change:locked";
  model.on(changed, show);
  show();
  return () => model.off(changed, show);
}
export default { render };
