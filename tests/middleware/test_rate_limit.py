"""Rate limits and their headers."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import httpx2
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from blog.app import Application, create_app
from blog.framework.limits.rate_limits import RETRY_REDIS_AFTER, open_rate_limits, remove_expired
from blog.settings import Settings
from tests.conftest import PASSWORD, Bearer, running
from tests.support.serving import free_port, serving, wait_until_up
from tests.support.valkey import Valkey

POSTS = "/api/v1/posts"
ADA = {"username": "ada", "email": "ada@example.org", "password": PASSWORD}


class Clock:
    """Replaces the module `time` in the library and in our code."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.25

    def time(self) -> float:
        return self.now

    monotonic = time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in ("limits.aio.storage.memory", "limits.aio.storage.redis.redispy", "blog.framework.limits.rate_limits"):
        monkeypatch.setattr(f"{module}.time", clock)
    return clock


@pytest.fixture
async def limited(settings: Settings, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client of an application with small limits; the request header `From` sets the client's address."""
    async with running(create_app(settings.model_copy(update=LIMITS))) as client:
        yield at_addresses(client)


LIMITS = {"rate_limit": "3/minute", "login_rate_limit_per_address": "2 per 5 minutes"}
WIDE = LIMITS | {"rate_limit": "1000/minute"}


def at_addresses(client: httpx2.AsyncClient) -> httpx2.AsyncClient:
    transport: Any = client._transport
    app = transport.app

    async def addressed(scope: Scope, receive: Receive, send: Send) -> None:
        address = dict(scope["headers"]).get(b"from", b"192.0.2.1").decode()
        await app({**scope, "client": (address, 5000)}, receive, send)

    transport.app = addressed
    return client


async def statuses(client: httpx2.AsyncClient, number: int, path: str = POSTS, **fields: str) -> list[int]:
    return [(await client.get(path, headers=fields)).status_code for _ in range(number)]


@pytest.mark.parametrize("path", ["/", "/nowhere", POSTS, "/api/v1/nowhere", "/api/openapi.json"])
async def test_every_response_has_rate_limit_headers(limited: httpx2.AsyncClient, path: str) -> None:
    for remaining in (2, 1, 0):
        answer = await limited.get(path)
        assert answer.status_code in (200, 404)
        assert answer.headers["ratelimit-policy"] == '"default";q=3;w=60'
        assert answer.headers["ratelimit"] == f'"default";r={remaining};t=60'


@pytest.mark.parametrize("path", ["/archive", "/api/v1/tags", "/feed.atom"])
async def test_cached_response_has_the_last_known_usage(settings: Settings, clock: Clock, path: str) -> None:
    app = create_app(settings.model_copy(update=LIMITS | {"max_cache_bytes": 1_000_000, "rate_limit": "500/minute"}))
    async with running(app) as running_client:
        client = at_addresses(running_client)
        counted = await client.get(path)
        async with asyncio.timeout(5):
            while (cached := await client.get(path)).headers["x-cache"] != "hit":
                counted = cached
        assert cached.headers["ratelimit-policy"] == '"default";q=500;w=60'
        assert cached.headers["ratelimit"] == counted.headers["ratelimit"], "not counted"
        clock.now += 20
        known = counted.headers["ratelimit"].replace("t=60", "t=40")
        for method, condition, status in (("GET", "", 200), ("HEAD", "", 200), ("GET", cached.headers["etag"], 304)):
            again = await client.request(method, path, headers={"If-None-Match": condition})
            assert (again.status_code, again.headers["x-cache"], again.headers["ratelimit"]) == (status, "hit", known)
            assert again.headers["ratelimit-policy"] == '"default";q=500;w=60'
        for expected in (500, 499, 498):
            other = await client.get(path, headers={"From": "192.0.2.8"})
            assert (other.headers["x-cache"], other.headers["ratelimit"]) == ("hit", f'"default";r={expected};t=60')
            await client.get("/nowhere", headers={"From": "192.0.2.8"})
        clock.now += 60
        assert (await client.get(path)).headers["ratelimit"] == '"default";r=500;t=60', "the window has ended"


async def test_cached_response_does_not_access_the_storage(
    settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = LIMITS | {"max_cache_bytes": 1_000_000, "rate_limit": "1000/minute", "redis_url": SecretStr(valkey.url)}
    async with running(create_app(settings.model_copy(update=update))) as client:
        async with asyncio.timeout(5):
            while (await client.get("/archive")).headers["x-cache"] != "hit":
                pass

        async def fail(*_args: object) -> None:
            raise AssertionError("the storage was asked")

        monkeypatch.setattr("blog.framework.limits.rate_limits._increment_counter", fail)
        answers = [await client.get("/archive") for _ in range(5)]
    assert {answer.headers["x-cache"] for answer in answers} == {"hit"}
    assert len({answer.headers["ratelimit"].partition(";t=")[0] for answer in answers}) == 1


async def test_requests_above_the_limit_are_refused_until_the_window_ends(limited: httpx2.AsyncClient, clock: Clock) -> None:
    assert await statuses(limited, 3) == [200, 200, 200]
    clock.now += 17.5
    refused = await limited.get(POSTS)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "43")
    assert refused.headers["ratelimit"] == '"default";r=0;t=43'
    assert refused.headers["content-type"] == "application/problem+json"
    body = refused.json()
    assert (body["status"], body["title"], body["instance"]) == (429, "Too many requests", POSTS)
    assert body["correlation_id"] == refused.headers["x-correlation-id"]
    assert "43 seconds" in body["detail"]
    assert "content-security-policy" in refused.headers
    clock.now += int(refused.headers["retry-after"])
    assert await statuses(limited, 4) == [200, 200, 200, 429]


async def test_refused_page_is_html(limited: httpx2.AsyncClient) -> None:
    await statuses(limited, 3)
    refused = await limited.get("/")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    assert "60 seconds" in refused.text
    assert refused.headers["x-correlation-id"] in refused.text


async def test_users_have_their_own_limit_at_any_address(limited: httpx2.AsyncClient, bearer: Bearer) -> None:
    ada, bob = await bearer("ada"), await bearer("bob")
    assert await statuses(limited, 4) == [200, 200, 200, 429], "strangers by their address"
    assert await statuses(limited, 3, **ada) == [200, 200, 200], "ada, at the same address"
    assert await statuses(limited, 1, **ada, From="192.0.2.9") == [429], "and at any other"
    assert await statuses(limited, 1, **bob) == [200]
    assert await statuses(limited, 1, From="192.0.2.9") == [200]


async def test_false_credentials_are_counted_by_address(limited: httpx2.AsyncClient) -> None:
    for number in range(4):
        answer = await limited.get(POSTS, headers={"Authorization": f"Bearer {number}"})
    assert answer.status_code == 429


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", True), ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("::ffff:192.0.2.5", "192.0.2.5", True), ("::ffff:192.0.2.5", "::ffff:192.0.2.6", False), ("", "", True),
        ("fe80::1%eth0", "fe80::2%eth0", True),
    ],
)  # fmt: skip
async def test_ipv6_clients_are_counted_by_their_network(limited: httpx2.AsyncClient, one: str, other: str, same: bool) -> None:
    await statuses(limited, 3, From=one)
    assert await statuses(limited, 1, From=other) == [429 if same else 200]


async def test_forwarded_addresses_are_not_trusted(limited: httpx2.AsyncClient) -> None:
    found = [
        await statuses(limited, 1, **{name: f"198.51.100.{number}"})
        for number in range(2)
        for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP")
    ]
    assert found == [[200]] * 3 + [[429]] * 3


async def test_files_and_health_are_not_counted(limited: httpx2.AsyncClient) -> None:
    for path in ("/static/css/site.css", "/static/nowhere.css", "/media/nowhere.png", "/healthz", "/readyz", "/metrics"):
        for _ in range(4):
            answer = await limited.get(path)
            assert answer.status_code != 429
            assert "ratelimit" not in answer.headers
    assert await statuses(limited, 1) == [200]


async def test_rate_limit_off_disables_limits(settings: Settings) -> None:
    async with running(create_app(settings.model_copy(update=LIMITS | {"rate_limit": "off"}))) as client:
        await client.post("/api/v1/users", json=ADA)
        assert await statuses(client, 5) == [200] * 5
        for _ in range(5):
            answer = await client.post("/api/v1/tokens", json={"username": "ada", "password": "wrong"})
            assert answer.status_code == 401
        assert "ratelimit" not in answer.headers


async def token(
    client: httpx2.AsyncClient, name: str = "ada", word: str = "wrong", address: str = "192.0.2.1"
) -> httpx2.Response:
    return await client.post("/api/v1/tokens", json={"username": name, "password": word}, headers={"From": address})


async def page(client: httpx2.AsyncClient, name: str = "ada", word: str = "wrong", address: str = "192.0.2.1") -> httpx2.Response:
    return await client.post("/login", data={"username": name, "password": word}, headers={"From": address})


@pytest.fixture
async def limited_client(settings: Settings, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client with narrow limits for sign-ins only; ada has an account."""
    async with running(create_app(settings.model_copy(update=WIDE))) as client:
        await client.post("/api/v1/users", json=ADA)
        yield at_addresses(client)


@pytest.mark.parametrize("sign_in", [token, page])
async def test_password_guessing_is_limited_in_the_api_and_on_the_page(
    limited_client: httpx2.AsyncClient, clock: Clock, sign_in: Callable[..., Awaitable[httpx2.Response]]
) -> None:
    assert [(await sign_in(limited_client)).status_code for _ in range(2)] == [401, 401]
    refused = await sign_in(limited_client, name="ADA", word=PASSWORD)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "300"), "the right password is refused too"
    assert refused.headers["ratelimit-policy"] == '"default";q=1000;w=60, "sign-in";q=2;w=300'
    assert re.fullmatch(r'"default";r=99\d;t=60, "sign-in";r=0;t=300', refused.headers["ratelimit"])
    assert "300 seconds" in refused.text
    other = page if sign_in is token else token
    assert (await other(limited_client)).status_code == 429
    clock.now += 300
    assert (await sign_in(limited_client, word=PASSWORD)).status_code in (201, 303)


async def test_refused_form_keeps_its_values(limited_client: httpx2.AsyncClient) -> None:
    for _ in range(3):
        refused = await page(limited_client)
    assert refused.headers["content-type"] == "text/html; charset=utf-8"
    assert 'value="ada"' in refused.text


async def test_failed_sign_ins_do_not_lock_out_the_owner(limited_client: httpx2.AsyncClient) -> None:
    for number in range(20):
        await token(limited_client, address=f"198.51.100.{number % 4}")
    assert (await token(limited_client, address="198.51.100.1")).status_code == 429
    assert (await token(limited_client, word=PASSWORD, address="192.0.2.1")).status_code == 201


@pytest.fixture
async def guarded(settings: Settings, clock: Clock) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a client with five sign-in attempts per hour and account, for all unknown browsers together."""
    limits = WIDE | {"login_rate_limit_per_address": "4/minute", "login_rate_limit_per_account": "5/hour"}
    async with running(create_app(settings.model_copy(update=limits))) as client:
        await client.post("/api/v1/users", json=ADA)
        yield at_addresses(client)


async def guess_from_everywhere(client: httpx2.AsyncClient, times: int = 8) -> list[int]:
    return [(await token(client, address=f"198.51.100.{number}")).status_code for number in range(times)]


async def test_guessing_at_one_account_from_many_addresses_is_refused(guarded: httpx2.AsyncClient, clock: Clock) -> None:
    assert await guess_from_everywhere(guarded) == [401] * 5 + [429] * 3
    refused = await page(guarded, word=PASSWORD, address="192.0.2.77")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert '"account";q=5;w=3600' in refused.headers["ratelimit-policy"]
    assert (await token(guarded, name="bob")).status_code == 401, "others are not held back"
    clock.now += 3600
    assert (await page(guarded, word=PASSWORD, address="192.0.2.77")).status_code == 303


@pytest.mark.parametrize("name", ["ada", "ADA@example.org"])
async def test_known_browser_can_sign_in_despite_failed_attempts_of_others(guarded: httpx2.AsyncClient, name: str) -> None:
    assert (await page(guarded, word=PASSWORD)).status_code == 303, "the client keeps the cookie"
    await guess_from_everywhere(guarded)
    device = {"Cookie": f"device={guarded.cookies['device']}", "From": "203.0.113.5"}
    guarded.cookies.clear()
    sent = {"username": name, "password": PASSWORD}
    assert (await guarded.post("/login", data=sent, headers=device)).status_code == 303, "from wherever it is"
    # Its own attempts are counted all the same, and it is known for its own account only.
    guarded.cookies.clear()
    tries = [(await guarded.post("/login", data=sent | {"password": "wrong"}, headers=device)).status_code for _ in range(4)]
    assert tries == [401] * 3 + [429]
    await guess_from_everywhere(guarded, 6)
    assert (await page(guarded, name="ada", address="192.0.2.99")).status_code == 429


async def test_forged_and_foreign_cookies_are_not_known_browsers(guarded: httpx2.AsyncClient) -> None:
    await guarded.post("/api/v1/users", json=ADA | {"username": "eve", "email": "eve@example.org"})
    assert (await page(guarded, name="eve", word=PASSWORD)).status_code == 303
    eves = guarded.cookies["device"]
    guarded.cookies.clear()
    await guess_from_everywhere(guarded)
    for cookie in (eves, "x", eves[:-3] + "AAA", ""):
        sent = {"username": "ada", "password": PASSWORD}
        assert (await guarded.post("/login", data=sent, headers={"Cookie": f"device={cookie}"})).status_code == 429


async def test_registration_is_limited_by_address(guarded: httpx2.AsyncClient) -> None:
    def form(number: int) -> dict[str, str]:
        return {"username": f"user{number}", "email": f"user{number}@example.org", "password": PASSWORD}

    found = []
    for number in range(6):
        guarded.cookies.clear()
        found.append((await guarded.post("/register", data=form(number))).status_code)
    assert found == [303] * 4 + [429] * 2
    assert (await guarded.post("/api/v1/users", json=form(9))).status_code == 429


async def test_guessing_at_many_accounts_is_refused(limited_client: httpx2.AsyncClient) -> None:
    found = [(await token(limited_client, name=f"user{number}")).status_code for number in range(11)]
    assert found == [401] * 10 + [429]
    assert (await token(limited_client, address="192.0.2.9")).status_code == 401


async def test_other_requests_are_not_counted_as_attempts(limited_client: httpx2.AsyncClient) -> None:
    for _ in range(5):
        assert (await limited_client.post("/api/v1/tokens", json={"username": "ada"})).status_code == 422
        assert (await limited_client.post("/login", data={"username": "ada"})).status_code == 422
    assert (await token(limited_client, word=PASSWORD)).status_code == 201


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey() as server:
        yield server


def with_redis(settings: Settings, url: str) -> Application:
    return create_app(settings.model_copy(update=LIMITS | {"redis_url": SecretStr(url)}))


async def test_workers_count_together_in_redis(settings: Settings, valkey: Valkey) -> None:
    async with running(with_redis(settings, valkey.url)) as one, running(with_redis(settings, valkey.url)) as other:
        found = [(await client.get(POSTS)).headers["ratelimit"].partition(";t=")[0] for client in (one, other, one)]
        assert found == ['"default";r=2', '"default";r=1', '"default";r=0']
        refused = await other.get(POSTS)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
    async with running(with_redis(settings, valkey.url)) as later:
        assert await statuses(later, 1) == [429], "also over a restart"


async def test_without_redis_workers_count_separately(settings: Settings) -> None:
    app = create_app(settings.model_copy(update=LIMITS))
    async with running(app) as one, running(create_app(settings.model_copy(update=LIMITS))) as other:
        assert await statuses(one, 4) == [200, 200, 200, 429]
        assert await statuses(other, 1) == [200]


async def test_blogs_sharing_a_redis_have_separate_counters(settings: Settings, valkey: Valkey) -> None:
    other_blog = settings.model_copy(update={"public_url": "http://other.example"})
    async with running(with_redis(settings, valkey.url)) as one, running(with_redis(other_blog, valkey.url)) as other:
        assert await statuses(one, 4) == [200, 200, 200, 429]
        assert await statuses(other, 1) == [200]


async def test_parallel_requests_are_each_counted(settings: Settings, valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.framework.limits.redis_pool._TIMEOUT", 30)  # on a machine that is busy, too, the server counts
    update = LIMITS | {"rate_limit": "50/minute", "redis_url": SecretStr(valkey.url)}
    app = create_app(settings.model_copy(update=update))
    async with running(app) as client:
        answers = await asyncio.gather(*(client.get("/nowhere") for _ in range(80)))
    assert sorted(answer.status_code for answer in answers) == [404] * 50 + [429] * 30


async def test_redis_outage_is_tolerated_and_its_return_noticed(settings: Settings, valkey: Valkey, clock: Clock) -> None:
    async with running(with_redis(settings, valkey.url)) as client:
        with capture_logs() as logs:
            assert await statuses(client, 2) == [200, 200]
            valkey.stop()
            assert await statuses(client, 4) == [200, 200, 200, 429], "this process counts from zero, and limits"
            clock.now += RETRY_REDIS_AFTER
            assert await statuses(client, 1) == [429]
            valkey.start()
            assert await statuses(client, 1) == [429], "not asked at each request"
            clock.now += RETRY_REDIS_AFTER
            assert await statuses(client, 2) == [200, 200]
        said = [(line["log_level"], line["event"]) for line in logs if "requests" in line["event"] and "Redis" in line["event"]]
    assert said == [
        ("warning", "Redis is down: each process counts requests separately"),
        ("info", "Redis is up: processes count requests together"),
    ]


async def test_unresponsive_redis_is_tolerated(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> None:
    silent = tmp_path_factory.mktemp("s") / "s"
    stays = asyncio.Event()

    async def accept_without_reply(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stays.wait()
        writer.close()

    async with await asyncio.start_unix_server(accept_without_reply, silent):
        async with running(with_redis(settings, f"unix://{silent}")) as client:
            assert await statuses(client, 4) == [200, 200, 200, 429]
        stays.set()


async def test_expired_counters_are_removed_in_the_background(settings: Settings, clock: Clock) -> None:
    async with open_rate_limits(settings.model_copy(update=LIMITS)) as limits:
        memory, tidying = limits._memory, limits._memory.timer
        for number in range(3):
            await limits.count_request(Request({"type": "http", "client": (f"192.0.2.{number}", 5000)}))
            clock.now += 30
        assert (len(memory.expirations), memory.timer) == (3, tidying)
        await remove_expired(memory)
        assert len(memory.expirations) == len(memory.storage) == 1


@pytest.mark.parametrize(
    ("proxies", "expected"), [("", [200, 200, 200, 429]), ("192.0.2.1", [200, 200, 200, 429]), ("127.0.0.1", [200] * 4)]
)
def test_server_trusts_forwarded_addresses_of_trusted_proxies_only(tmp_path: Path, proxies: str, expected: list[int]) -> None:
    port = free_port()
    environment = {"RATE_LIMIT": "3/hour", "MAX_CACHE_BYTES": "0", "TRUSTED_PROXIES": proxies, "FORWARDED_ALLOW_IPS": "*"}
    with serving(tmp_path, port, **environment) as (process, _):
        wait_until_up(port, process)
        found = [
            httpx.get(f"http://127.0.0.1:{port}{POSTS}", headers={"X-Forwarded-For": f"198.51.100.{number}"}).status_code
            for number in range(4)
        ]
    assert found == expected


def test_server_limits_by_default(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, port) as (process, _):
        wait_until_up(port, process)
        answer = httpx.get(f"http://127.0.0.1:{port}{POSTS}")
    assert answer.headers["ratelimit-policy"] == '"default";q=300;w=60'
    assert answer.headers["ratelimit"].startswith('"default";r=299;t=')


async def test_clock_set_back_does_not_extend_the_limit(limited: httpx2.AsyncClient, clock: Clock) -> None:
    assert await statuses(limited, 4) == [200, 200, 200, 429]
    clock.now -= 3600
    assert await statuses(limited, 4) == [200, 200, 200, 429]
    refused = await limited.get(POSTS)
    assert int(refused.headers["retry-after"]) <= 60
