// Updates an open page with live events. The server renders and sanitises the HTML in the events with the templates of the page.
// The module named by the page (`live-list.js` or `live-post.js`) inserts it.

const STATUS_DELAY = 4_000; // ms; shorter interruptions are not reported

const region = document.querySelector("[data-live]");
const liveUrl = document.querySelector('meta[name="live-url"]');
const [{ follow }, { begin }] = await Promise.all([import(liveUrl.dataset.client), import(region.dataset.liveModule)]);
const { handlers, refreshed } = begin({ region, fragment, patch, preserveScroll, announce });
const withScroll = ([name, handle]) => [name, (data) => preserveScroll(() => handle(data))];
let isLost = false;
let isQuiet = false;
let statusTimer = null;
let refetching = null;

follow({
  urls: { socket: liveUrl.content, stream: liveUrl.dataset.stream },
  channels: [region.dataset.live, region.dataset.liveAlso].filter(Boolean),
  cursor: document.querySelector('meta[name="live-cursor"]').content,
  handlers: Object.fromEntries(Object.entries(handlers).map(withScroll)),
  callbacks: { connected: showConnected, lost: showLostLater, gap: refetch, refused: refetch },
});

// Reloads the content, or shows that the page is gone if it is no longer visible. Resolves to the new cursor.
function refetch() {
  refetching ??= reloadContent().finally(() => (refetching = null));
  return refetching;
}

async function reloadContent() {
  const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok && response?.status !== 404) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  preserveScroll(() => refreshed(response.ok ? page : null));
  return page.querySelector('meta[name="live-cursor"]')?.content ?? null;
}

function showLostLater(isDisabled) {
  isQuiet ||= isDisabled; // not a connection problem
  if (!isLost) statusTimer ??= setTimeout(showLost, STATUS_DELAY);
}

function showLost() {
  statusTimer = null;
  isLost = !isQuiet;
  if (isQuiet) return;
  showStatus(navigator.onLine ? "Connection lost. Reconnecting…" : "You are offline. This page will update when you are back online.");
}

function showConnected() {
  clearTimeout(statusTimer);
  statusTimer = null;
  showStatus(isLost ? "Connected." : "");
  if (isLost) setTimeout(() => isLost || showStatus(""), STATUS_DELAY);
  isLost = isQuiet = false;
}

function showStatus(text) {
  document.getElementById("live-connection").textContent = text;
}

function announce(text) {
  document.getElementById("live-status").textContent = text;
}

function fragment(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// Runs `change` and keeps the element being read at the same position on the screen.
function preserveScroll(change) {
  const isBelowTop = (element) => element.getBoundingClientRect().bottom > 0;
  const read = scrollY > 0 ? [...document.querySelectorAll(".card, .comment, .prose > *")].filter(isBelowTop) : [];
  const places = read.slice(0, 9).map((element) => [element, element.getBoundingClientRect().top]);
  const root = document.documentElement;
  root.classList.add("changing"); // turns off scroll anchoring, which would move the page a second time
  change();
  const [anchor, top] = places.find(([element]) => element.isConnected) ?? [];
  if (anchor) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  requestAnimationFrame(() => requestAnimationFrame(() => root.classList.remove("changing")));
}

// Changes `old` to match `fresh`. Equal nodes stay, with their selection, and open `details` stay open.
function patch(old, fresh) {
  if (fresh.lang) old.lang = fresh.lang;
  else old.removeAttribute("lang");
  const opened = new Map([...old.querySelectorAll("details")].map((one) => [one.textContent, one.open]));
  for (const one of fresh.querySelectorAll("details")) one.open = opened.get(one.textContent) ?? one.open;
  const oldNodes = [...old.childNodes];
  const newNodes = [...fresh.childNodes];
  const isLike = (node, index) =>
    node.isEqualNode(newNodes[index]) || (node.firstChild && node.cloneNode().isEqualNode(newNodes[index].cloneNode()));
  if (oldNodes.length === newNodes.length && oldNodes.every(isLike)) {
    oldNodes.forEach((node, index) => node.isEqualNode(newNodes[index]) || patch(node, newNodes[index]));
    return;
  }
  for (const node of newNodes) {
    const candidates = node.nodeType === Node.TEXT_NODE ? oldNodes.slice(0, 1) : oldNodes; // any whitespace node matches another
    const same = candidates.findIndex((other) => other.isEqualNode(node));
    if (same < 0) old.insertBefore(node, oldNodes[0] ?? null);
    for (const gone of oldNodes.splice(0, same + 1).slice(0, -1)) gone.remove();
  }
  for (const gone of oldNodes) gone.remove();
}
