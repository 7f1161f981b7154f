"""Views by referring site: the host and the day, in bounded numbers, and nothing else."""

import asyncio
import datetime as dt

import pytest
import sqlalchemy as sa

from blog.db import tables
from blog.db.database import Database
from blog.domain.core import referrers, view_counter
from blog.domain.core.context import Context
from blog.domain.core.view_counter import ViewCounter
from blog.domain.posts import posts
from blog.domain.site import statistics
from blog.errors import Unavailable
from blog.schemas.posts import NewPost

DAY = dt.date(2026, 5, 1)
OWN = ("blog.example.org", "WWW.Other.example")


@pytest.fixture
async def post_id(author: Context) -> int:
    return (await posts.create(author, NewPost(title="One", content="x"))).id


async def stored(db: Database) -> dict[str, int]:
    """Return the views of all days by host."""
    rows = await db.fetch_all(sa.select(tables.referrer_views))
    return {row["host"]: row["views"] for row in rows}


@pytest.mark.parametrize(
    ("referer", "host"),
    [
        (None, referrers.DIRECT),
        (b"", referrers.DIRECT),
        (b"https://news.example.org/item?id=1&token=secret", "news.example.org"),
        (b"https://WWW.Example.org/", "example.org"),
        (b"http://example.org", "example.org"),
        (b"https://example.org:8443/a/b", "example.org"),
        (b"https://example.org./", "example.org"),
        (b"https://user:password@example.org/", "example.org"),
        (b"https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        (b"https://blog.example.org/posts/one", referrers.DIRECT),
        (b"https://www.blog.example.org:443/", referrers.DIRECT),
        (b"https://other.example/", referrers.DIRECT),
        (b"android-app://com.example.reader/", referrers.OTHER),
        (b"javascript:alert(1)", referrers.OTHER),
        (b"https://", referrers.DIRECT),
        (b"https://192.0.2.7/", referrers.OTHER),
        (b"https://[2001:db8::1]:8000/", referrers.OTHER),
        (b"http://localhost/", referrers.OTHER),
        (b"https://<script>.example/", referrers.OTHER),
        (b"https://ex\xe4mple.org/", referrers.OTHER),
        (b"https://" + b"a." * 200 + b"org/", referrers.OTHER),
        (b"nonsense", referrers.OTHER),
    ],
)
def test_host_of_a_header(referer: bytes | None, host: str) -> None:
    own = frozenset(("blog.example.org", "other.example"))
    assert referrers.normalise_host(referrers.sent_host(referer), own) == host


async def test_views_are_added_up_by_host_and_day(db: Database, post_id: int) -> None:
    counted = ViewCounter(OWN)
    for referer in (
        None,
        b"https://a.example/1",
        b"https://www.a.example/2",
        b"https://blog.example.org/",
        b"https://other.example/",
    ):
        counted.add(post_id, DAY, referer)
    await counted.flush(db)
    counted.add(post_id, DAY, b"https://a.example/3")
    counted.add(post_id, DAY + dt.timedelta(days=1), b"https://a.example/3")
    await counted.flush(db)
    r = tables.referrer_views.c
    rows = await db.fetch_all(sa.select(tables.referrer_views).order_by(r.day, r.host))
    assert [(row["day"], row["host"], row["views"]) for row in rows] == [
        (DAY, "", 3),
        (DAY, "a.example", 3),
        (DAY + dt.timedelta(days=1), "a.example", 1),
    ]
    assert list(r.keys()) == ["day", "host", "views"], "no address, no path, no browser"


async def test_hosts_of_a_day_are_bounded(db: Database, post_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "MAX_HOSTS_PER_DAY", 3)
    counted = ViewCounter()
    for number in (1, 2):
        counted.add(post_id, DAY, b"https://site%d.example/" % number)
    await counted.flush(db)
    for number in (2, 3, 4, 5):
        counted.add(post_id, DAY, b"https://site%d.example/" % number)
    counted.add(post_id, DAY)
    await counted.flush(db)
    assert await stored(db) == {"": 1, "*": 2, "site1.example": 1, "site2.example": 2, "site3.example": 1}
    counted.add(post_id, DAY + dt.timedelta(days=1), b"https://site5.example/")
    await counted.flush(db)
    assert (await stored(db))["site5.example"] == 1, "each day has its own limit"


async def test_memory_is_bounded_between_writes(db: Database, post_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_counter, "MAX_PENDING", 2)
    counted = ViewCounter()
    for number in (1, 2, 3, 4, 1):
        counted.add(post_id, DAY, b"https://site%d.example/" % number)
    await counted.flush(db)
    assert await stored(db) == {"site1.example": 2, "site2.example": 1, "*": 2}


async def test_hosts_stay_counted_if_the_write_fails(db: Database, post_id: int) -> None:
    counted = ViewCounter()
    counted.add(post_id, DAY, b"https://a.example/")

    def refuse(sql: str) -> None:
        if "referrer_views" in sql:
            raise Unavailable("the disk is full")

    db.on_query.append(refuse)
    with pytest.raises(Unavailable):
        await counted.flush(db)
    db.on_query.remove(refuse)
    counted.add(post_id, DAY, b"https://a.example/")
    await counted.flush(db)
    assert await stored(db) == {"a.example": 2}
    assert await db.fetch_val(sa.select(tables.post_views.c.views)) == 2, "counted once, although the first write failed after it"


async def test_workers_lose_nothing(db: Database, post_id: int) -> None:
    workers = [ViewCounter() for _ in range(5)]
    for worker in workers:
        for referer in (None, b"https://b.example/", b"https://a.example/"):
            worker.add(post_id, DAY, referer)
    await asyncio.gather(*(worker.flush(db) for worker in workers))
    assert await stored(db) == {"": 5, "a.example": 5, "b.example": 5}


async def test_counts_are_deleted_after_a_year(ctx: Context, post_id: int) -> None:
    for days, referer in ((0, b"https://new.example/"), (365, b"https://kept.example/"), (366, b"https://old.example/")):
        ctx.site.view_counter.add(post_id, ctx.now.date() - dt.timedelta(days=days), referer)
    await ctx.site.view_counter.flush(ctx.db)
    assert await statistics.trim_referrers(ctx) == 1
    assert await statistics.trim_referrers(ctx) == 0
    assert set(await stored(ctx.db)) == {"new.example", "kept.example"}
