"""Integrity of rows: posts with their versions, slugs, authors and comments; tags; site settings; rendered HTML."""

from collections.abc import Callable, Sequence
from functools import partial

import anyio.to_thread
import sqlalchemy as sa

from blog.db import tables
from blog.domain.comments import comment_changes
from blog.domain.core import runtime_settings
from blog.domain.core.context import Context
from blog.domain.integrity.faults import BATCH_SIZE, Fault, summarise
from blog.domain.posts import tags
from blog.progress import Progress, no_progress
from blog.schemas.posts import PostStatus
from blog.text.markdown import render, render_comment

_p, _r, _c = tables.posts.c, tables.revisions.c, tables.comments.c
_STEPS = 3
_RENDERED_TABLES: tuple[tuple[str, sa.Table, Callable[[str], str]], ...] = (
    ("Posts", tables.posts, render),
    ("Comments", tables.comments, render_comment),
    ("Static pages", tables.static_pages, render),
)


async def check(ctx: Context, progress: Progress = no_progress) -> list[Fault]:
    """Check posts, tags and rendered HTML."""
    faults = [*await _incomplete_posts(ctx), *await _wrong_comment_counts(ctx), *await _wrong_view_counts(ctx)]
    faults += [*await _wrong_listing_dates(ctx), *await _unreadable_preferences(ctx)]
    progress(1, _STEPS)
    faults += await _unused_tags(ctx)
    progress(2, _STEPS)
    for what, table, rendering in _RENDERED_TABLES:
        faults += await _missing_html(ctx, what, table, rendering)
    progress(_STEPS, _STEPS)
    return faults


async def _incomplete_posts(ctx: Context) -> list[Fault]:
    revisions = (
        sa.select(_r.post_id, sa.func.count().label("number"), sa.func.max(_r.version).label("last"))
        .group_by(_r.post_id)
        .subquery()
    )
    versions = tables.posts.outerjoin(revisions, revisions.c.post_id == _p.id)
    is_complete = (sa.func.coalesce(revisions.c.number, 0) == _p.version) & (sa.func.coalesce(revisions.c.last, 0) == _p.version)
    has_slug = sa.exists().where(tables.post_slugs.c.slug == _p.slug, tables.post_slugs.c.post_id == _p.id)
    has_author = sa.exists().where(tables.post_authors.c.post_id == _p.id)
    queries = (
        ("Posts that lack some of their versions", sa.select(_p.slug).select_from(versions).where(~is_complete)),
        ("Posts that lack their slug", sa.select(_p.slug).where(~has_slug)),
        ("Posts that lack their author", sa.select(_p.slug).where(~has_author)),
    )
    return [
        Fault(f"{what}: {len(slugs)} ({summarise(slugs)}). Restore a backup, or save each of them again")
        for what, query in queries
        if (slugs := await _fetch_strings(ctx, query.order_by(_p.id)))
    ]


async def _wrong_comment_counts(ctx: Context) -> list[Fault]:
    slugs = await _fetch_strings(
        ctx, sa.select(_p.slug).where(_p.comment_count != comment_changes.visible_comment_count()).order_by(_p.id)
    )
    if not slugs:
        return []
    return [Fault(f"Posts with a wrong comment count: {len(slugs)} ({summarise(slugs)})", partial(comment_changes.recount, ctx))]


async def _wrong_view_counts(ctx: Context) -> list[Fault]:
    views = tables.post_views.c
    total = sa.select(sa.func.coalesce(sa.func.sum(views.views), 0)).where(views.post_id == _p.id).scalar_subquery()
    slugs = await _fetch_strings(ctx, sa.select(_p.slug).where(_p.view_count != total).order_by(_p.id))

    async def repair() -> None:
        await ctx.db.execute(tables.posts.update().where(_p.view_count != total).values(view_count=total))

    return [Fault(f"Posts with a wrong view count: {len(slugs)} ({summarise(slugs)})", repair)] if slugs else []


async def _wrong_listing_dates(ctx: Context) -> list[Fault]:
    """Check the dates that triggers maintain: a table that was written without the triggers has wrong ones."""
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

    return [Fault(f"Posts listed under a wrong date: {len(slugs)} ({summarise(sorted(slugs))})", repair)] if slugs else []


async def _unreadable_preferences(ctx: Context) -> list[Fault]:
    names = await runtime_settings.unreadable_preferences(ctx.db)
    text = f"Site settings that cannot be read: {summarise(names)}. Their defaults apply: save them again on /admin/site"
    return [Fault(text)] if names else []


async def _unused_tags(ctx: Context) -> list[Fault]:
    names = await tags.list_unused(ctx.db)
    return (
        [Fault(f"Tags without a post: {len(names)} ({summarise(names)})", partial(tags.remove_unused, ctx.db))] if names else []
    )


async def _missing_html(ctx: Context, what: str, table: sa.Table, rendering: Callable[[str], str]) -> list[Fault]:
    """Check for missing HTML. Some texts have none, such as a Markdown comment: only rendering shows that."""
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

    return [Fault(f"{what} without HTML: {len(lost)} ({summarise([f'id {number}' for number in lost])})", repair)]


async def _fetch_strings(ctx: Context, query: sa.Select[tuple[str]]) -> Sequence[str]:
    return [row[0] for row in await ctx.db.fetch_all(query)]
