"""The list of accounts: filters, sort orders and keyset pages. For owners, and for the command line."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.accounts import accounts
from blog.domain.accounts.models import UserListEntry
from blog.domain.core import policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.errors import FieldError, InvalidInput, NotFound
from blog.schemas.accounts import Role
from blog.schemas.comments import CommentStatus
from blog.schemas.members import MemberSort, MemberStatus
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

PAGE_SIZE = 50
_u, _p, _a, _c = tables.users.c, tables.posts.c, tables.post_authors.c, tables.comments.c
_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Sorts accounts that were never used after all others."""


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Selects accounts to list. `text` is searched in username, name and e-mail address; empty and None select all."""

    text: str = ""
    role: Role | None = None
    status: MemberStatus | None = None
    sort: MemberSort = MemberSort.NEWEST
    limit: int = PAGE_SIZE
    after: CursorKey | None = None


@dataclass(frozen=True, slots=True)
class _SortOrder:
    """A column of the list to sort by, and how a cursor contains its value. Equal values are sorted by id."""

    column: str
    is_descending: bool
    to_text: Callable[[Any], str]
    from_text: Callable[[str], Any]


_SORT_ORDERS = {
    MemberSort.NEWEST: _SortOrder("id", True, str, int),
    MemberSort.USERNAME: _SortOrder("username_folded", False, str, str),
    MemberSort.LAST_SEEN: _SortOrder("seen", True, dt.datetime.isoformat, dt.datetime.fromisoformat),
    MemberSort.POSTS: _SortOrder("post_count", True, str, int),
    MemberSort.COMMENTS: _SortOrder("comment_count", True, str, int),
}


async def list_page(ctx: Context, wanted: MemberFilter = MemberFilter()) -> ResultPage[UserListEntry]:
    """Return a page of accounts that were not deleted. Raises NotAuthenticated, Forbidden, InvalidInput (cursor)."""
    policy.require_owner(ctx)
    return await find(ctx, wanted)


async def get(ctx: Context, user_id: int) -> UserListEntry:
    """Return one account. Raises NotAuthenticated, Forbidden, NotFound (also if it was deleted)."""
    policy.require_owner(ctx)
    row = await ctx.db.fetch_one(_select().where(_u.id == user_id, _u.deleted_at.is_(None)))
    if row is None:
        raise NotFound(accounts.UNKNOWN_ID)
    return from_row(UserListEntry, row)


async def find(ctx: Context, wanted: MemberFilter) -> ResultPage[UserListEntry]:
    """Return a page of accounts. The caller checks the permission. Raises InvalidInput (cursor)."""
    order = _SORT_ORDERS[wanted.sort]
    listed = _filtered(wanted).subquery()
    column = listed.c[order.column]
    query = sa.select(listed).limit(wanted.limit + 1)
    if wanted.after is not None:
        position = sa.tuple_(sa.literal(_value_of(order, wanted.after), column.type), sa.literal(wanted.after[1], _u.id.type))
        key = sa.tuple_(column, listed.c.id)
        query = query.where(key < position if order.is_descending else key > position)
    columns = (column, listed.c.id)
    rows = await ctx.db.fetch_all(query.order_by(*(item.desc() if order.is_descending else item.asc() for item in columns)))
    page = ResultPage.of(rows, wanted.limit, lambda row: (order.to_text(row[order.column]), row["id"]))
    return page.map(lambda row: from_row(UserListEntry, row))


async def find_all(ctx: Context, wanted: MemberFilter) -> list[UserListEntry]:
    """Return all matching accounts. The caller checks the permission."""
    page = await find(ctx, wanted)
    found = list(page.items)
    while page.next is not None:
        page = await find(ctx, replace(wanted, after=page.next))
        found += page.items
    return found


def _value_of(order: _SortOrder, key: CursorKey) -> Any:
    try:
        return order.from_text(key[0])
    except ValueError:
        raise InvalidInput([FieldError(("query", "cursor"), "Not a cursor of this order. Start without it", "cursor")]) from None


def _filtered(wanted: MemberFilter) -> sa.Select[Any]:
    query = _select().where(_u.deleted_at.is_(None))
    if wanted.text:
        columns = (_u.username_folded, _u.email_folded, sa.func.lower(_u.name))
        query = query.where(sa.or_(*(column.contains(fold_name(wanted.text), autoescape=True) for column in columns)))
    if wanted.role is not None:
        query = query.where(_u.role == wanted.role.value)
    match wanted.status:
        case MemberStatus.ACTIVE:
            query = query.where(_u.suspended_at.is_(None), _u.email.is_not(None))
        case MemberStatus.SUSPENDED:
            query = query.where(_u.suspended_at.is_not(None))
        case MemberStatus.IMPORTED:
            query = query.where(_u.email.is_(None))
    return query


def _select() -> sa.Select[Any]:
    return sa.select(
        *(_u.id, _u.username, _u.username_folded, _u.name, _u.email, _u.role, _u.created_at, _u.last_seen_at, _u.suspended_at),
        sa.func.coalesce(_u.last_seen_at, sa.literal(_NEVER, _u.last_seen_at.type), type_=_u.last_seen_at.type).label("seen"),
        _u.password_hash.is_not(None).label("can_sign_in"),
        _published_post_count().label("post_count"),
        _visible_comment_count().label("comment_count"),
    )


def _published_post_count() -> sa.ScalarSelect[int]:
    return (
        sa.select(sa.func.count())
        .select_from(tables.post_authors.join(tables.posts, _p.id == _a.post_id))
        .where(_a.user_id == _u.id, _p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))
        .scalar_subquery()
    )


def _visible_comment_count() -> sa.ScalarSelect[int]:
    visible = _c.status == CommentStatus.VISIBLE.value
    return sa.select(sa.func.count()).select_from(tables.comments).where(_c.author_id == _u.id, visible).scalar_subquery()
