"""Layout of text on images: font, line breaks and size."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont

_BUILT_IN_FONT = ""
# Pillow's own font has little more than ASCII. Other characters need one of these fonts, if it is installed.
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
# Replacements for characters that Unicode normalisation (NFKD) does not decompose.
_REPLACEMENTS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"þ": "th", "Þ": "Th", "ð": "d", "\u0131": "i", "\u00d7": "x", "\u2022": "·"}
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | {"\u201a": ",", "\u201e": "“", "\u2032": "'", "\u2033": '"'}
)
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class TextLayout:
    """Lines of text in one font, `size` pixels high. `lines` is empty if no font can show the text."""

    font: FreeTypeFont
    size: int
    lines: Sequence[str]


def layout_text(text: str, *, width: int, sizes: Sequence[int], height: int, leading: float = 1.2) -> TextLayout:
    """Fit a text into a box.

    - `width`, `height`: the box, in pixels.
    - `sizes`: font sizes, largest first. If the text fits in none, it is cut with an ellipsis in the last.
    - `leading`: line height as a multiple of the font size.

    Accents, ligatures and symbols that no font has are left out; a missing letter is drawn as an empty box. Returns no lines
    if more than a third of the glyphs are missing.
    """
    name, adapted = _choose_font(text)
    for size in sizes:
        font = _load_font(name, size)
        lines = list(_wrap_lines(font, adapted, width))
        max_lines = max(1, int(height // (size * leading)))
        if len(lines) <= max_lines:
            break
    else:
        lines = [*lines[: max_lines - 1], _truncate(font, " ".join(lines[max_lines - 1 :]), width)]
    return TextLayout(font, size, lines)


def _choose_font(text: str) -> tuple[str, str]:
    """Return the font that changes the text least, and the text adapted to it."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    candidates = [(*_adapt_text(text, name), name) for name in _FONTS if _font_exists(name)]
    adapted, missing, _, name = min(candidates, key=lambda candidate: candidate[1:3])
    return name, "" if missing * 3 > len(adapted) else adapted


def _adapt_text(text: str, name: str) -> tuple[str, int, int]:
    """Return the text adapted to the font, the number of missing glyphs in it, and the number of changed letters."""
    parts = [(char, _adapt_char(char, name)) for char in text]
    adapted = " ".join("".join(part for _, part in parts).split())
    changed = sum(char != part for char, part in parts if _is_letter(char))
    return adapted, sum(not _has_glyph(name, char) for char in adapted), changed


def _is_letter(char: str) -> bool:
    return unicodedata.category(char)[0] in "LNP"  # also digits and punctuation; not marks, symbols (emoji) and controls


def _adapt_char(char: str, name: str) -> str:
    if _has_glyph(name, char):
        return char
    decomposed = unicodedata.normalize("NFKD", char).translate(_REPLACEMENTS)
    available = "".join(part for part in decomposed if _has_glyph(name, part))
    return available or (char if _is_letter(char) else "")


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
    """Split a word into pieces that fit: Japanese text and URLs have no spaces."""
    piece = ""
    for char in word:
        if piece and font.getlength(piece + char) > width:
            yield piece
            piece = ""
        piece += char
    yield piece


def _truncate(font: FreeTypeFont, text: str, width: int) -> str:
    cut = text
    while cut and font.getlength(cut + _ELLIPSIS) > width:
        cut = cut[:-1]
    words, _, rest = cut.rpartition(" ")
    # Cut after a whole word, unless that loses half of the text: a URL, or a script without spaces.
    is_within_word = rest and not text[len(cut) :].startswith(" ")
    return (words if is_within_word and len(words) > len(cut) // 2 else cut).rstrip(" ,;:-") + _ELLIPSIS
