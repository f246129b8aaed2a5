// Draw an array on a canvas, one square of colour for each value, as all figures of xrlab do: row 0
// at the bottom, NaN in grey.

export const UNMEASURED = [200, 200, 200];

// The value below which a part of the values lies; NaN left out.
export function quantile(values, part) {
  const sorted = Float64Array.from(values).filter((value) => !Number.isNaN(value)).sort();
  if (!sorted.length) return NaN;
  const place = part * (sorted.length - 1);
  const low = Math.floor(place);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (place - low) * (next - sorted[low]);
}

// palette: 256 colours, 3 bytes each. limits: values of the first and the last colour.
export function drawPicture(canvas, values, rows, columns, palette, limits) {
  if (canvas.width !== columns || canvas.height !== rows)
    [canvas.width, canvas.height] = [columns, rows];
  const [low, high] = limits ?? [0, quantile(values, 0.99)];
  const scale = 255 / Math.max(high - low, 1e-12);
  const pixels = new ImageData(columns, rows);
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < columns; n++) {
      const value = values[m * columns + n];
      const index = 3 * Math.min(255, Math.max(0, Math.floor((value - low) * scale)));
      const place = 4 * ((rows - 1 - m) * columns + n);
      for (let part = 0; part < 3; part++)
        pixels.data[place + part] = Number.isNaN(value) ? UNMEASURED[part] : palette[index + part];
      pixels.data[place + 3] = 255;
    }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

// Correlations of either sign from -limit to limit, given as rows: colours, and + or - where they are
// larger than `least`.
export function drawSigned(canvas, rows, palette, limit, least) {
  const size = rows.length;
  const side = Math.round(520 / size);
  const small = new OffscreenCanvas(size, size);
  drawPicture(small, rows.flatMap((row) => [...row]), size, size, palette, [-limit, limit]);
  canvas.width = canvas.height = side * size;
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  Object.assign(context, { textAlign: "center", textBaseline: "middle", font: `bold ${0.7 * side}px sans-serif` });
  rows.forEach((row, i) =>
    row.forEach((value, j) => {
      if (Math.abs(value) <= least) return;
      context.fillStyle = Math.abs(value) > 0.6 * limit ? "white" : "black";
      context.fillText(value > 0 ? "+" : "−", (j + 0.5) * side, (size - i - 0.5) * side);
    }),
  );
}
