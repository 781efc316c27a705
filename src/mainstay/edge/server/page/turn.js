// One question and its answer, from the first sign of life to the cost line under it.

import { numbered, renderAnswer } from "./answer.js";
import { ApiError, getJson } from "./api.js";
import { element, show } from "./dom.js";
import { baseName, cost, count, duration, placeName } from "./format.js";
import { paths, readReceipt } from "./shapes.js";

const NEAREST_SHOWN = 3;

export class Turn {
  /** `actions`: openSource(number), openPassage(passage), openReceipt(), askAgain(). */
  constructor(question, actions) {
    this.question = question;
    this.actions = actions;
    this.state = "searching";
    this.text = "";
    this.citations = [];
    this.answerId = null;
    this.receipt = null;
    this.problem = null;
    this.frame = 0;
    this.drawn = "";
    this.status = element("p", { class: "turn-status" }, "Searching the documents");
    this.body = element("div", { class: "answer" });
    this.foot = element("div", { class: "turn-foot" });
    const answer = element("div", { class: "turn-answer" }, this.status, this.body, this.foot);
    this.node = element("article", { class: "turn" }, element("h2", { class: "question" }, question), answer);
    this.#render();
  }

  /** Take one event of the stream. */
  take(event) {
    if (event.kind === "created") this.answerId = event.answerId ?? null;
    if (event.kind === "searched") this.status.textContent = "Reading what was found";
    if (event.kind === "text") {
      this.state = "writing";
      this.text += event.text;
    }
    if (event.kind === "citation") this.citations = numbered([...this.citations, event.citation]);
    if (event.kind === "finished") {
      this.answerId = event.answerId ?? this.answerId;
      this.state = this.#outcome(event.refused);
    }
    if (event.kind === "failed") this.fail(event.message);
    this.#renderSoon();
  }

  /** The stream has ended: by itself, because it was stopped, or too early. */
  ended({ stopped }) {
    if (this.state !== "searching" && this.state !== "writing") return;
    if (stopped) this.state = "stopped";
    else this.fail("The answer broke off before its end.");
    this.#render();
  }

  fail(message) {
    this.state = "failed";
    this.problem = message ?? "The answer could not be finished.";
    this.#render();
  }

  /** What a screen reader says once the answer stands. */
  spoken() {
    if (this.state === "failed") return `No answer. ${this.problem}`;
    if (this.state === "stopped") return "Stopped.";
    return this.state === "answered" ? `${this.text} ${count(this.sources.length, "source")}.` : this.text;
  }

  /** The distinct citations, in the order of their numbers. */
  get sources() {
    return [...new Map(this.citations.map((citation) => [citation.number, citation])).values()];
  }

  /** Fetch the receipt, for the cost line and for what a source has become; an answer stands without it as well. */
  async loadReceipt() {
    try {
      this.receipt = readReceipt(await getJson(paths.receipt(this.answerId)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
    this.#renderFoot();
  }

  /** What the receipt knows about the passage of a citation. */
  passageOf(citation) {
    return this.receipt?.passages.find((passage) => passage.chunkId === citation.chunkId) ?? null;
  }

  /** "unknown" is said by the server; a text without a checked quote is shown, but never as an answer from a source. */
  #outcome(refused) {
    if (this.sources.length > 0 && !refused) return "answered";
    return refused || !this.text.trim() ? "unknown" : "unsupported";
  }

  #renderSoon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.#render());
  }

  #render() {
    cancelAnimationFrame(this.frame);
    this.node.dataset.state = this.state;
    this.node.setAttribute("aria-busy", String(this.state === "searching" || this.state === "writing"));
    show(this.status, this.state === "searching");
    const text = this.state === "unknown" && !this.text.trim() ? "I don’t know." : this.text;
    renderAnswer(this.body, text, this.citations, (citation) => this.#marker(citation));
    this.#renderFoot();
  }

  /** Drawn again only when it says something new: a button that was just pressed should not vanish under its focus. */
  #renderFoot() {
    const states = this.receipt?.passages.map((passage) => passage.sourceState);
    const says = JSON.stringify([this.state, this.problem, this.sources.length, this.receipt?.totalMs, states]);
    if (says === this.drawn) return;
    this.drawn = says;
    this.foot.replaceChildren(...this.#footParts());
  }

  #footParts() {
    if (this.state === "searching" || this.state === "writing") return [];
    return [this.#notice(), this.#sourceList(), this.#figures()].filter(Boolean);
  }

  #marker(citation) {
    const where = citation.page === null ? "" : `, ${placeName(citation.filename, citation.page)}`;
    return element(
      "button",
      {
        type: "button",
        class: "marker",
        "data-number": citation.number,
        "aria-label": `Source ${citation.number}: ${citation.filename}${where}`,
        on: { click: () => this.actions.openSource(citation.number) },
      },
      String(citation.number),
    );
  }

  #sourceList() {
    if (this.sources.length === 0) return null;
    const places = new Map();
    for (const citation of this.sources) {
      const place = `${citation.filename}|${citation.page}`;
      places.set(place, [...(places.get(place) ?? []), citation]);
    }
    return element("ul", { class: "sources", "aria-label": "Sources" }, ...[...places.values()].map((group) => this.#sourceRow(group)));
  }

  /** One row for the citations of one page of one document. */
  #sourceRow(group) {
    const [first] = group;
    const stale = group.map((citation) => this.passageOf(citation)?.sourceState).find((state) => state && state !== "current");
    const numbers = group.map(({ number }) => element("span", { class: "source-number", "data-number": number }, String(number)));
    return element("li", {},
      element("button", { type: "button", class: "source", on: { click: () => this.actions.openSource(first.number) } },
        element("span", { class: "source-numbers" }, ...numbers),
        element("span", { class: "source-name" }, baseName(first.filename)),
        first.page === null ? null : element("span", { class: "source-page" }, placeName(first.filename, first.page)),
        stale ? element("span", { class: "stale" }, stale) : null));
  }

  #notice() {
    if (this.state === "failed") {
      const again = { type: "button", class: "quiet", on: { click: () => this.actions.askAgain() } };
      return element("div", { class: "notice fault", role: "alert" },
        element("p", {}, this.problem), element("button", again, "Ask again"));
    }
    if (this.state === "stopped") return element("p", { class: "notice" }, "Stopped before the end.");
    if (this.state === "unsupported") {
      return element("p", { class: "notice" }, "No passage supports this text. Take it as the model’s own words.");
    }
    if (this.state === "unknown") return this.#nearest();
    if (this.receipt?.sourceChanged) {
      return element("p", { class: "notice changed" },
        "A source has changed since this was answered. The quote is from the version that was read then.");
    }
    return null;
  }

  /** What came closest, so that one can see whether the question or the documents fell short. */
  #nearest() {
    const passages = this.receipt?.passages ?? [];
    if (passages.length === 0) return null;
    const nearest = [...new Map(passages.map((passage) => [passage.filename, passage]).reverse()).values()].reverse();
    const rows = nearest.slice(0, NEAREST_SHOWN).map((passage) =>
      element("li", {}, element("button", { type: "button", class: "link", on: { click: () => this.actions.openPassage(passage) } },
        baseName(passage.filename))));
    return element("div", { class: "nearest" },
      element("p", {}, `${count(passages.length, "passage")} ${passages.length === 1 ? "was" : "were"} read, and none supports an answer. The nearest stood in`),
      element("ul", {}, ...rows));
  }

  #figures() {
    if (!this.answerId || (this.state === "failed" && !this.receipt)) return null;
    const figures = this.receipt
      ? [duration(this.receipt.totalMs), this.receipt.costNanos === 0 ? "no cost" : cost(this.receipt.costNanos)]
      : [];
    return element("p", { class: "figures" },
      ...figures.map((figure) => element("span", {}, figure)),
      element("button", { type: "button", class: "link", on: { click: () => this.actions.openReceipt() } }, "Receipt"));
  }
}
