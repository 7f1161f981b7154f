// Images that are pasted, dropped or chosen: described, uploaded, and put where the writer was.

import { say } from "./messages.js";
import { block, replace } from "./text.js";

let number = 0;

export function images(editor, area) {
  const input = document.getElementById("editor-file");
  let underWay = 0;

  async function add(files) {
    const { selectionStart, selectionEnd } = area; // see toolbar.js
    const described = [];
    for (const file of files) described.push([file, await describe(file)]);
    area.setSelectionRange(selectionStart, selectionEnd);
    for (const [file, alt] of described) if (alt !== null) upload(file, alt);
  }

  async function upload(file, alt) {
    number += 1;
    const mark = `![Uploading ${file.name.replace(/[[\]()\\\n]/g, "")} (${number})…]()`;
    block(area, mark, mark.length + 2, mark.length + 2);
    const progress = say(`Uploading ${file.name}…`);
    underWay += 1;
    try {
      const address = await send(editor.dataset.media, file, alt, (percent) => {
        progress.textContent = `Uploading ${file.name}: ${percent} %`;
      });
      swap(area, mark, `![${alt.replace(/[\\[\]]/g, "\\$&")}](${address})`);
    } catch (error) {
      swap(area, mark, "");
      say(`${file.name} was not uploaded: ${error.message}`, { action: "Try again", onAction: () => upload(file, alt) });
    } finally {
      underWay -= 1;
      progress.remove();
    }
  }

  const take = (event, data) => {
    const files = [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    add(files);
  };
  area.addEventListener("paste", (event) => {
    // Programs of an office put a picture of the words beside the words.
    if (!event.clipboardData.types.includes("text/plain")) take(event, event.clipboardData);
  });
  area.addEventListener("dragover", (event) => {
    if (event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  area.addEventListener("drop", (event) => take(event, event.dataTransfer));
  input.addEventListener("change", () => {
    add([...input.files]);
    input.value = "";
  });
  return { choose: () => input.click(), isBusy: () => underWay > 0 };
}

// What the image shows, or null if it is not wanted after all.
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

// By XMLHttpRequest: fetch does not tell how much was sent.
function send(address, file, alt, onProgress) {
  const body = new FormData();
  body.append("alt", alt);
  body.append("file", file);
  const request = new XMLHttpRequest();
  request.responseType = "json";
  let told = 0;
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    const percent = Math.floor((4 * loaded) / total) * 25; // a screen reader reads each out
    if (percent > told) onProgress((told = percent));
  });
  return new Promise((resolve, reject) => {
    request.addEventListener("error", () => reject(new Error("the server cannot be reached.")));
    request.addEventListener("load", () => {
      if (request.status === 201) resolve(new URL(request.response.url).pathname);
      else reject(new Error(request.response?.detail ?? `the server answered ${request.status}.`));
    });
    request.open("POST", address);
    request.send(body);
  });
}

// The writer may be anywhere by now, and stays there. Who removed the mark did not want the image.
function swap(area, mark, text) {
  const at = area.value.indexOf(mark);
  if (at < 0) return;
  const [focused, start, end] = [document.activeElement, area.selectionStart, area.selectionEnd];
  const moved = (place) => (place >= at + mark.length ? place + text.length - mark.length : Math.min(place, at + text.length));
  replace(area, at, at + mark.length, text);
  area.setSelectionRange(moved(start), moved(end));
  if (focused !== area) focused?.focus({ preventScroll: true });
}
