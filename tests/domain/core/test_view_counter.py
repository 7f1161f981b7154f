"""Views are counted in memory, written in batches, and lost only if the process crashes."""

import asyncio
import datetime as dt
from typing import Any

import anyio
import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import view_counter
from blog.domain.core.context import Context
from blog.domain.core.view_counter import ViewCounter
from blog.domain.posts import posts
from blog.errors import Unavailable
from blog.schemas.posts import NewPost

DAY = dt.date(2026, 5, 1)


async def stored(db: Database) -> list[tuple[int, dt.date, int]]:
    rows = await db.fetch_all(sa.select(tables.post_views).order_by(tables.post_views.c.post_id, tables.post_views.c.day))
    return [(row["post_id"], row["day"], row["views"]) for row in rows]


@pytest.fixture
async def two_posts(author: Context) -> list[int]:
    return [(await posts.create(author, NewPost(title=title, content="x"))).id for title in ("One", "Two")]


async def test_counts_are_added_up_by_post_and_day(db: Database, two_posts: list[int]) -> None:
    one, two = two_posts
    counted = ViewCounter()
    for post_id, day in [(one, DAY), (two, DAY), (one, DAY), (one, DAY + dt.timedelta(days=1))]:
        counted.add(post_id, day)
    assert await stored(db) == []
    await counted.flush(db)
    counted.add(one, DAY)
    await counted.flush(db)
    assert await stored(db) == [(one, DAY, 3), (one, DAY + dt.timedelta(days=1), 1), (two, DAY, 1)]
    sums = await db.fetch_all(sa.select(tables.posts.c.view_count).order_by(tables.posts.c.id))
    assert [row["view_count"] for row in sums] == [4, 1]


async def test_a_flush_is_one_transaction_and_none_when_nothing_was_read(db: Database, two_posts: list[int]) -> None:
    seen: list[Any] = []
    db.on_query.append(seen.append)
    counted = ViewCounter()
    await counted.flush(db)
    assert seen == []
    for number in range(100):
        counted.add(two_posts[number % 2], DAY)
    await counted.flush(db)
    assert [word for sql in seen if (word := sql.split()[0]) in ("BEGIN", "COMMIT")] == ["BEGIN", "COMMIT"]
    assert len(seen) == 2 + 6 + 3, "for each post an update and an insert of the day, and an update of the sum; the host"


async def test_views_stay_counted_if_the_write_fails(db: Database, two_posts: list[int]) -> None:
    counted = ViewCounter()
    counted.add(two_posts[0], DAY)

    def refuse(sql: str) -> None:
        if "views" in sql:
            raise Unavailable("the disk is full")

    db.on_query.append(refuse)
    with pytest.raises(Unavailable):
        await counted.flush(db)
    counted.add(two_posts[0], DAY)
    db.on_query.remove(refuse)
    await counted.flush(db)
    assert await stored(db) == [(two_posts[0], DAY, 2)]


async def test_workers_that_count_the_same_post_lose_nothing(db: Database, two_posts: list[int]) -> None:
    workers = [ViewCounter() for _ in range(5)]
    for worker in workers:
        for _ in range(3):
            worker.add(two_posts[0], DAY)
    await asyncio.gather(*(worker.flush(db) for worker in workers))
    assert await stored(db) == [(two_posts[0], DAY, 15)]


def commits(db: Database) -> anyio.Event:
    """Return an event that is set at the next COMMIT."""
    happened = anyio.Event()
    db.on_query.append(lambda sql: happened.set() if sql == "COMMIT" else None)
    return happened


async def test_views_are_written_periodically_and_at_shutdown(
    db: Database, two_posts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_counter, "FLUSH_SECONDS", 0.001)
    counted, written = ViewCounter(), commits(db)
    counted.add(two_posts[0], DAY)
    async with anyio.create_task_group() as background:
        background.start_soon(counted.flush_periodically, db)
        with anyio.fail_after(10):
            await written.wait()
        counted.add(two_posts[0], DAY)
        background.cancel_scope.cancel()
    assert await stored(db) == [(two_posts[0], DAY, 2)]


async def test_failed_write_does_not_end_the_periodic_writes(
    db: Database, two_posts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_counter, "FLUSH_SECONDS", 0.001)
    troubles = [Unavailable("locked"), ZeroDivisionError()]

    def refuse(sql: str) -> None:
        if sql.startswith("UPDATE post_views") and troubles:
            raise troubles.pop()

    db.on_query.append(refuse)
    counted, written = ViewCounter(), commits(db)
    counted.add(two_posts[0], DAY)
    async with anyio.create_task_group() as background:
        background.start_soon(counted.flush_periodically, db)
        with anyio.fail_after(10):
            await written.wait()
        background.cancel_scope.cancel()
    assert troubles == []
    assert await stored(db) == [(two_posts[0], DAY, 1)]
