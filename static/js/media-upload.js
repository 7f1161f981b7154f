// The upload form of the media library: each file is sent by itself, with its progress and its error. The form also works without
// JavaScript, for a few files at once.

import { upload } from "./editor/upload.js";

const form = document.querySelector("form[data-media]");
const list = document.querySelector(".upload-list");
const template = document.getElementById("upload-row");
const button = form.querySelector("button");

// Sends one file after the other: the server decodes one image at a time anyway. A failure stops none of the others.
async function sendAll(files, alt) {
  list.replaceChildren();
  const rows = files.map((file) => [file, row(file)]);
  button.disabled = true;
  let failures = 0;
  for (const [file, item] of rows) failures += (await send(file, alt, item)) ? 0 : 1;
  button.disabled = false;
  if (!failures) location.assign(`${location.pathname}?saved=${files.length}`);
}

function row(file) {
  const item = template.content.firstElementChild.cloneNode(true);
  item.querySelector("label").prepend(file.name);
  list.append(item);
  return item;
}

async function send(file, alt, item) {
  const [progress, message] = [item.querySelector("progress"), item.querySelector("p")];
  message.textContent = "";
  try {
    await upload(form.dataset.media, file, alt, (part) => (progress.value = part));
    progress.value = 1;
    message.textContent = "Uploaded.";
    return true;
  } catch (error) {
    progress.value = 0;
    message.textContent = `Not uploaded: ${error.message} `;
    message.append(retry(file, alt, item));
    return false;
  }
}

function retry(file, alt, item) {
  const again = Object.assign(document.createElement("button"), { type: "button", className: "as-link", textContent: "Try again" });
  again.addEventListener("click", () => send(file, alt, item));
  return again;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const files = [...form.elements.file.files];
  sendAll(files, files.length === 1 ? form.elements.alt.value.trim() : "");
});
form.addEventListener("dragover", (event) => {
  if (event.dataTransfer.types.includes("Files")) event.preventDefault();
});
form.addEventListener("drop", (event) => {
  const { files } = event.dataTransfer;
  if (!files.length || button.disabled) return;
  event.preventDefault();
  form.elements.file.files = files;
  form.requestSubmit();
});
