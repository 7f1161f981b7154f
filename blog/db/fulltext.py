"""The full-text index of posts: what readers type finds them, the same on each database."""

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
    """Put a post into the index, or anew; call it inside the transaction that writes the post."""
    await remove(db, post_id)
    await add(db, post_id, title=title, tags=tags, body=body)


async def add(db: Database, post_id: int, *, title: str, tags: str, body: str) -> None:
    """Put a post into the index that is not there; call it inside the transaction that writes the post."""
    await _ENGINES[db.kind].add(db, post_id, title, tags, body)


async def remove(db: Database, post_id: int) -> None:
    """Take a post out of the index."""
    await _ENGINES[db.kind].remove(db, post_id)


def match_posts(db: Database, text: str) -> sa.Subquery | None:
    """The posts that match what somebody typed: columns `post_id` and `rank` (smaller is better). None without a word."""
    wanted = parse_terms(text)
    found: sa.Select[Any] | None = _ENGINES[db.kind].match_posts(wanted) if wanted else None
    return None if found is None else found.subquery("matches")


def match_newest(db: Database, text: str, limit: int, is_visible: sa.ColumnElement[bool]) -> sa.Subquery | None:
    """The same of the posts that are `seen`; of very many those that were added last: ranking takes longer than finding."""
    wanted, engine = parse_terms(text), _ENGINES[db.kind]
    if not wanted:
        return None
    query: sa.Select[Any] = engine.match_posts(wanted).join(tables.posts, tables.posts.c.id == engine.POST_ID).where(is_visible)
    return query.order_by(engine.POST_ID.desc()).limit(limit).subquery("matches")


async def snippets(db: Database, text: str, ids: Sequence[int]) -> dict[int, Snippet]:
    """The places that match, of these posts among those that do. Finding them takes longer than ranking: ask for one page."""
    wanted = parse_terms(text)
    return await _ENGINES[db.kind].snippets(db, wanted, ids) if wanted and ids else {}


IndexEntry = tuple[str, str, str]
"""Title, tags and text of a post, as the index holds them."""


async def stored_entries(db: Database, ids: Sequence[int]) -> dict[int, IndexEntry]:
    """What the index holds of these posts, to compare it with `entry`."""
    engine = _ENGINES[db.kind]
    rows = await db.fetch_all(
        sa.select(engine.POST_ID.label("post_id"), *engine.TEXT_COLUMNS).where(engine.POST_ID.in_(list(ids)))
    )
    return {row["post_id"]: _normalise_entry(row["title"], row["tags"], row["body"]) for row in rows}


def expected_entry(title: str, tags: str, body: str) -> IndexEntry:
    """What the index should hold of a post."""
    return _normalise_entry(segment(title), segment(tags), segment(body))


def _normalise_entry(title: str, tags: str, body: str) -> IndexEntry:
    return title, tags.casefold(), body  # a tag may be spelt in several ways, and is found by each


async def orphans(db: Database) -> list[int]:
    """The ids of the entries whose posts are deleted, or not there."""
    posts, post_id = tables.posts.c, _ENGINES[db.kind].POST_ID
    living = sa.select(posts.id).where(posts.deleted_at.is_(None))
    return [row["post_id"] for row in await db.fetch_all(sa.select(post_id.label("post_id")).where(post_id.not_in(living)))]


async def is_consistent(db: Database) -> bool:
    """Does the index find nothing wrong with itself? Reads all of it."""
    consistent: bool = await _ENGINES[db.kind].is_consistent(db)
    return consistent


async def rebuild(db: Database) -> None:
    """Make the index anew from the texts that it holds."""
    await _ENGINES[db.kind].rebuild(db)


# To move an index from one kind of database to another


def stored_texts(kind: str) -> sa.Select[Any]:
    """What an index holds: `post_id`, title, tags and text of each entry."""
    engine = _ENGINES[kind]
    return sa.select(engine.POST_ID.label("post_id"), *engine.TEXT_COLUMNS).order_by(engine.POST_ID)


def index_table(kind: str) -> sa.TableClause:
    """Where an index is kept."""
    found: sa.TableClause = _ENGINES[kind].TABLE
    return found


def row_factory(kind: str) -> Callable[[int, str, str, str], dict[str, Any]]:
    """What makes a row of that table of an entry."""
    found: Callable[[int, str, str, str], dict[str, Any]] = _ENGINES[kind].index_row
    return found
