// Keyboard shortcuts of the moderation queue. Each presses a button of the page, which works without this script too.

const SWITCH = "moderation-shortcuts"; // in localStorage: "off" if the user turned them off (WCAG 2.1.4)
const POSITION = "moderation-position"; // in sessionStorage: the place in the list to continue at after a decision

const form = document.querySelector("[data-shortcuts]");
const dialog = document.getElementById("moderation-help");
if (form) start();

function start() {
  const rows = [...form.querySelectorAll(".queue-item")];
  for (const row of rows) row.tabIndex = -1;
  const help = form.querySelector(".queue-help");
  help.hidden = false;
  help.firstElementChild.addEventListener("click", () => dialog.showModal());
  const toggle = dialog.querySelector("[data-shortcuts-switch]");
  toggle.checked = read(localStorage, SWITCH) !== "off";
  toggle.addEventListener("change", () => write(localStorage, SWITCH, toggle.checked ? "on" : "off"));
  const position = Number(read(sessionStorage, POSITION) ?? -1);
  write(sessionStorage, POSITION, "-1");
  if (position >= 0) rows[Math.min(position, rows.length - 1)].focus();
  document.addEventListener("keydown", (event) => {
    if (toggle.checked && !dialog.open && !isTyping(event)) press(event, rows);
  });
}

function press(event, rows) {
  const current = rows.findIndex((row) => row.contains(document.activeElement));
  const action = {
    j: () => rows[Math.min(current + 1, rows.length - 1)].focus(),
    k: () => rows[Math.max(current - 1, 0)].focus(),
    x: () => rows[current]?.querySelector("[type=checkbox]").click(),
    "?": () => dialog.showModal(),
  }[event.key];
  const button = rows[current]?.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!action && !button) return;
  event.preventDefault();
  action?.();
  if (button) {
    write(sessionStorage, POSITION, String(current));
    button.click();
  }
}

function isTyping(event) {
  const field = event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  return Boolean(field) || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat;
}

function read(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null; // storage is blocked
  }
}

function write(storage, key, value) {
  try {
    storage.setItem(key, value);
  } catch {
    // storage is blocked: the choice lasts until the page is left
  }
}
