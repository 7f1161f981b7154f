"""The cost of each page of a list, from the first to the last: `python tests/benchmarks/paging.py [POSTS]`.

Walks the whole list by cursor, while posts are added, then times the first and the last page in turn; prints medians and
their ratio. In one process, without a network.
"""

import asyncio
import datetime as dt
import statistics
import sys
import tempfile
import time
from pathlib import Path

import click
from pydantic import SecretStr

from blog.db import migration
from blog.domain.accounts import accounts
from blog.domain.core.context import Context, Site
from blog.domain.core.site import open_site
from blog.domain.posts import authors, post_lists, post_writes, posts, rendering
from blog.domain.posts.post_filter import PostFilter
from blog.schemas.accounts import NewUser, Role
from blog.schemas.posts import NewPost, PostStatus
from tests.support.configuration import make_settings
from tests.support.posts import make_content

ROUNDS = 200


async def fill(ctx: Context, count: int) -> None:
    """Create posts, each dated one minute earlier."""
    text = "Some *text* of a usual length. " * 20
    by_line = (authors.of_actor(ctx.require_actor()),)
    content = make_content(title="A post", content=text, tags=("tag",), authors=by_line, status=PostStatus.PUBLISHED)
    rendered = rendering.render_post(content)
    with click.progressbar(range(0, count, 500), label="Filling", file=sys.stderr) as batches:
        for start in batches:
            async with ctx.db.transaction():
                for number in range(start, min(start + 500, count)):
                    at = ctx.now - dt.timedelta(minutes=count - number)
                    post = rendered.with_changes(slug=f"post-{number}", published_at=at)
                    await post_writes.insert(ctx, post, created_at=at)


async def walk(ctx: Context) -> tuple[list[int], tuple[str, int] | None]:
    """Return every id by cursor, with a post added after each tenth page, and the cursor of the last page."""
    seen: list[int] = []
    key = last = None
    pages = 0
    while True:
        page = await post_lists.list_page(ctx, PostFilter(limit=100, after=key, full=True))
        seen += [post.id for post in page.items]
        last, key, pages = key, page.next, pages + 1
        if key is None:
            return seen, last
        if pages % 10 == 0:
            await posts.create(ctx, NewPost(title="Added midway", content="x"))


async def timed(ctx: Context, after: tuple[str, int] | None) -> float:
    """Return the seconds for one page of 20."""
    started = time.perf_counter()
    await post_lists.list_page(ctx, PostFilter(after=after, full=True))
    return time.perf_counter() - started


async def measure(site: Site, count: int) -> None:
    """Create the posts, walk the pages, and print the times."""
    ctx = Context(site, None, dt.datetime.now(dt.UTC), "benchmark")
    owner = await accounts.create(ctx, NewUser(username="ada", email="ada@example.org"), Role.OWNER)
    ctx = ctx.acting_as(accounts.as_actor(owner))
    await fill(ctx, count)
    seen, last = await walk(ctx)
    times: dict[str, list[float]] = {"first": [], "last": []}
    for _ in range(ROUNDS):
        times["first"].append(await timed(ctx, None))
        times["last"].append(await timed(ctx, last))
    first, final = (statistics.median(times[name]) * 1000 for name in ("first", "last"))
    old = [number for number in seen if number <= count]
    print(f"{count} posts: {len(old)} seen, {len(set(old))} different, in order: {old == sorted(old, reverse=True)}")
    print(f"first page {first:.2f} ms, last page {final:.2f} ms, ratio {final / first:.2f}")


async def main() -> None:
    """Run in a temporary directory."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        settings = make_settings(
            secret_key=SecretStr("a secret for a benchmark, 32 characters"),
            database_url=f"sqlite:///{Path(folder) / 'blog.db'}",
        )
        migration.upgrade(settings.database_url)
        async with open_site(settings) as site:
            await measure(site, count)


if __name__ == "__main__":
    asyncio.run(main())
