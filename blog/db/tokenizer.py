"""Words of texts and of questions, the same for the full-text index of each database.

Chinese and Japanese are written without spaces and would be one word a sentence: text and questions pass through `segment`,
which sets such characters apart, and a question of several becomes a phrase.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_TERMS = 12
SNIPPET_WORDS = 40
HIT_START, HIT_END = "\x02", "\x03"
"""Control characters, which no text holds, stand around what was found until the page puts marks there."""

# Han with its iteration marks and numerals, Hiragana, Katakana, also of half width.
_IDEOGRAPHS = (
    r"[\u3005-\u3007\u3021-\u3029\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_IDEOGRAPH = re.compile(f"({_IDEOGRAPHS})")
_SPACED_IDEOGRAPH = re.compile(f" ?({HIT_START}?)({_IDEOGRAPHS})({HIT_END}?) ?")
_TERM = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A piece of plain text, not escaped; `is_hit` when the words that were looked for stand there."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """Where the words stand in a post: its title, and some forty words of its text around them."""

    title: tuple[TextSpan, ...]
    text: tuple[TextSpan, ...]


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """Words that stand together, with spaces between them; `is_beginning`: more letters may follow the last one."""

    words: str
    is_prefix: bool = False


def segment(text: str) -> str:
    """The text with spaces around each ideograph and kana.

    Composed first: a kana and its voicing mark may come as two characters, and belong together.
    """
    return _IDEOGRAPH.sub(r" \1 ", unicodedata.normalize("NFC", text))


def parse_terms(text: str) -> Sequence[SearchTerm]:
    """Each word and each "quoted phrase" of what somebody typed; none of it is syntax. The last word may be unfinished."""
    # A NUL ends a text for SQLite, and is in none for PostgreSQL.
    found = [phrase or word for phrase, word in _TERM.findall(text.replace("\0", " "))]
    phrases = [" ".join(segment(term.replace('"', " ")).split()) for term in found]
    wanted = [SearchTerm(phrase) for phrase in phrases if _has_word(phrase)]
    if wanted and _has_word(text[-1]):
        wanted[-1] = SearchTerm(wanted[-1].words, is_prefix=True)
    return wanted[:MAX_TERMS]


def split_marked(marked: str) -> Iterator[TextSpan]:
    """A segmented text with marks around what was found, as people read it."""
    joined = _SPACED_IDEOGRAPH.sub(r"\1\2\3", marked).replace(HIT_END + HIT_START, "")
    for number, piece in enumerate(re.split(f"[{HIT_START}{HIT_END}]", joined)):
        if piece:
            yield TextSpan(piece, is_hit=number % 2 == 1)


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
