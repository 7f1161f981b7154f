"""Search queries: words and "quoted phrases"; nothing else is syntax."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from blog.db.tokenizer import Token, joined_words, normalize, tokenize

MAX_TERMS = 12
_MAX_REPETITIONS = 3
"""How often a word of a query counts: a phrase of a repeated word is compared at each of its places in a text."""
_TERM = re.compile(r'"([^"]+)"|(\S+)')


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A condition of a query: a post must match every term.

    - `words`: a phrase.
    - `joined`: another spelling of the whole phrase, as `email` for `e-mail`; or empty.
    - `symbols`: words with symbols that the text must have too, as `c++`.
    - `is_prefix`: whether the last word may be incomplete.
    """

    words: tuple[str, ...]
    joined: str = ""
    symbols: tuple[str, ...] = ()
    is_prefix: bool = False


def parse_terms(text: str) -> Sequence[SearchTerm]:
    """Return the terms of a query. The last word may be incomplete."""
    normalized = normalize(text)
    used: Counter[str] = Counter()
    terms: list[SearchTerm] = []
    for match in _TERM.finditer(normalized):
        place = match.start(match.lastindex or 0)
        raw = match[match.lastindex or 0]
        tokens = list(tokenize(raw))
        if allowed := _limit_repetitions(tokens, used):
            is_last = match.end() == len(normalized) and place + tokens[-1].end == len(normalized)
            terms.append(_term(allowed, is_prefix=is_last and len(allowed) == len(tokens)))
    return terms[:MAX_TERMS]


def _limit_repetitions(tokens: Sequence[Token], used: Counter[str]) -> Sequence[Token]:
    """Return the words of a term up to the first one that the query has too often."""
    for place, token in enumerate(tokens):
        used[token.word] += 1
        if used[token.word] > _MAX_REPETITIONS:
            return tokens[:place]
    return tokens


def _term(tokens: Sequence[Token], *, is_prefix: bool) -> SearchTerm:
    is_one_word = len(tokens) > 1 and all(token.connected for token in tokens[1:])
    # A dot within a word is no symbol: `node.js` also finds `nodejs`.
    symbols = tuple(token.symbol for token in tokens if token.symbol and not (token.connected and token.symbol.startswith(".")))
    return SearchTerm(
        tuple(token.word for token in tokens), "".join(joined_words(tokens)) if is_one_word else "", symbols, is_prefix
    )
