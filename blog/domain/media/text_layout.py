"""Text on images: which font can show it, how it breaks into lines, how large it may be."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

_BUILT_IN_FONT = ""
# Pillow's own font has little more than ASCII. What it lacks comes from the machine, where one of these is installed.
_FONTS = (
    _BUILT_IN_FONT,
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "DroidSansFallbackFull.ttf",
)
_UNASSIGNED_CHAR = "\U0010ffff"
_PROBE_SIZE = 24
# What Unicode does not take apart, as people write it without these letters.
_REPLACEMENTS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"þ": "th", "Þ": "Th", "ð": "d", "\u0131": "i", "\u00d7": "x", "\u2022": "·"}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | {"\u201a": ",", "\u201e": "“", "\u2032": "'", "\u2033": '"'}
)
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class TextLayout:
    """Lines of text in one font, `size` pixels high; `lines` is empty for what no font can show."""

    font: FreeTypeFont
    size: int
    lines: Sequence[str]


def layout_text(text: str, *, width: int, sizes: Sequence[int], height: int, leading: float = 1.2) -> TextLayout:
    """The text in the largest of `sizes` at which it fits into the box (in pixels), else in the last, cut with an ellipsis.

    Accents and ligatures that no font has are left out, symbols as well; a letter that none has is drawn as an empty box.
    When that would be more than a third of the text, there are no lines.
    """
    name, shown = _choose_font(text)
    for size in sizes:
        font = _load_font(name, size)
        lines = list(_wrap_lines(font, shown, width))
        most = max(1, int(height // (size * leading)))
        if len(lines) <= most:
            break
    else:
        lines = [*lines[: most - 1], _truncate(font, " ".join(lines[most - 1 :]), width)]
    return TextLayout(font, size, lines)


def _choose_font(text: str) -> tuple[str, str]:
    """The font that changes the text least, and what it shows of it."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    candidates = [(*_adapt_text(text, name), name) for name in _FONTS if _font_exists(name)]
    shown, missing, _, name = min(candidates, key=lambda candidate: candidate[1:3])
    return name, "" if missing * 3 > len(shown) else shown


def _adapt_text(text: str, name: str) -> tuple[str, int, int]:
    """What the font shows, how many letters of it are missing, how many others were changed."""
    parts = [(char, _adapt_char(char, name)) for char in text]
    shown = " ".join("".join(part for _, part in parts).split())
    changed = sum(char != part for char, part in parts if _is_letter(char))
    return shown, sum(not _has_glyph(name, char) for char in shown), changed


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNP"  # also digits and punctuation; not marks, symbols (emoji) and controls


def _adapt_char(char: str, name: str) -> str:
    if _has_glyph(name, char):
        return char
    plain = unicodedata.normalize("NFKD", char).translate(_REPLACEMENTS)
    kept = "".join(part for part in plain if _has_glyph(name, part))
    return kept or (char if _is_letter(char) else "")


@lru_cache(maxsize=8192)
def _has_glyph(name: str, char: str) -> bool:
    font = _load_font(name, _PROBE_SIZE)
    return char.isspace() or bytes(font.getmask(char)) != bytes(font.getmask(_UNASSIGNED_CHAR))


@lru_cache
def _font_exists(name: str) -> bool:
    try:
        _load_font(name, _PROBE_SIZE)
    except OSError:
        return False
    return True


@lru_cache(maxsize=64)
def _load_font(name: str, size: int) -> FreeTypeFont:
    font = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    if not isinstance(font, FreeTypeFont):
        raise OSError("Pillow was built without FreeType")
    return font


def _wrap_lines(font: FreeTypeFont, text: str, width: int) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if font.getlength(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        *whole, line = _break_word(font, word, width)
        yield from whole
    if line:
        yield line


def _break_word(font: FreeTypeFont, word: str, width: int) -> Iterator[str]:
    """The word in pieces that fit: Japanese has no spaces, an address neither."""
    piece = ""
    for char in word:
        if piece and font.getlength(piece + char) > width:
            yield piece
            piece = ""
        piece += char
    yield piece


def _truncate(font: FreeTypeFont, text: str, width: int) -> str:
    kept = text
    while kept and font.getlength(kept + _ELLIPSIS) > width:
        kept = kept[:-1]
    words, _, rest = kept.rpartition(" ")
    # After a whole word, unless the last one is no word: an address, or a script without spaces.
    is_torn = rest and not text[len(kept) :].startswith(" ")
    return (words if is_torn and len(words) > len(kept) // 2 else kept).rstrip(" ,;:-") + _ELLIPSIS
