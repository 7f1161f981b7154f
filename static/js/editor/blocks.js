// The menu of blocks: "/" at the start of a line, then the first letters of a name.

import { apply, block, replace } from "./text.js";

const COMMAND = /(?:^|\n)\/([a-z]*)$/i;
const BLOCKS = [
  ["Heading", (area) => apply(area, "heading")],
  ["List", (area) => apply(area, "bullets")],
  ["Quote", (area) => apply(area, "quote")],
  ["Image", "image"],
  ["Gallery", "image"], // several files become a gallery
  ["Table", (area) => apply(area, "table")],
  ["Code", (area) => block(area, "```\ncode\n```", 4, 8)],
  ["Callout", (area) => block(area, "> [!NOTE]\n> Text", 12, 16)],
  ["Bookmark", "bookmark"],
  ["Embed", (area) => block(area, "https://", 0, 8)],
  ["Footnote", (area) => apply(area, "footnote")],
  ["Divider", (area) => block(area, "---\n\n", 5, 5)],
];

export function blocks(area, special) {
  const list = Object.assign(document.createElement("ul"), { id: "block-names", className: "completions block-menu", hidden: true });
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Blocks");
  area.after(list);
  let matches = [], active = -1;

  function suggest() {
    const typed = area.selectionStart === area.selectionEnd ? COMMAND.exec(area.value.slice(0, area.selectionStart)) : null;
    const word = typed?.[1].toLowerCase();
    matches = typed ? BLOCKS.filter(([name]) => name.toLowerCase().startsWith(word)) : [];
    list.replaceChildren(...matches.map(option));
    list.hidden = !matches.length;
    if (!list.hidden) place();
    setActive(matches.length ? 0 : -1);
  }

  function option([name], index) {
    const item = Object.assign(document.createElement("li"), { id: `block-name-${index}`, textContent: name });
    item.setAttribute("role", "option");
    return item;
  }

  function setActive(position) {
    active = position;
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", index === position));
    if (position < 0) {
      area.removeAttribute("aria-activedescendant");
      area.removeAttribute("aria-controls");
    } else {
      area.setAttribute("aria-controls", list.id);
      area.setAttribute("aria-activedescendant", list.children[position].id);
    }
  }

  function close() {
    list.hidden = true;
    setActive(-1);
  }

  function place() {
    const { top, left, height } = caretPosition(area);
    list.style.setProperty("top", `${area.offsetTop + top + height}px`);
    list.style.setProperty("left", `${area.offsetLeft + left}px`);
  }

  function choose(index) {
    const [, action] = matches[index];
    const end = area.selectionStart;
    close();
    replace(area, area.value.lastIndexOf("/", end - 1), end, "");
    if (typeof action === "string") special[action]();
    else action(area);
  }

  area.addEventListener("input", suggest);
  area.addEventListener("blur", close);
  area.addEventListener("click", close);
  area.addEventListener("keydown", (event) => {
    if (list.hidden || event.isComposing) return;
    const count = matches.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") setActive((active + (event.key === "ArrowDown" ? 1 : count - 1)) % count);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" || event.key === "Tab") choose(active);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation(); // the toolbar handles Enter in lists
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the text keeps the focus
    const item = event.target.closest("li");
    if (item) choose([...list.children].indexOf(item));
  });
}

// Measures where the caret is, by a copy of the text in an element with the same style.
function caretPosition(area) {
  const style = getComputedStyle(area);
  const copy = document.createElement("div");
  for (const name of ["font", "letter-spacing", "line-height", "padding", "border", "box-sizing", "tab-size", "direction"]) {
    copy.style.setProperty(name, style.getPropertyValue(name));
  }
  Object.assign(copy.style, { position: "absolute", visibility: "hidden", whiteSpace: "pre-wrap", overflowWrap: "break-word" });
  copy.style.width = `${area.clientWidth}px`;
  const mark = document.createElement("span");
  mark.textContent = "/";
  copy.append(area.value.slice(0, area.value.lastIndexOf("/", area.selectionStart - 1)), mark);
  area.after(copy);
  const position = { top: mark.offsetTop - area.scrollTop, left: mark.offsetLeft, height: mark.offsetHeight };
  copy.remove();
  return position;
}
