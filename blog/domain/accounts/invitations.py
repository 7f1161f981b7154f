"""Invitations: links that create one account with a role, also while registration is closed.

Anyone can use a link without an address. A link for an address is sent by e-mail (`invitation_emails`), is not shown to the
inviter, and creates an account with that address: using the link proves the address.
"""

import datetime as dt
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts, invitation_emails, registration
from blog.domain.accounts.models import Invitation, User
from blog.domain.core import audit, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.core.signing import Purpose
from blog.errors import Conflict, InvalidLink, NotFound
from blog.schemas.accounts import NewUser, Role
from blog.schemas.invitations import EmailStatus, InvitationStatus, NewInvitation
from blog.text.normalisation import fold_name

PAGE_SIZE = 50
ROLE_DESCRIPTIONS = {
    Role.READER: "a reader: you can comment",
    Role.AUTHOR: "an author: you can write posts",
    Role.EDITOR: "an editor: you can write posts, and edit the posts of others",
    Role.OWNER: "an owner: you can change everything",
}
_i, _u = tables.invitations.c, tables.users.c
_inviter, _invited = tables.users.alias("inviter"), tables.users.alias("invited")
_IS_OPEN = _i.used_at.is_(None) & _i.revoked_at.is_(None)
_NO_ADDRESS = {"email": None, "email_folded": None}
_INVALID_LINK = "This is not a valid invitation. Check that the link is complete, or ask an owner of the blog for a new one."
_ENDED = {
    InvitationStatus.USED: "This invitation was already used. Sign in with the account that it created.",
    InvitationStatus.REVOKED: "This invitation was revoked. Ask an owner of the blog for a new one.",
    InvitationStatus.EXPIRED: "This invitation has expired. Ask an owner of the blog for a new one.",
}
_REPLACED = "This link was replaced by a newer one. Use the link in the latest e-mail."
_IS_MEMBER = "There is already an account with the invited e-mail address. Sign in instead, or reset its password."


async def create(ctx: Context, new: NewInvitation, *, inviter: Actor | None = None) -> Invitation:
    """Create an invitation, and queue its e-mail if it is for an address and the blog can send e-mail.

    inviter: the owner that a command acts for; defaults to the actor.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired (to invite an owner), Conflict (the address has an account or an
    open invitation), TooManyRequests.
    """
    owner = inviter or policy.require_owner(ctx)
    if new.role is Role.OWNER:
        policy.require_recent_authentication(ctx, owner)
    values = {
        "role": new.role.value,
        "note": new.note,
        "email": new.email,
        "email_folded": fold_name(new.email) if new.email else None,
        "link_number": 1,
        "inviter_id": owner.id,
        "created_at": ctx.now,
        "link_created_at": ctx.now,
        "expires_at": ctx.now + dt.timedelta(days=new.days),
    }
    async with ctx.db.transaction():
        if new.email is not None:
            await _require_new_address(ctx, new.email)
            await invitation_emails.check_rate(ctx, owner.id)
        invitation_id: int = await ctx.db.execute(tables.invitations.insert().values(values))
        await audit.record(ctx, AuditAction.INVITATION_CREATED, None, role=new.role.value, note=new.note)
        await invitation_emails.enqueue(ctx, await get(ctx, invitation_id))
        return await get(ctx, invitation_id)


async def resend(ctx: Context, invitation_id: int) -> Invitation:
    """Replace the link of an open or expired invitation for an address, and send the new one. The old link ends.

    Raises NotAuthenticated, Forbidden, NotFound, Conflict (the address has an account), TooManyRequests.
    """
    owner = policy.require_owner(ctx)
    async with ctx.db.transaction():
        invitation = await get(ctx, invitation_id)
        if invitation.email is None or invitation.used_at is not None or invitation.revoked_at is not None:
            raise NotFound("Open invitation by e-mail not found")
        if await _find_member(ctx, invitation.email):
            raise Conflict("This address has an account now. Revoke the invitation.")
        await invitation_emails.check_resend(ctx, invitation, owner.id)
        values = {
            "link_number": invitation.link_number + 1,
            "link_created_at": ctx.now,
            "expires_at": ctx.now + (invitation.expires_at - invitation.link_created_at),
            "inviter_id": owner.id,
            "email_status": None,
        }
        await ctx.db.execute(tables.invitations.update().where(_i.id == invitation_id).values(values))
        await audit.record(ctx, AuditAction.INVITATION_RESENT, None, role=invitation.role.value, note=invitation.note)
        await invitation_emails.enqueue(ctx, await get(ctx, invitation_id))
        return await get(ctx, invitation_id)


async def get(ctx: Context, invitation_id: int) -> Invitation:
    """Return the invitation with this id. The caller checks the permission. Raises NotFound."""
    row = await ctx.db.fetch_one(_select().where(_i.id == invitation_id))
    if row is None:
        raise NotFound("This invitation does not exist")
    return from_row(Invitation, row)


async def list_page(ctx: Context, after: CursorKey | None = None, limit: int = PAGE_SIZE) -> ResultPage[Invitation]:
    """Return a page of all invitations, newest first. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    query = _select().order_by(_i.id.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(_i.id < after[1])
    return ResultPage.by_id([from_row(Invitation, row) for row in await ctx.db.fetch_all(query)], limit)


def link_secret(ctx: Context, invitation: Invitation) -> str:
    """Return the secret part of the link. A signature alone is not enough: `open_link` checks the row."""
    return ctx.site.signer.sign(Purpose.INVITATION, [invitation.id, invitation.link_number])


def shown_secret(ctx: Context, invitation: Invitation) -> str | None:
    """Return the secret part of an open link for the inviter to pass on; None if an e-mail carries it."""
    is_shown = invitation.email_status in (None, EmailStatus.FAILED)
    return link_secret(ctx, invitation) if is_shown and invitation.status(ctx.now) is InvitationStatus.OPEN else None


async def revoke(ctx: Context, invitation_id: int) -> None:
    """Revoke an unused invitation; only owners can. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    unused = (_i.id == invitation_id) & _IS_OPEN
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.invitations.update().where(unused).values(revoked_at=ctx.now, **_NO_ADDRESS)):
            raise NotFound("Open invitation not found")
        await audit.record(ctx, AuditAction.INVITATION_REVOKED, None)


async def revoke_all_by(ctx: Context, inviter_id: int) -> None:
    """Revoke the open invitations of a user; call it inside the transaction of the account's deletion."""
    is_open = (_i.inviter_id == inviter_id) & _IS_OPEN
    await ctx.db.execute(tables.invitations.update().where(is_open).values(revoked_at=ctx.now, **_NO_ADDRESS))


async def open_link(ctx: Context, secret: str) -> Invitation:
    """Return the open invitation of a link. Raises InvalidLink with the reason, also if the inviter is no longer an owner."""
    match ctx.site.signer.unsign(Purpose.INVITATION, secret):
        case [int(invitation_id), int(link_number)]:
            row = await ctx.db.fetch_one(_select().where(_i.id == invitation_id))
        case _:
            row = None
    if row is None:
        raise InvalidLink(_INVALID_LINK)
    invitation = from_row(Invitation, row)
    status = invitation.status(ctx.now)
    if status in (InvitationStatus.USED, InvitationStatus.REVOKED):
        raise InvalidLink(_ENDED[status])
    if invitation.link_number != link_number:
        raise InvalidLink(_REPLACED)
    if status is not InvitationStatus.OPEN:
        raise InvalidLink(_ENDED[status])
    if invitation.email is not None and await _find_member(ctx, invitation.email):
        raise InvalidLink(_IS_MEMBER)
    return invitation


async def accept(ctx: Context, secret: str, new: NewUser) -> User:
    """Create the account, with the invited address if the invitation is for one.

    Raises InvalidLink, Conflict (names in use, or already signed in), InvalidInput (all errors).
    """
    if ctx.actor is not None:
        raise Conflict("You already have an account. This invitation creates a new one.")
    invitation = await open_link(ctx, secret)
    new = new.model_copy(update={"email": invitation.email or new.email})
    await registration.require_valid(ctx, new, invitation.role)
    password_hash = await accounts.hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        invitation = await open_link(ctx, secret)  # Checked again: a concurrent request may have used it.
        user = await accounts.insert(ctx, new, invitation.role, password_hash)
        used = {"used_at": ctx.now, "user_id": user.id, **_NO_ADDRESS}
        unused = (_i.id == invitation.id) & _i.used_at.is_(None)
        if not await ctx.db.execute(tables.invitations.update().where(unused).values(used)):
            raise InvalidLink(_ENDED[InvitationStatus.USED])
    return user


async def _require_new_address(ctx: Context, email: str) -> None:
    """Raise Conflict if the address has an account or an open invitation."""
    if username := await _find_member(ctx, email):
        raise Conflict(f"{username} has an account with this address. Change the role on the page Members.", loc=("email",))
    is_open = (_i.email_folded == fold_name(email)) & _IS_OPEN & (_i.expires_at > ctx.now)
    if await ctx.db.fetch_val(sa.select(sa.exists().where(is_open))):
        raise Conflict("There is an open invitation for this address. Send it again, or revoke it first.", loc=("email",))


async def _find_member(ctx: Context, email: str) -> str | None:
    username: str | None = await ctx.db.fetch_val(sa.select(_u.username).where(_u.email_folded == fold_name(email)))
    return username


def _select() -> sa.Select[Any]:
    can_invite = (_inviter.c.role == Role.OWNER.value) & _inviter.c.suspended_at.is_(None)
    names = (_inviter.c.username.label("inviter"), _invited.c.username.label("accepted_by"))
    return (
        sa.select(tables.invitations, *names, can_invite.label("inviter_can_invite"))
        .join(_inviter, _inviter.c.id == _i.inviter_id)
        .outerjoin(_invited, _invited.c.id == _i.user_id)
    )
