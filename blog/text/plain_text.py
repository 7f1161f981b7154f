"""Plain text of safe HTML, for search and excerpts."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from blog.text.normalisation import has_visible_text

Attributes = dict[str, str | None]

_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "wbr"})
_MEDIA = re.compile(r"<(?:audio|img|math|video)\b")
# A formula reads as its source without markup: `\frac{\alpha}{x_{1}}` as "frac alpha x_1".
_LATEX_SEPARATOR = re.compile(r"\\(?:begin|end)\{[^{}]*\}|\\[^A-Za-z]|&|\}\{|(?<=[A-Za-z])\{")
_LATEX_MARKUP = re.compile(r"[\\{}]")
_LINE_BREAKING = frozenset(
    {"blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4"}
    | {"h5", "h6", "hr", "li", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead"}
    | {"tr", "ul"}
)


def html_to_text(html: str) -> str:
    """Return the plain text of HTML from `render` or `render_comment`.

    Resolves character references, collapses whitespace, separates words at block elements, and leaves out the arrows that
    lead back from footnotes. Formulas are their source in LaTeX, without its markup.
    """
    return extract_text(html, lambda tag, attributes: "footnote-backref" in class_names(attributes))


def extract_text(html: str, is_skipped: Callable[[str, Attributes], bool]) -> str:
    """Return the text of safe `html`, with collapsed whitespace, without elements for which `is_skipped` returns True."""
    parser = _TextParser(is_skipped)
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.parts).split())


def has_visible_content(html: str, text: str) -> bool:
    """Return whether HTML from `render` or `render_comment` shows anything: visible text, an image, a player or a formula.

    `text` is its plain text. The Markdown source can be longer: comments, link definitions and `&nbsp;` show nothing.
    """
    return has_visible_text(text) or _MEDIA.search(html) is not None


def class_names(attributes: Attributes) -> list[str]:
    """Return the class names of an element."""
    return (attributes.get("class") or "").split()


class _TextParser(HTMLParser):
    def __init__(self, is_skipped: Callable[[str, Attributes], bool]) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._is_skipped = is_skipped
        self._skipped_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._separate(tag)
        attributes = dict(attrs)
        if tag == "math" and not self._skipped_depth and not self._is_skipped(tag, attributes):
            self.parts.append(_LATEX_MARKUP.sub("", _LATEX_SEPARATOR.sub(" ", attributes.get("alttext") or "")))
        # Sanitised HTML closes every element that is not void, so the depth shows the end of the skipped element.
        if tag not in _VOID and (self._skipped_depth or tag == "math" or self._is_skipped(tag, attributes)):
            self._skipped_depth += 1

    def handle_endtag(self, tag: str) -> None:
        if self._skipped_depth:
            self._skipped_depth -= 1
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if not self._skipped_depth:
            self.parts.append(data)

    def _separate(self, tag: str) -> None:
        if tag in _LINE_BREAKING:
            self.parts.append(" ")
