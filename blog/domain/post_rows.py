"""How rows become posts: one query for the posts, one for their authors, one for their tags, however many there are."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.models import Byline, Post
from blog.schemas.posts import PostStatus

_p = tables.posts.c
CARD = (
    _p.id, _p.slug, _p.title, _p.excerpt, _p.status, _p.version, _p.words, _p.comments, _p.comments_open,
    _p.publish_at, _p.published_at, _p.created_at, _p.updated_at,
)  # fmt: skip
"""The columns that a list shows."""
FULL = (*CARD, _p.content, _p.html)
"""All that a reader of one post gets."""


def select(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """A query for posts that are not deleted; `CARD` or `FULL`."""
    return sa.select(*columns).where(_p.deleted_at.is_(None))


async def load(db: Database, query: sa.Select[Any]) -> list[Post]:
    """The posts of a query made by `select`, in its order."""
    rows = await db.fetch_all(query)
    ids = [row["id"] for row in rows]
    bylines, tags = await _bylines(db, ids), await _tags(db, ids)
    return [_post(row, bylines.get(row["id"], ()), tags.get(row["id"], ())) for row in rows]


async def one(db: Database, *conditions: sa.ColumnElement[bool]) -> Post | None:
    """The one post that meets the conditions, in full."""
    posts = await load(db, select(*FULL).where(*conditions))
    return posts[0] if posts else None


async def deleted(db: Database, post_id: int) -> Post | None:
    """The post, in full, if it is deleted and somebody who wrote it is still here: what went with an account stays gone."""
    links, users = tables.post_authors.c, tables.users.c
    wrote = (
        sa.select(links.post_id).join_from(tables.post_authors, tables.users, links.user_id == users.id)
        .where(links.post_id == post_id, users.deleted_at.is_(None))
    )  # fmt: skip
    posts = await load(db, sa.select(*FULL).where(_p.id == post_id, _p.deleted_at.is_not(None), wrote.exists()))
    return posts[0] if posts else None


async def _bylines(db: Database, ids: Sequence[int]) -> dict[int, tuple[Byline, ...]]:
    links, users = tables.post_authors.c, tables.users.c
    query = (
        sa.select(links.post_id, users.username, users.name, users.avatar)
        .join_from(tables.post_authors, tables.users, links.user_id == users.id)
        .order_by(links.post_id, links.position)
    )
    return await _grouped(db, query, links.post_id, ids, lambda row: Byline(row["username"], row["name"], row["avatar"]))


async def _tags(db: Database, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    links, tags = tables.post_tags.c, tables.tags.c
    query = (
        sa.select(links.post_id, tags.name)
        .join_from(tables.post_tags, tables.tags, links.tag_id == tags.id)
        .order_by(links.post_id, links.position)
    )
    return await _grouped(db, query, links.post_id, ids, lambda row: row["name"])


async def _grouped(db: Database, query: sa.Select[Any], key: Any, ids: Sequence[int], value: Any) -> dict[int, tuple[Any, ...]]:
    if not ids:
        return {}
    # One id is the common case: an equality is compiled once and kept, an IN list is expanded at each call.
    condition = key == ids[0] if len(ids) == 1 else key.in_(ids)
    groups: dict[int, list[Any]] = {}
    for row in await db.fetch_all(query.where(condition)):
        groups.setdefault(row["post_id"], []).append(value(row))
    return {post_id: tuple(values) for post_id, values in groups.items()}


def _post(row: Any, bylines: tuple[Byline, ...], tags: tuple[str, ...]) -> Post:
    columns = row.keys()
    return Post(
        id=row["id"],
        slug=row["slug"],
        title=row["title"],
        content=row["content"] if "content" in columns else "",
        html=row["html"] if "html" in columns else "",
        excerpt=row["excerpt"],
        status=PostStatus(row["status"]),
        version=row["version"],
        words=row["words"],
        comments=row["comments"],
        comments_open=row["comments_open"],
        publish_at=row["publish_at"],
        published_at=row["published_at"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        bylines=bylines,
        tags=tags,
    )
