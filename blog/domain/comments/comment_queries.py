"""Queries for comments, without permission checks: the caller decides what the actor sees."""

import functools
from collections.abc import Sequence
from enum import Enum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.db.database import Database
from blog.domain.comments.models import Comment
from blog.domain.core.rows import from_row
from blog.schemas.accounts import Role
from blog.schemas.comments import CommentStatus

_c, _p, _u, _a = tables.comments.c, tables.posts.c, tables.users.c, tables.post_authors.c
ActorId = int | sa.ColumnElement[int] | None


def select() -> sa.Select[Any]:
    """Return a query for comments with their authors; guests have an empty username and the role of readers."""
    columns = (
        _c.moderation_note.label("reason"),
        sa.func.coalesce(_u.username, "").label("author"),
        sa.func.coalesce(_u.name, _c.guest_name).label("author_name"),
        _u.avatar.label("author_avatar"),
        sa.func.coalesce(_u.role, Role.READER.value).label("author_role"),
    )
    return sa.select(tables.comments, *columns).outerjoin(tables.users, _u.id == _c.author_id)


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


class Audience(Enum):
    """Readers of the comments of a post, by the comments that they see."""

    ANYONE = "visible comments"
    MEMBER = "visible comments and their own pending ones"
    AUTHOR = "as MEMBER, and all comments on their own posts"
    MODERATOR = "all comments"


@functools.cache
def page(audience: Audience, *, by_slug: bool, after: bool) -> PreparedQuery:
    """Return the query for a page of the comments of a post, oldest first, built once for each combination.

    Its parameters are `slug` or `post_id` (of the post), `after_id` if it starts after a comment, `limit` and `actor_id`.
    """
    post_id: sa.ColumnElement[int] = sa.bindparam("post_id", type_=_p.id.type)
    if by_slug:
        post_id = sa.select(_p.id).where(_p.slug == sa.bindparam("slug")).scalar_subquery()
    query = select().where(_c.post_id == post_id).order_by(_c.id).limit(sa.bindparam("limit", type_=sa.Integer))
    if audience is not Audience.MODERATOR:
        visible = _visible_to(audience, post_id)
        query = query.where(visible | _c.id.in_(_ancestors(post_id, visible)))
    return PreparedQuery(query.where(_c.id > sa.bindparam("after_id", type_=_c.id.type)) if after else query)


def _visible_to(audience: Audience, post_id: sa.ColumnElement[int]) -> sa.ColumnElement[bool]:
    visible = _c.status == CommentStatus.VISIBLE.value
    if audience is Audience.ANYONE:
        return visible
    actor_id = sa.bindparam("actor_id", type_=_u.id.type)
    visible |= (_c.status == CommentStatus.PENDING.value) & (_c.author_id == actor_id)
    if audience is Audience.MEMBER:
        return visible
    return visible | sa.exists().where(_a.post_id == post_id, _a.user_id == actor_id)


def _ancestors(post_id: sa.ColumnElement[int], visible: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Return a query for the ids of all comments of a post above the `visible` ones."""
    parents = sa.select(_c.parent_id.label("id")).where(_c.post_id == post_id, _c.parent_id.is_not(None), visible)
    found = parents.cte("ancestors", recursive=True)
    above = sa.select(_c.parent_id).join(found, found.c.id == _c.id).where(_c.parent_id.is_not(None))
    return sa.select(found.union(above).c.id)


def filter_for_moderator(query: sa.Select[Any], status: CommentStatus, author_id: ActorId) -> sa.Select[Any]:
    """Limit a query to comments with this status that an actor can moderate: `policy.can_moderate` in SQL.

    author_id: limits it to comments on the posts of this user; None: the actor can moderate all.
    """
    with_status = query.join(tables.posts, _p.id == _c.post_id).where(_c.status == status.value, _p.deleted_at.is_(None))
    if author_id is None:
        return with_status
    return with_status.where(_p.id.in_(sa.select(_a.post_id).where(_a.user_id == author_id)))
