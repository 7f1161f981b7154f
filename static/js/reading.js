// The text of a post or page: buttons that copy code, large views of images, and the current section in the table of contents.

const main = document.querySelector("main");
const dialog = document.getElementById("zoom");
const IMAGES = ".prose img, .feature-image img";
const ZOOM = 1.2; // an image is enlarged if it has more pixels than are shown, by this factor
let current = null; // the image in the dialog

function addCopyButtons() {
  if (!navigator.clipboard) return; // missing on pages without TLS
  for (const box of main.querySelectorAll(".code-block:not(:has(.copy-code))")) {
    const [button, message] = document.getElementById("copy-code").content.cloneNode(true).children;
    button.addEventListener("click", () => copy(box, message));
    box.append(button, message);
  }
}

async function copy(box, message) {
  const { copied, refused } = message.dataset;
  message.textContent = await navigator.clipboard.writeText(box.querySelector("code").textContent).then(
    () => copied,
    () => refused,
  );
  message.classList.remove("visually-hidden");
  setTimeout(() => {
    message.textContent = "";
    message.classList.add("visually-hidden");
  }, 3000);
}

// Galleries link to the file of each image. Other images are enlarged if they are shown smaller than they are.
function markImages() {
  for (const image of main.querySelectorAll(IMAGES)) if (image.complete) markImage(image);
}

function markImage(image) {
  if (image.closest("a, button") || image.getAttribute("role") === "button" || largestWidth(image) < image.clientWidth * ZOOM) return;
  image.tabIndex = 0;
  image.setAttribute("role", "button");
  image.setAttribute("aria-label", [dialog.dataset.name, image.alt].filter(Boolean).join(": "));
}

function largestWidth(image) {
  const widths = [...image.srcset.matchAll(/ (\d+)w/g)].map((match) => Number(match[1]));
  return Math.max(image.naturalWidth, ...widths);
}

const isLarge = (image) => image.getAttribute("role") === "button" || Boolean(image.closest(".gallery a"));
const largeImages = () => [...main.querySelectorAll(IMAGES)].filter(isLarge);
const fileOf = (image) => image.closest(".gallery a")?.href ?? image.srcset.split(",").pop().trim().split(" ")[0] ?? "";

function show(image) {
  current = image;
  const caption = dialog.querySelector("figcaption");
  dialog.querySelector("img")?.remove();
  caption.before(Object.assign(new Image(), { src: fileOf(image) || image.currentSrc, alt: image.alt }));
  const text = image.closest("figure")?.querySelector("figcaption")?.textContent.trim() ?? "";
  caption.textContent = text;
  caption.hidden = !text;
  const images = largeImages();
  for (const button of dialog.querySelectorAll("[data-step]")) {
    button.hidden = images.length < 2;
    button.disabled = !images[images.indexOf(image) + Number(button.dataset.step)];
  }
  if (!dialog.open) dialog.showModal();
  if (document.activeElement.disabled) dialog.querySelector("[data-close]").focus();
}

function step(by) {
  const images = largeImages();
  const next = images[images.indexOf(current) + by];
  if (next) show(next);
}

dialog.addEventListener("click", ({ target }) => {
  if (target.dataset.step) step(Number(target.dataset.step));
  else if (target === dialog || target.closest("[data-close]")) dialog.close();
});
dialog.addEventListener("keydown", ({ key }) => {
  if (key === "ArrowLeft" || key === "ArrowRight") step((key === "ArrowRight" ? 1 : -1) * (document.dir === "rtl" ? -1 : 1));
});
main.addEventListener("load", ({ target }) => target.matches(IMAGES) && markImage(target), true); // `load` does not bubble
main.addEventListener("click", (event) => {
  const image = event.target.closest(".gallery a")?.querySelector("img") ?? event.target.closest("img[role=button]");
  if (!image || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  show(image);
});
main.addEventListener("keydown", (event) => {
  if (!event.target.matches("img[role=button]") || (event.key !== "Enter" && event.key !== " ")) return;
  event.preventDefault();
  show(event.target);
});

// The current section is the last heading above the middle of the window.
function markSection() {
  const links = [...main.querySelectorAll(".contents a")];
  const isAbove = (link) => document.getElementById(link.hash.slice(1))?.getBoundingClientRect().top < innerHeight / 2;
  const now = links.findLast(isAbove);
  for (const link of links) {
    if (link === now) link.setAttribute("aria-current", "location");
    else link.removeAttribute("aria-current");
  }
}

function enhance() {
  addCopyButtons();
  markImages();
}

let isScheduled = false;
function markSectionSoon() {
  if (isScheduled || !main.querySelector(".contents")) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    markSection();
  });
}

enhance();
markSectionSoon();
addEventListener("scroll", markSectionSoon, { passive: true });
new MutationObserver(enhance).observe(main, { childList: true, subtree: true }); // live updates replace the text
