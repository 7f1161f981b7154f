// Tells the server that this form is open, and the writer who else has it open. Without this file the form says so once,
// as it is loaded.

const INTERVAL = 15_000;

const place = document.getElementById("presence");
let others = [...place.querySelectorAll("p")].length ? null : []; // what the server wrote is known to the reader, not to us
let isWarned = false;

async function beat() {
  const answer = await send({}).catch(() => null);
  if (!answer) return; // no network for the moment: the next beat may get through
  if (answer.status === 401) return say("You are not signed in any more. Sign in in another window before you save.");
  if (answer.status === 404) return say("This post was deleted. What you typed can still be saved as a new one.");
  if (answer.ok) tell(await answer.json());
}

function tell(found) {
  if (found.version > Number(place.dataset.version) && !isWarned) {
    isWarned = true;
    say("A newer version of this post was saved. When you save yours, you are shown what changed.");
  } else if (others === null || others.join("\n") !== found.others.join("\n")) {
    if (others !== null || !found.others.length) say(words(others ?? [], found.others));
  }
  others = found.others;
}

function words(before, now) {
  const gone = before.filter((name) => !now.includes(name));
  if (!now.length) return gone.length ? `${list(gone)} closed this post.` : "You are alone with this post now.";
  return `${list(now)} ${now.length === 1 ? "has" : "have"} this post open too. Who saves later is shown what the other one changed.`;
}

function list(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function say(text) {
  const present = place.querySelector("p");
  if (present?.textContent === text) return;
  const paragraph = document.createElement("p");
  paragraph.className = "notice warning";
  paragraph.textContent = text;
  place.replaceChildren(paragraph);
}

function send(values) {
  return fetch(place.dataset.address, { method: "POST", body: new URLSearchParams(values), redirect: "manual" });
}

addEventListener("pagehide", () => navigator.sendBeacon(place.dataset.address, new URLSearchParams({ left: "yes" })));
addEventListener("pageshow", ({ persisted }) => persisted && beat());
setInterval(beat, INTERVAL);
beat();
