// Edits the text of a textarea so that the browser's undo history includes the changes.

const MARKS = { bold: ["**", "bold text"], italic: ["*", "italic text"], code: ["`", "code"] };
const PREFIXES = { heading: "## ", quote: "> ", bullets: "- ", numbers: "1. " };
const BEFORE_LINE = { heading: /^#{1,6} +/, quote: /^> ?/, bullets: /^[-*+] +/, numbers: /^\d+[.)] +/ };
const ITEM = /^(\s*)(?:([-*+])|(\d{1,8})([.)]))( +)(\[[ xX]\] +)?/;
const QUOTE = /^((?:> ?)+)/;
const TABLE = "| Column | Column |\n| --- | --- |\n| Cell | Cell |\n";

export function replace(area, start, end, text) {
  area.focus({ preventScroll: true });
  area.setSelectionRange(start, end);
  if (start === end && !text) return;
  const isFocused = document.activeElement === area; // false while a dialog is open
  if (isFocused && document.execCommand(text ? "insertText" : "delete", false, text)) return;
  area.setRangeText(text, start, end, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

// Replaces a part of the text without moving the cursor or the focus.
export function replaceInBackground(area, from, to, text) {
  const [focused, start, end] = [document.activeElement, area.selectionStart, area.selectionEnd];
  const moved = (offset) => (offset >= to ? offset + text.length - (to - from) : Math.min(offset, from + text.length));
  replace(area, from, to, text);
  area.setSelectionRange(moved(start), moved(end));
  if (focused !== area) focused?.focus({ preventScroll: true });
}

export function apply(area, tool) {
  if (tool === "code" && selected(area).includes("\n")) return block(area, `\`\`\`\n${selected(area)}\n\`\`\``, 3, 3);
  if (tool in MARKS) return wrap(area, ...MARKS[tool]);
  if (tool in PREFIXES) return lines(area, tool);
  if (tool === "link") return link(area);
  if (tool === "table") return block(area, TABLE, 2, 8);
  footnote(area);
}

// Inserts a block with blank lines around it, then selects the part between the two offsets.
export function block(area, text, from, to) {
  const { selectionStart: start, selectionEnd: end, value } = area;
  const before = value.slice(0, start);
  const gap = !before || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  const after = value.slice(end).startsWith("\n\n") ? "" : "\n\n";
  replace(area, start, end, gap + text.trimEnd() + after);
  area.setSelectionRange(start + gap.length + from, start + gap.length + to);
}

function selected({ value, selectionStart, selectionEnd }) {
  return value.slice(selectionStart, selectionEnd);
}

function wrap(area, mark, example) {
  const { selectionStart: start, selectionEnd: end, value } = area;
  const run = (text) => text.length - text.replace(new RegExp(`\\${mark[0]}+$`), "").length;
  const marks = Math.min(run(value.slice(0, start)), run([...value.slice(end)].reverse().join("")));
  const isMarked = mark === "**" ? marks > 1 : marks % 2 === 1; // of three asterisks, one is emphasis
  const words = selected(area);
  const n = mark.length;
  if (isMarked) {
    replace(area, start - n, end + n, words);
    area.setSelectionRange(start - n, end - n);
  } else {
    const inner = words || example;
    replace(area, start, end, mark + inner + mark);
    area.setSelectionRange(start + n, start + n + inner.length);
  }
}

function lines(area, tool) {
  const { value } = area;
  const start = value.lastIndexOf("\n", area.selectionStart - 1) + 1;
  const last = area.selectionEnd - (selected(area).endsWith("\n") ? 1 : 0);
  const end = value.indexOf("\n", last) < 0 ? value.length : value.indexOf("\n", last);
  const old = value.slice(start, end).split("\n");
  const isOn = old.every((line) => BEFORE_LINE[tool].test(line));
  const fresh = old.map((line, number) => {
    if (isOn) return line.replace(BEFORE_LINE[tool], "");
    if (tool === "quote") return `> ${line}`;
    const bare = Object.values(BEFORE_LINE).reduce((rest, pattern) => rest.replace(pattern, ""), line);
    return (tool === "numbers" ? `${number + 1}. ` : PREFIXES[tool]) + bare;
  });
  const text = fresh.join("\n");
  replace(area, start, end, text);
  area.setSelectionRange(old.length > 1 ? start : start + text.length, start + text.length);
}

function link(area) {
  const start = area.selectionStart;
  const words = selected(area);
  const isAddress = /^https?:\/\/\S+$/.test(words);
  const text = isAddress ? "link text" : words || "link text";
  const address = isAddress ? words : "https://";
  replace(area, start, area.selectionEnd, `[${text}](${address})`);
  const from = words && !isAddress ? start + text.length + 3 : start + 1;
  area.setSelectionRange(from, from + (words && !isAddress ? address : text).length);
}

function footnote(area) {
  const at = area.selectionEnd;
  const numbers = [...area.value.matchAll(/\[\^(\d+)\]/g)].map((match) => Number(match[1]));
  const number = Math.max(0, ...numbers) + 1;
  replace(area, at, at, `[^${number}]`);
  const end = area.value.length;
  replace(area, end, end, `${area.value.endsWith("\n") ? "" : "\n"}\n[^${number}]: `);
}

// Returns whether the selection starts in a fenced code block.
export function isInCode({ value, selectionStart }) {
  return (value.slice(0, selectionStart).match(/^ {0,3}(```|~~~)/gm) ?? []).length % 2 === 1;
}

// Handles Enter in lists and quotes: starts the next item, or ends the list in an empty item. Returns whether it did.
export function newLine(area) {
  const { selectionStart: at, selectionEnd: end, value } = area;
  if (at !== end) return false;
  const before = value.slice(0, at);
  if (isInCode(area)) return false;
  const start = before.lastIndexOf("\n") + 1;
  const line = before.slice(start);
  const match = line.match(ITEM) ?? line.match(QUOTE);
  if (!match) return false;
  const [all, indent, bullet, number, point, space, box] = match;
  if (line === all && !value.slice(at).match(/^[^\n]/)) {
    replace(area, start, at, "");
    return true;
  }
  const next = point ? `${indent}${Number(number) + 1}${point}${space}` : bullet ? indent + bullet + space : all;
  replace(area, at, at, `\n${next}${box ? "[ ] " : ""}`);
  return true;
}
