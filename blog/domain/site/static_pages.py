"""Pages that stand by themselves, such as "About": written by owners, read by everybody at the root of the site."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.rows import from_row
from blog.errors import Conflict, NotFound, VersionConflict
from blog.schemas.pages import StaticPageInput
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.slug import slugify

_p = tables.static_pages.c


@dataclass(frozen=True, slots=True)
class StaticPage:
    """A page that stands by itself, such as "About"."""

    id: int
    slug: str
    title: str
    content: str
    html: str
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


async def by_slug(ctx: Context, slug: str) -> StaticPage:
    """The page of this slug. Raises NotFound."""
    return await _fetch_page(ctx, _p.slug == slug)


async def all_pages(ctx: Context) -> Sequence[StaticPage]:
    """Every page, by title; they are public."""
    return [from_row(StaticPage, row) for row in await ctx.db.fetch_all(sa.select(tables.static_pages).order_by(_p.title, _p.id))]


async def get(ctx: Context, page_id: int) -> StaticPage:
    """A page for its form. Raises NotSignedIn, Forbidden, NotFound."""
    policy.require_owner(ctx)
    return await _fetch_page(ctx, _p.id == page_id)


async def create(ctx: Context, new: StaticPageInput, *, reserved: Collection[str]) -> StaticPage:
    """Write a page. `reserved` are the slugs that lead elsewhere. Raises NotSignedIn, Forbidden, Conflict (slug)."""
    owner = policy.require_owner(ctx)
    values = await _row_values(ctx, new, reserved) | {"version": 1, "editor_id": owner.id, "created_at": ctx.now}
    async with ctx.db.transaction():
        try:
            page_id = await ctx.db.execute(tables.static_pages.insert().values(values))
        except UniqueViolation:
            raise _slug_conflict() from None
        await events.record_site_changed(ctx)
        return await get(ctx, page_id)


async def edit(ctx: Context, page_id: int, new: StaticPageInput, *, version: int, reserved: Collection[str]) -> StaticPage:
    """Write a page anew. Raises as `create` does, NotFound, and StaleVersion when it has another version by now."""
    owner = policy.require_owner(ctx)
    values = await _row_values(ctx, new, reserved) | {"version": version + 1, "editor_id": owner.id}
    async with ctx.db.transaction():
        before = await get(ctx, page_id)
        if before.version != version:
            raise VersionConflict("Somebody saved a newer version while you were writing")
        try:
            await ctx.db.execute(tables.static_pages.update().where(_p.id == page_id).values(values))
        except UniqueViolation:
            raise _slug_conflict() from None
        await events.record_site_changed(ctx)
        return await get(ctx, page_id)


async def delete(ctx: Context, page_id: int) -> None:
    """Delete a page for good. Raises NotSignedIn, Forbidden, NotFound."""
    policy.require_owner(ctx)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.static_pages.delete().where(_p.id == page_id)):
            raise NotFound("There is no such page")
        await events.record_site_changed(ctx)


async def _row_values(ctx: Context, new: StaticPageInput, reserved: Collection[str]) -> dict[str, Any]:
    slug = new.slug or slugify(new.title, fallback="page")
    if slug.casefold() in reserved:
        raise Conflict(f"/{slug} leads to a part of the blog itself: choose another address", loc=("slug",))
    html = await anyio.to_thread.run_sync(render, new.content)
    return {
        "slug": slug,
        "title": new.title,
        "content": new.content,
        "html": html,
        "renderer_version": RENDERER_VERSION,
        "updated_at": ctx.now,
    }


def _slug_conflict() -> Conflict:
    return Conflict("Another page has this address: choose another one", loc=("slug",))


async def _fetch_page(ctx: Context, condition: sa.ColumnElement[bool]) -> StaticPage:
    row = await ctx.db.fetch_one(sa.select(tables.static_pages).where(condition))
    if row is None:
        raise NotFound("There is no such page")
    return from_row(StaticPage, row)
