"""Slugs of posts: find an available one, and assign it. No slug is reused for another post, so that old links stay correct."""

import functools
from collections.abc import Sequence

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.errors import Conflict
from blog.text.slug import slugify

_s = tables.post_slugs.c
MAX_SLUG_LENGTH = 120
_PREFETCHED_POWERS = 5
_OWNER_QUERY = PreparedQuery(sa.select(_s.post_id).where(_s.slug == sa.bindparam("slug")))
_INSERT = PreparedQuery(tables.post_slugs.insert(), columns=("slug", "post_id"))


async def available(db: Database, title: str) -> str:
    """Return an available slug for a title: `title`, `title-2`, … Call it inside the transaction that assigns the slug."""
    return await first_available(db, [slugify(title)])


async def first_available(db: Database, candidates: Sequence[str]) -> str:
    """Return the first available candidate, or the last candidate with the next number."""
    stem = candidates[-1][: MAX_SLUG_LENGTH - 8]
    taken = await _find_taken(db, [*candidates, *(f"{stem}-{2**power}" for power in range(1, _PREFETCHED_POWERS))])
    for slug in candidates:
        if slug not in taken:
            return slug
    # Binary search, so that a title of thousands of posts needs a few queries.
    low, high = 1, 2
    while f"{stem}-{high}" in taken or (high >= 2**_PREFETCHED_POWERS and await owner_of(db, f"{stem}-{high}") is not None):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if await owner_of(db, f"{stem}-{middle}") is None:
            high = middle
        else:
            low = middle
    return f"{stem}-{high}"


async def _find_taken(db: Database, names: Sequence[str]) -> set[str]:
    rows = await db.fetch_all(_find_taken_query(len(names))(**{f"slug_{place}": slug for place, slug in enumerate(names)}))
    return {row["slug"] for row in rows}


@functools.lru_cache(maxsize=10)
def _find_taken_query(count: int) -> PreparedQuery:
    return PreparedQuery(
        sa.select(_s.slug).where(_s.slug.in_([sa.bindparam(f"slug_{place}", type_=_s.slug.type) for place in range(count)]))
    )


async def require_available(db: Database, slug: str, post_id: int | None = None) -> None:
    """Raise Conflict if another post has or had the slug."""
    if await owner_of(db, slug) not in (None, post_id):
        raise _slug_conflict()


async def assign(db: Database, slug: str, post_id: int) -> None:
    """Assign the slug to the post, which may have had it before. Raises Conflict if another post has or had it."""
    if (other := await owner_of(db, slug)) is None:
        await db.execute(insert_query(slug, post_id))
    elif other != post_id:
        raise _slug_conflict()


def insert_query(slug: str, post_id: int) -> BoundQuery:
    """Return the query that assigns an available slug to a post."""
    return _INSERT(slug=slug, post_id=post_id)


async def owner_of(db: Database, slug: str) -> int | None:
    """Return the id of the post that has or had this slug, or None."""
    post_id: int | None = await db.fetch_val(_OWNER_QUERY(slug=slug))
    return post_id


def _slug_conflict() -> Conflict:
    return Conflict("Another post has or had this slug. Choose a different one.", loc=("slug",))
