// Paint on an array of cells by mouse, touch or keyboard. The canvas shows row 0 at the bottom.

// Cells within the radius of a brush.
function disc(radius) {
  const reach = Math.floor(radius);
  const places = [];
  for (let i = -reach; i <= reach; i++)
    for (let j = -reach; j <= reach; j++) if (i * i + j * j <= radius * radius) places.push([i, j]);
  return places;
}

// Cells on a line from one to another, the first left out.
function line([x, y], [u, v]) {
  const steps = Math.max(Math.abs(u - x), Math.abs(v - y));
  return Array.from({ length: steps }, (_, n) => [
    Math.round(x + ((u - x) * (n + 1)) / steps),
    Math.round(y + ((v - y) * (n + 1)) / steps),
  ]);
}

// canvas: may be focused; cursor: an element that is moved over the cell of the keyboard.
// shape(): [rows, columns] now. radius(): of the brush, in cells.
// begin(): before a stroke. paint(places): cells [row, column] of the brush, outside ones as well.
export function makePainter({ canvas, cursor, shape, radius, begin, paint }) {
  let last = null;
  let at = null;

  const cell = (event) => {
    const [rows, columns] = shape();
    const edges = canvas.getBoundingClientRect();
    return [
      rows - 1 - Math.floor(((event.clientY - edges.top) / edges.height) * rows),
      Math.floor(((event.clientX - edges.left) / edges.width) * columns),
    ];
  };
  const stamp = (centres) => {
    const brush = disc(radius());
    paint(centres.flatMap(([row, column]) => brush.map(([i, j]) => [row + i, column + j])));
  };
  const show = () => {
    const [rows, columns] = shape();
    at ??= [Math.floor(rows / 2), Math.floor(columns / 2)];
    Object.assign(cursor.style, {
      left: `${(100 * at[1]) / columns}%`,
      bottom: `${(100 * at[0]) / rows}%`,
      width: `${100 / columns}%`,
      height: `${100 / rows}%`,
    });
  };

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    last = at = cell(event);
    begin();
    stamp([last]);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const centres = [];
    // All places between two frames, where the browser keeps them.
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) {
      const next = cell(each);
      centres.push(...line(last, next));
      last = next;
    }
    if (centres.length) stamp(centres);
  });
  for (const end of ["pointerup", "pointercancel"])
    canvas.addEventListener(end, () => (last = null));

  const steps = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const step = steps[event.key];
    const press = event.key === " " || event.key === "Enter";
    if ((!step && !press) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    show();
    if (step) {
      const sides = shape();
      at = at.map((place, n) => (place + step[n] + sides[n]) % sides[n]);
      show();
    }
    if (press || event.shiftKey) {
      if (!event.repeat) begin();
      stamp([at]);
    }
  });
  canvas.addEventListener("focus", show);
  return { place: () => at };
}
