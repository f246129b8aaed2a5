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
export function calibrated(scale, { freedom, component, size, factor, independent }) {
  const n = component.length;
  let total = 0;
  for (let i = 0; i < n; i++) total += Math.log(scale[i * n + i]);
  const mean = total / n / 2;
  const wide = interpolate(mean, size, factor) * Math.sqrt(freedom / (freedom - 2));
  const kept = 1 - interpolate(mean, size, independent);
  const covariance = Float64Array.from(scale, (value, m) => {
    const [i, j] = [Math.floor(m / n), m % n];
    return value * wide ** 2 * component[i] * component[j] * (i === j ? 1 : kept);
  });
  return { covariance, freedom };
}
