"""Lists of posts, newest first. Keyset pagination: a post added between two pages is neither skipped nor repeated."""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.db.database import Database
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries
from blog.domain.posts.models import Post
from blog.errors import FieldError, InvalidInput
from blog.schemas.posts import PostStatus
from blog.text.normalisation import fold_name

_p = tables.posts.c
PAGE_SIZE = 20
MAX_DELETED_LISTED = 50
_MAX_DIRECT_LOOKUPS = 500  # matches of a search that are looked up by id
_SCAN_WINDOW, _WINDOW_GROWTH = 250, 4  # posts in the first window of a scan for more matches, and its growth factor
UNDELETE_WINDOW = dt.timedelta(days=30)
"""How long deleted posts are listed."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Filters of a list of posts; a post must match all of them. `full` also loads content and HTML."""

    tag: str | None = None
    author: str | None = None
    text: str | None = None
    status: PostStatus = PostStatus.PUBLISHED
    limit: int = PAGE_SIZE
    after: CursorKey | None = None
    full: bool = False
    author_id: int | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of posts and the end of the event log in the same snapshot."""

    page: ResultPage[Post]
    position: Position


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """A post in the archive."""

    slug: str
    title: str
    published_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DeletedPost:
    """A post in the list of deleted posts."""

    id: int
    title: str
    status: PostStatus
    deleted_at: dt.datetime


async def front_page(ctx: Context, post_filter: PostFilter) -> FeedPage:
    """Return a page of posts and the end of the event log from one snapshot, so that a subscriber misses no event."""
    async with ctx.db.snapshot():
        return FeedPage(await list_page(ctx, post_filter), await events.position(ctx.db))


async def list_page(ctx: Context, post_filter: PostFilter) -> ResultPage[Post]:
    """Return a page of posts, newest first. Drafts and scheduled posts are limited to those of the actor.

    Raises NotAuthenticated for drafts and scheduled posts, and InvalidInput for an invalid cursor.
    """
    if post_filter.text is None:
        return await _fetch_page(ctx, post_filter, _build_listing(ctx, post_filter))
    async with ctx.db.snapshot():  # a post deleted between the queries would make this look like the last page
        ids = await _matching_ids(ctx.db, post_filter, _build_listing(ctx, post_filter))
        return await _fetch_page(ctx, post_filter, _build_listing(ctx, post_filter, only=ids))


async def _fetch_page(ctx: Context, post_filter: PostFilter, listing: "_Listing") -> ResultPage[Post]:
    query = post_queries.select(*(post_queries.FULL_COLUMNS if post_filter.full else post_queries.SUMMARY_COLUMNS))
    if listing.links is not None:
        query = query.join(listing.links, listing.post_id == _p.id)
    query = listing.apply_order(query, post_filter.after).limit(post_filter.limit + 1)
    return ResultPage.of(await post_queries.fetch(ctx.db, query), post_filter.limit, _cursor_key)


async def count(ctx: Context, post_filter: PostFilter) -> int:
    """Return the number of posts on all pages; `text` is ignored."""
    listing = _build_listing(ctx, post_filter)
    counted = sa.select(sa.func.count()).select_from(tables.posts if listing.links is None else listing.links)
    total: int = await ctx.db.fetch_val(counted.where(*listing.conditions))
    return total


async def archive(ctx: Context, limit: int | None = None) -> Sequence[ArchiveEntry]:
    """Return all published posts, or the newest `limit` of them, newest first."""
    query = post_queries.select(_p.slug, _p.title, _p.published_at).where(_p.status == PostStatus.PUBLISHED.value)
    rows = await ctx.db.fetch_all(query.order_by(_p.published_at.desc(), _p.id.desc()).limit(limit))
    return [from_row(ArchiveEntry, row) for row in rows]


async def list_deleted(ctx: Context) -> Sequence[DeletedPost]:
    """Return the actor's posts deleted in the last 30 days, last deleted first, at most 50. Raises NotAuthenticated."""
    actor = ctx.require_actor()
    query = (
        sa.select(_p.id, _p.title, _p.status, _p.deleted_at)
        .where(
            _p.deleted_at > ctx.now - UNDELETE_WINDOW,
            *_link_conditions(_p.id, [(tables.post_authors.c.user_id, sa.literal(actor.id))]),
        )
        .order_by(_p.deleted_at.desc(), _p.id.desc())
        .limit(MAX_DELETED_LISTED)
    )
    rows = await ctx.db.fetch_all(query)
    return [from_row(DeletedPost, row) for row in rows]


@dataclass(frozen=True, slots=True)
class _Listing:
    """The source of a list, ordered by `instant` and `post_id`, which an index covers."""

    links: sa.Table | None  # None: the table of posts
    post_id: sa.ColumnElement[int]
    instant: sa.ColumnElement[Any]
    conditions: Sequence[sa.ColumnElement[bool]]

    def apply_order(self, query: sa.Select[Any], after: CursorKey | None) -> sa.Select[Any]:
        """Filter and order the query, starting after a cursor. Raises InvalidInput if the cursor is invalid."""
        query = query.where(*self.conditions)
        if after is not None:
            query = query.where(sa.tuple_(self.instant, self.post_id) < sa.tuple_(*_key_values(after)))
        return query.order_by(self.instant.desc(), self.post_id.desc())


def _build_listing(ctx: Context, post_filter: PostFilter, *, only: Sequence[int] | None = None) -> _Listing:
    """Return the source for all filters except `text`.

    only: ids to limit the list to.

    Published posts of a tag or an author are listed from the link tables, which have the publication time in an index.
    """
    owners: list[LinkFilter] = []
    if post_filter.tag is not None:
        owners.append((tables.post_tags.c.tag_id, _tag_id(post_filter.tag)))
    if post_filter.author is not None:
        owners.append((tables.post_authors.c.user_id, _user_id(post_filter.author)))
    if post_filter.author_id is not None:
        owners.append((tables.post_authors.c.user_id, sa.literal(post_filter.author_id)))
    if post_filter.status is not PostStatus.PUBLISHED:
        owners.append((tables.post_authors.c.user_id, sa.literal(ctx.require_actor().id)))
    elif owners:
        (column, owner), *others = owners
        links = column.table
        conditions = [column == owner, links.c.listed_at.is_not(None), *_link_conditions(links.c.post_id, others)]
        conditions += [] if only is None else [links.c.post_id.in_(only)]
        return _Listing(links, links.c.post_id, links.c.listed_at, conditions)
    instant = _p.published_at if post_filter.status is PostStatus.PUBLISHED else _p.created_at
    # With ids, SQLite would still use the index on the status and read all its posts. An expression prevents that.
    status = _p.status if only is None else _p.status.concat("")
    conditions = [status == post_filter.status.value, _p.deleted_at.is_(None), *_link_conditions(_p.id, owners)]
    conditions += [] if only is None else [_p.id.in_(only)]
    return _Listing(None, _p.id, instant, conditions)


LinkFilter = tuple[sa.Column[int], sa.ColumnElement[int]]
"""A column of a link table (tag or user), and the value to match."""


def _link_conditions(post_id: sa.ColumnElement[int], owners: Iterable[LinkFilter]) -> Iterator[sa.ColumnElement[bool]]:
    for column, owner in owners:
        links = column.table.alias()
        yield sa.exists().where(links.c.post_id == post_id, links.c[column.name] == owner)


def _tag_id(name: str) -> sa.ScalarSelect[int]:
    tags = tables.tags.c
    return sa.select(tags.id).where(tags.name_folded == fold_name(name)).scalar_subquery()


def _user_id(username: str) -> sa.ScalarSelect[int]:
    users = tables.users.c
    return sa.select(users.id).where(users.username_folded == fold_name(username)).scalar_subquery()


async def _matching_ids(db: Database, post_filter: PostFilter, listing: _Listing) -> Sequence[int]:
    """Return ids that include the matches of the next page: all matches if they are few, else the next ones in list order."""
    matches = fulltext.match_posts(db, post_filter.text or "")
    if matches is None:
        return []
    ids = [row["post_id"] for row in await db.fetch_all(sa.select(matches.c.post_id).limit(_MAX_DIRECT_LOOKUPS + 1))]
    return ids if len(ids) <= _MAX_DIRECT_LOOKUPS else await _scan_matches(db, matches, post_filter, listing)


async def _scan_matches(db: Database, matches: sa.Subquery, post_filter: PostFilter, listing: _Listing) -> Sequence[int]:
    """Return the matches of one page, and one more, for a search with many matches.

    Reads the full-text index for a window of the list at a time: reading all matches of a word that every post contains took
    ten times as long with 100,000 posts as with 100.
    """
    scan = sa.select(listing.post_id.label("id"), listing.instant.label("instant"))
    matching: list[int] = []
    after, size = post_filter.after, _SCAN_WINDOW
    while len(matching) <= post_filter.limit and (rows := await db.fetch_all(listing.apply_order(scan, after).limit(size))):
        ids = [row["id"] for row in rows]
        inside = sa.select(matches.c.post_id).where(matches.c.post_id.between(min(ids), max(ids)))
        hits = {row["post_id"] for row in await db.fetch_all(inside)}
        matching += (post_id for post_id in ids if post_id in hits)
        after, size = (rows[-1]["instant"].isoformat(), ids[-1]), size * _WINDOW_GROWTH
    return matching[: post_filter.limit + 1]


def _key_values(key: CursorKey) -> tuple[Any, Any]:
    try:
        instant = dt.datetime.fromisoformat(key[0])
        known = instant.astimezone(dt.UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):  # the last hours of the year 9999 overflow in UTC
        known = None
    if known is None:
        raise InvalidInput([FieldError(("cursor",), "Not a valid cursor of this list. Start without one.", "cursor")])
    return sa.literal(known, tables.UTCDateTime()), sa.literal(key[1])


def _cursor_key(post: Post) -> CursorKey:
    instant = post.published_at if post.status is PostStatus.PUBLISHED and post.published_at else post.created_at
    return instant.isoformat(), post.id
