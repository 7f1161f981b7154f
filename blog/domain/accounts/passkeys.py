"""Passkeys: keys on people's devices that open an account without a password.

A device asks its user for a finger, a face or a PIN before it signs, so that a passkey is two factors in one. Each challenge
is signed once at most: it is written down as used before the answer is looked at.
"""

import base64
import datetime as dt
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.accounts import webauthn
from blog.domain.accounts.models import Passkey
from blog.domain.accounts.webauthn import Credential, RelyingParty, VerificationFailed
from blog.domain.core import audit, email_queue, policy
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import EmailKind
from blog.domain.core.signing import Purpose, hash_secret
from blog.errors import Conflict, Forbidden, NotAuthenticated, NotFound
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.passkeys")
MAX_PASSKEYS = 20
CHALLENGE_TOKEN_SECONDS = 2 * webauthn.TIMEOUT_SECONDS
_CHALLENGE_RETENTION = dt.timedelta(seconds=CHALLENGE_TOKEN_SECONDS)
_CHALLENGE_BYTES = _HANDLE_BYTES = 32
_LOCALHOST = "localhost"
_c, _p, _u = tables.webauthn_challenges.c, tables.passkeys.c, tables.users.c
_EXPIRED_MESSAGE = "That took too long, or was sent already: try once more"
_UNKNOWN_PASSKEY_MESSAGE = "This passkey does not open an account here. Sign in with your password"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a browser is asked for (`options`, as JSON has them), and the ticket that says so when it answers."""

    options: Mapping[str, Any]
    challenge_token: str


def is_available(settings: Settings) -> bool:
    """Can passkeys be used here? They need the extra, TLS (but for `localhost`) and a host with a name."""
    parts = urlsplit(settings.public_url)
    is_guarded = parts.scheme == "https" or parts.hostname == _LOCALHOST
    return webauthn.is_installed() and is_guarded and not _is_ip_address(parts.hostname or "")


async def list_own(ctx: Context) -> Sequence[Passkey]:
    """The actor's passkeys, oldest first. Raises NotSignedIn, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    query = sa.select(_p.id, _p.name, _p.created_at, _p.last_used_at).where(_p.user_id == actor.id).order_by(_p.id)
    return [Passkey(row["id"], row["name"], row["created_at"], row["last_used_at"]) for row in await ctx.db.fetch_all(query)]


async def get_own(ctx: Context, passkey_id: int) -> Passkey:
    """One of the actor's. Raises NotSignedIn, Forbidden, NotFound."""
    for passkey in await list_own(ctx):
        if passkey.id == passkey_id:
            return passkey
    raise NotFound("You have no such passkey: it may be removed already")


async def start_registration(ctx: Context) -> Challenge:
    """Ask for another passkey of the actor's. Raises NotSignedIn, Forbidden, ConfirmationNeeded, Conflict (too many)."""
    actor, session = _require_browser_session(ctx)
    known = await ctx.db.fetch_all(sa.select(_p.credential_id, _p.user_handle).where(_p.user_id == actor.id))
    if len(known) >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys: remove one that you do not use")
    handle = _decode_base64url(known[0]["user_handle"]) if known else os.urandom(_HANDLE_BYTES)
    challenge = os.urandom(_CHALLENGE_BYTES)
    ids = [_decode_base64url(row["credential_id"]) for row in known]
    options = webauthn.creation_options(_relying_party(ctx), challenge, handle, actor.username, actor.name, ids)
    return Challenge(options, _sign_challenge(ctx, Purpose.PASSKEY_REGISTRATION, challenge, session, _encode_base64url(handle)))


async def register(ctx: Context, challenge_token: str, name: str, credential: str) -> None:
    """Keep the passkey that the actor's browser made.

    Raises NotSignedIn, Forbidden, ConfirmationNeeded, Conflict (too late, or there already).
    """
    actor, session = _require_browser_session(ctx)
    challenge, handle = await _consume_challenge(ctx, Purpose.PASSKEY_REGISTRATION, challenge_token, session)
    try:
        key = webauthn.verify_registration(_relying_party(ctx), challenge, credential)
    except VerificationFailed as error:
        log.warning("a passkey was not taken", user_id=actor.id, reason=str(error))
        raise Conflict("Your browser's answer could not be verified: try once more") from error
    values = {
        "user_id": actor.id,
        "credential_id": _encode_base64url(key.credential_id),
        "public_key": _encode_base64url(key.public_key),
        "user_handle": handle,
        "sign_count": key.sign_count,
        "name": name,
        "created_at": ctx.now,
    }
    async with ctx.db.transaction():
        try:
            await ctx.db.execute(tables.passkeys.insert().values(values))
        except UniqueViolation:
            raise Conflict("This passkey is known already") from None
        await audit.record(ctx, AuditAction.PASSKEY_ADDED, actor.id, passkey=name)
        await email_queue.enqueue(ctx, EmailKind.PASSKEY_ADDED, user_id=actor.id)


async def remove(ctx: Context, passkey_id: int) -> None:
    """Forget one of the actor's. Raises NotSignedIn, Forbidden, ConfirmationNeeded, NotFound."""
    actor, _ = _require_browser_session(ctx)
    passkey = await get_own(ctx, passkey_id)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.passkeys.delete().where(_p.id == passkey.id))
        await audit.record(ctx, AuditAction.PASSKEY_REMOVED, actor.id, passkey=passkey.name)
        await email_queue.enqueue(ctx, EmailKind.PASSKEY_REMOVED, user_id=actor.id)


def start_sign_in(ctx: Context) -> Challenge:
    """Ask for any passkey of this blog; nothing is written down yet."""
    challenge = os.urandom(_CHALLENGE_BYTES)
    options = webauthn.request_options(_relying_party(ctx), challenge)
    return Challenge(options, _sign_challenge(ctx, Purpose.PASSKEY_SIGN_IN, challenge))


async def authenticate(ctx: Context, challenge_token: str, credential: str) -> Actor:
    """Whose passkey signed the challenge of the ticket. Raises Conflict (too late), NotSignedIn."""
    challenge, _ = await _consume_challenge(ctx, Purpose.PASSKEY_SIGN_IN, challenge_token)
    user_id = None
    try:
        credential_id, handle = webauthn.parse_assertion(credential)
        row = await _find_credential(ctx, credential_id)
        if row is None:
            raise VerificationFailed("nobody has this passkey")
        user_id = row["user_id"]
        if handle and _encode_base64url(handle) != row["user_handle"]:
            raise VerificationFailed("the authenticator says that it is somebody else's")
        key = Credential(credential_id, _decode_base64url(row["public_key"]), row["sign_count"])
        await _record_use(ctx, row["id"], key, webauthn.verify_assertion(_relying_party(ctx), challenge, key, credential))
    except VerificationFailed as error:
        log.warning("a passkey was refused", user_id=user_id, reason=str(error))
        await audit.record_failure(ctx, AuditAction.PASSKEY_FAILED, user_id)
        raise NotAuthenticated(_UNKNOWN_PASSKEY_MESSAGE) from error
    return Actor(row["user_id"], row["username"], row["user_name"], Role(row["role"]))


async def _find_credential(ctx: Context, credential_id: bytes) -> Any:
    query = (
        sa.select(tables.passkeys, _u.username, _u.name.label("user_name"), _u.role)
        .join_from(tables.passkeys, tables.users, _u.id == _p.user_id)
        .where(_p.credential_id == _encode_base64url(credential_id), _u.deleted_at.is_(None))
    )
    return await ctx.db.fetch_one(query)


async def _record_use(ctx: Context, passkey_id: int, key: Credential, count: int) -> None:
    """The counter goes up from what was compared: of two that come at once with one count, one is a copy's."""
    same = (_p.id == passkey_id) & (_p.sign_count == key.sign_count)
    if not await ctx.db.execute(tables.passkeys.update().where(same).values(sign_count=count, last_used_at=ctx.now)):
        raise VerificationFailed("the counter has gone up meanwhile")


def _require_browser_session(ctx: Context) -> tuple[Actor, str]:
    """Somebody who gave the password a moment ago, and their session: a stolen token must not make itself a key."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    if actor.session is None:
        raise Forbidden("Sign in in a browser to change passkeys: a token cannot")
    policy.require_recent_authentication(ctx, actor)
    return actor, actor.session


def _sign_challenge(ctx: Context, purpose: Purpose, challenge: bytes, session: str = "", handle: str = "") -> str:
    until = int(ctx.now.timestamp()) + CHALLENGE_TOKEN_SECONDS
    return ctx.site.signer.sign(purpose, [_encode_base64url(challenge), until, session, handle])


async def _consume_challenge(ctx: Context, purpose: Purpose, ticket: str, session: str = "") -> tuple[bytes, str]:
    """The challenge and the user handle of a ticket, which is worth nothing from now on. Raises Conflict."""
    match ctx.site.signer.unsign(purpose, ticket):
        case [str(challenge), int(until), str(owner), str(handle)] if until > ctx.now.timestamp() and owner == session:
            values = {"digest": hash_secret(challenge), "used_at": ctx.now}
            try:
                async with ctx.db.transaction():
                    await ctx.db.execute(tables.webauthn_challenges.delete().where(_c.used_at < ctx.now - _CHALLENGE_RETENTION))
                    await ctx.db.execute(tables.webauthn_challenges.insert().values(values))
            except UniqueViolation:
                raise Conflict(_EXPIRED_MESSAGE) from None
            return _decode_base64url(challenge), handle
    raise Conflict(_EXPIRED_MESSAGE)


def _relying_party(ctx: Context) -> RelyingParty:
    public_url = ctx.site.settings.public_url
    return RelyingParty(urlsplit(public_url).hostname or "", ctx.site.title, public_url)


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
