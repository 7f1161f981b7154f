// The dialog that chooses the feature image: the images of the media library, a search, and an upload. The images are those of the
// page that does the same without JavaScript.

import { upload } from "./upload.js";

export function imagePicker(form, mediaUrl) {
  const { elements } = form;
  const opener = form.querySelector(".choose-image button");
  const shown = form.querySelector(".chosen-image");
  const dialog = document.getElementById("image-picker");
  const [search, sending] = dialog.querySelectorAll("form");
  const list = dialog.querySelector("ul");
  const older = dialog.querySelector(".image-picker-older");
  const status = dialog.querySelector("[role=status]");
  let requests = 0;

  function firstPage() {
    list.replaceChildren();
    const address = new URL(dialog.dataset.library, location.href);
    address.searchParams.set("q", search.elements.q.value.trim());
    return load(address);
  }

  async function load(address) {
    const number = (requests += 1);
    status.textContent = "Loading images…";
    older.hidden = true;
    const response = await fetch(address).catch(() => null);
    if (number !== requests) return; // a later search
    if (!response?.ok || response.redirected) return void (status.textContent = `The images could not be loaded: ${reasonOf(response)}.`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (number !== requests) return;
    const items = [...page.querySelectorAll(".media-grid > li")];
    for (const link of page.querySelectorAll(".media-grid a")) link.replaceWith(button(link));
    list.append(...items);
    status.textContent = list.children.length ? "" : "No matching images.";
    const next = page.querySelector(".pager [rel=next]");
    older.hidden = !next;
    older.dataset.address = next?.getAttribute("href") ?? "";
    return items[0];
  }

  function button(link) {
    const made = Object.assign(document.createElement("button"), { type: "button" });
    made.append(...link.childNodes);
    made.addEventListener("click", () => choose(link.dataset.url, link.dataset.alt));
    return made;
  }

  function choose(url, alt) {
    elements.feature_image_url.value = url;
    elements.feature_image_alt.value = alt;
    dialog.close();
    form.querySelector(".choose-image [role=status]").textContent = "Image chosen.";
    show();
    form.dispatchEvent(new Event("input"));
  }

  function show() {
    const address = elements.feature_image_url.value.trim();
    shown.hidden = !address;
    if (address) shown.src = address;
    else shown.removeAttribute("src");
  }

  opener.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
    firstPage();
  });
  search.addEventListener("submit", (event) => {
    event.preventDefault();
    firstPage();
  });
  older.addEventListener("click", async () => (await load(older.dataset.address))?.querySelector("button").focus());
  sending.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = sending.elements.file.files;
    const progress = sending.querySelector("progress");
    const error = sending.querySelector(".error");
    progress.value = 0;
    progress.hidden = false;
    error.textContent = "";
    try {
      const entry = await upload(mediaUrl, file, sending.elements.alt.value.trim(), (part) => (progress.value = part));
      if (!entry.width) throw new Error("it is not an image. Choose another file.");
      sending.reset();
      choose(new URL(entry.url).pathname, entry.alt);
    } catch ({ message }) {
      error.textContent = `${file.name} cannot be used: ${message}`;
    } finally {
      progress.hidden = true;
    }
  });
  elements.feature_image_url.addEventListener("change", show);
  form.addEventListener("filled", show);
  shown.addEventListener("error", () => (shown.hidden = true));
}

function reasonOf(response) {
  if (!response) return "the server could not be reached";
  return response.redirected ? "you are signed out" : `the server returned status ${response.status}`;
}
