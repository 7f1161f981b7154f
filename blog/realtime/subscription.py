"""One client that follows the log: what it follows, and what it has still to be told. Each door sends it in its own words."""

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
    """Why it is over: a close code of the protocol and a sentence."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What happened since the cursor, up to `now`: events that are still to be composed and told."""

    latest: Position
    events: Sequence[Event]
    channels: Sequence[str]
    hub: Hub

    async def rendered_events(self) -> AsyncIterator[tuple[RenderedEvent, list[str]]]:
        """Each with those of the channels that it is on, a few at a time: a slow client costs little memory."""
        async for bulletin in replay.render_missed(self.hub.app_state, self.latest.epoch, self.events):
            yield bulletin, [channel for channel in self.channels if channel in bulletin.event.channels]


class Subscriber:
    """A follower of the hub with a bounded queue of texts to send.

    `encode` makes the text of an event for its channels, `heartbeat` is sent every `HEARTBEAT` seconds, `on_end` is called
    once, when the hub or a full queue ends it; `goodbye` is the last text when the server stops, if there is one. `door` is the
    word for its kind in the metrics.
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
        self._hub, self._encode, self._heartbeat, self._on_close, self._shutdown_message = (
            hub,
            encode,
            heartbeat,
            on_close,
            shutdown_message,
        )
        self._start_ids: dict[str, int] = {}  # channel to the event id after which it is followed
        # Not a stream with a waiting receiver: a text handed over in the moment of a cancellation would be lost.
        self._queue: deque[str] = deque()
        self._item_added: asyncio.Future[None] | None = None
        self._slot_freed: asyncio.Future[None] | None = None
        self._buffered: list[RenderedEvent] | None = None  # what happens while a replay goes on
        self._clock = asyncio.get_running_loop().time
        self._heartbeat_at, self._send_started_at = self._clock(), 0.0

    # What the hub calls; none of it waits.

    def deliver(self, rendered: RenderedEvent) -> None:
        """Queue an event, if this client follows one of its channels; a queue that is full ends it."""
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
        """Once a second: say now and then that we are there, and end a client that does not take what was sent."""
        now = self._clock()
        if self._send_started_at and now - self._send_started_at > SEND_TIMEOUT:
            self.close(4503, TOO_SLOW)
        elif now - self._heartbeat_at >= HEARTBEAT_SECONDS:  # also amid other news: some clients count heartbeats alone
            self._heartbeat_at = now
            self.enqueue(self._heartbeat)

    def close_unauthenticated(self) -> None:
        """The session or the token has ended, or the role is another."""
        self.close(4401, "Your session or token has ended: sign in again")

    def close_disabled(self) -> None:
        """Nobody is told anything for a while."""
        self.close(1013, "Live updates are switched off")

    def close_for_shutdown(self) -> None:
        """The server stops: reconnect after a while, not all in the same moment."""
        if self.close_reason is None and (text := self._shutdown_message()) is not None:
            self.enqueue(text)
        self.close(1012, "The server restarts")

    def close(self, code: int, reason: str) -> None:
        """It is over; the first reason counts."""
        if self.close_reason is None:
            self.close_reason = CloseReason(code, reason)
            metrics.live_closes.inc(str(code))
            self._wake()
            self._on_close()

    # What the door calls.

    @contextlib.asynccontextmanager
    async def replaying(
        self, channels: Sequence[str], after: str | None, *, include_delivered: bool = False
    ) -> AsyncIterator[Backlog]:
        """Follow channels from a cursor on, or from now: subscribe, replay in the block, flush, live.

        What happens meanwhile is held back, and nothing falls in between. `again`: replay also what was told on another
        channel. Raises Gap, Unavailable.
        """
        now = await self._hub.catch_up()
        self._buffered = []
        try:
            since, found = await replay.missed_events(self._hub.app_state.site.db, channels, after, now)
            unseen = [event for event in found if include_delivered or not matching_channels(event, self._start_ids)]
            self.follow(channels, since)
            yield Backlog(now, unseen, channels, self._hub)
        finally:
            held, self._buffered = self._buffered, None
            for bulletin in held:
                self.deliver(bulletin)

    def follow(self, channels: Sequence[str], start_id: int) -> None:
        """Tell of what comes after this event."""
        self._start_ids |= dict.fromkeys(channels, start_id)

    def unfollow(self, channel: str) -> None:
        """Follow this channel no longer."""
        self._start_ids.pop(channel, None)

    def enqueue(self, text: str) -> None:
        """Queue a text, however long the queue is."""
        self._queue.append(text)
        self._wake()

    def _wake(self) -> None:
        if self._item_added is not None and not self._item_added.done():
            self._item_added.set_result(None)

    async def send(self, text: str) -> None:
        """Queue an answer; a client that asks faster than it reads waits."""
        while len(self._queue) >= MAX_QUEUE:
            self._slot_freed = asyncio.get_running_loop().create_future()
            await self._slot_freed
        self.enqueue(text)

    async def next_message(self) -> str | None:
        """The next text to send, as soon as there is one; None when it is over and all that was queued is taken."""
        while not self._queue:
            if self.close_reason is not None:
                return None
            self._item_added = asyncio.get_running_loop().create_future()
            await self._item_added
        text = self._queue.popleft()
        if self._slot_freed is not None and not self._slot_freed.done():
            self._slot_freed.set_result(None)
        return text

    async def track_send(self, sent: Awaitable[None]) -> None:
        """Send something in a way that lets `beat` see a sending that does not end."""
        self._send_started_at = self._clock()
        await sent
        self._send_started_at = 0.0
