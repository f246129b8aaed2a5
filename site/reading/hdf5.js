// The image of an HDF5 file, what is unmeasured in it, and its axes: NeXus and its relatives, by
// the rules of xrlab/io/hdf5.py.

import * as h5wasm from "h5wasm";
import { ChooseError, frameOf, splitChoice } from "./choice.js";
import { miller, splitUnit } from "./section.js";

const BESIDE = /^(?:(?:pixel_?|bad_?pixels?_?|data_?)?mask(?:_.*|\d*)|.*_(?:mask|weights|errors?|sigma|variances?)|sigma|errors?(?:_squared)?|uncertainties|variances?|weights|flat_?field.*|dark.*|gain(?:_?map)?|bias|pedestal.*|countrate_correction.*|trimbit.*|num_events|number_of_pixels_rebinned|.*matrix|metric_tensor|unit_cell.*)$/i;
const BAD = ["{}_mask", "mask", "pixel_mask", "{}_pixel_mask", "data_mask", "bad_pixel_mask"];
const GOOD = ["weights", "{}_weights", "number_of_pixels_rebinned", "valid", "{}_valid", "good_pixels"];
const PLANE = /^(.*?)[[\s,;]*\b([a-z]\w*)\s*=\s*([-+]?[\d.]+)\s*\]?$/is;

const last = (path) => path.split("/").at(-1);
const isGroup = (node) => node instanceof h5wasm.Group;
const isArray = (node) => node instanceof h5wasm.Dataset && [0, 1].includes(node.metadata.type);

function text(node, name) {
  const value = node.attrs?.[name]?.value;
  return typeof value === "string" ? value.trim() : Array.isArray(value) && value.length === 1 ? String(value[0]).trim() : value == null ? "" : String(value);
}

function follow(group, path) {
  if (!path) return null;
  const node = group.get(path);
  if (node instanceof h5wasm.ExternalLink)
    throw new Error(`${path} lies in another file, ${node.filename}, which is not followed: open that one`);
  if (node instanceof h5wasm.BrokenSoftLink) return null;
  return node;
}

function signalOf(group) {
  for (const path of [text(group, "signal"), "MDHistoWorkspace/data/signal"]) {
    const node = follow(group, path);
    if (isArray(node)) return node;
  }
  return null;
}

function contents(file) {
  const [found, others] = [[], []];
  const groups = [file];
  for (const group of groups) {
    for (const name of group.keys()) {
      if (found.length + groups.length > 2000) throw new Error("it holds more than 2000 things: name the data set");
      const node = group.get(name);
      if (node instanceof h5wasm.ExternalLink) others.push([`${group.path}/${name}`, node.filename]);
      else if (isGroup(node)) groups.push(node);
      else if (isArray(node)) found.push({ node, group });
    }
  }
  return { found, others };
}

const listed = (nodes) => nodes.map(({ node }) => `${node.path} (${node.shape.join(" × ")})`).join(", ");

function chosen(file, name) {
  if (name) {
    let node = follow(file, name);
    let group = file.get(name.replace(/^\/|\/$/g, "").split("/").slice(0, -1).join("/") || "/");
    if (isGroup(node)) [node, group] = [signalOf(node), node];
    if (!isArray(node)) throw new Error(`there is no data set ${name} in it; there is ${listed(contents(file).found)}`);
    return { node, group };
  }
  let group = file;
  for (let depth = 0; depth < 5; depth++) {
    const node = signalOf(group);
    if (node) return { node, group: group === file ? parentOf(file, node) : group };
    const after = follow(group, text(group, "default"));
    if (!isGroup(after)) break;
    group = after;
  }
  const { found, others } = contents(file);
  const images = found.filter(({ node }) => node.shape.filter((side) => side > 1).length > 1);
  const marked = images.filter(({ node, group: own }) => text(own, "signal") === last(node.path) || text(node, "signal") === "1");
  const candidates = marked.length ? marked : images.filter(({ node }) => !BESIDE.test(last(node.path)));
  if (candidates.length === 1 && (marked.length || !others.length)) return candidates[0];
  if (others.length && !candidates.length)
    throw new Error(`${others[0][0]} lies in another file, ${others[0][1]}, which is not followed: open that one`);
  if (!images.length) throw new Error("there is no array of numbers with two axes in it");
  throw new ChooseError(`it holds several arrays, say which: ${listed(candidates.length ? candidates : images)}`);
}

const parentOf = (file, node) => file.get(node.path.split("/").slice(0, -1).join("/") || "/");

const array = (node) => (Array.isArray(node.value) ? Float64Array.from(node.value, Number) : node.value);

function axisOf(group, name, dimension, shape) {
  if (!name || name === ".") return null;
  const node = group.get(name);
  if (!isArray(node) || node.shape.length !== 1) return null;
  let values = Array.from(array(node), Number);
  if (![shape[dimension], shape[dimension] + 1].includes(values.length)) return null;
  if (values.length > shape[dimension]) values = values.slice(1).map((value, n) => (value + values[n]) / 2);
  const label = text(node, "long_name") || last(name);
  const unit = text(node, "units");
  return [unit && !label.includes(unit) ? `${label} (${unit})` : label, values];
}

function axesOf(node, group) {
  const { shape } = node;
  let names = shape.map(() => "");
  const said = node.attrs?.axes?.value ?? group.attrs?.axes?.value;
  if (said != null) {
    const list = (Array.isArray(said) ? said : String(said).replace(/^\[|\]$/g, "").split(/[:,]/)).map((name) => String(name).trim());
    const placed = list.some((name) => group.attrs?.[`${name}_indices`]);
    list.forEach((name, n) => {
      const place = Number([group.attrs?.[`${name}_indices`]?.value ?? n].flat()[0]);
      if (place < shape.length) names[place] = name;
    });
    if (list.length !== shape.length && !placed) names = shape.map(() => "");
  }
  const own = [..."hkl"].slice(0, shape.length).map((letter) => `${letter}_axis`);
  if (!names.some(Boolean) && own.every((name) => group.get(name))) names = own;
  const axes = names.map((name, n) => axisOf(group, name, n, shape));
  const beside = (...options) => {
    for (const name of options) if (isArray(group.get(name))) return Array.from(array(group.get(name)), Number);
    return [];
  };
  let [begin, step] = [beside("lower_limits"), beside("step_sizes", "step_size")];
  const top = beside("maxind");
  if (begin.length !== shape.length && top.length === shape.length) {
    begin = top.map((value) => -value);
    step = top.map((value, n) => (2 * value) / Math.max(shape[n] - 1, 1));
  }
  if (shape.length === 3 && begin.length === 3 && step.length === 3 && !axes.some(Boolean))
    return [..."hkl"].map((name, n) => [name, Array.from({ length: shape[n] }, (_, m) => begin[n] + step[n] * m)]);
  return axes;
}

function detectors(file, node, group) {
  const found = [group];
  const parent = parentOf(file, node);
  if (parent.path !== group.path) found.push(parent);
  const entry = file.get(node.path.split("/")[1]);
  const instrument = isGroup(entry) ? entry.get("instrument") : null;
  for (const name of isGroup(instrument) ? instrument.keys() : []) {
    const detector = instrument.get(name);
    if (!isGroup(detector)) continue;
    found.push(detector);
    const inner = detector.get("detectorSpecific");
    if (isGroup(inner)) found.push(inner);
  }
  return found;
}

function maskOf(file, node, group, take) {
  const valid = group.keys().includes("h_axis");
  let lost = null;
  for (const place of detectors(file, node, group))
    for (const [patterns, bad] of [
      [BAD, true],
      [GOOD, false],
    ]) {
      const asked = new Set(patterns.flatMap((name) => [last(node.path), text(group, "signal")].map((own) => name.replace("{}", own))));
      if (bad && [group.path, parentOf(file, node).path].includes(place.path)) asked.add(text(node, "mask"));
      for (const name of asked) {
        const mask = name && place.keys().includes(name) ? place.get(name) : null;
        if (!isArray(mask) || mask.path === node.path || mask.shape.join() !== node.shape.join()) continue;
        const part = take(mask).pixels;
        lost ??= new Uint8Array(part.length);
        part.forEach((value, n) => (lost[n] ||= (Number(value) !== 0) === (bad && !valid) ? 1 : 0));
      }
    }
  return lost;
}

function headerOf(file, node, group) {
  const header = {};
  for (const name of Object.keys(node.attrs ?? {})) {
    const value = node.attrs[name].value;
    if (typeof value === "string") header[name] = value;
    else if (value != null && !Array.isArray(value)) header[name] = typeof value === "object" ? Array.from(value, Number).slice(0, 2) : Number(value);
    else if (Array.isArray(value) && value.every((each) => typeof each !== "object")) header[name] = value.slice(0, 2).map(Number);
  }
  const name = text(group, "signal") || last(node.path);
  for (const [key, word] of [
    ["scaling_factor", "scale_factor"],
    ["offset", "add_offset"],
  ]) {
    for (const given of [key, `${name}_${key}`])
      if (group.keys().includes(given) && isArray(group.get(given))) header[word] = Number([array(group.get(given))].flat()[0] ?? group.get(given).value);
    if (key in header) {
      header[word] = header[key];
      delete header[key];
    }
  }
  for (const place of detectors(file, node, group)) {
    const near = [group.path, parentOf(file, node).path].includes(place.path);
    if (!near && node.metadata.type !== 0) continue;
    for (const word of ["saturation_value", "underload_value", "countrate_correction_count_cutoff"])
      if (place.keys().includes(word) && isArray(place.get(word))) header[word] = Number([place.get(word).value].flat()[0]);
  }
  return header;
}

export async function readHdf5(content, dataset) {
  const { FS } = await h5wasm.ready;
  FS.writeFile("/dropped.h5", content);
  const file = new h5wasm.File("/dropped.h5", "r");
  try {
    return imageOf(file, dataset);
  } finally {
    file.close();
    FS.unlink("/dropped.h5");
  }
}

function imageOf(file, dataset) {
  const plane = dataset?.match(PLANE);
  const choice = plane ? { name: plane[1].trim(), index: [] } : splitChoice(dataset);
  const { node, group } = chosen(file, choice.name);
  if (text(node, "MATLAB_class") || node.attrs?.MATLAB_class) throw new Error("it is a file of MATLAB, which only the full xrlab reads: xrlab interpret");
  const axes = axesOf(node, group);
  const index = frameOf(node.shape, plane ? planeOf(axes, node, plane) : choice.index, node.path);
  const kept = index.flatMap((place, n) => (place === null ? [n] : []));
  const take = (from) => ({
    pixels: from.slice(index.map((place) => (place === null ? [] : [place, place + 1]))),
  });
  let { pixels } = take(node);
  if (Array.isArray(pixels)) pixels = Float64Array.from(pixels, Number);
  const counts = group.get("number_of_pixels_rebinned");
  if (node.path.endsWith("rebinned_data") && isArray(counts)) {
    const share = take(counts).pixels;
    pixels = Float64Array.from(pixels, (value, n) => Number(value) / Number(share[n]));
  }
  const { type, size, signed } = node.metadata;
  const both = kept.map((n) => axes[n]);
  return {
    pixels,
    rows: node.shape[kept[0]],
    columns: node.shape[kept[1]],
    kind: type === 1 ? "f" : signed ? "i" : "u",
    bytes: size,
    header: headerOf(file, node, group),
    mask: maskOf(file, node, group, take),
    axes: both.every(Boolean) ? both : null,
  };
}

function planeOf(axes, node, [, , letter, value]) {
  const known = new Map();
  axes.forEach((axis, n) => axis && known.set(miller(axis[0]) ?? splitUnit(axis[0])[0].toLowerCase(), [n, axis[1]]));
  const [dimension, values] = known.get(letter.toLowerCase()) ?? [];
  if (dimension === undefined)
    throw new Error(`${node.path} has no axis ${letter} with known values; it has ${[...known.keys()].join(", ") || "none"}`);
  const nearest = values.reduce((best, each, n) => (Math.abs(each - value) < Math.abs(values[best] - value) ? n : best), 0);
  return node.shape.map((_, n) => (n === dimension ? nearest : null));
}
