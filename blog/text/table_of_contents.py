"""The table of contents of a long post, read from its safe HTML."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from blog.text.plain_text import Attributes, class_names, extract_text

MIN_HEADINGS: Final = 3
"""The least number of headings that a table of contents is made of."""
MIN_WORDS: Final = 800
"""The least number of words of a post that has one."""

# Sanitised HTML writes every attribute as name="value", and the end tag of every heading.
_HEADING: Final = re.compile(r'<h([1-6])((?:\s[^\s=>]+="[^"]*")*)>(.*?)</h\1>', re.DOTALL)
_ID: Final = re.compile(r'\sid="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading: where it stands on the page, its words, not escaped, and the headings one level below it."""

    id: str
    text: str
    children: tuple["Heading", ...] = ()


def list_headings(text: str, words: int) -> tuple[Heading, ...]:
    """Return the headings of a post of so many words, the two highest levels of them; empty if it is short or has few.

    `text` must come out of `render`: no parser looks at it, so that this costs well under a millisecond at each view.
    """
    if words < MIN_WORDS:
        return ()
    found = list(_parse_headings(text))
    return _nest(found) if len(found) >= MIN_HEADINGS else ()


def _parse_headings(text: str) -> Iterator[tuple[int, Heading]]:
    for match in _HEADING.finditer(text):
        level, attributes, inner = match.groups()
        anchor, title = _ID.search(attributes), extract_text(inner, _is_skipped)
        if anchor and title:
            yield int(level), Heading(html.unescape(anchor[1]), title)


def _is_skipped(tag: str, attributes: Attributes) -> bool:
    return "footnote-ref" in class_names(attributes)


def _nest(found: list[tuple[int, Heading]]) -> tuple[Heading, ...]:
    highest = min(level for level, _ in found)
    groups: list[tuple[Heading, list[Heading]]] = []
    for level, entry in found:
        if level == highest or (level == highest + 1 and not groups):
            groups.append((entry, []))
        elif level == highest + 1:
            groups[-1][1].append(entry)
    return tuple(Heading(entry.id, entry.text, tuple(parts)) for entry, parts in groups)
