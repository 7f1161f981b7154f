"""The list of users for owners."""

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts.models import UserListEntry
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

PAGE_SIZE = 50
_u, _p, _a = tables.users.c, tables.posts.c, tables.post_authors.c


async def list_page(ctx: Context, text: str = "", after: CursorKey | None = None) -> ResultPage[UserListEntry]:
    """Return a page of accounts, newest first; `text` filters by username, name or e-mail address.

    Raises NotAuthenticated, Forbidden.
    """
    policy.require_owner(ctx)
    query = sa.select(_u.id, _u.username, _u.name, _u.email, _u.role, _u.created_at, _published_post_count().label("post_count"))
    query = query.where(_u.deleted_at.is_(None)).order_by(_u.id.desc()).limit(PAGE_SIZE + 1)
    if text:
        columns = (_u.username_folded, _u.email_folded, sa.func.lower(_u.name))
        query = query.where(sa.or_(*(column.contains(fold_name(text), autoescape=True) for column in columns)))
    if after is not None:
        query = query.where(_u.id < after[1])
    return ResultPage.by_id([from_row(UserListEntry, row) for row in await ctx.db.fetch_all(query)], PAGE_SIZE)


def _published_post_count() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(tables.post_authors.join(tables.posts, _p.id == _a.post_id))
        .where(_a.user_id == _u.id, _p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
        .scalar_subquery()
    )
