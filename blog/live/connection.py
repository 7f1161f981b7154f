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
from blog.framework.identity.authentication import network_of
from blog.framework.request.context import fresh_context
from blog.framework.request.state import services
from blog.live.token_bucket import Allowance
from blog.observability.logging import log_socket
from blog.realtime import Hub, Subscriber, replay
from blog.realtime.rendered_events import Bulletin
from blog.realtime.subscription import Ending

MOST_SUBSCRIPTIONS = 50
_CLOSE_SECONDS = 1.0
_UNEXPECTED = Ending(1011, "The server met an error that it did not expect")


class Connection(ABC):
    """The conversation with one client, from its first message to the close code. What is said is a matter of the dialect.

    Here and below, why a conversation ends is told in the codes of `blog.live.v1`; `CODES` has those of another dialect.
    """

    SUBPROTOCOL: ClassVar[str]
    DOOR: ClassVar[str]
    HEARTBEAT: ClassVar[str]
    CODES: ClassVar[Mapping[int, int]] = {}

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._hub = cast(Hub, websocket.state.hub)
        self._settings = services(websocket).site.settings
        self._allowance = Allowance(self._settings.live_messages, anyio.current_time())
        self._scope = CancelScope()
        self._subscriber = Subscriber(
            self._hub,
            self._event,
            heartbeat=self.HEARTBEAT,
            on_end=self._scope.cancel,
            goodbye=self._goodbye,
            address=network_of(websocket),
            door=self.DOOR,
        )
        self._channels: dict[str, str] = {}  # what the client calls a subscription, to the channel as the log spells it

    async def run(self) -> None:
        """Until either side ends it."""
        writing = asyncio.create_task(self._write())
        try:
            with self._scope:
                self._hub.join(self._subscriber)
                await self._begin()
                await self._read()
        except TooManyRequests as error:
            self._subscriber.end(4429, error.detail)
        finally:
            with CancelScope(shield=True):
                await self._close(writing)
            self._hub.leave(self._subscriber)
            del self._subscriber  # which names this connection: two thousand such pairs take the collector a while

    # What a dialect says.

    @abstractmethod
    async def _begin(self) -> None:
        """The client is connected and has said nothing yet."""

    @abstractmethod
    async def _obey(self, text: str) -> None:
        """Do what the client says."""

    @abstractmethod
    def _event(self, bulletin: Bulletin, channels: list[str]) -> str:
        """An event as a text, for those of its channels that the client follows."""

    def _goodbye(self) -> str | None:
        """The last text before the server stops, if the close code does not say it all."""
        return None

    # What all dialects share.

    async def _read(self) -> None:
        end = self._subscriber.end
        while self._subscriber.ending is None:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the writer has met the end before us
                end(1000, "")
            except KeyError:  # what Starlette makes of a binary frame
                end(4400, "Send text frames")
            else:
                if not self._allowance.take(anyio.current_time()):
                    end(4429, f"At most {self._settings.live_messages} messages in a minute")
                    break
                await self._obey(text)

    async def _admit(self, subscription: str, name: str) -> str:
        """The channel as the log spells it. Raises NotFound, NotSignedIn, Forbidden, Conflict (in use on this connection)."""
        channel = await replay.channel(self._context(), name)
        if subscription in self._channels:
            raise Conflict("This id is in use: unsubscribe it first")
        if channel in self._channels.values():
            raise Conflict("This channel is followed already")
        return channel

    def _unsubscribe(self, subscription: str) -> None:
        if channel := self._channels.pop(subscription, None):
            self._subscriber.leave(channel)

    async def _write(self) -> None:
        subscriber, send_text = self._subscriber, self._websocket.send_text
        try:
            while (text := await subscriber.next()) is not None:
                await subscriber.sending(send_text(text))
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed between the check and the sending
            subscriber.end(1000, "")

    async def _close(self, writing: asyncio.Task[None]) -> None:
        """Let the rest be sent, if the client takes it, then the code."""
        ending = self._subscriber.ending or _UNEXPECTED
        code = self.CODES.get(ending.code, ending.code)
        log_socket(code, self._name)
        self._subscriber.end(ending.code, ending.reason)  # the writer waits for it
        await asyncio.wait([writing], timeout=0 if ending.code == 4503 else _CLOSE_SECONDS)
        writing.cancel()
        await asyncio.wait([writing])
        if self._websocket.client_state is not WebSocketState.DISCONNECTED:
            with anyio.move_on_after(_CLOSE_SECONDS), contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(code, ending.reason)

    def _context(self) -> Context:
        return fresh_context(self._websocket).acting_as(self._subscriber.actor)

    @property
    def _name(self) -> str | None:
        return self._subscriber.actor.username if self._subscriber.actor else None
