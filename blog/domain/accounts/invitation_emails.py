"""E-mails with invitation links: their limits, their state, and the erasure of addresses that are no longer needed."""

import datetime as dt

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts.models import Invitation
from blog.domain.core import email_queue
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind, QueuedEmail
from blog.errors import TooManyRequests
from blog.schemas.invitations import EmailStatus

MAX_EMAILS_PER_HOUR = 50
"""Invitations to addresses that one owner can send in an hour: a stolen session must not make the blog a source of spam."""
RESEND_AFTER = dt.timedelta(minutes=5)
ADDRESS_RETENTION = dt.timedelta(days=30)
"""Time after which the address of an expired invitation is erased."""
_HOUR = dt.timedelta(hours=1)
_a, _i = tables.audit_log.c, tables.invitations.c


async def enqueue(ctx: Context, invitation: Invitation) -> None:
    """Queue the e-mail with the link; call it inside the transaction. Does nothing without an address or a mail server."""
    if invitation.email is None or ctx.site.settings.smtp_url is None:
        return
    await email_queue.enqueue(ctx, EmailKind.INVITATION, invitation_id=invitation.id, link_number=invitation.link_number)
    await ctx.db.execute(tables.invitations.update().where(_i.id == invitation.id).values(email_status=EmailStatus.QUEUED.value))


async def record_status(ctx: Context, queued: QueuedEmail, status: EmailStatus) -> None:
    """Store the outcome of an attempt to send the e-mail, unless a newer link replaced it."""
    current = (_i.id == queued.data["invitation_id"]) & (_i.link_number == queued.data["link_number"])
    await ctx.db.execute(tables.invitations.update().where(current).values(email_status=status.value))


async def check_rate(ctx: Context, owner_id: int) -> None:
    """Raise TooManyRequests if the owner has created or sent too many invitations within an hour."""
    actions = (AuditAction.INVITATION_CREATED.value, AuditAction.INVITATION_RESENT.value)
    recent = (_a.actor_id == owner_id) & _a.action.in_(actions) & (_a.occurred_at > ctx.now - _HOUR)
    if await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit_log).where(recent)) >= MAX_EMAILS_PER_HOUR:
        raise TooManyRequests(
            f"You have sent {MAX_EMAILS_PER_HOUR} invitations within an hour. Try again later.",
            retry_after=int(_HOUR.total_seconds()),
        )


async def check_resend(ctx: Context, invitation: Invitation, owner_id: int) -> None:
    """Raise TooManyRequests if the last e-mail is too recent, or the owner has sent too many."""
    is_on_its_way = invitation.email_status not in (None, EmailStatus.FAILED)
    wait = invitation.link_created_at + RESEND_AFTER - ctx.now
    if is_on_its_way and wait > dt.timedelta():
        minutes = int(RESEND_AFTER.total_seconds() // 60)
        raise TooManyRequests(
            f"This invitation was sent less than {minutes} minutes ago. Try again later.",
            retry_after=int(wait.total_seconds()) + 1,
        )
    await check_rate(ctx, owner_id)


async def erase_expired_addresses(ctx: Context) -> int:
    """Erase the addresses of invitations that expired more than `ADDRESS_RETENTION` ago, and return their number."""
    is_old = _i.email.is_not(None) & (_i.expires_at < ctx.now - ADDRESS_RETENTION)
    erased = {"email": None, "email_folded": None}
    return int(await ctx.db.execute(tables.invitations.update().where(is_old).values(erased)) or 0)
