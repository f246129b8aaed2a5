// Drop a measured image: window, mask, what is known of the background, and the answer.

import { latticeImage } from "widgets/diffraction.js";
import { randomFrom, realisedCorrelations } from "widgets/lattice.js";
import { makePainter } from "widgets/painter.js";
import { drawPicture, quantile } from "widgets/picture.js";
import { agreement, conclude, exchangedBack, precision, views } from "./checks.js";
import { jointErrors } from "./joint.js";
import { answer, ask, latest, standardErrors } from "./network.js";
import { cornersOf, fromRange, onAxes, windowOf } from "./reading/section.js";
import { loadRounds } from "./rounds.js";
import { grid, lotSize, names, palettes, sectionRules, size, span, version } from "./shared.js";
import { pack, unpack } from "./sharing.js";
import { structure, unfold } from "./structure.js";
import {
  box,
  button,
  choices,
  correlationTable,
  direct,
  element,
  framed,
  hint,
  intro,
  number,
  reciprocal,
  save,
  scroll,
  showImage,
  showSites,
} from "./ui.js";

const FORMATS = ".tif,.tiff,.npy,.csv,.txt,.dat,.png,.pgm,.h5,.hdf5,.nxs,.gz";
const [ROWS, COLUMNS] = grid.shape;
const PREVIEW = 512;
const minus = (number) => String(number).replace("-", "−");
const BATCH = 8; // windows that the network reads at once

export function openRead(place) {
  let file = null; // {name, content, image, rows, columns, axes}
  let whole = null; // a section {image, h, k}
  let corner = null;
  let every = false; // every window of the section is read
  let image = null; // of the window, as it was cut
  let masked = new Uint8Array(ROWS * COLUMNS);
  let result = null;
  let knowledge = "unknown";
  let unmask = false;
  let brush = 3;
  let trying = 0;
  let changes = 0;
  let refused = 0; // answers to questions before this one come too late

  const status = element("p", { class: "status", role: "status" });
  const refuse = (error) => {
    status.textContent = error.message;
    status.classList.add("bad");
  };
  const say = (text) => {
    status.textContent = text;
    status.classList.remove("bad");
  };

  // Files

  const input = element("input", {
    type: "file",
    accept: FORMATS,
    onchange: () => input.files[0] && take(input.files[0]),
    "aria-label": "Choose a file",
  });
  const drop = element(
    "label",
    { class: "drop" },
    input,
    element("strong", {}, "Drop a measured image here, or choose a file"),
    element("span", {}, "TIFF, NPY, CSV, PNG, PGM, HDF5. It stays in this browser."),
  );
  const which = element("input", { type: "text", id: "which", autocomplete: "off", onchange: () => open() });
  const whichRow = element("div", { class: "row", hidden: true }, element("label", { for: "which" }, "Data set or frame"), which);
  for (const name of ["dragover", "dragleave", "drop"])
    place.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
    });

  async function take(given) {
    say(`Reading ${given.name} …`);
    forget();
    file = { name: given.name, content: await given.arrayBuffer() };
    which.value = "";
    whichRow.hidden = true;
    await open();
    input.value = "";
  }

  async function open() {
    const turn = ++trying;
    try {
      const read = await ask("read", { content: file.content, name: file.name, dataset: which.value || null });
      if (turn !== trying) return;
      Object.assign(file, read);
    } catch (error) {
      if (turn !== trying) return;
      whichRow.hidden = !error.message.startsWith("Choose one") && !which.value;
      forget();
      refuse(error);
      return;
    }
    whole = null;
    try {
      whole = onAxes(file);
    } catch (error) {
      refuse(error);
    }
    if (whole) showSection();
    else if (file.rows === ROWS && file.columns === COLUMNS && !file.axes) {
      say(`${file.name}: ${ROWS} × ${COLUMNS} pixels, taken as h and k from 0 to 2 r.l.u.`);
      cutting.hidden = true;
      setWindow(file.image);
    } else {
      if (!file.axes)
        say(`${file.name} has ${file.rows} × ${file.columns} pixels and does not say its h and k. Drag over 2 × 2 reciprocal cells, from Bragg position to Bragg position, or give h and k.`);
      showPreview(file);
    }
  }

  function forget() {
    refused = ++changes;
    [whole, image, result, corner] = [null, null, null, null];
    readEvery(false);
    for (const part of [cutting, working, answers]) part.hidden = true;
  }

  // The section and the window in it

  const preview = framed("The whole section", "The section; drag to choose the window", { focusable: true });
  const frame = element("div", { class: "window", hidden: true });
  preview.cursor.after(frame);
  const ends = ["h first", "h last", "k first", "k last"].map((text) => number(text, { step: "any" }));
  const starts = ["window h", "window k"].map((text) => number(text, { step: 1, oninput: () => moveWindow() }));
  const reading = choices("Read", [["one", "this window"], ["all", "all windows, joined"]], "one", (value) => {
    readEvery(value === "all");
    if (every) changed();
    else chooseWindow(corner);
  });
  function readEvery(value) {
    every = value;
    reading.querySelectorAll("input").forEach((input) => (input.checked = (input.value === "all") === every));
    for (const part of [...starts.map((each) => each.label), masking]) part.hidden = every;
  }
  const cutting = element(
    "div",
    { class: "card", hidden: true },
    preview.figure,
    hint("Drag over 2 × 2 reciprocal cells; with known h and k a click or the arrow keys move the window by whole cells."),
    box("row numbers", ends.map((each) => each.label), button("Use these h and k", useEnds)),
    box("row numbers", starts.map((each) => each.label)),
    reading,
  );

  function showPreview({ image: pixels, rows, columns }) {
    cutting.hidden = false;
    steps.hidden = true;
    const step = Math.ceil(Math.max(rows, columns) / PREVIEW);
    const [m, n] = [Math.ceil(rows / step), Math.ceil(columns / step)];
    const small = new Float64Array(m * n);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) small[i * n + j] = pixels[i * step * columns + j * step];
    drawPicture(preview.canvas, small, m, n, palettes.intensity, [0, quantile(small, 0.98)]);
    preview.canvas.parentElement.style.aspectRatio = `${columns} / ${rows}`;
    frame.hidden = true;
    readEvery(false);
    reading.hidden = true;
    for (const each of starts) each.input.disabled = true;
  }

  function showSection() {
    showPreview({ image: whole.image, rows: whole.h.length, columns: whole.k.length });
    [whole.h[0], whole.h.at(-1), whole.k[0], whole.k.at(-1)].forEach((value, n) => (ends[n].input.value = +value.toFixed(4)));
    const corners = cornersOf(whole);
    if (!corners.length) {
      refuse(new Error(`${file.name} holds no window of 2 × 2 reciprocal cells from whole numbers on of which half was measured`));
      return;
    }
    say(`${file.name}: h from ${whole.h[0].toPrecision(3)} to ${whole.h.at(-1).toPrecision(3)}, k from ${whole.k[0].toPrecision(3)} to ${whole.k.at(-1).toPrecision(3)}; one of ${corners.length} windows.`);
    for (const each of starts) each.input.disabled = false;
    reading.hidden = corners.length < 2;
    chooseWindow(corners[0]);
  }

  function useEnds() {
    const [h0, h1, k0, k1] = ends.map((each) => each.input.valueAsNumber);
    try {
      if (![h0, h1, k0, k1].every(Number.isFinite) || h0 === h1 || k0 === k1)
        throw new Error("Give h and k of the first and last row and column: four numbers, different ones along each axis.");
      whole = fromRange(file, [h0, h1], [k0, k1]);
      showSection();
    } catch (error) {
      refuse(error);
    }
  }

  function showFrame() {
    starts.forEach((each, n) => (each.input.value = corner[n]));
    frame.hidden = false;
    const part = (values, from) => (100 * (from - values[0])) / (values.at(-1) - values[0]);
    Object.assign(frame.style, {
      bottom: `${part(whole.h, corner[0])}%`,
      left: `${part(whole.k, corner[1])}%`,
      height: `${part(whole.h, whole.h[0] + 2)}%`,
      width: `${part(whole.k, whole.k[0] + 2)}%`,
    });
  }

  function chooseWindow(next) {
    try {
      const cut = windowOf(whole, next);
      corner = next;
      showFrame();
      if (status.classList.contains("bad")) say("");
      setWindow(cut);
    } catch (error) {
      refuse(error);
    }
  }

  function moveWindow() {
    const next = starts.map((each) => each.input.valueAsNumber);
    if (whole && next.every(Number.isInteger)) chooseWindow(next);
  }

  // A drag says where 2 x 2 cells lie; a click in a section moves the window.
  let from = null;
  const pointed = (event) => {
    const edges = preview.canvas.getBoundingClientRect();
    return [(edges.bottom - event.clientY) / edges.height, (event.clientX - edges.left) / edges.width];
  };
  preview.canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    preview.canvas.focus({ preventScroll: true });
    preview.canvas.setPointerCapture(event.pointerId);
    from = pointed(event);
  });
  preview.canvas.addEventListener("pointermove", (event) => {
    if (!from || whole) return;
    const to = pointed(event);
    frame.hidden = false;
    const [low, high] = [0, 1].map((side) => from.map((value, n) => (side ? Math.max : Math.min)(value, to[n])));
    Object.assign(frame.style, {
      bottom: `${100 * low[0]}%`,
      left: `${100 * low[1]}%`,
      height: `${100 * (high[0] - low[0])}%`,
      width: `${100 * (high[1] - low[1])}%`,
    });
  });
  preview.canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    const to = pointed(event);
    const first = from;
    from = null;
    if (every) return;
    if (whole) {
      const at = [whole.h, whole.k].map((values, n) => Math.round(values[0] + to[n] * (values.at(-1) - values[0]) - 1));
      chooseWindow(at);
      return;
    }
    // Fractions of the picture, whose pixels' middles are half a pixel inside.
    const sides = [file.rows, file.columns];
    const pixel = (value, n) => value * sides[n] - 0.5;
    const spans = [0, 1].map((n) => [pixel(Math.min(first[n], to[n]), n), pixel(Math.max(first[n], to[n]), n)]);
    if (spans.some(([low, high]) => high - low < 8)) return;
    spans.forEach(([low, high], n) => {
      const at = (row) => (2 * (row - low)) / (high - low);
      ends[2 * n].input.value = +at(0).toFixed(4);
      ends[2 * n + 1].input.value = +at(sides[n] - 1).toFixed(4);
    });
    useEnds();
  });
  preview.canvas.addEventListener("keydown", (event) => {
    const step = { ArrowUp: [1, 0], ArrowDown: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key];
    if (!step || !whole || !corner || every) return;
    event.preventDefault();
    chooseWindow(corner.map((value, n) => value + step[n]));
  });

  // The window, its mask and what is known

  const picture = framed("The window that is read", "The image; paint what was not measured", { axes: reciprocal, focusable: true });
  makePainter({
    canvas: picture.canvas,
    cursor: picture.cursor,
    shape: () => [ROWS, COLUMNS],
    radius: () => (brush - 1) / 2,
    begin() {},
    paint(cells) {
      if (every) return;
      for (const [row, column] of cells)
        if (row >= 0 && column >= 0 && row < ROWS && column < COLUMNS) masked[row * COLUMNS + column] = unmask ? 0 : 1;
      changed();
    },
  });
  const above = number("unmeasured above", { step: "any", oninput: () => changed() });
  const shares = ["at least", "at most"].map((text) => number(text, { min: 0, max: 1, step: 0.05, value: text === "at least" ? 0.1 : 0.4, oninput: () => changed() }));
  const shareRow = element("div", { class: "row numbers", hidden: true }, shares.map((each) => each.label));
  const masking = box("tools",
    choices("Mask", [["mask", "paint it"], ["unmask", "erase it"]], "mask", (value) => (unmask = value === "unmask")),
    choices("Width", [["1", "1"], ["3", "3"], ["7", "7"]], "3", (value) => (brush = Number(value))),
  );
  const working = element(
    "div",
    { class: "card", hidden: true },
    picture.figure,
    box("tools",
      masking,
      box("row numbers",
        above.label,
        button("Clear the mask", () => {
          masked = new Uint8Array(ROWS * COLUMNS);
          above.input.value = "";
          changed();
        }),
      ),
      choices(
        "Background",
        [["unknown", "unknown"], ["subtracted", "subtracted"], ["share", "its share is"]],
        knowledge,
        (value) => {
          knowledge = value;
          shareRow.hidden = value !== "share";
          changed();
        },
      ),
      hint("An unknown background hides the common scale of all correlations: say what is known of it."),
      shareRow,
    ),
  );

  function setWindow(cut) {
    image = cut;
    masked = new Uint8Array(ROWS * COLUMNS);
    above.input.value = "";
    working.hidden = false;
    steps.hidden = true;
    changed();
  }

  function seen() {
    const top = above.input.valueAsNumber;
    return image.map((value, n) => (masked[n] || value > top ? NaN : value));
  }

  function background() {
    if (knowledge === "unknown") return null;
    if (knowledge === "subtracted") return [0, 0];
    const [low, high] = shares.map((each) => each.input.valueAsNumber);
    if (!(low >= 0 && low <= high && high <= 1))
      throw new Error(`The share of the background lies between 0 and 1, the lower number first; this is ${low} and ${high}.`);
    return [low, high];
  }

  // The window as it is read, and what the network says of it.
  async function readWindow(turn, background) {
    const pixels = seen();
    const measured = pixels.filter((value) => !Number.isNaN(value));
    showImage(picture.canvas, pixels, [0, quantile(pixels, 0.98)]);
    const part = 1 - measured.length / pixels.length;
    picture.small.textContent = part ? `${(100 * part).toFixed(1)} % unmeasured (grey)` : "every pixel was measured";
    if (measured.length < 2 || Math.min(...measured) === Math.max(...measured))
      throw new Error("Every measured pixel is the same, or nothing is left: there is no pattern to read.");
    const read = await latest("read", views(pixels), { background });
    if (!read || turn < refused) return null;
    const alone = background ? (await answer([pixels]))[0] : null;
    const turned = [read[1].mean, exchangedBack(read[2].mean), exchangedBack(read[3].mean)];
    return {
      ...read[0],
      ...conclude(pixels, read[0], turned, alone && { mean: alone.mean, error: standardErrors(alone) }),
      about: { file: file.name, window: corner, background, version },
    };
  }

  // Every window of the section; pictures and checks are those of the clearest one.
  async function readSection(turn, background) {
    if (background?.[1]) throw new Error("The share of the background differs from window to window: say that it was subtracted, or unknown.");
    const top = above.input.valueAsNumber;
    const section = { ...whole, image: whole.image.map((value) => (value > top ? NaN : value)) };
    for (const [name, q] of [["h", section.h], ["k", section.k]]) {
      const pixels = (q.length - 1) / (q.at(-1) - q[0]);
      if (pixels < sectionRules.leastPixels - 1e-6)
        throw new Error(`A reciprocal cell of this section has ${pixels.toPrecision(3)} pixels along ${name}; ${sectionRules.leastPixels} are needed.`);
    }
    const corners = cornersOf(section);
    if (!corners.length) throw new Error("Of no window half was measured.");
    const images = corners.map((place) => windowOf(section, place).map((value) => Math.max(value, 0)));
    const readings = [];
    while (readings.length < images.length) {
      say(`Reading window ${readings.length + 1} of ${images.length} …`);
      readings.push(...(await answer(images.slice(readings.length, readings.length + BATCH), { background })));
      if (turn !== changes) return null;
    }
    const joined = await ask("join", { section, corners, images, readings, known: background !== null });
    if (turn !== changes) return null;
    const { used, contrast, scale, error } = joined;
    [corner, image] = [corners[joined.clearest], images[joined.clearest]];
    masked = new Uint8Array(ROWS * COLUMNS);
    showFrame();
    const clearest = await readWindow(turn, background);
    if (!clearest || turn !== changes) return null;
    say(`${file.name}: ${images.length} windows were read, and the ${used.filter(Boolean).length} of good contrast are joined. Pictures and checks are those of the clearest one, h from ${minus(corner[0])} and k from ${minus(corner[1])} on.`);
    return {
      ...clearest,
      mean: joined.mean,
      covariance: joined.covariance,
      checks: [...clearest.checks.filter(({ key }) => key !== "precision"), agreement(joined), precision(joined.covariance)],
      about: {
        ...clearest.about,
        windows: {
          corners,
          used,
          contrast,
          encoding: readings.map(({ mean }) => [...mean]),
          standard_error: readings.map((each) => [...standardErrors(each)]),
          scale_by_levels: Number.isNaN(scale) ? null : scale,
          scale_error: Number.isNaN(error) ? null : error,
          windows: joined.windows,
          apart: joined.apart,
        },
      },
    };
  }

  async function changed() {
    const turn = ++changes;
    place.setAttribute("aria-busy", "true");
    try {
      const next = await (every ? readSection : readWindow)(turn, background());
      if (!next || turn < refused) return;
      if (status.classList.contains("bad")) say("");
      show(next);
    } catch (error) {
      if (turn < refused) return;
      refused = turn;
      answers.hidden = true;
      refuse(error);
    } finally {
      if (turn === changes) place.setAttribute("aria-busy", "false");
    }
  }

  // The answer

  const table = correlationTable([
    ["network", "network"],
    ["realised", "structure"],
  ]);
  const joint = jointErrors();
  const cleaned = framed("The cleaned pattern", "The crystal's own pattern as the network estimates it", {
    axes: reciprocal,
    note: "Without form factor, background, Bragg peaks and noise.",
  });
  const crystal = framed("A structure", "A structure with these correlations", { axes: direct(size), note: "One of many with these correlations." });
  const again = framed("Its image", "Diffraction image of the structure", { axes: reciprocal, note: "To compare with the cleaned pattern." });
  const checks = element("ul", { class: "checks" });
  const headline = element("p", { class: "verdict", role: "status" });
  const doubts = element("p", { class: "doubts" });
  const shared = element("p", { class: "status", role: "status" });
  const answers = element(
    "div",
    { class: "answers", hidden: true },
    box("card",
      element("h3", {}, "The encoding"),
      headline,
      doubts,
      scroll("The encoding", table.table),
      box("row below",
        button("Save as JSON", () => save(`${result.about.file.replace(/\.\w+$/, "")}.json`, JSON.stringify(content(), null, 1))),
        button("Copy a link to this answer", share),
      ),
      shared,
    ),
    box("card", element("h3", {}, "Joint errors"), joint.parts),
    box("card pictures", cleaned.figure, crystal.figure, again.figure),
    box("card last",
      element("div", {}, element("h3", {}, "Checks that need no fit"), checks),
      element(
        "div",
        {},
        element("h3", {}, "What only the full program adds"),
        hint("A physical fit of E S + B, which decides whether any encoding explains this image, and an independent second answer; known form factors; other detector formats; a report. On your computer:"),
        element("p", {}, element("code", {}, "xrlab interpret FILE --report report.html")),
      ),
    ),
  );

  function show(next) {
    result = next;
    const error = standardErrors(result);
    const random = randomFrom(1);
    const sites = structure(result.cell, size, random);
    const realised = realisedCorrelations(sites, size, span).subarray(1);
    Object.assign(result, { error, realised });
    table.show("network", result.mean, error);
    table.show("realised", realised);
    joint.show(result);
    const limits = [0, quantile(unfold(result.cell), 0.99)];
    showImage(cleaned.canvas, unfold(result.cell), limits);
    showSites(crystal.canvas, sites, size);
    showImage(again.canvas, latticeImage(sites, size, grid, lotSize), limits);
    headline.textContent = sentence(result.mean, error);
    checks.replaceChildren(
      ...(result.checks ?? []).map((check) =>
        element(
          "li",
          { class: check.ok ? "ok" : "bad" },
          element("b", {}, `${check.ok ? "passed" : "failed"}: ${check.key}`),
          ` ${check.sentence}`,
        ),
      ),
      ...(result.checks ? [] : [element("li", {}, "Checks need the image, and a link does not hold it.")]),
    );
    const failed = (result.checks ?? []).filter((check) => !check.ok).map((check) => check.key);
    doubts.textContent =
      (failed.length ? `Read the checks first; failed: ${failed.join(", ")}. ` : "") +
      "Whether an encoding explains this image at all is not tested here: the full program does.";
    doubts.classList.toggle("bad", failed.length > 0);
    answers.hidden = false;
    steps.hidden = true;
    place.dataset.read = Number(place.dataset.read ?? 0) + 1;
  }

  // What the two nearest neighbours do, in words.
  function sentence(mean, error) {
    const word = (n, along) => {
      const sure = Math.abs(mean[n]) > 2 * error[n];
      const kind = mean[n] > 0 ? "alike" : "unlike";
      const [before, after] =
        Math.abs(mean[n]) > 0.5 ? ["mostly", ""] : Math.abs(mean[n]) > 0.2 ? ["often", ""] : ["a little more often", " than by chance"];
      return sure
        ? `neighbours along ${along} are ${before} ${kind}${after}`
        : `neighbours along ${along} are as by chance, within the errors`;
    };
    const text = `${word(names.indexOf("c(1, 0)"), "a")}; ${word(names.indexOf("c(0, 1)"), "b")}.`;
    return text[0].toUpperCase() + text.slice(1);
  }

  const content = () => ({
    span,
    components: names,
    encoding: [...result.mean],
    standard_error: [...result.error],
    covariance: names.map((_, n) => [...result.covariance.subarray(n * names.length, (n + 1) * names.length)]),
    freedom: result.freedom,
    realised: [...result.realised],
    status: "not tested",
    kind: "measured",
    findings: result.checks ?? null,
    ...result.about,
    made_by: "xrlab playground",
  });

  async function share() {
    const link = `${location.origin}${location.pathname}#read=${pack(result)}`;
    history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(link);
      shared.textContent = "The link is copied. It holds the answer, not the image.";
    } catch {
      shared.textContent = "The address of this page is now a link to the answer. It does not hold the image.";
    }
  }

  // Until there is an image.
  const steps = element(
    "ol",
    { class: "steps" },
    [
      ["Give an image", "A section of diffuse scattering over h and k, with 16 pixels or more from one Bragg position to the next."],
      ["Say what is known", "The window of 2 × 2 reciprocal cells or all of them, what was not measured, and what is background."],
      ["Get the answer", "Correlations with joint errors, the cleaned pattern, a structure that has them, and checks of whether to believe it."],
    ].map(([name, text]) => element("li", {}, element("b", {}, name), text)),
  );

  place.append(
    intro(
      "Read your own image",
      "The network estimates the short-range order of a crystal of two kinds of molecule from a section of its diffuse scattering: 2 × 2 reciprocal cells.",
    ),
    box("row inputs",
      drop,
      button("Try a simulated measurement", async () => {
        try {
          const levels = await loadRounds();
          const item = levels.laboratory[Math.floor(Math.random() * levels.laboratory.length)];
          forget();
          file = { name: "simulated measurement", image: item.image, rows: ROWS, columns: COLUMNS };
          say("A simulated measurement from a laboratory, one of those of the guessing game.");
          setWindow(item.image);
        } catch (error) {
          refuse(error);
        }
      }),
    ),
    whichRow,
    status,
    steps,
    box("desk", box("side", cutting, working), answers),
  );

  return {
    enter(given) {
      if (!given) return;
      try {
        const found = unpack(given);
        forget();
        file = { name: found.about.file ?? "shared answer" };
        show({ ...found, checks: null });
        say(`A shared answer to ${file.name}.`);
      } catch (error) {
        refuse(error);
      }
    },
  };
}
