"""Lists of posts, newest first. Keyset pagination: a post added between two pages is neither skipped nor repeated."""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from databases.interfaces import Record

from blog.db import fulltext, tables
from blog.db.compiled_queries import BoundQuery, PreparedQuery
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import list_queries, post_queries
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import UNDELETE_WINDOW, PostFilter, cursor_key, shape_of, values_of
from blog.schemas.posts import PostStatus

_p = tables.posts.c
MAX_DELETED_LISTED = 50
_MAX_DIRECT_LOOKUPS = 500  # matches of a search that are looked up by id
_SCAN_WINDOW, _WINDOW_GROWTH = 250, 4  # posts in the first window of a scan for more matches, and its growth factor


@dataclass(frozen=True, slots=True)
class FrontPage:
    """A page of posts and the end of the event log in the same snapshot. `featured`: on the first page, the newest of them."""

    page: ResultPage[Post]
    featured: Sequence[Post]
    position: Position


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A post in the archive."""

    slug: str
    title: str
    published_at: dt.datetime
    language: str | None
    """None: the language of the blog."""


@dataclass(frozen=True, slots=True)
class DeletedPost:
    """A post in the list of deleted posts."""

    id: int
    title: str
    status: PostStatus
    deleted_at: dt.datetime


async def front_page(ctx: Context, after: CursorKey | None = None) -> FrontPage:
    """Return a page of all posts and the end of the event log from one snapshot, so that a subscriber misses no event."""
    post_filter = PostFilter(after=after)
    values = values_of(ctx, post_filter)
    build = list_queries.first_page if after is None else list_queries.page
    queries = [query(**values) for query in build(shape_of(post_filter, values))]
    rows, *relations, end = await ctx.db.fetch_many_consistent(*queries, events.LATEST_POSITION())
    page = page_from_rows(post_filter, rows[: values["limit"]], *relations)  # featured posts of other pages come last
    featured = [row for row in rows if row["featured"] and after is None][: list_queries.MAX_FEATURED]
    return FrontPage(page, post_queries.posts_from_rows(featured, *relations), events.position_from_rows(end))


async def list_page(ctx: Context, post_filter: PostFilter) -> ResultPage[Post]:
    """Return a page of posts, newest first unless `sort` says otherwise.

    Posts that are not public are limited to those of the actor, unless the actor is an editor. Raises NotAuthenticated for such
    a list, and InvalidInput for an invalid cursor.
    """
    if post_filter.text is None or post_filter.is_deleted:
        return page_from_rows(post_filter, *await ctx.db.fetch_many_consistent(*page_queries(ctx, post_filter)))
    values = values_of(ctx, post_filter)
    async with ctx.db.snapshot():  # a post deleted between the queries would make this look like the last page
        ids = await _matching_ids(ctx.db, post_filter, values)
        rows = await ctx.db.fetch_all(list_queries.select_page(shape_of(post_filter, values), only=ids).params(values))
        relations = await ctx.db.fetch_many(*post_queries.relations_queries(rows)) if rows else ([], [])
    return page_from_rows(post_filter, rows, *relations)


def page_queries(ctx: Context, post_filter: PostFilter) -> list[BoundQuery]:
    """Return the queries for a page without a filter by `text`; `page_from_rows` reads their rows. Raises as `list_page`."""
    values = values_of(ctx, post_filter)
    return [query(**values) for query in list_queries.page(shape_of(post_filter, values))]


def page_from_rows(post_filter: PostFilter, rows: Sequence[Record], *relations: Sequence[Record]) -> ResultPage[Post]:
    """Return the page from the rows of `page_queries`."""
    keys = {row["id"]: row["sort_key"] for row in rows}
    found = post_queries.posts_from_rows(rows, *relations)
    return ResultPage.of(found, post_filter.limit, lambda post: cursor_key(keys[post.id], post.id))


async def count(ctx: Context, post_filter: PostFilter) -> int:
    """Return the number of posts on all pages. Raises as `list_page`."""
    values = values_of(ctx, dataclasses.replace(post_filter, after=None))
    shape = shape_of(post_filter, values)
    if post_filter.text is None or post_filter.is_deleted:
        total: int = await ctx.db.fetch_val(list_queries.count(shape)(**values))
        return total
    matches = fulltext.match_posts(ctx.db, post_filter.text)
    if matches is None:
        return 0
    return int(await ctx.db.fetch_val(list_queries.select_count(shape, matches).params(values)))


async def archive(ctx: Context, limit: int | None = None) -> Sequence[ArchiveEntry]:
    """Return all published posts, or the newest `limit` of them, newest first."""
    query = post_queries.select(_p.slug, _p.title, _p.published_at, _p.language).where(_p.status == PostStatus.PUBLISHED.value)
    rows = await ctx.db.fetch_all(query.order_by(_p.published_at.desc(), _p.id.desc()).limit(limit))
    return [from_row(ArchiveEntry, row) for row in rows]


_DELETED = PreparedQuery(
    sa.select(_p.id, _p.title, _p.status, _p.deleted_at)
    .where(
        _p.deleted_at > sa.bindparam("since", type_=_p.deleted_at.type),
        *list_queries.link_conditions(_p.id, [(tables.post_authors.c.user_id, sa.bindparam("actor_id", type_=_p.id.type))]),
    )
    .order_by(_p.deleted_at.desc(), _p.id.desc())
    .limit(MAX_DELETED_LISTED)
)


def deleted_query(ctx: Context) -> BoundQuery:
    """Return the query for the actor's posts deleted in the last 30 days, last deleted first, at most 50.

    `deleted_from_rows` reads its rows. Raises NotAuthenticated.
    """
    return _DELETED(actor_id=ctx.require_actor().id, since=ctx.now - UNDELETE_WINDOW)


def deleted_from_rows(rows: Sequence[Record]) -> Sequence[DeletedPost]:
    """Return the deleted posts from the rows of `deleted_query`."""
    return [from_row(DeletedPost, row) for row in rows]


async def _matching_ids(db: Database, post_filter: PostFilter, values: dict[str, Any]) -> Sequence[int]:
    """Return ids that include the matches of the next page: all matches if they are few, else the next ones in list order."""
    matches = fulltext.match_posts(db, post_filter.text or "")
    if matches is None:
        return []
    ids = [row["post_id"] for row in await db.fetch_all(sa.select(matches.c.post_id).limit(_MAX_DIRECT_LOOKUPS + 1))]
    return ids if len(ids) <= _MAX_DIRECT_LOOKUPS else await _scan_matches(db, matches, post_filter, values)


async def _scan_matches(db: Database, matches: sa.Subquery, post_filter: PostFilter, values: dict[str, Any]) -> Sequence[int]:
    """Return the matches of one page, and one more, for a search with many matches.

    Reads the full-text index for a window of the list at a time: reading all matches of a word that every post contains took
    ten times as long with 100,000 posts as with 100.
    """
    window, matching = {**values, "limit": _SCAN_WINDOW}, list[int]()
    while len(matching) <= post_filter.limit and (
        rows := await db.fetch_all(list_queries.scan(shape_of(post_filter, window))(**window))
    ):
        ids = [row["id"] for row in rows]
        inside = sa.select(matches.c.post_id).where(matches.c.post_id.between(min(ids), max(ids)))
        hits = {row["post_id"] for row in await db.fetch_all(inside)}
        matching += (post_id for post_id in ids if post_id in hits)
        window |= {"after_key": rows[-1]["sort_key"], "after_id": ids[-1], "limit": window["limit"] * _WINDOW_GROWTH}
    return matching[: post_filter.limit + 1]
