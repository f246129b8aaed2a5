// Read a dropped file, known by its first bytes.

import { readNpy, readPgm, readPng } from "./formats.js";
import { ChooseError } from "./choice.js";
import { intensities } from "./stored.js";
import { readText } from "./table.js";

const MOST = 2 ** 29;

const begins = (content, sign, place = 0) => [...sign].every((byte, n) => content[place + n] === byte.charCodeAt(0));
const HDF5 = "\x89HDF\r\n\x1a\n";

const OTHERS = {
  "\xff\xd8\xff": "is a JPEG picture, which changes intensities: take what it was made from",
  GIF8: "is a GIF picture: take what it was made from",
  P6: "is a colour picture (PPM): save the intensities as grey",
  "%PDF": "is a PDF document: take the image it was made from",
  "PK\x03\x04": "is an archive (ZIP or NPZ): take the .npy out of it, or read it by the full xrlab",
  "###CBF": "is a CBF file, which only the full xrlab reads: xrlab interpret",
  "{": "is an EDF or SMV file, which only the full xrlab reads: xrlab interpret",
  "\x80\x04": "is a Python pickle, which could run code when loaded: save it as .npy",
};

async function stored(content, dataset) {
  if (!content.length) throw new Error("is empty (0 bytes): was it copied to the end?");
  if (content.length > MOST) throw new Error(`has ${content.length} bytes, and more than ${MOST} are not read`);
  if ([0, 512, 1024, 2048, 4096].some((place) => begins(content, HDF5, place)))
    return (await import("./hdf5.js")).readHdf5(content, dataset);
  for (const [sign, what] of Object.entries(OTHERS)) if (begins(content, sign)) throw new Error(what);
  if (begins(content, "\x1f\x8b")) {
    const stream = new Blob([content]).stream().pipeThrough(new DecompressionStream("gzip"));
    return stored(new Uint8Array(await new Response(stream).arrayBuffer()), dataset);
  }
  if (begins(content, "\x89PNG\r\n\x1a\n")) return readPng(content);
  if (begins(content, "\x93NUMPY")) return readNpy(content, dataset);
  if (["II*\0", "MM\0*", "II+\0", "MM\0+"].some((sign) => begins(content, sign)))
    return (await import("./tiff.js")).readTiff(content, dataset);
  if (["P2", "P5"].some((sign) => begins(content, sign))) return readPgm(content);
  return readText(content);
}

export async function readFile(content, name, dataset = null) {
  try {
    const found = await stored(content, dataset);
    const image = intensities(found);
    check(image, found);
    return { image, rows: found.rows, columns: found.columns, axes: found.axes ?? null };
  } catch (error) {
    const which = error instanceof ChooseError ? "Choose one: " : "";
    const reason = /^(is|has) /.test(error.message) ? error.message : `cannot be read as an image: ${error.message}`;
    throw new Error(`${which}${name} ${reason}`);
  }
}

// What `as_image` of the package refuses.
function check(image, { columns }) {
  const measured = image.filter((value) => !Number.isNaN(value));
  if (!measured.length) throw new Error("nothing in it was measured");
  let [low, high, place] = [Infinity, -Infinity, 0];
  image.forEach((value, n) => {
    if (value < low) [low, place] = [value, n];
    if (value > high) high = value;
  });
  if (low < 0)
    throw new Error(
      `an intensity cannot be negative; the lowest is ${low}, at row ${Math.floor(place / columns)}, column ${place % columns}. Set pixels that were not measured to NaN`,
    );
  if (low === high) throw new Error(`every measured pixel is ${low}: there is no pattern to read`);
}
