"""Full-text search with tsvector, with the words of SQLite's FTS5: the same query finds the same text on both databases.

PostgreSQL's own parser treats URLs, hyphens and numbers specially, and its result for Chinese and Japanese depends on the locale.
So this module splits texts into words as FTS5's `unicode61` does. The column `document` is indexed and ranked, and has the weight
of each word. The column `words` finds phrases in posts of any length: a tsvector stores no positions above 16,383.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY, TSVECTOR

from blog.db.database import Database
from blog.db.postgresql import fulltext_words
from blog.db.postgresql.fulltext_words import Phrase
from blog.db.tokenizer import SearchTerm, Snippet, segment

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
# A word in the title has 10 times the weight of one in the text. Normalisation 1 divides by the logarithm of the post's length.
_WEIGHTS, _LENGTH_NORMALISATION = "{0, 0.1, 0.5, 1}", 1


async def add(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    """Add a post that is not in the index yet."""
    await _insert(db, post_id, segment(title), segment(tags), segment(body))


async def _insert(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    values = await anyio.to_thread.run_sync(index_row, post_id, title, tags, body)
    document = sa.cast(sa.literal(values.pop("document"), sa.Text), TSVECTOR)
    await db.execute(sa.insert(TABLE).values(**values, document=document))


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await db.execute(sa.delete(TABLE).where(TABLE.c.post_id == post_id))


def index_row(post_id: int, title: str, tags: str, body: str) -> dict[str, Any]:
    """Return an index row; the texts are segmented already."""
    return {"post_id": post_id, **fulltext_words.index_values(title, tags, body)}


def match_posts(terms: Sequence[SearchTerm]) -> sa.Select[Any]:
    """Return a query for the posts that contain all terms: columns `post_id` and `rank` (smaller is better)."""
    phrases = _phrases(terms)
    rank = -sa.func.ts_rank(
        sa.literal_column(f"'{_WEIGHTS}'::real[]"), TABLE.c.document, _tsquery(phrases), _LENGTH_NORMALISATION
    )
    return sa.select(TABLE.c.post_id, rank.label("rank")).where(*_match_conditions(phrases))


async def snippets(db: Database, terms: Sequence[SearchTerm], ids: Sequence[int]) -> dict[int, Snippet]:
    """Return the snippets of the posts with these ids that match."""
    phrases = _phrases(terms)
    query = sa.select(TABLE.c.post_id, TABLE.c.title, TABLE.c.body).where(*_match_conditions(phrases), TABLE.c.post_id.in_(ids))
    texts = {row["post_id"]: (row["title"], row["body"]) for row in await db.fetch_all(query)}

    def build_snippets() -> dict[int, Snippet]:
        return {post_id: fulltext_words.snippet(title, body, phrases) for post_id, (title, body) in texts.items()}

    return await anyio.to_thread.run_sync(build_snippets)


async def is_consistent(db: Database) -> bool:
    """Return whether the columns `words` and `document` agree with the texts."""
    lexemes = sa.func.tsvector_to_array(TABLE.c.document, type_=ARRAY(sa.Text)).label("lexemes")
    last = 0
    while rows := await _fetch_batch(db, last, TABLE.c.words, lexemes):
        if not await anyio.to_thread.run_sync(_are_consistent, rows):
            return False
        last = rows[-1]["post_id"]
    return True


async def rebuild(db: Database) -> None:
    """Rebuild the index from the texts that it contains."""
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
        row["words"] == fulltext_words.index_values(row["title"], row["tags"], row["body"])["words"]
        and set(row["lexemes"]) == set(row["words"].replace("|", " ").split())
        for row in rows
    )


def _phrases(terms: Sequence[SearchTerm]) -> list[Phrase]:
    """Return the words of each term. They contain only letters and digits, so nothing in them is syntax."""
    return [([word.lexeme for word in fulltext_words.tokenize(term.words)], term.is_prefix) for term in terms]


def _tsquery(phrases: Sequence[Phrase]) -> sa.Cast[str]:
    each = [f"'{key}'" for keys, _ in phrases for key in keys]
    if phrases[-1][1]:
        each[-1] += ":*"
    return sa.cast(sa.literal(" & ".join(each), sa.Text), TSQUERY)


def _match_conditions(phrases: Sequence[Phrase]) -> Iterator[sa.ColumnElement[bool]]:
    yield TABLE.c.document.op("@@", is_comparison=True)(_tsquery(phrases))
    for keys, is_prefix in phrases:
        if len(keys) > 1:
            yield TABLE.c.words.like(f"% {' '.join(keys)}{'' if is_prefix else ' '}%")
