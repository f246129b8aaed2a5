// Choose one image of a stack: "entry/data[3]", "[:, 5]" or a number.

export function splitChoice(dataset) {
  if (dataset == null || dataset === "") return { name: null, index: [] };
  if (/^\d+$/.test(dataset)) return { name: null, index: [Number(dataset)] };
  const [, name, index] = dataset.match(/^(.*?)(?:\[([\d\s,:]+)\])?$/s);
  return {
    name: name || null,
    index: index ? index.split(",").map((part) => (part.trim() === ":" ? null : Number(part))) : [],
  };
}

// An index for every axis of a stored array, null where the whole axis is taken: two of them.
export function frameOf(shape, index, what) {
  let chosen = index;
  if (!chosen.length && shape.length > 2) chosen = shape.map((n) => (n === 1 ? 0 : null));
  const padded = shape.map((_, n) => chosen[n] ?? null);
  if (chosen.length > shape.length || padded.some((place, n) => place !== null && place >= shape[n]))
    throw new Error(`${what} has shape ${shape.join(" × ")}: there is no frame [${chosen}] in it`);
  const left = padded.filter((place) => place === null).length;
  if (left > 2)
    throw new ChooseError(
      `${what} is a stack of shape ${shape.join(" × ")}: say which image, such as [${Array(left - 2).fill(0)}] for the first`,
    );
  if (left < 2) throw new Error(`${what} has shape ${shape.join(" × ")}, and an image has two axes`);
  return padded;
}

export class ChooseError extends Error {}
