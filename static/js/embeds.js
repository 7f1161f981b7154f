// Cards of other sites: a button loads the player. Nothing is requested from the provider before it is pressed. The page's content
// security policy, which cannot change, allows the players that it had when it was loaded; a live update may add others.

const SANDBOX = "allow-scripts allow-same-origin allow-presentation"; // no top navigation, forms, popups or downloads
const ALLOW = "autoplay; encrypted-media; fullscreen; picture-in-picture";
const allowed = new Set(document.documentElement.dataset.frames?.split(" "));
let hints = 0;

export function addButtons() {
  for (const card of document.querySelectorAll("[data-frame]")) {
    const box = card.querySelector(".embed-frame");
    if (!box || box.hasChildNodes()) continue;
    document.documentElement.dataset.frames ??= ""; // shows the boxes
    box.append(...controls(card, box));
  }
}

function controls(card, box) {
  const { provider } = card.dataset;
  const what = card.classList.contains("embed-video") ? "video" : "audio";
  const isAllowed = allowed.has(new URL(card.dataset.frame).origin);
  const [label, note] = isAllowed
    ? [`Play ${what}`, `Loads content from ${provider}`]
    : [`Reload to play ${what}`, `Loads this page again, with the player of ${provider}`];
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: label });
  const hint = Object.assign(document.createElement("p"), { className: "embed-hint", textContent: note });
  hint.id = `embed-hint-${(hints += 1)}`;
  button.setAttribute("aria-describedby", hint.id);
  const play = () => box.replaceChildren(player(card.dataset.frame, `${provider} ${what}`));
  button.addEventListener("click", isAllowed ? play : () => location.reload(), { once: true });
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
