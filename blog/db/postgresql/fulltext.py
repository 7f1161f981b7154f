"""Full text by tsvector, with the words of SQLite's FTS5: the same text is found by the same question on both.

PostgreSQL's own parser takes addresses, hyphens and numbers for more than words, and sees Chinese and Japanese only as its locale
does. So texts are cut into words here, as FTS5's `unicode61` does it, and stored beside: `document` is looked up by an index,
ranked, and knows each word's weight; `words` tells whether those of a phrase stand together, also in the longest post, whose
positions no tsvector holds.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from blog.db.database import Database
from blog.db.tokenizer import HIT_END, HIT_START, SNIPPET_WORDS, SearchTerm, Snippet, segment, split_marked

TABLE = sa.table(
    "posts_fts",
    sa.column("post_id", sa.BigInteger),
    sa.column("title", sa.Text),
    sa.column("tags", sa.Text),
    sa.column("body", sa.Text),
    sa.column("words", sa.Text),
    sa.column("document", TSVECTOR),
)
POST_ID = TABLE.c.post_id
TEXT_COLUMNS = (TABLE.c.title, TABLE.c.tags, TABLE.c.body)
_BATCH_SIZE = 200
# A word in the title counts ten times one in the text. The last one divides by the length of the post, or rather its logarithm.
_WEIGHTS, _LENGTH_NORMALISATION = "{0, 0.1, 0.5, 1}", 1
_WORD = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f])*")
_ACCENTED_LETTER = re.compile(r"([a-z])[\u0300-\u036f]+")
_COMBINING_MARK = re.compile(r"[\u0300-\u036f]")
_MAX_WORD_LENGTH = 200  # of what is longer the beginning counts: a lexeme has at most 2,046 bytes
_MAX_POSITION = 16_383
_MAX_POSITIONS_PER_WORD = 20  # of one word: more change no rank, and all of them fit into one tsvector


@dataclass(frozen=True, slots=True)
class _Token:
    """A word as the index has it, and where it stands in a text."""

    lexeme: str
    start: int
    end: int


async def add(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    """Put a post into the index that is not there."""
    await _insert(db, post_id, segment(title), segment(tags), segment(body))


async def _insert(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    values = await anyio.to_thread.run_sync(index_row, post_id, title, tags, body)
    document = sa.cast(sa.literal(values.pop("document"), sa.Text), TSVECTOR)
    await db.execute(sa.insert(TABLE).values(**values, document=document))


async def remove(db: Database, post_id: int) -> None:
    """Take a post out of the index."""
    await db.execute(sa.delete(TABLE).where(TABLE.c.post_id == post_id))


def match_posts(terms: Sequence[SearchTerm]) -> sa.Select[Any]:
    """The posts with all of these: columns `post_id` and `rank` (smaller is better)."""
    phrases = _phrases(terms)
    rank = -sa.func.ts_rank(
        sa.literal_column(f"'{_WEIGHTS}'::real[]"), TABLE.c.document, _tsquery(phrases), _LENGTH_NORMALISATION
    )
    return sa.select(TABLE.c.post_id, rank.label("rank")).where(*_match_conditions(phrases))


async def snippets(db: Database, terms: Sequence[SearchTerm], ids: Sequence[int]) -> dict[int, Snippet]:
    """The places that match, of these posts among those that do."""
    phrases = _phrases(terms)
    query = sa.select(TABLE.c.post_id, TABLE.c.title, TABLE.c.body).where(*_match_conditions(phrases), TABLE.c.post_id.in_(ids))
    texts = {row["post_id"]: (row["title"], row["body"]) for row in await db.fetch_all(query)}

    def found() -> dict[int, Snippet]:
        return {post_id: _snippet(title, body, phrases) for post_id, (title, body) in texts.items()}

    return await anyio.to_thread.run_sync(found)


# Damage


async def is_consistent(db: Database) -> bool:
    """Are the words, and those that can be looked up, the ones of the texts?"""
    lexemes = sa.func.tsvector_to_array(TABLE.c.document, type_=ARRAY(sa.Text)).label("lexemes")
    last = 0
    while rows := await _fetch_batch(db, last, TABLE.c.words, lexemes):
        if not await anyio.to_thread.run_sync(_are_consistent, rows):
            return False
        last = rows[-1]["post_id"]
    return True


async def rebuild(db: Database) -> None:
    """Make the index anew from the texts that it holds."""
    last = 0
    while rows := await _fetch_batch(db, last):
        async with db.transaction():
            for row in rows:
                await remove(db, row["post_id"])
                await _insert(db, row["post_id"], row["title"], row["tags"], row["body"])
        last = rows[-1]["post_id"]


async def _fetch_batch(db: Database, last: int, *more: sa.ColumnElement[Any]) -> Sequence[Any]:
    query = sa.select(TABLE.c.post_id, *TEXT_COLUMNS, *more).where(TABLE.c.post_id > last)
    return await db.fetch_all(query.order_by(TABLE.c.post_id).limit(_BATCH_SIZE))


def _are_consistent(rows: Sequence[Any]) -> bool:
    return all(
        row["words"] == _index_values(row["title"], row["tags"], row["body"])["words"]
        and set(row["lexemes"]) == set(row["words"].replace("|", " ").split())
        for row in rows
    )


# Words


def _tokenize(segmented: str) -> list[_Token]:
    return [_Token(_fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(segmented)]


@functools.lru_cache(20_000)
def _fold(word: str) -> str:
    """Without case, and Latin letters without their marks, as `unicode61` with `remove_diacritics` has it."""
    if not word.isascii():
        word = _ACCENTED_LETTER.sub(r"\1", unicodedata.normalize("NFD", word.casefold()))
        word = _COMBINING_MARK.sub("", unicodedata.normalize("NFC", word))
    return word.lower()[:_MAX_WORD_LENGTH]


def index_row(post_id: int, title: str, tags: str, body: str) -> dict[str, Any]:
    """A row of texts that are segmented: with their words, and where these stand."""
    return {"post_id": post_id, **_index_values(title, tags, body)}


def _index_values(title: str, tags: str, body: str) -> dict[str, str]:
    fields = [[word.lexeme for word in _tokenize(text)] for text in (title, tags, body)]
    places: dict[str, list[str]] = {}
    position = 0
    for keys, weight in zip(fields, "ABC", strict=True):
        for key in keys:
            position += 1
            mine = places.setdefault(key, [])
            if len(mine) < _MAX_POSITIONS_PER_WORD and (position <= _MAX_POSITION or not mine):
                mine.append(f"{min(position, _MAX_POSITION)}{weight}")
    return {
        "title": title,
        "tags": tags,
        "body": body,
        # A space around each word; a phrase does not go on from one field to the next.
        "words": "|".join(f" {' '.join(keys)} " for keys in fields),
        "document": " ".join(f"'{key}':{','.join(mine)}" for key, mine in places.items()),
    }


# Questions


def _phrases(terms: Sequence[SearchTerm]) -> list[tuple[list[str], bool]]:
    """The words of each term, and whether the last of them may go on. Words hold nothing that is syntax anywhere."""
    return [([word.lexeme for word in _tokenize(term.words)], term.is_prefix) for term in terms]


def _tsquery(phrases: Sequence[tuple[list[str], bool]]) -> sa.Cast[str]:
    each = [f"'{key}'" for keys, _ in phrases for key in keys]
    if phrases[-1][1]:
        each[-1] += ":*"
    return sa.cast(sa.literal(" & ".join(each), sa.Text), TSQUERY)


def _match_conditions(phrases: Sequence[tuple[list[str], bool]]) -> Iterator[sa.ColumnElement[bool]]:
    yield TABLE.c.document.op("@@", is_comparison=True)(_tsquery(phrases))
    for keys, is_beginning in phrases:
        if len(keys) > 1:
            yield TABLE.c.words.like(f"% {' '.join(keys)}{'' if is_beginning else ' '}%")


# Passages


def _snippet(title: str, body: str, phrases: Sequence[tuple[list[str], bool]]) -> Snippet:
    words = _tokenize(body)
    hits = _find_hits(words, phrases)
    first = _best_window(hits, len(words))
    last = min(first + SNIPPET_WORDS, len(words))
    start = words[first].start if first else 0
    end = words[last - 1].end if last < len(words) else len(body)
    shown = [hit for hit in hits if first <= hit[0] and hit[1] <= last]
    text = ("…" if first else "") + _mark_hits(body[start:end], words, shown, start) + ("…" if last < len(words) else "")
    in_title = _tokenize(title)
    return Snippet(tuple(split_marked(_mark_hits(title, in_title, _find_hits(in_title, phrases), 0))), tuple(split_marked(text)))


Hit = tuple[int, int, int]
"""The number of the first word, that after the last one, and the number of the phrase."""


def _find_hits(words: Sequence[_Token], phrases: Sequence[tuple[list[str], bool]]) -> list[Hit]:
    """Where the phrases stand, in order."""
    found = []
    for number, (keys, is_beginning) in enumerate(phrases):
        *whole, last = keys
        for start in range(len(words) - len(whole)):
            key = words[start + len(whole)].lexeme
            if (key.startswith(last) if is_beginning else key == last) and all(
                words[start + offset].lexeme == wanted for offset, wanted in enumerate(whole)
            ):
                found.append((start, start + len(keys), number))
    return sorted(found)


def _best_window(hits: Sequence[Hit], length: int) -> int:
    """The first word of the passage with the most different phrases, then the most hits, which stand in its middle."""
    best, first = (0, 0), 0
    for place, (start, end, _) in enumerate(hits):
        inside = [hit for hit in hits[place : place + SNIPPET_WORDS] if hit[1] <= start + SNIPPET_WORDS]
        score = (len({number for _, _, number in inside}), len(inside))
        if score > best:
            span = max((hit[1] for hit in inside), default=end) - start
            best, first = score, start - (SNIPPET_WORDS - span) // 2
    return max(0, min(first, length - SNIPPET_WORDS))


def _mark_hits(text: str, words: Sequence[_Token], hits: Sequence[Hit], offset: int) -> str:
    """The text with marks around the hits; those that overlap have one. `offset` is where the text begins for the words."""
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
