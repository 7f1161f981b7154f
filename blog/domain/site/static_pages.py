"""Static pages such as "About", written by owners and served at the root of the site. Drafts are visible to owners alone."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import UniqueViolation
from blog.domain.core import events, policy
from blog.domain.core.context import Context
from blog.domain.core.models import CursorKey, ResultPage
from blog.domain.core.rows import from_row
from blog.errors import Conflict, FieldError, InvalidInput, NotFound, VersionConflict
from blog.schemas.static_pages import PageStatus, StaticPageChanges, StaticPageInput
from blog.text.markdown import RENDERER_VERSION, render
from blog.text.normalisation import normalise_line
from blog.text.plain_text import has_visible_content, html_to_text
from blog.text.slug import slugify

_p = tables.static_pages.c
_EMPTY = "This page is empty. Write something before you publish it, or save it as a draft."


@dataclass(frozen=True, slots=True)
class StaticPage:
    """A static page, such as "About"."""

    id: int
    slug: str
    title: str
    content: str
    html: str
    status: PageStatus
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


async def by_slug(ctx: Context, slug: str) -> StaticPage:
    """Return a page by its slug. Raises NotFound, also for a draft if the actor is not an owner."""
    return await _fetch_page(ctx, _p.slug == normalise_line(slug))


async def by_id(ctx: Context, page_id: int) -> StaticPage:
    """Return a page that the actor may see. Raises NotFound."""
    return await _fetch_page(ctx, _p.id == page_id)


async def list_page(ctx: Context, *, limit: int, after: CursorKey | None = None) -> ResultPage[StaticPage]:
    """Return some of the pages that the actor may see, oldest first.

    after: the key of the last page that the client has.
    """
    query = sa.select(tables.static_pages).where(_is_visible(ctx), _p.id > (after[1] if after else 0))
    rows = await ctx.db.fetch_all(query.order_by(_p.id).limit(limit + 1))
    return ResultPage.by_id([from_row(StaticPage, row) for row in rows], limit)


async def all_pages(ctx: Context) -> Sequence[StaticPage]:
    """Return the pages that the actor may see, sorted by title: for owners also drafts."""
    query = sa.select(tables.static_pages).where(_is_visible(ctx)).order_by(_p.title, _p.id)
    return [from_row(StaticPage, row) for row in await ctx.db.fetch_all(query)]


async def get(ctx: Context, page_id: int) -> StaticPage:
    """Return a page, for an owner. Raises NotAuthenticated, Forbidden, NotFound."""
    policy.require_owner(ctx)
    return await _fetch_page(ctx, _p.id == page_id)


async def create(ctx: Context, new: StaticPageInput, *, reserved: Collection[str]) -> StaticPage:
    """Create a page.

    reserved: the slugs of other routes.

    Raises NotAuthenticated, Forbidden, Conflict (slug), InvalidInput for a public page without visible content.
    """
    owner = policy.require_owner(ctx)
    slug = new.slug or slugify(new.title, fallback="page")
    values = {"title": new.title, "slug": slug, "status": new.status.value, **await _rendered(new.content)}
    await _check(values, reserved)
    values |= {"version": 1, "editor_id": owner.id, "created_at": ctx.now, "updated_at": ctx.now}
    async with ctx.db.transaction():
        try:
            page_id = await ctx.db.execute(tables.static_pages.insert().values(values))
        except UniqueViolation:
            raise _slug_conflict() from None
        await events.record_site_changed(ctx)
        page = await get(ctx, page_id)
    await ctx.site.runtime_settings.refresh(ctx.db)
    return page


async def edit(
    ctx: Context, page_id: int, changes: StaticPageChanges, *, if_match: Collection[int] | None = None, reserved: Collection[str]
) -> StaticPage:
    """Change the given fields of a page.

    if_match: the versions that may be replaced; None: any.
    reserved: the slugs of other routes.

    Raises as `create` does, NotFound, and VersionConflict if the page has another version.
    """
    owner = policy.require_owner(ctx)
    sent = changes.model_dump(mode="json", include=changes.model_fields_set)
    sent |= await _rendered(changes.content) if "content" in sent else {}
    stored = await get(ctx, page_id)
    await _check({"html": stored.html, "status": stored.status, "slug": stored.slug} | sent, reserved)
    async with ctx.db.transaction():
        before = await get(ctx, page_id)
        _require_version(before, if_match)
        values = sent | {"version": before.version + 1, "editor_id": owner.id, "updated_at": ctx.now}
        try:
            await ctx.db.execute(tables.static_pages.update().where(_p.id == page_id).values(values))
        except UniqueViolation:
            raise _slug_conflict() from None
        await events.record_site_changed(ctx)
        page = await get(ctx, page_id)
    await ctx.site.runtime_settings.refresh(ctx.db)
    return page


async def delete(ctx: Context, page_id: int, *, if_match: Collection[int] | None = None) -> None:
    """Delete a page permanently. Raises NotAuthenticated, Forbidden, NotFound, VersionConflict (if_match)."""
    async with ctx.db.transaction():
        _require_version(await get(ctx, page_id), if_match)
        await ctx.db.execute(tables.static_pages.delete().where(_p.id == page_id))
        await events.record_site_changed(ctx)
    await ctx.site.runtime_settings.refresh(ctx.db)


async def _rendered(content: str) -> dict[str, Any]:
    html = await anyio.to_thread.run_sync(render, content)
    return {"content": content, "html": html, "renderer_version": RENDERER_VERSION}


async def _check(values: Mapping[str, Any], reserved: Collection[str]) -> None:
    slug = values["slug"]
    if slug.casefold() in reserved:
        raise Conflict(f"/{slug} is used by the blog itself. Choose another slug.", loc=("slug",))
    if values["status"] == PageStatus.PUBLISHED and await anyio.to_thread.run_sync(is_empty, values["html"]):
        raise InvalidInput([FieldError(("content",), _EMPTY, "empty_page")])


def is_empty(html: str) -> bool:
    """Return whether nothing of a page is visible. CPU-bound."""
    return not has_visible_content(html, html_to_text(html))


def _require_version(page: StaticPage, versions: Collection[int] | None) -> None:
    if versions is not None and page.version not in versions:
        raise VersionConflict("Someone saved a newer version of this page. Compare the two, then save again.")


def _slug_conflict() -> Conflict:
    return Conflict("Another page has this slug. Choose another one.", loc=("slug",))


def _is_visible(ctx: Context) -> sa.ColumnElement[bool]:
    return sa.true() if policy.is_owner(ctx.actor) else _p.status == PageStatus.PUBLISHED.value


async def _fetch_page(ctx: Context, condition: sa.ColumnElement[bool]) -> StaticPage:
    row = await ctx.db.fetch_one(sa.select(tables.static_pages).where(condition, _is_visible(ctx)))
    if row is None:
        raise NotFound("We couldn't find that page")
    return from_row(StaticPage, row)
