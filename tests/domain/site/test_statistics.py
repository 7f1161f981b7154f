"""Statistics of the last days."""

import datetime as dt
from dataclasses import replace

import pytest

from blog.domain.accounts import accounts
from blog.domain.comments import comments
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.domain.site import site_preferences, statistics
from blog.errors import Forbidden
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostStatus
from blog.schemas.site_preferences import PreferencesChanges
from tests.conftest import MakeUser


@pytest.fixture
async def owner(ctx: Context, make_user: MakeUser) -> Context:
    noon = ctx.now.replace(hour=12)
    return replace(ctx, now=noon).acting_as(accounts.as_actor(await make_user("ora", Role.OWNER)))


def ago(ctx: Context, days: int) -> Context:
    return replace(ctx, now=ctx.now - dt.timedelta(days=days))


async def test_numbers_of_each_day(owner: Context) -> None:
    for age, status in [(0, "published"), (2, "published"), (2, "draft"), (29, "published"), (30, "published")]:
        last = await posts.create(ago(owner, age), NewPost(title=f"Of {age}", content="x", status=PostStatus(status)))
    await comments.create(ago(owner, 1), last.id, NewComment(content="Well."))
    removed = await comments.create(ago(owner, 1), last.id, NewComment(content="Not well."))
    await comments.remove(owner, removed.id)
    for age in (0, 0, 5, 40):
        owner.site.view_counter.add(last.id, ago(owner, age).now.date())
    await owner.site.view_counter.flush(owner.db)
    numbers = await statistics.read(owner, 30)
    assert (numbers.users, numbers.posts, numbers.comments) == (1, 4, 1)
    days = {(owner.now.date() - day.date).days: (day.posts, day.comments, day.views) for day in numbers.days}
    assert list(days) == list(range(29, -1, -1)), "oldest first, no day missing"
    assert {age: counts for age, counts in days.items() if any(counts)} == {
        29: (1, 0, 0), 5: (0, 0, 1), 2: (1, 0, 0), 1: (0, 1, 0), 0: (1, 0, 2),
    }  # fmt: skip
    assert [(item.title, item.views) for item in numbers.top_posts] == [("Of 30", 3)]


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("UTC", "2026-11-29", "2026-11-29T00:00Z", 24),
        ("America/Los_Angeles", "2026-11-29", "2026-11-29T08:00Z", 24),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", 25),
    ],
)
async def test_days_change_at_midnight_in_the_zone_of_the_blog(
    owner: Context, zone: str, day: str, start: str, hours: int
) -> None:
    await site_preferences.change(owner, PreferencesChanges(time_zone=zone))
    first = dt.datetime.fromisoformat(start)
    last = first + dt.timedelta(hours=hours, microseconds=-1)
    day_after, moment = replace(owner, now=last + dt.timedelta(hours=1)), dt.timedelta(microseconds=1)
    for number, at in enumerate((first - moment, first, last, last, last + moment)):
        post = await posts.create(replace(owner, now=at), NewPost(title=f"{number}", content="x"))
        await comments.create(replace(owner, now=at), post.id, NewComment(content="Well."))
        owner.site.view_counter.add(1, replace(owner, now=at).today)
    await owner.site.view_counter.flush(owner.db)
    days = (await statistics.read(day_after, 3)).days
    assert [(found.posts, found.comments, found.views) for found in days] == [(1, 1, 1), (3, 3, 3), (1, 1, 1)]
    assert days[1].date.isoformat() == day
    views = await statistics.read_post(day_after, await posts.get(owner, 1), 3)
    assert [found.views for found in views.days] == [1, 3, 1]


async def test_change_of_the_zone_moves_posts_and_no_views(owner: Context) -> None:
    late = replace(owner, now=dt.datetime(2026, 11, 30, 7, 19, tzinfo=dt.UTC))
    post = await posts.create(late, NewPost(title="A", content="x"))
    owner.site.view_counter.add(post.id, late.today)
    await owner.site.view_counter.flush(owner.db)
    await site_preferences.change(owner, PreferencesChanges(time_zone="America/Los_Angeles"))
    later = replace(late, now=late.now + dt.timedelta(hours=1))
    days = (await statistics.read(later, 2)).days
    assert [(day.date.day, day.posts, day.views) for day in days] == [(29, 1, 0), (30, 0, 1)]


async def test_statistics_are_for_owners(author: Context) -> None:
    with pytest.raises(Forbidden):
        await statistics.read(author, 30)


async def test_referring_sites_of_the_period(owner: Context) -> None:
    post = await posts.create(owner, NewPost(title="A", content="x"))

    def add(number: int, referer: bytes | None, days: int = 0) -> None:
        for _ in range(number):
            owner.site.view_counter.add(post.id, ago(owner, days).now.date(), referer)

    for number in range(12):
        add(20 - number, b"https://site%d.example/" % number, days=number)
    add(30, b"https://old.example/", days=30)
    add(2, None)
    add(3, b"https://192.0.2.7/")
    await owner.site.view_counter.flush(owner.db)
    sites = [(site.host, site.views) for site in (await statistics.read(owner, 30)).sites]
    assert sites == [*((f"site{number}.example", 20 - number) for number in range(10)), ("*", 3 + 10 + 9), ("", 2)]
