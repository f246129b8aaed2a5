// The network and the readers of files, apart from the page.

import * as ort from "onnxruntime-web/wasm";

ort.env.wasm.numThreads = 1;
let session;

// A file that was packed when the site was built, whatever the server does.
async function unpacked(name) {
  const response = await fetch(new URL(name, self.location.href));
  if (!response.ok) throw new Error(`${name} is missing (${response.status}): load the page again`);
  const stream = response.body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

async function load() {
  const [program, network] = await Promise.all([unpacked("ort.wasm.gz"), unpacked("measured.onnx.gz")]);
  ort.env.wasm.wasmBinary = program;
  // To optimise the graph takes longer to compile and run than it saves.
  return ort.InferenceSession.create(network, { executionProviders: ["wasm"], graphOptimizationLevel: "disabled" });
}

async function answer({ number, image, background, form_factor }) {
  session ??= load();
  const tensor = (values, sides) => new ort.Tensor("float32", values, [number, ...sides]);
  const start = performance.now();
  const out = await (await session).run({
    image: tensor(image, [64, 64]),
    background: tensor(background, [2]),
    form_factor: tensor(form_factor, [64, 64]),
  });
  const took = performance.now() - start;
  return { mean: out.mean.data, scale: out.scale.data, cell: out.cell.data, took };
}

const tasks = {
  async warm() {
    session ??= load();
    await session;
  },
  answer,
  async join(content) {
    const { joinWindows } = await import("./sections.js");
    return joinWindows(content);
  },
  async read({ content, name, dataset }) {
    const { readFile } = await import("./reading/read.js");
    return readFile(new Uint8Array(content), name, dataset);
  },
};

// One after the other: the runtime takes one question at a time.
let last = Promise.resolve();
self.addEventListener("message", ({ data: { id, task, content } }) => {
  last = last.then(async () => {
    try {
      self.postMessage({ id, answer: await tasks[task](content) });
    } catch (error) {
      if (task === "warm" || task === "answer") session = undefined; // the next question tries again
      self.postMessage({ id, error: error.message || String(error) });
    }
  });
});
