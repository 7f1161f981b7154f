"""What search engines should visit, in parts of bounded size: each read page by page, so that memory stays flat."""

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

MOST = 50_000
"""Addresses in one sitemap: more are not allowed (sitemaps.org)."""
FIXED = ("home", "archive", "tags")
"""The lists that every blog has; they change with the newest post."""
_AT_ONCE = 500
_LARGEST_ID = 2**63 - 1
_p, _t, _u, _g = tables.posts.c, tables.tags.c, tables.users.c, tables.pages.c
_pt, _pa = tables.post_tags.c, tables.post_authors.c
_PUBLISHED = _p.status == PostStatus.PUBLISHED.value


class Kind(StrEnum):
    """What a part of the sitemap lists: posts, tags and authors with posts, pages that stand by themselves, `FIXED`."""

    FIXED = "fixed"
    PAGES = "pages"
    POSTS = "posts"
    TAGS = "tags"
    AUTHORS = "authors"


_KEYS = {Kind.PAGES: _g.id, Kind.POSTS: _p.id, Kind.TAGS: _t.id, Kind.AUTHORS: _u.id}


@dataclass(frozen=True, slots=True)
class Part:
    """The public rows of one kind with ids from `number * MOST + 1` on, so that none ever moves to another part."""

    kind: Kind
    number: int
    entries: int
    changed_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Contents:
    """Parts, and the place in the event log at which they were so: what changes them moves it or changes their numbers."""

    parts: Sequence[Part]
    position: Position


@dataclass(frozen=True, slots=True)
class Entry:
    """One address: `name` is a slug, tag or username, or one of `FIXED`; `changed_at` is when its page last changed."""

    name: str
    changed_at: dt.datetime | None


async def contents(ctx: Context) -> Contents:
    """Every part that is not empty, from one state of the database."""
    async with ctx.db.snapshot():
        parts = [await _fixed(ctx), *[part for kind in _KEYS for part in await _parts(ctx, _rows(kind), kind)]]
        return Contents(parts, await events.position(ctx.db))


async def part(ctx: Context, kind: Kind, number: int) -> Contents:
    """One part alone. Raises NotFound for one that would be empty."""
    first, last = number * MOST, (number + 1) * MOST
    parts: Sequence[Part] = []
    async with ctx.db.snapshot():
        if kind is Kind.FIXED and number == 0:
            parts = [await _fixed(ctx)]
        elif kind is not Kind.FIXED and last <= _LARGEST_ID:
            parts = await _parts(ctx, _within(kind, first, last), kind)
        position = await events.position(ctx.db)
    if not parts:
        raise NotFound("There is no such sitemap")
    return Contents(parts, position)


async def entries(ctx: Context, part: Part) -> AsyncIterator[Sequence[Entry]]:
    """The entries of a part, some at a time. Each is its own query: a client that reads slowly holds no connection."""
    if part.kind is Kind.FIXED:
        yield [Entry(name, part.changed_at) for name in FIXED]
        return
    after, last = part.number * MOST, (part.number + 1) * MOST
    while after < last:
        query = _within(part.kind, after, last).order_by(_KEYS[part.kind]).limit(_AT_ONCE)
        rows = await ctx.db.fetch_all(query)
        yield [Entry(row["name"], row["changed_at"]) for row in rows]
        after = rows[-1]["id"] if len(rows) == _AT_ONCE else last


async def _fixed(ctx: Context) -> Part:
    newest = post_queries.select(_p.updated_at).where(_PUBLISHED).order_by(_p.updated_at.desc(), _p.id.desc()).limit(1)
    return Part(Kind.FIXED, 0, len(FIXED), await ctx.db.fetch_val(newest))


async def _parts(ctx: Context, query: sa.Select[Any], kind: Kind) -> Sequence[Part]:
    rows = query.subquery()
    number = (rows.c.id - 1) // MOST
    counted = sa.select(
        number.label("number"), sa.func.count().label("entries"), sa.func.max(rows.c.changed_at).label("changed_at")
    )
    found = await ctx.db.fetch_all(counted.group_by(number).order_by(number))
    return [Part(kind, row["number"], row["entries"], row["changed_at"]) for row in found]


def _within(kind: Kind, after: int, last: int) -> sa.Select[Any]:
    return _rows(kind).where(_KEYS[kind] > after, _KEYS[kind] <= last)


def _rows(kind: Kind) -> sa.Select[Any]:
    """The columns `id`, `name` and `changed_at` of all that is public; a list changes with the newest of its posts."""
    newest = sa.func.max(_p.updated_at).label("changed_at")
    match kind:
        case Kind.TAGS:
            carrying = post_queries.select(_t.id, _t.name, newest).join(tables.post_tags, _pt.post_id == _p.id)
            return carrying.join(tables.tags, _t.id == _pt.tag_id).where(_PUBLISHED).group_by(_t.id, _t.name)
        case Kind.AUTHORS:
            named = _u.username.label("name")
            written = post_queries.select(_u.id, named, newest).join(tables.post_authors, _pa.post_id == _p.id)
            written = written.join(tables.users, _u.id == _pa.user_id).where(_PUBLISHED, _u.deleted_at.is_(None))
            return written.group_by(_u.id, _u.username)
        case Kind.PAGES:
            return sa.select(_g.id, _g.slug.label("name"), _g.updated_at.label("changed_at"))
        case _:
            return post_queries.select(_p.id, _p.slug.label("name"), _p.updated_at.label("changed_at")).where(_PUBLISHED)
