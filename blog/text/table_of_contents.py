"""Tables of contents of long posts, extracted from their safe HTML."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from blog.text.plain_text import Attributes, class_names, extract_text

MIN_HEADINGS: Final = 3
"""The minimum number of headings in a table of contents."""
MIN_WORDS: Final = 800
"""The minimum number of words of a post with a table of contents."""

# Sanitised HTML writes every attribute as name="value" and closes every heading.
_HEADING: Final = re.compile(r'<h([1-6])((?:\s[^\s=>]+="[^"]*")*)>(.*?)</h\1>', re.DOTALL)
_ID: Final = re.compile(r'\sid="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: its id, its text (not escaped), and the headings one level below it."""

    id: str
    text: str
    children: tuple["Heading", ...] = ()


def list_headings(text: str, words: int) -> tuple[Heading, ...]:
    """Return the headings of the two highest levels; empty for a short post or one with few headings.

    `text` is HTML from `render`: a regular expression is enough and takes well under 1 ms. `words` is its number of words.
    """
    if words < MIN_WORDS:
        return ()
    headings = list(_parse_headings(text))
    return _nest(headings) if len(headings) >= MIN_HEADINGS else ()


def _parse_headings(text: str) -> Iterator[tuple[int, Heading]]:
    for match in _HEADING.finditer(text):
        level, attributes, inner = match.groups()
        anchor, title = _ID.search(attributes), extract_text(inner, _is_skipped)
        if anchor and title:
            yield int(level), Heading(html.unescape(anchor[1]), title)


def _is_skipped(tag: str, attributes: Attributes) -> bool:
    return "footnote-ref" in class_names(attributes)


def _nest(headings: list[tuple[int, Heading]]) -> tuple[Heading, ...]:
    highest = min(level for level, _ in headings)
    groups: list[tuple[Heading, list[Heading]]] = []
    for level, heading in headings:
        if level == highest or (level == highest + 1 and not groups):
            groups.append((heading, []))
        elif level == highest + 1:
            groups[-1][1].append(heading)
    return tuple(Heading(heading.id, heading.text, tuple(children)) for heading, children in groups)
