// Paste into the text: formatted text becomes Markdown, and an address pasted over a selection becomes a link. For an address on
// an empty line, `onLink` is called.

import { showMessage } from "./messages.js";
import { isInCode, replace } from "./text.js";

const FORMATTED = /<(?:a|b|strong|i|em|h[1-6]|ul|ol|table|blockquote|code|pre|img|del|s|hr)\b|\b(?:MsoListParagraph|font-weight:\s*(?:bold|[6-9]00)|font-style:\s*italic)/i;
const ADDRESS = /^https?:\/\/[^\s<>]+$/;

export function paste(area, converterUrl, onLink) {
  area.addEventListener("paste", async (event) => {
    const text = event.clipboardData.getData("text/plain");
    const html = event.clipboardData.getData("text/html");
    const { selectionStart: start, selectionEnd: end, value } = area;
    const selection = value.slice(start, end);
    if (isInCode(area)) return;
    if (ADDRESS.test(text.trim()) && selection.trim() && !/\n|^https?:/.test(selection)) {
      event.preventDefault();
      const address = text.trim().replaceAll("(", "%28").replaceAll(")", "%29");
      return replace(area, start, end, `[${selection.replace(/[\\[\]]/g, "\\$&")}](${address})`);
    }
    if (ADDRESS.test(text.trim()) && isEmptyLine(value, start, end)) return onLink(text.trim()); // the browser pastes the address
    if (!text || !FORMATTED.test(html)) return;
    event.preventDefault();
    const { markdown, dropped } = await convert(converterUrl, html, text);
    replace(area, start, end, markdown);
    report(area, start, { markdown, text, dropped });
  });
}

function isEmptyLine(value, start, end) {
  return /(?:^|\n)$/.test(value.slice(0, start)) && /^(?:\n|$)/.test(value.slice(end)) && start === end;
}

// Returns the plain text if the converter cannot be loaded.
async function convert(converterUrl, html, text) {
  try {
    const { toMarkdown } = await import(converterUrl);
    const { markdown, dropped } = toMarkdown(html);
    return { markdown: markdown || text, dropped };
  } catch {
    return { markdown: text, dropped: 0 };
  }
}

function report(area, start, { markdown, text, dropped }) {
  if (dropped) showMessage(dropped === 1 ? "One image could not be pasted. Add it as a file." : `${dropped} images could not be pasted. Add them as files.`);
  if (markdown.trim() === text.trim()) return;
  const line = showMessage("Pasted as Markdown.", {
    action: "Use plain text instead",
    onAction: () => {
      if (area.value.startsWith(markdown, start)) replace(area, start, start + markdown.length, text);
    },
  });
  area.addEventListener("input", () => line.remove(), { once: true });
}
