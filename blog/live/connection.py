"""One WebSocket: reads what the client wants, writes what happens, never lets a slow client hold up the rest."""

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
_INTERNAL_ERROR = CloseReason(1011, "The server met an error that it did not expect")


class Connection(ABC):
    """The conversation with one client, from its first message to the close code. What is said is a matter of the dialect.

    Here and below, why a conversation ends is told in the codes of `blog.live.v1`; `CODES` has those of another dialect.
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
        self._channels: dict[str, str] = {}  # what the client calls a subscription, to the channel as the log spells it

    async def run(self) -> None:
        """Until either side ends it."""
        writing = asyncio.create_task(self._write())
        try:
            with self._cancel_scope:
                self._hub.subscribe(self._subscriber)
                await self._start()
                await self._read()
        except TooManyRequests as error:
            self._subscriber.close(4429, error.detail)
        finally:
            with CancelScope(shield=True):
                await self._close(writing)
            self._hub.unsubscribe(self._subscriber)
            del self._subscriber  # which names this connection: two thousand such pairs take the collector a while

    # What a dialect says.

    @abstractmethod
    async def _start(self) -> None:
        """The client is connected and has said nothing yet."""

    @abstractmethod
    async def _handle(self, text: str) -> None:
        """Do what the client says."""

    @abstractmethod
    def _encode_event(self, bulletin: RenderedEvent, channels: list[str]) -> str:
        """An event as a text, for those of its channels that the client follows."""

    def _shutdown_message(self) -> str | None:
        """The last text before the server stops, if the close code does not say it all."""
        return None

    # What all dialects share.

    async def _read(self) -> None:
        end = self._subscriber.close
        while self._subscriber.close_reason is None:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the writer has met the end before us
                end(1000, "")
            except KeyError:  # what Starlette makes of a binary frame
                end(4400, "Send text frames")
            else:
                if not self._token_bucket.try_acquire(anyio.current_time()):
                    end(4429, f"At most {self._settings.max_live_messages} messages in a minute")
                    break
                await self._handle(text)

    async def _authorise_channel(self, subscription: str, name: str) -> str:
        """The channel as the log spells it. Raises NotFound, NotSignedIn, Forbidden, Conflict (in use on this connection)."""
        channel = await replay.resolve_channel(self._context(), name)
        if subscription in self._channels:
            raise Conflict("This id is in use: unsubscribe it first")
        if channel in self._channels.values():
            raise Conflict("This channel is followed already")
        return channel

    def _unsubscribe(self, subscription: str) -> None:
        if channel := self._channels.pop(subscription, None):
            self._subscriber.unfollow(channel)

    async def _write(self) -> None:
        subscriber, send_text = self._subscriber, self._websocket.send_text
        try:
            while (text := await subscriber.next_message()) is not None:
                await subscriber.track_send(send_text(text))
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed between the check and the sending
            subscriber.close(1000, "")

    async def _close(self, writing: asyncio.Task[None]) -> None:
        """Let the rest be sent, if the client takes it, then the code."""
        ending = self._subscriber.close_reason or _INTERNAL_ERROR
        code = self.CLOSE_CODES.get(ending.code, ending.code)
        log_websocket_close(code, self._username)
        self._subscriber.close(ending.code, ending.reason)  # the writer waits for it
        await asyncio.wait([writing], timeout=0 if ending.code == 4503 else _CLOSE_TIMEOUT)
        writing.cancel()
        await asyncio.wait([writing])
        if self._websocket.client_state is not WebSocketState.DISCONNECTED:
            with anyio.move_on_after(_CLOSE_TIMEOUT), contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(code, ending.reason)

    def _context(self) -> Context:
        return anonymous_context(self._websocket).acting_as(self._subscriber.actor)

    @property
    def _username(self) -> str | None:
        return self._subscriber.actor.username if self._subscriber.actor else None
