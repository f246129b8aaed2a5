// The network for measured images, in a worker, so that the page stays free. A question that has
// not begun is dropped when a newer one of the same subject comes.

import { calibration, grid } from "./shared.js";
import { calibrated } from "./calibration.js";

let count = 0;
const waiting = new Map();
const queues = new Map();

// At once: it loads while the page is made.
const worker = new Worker(new URL("worker.js", document.baseURI), { type: "module" });
worker.addEventListener("message", ({ data }) => {
  const { resolve, reject } = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.error) reject(new Error(data.error));
  else resolve(data.answer);
});
worker.addEventListener("error", (event) => {
  for (const { reject } of waiting.values())
    reject(new Error(event.message || "the network did not load"));
  waiting.clear();
});

export function ask(task, content, transfer = []) {
  const id = ++count;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, task, content }, transfer);
  });
}

// Fetch and prepare the network before the first question.
export const warmUp = () => ask("warm", null);

// Copies of one image, NaN where unmeasured, as the network takes them.
function inputs(images, background, formFactor) {
  const pixels = grid.shape[0] * grid.shape[1];
  const image = new Float32Array(images.length * pixels);
  images.forEach((each, n) => {
    let [total, number] = [0, 0];
    for (const value of each)
      if (!Number.isNaN(value)) {
        total += value;
        number++;
      }
    image.set(each.map((value) => (value * number) / total), n * pixels);
  });
  const shares = new Float32Array(2 * images.length).fill(NaN);
  if (background) images.forEach((_, n) => shares.set(background, 2 * n));
  const factor = new Float32Array(images.length * pixels).fill(NaN);
  if (formFactor) images.forEach((_, n) => factor.set(formFactor[n] ?? formFactor[0], n * pixels));
  return { number: images.length, image, background: shares, form_factor: factor };
}

// Correlations, clipped to -1 and 1, their covariance, and the cleaned cell, for each image.
export async function answer(images, { background = null, formFactor = null } = {}) {
  const given = inputs(images, background, formFactor);
  const transferred = [given.image.buffer, given.background.buffer, given.form_factor.buffer];
  const { mean, scale, cell, took } = await ask("answer", given, transferred);
  const part = (all, n) => all.subarray((n * all.length) / images.length, ((n + 1) * all.length) / images.length);
  return images.map((_, n) => ({
    mean: Float64Array.from(part(mean, n), (c) => Math.min(1, Math.max(-1, c))),
    ...calibrated(part(scale, n), calibration),
    cell: Float64Array.from(part(cell, n)),
    took,
  }));
}

// The same for a picture that changes: null for all but the latest.
export async function latest(subject, images, knowledge) {
  const queue = queues.get(subject) ?? { busy: false, next: null };
  queues.set(subject, queue);
  queue.next?.(null);
  queue.next = null;
  if (queue.busy) {
    const turn = await new Promise((resolve) => (queue.next = resolve));
    if (!turn) return null;
  }
  queue.busy = true;
  try {
    return await answer(images, knowledge);
  } finally {
    queue.busy = false;
    const { next } = queue;
    queue.next = null;
    next?.(true);
  }
}

export const standardErrors = ({ mean, covariance }) =>
  Float64Array.from(mean, (_, n) => Math.sqrt(covariance[n * mean.length + n]));
