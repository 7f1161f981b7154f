"""Pages that stand by themselves, such as "About": written by owners, read by everybody at the root of the site."""

from collections.abc import Collection, Sequence
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.models import FixedPage
from blog.errors import Conflict, NotFound, StaleVersion
from blog.schemas.pages import NewFixedPage
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.slug import slugify

_p = tables.pages.c


async def find(ctx: Context, slug: str) -> FixedPage:
    """The page of this slug. Raises NotFound."""
    return await _one(ctx, _p.slug == slug)


async def all_pages(ctx: Context) -> Sequence[FixedPage]:
    """Every page, by title; they are public."""
    return [_page(row) for row in await ctx.db.fetch_all(sa.select(tables.pages).order_by(_p.title, _p.id))]


async def get(ctx: Context, page_id: int) -> FixedPage:
    """A page for its form. Raises NotSignedIn, Forbidden, NotFound."""
    policy.require_owner(ctx)
    return await _one(ctx, _p.id == page_id)


async def create(ctx: Context, new: NewFixedPage, *, reserved: Collection[str]) -> FixedPage:
    """Write a page. `reserved` are the slugs that lead elsewhere. Raises NotSignedIn, Forbidden, Conflict (slug)."""
    owner = policy.require_owner(ctx)
    values = await _written(ctx, new, reserved) | {"version": 1, "editor_id": owner.id, "created_at": ctx.now}
    async with ctx.db.transaction():
        try:
            page_id = await ctx.db.execute(tables.pages.insert().values(values))
        except UniqueViolation:
            raise _taken() from None
        await events.record_site(ctx)
        return await get(ctx, page_id)


async def edit(ctx: Context, page_id: int, new: NewFixedPage, *, version: int, reserved: Collection[str]) -> FixedPage:
    """Write a page anew. Raises as `create` does, NotFound, and StaleVersion when it has another version by now."""
    owner = policy.require_owner(ctx)
    values = await _written(ctx, new, reserved) | {"version": version + 1, "editor_id": owner.id}
    async with ctx.db.transaction():
        before = await get(ctx, page_id)
        if before.version != version:
            raise StaleVersion("Somebody saved a newer version while you were writing")
        try:
            await ctx.db.execute(tables.pages.update().where(_p.id == page_id).values(values))
        except UniqueViolation:
            raise _taken() from None
        await events.record_site(ctx)
        return await get(ctx, page_id)


async def delete(ctx: Context, page_id: int) -> None:
    """Delete a page for good. Raises NotSignedIn, Forbidden, NotFound."""
    policy.require_owner(ctx)
    async with ctx.db.transaction():
        if not await ctx.db.execute(tables.pages.delete().where(_p.id == page_id)):
            raise NotFound("There is no such page")
        await events.record_site(ctx)


async def _written(ctx: Context, new: NewFixedPage, reserved: Collection[str]) -> dict[str, Any]:
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


def _taken() -> Conflict:
    return Conflict("Another page has this address: choose another one", loc=("slug",))


async def _one(ctx: Context, condition: sa.ColumnElement[bool]) -> FixedPage:
    row = await ctx.db.fetch_one(sa.select(tables.pages).where(condition))
    if row is None:
        raise NotFound("There is no such page")
    return _page(row)


def _page(row: Any) -> FixedPage:
    names = ("id", "slug", "title", "content", "html", "version", "created_at", "updated_at")
    return FixedPage(**{name: row[name] for name in names})
