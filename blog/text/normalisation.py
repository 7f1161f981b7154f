"""Normalisation of one-line texts: titles, names, tags and the keys by which they are compared.

Texts that look alike must be equal: Unicode has several spellings of `é`, several spaces, and characters without width.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import Final

INVISIBLE: Final = (
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff"
    r"\uffa0\ufff0-\ufffb"
)
"""Unicode's property Default_Ignorable_Code_Point in the basic plane, as the inside of a class in a regular expression."""
BLANK: Final = r"\u2800"
"""Characters in the basic plane that are drawn as an empty space and are not white space, in the same form."""

_HIGH_INVISIBLE: Final = r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
_HIGH_BLANK: Final = r"\U00013441\U00013442\U0001d159"
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}{_HIGH_INVISIBLE}]")
_VISIBLE: Final = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f{INVISIBLE}{_HIGH_INVISIBLE}{BLANK}{_HIGH_BLANK}]")
_RIGHT_TO_LEFT: Final = re.compile(
    r"[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_DIRECTION_MARKS: Final = "\u061c\u200e\u200f"
_JOINERS: Final = "\u200c\u200d"
_VIRAMA_CLASS: Final = 9
# Variation selectors choose a glyph for the character before them: emoji, ideographs in names, Mongolian letters.
_SELECTORS: Final = frozenset(map(chr, (*range(0x180B, 0x180E), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_BLACK_FLAG: Final = "\U0001f3f4"
_FLAG_TAGS: Final = frozenset(map(chr, range(0xE0020, 0xE0080)))  # after the black flag they name a region


def has_visible_text(text: str) -> bool:
    """Return whether the text contains a character that is drawn: not only spaces and characters without width."""
    return _VISIBLE.search(text) is not None


def normalise_line(text: str) -> str:
    """Return a one-line text in its one spelling; empty if nothing of it is visible.

    The result is NFC, has single spaces between words and none at its ends, and no character without width, except those that
    change how the neighbours are drawn: joiners in emoji, Persian and Indic words, variation selectors, and direction marks in
    right-to-left text. Normalising again changes nothing.
    """
    if text.isascii():
        return " ".join(text.split())
    if not has_visible_text(text):
        return ""
    return _until_stable(_clean, text)


def fold_name(name: str) -> str:
    """Return the key of a name or tag: names with equal keys are the same name. Ignores case and all invisible characters."""
    return " ".join(name.lower().split()) if name.isascii() else _until_stable(_fold, normalise_line(name))


def _until_stable(step: Callable[[str], str], text: str) -> str:
    # Until nothing changes: after a removal two neighbours may compose to one character, and then a joiner may become invalid.
    while (changed := step(text)) != text:
        text = changed
    return text


def _clean(text: str) -> str:
    composed = unicodedata.normalize("NFC", text)
    return " ".join((_remove_invisible(composed) if _INVISIBLE.search(composed) else composed).split())


def _fold(text: str) -> str:
    folded = "".join(char for char in text.casefold() if char in _FLAG_TAGS or not _INVISIBLE.match(char))
    return unicodedata.normalize("NFC", " ".join(folded.split()))


def _remove_invisible(text: str) -> str:
    marks = _DIRECTION_MARKS if _RIGHT_TO_LEFT.search(text) else ""
    kept: list[str] = []
    for index, char in enumerate(text):
        before = kept[-1] if kept else " "
        after = text[index + 1] if index + 1 < len(text) else " "
        if not _INVISIBLE.match(char) or char in marks or _changes_neighbour(char, before, after):
            kept.append(char)
    return "".join(kept)


def _changes_neighbour(char: str, before: str, after: str) -> bool:
    """Return whether an invisible character is part of the spelling of the characters next to it."""
    if char in _SELECTORS:
        return _VISIBLE.match(before) is not None
    if char in _FLAG_TAGS:
        return before == _BLACK_FLAG or before in _FLAG_TAGS
    return char in _JOINERS and _VISIBLE.match(after) is not None and _is_joined(before, after)


def _is_joined(before: str, after: str) -> bool:
    """Return whether a joiner is valid between two characters: in cursive scripts, next to a virama, or after an emoji."""
    is_virama = _VIRAMA_CLASS in (unicodedata.combining(before), unicodedata.combining(after))
    is_emoji = before in _SELECTORS or unicodedata.category(before) in ("So", "Sk")
    return is_virama or is_emoji or "\u0600" <= before <= "\u08ff"
