"""Verifying and changing the password of an account."""

import dataclasses

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import password_policy
from blog.domain.core import audit, email_queue
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.core.email_queue import EmailKind
from blog.domain.core.signing import generate_secret, hash_secret
from blog.errors import FieldError, InvalidInput, NotFound
from blog.schemas.accounts import PasswordChange, Scope

_s, _t, _u = tables.sessions.c, tables.api_tokens.c, tables.users.c


async def require_password(ctx: Context, password: SecretStr | None) -> None:
    """Raise InvalidInput (current) unless this is the actor's password. Raises NotAuthenticated."""
    actor = ctx.require_actor()
    password_hash = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == actor.id))
    if not await ctx.site.passwords.verify(password_hash, password or SecretStr("")):
        await audit.record_failure(ctx, AuditAction.REAUTHENTICATION_FAILED, actor.id)
        raise InvalidInput([FieldError(("current",), "Wrong password", "password")])


async def reauthenticate(ctx: Context, password: SecretStr) -> Context:
    """Verify the actor's password and return the context with the time of the confirmation.

    Raises NotAuthenticated, InvalidInput (current).
    """
    await require_password(ctx, password)
    actor = ctx.require_actor()
    own_session = _s.id_hash == (actor.session or "")
    await ctx.db.execute(tables.sessions.update().where(own_session).values(confirmed_at=ctx.now))
    return ctx.acting_as(dataclasses.replace(actor, confirmed_at=ctx.now))


async def change_password(ctx: Context, change: PasswordChange) -> str | None:
    """Change the actor's password, and revoke all tokens and all other sessions.

    Return the new id of the current session, or None if the actor has a token, which is now revoked.
    Raises NotAuthenticated, Forbidden, InvalidInput (current, password).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    await require_password(ctx, change.current_password)
    password_hash = await hash_new_password(ctx, actor.id, change.password)
    session_id = generate_secret()
    async with ctx.db.transaction():
        await store_password(ctx, actor.id, password_hash, keep_session=actor.session)
        own_session = (_s.user_id == actor.id) & (_s.id_hash == (actor.session or ""))
        values = {"id_hash": hash_secret(session_id), "confirmed_at": ctx.now}
        was_renewed = await ctx.db.execute(tables.sessions.update().where(own_session).values(values))
    return session_id if was_renewed else None


async def set_password(ctx: Context, user_id: int, password: SecretStr) -> None:
    """Set a password, and revoke every session and token of the account. The caller checks the permission.

    Raises NotFound, InvalidInput (password).
    """
    password_hash = await hash_new_password(ctx, user_id, password)
    async with ctx.db.transaction():
        await store_password(ctx, user_id, password_hash)


async def hash_new_password(ctx: Context, user_id: int, password: SecretStr) -> str:
    """Return the hash of a password that follows the policy. Raises NotFound, InvalidInput (password)."""
    row = await ctx.db.fetch_one(sa.select(_u.username, _u.email).where(_u.id == user_id))
    if row is None:
        raise NotFound("No user has this id")
    password_policy.validate_password(ctx, password, row["username"], row["email"])
    return await ctx.site.passwords.hash(password)


async def store_password(ctx: Context, user_id: int, password_hash: str, *, keep_session: str | None = None) -> None:
    """Store a password hash and revoke sessions and tokens; call it inside a transaction.

    `keep_session` is the hash of the id of a session that stays.
    """
    values = {"password_hash": password_hash, "password_set_at": ctx.now, "updated_at": ctx.now}
    await ctx.db.execute(tables.users.update().where(_u.id == user_id).values(values))
    others = _s.id_hash != keep_session if keep_session else sa.true()
    await ctx.db.execute(tables.sessions.delete().where(_s.user_id == user_id, others))
    valid = (_t.user_id == user_id) & _t.revoked_at.is_(None)
    await ctx.db.execute(tables.api_tokens.update().where(valid).values(revoked_at=ctx.now))
    await ctx.db.execute(tables.email_changes.delete().where(tables.email_changes.c.user_id == user_id))
    await audit.record(ctx, AuditAction.PASSWORD_CHANGED, user_id)
    await email_queue.enqueue(ctx, EmailKind.PASSWORD_CHANGED, user_id=user_id)


async def fingerprint(ctx: Context, user_id: int) -> str:
    """Return a value that changes with the password, so that a link that contains it works once; empty without a password."""
    password_hash = await ctx.db.fetch_val(sa.select(_u.password_hash).where(_u.id == user_id))
    return hash_secret(password_hash) if password_hash else ""
