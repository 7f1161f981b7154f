"""Publication of scheduled posts."""

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import post_queries, post_writes
from blog.schemas.posts import PostStatus

_p = tables.posts.c


async def publish_due(ctx: Context) -> int:
    """Publish the scheduled posts that are due, the earliest first, and return their number.

    Safe to call from several workers at once. A post that cannot be published does not delay the others; the first error is
    raised at the end.
    """
    ids = await ctx.db.fetch_all(post_queries.select(_p.id).where(_is_due(ctx)).order_by(_p.publish_at, _p.id))
    count, failures = 0, []
    for row in ids:
        try:
            count += await _publish(ctx, row["id"])
        except Exception as error:
            failures.append(error)
    if failures:
        raise failures[0]
    return count


async def count_overdue(ctx: Context) -> int:
    """Return how many scheduled posts are due and not published; normally they are published within a second."""
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).where(_is_due(ctx) & _p.deleted_at.is_(None))))


async def _publish(ctx: Context, post_id: int) -> int:
    """Return 1, or 0 if another worker published the post first, or it was changed or deleted in the meantime."""
    this = (_p.id == post_id) & _is_due(ctx) & _p.deleted_at.is_(None)
    values = {
        "status": PostStatus.PUBLISHED.value,
        "published_at": _p.publish_at,
        "publish_at": None,
        "version": _p.version + 1,
        "updated_at": ctx.now,
    }
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.posts.update().where(this).values(values)):
            return 0
        await post_writes.store_revision(ctx, post_id, EventType.POST_PUBLISHED)
    return 1


def _is_due(ctx: Context) -> sa.ColumnElement[bool]:
    return (_p.status == PostStatus.SCHEDULED.value) & (_p.publish_at <= ctx.now)
