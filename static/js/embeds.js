// Cards of other sites: a button loads the player. Nothing is requested from the provider before it is pressed. The page's content
// security policy allows exactly these players.

const SANDBOX = "allow-scripts allow-same-origin allow-presentation"; // no top navigation, forms, popups or downloads
const ALLOW = "autoplay; encrypted-media; fullscreen; picture-in-picture";
let hints = 0;

function addButtons() {
  for (const card of document.querySelectorAll("[data-frame]")) {
    const box = card.querySelector(".embed-frame");
    if (box && !box.hasChildNodes()) box.append(...controls(card, box));
  }
}

function controls(card, box) {
  const { provider } = card.dataset;
  const what = card.classList.contains("embed-video") ? "video" : "audio";
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: `Play ${what}` });
  const hint = Object.assign(document.createElement("p"), { className: "embed-hint", textContent: `Loads content from ${provider}` });
  hint.id = `embed-hint-${(hints += 1)}`;
  button.setAttribute("aria-describedby", hint.id);
  button.addEventListener("click", () => box.replaceChildren(player(card.dataset.frame, `${provider} ${what}`)), { once: true });
  return [button, hint];
}

function player(url, title) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", SANDBOX);
  // YouTube plays nothing without a referrer; the origin is enough.
  Object.assign(frame, { title, allow: ALLOW, loading: "lazy", referrerPolicy: "strict-origin-when-cross-origin", src: url });
  queueMicrotask(() => frame.focus()); // the button that had the focus is gone
  return frame;
}

addButtons();
const main = document.querySelector("main");
new MutationObserver(addButtons).observe(main, { childList: true, subtree: true }); // live updates replace the text
