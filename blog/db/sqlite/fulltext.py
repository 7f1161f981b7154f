"""Full text by FTS5: a virtual table, whose rows have the ids of the posts."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db.compiled_queries import Prepared
from blog.db.database import Database
from blog.db.tokenizer import PASSAGE_WORDS, Passage, Term, parts, segment
from blog.errors import Unavailable

# What the migrations lead to; a test compares them.
CREATE = "CREATE VIRTUAL TABLE posts_fts USING fts5(title, tags, body, tokenize='unicode61 remove_diacritics 2')"

TABLE = sa.table("posts_fts", sa.column("rowid", sa.Integer), sa.column("title"), sa.column("tags"), sa.column("body"))
_ADD = Prepared(sa.insert(TABLE), columns=("rowid", "title", "tags", "body"))
POST_ID = TABLE.c.rowid
TEXTS = (TABLE.c.title, TABLE.c.tags, TABLE.c.body)
# bm25() is smaller for better matches: a word in the title counts ten times one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 10.0, 5.0, 1.0)")
_TITLE: sa.ColumnClause[str] = sa.literal_column("highlight(posts_fts, 0, char(2), char(3))")
_EACH: sa.ColumnClause[int] = sa.literal_column("+posts_fts.rowid", sa.Integer)  # an expression, which no look-up is made of
_PASSAGE: sa.ColumnClause[str] = sa.literal_column(f"snippet(posts_fts, 2, char(2), char(3), '…', {PASSAGE_WORDS})")


async def add(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    """Put a post into the index that is not there; inside a transaction."""
    await db.pipeline(_ADD(**row(post_id, segment(title), segment(tags), segment(body))))


def row(post_id: int, title: str, tags: str, body: str) -> dict[str, Any]:
    """A row of texts that are segmented."""
    return {"rowid": post_id, "title": title, "tags": tags, "body": body}


async def remove(db: Database, post_id: int) -> None:
    """Take a post out of the index."""
    await db.pipeline(sa.delete(TABLE).where(TABLE.c.rowid == post_id))


def matching(terms: Sequence[Term]) -> sa.Select[Any]:
    """The posts with all of these: columns `post_id` and `rank` (smaller is better)."""
    return sa.select(TABLE.c.rowid.label("post_id"), _RANK.label("rank")).select_from(TABLE).where(_matches(terms))


async def passages(db: Database, terms: Sequence[Term], ids: Sequence[int]) -> dict[int, Passage]:
    """The places that match, of these posts among those that do."""
    query = sa.select(TABLE.c.rowid.label("post_id"), _TITLE.label("title"), _PASSAGE.label("passage")).select_from(TABLE)
    # One look-up of all between the ends: for each id FTS5 would collect anew what begins with the last word.
    wanted = _EACH.in_(ids) & TABLE.c.rowid.between(min(ids), max(ids))
    rows = await db.fetch_all(query.where(_matches(terms), wanted))
    return {row["post_id"]: Passage(tuple(parts(row["title"])), tuple(parts(row["passage"]))) for row in rows}


def _matches(terms: Sequence[Term]) -> sa.ColumnElement[bool]:
    """Each term as an FTS5 phrase, so that none of it is syntax."""
    question = " ".join(f'"{term.words}"{"*" if term.is_beginning else ""}' for term in terms)
    return sa.literal_column("posts_fts").op("MATCH", is_comparison=True)(question)


async def is_consistent(db: Database) -> bool:
    """Does the index find nothing wrong with itself?"""
    try:
        await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('integrity-check')")  # it inserts nothing
    except Unavailable:
        return False
    return True


async def rebuild(db: Database) -> None:
    """Make the index anew from the texts that it holds."""
    await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('rebuild')")
