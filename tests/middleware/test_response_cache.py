"""The response cache: anonymous responses only, until their content changes."""

import asyncio
import datetime as dt
import re
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from anyio.lowlevel import checkpoint
from structlog.testing import capture_logs

from blog.app import create_app
from blog.domain.accounts import accounts
from blog.domain.core.context import Context
from blog.domain.posts import post_lists, posts
from blog.domain.site import feature_flags
from blog.errors import NotFound, Unavailable
from blog.framework.caching.response_cache import CachedResponse, CacheKey, ResponseCache
from blog.observability.logging import add_correlation_ids
from blog.schemas.accounts import AccountChanges, Role
from blog.schemas.feature_flags import Flag
from blog.schemas.posts import NewPost
from blog.settings import Settings
from blog.text.markdown import RENDERER_VERSION
from tests.conftest import PASSWORD, Bearer, running

POST: dict[str, Any] = {"title": "On engines", "content": "Some *words*. " * 60, "tags": ["maths"]}
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"}
PUBLIC = [
    "/", "/posts/on-engines", "/tags", "/tags/maths", "/authors/ada", "/archive", "/feed.atom", "/tags/maths/feed.json",
    "/authors/ada/feed.rss", "/api/v1/posts", "/api/v1/posts?tag=maths&limit=1", "/api/v1/posts/1", "/api/v1/posts/1/comments",
    "/api/v1/tags",
]  # fmt: skip


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_cache_bytes": 1_000_000})


@pytest.fixture
async def ada(bearer: Bearer, client: httpx2.AsyncClient) -> dict[str, str]:
    headers = await bearer("ada", Role.OWNER)
    made = await client.post("/api/v1/posts", json=POST, headers=headers)
    assert made.status_code == 201
    await wait_until_caching(client)
    return headers


async def wait_until_caching(client: httpx2.AsyncClient) -> None:
    """Wait until the cache is used again: after a change, no cached response is used before the log was read."""
    async with asyncio.timeout(5):
        while (await client.get("/archive?caching")).headers["x-cache"] != "hit":
            await checkpoint()


async def cache_status(client: httpx2.AsyncClient, path: str, **headers: str) -> str:
    """Return the status in the Cache-Status header."""
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-cache"] == ("hit" if answer.headers["cache-status"] == "blog; hit" else "miss")
    return answer.headers["cache-status"].removeprefix("blog; ")


@pytest.mark.parametrize("path", PUBLIC)
async def test_second_response_is_the_cached_first_one(client: httpx2.AsyncClient, ada: dict[str, str], path: str) -> None:
    first, second = [await client.get(path) for _ in range(2)]
    assert [answer.headers["cache-status"] for answer in (first, second)] == ["blog; fwd=miss", "blog; hit"]
    own = {"x-correlation-id", "x-process-time", "server-timing", "cache-status", "x-cache"}
    shown = [{name: value for name, value in answer.headers.items() if name not in own} for answer in (first, second)]
    assert shown[0] == shown[1]
    assert first.content == second.content
    assert "content-security-policy" in second.headers
    assert second.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    head = await client.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", second.headers["content-length"])


@pytest.mark.parametrize("path", PUBLIC)
async def test_cached_response_answers_304(client: httpx2.AsyncClient, ada: dict[str, str], path: str) -> None:
    for _ in range(2):  # by the application, and by the cache
        tag = (await client.get(path)).headers["etag"]
        again = await client.get(path, headers={"If-None-Match": f'"other", {tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert "content-type" not in again.headers
        await client.patch("/api/v1/posts/1", json={"content": "New words. " * 60}, headers=ada)
    assert (await client.get(path, headers={"If-None-Match": '"other"'})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        *PUBLIC, "/sitemap.xml", "/opensearch.xml", "/search/feed.atom?q=words", "/api/openapi.json", "/api/asyncapi.json",
        "/api/docs", "/oembed?url=http://127.0.0.1:8000/posts/on-engines", "/posts/on-engines/card.png", "/static/css/blog.css",
    ],
)  # fmt: skip
async def test_not_modified_varies_as_the_full_response(client: httpx2.AsyncClient, ada: dict[str, str], path: str) -> None:
    anonymous: dict[str, str] = {}
    for headers in (anonymous, {"Accept-Encoding": "identity"}, ada):
        whole = await client.get(path, headers=headers)
        for condition, validator in (("If-None-Match", "etag"), ("If-Modified-Since", "last-modified")):
            if validator in whole.headers:
                again = await client.get(path, headers=headers | {condition: whole.headers[validator]})
                assert again.status_code == (304 if validator == "etag" or "feed" in path else 200)
                assert again.status_code == 200 or again.headers.get("vary") == whole.headers.get("vary")
        if headers is anonymous and len(whole.content) >= 500 and not path.endswith(".png"):
            assert whole.headers["vary"].split(", ").count("Accept-Encoding") == 1


@pytest.mark.parametrize("path", PUBLIC)
async def test_writers_read_their_own_writes(client: httpx2.AsyncClient, ada: dict[str, str], path: str) -> None:
    for number in range(5):
        title = f"Title {number}"
        await client.patch("/api/v1/posts/1", json={"title": title, "tags": ["maths", f"t{number}"]}, headers=ada)
        first, second = [await client.get(path) for _ in range(2)]
        assert first.content == second.content
        wanted = f"t{number}" if path.endswith("/tags") else "[]" if path.endswith("comments") else title
        assert wanted in first.text


async def test_responses_for_users_are_not_shared(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    assert await cache_status(client, "/api/v1/posts/1", **ada) == "fwd=bypass"
    assert await cache_status(client, "/api/v1/posts/1") == "fwd=miss", "that of Ada was not stored"
    assert await cache_status(client, "/api/v1/posts/1", **ada) == "fwd=bypass", "nor is she given that of others"
    assert await cache_status(client, "/", Cookie="session=whatever") == "fwd=bypass"
    draft = await client.post("/api/v1/posts", json=POST | {"status": "draft"}, headers=ada)
    path = f"/api/v1/posts/{draft.json()['id']}"
    nobody: dict[str, str] = {}
    assert [(await client.get(path, headers=headers)).status_code for headers in (ada, nobody, nobody)] == [200, 404, 404]
    wrong = await client.get("/api/v1/posts/1", headers={"Authorization": "Bearer none"})
    assert wrong.status_code == 401


@pytest.mark.parametrize("other", ["", "a=b", "theme=dark"])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("path", ["/", "/posts/on-engines", "/posts/secret", "/api/v1/posts/2"])
async def test_session_in_any_cookie_field_is_noticed(
    client: httpx2.AsyncClient, ada: dict[str, str], path: str, other: str, is_first: bool
) -> None:
    """Two `Cookie` fields are unusual in HTTP/1.1, but allowed between a proxy with HTTP/2 and this server."""
    await client.post("/api/v1/posts", json=POST | {"title": "Secret", "status": "draft"}, headers=ada)
    origin = {"Origin": str(client.base_url)}
    await client.post("/login", data={"username": "ada", "password": PASSWORD}, headers=origin)
    session = "; ".join(f"{cookie.name}={cookie.value}" for cookie in client.cookies.jar)
    client.cookies.clear()
    await wait_until_caching(client)
    fields = [("Cookie", other), ("Cookie", session)]
    personal = await client.get(path, headers=fields if is_first else fields[::-1])
    assert personal.status_code == 200
    anonymous = await client.get(path)
    assert anonymous.headers["cache-status"] != "blog; hit"
    assert anonymous.status_code == (404 if path in ("/posts/secret", "/api/v1/posts/2") else 200)


async def test_private_responses_are_not_cached(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    for path in ("/login", "/search?q=words", "/api/v1/users/1", "/healthz"):
        for _ in range(2):
            assert "cache-status" not in (await client.get(path)).headers
    for path in ("/nowhere", "/posts/nothing", "/api/v1/posts/99"):
        for _ in range(2):
            answer = await client.get(path)
            assert (answer.status_code, answer.headers["x-cache"]) == (404, "miss")


async def test_themes_are_cached_separately(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    light, dark = [await client.get("/", headers={"Cookie": f"theme={name}"}) for name in ("light", "dark")]
    assert 'data-theme="dark"' in dark.text
    assert 'data-theme="light"' in light.text
    assert await cache_status(client, "/", Cookie="a=b; theme=dark") == "hit"


async def test_cookies_without_meaning_share_a_response(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    assert await cache_status(client, "/") == "fwd=miss"
    assert await cache_status(client, "/", Cookie="_ga=1") == "hit"


async def test_one_response_serves_all_origins(client: httpx2.AsyncClient, ada: Any) -> None:
    first = await client.get("/api/v1/tags")
    again = await client.get("/api/v1/tags", headers={"Origin": "https://other.example"})
    same = await client.get("/api/v1/tags", headers={"Origin": "null", "If-None-Match": first.headers["etag"]})
    assert (again.headers["x-cache"], same.headers["x-cache"], same.status_code) == ("hit", "hit", 304)
    for answer in (first, again, same):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "ETag" in answer.headers["access-control-expose-headers"]
        assert "Origin" not in answer.headers.get("vary", "")


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
async def test_compressed_response_is_equal(client: httpx2.AsyncClient, ada: dict[str, str], coding: str) -> None:
    plain = await client.get("/posts/on-engines", headers={"Accept-Encoding": "identity"})
    answers = [await client.get("/posts/on-engines", headers={"Accept-Encoding": f"{coding}, foo;q=0.1"}) for _ in range(2)]
    for answer in answers:
        assert (answer.headers["content-encoding"], answer.text) == (coding, plain.text)
        assert int(answer.headers["content-length"]) < len(plain.content)
        assert "Accept-Encoding" in answer.headers["vary"]
    strong = await client.get("/api/v1/posts/1", headers={"Accept-Encoding": coding})
    assert re.fullmatch(rf'"1\.0\.{RENDERER_VERSION}\.[0-9a-f]{{8}}-{coding}"', strong.headers["etag"])
    again = await client.get("/api/v1/posts/1", headers={"Accept-Encoding": coding, "If-None-Match": strong.headers["etag"]})
    assert again.status_code == 304
    refused = await client.get("/posts/on-engines", headers={"Accept-Encoding": f"{coding};q=0"})
    assert "content-encoding" not in refused.headers
    changed = await client.patch("/api/v1/posts/1", json={"title": "x"}, headers=ada | {"If-Match": strong.headers["etag"]})
    assert changed.status_code == 200, "the tag of any coding names the version"


async def test_secret_pages_are_not_compressed(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answer = await client.get("/api/v1/posts/1", headers=ada | {"Accept-Encoding": "gzip, br"})
    assert "content-encoding" not in answer.headers


async def test_concurrent_requests_render_once(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    answers = await asyncio.gather(*(client.get("/?first") for _ in range(20)))
    statuses = [answer.headers["cache-status"] for answer in answers]
    assert sorted(statuses) == ["blog; fwd=miss"] + ["blog; hit"] * 19
    assert len({answer.content for answer in answers}) == 1


@pytest.fixture
def slow_front_page(monkeypatch: pytest.MonkeyPatch) -> "SlowFrontPage":
    page = SlowFrontPage()
    monkeypatch.setattr("blog.web.posts.reading.post_lists.front_page", page)
    return page


class SlowFrontPage:
    """Stands for the query of the front page: it takes 20 ms, and counts its calls and how many of them overlap."""

    def __init__(self) -> None:
        self._query = post_lists.front_page
        self.error: Exception | None = None
        self.calls = self.running = self.most_at_once = 0

    async def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        try:
            await asyncio.sleep(0.02)
            if self.error is not None:
                raise self.error
            return await self._query(*arguments)
        finally:
            self.running -= 1


async def crowd(client: httpx2.AsyncClient, path: str) -> list[asyncio.Task[httpx2.Response]]:
    """Start 20 requests, and return them when the first one has begun to make the response."""
    tasks = [asyncio.create_task(client.get(path)) for _ in range(20)]
    await asyncio.sleep(0.01)
    return tasks


async def test_one_request_tries_next_if_the_first_is_cancelled(
    client: httpx2.AsyncClient, ada: dict[str, str], slow_front_page: SlowFrontPage
) -> None:
    tasks = await crowd(client, "/?first")
    tasks[0].cancel()
    answers = await asyncio.gather(*tasks[1:])
    assert [answer.status_code for answer in answers] == [200] * 19
    assert (slow_front_page.calls, slow_front_page.most_at_once) == (2, 1)


async def test_failing_requests_try_one_after_the_other(
    client: httpx2.AsyncClient, ada: dict[str, str], slow_front_page: SlowFrontPage
) -> None:
    slow_front_page.error = Unavailable("The database is unavailable")
    tasks = await crowd(client, "/?first")
    await asyncio.wait(tasks[:1])
    slow_front_page.error = None
    answers = await asyncio.gather(*tasks)
    assert [answer.status_code for answer in answers] == [503] + [200] * 19
    assert (slow_front_page.calls, slow_front_page.most_at_once) == (2, 1)


async def test_requests_take_turns_while_no_response_can_be_stored(
    client: httpx2.AsyncClient, ada: dict[str, str], slow_front_page: SlowFrontPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ResponseCache, "store", lambda *_: None)  # as if each were stale already
    answers = await asyncio.gather(*await crowd(client, "/?first"))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert (slow_front_page.calls, slow_front_page.most_at_once) == (20, 1)


@pytest.mark.parametrize("limit", ["is_found", "is_small"])
async def test_responses_that_cannot_be_cached_are_made_at_once(
    client: httpx2.AsyncClient, ada: dict[str, str], slow_front_page: SlowFrontPage, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "is_found":
        slow_front_page.error = NotFound()
    else:
        monkeypatch.setattr("blog.framework.caching.response_cache._MAX_ENTRY_DIVISOR", 1000)
    answers = await asyncio.gather(*await crowd(client, "/?first"))
    assert [answer.status_code for answer in answers] == [404 if limit == "is_found" else 200] * 20
    assert (slow_front_page.calls, slow_front_page.most_at_once) == (20, 19)


async def test_views_of_cached_pages_are_counted(
    client: httpx2.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    viewed: list[tuple[int, bytes | None]] = []

    def add(_: object, post_id: int, _day: dt.date, referer: bytes | None) -> None:
        viewed.append((post_id, referer))

    monkeypatch.setattr("blog.domain.core.view_counter.ViewCounter.add", add)
    for _ in range(2):
        await client.get("/posts/on-engines", headers=BROWSER)
    await client.get("/posts/on-engines", headers=BROWSER | {"Referer": "https://news.example.org/"})
    await client.get("/posts/on-engines", headers=BROWSER | {"Sec-Purpose": "prefetch"})
    await client.head("/posts/on-engines", headers=BROWSER)
    assert viewed == [(1, None), (1, None), (1, b"https://news.example.org/")]


async def test_every_cache_hit_is_logged(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    await client.get("/posts/on-engines")
    with capture_logs(processors=[add_correlation_ids]) as lines:
        await client.get("/posts/on-engines", headers={"X-Correlation-ID": "abc-1"})
    (line,) = [line for line in lines if line["event"] == "request"]
    assert (line["correlation_id"], line["route"], line["status"], line["method"]) == ("abc-1", "/posts/{slug}", 200, "GET")


async def test_profile_and_site_changes_invalidate_other_workers(settings: Settings, ctx: Context, author: Context) -> None:
    await posts.create(author, NewPost(**POST))
    async with running(create_app(settings)) as client:
        await wait_until_caching(client)
        changes: list[tuple[str, Awaitable[object], Callable[[str], bool]]] = [
            ("/authors/ada", accounts.change(author, AccountChanges(name="Ada L.")), lambda text: "Ada L." in text),
            ("/", feature_flags.store(ctx, Flag.REGISTRATION, False), lambda text: "/register" not in text),
        ]
        for path, change, is_seen in changes:
            await client.get(path)
            assert await cache_status(client, path) == "hit"
            await change
            async with asyncio.timeout(5):
                while await cache_status(client, path) == "hit":
                    await checkpoint()
            assert is_seen((await client.get(path)).text)


def answer(*channels: str, size: int = 10) -> CachedResponse:
    return CachedResponse((), (), b"x" * size, b'"t"', frozenset(channels), "/", None, float("inf"))


def key(number: int) -> CacheKey:
    return f"/{number}".encode(), b"", ""


def test_least_recently_used_response_is_evicted_first() -> None:
    cache = ResponseCache(max_bytes=40_000, max_age=60)
    for number in range(8):
        cache.store(key(number), answer("posts", size=2000), cache.generation)
    assert cache.find(key(0)) is not None
    for number in range(8, 12):
        cache.store(key(number), answer("posts", size=2000), cache.generation)
    assert cache.size <= 40_000
    assert cache.find(key(0)) is not None
    assert cache.find(key(1)) is None
    cache.store(key(99), answer("posts", size=10_000), cache.generation)
    assert cache.find(key(99)) is None, "too large for one"


def test_late_response_of_an_old_state_is_not_stored() -> None:
    cache = ResponseCache(max_bytes=1_000_000, max_age=60)
    before = cache.generation
    cache.invalidate(["post:1", "posts"])
    for stale in ("posts", "post:1"):
        cache.store(key(1), answer(stale), before)
        assert cache.find(key(1)) is None
    cache.store(key(1), answer("post:2"), before)
    cache.store(key(2), answer("posts"), cache.generation)
    assert (cache.find(key(1)) is None, cache.find(key(2)) is None) == (False, False)
    cache.invalidate(["posts"])
    assert (cache.find(key(1)) is None, cache.find(key(2)) is None) == (False, True)
    for number in range(2000):
        cache.invalidate([f"other:{number}"])
    cache.store(key(3), answer("post:3"), before)
    assert cache.find(key(3)) is None, "more invalidations than the cache remembers"
    cache.clear()
    assert len(cache) == cache.size == 0


def test_cache_is_unused_between_a_commit_and_the_reading_of_the_log() -> None:
    cache = ResponseCache(max_bytes=1_000_000, max_age=60)
    cache.store(key(1), answer("posts"), cache.generation)
    seen = cache.commit_count()
    cache.on_commit()
    assert cache.find(key(1)) is None
    cache.caught_up(seen)
    assert cache.find(key(1)) is None, "the reading had begun before"
    cache.caught_up(cache.commit_count())
    assert cache.find(key(1)) is not None


def test_cached_responses_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = ResponseCache(max_bytes=1_000_000, max_age=60)
    monkeypatch.setattr("blog.framework.caching.response_cache.time.monotonic", lambda: 1000.0)
    entry = answer("posts")
    stored = CachedResponse(entry.headers, entry.headers_304, entry.body, entry.etag, entry.channels, "/", None, cache.expiry())
    cache.store(key(1), stored, cache.generation)
    monkeypatch.setattr("blog.framework.caching.response_cache.time.monotonic", lambda: 1061.0)
    assert cache.find(key(1)) is None
