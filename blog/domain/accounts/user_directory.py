"""Everybody who has an account, as owners see them."""

from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import ResultPage, User, UserListEntry
from blog.schemas.accounts import Role, RoleChange
from blog.schemas.posts import PostStatus

PAGE_SIZE = 50
_u, _p, _a = tables.users.c, tables.posts.c, tables.post_authors.c


async def list_page(ctx: Context, text: str = "", after: tuple[str, int] | None = None) -> ResultPage[UserListEntry]:
    """The accounts whose username, name or e-mail address holds the text, newest first. Raises NotSignedIn, Forbidden."""
    policy.require_owner(ctx)
    query = sa.select(_u.id, _u.username, _u.name, _u.email, _u.role, _u.created_at, _published_post_count().label("posts"))
    query = query.where(_u.deleted_at.is_(None)).order_by(_u.id.desc()).limit(PAGE_SIZE + 1)
    if text:
        columns = (_u.username_folded, _u.email_folded, sa.func.lower(_u.name))
        query = query.where(sa.or_(*(column.contains(text.casefold(), autoescape=True) for column in columns)))
    if after is not None:
        query = query.where(_u.id < after[1])
    found = [_entry_from_row(row) for row in await ctx.db.fetch_all(query)]
    return ResultPage(found[:PAGE_SIZE], ("", found[PAGE_SIZE - 1].id) if len(found) > PAGE_SIZE else None)


async def set_role(ctx: Context, change: RoleChange) -> User:
    """Give somebody a role, as an owner who gave the password a moment ago.

    Raises NotSignedIn, Forbidden, ConfirmationNeeded, NotFound, Conflict (the only owner).
    """
    policy.require_recent_authentication(ctx, policy.require_owner(ctx))
    user = await accounts.get(ctx, change.user)
    return await accounts.set_role(ctx, user.username, change.role)


def _published_post_count() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(tables.post_authors.join(tables.posts, _p.id == _a.post_id))
        .where(_a.user_id == _u.id, _p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
        .scalar_subquery()
    )


def _entry_from_row(row: Any) -> UserListEntry:
    return UserListEntry(
        id=row["id"],
        username=row["username"],
        name=row["name"],
        email=row["email"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        post_count=row["posts"],
    )
