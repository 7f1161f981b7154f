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
from blog.realtime.hub import Hub, matching
from blog.realtime.rendered_events import Bulletin

QUEUE = 256
HEARTBEAT = 25
SEND_SECONDS = 10.0
SLOW = "Too slow: reconnect with the last cursor"
Encode = Callable[[Bulletin, list[str]], str]


@dataclass(frozen=True, slots=True)
class Ending:
    """Why it is over: a close code of the protocol and a sentence."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Missed:
    """What happened since the cursor, up to `now`: events that are still to be composed and told."""

    now: Position
    events: Sequence[Event]
    channels: Sequence[str]
    hub: Hub

    async def bulletins(self) -> AsyncIterator[tuple[Bulletin, list[str]]]:
        """Each with those of the channels that it is on, a few at a time: a slow client costs little memory."""
        async for bulletin in replay.bulletins(self.hub.services, self.now.epoch, self.events):
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
        encode: Encode,
        *,
        heartbeat: str,
        on_end: Callable[[], object],
        goodbye: Callable[[], str | None],
        address: str,
        door: str,
    ) -> None:
        self.address, self.door = address, door
        self.actor: Actor | None = None
        self.ending: Ending | None = None
        self._hub, self._encode, self._heartbeat, self._on_end, self._goodbye = hub, encode, heartbeat, on_end, goodbye
        self._since: dict[str, int] = {}  # channel to the event id after which it is followed
        # Not a stream with a waiting receiver: a text handed over in the moment of a cancellation would be lost.
        self._outbox: deque[str] = deque()
        self._filled: asyncio.Future[None] | None = None
        self._emptied: asyncio.Future[None] | None = None
        self._held: list[Bulletin] | None = None  # what happens while a replay goes on
        self._clock = asyncio.get_running_loop().time
        self._beat_at, self._sending_since = self._clock(), 0.0

    # What the hub calls; none of it waits.

    def tell(self, bulletin: Bulletin) -> None:
        """Queue an event, if this client follows one of its channels; a queue that is full ends it."""
        if self.ending is not None:
            return
        if self._held is not None:
            self._held.append(bulletin)
            if len(self._held) > QUEUE:
                self.end(4503, SLOW)
        elif channels := matching(bulletin.event, self._since):
            if len(self._outbox) < QUEUE:
                self.put(self._encode(bulletin, channels))
            else:
                self.end(4503, SLOW)

    def beat(self) -> None:
        """Once a second: say now and then that we are there, and end a client that does not take what was sent."""
        now = self._clock()
        if self._sending_since and now - self._sending_since > SEND_SECONDS:
            self.end(4503, SLOW)
        elif now - self._beat_at >= HEARTBEAT:  # also amid other news: some clients count heartbeats alone
            self._beat_at = now
            self.put(self._heartbeat)

    def expel(self) -> None:
        """The session or the token has ended, or the role is another."""
        self.end(4401, "Your session or token has ended: sign in again")

    def turn_away(self) -> None:
        """Nobody is told anything for a while."""
        self.end(1013, "Live updates are switched off")

    def dismiss(self) -> None:
        """The server stops: reconnect after a while, not all in the same moment."""
        if self.ending is None and (text := self._goodbye()) is not None:
            self.put(text)
        self.end(1012, "The server restarts")

    def end(self, code: int, reason: str) -> None:
        """It is over; the first reason counts."""
        if self.ending is None:
            self.ending = Ending(code, reason)
            metrics.live_endings.add(str(code))
            self._wake()
            self._on_end()

    # What the door calls.

    @contextlib.asynccontextmanager
    async def joining(self, channels: Sequence[str], after: str | None, *, again: bool = False) -> AsyncIterator[Missed]:
        """Follow channels from a cursor on, or from now: subscribe, replay in the block, flush, live.

        What happens meanwhile is held back, and nothing falls in between. `again`: replay also what was told on another
        channel. Raises Gap, Unavailable.
        """
        now = await self._hub.catch_up()
        self._held = []
        try:
            since, found = await replay.missed(self._hub.services.site.db, channels, after, now)
            unseen = [event for event in found if again or not matching(event, self._since)]
            self.follow(channels, since)
            yield Missed(now, unseen, channels, self._hub)
        finally:
            held, self._held = self._held, None
            for bulletin in held:
                self.tell(bulletin)

    def follow(self, channels: Sequence[str], since: int) -> None:
        """Tell of what comes after this event."""
        self._since |= dict.fromkeys(channels, since)

    def leave(self, channel: str) -> None:
        """Follow this channel no longer."""
        self._since.pop(channel, None)

    def put(self, text: str) -> None:
        """Queue a text, however long the queue is."""
        self._outbox.append(text)
        self._wake()

    def _wake(self) -> None:
        if self._filled is not None and not self._filled.done():
            self._filled.set_result(None)

    async def say(self, text: str) -> None:
        """Queue an answer; a client that asks faster than it reads waits."""
        while len(self._outbox) >= QUEUE:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied
        self.put(text)

    async def next(self) -> str | None:
        """The next text to send, as soon as there is one; None when it is over and all that was queued is taken."""
        while not self._outbox:
            if self.ending is not None:
                return None
            self._filled = asyncio.get_running_loop().create_future()
            await self._filled
        text = self._outbox.popleft()
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)
        return text

    async def sending(self, sent: Awaitable[None]) -> None:
        """Send something in a way that lets `beat` see a sending that does not end."""
        self._sending_since = self._clock()
        await sent
        self._sending_since = 0.0
