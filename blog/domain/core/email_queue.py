"""Letters that wait to be sent: rows, written in the transaction of what they tell of, so that a crash loses none.

What they say is made up when they are sent (`blog/mail`): a link to set a password is kept nowhere. Whoever asks for such
a link only leaves the name that was typed, so that the answer takes as long for names that nobody has.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.core.rows import from_row

BATCH_SIZE = 20
MAX_ATTEMPTS = 6
# Whoever takes a letter has so long to send it; after that another worker tries.
_LEASE = dt.timedelta(minutes=5)
_l = tables.email_queue.c


@dataclass(frozen=True, slots=True)
class QueuedEmail:
    """A letter that is to be sent; `attempts` counts the one at hand."""

    id: int
    kind: str
    data: Mapping[str, Any]
    attempts: int
    created_at: dt.datetime


class EmailKind(StrEnum):
    """What a letter is about."""

    PASSWORD_LINK = "password_link"  # noqa: S105 (no secret)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (no secret)
    EMAIL_LINK = "email_link"
    EMAIL_CHANGED = "email_changed"
    TWO_FACTOR_ENABLED = "second_factor_on"
    TWO_FACTOR_DISABLED = "second_factor_off"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"


async def enqueue(ctx: Context, kind: EmailKind, **data: Any) -> None:
    """A letter for soon; call it inside the transaction of what it tells of. Without a mail server only links are kept."""
    settings = ctx.site.settings
    if settings.smtp_url is None and not (kind is EmailKind.PASSWORD_LINK and settings.can_send_email):
        return
    values = {"kind": kind.value, "data": data, "created_at": ctx.now, "due_at": ctx.now, "attempts": 0}
    await ctx.db.execute(tables.email_queue.insert().values(values))


async def request_password_reset(ctx: Context, name: str) -> None:
    """Have a link sent to whoever has this name or address, if somebody does; nobody hears whether."""
    await enqueue(ctx, EmailKind.PASSWORD_LINK, name=name, address=ctx.address, user_agent=ctx.user_agent)


async def claim_due(ctx: Context) -> Sequence[QueuedEmail]:
    """Some letters that are due: for a while no other worker gets them."""
    due = sa.select(_l.id).where(_l.due_at <= ctx.now).order_by(_l.due_at).limit(BATCH_SIZE)
    if await ctx.db.fetch_val(due) is None:
        return ()  # as nearly always: without a lock
    async with ctx.db.transaction():
        ids = [row["id"] for row in await ctx.db.fetch_all(due.with_for_update(skip_locked=True))]
        taken = {"due_at": ctx.now + _LEASE, "attempts": _l.attempts + 1}
        await ctx.db.execute(tables.email_queue.update().where(_l.id.in_(ids)).values(taken))
        rows = await ctx.db.fetch_all(sa.select(tables.email_queue).where(_l.id.in_(ids)).order_by(_l.id))
    return [from_row(QueuedEmail, row) for row in rows]


async def count(db: Database) -> int:
    """How many wait to be sent. Raises Unavailable."""
    return int(await db.fetch_val(sa.select(sa.func.count()).select_from(tables.email_queue)))


async def remove(ctx: Context, queued_email: QueuedEmail) -> None:
    """It is sent, or will never be: forget it."""
    await ctx.db.execute(tables.email_queue.delete().where(_l.id == queued_email.id))


async def reschedule(ctx: Context, queued_email: QueuedEmail) -> bool:
    """It could not be sent: once more later, each time after twice as long. False: it was the last attempt."""
    if queued_email.attempts >= MAX_ATTEMPTS:
        await remove(ctx, queued_email)
        return False
    later = {"due_at": ctx.now + dt.timedelta(minutes=2 ** (queued_email.attempts - 1))}
    await ctx.db.execute(tables.email_queue.update().where(_l.id == queued_email.id).values(later))
    return True
