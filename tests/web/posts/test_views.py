"""Visits that count as views, and their storage before the process ends."""

import re

import pytest
import sqlalchemy as sa

from blog.app import create_app
from blog.db import tables
from blog.domain.accounts import accounts, sessions
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.posts import PostChanges, PostStatus
from blog.settings import Settings
from tests.conftest import running
from tests.web.conftest import SignIn, Write

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:130.0) Gecko/20100101 Firefox/130.0"
READER = {"User-Agent": FIREFOX}


async def views(ctx: Context) -> list[int]:
    return [row["views"] for row in await ctx.db.fetch_all(sa.select(tables.post_views.c.views))]


async def test_readers_are_counted_and_written_at_shutdown(
    settings: Settings, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines")
    eve = await sign_in("eve", Role.EDITOR)
    async with running(create_app(settings)) as client:
        for headers in ({}, {}, eve):
            answer = await client.get("/posts/on-engines", headers=READER | headers)
            assert answer.status_code == 200
            assert "set-cookie" not in answer.headers
        assert await views(ctx) == [], "an answer waits for no write"
    assert await views(ctx) == [3]


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": ""},
        {"User-Agent": "curl/8.9.1"},
        {"User-Agent": "python-httpx/0.28"},
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"User-Agent": "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com)"},
        {"User-Agent": f"{FIREFOX} HeadlessChrome/130.0"},
        READER | {"Sec-Purpose": "prefetch;prerender"},
        READER | {"Purpose": "prefetch"},
    ],
)
async def test_bots_and_prefetches_are_not_counted(
    settings: Settings, ctx: Context, write: Write, headers: dict[str, str]
) -> None:
    await write("On engines")
    async with running(create_app(settings)) as client:
        assert (await client.get("/posts/on-engines", headers=headers)).status_code == 200
    assert await views(ctx) == []


async def test_authors_drafts_redirects_and_other_verbs_are_not_counted(
    settings: Settings, ctx: Context, author: Context, write: Write, sign_in: SignIn
) -> None:
    post = await write("On engines")
    await write("Begun", status=PostStatus.DRAFT)
    await posts.edit(author, post.id, PostChanges(slug="engines"))
    own = await sessions.start(ctx, accounts.as_actor(await accounts.by_username(ctx, "ada")), FIREFOX)
    eve = await sign_in("eve", Role.EDITOR)
    async with running(create_app(settings)) as client:
        for headers in ({"Cookie": f"session={own}"}, eve):
            assert (await client.get("/posts/begun", headers=READER | headers)).status_code == 200
        assert (await client.get("/posts/engines", headers=READER | {"Cookie": f"session={own}"})).status_code == 200
        assert (await client.get("/posts/on-engines", headers=READER)).status_code == 301
        assert (await client.head("/posts/engines", headers=READER)).status_code == 200
        assert (await client.get("/posts/nowhere", headers=READER)).status_code == 404
    assert await views(ctx) == []


async def test_referring_sites_are_counted_and_shown_to_owners(
    settings: Settings, ctx: Context, write: Write, sign_in: SignIn
) -> None:
    await write("On engines")
    ora = await sign_in("ora", Role.OWNER)
    cached = settings.model_copy(update={"max_cache_bytes": 1_000_000})
    async with running(create_app(cached)) as client:
        for referer in (
            None,
            "https://www.News.example/item?id=7",
            "https://news.example/",
            f"{settings.public_url}/",
            "android-app://a",
        ):
            sent = READER | ({"Referer": referer} if referer else {})
            assert (await client.get("/posts/on-engines", headers=sent)).status_code == 200
    async with running(create_app(settings)) as client:
        page = (await client.get("/admin", headers=ora)).text
    table = page[page.index("Referring sites") :]
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>(\d+)</td>', table)
    assert rows == [("news.example", "2"), ("Other sites", "1"), ("Direct", "2")]
    assert "id=7" not in page
