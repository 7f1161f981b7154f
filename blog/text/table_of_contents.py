"""The table of contents of a long post, read from its safe HTML."""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from blog.text.plain_text import Attributes, classes_of, words_of

FEWEST: Final = 3
"""The least number of headings that a table of contents is made of."""
LONG: Final = 800
"""The least number of words of a post that has one."""

# Sanitised HTML writes every attribute as name="value", and the end tag of every heading.
_HEADING: Final = re.compile(r'<h([1-6])((?:\s[^\s=>]+="[^"]*")*)>(.*?)</h\1>', re.DOTALL)
_ID: Final = re.compile(r'\sid="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Entry:
    """A heading: where it stands on the page, its words, not escaped, and the headings one level below it."""

    id: str
    text: str
    parts: tuple["Entry", ...] = ()


def contents(text: str, words: int) -> tuple[Entry, ...]:
    """Return the headings of a post of so many words, the two highest levels of them; empty if it is short or has few.

    `text` must come out of `render`: no parser looks at it, so that this costs well under a millisecond at each view.
    """
    if words < LONG:
        return ()
    found = list(_headings(text))
    return _nested(found) if len(found) >= FEWEST else ()


def _headings(text: str) -> Iterator[tuple[int, Entry]]:
    for match in _HEADING.finditer(text):
        level, attributes, inner = match.groups()
        anchor, title = _ID.search(attributes), words_of(inner, _is_skipped)
        if anchor and title:
            yield int(level), Entry(html.unescape(anchor[1]), title)


def _is_skipped(tag: str, attributes: Attributes) -> bool:
    return "footnote-ref" in classes_of(attributes)


def _nested(found: list[tuple[int, Entry]]) -> tuple[Entry, ...]:
    highest = min(level for level, _ in found)
    groups: list[tuple[Entry, list[Entry]]] = []
    for level, entry in found:
        if level == highest or (level == highest + 1 and not groups):
            groups.append((entry, []))
        elif level == highest + 1:
            groups[-1][1].append(entry)
    return tuple(Entry(entry.id, entry.text, tuple(parts)) for entry, parts in groups)
