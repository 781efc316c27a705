// The conversation: questions go out, answers stream in, each turn follows from the one before.

import { ApiError, postStream } from "./api.js";
import { announce, byId } from "./dom.js";
import { askBody, paths, readEvent } from "./shapes.js";
import { Turn } from "./turn.js";

const QUESTION_CHARS_MAX = 4000;

export class Conversation {
  /** `hooks`: storeId(), openSource(turn, number), openPassage(passage), openReceipt(turn), onChange(), onAnswered(turn), onKeyRefused(). */
  constructor(hooks) {
    this.hooks = hooks;
    this.turns = [];
    this.previousAnswerId = null;
    this.running = null;
  }

  get empty() {
    return this.turns.length === 0;
  }

  /** Forget the turns; the answers keep their receipts on the server. */
  clear() {
    this.running?.abort();
    this.turns = [];
    this.previousAnswerId = null;
    this.hooks.onChange();
  }

  stop() {
    this.running?.abort();
  }

  /** Ask, and show the answer as it arrives. A question in flight has to end or be stopped first. */
  async ask(question) {
    const words = question.trim().slice(0, QUESTION_CHARS_MAX);
    const storeId = this.hooks.storeId();
    if (!words || this.running || !storeId) return;
    const turn = new Turn(words, {
      openSource: (number) => this.hooks.openSource(turn, number),
      openPassage: this.hooks.openPassage,
      openReceipt: () => this.hooks.openReceipt(turn),
      askAgain: () => this.askAgain(turn),
    });
    if (this.empty) byId("thread").replaceChildren();
    this.turns.push(turn);
    byId("thread").append(turn.node);
    this.running = new AbortController();
    this.hooks.onChange();
    turn.node.scrollIntoView({ block: "start" });
    announce("Searching the documents.");
    try {
      await this.#stream(turn, askBody(words, storeId, this.previousAnswerId), this.running.signal);
    } finally {
      this.running = null;
      this.hooks.onChange();
    }
  }

  async askAgain(turn) {
    if (this.running) return;
    this.turns = this.turns.filter((other) => other !== turn);
    turn.node.remove();
    await this.ask(turn.question);
  }

  /** Fetch the receipts again: a document has changed, and an answer may rest on its old version. */
  async refreshReceipts() {
    await Promise.all(this.turns.filter((turn) => turn.receipt).map((turn) => turn.loadReceipt()));
  }

  async #stream(turn, body, signal) {
    try {
      for await (const wire of postStream(paths.ask, body, signal)) {
        const event = readEvent(wire);
        turn.take(event);
        if (event.kind === "finished") this.previousAnswerId = event.answerId;
      }
      turn.ended({ stopped: signal.aborted });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      turn.fail(error.message);
      if (error.kind === "key") this.hooks.onKeyRefused(error.message);
    }
    announce(turn.spoken());
    // The receipt first: it knows under which headings a source stands.
    if (turn.answerId) await turn.loadReceipt();
    this.hooks.onAnswered(turn);
  }
}
