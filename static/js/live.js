// Keeps an open page up to date over the WebSocket protocol `blog.live.v1`. Without it the page is just as old as its last
// load. The HTML in messages is rendered and sanitised by the server, by the templates that made the page; what becomes of
// it is the affair of the module that the page names, `live-list.js` or `live-post.js`.

const PROTOCOL = "blog.live.v1";
const SLOWEST = 30_000;
const LEAST_TOLD = 4_000; // of shorter interruptions nobody need hear
const LONGEST_HIDDEN = 300_000;

const region = document.querySelector("[data-live]");
const { begin } = await import(region.dataset.liveModule);
follow(begin({ region, fragment, patch, keepingPlace, say }));

function follow({ handlers, refreshed }) {
  const channels = [region.dataset.live, region.dataset.liveAlso].filter(Boolean);
  let cursor = document.querySelector('meta[name="live-cursor"]').content;
  let failures = 0;
  let gaps = 0;
  let isLost = false;
  let isQuiet = false;
  let isPaused = false;
  let socket, reconnecting, refetching, telling, hiding;

  function connect() {
    clearTimeout(reconnecting);
    const url = new URL(document.querySelector('meta[name="live-address"]').content, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const opened = (socket = new WebSocket(url, PROTOCOL));
    const send = (message) => opened.readyState === WebSocket.OPEN && opened.send(JSON.stringify(message));
    const subscribe = (index) => send({ type: "subscribe", id: `${index}`, channel: channels[index], after: cursor });
    let wait = null;

    const answers = {
      welcome() {
        tellBack();
        channels.forEach((_, index) => subscribe(index));
      },
      subscribed() {
        failures = gaps = 0;
      },
      ping: () => send({ type: "pong" }),
      event(message) {
        keepingPlace(() => handlers[message.event]?.(message.data));
        cursor = message.cursor;
      },
      // The log does not reach back far enough: take the content anew, and the cursor that goes with it.
      async gap({ id }) {
        gaps += 1;
        refetching ??= refetch().finally(() => (refetching = null));
        const fresh = gaps > 3 * channels.length ? null : await refetching;
        if (fresh === null) return opened.close();
        cursor = fresh;
        subscribe(id);
      },
      error({ status }) {
        if (status === 404) refetch(); // what this page shows is hidden by now: the answer says so to the reader
      },
      bye({ reconnect_ms: [least, most] }) {
        wait = least + Math.random() * (most - least);
      },
    };

    opened.addEventListener("message", ({ data }) => {
      const message = JSON.parse(data);
      answers[message.type]?.(message);
    });
    opened.addEventListener("close", ({ code }) => {
      if (opened !== socket || isPaused) return;
      isQuiet ||= code === 1013; // switched off, which is no fault of the reader's connection
      if (failures === 0) telling = setTimeout(tellLost, LEAST_TOLD);
      failures += 1;
      const longest = Math.min(SLOWEST, 500 * 2 ** failures);
      reconnecting = setTimeout(connect, wait ?? longest * (0.5 + Math.random() / 2));
    });
  }

  async function refetch() {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
    if (!response?.ok && response?.status !== 404) return null;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    keepingPlace(() => refreshed(response.ok ? page : null));
    return page.querySelector('meta[name="live-cursor"]')?.content ?? null;
  }

  function tellLost() {
    isLost = !isQuiet;
    if (isQuiet) return;
    tell(navigator.onLine ? "The connection is lost. Trying again…" : "You are offline. This page goes on when you are back.");
  }

  function tellBack() {
    clearTimeout(telling);
    tell(isLost ? "Connected again." : "");
    if (isLost) telling = setTimeout(tell, LEAST_TOLD, "");
    isLost = isQuiet = false;
  }

  // A page that nobody looks at for long lets go of its socket, and catches up when somebody does.
  document.addEventListener("visibilitychange", () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(pause, LONGEST_HIDDEN);
    else if (isPaused) resume();
  });

  function pause() {
    isPaused = true;
    clearTimeout(reconnecting);
    clearTimeout(telling);
    socket.close();
  }

  function resume() {
    isPaused = false;
    connect();
  }

  addEventListener("online", () => socket.readyState === WebSocket.CLOSED && !isPaused && connect());
  // A page that the browser brings back from its cache has a closed socket, whose `close` event reconnects it.
  connect();
}

function tell(words) {
  document.getElementById("live-state").textContent = words;
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
