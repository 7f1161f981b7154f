"""Full-text search with FTS5: a virtual table with the post id as rowid."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.db.search_query import SearchTerm
from blog.errors import Unavailable

# The result of the migrations; a test compares them. The words are split and folded already (`blog.db.tokenizer`), so that the
# tokenizer `ascii` only separates them at spaces. Without the prefix indexes, a query of one letter reads the list of every
# word that begins with it, and cannot be interrupted meanwhile.
CREATE_TABLE_SQL = (
    "CREATE VIRTUAL TABLE posts_fts USING fts5(title UNINDEXED, body UNINDEXED, title_words, names_words, body_words, "
    "prefix='2 4', tokenize=\"ascii tokenchars '+#.|'\")"
)

_COLUMNS = ("title", "body", "title_words", "names_words", "body_words")
TABLE = sa.table("posts_fts", sa.column("rowid", sa.Integer), *(sa.column(name, sa.Text) for name in _COLUMNS))
_INSERT = PreparedQuery(sa.insert(TABLE), columns=("rowid", *_COLUMNS))
POST_ID = TABLE.c.rowid
# bm25() is smaller for better matches. A word in the title has 10 times the weight of one in the text.
_RANK: sa.ColumnClause[float] = sa.literal_column("bm25(posts_fts, 0.0, 0.0, 10.0, 5.0, 1.0)")


async def insert(db: Database, row: dict[str, Any]) -> None:
    """Insert a row of the index, inside a transaction."""
    await db.pipeline(_INSERT(**row))


def index_row(post_id: int, *texts: str) -> dict[str, Any]:
    """Return the row for the texts of an index entry."""
    return {"rowid": post_id, **dict(zip(_COLUMNS, texts, strict=True))}


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await db.pipeline(sa.delete(TABLE).where(TABLE.c.rowid == post_id))


def match_shape(terms: Sequence[SearchTerm]) -> None:
    """Return None: the text of `match_query` is the same for all terms."""


def match_query(shape: None) -> sa.Select[Any]:
    """Return the query for the posts that contain all terms: columns `post_id` and `rank` (smaller is better)."""
    condition = sa.literal_column("posts_fts").op("MATCH", is_comparison=True)(sa.bindparam("match", type_=sa.Text))
    return sa.select(TABLE.c.rowid.label("post_id"), _RANK.label("rank")).select_from(TABLE).where(condition)


def match_values(terms: Sequence[SearchTerm]) -> dict[str, str]:
    """Return the parameters of `match_query`."""
    return {"match": " AND ".join(_term_expression(term) for term in terms)}


def _term_expression(term: SearchTerm) -> str:
    """Return the FTS5 expression of a term. Words contain no quotes, so that nothing in them is syntax."""
    end = "*" if term.is_prefix else ""
    spellings = [f'"{" ".join(term.words)}"{end}', *([f'"{term.joined}"{end}'] if term.joined else [])]
    return " AND ".join([f"({' OR '.join(spellings)})", *(f'"{symbol}"{end}' for symbol in term.symbols)])


async def is_consistent(db: Database) -> bool:
    """Return whether FTS5's own integrity check succeeds."""
    try:
        await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('integrity-check')")  # a command, inserts nothing
    except Unavailable:
        return False
    return True


async def rebuild(db: Database) -> None:
    """Rebuild the index from the words that it contains."""
    await db.execute("INSERT INTO posts_fts(posts_fts) VALUES ('rebuild')")
