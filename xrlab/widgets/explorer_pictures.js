// Pictures side by side, each from one byte per cell and a palette; a click says where.

const SIDE = 480;

function draw(canvas, panel, palette, point) {
  const { rows, columns } = panel;
  const pixels = new ImageData(columns, rows);
  const bytes = new Uint8Array(panel.data.buffer, panel.data.byteOffset, rows * columns);
  bytes.forEach((index, n) => {
    for (let part = 0; part < 3; part++) pixels.data[4 * n + part] = palette.getUint8(3 * index + part);
    pixels.data[4 * n + 3] = 255;
  });
  const small = new OffscreenCanvas(columns, rows);
  small.getContext("2d").putImageData(pixels, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, SIDE, SIDE);
  if (panel.texts.length) write(context, panel, pixels.data);
  if (panel.clickable) mark(context, point);
}

function write(context, { rows, columns, texts }, colours) {
  const [width, height] = [SIDE / columns, SIDE / rows];
  context.font = `${Math.min(height * 0.7, width * 0.3, 40)}px sans-serif`;
  if (texts.every((text) => text.length < 2)) context.font = `bold ${height * 0.7}px sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  texts.forEach((text, n) => {
    const [red, green, blue] = colours.subarray(4 * n, 4 * n + 3);
    context.fillStyle = 0.3 * red + 0.6 * green + 0.1 * blue > 140 ? "black" : "white";
    context.fillText(text, ((n % columns) + 0.5) * width, (Math.floor(n / columns) + 0.5) * height);
  });
}

function mark(context, [across, up]) {
  const [x, y] = [across * SIDE, (1 - up) * SIDE];
  for (const [colour, width] of [["black", 9], ["white", 4]]) {
    context.beginPath();
    context.arc(x, y, 16, 0, 2 * Math.PI);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.stroke();
  }
}

function makeFigure(model) {
  const figure = document.createElement("figure");
  figure.innerHTML = `<figcaption></figcaption><canvas role="img" width="${SIDE}" height="${SIDE}">
    </canvas><small></small>`;
  const [title, canvas, caption] = figure.children;
  let panel;
  canvas.addEventListener("click", (event) => {
    if (!panel.clickable) return;
    const edges = canvas.getBoundingClientRect();
    model.set("point", [
      (event.clientX - edges.left) / edges.width,
      (edges.bottom - event.clientY) / edges.height,
    ]);
    model.save_changes();
  });
  const show = (given) => {
    panel = given;
    if (title.textContent !== panel.title) title.textContent = panel.title;
    if (caption.textContent !== panel.caption) caption.textContent = panel.caption;
    canvas.setAttribute("aria-label", panel.description);
    canvas.classList.toggle("clickable", panel.clickable);
    draw(canvas, panel, model.get("palettes")[panel.palette], model.get("point"));
  };
  return { figure, show };
}

function render({ model, el }) {
  const row = document.createElement("div");
  row.className = "xrlab-pictures";
  el.append(row);
  let figures = [];
  let count = 0;
  const show = () => {
    const panels = model.get("panels");
    if (panels.length !== figures.length) {
      figures = panels.map(() => makeFigure(model));
      row.replaceChildren(...figures.map((each) => each.figure));
    }
    figures.forEach((each, n) => each.show(panels[n]));
    row.dataset.drawn = ++count; // for tests and benchmarks
  };
  const changed = "change:panels change:point";
  model.on(changed, show);
  show();
  return () => model.off(changed, show);
}
export default { render };
