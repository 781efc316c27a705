// How the page comes by its key: from the link that `mainstay up` prints, from this tab, or from a dialog.

import { ApiError, getJson, useKey } from "./api.js";
import { byId, show } from "./dom.js";
import { paths } from "./shapes.js";

const SLOT = "mainstay.key";

/**
 * Find a key that the server accepts, asking for one if need be.
 * The fragment never reaches a server or its log; it leaves the address bar at once.
 */
export async function findKey() {
  const fromLink = new URLSearchParams(location.hash.slice(1)).get("key");
  if (fromLink) history.replaceState(null, "", location.pathname + location.search);
  const known = fromLink ?? sessionStorage.getItem(SLOT);
  if (!known) {
    await askForKey(null);
    return;
  }
  const { refused, message } = await tryKey(known);
  if (!refused) return;
  await askForKey(fromLink ? `The key in the link was not accepted. ${message}` : message);
}

/** Ask for a key until one is accepted; with `cancellable`, resolves to false when the person gives up. */
export function askForKey(message, { cancellable = false } = {}) {
  const dialog = byId("key-dialog");
  const input = byId("key");
  input.value = "";
  complain(message);
  show(byId("key-cancel"), cancellable);
  if (!dialog.open) dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    const close = (accepted) => {
      for (const stop of listeners) stop();
      dialog.close();
      resolve(accepted);
    };
    const listeners = [
      listen(byId("key-form"), "submit", async (event) => {
        event.preventDefault();
        if (await submit(input.value.trim())) close(true);
      }),
      listen(byId("key-cancel"), "click", () => close(false)),
      // Without a key there is nothing behind the dialog to return to.
      listen(dialog, "cancel", (event) => {
        event.preventDefault();
        if (cancellable) close(false);
      }),
    ];
  });
}

async function submit(key) {
  if (!key) {
    complain("Type or paste a key first.");
    return false;
  }
  const button = byId("key-submit");
  button.disabled = true;
  const { refused, message } = await tryKey(key);
  button.disabled = false;
  complain(message);
  return !refused && !message;
}

/**
 * Whether the server refuses the key, and the sentence to show when it does or cannot be reached.
 * A key that is not refused stays with this tab: a server that is down says nothing about it.
 */
async function tryKey(key) {
  // Header values are ASCII; anything else was pasted by mistake.
  if (!/^[\x21-\x7e]+$/.test(key)) {
    return { refused: true, message: "That does not look like a key: keys have no spaces and no special letters." };
  }
  const before = useKey(key);
  try {
    await getJson(paths.stores);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.kind !== "key") return { refused: false, message: error.message };
    useKey(before);
    if (sessionStorage.getItem(SLOT) === key) sessionStorage.removeItem(SLOT);
    return { refused: true, message: "That key is not known here. It may be mistyped, expired or revoked." };
  }
  sessionStorage.setItem(SLOT, key);
  return { refused: false, message: null };
}

function complain(message) {
  const place = byId("key-error");
  place.textContent = message ?? "";
  show(place, Boolean(message));
  byId("key").setAttribute("aria-invalid", String(Boolean(message)));
}

function listen(target, event, listener) {
  target.addEventListener(event, listener);
  return () => target.removeEventListener(event, listener);
}
