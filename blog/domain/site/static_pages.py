"""Static pages such as "About", written by owners and served at the root of the site."""

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
from blog.schemas.static_pages import StaticPageInput
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.normalisation import normalise_line
from blog.text.slug import slugify

_p = tables.static_pages.c


@dataclass(frozen=True, slots=True)
class StaticPage:
    """A static page, such as "About"."""

    id: int
    slug: str
    title: str
    content: str
    html: str
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


async def by_slug(ctx: Context, slug: str) -> StaticPage:
    """Return a page by its slug. Raises NotFound."""
    return await _fetch_page(ctx, _p.slug == normalise_line(slug))


async def all_pages(ctx: Context) -> Sequence[StaticPage]:
    """Return all pages, sorted by title. They are public."""
    return [from_row(StaticPage, row) for row in await ctx.db.fetch_all(sa.select(tables.static_pages).order_by(_p.title, _p.id))]


async def get(ctx: Context, page_id: int) -> StaticPage:
    """Return a page, for an owner. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    return await _fetch_page(ctx, _p.id == page_id)


async def create(ctx: Context, new: StaticPageInput, *, reserved: Collection[str]) -> StaticPage:
    """Create a page. `reserved` are the slugs of other routes. Raises NotAuthenticated, Forbidden, Conflict (slug)."""
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
    """Overwrite a page.

    - `version`: the version that the author edited.
    - `reserved`: the slugs of other routes.

    Raises as `create` does, NotFound, and VersionConflict if the page has a newer version.
    """
    owner = policy.require_owner(ctx)
    values = await _row_values(ctx, new, reserved) | {"version": version + 1, "editor_id": owner.id}
    async with ctx.db.transaction():
        before = await get(ctx, page_id)
        if before.version != version:
            raise VersionConflict("Someone saved a newer version of this page. Compare the two, then save again.")
        try:
            await ctx.db.execute(tables.static_pages.update().where(_p.id == page_id).values(values))
        except UniqueViolation:
            raise _slug_conflict() from None
        await events.record_site_changed(ctx)
        return await get(ctx, page_id)


async def delete(ctx: Context, page_id: int) -> None:
    """Delete a page permanently. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.static_pages.delete().where(_p.id == page_id)):
            raise NotFound("We couldn't find that page")
        await events.record_site_changed(ctx)


async def _row_values(ctx: Context, new: StaticPageInput, reserved: Collection[str]) -> dict[str, Any]:
    slug = new.slug or slugify(new.title, fallback="page")
    if slug.casefold() in reserved:
        raise Conflict(f"/{slug} is used by the blog itself. Choose another slug.", loc=("slug",))
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
    return Conflict("Another page has this slug. Choose another one.", loc=("slug",))


async def _fetch_page(ctx: Context, condition: sa.ColumnElement[bool]) -> StaticPage:
    row = await ctx.db.fetch_one(sa.select(tables.static_pages).where(condition))
    if row is None:
        raise NotFound("We couldn't find that page")
    return from_row(StaticPage, row)
