"""The audit log: actions on accounts and permissions, written in the transaction of the change.

Owners read all entries, members those about their own account. Entries contain no secrets and no input of anonymous visitors.
"""

import dataclasses
import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.errors import Unavailable
from blog.schemas.accounts import Scope

log = structlog.stdlib.get_logger("blog.audit")
PAGE_SIZE = 50
MAX_FAILURES = 10_000
"""Failed attempts that are stored, at most: constant password guessing must not fill the disk."""
_MAX_USER_AGENT_LENGTH, _MAX_ADDRESS_LENGTH = 200, 64
_e = tables.audit_log.c
_actors, _subjects = tables.users.alias("actors"), tables.users.alias("subjects")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One action on an account or a permission; `actor` and `subject` are usernames."""

    id: int
    action: str
    occurred_at: dt.datetime
    actor: str | None  # None: an operator, or an unknown person
    subject: str | None
    data: Mapping[str, Any]
    address: str
    user_agent: str
    correlation_id: str

    def without_client_details(self) -> "AuditEntry":
        """Return a copy without address, browser and correlation id."""
        return dataclasses.replace(self, address="", user_agent="", correlation_id="")


class AuditAction(StrEnum):
    """The kinds of entries; the values are stored."""

    SIGN_IN = "sign_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGN_OUT = "sign_out"
    SIGN_OUT_EVERYWHERE = "sign_out_everywhere"
    SESSION_REVOKED = "session_revoked"
    SESSIONS_REVOKED = "sessions_revoked"
    REAUTHENTICATION_FAILED = "reauthentication_failed"
    ACCOUNT_CREATED = "account_created"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_SUSPENDED = "account_suspended"
    SUSPENSION_LIFTED = "suspension_lifted"
    POSTS_TRANSFERRED = "posts_transferred"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (the name of an action)
    PASSWORD_LINK_CREATED = "password_link_created"  # noqa: S105 (the name of an action)
    PASSWORD_LINK_SENT = "password_link_sent"  # noqa: S105 (the name of an action)
    TOKEN_CREATED = "token_created"  # noqa: S105 (the name of an action)
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 (the name of an action)
    TWO_FACTOR_ENABLED = "two_factor_enabled"
    TWO_FACTOR_DISABLED = "two_factor_disabled"
    TWO_FACTOR_FAILED = "two_factor_failed"
    PASSKEY_ADDED = "passkey_added"
    PASSKEY_REMOVED = "passkey_removed"
    PASSKEY_FAILED = "passkey_failed"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_CREATED = "recovery_codes_created"
    ROLE_CHANGED = "role_changed"
    INVITATION_CREATED = "invitation_created"
    INVITATION_RESENT = "invitation_resent"
    INVITATION_REVOKED = "invitation_revoked"
    FLAG_CHANGED = "flag_changed"
    SITE_CHANGED = "site_changed"


_FAILURES = (
    AuditAction.SIGN_IN_FAILED,
    AuditAction.TWO_FACTOR_FAILED,
    AuditAction.PASSKEY_FAILED,
    AuditAction.REAUTHENTICATION_FAILED,
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Selects entries by action and by account (as actor or subject). `None` selects all."""

    action: AuditAction | None = None
    user_id: int | None = None


async def record(
    ctx: Context, action: AuditAction, subject_id: int | None, *, by_user_id: int | None = None, **data: Any
) -> None:
    """Write an entry. Call it inside the transaction of the change.

    `subject_id` is the account that the action affects; `by_user_id` is the acting account if the context has no actor;
    `data` is stored as JSON.
    """
    actor_id = by_user_id if by_user_id is not None else ctx.actor.id if ctx.actor else None
    values = {
        "action": action.value,
        "occurred_at": ctx.now,
        "actor_id": actor_id,
        "subject_id": subject_id,
        "data": data,
        "address": ctx.address[:_MAX_ADDRESS_LENGTH],
        "user_agent": ctx.user_agent[:_MAX_USER_AGENT_LENGTH],
        "correlation_id": ctx.correlation_id,
    }
    await ctx.db.execute(tables.audit_log.insert().values(values))


async def record_failure(ctx: Context, action: AuditAction, subject_id: int | None) -> None:
    """Write a refused attempt. If the database cannot be written, the failure is logged and the response stays the same."""
    log.warning("refused", action=action.value, user_id=subject_id, address=ctx.address)
    try:
        await record(ctx, action, subject_id)
    except Unavailable as error:
        log.error("an audit log entry could not be written", action=action.value, reason=error.detail)


async def list_page(
    ctx: Context, audit_filter: AuditFilter = AuditFilter(), after: CursorKey | None = None
) -> ResultPage[AuditEntry]:
    """Return a page of entries, newest first. Raises NotAuthenticated or Forbidden if the actor is not an owner."""
    policy.require_owner(ctx)
    query = _select()
    if audit_filter.action is not None:
        query = query.where(_e.action == audit_filter.action.value)
    if audit_filter.user_id is not None:
        query = query.where(sa.or_(_e.subject_id == audit_filter.user_id, _e.actor_id == audit_filter.user_id))
    return await _fetch_page(ctx, query, after)


async def for_current_user(ctx: Context, after: CursorKey | None = None) -> ResultPage[AuditEntry]:
    """Return a page of entries about the actor's account, newest first. Raises NotAuthenticated, Forbidden.

    Client details of other people, such as an owner that changed the role, are left out.
    """
    actor = ctx.require_actor(Scope.ACCOUNT)
    page = await _fetch_page(ctx, _select().where(_e.subject_id == actor.id), after)
    return page.map(lambda entry: entry if entry.actor in (None, actor.username) else entry.without_client_details())


async def trim(ctx: Context) -> int:
    """Delete entries older than `AUDIT_RETENTION_DAYS` and failures beyond `MAX_FAILURES`. Returns their number."""
    oldest = ctx.now - dt.timedelta(days=ctx.site.settings.audit_retention_days)
    names = [action.value for action in _FAILURES]
    newest = sa.select(_e.id).where(_e.action.in_(names)).order_by(_e.id.desc()).limit(1).offset(MAX_FAILURES)
    surplus = await ctx.db.fetch_val(newest)
    old = _e.occurred_at < oldest
    if surplus is not None:
        old |= _e.action.in_(names) & (_e.id <= surplus)
    return int(await ctx.db.execute(tables.audit_log.delete().where(old)) or 0)


def _select() -> sa.Select[Any]:
    return (
        sa.select(tables.audit_log, _actors.c.username.label("actor"), _subjects.c.username.label("subject"))
        .outerjoin(_actors, _actors.c.id == _e.actor_id)
        .outerjoin(_subjects, _subjects.c.id == _e.subject_id)
    )


async def _fetch_page(ctx: Context, query: sa.Select[Any], after: CursorKey | None) -> ResultPage[AuditEntry]:
    if after is not None:
        query = query.where(_e.id < after[1])
    rows = await ctx.db.fetch_all(query.order_by(_e.id.desc()).limit(PAGE_SIZE + 1))
    return ResultPage.by_id([from_row(AuditEntry, row) for row in rows], PAGE_SIZE)
