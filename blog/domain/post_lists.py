"""Lists of posts: newest first, by keyset, so that a post added while somebody pages is neither skipped nor repeated."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from blog.db import search, tables
from blog.db.database import Database
from blog.domain import events, post_rows
from blog.domain.context import Context
from blog.domain.events import Position
from blog.domain.models import Page, Post
from blog.errors import FieldError, InvalidInput
from blog.schemas.posts import PostStatus

_p = tables.posts.c
PAGE = 20
BEST = 50
KEPT = dt.timedelta(days=30)
"""How long deleted posts are listed."""
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which posts: filters that narrow together. `full` also loads text and HTML."""

    tag: str | None = None
    author: str | None = None
    text: str | None = None
    status: PostStatus = PostStatus.PUBLISHED
    limit: int = PAGE
    after: Key | None = None
    full: bool = False
    author_id: int | None = None


@dataclass(frozen=True, slots=True)
class Front:
    """A page of posts and the place in the event log at which it was true."""

    page: Page[Post]
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


async def front(ctx: Context, wanted: Wanted) -> Front:
    """A page of posts and the cursor of the moment, from one snapshot: nothing falls between reading and following."""
    async with ctx.db.snapshot():
        return Front(await page(ctx, wanted), await events.position(ctx.db))


async def page(ctx: Context, wanted: Wanted) -> Page[Post]:
    """A page of posts, newest first. Drafts and scheduled posts are the actor's own: raises NotSignedIn for a stranger."""
    published = wanted.status is PostStatus.PUBLISHED
    instant = _p.published_at if published else _p.created_at
    query = post_rows.select(*(post_rows.FULL if wanted.full else post_rows.CARD)).where(_p.status == wanted.status.value)
    query = query.where(*_filters(ctx.db, wanted))
    if not published:
        query = query.where(_written_by(ctx.signed_in().username))
    if wanted.after is not None:
        query = query.where(sa.tuple_(instant, _p.id) < sa.tuple_(*_key_values(wanted.after)))
    posts = await post_rows.load(ctx.db, query.order_by(instant.desc(), _p.id.desc()).limit(wanted.limit + 1))
    return _cut(posts, wanted.limit, published)


async def count(ctx: Context, wanted: Wanted) -> int:
    """How many published posts pass the filters, on all pages."""
    query = post_rows.select(sa.func.count()).where(_p.status == PostStatus.PUBLISHED.value, *_filters(ctx.db, wanted))
    total: int = await ctx.db.fetch_val(query)
    return total


async def archive(ctx: Context, limit: int | None = None) -> Sequence[ArchiveEntry]:
    """Every published post, newest first, or so many of them."""
    query = post_rows.select(_p.slug, _p.title, _p.published_at).where(_p.status == PostStatus.PUBLISHED.value)
    rows = await ctx.db.fetch_all(query.order_by(_p.published_at.desc(), _p.id.desc()).limit(limit))
    return [ArchiveEntry(row["slug"], row["title"], row["published_at"]) for row in rows]


async def deleted(ctx: Context) -> Sequence[DeletedPost]:
    """The actor's own posts that were deleted in the last 30 days, the last one first, at most 50. Raises NotSignedIn."""
    actor = ctx.signed_in()
    query = (
        sa.select(_p.id, _p.title, _p.status, _p.deleted_at)
        .where(_p.deleted_at > ctx.now - KEPT, _written_by(actor.username))
        .order_by(_p.deleted_at.desc(), _p.id.desc())
        .limit(BEST)
    )
    rows = await ctx.db.fetch_all(query)
    return [DeletedPost(row["id"], row["title"], PostStatus(row["status"]), row["deleted_at"]) for row in rows]


def _filters(db: Database, wanted: Wanted) -> Sequence[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if wanted.tag is not None:
        links, tags = tables.post_tags, tables.tags
        carrying = (
            sa.select(links.c.post_id).join(tags, tags.c.id == links.c.tag_id).where(tags.c.name_key == wanted.tag.casefold())
        )
        found.append(_p.id.in_(carrying))
    if wanted.author is not None:
        found.append(_written_by(wanted.author))
    if wanted.author_id is not None:
        links = tables.post_authors
        found.append(_p.id.in_(sa.select(links.c.post_id).where(links.c.user_id == wanted.author_id)))
    if wanted.text is not None:
        matches = search.matching(db, wanted.text)
        found.append(sa.false() if matches is None else _p.id.in_(sa.select(matches.c.post_id)))
    return found


def _written_by(username: str) -> sa.ColumnElement[bool]:
    links, users = tables.post_authors, tables.users
    written = (
        sa.select(links.c.post_id).join(users, users.c.id == links.c.user_id).where(users.c.username_key == username.casefold())
    )
    return _p.id.in_(written)


def _key_values(key: Key) -> tuple[Any, Any]:
    try:
        instant = dt.datetime.fromisoformat(key[0])
        known = instant.astimezone(dt.UTC) if instant.tzinfo else None
    except (ValueError, OverflowError):  # the last hours of the year 9999 have no UTC
        known = None
    if known is None:
        raise InvalidInput([FieldError(("cursor",), "This is no cursor of this list: begin without one", "cursor")])
    return sa.literal(known, tables.UTCDateTime()), sa.literal(key[1])


def _cut(posts: list[Post], limit: int, published: bool) -> Page[Post]:
    if len(posts) <= limit:
        return Page(posts, None)
    last = posts[limit - 1]
    instant = last.published_at if published and last.published_at else last.created_at
    return Page(posts[:limit], (instant.isoformat(), last.id))
