"""Full text by FTS5: a virtual table, whose rows have the ids of the posts."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.db.tokenizer import SNIPPET_WORDS, SearchTerm, Snippet, segment, split_marked
from blog.errors import Unavailable

# What the migrations lead to; a test compares them.
CREATE_TABLE_SQL = "CREATE VIRTUAL TABLE posts_fts USING fts5(title, tags, body, tokenize='unicode61 remove_diacritics 2')"

TABLE = sa.table("posts_fts", sa.column("rowid", sa.Integer), sa.column("title"), sa.column("tags"), sa.column("body"))
_INSERT = PreparedQuery(sa.insert(TABLE), columns=("rowid", "title", "tags", "body"))
POST_ID = TABLE.c.rowid
TEXT_COLUMNS = (TABLE.c.title, TABLE.c.tags, TABLE.c.body)
# bm25() is smaller for better matches: a word in the title counts ten times one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 10.0, 5.0, 1.0)")
_MARKED_TITLE: sa.ColumnClause[str] = sa.literal_column("highlight(posts_fts, 0, char(2), char(3))")
_UNINDEXED_ROWID: sa.ColumnClause[int] = sa.literal_column(
    "+posts_fts.rowid", sa.Integer
)  # an expression, which no look-up is made of
_SNIPPET: sa.ColumnClause[str] = sa.literal_column(f"snippet(posts_fts, 2, char(2), char(3), '…', {SNIPPET_WORDS})")


async def add(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    """Put a post into the index that is not there; inside a transaction."""
    await db.pipeline(_INSERT(**index_row(post_id, segment(title), segment(tags), segment(body))))


def index_row(post_id: int, title: str, tags: str, body: str) -> dict[str, Any]:
    """A row of texts that are segmented."""
    return {"rowid": post_id, "title": title, "tags": tags, "body": body}


async def remove(db: Database, post_id: int) -> None:
    """Take a post out of the index."""
    await db.pipeline(sa.delete(TABLE).where(TABLE.c.rowid == post_id))


def match_posts(terms: Sequence[SearchTerm]) -> sa.Select[Any]:
    """The posts with all of these: columns `post_id` and `rank` (smaller is better)."""
    return sa.select(TABLE.c.rowid.label("post_id"), _RANK.label("rank")).select_from(TABLE).where(_match_condition(terms))


async def snippets(db: Database, terms: Sequence[SearchTerm], ids: Sequence[int]) -> dict[int, Snippet]:
    """The places that match, of these posts among those that do."""
    query = sa.select(TABLE.c.rowid.label("post_id"), _MARKED_TITLE.label("title"), _SNIPPET.label("passage")).select_from(TABLE)
    # One look-up of all between the ends: for each id FTS5 would collect anew what begins with the last word.
    wanted = _UNINDEXED_ROWID.in_(ids) & TABLE.c.rowid.between(min(ids), max(ids))
    rows = await db.fetch_all(query.where(_match_condition(terms), wanted))
    return {row["post_id"]: Snippet(tuple(split_marked(row["title"])), tuple(split_marked(row["passage"]))) for row in rows}


def _match_condition(terms: Sequence[SearchTerm]) -> sa.ColumnElement[bool]:
    """Each term as an FTS5 phrase, so that none of it is syntax."""
    question = " ".join(f'"{term.words}"{"*" if term.is_prefix else ""}' for term in terms)
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
