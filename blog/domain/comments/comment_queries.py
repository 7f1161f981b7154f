"""Queries for comments, without permission checks: the caller decides what the actor sees."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.comments.models import Comment
from blog.domain.core import policy
from blog.domain.core.context import Actor
from blog.domain.core.rows import from_row
from blog.schemas.comments import CommentStatus

_c, _p, _u = tables.comments.c, tables.posts.c, tables.users.c


def select() -> sa.Select[Any]:
    """Return a query for comments with their authors."""
    reason, author = _c.moderation_note.label("reason"), _u.username.label("author")
    details = (column.label(f"author_{column.name}") for column in (_u.name, _u.avatar, _u.role))
    return sa.select(tables.comments, reason, author, *details).join(tables.users, _u.id == _c.author_id)


async def fetch(db: Database, query: sa.Select[Any]) -> list[Comment]:
    """Return the comments of a query made by `select`, in its order."""
    return [from_row(Comment, row) for row in await db.fetch_all(query)]


async def by_id(db: Database, comment_id: int) -> Comment | None:
    """Return the comment with this id, or None."""
    comments = await fetch(db, select().where(_c.id == comment_id))
    return comments[0] if comments else None


async def by_ids(db: Database, ids: Sequence[int]) -> dict[int, Comment]:
    """Return the comments with these ids, by id."""
    if not ids:
        return {}
    return {comment.id: comment for comment in await fetch(db, select().where(_c.id.in_(ids)))}


def ancestors(post_id: int, visible: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return a query for the ids of all comments of a post above the `visible` ones."""
    parents = sa.select(_c.parent_id.label("id")).where(_c.post_id == post_id, _c.parent_id.is_not(None), visible)
    found = parents.cte("ancestors", recursive=True)
    above = sa.select(_c.parent_id).join(found, found.c.id == _c.id).where(_c.parent_id.is_not(None))
    return sa.select(found.union(above).c.id)


def filter_for_moderator(actor: Actor, query: sa.Select[Any], status: CommentStatus) -> sa.Select[Any]:
    """Limit a query to comments with this status that the actor can moderate: `policy.can_moderate` in SQL."""
    with_status = query.join(tables.posts, _p.id == _c.post_id).where(_c.status == status.value, _p.deleted_at.is_(None))
    if policy.can_moderate_all(actor):
        return with_status
    return with_status.where(_p.id.in_(sa.select(tables.post_authors.c.post_id).where(tables.post_authors.c.user_id == actor.id)))
