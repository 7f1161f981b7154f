// Converts HTML of the clipboard to Markdown. The libraries convert plain semantic HTML; this module makes it from what office
// programs and web pages put on the clipboard.

import Turndown from "../../vendor/turndown/turndown.browser.es.js";
import { gfm } from "../../vendor/turndown-plugin-gfm/turndown-plugin-gfm.browser.es.js";

const INVISIBLE = "style, script, meta, title, link, template, noscript, svg, button, [hidden], [aria-hidden=true], .mw-editsection, .noprint, sup.reference";
const PIPE = "\ue000"; // stands for a pipe in a cell, which Markdown wants escaped, also in code
const MONOSPACE = /\b(?:monospace|consolas|courier|menlo|monaco)\b/i;
const GOOGLE_REDIRECT = /^https:\/\/www\.google\.com\/url\?/;

// Returns the Markdown, and the number of images that have no address on the web.
export function toMarkdown(html) {
  const { body } = new DOMParser().parseFromString(renameStyles(html), "text/html"); // loads nothing and runs no script
  for (const element of body.querySelectorAll(INVISIBLE)) element.remove();
  removeOfficeMarks(body);
  makeWordLists(body);
  for (const list of body.querySelectorAll(":is(ul, ol) > :is(ul, ol)")) list.previousElementSibling?.append(list);
  for (const paragraph of body.querySelectorAll("li > p:only-of-type")) unwrap(paragraph);
  const styled = [...body.querySelectorAll("[data-style]")];
  for (const element of styled) unwrapUnstyled(element);
  for (const element of styled.reverse()) applyStyle(element);
  for (const link of body.querySelectorAll("a")) cleanLink(link);
  const dropped = removeLocalImages(body);
  for (const table of body.querySelectorAll("table")) simplifyTable(table);
  lowerHeadings(body);
  return { markdown: converter().turndown(body).trim().replaceAll(PIPE, "\\|"), dropped };
}

function converter() {
  const made = new Turndown({ headingStyle: "atx", codeBlockStyle: "fenced", bulletListMarker: "-", emDelimiter: "*", hr: "---" });
  made.use(gfm);
  made.addRule("deleted", { filter: ["del", "s", "strike"], replacement: (content) => (content.trim() ? `~~${content}~~` : content) });
  made.addRule("item", {
    filter: "li",
    replacement(content, item) {
      const list = item.parentNode;
      const first = Number(list.getAttribute("start") ?? 1);
      const mark = list.nodeName === "OL" ? `${first + [...list.children].indexOf(item)}. ` : "- ";
      const text = content.trim().replace(/^(\[[ x]\]) +/, "$1 ").replace(/\n{3,}/g, "\n\n").replace(/\n/g, `\n${" ".repeat(mark.length)}`).replace(/\n +\n/g, "\n\n");
      return mark + text + (item.nextElementSibling ? "\n" : "");
    },
  });
  made.keep(["sub", "sup", "kbd"]);
  return made;
}

// The content security policy forbids style attributes and elements, also those of a document that is never shown.
function renameStyles(html) {
  const withoutSheets = html.replace(/<style\b[\s\S]*?<\/style\s*>/gi, "");
  return withoutSheets.replace(/<[a-z][^<>]*>/gi, (tag) => tag.replace(/\sstyle\s*=/i, " data-style="));
}

function styleOf(element) {
  const { style } = document.createElement("span");
  style.cssText = element.dataset.style;
  return style;
}

function unwrap(element) {
  element.replaceWith(...element.childNodes);
}

function wrap(element, names) {
  for (const name of names) {
    const wrapper = element.ownerDocument.createElement(name);
    wrapper.append(...element.childNodes);
    element.append(wrapper);
  }
}

// Word: elements of other namespaces, and text that is only there for old programs.
function removeOfficeMarks(body) {
  for (const element of [...body.querySelectorAll("*")]) {
    if (element.localName.includes(":")) unwrap(element);
  }
  const comments = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_COMMENT);
  const found = [];
  while (comments.nextNode()) found.push(comments.currentNode);
  for (const comment of found) comment.remove();
}

// Word writes lists as paragraphs whose style names the level; the mark is text that the style hides.
function makeWordLists(body) {
  let lists = [];
  for (const paragraph of [...body.querySelectorAll("p")]) {
    const level = Number(/mso-list:[^;"]*\blevel(\d)/.exec(paragraph.dataset.style)?.[1] ?? 0);
    if (!level) {
      lists = [];
      continue;
    }
    const mark = paragraph.querySelector('[data-style*="mso-list:Ignore"], [data-style*="mso-list: Ignore"]');
    const kind = /^\s*(?:\d|[a-z][.)])/i.test(mark?.textContent ?? "") ? "ol" : "ul";
    mark?.remove();
    lists.length = Math.min(lists.length, level);
    while (lists.length < level) lists.push(startList(paragraph, lists.at(-1), kind));
    const item = body.ownerDocument.createElement("li");
    item.append(...paragraph.childNodes);
    lists.at(-1).append(item);
    paragraph.remove();
  }
}

function startList(paragraph, outer, kind) {
  const list = paragraph.ownerDocument.createElement(kind);
  if (!outer) paragraph.before(list);
  else (outer.lastElementChild ?? outer).append(list);
  return list;
}

// Google Docs wraps everything in a <b> that is not bold.
function unwrapUnstyled(element) {
  const style = styleOf(element);
  const isPlain = element.matches("b, strong") ? /^(?:normal|[1-4]00)$/.test(style.fontWeight) : element.matches("i, em") && style.fontStyle === "normal";
  if (isPlain) unwrap(element);
}

function applyStyle(element) {
  const style = styleOf(element);
  const isHeading = element.closest("h1, h2, h3, h4, h5, h6");
  const names = [];
  if (style.display === "none" || /mso-hide:\s*all/.test(element.dataset.style)) return void element.remove();
  if (!element.matches("span, font, div, p, li, td") || !element.textContent.trim()) return;
  if (MONOSPACE.test(style.fontFamily) && element.matches("span, font") && !element.closest("pre, code")) names.push("code");
  if (/^(?:bold|bolder|[6-9]00)$/.test(style.fontWeight) && !isHeading && !element.closest("b, strong, th")) names.push("strong");
  if (/^(?:italic|oblique)$/.test(style.fontStyle) && !element.closest("i, em")) names.push("em");
  if (/line-through/.test(style.textDecoration + style.textDecorationLine)) names.push("del");
  if (style.verticalAlign === "super" && !element.closest("sup")) names.push("sup");
  if (style.verticalAlign === "sub" && !element.closest("sub")) names.push("sub");
  wrap(element, names);
}

function cleanLink(link) {
  const address = link.getAttribute("href") ?? "";
  if (!/^(?:https?:|mailto:)/i.test(address) || !(link.textContent.trim() || link.querySelector("img"))) return unwrap(link);
  if (GOOGLE_REDIRECT.test(address)) link.setAttribute("href", new URL(address).searchParams.get("q") ?? address);
  link.removeAttribute("title");
}

function removeLocalImages(body) {
  let dropped = 0;
  for (const image of body.querySelectorAll("img")) {
    const address = image.getAttribute("src") ?? "";
    if (/^https?:/i.test(address)) continue;
    if (address) dropped += 1;
    image.remove();
  }
  return dropped;
}

// A table in Markdown has one head row, and cells of one line.
function simplifyTable(table) {
  const cells = [...table.querySelectorAll("td, th")];
  if (cells.length < 2 || table.querySelector("table") || table.rows.length < 2) {
    for (const element of [...table.querySelectorAll("thead, tbody, tfoot, tr, td, th")]) unwrap(element);
    return unwrap(table);
  }
  for (const cell of cells) {
    for (const block of [...cell.querySelectorAll("p, div, br, li")]) {
      block.append(" ");
      unwrap(block);
    }
    for (const list of [...cell.querySelectorAll("ul, ol")]) unwrap(list);
    for (const node of texts(cell)) node.data = node.data.replace(/\s+/g, " ").replaceAll("|", PIPE);
  }
  for (const cell of [...table.rows[0].cells]) {
    const head = table.ownerDocument.createElement("th");
    head.append(...cell.childNodes);
    for (const strong of [...head.querySelectorAll("b, strong")]) unwrap(strong);
    cell.replaceWith(head);
  }
  for (const element of [...table.querySelectorAll("colgroup, caption")]) element.remove();
}

function texts(element) {
  const walker = element.ownerDocument.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) found.push(walker.currentNode);
  return found;
}

// The first level is the title of the post.
function lowerHeadings(body) {
  if (!body.querySelector("h1")) return;
  for (const heading of [...body.querySelectorAll("h1, h2, h3, h4, h5")].reverse()) {
    const lower = body.ownerDocument.createElement(`h${Number(heading.localName[1]) + 1}`);
    lower.append(...heading.childNodes);
    heading.replaceWith(lower);
  }
}
