// The toolbar (one tab stop, arrow keys inside), the keyboard shortcuts, and the dialog that lists them.

import { apply, newLine } from "./text.js";

const isMac = /^(Mac|iP)/.test(navigator.platform);
const modifier = isMac ? "⌘" : "Ctrl";

export function toolbar(editor, area, special) {
  const bar = editor.querySelector("[role=toolbar]");
  const tools = [...bar.querySelectorAll("button")];
  const run = (tool) => (special[tool] ?? (() => apply(area, tool)))();
  const help = document.getElementById("editor-help");
  special.help = () => {
    const { selectionStart, selectionEnd } = area; // some browsers lose the selection while a dialog is open
    help.addEventListener("close", () => area.setSelectionRange(selectionStart, selectionEnd), { once: true });
    help.showModal();
  };

  const focus = (tool) => {
    for (const other of tools) other.tabIndex = other === tool ? 0 : -1;
    tool.focus();
  };
  bar.addEventListener("keydown", (event) => {
    const index = tools.indexOf(event.target);
    const last = tools.length - 1;
    const to = { ArrowRight: index === last ? 0 : index + 1, ArrowLeft: index ? index - 1 : last, Home: 0, End: last }[event.key];
    if (index < 0 || to === undefined) return;
    event.preventDefault();
    focus(tools[to]);
  });
  bar.addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays in the text
  bar.addEventListener("click", (event) => {
    const tool = event.target.closest("button");
    if (!tool) return;
    for (const other of tools) other.tabIndex = other === tool ? 0 : -1;
    run(tool.dataset.tool);
  });

  const keyed = tools.filter((tool) => tool.dataset.keys);
  area.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const tool = keyed.find(({ dataset }) => isPressed(event, dataset.keys));
    if (tool) run(tool.dataset.tool);
    else if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey || !newLine(area)) return;
    event.preventDefault();
  });
  listShortcuts(keyed, "published" in editor.dataset);
}

function isPressed(event, keys) {
  const [key, shift] = keys.split("+").reverse();
  if (!isCommand(event) || event.shiftKey !== Boolean(shift)) return false;
  return /\d/.test(key) ? event.code === `Digit${key}` : event.key.toUpperCase() === key;
}

function isCommand(event) {
  // On a Mac, Ctrl with a letter moves the caret.
  return event[isMac ? "metaKey" : "ctrlKey"] && !event[isMac ? "ctrlKey" : "metaKey"] && !event.altKey;
}

function listShortcuts(tools, isPublic) {
  const list = document.querySelector("#editor-help .shortcuts");
  const rows = tools.map((tool) => [tool.getAttribute("aria-label"), tool.dataset.keys]);
  for (const [label, keys] of [...rows, [isPublic ? "Save without publishing" : "Save draft", "S"]]) {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = label;
    description.append(...[modifier, ...keys.split("+")].flatMap((key) => [" ", keycap(key)]));
    list.append(term, description);
  }
  if (isMac) for (const tool of tools) tool.title = tool.title.replace("Ctrl+", "⌘ ");
}

function keycap(key) {
  return Object.assign(document.createElement("kbd"), { textContent: key });
}
