// A citation's source: the quote in the passage around it, and where that stands.

import { element } from "./dom.js";
import { baseName, placeName } from "./format.js";
import { passageView } from "./passage.js";

const STATES = {
  current: ["current", "still the current text"],
  changed: ["changed", "has changed since this was answered"],
  deleted: ["deleted", "was deleted since this was answered"],
};

/** The content of the pane for one source; `passage` is what the receipt knows of it, or null. */
export function sourceView(citation, passage, { place, total, go }) {
  const heading = citation.headingPath.length > 0 ? citation.headingPath : (passage?.headingPath ?? []);
  return element("div", { class: "source-view" },
    element("p", { class: "source-title" }, baseName(citation.filename)),
    facts(citation, passage),
    heading.length > 0
      ? element("ol", { class: "crumbs", "aria-label": "Where in the document" }, ...heading.map((title) => element("li", {}, title)))
      : null,
    element("figure", { class: "excerpt" },
      element("blockquote", {}, ...excerpt(citation)),
      citation.page === null ? null : element("figcaption", { "aria-hidden": "true" }, String(citation.page))),
    total > 1 ? walk(place, total, go) : null);
}

/** The content of the pane for a passage that was read and not cited. */
export function passageRead(passage) {
  const { filename, page, version, headingPath, text } = passage;
  return sourceView({ filename, page, version, headingPath, passage: text, quote: "" }, passage, { place: 1, total: 1 });
}

function facts(citation, passage) {
  const [state, sentence] = STATES[passage?.sourceState ?? "current"] ?? STATES.current;
  return element("ul", { class: "facts" },
    citation.page === null ? null : element("li", {}, placeName(citation.filename, citation.page)),
    citation.version === null ? null : element("li", {}, `version ${citation.version}`),
    passage ? element("li", { class: `state-${state}` }, sentence) : null);
}

/** The passage with its quote marked, if there is one to mark; a quote that is not found in it stands alone, and says so. */
function excerpt(citation) {
  if (citation.quote === "") return passageView(citation.passage, 0, 0);
  const start = quoteStart(citation);
  if (start !== null) return passageView(citation.passage, start, start + Array.from(citation.quote).length);
  return [
    element("p", {}, element("mark", {}, citation.quote)),
    element("p", { class: "hint" }, "The text around this quote is not at hand."),
  ];
}

/** Where the quote begins in its passage, in code points; null when it is not in it. */
function quoteStart(citation) {
  const quote = Array.from(citation.quote);
  const given = citation.quoteStart;
  const letters = Array.from(citation.passage);
  if (given !== null && letters.slice(given, given + quote.length).join("") === citation.quote) return given;
  const found = citation.passage.indexOf(citation.quote);
  return found < 0 || quote.length === 0 ? null : Array.from(citation.passage.slice(0, found)).length;
}

function walk(place, total, go) {
  const step = (by, label, sign) =>
    element("button", { type: "button", class: "quiet", disabled: place + by < 1 || place + by > total, "aria-label": label, on: { click: () => go(place + by) } }, sign);
  return element("nav", { class: "walk", "aria-label": "Sources of this answer" },
    step(-1, "Previous source", "←"), element("span", {}, `${place} of ${total}`), step(1, "Next source", "→"));
}
