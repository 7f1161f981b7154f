"""Full-text search with FTS5: a virtual table with the post id as rowid."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.db.tokenizer import SNIPPET_WORDS, SearchTerm, Snippet, segment, split_marked
from blog.errors import Unavailable

# The result of the migrations; a test compares them.
CREATE_TABLE_SQL = "CREATE VIRTUAL TABLE posts_fts USING fts5(title, tags, body, tokenize='unicode61 remove_diacritics 2')"

TABLE = sa.table("posts_fts", sa.column("rowid", sa.Integer), sa.column("title"), sa.column("tags"), sa.column("body"))
_INSERT = PreparedQuery(sa.insert(TABLE), columns=("rowid", "title", "tags", "body"))
POST_ID = TABLE.c.rowid
TEXT_COLUMNS = (TABLE.c.title, TABLE.c.tags, TABLE.c.body)
# bm25() is smaller for better matches. A word in the title has 10 times the weight of one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 10.0, 5.0, 1.0)")
_MARKED_TITLE: sa.ColumnClause[str] = sa.literal_column("highlight(posts_fts, 0, char(2), char(3))")
_UNINDEXED_ROWID: sa.ColumnClause[int] = sa.literal_column(
    "+posts_fts.rowid", sa.Integer
)  # an expression, so that SQLite does not use it for a lookup
_SNIPPET: sa.ColumnClause[str] = sa.literal_column(f"snippet(posts_fts, 2, char(2), char(3), '…', {SNIPPET_WORDS})")


async def add(db: Database, post_id: int, title: str, tags: str, body: str) -> None:
    """Add a post that is not in the index yet, inside a transaction."""
    await db.pipeline(_INSERT(**index_row(post_id, segment(title), segment(tags), segment(body))))


def index_row(post_id: int, title: str, tags: str, body: str) -> dict[str, Any]:
    """Return an index row; the texts are segmented already."""
    return {"rowid": post_id, "title": title, "tags": tags, "body": body}


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await db.pipeline(sa.delete(TABLE).where(TABLE.c.rowid == post_id))


def match_posts(terms: Sequence[SearchTerm]) -> sa.Select[Any]:
    """Return a query for the posts that contain all terms: columns `post_id` and `rank` (smaller is better)."""
    return sa.select(TABLE.c.rowid.label("post_id"), _RANK.label("rank")).select_from(TABLE).where(_match_condition(terms))


async def snippets(db: Database, terms: Sequence[SearchTerm], ids: Sequence[int]) -> dict[int, Snippet]:
    """Return the snippets of the posts with these ids that match."""
    query = sa.select(TABLE.c.rowid.label("post_id"), _MARKED_TITLE.label("title"), _SNIPPET.label("snippet")).select_from(TABLE)
    # One lookup of the whole range of ids: with one lookup per id, FTS5 would expand the prefix of the last word each time.
    is_listed = _UNINDEXED_ROWID.in_(ids) & TABLE.c.rowid.between(min(ids), max(ids))
    rows = await db.fetch_all(query.where(_match_condition(terms), is_listed))
    return {row["post_id"]: Snippet(tuple(split_marked(row["title"])), tuple(split_marked(row["snippet"]))) for row in rows}


def _match_condition(terms: Sequence[SearchTerm]) -> sa.ColumnElement[bool]:
    """Return the MATCH condition. Each term is quoted as an FTS5 phrase, so that nothing in it is syntax."""
    expression = " ".join(f'"{term.words}"{"*" if term.is_prefix else ""}' for term in terms)
    return sa.literal_column("posts_fts").op("MATCH", is_comparison=True)(expression)


async def is_consistent(db: Database) -> bool:
    """Return whether FTS5's own integrity check succeeds."""
    try:
        await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('integrity-check')")  # a command, inserts nothing
    except Unavailable:
        return False
    return True


async def rebuild(db: Database) -> None:
    """Rebuild the index from the texts that it contains."""
    await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('rebuild')")
