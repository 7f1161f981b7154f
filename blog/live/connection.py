"""A WebSocket connection: read commands and write events concurrently, so that a slow client delays no other."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, cast

import anyio
from anyio import CancelScope
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from blog.domain.core.context import Context
from blog.errors import Conflict, TooManyRequests
from blog.framework.identity.authentication import client_network
from blog.framework.request.context import anonymous_context
from blog.framework.request.state import app_state
from blog.live.token_bucket import TokenBucket
from blog.observability.logging import log_websocket_close
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.subscription import CloseReason

MAX_SUBSCRIPTIONS = 50
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
        self._settings = app_state(websocket).site.settings
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
        self._channels: dict[str, str] = {}  # the client's name of a subscription to the channel as written in the log

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
    def _encode_event(self, rendered: RenderedEvent, channels: list[str]) -> str:
        """Return the message for an event and the subscribed channels that it belongs to."""

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

    async def _authorise_channel(self, subscription: str, name: str) -> str:
        """Return the channel as written in the log.

        Raises NotFound, NotAuthenticated and Forbidden, and Conflict if the id or the channel is in use on this connection.
        """
        channel = await replay.resolve_channel(self._context(), name)
        if subscription in self._channels:
            raise Conflict("This id is in use: unsubscribe it first")
        if channel in self._channels.values():
            raise Conflict("This connection already follows the channel")
        return channel

    def _unsubscribe(self, subscription: str) -> None:
        if channel := self._channels.pop(subscription, None):
            self._subscriber.unfollow(channel)

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
