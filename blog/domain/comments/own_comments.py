"""A user's own comments, including removed ones, for the account export."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.schemas.accounts import Scope
from blog.schemas.comments import CommentStatus

_c, _p = tables.comments.c, tables.posts.c


@dataclass(frozen=True, slots=True)
class OwnComment:
    """A comment of the actor, with the title of its post."""

    id: int
    post: str
    content: str
    status: CommentStatus
    created_at: dt.datetime
    updated_at: dt.datetime


async def list_own(ctx: Context, *, limit: int, after: int = 0) -> Sequence[OwnComment]:
    """Return up to `limit` comments of the actor with an id above `after`, by id. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    query = (
        sa.select(_c.id, _p.title, _c.content, _c.status, _c.created_at, _c.updated_at)
        .join_from(tables.comments, tables.posts, _p.id == _c.post_id)
        .where(_c.author_id == actor.id, _c.id > after)
        .order_by(_c.id)
        .limit(limit)
    )
    return [
        OwnComment(row["id"], row["title"], row["content"], CommentStatus(row["status"]), row["created_at"], row["updated_at"])
        for row in await ctx.db.fetch_all(query)
    ]
