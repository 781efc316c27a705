// A passage as its parser wrote it down: headings behind hashes, rows of a table between bars, everything else as lines.
// Shown so that it reads like a page, with the quote marked wherever its letters end up.

import { element } from "./dom.js";

// A line shorter than this ends where its author ended it; a longer one where the paper did.
const FLOWING_LINE_CHARS = 45;
const HEADING = /^#{1,6}\s+/;
const LIST_ITEM = /^\s*([-*•>]|\d{1,3}[.)]\s)/;
const TABLE_RULE = /^[\s|:-]+$/;

/** Elements for the passage; `from` and `to` are where the quote begins and ends, in code points. */
export function passageView(passage, from, to) {
  const letters = Array.from(passage);
  const piece = (start, end) => marked(letters, start, end, from, to);
  return groups(letters).map(({ kind, lines }) => {
    if (kind === "heading") return element("p", { class: "passage-heading" }, ...piece(...lines[0]));
    if (kind === "rows") return rows(letters, lines, piece);
    return element("p", {}, ...lines.flatMap((line, number) => [...(number > 0 ? [gap(letters, lines, number)] : []), ...piece(...line)]));
  });
}

/** The text from start to end, what lies in the quote as <mark>. */
function marked(letters, start, end, from, to) {
  const cut = (one, other) => letters.slice(one, Math.max(one, other)).join("");
  const inside = [Math.max(start, from), Math.min(end, to)];
  if (inside[0] >= inside[1]) return [cut(start, end)];
  return [cut(start, inside[0]), element("mark", {}, cut(...inside)), cut(inside[1], end)];
}

/** Lines that belong together: {kind, lines: [[start, end], ...]}; empty lines and the rules of tables are left out. */
function groups(letters) {
  const found = [];
  let open = null;
  for (const [start, end] of lineSpans(letters)) {
    const text = letters.slice(start, end).join("");
    const heading = HEADING.exec(text);
    const kind = heading ? "heading" : text.includes("|") ? "rows" : "text";
    if (text.trim() === "") open = null;
    else if (kind === "rows" && TABLE_RULE.test(text)) continue;
    else if (open?.kind === kind && kind !== "heading") open.lines.push([start, end]);
    else found.push((open = { kind, lines: [[start + (heading ? heading[0].length : 0), end]] }));
  }
  return found;
}

function* lineSpans(letters) {
  let start = 0;
  for (let place = 0; place <= letters.length; place += 1) {
    if (place < letters.length && letters[place] !== "\n") continue;
    yield [start, place];
    start = place + 1;
  }
}

/** Between two lines: a space where the paper was narrow, a line's end where the author meant one. */
function gap(letters, lines, number) {
  const [before, after] = [lines[number - 1], lines[number]].map(([start, end]) => letters.slice(start, end).join(""));
  return before.trim().length >= FLOWING_LINE_CHARS && !LIST_ITEM.test(after) ? " " : "\n";
}

/** Rows with the names of their columns in each cell stand one below the other; bare ones make a table. */
function rows(letters, lines, piece) {
  const cells = lines.map((line) => cellSpans(letters, line));
  const named = cells.flat().filter(([start, end]) => /^[^:]+: /.test(letters.slice(start, end).join("")));
  const kind = named.length * 2 > cells.flat().length ? "rows named" : "rows";
  return element("div", { class: kind }, ...cells.map((row) =>
    element("div", { class: "row" }, ...row.map((span) => element("span", { class: "cell" }, ...piece(...span))))));
}

function cellSpans(letters, [from, to]) {
  const spans = [];
  let start = from;
  for (let place = from; place <= to; place += 1) {
    if (place < to && letters[place] !== "|") continue;
    spans.push(trimmed(letters, start, place));
    start = place + 1;
  }
  // A Markdown row has a bar at either end, with nothing before the first and behind the last.
  const outer = (span, edge) => span[0] === span[1] && letters[edge] === "|";
  if (outer(spans[0], from)) spans.shift();
  if (spans.length > 0 && outer(spans.at(-1), to - 1)) spans.pop();
  return spans;
}

function trimmed(letters, start, end) {
  let [from, to] = [start, end];
  while (from < to && letters[from] === " ") from += 1;
  while (to > from && letters[to - 1] === " ") to -= 1;
  return [from, to];
}
