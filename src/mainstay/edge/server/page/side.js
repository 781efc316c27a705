// The pane on the right: one thing at a time, opened from the conversation, closed with Escape.

import { byId, show } from "./dom.js";

let openedFrom = null;
let onClose = () => {};
let wanted = true;

/** False once the person has closed the pane, until they open it again. */
export function sideWanted() {
  return wanted;
}

/**
 * Show `content` under `title`. `onClose` runs when it goes, also when something else takes its place.
 * `quietly` leaves the focus where it is, for what the person did not ask to see just now.
 */
export function openSide(title, content, { quietly = false, onClose: whenClosed = () => {} } = {}) {
  onClose();
  onClose = whenClosed;
  if (!quietly) {
    if (!byId("side").contains(document.activeElement)) openedFrom = document.activeElement;
    wanted = true;
  }
  byId("side-title").textContent = title;
  byId("side-body").replaceChildren(content);
  byId("side-body").scrollTop = 0;
  show(byId("side"), true);
  byId("desk").classList.add("side-open");
  if (!quietly) byId("side-title").focus({ preventScroll: true });
}

/** Close the pane; with `keepWanted` the next answer may open it again. */
export function closeSide({ keepWanted = false } = {}) {
  if (byId("side").hidden) return;
  const hadFocus = byId("side").contains(document.activeElement);
  wanted = keepWanted;
  show(byId("side"), false);
  byId("desk").classList.remove("side-open");
  onClose();
  onClose = () => {};
  if (!hadFocus) return;
  // What opened the pane may be gone with an older answer; the question is always there.
  (openedFrom?.isConnected ? openedFrom : byId("question")).focus({ preventScroll: true });
}

export function watchSide() {
  byId("close-side").addEventListener("click", () => closeSide());
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !byId("key-dialog").open) closeSide();
  });
}
