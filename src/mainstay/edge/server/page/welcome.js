// What stands in the empty conversation: a greeting, a hand up, or what is missing.

import { element } from "./dom.js";
import { suggestionsFor } from "./suggestions.js";

/** The content of an empty thread for the store as it is now; `store` is null while there is none. */
export function welcome({ loaded, store, filenames, ask }) {
  if (!loaded) return element("div", { class: "welcome waiting", "aria-hidden": "true" });
  if (!store || store.total === 0) {
    return frame("Nothing to read yet.", "Drop files anywhere on this page. Once they have been read, ask about them: every answer shows the sentence it rests on.",
      element("label", { class: "add-button", for: "files" }, "Add files"));
  }
  if (store.ready === 0 && store.inProgress > 0) {
    return frame("Still reading.", "The first documents are on their way. You can ask as soon as one of them is ready.");
  }
  if (store.ready === 0) {
    return frame("Nothing could be read.", "Each document in the list says why. Drop others anywhere on this page.");
  }
  return frame("Ask your documents.", "Every answer shows the sentence it rests on. Where nothing supports an answer, it says so.",
    suggestions(suggestionsFor(filenames), ask));
}

function frame(title, text, ...more) {
  return element("div", { class: "welcome" },
    element("p", { class: "welcome-title" }, title), element("p", { class: "welcome-text" }, text), ...more);
}

function suggestions(questions, ask) {
  if (questions.length === 0) return null;
  const buttons = questions.map((question) =>
    element("li", {}, element("button", { type: "button", class: "suggestion", on: { click: () => ask(question) } }, question)));
  return element("ul", { class: "suggestions", "aria-label": "Questions to begin with" }, ...buttons);
}
