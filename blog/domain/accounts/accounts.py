"""Accounts: making them, changing them, and the signed links by which an owner begins and a password is set."""

import dataclasses
import re
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.accounts import email_changes, password_policy
from blog.domain.core import audit, email_queue, events
from blog.domain.core.audit import Act
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import LetterKind
from blog.domain.core.models import User
from blog.domain.core.signing import Purpose, digest, new_secret
from blog.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from blog.schemas.accounts import AccountChanges, NewUser, PasswordChange, Role, Scope
from blog.schemas.feature_flags import Flag

_u = tables.users.c
LINK_SECONDS = 24 * 3600
LONGEST_USERNAME = 50
_RESERVED = re.compile(r"deleted-\d+.*", re.IGNORECASE)  # the names of accounts that have ended
OWNER_ROLE = _u.role == Role.OWNER.value


async def register(ctx: Context, new: NewUser) -> User:
    """An account that a visitor makes: a reader.

    Raises Conflict (name or address taken), InvalidInput (password), Forbidden (registration is closed).
    """
    if not ctx.site.choices.on(Flag.REGISTRATION) and not (ctx.actor and ctx.signed_in(Scope.ADMIN).has_role(Role.OWNER)):
        raise Forbidden("Registration is closed: ask the owner of the blog for an account")
    return await create(ctx, new, Role.READER)


async def create(ctx: Context, new: NewUser, role: Role) -> User:
    """An account with a role, for commands and links that have checked the right. Raises Conflict, InvalidInput (password)."""
    password_hash = await first_hash(ctx, new)
    async with ctx.db.transaction():
        return await insert(ctx, new, role, password_hash)


async def first_hash(ctx: Context, new: NewUser) -> str | None:
    """The hash of the password of a new account, if it has one. Raises InvalidInput (password)."""
    if new.password is None:
        return None
    password_policy.require_acceptable(ctx, new.password, new.username, new.email)
    return await ctx.site.passwords.hash(new.password)


async def insert(ctx: Context, new: NewUser, role: Role, password_hash: str | None) -> User:
    """Put an account into the database; call it inside a transaction. Raises Conflict."""
    if _RESERVED.fullmatch(new.username):
        raise Conflict("This name is kept for accounts that have ended: choose another one", loc=("username",))
    values = {
        "username": new.username,
        "username_key": new.username.casefold(),
        "name": new.username,
        "email": new.email,
        "email_key": new.email.casefold(),
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
        raise _taken(violation) from None
    await audit.record(ctx, Act.ACCOUNT_MADE, user_id, role=role.value)
    return await get(ctx, user_id)


def _taken(violation: UniqueViolation) -> Conflict:
    if violation.column == "email_key":
        return Conflict("Another account has this e-mail address", loc=("email",))
    return Conflict("This username is taken: choose another one", loc=("username",))


async def get(ctx: Context, user_id: int) -> User:
    """The account. Raises NotFound."""
    return await _one(ctx, _u.id == user_id)


async def named(ctx: Context, username: str) -> User:
    """The account of this name, whatever its case, also one that has ended. Raises NotFound."""
    return await _one(ctx, _u.username_key == username.casefold())


async def living(ctx: Context, username: str) -> User:
    """The account of this name, if it has not ended. Raises NotFound."""
    user = await named(ctx, username)
    if user.is_deleted:
        raise NotFound("This account was deleted")
    return user


async def free_username(ctx: Context, wanted: str) -> str:
    """The wanted name, or the same with a number; call it inside the transaction that takes it."""
    candidate, number = wanted, 1
    while await ctx.db.fetch_val(sa.select(_u.id).where(_u.username_key == candidate.casefold())) is not None:
        number += 1
        candidate = f"{wanted[: LONGEST_USERNAME - 8]}-{number}"
    return candidate


async def me(ctx: Context) -> User:
    """The actor's own account, with the address that waits to be confirmed. Raises NotSignedIn, Forbidden."""
    user = await get(ctx, ctx.signed_in(Scope.ACCOUNT).id)
    return dataclasses.replace(user, pending_email=await email_changes.pending(ctx))


async def change(ctx: Context, changes: AccountChanges) -> User:
    """Change the members that were sent, of the actor's own account.

    Another e-mail address needs the present password (`current`), and waits as `pending_email` until the letter to it was
    answered, if there is a mail server. Raises NotSignedIn, Forbidden, InvalidInput, Conflict, TooManyRequests.
    """
    actor = ctx.signed_in(Scope.ACCOUNT)
    values: dict[str, Any] = {name: getattr(changes, name) for name in changes.model_fields_set - {"current"}}
    before = (await get(ctx, actor.id)).email
    email = values.pop("email", before)
    is_new, waits = email != before, email_changes.are_confirmed(ctx)
    if is_new:
        await require_password(ctx, changes.current)
    if is_new and not waits:
        values |= {"email": email, "email_key": email.casefold()}
    async with ctx.db.transaction():
        try:
            await ctx.db.execute(tables.users.update().where(_u.id == actor.id).values(values | {"updated_at": ctx.now}))
        except UniqueViolation as violation:
            raise _taken(violation) from None
        if is_new:
            await (email_changes.ask(ctx, email) if waits else email_changes.record(ctx, before))
        await events.record_site(ctx)
        return await me(ctx)


async def change_password(ctx: Context, change: PasswordChange) -> str | None:
    """Set a new password, knowing the present one; ends all other sessions and all tokens.

    The actor's own session goes on with a new id, which is returned; None for who has a token, which has ended.
    Raises NotSignedIn, Forbidden, InvalidInput (current, password).
    """
    actor = ctx.signed_in(Scope.ACCOUNT)
    await require_password(ctx, change.current)
    password_hash = await _hash_of(ctx, await get(ctx, actor.id), change.password)
    session_id = new_secret()
    async with ctx.db.transaction():
        await _keep_password(ctx, actor.id, password_hash, keep_session=actor.session)
        own = (tables.sessions.c.user_id == actor.id) & (tables.sessions.c.id_hash == (actor.session or ""))
        renewed = {"id_hash": digest(session_id), "confirmed_at": ctx.now}
        goes_on = await ctx.db.execute(tables.sessions.update().where(own).values(renewed))
    return session_id if goes_on else None


async def require_password(ctx: Context, given: SecretStr | None) -> None:
    """Raises InvalidInput (current) when it is not the actor's present password, NotSignedIn."""
    actor = ctx.signed_in()
    known = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == actor.id))
    if not await ctx.site.passwords.verify(known, given or SecretStr("")):
        await audit.record_failure(ctx, Act.CONFIRMATION_FAILED, actor.id)
        raise InvalidInput([FieldError(("current",), "This is not your present password", "password")])


async def confirm(ctx: Context, password: SecretStr) -> Context:
    """The same request, by somebody who has just given the password. Raises NotSignedIn, InvalidInput (current)."""
    await require_password(ctx, password)
    actor = ctx.signed_in()
    mine = tables.sessions.c.id_hash == (actor.session or "")
    await ctx.db.execute(tables.sessions.update().where(mine).values(confirmed_at=ctx.now))
    return ctx.acting_as(dataclasses.replace(actor, confirmed_at=ctx.now))


async def set_password(ctx: Context, user_id: int, password: SecretStr) -> None:
    """Set a password and end every session and every token of the account. For callers that checked the right.

    Raises NotFound, InvalidInput (password).
    """
    password_hash = await _hash_of(ctx, await get(ctx, user_id), password)
    async with ctx.db.transaction():
        await _keep_password(ctx, user_id, password_hash)


async def _hash_of(ctx: Context, user: User, password: SecretStr) -> str:
    password_policy.require_acceptable(ctx, password, user.username, user.email)
    return await ctx.site.passwords.hash(password)


async def _keep_password(ctx: Context, user_id: int, password_hash: str, *, keep_session: str | None = None) -> None:
    values = {"password_hash": password_hash, "password_set_at": ctx.now, "updated_at": ctx.now}
    await ctx.db.execute(tables.users.update().where(_u.id == user_id).values(values))
    others = tables.sessions.c.id_hash != keep_session if keep_session else sa.true()
    await ctx.db.execute(tables.sessions.delete().where(tables.sessions.c.user_id == user_id, others))
    live = (tables.tokens.c.user_id == user_id) & tables.tokens.c.revoked_at.is_(None)
    await ctx.db.execute(tables.tokens.update().where(live).values(revoked_at=ctx.now))
    await ctx.db.execute(tables.email_changes.delete().where(tables.email_changes.c.user_id == user_id))
    await audit.record(ctx, Act.PASSWORD_CHANGED, user_id)
    await email_queue.put(ctx, LetterKind.PASSWORD_CHANGED, user_id=user_id)


async def set_role(ctx: Context, username: str, role: Role) -> User:
    """Give a role; the last owner stays one. For callers that checked the right. Raises NotFound, Conflict."""
    async with ctx.db.transaction():
        user = await living(ctx, username)
        if role is not Role.OWNER:
            await require_another_owner(ctx, user)
        await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(role=role.value, updated_at=ctx.now))
        await audit.record(ctx, Act.ROLE_CHANGED, user.id, before=user.role.value, role=role.value)
        return await get(ctx, user.id)


async def require_another_owner(ctx: Context, user: User) -> None:
    """Raises Conflict when this is the only owner; ask inside the transaction that would take an owner away."""
    owners = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.users).where(OWNER_ROLE))
    if user.role is Role.OWNER and owners == 1:
        raise Conflict("This is the only owner: make another account owner first")


async def first_owner(ctx: Context) -> User | None:
    """Who owns this blog (the oldest account, if several), or None."""
    user_id = await ctx.db.fetch_val(sa.select(_u.id).where(OWNER_ROLE).order_by(_u.id).limit(1))
    return None if user_id is None else await get(ctx, user_id)


def owner_link(ctx: Context) -> str:
    """The secret part of the link that makes the owner's account: for a day, and only while there is no owner."""
    return ctx.site.signer.sign(Purpose.OWNER_LINK, [])


def require_owner_link(ctx: Context, secret: str) -> None:
    """Raises NotFound when the link is false or too old."""
    if ctx.site.signer.read(Purpose.OWNER_LINK, secret, LINK_SECONDS) is None:
        raise NotFound("This link is not valid any more: start the blog again to get a new one")


async def create_owner(ctx: Context, secret: str, new: NewUser) -> User:
    """Make the first owner by the link.

    Raises NotFound (link), Conflict (there is an owner, or the name is taken), InvalidInput (password).
    """
    require_owner_link(ctx, secret)
    password_hash = await first_hash(ctx, new)
    async with ctx.db.transaction():
        if await first_owner(ctx):
            raise Conflict("This blog has an owner already: sign in")
        return await insert(ctx, new, Role.OWNER, password_hash)


async def password_link(ctx: Context, username: str, seconds: int = LINK_SECONDS) -> str:
    """The secret part of a link by which this account's password is set, once, within that time. Raises NotFound."""
    user = await living(ctx, username)
    until = int(ctx.now.timestamp()) + seconds
    return ctx.site.signer.sign(Purpose.PASSWORD_LINK, [user.id, await password_state(ctx, user.id), until])


async def password_link_user(ctx: Context, secret: str) -> User:
    """Whose link this is. Raises NotFound when it is false, too old or used."""
    match ctx.site.signer.read(Purpose.PASSWORD_LINK, secret):
        case [int(user_id), str(state), int(until)] if until > ctx.now.timestamp():
            if await password_state(ctx, user_id) == state:
                return await get(ctx, user_id)
    raise NotFound("This link is not valid any more: ask for a new one")


async def use_password_link(ctx: Context, secret: str, password: SecretStr) -> User:
    """Set the password by the link. Raises NotFound, InvalidInput (password)."""
    password_hash = await _hash_of(ctx, await password_link_user(ctx, secret), password)
    async with ctx.db.transaction():
        user = await password_link_user(ctx, secret)  # again: somebody may have used it meanwhile
        await _keep_password(ctx, user.id, password_hash)
    return user


async def password_state(ctx: Context, user_id: int) -> str:
    """Changes with each password, so that a link that carries it works once; empty while there is none."""
    password_hash = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == user_id))
    return digest(password_hash) if password_hash else ""


async def _one(ctx: Context, condition: sa.ColumnElement[bool]) -> User:
    row = await ctx.db.fetch_one(sa.select(tables.users).where(condition))
    if row is None:
        raise NotFound("There is no such user")
    return User(
        id=row["id"],
        username=row["username"],
        name=row["name"],
        email=row["email"],
        age=row["age"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        can_sign_in=row["password_hash"] is not None,
        bio=row["bio"],
        avatar=row["avatar"],
        is_deleted=row["deleted_at"] is not None,
    )


def actor_of(user: User) -> Actor:
    """The account as an actor, for commands that work in its name."""
    return Actor(user.id, user.username, user.name, user.role)
