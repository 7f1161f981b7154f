"""The audit log: what happened to accounts and rights, written in the transaction of the change.

Owners read all of it, everybody what concerns their own account. It holds no secret, and nothing that a stranger typed.
"""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import AuditEntry, Page
from blog.errors import Unavailable
from blog.schemas.accounts import Scope

log = structlog.stdlib.get_logger("blog.audit")
PAGE = 50
MOST_FAILURES = 10_000
"""Failed attempts that are kept: who guesses passwords all day must not fill the disk."""
_AGENT, _ADDRESS = 200, 64
_e = tables.audit.c
_actors, _subjects = tables.users.alias("actors"), tables.users.alias("subjects")


class Act(StrEnum):
    """What can happen."""

    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_OUT = "sign_out"
    SIGN_OUT_EVERYWHERE = "sign_out_everywhere"
    SESSION_ENDED = "session_ended"
    SESSIONS_ENDED = "sessions_ended"
    CONFIRMATION_FAILED = "confirmation_failed"
    ACCOUNT_MADE = "account_made"
    ACCOUNT_DELETED = "account_deleted"
    EMAIL_ASKED = "email_asked"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (the name of an act)
    PASSWORD_LINK_SENT = "password_link_sent"  # noqa: S105 (likewise)
    TOKEN_MADE = "token_made"  # noqa: S105 (likewise)
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 (likewise)
    SECOND_FACTOR_ON = "second_factor_on"
    SECOND_FACTOR_OFF = "second_factor_off"
    SECOND_FACTOR_FAILED = "second_factor_failed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_FAILED = "passkey_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_MADE = "recovery_codes_made"
    ROLE_CHANGED = "role_changed"
    INVITATION_MADE = "invitation_made"
    INVITATION_REVOKED = "invitation_revoked"
    FLAG_SWITCHED = "flag_switched"
    SITE_CHANGED = "site_changed"


_FAILURES = (Act.SIGN_IN_FAILED, Act.SECOND_FACTOR_FAILED, Act.PASSKEY_FAILED, Act.CONFIRMATION_FAILED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: of one act, of one account (as actor or subject), or all."""

    act: Act | None = None
    user_id: int | None = None


async def record(ctx: Context, act: Act, subject_id: int | None, *, by: int | None = None, **data: Any) -> None:
    """Write an entry; call it inside the transaction of the change. `by`: who did it, if the context does not say."""
    actor_id = by if by is not None else ctx.actor.id if ctx.actor else None
    values = {
        "name": act.value,
        "at": ctx.now,
        "actor_id": actor_id,
        "subject_id": subject_id,
        "data": data,
        "address": ctx.address[:_ADDRESS],
        "user_agent": ctx.user_agent[:_AGENT],
        "correlation_id": ctx.correlation_id,
    }
    await ctx.db.execute(tables.audit.insert().values(values))


async def record_failure(ctx: Context, act: Act, subject_id: int | None) -> None:
    """Write that something was refused, where nothing else is written. A database that takes no writes changes no answer."""
    log.warning("refused", act=act.value, user_id=subject_id, address=ctx.address)
    try:
        await record(ctx, act, subject_id)
    except Unavailable as error:
        log.error("the audit log lacks an entry", act=act.value, reason=error.detail)


async def page(ctx: Context, wanted: Wanted = Wanted(), after: tuple[str, int] | None = None) -> Page[AuditEntry]:
    """The entries, newest first, for owners. Raises NotSignedIn, Forbidden."""
    policy.require_owner(ctx)
    query = _select()
    if wanted.act is not None:
        query = query.where(_e.name == wanted.act.value)
    if wanted.user_id is not None:
        query = query.where(sa.or_(_e.subject_id == wanted.user_id, _e.actor_id == wanted.user_id))
    return await _page(ctx, query, after)


async def own(ctx: Context, after: tuple[str, int] | None = None) -> Page[AuditEntry]:
    """What happened to the actor's own account, newest first. Raises NotSignedIn, Forbidden.

    From where others acted on it, such as an owner who gave a role, is their own affair.
    """
    actor = ctx.signed_in(Scope.ACCOUNT)
    found = await _page(ctx, _select().where(_e.subject_id == actor.id), after)
    return Page([entry if entry.actor in (None, actor.username) else entry.without_place() for entry in found.items], found.next)


async def trim(ctx: Context) -> int:
    """Forget what is too old, and the oldest of too many failures; how many entries that were."""
    oldest = ctx.now - dt.timedelta(days=ctx.site.settings.audit_days)
    names = [act.value for act in _FAILURES]
    newest = sa.select(_e.id).where(_e.name.in_(names)).order_by(_e.id.desc()).limit(1).offset(MOST_FAILURES)
    surplus = await ctx.db.fetch_val(newest)
    old = _e.at < oldest
    if surplus is not None:
        old |= _e.name.in_(names) & (_e.id <= surplus)
    return int(await ctx.db.execute(tables.audit.delete().where(old)) or 0)


async def forget(ctx: Context, user_id: int) -> None:
    """Take from where and with what somebody did it out of the log; call it when their account ends."""
    theirs = sa.or_(_e.actor_id == user_id, _e.subject_id == user_id)
    await ctx.db.execute(tables.audit.update().where(theirs).values(address="", user_agent="", data={}))


def _select() -> sa.Select[Any]:
    return (
        sa.select(tables.audit, _actors.c.username.label("actor"), _subjects.c.username.label("subject"))
        .outerjoin(_actors, _actors.c.id == _e.actor_id)
        .outerjoin(_subjects, _subjects.c.id == _e.subject_id)
    )


async def _page(ctx: Context, query: sa.Select[Any], after: tuple[str, int] | None) -> Page[AuditEntry]:
    if after is not None:
        query = query.where(_e.id < after[1])
    found = [_entry(row) for row in await ctx.db.fetch_all(query.order_by(_e.id.desc()).limit(PAGE + 1))]
    return Page(found[:PAGE], ("", found[PAGE - 1].id) if len(found) > PAGE else None)


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        name=row["name"],
        at=row["at"],
        actor=row["actor"],
        subject=row["subject"],
        data=row["data"],
        address=row["address"],
        user_agent=row["user_agent"],
        correlation_id=row["correlation_id"],
    )
