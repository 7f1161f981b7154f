// Keeps what is typed: in this browser at once, on the server some seconds later. What the server has, the browser forgets.

import { clock, fill, values, written } from "./form.js";
import { say } from "./messages.js";

const PAUSE = 2_500;
const LONGEST = 15_000;
const RETRY = 15_000;
const KEEPALIVE_BYTES = 60_000; // browsers send no more than 64 KiB for a page that is gone

export function autosave(editor, form) {
  const { user, place, autosave: address, login } = editor.dataset;
  const state = editor.querySelector(".editor-state");
  const prefix = `blog:text:${user}:${place}:`;
  const key = prefix + Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  let onServer = "hasAutosaves" in editor.dataset ? written(values(form)) : null;
  let timer, since, running, trouble, lastSaved = "";

  const isUnsaved = () => written(values(form)) !== onServer;

  function changed() {
    if (!isUnsaved()) {
      clearTimeout(timer);
      remember(null);
      return show(lastSaved);
    }
    since ??= Date.now();
    const isKept = remember({ form: values(form), at: Date.now() });
    if (!user) show("Not saved: you are signed out");
    else if (!trouble) show(isKept ? "Saved in this browser" : "Not saved yet");
    later(Math.min(PAUSE, Math.max(0, since + LONGEST - Date.now())));
  }

  function remember(record) {
    if (!user) return false;
    try {
      if (record) localStorage.setItem(key, JSON.stringify(record));
      else localStorage.removeItem(key);
      return true;
    } catch {
      return false; // full, or not allowed
    }
  }

  function later(wait) {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  }

  // "saved", or why not: "offline", "signed-out", "refused".
  async function save() {
    clearTimeout(timer);
    while (running) await running;
    if (!user || !isUnsaved()) return "saved";
    running = send();
    const outcome = await running;
    running = null;
    if (outcome === "saved" && isUnsaved()) changed();
    return outcome;
  }

  async function send() {
    const now = written(values(form));
    const body = JSON.stringify(values(form));
    const keepalive = document.hidden && body.length < KEEPALIVE_BYTES;
    since = null;
    show("Saving…");
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(address, { method: "POST", headers, body, keepalive }).catch(() => null);
    if (!response) return fail("offline", "offline");
    if (response.status === 401) return fail("signed-out", "you are signed out");
    if (!response.ok) return fail("refused", `the server answered ${response.status}`, response.headers.get("Retry-After"));
    const { id, saved_at } = await response.json();
    form.elements.autosave.value = id ?? "";
    onServer = now;
    remember(null);
    trouble?.remove?.();
    trouble = null;
    show((lastSaved = id ? `Saved on the server ${clock(saved_at)}` : ""));
    return "saved";
  }

  function fail(outcome, reason, wait) {
    const isKept = remember({ form: values(form), at: Date.now() });
    show(isKept ? `Saved in this browser only: ${reason}` : `Not saved: ${reason}. Leave this page open`);
    if (!trouble) {
      trouble = outcome === "signed-out" ? say("You are signed out. What you type stays in this browser.", { action: "Sign in in a new tab", link: login }) : {};
    }
    later(wait ? wait * 1000 : RETRY);
    return outcome;
  }

  function show(words) {
    if (state.textContent !== words) state.textContent = words;
  }

  const saveNow = () => isUnsaved() && save();
  form.addEventListener("input", changed);
  document.addEventListener("visibilitychange", saveNow);
  addEventListener("pagehide", saveNow);
  addEventListener("online", saveNow);
  offer(prefix, form, key);
  if (isUnsaved()) changed();
  return { save, isUnsaved };
}

// Texts that a page in this browser kept and the server never got.
function offer(prefix, form, own) {
  for (const [key, record] of records(prefix)) {
    if (key === own) continue;
    if (written(record.form) === written(values(form))) {
      localStorage.removeItem(key);
      continue;
    }
    const notice = document.getElementById("editor-local").content.firstElementChild.cloneNode(true);
    notice.querySelector(".local-title").textContent = `“${record.form.title || "Untitled"}”`;
    notice.querySelector(".local-time").textContent = clock(record.at);
    notice.addEventListener("click", ({ target }) => {
      const choice = target.closest("[data-local]")?.dataset.local;
      if (!choice) return;
      notice.remove();
      if (choice === "restore") {
        fill(form, record.form);
        document.querySelector(`[data-autosave-id="${record.form.autosave}"]`)?.remove(); // an older state of the same text
      }
      localStorage.removeItem(key);
      form.elements.content.focus();
    });
    form.before(notice);
  }
}

function records(prefix) {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    return keys.map((key) => [key, JSON.parse(localStorage.getItem(key))]);
  } catch {
    return [];
  }
}
