"""A WebSocket connection: read commands and write events concurrently, so that a slow client delays no other."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, cast

import anyio
from anyio import CancelScope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from blog.domain.core.context import Context
from blog.errors import Conflict, TooManyRequests, Unavailable
from blog.framework.identity.authentication import client_key_of, client_network
from blog.framework.request.context import anonymous_context
from blog.framework.request.state import app_state
from blog.live.token_bucket import TokenBucket
from blog.observability.logging import log_websocket_close
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.backlog import Backlog
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.subscription import CloseReason
from blog.schemas.live import MAX_CHANNELS

_CLOSE_TIMEOUT = 1.0
_INTERNAL_ERROR = CloseReason(1011, "Internal server error")


class Connection(ABC):
    """The connection of one client, from the first message to the close code. Subclasses implement a protocol.

    Close codes here and in subclasses are those of `blog.live.v1`; `CLOSE_CODES` maps them to the codes of another protocol.
    """

    SUBPROTOCOL: ClassVar[str]
    TRANSPORT: ClassVar[str]
    HEARTBEAT_MESSAGE: ClassVar[str]
    CLOSE_CODES: ClassVar[Mapping[int, int]] = {}

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._hub = cast(Hub, websocket.state.hub)
        state = app_state(websocket)
        self._settings, self._rate_limits = state.site.settings, state.rate_limits
        self._token_bucket = TokenBucket(self._settings.max_live_messages, anyio.current_time())
        self._cancel_scope = CancelScope()
        self._subscriber = Subscriber(
            self._hub,
            self._encode_event,
            heartbeat=self.HEARTBEAT_MESSAGE,
            on_close=self._cancel_scope.cancel,
            shutdown_message=self._shutdown_message,
            address=client_network(websocket),
            transport=self.TRANSPORT,
        )

    async def run(self) -> None:
        """Run the connection until either side closes it."""
        writer = asyncio.create_task(self._write())
        try:
            with self._cancel_scope:
                self._hub.subscribe(self._subscriber)
                await self._start()
                await self._read()
        except TooManyRequests as error:
            self._subscriber.close(4429, error.detail)
        finally:
            with CancelScope(shield=True):
                await self._close(writer)
            self._hub.unsubscribe(self._subscriber)

    # Implemented by each protocol.

    @abstractmethod
    async def _start(self) -> None:
        """Start the protocol after the handshake, before the first message of the client."""

    @abstractmethod
    async def _handle(self, text: str) -> None:
        """Handle one message of the client."""

    @abstractmethod
    def _encode_event(self, rendered: RenderedEvent, matches: Mapping[str, Sequence[str]]) -> str:
        """Return the message for an event. `matches`: its channels, by the id of each subscription that it belongs to."""

    def _shutdown_message(self) -> str | None:
        """Return the last message before the server stops, or None if the close code is enough."""
        return None

    # Shared by all protocols.

    async def _read(self) -> None:
        close = self._subscriber.close
        while self._subscriber.close_reason is None:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the writer noticed the disconnect first
                close(1000, "")
            except KeyError:  # Starlette raises it for a binary frame
                close(4400, "Send text frames")
            else:
                if not self._token_bucket.try_acquire(anyio.current_time()):
                    close(4429, f"More than {self._settings.max_live_messages} messages in a minute: send fewer")
                    break
                await self._handle(text)

    def _has_room(self, channel_count: int) -> bool:
        """Return whether so many more channels are within the limit of the connection."""
        return sum(map(len, self._subscriber.subscriptions.values())) + channel_count <= MAX_CHANNELS

    async def _open_backlog(self, subscription: str, names: Sequence[str], after: str | None) -> Backlog:
        """Return the events that a new subscription to these channels has missed since the cursor `after`.

        Raises Conflict if the id is in use, NotFound, NotAuthenticated, Forbidden, Gap, TooManyRequests and Unavailable.
        """
        if subscription in self._subscriber.subscriptions:
            raise Conflict("This id is in use: unsubscribe it first")
        channels = await replay.resolve_channels(self._context(), names)
        return await Backlog.open(self._hub, channels, after, self._charge)

    async def _replay(self, subscription: str, backlog: Backlog) -> None:
        """Send the missed events, and follow the channels from there on. Raises Gap."""
        try:
            async for text in self._subscriber.replay(subscription, backlog):
                await self._subscriber.send(text)
        except Unavailable as error:  # after the confirmation: the client reconnects and resumes
            self._subscriber.close(1013, error.detail)

    async def _charge(self, units: int) -> None:
        key = client_key_of(self._websocket, self._subscriber.actor)
        await self._rate_limits.charge(self._websocket, key, units)

    async def _write(self) -> None:
        subscriber, send_text = self._subscriber, self._websocket.send_text
        try:
            while (text := await subscriber.next_message()) is not None:
                await subscriber.track_send(send_text(text))
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the socket was closed before the send
            subscriber.close(1000, "")

    async def _close(self, writer: asyncio.Task[None]) -> None:
        """Send the queued messages for up to one second, then the close code. Too slow clients get only the code."""
        close_reason = self._subscriber.close_reason or _INTERNAL_ERROR
        code = self.CLOSE_CODES.get(close_reason.code, close_reason.code)
        log_websocket_close(code, self._username)
        self._subscriber.close(close_reason.code, close_reason.reason)  # ends the writer
        await asyncio.wait([writer], timeout=0 if close_reason.code == 4503 else _CLOSE_TIMEOUT)
        writer.cancel()
        await asyncio.wait([writer])
        if self._websocket.client_state is not WebSocketState.DISCONNECTED:
            with anyio.move_on_after(_CLOSE_TIMEOUT), contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(code, close_reason.reason)

    def _context(self) -> Context:
        return anonymous_context(self._websocket).acting_as(self._subscriber.actor)

    @property
    def _username(self) -> str | None:
        return self._subscriber.actor.username if self._subscriber.actor else None
