// What the network's scale matrices become: `calibrated` of xrlab/networks/measured.py, in numbers
// of the network's card.

function interpolate(x, points, values) {
  if (x <= points[0]) return values[0];
  for (let n = 1; n < points.length; n++)
    if (x <= points[n]) {
      const part = (x - points[n - 1]) / (points[n] - points[n - 1]);
      return values[n - 1] + part * (values[n] - values[n - 1]);
    }
  return values.at(-1);
}

// scale: n x n numbers, row by row. Returns the covariance likewise, and the degrees of freedom.
export function calibrated(scale, { freedom, component, size, factor }) {
  const n = component.length;
  let total = 0;
  for (let i = 0; i < n; i++) total += Math.log(scale[i * n + i]);
  const wide = interpolate(total / n / 2, size, factor) * Math.sqrt(freedom / (freedom - 2));
  const covariance = Float64Array.from(
    scale,
    (value, m) => value * wide ** 2 * component[Math.floor(m / n)] * component[m % n],
  );
  return { covariance, freedom };
}
