"""The cost of a replay counts against the rate limit of the client, in every transport."""

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient, AsyncWebSocketSession

from blog.app import create_app
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import posts
from blog.schemas.posts import NewPost
from blog.settings import Settings
from tests.conftest import running
from tests.live.test_endpoints import closed, following, receive, send

EVENTS, STREAM = "/api/v1/events", "/api/v1/events/stream"
COUNT = 120


@pytest.fixture
async def log(author: Context) -> None:
    """A log of 120 events about one post."""
    post = await posts.create(author, NewPost(title="A title", content="text"))
    async with author.db.transaction():
        for _ in range(COUNT - 1):
            await events.record_post(author, EventType.POST_UPDATED, post)


@pytest.fixture
def limit() -> int:
    return 20


@pytest.fixture
async def limited(settings: Settings, log: None, limit: int) -> AsyncIterator[httpx2.AsyncClient]:
    async with running(create_app(settings.model_copy(update={"rate_limit": f"{limit}/minute"}))) as client:
        yield client


async def poll(client: httpx2.AsyncClient, **query: Any) -> tuple[int, int]:
    """Number of events, and the units that remain."""
    answer = await client.get(EVENTS, params={"channel": ["posts", "comments"]} | query)
    assert answer.status_code == 200
    return len(answer.json()["events"]), remaining(answer)


def remaining(answer: httpx2.Response) -> int:
    found = re.findall(r'"default";r=(\d+)', answer.headers["RateLimit"])
    return int(found[0])


async def receive_events(socket: AsyncWebSocketSession) -> None:
    """Receive all events of the log: the connection of a client that leaves before the end would wait for it."""
    count = 0
    while count < COUNT:
        count += (await socket.receive_text()).count('"correlation_id"')


async def test_poll_costs_a_unit_for_each_started_50_events(limited: httpx2.AsyncClient) -> None:
    assert await poll(limited) == (0, 19)
    assert await poll(limited, after="earliest", limit=49) == (49, 18), "the request itself is the first unit"
    assert await poll(limited, after="earliest", limit=100) == (100, 16)
    for units in (13, 10, 7, 4, 1, 0):
        assert await poll(limited, after="earliest", limit=500) == (COUNT, units)
    refused = await limited.get(EVENTS, params={"channel": "posts"})
    assert (refused.status_code, remaining(refused)) == (429, 0)
    assert 0 < int(refused.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("limit", [4])
async def test_replay_can_exceed_the_limit_once(limited: httpx2.AsyncClient, limit: int) -> None:
    assert await poll(limited, after="earliest", limit=500) == (COUNT, 1)
    assert await poll(limited, after="earliest", limit=500) == (COUNT, 0), "a client that was away for long can catch up"
    for path in (EVENTS, STREAM):
        refused = await limited.get(path, params={"channel": "posts", "after": "earliest"})
        assert refused.status_code == 429
        assert refused.headers["content-type"] == "application/problem+json"


async def test_rare_channel_costs_what_is_searched(limited: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.realtime.replay.ROWS_PER_UNIT", 10)
    assert (await limited.get(EVENTS, params={"channel": "tag:rare"})).status_code == 200
    answer = await limited.get(EVENTS, params={"channel": "tag:rare", "after": "earliest"})
    assert (answer.json()["events"], remaining(answer)) == ([], 20 - 1 - 1 - 11)


async def test_one_unit_is_prepaid_for_rows_and_events_together(
    limited: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blog.realtime.replay.ROWS_PER_UNIT", COUNT // 2)
    assert await poll(limited, after="earliest", limit=500) == (COUNT, 20 - 2 - 3)


@pytest.mark.parametrize("limit", [5])
async def test_subscription_costs_its_replay_and_a_live_one_nothing(
    settings: Settings, log: None, limit: int, author: Context, bearer: Callable[..., Awaitable[dict[str, str]]]
) -> None:
    async with running(create_app(settings.model_copy(update={"rate_limit": f"{limit}/minute"}))) as client:
        for _ in range(10):
            async with following(client) as socket:
                await send(socket, type="subscribe", id="a", channels=["posts", "comments"], after=socket.welcome["cursor"])
                assert (await receive(socket))["replayed"] == 0
        for _ in range(2):
            async with following(client) as socket:
                await send(socket, type="subscribe", id="a", channels=["posts", "comments"], after="earliest")
                assert (await receive(socket))["replayed"] == COUNT
                await receive_events(socket)
        async with following(client) as socket:
            await send(socket, type="subscribe", id="a", channels=["posts", "comments"], after="earliest")
            assert await closed(socket) == 4429
        assert (await client.get(EVENTS, params={"channel": "posts"})).status_code == 429
        async with following(client) as socket:
            await send(socket, type="subscribe", id="a", channels=["posts", "comments"])
            assert (await receive(socket))["type"] == "subscribed", "what happens from now on is free"
        async with following(client, headers=await bearer("rob")) as socket:
            await send(socket, type="subscribe", id="a", channels=["posts", "comments"], after="earliest")
            assert (await receive(socket))["replayed"] == COUNT, "a member has their own units"
            await receive_events(socket)


@pytest.mark.parametrize("limit", [2])
async def test_centrifugo_client_without_units_is_closed(limited: httpx2.AsyncClient, limit: int) -> None:
    connect = AsyncWebSocketClient(client=limited).connect
    codes: list[Any] = []
    for _ in range(2):
        async with connect("ws://127.0.0.1:8000/connection/websocket") as socket:
            await socket.send_text('{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"posts","recover":true}}')
            await receive(socket)
            with_reply = json.loads(await socket.receive_text()) if not codes else None
            codes.append(with_reply["subscribe"]["recovered"] if with_reply else await closed(socket))
            if with_reply:
                await receive_events(socket)
    assert codes == [True, 3013]


async def test_without_limits_nothing_is_counted(settings: Settings, log: None) -> None:
    async with running(create_app(settings)) as client:
        for _ in range(10):
            answer = await client.get(EVENTS, params={"channel": "posts", "after": "earliest", "limit": 500})
            assert (answer.status_code, len(answer.json()["events"])) == (200, COUNT)
            assert "RateLimit" not in answer.headers
