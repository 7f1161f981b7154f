"""Finished answers in Redis: a real Valkey, and workers that take over from each other what is still true, and nothing else."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint
from pydantic import SecretStr
from redis import Redis
from structlog.testing import capture_logs

from blog.app import create_app
from blog.domain.core.context import Context, Site
from blog.domain.core.events import Position
from blog.domain.site import feature_flags
from blog.framework.caching.redis_cache import RedisResponseCache
from blog.framework.caching.response_cache import CachedResponse
from blog.framework.limits.redis_pool import open_redis_pool
from blog.schemas.accounts import Role
from blog.schemas.feature_flags import Flag
from blog.settings import Settings
from tests.conftest import running
from tests.middleware.test_response_cache import BROWSER, POST, PUBLIC
from tests.support.valkey import Valkey

SHARED, MISS = "blog-shared; hit, blog; fwd=miss", "blog-shared; fwd=miss, blog; fwd=miss"


@pytest.fixture
def valkey():
    with Valkey() as server:
        yield server


@pytest.fixture
def redis(valkey: Any):
    with contextlib.closing(Redis.from_url(valkey.url)) as client:
        yield client


@pytest.fixture
def settings(settings: Settings, valkey: Any):
    return settings.model_copy(update={"max_cache_bytes": 1_000_000, "redis_url": SecretStr(valkey.url)})


@pytest.fixture(autouse=True)
def no_regular_work(monkeypatch: pytest.MonkeyPatch):
    """Its commits, whenever they come, put everything in doubt for a moment."""

    async def nothing(*_):
        pass

    monkeypatch.setattr("blog.app._run_periodically", nothing)


@pytest.fixture
async def ada(bearer: Callable[..., Awaitable[dict[str, str]]], site: Site):
    return await bearer("ada", Role.OWNER)


@contextlib.asynccontextmanager
async def workers(settings, *others):
    """Clients of applications on one database."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(running(create_app(each))) for each in (settings, *others)]


def names(redis):
    return redis.keys("blog:*:answers:*")


async def certain(*clients):
    """Return when each has read the log after the last change."""
    with anyio.fail_after(5):
        for number, client in enumerate(clients):
            while (await client.get(f"/archive?certain={number}")).headers["cache-status"] != "blog; hit":
                await checkpoint()


async def heard(client, title):
    """Return when this worker has heard of the post's new title."""
    with anyio.fail_after(5):
        while title not in (await client.get("/posts/on-engines?heard")).text:
            await checkpoint()
    await certain(client)


async def published(one, ada):
    made = await one.post("/api/v1/posts", json=POST, headers=ada)
    assert made.status_code == 201


@pytest.mark.parametrize("path", PUBLIC)
async def test_what_one_worker_made_another_takes_over(settings: Settings, ada: Any, path: Any) -> None:
    async with workers(settings, settings) as (one, other):
        await published(one, ada)
        await heard(one, POST["title"])
        await heard(other, POST["title"])
        first = await one.get(path)
        second, third = [await other.get(path) for _ in range(2)]
        assert [answer.headers["cache-status"] for answer in (first, second, third)] == [MISS, SHARED, "blog; hit"]
        assert [answer.headers["x-cache"] for answer in (first, second, third)] == ["miss", "hit", "hit"]
        own = {"x-correlation-id", "x-process-time", "server-timing", "cache-status", "x-cache"}
        shown = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (first, second, third)]
        assert shown[0] == shown[1] == shown[2]
        assert first.content == second.content == third.content
        tag = first.headers["etag"]
        assert (await other.get(path, headers={"If-None-Match": tag})).status_code == 304


async def test_view_of_what_was_taken_over_counts(settings: Settings, ada: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    viewed = []
    async with workers(settings, settings) as (one, other):
        await published(one, ada)
        await heard(other, POST["title"])
        await one.get("/posts/on-engines")
        monkeypatch.setattr("blog.domain.core.view_counter.ViewCounter.add", lambda _, post_id, day: viewed.append(post_id))
        assert (await other.get("/posts/on-engines", headers=BROWSER)).headers["cache-status"] == SHARED
    assert viewed == [1]


async def test_old_answer_that_comes_late_is_never_taken(settings: Settings, ada: Any, redis: Any) -> None:
    async with workers(settings, settings) as (one, other):
        await published(one, ada)
        await heard(other, POST["title"])
        for path in PUBLIC:
            await one.get(path)
        old = {name: redis.get(name) for name in names(redis)}
        assert len(old) >= len(PUBLIC)
        await one.patch("/api/v1/posts/1", json={"title": "New title"}, headers=ada)
        await heard(other, "New title")
        for name, value in old.items():  # a worker that was slow to finish, or does not know yet
            redis.set(name, value, px=60_000)
        assert (await one.get("/authors/ada")).headers["cache-status"] == MISS, "it was there, and not taken"
        for client in (one, other):
            assert "New title" in (await client.get("/posts/on-engines")).text
        for name, value in old.items():
            redis.set(name, value, px=60_000)
        async with running(create_app(settings)) as later:  # knows nothing of what happened before
            assert "New title" in (await later.get("/posts/on-engines")).text


async def test_change_by_one_worker_is_seen_through_all(settings: Settings, ada: Any) -> None:
    async with workers(settings, settings) as (one, other):
        await published(one, ada)
        for number in range(20):
            title = f"Title {number}"
            await one.patch("/api/v1/posts/1", json={"title": title}, headers=ada)
            assert title in (await one.get("/posts/on-engines")).text, "who wrote reads what they wrote"
            await heard(other, title)
            for path in ("/", "/posts/on-engines", "/feed.atom"):
                assert title in (await other.get(path)).text


async def test_flag_is_followed_by_answers_of_all_workers(settings: Settings, ctx: Context) -> None:
    async with workers(settings, settings) as (one, other):
        for client in (one, other):
            assert "/register" in (await client.get("/")).text
        for enabled in (False, True, False):
            await feature_flags.store(ctx, Flag.REGISTRATION, enabled)
            for client in (one, other):
                with anyio.fail_after(5):
                    while ("/register" in (await client.get("/")).text) is not enabled:
                        await checkpoint()
            for client in (one, other):
                assert ("/register" in (await client.get("/")).text) is enabled


async def test_nothing_of_anybody_goes_to_redis(settings: Settings, ada: Any, redis: Any) -> None:
    async with workers(settings) as (one,):
        draft = await one.post("/api/v1/posts", json=POST | {"status": "draft", "title": "Hidden"}, headers=ada)
        for path in (f"/api/v1/posts/{draft.json()['id']}", "/api/v1/posts", "/", "/login", "/search?q=Hidden", "/nowhere"):
            await one.get(path, headers=ada)
            await one.get(path, headers={"Cookie": "session=anything"})
        assert names(redis) == []
        await one.get("/")
        (name,) = names(redis)
        assert b"Hidden" not in redis.get(name)
        assert b"/" not in name.rpartition(b":")[2], "nor what was asked for"
        assert 0 < redis.pttl(name) <= 60_000


async def test_whoever_writes_to_redis_writes_none_of_our_pages(settings: Settings, redis: Any) -> None:
    async with workers(settings, settings) as (one, other):
        await certain(other)
        await one.get("/?a")
        await one.get("/archive?b")
        first, second = sorted(names(redis), key=redis.pttl)[-2:]
        one_value, other_value = redis.get(first), redis.get(second)
        for wrong in (other_value, one_value[:-1] + b"x", one_value[:10], b"", b"nonsense" * 10):
            redis.set(first, wrong, px=60_000)
            redis.set(second, wrong[::-1], px=60_000)
            async with running(create_app(settings)) as fresh:
                for path in ("/?a", "/archive?b"):
                    answer = await fresh.get(path)
                    assert (answer.status_code, answer.headers["cache-status"]) == (200, MISS)


@pytest.mark.parametrize(
    "change",
    [{"project_name": "Other"}, {"secret_key": SecretStr("another-secret-0123456789-abcdefghijk")}],
    ids=["name", "secret"],
)
async def test_workers_of_other_settings_share_nothing(settings: Settings, change: Any) -> None:
    async with workers(settings, settings.model_copy(update=change)) as (one, other):
        for client in (one, other):
            assert (await client.get("/")).headers["cache-status"] == MISS


async def test_workers_of_another_version_share_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    async with workers(settings) as (one,):
        assert (await one.get("/")).headers["cache-status"] == MISS
        monkeypatch.setattr("blog.framework.caching.redis_cache._code_digest", lambda: b"next version")
        async with workers(settings) as (other,):
            assert (await other.get("/")).headers["cache-status"] == MISS


async def test_redis_that_goes_is_done_without_and_taken_up_again(
    settings: Settings, valkey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.framework.caching.redis_cache.RETRY_REDIS_AFTER", 0.01)
    with capture_logs() as logs:
        async with workers(settings) as (one,):
            assert (await one.get("/?1")).headers["cache-status"] == MISS
            valkey.stop()
            for number in range(5):
                assert (await one.get(f"/?gone={number}")).status_code == 200
                assert (await one.get(f"/?gone={number}")).status_code == 200
            valkey.start()
            with anyio.fail_after(10):
                while not any("Redis is back: workers share" in line["event"] for line in logs):
                    assert (await one.get(f"/?{time.monotonic()}")).status_code == 200
    said = [line["event"] for line in logs if "answers" in line["event"]]
    assert said == ["Redis is gone: each worker makes its answers itself", "Redis is back: workers share answers"]


async def test_redis_that_does_not_answer_delays_one_request(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    silent = tmp_path_factory.mktemp("s") / "s"
    writers = []
    async with await asyncio.start_unix_server(lambda _, writer: writers.append(writer), silent):
        async with workers(settings.model_copy(update={"redis_url": SecretStr(f"unix://{silent}")})) as (one,):
            for number in range(10):
                assert (await one.get(f"/?{number}")).status_code == 200
            assert len(writers) <= 3, "two for hints, and one for the answers"
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_strangers_cannot_fill_the_memory_of_redis(settings: Settings, redis: Any) -> None:
    def answer(size):
        return CachedResponse((), (), b"x" * size, b'"t"', frozenset(), "/", None, time.monotonic() + 60)

    async with open_redis_pool(settings) as pool:
        shared = RedisResponseCache(settings, pool)
        for number in range(100):
            await shared.store((b"/%d" % number, b"", "", b""), answer(50_000), Position("e", 1))
        assert 10 < len(names(redis)) <= 1_000_000 / 50_000
        roomy = RedisResponseCache(settings.model_copy(update={"max_cache_bytes": 10**9}), pool)
        await roomy.store((b"/", b"", "", b""), answer(2 * 10**6), Position("e", 1))
        assert max(redis.strlen(name) for name in names(redis)) < 60_000, "nor is one kept that is too large"
