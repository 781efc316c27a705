// Where the parts of the page meet.

import { Conversation } from "./conversation.js";
import { byId, show } from "./dom.js";
import { askForKey, findKey } from "./key.js";
import { Library } from "./library.js";
import { receiptMissing, receiptView } from "./receipt.js";
import { closeSide, openSide, sideWanted, watchSide } from "./side.js";
import { passageRead, sourceView } from "./source.js";
import { watchUploads } from "./uploads.js";
import { welcome } from "./welcome.js";

const RECONNECT_MS = 3000;
// From here on the place of the source is kept free, and page.css says the same.
const WIDE = window.matchMedia("(min-width: 86rem)");

const library = new Library({ onStore: storeChosen, onChange: documentsChanged, onProblem: problem });
const conversation = new Conversation({
  storeId: () => library.store?.id ?? null,
  openSource,
  openPassage: (passage) => openSide("Passage read", passageRead(passage)),
  openReceipt,
  onChange: render,
  onAnswered: answered,
  onKeyRefused: keyRefused,
});
let chosenStoreId = null;
let openCitation = null;
let greeted = "";
let reconnect = 0;
let asking = false;

function storeChosen() {
  const changed = library.store?.id !== chosenStoreId;
  chosenStoreId = library.store?.id ?? null;
  // An answer's follow-up would search another store than the answer did.
  if (changed && !conversation.empty) newConversation();
  render();
}

function documentsChanged({ finished }) {
  render();
  if (finished) refreshReceipts();
}

/** A document has changed: say so under the answers that rest on it, and in the source that is open. */
async function refreshReceipts() {
  await conversation.refreshReceipts();
  if (openCitation) openSource(openCitation.turn, openCitation.number, { quietly: true });
}

function problem(error) {
  const banner = byId("banner");
  clearTimeout(reconnect);
  show(banner, Boolean(error) && error.kind !== "key");
  if (!error) return;
  if (error.kind === "key") {
    keyRefused(error.message);
    return;
  }
  banner.textContent = error.message;
  if (error.kind === "unreachable" || error.kind === "busy") {
    reconnect = setTimeout(() => (library.stores.length > 0 ? library.refresh() : library.open()), RECONNECT_MS);
  }
}

async function keyRefused(message) {
  // Several requests may be refused at once; one dialog is enough.
  if (asking) return;
  asking = true;
  await askForKey(message);
  asking = false;
  await library.open();
}

async function changeKey() {
  const accepted = await askForKey(null, { cancellable: true });
  if (!accepted) return;
  newConversation();
  await library.open();
}

function newConversation() {
  conversation.clear();
  closeSide({ keepWanted: true });
  byId("question").focus();
}

/** Where there is room, the first source opens by itself, unless the person has closed the pane. */
function answered(turn) {
  if (!WIDE.matches || !sideWanted()) return;
  if (turn.sources.length > 0) openSource(turn, turn.sources[0].number, { quietly: true });
  else closeSide({ keepWanted: true });
}

function openSource(turn, number, { quietly = false } = {}) {
  const sources = turn.sources;
  const place = sources.findIndex((citation) => citation.number === number) + 1;
  const citation = sources[place - 1];
  if (!citation) return;
  const go = (next) => openSource(turn, sources[next - 1].number);
  const view = sourceView(citation, turn.passageOf(citation), { place, total: sources.length, go });
  openSide(`Source ${number}`, view, { quietly, onClose: () => markOpen(turn, null) });
  showMark();
  markOpen(turn, number);
  openCitation = { turn, number };
}

/** Bring the marked quote of a long passage into view, without moving the page. */
function showMark() {
  const body = byId("side-body");
  const mark = body.querySelector("mark");
  const below = (mark?.getBoundingClientRect().bottom ?? 0) - body.getBoundingClientRect().bottom;
  if (below > 0) body.scrollTop = below + body.clientHeight / 2;
}

/** Show which marker of the answer the open source belongs to. */
function markOpen(turn, number) {
  openCitation = null;
  for (const marker of turn.node.querySelectorAll("[data-number]")) {
    if (marker.dataset.number === String(number)) marker.setAttribute("aria-current", "true");
    else marker.removeAttribute("aria-current");
  }
}

async function openReceipt(turn) {
  const content = (missing) => (turn.receipt ? receiptView(turn.receipt, storeName) : receiptMissing(missing));
  openSide("Receipt", content("Fetching the receipt."));
  const opened = byId("side-body").firstElementChild;
  await turn.loadReceipt();
  // Something else may have been opened in the meantime.
  if (!opened.isConnected) return;
  opened.replaceWith(content("The receipt cannot be had just now."));
}

function storeName(storeId) {
  return library.stores.find((store) => store.id === storeId)?.name ?? storeId;
}

function render() {
  greet();
  show(byId("new-conversation"), !conversation.empty);
  document.body.classList.toggle("is-empty", conversation.empty);
  const running = Boolean(conversation.running);
  byId("send").setAttribute("aria-label", running ? "Stop" : "Ask");
  byId("send").classList.toggle("is-stop", running);
  byId("question").placeholder = conversation.empty ? "Ask a question" : "Ask a follow-up";
  byId("send").disabled = !running && (!library.store || byId("question").value.trim() === "");
}

/** Fill the empty conversation, again only when it would say something else. */
function greet() {
  const { loaded, store, filenames } = library;
  const says = conversation.empty ? JSON.stringify([loaded, store?.ready, store?.inProgress, store?.total, filenames]) : "";
  if (says === greeted) return;
  greeted = says;
  if (conversation.empty) {
    byId("thread").replaceChildren(welcome({ loaded, store, filenames, ask: (question) => conversation.ask(question) }));
  }
}

function watchComposer() {
  const question = byId("question");
  const grow = () => {
    // Through the object model, which the content policy allows; a style attribute it would not.
    question.style.height = "auto";
    question.style.height = `${question.scrollHeight}px`;
    render();
  };
  const submit = () => {
    if (conversation.running) return;
    const words = question.value;
    if (!words.trim() || !library.store) return;
    question.value = "";
    grow();
    // On a telephone the keyboard would lie over the answer.
    if (window.matchMedia("(pointer: coarse)").matches) question.blur();
    conversation.ask(words);
  };
  question.addEventListener("input", grow);
  question.addEventListener("keydown", (event) => {
    // Enter also ends the composition of Chinese or Japanese; that Enter is not ours.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  });
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    if (conversation.running) conversation.stop();
    else submit();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, select, dialog")) return;
    event.preventDefault();
    question.focus();
  });
}

function watchLibraryDrawer() {
  const toggle = (open) => {
    document.body.classList.toggle("library-open", open);
    byId("open-library").setAttribute("aria-expanded", String(open));
    (open ? byId("close-library") : byId("open-library")).focus();
  };
  byId("open-library").addEventListener("click", () => toggle(!document.body.classList.contains("library-open")));
  byId("close-library").addEventListener("click", () => toggle(false));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && document.body.classList.contains("library-open")) toggle(false);
  });
}

async function start() {
  render();
  watchComposer();
  watchSide();
  watchLibraryDrawer();
  watchUploads(library);
  byId("new-conversation").addEventListener("click", newConversation);
  byId("change-key").addEventListener("click", changeKey);
  window.addEventListener("hashchange", () => location.hash.startsWith("#key=") && location.reload());
  await findKey();
  await library.open();
  byId("question").focus({ preventScroll: true });
}

start();
