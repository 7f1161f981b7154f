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
ERASED_GUEST_NAME, ERASED_GUEST_NOTE = "Erased", "Erased on request of its author"
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
    await _erase(ctx, _c.author_id == author_id, DELETED_NOTE)


async def erase_guest(ctx: Context, email: str) -> int:
    """Remove all comments by guests with this address, erase names, address and texts, and return their number; replies stay.

    The caller checks the permission.
    """
    async with ctx.db.transaction():
        erased = {"guest_name": ERASED_GUEST_NAME, "guest_email": None}
        return await _erase(ctx, _c.guest_email == email.lower(), ERASED_GUEST_NOTE, **erased)


async def _erase(ctx: Context, own: sa.ColumnElement[bool], note: str, **author: str | None) -> int:
    await _change(ctx, own & (_c.status != CommentStatus.REMOVED.value), CommentStatus.REMOVED, note)
    erased = {"content": "", "html": "", "moderation_note": note, **author}
    return int(await ctx.db.execute(tables.comments.update().where(own).values(erased)) or 0)


async def _change(ctx: Context, matching: sa.ColumnElement[bool], status: CommentStatus, note: str | None) -> None:
    """Give the matching comments another status, in batches that bound the size of a statement."""
    values: dict[str, Any] = {"status": status.value, "moderation_note": note, "updated_at": ctx.now}
    query = sa.select(_c.id, _c.status).where(matching).order_by(_c.id).limit(_BATCH_SIZE)
    while rows := await ctx.db.fetch_all(query):
        before = {row["id"]: CommentStatus(row["status"]) for row in rows}
        await ctx.db.execute(tables.comments.update().where(_c.id.in_(before)).values(values))
        await comment_changes.publish_changes(ctx, before)
