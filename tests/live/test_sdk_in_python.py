"""The SDK `centrifuge-python` against a real server, over an unreliable network.

`BLOG_TEST_CUTS` has the network cut more often.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

import centrifuge
import httpx2
import pytest

from blog.app import Application
from blog.domain.accounts import accounts, tokens
from blog.domain.accounts.models import User
from blog.domain.comments import comments
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.posts import posts
from blog.schemas.accounts import Role
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost
from tests.conftest import MakeUser
from tests.support.live_server import served
from tests.support.optional import unwrap
from tests.support.relay import Relay

pytestmark = pytest.mark.sqlite  # it is about the protocol; test_joining and test_kill cover PostgreSQL

SECONDS = 20
CUTS = int(os.environ.get("BLOG_TEST_CUTS", "8"))
PER_CUT = 10


class Received:
    """The events of a client and its subscription, in order, in queues."""

    def __init__(self) -> None:
        self.publications = asyncio.Queue[centrifuge.Publication]()
        self.subscribed = asyncio.Queue[centrifuge.SubscribedContext]()
        self.unsubscribed = asyncio.Queue[centrifuge.UnsubscribedContext]()
        self.disconnected = asyncio.Queue[centrifuge.DisconnectedContext]()
        self.users: list[str | None] = []


class ClientEvents(centrifuge.ClientEventHandler):
    def __init__(self, received: Received) -> None:
        self._heard = received

    async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
        self._heard.users.append(unwrap(ctx.data)["user"])

    async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
        self._heard.disconnected.put_nowait(ctx)


class ChannelEvents(centrifuge.SubscriptionEventHandler):
    def __init__(self, received: Received) -> None:
        self._heard = received

    async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
        self._heard.subscribed.put_nowait(ctx)

    async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
        self._heard.publications.put_nowait(ctx.pub)

    async def on_unsubscribed(self, ctx: centrifuge.UnsubscribedContext) -> None:
        self._heard.unsubscribed.put_nowait(ctx)


@contextlib.asynccontextmanager
async def following(address: str, channel: str = "posts", *, get_state: Any = None, **options: Any) -> AsyncIterator[Received]:
    """Yield the queues of a connected SDK that has subscribed to a channel."""
    received = Received()
    client = centrifuge.Client(
        f"ws://{address}/connection/websocket", ClientEvents(received), proxy=None, max_reconnect_delay=0.2, **options
    )
    await client.connect()
    await client.new_subscription(channel, ChannelEvents(received), get_state=get_state).subscribe()
    try:
        yield received
    finally:
        await client.disconnect()


async def next_of(queue: asyncio.Queue[Any]) -> Any:
    async with asyncio.timeout(SECONDS):
        return await queue.get()


async def titles(received: Received, count: int) -> list[str]:
    found = [await next_of(received.publications) for _ in range(count)]
    offsets = [publication.offset for publication in found]
    assert offsets == sorted(set(offsets)), "once, and in order"
    return [publication.data["data"]["post"]["title"] for publication in found]


async def publish(author: Context, *names: str) -> None:
    for name in names:
        await posts.create(author, NewPost(title=name, content="text"))


async def token_of(ctx: Context, user: User) -> str:
    return (await tokens.issue(ctx, accounts.as_actor(user), name="test")).value


async def test_anonymous_client_recovers_missed_events(app: Application, author: Context) -> None:
    async with served(app) as (address, _):
        host, _, port = address.partition(":")
        relay = Relay(host, int(port))
        async with relay.listening() as broken, following(broken) as received:
            first = await next_of(received.subscribed)
            assert (first.recoverable, first.positioned, first.recovered) == (True, True, False)
            await publish(author, "Before")
            assert await titles(received, 1) == ["Before"]
            relay.is_down = True
            relay.cut()
            await publish(author, *(f"Missed {number}" for number in range(30)))
            relay.is_down = False
            again = await next_of(received.subscribed)
            assert (again.was_recovering, again.recovered) == (True, True)
            await publish(author, "After")
            assert await titles(received, 32 - 1) == [*(f"Missed {number}" for number in range(30)), "After"]
            assert received.users == [None, None]
            assert received.publications.empty()


async def test_network_failures_neither_lose_nor_repeat_posts(app: Application, author: Context) -> None:
    names = [f"Post {number}" for number in range(PER_CUT * CUTS)]
    async with served(app) as (address, _):
        host, _, port = address.partition(":")
        relay = Relay(host, int(port))
        async with relay.listening() as broken, following(broken) as received:
            await next_of(received.subscribed)
            found = []
            for start in range(0, len(names), PER_CUT):
                writing = asyncio.create_task(publish(author, *names[start : start + PER_CUT]))
                found.append(await next_of(received.publications))
                relay.cut()  # while the rest is written, or on its way
                assert (await next_of(received.subscribed)).recovered
                await writing
            found += [await next_of(received.publications) for _ in range(len(names) - len(found))]
            assert [publication.data["data"]["post"]["title"] for publication in found] == names
            assert received.publications.empty()
        assert relay.taken.qsize() == CUTS + 1


async def test_no_cut_loses_doubles_or_misorders_an_event_of_several_channels(app: Application, author: Context) -> None:
    channels = ("posts", "comments", "tag:maths", "author:ada", "post:1")
    received, early = {channel: Received() for channel in channels}, list[int]()
    await posts.create(author, NewPost(title="First", content="text"))

    async def write(number: int) -> None:
        for _ in range(PER_CUT):
            await posts.create(author, NewPost(title=f"Post {number}", content="text", tags=["maths"]))
            await comments.create(author, 1, NewComment(content="Well said."))

    async with served(app) as (address, _):
        host, _, port = address.partition(":")
        relay = Relay(host, int(port))
        async with relay.listening() as broken:
            url = f"ws://{broken}/connection/websocket"
            client = centrifuge.Client(url, ClientEvents(received["posts"]), proxy=None, max_reconnect_delay=0.2)
            await client.connect()
            for channel in channels:
                await client.new_subscription(channel, ChannelEvents(received[channel])).subscribe()
                await next_of(received[channel].subscribed)
            for number in range(CUTS):
                writing = asyncio.create_task(write(number))
                early.append((await next_of(received["comments"].publications)).offset)
                relay.cut()  # while the rest is written, or on its way
                for one in received.values():
                    assert (await next_of(one.subscribed)).recovered
                await writing
            log = [event for event in await events.after(author.db, 1) if event.id > 1]
            for channel, one in received.items():
                ids = [event.id for event in log if channel in event.channels]
                found = early if channel == "comments" else []
                while len(found) < len(ids):
                    found.append((await next_of(one.publications)).offset)
                assert found == ids, channel
                assert one.publications.empty(), channel
            await client.disconnect()


async def test_private_channel_is_for_editors_only(app: Application, author: Context, ctx: Context, make_user: MakeUser) -> None:
    post = await posts.create(author, NewPost(title="A post", content="text"))
    token = await token_of(ctx, await make_user("edo", Role.EDITOR))
    reader = ctx.acting_as(accounts.as_actor(await make_user("rob", Role.READER)))
    async with served(app) as (address, _):
        async with following(address, "moderation") as stranger:
            assert (await next_of(stranger.unsubscribed)).code == 101
        async with following(address, "moderation", token=await token_of(ctx, await make_user("ann", Role.READER))) as ann:
            assert (await next_of(ann.unsubscribed)).code == 103
        async with following(address, "moderation", token=token) as editor:
            await next_of(editor.subscribed)
            assert editor.users == ["edo"]
            await comments.create(reader, post.id, NewComment(content="hush"), spam_reason="It is a test")
            received = await next_of(editor.publications)
            assert received.data["event"] == "comment.held"
            assert "hush" in received.data["data"]["html"]


async def test_personal_channel_belongs_to_the_token(app: Application, author: Context, ctx: Context) -> None:
    async with served(app) as (address, _):
        async with following(address, "me") as stranger:
            assert (await next_of(stranger.unsubscribed)).code == 101
        made = await tokens.issue(ctx, author.require_actor(), name="test")
        async with following(address, "me", token=made.value) as received:
            await next_of(received.subscribed)
            await publish(author, "Of Ada")
            publication = await next_of(received.publications)
            assert (publication.data["event"], publication.data["channels"]) == ("post.published", ["me"])


async def test_client_with_a_revoked_token_is_disconnected_for_good(app: Application, ctx: Context, make_user: MakeUser) -> None:
    user = await make_user("edo", Role.EDITOR)
    made = await tokens.issue(ctx, accounts.as_actor(user), name="test")
    async with served(app) as (address, hub), following(address, "moderation", token=made.value) as received:
        await next_of(received.subscribed)
        await tokens.revoke(ctx.acting_as(accounts.as_actor(user)), made.token.id)
        assert (await next_of(received.disconnected)).reason == "unauthorized"
        assert hub.subscriber_count == 0
        assert received.users == ["edo"], "it did not come back as a stranger"


async def test_client_continues_with_a_new_token(app: Application, author: Context, ctx: Context, make_user: MakeUser) -> None:
    user = await make_user("edo", Role.EDITOR)
    made = [await tokens.issue(ctx, accounts.as_actor(user), name="test") for _ in range(2)]
    texts = [token.value for token in reversed(made)]

    async def get_token() -> str:
        return texts.pop()

    async with served(app) as (address, _), following(address, get_token=get_token) as received:
        await next_of(received.subscribed)
        await tokens.revoke(ctx.acting_as(accounts.as_actor(user)), made[0].token.id)
        assert (await next_of(received.subscribed)).recovered
        await publish(author, "After")
        assert await titles(received, 1) == ["After"]
        assert received.users == ["edo", "edo"]


async def test_position_starts_at_the_cursor_of_a_response(app: Application, author: Context) -> None:
    async with served(app) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as http:
        epoch, _, offset = (await http.get("/api/v1/events", params={"channel": "posts"})).json()["cursor"].rpartition(".")
        await publish(author, "Written in between")

        async def state(_channel: str) -> centrifuge.StreamPosition:
            return centrifuge.StreamPosition(offset=int(offset), epoch=epoch)

        async with following(address, get_state=state) as received:
            assert await titles(received, 1) == ["Written in between"]
