// TIFF: pixels as they are stored, in the order of the file.

import { fromArrayBuffer } from "geotiff";
import { ChooseError, splitChoice } from "./choice.js";
import { pairs } from "./stored.js";

const LOSSY = { 6: "old JPEG", 7: "JPEG", 33007: "JPEG", 34887: "LERC", 50001: "WebP", 34927: "WebP" };
const COLOURS = "it is a colour picture, and a colour is no intensity; save the intensities as grey";

export async function readTiff(content, dataset) {
  const marccd = new TextDecoder("latin1").decode(content.subarray(1028, 1031)) === "MMX";
  if (marccd) throw new Error("it is a MarCCD file, which only the full xrlab reads: xrlab interpret");
  const file = await fromArrayBuffer(content.slice().buffer);
  const pages = await file.getImageCount();
  const { index } = splitChoice(dataset);
  if (!index.length && pages > 1)
    throw new ChooseError(`it holds ${pages} frames: say which, from 0 to ${pages - 1}`);
  const number = index[0] ?? 0;
  if (number >= pages) throw new Error(`there is no frame ${number} in it; it holds ${pages}`);
  const image = await file.getImage(number);
  const tag = (name) => image.fileDirectory.getValue?.(name) ?? image.fileDirectory[name];
  const compression = tag("Compression") ?? 1;
  if (LOSSY[compression]) throw new Error(`its compression, ${LOSSY[compression]}, changes intensities`);
  if (tag("PhotometricInterpretation") === 3) throw new Error("it has a palette of colours; save the intensities as grey");
  const samples = image.getSamplesPerPixel();
  const bits = image.getBitsPerSample(0);
  const format = image.getSampleFormat(0);
  if (![8, 16, 32, 64].includes(bits) || ![1, 2, 3, undefined].includes(format))
    throw new Error(`its pixels of ${bits} bits are not read here; save it as 16-bit or 32-bit`);
  const planes = await image.readRasters({ interleave: false });
  if (samples > 1) {
    const [red, ...others] = [...planes].slice(0, 3);
    if (others.some((plane) => plane.some((value, n) => value !== red[n]))) throw new Error(COLOURS);
  }
  return {
    pixels: planes[0],
    rows: image.getHeight(),
    columns: image.getWidth(),
    kind: { 2: "i", 3: "f" }[format] ?? "u",
    bytes: bits / 8,
    header: headerOf(String(tag("ImageDescription") ?? "").replace(/\0+$/, ""), tag),
  };
}

function headerOf(description, tag) {
  const header = pairs(description);
  if (description.startsWith("ImageJ=")) {
    const said = Object.fromEntries(description.split("\n").map((line) => line.split("=")));
    if (said.images > 1) throw new Error(`it is an ImageJ stack of ${said.images} frames; save one alone`);
    if ("c0" in said && "c1" in said) {
      if (Number(said.cf ?? 0) !== 0) throw new Error("ImageJ calibrated it by a curve: save it in calibrated units, as 32-bit");
      Object.assign(header, { add_offset: said.c0, scale_factor: said.c1 });
    }
  }
  header.gdal_nodata = String(tag("GDAL_NODATA") ?? "").replace(/\0/g, "");
  for (const [, role, value] of String(tag("GDAL_METADATA") ?? "").matchAll(/role="(scale|offset)">([^<]+)</g))
    header[role === "scale" ? "scale_factor" : "add_offset"] = value;
  return header;
}
