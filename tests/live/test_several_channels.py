"""Subscriptions to several channels: one order and one cursor for all of them, in every transport."""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx2
import pytest
from httpx2.websockets import AsyncWebSocketClient

from blog.app import Application
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from tests.live.test_endpoints import closed, following, receive, send, subscribed
from tests.support.live_server import Events, served

pytestmark = pytest.mark.sqlite  # it is about the protocols; test_joining and test_kill cover PostgreSQL

Transport = Callable[[httpx2.AsyncClient, str, Sequence[str], str, int], Awaitable[list[dict[str, Any]]]]
ALL = ("posts", "comments", "tag:maths", "author:ada", "post:1")


async def post(author: Context, title: str, *tags: str) -> int:
    return (await posts.create(author, NewPost(title=title, content="text", tags=list(tags)))).id


async def comment(author: Context, post_id: int) -> int:
    return (await comments.create(author, post_id, NewComment(content="Well said."))).id


async def history(author: Context) -> str:
    """Write events on all channels, and return the cursor before the first."""
    cursor = (await events.position(author.db)).cursor
    first = await post(author, "One", "maths")
    for title in ("Two", "Three"):
        await comment(author, first)
        await comment(author, await post(author, title, "Maths"))
    return cursor


async def replayed(socket: Any, *channels: str, after: str, id: str = "a") -> list[dict[str, Any]]:
    answer = await subscribed(socket, *channels, after=after, id=id)
    assert answer["type"] == "subscribed"
    return [await receive(socket) for _ in range(answer["replayed"])]


def places(received: Sequence[dict[str, Any]]) -> list[int]:
    return [int(event["cursor"].rpartition(".")[2]) for event in received]


async def test_post_comment_and_post_arrive_in_this_order_also_after_a_cut(client: httpx2.AsyncClient, author: Context) -> None:
    first = await post(author, "On engines")
    async with following(client) as socket:
        answer = await subscribed(socket, "posts", "comments")
        assert answer["channels"] == ["posts", "comments"]
        await post(author, "A")
        await comment(author, first)
        await post(author, "B")
        live = [await receive(socket) for _ in range(3)]
    expected = ["post.published", "comment.created", "post.published"]
    assert [event["event"] for event in live] == expected
    assert [event["channels"] for event in live] == [["posts"], ["comments"], ["posts"]]
    for number, cursor in enumerate([answer["cursor"], *(event["cursor"] for event in live)]):
        async with following(client) as socket:
            again = await replayed(socket, "posts", "comments", after=cursor)
        assert [event["cursor"] for event in again] == [event["cursor"] for event in live[number:]]


async def by_websocket(
    client: httpx2.AsyncClient, address: str, channels: Sequence[str], after: str, count: int
) -> list[dict[str, Any]]:
    async with following(client, url=f"ws://{address}/live") as socket:
        await send(socket, type="subscribe", id="a", channels=channels, after=after)
        assert (await receive(socket))["type"] == "subscribed"
        return [await receive(socket) for _ in range(count)]


async def by_stream(
    client: httpx2.AsyncClient, address: str, channels: Sequence[str], after: str, count: int
) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"channel": list(channels), "after": after}
    async with client.stream("GET", f"http://{address}/api/v1/events/stream", params=query) as answer:
        stream = Events(answer)
        found = [await stream.next() for _ in range(count)]
    received: list[dict[str, Any]] = [json.loads(event["data"]) for event in found]
    assert [event["id"] for event in found] == [message["cursor"] for message in received]
    return received


async def by_poll(
    client: httpx2.AsyncClient, address: str, channels: Sequence[str], after: str, count: int
) -> list[dict[str, Any]]:
    query: dict[str, Any] = {"channel": list(channels), "after": after, "limit": count}
    answer = await client.get(f"http://{address}/api/v1/events", params=query)
    found: list[dict[str, Any]] = answer.json()["events"]
    assert answer.json()["cursor"] == found[-1]["cursor"]
    return found


@pytest.mark.parametrize("transport", [by_websocket, by_stream, by_poll])
@pytest.mark.parametrize("count", [2, 3, 4, 5])
async def test_client_that_leaves_after_each_event_receives_all_once_in_order(
    app: Application, author: Context, transport: Transport, count: int
) -> None:
    cursor = await history(author)
    log = await events.after(author.db, 0)
    channels = ALL[:count]
    expected = [event.id for event in log if set(channels) & set(event.channels)]
    async with served(app) as (address, _), httpx2.AsyncClient() as client:
        whole = await transport(client, address, channels, cursor, len(expected))
        assert places(whole) == expected
        step: list[dict[str, Any]] = []
        while len(step) < len(expected):
            step += await transport(client, address, channels, step[-1]["cursor"] if step else cursor, 1)
        assert step == whole
    by_id = {event.id: set(event.channels) for event in log}
    for place, event in zip(expected, whole, strict=True):
        assert event["channels"] == [channel for channel in channels if channel in by_id[place]]


async def test_each_channel_of_a_centrifugo_client_has_its_own_order(app: Application, author: Context) -> None:
    cursor = await history(author)
    epoch, _, start = cursor.rpartition(".")
    log = await events.after(author.db, 0)
    offsets = dict.fromkeys(ALL, int(start))
    received: dict[str, list[int]] = {channel: [] for channel in ALL}
    expected = {channel: [event.id for event in log if channel in event.channels] for channel in ALL}
    async with served(app) as (address, _), httpx2.AsyncClient() as client:
        connect = AsyncWebSocketClient(client=client).connect
        while received != expected:  # each connection ends after the first publication on each channel that lacks one
            async with connect(f"ws://{address}/connection/websocket") as socket:
                await socket.send_text('{"id":1,"connect":{}}')
                await receive(socket)
                for number, channel in enumerate(ALL, 2):
                    request = {"channel": channel, "recover": True, "epoch": epoch, "offset": offsets[channel]}
                    await socket.send_text(json.dumps({"id": number, "subscribe": request}))
                lacking = {channel for channel in ALL if received[channel] != expected[channel]}
                while lacking:
                    message = await receive(socket)
                    if "push" in message and (channel := message["push"]["channel"]) in lacking:
                        lacking.remove(channel)
                        offsets[channel] = message["push"]["pub"]["offset"]
                        received[channel].append(offsets[channel])
    assert received == expected


async def test_subscriptions_of_one_connection_have_their_own_cursors(client: httpx2.AsyncClient, author: Context) -> None:
    start = await history(author)
    async with following(client) as socket:
        first = await replayed(socket, "posts", "comments", after=start)
        second = await replayed(socket, "comments", "tag:maths", after=first[1]["cursor"], id="b")
        assert {tuple(event["ids"]) for event in first} == {("a",)}
        assert {tuple(event["ids"]) for event in second} == {("b",)}
        assert places(second) == [place for place in places(first) if place > places(first)[1]]
        await post(author, "Both", "maths")
        both = await receive(socket)
        assert (both["ids"], both["channels"]) == (["a", "b"], ["posts", "tag:maths"])
        await post(author, "One of them")
        assert (await receive(socket))["ids"] == ["a"]


async def test_cursor_of_the_confirmation_may_be_stored(client: httpx2.AsyncClient, author: Context) -> None:
    start = await history(author)
    async with following(client) as socket:
        answer = await subscribed(socket, *ALL, after=start)
        assert (answer["cursor"], answer["replayed"]) == (start, 7), "the client may leave before the first event"
    async with following(client) as socket:
        assert len(await replayed(socket, *ALL, after=answer["cursor"])) == 7
        quiet = await subscribed(socket, "tag:none", "author:nobody", after=start, id="b")
        assert (quiet["cursor"], quiet["replayed"]) == (socket.welcome["cursor"], 0)


async def test_unsubscribe_is_answered_and_makes_room(client: httpx2.AsyncClient, author: Context) -> None:
    async with following(client) as socket:
        await subscribed(socket, *(f"tag:{number}" for number in range(49)), "posts")
        await send(socket, type="unsubscribe", id="a")
        assert await receive(socket) == {"type": "unsubscribed", "id": "a"}
        await send(socket, type="unsubscribe", id="never subscribed")
        assert await receive(socket) == {"type": "unsubscribed", "id": "never subscribed"}
        await post(author, "Unheard")
        answer = await subscribed(socket, "posts", "comments", id="a")
        assert (answer["type"], answer["replayed"]) == ("subscribed", 0)


@pytest.mark.parametrize("numbers", [(51,), (25, 26), (50, 1)])
async def test_connection_follows_at_most_50_channels(client: httpx2.AsyncClient, numbers: Sequence[int]) -> None:
    async with following(client) as socket:
        for number in numbers[:-1]:
            assert (await subscribed(socket, *(f"tag:{one}" for one in range(number))))["type"] == "subscribed"
        await send(socket, type="subscribe", id="b", channels=[f"tag:{one}" for one in range(numbers[-1])])
        assert await closed(socket) == 4429


@pytest.mark.parametrize("members", [{}, {"channel": "posts", "channels": ["posts"]}, {"channels": []}, {"channels": "posts"}])
async def test_channels_are_given_in_one_way(client: httpx2.AsyncClient, members: dict[str, Any]) -> None:
    async with following(client) as socket:
        await send(socket, type="subscribe", id="a", **members)
        assert await closed(socket) == 4400


async def test_channel_named_twice_is_one(client: httpx2.AsyncClient, author: Context) -> None:
    async with following(client) as socket:
        answer = await subscribed(socket, "author:ADA", "posts", "author:ada")
        assert answer["channels"] == ["author:ada", "posts"]
        await post(author, "Once")
        assert (await receive(socket))["channels"] == ["author:ada", "posts"]


async def test_one_hidden_channel_refuses_the_subscription(client: httpx2.AsyncClient, author: Context) -> None:
    async with following(client) as socket:
        refused = await subscribed(socket, "posts", "moderation")
        assert (refused["type"], refused["id"], refused["status"]) == ("error", "a", 401)
        await post(author, "Unheard")
        await send(socket, type="ping")
        assert (await receive(socket))["type"] == "pong"


async def test_gap_ends_one_subscription_and_no_other(client: httpx2.AsyncClient, author: Context) -> None:
    async with following(client) as socket:
        await subscribed(socket, "posts", "comments")
        answer = await subscribed(socket, "posts", "author:ada", after="other.1", id="b")
        assert answer == {"type": "gap", "id": "b", "reason": "epoch"}
        await post(author, "Heard")
        assert (await receive(socket))["ids"] == ["a"]
        assert (await subscribed(socket, "posts", "author:ada", id="b"))["type"] == "subscribed"


async def test_hello_ends_subscriptions_with_a_private_channel(
    client: httpx2.AsyncClient, bearer: Callable[..., Awaitable[dict[str, str]]], author: Context
) -> None:
    rob = await bearer("rob", Role.READER)
    async with following(client, headers=await bearer("edo", Role.EDITOR)) as socket:
        await subscribed(socket, "posts", "moderation")
        await subscribed(socket, "posts", "comments", id="b")
        await send(socket, type="hello", token=rob["Authorization"].removeprefix("Bearer "))
        assert (await receive(socket))["user"] == "rob"
        await post(author, "Public")
        assert (await receive(socket))["ids"] == ["b"]
        assert (await subscribed(socket, "posts", "moderation"))["status"] == 403
