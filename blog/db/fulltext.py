"""The full-text index of posts, with the same results on both databases."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.db.postgresql import fulltext as postgresql
from blog.db.sqlite import fulltext as sqlite
from blog.db.tokenizer import Snippet, TextSpan, parse_terms, segment

__all__ = [
    "IndexEntry",
    "Snippet",
    "TextSpan",
    "add",
    "expected_entry",
    "index",
    "index_table",
    "is_consistent",
    "match_newest",
    "match_posts",
    "orphans",
    "rebuild",
    "remove",
    "row_factory",
    "snippets",
    "stored_entries",
    "stored_texts",
]

_ENGINES = {"sqlite": sqlite, "postgresql": postgresql}


async def index(db: Database, post_id: int, *, title: str, tags: str, body: str) -> None:
    """Add or replace a post in the index. Call it inside the transaction that writes the post."""
    await remove(db, post_id)
    await add(db, post_id, title=title, tags=tags, body=body)


async def add(db: Database, post_id: int, *, title: str, tags: str, body: str) -> None:
    """Add a post that is not in the index yet. Call it inside the transaction that writes the post."""
    await _ENGINES[db.kind].add(db, post_id, title, tags, body)


async def remove(db: Database, post_id: int) -> None:
    """Remove a post from the index."""
    await _ENGINES[db.kind].remove(db, post_id)


def match_posts(db: Database, text: str) -> sa.Subquery | None:
    """Return the matching posts: columns `post_id` and `rank` (smaller is better). None if the query has no word."""
    terms = parse_terms(text)
    query: sa.Select[Any] | None = _ENGINES[db.kind].match_posts(terms) if terms else None
    return None if query is None else query.subquery("matches")


def match_newest(db: Database, text: str, limit: int, is_visible: sa.ColumnElement[bool]) -> sa.Subquery | None:
    """Return the newest `limit` matching posts for which `is_visible` is true, as `match_posts` does.

    The limit exists because ranking a post takes longer than finding it.
    """
    terms, engine = parse_terms(text), _ENGINES[db.kind]
    if not terms:
        return None
    query: sa.Select[Any] = engine.match_posts(terms).join(tables.posts, tables.posts.c.id == engine.POST_ID).where(is_visible)
    return query.order_by(engine.POST_ID.desc()).limit(limit).subquery("matches")


async def snippets(db: Database, text: str, ids: Sequence[int]) -> dict[int, Snippet]:
    """Return the snippets of the posts with these ids that match. Slower than ranking: call it for one page of results."""
    terms = parse_terms(text)
    return await _ENGINES[db.kind].snippets(db, terms, ids) if terms and ids else {}


IndexEntry = tuple[str, str, str]
"""Title, tags and text of a post in the index."""


async def stored_entries(db: Database, ids: Sequence[int]) -> dict[int, IndexEntry]:
    """Return the index entries of these posts, to compare them with `expected_entry`."""
    engine = _ENGINES[db.kind]
    rows = await db.fetch_all(
        sa.select(engine.POST_ID.label("post_id"), *engine.TEXT_COLUMNS).where(engine.POST_ID.in_(list(ids)))
    )
    return {row["post_id"]: _normalise_entry(row["title"], row["tags"], row["body"]) for row in rows}


def expected_entry(title: str, tags: str, body: str) -> IndexEntry:
    """Return the index entry that a post should have."""
    return _normalise_entry(segment(title), segment(tags), segment(body))


def _normalise_entry(title: str, tags: str, body: str) -> IndexEntry:
    return title, tags.casefold(), body  # searches ignore the case of tags


async def orphans(db: Database) -> list[int]:
    """Return the ids of index entries without a post, or with a deleted one."""
    posts, post_id = tables.posts.c, _ENGINES[db.kind].POST_ID
    living = sa.select(posts.id).where(posts.deleted_at.is_(None))
    return [row["post_id"] for row in await db.fetch_all(sa.select(post_id.label("post_id")).where(post_id.not_in(living)))]


async def is_consistent(db: Database) -> bool:
    """Return whether the index is consistent with its own texts. Reads all of it."""
    result: bool = await _ENGINES[db.kind].is_consistent(db)
    return result


async def rebuild(db: Database) -> None:
    """Rebuild the index from the texts that it contains."""
    await _ENGINES[db.kind].rebuild(db)


# For `database_copy`


def stored_texts(kind: str) -> sa.Select[Any]:
    """Return a query for all index entries of a kind of database: `post_id`, title, tags, text."""
    engine = _ENGINES[kind]
    return sa.select(engine.POST_ID.label("post_id"), *engine.TEXT_COLUMNS).order_by(engine.POST_ID)


def index_table(kind: str) -> sa.TableClause:
    """Return the table of the index in a kind of database."""
    table: sa.TableClause = _ENGINES[kind].TABLE
    return table


def row_factory(kind: str) -> Callable[[int, str, str, str], dict[str, Any]]:
    """Return the function that creates a row of `index_table` from post id, title, tags and text."""
    factory: Callable[[int, str, str, str], dict[str, Any]] = _ENGINES[kind].index_row
    return factory
