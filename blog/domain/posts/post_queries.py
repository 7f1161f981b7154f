"""Queries for posts: one for the rows, one for all their authors and one for all their tags."""

import dataclasses
import datetime as dt
import functools
from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery, Query
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.events import Position
from blog.domain.core.models import Author
from blog.domain.core.rows import from_row
from blog.domain.posts.models import Post

_p = tables.posts.c
FULL_COLUMNS = tuple(_p[field.name] for field in dataclasses.fields(Post) if field.name in _p)
"""The columns of a complete post."""
SUMMARY_COLUMNS = tuple(column for column in FULL_COLUMNS if column.name not in ("content", "html"))
"""The columns of a post in a list."""


_remaining = tables.post_authors.join(tables.users, tables.post_authors.c.user_id == tables.users.c.id)
HAS_AUTHOR = (
    sa.exists().select_from(_remaining).where(tables.post_authors.c.post_id == _p.id, tables.users.c.deleted_at.is_(None))
).correlate(tables.posts)
"""The condition for posts that were not deleted with the accounts of all their authors."""


def select(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Return a query for posts that are not deleted, usually of `SUMMARY_COLUMNS` or `FULL_COLUMNS`."""
    return sa.select(*columns).where(_p.deleted_at.is_(None))


async def fetch(db: Database, query: Query) -> list[Post]:
    """Return the posts of a query made by `select`, in its order."""
    rows = await db.fetch_all(query)
    if not rows:
        return []
    return posts_from_rows(rows, *await db.fetch_many(*relations_queries(rows)))


PreparedPosts = tuple[PreparedQuery, PreparedQuery, PreparedQuery]
"""The queries for posts, for their authors and for their tags: together they need one call to the database."""


def prepare(query: sa.Select[Any]) -> PreparedPosts:
    """Return the prepared queries for the posts of a query made by `select`. `posts_from_rows` reads their rows."""
    ids = query.with_only_columns(_p.id)
    return PreparedQuery(query), _authors_query(ids), _tags_query(ids)


async def by_id(db: Database, post_id: int) -> Post | None:
    """Return the complete post, or None."""
    return await _fetch_one(db, _BY_ID, value=post_id)


async def by_id_with_position(db: Database, post_id: int) -> tuple[Post | None, Position]:
    """Return the complete post, or None, and the end of the event log, in one consistent read."""
    *parts, end = await db.fetch_many_consistent(*(part(value=post_id) for part in _BY_ID), events.LATEST_POSITION())
    posts = posts_from_rows(*parts)
    return posts[0] if posts else None, events.position_from_rows(end)


async def by_slug(db: Database, slug: str) -> Post | None:
    """Return the complete post with this current slug, or None."""
    return await _fetch_one(db, _BY_SLUG, value=slug)


def by_slug_queries(slug: str) -> Sequence[BoundQuery]:
    """Return the queries for the complete post with this current slug; `posts_from_rows` reads their rows."""
    return [part(value=slug) for part in _BY_SLUG]


async def deleted_by_id(db: Database, post_id: int, since: dt.datetime) -> Post | None:
    """Return a post deleted after `since`, or None. Posts without a remaining author cannot be restored."""
    posts = await fetch(db, sa.select(*FULL_COLUMNS).where(_p.id == post_id, _p.deleted_at > since, HAS_AUTHOR))
    return posts[0] if posts else None


async def summaries_by_id(db: Database, ids: Collection[int]) -> dict[int, Post]:
    """Return the posts with these ids, without content and HTML, by id. Deleted posts are missing."""
    if not ids:
        return {}
    return {post.id: post for post in await fetch(db, select(*SUMMARY_COLUMNS).where(_p.id.in_(ids)))}


def _authors_query(post_ids: Any) -> PreparedQuery:
    links, users = tables.post_authors.c, tables.users.c
    query = sa.select(links.post_id, links.user_id, users.username, users.name, users.avatar)
    query = query.join_from(tables.post_authors, tables.users, links.user_id == users.id)
    return PreparedQuery(query.where(links.post_id.in_(post_ids)).order_by(links.post_id, links.position))


def _tags_query(post_ids: Any) -> PreparedQuery:
    links, tags = tables.post_tags.c, tables.tags.c
    query = sa.select(links.post_id, tags.name, sa.func.coalesce(tags.own_slug, tags.name).label("slug")).join_from(
        tables.post_tags, tables.tags, links.tag_id == tags.id
    )
    return PreparedQuery(query.where(links.post_id.in_(post_ids)).order_by(links.post_id, links.position))


def relations_queries(rows: Sequence[Record]) -> Sequence[BoundQuery]:
    """Return the queries for the authors and the tags of posts, by the rows of these posts."""
    return [query(**id_values(rows)) for query in _relations_queries(len(rows))]


@functools.lru_cache(maxsize=100)
def _relations_queries(count: int) -> tuple[PreparedQuery, PreparedQuery]:
    ids = id_parameters(count)
    return _authors_query(ids), _tags_query(ids)


def id_parameters(count: int) -> list[sa.BindParameter[int]]:
    """Return the parameters of an IN list of `count` ids; `id_values` gives their values."""
    return [sa.bindparam(f"id_{place}", type_=_p.id.type) for place in range(count)]


def id_values(rows: Sequence[Record]) -> dict[str, int]:
    """Return the values of `id_parameters` for the ids of these rows."""
    return {f"id_{place}": row["id"] for place, row in enumerate(rows)}


_BY_ID, _BY_SLUG = (
    prepare(select(*FULL_COLUMNS).where(column == sa.bindparam("value", type_=column.type))) for column in (_p.id, _p.slug)
)


async def _fetch_one(db: Database, whole: PreparedPosts, value: Any) -> Post | None:
    rows, authors, tags = await db.fetch_many(*(part(value=value) for part in whole))
    posts = posts_from_rows(rows, authors, tags)
    return posts[0] if posts else None


def posts_from_rows(rows: Sequence[Record], authors: Sequence[Record], tags: Sequence[Record]) -> list[Post]:
    """Return the posts of the rows of `PreparedPosts`, in their order."""
    by_post: dict[int, list[Author]] = {}
    for row in authors:
        by_post.setdefault(row["post_id"], []).append(Author(row["user_id"], row["username"], row["name"], row["avatar"]))
    names: dict[int, list[tuple[str, str]]] = {}
    for row in tags:
        names.setdefault(row["post_id"], []).append((row["name"], row["slug"]))
    return [_post_from_row(row, tuple(by_post.get(row["id"], ())), names.get(row["id"], [])) for row in rows]


def _post_from_row(row: Any, authors: tuple[Author, ...], tags: Sequence[tuple[str, str]]) -> Post:
    texts = {} if "content" in set(row.keys()) else {"content": "", "html": ""}
    names, slugs = tuple(name for name, _ in tags), tuple(slug for _, slug in tags)
    return from_row(Post, row, authors=authors, tags=names, tag_slugs=slugs, **texts)
