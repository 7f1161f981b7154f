"""Invitations: links that create one account with a role, also while registration is closed."""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, registration
from blog.domain.accounts.models import Invitation, User
from blog.domain.core import audit, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.core.signing import Purpose
from blog.errors import Conflict, InvalidLink, NotFound
from blog.schemas.accounts import NewInvitation, NewUser, Role

PAGE_SIZE = 50
_i = tables.invitations.c
_inviter, _invited = tables.users.alias("inviter"), tables.users.alias("invited")
_INVALID_LINK = "This invitation has expired, or was used or revoked. Ask for a new one."


async def create(ctx: Context, new: NewInvitation) -> int:
    """Create an invitation and return its id; only owners can.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired (to invite an owner).
    """
    owner = policy.require_owner(ctx)
    if new.role is Role.OWNER:
        policy.require_recent_authentication(ctx, owner)
    values = {
        "role": new.role.value,
        "note": new.note,
        "inviter_id": owner.id,
        "created_at": ctx.now,
        "expires_at": ctx.now + dt.timedelta(days=new.days),
    }
    async with ctx.db.transaction():
        invitation_id: int = await ctx.db.execute(tables.invitations.insert().values(values))
        await audit.record(ctx, AuditAction.INVITATION_CREATED, None, role=new.role.value, note=new.note)
    return invitation_id


async def list_page(ctx: Context, after: CursorKey | None = None) -> ResultPage[Invitation]:
    """Return a page of all invitations, newest first. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    query = _select().order_by(_i.id.desc()).limit(PAGE_SIZE + 1)
    if after is not None:
        query = query.where(_i.id < after[1])
    return ResultPage.by_id([from_row(Invitation, row) for row in await ctx.db.fetch_all(query)], PAGE_SIZE)


def link_secret(ctx: Context, invitation: Invitation) -> str:
    """Return the secret part of the link. A signature alone is not enough: `open_link` checks the row. Raises Forbidden."""
    policy.require_owner(ctx)
    return ctx.site.signer.sign(Purpose.INVITATION, [invitation.id])


async def revoke(ctx: Context, invitation_id: int) -> None:
    """Revoke an unused invitation; only owners can. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    unused = (_i.id == invitation_id) & _i.used_at.is_(None) & _i.revoked_at.is_(None)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.invitations.update().where(unused).values(revoked_at=ctx.now)):
            raise NotFound("Open invitation not found")
        await audit.record(ctx, AuditAction.INVITATION_REVOKED, None)


async def open_link(ctx: Context, secret: str) -> Invitation:
    """Return the open invitation of a link. Raises InvalidLink, also if the inviter is no longer an owner."""
    payload = ctx.site.signer.unsign(Purpose.INVITATION, secret)
    if payload is None:
        raise InvalidLink(_INVALID_LINK)
    query = _select().where(_i.id == payload[0], _i.used_at.is_(None), _i.revoked_at.is_(None), _i.expires_at > ctx.now)
    row = await ctx.db.fetch_one(query.where(_inviter.c.role == Role.OWNER.value, _inviter.c.suspended_at.is_(None)))
    if row is None:
        raise InvalidLink(_INVALID_LINK)
    return from_row(Invitation, row)


async def accept(ctx: Context, secret: str, new: NewUser) -> User:
    """Create the account. Raises InvalidLink, Conflict (names in use, or already signed in), InvalidInput (all errors)."""
    if ctx.actor is not None:
        raise Conflict("You already have an account. This invitation creates a new one.")
    await registration.require_valid(ctx, new, (await open_link(ctx, secret)).role)
    password_hash = await accounts.hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        invitation = await open_link(ctx, secret)  # Checked again: a concurrent request may have used it.
        user = await accounts.insert(ctx, new, invitation.role, password_hash)
        unused = (_i.id == invitation.id) & _i.used_at.is_(None)
        if not await ctx.db.execute(tables.invitations.update().where(unused).values(used_at=ctx.now, user_id=user.id)):
            raise InvalidLink(_INVALID_LINK)
    return user


def _select() -> sa.Select[Any]:
    return (
        sa.select(tables.invitations, _inviter.c.username.label("inviter"), _invited.c.username.label("accepted_by"))
        .join(_inviter, _inviter.c.id == _i.inviter_id)
        .outerjoin(_invited, _invited.c.id == _i.user_id)
    )
