// An answer's text with its citation markers. The text is untrusted: it becomes text nodes in a handful of elements.

import { element } from "./dom.js";

/** Number the citations in the order in which they appear; the same quote keeps its number. */
export function numbered(citations) {
  const seen = new Map();
  return citations.map((citation) => {
    const identity = `${citation.chunkId}|${citation.startChar}|${citation.quote}`;
    if (!seen.has(identity)) seen.set(identity, seen.size + 1);
    return { ...citation, number: seen.get(identity) };
  });
}

/** Put the text into `place` as paragraphs and lists, with a marker wherever a citation stands. */
export function renderAnswer(place, text, citations, makeMarker) {
  const letters = Array.from(text);
  const markers = citations
    .map((citation) => ({ ...span(letters, citation.index ?? letters.length), citation }))
    .sort((one, other) => one.at - other.at);
  const writer = { letters, markers, makeMarker };
  place.replaceChildren(...blocks(letters).map((block) => renderBlock(block, writer)));
  // A marker behind the last line, or in an answer without text, still has to be somewhere.
  const left = writer.markers.splice(0).map(({ citation }) => makeMarker(citation));
  if (left.length > 0) (place.lastElementChild ?? place.appendChild(element("p"))).append(...left);
}

/** Where a marker goes, and where the text goes on: some models write "[2]" themselves, and the marker replaces it. */
function span(letters, index) {
  const at = Math.min(index, letters.length);
  const around = letters.slice(Math.max(0, at - 6), at + 6).join("");
  const written = /\s?\[\d{1,3}\]/.exec(around);
  if (!written) return { at, resume: at };
  const from = Math.max(0, at - 6) + Array.from(around.slice(0, written.index)).length;
  const to = from + Array.from(written[0]).length;
  return from <= at && at <= to ? { at: from, resume: to } : { at, resume: at };
}

/** Lines to blocks: {tag, lines: [[start, end], ...]} with places in code points. */
function blocks(letters) {
  const found = [];
  let open = null;
  for (const [start, end] of lineSpans(letters)) {
    const line = letters.slice(start, end).join("");
    const item = /^\s*([-*•]|\d{1,3}[.)])\s+/.exec(line);
    if (line.trim() === "") {
      open = null;
      continue;
    }
    const tag = item ? (/\d/.test(item[1]) ? "ol" : "ul") : "p";
    if (!open || open.tag !== tag) found.push((open = { tag, lines: [] }));
    open.lines.push([start + (item ? Array.from(item[0]).length : 0), end]);
  }
  return found;
}

function* lineSpans(letters) {
  let start = 0;
  for (let place = 0; place <= letters.length; place += 1) {
    if (place === letters.length || letters[place] === "\n") {
      yield [start, place];
      start = place + 1;
    }
  }
}

function renderBlock(block, writer) {
  if (block.tag === "p") {
    const lines = block.lines.flatMap((span, number) => [...(number > 0 ? [" "] : []), ...renderSpan(span, writer)]);
    return element("p", {}, ...lines);
  }
  return element(block.tag, {}, ...block.lines.map((span) => element("li", {}, ...renderSpan(span, writer))));
}

/** The text from start to end, cut at each marker that stands in it. */
function renderSpan([start, end], writer) {
  const parts = [];
  let from = start;
  while (writer.markers.length > 0 && writer.markers[0].at <= end) {
    const { at, resume, citation } = writer.markers.shift();
    parts.push(...emphasised(writer.letters.slice(from, Math.max(at, from)).join("")));
    from = Math.max(resume, from);
    parts.push(writer.makeMarker(citation));
  }
  parts.push(...emphasised(writer.letters.slice(from, end).join("")));
  return parts;
}

/**
 * The two marks that models use most, **strong** and `code`, and the bars between the cells of a quoted table row.
 * Everything else stays as it was written.
 */
function emphasised(text) {
  return text.split(/(\*\*[^*]+\*\*|`[^`]+`|^\s*\|\s|\s\|\s*$|\s\|\s)/).map((part) => {
    if (/^\*\*[^*]+\*\*$/.test(part)) return element("strong", {}, part.slice(2, -2));
    if (/^`[^`]+`$/.test(part)) return element("code", {}, part.slice(1, -1));
    if (/^\s+\|\s+$/.test(part)) return element("span", { class: "cell-end" }, " · ");
    return /^\s*\|\s*$/.test(part) ? "" : part;
  });
}
