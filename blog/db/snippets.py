"""Snippets of search results: some words of a post around the words of the query, which are marked.

The texts come from the index with the start of each word marked, so that the work is linear in the length of the post. FTS5's
own `snippet()` and `highlight()` are quadratic in the number of matches: a post of 250 KB took more than 300 s.
"""

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from blog.db.search_query import SearchTerm
from blog.db.tokenizer import CONNECTORS, WORD_START, Token, index_words, mark_words, normalize, tokenize

SNIPPET_WORDS = 40
_MAX_HITS = 100
"""How many hits of a term are examined, for the best part of a text."""
_MAX_CANDIDATES = 2_000
"""How many places of a word are examined for a hit."""


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
class _Hit:
    """The hit of a term: the first word, the one after the last, and the lengths of symbols before and after."""

    first: int
    after: int
    term: int
    symbols: tuple[int, int] = (0, 0)


def build_snippet(title: str, body: str, body_words: str, terms: Sequence[SearchTerm]) -> Snippet:
    """Return the marked title, and the part of the text with the most hits.

    - `title`: the title as it is shown.
    - `body`: the text from the index, with its words marked.
    - `body_words`: the words of the text from the index.
    """
    shown = normalize(title)
    tokens = list(tokenize(shown))
    titled = _IndexedText(mark_words(shown, tokens), index_words(tokens))
    return Snippet(tuple(titled.spans(terms, len(tokens))), tuple(_IndexedText(body, body_words).spans(terms, SNIPPET_WORDS)))


class _IndexedText:
    def __init__(self, marked: str, words: str) -> None:
        self._lead, *self._pieces = marked.split(WORD_START)
        # `words` without the spellings after `|`.
        self._words, _, self._spellings = words.partition(" | ")
        self._words = f"{self._words.rstrip()} "

    def spans(self, terms: Sequence[SearchTerm], limit: int) -> Iterator[TextSpan]:
        """Yield the part with the most hits, of at most `limit` words."""
        hits = sorted(self._hits(terms), key=lambda hit: (hit.first, hit.after))
        first = _best_window(hits, len(self._pieces), limit)
        after = min(first + limit, len(self._pieces))
        shown = [hit for hit in hits if first <= hit.first and hit.after <= after]
        text = "".join(self._pieces[first:after])
        if after < len(self._pieces):
            text = text[: len(text) - len(self._pieces[after - 1]) + _word_length(self._pieces[after - 1])]
        lead, tail = self._lead if first == 0 else "…", "" if after == len(self._pieces) else "…"
        yield from _split(f"{lead}{text}{tail}", list(self._places(shown, first, len(lead))))

    def _places(self, hits: Sequence[_Hit], first: int, offset: int) -> Iterator[tuple[int, int]]:
        """Yield start and end of each hit in the shown text, which begins with the word `first`, at `offset`."""
        starts = [offset]
        for piece in self._pieces[first : max((hit.after for hit in hits), default=first)]:
            starts.append(starts[-1] + len(piece))
        for hit in hits:
            end = starts[hit.after - 1 - first] + _word_length(self._pieces[hit.after - 1])
            yield max(offset if first else 0, starts[hit.first - first] - hit.symbols[0]), end + hit.symbols[1]

    def _hits(self, terms: Sequence[SearchTerm]) -> Iterator[_Hit]:
        for number, term in enumerate(terms):
            yield from itertools.islice(self._candidates(term, number), _MAX_HITS)
        yield from self._joined_hits(terms)

    def _candidates(self, term: SearchTerm, number: int) -> Iterator[_Hit]:
        for first in self._find(term.words, is_prefix=term.is_prefix):
            symbols = self._symbols(term, first)
            if symbols is not None:
                yield _Hit(first, first + len(term.words), number, symbols)
        if term.joined:
            for first in self._find((term.joined,), is_prefix=term.is_prefix):
                yield _Hit(first, first + 1, number)

    def _find(self, words: Sequence[str], *, is_prefix: bool) -> Iterator[int]:
        """Yield the numbers of the first words of the phrase's places."""
        needle, place, number = f" {' '.join(words)}{'' if is_prefix else ' '}", 0, 0
        for _ in range(_MAX_CANDIDATES):
            found = self._words.find(needle, place)
            if found < 0:
                return
            number += self._words.count(" ", place, found)
            place = found
            yield number
            place, number = found + 1, number + 1

    def _symbols(self, term: SearchTerm, first: int) -> tuple[int, int] | None:
        """Return the lengths of the term's symbols at this place. None if the place lacks them."""
        if not term.symbols:
            return 0, 0
        start, end = first, first + len(term.words)
        before = "".join(self._pieces[start - 1 : start])[-1:] if start else self._lead[-1:]
        tokens = list(tokenize(before + "".join(self._pieces[start:end])))[-len(term.words) :]
        if not set(term.symbols) <= {token.symbol for token in tokens} and not term.is_prefix:
            return None
        leading = 1 if term.symbols[0].startswith(".") else 0
        last = term.symbols[-1]
        trailing = len(last) - len(tokens[-1].word) if tokens and last == tokens[-1].symbol and not last.startswith(".") else 0
        return leading, trailing

    def _joined_hits(self, terms: Sequence[SearchTerm]) -> Iterator[_Hit]:
        """Yield the places of words such as `e-mail` for the terms `email` and `e-mails`, found through their spellings."""
        numbers = {}
        for number, term in enumerate(terms):
            word = term.joined or (term.words[0] if len(term.words) == 1 else "")
            if word and f" {word}{'' if term.is_prefix else ' '}" in f" {self._spellings}":
                numbers[word] = number
        if not numbers:
            return
        ends = {word: r"\S*" if terms[number].is_prefix else "" for word, number in numbers.items()}
        pattern = "|".join(f"({' ?'.join(map(re.escape, word))}{ends[word]})" for word in numbers)
        yield from itertools.islice(self._find_joined(pattern, list(numbers.values())), _MAX_HITS)

    def _find_joined(self, pattern: str, numbers: Sequence[int]) -> Iterator[_Hit]:
        place = first = 0
        for match in re.finditer(rf"(?<= )(?:{pattern})(?= )", self._words):
            first += self._words.count(" ", place, match.start() - 1)
            place = match.start() - 1
            after = first + match[0].count(" ") + 1
            if after - first > 1 and all(self._is_connected(number) for number in range(first, after - 1)):
                yield _Hit(first, after, numbers[(match.lastindex or 1) - 1])

    def _is_connected(self, number: int) -> bool:
        piece = self._pieces[number]
        return piece[-1:] in CONNECTORS and _word_length(piece) == len(piece) - 1


@functools.lru_cache(20_000)
def _word_length(piece: str) -> int:
    token: Token | None = next(tokenize(piece), None)
    return token.end if token else 0


def _best_window(hits: Sequence[_Hit], length: int, limit: int) -> int:
    """Return the index of the first word to show: with the most terms, then the most hits, centred on the hits."""
    best, first = (0, 0), 0
    for place, hit in enumerate(hits):
        inside = [other for other in hits[place : place + limit] if other.after <= hit.first + limit]
        score = (len({other.term for other in inside}), len(inside))
        if score > best:
            span = max((other.after for other in inside), default=hit.after) - hit.first
            best, first = score, hit.first - (limit - span) // 2
    return max(0, min(first, length - limit))


def _split(text: str, places: Sequence[tuple[int, int]]) -> Iterator[TextSpan]:
    """Split a text at the hits. Overlapping and adjacent hits are merged."""
    merged: list[list[int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(end, merged[-1][1])
        else:
            merged.append([start, end])
    done = 0
    for start, end in (*merged, [len(text), len(text)]):
        if start > done:
            yield TextSpan(text[done:start], is_hit=False)
        if end > start:
            yield TextSpan(text[start:end], is_hit=True)
        done = end
