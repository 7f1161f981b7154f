"""Links to a new password for those who asked for one by a name or an address."""

import datetime as dt
from dataclasses import dataclass, replace

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core import audit
from blog.domain.core.audit import Act
from blog.domain.core.context import Context
from blog.domain.core.models import Letter, User

LINK_SECONDS = 3600
MOST_LINKS = 3
"""Links that one account is sent in such a time: nobody fills the mailbox of somebody else by asking."""
_u, _e = tables.users.c, tables.audit.c


@dataclass(frozen=True, slots=True)
class PasswordLink:
    """The secret part of a link, and where to send it."""

    user: User
    email: str
    secret: str


async def for_letter(ctx: Context, letter: Letter) -> PasswordLink | None:
    """The link that was asked for; None when nobody has the name, or no address, or was sent enough of them."""
    asked = replace(ctx, address=letter.data["address"], user_agent=letter.data["user_agent"])
    async with ctx.db.transaction():
        key = letter.data["name"].strip().casefold()
        theirs = sa.or_(_u.username_key == key, _u.email_key == key) & _u.deleted_at.is_(None) & _u.email.is_not(None)
        user_id = await ctx.db.fetch_val(sa.select(_u.id).where(theirs))
        if user_id is None or await _had_enough(ctx, user_id):
            return None
        await audit.record(asked, Act.PASSWORD_LINK_SENT, user_id)
        user = await accounts.get(ctx, user_id)
        return PasswordLink(user, user.email or "", await accounts.password_link(ctx, user.username, LINK_SECONDS))


async def _had_enough(ctx: Context, user_id: int) -> bool:
    since = ctx.now - dt.timedelta(seconds=LINK_SECONDS)
    recent = (_e.subject_id == user_id) & (_e.name == Act.PASSWORD_LINK_SENT.value) & (_e.at > since)
    return int(await ctx.db.fetch_val(sa.select(sa.func.count()).select_from(tables.audit).where(recent))) >= MOST_LINKS
