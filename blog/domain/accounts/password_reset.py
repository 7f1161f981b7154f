"""Links to a new password for those who asked for one by a name or an address."""

import datetime as dt
from dataclasses import dataclass, replace

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.email_queue import QueuedEmail

LINK_SECONDS = 3600
MAX_LINKS = 3
"""Links that one account is sent in such a time: nobody fills the mailbox of somebody else by asking."""
_u, _e = tables.users.c, tables.audit_log.c


@dataclass(frozen=True, slots=True)
class PasswordResetLink:
    """The secret part of a link, and where to send it."""

    user: User
    email: str
    secret: str


async def link_for_email(ctx: Context, queued_email: QueuedEmail) -> PasswordResetLink | None:
    """The link that was asked for; None when nobody has the name, or no address, or was sent enough of them."""
    asked = replace(ctx, address=queued_email.data["address"], user_agent=queued_email.data["user_agent"])
    async with ctx.db.transaction():
        key = queued_email.data["name"].strip().casefold()
        theirs = sa.or_(_u.username_folded == key, _u.email_folded == key) & _u.deleted_at.is_(None) & _u.email.is_not(None)
        user_id = await ctx.db.fetch_val(sa.select(_u.id).where(theirs))
        if user_id is None or await _is_limit_reached(ctx, user_id):
            return None
        await audit.record(asked, AuditAction.PASSWORD_LINK_SENT, user_id)
        user = await accounts.get(ctx, user_id)
        return PasswordResetLink(user, user.email or "", await accounts.password_link(ctx, user.username, LINK_SECONDS))


async def _is_limit_reached(ctx: Context, user_id: int) -> bool:
    since = ctx.now - dt.timedelta(seconds=LINK_SECONDS)
    recent = (_e.subject_id == user_id) & (_e.action == AuditAction.PASSWORD_LINK_SENT.value) & (_e.occurred_at > since)
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit_log).where(recent))) >= MAX_LINKS
