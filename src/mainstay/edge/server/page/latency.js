// Where the time went: one row for each stage, its bar beginning where the stage before it ended.

import { drawing, element } from "./dom.js";
import { duration } from "./format.js";

const NAMES = {
  embed: "understand the question",
  search: "search",
  generate: "write and check the quotes",
  settle: "record",
};
const WIDTH = 1000;
// A stage too short to see still gets this much of the width.
const BAR_MIN = 6;

/** A list with a small bar in each row; the words carry the figures, the bars only show them. */
export function latencyView(stages, totalMs) {
  const whole = Math.max(totalMs, stages.reduce((sum, stage) => sum + stage.ms, 0), Number.MIN_VALUE);
  let before = 0;
  const rows = stages.map((stage) => {
    const width = Math.max((stage.ms / whole) * WIDTH, BAR_MIN);
    const left = Math.min((before / whole) * WIDTH, WIDTH - width);
    before += stage.ms;
    return element("li", {},
      element("span", { class: "stage-name" }, NAMES[stage.name] ?? stage.name.replaceAll("_", " ")),
      element("span", { class: "stage-time" }, duration(stage.ms)),
      drawing("svg", { viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none", "aria-hidden": "true" },
        drawing("rect", { class: "rail", x: 0, y: 4.5, width: WIDTH, height: 1 }),
        drawing("rect", { class: "bar", x: left, y: 0, width, height: 10 })));
  });
  return element("ol", { class: "stages" }, ...rows);
}
