"""Lists of posts: newest first, by keyset, so that a post added while somebody pages is neither skipped nor repeated."""

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

_p = tables.posts.c
PAGE_SIZE = 20
MAX_DELETED_LISTED = 50
_MAX_DIRECT_LOOKUPS = 500  # posts with a text that are looked up one by one
_SCAN_WINDOW, _WINDOW_GROWTH = 250, 4  # posts that are walked to find those with a more frequent one; then so many times as many
UNDELETE_WINDOW = dt.timedelta(days=30)
"""How long deleted posts are listed."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Which posts: filters that narrow together. `full` also loads text and HTML."""

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
    """A page of posts and the place in the event log at which it was true."""

    page: ResultPage[Post]
    position: Position


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One line of the archive."""

    slug: str
    title: str
    published_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DeletedPost:
    """One line of the list of deleted posts."""

    id: int
    title: str
    status: PostStatus
    deleted_at: dt.datetime


async def front_page(ctx: Context, post_filter: PostFilter) -> FeedPage:
    """A page of posts and the cursor of the moment, from one snapshot: nothing falls between reading and following."""
    async with ctx.db.snapshot():
        return FeedPage(await list_page(ctx, post_filter), await events.position(ctx.db))


async def list_page(ctx: Context, post_filter: PostFilter) -> ResultPage[Post]:
    """A page of posts, newest first. Drafts and scheduled posts are the actor's own: raises NotSignedIn for a stranger."""
    if post_filter.text is None:
        return await _fetch_page(ctx, post_filter, _build_listing(ctx, post_filter))
    async with ctx.db.snapshot():  # a post that goes between the queries would make this the last page
        ids = await _matching_ids(ctx.db, post_filter, _build_listing(ctx, post_filter))
        return await _fetch_page(ctx, post_filter, _build_listing(ctx, post_filter, only=ids))


async def _fetch_page(ctx: Context, wanted: PostFilter, listing: "_Listing") -> ResultPage[Post]:
    query = post_queries.select(*(post_queries.FULL_COLUMNS if wanted.full else post_queries.SUMMARY_COLUMNS))
    if listing.links is not None:
        query = query.join(listing.links, listing.post_id == _p.id)
    query = listing.apply_order(query, wanted.after).limit(wanted.limit + 1)
    return ResultPage.of(await post_queries.fetch(ctx.db, query), wanted.limit, _cursor_key)


async def count(ctx: Context, post_filter: PostFilter) -> int:
    """How many posts pass the filters other than `text`, on all pages."""
    listing = _build_listing(ctx, post_filter)
    counted = sa.select(sa.func.count()).select_from(tables.posts if listing.links is None else listing.links)
    total: int = await ctx.db.fetch_val(counted.where(*listing.conditions))
    return total


async def archive(ctx: Context, limit: int | None = None) -> Sequence[ArchiveEntry]:
    """Every published post, newest first, or so many of them."""
    query = post_queries.select(_p.slug, _p.title, _p.published_at).where(_p.status == PostStatus.PUBLISHED.value)
    rows = await ctx.db.fetch_all(query.order_by(_p.published_at.desc(), _p.id.desc()).limit(limit))
    return [from_row(ArchiveEntry, row) for row in rows]


async def list_deleted(ctx: Context) -> Sequence[DeletedPost]:
    """The actor's own posts that were deleted in the last 30 days, the last one first, at most 50. Raises NotSignedIn."""
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
    """Where posts are listed, in the order of `instant` and `post_id`, for which there is an index."""

    links: sa.Table | None  # None: the table of posts itself
    post_id: sa.ColumnElement[int]
    instant: sa.ColumnElement[Any]
    conditions: Sequence[sa.ColumnElement[bool]]

    def apply_order(self, query: sa.Select[Any], after: CursorKey | None) -> sa.Select[Any]:
        """The query for what comes after a place, in this order. Raises InvalidInput."""
        query = query.where(*self.conditions)
        if after is not None:
            query = query.where(sa.tuple_(self.instant, self.post_id) < sa.tuple_(*_key_values(after)))
        return query.order_by(self.instant.desc(), self.post_id.desc())


def _build_listing(ctx: Context, wanted: PostFilter, *, only: Sequence[int] | None = None) -> _Listing:
    """Where posts that pass the filters other than `text` are listed, or `only` some of them.

    Published ones of a tag, or of an author, by their links, which know when readers see the post.
    """
    owners: list[LinkFilter] = []
    if wanted.tag is not None:
        owners.append((tables.post_tags.c.tag_id, _tag_id(wanted.tag)))
    if wanted.author is not None:
        owners.append((tables.post_authors.c.user_id, _user_id(wanted.author)))
    if wanted.author_id is not None:
        owners.append((tables.post_authors.c.user_id, sa.literal(wanted.author_id)))
    if wanted.status is not PostStatus.PUBLISHED:
        owners.append((tables.post_authors.c.user_id, sa.literal(ctx.require_actor().id)))
    elif owners:
        (column, owner), *others = owners
        links = column.table
        conditions = [column == owner, links.c.listed_at.is_not(None), *_link_conditions(links.c.post_id, others)]
        conditions += [] if only is None else [links.c.post_id.in_(only)]
        return _Listing(links, links.c.post_id, links.c.listed_at, conditions)
    instant = _p.published_at if wanted.status is PostStatus.PUBLISHED else _p.created_at
    # SQLite would walk all of a status rather than look up some ids; not if what it asks of the status is no column.
    status = _p.status if only is None else _p.status.concat("")
    conditions = [status == wanted.status.value, _p.deleted_at.is_(None), *_link_conditions(_p.id, owners)]
    conditions += [] if only is None else [_p.id.in_(only)]
    return _Listing(None, _p.id, instant, conditions)


LinkFilter = tuple[sa.Column[int], sa.ColumnElement[int]]
"""The column of links that names a tag or a person, and which it is to be."""


def _link_conditions(post_id: sa.ColumnElement[int], owners: Iterable[LinkFilter]) -> Iterator[sa.ColumnElement[bool]]:
    for column, owner in owners:
        links = column.table.alias()
        yield sa.exists().where(links.c.post_id == post_id, links.c[column.name] == owner)


def _tag_id(name: str) -> sa.ScalarSelect[int]:
    tags = tables.tags.c
    return sa.select(tags.id).where(tags.name_folded == name.casefold()).scalar_subquery()


def _user_id(username: str) -> sa.ScalarSelect[int]:
    users = tables.users.c
    return sa.select(users.id).where(users.username_folded == username.casefold()).scalar_subquery()


async def _matching_ids(db: Database, wanted: PostFilter, listing: _Listing) -> Sequence[int]:
    """The posts with a text among which the next page is: all of them if they are few, else the first that a walk meets."""
    matches = fulltext.match_posts(db, wanted.text or "")
    if matches is None:
        return []
    ids = [row["post_id"] for row in await db.fetch_all(sa.select(matches.c.post_id).limit(_MAX_DIRECT_LOOKUPS + 1))]
    return ids if len(ids) <= _MAX_DIRECT_LOOKUPS else await _scan_matches(db, matches, wanted, listing)


async def _scan_matches(db: Database, matches: sa.Subquery, wanted: PostFilter, listing: _Listing) -> Sequence[int]:
    """A page of the posts with a frequent text, and one more.

    The full-text index is asked about a window of the list at a time. All that it knows of a word in every post took ten
    times as long to read at 100,000 posts as at 100.
    """
    walk = sa.select(listing.post_id.label("id"), listing.instant.label("instant"))
    found: list[int] = []
    after, size = wanted.after, _SCAN_WINDOW
    while len(found) <= wanted.limit and (rows := await db.fetch_all(listing.apply_order(walk, after).limit(size))):
        ids = [row["id"] for row in rows]
        inside = sa.select(matches.c.post_id).where(matches.c.post_id.between(min(ids), max(ids)))
        hits = {row["post_id"] for row in await db.fetch_all(inside)}
        found += (post_id for post_id in ids if post_id in hits)
        after, size = (rows[-1]["instant"].isoformat(), ids[-1]), size * _WINDOW_GROWTH
    return found[: wanted.limit + 1]


def _key_values(key: CursorKey) -> tuple[Any, Any]:
    try:
        instant = dt.datetime.fromisoformat(key[0])
        known = instant.astimezone(dt.UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):  # the last hours of the year 9999 have no UTC
        known = None
    if known is None:
        raise InvalidInput([FieldError(("cursor",), "This is no cursor of this list: begin without one", "cursor")])
    return sa.literal(known, tables.UTCDateTime()), sa.literal(key[1])


def _cursor_key(post: Post) -> CursorKey:
    instant = post.published_at if post.status is PostStatus.PUBLISHED and post.published_at else post.created_at
    return instant.isoformat(), post.id
