"""In any order of events, a subscriber that returns with its cursor gets every event once and in order."""

import json
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from blog.app import Application
from blog.domain.core import events
from blog.domain.core.context import Context
from blog.domain.core.events import Position
from blog.domain.posts import posts
from blog.framework.request.state import AppState
from blog.realtime import Hub, Subscriber
from blog.realtime.rendered_events import RenderedEvent
from blog.schemas.posts import NewPost, PostChanges, PostStatus

WORKERS, SUBSCRIBERS = 2, 3
# What can happen next; the number says to whom, and how much of what is queued still arrives.
STEPS = st.tuples(
    st.sampled_from(["write", "write", "edit", "hint", "hint", "arrive", "drop", "return", "return", "crash"]), st.integers(0, 30)
)


async def started_hub(state: AppState) -> Hub:
    """Return a hub at the end of the log, as `Hub.run` starts."""
    hub = Hub(state)
    hub.position = await events.position(state.site.db)
    return hub


def subscribe(hub: Hub, address: str = "") -> Subscriber:
    """Return a new subscriber of the hub; its messages stay in its queue."""
    subscriber = Subscriber(
        hub,
        RenderedEvent.to_message,
        heartbeat="",
        on_close=lambda: None,
        shutdown_message=lambda: "",
        address=address,
        transport="websocket",
    )
    hub.subscribe(subscriber)
    return subscriber


class World:
    """Workers that read the log after a notification, and subscribers that move between them."""

    def __init__(self, services: AppState, author: Context, cursor: str) -> None:
        self._services, self._author = services, author
        self._hubs: list[Hub] = []
        self._joined: dict[int, tuple[Hub, Subscriber]] = {}
        self._cursors = dict.fromkeys(range(SUBSCRIBERS), cursor)
        self._written: list[int] = []
        self.heard: dict[int, list[str]] = {number: [] for number in range(SUBSCRIBERS)}

    async def start(self) -> None:
        """Start all workers at the end of the log."""
        self._hubs = [await started_hub(self._services) for _ in range(WORKERS)]

    async def write(self, _number: int) -> None:
        self._written.append((await posts.create(self._author, NewPost(title="A post", content="text"))).id)

    async def edit(self, number: int) -> None:
        if self._written:
            post = self._written[number % len(self._written)]
            await posts.edit(self._author, post, PostChanges(content=f"text {number} {len(self._written)}"))

    async def hint(self, number: int) -> None:
        await self._hubs[number % WORKERS].catch_up()

    async def arrive(self, number: int) -> None:
        """Deliver some of the queued messages to their subscriber."""
        if entry := self._joined.get(number % SUBSCRIBERS):
            for _ in range(min(number // SUBSCRIBERS, len(entry[1]._queue))):
                text = await entry[1].next_message()
                assert text is not None
                self._cursors[number % SUBSCRIBERS] = json.loads(text)["cursor"]
                self.heard[number % SUBSCRIBERS].append(self._cursors[number % SUBSCRIBERS])

    async def drop(self, number: int) -> None:
        """Break the connection: the queued messages are lost."""
        if entry := self._joined.pop(number % SUBSCRIBERS, None):
            entry[0].unsubscribe(entry[1])

    async def back(self, number: int) -> None:
        """Return with the last cursor, to any worker; other events can happen during the replay."""
        who, hub = number % SUBSCRIBERS, self._hubs[number % WORKERS]
        if who in self._joined:
            return
        subscriber = subscribe(hub, address=f"subscriber {who}")
        async with subscriber.replaying(["posts"], self._cursors[who]) as missed:
            async for bulletin, channels in missed.rendered_events():
                await subscriber.send(bulletin.to_message(channels))
                if number % 5 == 0 and len(self._written) < 40:
                    await self.write(number)
                    await hub.catch_up()
        self._joined[who] = hub, subscriber

    async def crash(self, number: int) -> None:
        """Replace a worker by a new one at the end of the log; the old one's queues are lost."""
        hub = self._hubs[number % WORKERS]
        for who in [who for who, (other, _) in self._joined.items() if other is hub]:
            del self._joined[who]
        self._hubs[number % WORKERS] = await started_hub(self._services)

    async def end(self) -> None:
        """Connect all subscribers and deliver all remaining events."""
        for who in range(SUBSCRIBERS):
            await self.back(who)
        for number in range(WORKERS):
            await self.hint(number)
        for who in range(SUBSCRIBERS):
            await self.arrive(who + 1000 * SUBSCRIBERS)


@pytest.fixture
async def services(app: Application) -> AsyncIterator[AppState]:
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield state["app_state"]


@hypothesis.settings(max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(steps=st.lists(STEPS, max_size=25))
async def test_every_subscriber_ends_with_every_event_once_in_order(services: AppState, author: Context, steps: Any) -> None:
    begin = await events.position(services.site.db)
    world = World(services, author, begin.cursor)
    await world.start()
    for name, number in steps:
        await getattr(world, {"return": "back"}.get(name, name))(number)
    await world.end()
    log = [f"{begin.epoch}.{event.id}" for event in await events.after(services.site.db, begin.id)]
    assert list(world.heard.values()) == [log] * SUBSCRIBERS


async def test_post_that_is_unpublished_before_the_delivery_is_not_shown(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    subscriber = subscribe(hub)
    subscriber.follow(["posts"], hub.position.id)
    post = await posts.create(author, NewPost(title="A title", content="confidential"))
    await posts.edit(author, post.id, PostChanges(status=PostStatus.DRAFT))
    await hub.catch_up()
    (message,) = [json.loads(text) for text in subscriber._queue]
    assert (message["event"], message["data"]) == ("post.unpublished", {"post": {"id": post.id, "slug": post.slug}})


async def test_event_between_catch_up_and_replay_is_delivered_once(
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
    async with subscriber.replaying(["posts"], "earliest") as backlog:
        replayed = [rendered.to_message(channels) async for rendered, channels in backlog.rendered_events()]
    await catch_up()
    assert [json.loads(text)["data"]["post"]["title"] for text in [*replayed, *subscriber._queue]] == ["Before", "After"]


async def test_catch_up_reads_more_events_than_one_batch(services: AppState, author: Context) -> None:
    hub = await started_hub(services)
    async with author.db.transaction():
        for _ in range(150):
            await events.record_site_changed(author)
    latest = await events.position(author.db)
    assert latest.id >= 150
    assert await hub.catch_up() == hub.position == latest
