// Readers of NPY, PGM and PNG; each gives pixels as they are stored.

import { decode } from "fast-png";
import { frameOf, splitChoice } from "./choice.js";

const TYPES = {
  u1: Uint8Array, i1: Int8Array, u2: Uint16Array, i2: Int16Array, u4: Uint32Array, i4: Int32Array,
  u8: BigUint64Array, i8: BigInt64Array, f4: Float32Array, f8: Float64Array,
};

// Numbers of a type such as "f4" from a place in the bytes on.
export function numbers(content, start, type, count, little) {
  const Kind = TYPES[type];
  const width = Number(type[1]);
  const needed = count * width;
  if (content.length - start < needed)
    throw new Error(`the file is cut off: ${needed} bytes of pixels are needed, ${Math.max(content.length - start, 0)} are there`);
  const part = content.slice(start, start + needed);
  if (!little && width > 1)
    for (let n = 0; n < needed; n += width) part.subarray(n, n + width).reverse();
  return new Kind(part.buffer);
}

// One image of an array with any number of axes.
export function frame(values, shape, index, fortran = false) {
  const steps = shape.map((_, n) =>
    (fortran ? shape.slice(0, n) : shape.slice(n + 1)).reduce((all, side) => all * side, 1),
  );
  const [up, across] = index.flatMap((place, n) => (place === null ? [n] : []));
  const start = index.reduce((sum, place, n) => sum + (place ?? 0) * steps[n], 0);
  const [rows, columns] = [shape[up], shape[across]];
  const pixels = new values.constructor(rows * columns);
  for (let m = 0; m < rows; m++)
    for (let n = 0; n < columns; n++)
      pixels[m * columns + n] = values[start + m * steps[up] + n * steps[across]];
  return { pixels, rows, columns };
}

export function readNpy(content, dataset) {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const [major] = [content[6]];
  if (major !== 1 && major !== 2) throw new Error(`version ${major} of NumPy's format is not for images`);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const begin = major === 1 ? 10 : 12;
  const header = new TextDecoder("latin1").decode(content.subarray(begin, begin + length));
  const [, order, type] = header.match(/'descr':\s*'([<>|=])(\w+)'/) ?? [];
  const sides = header.match(/'shape':\s*\(([^)]*)\)/)?.[1];
  if (!TYPES[type] || sides === undefined)
    throw new Error(`the array holds ${header.match(/'descr':\s*('[^']*'|\[)/)?.[1] ?? "something unknown"}, and an image holds real numbers`);
  const shape = sides.split(",").filter((side) => side.trim()).map(Number);
  const index = frameOf(shape, splitChoice(dataset).index, "the array");
  const count = shape.reduce((all, side) => all * side, 1);
  const values = numbers(content, begin + length, type, count, order !== ">");
  const fortran = /'fortran_order':\s*True/.test(header);
  return { ...frame(values, shape, index, fortran), kind: type[0], bytes: Number(type[1]) };
}

export function readPgm(content) {
  const text = new TextDecoder("latin1").decode(content);
  const space = String.raw`(?:\s|#[^\n\r]*[\n\r])+`;
  const header = text.match(new RegExp(`^P([25])${space}(\\d+)${space}(\\d+)${space}(\\d+)(?:\\s*#[^\\n\\r]*[\\n\\r]|\\s)`));
  if (!header) throw new Error("the header of the PGM is damaged, or it is not a grey map");
  const [columns, rows, highest] = header.slice(2, 5).map(Number);
  if (highest < 1 || highest > 65535)
    throw new Error(`the largest value of a PGM is from 1 to 65535; this one says ${highest}`);
  const type = highest < 256 ? "u1" : "u2";
  let pixels;
  if (header[1] === "5") {
    const start = header[0].length;
    pixels = numbers(content, start, type, rows * columns, false);
    const rest = content.length - start - pixels.byteLength;
    const after = text.slice(text.length - rest).replace(/[\0\s]/g, "");
    if (rest > 0 && after) throw new Error(`${after.length} bytes follow the pixels: were line ends changed in a transfer?`);
  } else {
    const words = text.slice(header[0].length).replace(/#[^\n\r]*/g, "").trim().split(/\s+/);
    if (words.length < rows * columns)
      throw new Error(`the PGM is cut off after ${words.length} of ${rows * columns} pixels`);
    pixels = Float64Array.from(words.slice(0, rows * columns), Number);
  }
  if (pixels.some((value) => value > highest))
    throw new Error(`a pixel is above the largest value of the header, ${highest}`);
  return { pixels, rows, columns, kind: "u", bytes: Number(type[1]) };
}

export function readPng(content) {
  const { width, height, data, channels, depth, palette, transparency } = decode(content);
  const stored = { rows: height, columns: width, kind: "u", bytes: depth === 16 ? 2 : 1 };
  const part = (n, m) => data[n * channels + m];
  if (palette || channels === 3 || channels === 4 || channels === 2) {
    if (depth === 16) throw new Error("it is a colour picture of 16 bits; save the intensities as grey");
    const colour = palette
      ? (n) => palette[unpacked(data, depth, width, n)]
      : channels === 2
        ? (n) => [part(n, 0), part(n, 0), part(n, 0), part(n, 1)]
        : (n) => [part(n, 0), part(n, 1), part(n, 2), channels === 4 ? part(n, 3) : 255];
    const grey = new Uint8Array(width * height);
    let first;
    grey.forEach((_, n) => {
      const [red, green, blue, alpha = 255] = colour(n);
      if (red !== green || red !== blue)
        throw new Error("it is a colour picture, and a colour is no intensity; save the intensities as grey");
      first ??= alpha;
      if (alpha !== first) throw new Error("parts of the picture are transparent; save the intensities as grey");
      grey[n] = red;
    });
    return { ...stored, pixels: grey };
  }
  if (depth < 8) {
    const scale = 255 / (2 ** depth - 1);
    return { ...stored, pixels: Uint8Array.from({ length: width * height }, (_, n) => unpacked(data, depth, width, n) * scale) };
  }
  return { ...stored, pixels: data, transparency };
}

// A value of a picture with several in a byte; rows begin with a byte.
function unpacked(data, depth, width, n) {
  if (depth === 8) return data[n];
  const row = Math.ceil((width * depth) / 8);
  const bit = (n % width) * depth;
  const byte = data[Math.floor(n / width) * row + (bit >> 3)];
  return (byte >> (8 - depth - (bit % 8))) & (2 ** depth - 1);
}
