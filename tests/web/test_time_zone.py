"""A day is the same on every page: that of the time zone of the blog. Programs get UTC."""

import dataclasses
import datetime as dt
import re
from collections.abc import AsyncIterator

import httpx2
import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.site import site_preferences
from blog.framework.request.forms import Form
from blog.schemas.accounts import Role
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.schemas.site_preferences import PreferencesChanges
from blog.settings import Settings
from blog.text.formats import formats
from blog.web.posts.local_times import field_value, submitted_time
from tests.conftest import ORIGIN, MakeUser, running

LATE = dt.datetime(2025, 11, 30, 7, 19, tzinfo=dt.UTC)
"""23:19 on 29 November in Los Angeles."""
NEW_YEAR = dt.datetime(2025, 1, 1, 7, 59, tzinfo=dt.UTC)
BERLIN = formats("en", "Europe/Berlin")
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    return ctx.acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


@pytest.fixture
async def ora(owner: Context) -> dict[str, str]:
    """Return the headers of the owner's browser."""
    session_id = await sessions.start(owner, owner.require_actor(), "a browser")
    return {"Cookie": f"session={session_id}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


async def set_zone(owner: Context, name: str, language: str = "en") -> None:
    await site_preferences.change(owner, PreferencesChanges(time_zone=name, language=language))


@pytest.fixture
async def los_angeles(settings: Settings, owner: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of a blog in Los Angeles with two posts about looms."""
    await set_zone(owner, "America/Los_Angeles")
    for title, moment in (("New year looms", NEW_YEAR), ("On looms", LATE)):
        new = NewPost(title=title, content="They weave.", tags=["craft"])
        await posts.create(dataclasses.replace(owner, now=moment), new)
    async with running(create_app(settings)) as client:
        yield client


@pytest.fixture
async def berlin(settings: Settings, owner: Context) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of a blog in Berlin."""
    await set_zone(owner, "Europe/Berlin", "de")
    async with running(create_app(settings)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "29 November 2025"),
        ("/", "31 December 2024"),
        ("/posts/on-looms", "29 November 2025"),
        ("/posts/new-year-looms", "31 December 2024"),
        ("/posts/on-looms", "December 2024"),  # a related post
        ("/archive", "29 Nov"),
        ("/archive", "31 Dec"),
        ("/authors/ora", "29 November 2025"),
        ("/tags/craft", "29 November 2025"),
        ("/search?q=looms", "29 November 2025"),
        ("/nowhere", "29 November 2025"),
        ("/dashboard", "29 November 2025"),
        ("/dashboard/posts", "29 November 2025"),
        ("/admin/posts", "29 November 2025"),
        ("/admin/posts?since=2025-11-29&until=2025-11-29", "29 November 2025"),
        ("/posts/on-looms/history", "29 November 2025, 23:19 PST"),
        ("/posts/on-looms/history/1", "29 November 2025 at 23:19 PST"),
    ],
)
async def test_page_shows_the_day_of_the_author(
    los_angeles: httpx2.AsyncClient, ora: dict[str, str], path: str, shown: str
) -> None:
    page = (await los_angeles.get(path, headers=ora)).text
    instant = "2025-01-01T07:59:00Z" if "Dec" in shown else "2025-11-30T07:19:00Z"
    assert f'<time datetime="{instant}">{shown}</time>' in page
    text = re.sub(r"<[^>]+>", " ", page)
    for wrong in ("30 Nov", "1 Jan", " 07:19"):
        assert wrong not in text


async def test_zone_is_named_as_people_write_it(los_angeles: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    assert "Time in America/Los Angeles. An" in (await los_angeles.get("/posts/on-looms/edit", headers=ora)).text


async def test_archive_groups_by_the_year_of_the_author(los_angeles: httpx2.AsyncClient) -> None:
    page = (await los_angeles.get("/archive")).text
    assert re.findall(r'<h2 id="year-(\d+)"', page) == ["2025", "2024"]


@pytest.mark.parametrize(
    ("query", "number"),
    [("since=2025-11-29", 1), ("since=2025-11-30", 0), ("until=2025-11-28", 1), ("until=2024-12-31", 1), ("until=2024-12-30", 0)],
)
async def test_filters_use_the_days_of_the_author(
    los_angeles: httpx2.AsyncClient, ora: dict[str, str], query: str, number: int
) -> None:
    page = (await los_angeles.get(f"/admin/posts?{query}", headers=ora)).text
    assert page.count('<td data-label="Date"') == number


async def test_filter_may_end_with_the_calendar(los_angeles: httpx2.AsyncClient, ora: dict[str, str]) -> None:
    answer = await los_angeles.get("/admin/posts?since=0001-01-01&until=9999-12-31", headers=ora)
    assert answer.text.count('<td data-label="Date"') == 2


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/feed.rss", "<pubDate>Sun, 30 Nov 2025 07:19:00 GMT</pubDate>"),
        ("/feed.atom", "<published>2025-11-30T07:19:00Z</published>"),
        ("/feed.json", '"date_published": "2025-11-30T07:19:00Z"'),
        ("/sitemap-posts-0.xml", "<lastmod>2025-11-30T07:19:00Z</lastmod>"),
        ("/api/v1/posts", '"published_at":"2025-11-30T07:19:00Z"'),
        ("/api/v1/posts/1", '"published_at":"2025-01-01T07:59:00Z"'),
        ("/posts/on-looms", '<meta property="article:published_time" content="2025-11-30T07:19:00Z">'),
        ("/posts/on-looms", '"datePublished": "2025-11-30T07:19:00Z"'),
    ],
)
async def test_programs_get_utc(los_angeles: httpx2.AsyncClient, path: str, shown: str) -> None:
    assert shown in (await los_angeles.get(path)).text


async def test_site_in_a_variety_of_english_has_its_dates(settings: Settings, owner: Context) -> None:
    await set_zone(owner, "America/Los_Angeles", "en-US")
    await posts.create(dataclasses.replace(owner, now=LATE), NewPost(title="On looms", content="They weave."))
    async with running(create_app(settings)) as client:
        assert ">November 29, 2025</time>" in (await client.get("/")).text
        assert ">Nov 29</time>" in (await client.get("/archive")).text


async def test_site_in_another_language_has_the_dates_of_the_interface(berlin: httpx2.AsyncClient, owner: Context) -> None:
    await posts.create(dataclasses.replace(owner, now=LATE), NewPost(title="Vom Weben", content="Sie webt."))
    assert (
        '<p class="card-date" lang="en"><time datetime="2025-11-30T07:19:00Z">30 November 2025</time>'
        in (await berlin.get("/")).text
    )


# Forms


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("2026-03-29T01:59", "2026-03-29T00:59:00+00:00"),
        ("2026-03-29T03:00", "2026-03-29T01:00:00+00:00"),
        ("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"),
        ("2026-10-25T03:00", "2026-10-25T02:00:00+00:00"),
        ("2026-07-01 09:00:15", "2026-07-01T07:00:15+00:00"),
        ("", None),
        ("tomorrow", "tomorrowZ"),
        ("2026-07-01", "2026-07-01Z"),
        ("2026-07-01T09:00+02:00", "2026-07-01T09:00+02:00Z"),
        ("0001-01-01T00:00", "0001-01-01T00:00Z"),
    ],
)
def test_typed_time_is_in_the_zone_of_the_blog(typed: str, stored: str | None) -> None:
    form = Form({"publish_at": typed})
    assert submitted_time(form, "publish_at", BERLIN, None) == stored
    assert not form.errors, "what is no time is refused by the model"


@pytest.mark.parametrize("hour", [0, 1])
def test_unchanged_time_keeps_its_seconds_and_its_hour(hour: int) -> None:
    stored = dt.datetime(2026, 10, 25, hour, 30, 15, tzinfo=dt.UTC)  # 02:30, once in summer time, once in winter time
    form = Form({"publish_at": field_value(stored, BERLIN)})
    assert form.values == {"publish_at": "2026-10-25T02:30"}
    assert submitted_time(form, "publish_at", BERLIN, stored) == stored.isoformat()


def test_skipped_time_is_refused() -> None:
    form = Form({"publish_at": "2026-03-29T02:30"})
    assert submitted_time(form, "publish_at", BERLIN, None) is None
    assert form.errors == {
        "publish_at": "There is no such time in Europe/Berlin: clocks go from 02:00 to 03:00. Choose another time"
    }


async def test_post_is_scheduled_in_the_zone_of_the_blog(berlin: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    post = await posts.create(owner, NewPost(title="Looms", content="They weave.", status=PostStatus.DRAFT))
    assert "Time in Europe/Berlin" in (await berlin.get("/posts/looms/publish", headers=ora)).text
    sent = {"status": "scheduled", "version": "1", "publish_at": "2099-03-29T02:30"}
    refused = await berlin.post("/posts/looms/publish", data=sent, headers=ora)
    assert refused.status_code == 422
    assert "There is no such time in Europe/Berlin: clocks go from 02:00 to 03:00." in refused.text
    assert 'value="2099-03-29T02:30"' in refused.text
    scheduled = await berlin.post("/posts/looms/publish", data=sent | {"publish_at": "2099-07-01T09:00"}, headers=ora)
    assert scheduled.status_code == 303
    assert (await posts.get(owner, post.id)).publish_at == dt.datetime(2099, 7, 1, 7, tzinfo=dt.UTC)
    for path, shown in (
        ("/posts/looms", "1 July 2099 at 09:00 CEST"),
        ("/dashboard", "1 July 2099, 09:00 CEST"),
        ("/posts/looms/edit", "1 July 2099, 09:00 CEST"),
    ):
        assert f'<time datetime="2099-07-01T07:00:00Z">{shown}</time>' in (await berlin.get(path, headers=ora)).text
    assert 'value="2099-07-01T09:00"' in (await berlin.get("/posts/looms/publish", headers=ora)).text
    changes = (await berlin.get("/posts/looms/history/diff?from=1&to=2", headers=ora)).text
    assert "1 July 2099, 09:00 CEST" in changes


async def test_publication_date_is_in_the_zone_of_the_blog(
    berlin: httpx2.AsyncClient, owner: Context, ora: dict[str, str]
) -> None:
    stored = dt.datetime(2025, 10, 26, 1, 30, 15, tzinfo=dt.UTC)  # the second 02:30 of that night
    post = await posts.create(dataclasses.replace(owner, now=stored), NewPost(title="Looms", content="They weave."))
    page = (await berlin.get("/posts/looms/edit", headers=ora)).text
    assert "Time in Europe/Berlin. An earlier date moves the post" in page
    assert 'value="2025-10-26T02:30"' in page
    sent = {"title": "Looms", "content": "They weave", "status": "published", "slug": "looms"}
    for number, (typed, expected) in enumerate(
        (("2025-10-26T02:30", stored), ("2025-10-26T02:31", dt.datetime(2025, 10, 26, 0, 31, tzinfo=dt.UTC)))
    ):
        form = sent | {"content": f"They weave {number}.", "published_at": typed, "version": str(number + 1)}
        assert (await berlin.post("/posts/looms/edit", data=form, headers=ora)).status_code == 303
        assert (await posts.get(owner, post.id)).published_at == expected
    form = sent | {"published_at": "2025-03-30T02:30", "version": "3"}
    refused = await berlin.post("/posts/looms/edit", data=form, headers=ora)
    assert (refused.status_code, "clocks go from 02:00 to 03:00" in refused.text) == (422, True)


async def test_scheduled_post_keeps_its_time_when_it_is_edited(
    berlin: httpx2.AsyncClient, owner: Context, ora: dict[str, str]
) -> None:
    at = dt.datetime(2099, 10, 25, 1, 30, 15, tzinfo=dt.UTC)  # the second 02:30 of that night
    post = await posts.create(owner, NewPost(title="Looms", content="a", status=PostStatus.SCHEDULED, publish_at=at))
    page = (await berlin.get("/posts/looms/edit", headers=ora)).text
    assert '<input type="hidden" name="publish_at" value="2099-10-25T02:30">' in page
    form = {"title": "Looms", "content": "b", "status": "scheduled", "publish_at": "2099-10-25T02:30", "version": "1"}
    assert (await berlin.post("/posts/looms/edit", data=form, headers=ora)).status_code == 303
    after = await posts.get(owner, post.id)
    assert (after.content, after.publish_at) == ("b", at)


# Views


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
@pytest.mark.parametrize("max_cache_bytes", [0, 1_000_000])
async def test_views_are_counted_on_the_day_of_the_blog(
    settings: Settings, owner: Context, zone: str, max_cache_bytes: int
) -> None:
    """At every moment it is another day than in UTC in one of the two zones."""
    await set_zone(owner, zone)
    await posts.create(owner, NewPost(title="Looms", content="They weave."))
    before = owner.site.formats.date(dt.datetime.now(dt.UTC))
    async with running(create_app(settings.model_copy(update={"max_cache_bytes": max_cache_bytes}))) as client:
        for _ in range(3):
            await client.get("/posts/looms", headers={"User-Agent": FIREFOX})
    after = owner.site.formats.date(dt.datetime.now(dt.UTC))
    days = {row["day"] for row in await owner.db.fetch_all(sa.select(tables.post_views.c.day))}
    assert days <= {before, after}


async def test_numbers_name_their_zone(berlin: httpx2.AsyncClient, owner: Context, ora: dict[str, str]) -> None:
    await posts.create(owner, NewPost(title="Looms", content="They weave."))
    for path in ("/admin", "/posts/looms/views"):
        assert "Days begin at midnight in Europe/Berlin." in (await berlin.get(path, headers=ora)).text


async def test_update_on_the_same_day_is_no_update(los_angeles: httpx2.AsyncClient, owner: Context) -> None:
    """An hour later it is another day in UTC, and the same one in Los Angeles."""
    evening = dt.datetime(2025, 6, 2, 0, 30, tzinfo=dt.UTC)
    for title, before in (("Same day", dt.timedelta(hours=1)), ("Next day", dt.timedelta(hours=20))):
        post = await posts.create(dataclasses.replace(owner, now=evening - before), NewPost(title=title, content="a"))
        await posts.edit(dataclasses.replace(owner, now=evening), post.id, PostChanges(content="b"))
    assert "post-updated" not in (await los_angeles.get("/posts/same-day")).text
    assert ">1 June 2025</time></p>" in (await los_angeles.get("/posts/next-day")).text
