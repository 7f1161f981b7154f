"""The event log by long polling and as Server-Sent Events: the events of the WebSocket, with the same cursors."""

import asyncio
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import httpx2
import pytest
import sqlalchemy as sa
from httpx2.websockets import AsyncWebSocketClient, AsyncWebSocketSession

from blog.app import Application, create_app
from blog.db import tables
from blog.domain.core import event_retention, events
from blog.domain.core.context import Context
from blog.domain.core.events import EventType
from blog.domain.posts import post_lists, posts
from blog.domain.posts.models import Post
from blog.domain.posts.post_filter import PostFilter
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.settings import Settings
from tests.conftest import running
from tests.live.test_endpoints import closed, following, receive, subscribed
from tests.support.live_server import Events, served

EVENTS, STREAM = "/api/v1/events", "/api/v1/events/stream"


async def poll(client: httpx2.AsyncClient, **query: Any) -> Any:
    answer = await client.get(EVENTS, params={"channel": "posts"} | query)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def publish(author: Context, *titles: str) -> list[Post]:
    return [await posts.create(author, NewPost(title=title, content="text")) for title in titles]


def titles(found: list[Any]) -> list[str]:
    return [event["data"]["post"]["title"] for event in found]


async def test_poll_starts_now_and_continues_from_its_cursor(client: httpx2.AsyncClient, author: Context) -> None:
    await publish(author, "Before")
    first = await poll(client)
    assert (first["events"], first["reset"]) == ([], False)
    await publish(author, "One", "Two")
    second = await poll(client, after=first["cursor"])
    assert titles(second["events"]) == ["One", "Two"]
    assert second["cursor"] == second["events"][-1]["cursor"]
    assert (await poll(client, after=second["cursor"]))["events"] == []
    assert titles((await poll(client, after="earliest"))["events"]) == ["Before", "One", "Two"]


async def test_poll_returns_pages_of_its_limit(client: httpx2.AsyncClient, author: Context) -> None:
    await publish(author, *"ABCDE")
    found, cursor = [], "earliest"
    while page := (await poll(client, after=cursor, limit=2)):
        found += titles(page["events"])
        cursor = page["cursor"]
        if not page["events"]:
            break
    assert found == list("ABCDE")


async def test_large_page_of_a_poll_ends_early_and_the_next_continues(
    client: httpx2.AsyncClient, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(author, *"ABCDE")
    size = len(json.dumps((await poll(client, after="earliest", limit=1))["events"]))
    monkeypatch.setattr("blog.api.events._MAX_RESPONSE_BYTES", 3 * size // 2)
    found, cursor = [], "earliest"
    while (page := await poll(client, after=cursor))["events"]:
        found.append(titles(page["events"]))
        cursor = page["cursor"]
    assert found == [["A", "B"], ["C", "D"], ["E"]]


async def test_poll_waits_for_the_first_event(app: Application, author: Context) -> None:
    async with served(app) as (address, hub), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        cursor = (await poll(client))["cursor"]
        waiting = asyncio.create_task(poll(client, after=cursor, wait=20))
        async with asyncio.timeout(5):
            while not hub.subscriber_count:
                await client.get("/robots.txt")  # a look takes a moment
            await publish(author, "Now")
            assert titles((await waiting)["events"]) == ["Now"]
        assert hub.subscriber_count == 0


async def test_poll_without_events_ends_after_its_timeout(client: httpx2.AsyncClient) -> None:
    cursor = (await poll(client))["cursor"]
    assert await poll(client, after=cursor, wait=0.05) == {"events": [], "cursor": cursor, "reset": False}


async def test_unknown_cursor_is_a_reset(client: httpx2.AsyncClient, author: Context) -> None:
    await publish(author, "One")
    now = (await poll(client))["cursor"]
    for cursor in ("other.1", "nonsense", now + "999"):
        assert await poll(client, after=cursor) == {"events": [], "cursor": now, "reset": True}


async def test_several_channels_send_each_event_once(client: httpx2.AsyncClient, author: Context) -> None:
    (post,) = await publish(author, "One")
    answer = await client.get(EVENTS, params={"channel": ["posts", f"post:{post.id}", "posts"], "after": "earliest"})
    (event,) = answer.json()["events"]
    assert event["channels"] == ["posts", f"post:{post.id}"]


@pytest.mark.parametrize("path", [EVENTS, STREAM])
async def test_hidden_channels_are_not_found_and_faults_are_named(client: httpx2.AsyncClient, author: Context, path: str) -> None:
    draft = await posts.create(author, NewPost(title="Secret", content="x", status=PostStatus.DRAFT))
    for channel in (f"post:{draft.id}", "nonsense"):
        assert (await client.get(path, params={"channel": channel})).status_code == 404
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", "channel"])


async def test_poll_never_contains_a_draft(client: httpx2.AsyncClient, author: Context) -> None:
    (post,) = await publish(author, "Once public")
    await posts.edit(author, post.id, PostChanges(content="secret", status=PostStatus.DRAFT))
    found = (await poll(client, after="earliest"))["events"]
    assert [event["event"] for event in found] == ["post.unpublished"]
    assert "secret" not in json.dumps(found)


async def test_cursor_before_removed_events_is_a_reset(settings: Settings, ctx: Context, author: Context) -> None:
    async with running(create_app(settings)) as client:
        await publish(author, "Old")
        old = (await poll(client))["cursor"]
        await publish(author, "Forgotten", "Newest")
        late = replace(ctx, now=ctx.now + timedelta(days=settings.event_retention_days + 1))
        assert await event_retention.trim(late) == 2
        assert await event_retention.trim(late) == 0
        assert (await poll(client, after=old))["reset"] is True
        assert titles((await poll(client, after="earliest"))["events"]) == ["Newest"]
        async with following(client) as socket:
            assert await subscribed(socket, "posts", after=old) == {"type": "gap", "id": "a", "reason": "trimmed"}
        now = (await poll(client))["cursor"]
        assert await poll(client, after=now) == {"events": [], "cursor": now, "reset": False}


async def test_cursor_of_a_quiet_channel_survives_a_trimmed_log(settings: Settings, ctx: Context, author: Context) -> None:
    quiet, _ = await publish(author, "Quiet", "Busy")
    start = (await events.position(ctx.db)).cursor
    await posts.edit(author, 2, PostChanges(title="Changed"))
    await publish(author, "Newest")
    late = replace(author, now=ctx.now + timedelta(days=settings.event_retention_days + 1))
    assert await event_retention.trim(late) == 3
    await posts.edit(author, quiet.id, PostChanges(title="Heard"))
    async with running(create_app(settings)) as client:
        for channel, expected in ((f"post:{quiet.id}", ["Heard"]), ("post:2", None), ("posts", None), ("comments", [])):
            found = await poll(client, channel=channel, after=start)
            assert (titles(found["events"]) if not found["reset"] else None) == expected, channel
        async with following(client) as socket:
            assert (await subscribed(socket, f"post:{quiet.id}", after=start))["replayed"] == 1
            await receive(socket)
            assert (await subscribed(socket, f"post:{quiet.id}", "post:2", id="b", after=start))["type"] == "gap"


async def test_records_of_trimmed_channels_are_replaced_by_one_for_all(settings: Settings, ctx: Context, author: Context) -> None:
    def later(days: float) -> Context:
        return replace(author, now=ctx.now + timedelta(days=days))

    await publish(author, "One", "Two")
    days = settings.event_retention_days + 1
    await event_retention.trim(later(days))
    recorded = sa.select(tables.trimmed_channels.c.channel).order_by(tables.trimmed_channels.c.channel)
    assert [row["channel"] for row in await ctx.db.fetch_all(recorded)] == ["author:ada", "me:ada", "post:1", "posts"]
    await publish(later(days), "Three", "Four")
    await event_retention.trim(later(2 * days + 1))
    assert "post:1" not in [row["channel"] for row in await ctx.db.fetch_all(recorded)]
    assert await event_retention.trimmed_in_channels(ctx.db, ["comments"]) == 1, "cursors before it get a gap on every channel"


async def test_log_is_trimmed_to_its_maximum(settings: Settings, ctx: Context, author: Context) -> None:
    small = replace(ctx.site, settings=settings.model_copy(update={"max_events": 2}))
    await publish(author, *"ABCD")
    assert await event_retention.trim(replace(ctx, site=small)) == 2
    assert [event.id for event in await events.after(ctx.db, 0)] == [3, 4]


@pytest.mark.parametrize("path", ["/posts", "/posts?tag=none", "/posts/1", "/posts/1/comments"])
async def test_responses_have_a_live_cursor(client: httpx2.AsyncClient, author: Context, path: str) -> None:
    await publish(author, "Before")
    cursor = (await client.get(f"/api/v1{path}")).headers["Live-Cursor"]
    await publish(author, "After")
    assert titles((await poll(client, after=cursor))["events"]) == ["After"]


async def test_unchanged_post_has_a_newer_cursor_later(client: httpx2.AsyncClient, author: Context) -> None:
    await publish(author, "One")
    first = await client.get("/api/v1/posts/1")
    await publish(author, "Two")
    again = await client.get("/api/v1/posts/1", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, (await poll(client, after=again.headers["Live-Cursor"]))["events"]) == (304, [])


async def test_cursor_and_content_are_from_one_snapshot(ctx: Context, author: Context) -> None:
    async with events.snapshot_with_position(ctx.db) as now:
        await asyncio.create_task(publish(author, "Meanwhile"))
        assert (await post_lists.list_page(ctx, PostFilter())).items == []
    assert [event.event_type for event in await events.after(ctx.db, now.id)] == [EventType.POST_PUBLISHED]


async def test_server_trims_the_log_in_the_background(settings: Settings, ctx: Context, author: Context) -> None:
    await publish(author, *"ABCD")
    async with running(create_app(settings.model_copy(update={"max_events": 2}))) as client:
        found: list[str] = []
        with anyio.fail_after(10):
            while len(found) != 2:
                found = titles((await poll(client, after="earliest"))["events"])
    assert found == ["C", "D"]


async def test_another_epoch_is_a_gap(client: httpx2.AsyncClient, author: Context, ctx: Context) -> None:
    await publish(author, "One")
    cursor = (await poll(client))["cursor"]
    await events.renew_epoch(ctx.db)
    await publish(author, "Two")
    answer = await poll(client, after=cursor)
    assert answer["reset"] is True
    assert (await poll(client, after=answer["cursor"]))["reset"] is False


async def test_all_transports_send_the_same_events_and_cursors(app: Application, author: Context) -> None:
    async with served(app) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        await publish(author, "Missed")
        async with client.stream("GET", STREAM, params={"channel": "posts", "after": "earliest"}) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            stream = Events(answer)
            received = [await stream.next()]
            async with running_socket(client, address) as socket:
                assert (await subscribed(socket, "posts", after="earliest"))["replayed"] == 1
                frames = [await receive(socket)]
                await publish(author, "Live")
                frames.append(await receive(socket))
                received.append(await stream.next())
        polled = (await poll(client, after="earliest"))["events"]
    assert titles(frames) == ["Missed", "Live"]
    assert [frame.pop("ids") for frame in frames] == [["a"], ["a"]], "only the WebSocket names subscriptions"
    assert [json.loads(event["data"]) for event in received] == frames == polled
    assert [event["id"] for event in received] == [frame["cursor"] for frame in frames]
    assert [event["event"] for event in received] == ["post.published"] * 2


def running_socket(client: httpx2.AsyncClient, address: str) -> AbstractAsyncContextManager[AsyncWebSocketSession]:
    return following(client, url=f"ws://{address}/live")


async def test_stream_resumes_after_the_last_id_and_reports_a_gap(app: Application, author: Context) -> None:
    async with served(app) as (address, _), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        await publish(author, "One", "Two")
        first = (await poll(client, after="earliest"))["events"][0]["cursor"]
        query = {"channel": "posts", "after": "ignored"}
        async with client.stream("GET", STREAM, params=query, headers={"Last-Event-ID": first}) as answer:
            assert titles([json.loads((await Events(answer).next())["data"])]) == ["Two"]
        async with client.stream("GET", STREAM, params=query) as answer:
            stream = Events(answer)
            gap = await stream.next()
            assert (gap["event"], json.loads(gap["data"])) == ("gap", {"type": "gap", "reason": "epoch"})
            assert (await stream.next())["id"] == (await poll(client))["cursor"]
            await publish(author, "Three")
            assert titles([json.loads((await stream.next())["data"])]) == ["Three"]


async def test_head_request_of_the_stream_ends(client: httpx2.AsyncClient) -> None:
    answer = await client.head(STREAM, params={"channel": "posts"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_connections_per_address_are_limited_until_one_closes(settings: Settings, author: Context) -> None:
    app = create_app(settings.model_copy(update={"max_live_connections_per_address": 1}))
    async with served(app) as (address, hub), httpx2.AsyncClient(base_url=f"http://{address}") as client:
        async with client.stream("GET", STREAM, params={"channel": "posts"}) as answer:
            stream = Events(answer)
            await stream.next()
            refused = await client.get(EVENTS, params={"channel": "posts"})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
            async with AsyncWebSocketClient(client=client).connect(f"ws://{address}/live") as socket:
                assert await closed(socket) == 4429
        async with asyncio.timeout(5):
            while hub.subscriber_count:
                await client.get("/robots.txt")  # a look takes a moment
        assert (await client.get(EVENTS, params={"channel": "posts"})).status_code == 200


async def test_stream_ends_with_bye_and_a_retry_time(app: Application, author: Context) -> None:
    async with (
        served(app) as (address, hub),
        httpx2.AsyncClient(base_url=f"http://{address}") as client,
        client.stream("GET", STREAM, params={"channel": "posts"}) as answer,
    ):
        stream = Events(answer)
        await stream.next()
        await hub.close()
        goodbye = await stream.next()
        assert goodbye["event"] == "bye"
        assert 500 <= int(goodbye["retry"]) <= 5000
        with pytest.raises(EOFError):
            await stream.next()
