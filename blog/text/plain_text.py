"""The words of safe HTML, for search and excerpts."""

from collections.abc import Callable
from html.parser import HTMLParser

Attributes = dict[str, str | None]

_VOID = frozenset({"area", "br", "col", "hr", "img", "input", "wbr"})
_LINE_BREAKING = frozenset(
    {"blockquote", "br", "caption", "dd", "details", "div", "dl", "dt", "figcaption", "figure", "h1", "h2", "h3", "h4"}
    | {"h5", "h6", "hr", "li", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead"}
    | {"tr", "ul"}
)


def html_to_text(html: str) -> str:
    """Return the plain text of `html`, which must come out of `render` or `render_comment`.

    Character references are resolved, runs of whitespace become one space, and elements that begin a line of their own
    separate words. The arrows that lead back from footnotes are left out.
    """
    return extract_text(html, lambda tag, attributes: "footnote-backref" in class_names(attributes))


def extract_text(html: str, is_skipped: Callable[[str, Attributes], bool]) -> str:
    """Return the whitespace-collapsed text of safe `html` without the elements for which `is_skipped` holds."""
    parser = _TextParser(is_skipped)
    parser.feed(html)
    parser.close()
    return " ".join("".join(parser.pieces).split())


def class_names(attributes: Attributes) -> list[str]:
    """Return the class names among the attributes of one element."""
    return (attributes.get("class") or "").split()


class _TextParser(HTMLParser):
    def __init__(self, is_skipped: Callable[[str, Attributes], bool]) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._is_skipped = is_skipped
        self._skipped_depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._separate(tag)
        # Sanitised HTML closes every element that is not void, so counting them finds the end of the skipped one.
        if tag not in _VOID and (self._skipped_depth or self._is_skipped(tag, dict(attrs))):
            self._skipped_depth += 1

    def handle_endtag(self, tag: str) -> None:
        if self._skipped_depth:
            self._skipped_depth -= 1
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if not self._skipped_depth:
            self.pieces.append(data)

    def _separate(self, tag: str) -> None:
        if tag in _LINE_BREAKING:
            self.pieces.append(" ")
