"""Another e-mail address counts when the letter to it was answered: until then the present one stays.

Who answers must be signed in as the one who asked, so that a slip of the pen gives an account to nobody.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.core import audit, email_queue, events
from blog.domain.core.audit import Act
from blog.domain.core.context import Context
from blog.domain.core.email_queue import LetterKind
from blog.domain.core.models import Letter
from blog.domain.core.signing import Purpose, new_secret
from blog.errors import Conflict, NotFound, TooManyRequests
from blog.schemas.accounts import Scope

LINK_SECONDS = 24 * 3600
MOST_LETTERS = 3
"""Letters to addresses that one account may ask for in an hour: nobody fills the mailboxes of others."""
_HOUR = dt.timedelta(hours=1)
_GONE = "This link is not valid any more: it was used or replaced, or is too old. Ask for the change once more"
_PATIENCE = "You asked for several letters within an hour: wait, then try again"
_a, _c, _u = tables.audit.c, tables.email_changes.c, tables.users.c


@dataclass(frozen=True, slots=True)
class EmailLink:
    """The secret part of a link, and the address that it is to be sent to."""

    email: str
    secret: str


def are_confirmed(ctx: Context) -> bool:
    """Does a new address wait for its letter? Without a mail server it counts at once: nothing could be sent."""
    return ctx.site.settings.smtp_url is not None


async def ask(ctx: Context, email: str) -> None:
    """Have a letter sent to the new address of the actor; call it inside a transaction, after the password.

    Raises NotSignedIn, Forbidden, Conflict (another account has it), TooManyRequests.
    """
    actor = ctx.signed_in(Scope.ACCOUNT)
    if await ctx.db.fetch_val(sa.select(_u.id).where(_u.email_key == email.casefold(), _u.id != actor.id)) is not None:
        raise _taken()
    await _require_patience(ctx, actor.id)
    nonce = new_secret()
    until = ctx.now + dt.timedelta(seconds=LINK_SECONDS)
    await ctx.db.execute(tables.email_changes.delete().where(_c.user_id == actor.id))
    values = {"user_id": actor.id, "email": email, "nonce": nonce, "expires_at": until}
    await ctx.db.execute(tables.email_changes.insert().values(values))
    await audit.record(ctx, Act.EMAIL_ASKED, actor.id)
    await email_queue.put(ctx, LetterKind.EMAIL_LINK, user_id=actor.id, nonce=nonce)


async def pending(ctx: Context) -> str | None:
    """The address of the actor that waits to be confirmed. Raises NotSignedIn, Forbidden."""
    row = await _waiting(ctx, ctx.signed_in(Scope.ACCOUNT).id)
    return row["email"] if row else None


async def cancel(ctx: Context) -> None:
    """Leave the present address; the link is worth nothing any more. Raises NotSignedIn, Forbidden."""
    await ctx.db.execute(tables.email_changes.delete().where(_c.user_id == ctx.signed_in(Scope.ACCOUNT).id))


async def for_letter(ctx: Context, letter: Letter) -> EmailLink | None:
    """The link for the address that waits; None when another one was asked for since, or none waits."""
    user_id, nonce = letter.data["user_id"], letter.data["nonce"]
    row = await _waiting(ctx, user_id)
    if row is None or row["nonce"] != nonce:
        return None
    return EmailLink(row["email"], ctx.site.signer.sign(Purpose.EMAIL_LINK, [user_id, nonce]))


async def read(ctx: Context, secret: str) -> str:
    """The address that a link confirms. Raises NotSignedIn, NotFound: also when it is the link of somebody else."""
    actor = ctx.signed_in(Scope.ACCOUNT)
    match ctx.site.signer.read(Purpose.EMAIL_LINK, secret):
        case [int(user_id), str(nonce)] if user_id == actor.id:
            row = await _waiting(ctx, user_id)
            if row is not None and row["nonce"] == nonce:
                return str(row["email"])
    raise NotFound(_GONE)


async def confirm(ctx: Context, secret: str) -> None:
    """Use the new address from now on; the old one is told. Raises NotSignedIn, NotFound, Conflict (another account has it)."""
    actor = ctx.signed_in(Scope.ACCOUNT)
    async with ctx.db.transaction():
        email = await read(ctx, secret)
        before = await ctx.db.fetch_val(sa.select(_u.email).where(_u.id == actor.id))
        values = {"email": email, "email_key": email.casefold(), "updated_at": ctx.now}
        try:
            await ctx.db.execute(tables.users.update().where(_u.id == actor.id).values(values))
        except UniqueViolation:
            raise _taken() from None
        await cancel(ctx)
        await events.record_site(ctx)
        await record(ctx, before)


async def record(ctx: Context, before: str | None) -> None:
    """Write down that the actor has another address, and tell the one before; call it inside the transaction of the change."""
    actor = ctx.signed_in()
    await audit.record(ctx, Act.EMAIL_CHANGED, actor.id)
    if before is not None:
        await email_queue.put(ctx, LetterKind.EMAIL_CHANGED, user_id=actor.id, to=before)


async def _waiting(ctx: Context, user_id: int) -> Any:
    waits = (_c.user_id == user_id) & (_c.expires_at > ctx.now)
    return await ctx.db.fetch_one(sa.select(tables.email_changes).where(waits))


async def _require_patience(ctx: Context, user_id: int) -> None:
    recent = (_a.subject_id == user_id) & (_a.name == Act.EMAIL_ASKED.value) & (_a.at > ctx.now - _HOUR)
    if await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit).where(recent)) >= MOST_LETTERS:
        raise TooManyRequests(_PATIENCE, retry_after=int(_HOUR.total_seconds()))


def _taken() -> Conflict:
    return Conflict("Another account has this e-mail address", loc=("email",))
