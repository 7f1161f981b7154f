"""Verifying passwords at sign-in, and sessions: the cookie contains an id, the database everything else."""

import contextlib
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.accounts import last_seen, two_factor
from blog.domain.accounts.models import Session
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.signing import generate_secret, hash_secret
from blog.errors import AccountSuspended, NotAuthenticated, NotFound, Unavailable
from blog.schemas.accounts import Credentials, Role, Scope
from blog.text.normalisation import fold_name

_s, _u = tables.sessions.c, tables.users.c
_PUBLIC_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class LoadedSession:
    """The actor of a session; `is_renewed` if its expiry was extended, so that the cookie's must be too."""

    actor: Actor
    is_renewed: bool


async def verify_password(ctx: Context, credentials: Credentials) -> Actor:
    """Return the user with this username (or e-mail address) and password; a code is not checked.

    Raises NotAuthenticated, with the same message and timing for unknown names, and AccountSuspended, after the right password.
    """
    key = fold_name(credentials.username)
    matches = sa.or_(_u.username_folded == key, _u.email_folded == key) & _u.deleted_at.is_(None)
    row = await ctx.db.fetch_one(sa.select(tables.users).where(matches))
    password_hash = row["password_hash"] if row else None
    if not await ctx.site.passwords.verify(password_hash, credentials.password) or row is None:
        await audit.record_failure(ctx, AuditAction.SIGN_IN_FAILED, row["id"] if row else None)
        raise NotAuthenticated("Wrong username or password")
    if row["suspended_at"] is not None:
        await audit.record_failure(ctx, AuditAction.SIGN_IN_FAILED, row["id"])
        raise AccountSuspended
    if password_hash is not None and ctx.site.passwords.needs_rehash(password_hash):
        stronger = await ctx.site.passwords.hash(credentials.password)
        unchanged = (_u.id == row["id"]) & (_u.password_hash == password_hash)
        await ctx.db.execute(tables.users.update().where(unchanged).values(password_hash=stronger))
    return Actor(row["id"], row["username"], row["name"], Role(row["role"]))


async def authenticate(ctx: Context, credentials: Credentials, code: SecretStr | None = None) -> Actor:
    """Return the user with this username, password and, if two-factor authentication is on, code.

    Raises NotAuthenticated, AccountSuspended, SecondFactorRequired.
    """
    actor = await verify_password(ctx, credentials)
    if await two_factor.is_enabled(ctx, actor.id):
        await two_factor.require_code(ctx, actor, code)
    return actor


_VALID = PreparedQuery(
    sa.select(_s.id_hash, _s.created_at, _s.last_seen_at, _s.confirmed_at, _u.id, _u.username, _u.name, _u.role)
    .join_from(tables.sessions, tables.users, _u.id == _s.user_id)
    .where(_s.id_hash == sa.bindparam("id_hash"), _s.expires_at > sa.bindparam("now", type_=_s.expires_at.type))
    .where(_u.deleted_at.is_(None), _u.suspended_at.is_(None))
)


async def start(ctx: Context, actor: Actor, user_agent: str, auth_method: str = "password") -> str:
    """Start a session and return its id for the cookie. `auth_method` goes into the audit log, such as "passkey"."""
    session_id = generate_secret()
    values = {
        "id_hash": hash_secret(session_id),
        "user_id": actor.id,
        "user_agent": user_agent[:200],
        "created_at": ctx.now,
        "last_seen_at": ctx.now,
        "expires_at": _expiry(ctx, ctx.now),
        "confirmed_at": ctx.now,
    }
    async with ctx.db.transaction():
        await ctx.db.execute(tables.sessions.delete().where(_s.expires_at < ctx.now))
        await ctx.db.execute(tables.sessions.insert().values(values))
        await last_seen.record(ctx, actor.id)
        await audit.record(ctx, AuditAction.SIGN_IN, actor.id, by_user_id=actor.id, auth_method=auth_method)
    return session_id


async def load(ctx: Context, session_id: str) -> LoadedSession | None:
    """Return the session with this id, or None if it does not exist or has expired.

    Use extends the expiry, up to `session_max_days` after the sign-in.
    """
    row = await ctx.db.fetch_one(_VALID(id_hash=hash_secret(session_id), now=ctx.now))
    if row is None:
        return None
    is_renewed = False
    if last_seen.is_outdated(ctx, row["last_seen_at"]):
        values = {"last_seen_at": ctx.now, "expires_at": _expiry(ctx, row["created_at"])}
        with contextlib.suppress(Unavailable):  # Reading works without a writable database: the next request tries again.
            await ctx.db.execute(tables.sessions.update().where(_s.id_hash == row["id_hash"]).values(values))
            await last_seen.record(ctx, row["id"])
            is_renewed = True
    role, confirmed_at = Role(row["role"]), row["confirmed_at"]
    actor = Actor(row["id"], row["username"], row["name"], role, session=row["id_hash"], confirmed_at=confirmed_at)
    return LoadedSession(actor, is_renewed)


async def revoke(ctx: Context) -> None:
    """Revoke the actor's current session, if there is one."""
    if ctx.actor and ctx.actor.session:
        async with ctx.db.transaction():
            await ctx.db.execute(tables.sessions.delete().where(_s.id_hash == ctx.actor.session))
            await audit.record(ctx, AuditAction.SIGN_OUT, ctx.actor.id)


async def list_own(ctx: Context) -> Sequence[Session]:
    """Return the actor's sessions, most recently used first. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    query = sa.select(tables.sessions).where(_s.user_id == actor.id, _s.expires_at > ctx.now)
    return [
        Session(
            public_id=row["id_hash"][:_PUBLIC_ID_LENGTH],
            user_agent=row["user_agent"],
            created_at=row["created_at"],
            last_seen_at=row["last_seen_at"],
            is_current=row["id_hash"] == actor.session,
        )
        for row in await ctx.db.fetch_all(query.order_by(_s.last_seen_at.desc(), _s.id_hash))
    ]


async def revoke_one(ctx: Context, public_id: str) -> None:
    """Revoke one of the actor's sessions. Raises NotAuthenticated, Forbidden, NotFound."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    own = (_s.user_id == actor.id) & (sa.func.substr(_s.id_hash, 1, _PUBLIC_ID_LENGTH) == public_id)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.sessions.delete().where(own)):
            raise NotFound("Session not found. It may have ended already.")
        await audit.record(ctx, AuditAction.SESSION_REVOKED, actor.id)


async def revoke_own(ctx: Context) -> None:
    """Revoke all of the actor's sessions, including the current one. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.sessions.delete().where(_s.user_id == actor.id))
        await audit.record(ctx, AuditAction.SIGN_OUT_EVERYWHERE, actor.id)


async def revoke_for(ctx: Context, user_id: int | None) -> int:
    """Revoke all sessions of a user, or of all users for None, and return their number. The caller checks the permission."""
    matches = sa.true() if user_id is None else _s.user_id == user_id
    async with ctx.db.transaction():
        revoked = await ctx.db.execute(tables.sessions.delete().where(matches))
        await audit.record(ctx, AuditAction.SESSIONS_REVOKED, user_id)
    return int(revoked or 0)


def _expiry(ctx: Context, created_at: dt.datetime) -> dt.datetime:
    settings = ctx.site.settings
    return min(ctx.now + dt.timedelta(days=settings.session_idle_days), created_at + dt.timedelta(days=settings.session_max_days))
