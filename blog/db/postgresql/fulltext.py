"""Full-text search with tsvector, with the words of SQLite's index: the same query finds the same text on both databases.

PostgreSQL's own parser treats URLs, hyphens and numbers specially, and its result for Chinese and Japanese depends on the locale.
So the words are split and folded in Python (`blog.db.tokenizer`). The column `document` is indexed and ranked, and has the weight
of each word. The columns of words find phrases in posts of any length: a tsvector stores no positions above 16,383.
"""

from collections.abc import Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from blog.db.database import Database
from blog.db.search_query import SearchTerm

_WORD_COLUMNS = ("title_words", "names_words", "body_words")
_COLUMNS = ("title", "body", *_WORD_COLUMNS)
TABLE = sa.table(
    "posts_fts",
    sa.column("post_id", sa.BigInteger),
    *(sa.column(name, sa.Text) for name in _COLUMNS),
    sa.column("document", TSVECTOR),
)
POST_ID = TABLE.c.post_id
_BATCH_SIZE = 200
_MAX_POSITION = 16_383
_MAX_POSITIONS_PER_WORD = 20  # more do not change the rank; with this limit a tsvector never exceeds its maximum size
# A word in the title has 10 times the weight of one in the text. Normalisation 1 divides by the logarithm of the post's length.
_WEIGHTS, _LENGTH_NORMALISATION = "{0, 0.1, 0.5, 1}", 1


async def insert(db: Database, row: dict[str, Any]) -> None:
    """Insert a row of the index."""
    document = sa.cast(sa.literal(row["document"], sa.Text), TSVECTOR)
    await db.execute(sa.insert(TABLE).values(row | {"document": document}))


def index_row(post_id: int, *texts: str) -> dict[str, Any]:
    """Return the row for the texts of an index entry."""
    values = dict(zip(_COLUMNS, texts, strict=True))
    return {"post_id": post_id, **values, "document": _document([values[name] for name in _WORD_COLUMNS])}


def _document(fields: Sequence[str]) -> str:
    """Return a tsvector literal: each word with its first positions and its weight."""
    places: dict[str, list[str]] = {}
    position = 0
    for words, weight in zip(fields, "ABC", strict=True):
        for word in words.replace("|", " ").split():
            position += 1
            positions = places.setdefault(word, [])
            if len(positions) < _MAX_POSITIONS_PER_WORD and (position <= _MAX_POSITION or not positions):
                positions.append(f"{min(position, _MAX_POSITION)}{weight}")
    return " ".join(f"'{word}':{','.join(positions)}" for word, positions in places.items())


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await db.execute(sa.delete(TABLE).where(TABLE.c.post_id == post_id))


def match_shape(terms: Sequence[SearchTerm]) -> tuple[int, ...]:
    """Return the number of spellings of each phrase: the text of `match_query` depends on it."""
    return tuple(len(patterns) for patterns in _phrase_patterns(terms))


def match_query(shape: tuple[int, ...]) -> sa.Select[Any]:
    """Return the query for the posts that contain all terms: columns `post_id` and `rank` (smaller is better)."""
    tsquery = sa.cast(sa.bindparam("match", type_=sa.Text), TSQUERY)
    rank = -sa.func.ts_rank(sa.literal_column(f"'{_WEIGHTS}'::real[]"), TABLE.c.document, tsquery, _LENGTH_NORMALISATION)
    phrases = [
        sa.or_(*(TABLE.c[name].like(sa.bindparam(f"phrase_{phrase}_{n}")) for name in _WORD_COLUMNS for n in range(spellings)))
        for phrase, spellings in enumerate(shape)
    ]
    return sa.select(TABLE.c.post_id, rank.label("rank")).where(TABLE.c.document.op("@@", is_comparison=True)(tsquery), *phrases)


def match_values(terms: Sequence[SearchTerm]) -> dict[str, str]:
    """Return the parameters of `match_query`."""
    patterns = {
        f"phrase_{phrase}_{n}": pattern for phrase, found in enumerate(_phrase_patterns(terms)) for n, pattern in enumerate(found)
    }
    return {"match": " & ".join(_term_expression(term) for term in terms), **patterns}


def _term_expression(term: SearchTerm) -> str:
    """Return the part of a tsquery for a term. Words contain no quotes and no backslashes, so that nothing in them is syntax."""
    end = ":*" if term.is_prefix else ""
    *complete, last = term.words
    phrase = " & ".join([*(f"'{word}'" for word in complete), f"'{last}'{end}"])
    spellings = f"({phrase} | '{term.joined}'{end})" if term.joined else phrase
    return " & ".join([spellings, *(f"'{symbol}'{end}" for symbol in term.symbols)])


def _phrase_patterns(terms: Sequence[SearchTerm]) -> list[list[str]]:
    """Return the LIKE patterns of each phrase, one for each spelling."""
    return [
        [f"% {spelling}{'' if term.is_prefix else ' '}%" for spelling in (" ".join(term.words), term.joined) if spelling]
        for term in terms
        if len(term.words) > 1
    ]


async def is_consistent(db: Database) -> bool:
    """Return whether the column `document` agrees with the words."""
    lexemes = sa.func.tsvector_to_array(TABLE.c.document, type_=ARRAY(sa.Text)).label("lexemes")
    last = 0
    while rows := await _fetch_batch(db, last, lexemes):
        if not await anyio.to_thread.run_sync(_are_consistent, rows):
            return False
        last = rows[-1]["post_id"]
    return True


async def rebuild(db: Database) -> None:
    """Rebuild the index from the words that it contains."""
    last = 0
    while rows := await _fetch_batch(db, last):
        async with db.transaction():
            for row in rows:
                await remove(db, row["post_id"])
                await insert(db, index_row(row["post_id"], *(row[name] for name in _COLUMNS)))
        last = rows[-1]["post_id"]


async def _fetch_batch(db: Database, last: int, *more: sa.ColumnElement[Any]) -> Sequence[Any]:
    query = sa.select(TABLE.c.post_id, *(TABLE.c[name] for name in _COLUMNS), *more).where(TABLE.c.post_id > last)
    return await db.fetch_all(query.order_by(TABLE.c.post_id).limit(_BATCH_SIZE))


def _are_consistent(rows: Sequence[Any]) -> bool:
    return all(
        set(row["lexemes"]) == set(" ".join(row[name] for name in _WORD_COLUMNS).replace("|", " ").split()) for row in rows
    )
