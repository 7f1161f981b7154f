"""Suspension of accounts: a suspended account can do nothing, and its published posts stay.

Its sessions and tokens end for good: after the suspension is lifted, the user signs in again and creates new tokens.
"""

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.accounts.models import User
from blog.domain.comments import author_comments
from blog.domain.core import audit, events
from blog.domain.core.audit import AuditAction
from blog.domain.core.context import Context
from blog.domain.posts import post_writes
from blog.errors import AccountSuspended
from blog.schemas.members import CommentsOnSuspension
from blog.schemas.posts import PostStatus

_u, _p, _a = tables.users.c, tables.posts.c, tables.post_authors.c
_t, _l = tables.api_tokens.c, tables.preview_links.c


async def suspend(ctx: Context, username: str, comments: CommentsOnSuspension) -> User:
    """Suspend an account; for a suspended one, only `comments` is applied. The caller checks the permission.

    Sessions, API tokens and preview links end. Scheduled posts without another active author become drafts.
    Raises NotFound, Conflict (the only owner).
    """
    async with ctx.db.transaction():
        user = await accounts.active(ctx, username)
        if user.suspended_at is None:
            await accounts.require_another_owner(ctx, user)
            await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(suspended_at=ctx.now, updated_at=ctx.now))
            await _end_access(ctx, user.id)
            await _unschedule_posts(ctx, user.id)
            await audit.record(ctx, AuditAction.ACCOUNT_SUSPENDED, user.id, comments=comments.value)
        if comments is CommentsOnSuspension.HOLD:
            await author_comments.hold(ctx, user.id)
        await events.record_site_changed(ctx)  # live connections check their credentials
        return await accounts.get(ctx, user.id)


async def lift(ctx: Context, username: str) -> User:
    """Lift the suspension of an account, if it has one, and publish the comments that the suspension held.

    The caller checks the permission. Raises NotFound.
    """
    async with ctx.db.transaction():
        user = await accounts.active(ctx, username)
        if user.suspended_at is not None:
            await ctx.db.execute(tables.users.update().where(_u.id == user.id).values(suspended_at=None, updated_at=ctx.now))
            await author_comments.release(ctx, user.id)
            await audit.record(ctx, AuditAction.SUSPENSION_LIFTED, user.id)
        return await accounts.get(ctx, user.id)


def require_active(user: User) -> User:
    """Return the user. Raises AccountSuspended; call it only for clients that have proved that the account is theirs."""
    if user.suspended_at is not None:
        raise AccountSuspended
    return user


async def _end_access(ctx: Context, user_id: int) -> None:
    for table in (tables.sessions, tables.email_changes, tables.editing_sessions):
        await ctx.db.execute(table.delete().where(table.c.user_id == user_id))
    valid_tokens = (_t.user_id == user_id) & _t.revoked_at.is_(None)
    await ctx.db.execute(tables.api_tokens.update().where(valid_tokens).values(revoked_at=ctx.now))
    valid_links = (_l.user_id == user_id) & _l.revoked_at.is_(None)
    await ctx.db.execute(tables.preview_links.update().where(valid_links).values(revoked_at=ctx.now))


async def _unschedule_posts(ctx: Context, user_id: int) -> None:
    others = sa.select(_a.post_id).join(tables.users, _u.id == _a.user_id).where(_a.user_id != user_id, _u.suspended_at.is_(None))
    own = _p.id.in_(sa.select(_a.post_id).where(_a.user_id == user_id)) & _p.id.not_in(others)
    scheduled = own & (_p.status == PostStatus.SCHEDULED.value) & _p.deleted_at.is_(None)
    values = {"status": PostStatus.DRAFT.value, "publish_at": None, "version": _p.version + 1, "updated_at": ctx.now}
    for row in await ctx.db.fetch_all(sa.select(_p.id).where(scheduled).order_by(_p.id)):
        await ctx.db.execute(tables.posts.update().where(_p.id == row["id"]).values(values))
        await post_writes.store_revision(ctx, row["id"], None)
