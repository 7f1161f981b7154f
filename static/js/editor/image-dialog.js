// The dialog before images are inserted: their alt texts, and the order of several.

const THUMBNAIL = 72; // CSS pixels

// Resolves to the files with their alt texts, in the chosen order; empty if the dialog is cancelled.
export function describe(files) {
  const dialog = document.getElementById("editor-alt");
  const list = dialog.querySelector(".image-list");
  const isGallery = files.length > 1;
  const chosen = new Map(files.map((file, index) => [row(file, index, isGallery), file]));
  dialog.querySelector("h2").textContent = isGallery ? "Insert gallery" : "Insert image";
  list.replaceChildren(...chosen.keys());
  list.addEventListener("click", move);
  if (isGallery) updateButtons(list);
  dialog.returnValue = "";
  dialog.showModal();
  list.querySelector("input").focus();
  return new Promise((resolve) => {
    const onClose = () => {
      list.removeEventListener("click", move);
      const rows = dialog.returnValue === "insert" ? [...list.children] : [];
      resolve(rows.map((item) => ({ file: chosen.get(item), alt: item.querySelector("input").value.trim() })));
    };
    dialog.addEventListener("close", onClose, { once: true });
  });
}

function row(file, index, isGallery) {
  const item = document.getElementById("image-row").content.firstElementChild.cloneNode(true);
  const [label, input] = [item.querySelector("label"), item.querySelector("input")];
  item.querySelector(".editor-alt-name").textContent = file.name;
  input.id = label.htmlFor = `editor-alt-text-${index}`;
  if (isGallery) label.append(hidden(` of ${file.name}`));
  else item.querySelector(".image-row-actions").remove();
  for (const button of item.querySelectorAll("button")) button.append(hidden(` ${file.name}`));
  drawThumbnail(file, item.querySelector("canvas"));
  return item;
}

function hidden(text) {
  return Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: text });
}

function move(event) {
  const button = event.target.closest("button");
  if (!button) return;
  const item = button.closest("li");
  const list = item.parentElement;
  if (button.dataset.move === "up") item.previousElementSibling.before(item);
  else if (button.dataset.move === "down") item.nextElementSibling.after(item);
  else item.remove();
  updateButtons(list);
  // The focus stays with the image, although the button is disabled at the end of the list.
  const next = item.isConnected ? (button.disabled ? item.querySelector("button:enabled") : button) : list.querySelector("input");
  next.focus();
}

function updateButtons(list) {
  const last = list.children.length - 1;
  [...list.children].forEach((item, index) => {
    item.querySelector("[data-move=up]").disabled = index === 0;
    item.querySelector("[data-move=down]").disabled = index === last;
    item.querySelector("[data-move=out]").disabled = last === 0;
  });
}

// Draws the image: the content security policy allows no blob: addresses.
async function drawThumbnail(file, canvas) {
  const image = await createImageBitmap(file).catch(() => null);
  if (!image) return void canvas.remove(); // the server says what is wrong
  const scale = (THUMBNAIL * devicePixelRatio) / Math.max(image.width, image.height);
  canvas.width = Math.max(1, Math.round(image.width * scale));
  canvas.height = Math.max(1, Math.round(image.height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  image.close();
}
