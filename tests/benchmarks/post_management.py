"""The list of all posts and changes of many posts: `python -m tests.benchmarks.post_management [--posts 10000] [--publish]`.

Calls the application in this process as an owner, on SQLite and on PostgreSQL. Prints for each filter and order of
`/admin/posts` the median time of the first page and the number of SQL statements, and for changes of 500 posts the time of the
request and the longest time that another writer waited meanwhile. `--publish` also puts the tables into `.github/PERFORMANCE.md`.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import logging
import re
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psycopg
from httpx2.websockets import ASGIWebSocketTransport
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from blog.app import create_app
from blog.db import tables
from blog.db.database import Database
from blog.db.database_copy import copy_database
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.framework.request.state import AppState
from blog.settings import Environment
from tests.benchmarks.population import RARE, SECRET, instant, populate
from tests.benchmarks.report import PERFORMANCE, machine, publish
from tests.support import postgres
from tests.support.configuration import make_settings

ADDRESS = "http://127.0.0.1:8000"
ROUNDS = 15
BULK_POSTS = 500
AUTHORS = 20
_is_measured = ContextVar("is_measured", default=False)
LISTS = {
    "all": "", "published": "status=published", "drafts": "status=draft", "scheduled": "status=scheduled",
    "trash": "status=deleted", "author of 5 %": "author=author3", "author of all": "author=ada", "tag of 12 %": "tag=loom",
    "tag of 1 ‰": "tag=rare", "one day": f"since={instant(3000).date()}&until={instant(3000).date()}",
    "rare word": f"q={RARE}", "word of all posts": "q=loom", "drafts of an author by title": "status=draft&author=ada&sort=title",
    **{f"sorted by {order}": f"sort={order}" for order in ("published_at", "-updated_at", "title", "-comments", "-views")},
    "tag, sorted by views": "tag=loom&sort=-views", "tag of 1 ‰, sorted by title": "tag=rare&sort=title",
}  # fmt: skip
CHANGES: tuple[tuple[str, dict[str, str]], ...] = (
    ("add-tag", {"tag": "measured"}),
    ("unpublish", {}),
    ("publish", {}),
    ("delete", {}),
)


@dataclass(frozen=True, slots=True)
class Running:
    """The application in this process, and a client with the session of its owner."""

    client: httpx2.AsyncClient
    db: Database
    statements: list[str]


def vary(path: Path) -> None:
    """Give the posts different statuses, authors, tags and counts."""
    now = f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M:%S.%f}"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(f"""
            UPDATE posts SET status = 'draft' WHERE id % 50 = 0;
            UPDATE posts SET status = 'scheduled', publish_at = '2100-01-01 00:00:00.000000' WHERE id % 500 = 1;
            UPDATE posts SET deleted_at = '{now}' WHERE id % 97 = 5;
            UPDATE posts SET view_count = id * 7919 % 5000, comment_count = id * 31 % 40;
            INSERT INTO tags (name, name_folded) VALUES ('rare', 'rare');
            INSERT INTO post_tags (post_id, tag_id, position)
                SELECT id, (SELECT id FROM tags WHERE name = 'rare'), 9 FROM posts WHERE id % 1000 = 7;
        """)  # noqa: S608
        for number in range(AUTHORS):
            name = f"author{number}"
            values = {
                "username": name,
                "username_folded": name,
                "name": name,
                "role": "author",
                "created_at": now,
                "updated_at": now,
            }
            names = ", ".join(values)
            connection.execute(f"INSERT INTO users ({names}) VALUES ({', '.join(f':{each}' for each in values)})", values)  # noqa: S608
            connection.execute(
                "INSERT INTO post_authors (post_id, user_id, position)"
                " SELECT id, (SELECT id FROM users WHERE username = ?), 1 FROM posts WHERE id % ? = ?",
                (name, AUTHORS, number),
            )
        connection.execute("ANALYZE")


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[Iterator[tuple[str, str]]]:
    """Yield the name and the URL of each database with the posts of the SQLite file."""
    url = f"sqlite:///{folder / 'blog.db'}"
    with postgres.Server() as server, contextlib.closing(postgres.Databases(server.url)) as made:
        other = made.new()
        copy_database(url, other)
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")  # the server runs without autovacuum
        yield iter([("SQLite", url), ("PostgreSQL", other)])


@contextlib.asynccontextmanager
async def running(folder: Path, url: str) -> AsyncIterator[Running]:
    """Run the application, and count the statements of measured requests."""
    settings = make_settings(
        environment=Environment.PRODUCTION, secret_key=SecretStr(SECRET), database_url=url, media_dir=folder / "media",
        public_url=ADDRESS, rate_limit="off", max_cache_bytes=0, request_timeout=300,
    )  # fmt: skip
    app, statements = create_app(settings), list[str]()
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        services: AppState = state["app_state"]
        services.site.db.on_query.append(lambda sql: statements.append(sql) if _is_measured.get() else None)
        anonymous = Context(services.site, None, dt.datetime.now(dt.UTC), "benchmark")
        session = await sessions.start(anonymous, accounts.as_actor(await accounts.by_username(anonymous, "ada")), "benchmark")

        async def with_state(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state)
            await app(scope, receive, send)

        headers = {"Cookie": f"session={session}", "Origin": ADDRESS, "Sec-Fetch-Site": "same-origin"}
        transport = ASGIWebSocketTransport(with_state)
        async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS, headers=headers, timeout=300) as client:
            yield Running(client, services.site.db, statements)


async def list_times(blog: Running) -> AsyncIterator[str]:
    """Yield a row of the table for each list: total, median in milliseconds, SQL statements."""
    for name, query in LISTS.items():
        times = []
        for _ in range(ROUNDS):
            blog.statements.clear()
            _is_measured.set(True)
            begun = time.perf_counter()
            answer = await blog.client.get(f"/admin/posts?{query}")
            times.append(time.perf_counter() - begun)
            _is_measured.set(False)
            assert answer.status_code == 200, answer.text
        total = re.search(r'post-total">([\d,]+)', answer.text)
        yield f"{name} | {total[1] if total else 0} | {statistics.median(times) * 1000:.1f} | {len(blog.statements)}"


async def bulk_times(blog: Running) -> AsyncIterator[str]:
    """Yield a row of the table for each change: the seconds of the request, and the longest wait of another writer."""
    asked = await blog.client.post("/admin/posts?status=published", data={"scope": "matching", "action": "unpublish"})
    found = re.search(r'name="ids" value="([\d,]+)"', asked.text)
    assert found, asked.text
    for action, more in CHANGES:
        waits: list[float] = []
        other = asyncio.create_task(_write_repeatedly(blog.db, waits))
        begun = time.perf_counter()
        done = await blog.client.post("/admin/posts", data={"action": action, "ids": found[1], **more})
        seconds = time.perf_counter() - begun
        other.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await other
        assert f"{BULK_POSTS} posts changed." in done.text, done.text
        yield f"{action} | {seconds:.1f} | {seconds / BULK_POSTS * 1000:.1f} | {max(waits) * 1000:.0f}"


async def _write_repeatedly(db: Database, waits: list[float]) -> None:
    values = {"name": "benchmark", "value": "x"}
    while True:
        begun = time.perf_counter()
        async with db.transaction():
            await db.execute(tables.app_metadata.delete().where(tables.app_metadata.c.name == values["name"]))
            await db.execute(tables.app_metadata.insert().values(values))
        waits.append(time.perf_counter() - begun)
        await asyncio.sleep(0.02)


async def measure(folder: Path, urls: Iterator[tuple[str, str]]) -> AsyncIterator[str]:
    """Yield the lines of both tables."""
    bulk = []
    yield "| database | list | posts | ms | SQL |\n|---|---|--:|--:|--:|"
    for name, url in urls:
        async with running(folder, url) as blog:
            async for row in list_times(blog):
                yield f"| {name} | {row} |"
            bulk += [f"| {name} | {row} |" async for row in bulk_times(blog)]
    yield f"\n| database | change of {BULK_POSTS} posts | s | ms a post | longest wait of another writer, ms |"
    yield "|---|---|--:|--:|--:|"
    for line in bulk:
        yield line


async def run(folder: Path, *, is_published: bool, posts: int) -> None:
    """Print the tables, and publish them if wished."""
    lines = []
    with databases(folder) as urls:
        async for line in measure(folder, urls):
            print(line, flush=True)
            lines.append(line)
    note = f"{machine()}; {posts:,} posts; in one process, without a network; the median of {ROUNDS} pages."
    print(f"\n{note}")
    if is_published:
        publish(PERFORMANCE, "post-management", "\n".join([*lines, "", note]))


def main() -> None:
    """Create the blog and measure it on both databases."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--publish", action="store_true", help="put the tables into .github/PERFORMANCE.md")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        populate(Path(name), arguments.posts)
        vary(Path(name) / "blog.db")
        asyncio.run(run(Path(name), is_published=arguments.publish, posts=arguments.posts))


if __name__ == "__main__":
    main()
