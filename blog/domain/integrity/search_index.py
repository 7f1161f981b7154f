"""Integrity of the search index: compared with the posts."""

from collections.abc import Sequence
from functools import partial

import anyio.to_thread
import sqlalchemy as sa

from blog.db import fulltext, tables
from blog.domain.core.context import Context
from blog.domain.integrity.faults import BATCH_SIZE, Fault, summarise
from blog.domain.posts import post_queries, rendering
from blog.domain.posts.models import Post
from blog.progress import Progress, no_progress

_p = tables.posts.c


async def check(ctx: Context, progress: Progress = no_progress) -> list[Fault]:
    """Check for missing, outdated and orphaned entries, and run the index's own check."""
    missing: list[Post] = []
    outdated: list[Post] = []
    total, done, last = await ctx.db.fetch_val(post_queries.select(sa.func.count())) or 0, 0, 0
    while posts := await post_queries.fetch(
        ctx.db, post_queries.select(*post_queries.FULL_COLUMNS).where(_p.id > last).order_by(_p.id).limit(BATCH_SIZE)
    ):
        entries = await fulltext.stored_entries(ctx.db, [post.id for post in posts])
        expected = await anyio.to_thread.run_sync(_expected_entries, posts)
        missing += [post for post in posts if post.id not in entries]
        outdated += [post for post in posts if entries.get(post.id, expected[post.id]) != expected[post.id]]
        done, last = done + len(posts), posts[-1].id
        progress(done, total)
    return [
        *_reindex_fault(ctx, "Posts missing from the search index", missing),
        *_reindex_fault(ctx, "Posts outdated in the search index", outdated),
        *await _orphaned_entries(ctx),
        *await _index_damage(ctx),
    ]


def _expected_entries(posts: Sequence[Post]) -> dict[int, fulltext.IndexEntry]:
    return {post.id: fulltext.expected_entry(post.title, rendering.names_of(post), rendering.index_post(post)) for post in posts}


def _reindex_fault(ctx: Context, what: str, posts: Sequence[Post]) -> list[Fault]:
    if not posts:
        return []
    slugs, ids = [post.slug for post in posts], [post.id for post in posts]
    return [Fault(f"{what}: {len(posts)} ({summarise(slugs)})", partial(_reindex, ctx, ids))]


async def _reindex(ctx: Context, ids: Sequence[int]) -> None:
    """Index posts again, each in a separate transaction."""
    for post_id in ids:
        async with ctx.db.transaction():
            if post := await post_queries.by_id(ctx.db, post_id):
                body = await anyio.to_thread.run_sync(rendering.index_post, post)
                await fulltext.index(ctx.db, post_id, title=post.title, names=rendering.names_of(post), body=body)


async def _orphaned_entries(ctx: Context) -> list[Fault]:
    ids = await fulltext.orphans(ctx.db)

    async def remove() -> None:
        async with ctx.db.transaction():
            for post_id in await fulltext.orphans(ctx.db):
                await fulltext.remove(ctx.db, post_id)

    return [Fault(f"Search index entries of deleted posts: {len(ids)}", remove)] if ids else []


async def _index_damage(ctx: Context) -> list[Fault]:
    if await fulltext.is_consistent(ctx.db):
        return []
    return [Fault("The search index is damaged", partial(fulltext.rebuild, ctx.db))]
