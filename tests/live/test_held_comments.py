"""Pending comments are sent only to editors: live, by replay, and after the approval."""

import json
from typing import Any

import httpx2
import pytest

from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.live.test_endpoints import following, receive, send, subscribed, write

LINKS = "hush " + " ".join(f"<https://{number}.example>" for number in range(4))


People = dict[str, dict[str, str]]


@pytest.fixture
async def people(bearer: Bearer) -> People:
    roles = {"rob": Role.READER, "ada": Role.AUTHOR, "edo": Role.EDITOR}
    return {name: await bearer(name, role) for name, role in roles.items()}


async def held(client: httpx2.AsyncClient, headers: dict[str, str], post: dict[str, Any]) -> str:
    answer = await client.post(f"/api/v1/posts/{post['id']}/comments", json={"content": LINKS}, headers=headers)
    assert answer.json()["status"] == "pending"
    return f"/api/v1/comments/{answer.json()['id']}"


async def test_readers_get_no_event_before_the_approval(client: httpx2.AsyncClient, people: People) -> None:
    post = await write(client, people["ada"])
    channel = f"post:{post['id']}"
    async with following(client) as stranger, following(client, headers=people["ada"]) as ada:
        for socket in (stranger, ada):
            await subscribed(socket, channel)
        comment = await held(client, people["rob"], post)
        await client.patch(comment, json={"content": f"{LINKS} again"}, headers=people["rob"])
        await client.patch(comment, json={"status": "visible"}, headers=people["edo"])
        for socket in (stranger, ada):
            event = await receive(socket)
            assert (event["event"], event["channels"]) == ("comment.created", [channel])
            assert event["data"]["comment"]["reason"] is None
            assert event["data"]["post"]["comments"] == 1


async def test_replay_has_no_held_or_rejected_comments(client: httpx2.AsyncClient, people: People) -> None:
    post = await write(client, people["ada"])
    await held(client, people["rob"], post)
    refused = await held(client, people["rob"], post)
    await client.delete(refused, headers=people["edo"])
    passed = (await client.post(f"/api/v1/posts/{post['id']}/comments", json={"content": "Fine."}, headers=people["rob"])).json()
    await client.patch(f"/api/v1/comments/{passed['id']}", json={"content": LINKS}, headers=people["rob"])
    async with following(client) as stranger:
        answer = await subscribed(stranger, f"post:{post['id']}", after="earliest")
        received = [await receive(stranger) for _ in range(answer["replayed"])]
    assert [event["event"] for event in received] == ["post.published", "comment.removed"]
    assert received[1]["data"] == {
        "comment": {"id": passed["id"], "post_id": post["id"]},
        "post": {"id": post["id"], "slug": post["slug"], "comments": 0},
    }
    assert "hush" not in json.dumps(received)


async def test_editors_get_events_of_held_comments(client: httpx2.AsyncClient, people: People) -> None:
    post = await write(client, people["ada"])
    async with following(client, headers=people["edo"]) as edo:
        assert (await subscribed(edo, "moderation"))["type"] == "subscribed"
        first, second = [await held(client, people["rob"], post) for _ in range(2)]
        received = [await receive(edo) for _ in range(2)]
        assert "hush" in received[0]["data"]["html"]
        assert received[0]["data"]["comment"]["reason"] == "Contains 4 links (limit 3)"
        await client.patch(first, json={"status": "visible"}, headers=people["ada"])
        received.append(await receive(edo))
        await client.delete(second, headers=people["ada"])
        received.append(await receive(edo))
    assert [event["event"] for event in received] == ["comment.held", "comment.held", "comment.created", "comment.removed"]
    assert {tuple(event["channels"]) for event in received} == {("moderation",)}
    async with following(client, headers=people["edo"]) as edo:
        answer = await subscribed(edo, "moderation", after="earliest")
        again = [(await receive(edo))["event"] for _ in range(answer["replayed"])]
    assert again == ["comment.created", "comment.removed"], "an approved comment is sent with its current status"


async def test_moderator_channel_is_refused_to_others(client: httpx2.AsyncClient, people: People) -> None:
    for headers, status in (({}, 401), (people["rob"], 403), (people["ada"], 403)):
        async with following(client, headers=headers) as socket:
            answer = await subscribed(socket, "moderation")
            assert (answer["type"], answer["status"]) == ("error", status)


async def test_moderator_channel_ends_when_another_user_says_hello(client: httpx2.AsyncClient, people: People) -> None:
    post = await write(client, people["ada"])
    async with following(client, headers=people["edo"]) as socket:
        await subscribed(socket, "moderation")
        await subscribed(socket, "posts", id="b")
        await send(socket, type="hello", token=people["rob"]["Authorization"].removeprefix("Bearer "))
        assert (await receive(socket))["user"] == "rob"
        await held(client, people["rob"], post)
        await write(client, people["ada"], title="Later")
        assert (await receive(socket))["event"] == "post.published"
        assert (await subscribed(socket, "moderation", id="c"))["status"] == 403
