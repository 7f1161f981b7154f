"""Two-factor authentication: codes from an authenticator app (TOTP, RFC 6238), and recovery codes; each works once."""

import base64
import datetime as dt
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

import pyotp
import sqlalchemy as sa
from pydantic import SecretStr

from blog.db import tables
from blog.domain.accounts import accounts, passwords
from blog.domain.accounts.models import TwoFactorStatus, User
from blog.domain.core import audit, email_queue
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Actor, Context
from blog.domain.core.email_queue import EmailKind
from blog.domain.core.signing import Purpose, hash_secret
from blog.errors import Conflict, FieldError, InvalidInput, NotAuthenticated, NotFound, SecondFactorRequired
from blog.schemas.accounts import Scope

RECOVERY_CODE_COUNT = 10
MAX_FAILURES = 10
"""Consecutive wrong codes that lock app codes for `LOCKOUT`. Recovery codes still work: they are too long to guess."""
LOCKOUT = dt.timedelta(hours=1)
PENDING_SIGN_IN_SECONDS = 600
_STEP_SECONDS = 30
_CODE_DIGITS = 6
_RECOVERY_CODE_BYTES = 10
_f, _r = tables.two_factor.c, tables.recovery_codes.c


async def is_enabled(ctx: Context, user_id: int) -> bool:
    """Return whether the account has two-factor authentication turned on."""
    enabled = (_f.user_id == user_id) & _f.confirmed_at.is_not(None)
    return await ctx.db.fetch_val(sa.select(_f.user_id).where(enabled)) is not None


async def status(ctx: Context) -> TwoFactorStatus:
    """Return the state for the actor's account. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    since = await ctx.db.fetch_val(sa.select(_f.confirmed_at).where(_f.user_id == actor.id))
    left = await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.recovery_codes).where(_r.user_id == actor.id))
    return TwoFactorStatus(since, left)


async def start_setup(ctx: Context) -> None:
    """Generate a secret for the actor's app, not active yet. The caller verifies the password. Raises Conflict."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    values = {
        "user_id": actor.id,
        "secret": pyotp.random_base32(),
        "last_totp_step": 0,
        "failures": 0,
        "created_at": ctx.now,
    }
    async with ctx.db.transaction():
        if await is_enabled(ctx, actor.id):
            raise Conflict("Two-factor authentication is already on. Turn it off first.")
        await ctx.db.execute(tables.two_factor.delete().where(_f.user_id == actor.id))
        await ctx.db.execute(tables.two_factor.insert().values(values))


async def pending_secret(ctx: Context) -> str | None:
    """Return the secret that is not active yet, or None. Raises NotAuthenticated, Forbidden."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    secret: str | None = await ctx.db.fetch_val(sa.select(_f.secret).where(_f.user_id == actor.id, _f.confirmed_at.is_(None)))
    return secret


def provisioning_uri(ctx: Context, secret: str) -> str:
    """Return the URI in the QR code: `otpauth://totp/…`."""
    return pyotp.TOTP(secret).provisioning_uri(name=ctx.require_actor().username, issuer_name=ctx.site.title)


async def enable(ctx: Context, code: SecretStr) -> Sequence[str]:
    """Turn two-factor authentication on with a first code, and return the recovery codes, of which only hashes are stored.

    The caller verifies the password. Raises NotAuthenticated, Forbidden, Conflict (setup not started), InvalidInput (code).
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    if await pending_secret(ctx) is None:
        raise Conflict("The setup has not been started. Start again.")
    if not await _verify_code(ctx, actor.id, code):
        raise _wrong_code_error()
    async with ctx.db.transaction():
        await ctx.db.execute(tables.two_factor.update().where(_f.user_id == actor.id).values(confirmed_at=ctx.now))
        codes = await _generate_recovery_codes(ctx, actor.id)
        await audit.record(ctx, AuditAction.TWO_FACTOR_ENABLED, actor.id)
        await email_queue.enqueue(ctx, EmailKind.TWO_FACTOR_ENABLED, user_id=actor.id)
    return codes


async def disable(ctx: Context, code: SecretStr) -> None:
    """Turn two-factor authentication off with a code. The caller verifies the password. Raises InvalidInput (code)."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    if not await _verify_code(ctx, actor.id, code):
        raise _wrong_code_error()
    await remove(ctx, actor.id)


async def regenerate_recovery_codes(ctx: Context, code: SecretStr) -> Sequence[str]:
    """Replace the recovery codes, with a code, and return the new ones. Raises NotAuthenticated, InvalidInput (code)."""
    actor = ctx.require_actor(Scope.ACCOUNT)
    if not await _verify_code(ctx, actor.id, code):
        raise _wrong_code_error()
    async with ctx.db.transaction():
        codes = await _generate_recovery_codes(ctx, actor.id)
        await audit.record(ctx, AuditAction.RECOVERY_CODES_CREATED, actor.id)
    return codes


async def remove(ctx: Context, user_id: int) -> None:
    """Turn two-factor authentication off for an account. The caller checks the permission. Raises NotFound if it is off."""
    async with ctx.db.transaction():
        await ctx.db.execute(tables.recovery_codes.delete().where(_r.user_id == user_id))
        if not await ctx.db.execute(tables.two_factor.delete().where(_f.user_id == user_id)):
            raise NotFound("Two-factor authentication is off for this account")
        await audit.record(ctx, AuditAction.TWO_FACTOR_DISABLED, user_id)
        await email_queue.enqueue(ctx, EmailKind.TWO_FACTOR_DISABLED, user_id=user_id)


async def issue_pending_sign_in(ctx: Context, user_id: int) -> str:
    """Return a signed token that records that the password was verified; valid for `PENDING_SIGN_IN_SECONDS`."""
    until = int(ctx.now.timestamp()) + PENDING_SIGN_IN_SECONDS
    return ctx.site.signer.sign(Purpose.PENDING_SIGN_IN, [user_id, await passwords.fingerprint(ctx, user_id), until])


async def verify_pending_sign_in(ctx: Context, token: str) -> User:
    """Return the user of such a token. Raises NotAuthenticated if it is invalid or expired, or the password was changed."""
    match ctx.site.signer.unsign(Purpose.PENDING_SIGN_IN, token):
        case [int(user_id), str(fingerprint), int(until)] if until > ctx.now.timestamp():
            user = await accounts.get(ctx, user_id)
            if not user.is_deleted and user.suspended_at is None and await passwords.fingerprint(ctx, user_id) == fingerprint:
                return user
    raise NotAuthenticated("Your sign-in has expired. Enter your username and password again.")


async def require_code(ctx: Context, actor: Actor, code: SecretStr | None) -> None:
    """Raise SecondFactorRequired unless `code` is valid for an actor that has just given the password."""
    if code is None or not code.get_secret_value().strip():
        raise SecondFactorRequired("This account needs a code in addition to the password", "otp_required")
    if not await _verify_code(ctx, actor.id, code):
        raise SecondFactorRequired(_WRONG_CODE_MESSAGE, "otp_wrong")


_WRONG_CODE_MESSAGE = "Wrong code, or already used. Wait for the next one, or use a recovery code."


def _wrong_code_error() -> InvalidInput:
    return InvalidInput([FieldError(("code",), _WRONG_CODE_MESSAGE, "otp_wrong")])


async def _verify_code(ctx: Context, user_id: int, code: SecretStr) -> bool:
    text = "".join(code.get_secret_value().split()).replace("-", "").upper()
    is_valid = await (_verify_totp if len(text) == _CODE_DIGITS else _verify_recovery_code)(ctx, user_id, text)
    if not is_valid:
        await audit.record_failure(ctx, AuditAction.TWO_FACTOR_FAILED, user_id)
    return is_valid


async def _verify_totp(ctx: Context, user_id: int, text: str) -> bool:
    async with ctx.db.transaction():
        row = await ctx.db.fetch_one(sa.select(tables.two_factor).where(_f.user_id == user_id))
        if row is None or (row["blocked_until"] is not None and row["blocked_until"] > ctx.now):
            return False
        step = _matching_step(ctx, row["secret"], text)
        is_valid = step is not None and step > row["last_totp_step"]
        values = {"last_totp_step": step, "failures": 0} if is_valid else _failure_values(ctx, row["failures"] + 1)
        await ctx.db.execute(tables.two_factor.update().where(_f.user_id == user_id).values(values))
    return is_valid


def _failure_values(ctx: Context, failures: int) -> dict[str, Any]:
    if failures < MAX_FAILURES:
        return {"failures": failures}
    return {"failures": 0, "blocked_until": ctx.now + LOCKOUT}


def _matching_step(ctx: Context, secret: str, text: str) -> int | None:
    """Return the 30-second step of a code, or None. The previous and the next step count too, because clocks differ."""
    totp, now = pyotp.TOTP(secret), int(ctx.now.timestamp()) // _STEP_SECONDS
    steps = [step for step in (now - 1, now, now + 1) if hmac.compare_digest(totp.generate_otp(step).encode(), text.encode())]
    return steps[-1] if steps else None


async def _verify_recovery_code(ctx: Context, user_id: int, text: str) -> bool:
    async with ctx.db.transaction():
        own = (_r.user_id == user_id) & (_r.code_hash == hash_secret(text))
        if not await ctx.db.execute(tables.recovery_codes.delete().where(own)):
            return False
        await audit.record(ctx, AuditAction.RECOVERY_CODE_USED, user_id, by_user_id=user_id)
    return True


async def _generate_recovery_codes(ctx: Context, user_id: int) -> Sequence[str]:
    texts = [base64.b32encode(secrets.token_bytes(_RECOVERY_CODE_BYTES)).decode() for _ in range(RECOVERY_CODE_COUNT)]
    await ctx.db.execute(tables.recovery_codes.delete().where(_r.user_id == user_id))
    rows = [{"user_id": user_id, "code_hash": hash_secret(text)} for text in texts]
    await ctx.db.execute(tables.recovery_codes.insert().values(rows))
    return ["-".join(text[start : start + 4] for start in range(0, len(text), 4)) for text in texts]
