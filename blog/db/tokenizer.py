"""Words of texts and of search queries: the only place that splits and folds them, for the full-text index of both databases.

`tokenize` splits a text. Scripts without spaces are split at each ideograph, kana or syllable, so that a query finds words
inside a sentence; a query word of several such pieces becomes a phrase. `fold` maps spellings of a word to one form.

The index has the words of a text in their order and, after `|`, further spellings: `e-mail` is indexed as `e mail | email`,
`C++` as `c | c++`.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

WORD_START = "\x1f"
"""Separator before each word of an indexed text. Texts contain no control characters."""
CONNECTORS = frozenset("-'.\u2010\u2011\u2019\u02bc\u05f3\u05f4\u200c\uff07\uff0d")
"""Hyphens, apostrophes, the dot and the zero-width non-joiner, between two words that may also be written as one."""
_MAX_WORD_LENGTH = 200  # longer words are cut: a lexeme of PostgreSQL has at most 2,046 bytes
_MAX_JOINED_WORDS = 8

# Han with its iteration marks and numerals, Hiragana, Katakana, also half-width.
_IDEOGRAPHS = (
    r"\u3005-\u3007\u3021-\u3029\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_VOICING_MARKS = r"\u3099\u309a\uff9e\uff9f"
# Thai and Lao: a vowel before the consonant, marks, a vowel after it. Khmer and Myanmar: stacked consonants.
_SYLLABLES = (
    r"[\u0e40-\u0e44]?[\u0e01-\u0e2e]{marks}*[\u0e30\u0e32\u0e33\u0e45]?",
    r"[\u0ec0-\u0ec4]?[\u0e81-\u0eae\u0edc-\u0edf]{marks}*[\u0eb0\u0eb2\u0eb3\u0ebd]?",
    r"[\u1780-\u17b3](?:\u17d2[\u1780-\u17b3]|{marks})*",
    r"[\u1000-\u102a\u103f\u1050-\u1055](?:\u1039[\u1000-\u1021]|{marks})*",
)
_SYLLABIC = r"\u0e01-\u0e46\u0e81-\u0ec6\u0edc-\u0edf\u1000-\u103f\u1050-\u109d\u1780-\u17dd"
_EMOJI = r"\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
_EMOJI_MODIFIERS = r"[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff]"
_INVISIBLE = r"\u00ad\u061c\u200b\u200d-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
_ASTRAL_INDIC = r"\U00011000-\U00011fff"  # letters and marks: Python's `\w` has no marks

# Letters that Unicode does not decompose, and Arabic letters that are written one for the other.
_SIMILAR_LETTERS = {
    "đ": "d", "ð": "d", "ø": "o", "ł": "l", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th",
    "\u0649": "\u064a", "\u06cc": "\u064a", "\u06a9": "\u0643", "\u0629": "\u0647", "\u0901": "\u0902", "\u0671": "\u0627",
}  # fmt: skip
# Vowel points of Arabic and Hebrew, the Arabic tatweel, the Devanagari nukta, apostrophes within a word.
_OPTIONAL = (
    r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4"
    r"\u06e7\u06e8\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff\u093c\u02bc]"
)
_ACCENTED_LETTER = re.compile(r"([a-z\u03b1-\u03c9]|\u0435(?=\u0308))[\u0300-\u036f]+")  # Latin, Greek, Cyrillic ё
_SYMBOL_SUFFIX = re.compile(r"\+\+|\uff0b\uff0b|[#\uff03](?!\w)")


def _marks_and_digits() -> tuple[list[str], list[str]]:
    """Return the marks and the decimal digits of the basic plane.

    One loop, without the ideographs, Hangul syllables and private characters, which are neither: a start waits 5 ms and not 15.
    """
    marks, digits = list[str](), list[str]()
    for char in map(chr, (*range(0x300, 0x3400), *range(0xA000, 0xAC00), *range(0xFB00, 0xFFFF))):
        category = unicodedata.category(char)
        if category[0] == "M":
            marks.append(char)
        elif category == "Nd":
            digits.append(char)
    return marks, digits


def _ranges(chars: Sequence[str]) -> str:
    """Return the inside of a character class; `chars` are sorted."""
    starts = [char for place, char in enumerate(chars) if place == 0 or ord(chars[place - 1]) != ord(char) - 1]
    ends = [char for place, char in enumerate(chars) if place == len(chars) - 1 or ord(chars[place + 1]) != ord(char) + 1]
    return "".join(f"{start}-{end}" for start, end in zip(starts, ends, strict=True))


_MARK_CHARS, _DIGITS = _marks_and_digits()
_MARKS = _ranges(_MARK_CHARS)
_TOKEN = re.compile(
    "|".join(
        (
            *(syllable.replace("{marks}", f"[{_MARKS}]") for syllable in _SYLLABLES),
            rf"[{_IDEOGRAPHS}{_SYLLABIC}][{_VOICING_MARKS}]?",
            rf"[\U0001f1e6-\U0001f1ff]{{2}}|[{_EMOJI}]{_EMOJI_MODIFIERS}*",
            rf"[^\W_{_IDEOGRAPHS}{_SYLLABIC}{_EMOJI}\u02bc](?:[^\W_{_IDEOGRAPHS}{_SYLLABIC}{_EMOJI}\u02bc]"
            rf"|[{_MARKS}{_INVISIBLE}{_ASTRAL_INDIC}])*",
        )
    )
)
_REMOVED = re.compile(rf"{_EMOJI_MODIFIERS}|[^\w{_MARKS}{_EMOJI}{_ASTRAL_INDIC}\U0001f1e6-\U0001f1ff]|[\u0300-\u036f_]")
_TRANSLATION = str.maketrans(_SIMILAR_LETTERS | {digit: str(unicodedata.decimal(digit)) for digit in _DIGITS})
_OPTIONAL_MARKS = re.compile(_OPTIONAL)


class Token(NamedTuple):  # a post has up to 130,000 words, and a dataclass takes twice as long
    """A word in the form of the index, and its place in a text.

    - `connected`: whether the word continues the one before it, as `mail` in `e-mail`.
    - `symbol`: the word with its symbols, as `c++` or `.net`; else empty.
    """

    word: str
    start: int
    end: int
    connected: bool = False
    symbol: str = ""


def normalize(text: str) -> str:
    """Return the form of a text that `tokenize` takes: composed, as a letter and its accent may be two characters."""
    return unicodedata.normalize("NFC", text)


def tokenize(text: str) -> Iterator[Token]:
    """Yield the words of a normalised text."""
    end = -1
    for match in _TOKEN.finditer(text):
        if word := fold(match[0]):
            start, before = match.start(), end
            end = match.end()
            connected = start == before + 1 and before > 0 and text[before] in CONNECTORS
            yield Token(word, start, end, connected, _symbol(text, word, start, end))


@functools.lru_cache(20_000)
def fold(word: str) -> str:
    """Return the form of a word in the index: folded case, spelling variants, digits and width, and no optional marks.

    Vowel signs of Indic scripts, voicing marks of kana, and letters such as `й` stay: they make other words.
    """
    if not word.isascii():
        word = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", word).casefold()).translate(_TRANSLATION)
        word = _ACCENTED_LETTER.sub(r"\1", _OPTIONAL_MARKS.sub("", word))
        word = _REMOVED.sub("", unicodedata.normalize("NFC", word))
    return word.lower()[:_MAX_WORD_LENGTH]


def _symbol(text: str, word: str, start: int, end: int) -> str:
    """Return `c++`, `c#` or `.net` for the word at this place, or an empty text."""
    if not word[0].isalpha():
        return ""
    if (suffix := _SYMBOL_SUFFIX.match(text, end)) and (len(word) == 1 or suffix[0] not in "#\uff03"):
        return word + unicodedata.normalize("NFKC", suffix[0])
    is_dotted = text[start - 1 : start] == "." and text[start - 2 : start - 1] != "."
    return f".{word}" if is_dotted else ""


def joined_words(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield words such as `email` for `e-mail`; none for numbers, such as `1-2`."""
    first = 0
    for after in range(1, len(tokens) + 1):
        if after == len(tokens) or not tokens[after].connected:
            joined = "".join(token.word for token in tokens[first:after])
            if 1 < after - first <= _MAX_JOINED_WORDS and not joined.isdigit():
                yield joined[:_MAX_WORD_LENGTH]
            first = after


def index_words(tokens: Sequence[Token]) -> str:
    """Return the words of a text as they are indexed, each between two spaces."""
    spellings = dict.fromkeys(joined_words(tokens)) | dict.fromkeys(token.symbol for token in tokens if token.symbol)
    words = " ".join(token.word for token in tokens)
    return f" {words} | {' '.join(spellings)} " if spellings else f" {words} "


def mark_words(text: str, tokens: Sequence[Token]) -> str:
    """Return the text with `WORD_START` before each word, so that the n-th word is found without reading those before it."""
    starts = [0, *(token.start for token in tokens), len(text)]
    return WORD_START.join(text[start:end] for start, end in itertools.pairwise(starts))
