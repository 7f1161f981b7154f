"""The cost of durable commits: `python tests/benchmarks/commits.py [FOLDER]`.

One post after the other is written by the domain itself, with each setting of SQLite's `synchronous` in turn, and bare
commits of one small row for comparison. The disk decides: give a folder on the one that will be used.
"""

import asyncio
import datetime as dt
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from pydantic import SecretStr

from blog.db import migration
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.core.site import open_site
from blog.domain.posts import posts
from blog.schemas.accounts import NewUser, Role
from blog.schemas.posts import NewPost
from blog.settings import Synchronous
from tests.support.configuration import make_settings

ROUNDS, POSTS, ROWS = 5, 60, 300


async def written(folder: Path, synchronous: Synchronous) -> float:
    """Return the posts created per second."""
    settings = make_settings(
        secret_key=SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"),
        database_url=f"sqlite:///{folder / f'{synchronous.value}.db'}",
        media_dir=folder / "media",
        sqlite_synchronous=synchronous,
    )
    migration.upgrade(settings.database_url)
    async with open_site(settings) as site:
        ctx = Context(site, None, dt.datetime.now(dt.UTC), "benchmark")
        new = NewUser(username=f"u{time.monotonic_ns()}", email=f"u{time.monotonic_ns()}@example.org")
        author = ctx.acting_as(accounts.as_actor(await accounts.create(ctx, new, Role.AUTHOR)))
        started = time.perf_counter()
        for number in range(POSTS):
            await posts.create(author, NewPost(title=f"Post {number}", content="Some words. " * 100, tags=["a", "b"]))
        return POSTS / (time.perf_counter() - started)


def committed(folder: Path, synchronous: Synchronous) -> float:
    """Return the bare commits per second."""
    with closing(sqlite3.connect(folder / f"bare-{synchronous.value}.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous.value}")
        connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
        started = time.perf_counter()
        for number in range(ROWS):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        return ROWS / (time.perf_counter() - started)


def lines(folder: Path) -> Iterator[str]:
    """Print the medians of alternating runs."""
    bare: dict[Synchronous, list[float]] = {setting: [] for setting in Synchronous}
    whole: dict[Synchronous, list[float]] = {setting: [] for setting in Synchronous}
    for _ in range(ROUNDS):
        for setting in Synchronous:
            bare[setting].append(committed(folder, setting))
            whole[setting].append(asyncio.run(written(folder, setting)))
    for setting in Synchronous:
        commits, posts_written = statistics.median(bare[setting]), statistics.median(whole[setting])
        yield f"{setting.value:<7} {commits:7.0f} bare commits a second {posts_written:6.0f} posts a second"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        for line in lines(Path(made)):
            print(line)
