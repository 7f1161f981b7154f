"""/connection/websocket: the client protocol of Centrifugo, frame by frame. tests/live/test_sdk*.py use the SDKs."""

import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import anyio
import httpx2
import pytest
from httpx2.websockets import ASGIWebSocketTransport, AsyncWebSocketClient, WebSocketDisconnect
from starlette import types

from blog.app import Application, create_app
from blog.domain.accounts import sessions
from blog.domain.core import event_retention
from blog.domain.core.context import Context
from blog.realtime import Hub, Subscriber
from blog.realtime.subscription import TOO_SLOW
from blog.schemas.accounts import Role, Scope
from blog.settings import Settings
from tests.conftest import ORIGIN, Bearer, MakeUser, running
from tests.live.test_endpoints import closed, receive, write

pytestmark = pytest.mark.sqlite  # it is about the protocol; test_joining and test_kill cover PostgreSQL

ADDRESS = "ws://127.0.0.1:8000/connection/websocket"


@contextlib.asynccontextmanager
async def open_socket(client: httpx2.AsyncClient, **options: Any) -> AsyncIterator[Any]:
    async with AsyncWebSocketClient(client=client).connect(ADDRESS, **options) as socket:
        yield socket


@contextlib.asynccontextmanager
async def connected(client: httpx2.AsyncClient, connect: dict[str, Any] | None = None, **options: Any) -> AsyncIterator[Any]:
    async with open_socket(client, **options) as socket:
        socket.welcome = await send_command(socket, 1, connect=connect or {})
        yield socket


async def send_command(socket: Any, id: int, **request: Any) -> dict[str, Any]:
    await socket.send_text(json.dumps({"id": id, **request}))
    answer = await receive(socket)
    assert answer.pop("id") == id
    return answer


async def subscribed(socket: Any, channel: str, id: int = 2, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await send_command(socket, id, subscribe={"channel": channel, **members}))["subscribe"]
    return answer


async def publication(socket: Any) -> tuple[str, dict[str, Any], int]:
    """Return channel, event and offset of the next push."""
    push = (await receive(socket))["push"]
    assert set(push) == {"channel", "pub"}
    return push["channel"], push["pub"]["data"], push["pub"]["offset"]


async def refusal(socket: Any, id: int, **request: Any) -> tuple[int, bool]:
    error = (await send_command(socket, id, **request))["error"]
    assert error["message"]
    return error["code"], error["temporary"]


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


async def test_anonymous_client_connects_and_gets_a_new_post(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with connected(client) as socket:
        connect = socket.welcome["connect"]
        assert (connect["ping"], connect["data"]) == (25, {"user": None})
        assert connect["client"]
        answer = await subscribed(socket, "posts")
        assert answer == {"recoverable": True, "positioned": True, "epoch": answer["epoch"], "offset": 0}
        post = await write(client, ada)
        channel, event, offset = await publication(socket)
        assert (channel, event["event"], event["channels"]) == ("posts", "post.published", ["posts"])
        assert event["data"]["post"] == post
        assert event["cursor"] == f"{answer['epoch']}.{offset}", "a position is a cursor in two parts"


async def test_commands_of_one_frame_get_replies_in_order(client: httpx2.AsyncClient) -> None:
    frame = '{"connect":{"name":"js"},"id":1}\n{"subscribe":{"channel":"posts","flag":1},"id":2}\n{"ping":{},"id":3}\n'
    async with open_socket(client) as socket:
        await socket.send_text(frame)
        answers = [await receive(socket) for _ in range(3)]
    assert [(answer["id"], *(set(answer) - {"id"})) for answer in answers] == [(1, "connect"), (2, "subscribe"), (3, "ping")]


async def test_event_is_pushed_under_the_requested_channel_name(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with connected(client) as socket:
        await subscribed(socket, "author:ADA")
        await subscribed(socket, "posts", id=3)
        await write(client, ada)
        frame = await socket.receive_text()
        pushes = [json.loads(line)["push"] for line in frame.split("\n")]
        assert [push["channel"] for push in pushes] == ["author:ADA", "posts"]
        assert [push["pub"]["data"]["channels"] for push in pushes] == [["author:ada"], ["posts"]]
        assert pushes[0]["pub"]["offset"] == pushes[1]["pub"]["offset"]


async def test_each_channel_recovers_from_its_own_position(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with connected(client) as socket:
        start = await subscribed(socket, "posts")
    titles = [(await write(client, ada, title=f"Post {number}"))["title"] for number in range(3)]
    position = {"recover": True, "epoch": start["epoch"], "offset": start["offset"]}
    async with connected(client) as socket:
        answer = await subscribed(socket, "posts", **position)
        assert (answer["recovered"], answer["was_recovering"]) == (True, True)
        assert answer["offset"] == start["offset"], "what was missed is still to come"
        received = [await publication(socket) for _ in range(3)]
        assert [event["data"]["post"]["title"] for _, event, _ in received] == titles
        offsets = [offset for *_, offset in received]
        assert offsets == sorted(set(offsets))
        await subscribed(socket, "author:ada", id=3, **position | {"offset": offsets[0]})
        again = [await publication(socket) for _ in range(2)]
        assert [offset for *_, offset in again] == offsets[1:], "what one channel had, another still lacks"
    async with connected(client) as socket:
        answer = await subscribed(socket, "posts", **position | {"offset": offsets[-1]})
        assert (answer["recovered"], answer["offset"]) == (True, offsets[-1])
        assert await send_command(socket, 3, ping={}) == {"ping": {}}, "nothing was missed, nothing is pushed"
    async with connected(client) as socket:
        await subscribed(socket, "posts", recover=True)
        assert (await publication(socket))[2] == offsets[0], "without an epoch: that of the log as it is"


async def test_position_of_another_log_is_not_recovered(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    await write(client, ada)
    async with connected(client) as socket:
        now = await subscribed(socket, "author:ada")
        wrong_positions: list[dict[str, Any]] = [{"epoch": "other"}, {"offset": 999}, {"offset": 10**30}]
        for number, wrong in enumerate(wrong_positions, 3):
            position = {"epoch": now["epoch"], "offset": 1, "recover": True} | wrong
            answer = await subscribed(socket, f"tag:{number}", number, **position)
            assert answer == {**now, "was_recovering": True, "recovered": False}
            assert await refusal(socket, 90 + number, subscribe={"channel": "posts", "flag": 3, **position}) == (112, False)
        await write(client, ada, tags=["3"])
        assert {json.loads(line)["push"]["channel"] for line in (await socket.receive_text()).split("\n")} == {
            "author:ada",
            "tag:3",
        }


async def test_trimmed_position_is_not_recovered(client: httpx2.AsyncClient, ada: dict[str, str], ctx: Context) -> None:
    for _ in range(3):
        await write(client, ada)
    assert await event_retention.trim(replace(ctx, now=dt.datetime.now(dt.UTC) + dt.timedelta(days=400))) == 2
    async with connected(client) as socket:
        answer = await subscribed(socket, "posts", recover=True, offset=1)
        assert (answer["recovered"], answer["offset"]) == (False, 3)
        assert (await subscribed(socket, "tag:x", 3, recover=True, offset=2))["recovered"] is True


async def test_recovery_never_contains_a_draft(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    post = await write(client, ada, content="a secret that slipped out")
    await client.patch(f"/api/v1/posts/{post['id']}", json={"status": "draft"}, headers=ada)
    async with connected(client) as socket:
        await subscribed(socket, "posts", recover=True)
        _, event, _ = await publication(socket)
        assert event["event"] == "post.unpublished"
        assert "secret" not in json.dumps(event)
        assert await refusal(socket, 3, subscribe={"channel": f"post:{post['id']}"}) == (102, False)


async def test_permissions_follow_the_user(client: httpx2.AsyncClient, bearer: Bearer, ctx: Context, make_user: MakeUser) -> None:
    editor = await bearer("edo", Role.EDITOR)
    token = {"token": editor["Authorization"].removeprefix("Bearer ")}
    reader = await bearer("rob", Role.READER)
    moderation = {"channel": "moderation"}
    async with connected(client) as stranger, connected(client, headers=reader) as rob:
        assert await refusal(stranger, 2, subscribe=moderation) == (101, False)
        assert await refusal(rob, 2, subscribe=moderation) == (103, False)
    for how in ({"connect": token}, {"headers": editor}):
        async with connected(client, **how) as socket:
            assert socket.welcome["connect"]["data"] == {"user": "edo"}
            assert "recoverable" in await subscribed(socket, "moderation")


async def test_browser_session_authenticates_and_other_origins_are_refused(
    client: httpx2.AsyncClient, ctx: Context, author: Context
) -> None:
    cookie = {"Cookie": f"session={await sessions.start(ctx, author.require_actor(), 'a browser')}"}
    async with connected(client, headers=cookie | {"Origin": "http://127.0.0.1:8000"}) as socket:
        assert socket.welcome["connect"]["data"] == {"user": "ada"}
    with pytest.raises(WebSocketDisconnect) as refused:
        async with open_socket(client, headers=cookie | {"Origin": "https://evil.example"}):
            pass
    assert refused.value.code == 1008, "closed before accept: servers answer 403"


async def test_wrong_credentials_have_distinct_errors(client: httpx2.AsyncClient) -> None:
    async with open_socket(client) as socket:
        assert await refusal(socket, 1, connect={"token": "nonsense"}) == (109, False), "an SDK may have a newer token"
        await socket.send_text('{"id":2,"subscribe":{"channel":"posts"}}')
        assert await closed(socket) == 3501, "it is not connected"
    async with open_socket(client, headers={"Authorization": "Bearer x"}) as socket:
        assert await refusal(socket, 1, connect={}) == (101, False)


async def test_revoked_token_closes_its_connections(client: httpx2.AsyncClient, bearer: Bearer) -> None:
    owner = await bearer("ora", Role.READER, scopes=[Scope.ACCOUNT])
    token = {"token": owner["Authorization"].removeprefix("Bearer ")}
    async with connected(client, token) as socket, connected(client) as stranger:
        (mine,) = (await client.get("/api/v1/tokens", headers=owner)).json()["items"]
        assert (await client.delete(f"/api/v1/tokens/{mine['id']}", headers=owner)).status_code == 204
        assert await closed(socket) == 3005, "come again: with a token that is valid"
        assert await send_command(stranger, 2, ping={}) == {"ping": {}}, "others stay"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"id":2}', '{"id":2,"dance":{}}', '{"ping":{}}', '{"id":-1,"ping":{}}', '{"id":2,"subscribe":{}}',
     '{"id":2,"subscribe":{"channel":"\\u0000"}}', '{"id":2,"subscribe":{"channel":"posts","offset":-1}}', "[" * 5000,
     '{"id":2,"connect":{}}', '{"id":2,"ping":{}}\n{', '{"send":{"data":{}}}', '{"id":2,"send":{}}'],
)  # fmt: skip
async def test_invalid_command_closes_3501(client: httpx2.AsyncClient, text: str) -> None:
    async with connected(client) as socket:
        if not text:
            await socket.send_bytes(b'{"id":2,"ping":{}}')
        await socket.send_text(text)
        assert await closed(socket) == 3501


async def test_first_command_is_connect(client: httpx2.AsyncClient) -> None:
    for text in ("{}", '{"id":1,"subscribe":{"channel":"posts"}}'):
        async with open_socket(client) as socket:
            await socket.send_text(text)
            assert await closed(socket) == 3501


async def test_socket_without_a_connect_command_is_closed(client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blog.live.centrifugo._CONNECT_TIMEOUT", 0.05)
    async with open_socket(client) as socket, connected(client) as other:
        assert await closed(socket) == 3502
        assert await send_command(other, 2, ping={}) == {"ping": {}}


async def test_disconnect_before_connect_frees_everything(
    client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("blog.live.centrifugo._CONNECT_TIMEOUT", 0.05)
    for _ in range(3):
        async with open_socket(client):
            pass
        await anyio.sleep(0.06)  # its time to connect is over
    assert caplog.records == []


async def test_unsupported_commands_are_not_available(client: httpx2.AsyncClient) -> None:
    async with connected(client) as socket:
        requests = ("publish", "presence", "presence_stats", "history", "rpc", "refresh", "sub_refresh")
        for number, name in enumerate(requests, 2):
            assert await refusal(socket, number, **{name: {"channel": "posts"}}) == (108, False)
        options: list[dict[str, Any]] = [{"type": 4}, {"tf": {"op": "and"}}]
        for number, option in enumerate(options, 20):
            assert await refusal(socket, number, subscribe={"channel": "posts", **option}) == (108, False)
        assert await refusal(socket, 30, subscribe={"channel": "nothing"}) == (102, False)


async def test_subscriptions_are_limited_and_unique(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with connected(client) as socket:
        await subscribed(socket, "posts")
        assert await refusal(socket, 3, subscribe={"channel": "posts"}) == (105, False)
        assert await send_command(socket, 4, unsubscribe={"channel": "posts"}) == {"unsubscribe": {}}
        assert await send_command(socket, 5, unsubscribe={"channel": "posts"}) == {"unsubscribe": {}}
        await write(client, ada)
        assert await send_command(socket, 6, ping={}) == {"ping": {}}, "no news any more"
        for number in range(50):
            await subscribed(socket, f"tag:{number}", 10 + number)
        assert await refusal(socket, 90, subscribe={"channel": "posts"}) == (106, False)


async def test_heartbeats_are_sent_between_events(
    client: httpx2.AsyncClient, ada: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # One SDK waits for them, whatever else arrives: without one for ping + 10 seconds it reconnects.
    monkeypatch.setattr("blog.realtime.subscription.HEARTBEAT_SECONDS", 0)
    async with connected(client) as socket:
        await subscribed(socket, "posts")
        received: list[dict[str, Any]] = []
        with anyio.fail_after(5):
            while received.count({}) < 2:
                await write(client, ada)
                received.append(await receive(socket))
        assert any("push" in message for message in received)


async def test_unexpected_pong_is_ignored(client: httpx2.AsyncClient) -> None:
    async with connected(client) as socket:
        await socket.send_text("{}")
        assert await send_command(socket, 2, ping={}) == {"ping": {}}


async def test_addresses_have_the_same_limit(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"max_live_connections_per_address": 1}))
    async with running(app) as client, connected(client), open_socket(client) as second:
        assert await closed(second) == 3013


@pytest.mark.parametrize(
    ("close", "code"),
    [
        (Subscriber.close_for_shutdown, 3001), (Subscriber.close_disabled, 3004), (Subscriber.close_unauthenticated, 3005),
        (lambda subscriber: subscriber.close(4503, TOO_SLOW), 3008),
    ],
    ids=["shutdown", "disabled", "unauthenticated", "too slow"],
)  # fmt: skip
async def test_temporary_closes_have_codes_after_which_sdks_reconnect(
    settings: Settings, close: Callable[[Subscriber], None], code: int
) -> None:
    async with serving_with_hub(create_app(settings)) as (client, hub), connected(client) as socket:
        (subscriber,) = hub._subscribers
        assert isinstance(subscriber, Subscriber)
        close(subscriber)
        assert await closed(socket) == code


@contextlib.asynccontextmanager
async def serving_with_hub(app: Application) -> AsyncIterator[tuple[httpx2.AsyncClient, Hub]]:
    async with app.router.lifespan_context(app) as state:
        assert state is not None

        async def with_state(scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        async with httpx2.AsyncClient(transport=ASGIWebSocketTransport(with_state), base_url=ORIGIN) as client:
            yield client, state["hub"]
