// Tables of numbers in text, by the rules of xrlab/io/tables.py.

const MISSING = /^(?:[-+]?(?:1\.#\w+|nan.*|inf(?:inity)?)|<?na>?|#?n\/?a|#?null!?|none|masked|missing|-+|\*+|#(?:num|value|ref|name)[!?]|#div\/0!)$/i;
const COMMENT = /(?<!\d\.)#(?!n\/?a|num!|div\/0|value!|ref!|name|null).*|^\s*%.*/i;
const DECIMAL_COMMA = /^[-+]?\d+(,\d+)?(e[-+]?\d+)?$/i;
const COUNTING = 8;

export function readText(content) {
  if (content.length > 2 ** 25) throw new Error("a table this long is no image; save it as .npy or TIFF");
  const [a, b] = content;
  const wide = (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff);
  if (!wide && content.subarray(0, 4096).includes(0))
    throw new Error("it begins like no format that this page reads");
  let text;
  try {
    text = new TextDecoder(wide ? (a === 0xff ? "utf-16le" : "utf-16be") : "utf-8", { fatal: true }).decode(content);
  } catch {
    text = new TextDecoder("windows-1252").decode(content);
  }
  return table(text.replace(/\u2212/g, "-").replace(/[\u00a0\u202f\u2009'"]/g, ""));
}

function table(text) {
  let lines = text.split(/\r\n|\r|\n/).map((line) => line.replace(COMMENT, "").replace(/^[ \r]+|[ \r]+$/g, ""));
  lines = lines.filter((line) => line.trim());
  let delimiter = null;
  const chosen = lines[0]?.match(/^sep=(.)$/i);
  if (chosen) {
    [, delimiter] = chosen;
    lines.shift();
  }
  if (!lines.length) throw new Error("it is text, but there is no number in it");
  const named = !lines[0].trim().split(/\s+/).every(isNumber);
  delimiter ??= delimiterOf(named && lines.length > 1 ? lines.slice(1) : lines);
  if (delimiter !== ",") lines = lines.map((line) => line.replaceAll(",", "."));
  if (delimiter)
    while (lines.every((line) => line.endsWith(delimiter))) lines = lines.map((line) => line.slice(0, -1).trimEnd());
  let titles = null;
  if (!split(lines[0], delimiter).every(isNumber)) titles = split(lines.shift(), delimiter);
  if (!lines.length) throw new Error("it is text, but there is no number in it");
  let fields = lines.map((line) => split(line, delimiter));
  if (!fields.some((row) => isNumber(row[0]))) {
    fields = fields.map((row) => row.slice(1));
    titles &&= titles.slice(-fields[0].length);
  }
  const width = fields[0].length;
  const rows = fields.map((row, n) => {
    if (row.length !== width)
      throw new Error(`it is text, but not a table of numbers: row ${n + 1} has ${row.length} fields, the first has ${width}`);
    return row.map((field) => {
      if (!isNumber(field)) throw new Error(`it is text, but not a table of numbers: “${field.slice(0, 30)}”`);
      return valueOf(field);
    });
  });
  return withoutNumbering(rows, titles);
}

function delimiterOf(lines) {
  const some = lines.slice(0, 50);
  for (const mark of [";", "\t", ","])
    if (some.every((line) => line.includes(mark))) {
      const words = some.flatMap((line) => line.trim().split(/\s+/));
      if (mark === "," && words.every((word) => DECIMAL_COMMA.test(word)) && words.length > some.length) return null;
      return mark;
    }
  return null;
}

const split = (line, delimiter) =>
  (delimiter ? line.split(delimiter) : line.trim().split(/\s+/)).map((field) => field.trim());

const plain = (field) => field.replace(/(?<=[\d.])[dD](?=[-+]?\d)/, "e");
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/;
const isNumber = (field) => !field || MISSING.test(field) || NUMBER.test(plain(field));
const valueOf = (field) => (!field || MISSING.test(field) ? NaN : Number(plain(field)));

function counts(values, start = 0) {
  const first = start ?? values[0];
  return values.length >= COUNTING && values.every((value, n) => value === first + n);
}

function steps(values) {
  const differences = values.slice(1).map((value, n) => value - values[n]);
  const spread = Math.max(...differences) - Math.min(...differences);
  return differences.length > 2 && spread <= 1e-3 * Math.abs(differences[0]) && differences[0] !== 0;
}

function stored(rows, axes = null) {
  return {
    pixels: Float64Array.from(rows.flat()), rows: rows.length, columns: rows[0]?.length ?? 0, kind: "f", bytes: 8, axes,
  };
}

function withoutNumbering(given, titles) {
  let rows = given;
  const column = (n) => rows.map((row) => row[n]);
  if (!titles) {
    if (counts(rows[0]) && !(rows.length > 1 && counts(rows[1], null))) rows = rows.slice(1);
    else if (Number.isNaN(rows[0][0]) && steps(rows[0].slice(1)) && steps(column(0).slice(1)))
      return stored(rows.slice(1).map((row) => row.slice(1)));
  }
  const width = rows[0]?.length ?? 0;
  let numbered = width > 1 && counts(column(0)) && !counts(column(1), null);
  if (titles && [width, width - 1].includes(titles.length)) {
    const rest = titles.length > 1 && titles.slice(1).every(isNumber) && !isNumber(titles[0]);
    numbered ||= titles.length < width || !titles[0] || rest;
  }
  if (numbered) return stored(rows.map((row) => row.slice(1)));
  if (width === 3 && rows.length >= COUNTING ** 2) {
    const [h, k] = [0, 1].map((n) => [...new Set(column(n))].sort((a, b) => a - b));
    if (h.length * k.length === rows.length) {
      const places = [h, k].map((values) => new Map(values.map((value, n) => [value, n])));
      const image = h.map(() => new Array(k.length).fill(null));
      for (const [x, y, value] of rows) image[places[0].get(x)][places[1].get(y)] = value;
      if (!image.flat().includes(null)) {
        const labels = titles?.length === 3 ? titles : ["first column", "second column"];
        return stored(image, [[labels[0], h], [labels[1], k]]);
      }
    }
  }
  return stored(rows);
}
