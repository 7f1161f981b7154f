"""Words of texts and of search queries, the same for the full-text index of both databases.

Chinese and Japanese have no spaces, so that a sentence would be one word. `segment` puts spaces around such characters in texts
and in queries, and a query word with several of them becomes a phrase.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_TERMS = 12
SNIPPET_WORDS = 40
HIT_START, HIT_END = "\x02", "\x03"
"""Control characters around each hit, which the page replaces with `<mark>`. Stored text contains no control characters."""

# Han with its iteration marks and numerals, Hiragana, Katakana, also half-width.
_IDEOGRAPHS = (
    r"[\u3005-\u3007\u3021-\u3029\u3040-\u3098\u309b-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    r"\uff66-\uff9d\U0001b000-\U0001b16f\U00020000-\U0003ffff]"
)
_IDEOGRAPH = re.compile(f"({_IDEOGRAPHS})")
_SPACED_IDEOGRAPH = re.compile(f" ?({HIT_START}?)({_IDEOGRAPHS})({HIT_END}?) ?")
_TERM = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True, slots=True)
class TextSpan:
    """A piece of plain text, not escaped. `is_hit` marks the words of the query."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Snippet:
    """The hits in a post: its title, and about 40 words of its text around them."""

    title: tuple[TextSpan, ...]
    text: tuple[TextSpan, ...]


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A phrase of a query, with spaces between its words. With `is_prefix` the last word may be incomplete."""

    words: str
    is_prefix: bool = False


def segment(text: str) -> str:
    """Put spaces around each ideograph and kana.

    The text is composed (NFC) first: a kana and its voicing mark may be two characters, and belong together.
    """
    return _IDEOGRAPH.sub(r" \1 ", unicodedata.normalize("NFC", text))


def parse_terms(text: str) -> Sequence[SearchTerm]:
    """Return each word and each "quoted phrase" of a query. Nothing else is syntax. The last word may be incomplete."""
    # NUL ends a text in SQLite, and PostgreSQL does not accept it.
    raw_terms = [phrase or word for phrase, word in _TERM.findall(text.replace("\0", " "))]
    phrases = [" ".join(segment(term.replace('"', " ")).split()) for term in raw_terms]
    terms = [SearchTerm(phrase) for phrase in phrases if _has_word(phrase)]
    if terms and _has_word(text[-1]):
        terms[-1] = SearchTerm(terms[-1].words, is_prefix=True)
    return terms[:MAX_TERMS]


def split_marked(marked: str) -> Iterator[TextSpan]:
    """Split a segmented text with marked hits into spans, without the spaces that `segment` added."""
    joined = _SPACED_IDEOGRAPH.sub(r"\1\2\3", marked).replace(HIT_END + HIT_START, "")
    for number, piece in enumerate(re.split(f"[{HIT_START}{HIT_END}]", joined)):
        if piece:
            yield TextSpan(piece, is_hit=number % 2 == 1)


def _has_word(text: str) -> bool:
    return any(character.isalnum() for character in text)
