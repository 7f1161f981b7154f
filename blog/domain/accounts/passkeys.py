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
from blog.domain.accounts.webauthn import Key, NotProved, Site
from blog.domain.core import audit, email_queue, policy
from blog.domain.core.audit import Act
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import LetterKind
from blog.domain.core.models import Passkey
from blog.domain.core.signing import Purpose, digest
from blog.errors import Conflict, Forbidden, NotFound, NotSignedIn
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.passkeys")
MOST_PASSKEYS = 20
TICKET_SECONDS = 2 * webauthn.PATIENCE_SECONDS
_KEPT = dt.timedelta(seconds=TICKET_SECONDS)
_CHALLENGE_BYTES = _HANDLE_BYTES = 32
_LOCAL = "localhost"
_c, _p, _u = tables.used_challenges.c, tables.passkeys.c, tables.users.c
_TOO_LATE = "That took too long, or was sent already: try once more"
_UNKNOWN = "This passkey does not open an account here. Sign in with your password"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a browser is asked for (`options`, as JSON has them), and the ticket that says so when it answers."""

    options: Mapping[str, Any]
    ticket: str


def are_offered(settings: Settings) -> bool:
    """Can passkeys be used here? They need the extra, TLS (but for `localhost`) and a host with a name."""
    parts = urlsplit(settings.public_url)
    is_guarded = parts.scheme == "https" or parts.hostname == _LOCAL
    return webauthn.are_installed() and is_guarded and not _is_address(parts.hostname or "")


async def own(ctx: Context) -> Sequence[Passkey]:
    """The actor's passkeys, oldest first. Raises NotSignedIn, Forbidden."""
    actor = ctx.signed_in(Scope.ACCOUNT)
    query = sa.select(_p.id, _p.name, _p.created_at, _p.last_used_at).where(_p.user_id == actor.id).order_by(_p.id)
    return [Passkey(row["id"], row["name"], row["created_at"], row["last_used_at"]) for row in await ctx.db.fetch_all(query)]


async def one(ctx: Context, passkey_id: int) -> Passkey:
    """One of the actor's. Raises NotSignedIn, Forbidden, NotFound."""
    for passkey in await own(ctx):
        if passkey.id == passkey_id:
            return passkey
    raise NotFound("You have no such passkey: it may be removed already")


async def begin_registration(ctx: Context) -> Challenge:
    """Ask for another passkey of the actor's. Raises NotSignedIn, Forbidden, ConfirmationNeeded, Conflict (too many)."""
    actor, session = _in_browser(ctx)
    known = await ctx.db.fetch_all(sa.select(_p.credential_id, _p.user_handle).where(_p.user_id == actor.id))
    if len(known) >= MOST_PASSKEYS:
        raise Conflict(f"You have {MOST_PASSKEYS} passkeys: remove one that you do not use")
    handle = _bytes(known[0]["user_handle"]) if known else os.urandom(_HANDLE_BYTES)
    challenge = os.urandom(_CHALLENGE_BYTES)
    ids = [_bytes(row["credential_id"]) for row in known]
    options = webauthn.creation_options(_site(ctx), challenge, handle, actor.username, actor.name, ids)
    return Challenge(options, _ticket(ctx, Purpose.PASSKEY_REGISTRATION, challenge, session, _text(handle)))


async def register(ctx: Context, ticket: str, name: str, credential: str) -> None:
    """Keep the passkey that the actor's browser made.

    Raises NotSignedIn, Forbidden, ConfirmationNeeded, Conflict (too late, or there already).
    """
    actor, session = _in_browser(ctx)
    challenge, handle = await _take(ctx, Purpose.PASSKEY_REGISTRATION, ticket, session)
    try:
        key = webauthn.new_key(_site(ctx), challenge, credential)
    except NotProved as error:
        log.warning("a passkey was not taken", user_id=actor.id, reason=str(error))
        raise Conflict("Your browser's answer could not be verified: try once more") from error
    values = {
        "user_id": actor.id,
        "credential_id": _text(key.credential_id),
        "public_key": _text(key.public_key),
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
        await audit.record(ctx, Act.PASSKEY_ADDED, actor.id, passkey=name)
        await email_queue.put(ctx, LetterKind.PASSKEY_ADDED, user_id=actor.id)


async def remove(ctx: Context, passkey_id: int) -> None:
    """Forget one of the actor's. Raises NotSignedIn, Forbidden, ConfirmationNeeded, NotFound."""
    actor, _ = _in_browser(ctx)
    passkey = await one(ctx, passkey_id)
    async with ctx.db.transaction():
        await ctx.db.execute(tables.passkeys.delete().where(_p.id == passkey.id))
        await audit.record(ctx, Act.PASSKEY_REMOVED, actor.id, passkey=passkey.name)
        await email_queue.put(ctx, LetterKind.PASSKEY_REMOVED, user_id=actor.id)


def begin_sign_in(ctx: Context) -> Challenge:
    """Ask for any passkey of this blog; nothing is written down yet."""
    challenge = os.urandom(_CHALLENGE_BYTES)
    options = webauthn.request_options(_site(ctx), challenge)
    return Challenge(options, _ticket(ctx, Purpose.PASSKEY_SIGN_IN, challenge))


async def prove(ctx: Context, ticket: str, credential: str) -> Actor:
    """Whose passkey signed the challenge of the ticket. Raises Conflict (too late), NotSignedIn."""
    challenge, _ = await _take(ctx, Purpose.PASSKEY_SIGN_IN, ticket)
    user_id = None
    try:
        credential_id, handle = webauthn.credential_named(credential)
        row = await _owner_of(ctx, credential_id)
        if row is None:
            raise NotProved("nobody has this passkey")
        user_id = row["user_id"]
        if handle and _text(handle) != row["user_handle"]:
            raise NotProved("the authenticator says that it is somebody else's")
        key = Key(credential_id, _bytes(row["public_key"]), row["sign_count"])
        await _note_use(ctx, row["id"], key, webauthn.next_count(_site(ctx), challenge, key, credential))
    except NotProved as error:
        log.warning("a passkey was refused", user_id=user_id, reason=str(error))
        await audit.record_failure(ctx, Act.PASSKEY_FAILED, user_id)
        raise NotSignedIn(_UNKNOWN) from error
    return Actor(row["user_id"], row["username"], row["user_name"], Role(row["role"]))


async def _owner_of(ctx: Context, credential_id: bytes) -> Any:
    query = (
        sa.select(tables.passkeys, _u.username, _u.name.label("user_name"), _u.role)
        .join_from(tables.passkeys, tables.users, _u.id == _p.user_id)
        .where(_p.credential_id == _text(credential_id), _u.deleted_at.is_(None))
    )
    return await ctx.db.fetch_one(query)


async def _note_use(ctx: Context, passkey_id: int, key: Key, count: int) -> None:
    """The counter goes up from what was compared: of two that come at once with one count, one is a copy's."""
    same = (_p.id == passkey_id) & (_p.sign_count == key.sign_count)
    if not await ctx.db.execute(tables.passkeys.update().where(same).values(sign_count=count, last_used_at=ctx.now)):
        raise NotProved("the counter has gone up meanwhile")


def _in_browser(ctx: Context) -> tuple[Actor, str]:
    """Somebody who gave the password a moment ago, and their session: a stolen token must not make itself a key."""
    actor = ctx.signed_in(Scope.ACCOUNT)
    if actor.session is None:
        raise Forbidden("Sign in in a browser to change passkeys: a token cannot")
    policy.require_confirmed(ctx, actor)
    return actor, actor.session


def _ticket(ctx: Context, purpose: Purpose, challenge: bytes, session: str = "", handle: str = "") -> str:
    until = int(ctx.now.timestamp()) + TICKET_SECONDS
    return ctx.site.signer.sign(purpose, [_text(challenge), until, session, handle])


async def _take(ctx: Context, purpose: Purpose, ticket: str, session: str = "") -> tuple[bytes, str]:
    """The challenge and the user handle of a ticket, which is worth nothing from now on. Raises Conflict."""
    match ctx.site.signer.read(purpose, ticket):
        case [str(challenge), int(until), str(owner), str(handle)] if until > ctx.now.timestamp() and owner == session:
            values = {"digest": digest(challenge), "used_at": ctx.now}
            try:
                async with ctx.db.transaction():
                    await ctx.db.execute(tables.used_challenges.delete().where(_c.used_at < ctx.now - _KEPT))
                    await ctx.db.execute(tables.used_challenges.insert().values(values))
            except UniqueViolation:
                raise Conflict(_TOO_LATE) from None
            return _bytes(challenge), handle
    raise Conflict(_TOO_LATE)


def _site(ctx: Context) -> Site:
    public_url = ctx.site.settings.public_url
    return Site(urlsplit(public_url).hostname or "", ctx.site.title, public_url)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
