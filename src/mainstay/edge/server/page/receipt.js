// The receipt of an answer, drawn like one: what was asked, read, cut, spent and how long each part took.

import { drawing, element } from "./dom.js";
import { baseName, cost, count, duration, moment, placeName, score } from "./format.js";
import { latencyView } from "./latency.js";

/** The content of the pane for one receipt; `storeName` gives the name of a store id. */
export function receiptView(receipt, storeName) {
  const most = highest([...receipt.passages, ...receipt.cut]);
  return element("div", { class: "slip" },
    head(receipt, storeName),
    section("Time", duration(receipt.totalMs), latencyView(receipt.stages, receipt.totalMs)),
    section("Cost", receipt.costNanos === 0 ? "none" : cost(receipt.costNanos), leaders([
      ["tokens in", receipt.inputTokens.toLocaleString("en")],
      ["tokens out", receipt.outputTokens.toLocaleString("en")],
    ])),
    section("Passages read", String(receipt.passages.length), passageList(receipt.passages, most)),
    receipt.cut.length > 0 ? section("Found, but cut", String(receipt.cut.length), passageList(receipt.cut, most)) : null,
    foot(receipt));
}

/** What stands in the pane while the receipt is fetched or when it cannot be had. */
export function receiptMissing(message) {
  return element("p", { class: "slip-empty" }, message);
}

function head(receipt, storeName) {
  const state = receipt.sourceChanged
    ? element("p", { class: "slip-state changed" }, "A source has changed since.")
    : element("p", { class: "slip-state" }, "Every source is still as it was.");
  return element("div", { class: "slip-head" },
    element("p", { class: "slip-question" }, receipt.question),
    receipt.createdAt ? element("p", { class: "slip-date" }, moment(receipt.createdAt)) : null,
    receipt.passages.length > 0 ? state : null,
    leaders([
      ["model", receipt.model],
      ["provider", receipt.provider],
      ["prompt", receipt.prompt],
      ["store", receipt.storeIds.map(storeName).join(", ")],
    ]));
}

function section(title, figure, content) {
  return element("section", { class: "slip-part" },
    element("h3", {}, element("span", {}, title), element("span", { class: "figure" }, figure)), content);
}

/** Names and values, joined by dots as on a till receipt. */
function leaders(pairs) {
  const rows = pairs.filter(([, value]) => value !== "").flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
  return element("dl", { class: "leaders" }, ...rows);
}

/** The highest score of each leg: the length of its full bar. */
function highest(passages) {
  const most = (leg) => Math.max(...passages.map((passage) => passage[leg].score ?? 0), Number.MIN_VALUE);
  return { lexical: most("lexical"), vector: most("vector"), fused: most("fused") };
}

function passageList(passages, most) {
  if (passages.length === 0) return element("p", { class: "hint" }, "No passage was found.");
  return element("ol", { class: "passages" }, ...passages.map((passage) => passageRow(passage, most)));
}

function passageRow(passage, most) {
  const where = passage.page === null ? "" : `, ${placeName(passage.filename, passage.page)}`;
  const notes = [
    passage.cited ? element("span", { class: "cited" }, "cited") : null,
    passage.sourceState === "current" ? null : element("span", { class: "stale" }, passage.sourceState),
  ];
  return element("li", { class: passage.cited ? "is-cited" : null },
    element("p", { class: "passage-name" }, baseName(passage.filename), element("span", { class: "soft" }, where), ...notes),
    passage.headingPath.length > 0 ? element("p", { class: "passage-path" }, passage.headingPath.join(" › ")) : null,
    passage.reason ? element("p", { class: "passage-path" }, `cut: ${passage.reason}`) : null,
    element("dl", { class: "scores" },
      ...scoreOf("words", passage.lexical, most.lexical),
      ...scoreOf("meaning", passage.vector, most.vector),
      ...scoreOf("together", passage.fused, most.fused)),
    element("p", { class: "passage-hash", title: passage.chunkSha256 },
      [passage.version === null ? "" : `version ${passage.version}`, passage.chunkSha256.slice(0, 12)].filter(Boolean).join(" · ")));
}

function scoreOf(name, leg, most) {
  const width = leg.score === null ? 0 : Math.max(0, (leg.score / most) * 100);
  const bar = drawing("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    drawing("rect", { class: "rail", x: 0, y: 0, width: 100, height: 6 }),
    drawing("rect", { class: "bar", x: 0, y: 0, width, height: 6 }));
  const rank = leg.rank === null ? null : element("span", { class: "rank" }, ` no. ${leg.rank}`);
  return [element("dt", {}, name), element("dd", {}, bar, element("span", { class: "score" }, score(leg.score), rank))];
}

function foot(receipt) {
  const copy = element("button", { type: "button", class: "quiet" }, "Copy as JSON");
  copy.addEventListener("click", async () => {
    // The clipboard is closed to pages that came over plain HTTP from another machine.
    const copied = await navigator.clipboard?.writeText(JSON.stringify(receipt.wire, null, 2)).then(() => true, () => false);
    copy.textContent = copied ? "Copied" : "The browser does not allow copying";
  });
  const command = element("code", {}, `mainstay explain ${receipt.answerId}`);
  return element("div", { class: "slip-foot" },
    leaders([["answer", receipt.answerId], ["request", receipt.requestId]]),
    element("p", {}, count(receipt.passages.length + receipt.cut.length, "passage"), " weighed. The same on the command line: ", command),
    copy);
}
