"""The time at which an account was last used, exact to an hour: requests that follow each other cost no write."""

import datetime as dt

from blog.db import tables
from blog.domain.core.context import Context

REFRESH_AFTER = dt.timedelta(hours=1)
"""Minimum time between two updates, so that reading pages rarely writes to the database."""
_u = tables.users.c


def is_outdated(ctx: Context, last_seen_at: dt.datetime | None) -> bool:
    """Return whether the time must be recorded again."""
    return last_seen_at is None or ctx.now - last_seen_at > REFRESH_AFTER


async def record(ctx: Context, user_id: int) -> None:
    """Store the current time as that of the last use."""
    await ctx.db.execute(tables.users.update().where(_u.id == user_id).values(last_seen_at=ctx.now))
