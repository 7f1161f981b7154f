"""How rows become comments, whoever may see them: what is shown of each is the caller's affair."""

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
    """A query for comments with their authors' names."""
    columns = (_c.moderation_note.label("reason"), _u.username.label("author"), _u.name.label("author_name"))
    return sa.select(tables.comments, *columns).join(tables.users, _u.id == _c.author_id)


async def fetch(db: Database, query: sa.Select[Any]) -> list[Comment]:
    """The comments of a query made by `select`, in its order."""
    return [from_row(Comment, row) for row in await db.fetch_all(query)]


async def by_id(db: Database, comment_id: int) -> Comment | None:
    """The comment with this id."""
    found = await fetch(db, select().where(_c.id == comment_id))
    return found[0] if found else None


async def by_ids(db: Database, ids: Sequence[int]) -> dict[int, Comment]:
    """The comments with these ids."""
    if not ids:
        return {}
    return {comment.id: comment for comment in await fetch(db, select().where(_c.id.in_(ids)))}


def filter_for_moderator(actor: Actor, query: sa.Select[Any], status: CommentStatus) -> sa.Select[Any]:
    """Narrow a query for comments to those of a status that this person decides about; `policy.may_moderate` as SQL."""
    narrowed = query.join(tables.posts, _p.id == _c.post_id).where(_c.status == status.value, _p.deleted_at.is_(None))
    if policy.can_moderate_all(actor):
        return narrowed
    return narrowed.where(_p.id.in_(sa.select(tables.post_authors.c.post_id).where(tables.post_authors.c.user_id == actor.id)))
