"""Presence: the users that have the edit form of a post open, so that two editors see each other."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import Author
from blog.domain.posts import post_queries

_e, _u, _p = tables.editing_sessions.c, tables.users.c, tables.posts.c
ACTIVE_FOR = dt.timedelta(seconds=60)
"""Without a sign of life for longer, the form counts as closed."""


@dataclass(frozen=True, slots=True)
class Presence:
    """The other users with the form open, by name, and the current version of the post."""

    others: Sequence[Author]
    version: int


async def touch(ctx: Context, post_id: int) -> Presence:
    """Record that the actor has the form open. Raises NotAuthenticated, NotFound or Forbidden."""
    async with ctx.db.transaction():
        post = policy.require_edit(ctx, await post_queries.by_id(ctx.db, post_id))
        actor = ctx.require_actor()
        gone = (_e.post_id == post_id) & ((_e.user_id == actor.id) | (_e.seen_at <= ctx.now - ACTIVE_FOR))
        await ctx.db.execute(tables.editing_sessions.delete().where(gone))
        await ctx.db.execute(tables.editing_sessions.insert().values(post_id=post_id, user_id=actor.id, seen_at=ctx.now))
        return Presence(await _others(ctx, post_id, actor.id), post.version)


async def leave(ctx: Context, post_id: int) -> None:
    """Record that the actor closed the form; the post may be deleted by now. Raises NotAuthenticated."""
    mine = (_e.post_id == post_id) & (_e.user_id == ctx.require_actor().id)
    await ctx.db.execute(tables.editing_sessions.delete().where(mine))


async def _others(ctx: Context, post_id: int, user_id: int) -> list[Author]:
    query = (
        sa.select(_u.id, _u.username, _u.name)
        .join_from(tables.editing_sessions, tables.users, _u.id == _e.user_id)
        .where(_e.post_id == post_id, _e.user_id != user_id)
        .order_by(_u.name, _u.id)
    )
    return [Author(row["id"], row["username"], row["name"]) for row in await ctx.db.fetch_all(query)]
