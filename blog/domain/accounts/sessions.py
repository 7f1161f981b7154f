"""Signing in with a name and a password, and the sessions that follow: the cookie holds an id, the rest is here."""

import contextlib
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.accounts import two_factor
from blog.domain.accounts.models import Session
from blog.domain.core import audit
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.signing import generate_secret, hash_secret
from blog.errors import NotAuthenticated, NotFound, Unavailable
from blog.schemas.accounts import Credentials, Role, Scope

_s, _u = tables.sessions.c, tables.users.c
# A session is written again at most this often, so that reading pages does not write to the database.
REFRESH_AFTER = dt.timedelta(hours=1)
_PUBLIC_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class LoadedSession:
    """Whose session it is; `renewed` when its end has moved on, so that the cookie's should too."""

    actor: Actor
    is_renewed: bool


async def verify_password(ctx: Context, credentials: Credentials) -> Actor:
    """Who has this name (or e-mail address) and password; a second factor is not asked for.

    Raises NotSignedIn, the same and as slowly for unknown names.
    """
    key = credentials.username.casefold()
    mine = sa.or_(_u.username_folded == key, _u.email_folded == key) & _u.deleted_at.is_(None)
    row = await ctx.db.fetch_one(sa.select(tables.users).where(mine))
    known = row["password_hash"] if row else None
    if not await ctx.site.passwords.verify(known, credentials.password) or row is None:
        await audit.record_failure(ctx, AuditAction.SIGN_IN_FAILED, row["id"] if row else None)
        raise NotAuthenticated("The name or the password is wrong")
    if known is not None and ctx.site.passwords.needs_rehash(known):
        stronger = await ctx.site.passwords.hash(credentials.password)
        same = (_u.id == row["id"]) & (_u.password_hash == known)
        await ctx.db.execute(tables.users.update().where(same).values(password_hash=stronger))
    return Actor(row["id"], row["username"], row["name"], Role(row["role"]))


async def authenticate(ctx: Context, credentials: Credentials, code: SecretStr | None = None) -> Actor:
    """Who has this name, this password and, if the account asks for one, this code. Raises NotSignedIn, SecondFactorNeeded."""
    actor = await verify_password(ctx, credentials)
    if await two_factor.is_enabled(ctx, actor.id):
        await two_factor.require_code(ctx, actor, code)
    return actor


_VALID = PreparedQuery(
    sa.select(_s.id_hash, _s.created_at, _s.last_seen_at, _s.confirmed_at, _u.id, _u.username, _u.name, _u.role)
    .join_from(tables.sessions, tables.users, _u.id == _s.user_id)
    .where(_s.id_hash == sa.bindparam("id_hash"), _s.expires_at > sa.bindparam("now", type_=_s.expires_at.type))
    .where(_u.deleted_at.is_(None))
)


async def start(ctx: Context, actor: Actor, user_agent: str, auth_method: str = "password") -> str:
    """Begin a session; the id for the cookie, new at each sign-in. `proof`, in words: what the actor showed."""
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
        await audit.record(ctx, AuditAction.SIGN_IN, actor.id, by_user_id=actor.id, proof=auth_method)
    return session_id


async def load(ctx: Context, session_id: str) -> LoadedSession | None:
    """Whose session this is, or None when there is none or it is over.

    Its end moves on as it is used, but never past `session_max_days` after the sign-in.
    """
    row = await ctx.db.fetch_one(_VALID(id_hash=hash_secret(session_id), now=ctx.now))
    if row is None:
        return None
    renewed = False
    if ctx.now - row["last_seen_at"] > REFRESH_AFTER:
        values = {"last_seen_at": ctx.now, "expires_at": _expiry(ctx, row["created_at"])}
        with contextlib.suppress(Unavailable):  # who only reads needs no writer: the next request tries again
            await ctx.db.execute(tables.sessions.update().where(_s.id_hash == row["id_hash"]).values(values))
            renewed = True
    role, confirmed_at = Role(row["role"]), row["confirmed_at"]
    actor = Actor(row["id"], row["username"], row["name"], role, session=row["id_hash"], confirmed_at=confirmed_at)
    return LoadedSession(actor, renewed)


async def revoke(ctx: Context) -> None:
    """End the actor's present session."""
    if ctx.actor and ctx.actor.session:
        async with ctx.db.transaction():
            await ctx.db.execute(tables.sessions.delete().where(_s.id_hash == ctx.actor.session))
            await audit.record(ctx, AuditAction.SIGN_OUT, ctx.actor.id)


async def list_own(ctx: Context) -> Sequence[Session]:
    """Where the actor is signed in; the last seen first. Raises NotSignedIn, Forbidden."""
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
    """End one of the actor's own sessions. Raises NotSignedIn, Forbidden, NotFound."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    mine = (_s.user_id == actor.id) & (sa.func.substr(_s.id_hash, 1, _PUBLIC_ID_LENGTH) == public_id)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.sessions.delete().where(mine)):
            raise NotFound("You have no such session: it may have ended already")
        await audit.record(ctx, AuditAction.SESSION_REVOKED, actor.id)


async def revoke_own(ctx: Context) -> None:
    """End all of the actor's sessions, this one too. Raises NotSignedIn, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.sessions.delete().where(_s.user_id == actor.id))
        await audit.record(ctx, AuditAction.SIGN_OUT_EVERYWHERE, actor.id)


async def revoke_for(ctx: Context, user_id: int | None) -> int:
    """End all sessions of an account, or of everybody, for callers that checked the right; how many those were."""
    theirs = sa.true() if user_id is None else _s.user_id == user_id
    async with ctx.db.transaction():
        ended = await ctx.db.execute(tables.sessions.delete().where(theirs))
        await audit.record(ctx, AuditAction.SESSIONS_REVOKED, user_id)
    return int(ended or 0)


def _expiry(ctx: Context, began: dt.datetime) -> dt.datetime:
    settings = ctx.site.settings
    return min(ctx.now + dt.timedelta(days=settings.session_idle_days), began + dt.timedelta(days=settings.session_max_days))
