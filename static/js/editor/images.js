// Pasted, dropped or selected images: asks for alt text, uploads them, and inserts their Markdown at the cursor.

import { showMessage } from "./messages.js";
import { block, replace } from "./text.js";
import { upload as send } from "./upload.js";

let number = 0;

export function images(editor, area) {
  const input = document.getElementById("editor-file");
  let uploadCount = 0;

  async function add(files) {
    const { selectionStart, selectionEnd } = area; // see toolbar.js
    const described = [];
    for (const file of files) described.push([file, await describe(file)]);
    area.setSelectionRange(selectionStart, selectionEnd);
    for (const [file, alt] of described) if (alt !== null) upload(file, alt);
  }

  async function upload(file, alt) {
    number += 1;
    const placeholder = `![Uploading ${file.name.replace(/[[\]()\\\n]/g, "")} (${number})…]()`;
    block(area, placeholder, placeholder.length + 2, placeholder.length + 2);
    const progress = showMessage(`Uploading ${file.name}…`);
    uploadCount += 1;
    try {
      let reported = 0;
      const { url } = await send(editor.dataset.media, file, alt, (part) => {
        const percent = Math.floor(4 * part) * 25; // screen readers announce each update
        if (percent > reported) progress.textContent = `Uploading ${file.name}: ${(reported = percent)} %`;
      });
      swap(area, placeholder, `![${alt.replace(/[\\[\]]/g, "\\$&")}](${new URL(url).pathname})`);
    } catch (error) {
      swap(area, placeholder, "");
      showMessage(`${file.name} was not uploaded: ${error.message}`, { action: "Try again", onAction: () => upload(file, alt) });
    } finally {
      uploadCount -= 1;
      progress.remove();
    }
  }

  const addFrom = (event, data) => {
    const files = [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    add(files);
  };
  area.addEventListener("paste", (event) => {
    // Office programs add an image of copied text to the clipboard.
    if (!event.clipboardData.types.includes("text/plain")) addFrom(event, event.clipboardData);
  });
  area.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  area.addEventListener("drop", (event) => addFrom(event, event.dataTransfer));
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  return { choose: () => input.click(), isBusy: () => uploadCount > 0 };
}

// Asks for the alt text. Resolves to null if the dialog is cancelled.
function describe(file) {
  const dialog = document.getElementById("editor-alt");
  const field = document.getElementById("editor-alt-text");
  dialog.querySelector(".editor-alt-name").textContent = file.name;
  field.value = dialog.returnValue = "";
  dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const onClose = () => resolve(dialog.returnValue === "insert" ? field.value.trim() : null);
    dialog.addEventListener("close", onClose, { once: true });
  });
}

// Replaces the placeholder without moving the cursor or the focus. Does nothing if the placeholder was deleted.
function swap(area, placeholder, text) {
  const at = area.value.indexOf(placeholder);
  if (at < 0) return;
  const [focused, start, end] = [document.activeElement, area.selectionStart, area.selectionEnd];
  const moved = (offset) => (offset >= at + placeholder.length ? offset + text.length - placeholder.length : Math.min(offset, at + text.length));
  replace(area, at, at + placeholder.length, text);
  area.setSelectionRange(moved(start), moved(end));
  if (focused !== area) focused?.focus({ preventScroll: true });
}
