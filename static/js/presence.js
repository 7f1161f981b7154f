// Reports to the server that this form is open, and shows who else is editing the post.

const INTERVAL = 15_000;

const place = document.getElementById("presence");
let others = place.querySelector("p") ? null : []; // null: the names rendered by the server are not known here
let isWarned = false;

async function sendHeartbeat() {
  const response = await send({}).catch(() => null);
  if (!response) return; // offline: the next heartbeat may succeed
  if (response.status === 401) return show("You are signed out. Sign in in another tab before you save.");
  if (response.status === 404) return show("This post was deleted. You can still save your text as a new post.");
  if (response.ok) update(await response.json());
}

function update(state) {
  if (state.version > Number(place.dataset.version) && !isWarned) {
    isWarned = true;
    show("Someone saved a newer version. You’ll be able to compare when you save.");
  } else if (others === null || others.join("\n") !== state.others.join("\n")) {
    if (others !== null || !state.others.length) show(describe(others ?? [], state.others));
  }
  others = state.others;
}

function describe(before, now) {
  const gone = before.filter((name) => !now.includes(name));
  if (!now.length) return gone.length ? `${list(gone)} stopped editing.` : "You’re the only one editing now.";
  return `${list(now)} ${now.length === 1 ? "is" : "are"} also editing this post. If you both save, the second to save will see both versions.`;
}

function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function show(text) {
  const existing = place.querySelector("p");
  if (existing?.textContent === text) return;
  const paragraph = document.createElement("p");
  paragraph.className = "notice warning";
  paragraph.textContent = text;
  place.replaceChildren(paragraph);
}

function send(values) {
  return fetch(place.dataset.url, { method: "POST", body: new URLSearchParams(values), redirect: "manual" });
}

addEventListener("pagehide", () => navigator.sendBeacon(place.dataset.url, new URLSearchParams({ left: "yes" })));
addEventListener("pageshow", ({ persisted }) => persisted && sendHeartbeat());
setInterval(sendHeartbeat, INTERVAL);
sendHeartbeat();
