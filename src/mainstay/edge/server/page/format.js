// Figures in words a person reads without thinking.

const NANOS_PER_USD = 1e9;

/** 380 → "380 ms", 1840 → "1.8 s". */
export function duration(ms) {
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
}

/** Nano-dollars in dollars with as many digits as carry something: "$0.00041", never "$0.00" for a cost that is not 0. */
export function cost(nanos) {
  if (nanos === 0) return "$0";
  const usd = nanos / NANOS_PER_USD;
  if (usd >= 0.01) return `$${usd.toFixed(2)}`;
  return `$${usd.toFixed(9).replace(/0+$/, "")}`;
}

/** 48211 → "47 KB". */
export function fileSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

/** count(1, "passage") → "1 passage", count(2, "passage") → "2 passages". */
export function count(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

/** "help/warranty.html" → "HTML". */
export function fileKind(filename) {
  const dot = filename.lastIndexOf(".");
  const ending = dot > 0 ? filename.slice(dot + 1) : "";
  return ending.length > 0 && ending.length <= 5 ? ending.toUpperCase() : "FILE";
}

/** "help/warranty.html" → "warranty.html": the folder is seldom what one looks for. */
export function baseName(filename) {
  return filename.slice(filename.lastIndexOf("/") + 1) || filename;
}

/** A place in a document, by what its kind of document has: page 4, slide 4 or sheet 4. */
export function placeName(filename, page) {
  return `${placeNoun(filename)} ${page}`;
}

/** What a document of this kind is divided into. */
export function placeNoun(filename) {
  return { PPTX: "slide", PPT: "slide", ODP: "slide", XLSX: "sheet", XLS: "sheet", ODS: "sheet" }[fileKind(filename)] ?? "page";
}

/** Three significant digits for a score. */
export function score(value) {
  return value === null ? "none" : Number(value).toPrecision(3);
}

/** A date with its time, to the second, in the reader's own zone. */
export function moment(date) {
  return date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" });
}
