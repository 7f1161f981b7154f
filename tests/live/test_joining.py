"""In any order of events, a subscriber that returns with its cursor gets every event once and in order."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import anyio
import hypothesis
import pytest
from hypothesis import strategies as st
from structlog.testing import capture_logs

from blog.app import create_app
from blog.domain.comments import comments
from blog.domain.core import event_retention, events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.posts import posts
from blog.framework.request.state import AppState
from blog.realtime import Hub, Subscriber
from blog.realtime.backlog import Backlog
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap, no_charge
from blog.realtime.subscription import SEND_WINDOW, CloseReason
from blog.schemas.comments import NewComment
from blog.schemas.posts import NewPost, PostChanges, PostStatus
from blog.settings import Settings

WORKERS = 2
SUBSCRIPTIONS: Sequence[Mapping[str, Sequence[str]]] = (
    {"a": ["posts", "comments"]},
    {"a": ["tag:maths", "comments", "author:ada"], "b": ["posts"]},
    {"a": ["comments", "tag:looms", "tag:maths", "post:1", "author:ada"], "b": ["tag:maths", "comments", "tag:looms", "post:2"]},
)
"""The channels of each subscription of each subscriber."""
SUBSCRIBERS = len(SUBSCRIPTIONS)
# What can happen next; the number selects the subscriber, and how many of the queued messages still arrive.
STEPS = st.tuples(
    st.sampled_from(
        ["write", "edit", "comment", "comment", "notify", "notify", "deliver", "disconnect", "reconnect", "reconnect", "crash"]
    ),
    st.integers(0, 30),
)


async def started_hub(state: AppState) -> Hub:
    """Return a hub at the end of the log, as `Hub.run` starts."""
    hub = Hub(state)
    hub.position = await events.position(state.site.db)
    return hub


def encode(rendered: RenderedEvent, matches: Mapping[str, Sequence[str]]) -> str:
    return rendered.to_message([channel for matching in matches.values() for channel in matching], list(matches))


async def replay(hub: Hub, subscriber: Subscriber, id: str, channels: Sequence[str], after: str | None) -> list[str]:
    """Replay the missed events, make the subscription live, and return the messages."""
    backlog = await Backlog.open(hub, channels, after, no_charge)
    return [text async for text in subscriber.replay(id, backlog)]


def subscribe(hub: Hub, address: str = "") -> Subscriber:
    """Return a new subscriber of the hub; its messages stay in its queue."""
    subscriber = Subscriber(
        hub,
        encode,
        heartbeat="",
        on_close=lambda: None,
        shutdown_message=lambda: "",
        address=address,
        transport="websocket",
    )
    hub.subscribe(subscriber)
    return subscriber


class Simulation:
    """Workers that read the log after a notification, and subscribers that move between them."""

    def __init__(self, services: AppState, author: Context, cursor: str) -> None:
        self._services, self._author = services, author
        self._hubs: list[Hub] = []
        self._connected: dict[int, tuple[Hub, Subscriber]] = {}
        self._cursors = {(subscriber_number, id): cursor for subscriber_number, named in enumerate(SUBSCRIPTIONS) for id in named}
        self._written: list[int] = []
        self.received: dict[tuple[int, str], list[str]] = {key: [] for key in self._cursors}

    async def start(self) -> None:
        """Start all workers at the end of the log."""
        self._hubs = [await started_hub(self._services) for _ in range(WORKERS)]

    async def write(self, number: int) -> None:
        new = NewPost(title="A post", content="text", tags=[["maths"], ["looms", "maths"], []][number % 3])
        self._written.append((await posts.create(self._author, new)).id)

    async def edit(self, number: int) -> None:
        if self._written:
            post = self._written[number % len(self._written)]
            changes = PostChanges(content=f"text {number}", tags=[["looms"], ["maths"]][number % 2])
            await posts.edit(self._author, post, changes)

    async def comment(self, number: int) -> None:
        if self._written:
            await comments.create(self._author, self._written[number % len(self._written)], NewComment(content="Well said."))

    async def notify(self, number: int) -> None:
        await self._hubs[number % WORKERS].catch_up()

    async def deliver(self, number: int) -> None:
        """Deliver some of the queued messages to their subscriber."""
        if entry := self._connected.get(number % SUBSCRIBERS):
            for _ in range(min(number // SUBSCRIBERS, len(entry[1]._queue))):
                message = json.loads(await entry[1].next_message() or "")
                for id in message["ids"]:
                    self._cursors[number % SUBSCRIBERS, id] = message["cursor"]
                    self.received[number % SUBSCRIBERS, id].append(message["cursor"])

    async def disconnect(self, number: int) -> None:
        """Break the connection: the queued messages are lost."""
        if entry := self._connected.pop(number % SUBSCRIBERS, None):
            entry[0].unsubscribe(entry[1])

    async def reconnect(self, number: int) -> None:
        """Return with the last cursor, to any worker; other events can happen during the replay."""
        subscriber_number, hub = number % SUBSCRIBERS, self._hubs[number % WORKERS]
        if subscriber_number in self._connected:
            return
        subscriber = subscribe(hub, address=f"subscriber {subscriber_number}")
        for id, channels in SUBSCRIPTIONS[subscriber_number].items():
            backlog = await Backlog.open(hub, channels, self._cursors[subscriber_number, id], no_charge)
            async for text in subscriber.replay(id, backlog):
                subscriber.enqueue(text)
                if number % 5 == 0 and len(self._written) < 40:
                    await self.write(number)
                    await hub.catch_up()
        self._connected[subscriber_number] = hub, subscriber

    async def crash(self, number: int) -> None:
        """Replace a worker by a new one at the end of the log; the old one's queues are lost."""
        hub = self._hubs[number % WORKERS]
        for subscriber_number in [subscriber_number for subscriber_number, (other, _) in self._connected.items() if other is hub]:
            del self._connected[subscriber_number]
        self._hubs[number % WORKERS] = await started_hub(self._services)

    async def end(self) -> None:
        """Connect all subscribers and deliver all remaining events."""
        for subscriber_number in range(SUBSCRIBERS):
            await self.reconnect(subscriber_number)
        for number in range(WORKERS):
            await self.notify(number)
        for subscriber_number in range(SUBSCRIBERS):
            await self.deliver(subscriber_number + 1000 * SUBSCRIBERS)


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[AppState]:
    """The shared objects of an application that caches rendered contents."""
    app = create_app(settings.model_copy(update={"max_cache_bytes": 1_000_000}))
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield state["app_state"]


@hypothesis.settings(max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(steps=st.lists(STEPS, max_size=25))
async def test_every_subscriber_ends_with_every_event_once_in_order(services: AppState, author: Context, steps: Any) -> None:
    begin = await events.position(services.site.db)
    simulation = Simulation(services, author, begin.cursor)
    await simulation.start()
    for name, number in steps:
        await getattr(simulation, name)(number)
    await simulation.end()
    log = await events.after(services.site.db, begin.id)
    for (subscriber_number, id), received in simulation.received.items():
        channels = set(SUBSCRIPTIONS[subscriber_number][id])
        expected = [f"{begin.epoch}.{event.id}" for event in log if channels & set(event.channels)]
        assert received == expected, (subscriber_number, id)


async def test_post_that_is_unpublished_before_the_delivery_is_not_shown(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    subscriber = subscribe(hub)
    subscriber.follow("a", ["posts"])
    post = await posts.create(author, NewPost(title="A title", content="confidential"))
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    await hub.catch_up()
    (message,) = [json.loads(text) for text in subscriber._queue]
    assert (message["event"], message["data"]) == ("post.unpublished", {"post": {"id": post.id, "slug": post.slug}})


async def test_events_during_a_replay_are_replayed_too_and_delivered_once(
    services: AppState, author: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = await started_hub(services)
    subscriber, catch_up = subscribe(hub), hub.catch_up

    async def catch_up_then_write() -> Position:
        latest = await catch_up()
        await posts.create(author, NewPost(title="After", content="text"))
        return latest

    await posts.create(author, NewPost(title="Before", content="text"))
    monkeypatch.setattr(hub, "catch_up", catch_up_then_write)
    replayed = await replay(hub, subscriber, "a", ["posts"], "earliest")
    await catch_up()
    assert [json.loads(text)["data"]["post"]["title"] for text in [*replayed, *subscriber._queue]] == ["Before", "After"]


@pytest.mark.parametrize("method", ["_encode", "enqueue"])
async def test_subscriber_that_fails_is_closed_and_others_get_each_event_once(
    services: AppState, author: Context, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    hub = await started_hub(services)
    before, failing, after = [subscribe(hub) for _ in range(3)]
    for subscriber in (before, failing, after):
        subscriber.follow("a", ["posts"])

    def fail(*_: object) -> str:
        raise RuntimeError("cannot be encoded")

    monkeypatch.setattr(failing, method, fail)
    with capture_logs() as lines:
        for title in ("One", "Two"):
            await posts.create(author, NewPost(title=title, content="text"))
            await hub._try_catch_up()
    assert [line["event"] for line in lines if line["log_level"] == "error"] == ["live connection failed"]
    assert failing.close_reason == CloseReason(1011, "Internal server error")
    for subscriber in (before, after):
        assert subscriber.close_reason is None
        assert [json.loads(text)["data"]["post"]["title"] for text in subscriber._queue] == ["One", "Two"]


async def test_catch_up_reads_more_events_than_one_batch(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    async with author.db.transaction():
        for _ in range(150):
            await events.record_site_changed(author)
    latest = await events.position(author.db)
    assert latest.id >= 150
    assert await hub.catch_up() == hub.position == latest


async def test_log_that_is_trimmed_during_a_replay_is_a_gap(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    for _ in range(30):
        await posts.create(author, NewPost(title="A post", content="text"))
    replay = subscribe(hub).replay("a", await Backlog.open(hub, ["posts"], "earliest", no_charge))
    assert "post.published" in await anext(replay)
    await event_retention.delete_up_to(author, hub.position.id - 1)
    with pytest.raises(Gap, match="trimmed"):
        assert len([text async for text in replay]) == 29, "what is rendered already is still sent"


async def test_slow_replay_does_not_fill_the_queue_of_other_subscriptions(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    subscriber = subscribe(hub)
    for _ in range(SEND_WINDOW + 5):
        await posts.create(author, NewPost(title="A post", content="text"))
    backlog = await Backlog.open(hub, ["posts"], "earliest", no_charge)
    subscriber.follow("live", ["posts"])

    async def slowly() -> None:
        async for text in subscriber.replay("slow", backlog):
            await subscriber.send(text)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(slowly)
        while len(subscriber._queue) < SEND_WINDOW:  # noqa: ASYNC110
            await anyio.sleep(0.001)  # polling interval
        for _ in range(100):
            await posts.create(author, NewPost(title="A post", content="text"))
        await hub.catch_up()
        assert subscriber.close_reason is None
        assert len(subscriber._queue) == SEND_WINDOW + 100
        received: dict[str, list[str]] = {"live": [], "slow": []}
        with anyio.fail_after(20):
            while len(received["slow"]) < SEND_WINDOW + 105:
                message = json.loads(await subscriber.next_message() or "")
                for id in message["ids"]:
                    received[id].append(message["cursor"])
    assert received["live"] == received["slow"][-100:]
    assert len(set(received["slow"])) == SEND_WINDOW + 105
