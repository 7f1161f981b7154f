"""Read model of the sitemap: files of bounded size, read in batches so that memory stays flat."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.posts import post_queries
from blog.errors import NotFound
from blog.schemas.posts import PostStatus
from blog.schemas.static_pages import PageStatus

MAX_URLS = 50_000
"""Maximum number of URLs in one sitemap file (sitemaps.org)."""
LIST_PAGES = ("home", "archive", "tags")
"""Pages that every blog has; they change with the newest post."""
_BATCH_SIZE = 500
_MAX_ID = 2**63 - 1
_p, _t, _u, _g = tables.posts.c, tables.tags.c, tables.users.c, tables.static_pages.c
_pt, _pa = tables.post_tags.c, tables.post_authors.c
_PUBLISHED = _p.status == PostStatus.PUBLISHED.value


class SitemapKind(StrEnum):
    """Contents of a sitemap file: posts, tags and authors with posts, static pages, or `LIST_PAGES`."""

    LISTS = "fixed"
    PAGES = "pages"
    POSTS = "posts"
    TAGS = "tags"
    AUTHORS = "authors"


_ID_COLUMNS = {SitemapKind.PAGES: _g.id, SitemapKind.POSTS: _p.id, SitemapKind.TAGS: _t.id, SitemapKind.AUTHORS: _u.id}


@dataclass(frozen=True, slots=True)
class SitemapPart:
    """One sitemap file: rows with ids in a fixed range, so that a URL never moves between files."""

    kind: SitemapKind
    number: int
    url_count: int
    changed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class SitemapIndex:
    """Sitemap files with the log position: a change of any of them moves the position or changes the counts."""

    parts: Sequence[SitemapPart]
    position: Position


@dataclass(frozen=True, slots=True)
class SitemapEntry:
    """One URL: `name` is a slug, tag, username, or one of `LIST_PAGES`; `changed_at` is the last change of its page."""

    name: str
    changed_at: dt.datetime | None


async def load_index(ctx: Context) -> SitemapIndex:
    """Return all sitemap files that are not empty, from one database snapshot."""
    async with ctx.db.snapshot():
        parts = [
            await _list_pages_part(ctx),
            *[part for kind in _ID_COLUMNS for part in await _load_parts(ctx, _public_rows(ctx, kind), kind)],
        ]
        return SitemapIndex(parts, await events.position(ctx.db))


async def load_part(ctx: Context, kind: SitemapKind, number: int) -> SitemapIndex:
    """Return one sitemap file. Raises NotFound if it would be empty."""
    first, last = number * MAX_URLS, (number + 1) * MAX_URLS
    parts: Sequence[SitemapPart] = []
    async with ctx.db.snapshot():
        if kind is SitemapKind.LISTS and number == 0:
            parts = [await _list_pages_part(ctx)]
        elif kind is not SitemapKind.LISTS and last <= _MAX_ID:
            parts = await _load_parts(ctx, _rows_in_range(ctx, kind, first, last), kind)
        position = await events.position(ctx.db)
    if not parts:
        raise NotFound("This sitemap does not exist")
    return SitemapIndex(parts, position)


async def iter_entries(ctx: Context, part: SitemapPart) -> AsyncIterator[Sequence[SitemapEntry]]:
    """Yield the entries of a sitemap file in batches. Each batch is one query: a slow client holds no database connection."""
    if part.kind is SitemapKind.LISTS:
        yield [SitemapEntry(name, part.changed_at) for name in LIST_PAGES]
        return
    after, last = part.number * MAX_URLS, (part.number + 1) * MAX_URLS
    while after < last:
        query = _rows_in_range(ctx, part.kind, after, last).order_by(_ID_COLUMNS[part.kind]).limit(_BATCH_SIZE)
        rows = await ctx.db.fetch_all(query)
        yield [SitemapEntry(row["name"], row["changed_at"]) for row in rows]
        after = rows[-1]["id"] if len(rows) == _BATCH_SIZE else last


async def _list_pages_part(ctx: Context) -> SitemapPart:
    newest = post_queries.select(_p.updated_at).where(_PUBLISHED).order_by(_p.updated_at.desc(), _p.id.desc()).limit(1)
    return SitemapPart(SitemapKind.LISTS, 0, len(LIST_PAGES), await ctx.db.fetch_val(newest))


async def _load_parts(ctx: Context, query: sa.Select[Any], kind: SitemapKind) -> Sequence[SitemapPart]:
    rows = query.subquery()
    number = (rows.c.id - 1) // MAX_URLS
    counted = sa.select(
        number.label("number"), sa.func.count().label("entries"), sa.func.max(rows.c.changed_at).label("changed_at")
    )
    parts = await ctx.db.fetch_all(counted.group_by(number).order_by(number))
    return [SitemapPart(kind, row["number"], row["entries"], row["changed_at"]) for row in parts]


def _rows_in_range(ctx: Context, kind: SitemapKind, after: int, last: int) -> sa.Select[Any]:
    return _public_rows(ctx, kind).where(_ID_COLUMNS[kind] > after, _ID_COLUMNS[kind] <= last)


def _public_rows(ctx: Context, kind: SitemapKind) -> sa.Select[Any]:
    """Return a query of `id`, `name` and `changed_at` of everything public. A list changes with its newest post."""
    newest = sa.func.max(_p.updated_at).label("changed_at")
    match kind:
        case SitemapKind.TAGS:
            address = sa.func.coalesce(_t.own_slug, _t.name).label("name")
            carrying = post_queries.select(_t.id, address, newest).join(tables.post_tags, _pt.post_id == _p.id)
            return carrying.join(tables.tags, _t.id == _pt.tag_id).where(_PUBLISHED).group_by(_t.id, _t.own_slug, _t.name)
        case SitemapKind.AUTHORS:
            named = _u.username.label("name")
            written = post_queries.select(_u.id, named, newest).join(tables.post_authors, _pa.post_id == _p.id)
            written = written.join(tables.users, _u.id == _pa.user_id).where(_PUBLISHED, _u.deleted_at.is_(None))
            return written.group_by(_u.id, _u.username)
        case SitemapKind.PAGES:
            is_public = _g.status == PageStatus.PUBLISHED.value
            return sa.select(_g.id, _g.slug.label("name"), _g.updated_at.label("changed_at")).where(is_public)
        case _:
            here = _p.canonical_url.startswith(f"{ctx.site.settings.public_url}/", autoescape=True)
            listed = post_queries.select(_p.id, _p.slug.label("name"), _p.updated_at.label("changed_at")).where(_PUBLISHED)
            return listed.where(_p.canonical_url.is_(None) | here)  # search engines list the original alone
