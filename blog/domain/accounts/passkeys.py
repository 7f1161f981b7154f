"""Passkeys: sign-in without a password.

A device verifies its user by fingerprint, face or PIN before it signs, so that a passkey counts as two factors. Each challenge
can be used once: it is stored as used before the response is verified.
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
from blog.errors import AccountSuspended, Conflict, Forbidden, NotAuthenticated, NotFound
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.passkeys")
MAX_PASSKEYS = 20
CHALLENGE_TOKEN_SECONDS = 2 * webauthn.TIMEOUT_SECONDS
_CHALLENGE_RETENTION = dt.timedelta(seconds=CHALLENGE_TOKEN_SECONDS)
_CHALLENGE_BYTES = _HANDLE_BYTES = 32
_LOCALHOST = "localhost"
_c, _p, _u = tables.webauthn_challenges.c, tables.passkeys.c, tables.users.c
_EXPIRED_MESSAGE = "This took too long, or was already submitted. Try again."
_UNKNOWN_PASSKEY_MESSAGE = "This passkey does not belong to an account on this blog. Sign in with your password."


@dataclass(frozen=True, slots=True)
class Challenge:
    """The WebAuthn options for the browser, and a signed token that the browser returns with its response."""

    options: Mapping[str, Any]
    challenge_token: str


def is_available(settings: Settings) -> bool:
    """Return whether passkeys can be used: they need the optional package, TLS (except on `localhost`) and a host name."""
    parts = urlsplit(settings.public_url)
    is_secure = parts.scheme == "https" or parts.hostname == _LOCALHOST
    return webauthn.is_installed() and is_secure and not _is_ip_address(parts.hostname or "")


async def list_own(ctx: Context) -> Sequence[Passkey]:
    """Return the actor's passkeys, oldest first. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    query = sa.select(_p.id, _p.name, _p.created_at, _p.last_used_at).where(_p.user_id == actor.id).order_by(_p.id)
    return [Passkey(row["id"], row["name"], row["created_at"], row["last_used_at"]) for row in await ctx.db.fetch_all(query)]


async def get_own(ctx: Context, passkey_id: int) -> Passkey:
    """Return one of the actor's passkeys. Raises NotAuthenticated, Forbidden, NotFound."""
    for passkey in await list_own(ctx):
        if passkey.id == passkey_id:
            return passkey
    raise NotFound("Passkey not found. It may have been removed already.")


async def start_registration(ctx: Context) -> Challenge:
    """Return a challenge to add a passkey. Raises NotAuthenticated, Forbidden, ReauthenticationRequired, Conflict (too many)."""
    actor, session = _require_browser_session(ctx)
    rows = await ctx.db.fetch_all(sa.select(_p.credential_id, _p.user_handle).where(_p.user_id == actor.id))
    if len(rows) >= MAX_PASSKEYS:
        raise Conflict(f"You have {MAX_PASSKEYS} passkeys, which is the limit. Remove one that you do not use.")
    handle = _decode_base64url(rows[0]["user_handle"]) if rows else os.urandom(_HANDLE_BYTES)
    challenge = os.urandom(_CHALLENGE_BYTES)
    ids = [_decode_base64url(row["credential_id"]) for row in rows]
    options = webauthn.creation_options(_relying_party(ctx), challenge, handle, actor.username, actor.name, ids)
    return Challenge(options, _sign_challenge(ctx, Purpose.PASSKEY_REGISTRATION, challenge, session, _encode_base64url(handle)))


async def register(ctx: Context, challenge_token: str, name: str, credential: str) -> None:
    """Store the passkey that the actor's browser created.

    Raises NotAuthenticated, Forbidden, ReauthenticationRequired, Conflict (challenge expired, or passkey already stored).
    """
    actor, session = _require_browser_session(ctx)
    challenge, handle = await _consume_challenge(ctx, Purpose.PASSKEY_REGISTRATION, challenge_token, session)
    try:
        key = webauthn.verify_registration(_relying_party(ctx), challenge, credential)
    except VerificationFailed as error:
        log.warning("passkey registration failed", user_id=actor.id, reason=str(error))
        raise Conflict("The response of your browser could not be verified. Try again.") from error
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
            raise Conflict("This passkey is already registered") from None
        await audit.record(ctx, AuditAction.PASSKEY_ADDED, actor.id, passkey=name)
        await email_queue.enqueue(ctx, EmailKind.PASSKEY_ADDED, user_id=actor.id)


async def remove(ctx: Context, passkey_id: int) -> None:
    """Delete one of the actor's passkeys. Raises NotAuthenticated, Forbidden, ReauthenticationRequired, NotFound."""
    actor, _ = _require_browser_session(ctx)
    passkey = await get_own(ctx, passkey_id)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.passkeys.delete().where(_p.id == passkey.id))
        await audit.record(ctx, AuditAction.PASSKEY_REMOVED, actor.id, passkey=passkey.name)
        await email_queue.enqueue(ctx, EmailKind.PASSKEY_REMOVED, user_id=actor.id)


def start_sign_in(ctx: Context) -> Challenge:
    """Return a challenge for any passkey of this blog; nothing is stored yet."""
    challenge = os.urandom(_CHALLENGE_BYTES)
    options = webauthn.request_options(_relying_party(ctx), challenge)
    return Challenge(options, _sign_challenge(ctx, Purpose.PASSKEY_SIGN_IN, challenge))


async def authenticate(ctx: Context, challenge_token: str, credential: str) -> Actor:
    """Return the user of the passkey that signed the challenge.

    Raises Conflict (challenge expired), NotAuthenticated, AccountSuspended.
    """
    challenge, _ = await _consume_challenge(ctx, Purpose.PASSKEY_SIGN_IN, challenge_token)
    user_id = None
    try:
        credential_id, handle = webauthn.parse_assertion(credential)
        row = await _find_credential(ctx, credential_id)
        if row is None:
            raise VerificationFailed("unknown credential")
        user_id = row["user_id"]
        if handle and _encode_base64url(handle) != row["user_handle"]:
            raise VerificationFailed("the user handle belongs to a different account")
        key = Credential(credential_id, _decode_base64url(row["public_key"]), row["sign_count"])
        await _record_use(ctx, row["id"], key, webauthn.verify_assertion(_relying_party(ctx), challenge, key, credential))
    except VerificationFailed as error:
        log.warning("passkey sign-in failed", user_id=user_id, reason=str(error))
        await audit.record_failure(ctx, AuditAction.PASSKEY_FAILED, user_id)
        raise NotAuthenticated(_UNKNOWN_PASSKEY_MESSAGE) from error
    if row["suspended_at"] is not None:
        await audit.record_failure(ctx, AuditAction.PASSKEY_FAILED, user_id)
        raise AccountSuspended
    return Actor(row["user_id"], row["username"], row["user_name"], Role(row["role"]))


async def _find_credential(ctx: Context, credential_id: bytes) -> Any:
    query = (
        sa.select(tables.passkeys, _u.username, _u.name.label("user_name"), _u.role, _u.suspended_at)
        .join_from(tables.passkeys, tables.users, _u.id == _p.user_id)
        .where(_p.credential_id == _encode_base64url(credential_id), _u.deleted_at.is_(None))
    )
    return await ctx.db.fetch_one(query)


async def _record_use(ctx: Context, passkey_id: int, key: Credential, count: int) -> None:
    """Store the new signature counter. Raises VerificationFailed if a concurrent sign-in used the same count: one is a clone."""
    unchanged = (_p.id == passkey_id) & (_p.sign_count == key.sign_count)
    if not await ctx.db.execute(tables.passkeys.update().where(unchanged).values(sign_count=count, last_used_at=ctx.now)):
        raise VerificationFailed("the signature counter changed concurrently")


def _require_browser_session(ctx: Context) -> tuple[Actor, str]:
    """Return the actor and the session; a token is not enough, because a stolen one could add a passkey."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    if actor.session is None:
        raise Forbidden("Passkeys cannot be changed with a token. Sign in with a browser.")
    policy.require_recent_authentication(ctx, actor)
    return actor, actor.session


def _sign_challenge(ctx: Context, purpose: Purpose, challenge: bytes, session: str = "", handle: str = "") -> str:
    until = int(ctx.now.timestamp()) + CHALLENGE_TOKEN_SECONDS
    return ctx.site.signer.sign(purpose, [_encode_base64url(challenge), until, session, handle])


async def _consume_challenge(ctx: Context, purpose: Purpose, challenge_token: str, session: str = "") -> tuple[bytes, str]:
    """Return the challenge and the user handle in a challenge token, and mark the challenge as used. Raises Conflict."""
    match ctx.site.signer.unsign(purpose, challenge_token):
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
