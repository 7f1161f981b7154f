// Pasted, dropped or selected images: asks for their alt texts and their order, uploads them, and inserts their Markdown at the cursor.
// Several images become a gallery, which is a paragraph of images.

import { describe } from "./image-dialog.js";
import { showMessage } from "./messages.js";
import { block, replaceInBackground } from "./text.js";
import { upload } from "./upload.js";

let number = 0;

export function images(editor, area) {
  const input = document.getElementById("editor-file");
  let uploadCount = 0;

  async function add(files) {
    const { selectionStart, selectionEnd } = area; // see toolbar.js
    const described = await describe(files);
    area.setSelectionRange(selectionStart, selectionEnd);
    if (described.length) insert(described);
  }

  // Uploads one file after the other: the server decodes one image at a time anyway. A failure stops none of the others.
  async function insert(described) {
    const waiting = described.map((image) => ({ ...image, placeholder: placeholderOf(image.file), line: progressLine(image.file) }));
    const text = waiting.map(({ placeholder }) => placeholder).join("\n");
    block(area, text, text.length, text.length);
    uploadCount += 1;
    for (const image of waiting) await send(image);
    uploadCount -= 1;
  }

  async function send({ file, alt, placeholder, line }) {
    try {
      const { url } = await upload(editor.dataset.media, file, alt, (part) => (line.querySelector("progress").value = part));
      swap(area, placeholder, `![${alt.replace(/[\\[\]]/g, "\\$&")}](${new URL(url).pathname})`);
    } catch (error) {
      swap(area, placeholder, "");
      showMessage(`${file.name} was not uploaded: ${error.message}`, { action: "Try again", onAction: () => insert([{ file, alt }]) });
    } finally {
      line.remove();
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

function placeholderOf(file) {
  number += 1;
  return `![Uploading ${file.name.replace(/[[\]()\\\n]/g, "")} (${number})…]()`;
}

function progressLine(file) {
  const line = showMessage(`Uploading ${file.name}`);
  const progress = Object.assign(document.createElement("progress"), { max: 1, value: 0, ariaLabel: `Upload of ${file.name}` });
  line.append(" ", progress);
  return line;
}

// Replaces the placeholder, or removes it with its line. Does nothing if it was deleted.
function swap(area, placeholder, text) {
  const old = text ? placeholder : [`${placeholder}\n`, `\n${placeholder}`].find((line) => area.value.includes(line)) ?? placeholder;
  const at = area.value.indexOf(old);
  if (at >= 0) replaceInBackground(area, at, at + old.length, text);
}
