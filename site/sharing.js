// An answer as a link: numbers packed into the fragment of the address, which no server sees.

import { cellSide, names } from "./shared.js";

const N = names.length;
const COMPACT = 1;

function toText(buffer) {
  const text = btoa(String.fromCharCode(...new Uint8Array(buffer)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromText(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0)).buffer;
}

// Mean to 1e-4, errors and their correlations as real and whole numbers, the square root of half of
// the cell (the other half is the same turned round) in 256 steps; then words.
export function pack({ mean, covariance, freedom, cell, about }) {
  const words = new TextEncoder().encode(JSON.stringify(about));
  const half = (cellSide * cellSide) / 2;
  const pairs = (N * (N - 1)) / 2;
  const view = new DataView(new ArrayBuffer(2 + 4 + 6 * N + 2 * pairs + 4 + half + words.length));
  let place = 0;
  const put = (kind, value, width) => {
    view[`set${kind}`](place, value, true);
    place += width;
  };
  put("Uint16", COMPACT, 2);
  put("Float32", freedom, 4);
  const error = (n) => Math.sqrt(covariance[n * N + n]);
  for (let n = 0; n < N; n++) {
    put("Int16", Math.round(mean[n] * 30000), 2);
    put("Float32", error(n), 4);
  }
  for (let n = 0; n < N; n++)
    for (let m = 0; m < n; m++) put("Int16", Math.round((30000 * covariance[n * N + m]) / error(n) / error(m)), 2);
  const top = Math.max(...cell);
  put("Float32", top, 4);
  for (let n = 0; n < half; n++) put("Uint8", Math.round(255 * Math.sqrt(cell[n] / top)), 1);
  words.forEach((byte) => put("Uint8", byte, 1));
  return toText(view.buffer);
}

export function unpack(text) {
  try {
    const view = new DataView(fromText(text));
    let place = 0;
    const get = (kind, width) => {
      place += width;
      return view[`get${kind}`](place - width, true);
    };
    if (get("Uint16", 2) !== COMPACT) throw new Error("made by another version of this page");
    const freedom = get("Float32", 4);
    const [mean, error] = [new Float64Array(N), new Float64Array(N)];
    for (let n = 0; n < N; n++) {
      mean[n] = get("Int16", 2) / 30000;
      error[n] = get("Float32", 4);
    }
    const covariance = new Float64Array(N * N);
    for (let n = 0; n < N; n++) {
      covariance[n * N + n] = error[n] ** 2;
      for (let m = 0; m < n; m++)
        covariance[n * N + m] = covariance[m * N + n] = (get("Int16", 2) / 30000) * error[n] * error[m];
    }
    const top = get("Float32", 4);
    const cell = new Float64Array(cellSide * cellSide);
    for (let n = 0; n < cell.length / 2; n++)
      cell[n] = cell[cell.length - 1 - n] = top * (get("Uint8", 1) / 255) ** 2;
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, place)));
    if (![freedom, ...mean, ...error].every(Number.isFinite)) throw new Error("numbers are missing");
    return { mean, covariance, freedom, cell, about };
  } catch (error) {
    throw new Error(`this link holds no answer (${error.message}): was it copied to the end?`);
  }
}
