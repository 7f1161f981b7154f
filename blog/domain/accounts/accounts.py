"""Creating, finding and changing accounts, and the link that creates the owner's account."""

import dataclasses
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.accounts import email_changes, impersonation, password_policy, passwords, registration
from blog.domain.accounts.models import User
from blog.domain.core import audit, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.rows import from_row
from blog.domain.core.signing import Purpose
from blog.domain.posts import search
from blog.errors import Conflict, Forbidden, InvalidLink, NotFound
from blog.schemas.accounts import AccountChanges, NewUser, Role, Scope
from blog.schemas.feature_flags import Flag
from blog.text.normalisation import fold_name

_u = tables.users.c
SETUP_LINK_SECONDS = 24 * 3600
MAX_USERNAME_LENGTH = 50
UNKNOWN_ID = "This user does not exist"
IS_OWNER = _u.role == Role.OWNER.value


async def register(ctx: Context, new: NewUser) -> User:
    """Create an account with the role `reader`. While registration is closed, only owners can.

    Raises Conflict or InvalidInput with all errors (username or e-mail address taken, a name like that of the staff, password),
    Forbidden (registration is closed).
    """
    require_registration(ctx)
    await registration.require_valid(ctx, new, Role.READER)
    return await create(ctx, new, Role.READER)


def require_registration(ctx: Context) -> None:
    """Raise Forbidden if registration is closed, except for owners."""
    if ctx.site.runtime_settings.is_enabled(Flag.REGISTRATION):
        return
    if not (ctx.actor and ctx.require_actor(Scope.ADMIN).has_role(Role.OWNER)):
        raise Forbidden("Registration is closed. Ask the owner of the blog for an account.")


async def create(ctx: Context, new: NewUser, role: Role) -> User:
    """Create an account with a role. The caller checks the permission. Raises Conflict, InvalidInput (password)."""
    password_hash = await hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        return await insert(ctx, new, role, password_hash)


async def hash_initial_password(ctx: Context, new: NewUser) -> str | None:
    """Return the hash of a new account's password, or None without a password. Raises InvalidInput (password)."""
    if new.password is None:
        return None
    password_policy.validate_password(ctx, new.password, new.username, new.email)
    return await ctx.site.passwords.hash(new.password)


async def insert(ctx: Context, new: NewUser, role: Role, password_hash: str | None) -> User:
    """Insert an account; call it inside a transaction. Raises Conflict (username or e-mail address taken)."""
    if registration.is_reserved(new.username):
        raise Conflict(registration.RESERVED, loc=("username",))
    values = {
        "username": new.username,
        "username_folded": fold_name(new.username),
        "name": new.username,
        "email": new.email,
        "email_folded": fold_name(new.email),
        "age": new.age,
        "role": role.value,
        "password_hash": password_hash,
        "password_set_at": ctx.now if password_hash else None,
        "created_at": ctx.now,
        "updated_at": ctx.now,
    }
    try:
        user_id = await ctx.db.execute(tables.users.insert().values(values))
    except UniqueViolation as violation:
        raise _as_conflict(violation) from None
    await audit.record(ctx, AuditAction.ACCOUNT_CREATED, user_id, role=role.value)
    return await get(ctx, user_id)


def _as_conflict(violation: UniqueViolation) -> Conflict:
    field = "email" if violation.column == "email_folded" else "username"
    return Conflict(registration.TAKEN[field], loc=(field,))


async def get(ctx: Context, user_id: int) -> User:
    """Return the account with this id. Raises NotFound."""
    return await _fetch_user(ctx, _u.id == user_id, UNKNOWN_ID)


async def by_username(ctx: Context, username: str) -> User:
    """Return the account with this username (case-insensitive), also if it was deleted. Raises NotFound."""
    return await _fetch_user(ctx, _u.username_folded == fold_name(username), f'No user named "{username}"')


async def active(ctx: Context, username: str) -> User:
    """Return the account with this username unless it was deleted. Raises NotFound."""
    user = await by_username(ctx, username)
    if user.is_deleted:
        raise NotFound("This account was deleted")
    return user


async def available_username(ctx: Context, preferred: str) -> str:
    """Return `preferred`, or `preferred` with a number if it is taken; call it inside the transaction that uses it."""
    candidate, number = preferred, 1
    while await ctx.db.fetch_val(sa.select(_u.id).where(_u.username_folded == fold_name(candidate))) is not None:
        number += 1
        candidate = f"{preferred[: MAX_USERNAME_LENGTH - 8]}-{number}"
    return candidate


async def current(ctx: Context) -> User:
    """Return the actor's account, with its unconfirmed e-mail address. Raises NotAuthenticated, Forbidden."""
    user = await get(ctx, ctx.require_actor(Scope.ACCOUNT).id)
    return dataclasses.replace(user, pending_email=await email_changes.pending(ctx))


async def change(ctx: Context, changes: AccountChanges) -> User:
    """Apply the members that are set to the actor's account.

    A new e-mail address needs the current password. If the blog can send e-mail, the address is `pending_email` until the
    user confirms it. Raises NotAuthenticated, Forbidden, InvalidInput, Conflict, TooManyRequests.
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    values: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set - {"current_password"}}
    user = await get(ctx, actor.id)
    await _require_own_name(ctx, user, changes.name)
    before = user.email
    email = values.pop("email", before)
    is_new, needs_confirmation = email != before, email_changes.requires_confirmation(ctx)
    if is_new:
        await passwords.require_password(ctx, changes.current_password)
    if is_new and not needs_confirmation:
        values |= {"email": email, "email_folded": fold_name(email)}
    async with ctx.db.transaction():
        try:
            await ctx.db.execute(tables.users.update().where(_u.id == actor.id).values(values | {"updated_at": ctx.now}))
        except UniqueViolation as violation:
            raise _as_conflict(violation) from None
        if is_new:
            await (email_changes.request(ctx, email) if needs_confirmation else email_changes.record_change(ctx, before))
        if values.get("name", user.name) != user.name:
            await search.index_author(ctx, actor.id)
        await events.record_site_changed(ctx)
        return await current(ctx)


async def _require_own_name(ctx: Context, user: User, name: str) -> None:
    if name and name != user.name:
        error = await impersonation.find_error(ctx, name, "name", role=user.role, user_id=user.id)
        if error is not None:
            raise Conflict(errors=[error])


async def set_role(ctx: Context, username: str, role: Role) -> User:
    """Change the role of a user. The caller checks the permission. Raises NotFound, Conflict (the only owner)."""
    async with ctx.db.transaction():
        user = await active(ctx, username)
        if role is not Role.OWNER:
            await require_another_owner(ctx, user)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(role=role.value, updated_at=ctx.now))
        await audit.record(ctx, AuditAction.ROLE_CHANGED, user.id, before=user.role.value, role=role.value)
        await events.record_site_changed(ctx)  # pages show the role next to comments
        return await get(ctx, user.id)


async def require_another_owner(ctx: Context, user: User) -> None:
    """Raise Conflict if this is the only active owner; call it inside the transaction that removes the role or the access."""
    others = IS_OWNER & _u.suspended_at.is_(None) & (_u.id != user.id)
    if user.role is not Role.OWNER or user.suspended_at is not None:
        return
    if not await ctx.db.fetch_val(sa.select(sa.exists().where(others))):
        raise Conflict("This is the only owner. Make another account an owner first.")


async def first_owner(ctx: Context) -> User | None:
    """Return the oldest owner account, or None."""
    user_id = await ctx.db.fetch_val(sa.select(_u.id).where(IS_OWNER).order_by(_u.id).limit(1))
    return None if user_id is None else await get(ctx, user_id)


def setup_link(ctx: Context) -> str:
    """Return the secret part of the link that creates the owner's account; valid for 24 hours, while there is no owner."""
    return ctx.site.signer.sign(Purpose.SETUP_LINK, [])


def require_setup_link(ctx: Context, secret: str) -> None:
    """Raise InvalidLink if the link is invalid or expired."""
    if ctx.site.signer.unsign(Purpose.SETUP_LINK, secret, SETUP_LINK_SECONDS) is None:
        raise InvalidLink("This setup link has expired. Restart the blog to get a new one.")


async def create_owner(ctx: Context, secret: str, new: NewUser) -> User:
    """Create the first owner's account with the link.

    Raises InvalidLink, Conflict (there is an owner, or the username is taken), InvalidInput (password).
    """
    require_setup_link(ctx, secret)
    await registration.require_valid(ctx, new, Role.OWNER)
    password_hash = await hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        if await first_owner(ctx):
            raise Conflict("This blog already has an owner. Sign in instead.")
        return await insert(ctx, new, Role.OWNER, password_hash)


async def _fetch_user(ctx: Context, condition: sa.ColumnElement[bool], missing: str) -> User:
    row = await ctx.db.fetch_one(sa.select(tables.users).where(condition))
    if row is None:
        raise NotFound(missing)
    return from_row(
        User, row, can_sign_in=row["password_hash"] is not None, is_deleted=row["deleted_at"] is not None, pending_email=None
    )


def as_actor(user: User) -> Actor:
    """Return an actor with the account's identity and role."""
    return Actor(user.id, user.username, user.name, user.role)
