"""Accounts: making them, changing them, and the signed links by which an owner begins and a password is set."""

import dataclasses
import re
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.accounts import email_changes, password_policy
from blog.domain.accounts.models import User
from blog.domain.core import audit, email_queue, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import EmailKind
from blog.domain.core.rows import from_row
from blog.domain.core.signing import Purpose, generate_secret, hash_secret
from blog.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import AccountChanges, NewUser, PasswordChange, Role, Scope
from blog.schemas.feature_flags import Flag

_u = tables.users.c
LINK_SECONDS = 24 * 3600
MAX_USERNAME_LENGTH = 50
_RESERVED_USERNAME = re.compile(r"deleted-\d+.*", re.IGNORECASE)  # the names of accounts that have ended
IS_OWNER = _u.role == Role.OWNER.value


async def register(ctx: Context, new: NewUser) -> User:
    """An account that a visitor makes: a reader.

    Raises Conflict (name or address taken), InvalidInput (password), Forbidden (registration is closed).
    """
    if not ctx.site.runtime_settings.is_enabled(Flag.REGISTRATION) and not (
        ctx.actor and ctx.require_actor(Scope.ADMIN).has_role(Role.OWNER)
    ):
        raise Forbidden("Registration is closed: ask the owner of the blog for an account")
    return await create(ctx, new, Role.READER)


async def create(ctx: Context, new: NewUser, role: Role) -> User:
    """An account with a role, for commands and links that have checked the right. Raises Conflict, InvalidInput (password)."""
    password_hash = await hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        return await insert(ctx, new, role, password_hash)


async def hash_initial_password(ctx: Context, new: NewUser) -> str | None:
    """The hash of the password of a new account, if it has one. Raises InvalidInput (password)."""
    if new.password is None:
        return None
    password_policy.validate_password(ctx, new.password, new.username, new.email)
    return await ctx.site.passwords.hash(new.password)


async def insert(ctx: Context, new: NewUser, role: Role, password_hash: str | None) -> User:
    """Put an account into the database; call it inside a transaction. Raises Conflict."""
    if _RESERVED_USERNAME.fullmatch(new.username):
        raise Conflict("This name is kept for accounts that have ended: choose another one", loc=("username",))
    values = {
        "username": new.username,
        "username_folded": new.username.casefold(),
        "name": new.username,
        "email": new.email,
        "email_folded": new.email.casefold(),
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
    if violation.column == "email_folded":
        return Conflict("Another account has this e-mail address", loc=("email",))
    return Conflict("This username is taken: choose another one", loc=("username",))


async def get(ctx: Context, user_id: int) -> User:
    """The account. Raises NotFound."""
    return await _fetch_user(ctx, _u.id == user_id, "This user does not exist")


async def by_username(ctx: Context, username: str) -> User:
    """The account of this name, whatever its case, also one that has ended. Raises NotFound."""
    return await _fetch_user(ctx, _u.username_folded == username.casefold(), f'No user named "{username}"')


async def active(ctx: Context, username: str) -> User:
    """The account of this name, if it has not ended. Raises NotFound."""
    user = await by_username(ctx, username)
    if user.is_deleted:
        raise NotFound("This account was deleted")
    return user


async def available_username(ctx: Context, preferred: str) -> str:
    """The wanted name, or the same with a number; call it inside the transaction that takes it."""
    candidate, number = preferred, 1
    while await ctx.db.fetch_val(sa.select(_u.id).where(_u.username_folded == candidate.casefold())) is not None:
        number += 1
        candidate = f"{preferred[: MAX_USERNAME_LENGTH - 8]}-{number}"
    return candidate


async def current(ctx: Context) -> User:
    """The actor's own account, with the address that waits to be confirmed. Raises NotSignedIn, Forbidden."""
    user = await get(ctx, ctx.require_actor(Scope.ACCOUNT).id)
    return dataclasses.replace(user, pending_email=await email_changes.pending(ctx))


async def change(ctx: Context, changes: AccountChanges) -> User:
    """Change the members that were sent, of the actor's own account.

    Another e-mail address needs the present password (`current`), and waits as `pending_email` until the letter to it was
    answered, if there is a mail server. Raises NotSignedIn, Forbidden, InvalidInput, Conflict, TooManyRequests.
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    values: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set - {"current_password"}}
    before = (await get(ctx, actor.id)).email
    email = values.pop("email", before)
    is_new, waits = email != before, email_changes.requires_confirmation(ctx)
    if is_new:
        await require_password(ctx, changes.current_password)
    if is_new and not waits:
        values |= {"email": email, "email_folded": email.casefold()}
    async with ctx.db.transaction():
        try:
            await ctx.db.execute(tables.users.update().where(_u.id == actor.id).values(values | {"updated_at": ctx.now}))
        except UniqueViolation as violation:
            raise _as_conflict(violation) from None
        if is_new:
            await (email_changes.request(ctx, email) if waits else email_changes.record_change(ctx, before))
        await events.record_site_changed(ctx)
        return await current(ctx)


async def change_password(ctx: Context, change: PasswordChange) -> str | None:
    """Set a new password, knowing the present one; ends all other sessions and all tokens.

    The actor's own session goes on with a new id, which is returned; None for who has a token, which has ended.
    Raises NotSignedIn, Forbidden, InvalidInput (current, password).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    await require_password(ctx, change.current_password)
    password_hash = await _hash_new_password(ctx, await get(ctx, actor.id), change.password)
    session_id = generate_secret()
    async with ctx.db.transaction():
        await _store_password(ctx, actor.id, password_hash, keep_session=actor.session)
        own = (tables.sessions.c.user_id == actor.id) & (tables.sessions.c.id_hash == (actor.session or ""))
        renewed = {"id_hash": hash_secret(session_id), "confirmed_at": ctx.now}
        goes_on = await ctx.db.execute(tables.sessions.update().where(own).values(renewed))
    return session_id if goes_on else None


async def require_password(ctx: Context, password: SecretStr | None) -> None:
    """Raises InvalidInput (current) when it is not the actor's present password, NotSignedIn."""
    actor = ctx.require_actor()
    known = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == actor.id))
    if not await ctx.site.passwords.verify(known, password or SecretStr("")):
        await audit.record_failure(ctx, AuditAction.REAUTHENTICATION_FAILED, actor.id)
        raise InvalidInput([FieldError(("current",), "This is not your present password", "password")])


async def reauthenticate(ctx: Context, password: SecretStr) -> Context:
    """The same request, by somebody who has just given the password. Raises NotSignedIn, InvalidInput (current)."""
    await require_password(ctx, password)
    actor = ctx.require_actor()
    mine = tables.sessions.c.id_hash == (actor.session or "")
    await ctx.db.execute(tables.sessions.update().where(mine).values(confirmed_at=ctx.now))
    return ctx.acting_as(dataclasses.replace(actor, confirmed_at=ctx.now))


async def set_password(ctx: Context, user_id: int, password: SecretStr) -> None:
    """Set a password and end every session and every token of the account. For callers that checked the right.

    Raises NotFound, InvalidInput (password).
    """
    password_hash = await _hash_new_password(ctx, await get(ctx, user_id), password)
    async with ctx.db.transaction():
        await _store_password(ctx, user_id, password_hash)


async def _hash_new_password(ctx: Context, user: User, password: SecretStr) -> str:
    password_policy.validate_password(ctx, password, user.username, user.email)
    return await ctx.site.passwords.hash(password)


async def _store_password(ctx: Context, user_id: int, password_hash: str, *, keep_session: str | None = None) -> None:
    values = {"password_hash": password_hash, "password_set_at": ctx.now, "updated_at": ctx.now}
    await ctx.db.execute(tables.users.update().where(_u.id == user_id).values(values))
    others = tables.sessions.c.id_hash != keep_session if keep_session else sa.true()
    await ctx.db.execute(tables.sessions.delete().where(tables.sessions.c.user_id == user_id, others))
    live = (tables.api_tokens.c.user_id == user_id) & tables.api_tokens.c.revoked_at.is_(None)
    await ctx.db.execute(tables.api_tokens.update().where(live).values(revoked_at=ctx.now))
    await ctx.db.execute(tables.email_changes.delete().where(tables.email_changes.c.user_id == user_id))
    await audit.record(ctx, AuditAction.PASSWORD_CHANGED, user_id)
    await email_queue.enqueue(ctx, EmailKind.PASSWORD_CHANGED, user_id=user_id)


async def set_role(ctx: Context, username: str, role: Role) -> User:
    """Give a role; the last owner stays one. For callers that checked the right. Raises NotFound, Conflict."""
    async with ctx.db.transaction():
        user = await active(ctx, username)
        if role is not Role.OWNER:
            await require_another_owner(ctx, user)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(role=role.value, updated_at=ctx.now))
        await audit.record(ctx, AuditAction.ROLE_CHANGED, user.id, before=user.role.value, role=role.value)
        return await get(ctx, user.id)


async def require_another_owner(ctx: Context, user: User) -> None:
    """Raises Conflict when this is the only owner; ask inside the transaction that would take an owner away."""
    owners = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.users).where(IS_OWNER))
    if user.role is Role.OWNER and owners == 1:
        raise Conflict("This is the only owner: make another account owner first")


async def first_owner(ctx: Context) -> User | None:
    """Who owns this blog (the oldest account, if several), or None."""
    user_id = await ctx.db.fetch_val(sa.select(_u.id).where(IS_OWNER).order_by(_u.id).limit(1))
    return None if user_id is None else await get(ctx, user_id)


def setup_link(ctx: Context) -> str:
    """The secret part of the link that makes the owner's account: for a day, and only while there is no owner."""
    return ctx.site.signer.sign(Purpose.SETUP_LINK, [])


def require_setup_link(ctx: Context, secret: str) -> None:
    """Raises NotFound when the link is false or too old."""
    if ctx.site.signer.unsign(Purpose.SETUP_LINK, secret, LINK_SECONDS) is None:
        raise NotFound("This link is not valid any more: start the blog again to get a new one")


async def create_owner(ctx: Context, secret: str, new: NewUser) -> User:
    """Make the first owner by the link.

    Raises NotFound (link), Conflict (there is an owner, or the name is taken), InvalidInput (password).
    """
    require_setup_link(ctx, secret)
    password_hash = await hash_initial_password(ctx, new)
    async with ctx.db.transaction():
        if await first_owner(ctx):
            raise Conflict("This blog has an owner already: sign in")
        return await insert(ctx, new, Role.OWNER, password_hash)


async def password_link(ctx: Context, username: str, seconds: int = LINK_SECONDS) -> str:
    """The secret part of a link by which this account's password is set, once, within that time. Raises NotFound."""
    user = await active(ctx, username)
    until = int(ctx.now.timestamp()) + seconds
    return ctx.site.signer.sign(Purpose.PASSWORD_LINK, [user.id, await password_fingerprint(ctx, user.id), until])


async def password_link_user(ctx: Context, secret: str) -> User:
    """Whose link this is. Raises NotFound when it is false, too old or used."""
    match ctx.site.signer.unsign(Purpose.PASSWORD_LINK, secret):
        case [int(user_id), str(state), int(until)] if until > ctx.now.timestamp():
            if await password_fingerprint(ctx, user_id) == state:
                return await get(ctx, user_id)
    raise NotFound("This link is not valid any more: ask for a new one")


async def use_password_link(ctx: Context, secret: str, password: SecretStr) -> User:
    """Set the password by the link. Raises NotFound, InvalidInput (password)."""
    password_hash = await _hash_new_password(ctx, await password_link_user(ctx, secret), password)
    async with ctx.db.transaction():
        user = await password_link_user(ctx, secret)  # again: somebody may have used it meanwhile
        await _store_password(ctx, user.id, password_hash)
    return user


async def password_fingerprint(ctx: Context, user_id: int) -> str:
    """Changes with each password, so that a link that carries it works once; empty while there is none."""
    password_hash = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == user_id))
    return hash_secret(password_hash) if password_hash else ""


async def _fetch_user(ctx: Context, condition: sa.ColumnElement[bool], missing: str) -> User:
    row = await ctx.db.fetch_one(sa.select(tables.users).where(condition))
    if row is None:
        raise NotFound(missing)
    return from_row(
        User, row, can_sign_in=row["password_hash"] is not None, is_deleted=row["deleted_at"] is not None, pending_email=None
    )


def as_actor(user: User) -> Actor:
    """The account as an actor, for commands that work in its name."""
    return Actor(user.id, user.username, user.name, user.role)
