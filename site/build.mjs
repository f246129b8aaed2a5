// Bundle the page: node build.mjs DATA MODEL OUT.

import { build } from "esbuild";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { constants, gzipSync } from "node:zlib";

const [data, model, out] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(import.meta.url);
const packed = (path) => gzipSync(readFileSync(path), { level: constants.Z_BEST_COMPRESSION });

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  entryPoints: { main: join(here, "main.js"), worker: join(here, "worker.js") },
  outdir: out,
  bundle: true,
  format: "esm",
  charset: "utf8", // h5wasm holds its program as text
  splitting: true,
  minify: true,
  target: "es2022",
  alias: {
    "shared.json": join(data, "shared.json"),
    widgets: join(here, "../xrlab/widgets"),
    lerc: join(here, "reading/none.js"), // a compression that changes intensities is refused before
  },
  loader: { ".json": "json" },
  chunkNames: "part-[hash]",
  legalComments: "linked",
  external: ["node:*", "fs", "path", "crypto", "worker_threads"],
  logLevel: "warning",
  metafile: true,
});
for (const name of ["icon.svg", "manifest.json"]) cpSync(join(here, name), join(out, name));
// The parts of the page are asked for together with it.
const [, page] = Object.entries(metafile.outputs).find(([name]) => basename(name) === "main.js");
const parts = page.imports.filter(({ kind }) => kind === "import-statement");
const links = parts.map(({ path }) => `<link rel="modulepreload" href="${basename(path)}">\n`).join("");
writeFileSync(join(out, "index.html"), readFileSync(join(here, "index.html"), "utf-8").replace("</head>", `${links}</head>`));
const styles = ["../xrlab/widgets/parts.css", "style.css"].map((name) => readFileSync(join(here, name), "utf-8"));
writeFileSync(join(out, "style.css"), styles.join("\n"));
const runtime = dirname(require.resolve("onnxruntime-web/wasm"));
writeFileSync(join(out, "ort.wasm.gz"), packed(join(runtime, "ort-wasm-simd-threaded.wasm")));
writeFileSync(join(out, "measured.onnx.gz"), packed(model));
writeFileSync(join(out, "rounds.json.gz"), packed(join(data, "rounds.json")));

// The service worker keeps these files, all of one build.
const files = readdirSync(out).filter((name) => !name.endsWith(".txt")).sort();
const hash = createHash("sha256");
for (const name of files) hash.update(name).update(readFileSync(join(out, name)));
const list = JSON.stringify(["./", ...files.filter((name) => name !== "index.html")]);
writeFileSync(
  join(out, "service-worker.js"),
  readFileSync(join(here, "service-worker.js"), "utf-8")
    .replace("BUILD", hash.digest("hex").slice(0, 16))
    .replace("FILES", list),
);
const sent = files.reduce((sum, name) => {
  const path = join(out, name);
  return sum + (name.endsWith(".gz") ? statSync(path).size : packed(path).length);
}, 0);
console.log(`${files.length + 1} files in ${out}, ${(sent / 1e6).toFixed(2)} MB packed`);
