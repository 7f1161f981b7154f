"""The subscription of one live client: its channels and its queue of messages. Each interface encodes them in its own format."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from blog.domain.core.context import Actor
from blog.domain.core.events import Event, Position
from blog.observability import metrics
from blog.realtime import replay
from blog.realtime.hub import Hub, matching_channels
from blog.realtime.rendered_events import RenderedEvent

MAX_QUEUE = 256
HEARTBEAT_SECONDS = 25
SEND_TIMEOUT = 10.0
TOO_SLOW = "Too slow: reconnect with the last cursor"
EventEncoder = Callable[[RenderedEvent, list[str]], str]


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a subscription ended: a close code of `blog.live.v1` and a sentence."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events missed since the cursor, up to `latest`, not yet rendered."""

    latest: Position
    events: Sequence[Event]
    channels: Sequence[str]
    hub: Hub

    async def rendered_events(self) -> AsyncIterator[tuple[RenderedEvent, list[str]]]:
        """Render the events in small batches, and yield each with the subscribed channels that it belongs to."""
        async for rendered in replay.render_missed(self.hub.app_state, self.latest.epoch, self.events):
            yield rendered, [channel for channel in self.channels if channel in rendered.event.channels]


class Subscriber:
    """A subscriber of the hub with a bounded queue of messages to send.

    - `encode`: return the message for an event and the subscribed channels that it belongs to.
    - `heartbeat`: the message sent every `HEARTBEAT_SECONDS`.
    - `on_close`: called once, when the subscription ends for any reason.
    - `shutdown_message`: return the last message before the server stops, or None.
    - `address`: the client network, for the limit of connections.
    - `transport`: the label in metrics.
    """

    def __init__(
        self,
        hub: Hub,
        encode: EventEncoder,
        *,
        heartbeat: str,
        on_close: Callable[[], object],
        shutdown_message: Callable[[], str | None],
        address: str,
        transport: str,
    ) -> None:
        self.address, self.transport = address, transport
        self.actor: Actor | None = None
        self.close_reason: CloseReason | None = None
        self._hub, self._encode, self._heartbeat = hub, encode, heartbeat
        self._on_close, self._shutdown_message = on_close, shutdown_message
        self._start_ids: dict[str, int] = {}  # channel to the event id after which it is followed
        # Not an anyio stream: a message handed to a receiver in the moment of its cancellation would be lost.
        self._queue: deque[str] = deque()
        self._item_added: asyncio.Future[None] | None = None
        self._slot_freed: asyncio.Future[None] | None = None
        self._buffered: list[RenderedEvent] | None = None  # events that arrive during a replay
        self._clock = asyncio.get_running_loop().time
        self._heartbeat_at, self._send_started_at = self._clock(), 0.0

    # Called by the hub. None of these methods waits.

    def deliver(self, rendered: RenderedEvent) -> None:
        """Queue an event if it belongs to a subscribed channel. Close the subscription if the queue is full."""
        if self.close_reason is not None:
            return
        if self._buffered is not None:
            self._buffered.append(rendered)
            if len(self._buffered) > MAX_QUEUE:
                self.close(4503, TOO_SLOW)
        elif channels := matching_channels(rendered.event, self._start_ids):
            if len(self._queue) < MAX_QUEUE:
                self.enqueue(self._encode(rendered, channels))
            else:
                self.close(4503, TOO_SLOW)

    def tick(self) -> None:
        """Send a heartbeat if one is due, and close if a send has taken longer than `SEND_TIMEOUT`; called once a second."""
        now = self._clock()
        if self._send_started_at and now - self._send_started_at > SEND_TIMEOUT:
            self.close(4503, TOO_SLOW)
        elif now - self._heartbeat_at >= HEARTBEAT_SECONDS:  # also between events: some clients count only heartbeats
            self._heartbeat_at = now
            self.enqueue(self._heartbeat)

    def close_unauthenticated(self) -> None:
        """Close with 4401: the session or token has ended, or the role has changed."""
        self.close(4401, "Your session or token has ended: sign in again")

    def close_disabled(self) -> None:
        """Close with 1013: live updates are turned off."""
        self.close(1013, "Live updates are turned off")

    def close_for_shutdown(self) -> None:
        """Send the shutdown message, if any, and close with 1012."""
        if self.close_reason is None and (text := self._shutdown_message()) is not None:
            self.enqueue(text)
        self.close(1012, "The server restarts: reconnect")

    def close(self, code: int, reason: str) -> None:
        """End the subscription, unless it has ended already."""
        if self.close_reason is None:
            self.close_reason = CloseReason(code, reason)
            metrics.live_closes.inc(str(code))
            self._wake()
            self._on_close()

    # Called by the interface.

    @contextlib.asynccontextmanager
    async def replaying(
        self, channels: Sequence[str], after: str | None, *, include_delivered: bool = False
    ) -> AsyncIterator[Backlog]:
        """Follow channels, and replay the missed events in the block. Events that arrive meanwhile are delivered at its end.

        - `channels`: as written in the log.
        - `after`: the client's cursor, or None to follow from now on.
        - `include_delivered`: replay also events that this client received on other channels.

        Raises Gap if the log does not reach back to the cursor, and Unavailable.
        """
        latest = await self._hub.catch_up()
        self._buffered = []
        try:
            since, missed = await replay.missed_events(self._hub.app_state.site.db, channels, after, latest)
            unseen = [event for event in missed if include_delivered or not matching_channels(event, self._start_ids)]
            self.follow(channels, since)
            yield Backlog(latest, unseen, channels, self._hub)
        finally:
            buffered, self._buffered = self._buffered, None
            for rendered in buffered:
                self.deliver(rendered)

    def follow(self, channels: Sequence[str], start_id: int) -> None:
        """Deliver events of these channels with an id above `start_id`."""
        self._start_ids |= dict.fromkeys(channels, start_id)

    def unfollow(self, channel: str) -> None:
        """Stop following a channel."""
        self._start_ids.pop(channel, None)

    def enqueue(self, text: str) -> None:
        """Queue a message, even if the queue is full."""
        self._queue.append(text)
        self._wake()

    def _wake(self) -> None:
        if self._item_added is not None and not self._item_added.done():
            self._item_added.set_result(None)

    async def send(self, text: str) -> None:
        """Queue a reply. Waits while the queue is full, so that a client cannot send requests faster than it reads replies."""
        while len(self._queue) >= MAX_QUEUE:
            self._slot_freed = asyncio.get_running_loop().create_future()
            await self._slot_freed
        self.enqueue(text)

    async def next_message(self) -> str | None:
        """Wait for the next message and return it, or None when the subscription has ended and the queue is empty."""
        while not self._queue:
            if self.close_reason is not None:
                return None
            self._item_added = asyncio.get_running_loop().create_future()
            await self._item_added
        text = self._queue.popleft()
        if self._slot_freed is not None and not self._slot_freed.done():
            self._slot_freed.set_result(None)
        return text

    async def track_send(self, send: Awaitable[None]) -> None:
        """Await a send, and let `tick` see how long it takes."""
        self._send_started_at = self._clock()
        await send
        self._send_started_at = 0.0
