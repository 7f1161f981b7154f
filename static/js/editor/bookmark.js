// Bookmark cards: asks for an address, inserts it as a link, and replaces the link by a card when the server has read the page.

import { showMessage } from "./messages.js";
import { block, replaceInBackground } from "./text.js";

export function bookmarks(editor, area) {
  const dialog = document.getElementById("editor-bookmark");
  const input = dialog.querySelector("input");

  function ask() {
    const { selectionStart, selectionEnd } = area; // see toolbar.js
    input.value = "";
    dialog.returnValue = "";
    dialog.showModal();
    const onClose = () => {
      area.focus({ preventScroll: true });
      area.setSelectionRange(selectionStart, selectionEnd);
      if (dialog.returnValue !== "insert") return;
      const address = new URL(input.value.trim()).href;
      block(area, address, address.length + 2, address.length + 2); // the next paragraph: typing must not change the address
      toCard(address);
    };
    dialog.addEventListener("close", onClose, { once: true });
  }

  // Replaces the line with the address. It stays if the page cannot be read.
  async function toCard(address) {
    const line = showMessage("Reading the page for the bookmark card…");
    try {
      const { markdown } = await read(editor.dataset.bookmarks, address);
      if (!insert(area, address, markdown)) showMessage("The bookmark card was not inserted: its link is no longer on a line by itself.");
    } catch ({ message }) {
      showMessage(`The text has a plain link instead of a bookmark card. ${message}`);
    } finally {
      line.remove();
    }
  }

  function offer(address) {
    const line = showMessage("Pasted a link.", { action: "Make a bookmark card", onAction: () => toCard(address) });
    // The paste itself is the first input.
    area.addEventListener("input", () => area.addEventListener("input", () => line.remove(), { once: true }), { once: true });
  }

  return { ask, offer };
}

async function read(url, address) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify({ url: address }) }).catch(() => null);
  if (!response) throw new Error("The blog could not be reached.");
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(body.detail ?? `The blog returned status ${response.status}.`);
  return body;
}

// Returns whether the text still has the address on its own line.
function insert(area, address, markdown) {
  let at = 0;
  for (const line of area.value.split("\n")) {
    const end = at + line.length;
    if (line.trim() === address) {
      const gap = /^\n[^\n]/.test(area.value.slice(end)) ? "\n" : ""; // else the next line would belong to the card
      replaceInBackground(area, at, end, markdown + gap);
      return true;
    }
    at = end + 1;
  }
  return false;
}
