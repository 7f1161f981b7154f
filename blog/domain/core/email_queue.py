"""Letters that wait to be sent: rows, written in the transaction of what they tell of, so that a crash loses none.

What they say is made up when they are sent (`blog/mail`): a link to set a password is kept nowhere. Whoever asks for such
a link only leaves the name that was typed, so that the answer takes as long for names that nobody has.
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core.context import Context
from blog.domain.core.models import Letter

AT_ONCE = 20
ATTEMPTS = 6
# Whoever takes a letter has so long to send it; after that another worker tries.
_LEASE = dt.timedelta(minutes=5)
_l = tables.letters.c


class LetterKind(StrEnum):
    """What a letter is about."""

    PASSWORD_LINK = "password_link"  # noqa: S105 (no secret)
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (no secret)
    EMAIL_LINK = "email_link"
    EMAIL_CHANGED = "email_changed"
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"


async def put(ctx: Context, kind: LetterKind, **data: Any) -> None:
    """A letter for soon; call it inside the transaction of what it tells of. Without a mail server only links are kept."""
    settings = ctx.site.settings
    if settings.smtp_url is None and not (kind is LetterKind.PASSWORD_LINK and settings.writes_letters):
        return
    values = {"kind": kind.value, "data": data, "created_at": ctx.now, "due_at": ctx.now, "attempts": 0}
    await ctx.db.execute(tables.letters.insert().values(values))


async def ask_for_link(ctx: Context, name: str) -> None:
    """Have a link sent to whoever has this name or address, if somebody does; nobody hears whether."""
    await put(ctx, LetterKind.PASSWORD_LINK, name=name, address=ctx.address, user_agent=ctx.user_agent)


async def take(ctx: Context) -> Sequence[Letter]:
    """Some letters that are due: for a while no other worker gets them."""
    due = sa.select(_l.id).where(_l.due_at <= ctx.now).order_by(_l.due_at).limit(AT_ONCE)
    if await ctx.db.fetch_val(due) is None:
        return ()  # as nearly always: without a lock
    async with ctx.db.transaction():
        ids = [row["id"] for row in await ctx.db.fetch_all(due.with_for_update(skip_locked=True))]
        taken = {"due_at": ctx.now + _LEASE, "attempts": _l.attempts + 1}
        await ctx.db.execute(tables.letters.update().where(_l.id.in_(ids)).values(taken))
        rows = await ctx.db.fetch_all(sa.select(tables.letters).where(_l.id.in_(ids)).order_by(_l.id))
    return [Letter(row["id"], row["kind"], row["data"], row["attempts"], row["created_at"]) for row in rows]


async def waiting(db: Database) -> int:
    """How many wait to be sent. Raises Unavailable."""
    return int(await db.fetch_val(sa.select(sa.func.count()).select_from(tables.letters)))


async def done(ctx: Context, letter: Letter) -> None:
    """It is sent, or will never be: forget it."""
    await ctx.db.execute(tables.letters.delete().where(_l.id == letter.id))


async def again(ctx: Context, letter: Letter) -> bool:
    """It could not be sent: once more later, each time after twice as long. False: it was the last attempt."""
    if letter.attempts >= ATTEMPTS:
        await done(ctx, letter)
        return False
    later = {"due_at": ctx.now + dt.timedelta(minutes=2 ** (letter.attempts - 1))}
    await ctx.db.execute(tables.letters.update().where(_l.id == letter.id).values(later))
    return True
