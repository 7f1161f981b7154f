"""Bearer tokens: signed, so that an invalid one costs no query; with an expiry and scopes, and revocable."""

import contextlib
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from blog.db import tables
from blog.db.compiled_queries import PreparedQuery
from blog.domain.accounts import last_seen
from blog.domain.accounts.models import Token
from blog.domain.core import audit, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.rows import from_row
from blog.domain.core.signing import Purpose, generate_secret, hash_secret
from blog.errors import Forbidden, NotFound, Unavailable
from blog.schemas.accounts import Role, Scope

_t, _u = tables.api_tokens.c, tables.users.c
_VALID = PreparedQuery(
    sa.select(_t.scopes, _t.id.label("token_id"), _u.id, _u.username, _u.name, _u.role, _u.last_seen_at)
    .join_from(tables.api_tokens, tables.users, _u.id == _t.user_id)
    .where(_t.id == sa.bindparam("token_id", type_=_t.id.type), _t.secret_hash == sa.bindparam("secret_hash"))
    .where(_t.revoked_at.is_(None), _t.expires_at > sa.bindparam("now", type_=_t.expires_at.type), _u.deleted_at.is_(None))
    .where(_u.suspended_at.is_(None))
)
DEFAULT_LIFETIME = dt.timedelta(days=90)
DEFAULT_SCOPES = (Scope.POSTS_WRITE, Scope.COMMENTS_WRITE, Scope.MEDIA_WRITE, Scope.ACCOUNT)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new token with its value, which is not stored."""

    token: Token
    value: str


async def issue(
    ctx: Context, actor: Actor, *, name: str, scopes: Iterable[Scope] | None = None, seconds: int | None = None
) -> IssuedToken:
    """Create a token for `actor`.

    `scopes` defaults to `DEFAULT_SCOPES`, `seconds` to the setting TOKEN_DAYS.
    Raises Forbidden if the role does not allow the scope `admin`, ReauthenticationRequired.
    """
    policy.require_recent_authentication(ctx, actor)
    chosen = tuple(dict.fromkeys(scopes)) if scopes is not None else DEFAULT_SCOPES
    if Scope.ADMIN in chosen and not actor.has_role(Role.OWNER):
        raise Forbidden("Only owners can create tokens with the scope admin")
    secret = generate_secret()
    expires_at = ctx.now + (dt.timedelta(seconds=seconds) if seconds else DEFAULT_LIFETIME)
    values = {
        "user_id": actor.id,
        "name": name,
        "secret_hash": hash_secret(secret),
        "scopes": [scope.value for scope in chosen],
        "created_at": ctx.now,
        "expires_at": expires_at,
    }
    async with ctx.db.transaction():
        token_id = await ctx.db.execute(tables.api_tokens.insert().values(values))
        await last_seen.record(ctx, actor.id)
        await audit.record(ctx, AuditAction.TOKEN_CREATED, actor.id, by_user_id=actor.id, token=name)
    return IssuedToken(
        Token(token_id, name, chosen, ctx.now, expires_at), ctx.site.signer.sign(Purpose.TOKEN, [token_id, secret])
    )


async def authenticate(ctx: Context, token: str) -> Actor | None:
    """Return the actor of a token, or None if it is invalid, expired or revoked."""
    payload = ctx.site.signer.unsign(Purpose.TOKEN, token)
    if payload is None:
        return None
    token_id, secret = payload
    row = await ctx.db.fetch_one(_VALID(token_id=token_id, secret_hash=hash_secret(secret), now=ctx.now))
    if row is None:
        return None
    if last_seen.is_outdated(ctx, row["last_seen_at"]):
        with contextlib.suppress(Unavailable):
            await last_seen.record(ctx, row["id"])
    scopes = frozenset(Scope(scope) for scope in row["scopes"])
    return Actor(row["id"], row["username"], row["name"], Role(row["role"]), scopes=scopes, token_id=row["token_id"])


async def list_own(ctx: Context) -> Sequence[Token]:
    """Return the actor's valid tokens, newest first. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    query = (
        sa.select(tables.api_tokens)
        .where(_t.user_id == actor.id, _t.revoked_at.is_(None), _t.expires_at > ctx.now)
        .order_by(_t.id.desc())
    )
    return [from_row(Token, row) for row in await ctx.db.fetch_all(query)]


async def revoke(ctx: Context, token_id: int) -> None:
    """Revoke one of the actor's tokens; a token can always revoke itself. Raises NotAuthenticated, Forbidden, NotFound."""
    actor = ctx.require_actor()
    if actor.token_id != token_id:
        ctx.require_actor(Scope.ACCOUNT)
    own = (_t.id == token_id) & (_t.user_id == actor.id) & _t.revoked_at.is_(None)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.api_tokens.update().where(own).values(revoked_at=ctx.now)):
            raise NotFound("Token not found")
        name = await ctx.db.fetch_val(sa.select(_t.name).where(_t.id == token_id))
        await audit.record(ctx, AuditAction.TOKEN_REVOKED, actor.id, token=name)
