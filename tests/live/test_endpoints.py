"""/live: the protocol, from `welcome` to `bye`."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient, WebSocketDisconnect

from blog.schemas.accounts import Role, Scope
from tests.conftest import Bearer

LIVE = "ws://127.0.0.1:8000/live"


@contextlib.asynccontextmanager
async def following(client: httpx2.AsyncClient, url: str = LIVE, **options: Any) -> AsyncIterator[Any]:
    """Yield an open socket after its `welcome` message."""
    socket: Any
    async with AsyncWebSocketClient(client=client).connect(url, subprotocols=["blog.live.v1"], **options) as socket:
        socket.welcome = await receive(socket)
        yield socket


async def receive(socket: Any) -> dict[str, Any]:
    with anyio.fail_after(5):
        message: dict[str, Any] = json.loads(await socket.receive_text())
        return message


async def send(socket: Any, **message: Any) -> None:
    await socket.send_text(json.dumps(message))


async def subscribed(socket: Any, *channels: str, after: str | None = None, id: str = "a") -> dict[str, Any]:
    named: dict[str, Any] = {"channel": channels[0]} if len(channels) == 1 else {"channels": channels}
    await send(socket, type="subscribe", id=id, **named, **({"after": after} if after else {}))
    return await receive(socket)


async def closed(socket: Any) -> int:
    with anyio.fail_after(5):
        while True:
            try:
                await socket.receive_text()
            except WebSocketDisconnect as end:
                return end.code


@pytest.fixture
async def ada(bearer: Bearer) -> dict[str, str]:
    return await bearer("ada")


async def write(client: httpx2.AsyncClient, headers: dict[str, str], **members: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/posts", json={"title": "A title", "content": "text"} | members, headers=headers)
    assert answer.status_code == 201
    post: dict[str, Any] = answer.json()
    return post


async def test_anonymous_client_gets_welcome_and_a_new_post(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with following(client) as socket:
        assert socket.subprotocol == "blog.live.v1"
        assert socket.welcome == {
            "type": "welcome", "protocol": "blog.live.v1", "cursor": socket.welcome["cursor"], "heartbeat": 25, "user": None
        }  # fmt: skip
        answer = await subscribed(socket, "posts")
        assert answer == {
            "type": "subscribed", "id": "a", "channels": ["posts"], "cursor": socket.welcome["cursor"], "replayed": 0
        }  # fmt: skip
        post = await write(client, ada)
        event = await receive(socket)
        assert (event["type"], event["event"], event["ids"], event["channels"]) == ("event", "post.published", ["a"], ["posts"])
        assert event["data"]["post"] == post
        assert event["data"]["html"].lstrip().startswith("<article")
        assert post["title"] in event["data"]["html"]
        assert event["cursor"] != socket.welcome["cursor"]
        assert event["correlation_id"]


async def test_post_channel_has_edits_and_comments_in_order(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    post = await write(client, ada)
    path = f"/api/v1/posts/{post['id']}"
    async with following(client) as socket:
        await subscribed(socket, f"post:{post['id']}")
        # Each event is read before the next change: an event is not sent if its object has been deleted in between.
        received = []
        await client.patch(path, json={"content": "changed **now**"}, headers=ada)
        received.append(await receive(socket))
        made = (await client.post(f"{path}/comments", json={"content": "Good."}, headers=ada)).json()
        received.append(await receive(socket))
        await client.patch(f"/api/v1/comments/{made['id']}", json={"content": "Better."}, headers=ada)
        received.append(await receive(socket))
        await client.delete(f"/api/v1/comments/{made['id']}", headers=ada)
        received.append(await receive(socket))
        await client.delete(path, headers=ada)
        received.append(await receive(socket))
    names = [event["event"] for event in received]
    assert names[0] == "post.updated"
    assert "changed <strong>now</strong>" in received[0]["data"]["html"], "events on a post channel contain the whole article"
    assert names[-1] == "post.deleted"
    assert received[-1]["data"] == {"post": {"id": post["id"], "slug": post["slug"]}}
    assert names[1:-1] == ["comment.created", "comment.updated", "comment.removed"]
    assert "Better." in received[2]["data"]["html"]


async def test_missed_events_are_replayed_once_and_in_order(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with following(client) as socket:
        cursor = socket.welcome["cursor"]
    titles = [(await write(client, ada, title=f"Post {number}"))["title"] for number in range(3)]
    async with following(client) as socket:
        answer = await subscribed(socket, "posts", after=cursor)
        assert answer["replayed"] == 3
        received = [await receive(socket) for _ in range(3)]
        assert [event["data"]["post"]["title"] for event in received] == titles
        again = await subscribed(socket, "author:ADA", after=cursor, id="b")
        assert again["replayed"] == 3, "each subscription has its own cursor"
        assert [(event["data"]["post"]["title"], event["ids"]) for event in [await receive(socket) for _ in range(3)]] == [
            (title, ["b"]) for title in titles
        ]
        await write(client, ada, title="Post 3")
        last = await receive(socket)
        assert (last["data"]["post"]["title"], last["ids"], last["channels"]) == (
            "Post 3", ["a", "b"], ["posts", "author:ada"]
        )  # fmt: skip
    async with following(client) as socket:
        assert (await subscribed(socket, "posts", after=received[1]["cursor"]))["replayed"] == 2
    async with following(client) as socket:
        assert (await subscribed(socket, "posts", after="earliest"))["replayed"] == 4


async def test_replay_never_contains_a_draft(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with following(client) as socket:
        cursor = socket.welcome["cursor"]
    post = await write(client, ada, content="a secret that slipped out")
    await client.patch(f"/api/v1/posts/{post['id']}", json={"status": "draft"}, headers=ada)
    async with following(client) as socket:
        await subscribed(socket, "posts", after=cursor)
        event = await receive(socket)
        assert event["event"] == "post.unpublished"
        assert "secret" not in json.dumps(event)
        refused = await subscribed(socket, f"post:{post['id']}", id="b")
        assert (refused["type"], refused["id"], refused["status"]) == ("error", "b", 404)
    async with following(client, headers=ada) as socket:
        assert (await subscribed(socket, f"post:{post['id']}"))["type"] == "subscribed"


async def test_cursor_of_another_log_is_a_gap(client: httpx2.AsyncClient) -> None:
    async with following(client) as socket:
        for number, cursor in enumerate(("other.1", "nonsense", socket.welcome["cursor"] + "999")):
            answer = await subscribed(socket, "posts", after=cursor, id=str(number))
            assert answer == {"type": "gap", "id": str(number), "reason": "epoch"}
        assert (await subscribed(socket, "posts"))["type"] == "subscribed"


async def test_hello_authenticates(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    token = ada["Authorization"].removeprefix("Bearer ")
    async with following(client) as socket:
        await send(socket, type="hello", token=token)
        assert (await receive(socket))["user"] == "ada"
    async with following(client, headers=ada) as socket:
        assert socket.welcome["user"] == "ada"


async def test_wrong_credentials_close_with_their_code(client: httpx2.AsyncClient) -> None:
    async with following(client) as socket:
        await send(socket, type="hello", token="nonsense")
        assert await closed(socket) == 4401
    async with AsyncWebSocketClient(client=client).connect(LIVE, headers={"Authorization": "Bearer x"}) as socket:
        assert await closed(socket) == 4401


@pytest.mark.parametrize("how", ["header", "hello"])
async def test_revoked_token_closes_its_sockets(client: httpx2.AsyncClient, bearer: Bearer, how: str) -> None:
    owner = await bearer("ora", Role.READER, scopes=[Scope.ACCOUNT])
    token = owner["Authorization"].removeprefix("Bearer ")
    async with following(client, headers=owner if how == "header" else {}) as socket, following(client) as stranger:
        if how == "hello":
            await send(socket, type="hello", token=token)
            assert (await receive(socket))["user"] == "ora"
        (mine,) = (await client.get("/api/v1/tokens", headers=owner)).json()["items"]
        assert (await client.delete(f"/api/v1/tokens/{mine['id']}", headers=owner)).status_code == 204
        assert await closed(socket) == 4401
        await send(stranger, type="ping")
        assert (await receive(stranger))["type"] == "pong", "others stay"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"type":"dance"}', '{"type":"subscribe","id":"a"}', '{"type":"ping","more":1}',
     '{"type":"subscribe","id":1,"channel":"posts"}',
     '{"type":"hello","token":null}', "[" * 5000, '{"type":"subscribe","id":"a","channel":"\\u0000"}'],
)  # fmt: skip
async def test_invalid_message_closes_4400(client: httpx2.AsyncClient, text: str) -> None:
    async with following(client) as socket:
        await socket.send_text(text)
        assert await closed(socket) == 4400


async def test_ping_gets_a_pong_and_unsubscribe_ends_the_events(client: httpx2.AsyncClient, ada: dict[str, str]) -> None:
    async with following(client) as socket:
        await subscribed(socket, "posts")
        await send(socket, type="unsubscribe", id="a")
        assert await receive(socket) == {"type": "unsubscribed", "id": "a"}
        await write(client, ada)
        await send(socket, type="ping")
        assert await receive(socket) == {"type": "pong"}
        await subscribed(socket, "posts", id="b")
        await write(client, ada, title="Second")
        assert (await receive(socket))["data"]["post"]["title"] == "Second"


async def test_unknown_channels_and_used_ids_are_refused(client: httpx2.AsyncClient) -> None:
    async with following(client) as socket:
        for channel in ("nothing", "post:", "post:x", "post:99", "tag:", "me:1"):
            answer = await subscribed(socket, channel)
            assert (answer["type"], answer["status"]) == ("error", 404), channel
        assert (await subscribed(socket, "posts"))["type"] == "subscribed"
        assert (await subscribed(socket, "tag:x", id="a"))["status"] == 409
        assert (await subscribed(socket, "posts", id="b"))["type"] == "subscribed", "another subscription, another cursor"


async def test_foreign_origin_is_refused_before_the_handshake(client: httpx2.AsyncClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused:
        async with AsyncWebSocketClient(client=client).connect(LIVE, headers={"Origin": "https://evil.example"}):
            pass
    assert refused.value.code == 1008, "closed before accept: servers answer 403"
    async with following(client, headers={"Origin": "http://127.0.0.1:8000"}) as socket:
        assert socket.welcome["type"] == "welcome"


async def test_removed_comment_is_not_shown_by_replay(client: httpx2.AsyncClient, ada: dict[str, str], bearer: Bearer) -> None:
    post = await write(client, ada)
    rob = await bearer("rob", Role.READER)
    path = f"/api/v1/posts/{post['id']}/comments"
    made = (await client.post(path, json={"content": "regretted words"}, headers=rob)).json()
    await client.delete(f"/api/v1/comments/{made['id']}", headers=rob)
    async with following(client) as socket:
        await subscribed(socket, f"post:{post['id']}", after="earliest")
        received = [await receive(socket), await receive(socket)]
    assert [event["event"] for event in received] == ["post.published", "comment.removed"]
    assert "regretted" not in json.dumps(received)
