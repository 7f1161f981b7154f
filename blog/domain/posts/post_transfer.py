"""Hand all posts of one author to another, for example those of an imported author to an account."""

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import post_queries, post_writes, search
from blog.schemas.posts import PostStatus

_p, _a = tables.posts.c, tables.post_authors.c


async def transfer(ctx: Context, from_id: int, to_id: int) -> int:
    """Replace one author by another in all posts, including drafts and deleted ones, and return their number.

    Each post gets a new version, so that caches and clients see its new by-line. Call it inside a transaction; the caller checks
    the permission.
    """
    query = sa.select(_p.id).join(tables.post_authors, _a.post_id == _p.id).where(_a.user_id == from_id).order_by(_p.id)
    ids = [row["id"] for row in await ctx.db.fetch_all(query)]
    for post_id in ids:
        await _transfer_one(ctx, post_id, from_id, to_id)
    await search.index_author(ctx, to_id)
    return len(ids)


async def _transfer_one(ctx: Context, post_id: int, from_id: int, to_id: int) -> None:
    before = await post_queries.by_id(ctx.db, post_id)  # None for a deleted post
    given, received = (_a.post_id == post_id) & (_a.user_id == from_id), (_a.post_id == post_id) & (_a.user_id == to_id)
    if await ctx.db.fetch_val(sa.select(_a.user_id).where(received)) is None:
        await ctx.db.execute(tables.post_authors.update().where(given).values(user_id=to_id))
    else:
        await ctx.db.execute(tables.post_authors.delete().where(given))
    if before is not None:
        values = {"version": _p.version + 1, "updated_at": ctx.now}
        await ctx.db.execute(tables.posts.update().where(_p.id == post_id).values(values))
        event = EventType.POST_UPDATED if before.status is PostStatus.PUBLISHED else None
        await post_writes.store_revision(ctx, post_id, event, before)
