"""Changes of all comments of one author at once, when the account is suspended, reinstated or deleted."""

from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_changes
from blog.domain.core.context import Context
from blog.schemas.comments import CommentStatus

_c = tables.comments.c
_BATCH_SIZE = 500
DELETED_NOTE = "Its author's account was deleted"
SUSPENDED_NOTE = "Its author is suspended"
"""The moderation note of comments that a suspension holds."""


async def hold(ctx: Context, author_id: int) -> None:
    """Hold the author's visible comments for moderation. Call it inside the transaction of the suspension."""
    visible = _c.status == CommentStatus.VISIBLE.value
    await _change(ctx, (_c.author_id == author_id) & visible, CommentStatus.PENDING, SUSPENDED_NOTE)


async def release(ctx: Context, author_id: int) -> None:
    """Publish the comments that `hold` held and no moderator has decided about. Call it inside a transaction."""
    held = (_c.status == CommentStatus.PENDING.value) & (_c.moderation_note == SUSPENDED_NOTE)
    await _change(ctx, (_c.author_id == author_id) & held, CommentStatus.VISIBLE, None)


async def erase(ctx: Context, author_id: int) -> None:
    """Remove all comments of the author and erase their texts; replies stay. Call it inside a transaction."""
    own = _c.author_id == author_id
    await _change(ctx, own & (_c.status != CommentStatus.REMOVED.value), CommentStatus.REMOVED, DELETED_NOTE)
    erased = {"content": "", "html": "", "moderation_note": DELETED_NOTE}
    await ctx.db.execute(tables.comments.update().where(own).values(erased))


async def _change(ctx: Context, matching: sa.ColumnElement[bool], status: CommentStatus, note: str | None) -> None:
    """Give the matching comments another status, in batches that bound the size of a statement."""
    values: dict[str, Any] = {"status": status.value, "moderation_note": note, "updated_at": ctx.now}
    query = sa.select(_c.id, _c.status).where(matching).order_by(_c.id).limit(_BATCH_SIZE)
    while rows := await ctx.db.fetch_all(query):
        before = {row["id"]: CommentStatus(row["status"]) for row in rows}
        await ctx.db.execute(tables.comments.update().where(_c.id.in_(before)).values(values))
        await comment_changes.publish_changes(ctx, before)
