"""Looks for damage and says what to do about it."""

import re
from collections.abc import AsyncIterator

import sqlalchemy as sa

from blog.db import integrity, search, tables
from blog.domain.context import Context

_p = tables.posts.c
_BATCH = 200
_MEDIA = re.compile(r'/media/([0-9a-f]{64}\.\w+)"')


async def check_site(ctx: Context) -> list[str]:
    """One sentence for each finding; none when all is well. Reads everything, changes nothing."""
    return await integrity.damage(ctx.db) + await _unindexed(ctx) + [finding async for finding in _lost_images(ctx)]


async def _unindexed(ctx: Context) -> list[str]:
    count = await search.unindexed(ctx.db)
    return [f"{count} posts are missing from the search index: save each of them again"] if count else []


async def _lost_images(ctx: Context) -> AsyncIterator[str]:
    last = 0
    while rows := await ctx.db.fetch_all(
        sa.select(_p.id, _p.slug, _p.html).where(_p.id > last, _p.deleted_at.is_(None)).order_by(_p.id).limit(_BATCH)
    ):
        for row in rows:
            for name in _MEDIA.findall(row["html"]):
                if not (ctx.site.settings.media_dir / name).is_file():
                    yield f"The image {name} of the post {row['slug']} is missing from MEDIA_DIR: put it back or edit the post"
        last = rows[-1]["id"]
