"""HTML of an older renderer, which is rendered again after an upgrade while the blog runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import sqlalchemy as sa
import structlog

from blog.db import tables
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.rows import from_row
from blog.domain.posts import post_queries, post_writes, rendering
from blog.domain.posts.models import Post
from blog.text.markdown import RENDERER_VERSION, render, render_comment

log = structlog.stdlib.get_logger("blog.rendering")
BATCH_SIZE = 20
"""Texts per transaction. They are rendered before it, so that it holds the write lock only shortly."""
_PAUSE = 0.2  # seconds between two batches, for the requests that wait for the CPU


@dataclass(frozen=True, slots=True)
class _Text:
    id: int
    content: str


T = TypeVar("T", Post, _Text)
R = TypeVar("R")


async def render_again(ctx: Context) -> int:
    """Render the posts, comments and static pages with HTML of an older renderer, and return their number.

    Each batch is a separate transaction: after an interruption the next call continues with the others. Versions, dates and
    the texts of other writers are not changed. Several workers may do this at the same time.
    """
    count = await _render_batches(ctx, tables.posts, _fetch_posts, rendering.render_post_in_thread, post_writes.update_rendering)
    for table, function in ((tables.comments, render_comment), (tables.static_pages, render)):
        count += await _render_batches(
            ctx,
            table,
            partial(_fetch_texts, table=table),
            partial(_render_text, function=function),
            partial(_update, table=table),
        )
    return count


async def _render_batches(
    ctx: Context,
    table: sa.Table,
    fetch: Callable[[Context, sa.ColumnElement[bool]], Awaitable[Sequence[T]]],
    render_item: Callable[[T], Awaitable[R]],
    update: Callable[[Context, T, R], Awaitable[None]],
) -> int:
    count = last = 0
    while items := await fetch(ctx, (table.c.id > last) & (table.c.renderer_version < RENDERER_VERSION)):
        rendered = [await render_item(item) for item in items]
        async with ctx.db.transaction():
            for item, result in zip(items, rendered, strict=True):
                await update(ctx, item, result)
            await events.record_site_changed(ctx)  # caches contain the old HTML
        count, last = count + len(items), items[-1].id
        log.info("texts rendered again", table=table.name, count=count, last_id=last)
        await anyio.sleep(_PAUSE)
    return count


async def _fetch_posts(ctx: Context, condition: sa.ColumnElement[bool]) -> Sequence[Post]:
    """Return the next posts, including deleted ones, which may be restored."""
    query = sa.select(*post_queries.FULL_COLUMNS).where(condition).order_by(tables.posts.c.id).limit(BATCH_SIZE)
    return await post_queries.fetch(ctx.db, query)


async def _fetch_texts(ctx: Context, condition: sa.ColumnElement[bool], *, table: sa.Table) -> Sequence[_Text]:
    query = sa.select(table.c.id, table.c.content).where(condition).order_by(table.c.id).limit(BATCH_SIZE)
    return [from_row(_Text, row) for row in await ctx.db.fetch_all(query)]


async def _render_text(text: _Text, *, function: Callable[[str], str]) -> str:
    return await anyio.to_thread.run_sync(function, text.content)


async def _update(ctx: Context, text: _Text, html: str, *, table: sa.Table) -> None:
    is_current = (table.c.id == text.id) & (table.c.content == text.content)
    await ctx.db.execute(table.update().where(is_current).values(html=html, renderer_version=RENDERER_VERSION))
