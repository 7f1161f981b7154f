// Keeps an open page up to date. Without it the page is just as old as its last load. The HTML in events is rendered and
// sanitised by the server, by the templates that made the page; what becomes of it is the affair of the module that the page
// names, `live-list.js` or `live-post.js`.

const LEAST_TOLD = 4_000; // of shorter interruptions nobody need hear

const region = document.querySelector("[data-live]");
const address = document.querySelector('meta[name="live-address"]');
const [{ follow }, { begin }] = await Promise.all([import(address.dataset.client), import(region.dataset.liveModule)]);
const { handlers, refreshed } = begin({ region, fragment, patch, keepingPlace, say });
const inPlace = ([name, handle]) => [name, (data) => keepingPlace(() => handle(data))];
let isLost = false;
let isQuiet = false;
let telling = null;
let refetching = null;

follow({
  addresses: { socket: address.content, stream: address.dataset.stream },
  channels: [region.dataset.live, region.dataset.liveAlso].filter(Boolean),
  cursor: document.querySelector('meta[name="live-cursor"]').content,
  handlers: Object.fromEntries(Object.entries(handlers).map(inPlace)),
  told: { connected: tellBack, lost: tellLater, gap: refetch, refused: refetch },
});

// The page as it is now, also when what it shows is hidden: the answer says so to the reader. The cursor that goes with it.
function refetch() {
  refetching ??= takeAnew().finally(() => (refetching = null));
  return refetching;
}

async function takeAnew() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok && response?.status !== 404) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  keepingPlace(() => refreshed(response.ok ? page : null));
  return page.querySelector('meta[name="live-cursor"]')?.content ?? null;
}

function tellLater(isSwitchedOff) {
  isQuiet ||= isSwitchedOff; // which is no fault of the reader's connection
  if (!isLost) telling ??= setTimeout(tellLost, LEAST_TOLD);
}

function tellLost() {
  telling = null;
  isLost = !isQuiet;
  if (isQuiet) return;
  tell(navigator.onLine ? "The connection is lost. Trying again…" : "You are offline. This page goes on when you are back.");
}

function tellBack() {
  clearTimeout(telling);
  telling = null;
  tell(isLost ? "Connected again." : "");
  if (isLost) setTimeout(() => isLost || tell(""), LEAST_TOLD);
  isLost = isQuiet = false;
}

function tell(words) {
  document.getElementById("live-connection").textContent = words;
}

function say(words) {
  document.getElementById("live-status").textContent = words;
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// What is being read stays where it is on the screen, whatever comes or goes above it.
function keepingPlace(change) {
  const isBelowTop = (element) => element.getBoundingClientRect().bottom > 0;
  const read = scrollY > 0 ? [...document.querySelectorAll(".card, .comment, .prose > *")].filter(isBelowTop) : [];
  const places = read.slice(0, 9).map((element) => [element, element.getBoundingClientRect().top]);
  const root = document.documentElement;
  root.classList.add("changing"); // the browser's own help, where there is any, would come on top
  change();
  const [kept, top] = places.find(([element]) => element.isConnected) ?? [];
  if (kept) scrollBy({ top: kept.getBoundingClientRect().top - top, behavior: "instant" });
  requestAnimationFrame(() => requestAnimationFrame(() => root.classList.remove("changing")));
}

// Makes an element like a fresh one; what is the same in both stays, with its selection, and with what was opened in it.
function patch(old, fresh) {
  const opened = new Map([...old.querySelectorAll("details")].map((one) => [one.textContent, one.open]));
  for (const one of fresh.querySelectorAll("details")) one.open = opened.get(one.textContent) ?? one.open;
  const was = [...old.childNodes];
  const will = [...fresh.childNodes];
  const isLike = (node, index) =>
    node.isEqualNode(will[index]) || (node.firstChild && node.cloneNode().isEqualNode(will[index].cloneNode()));
  if (was.length === will.length && was.every(isLike)) {
    was.forEach((node, index) => node.isEqualNode(will[index]) || patch(node, will[index]));
    return;
  }
  for (const node of will) {
    const near = node.nodeType === Node.TEXT_NODE ? was.slice(0, 1) : was; // one line end is as good as another
    const same = near.findIndex((other) => other.isEqualNode(node));
    if (same < 0) old.insertBefore(node, was[0] ?? null);
    for (const gone of was.splice(0, same + 1).slice(0, -1)) gone.remove();
  }
  for (const gone of was) gone.remove();
}
