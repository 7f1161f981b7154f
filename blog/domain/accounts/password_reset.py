"""Signed links that set a password once, and the e-mails that send them."""

import datetime as dt
from dataclasses import dataclass, replace

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import accounts, passwords, suspension
from blog.domain.accounts.models import User
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.email_queue import QueuedEmail
from blog.domain.core.signing import Purpose
from blog.errors import InvalidLink
from blog.text.normalisation import fold_name

LINK_SECONDS = 24 * 3600
EMAIL_LINK_SECONDS = 3600
MAX_EMAILS = 3
"""E-mails that one account receives within `EMAIL_LINK_SECONDS`, so that requests cannot flood a mailbox."""
_u, _e = tables.users.c, tables.audit_log.c


@dataclass(frozen=True, slots=True)
class PasswordResetLink:
    """The secret part of a link, and the user and address that it is sent to."""

    user: User
    email: str
    secret: str


async def create_link(ctx: Context, username: str, seconds: int = LINK_SECONDS) -> str:
    """Return the secret part of a link that sets the account's password once, within `seconds`. Raises NotFound."""
    user = await accounts.active(ctx, username)
    until = int(ctx.now.timestamp()) + seconds
    return ctx.site.signer.sign(Purpose.PASSWORD_LINK, [user.id, await passwords.fingerprint(ctx, user.id), until])


async def link_user(ctx: Context, secret: str) -> User:
    """Return the user of a link. Raises InvalidLink if it is invalid, expired or used, AccountSuspended."""
    match ctx.site.signer.unsign(Purpose.PASSWORD_LINK, secret):
        case [int(user_id), str(fingerprint), int(until)] if until > ctx.now.timestamp():
            if await passwords.fingerprint(ctx, user_id) == fingerprint:
                return suspension.require_active(await accounts.get(ctx, user_id))
    raise InvalidLink("This link has expired or was used. Request a new one.")


async def use_link(ctx: Context, secret: str, password: SecretStr) -> User:
    """Set the password with a link and return the user. Raises InvalidLink, InvalidInput (password)."""
    password_hash = await passwords.hash_new_password(ctx, (await link_user(ctx, secret)).id, password)
    async with ctx.db.transaction():
        user = await link_user(ctx, secret)  # Checked again: a concurrent request may have used the link.
        await passwords.store_password(ctx, user.id, password_hash)
    return user


async def link_for_email(ctx: Context, queued_email: QueuedEmail) -> PasswordResetLink | None:
    """Return the requested link; None if no active account with an e-mail address matches, or too many links were sent."""
    client_ctx = replace(ctx, address=queued_email.data["address"], user_agent=queued_email.data["user_agent"])
    async with ctx.db.transaction():
        key = fold_name(queued_email.data["name"])
        matches = sa.or_(_u.username_folded == key, _u.email_folded == key) & _u.deleted_at.is_(None) & _u.email.is_not(None)
        user_id = await ctx.db.fetch_val(sa.select(_u.id).where(matches, _u.suspended_at.is_(None)))
        if user_id is None or await _is_limit_reached(ctx, user_id):
            return None
        await audit.record(client_ctx, AuditAction.PASSWORD_LINK_SENT, user_id)
        user = await accounts.get(ctx, user_id)
        return PasswordResetLink(user, user.email or "", await create_link(ctx, user.username, EMAIL_LINK_SECONDS))


async def _is_limit_reached(ctx: Context, user_id: int) -> bool:
    since = ctx.now - dt.timedelta(seconds=EMAIL_LINK_SECONDS)
    recent = (_e.subject_id == user_id) & (_e.action == AuditAction.PASSWORD_LINK_SENT.value) & (_e.occurred_at > since)
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit_log).where(recent))) >= MAX_EMAILS
