"""How rows become comments, whoever may see them: what is shown of each is the caller's affair."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import policy
from blog.domain.core.context import Actor
from blog.domain.core.models import Comment, ResultPage
from blog.schemas.comments import CommentStatus

_c, _p, _u = tables.comments.c, tables.posts.c, tables.users.c


def select() -> sa.Select[Any]:
    """A query for comments with their authors' names."""
    return sa.select(tables.comments, _u.username, _u.name).join(tables.users, _u.id == _c.author_id)


async def fetch(db: Database, query: sa.Select[Any]) -> list[Comment]:
    """The comments of a query made by `select`, in its order."""
    return [_comment_from_row(row) for row in await db.fetch_all(query)]


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


def to_page(found: Sequence[Comment], limit: int) -> ResultPage[Comment]:
    """A page of the comments that were asked for with one more than `limit`."""
    return ResultPage(found[:limit], ("", found[limit - 1].id) if len(found) > limit else None)


def _comment_from_row(row: Any) -> Comment:
    return Comment(
        id=row["id"],
        post_id=row["post_id"],
        parent_id=row["parent_id"],
        author=row["username"],
        author_name=row["name"],
        content=row["content"],
        html=row["html"],
        status=CommentStatus(row["status"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        reason=row["moderation_note"],
    )
