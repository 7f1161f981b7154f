"""The channel `me`: notifications of the user."""

from typing import Any

import httpx2
import pytest

from blog.schemas.accounts import Role
from tests.conftest import Bearer
from tests.live.test_endpoints import following, receive, send, subscribed, write

People = dict[str, dict[str, str]]


@pytest.fixture
async def people(bearer: Bearer) -> People:
    roles = {"rob": Role.READER, "eve": Role.READER, "ada": Role.AUTHOR, "edo": Role.EDITOR}
    return {name: await bearer(name, role) for name, role in roles.items()}


async def comment(client: httpx2.AsyncClient, headers: dict[str, str], post: dict[str, Any], **fields: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/posts/{post['id']}/comments", json={"content": "Well said."} | fields, headers=headers)
    assert answer.status_code == 201
    made: dict[str, Any] = answer.json()
    return made


async def test_personal_channel_has_only_own_notifications(client: httpx2.AsyncClient, people: People) -> None:
    async with following(client, headers=people["ada"]) as ada, following(client, headers=people["rob"]) as rob:
        for socket in (ada, rob):
            assert (await subscribed(socket, "me"))["channels"] == ["me"]
        await write(client, people["edo"], title="Of another")
        post = await write(client, people["ada"], title="Of Ada")
        question = await comment(client, people["rob"], post)
        await comment(client, people["eve"], post)
        await comment(client, people["eve"], post, parent_id=question["id"])
        received = {"ada": [await receive(ada) for _ in range(4)], "rob": [await receive(rob) for _ in range(2)]}
    assert [event["event"] for event in received["ada"]] == ["post.published", *["comment.created"] * 3]
    assert [event["data"]["comment"]["author"]["username"] for event in received["rob"]] == ["rob", "eve"]
    assert {tuple(event["channels"]) for events in received.values() for event in events} == {("me",)}


async def test_missed_notifications_are_replayed_by_cursor(client: httpx2.AsyncClient, people: People) -> None:
    async with following(client, headers=people["rob"]) as socket:
        cursor = (await subscribed(socket, "me"))["cursor"]
    post = await write(client, people["ada"])
    own = await comment(client, people["rob"], post)
    await client.patch(f"/api/v1/comments/{own['id']}", json={"status": "removed"}, headers=people["ada"])
    async with following(client, headers=people["rob"]) as socket:
        assert (await subscribed(socket, "me", after=cursor))["replayed"] == 1, "of what is gone only that it went"
        event = await receive(socket)
    assert (event["event"], event["data"]["comment"]) == ("comment.removed", {"id": own["id"], "post_id": post["id"]})


async def test_anonymous_clients_have_no_personal_channel(client: httpx2.AsyncClient) -> None:
    async with following(client) as socket:
        assert (await subscribed(socket, "me"))["status"] == 401
        assert (await subscribed(socket, "me:ada", id="b"))["status"] == 404


async def test_personal_channel_ends_when_another_user_says_hello(client: httpx2.AsyncClient, people: People) -> None:
    async with following(client, headers=people["ada"]) as socket:
        await subscribed(socket, "me")
        await subscribed(socket, "comments", id="b")
        await send(socket, type="hello", token=people["rob"]["Authorization"].removeprefix("Bearer "))
        assert (await receive(socket))["user"] == "rob"
        post = await write(client, people["ada"])
        assert (await comment(client, people["rob"], post))["author"]["username"] == "rob"
        event = await receive(socket)
        assert (event["event"], event["channels"]) == ("comment.created", ["comments"])


@pytest.mark.parametrize(
    "path", ["/api/v1/events?channel=me&after=earliest", "/api/v1/events?channel=me&channel=posts&after=earliest"]
)
async def test_long_poll_returns_personal_notifications(client: httpx2.AsyncClient, people: People, path: str) -> None:
    await write(client, people["ada"])
    (event,) = (await client.get(path, headers=people["ada"])).json()["events"]
    assert event["channels"] == (["me", "posts"] if "posts" in path else ["me"])
    assert (await client.get(path)).status_code == 401


async def test_commenter_gets_the_decision_and_the_author_only_visible_comments(
    client: httpx2.AsyncClient, people: People
) -> None:
    links = "hush " + " ".join(f"<https://{number}.example>" for number in range(4))
    post = await write(client, people["ada"])
    async with following(client, headers=people["rob"]) as rob, following(client, headers=people["ada"]) as ada:
        for socket in (rob, ada):
            await subscribed(socket, "me")
        refused, passed = [await comment(client, people["rob"], post, content=links) for _ in range(2)]
        await client.patch(f"/api/v1/comments/{refused['id']}", json={"status": "removed"}, headers=people["edo"])
        await client.patch(f"/api/v1/comments/{passed['id']}", json={"status": "visible"}, headers=people["edo"])
        received = [await receive(rob) for _ in range(2)]
        assert [event["event"] for event in received] == ["comment.removed", "comment.created"]
        assert (await receive(ada))["data"]["comment"]["id"] == passed["id"]
