// Questions to begin with. Each is offered only where the sample document that answers it is in the store.

const SUGGESTIONS = [
  ["warranty-plover-4.html", "How long is the warranty on a Plover 4?"],
  ["plover-battery-replacement.eml", "May customers replace the battery pack of a Plover 4 themselves?"],
  ["refunds-and-cancellations.md", "What is the refund window on the Grower plan?"],
  ["linnet-2-manual.pdf", "How long do the batteries of the Linnet 2 last?"],
  ["INC-2026-007.md", "How late were the frost alerts in the night of 19 January 2026?"],
];
const SUGGESTIONS_MAX = 4;
// One question that nothing answers, so that "I don't know" is seen as well.
const UNANSWERABLE = "Who founded Brindlemere Weather?";

/** Questions for a store with these file names; none when the samples are not in it. */
export function suggestionsFor(filenames) {
  const here = (name) => filenames.some((filename) => filename === name || filename.endsWith(`/${name}`));
  const offered = SUGGESTIONS.filter(([name]) => here(name)).map(([, question]) => question);
  return offered.length === 0 ? [] : [...offered.slice(0, SUGGESTIONS_MAX - 1), UNANSWERABLE];
}
