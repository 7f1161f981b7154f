"""The subscriptions of one live client and its queue of messages. Each interface encodes events in its own format."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from blog.domain.core.context import Actor
from blog.observability import metrics
from blog.realtime.backlog import Backlog
from blog.realtime.hub import Hub
from blog.realtime.rendered_events import RenderedEvent

MAX_QUEUE = 256
SEND_WINDOW = 32
"""Replies and replayed events wait while so many messages are queued: live events of other subscriptions need the rest."""
HEARTBEAT_SECONDS = 25
SEND_TIMEOUT = 10.0
TOO_SLOW = "Too slow: reconnect with the last cursor"
EventEncoder = Callable[[RenderedEvent, Mapping[str, Sequence[str]]], str]


@dataclass(frozen=True, slots=True)
class CloseReason:
    """Why a connection ended: a close code of `blog.live.v1` and a sentence."""

    code: int
    reason: str


class Subscriber:
    """A subscriber of the hub with a bounded queue of messages to send.

    - `encode`: return the message for an event; the mapping has the id of each subscription that the event belongs to, with its
      channels of the event.
    - `heartbeat`: the message sent every `HEARTBEAT_SECONDS`.
    - `on_close`: called once, when the connection ends for any reason.
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
        self.subscriptions: dict[str, Sequence[str]] = {}
        """Channels as written in the log, by subscription id."""
        self._hub, self._encode, self._heartbeat = hub, encode, heartbeat
        self._on_close, self._shutdown_message = on_close, shutdown_message
        # Not an anyio stream: a message handed to a receiver in the moment of its cancellation would be lost.
        self._queue: deque[str] = deque()
        self._item_added: asyncio.Future[None] | None = None
        self._slot_freed: asyncio.Future[None] | None = None
        self._clock = asyncio.get_running_loop().time
        self._heartbeat_at, self._send_started_at = self._clock(), 0.0

    # Called by the hub. None of these methods waits.

    def deliver(self, rendered: RenderedEvent) -> None:
        """Queue an event if it belongs to a subscription. Close the connection if the queue is full."""
        if self.close_reason is not None:
            return
        followed = rendered.event.channels
        matches = {
            subscription: matching
            for subscription, channels in self.subscriptions.items()
            if (matching := [channel for channel in channels if channel in followed])
        }
        if matches and len(self._queue) < MAX_QUEUE:
            self.enqueue(self._encode(rendered, matches))
        elif matches:
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
        """Close with 4401: the session or token has ended."""
        self.close(4401, "Your session or token has ended: sign in again")

    def close_forbidden(self) -> None:
        """Close with 4403: the role has changed, and with it the channels that the client may follow."""
        self.close(4403, "Your role has changed: reconnect")

    def close_disabled(self) -> None:
        """Close with 1013: live updates are turned off."""
        self.close(1013, "Live updates are turned off")

    def close_failed(self) -> None:
        """Close with 1011: an internal error. The client can resume."""
        self.close(1011, "Internal server error")

    def close_for_shutdown(self) -> None:
        """Send the shutdown message, if any, and close with 1012."""
        if self.close_reason is None and (text := self._shutdown_message()) is not None:
            self.enqueue(text)
        self.close(1012, "The server restarts: reconnect")

    def close(self, code: int, reason: str) -> None:
        """End the connection, unless it has ended already."""
        if self.close_reason is None:
            self.close_reason = CloseReason(code, reason)
            metrics.live_closes.inc(str(code))
            self._wake()
            self._on_close()

    # Called by the interface.

    async def replay(self, subscription: str, backlog: Backlog) -> AsyncIterator[str]:
        """Yield the messages for the missed events in log order, then deliver new events to this subscription.

        Ends early if the connection is closed, as the client may have lost its access. Raises Gap if the log is trimmed past
        the position of a slow client, and Unavailable.
        """
        async for rendered, channels in backlog.events_until_live():
            if self.close_reason is not None:
                return
            yield self._encode(rendered, {subscription: channels})
        # No `await` since the backlog reached the position of the hub: the next event of the hub is the next of the subscription.
        self.follow(subscription, backlog.channels)

    def follow(self, subscription: str, channels: Sequence[str]) -> None:
        """Deliver the events of these channels from now on."""
        self.subscriptions[subscription] = channels

    def unfollow(self, subscription: str) -> None:
        """End a subscription, if there is one with this id."""
        self.subscriptions.pop(subscription, None)

    def enqueue(self, text: str) -> None:
        """Queue a message, even if the queue is full."""
        self._queue.append(text)
        self._wake()

    def _wake(self) -> None:
        if self._item_added is not None and not self._item_added.done():
            self._item_added.set_result(None)

    async def send(self, text: str) -> None:
        """Queue a reply or a replayed event. Waits for the client to read, so that it cannot request more than it reads."""
        while len(self._queue) >= SEND_WINDOW:
            self._slot_freed = asyncio.get_running_loop().create_future()
            await self._slot_freed
        self.enqueue(text)

    async def next_message(self) -> str | None:
        """Wait for the next message and return it, or None when the connection has ended and the queue is empty."""
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
