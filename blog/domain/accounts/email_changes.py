"""Changing the e-mail address: the old one stays valid until the user opens a link that is sent to the new one.

The link works only for the signed-in user that requested it, so that a typing error does not give the account away.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.core import audit, email_queue, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind, QueuedEmail
from blog.domain.core.signing import Purpose, generate_secret
from blog.errors import Conflict, InvalidLink, TooManyRequests
from blog.schemas.accounts import Scope
from blog.text.normalisation import fold_name

LINK_SECONDS = 24 * 3600
MAX_EMAILS_PER_HOUR = 3
"""Confirmation e-mails that one account can request in an hour, so that it cannot flood a mailbox."""
_HOUR = dt.timedelta(hours=1)
_INVALID_LINK = "This link has expired, or was used or replaced. Request the change again."
_TOO_MANY_EMAILS = f"You have requested {MAX_EMAILS_PER_HOUR} confirmation e-mails within an hour. Try again later."
_a, _c, _u = tables.audit_log.c, tables.email_changes.c, tables.users.c


@dataclass(frozen=True, slots=True)
class EmailLink:
    """The secret part of a link, and the address that it is sent to."""

    email: str
    secret: str


def requires_confirmation(ctx: Context) -> bool:
    """Return whether a new address must be confirmed; not without a mail server, since no link could be sent."""
    return ctx.site.settings.smtp_url is not None


async def request(ctx: Context, email: str) -> None:
    """Queue the confirmation e-mail to the actor's new address; call it inside a transaction, after checking the password.

    Raises NotAuthenticated, Forbidden, Conflict (another account uses the address), TooManyRequests.
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    if await ctx.db.fetch_val(sa.select(_u.id).where(_u.email_folded == fold_name(email), _u.id != actor.id)) is not None:
        raise _email_conflict()
    await _check_rate(ctx, actor.id)
    nonce = generate_secret()
    until = ctx.now + dt.timedelta(seconds=LINK_SECONDS)
    await ctx.db.execute(tables.email_changes.delete().where(_c.user_id == actor.id))
    values = {"user_id": actor.id, "email": email, "nonce": nonce, "expires_at": until}
    await ctx.db.execute(tables.email_changes.insert().values(values))
    await audit.record(ctx, AuditAction.EMAIL_CHANGE_REQUESTED, actor.id)
    await email_queue.enqueue(ctx, EmailKind.EMAIL_LINK, user_id=actor.id, nonce=nonce)


async def pending(ctx: Context) -> str | None:
    """Return the actor's unconfirmed address, or None. Raises NotAuthenticated, Forbidden."""
    row = await _pending_row(ctx, ctx.require_actor(Scope.ACCOUNT).id)
    return row["email"] if row else None


async def cancel(ctx: Context) -> None:
    """Discard the actor's unconfirmed address and its link. Raises NotAuthenticated, Forbidden."""
    await ctx.db.execute(tables.email_changes.delete().where(_c.user_id == ctx.require_actor(Scope.ACCOUNT).id))


async def link_for_email(ctx: Context, queued_email: QueuedEmail) -> EmailLink | None:
    """Return the link for a queued e-mail, or None if the change was cancelled, replaced or confirmed since."""
    user_id, nonce = queued_email.data["user_id"], queued_email.data["nonce"]
    row = await _pending_row(ctx, user_id)
    if row is None or row["nonce"] != nonce:
        return None
    return EmailLink(row["email"], ctx.site.signer.sign(Purpose.EMAIL_LINK, [user_id, nonce]))


async def email_of(ctx: Context, secret: str) -> str:
    """Return the address that a link confirms. Raises NotAuthenticated, InvalidLink (also for a link of a different user)."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    match ctx.site.signer.unsign(Purpose.EMAIL_LINK, secret):
        case [int(user_id), str(nonce)] if user_id == actor.id:
            row = await _pending_row(ctx, user_id)
            if row is not None and row["nonce"] == nonce:
                return str(row["email"])
    raise InvalidLink(_INVALID_LINK)


async def confirm(ctx: Context, secret: str) -> None:
    """Make the new address the account's address and notify the old one.

    Raises NotAuthenticated, NotFound, Conflict (another account uses the address).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    async with ctx.db.transaction():
        email = await email_of(ctx, secret)
        before = await ctx.db.fetch_val(sa.select(_u.email).where(_u.id == actor.id))
        values = {"email": email, "email_folded": fold_name(email), "updated_at": ctx.now}
        try:
            await ctx.db.execute(tables.users.update().where(_u.id == actor.id).values(values))
        except UniqueViolation:
            raise _email_conflict() from None
        await cancel(ctx)
        await events.record_site_changed(ctx)
        await record_change(ctx, before)


async def record_change(ctx: Context, previous_email: str | None) -> None:
    """Record the change in the audit log and notify the previous address; call it inside the transaction of the change."""
    actor = ctx.require_actor()
    await audit.record(ctx, AuditAction.EMAIL_CHANGED, actor.id)
    if previous_email is not None:
        await email_queue.enqueue(ctx, EmailKind.EMAIL_CHANGED, user_id=actor.id, to=previous_email)


async def _pending_row(ctx: Context, user_id: int) -> Any:
    is_pending = (_c.user_id == user_id) & (_c.expires_at > ctx.now)
    return await ctx.db.fetch_one(sa.select(tables.email_changes).where(is_pending))


async def _check_rate(ctx: Context, user_id: int) -> None:
    recent = (
        (_a.subject_id == user_id) & (_a.action == AuditAction.EMAIL_CHANGE_REQUESTED.value) & (_a.occurred_at > ctx.now - _HOUR)
    )
    if await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit_log).where(recent)) >= MAX_EMAILS_PER_HOUR:
        raise TooManyRequests(_TOO_MANY_EMAILS, retry_after=int(_HOUR.total_seconds()))


def _email_conflict() -> Conflict:
    return Conflict("Another account uses this e-mail address", loc=("email",))
