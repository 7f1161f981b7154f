"""Charts of daily numbers, and the page with the views of one post."""

import datetime as dt
import re

import httpx2
import pytest

from blog.domain.core.context import Context
from blog.domain.site.statistics import ViewDay
from blog.schemas.accounts import Role
from blog.web.admin.charts import views_chart
from tests.web.conftest import SignIn, Write

TODAY = dt.date(2026, 5, 30)


def days_of(*values: int) -> list[ViewDay]:
    return [ViewDay(TODAY - dt.timedelta(days=len(values) - 1 - index), value) for index, value in enumerate(values)]


@pytest.mark.parametrize(
    ("maximum", "ticks"),
    [
        (0, (4, 2, 0)), (1, (4, 2, 0)), (4, (4, 2, 0)), (5, (6, 3, 0)), (7, (8, 4, 0)), (9, (10, 5, 0)), (11, (20, 10, 0)),
        (61, (80, 40, 0)), (81, (100, 50, 0)), (350, (400, 200, 0)), (1_234_567, (2_000_000, 1_000_000, 0)),
    ],
)  # fmt: skip
def test_ticks_are_round_and_above_the_maximum(maximum: int, ticks: tuple[int, int, int]) -> None:
    chart = views_chart(days_of(0, maximum))
    assert chart.ticks == ticks
    assert all(bar.y >= 0 and bar.y + bar.height == 100 for bar in chart.bars)


def test_bars_are_proportional_and_small_values_stay_visible() -> None:
    chart = views_chart(days_of(0, 1, 500, 1000))
    assert [bar.height for bar in chart.bars] == [0, 2, 50, 100]
    assert chart.dates == (TODAY - dt.timedelta(days=3), TODAY - dt.timedelta(days=1), TODAY)
    assert (chart.total, chart.maximum, chart.width) == (1501, 1000, 40)


async def test_views_of_a_post_by_day(client: httpx2.AsyncClient, ctx: Context, write: Write, sign_in: SignIn) -> None:
    post, other = await write("On engines", age=40), await write("Other")
    for days, count in ((0, 3), (2, 12), (35, 5)):
        for _ in range(count):
            ctx.site.view_counter.add(post.id, ctx.now.date() - dt.timedelta(days=days))
    ctx.site.view_counter.add(other.id, ctx.now.date())
    await ctx.site.view_counter.flush(ctx.db)
    eve = await sign_in("eve", Role.EDITOR)
    assert re.search(r'<a href="/posts/on-engines/views">20<span', (await client.get("/admin/posts", headers=eve)).text)
    page = (await client.get("/posts/on-engines/views", headers=eve)).text
    assert "20 views since publication." in page
    assert "Total 15 · busiest day 12" in page
    assert re.findall(r"<li>(\d+)</li>", page) == ["20", "10", "0"]
    two_days_ago = (ctx.now.date() - dt.timedelta(days=2)).isoformat()
    assert re.search(rf'<time datetime="{two_days_ago}">[^<]+</time></th><td>12</td>', page)
    assert page.count('<th scope="row">') == 30
    longer = (await client.get("/posts/on-engines/views?days=90", headers=eve)).text
    assert "Total 20 · busiest day 12" in longer
    assert longer.count('<th scope="row">') == 90


async def test_views_are_for_authors_and_editors(client: httpx2.AsyncClient, write: Write, sign_in: SignIn) -> None:
    await write("On engines")
    await write("Begun", status="draft")
    for role, status in ((Role.READER, 403), (Role.AUTHOR, 403), (Role.EDITOR, 200), (Role.OWNER, 200)):
        headers = await sign_in(f"some{role.value}", role)
        assert (await client.get("/posts/on-engines/views", headers=headers)).status_code == status
    assert (await client.get("/posts/begun/views", headers=await sign_in("bob", Role.AUTHOR))).status_code == 404
    answer = await client.get("/posts/on-engines/views")
    assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login")
    assert "Publish the post</a> first." in (await client.get("/posts/begun/views", headers=headers)).text
