"""Words and snippets of the PostgreSQL full-text index, split and folded as SQLite's FTS5 does."""

import functools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from blog.db.tokenizer import HIT_END, HIT_START, SNIPPET_WORDS, Snippet, split_marked

_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_ACCENTED_LETTER = re.compile(r"([a-z])[\u0300-\u036f]+")
_COMBINING_MARK = re.compile(r"[\u0300-\u036f]")
_MAX_WORD_LENGTH = 200  # longer words are cut: a lexeme has at most 2,046 bytes
_MAX_POSITION = 16_383
_MAX_POSITIONS_PER_WORD = 20  # more do not change the rank; with this limit a tsvector never exceeds its maximum size

Phrase = tuple[list[str], bool]
"""The words of a search term, and whether the last of them may be incomplete."""
Hit = tuple[int, int, int]
"""The index of the first word, the index after the last word, and the number of the phrase."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word in the form of the index, and its place in a text."""

    lexeme: str
    start: int
    end: int


def tokenize(segmented: str) -> list[Token]:
    """Return the words of a segmented text."""
    return [Token(_fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(segmented)]


@functools.lru_cache(20_000)
def _fold(word: str) -> str:
    """Fold case, and remove the diacritics of Latin letters, as `unicode61` with `remove_diacritics` does."""
    if not word.isascii():
        word = _ACCENTED_LETTER.sub(r"\1", unicodedata.normalize("NFD", word.casefold()))
        word = _COMBINING_MARK.sub("", unicodedata.normalize("NFC", word))
    return word.lower()[:_MAX_WORD_LENGTH]


def index_values(title: str, tags: str, body: str) -> dict[str, str]:
    """Return the columns of the index for segmented texts: the texts, `words` and `document`."""
    fields = [[word.lexeme for word in tokenize(text)] for text in (title, tags, body)]
    places: dict[str, list[str]] = {}
    position = 0
    for keys, weight in zip(fields, "ABC", strict=True):
        for key in keys:
            position += 1
            positions = places.setdefault(key, [])
            if len(positions) < _MAX_POSITIONS_PER_WORD and (position <= _MAX_POSITION or not positions):
                positions.append(f"{min(position, _MAX_POSITION)}{weight}")
    return {
        "title": title,
        "tags": tags,
        "body": body,
        # A space around each word, and `|` between fields, so that a phrase cannot match across two fields.
        "words": "|".join(f" {' '.join(keys)} " for keys in fields),
        "document": " ".join(f"'{key}':{','.join(positions)}" for key, positions in places.items()),
    }


def snippet(title: str, body: str, phrases: Sequence[Phrase]) -> Snippet:
    """Return the marked title, and the part of the text with the most hits."""
    words = tokenize(body)
    hits = _find_hits(words, phrases)
    first = _best_window(hits, len(words))
    last = min(first + SNIPPET_WORDS, len(words))
    start = words[first].start if first else 0
    end = words[last - 1].end if last < len(words) else len(body)
    shown = [hit for hit in hits if first <= hit[0] and hit[1] <= last]
    text = ("…" if first else "") + _mark_hits(body[start:end], words, shown, start) + ("…" if last < len(words) else "")
    in_title = tokenize(title)
    return Snippet(tuple(split_marked(_mark_hits(title, in_title, _find_hits(in_title, phrases), 0))), tuple(split_marked(text)))


def _find_hits(words: Sequence[Token], phrases: Sequence[Phrase]) -> list[Hit]:
    """Return the hits of all phrases in the order of the text."""
    hits = []
    for number, (keys, is_prefix) in enumerate(phrases):
        *complete, last = keys
        for start in range(len(words) - len(complete)):
            key = words[start + len(complete)].lexeme
            if (key.startswith(last) if is_prefix else key == last) and all(
                words[start + offset].lexeme == lexeme for offset, lexeme in enumerate(complete)
            ):
                hits.append((start, start + len(keys), number))
    return sorted(hits)


def _best_window(hits: Sequence[Hit], length: int) -> int:
    """Return the index of the first word of the snippet: with the most phrases, then the most hits, centred on the hits."""
    best, first = (0, 0), 0
    for place, (start, end, _) in enumerate(hits):
        inside = [hit for hit in hits[place : place + SNIPPET_WORDS] if hit[1] <= start + SNIPPET_WORDS]
        score = (len({number for _, _, number in inside}), len(inside))
        if score > best:
            span = max((hit[1] for hit in inside), default=end) - start
            best, first = score, start - (SNIPPET_WORDS - span) // 2
    return max(0, min(first, length - SNIPPET_WORDS))


def _mark_hits(text: str, words: Sequence[Token], hits: Sequence[Hit], offset: int) -> str:
    """Return the text with marks around the hits; overlapping hits are merged. `offset` is the position of the text."""
    spans: list[tuple[int, int]] = []
    for first, after, _ in hits:
        start, end = words[first].start - offset, words[after - 1].end - offset
        if spans and start < spans[-1][1]:
            start, before = spans.pop()
            end = max(before, end)
        spans.append((start, end))
    pieces, done = [], 0
    for start, end in spans:
        pieces += [text[done:start], HIT_START, text[start:end], HIT_END]
        done = end
    return "".join([*pieces, text[done:]])
