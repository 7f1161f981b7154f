"""The search index against the posts."""

from collections.abc import Sequence
from functools import partial

import anyio.to_thread
import sqlalchemy as sa

from blog.db import search, tables
from blog.domain import post_rows
from blog.domain.context import Context
from blog.domain.models import Post
from blog.domain.soundness.faults import BATCH, Fault, Progress, listed, none
from blog.text.plain import text_of

_p = tables.posts.c


async def check(ctx: Context, progress: Progress = none) -> list[Fault]:
    """Missing, outdated and left-over entries, and what the index finds wrong with itself."""
    missing: list[Post] = []
    outdated: list[Post] = []
    total, done, last = await ctx.db.fetch_val(post_rows.select(sa.func.count())) or 0, 0, 0
    while posts := await post_rows.load(
        ctx.db, post_rows.select(*post_rows.FULL).where(_p.id > last).order_by(_p.id).limit(BATCH)
    ):
        entries = await search.entries(ctx.db, [post.id for post in posts])
        expected = await anyio.to_thread.run_sync(_entries, posts)
        missing += [post for post in posts if post.id not in entries]
        outdated += [post for post in posts if entries.get(post.id, expected[post.id]) != expected[post.id]]
        done, last = done + len(posts), posts[-1].id
        progress(done, total)
    return [
        *_told(ctx, "are missing from the search index", missing),
        *_told(ctx, "stand in the search index with another text", outdated),
        *await _left_over(ctx),
        *await _broken(ctx),
    ]


def _entries(posts: Sequence[Post]) -> dict[int, search.Entry]:
    return {post.id: search.entry(post.title, " ".join(post.tags), text_of(post.html)) for post in posts}


def _told(ctx: Context, what: str, posts: Sequence[Post]) -> list[Fault]:
    if not posts:
        return []
    slugs, ids = [post.slug for post in posts], [post.id for post in posts]
    return [Fault(f"{len(posts)} posts {what} ({listed(slugs)})", partial(_index, ctx, ids))]


async def _index(ctx: Context, ids: Sequence[int]) -> None:
    """Each in a transaction of its own, as it is by then."""
    for post_id in ids:
        async with ctx.db.transaction():
            if post := await post_rows.by_id(ctx.db, post_id):
                body = await anyio.to_thread.run_sync(text_of, post.html)
                await search.index(ctx.db, post_id, title=post.title, tags=" ".join(post.tags), body=body)


async def _left_over(ctx: Context) -> list[Fault]:
    ids = await search.left_over(ctx.db)

    async def remove() -> None:
        async with ctx.db.transaction():
            for post_id in await search.left_over(ctx.db):
                await search.remove(ctx.db, post_id)

    return [Fault(f"{len(ids)} entries of the search index are of posts that are gone", remove)] if ids else []


async def _broken(ctx: Context) -> list[Fault]:
    if await search.is_consistent(ctx.db):
        return []
    return [Fault("The search index is damaged", partial(search.rebuild, ctx.db))]
