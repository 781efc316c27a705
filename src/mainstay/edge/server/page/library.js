// The list of documents of a store: what is ready, what is being read, what could not be read and why.

import { ApiError, getJson, postJson } from "./api.js";
import { byId, element, show } from "./dom.js";
import { baseName, count, fileKind, fileSize, placeNoun } from "./format.js";
import { addDocumentBody, paths, readDocument, readList, readStore } from "./shapes.js";

const BUSY_REFRESH_MS = 1200;
// Below this many documents the eye is faster than a filter.
const FILTER_FROM = 10;
// More than this are fetched only when asked for.
const DOCUMENTS_MAX = 1000;
const ORDER = { asking: 0, uploading: 0, refused: 1, failed: 2, reading: 3, ready: 4 };

export class Library {
  /** `hooks`: onStore() after the choice of a store, onChange({finished}) after a refresh, onProblem(error). */
  constructor(hooks) {
    this.hooks = hooks;
    this.stores = [];
    this.store = null;
    this.documents = [];
    this.after = null;
    this.uploads = [];
    this.loaded = false;
    this.timer = 0;
    this.drawn = "";
    byId("store").addEventListener("change", (event) => this.choose(event.target.value));
    byId("filter").addEventListener("input", () => this.render());
    byId("more-documents").addEventListener("click", () => this.#guarded(() => this.#loadMore()));
    document.addEventListener("visibilitychange", () => document.hidden || this.refresh());
  }

  /** Load the stores and open the one that was open before, or the one with most documents. */
  async open() {
    await this.#guarded(async () => {
      await this.#loadStores();
      const kept = this.stores.find((store) => store.id === sessionStorage.getItem("mainstay.store"));
      const fullest = [...this.stores].sort((one, other) => other.total - one.total)[0];
      await this.choose((kept ?? fullest)?.id ?? null);
    });
  }

  async choose(storeId) {
    this.store = this.stores.find((store) => store.id === storeId) ?? null;
    this.documents = [];
    this.after = null;
    this.loaded = this.store === null;
    if (storeId) sessionStorage.setItem("mainstay.store", storeId);
    this.render();
    this.hooks.onStore();
    await this.refresh();
    this.hooks.onStore();
  }

  /** The open store's id; makes a store when there is none, so that a first drop has somewhere to go. */
  async storeForUpload() {
    if (!this.store) {
      const made = readStore(await postJson(paths.newStore, { name: "documents" }));
      this.stores.push(made);
      await this.choose(made.id);
    }
    return this.store.id;
  }

  /** Fetch the counts and the documents again, and once more soon while something is in progress. */
  async refresh() {
    clearTimeout(this.timer);
    if (!this.store) return;
    const storeId = this.store.id;
    const readBefore = this.store.inProgress;
    await this.#guarded(async () => {
      await this.#loadStores();
      await this.#loadDocuments(storeId);
    });
    if (this.store?.id !== storeId) return;
    this.render();
    this.hooks.onChange({ finished: this.store.inProgress < readBefore });
    clearTimeout(this.timer);
    if (this.busy && !document.hidden) this.timer = setTimeout(() => this.refresh(), BUSY_REFRESH_MS);
  }

  get busy() {
    return (this.store?.inProgress ?? 0) > 0 || this.uploads.some((upload) => upload.state === "uploading");
  }

  get filenames() {
    return this.documents.filter((document) => document.state === "ready").map((document) => document.filename);
  }

  /** The documents of the open store with this name: a file that is added may be meant as their next version. */
  named(filename) {
    return this.documents.filter((document) => baseName(document.filename) === filename);
  }

  /** Hand a document to its store again. */
  async retry({ id, externalId }) {
    await this.#guarded(() => postJson(paths.addDocument(this.store.id), addDocumentBody(id, externalId)));
    await this.refresh();
  }

  render() {
    this.#renderStores();
    const wanted = byId("filter").value.trim().toLowerCase();
    const rows = [...this.uploads, ...this.documents]
      .filter((row) => row.filename.toLowerCase().includes(wanted))
      .sort((one, other) => ORDER[one.state] - ORDER[other.state] || byName(one, other));
    this.#renderRows(rows);
    show(byId("filter-row"), this.documents.length >= FILTER_FROM);
    show(byId("more-documents"), this.after !== null);
    const summary = this.#summary(rows.length, wanted);
    if (byId("counts").textContent !== summary) byId("counts").textContent = summary;
  }

  /** Drawn again only when a row says something new: what is focused or selected stays so while the list refreshes. */
  #renderRows(rows) {
    const says = JSON.stringify([this.loaded, rows]);
    if (says === this.drawn) return;
    this.drawn = says;
    byId("documents").replaceChildren(...(this.loaded ? rows.map((row) => this.#row(row)) : skeleton()));
    byId("documents").setAttribute("aria-busy", String(!this.loaded));
  }

  #summary(shown, wanted) {
    if (!this.store) return this.loaded ? "No store yet. The first file you add makes one." : "";
    if (wanted) return `${shown} of ${this.documents.length} shown`;
    const { ready, inProgress, failed } = this.store;
    const parts = [`${ready.toLocaleString("en")} ready`];
    if (inProgress > 0) parts.push(`${inProgress.toLocaleString("en")} being read`);
    if (failed > 0) parts.push(`${failed.toLocaleString("en")} failed`);
    return parts.join(" · ");
  }

  #row(row) {
    const button = (words, click) => element("button", { type: "button", class: "link", on: { click } }, words);
    const choices = [
      row.retryable ? button("Try again", () => this.retry(row)) : null,
      ...(row.state === "asking" ? row.choices.map(([words, click]) => button(words, click)) : []),
    ];
    const detail = { ready: readyDetail, reading: () => "Being read", uploading: () => "Uploading" }[row.state];
    return element("li", { class: `document is-${row.state}` },
      element("span", { class: "kind", "aria-hidden": "true" }, fileKind(row.filename)),
      element("span", { class: "name", title: row.externalId ?? row.filename }, baseName(row.filename)),
      element("span", { class: "detail" }, detail ? detail(row) : `${row.reason || "It could not be read."} `, ...choices),
      row.state === "reading" || row.state === "uploading" ? element("span", { class: "running", "aria-hidden": "true" }) : null);
  }

  #renderStores() {
    const choice = byId("store");
    choice.disabled = this.stores.length < 2;
    const says = JSON.stringify([this.loaded, this.store?.id, ...this.stores.map((store) => [store.id, store.name])]);
    if (says === choice.dataset.says) return;
    choice.dataset.says = says;
    const options = this.stores.map((store) =>
      element("option", { value: store.id, selected: store.id === this.store?.id }, store.name));
    if (options.length === 0) options.push(element("option", {}, this.loaded ? "no store" : "…"));
    choice.replaceChildren(...options);
  }

  async #loadStores() {
    this.stores = readList(await getJson(paths.stores), readStore).rows;
    if (this.store) this.store = this.stores.find((store) => store.id === this.store.id) ?? this.store;
  }

  async #loadMore() {
    const page = readList(await getJson(paths.documents(this.store.id, this.after)), readDocument);
    const known = new Set(this.documents.map((document) => document.id));
    this.documents.push(...page.rows.filter((document) => !known.has(document.id)));
    this.after = page.after;
    this.render();
  }

  /** Everything again, or only the newest page while documents are being read: those change, the others wait. */
  async #loadDocuments(storeId) {
    const newestOnly = this.loaded && this.store.inProgress > 0;
    const rows = [];
    let after = null;
    do {
      const page = readList(await getJson(paths.documents(storeId, after)), readDocument);
      if (this.store?.id !== storeId) return;
      rows.push(...page.rows);
      after = page.after;
    } while (after !== null && !newestOnly && rows.length < DOCUMENTS_MAX);
    const fresh = new Set(rows.map((document) => document.id));
    const beyond = newestOnly && after !== null ? this.documents.filter((document) => !fresh.has(document.id)) : [];
    if (beyond.length === 0) this.after = after;
    this.documents = [...rows, ...beyond];
    this.loaded = true;
  }

  async #guarded(work) {
    try {
      await work();
      this.hooks.onProblem(null);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.hooks.onProblem(error);
    }
  }
}

function readyDetail(document) {
  const parts = [];
  if (document.pages > 1) parts.push(count(document.pages, placeNoun(document.filename)));
  if (document.passages !== null) parts.push(count(document.passages, "passage"));
  if (parts.length === 0 && document.bytes !== null) parts.push(fileSize(document.bytes));
  if (document.version > 1) parts.push(`version ${document.version}`);
  return parts.join(" · ");
}

function byName(one, other) {
  return baseName(one.filename).localeCompare(baseName(other.filename), "en", { numeric: true });
}

function skeleton() {
  return Array.from({ length: 6 }, () => element("li", { class: "document is-waiting", "aria-hidden": "true" }));
}
