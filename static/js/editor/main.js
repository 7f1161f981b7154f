// The editor of posts and pages: toolbar, preview, autosave, uploads and completion of tags and authors. The form also works without JavaScript.

import { completeAuthors } from "./authors.js";
import { autosave } from "./autosave.js";
import { blocks } from "./blocks.js";
import { bookmarks } from "./bookmark.js";
import { rememberCaret, restoreCaret } from "./caret.js";
import { imagePicker } from "./image-picker.js";
import { images } from "./images.js";
import { showMessage } from "./messages.js";
import { paste } from "./paste.js";
import { preview } from "./preview.js";
import { searchPreview } from "./search-preview.js";
import { completeTags } from "./tags.js";
import { toolbar } from "./toolbar.js";
import { countWords, readingMinutes } from "./word-count.js";

const editor = document.getElementById("editor");
const form = editor.closest("form");
const area = form.elements.content;
const saveButton = form.querySelector("button.save"); // keeps the status of the post

form.querySelector(".editor-toolbar").hidden = false;
for (const plain of form.querySelectorAll(".editor-images, .preview-button")) plain.hidden = true;

const imageUploads = images(editor, area);
const bookmarkCards = bookmarks(editor, area);
blocks(area, { image: imageUploads.choose, bookmark: bookmarkCards.ask });
toolbar(editor, area, { image: imageUploads.choose });
paste(area, editor.dataset.converter, bookmarkCards.offer);
preview(editor, form, area);
if (form.elements.tags) {
  // A page has a title, a text and an address alone.
  searchPreview(form, area);
  imagePicker(form, editor.dataset.media);
  completeTags(form.elements.tags, editor.dataset.tags);
  completeAuthors(form.elements.authors, editor.dataset.authors);
}
const autosaver = autosave(editor, form);

const count = form.querySelector(".editor-count");
function showCount() {
  const words = countWords(area.value);
  count.textContent = `${words.toLocaleString()} ${words === 1 ? "word" : "words"}${words ? ` · ${readingMinutes(words)} min read` : ""}`;
}
form.addEventListener("input", showCount);
form.elements.title.addEventListener("input", ({ target }) => {
  if (target.value.includes("\n")) target.value = target.value.replace(/\s*\n\s*/g, " "); // pasted lines
});
showCount();

// Saving

let isLeaving = false;
form.addEventListener("submit", async (event) => {
  if (isLeaving) return;
  const { submitter } = event;
  if (imageUploads.isBusy()) {
    event.preventDefault();
    showMessage("An image is still uploading. Save again when it has finished.");
    return;
  }
  if (autosaver.isUnsaved()) {
    // Autosave before leaving the page: the text is then on the server, and the server is known to be reachable.
    event.preventDefault();
    const outcome = await autosaver.save();
    if (outcome === "offline") return void showMessage("Not saved: the server could not be reached. Try again in a moment.");
    if (outcome === "signed-out") return;
    isLeaving = true;
    form.requestSubmit(submitter);
  }
  isLeaving = true;
});
addEventListener("pageshow", () => (isLeaving = false));
addEventListener("beforeunload", (event) => {
  if (!isLeaving && autosaver.isUnsaved()) event.preventDefault();
});
form.addEventListener("keydown", (event) => {
  // The disabled default button stops Enter in text fields, but not in the date field of Chromium.
  if (event.key !== "Enter" || event.isComposing || !event.target.matches("input, #field-title")) return;
  event.preventDefault();
  if (event.target.id === "field-title") area.focus();
});
document.addEventListener("keydown", async (event) => {
  const isSave = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "s";
  if (!isSave || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  if ("published" in editor.dataset) {
    // Saving the post would publish the changes.
    if ((await autosaver.save()) === "saved" && form.elements.autosave.value) showMessage("Your changes are saved but not public yet.");
  } else {
    if (form.checkValidity()) rememberCaret(area);
    form.requestSubmit(saveButton);
  }
});
restoreCaret(area);
