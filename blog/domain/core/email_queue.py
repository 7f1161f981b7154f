"""The queue of outgoing e-mails: rows, written in the transaction of the change, so that a crash loses none.

The text is composed when an e-mail is sent (`blog/mail`), so that no password link is ever stored. A request for a password
link stores only the typed name: the response takes equally long whether the name exists or not.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.rows import from_row

BATCH_SIZE = 20
MAX_ATTEMPTS = 6
LAST_ABANDONED = "email_abandoned_at"
"""The row of `app_metadata` with the time at which the last e-mail was given up. Nothing about the e-mail is kept."""
# A claimed e-mail that is not sent within this time is claimed again by any worker.
_LEASE = dt.timedelta(minutes=5)
_l = tables.email_queue.c


@dataclass(frozen=True, slots=True)
class QueuedEmail:
    """A claimed e-mail; `attempts` includes the current one."""

    id: int
    kind: str
    data: Mapping[str, Any]
    attempts: int
    created_at: dt.datetime


class EmailKind(StrEnum):
    """Kinds of e-mails; the values are stored."""

    PASSWORD_LINK = "password_link"  # noqa: S105 (no secret)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (no secret)
    EMAIL_LINK = "email_link"
    EMAIL_CHANGED = "email_changed"
    TWO_FACTOR_ENABLED = "two_factor_enabled"
    TWO_FACTOR_DISABLED = "two_factor_disabled"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    INVITATION = "invitation"


async def enqueue(ctx: Context, kind: EmailKind, **data: Any) -> None:
    """Queue an e-mail. Call it inside the transaction of the change.

    Without `SMTP_URL` nothing is queued, except password links where the log shows them (in development).
    """
    settings = ctx.site.settings
    if settings.smtp_url is None and not (kind is EmailKind.PASSWORD_LINK and settings.can_send_email):
        return
    values = {"kind": kind.value, "data": data, "created_at": ctx.now, "due_at": ctx.now, "attempts": 0}
    await ctx.db.execute(tables.email_queue.insert().values(values))


async def request_password_reset(ctx: Context, name: str) -> None:
    """Queue a password link for an account by username or address; the caller cannot learn whether it exists."""
    await enqueue(ctx, EmailKind.PASSWORD_LINK, name=name, address=ctx.address, user_agent=ctx.user_agent)


async def claim_due(ctx: Context) -> Sequence[QueuedEmail]:
    """Claim at most `BATCH_SIZE` due e-mails; other workers do not get them during the lease."""
    due = sa.select(_l.id).where(_l.due_at <= ctx.now).order_by(_l.due_at).limit(BATCH_SIZE)
    if await ctx.db.fetch_val(due) is None:
        return ()  # the usual case: no lock is needed
    async with ctx.db.transaction():
        ids = [row["id"] for row in await ctx.db.fetch_all(due.with_for_update(skip_locked=True))]
        claimed = {"due_at": ctx.now + _LEASE, "attempts": _l.attempts + 1}
        await ctx.db.execute(tables.email_queue.update().where(_l.id.in_(ids)).values(claimed))
        rows = await ctx.db.fetch_all(sa.select(tables.email_queue).where(_l.id.in_(ids)).order_by(_l.id))
    return [from_row(QueuedEmail, row) for row in rows]


async def count(db: Database) -> int:
    """Return the number of queued e-mails. Raises Unavailable."""
    return int(await db.fetch_val(sa.select(sa.func.count()).select_from(tables.email_queue)))


async def remove(ctx: Context, queued_email: QueuedEmail) -> None:
    """Delete an e-mail that was sent or given up."""
    await ctx.db.execute(tables.email_queue.delete().where(_l.id == queued_email.id))


async def reschedule(ctx: Context, queued_email: QueuedEmail) -> bool:
    """Reschedule a failed e-mail with exponential back-off. Returns False if no attempts are left."""
    if queued_email.attempts >= MAX_ATTEMPTS:
        async with ctx.db.transaction():
            await remove(ctx, queued_email)
            await events.set_metadata(ctx.db, LAST_ABANDONED, ctx.now.isoformat())
        return False
    next_attempt = {"due_at": ctx.now + dt.timedelta(minutes=2 ** (queued_email.attempts - 1))}
    await ctx.db.execute(tables.email_queue.update().where(_l.id == queued_email.id).values(next_attempt))
    return True
