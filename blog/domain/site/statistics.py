"""Statistics: of the whole blog for owners, and of one post for its authors and editors.

Days are those of the time zone of the blog. Views are stored by day, so that a change of the zone moves no view to another day.
Posts and comments are stored with their time, and counted on the days of the current zone.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import policy, referrers
from blog.domain.core.context import Context
from blog.domain.core.models import PostLike
from blog.schemas.comments import CommentStatus
from blog.schemas.posts import PostStatus
from blog.text.time_zones import start_of_day

_p, _c, _u, _v = tables.posts.c, tables.comments.c, tables.users.c, tables.post_views.c
MAX_TOP_POSTS = 5
MAX_TOP_SITES = 10


@dataclass(frozen=True, slots=True)
class Day:
    """The numbers of a day of the blog: posts published, comments written and still visible, and views of posts."""

    date: dt.date
    posts: int
    comments: int
    views: int


@dataclass(frozen=True, slots=True)
class ViewDay:
    """The views of one post on a day of the blog."""

    date: dt.date
    views: int


@dataclass(frozen=True, slots=True)
class PostHistory:
    """All views of a post, and those of the last days, oldest first."""

    total: int
    days: Sequence[ViewDay]


@dataclass(frozen=True, slots=True)
class PostViews:
    """A post and its number of views."""

    slug: str
    title: str
    views: int


@dataclass(frozen=True, slots=True)
class SiteViews:
    """The views of posts that came from a site. `host` is a host name, `referrers.DIRECT` or `referrers.OTHER`."""

    host: str
    views: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Current totals, the last days, oldest first, and the most viewed posts and the referring sites of these days."""

    users: int
    posts: int
    comments: int
    days: Sequence[Day]
    top_posts: Sequence[PostViews]
    sites: Sequence[SiteViews]


async def read(ctx: Context, days: int) -> Statistics:
    """Return the statistics of the last `days` days, including today. Raises NotAuthenticated, Forbidden."""
    policy.require_owner(ctx)
    dates = _last_dates(ctx, days)
    first = dates[0]
    async with ctx.db.snapshot():
        posts = await _by_day(ctx, _p.published_at, dates, *_PUBLISHED)
        comments = await _by_day(ctx, _c.created_at, dates, _c.status == CommentStatus.VISIBLE.value)
        viewed = sa.select(_v.day, sa.func.sum(_v.views).label("number")).where(_v.day >= first).group_by(_v.day)
        views = {row["day"]: int(row["number"]) for row in await ctx.db.fetch_all(viewed)}
        series = [Day(date, posts.get(date, 0), comments.get(date, 0), views.get(date, 0)) for date in dates]
        top_posts, sites = await _top_posts(ctx, first), await _top_sites(ctx, first)
        return Statistics(**await _totals(ctx), days=series, top_posts=top_posts, sites=sites)


async def read_post(ctx: Context, post: PostLike, days: int) -> PostHistory:
    """Return the views of a post in the last `days` days, including today. Raises NotAuthenticated, NotFound, Forbidden."""
    policy.require_edit(ctx, post)
    dates = _last_dates(ctx, days)
    query = sa.select(_v.day, _v.views).where(_v.post_id == post.id, _v.day >= dates[0])
    async with ctx.db.snapshot():
        views = {row["day"]: row["views"] for row in await ctx.db.fetch_all(query)}
        total = await ctx.db.fetch_val(sa.select(_p.view_count).where(_p.id == post.id))
    return PostHistory(total or 0, [ViewDay(date, views.get(date, 0)) for date in dates])


def _last_dates(ctx: Context, days: int) -> Sequence[dt.date]:
    return [ctx.today - dt.timedelta(days=number) for number in reversed(range(days))]


_PUBLISHED = (_p.status == PostStatus.PUBLISHED.value, _p.deleted_at.is_(None))


async def _by_day(
    ctx: Context, instant: sa.Column[Any], dates: Sequence[dt.date], *conditions: sa.ColumnElement[bool]
) -> dict[dt.date, int]:
    """Return the number of rows of each day. SQLite knows no time zones: the query compares with the starts of the days."""
    starts = [start_of_day(date, ctx.site.formats.zone) for date in dates]
    # Newest first. Literal numbers: PostgreSQL does not infer the type of a parameter in the result of CASE.
    index = sa.case(*((instant >= starts[i], sa.literal_column(str(i))) for i in reversed(range(len(starts)))))
    days = sa.select(index.label("day")).where(instant >= starts[0], *conditions).subquery()
    query = sa.select(days.c.day, sa.func.count().label("number")).group_by(days.c.day)
    return {dates[row["day"]]: row["number"] for row in await ctx.db.fetch_all(query)}


async def _totals(ctx: Context) -> dict[str, int]:
    counts = {
        "users": sa.select(sa.func.count()).select_from(tables.users).where(_u.deleted_at.is_(None)),
        "posts": sa.select(sa.func.count()).select_from(tables.posts).where(*_PUBLISHED),
        "comments": sa.select(sa.func.count()).select_from(tables.comments).where(_c.status == CommentStatus.VISIBLE.value),
    }
    row = await ctx.db.fetch_one(sa.select(*(query.scalar_subquery().label(name) for name, query in counts.items())))
    return {name: row[name] if row else 0 for name in counts}


async def _top_posts(ctx: Context, first: dt.date) -> Sequence[PostViews]:
    number = sa.func.sum(_v.views)
    query = (
        sa.select(_p.slug, _p.title, number.label("views"))
        .join_from(tables.post_views, tables.posts, _p.id == _v.post_id)
        .where(_v.day >= first, *_PUBLISHED)
        .group_by(_p.id, _p.slug, _p.title)
        .order_by(number.desc(), _p.id.desc())
        .limit(MAX_TOP_POSTS)
    )
    return [PostViews(row["slug"], row["title"], int(row["views"])) for row in await ctx.db.fetch_all(query)]


async def _top_sites(ctx: Context, first: dt.date) -> Sequence[SiteViews]:
    """Return the sites with the most views, the others together, and the direct views, without those that have none."""
    r = tables.referrer_views.c
    query = sa.select(r.host, sa.func.sum(r.views).label("views")).where(r.day >= first).group_by(r.host)
    rows = await ctx.db.fetch_all(query.order_by(sa.func.sum(r.views).desc(), r.host))
    views = {row["host"]: int(row["views"]) for row in rows}
    direct, other = views.pop(referrers.DIRECT, 0), views.pop(referrers.OTHER, 0)
    named = list(views.items())
    other += sum(number for _, number in named[MAX_TOP_SITES:])
    listed = (*named[:MAX_TOP_SITES], (referrers.OTHER, other), (referrers.DIRECT, direct))
    return [SiteViews(host, number) for host, number in listed if number]


async def trim_referrers(ctx: Context) -> int:
    """Delete the counts of referring sites that are older than `referrers.RETENTION_DAYS`. Returns the number of rows."""
    r = tables.referrer_views.c
    is_old = r.day < ctx.today - dt.timedelta(days=referrers.RETENTION_DAYS)
    if not await ctx.db.fetch_val(sa.select(sa.exists().where(is_old))):  # the usual case: no write lock is needed
        return 0
    return int(await ctx.db.execute(tables.referrer_views.delete().where(is_old)))
