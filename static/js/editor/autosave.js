// Autosaves the form: in localStorage at once, on the server a few seconds later. The local copy is deleted once the server has it.

import { clock, fill, values, contentOf } from "./form.js";
import { showMessage } from "./messages.js";

const PAUSE = 2_500;
const MAX_DELAY = 15_000;
const RETRY = 15_000;
const KEEPALIVE_BYTES = 60_000; // browsers limit keepalive requests to 64 KiB

export function autosave(editor, form) {
  const { user, draft, autosave: url, login } = editor.dataset;
  const state = form.querySelector(".editor-state");
  const prefix = `blog:text:${user}:${draft}:`;
  const id = Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  const key = prefix + id;
  let onServer = "unchanged" in editor.dataset ? contentOf(values(form)) : null;
  let timer, since, running, warning, lastSaved = "";
  let stamp = `${id}:0`; // names the text in this browser and on the server

  const isUnsaved = () => contentOf(values(form)) !== onServer;

  function changed() {
    if (!isUnsaved()) {
      clearTimeout(timer);
      storeLocally(null);
      return show(lastSaved);
    }
    since ??= Date.now();
    stamp = `${id}:${Date.now()}`;
    const isStored = storeLocally({ form: values(form), at: Date.now(), stamp });
    if (!user) show("Not saved: you are signed out");
    else if (!warning) show(isStored ? "Saved in this browser" : "Not saved yet");
    saveLater(Math.min(PAUSE, Math.max(0, since + MAX_DELAY - Date.now())));
  }

  function storeLocally(record) {
    if (!user) return false;
    try {
      if (record) localStorage.setItem(key, JSON.stringify(record));
      else localStorage.removeItem(key);
      return true;
    } catch {
      return false; // quota exceeded, or storage is disabled
    }
  }

  function saveLater(wait) {
    clearTimeout(timer);
    timer = setTimeout(save, wait);
  }

  // Resolves to "saved", or to the reason for failure: "offline", "signed-out" or "refused".
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
    const now = contentOf(values(form));
    const body = JSON.stringify({ ...values(form), stamp });
    const keepalive = document.hidden && body.length < KEEPALIVE_BYTES;
    since = null;
    show("Saving…");
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body, keepalive }).catch(() => null);
    if (!response) return fail("offline", "offline");
    if (response.status === 401) return fail("signed-out", "you are signed out");
    if (!response.ok) return fail("refused", `the server returned status ${response.status}`, response.headers.get("Retry-After"));
    const { id, saved_at } = await response.json();
    form.elements.autosave.value = id ?? "";
    onServer = now;
    storeLocally(null);
    warning?.remove?.();
    warning = null;
    show((lastSaved = id ? `Saved on the server ${clock(new Date(saved_at))}` : ""));
    return "saved";
  }

  function fail(outcome, reason, wait) {
    const isStored = storeLocally({ form: values(form), at: Date.now(), stamp });
    show(isStored ? `Saved in this browser only: ${reason}` : `Not saved: ${reason}. Keep this page open`);
    if (!warning) {
      warning = outcome === "signed-out" ? showMessage("You are signed out. Your text is saved in this browser only.", { action: "Sign in in a new tab", link: login }) : {};
    }
    saveLater(wait ? wait * 1000 : RETRY);
    return outcome;
  }

  function show(text) {
    if (state.textContent !== text) state.textContent = text;
  }

  const saveNow = () => isUnsaved() && save();
  form.addEventListener("input", changed);
  document.addEventListener("visibilitychange", saveNow);
  addEventListener("pagehide", saveNow);
  addEventListener("online", saveNow);
  offerLocal(prefix, form, key);
  if (isUnsaved()) changed();
  return { save, isUnsaved };
}

// Offers texts that were saved in this browser but never reached the server, as far as the browser knows.
function offerLocal(prefix, form, ownKey) {
  for (const [key, record] of records(prefix)) {
    if (key === ownKey) continue;
    const older = offerOf(record); // the server's offer of the same text, saved before or without a response
    if (older?.dataset.stamp === record.stamp || contentOf(record.form) === contentOf(values(form))) {
      localStorage.removeItem(key);
      continue;
    }
    const notice = document.getElementById("editor-local").content.firstElementChild.cloneNode(true);
    notice.querySelector(".local-title").textContent = `“${record.form.title || "Untitled"}”`;
    notice.querySelector(".local-time").textContent = clock(new Date(record.at));
    notice.addEventListener("click", ({ target }) => {
      const choice = target.closest("[data-local]")?.dataset.local;
      if (!choice) return;
      notice.remove();
      if (choice === "restore") {
        fill(form, { ...record.form, autosave: older?.dataset.autosaveId ?? record.form.autosave });
        older?.remove();
      } else if (older) {
        older.hidden = false;
      }
      localStorage.removeItem(key);
      form.elements.content.focus();
    });
    if (older) older.hidden = true;
    form.before(notice);
  }
}

function offerOf({ form, stamp = "" }) {
  const offers = [...document.querySelectorAll("[data-autosave-id]")];
  const writer = stamp.slice(0, stamp.indexOf(":") + 1);
  return offers.find(({ dataset }) => dataset.autosaveId === form.autosave || (writer && dataset.stamp.startsWith(writer)));
}

function records(prefix) {
  try {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(prefix));
    return keys.map((key) => [key, JSON.parse(localStorage.getItem(key))]);
  } catch {
    return [];
  }
}
