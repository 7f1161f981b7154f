"""Rows that belong together: posts, their versions, addresses, authors and comments; tags; rendered text."""

from collections.abc import Callable, Sequence
from functools import partial

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_changes
from blog.domain.core.context import Context
from blog.domain.integrity.faults import BATCH_SIZE, Fault, summarise
from blog.domain.posts import tags
from blog.progress import Progress, no_progress
from blog.schemas.posts import PostStatus
from blog.text.markdown import render, render_comment

_p, _r, _c = tables.posts.c, tables.revisions.c, tables.comments.c
_STEPS = 3
_RENDERED_TABLES: tuple[tuple[str, sa.Table, Callable[[str], str]], ...] = (
    ("posts", tables.posts, render),
    ("comments", tables.comments, render_comment),
    ("pages", tables.static_pages, render),
)


async def check(ctx: Context, progress: Progress = no_progress) -> list[Fault]:
    """All of it."""
    found = [*await _incomplete_posts(ctx), *await _wrong_comment_counts(ctx), *await _wrong_listing_dates(ctx)]
    progress(1, _STEPS)
    found += await _unused_tags(ctx)
    progress(2, _STEPS)
    for what, table, rendering in _RENDERED_TABLES:
        found += await _missing_html(ctx, what, table, rendering)
    progress(_STEPS, _STEPS)
    return found


async def _incomplete_posts(ctx: Context) -> list[Fault]:
    kept = (
        sa.select(_r.post_id, sa.func.count().label("number"), sa.func.max(_r.version).label("last"))
        .group_by(_r.post_id)
        .subquery()
    )
    versions = tables.posts.outerjoin(kept, kept.c.post_id == _p.id)
    is_whole = (sa.func.coalesce(kept.c.number, 0) == _p.version) & (sa.func.coalesce(kept.c.last, 0) == _p.version)
    address = sa.exists().where(tables.post_slugs.c.slug == _p.slug, tables.post_slugs.c.post_id == _p.id)
    author = sa.exists().where(tables.post_authors.c.post_id == _p.id, tables.post_authors.c.user_id == _p.author_id)
    asked = (
        ("lack some of their versions", sa.select(_p.slug).select_from(versions).where(~is_whole)),
        ("lack their address", sa.select(_p.slug).where(~address)),
        ("lack their author", sa.select(_p.slug).where(~author)),
    )
    return [
        Fault(f"{len(slugs)} posts {what} ({summarise(slugs)}): restore a backup, or save each of them again")
        for what, query in asked
        if (slugs := await _fetch_strings(ctx, query.order_by(_p.id)))
    ]


async def _wrong_comment_counts(ctx: Context) -> list[Fault]:
    slugs = await _fetch_strings(
        ctx, sa.select(_p.slug).where(_p.comment_count != comment_changes.visible_comment_count()).order_by(_p.id)
    )
    if not slugs:
        return []
    return [Fault(f"{len(slugs)} posts count their comments wrongly ({summarise(slugs)})", partial(comment_changes.recount, ctx))]


async def _wrong_listing_dates(ctx: Context) -> list[Fault]:
    """Triggers keep these dates; a table that was written while they were gone has others."""
    post = tables.posts.alias().c
    is_seen = (post.status == PostStatus.PUBLISHED.value) & post.deleted_at.is_(None)
    slugs, repairs = set[str](), []
    for links in (tables.post_tags, tables.post_authors):
        date = sa.select(sa.case((is_seen, post.published_at))).where(post.id == links.c.post_id).scalar_subquery()
        is_wrong = links.c.listed_at.is_distinct_from(date)
        slugs.update(await _fetch_strings(ctx, sa.select(_p.slug).join(links, links.c.post_id == _p.id).where(is_wrong)))
        repairs.append(links.update().where(is_wrong).values(listed_at=date))

    async def repair() -> None:
        async with ctx.db.transaction():
            for update in repairs:
                await ctx.db.execute(update)

    return [Fault(f"{len(slugs)} posts are listed under a wrong date ({summarise(sorted(slugs))})", repair)] if slugs else []


async def _unused_tags(ctx: Context) -> list[Fault]:
    names = await tags.list_unused(ctx.db)
    return (
        [Fault(f"{len(names)} tags belong to no post ({summarise(names)})", partial(tags.remove_unused, ctx.db))] if names else []
    )


async def _missing_html(ctx: Context, what: str, table: sa.Table, rendering: Callable[[str], str]) -> list[Fault]:
    """Some texts have no HTML, such as a comment in Markdown: only rendering tells."""
    lost: dict[int, str] = {}
    last = 0
    blank = sa.select(table.c.id, table.c.content).where(table.c.html == "", table.c.content != "").order_by(table.c.id)
    while rows := await ctx.db.fetch_all(blank.where(table.c.id > last).limit(BATCH_SIZE)):
        for row in rows:
            if html := await anyio.to_thread.run_sync(rendering, row["content"]):
                lost[row["id"]] = html
        last = rows[-1]["id"]
    if not lost:
        return []

    async def repair() -> None:
        for number, html in lost.items():
            await ctx.db.execute(table.update().where(table.c.id == number, table.c.html == "").values(html=html))

    return [Fault(f"{len(lost)} {what} were not rendered ({summarise([f'id {number}' for number in lost])})", repair)]


async def _fetch_strings(ctx: Context, query: sa.Select[tuple[str]]) -> Sequence[str]:
    return [row[0] for row in await ctx.db.fetch_all(query)]
