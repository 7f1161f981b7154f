"""One WebSocket: reads what the client wants, writes what happens, never lets a slow client hold up the rest."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import cast

import anyio
import structlog
from anyio import CancelScope
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from blog.broadcast import Hub, Subscriber, replay
from blog.broadcast.bulletins import Bulletin
from blog.broadcast.replay import Gap
from blog.broadcast.subscriber import Ending
from blog.domain.context import Context
from blog.domain.events import as_followed, is_private
from blog.errors import BlogError, Conflict, MalformedInput, NotSignedIn, TooManyRequests
from blog.http.context import fresh_context
from blog.http.identity import bearer, identify, network_of
from blog.http.parsing import decode_json
from blog.http.statuses import status_of
from blog.live import messages
from blog.schemas.live import Hello, Ping, Subscribe, Unsubscribe, client_message

log = structlog.stdlib.get_logger("blog.live")
MOST_SUBSCRIPTIONS = 50
_HELLO_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_UNEXPECTED = Ending(1011, "The server met an error that it did not expect")


class Connection:
    """The conversation with one client in the protocol `blog.live.v1`."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._hub = cast(Hub, websocket.state.hub)
        self._scope = CancelScope()
        self._subscriber = Subscriber(
            self._hub,
            Bulletin.text,
            heartbeat=messages.frame("ping"),
            on_end=self._scope.cancel,
            goodbye=messages.bye,
            address=network_of(websocket),
        )
        self._channels: dict[str, str] = {}  # subscription id to channel
        self._opened_at = anyio.current_time()

    async def run(self) -> None:
        """Until either side ends it."""
        writing = asyncio.create_task(self._write())
        try:
            with self._scope:
                position = self._hub.join(self._subscriber)
                await self._welcome(position.cursor)
                await self._read()
        except TooManyRequests as error:
            self._subscriber.end(4429, error.detail)
        finally:
            with CancelScope(shield=True):
                await self._close(writing)
            self._hub.leave(self._subscriber)

    async def _welcome(self, cursor: str) -> None:
        # By hand: WebSocket parameters. FastAPI would inject the identity; here it is the function that the middleware calls.
        identity = await identify(self._websocket, self._context())
        if identity.error is not None:
            self._refuse(identity.error)
            return
        self._subscriber.actor = identity.actor
        await self._subscriber.say(messages.welcome(cursor, self._name))

    def _refuse(self, error: BlogError) -> None:
        """No entry: the credentials are wrong, or cannot be looked at for the moment."""
        self._subscriber.end(4401 if isinstance(error, NotSignedIn) else 1013, error.detail)

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
                await self._obey(text)

    async def _obey(self, text: str) -> None:
        try:
            message = client_message.validate_python(decode_json(text))
        except (MalformedInput, ValidationError):
            self._subscriber.end(4400, "This is no message of the protocol")
            return
        match message:
            case Hello():
                await self._hello(message)
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                if channel := self._channels.pop(message.id, None):
                    self._subscriber.leave(channel)
            case Ping():
                await self._subscriber.say(messages.frame("pong"))

    async def _hello(self, message: Hello) -> None:
        if anyio.current_time() - self._opened_at > _HELLO_SECONDS:
            self._subscriber.end(4408, "Say hello within five seconds")
            return
        try:
            self._subscriber.actor = await bearer(self._context(), f"Bearer {message.token.get_secret_value()}")
        except BlogError as error:
            self._refuse(error)
            return
        # Whoever this is now follows on; what not everybody may hear is asked for anew.
        for name, channel in list(self._channels.items()):
            if is_private(channel):
                self._subscriber.leave(self._channels.pop(name))
        await self._subscriber.say(messages.welcome(self._hub.position.cursor, self._name))

    async def _subscribe(self, message: Subscribe) -> None:
        if len(self._channels) >= MOST_SUBSCRIPTIONS:
            self._subscriber.end(4429, f"At most {MOST_SUBSCRIPTIONS} subscriptions")
            return
        try:
            channel = await replay.channel(self._context(), message.channel)
            _require_new(message.id, channel, self._channels)
            await self._follow(message, channel)
        except Gap as gap:
            await self._subscriber.say(messages.frame("gap", id=message.id, reason=gap.reason))
        except BlogError as error:
            await self._subscriber.say(messages.error(status_of(error), error.detail, message.id))

    async def _follow(self, message: Subscribe, channel: str) -> None:
        say = self._subscriber.say
        async with self._subscriber.joining([channel], message.after) as missed:
            self._channels[message.id] = channel
            cursor, count = missed.now.cursor, len(missed.events)
            await say(messages.frame("subscribed", id=message.id, channel=as_followed(channel), cursor=cursor, replayed=count))
            async for bulletin, channels in missed.bulletins():
                await say(bulletin.text(channels))

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
        log.info("socket closed", code=ending.code, user=self._name)
        self._subscriber.end(ending.code, ending.reason)  # the writer waits for it
        await asyncio.wait([writing], timeout=0 if ending.code == 4503 else _CLOSE_SECONDS)
        writing.cancel()
        await asyncio.wait([writing])
        if self._websocket.client_state is not WebSocketState.DISCONNECTED:
            with anyio.move_on_after(_CLOSE_SECONDS), contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await self._websocket.close(ending.code, ending.reason)

    def _context(self) -> Context:
        return fresh_context(self._websocket).acting_as(self._subscriber.actor)

    @property
    def _name(self) -> str | None:
        return self._subscriber.actor.username if self._subscriber.actor else None


def _require_new(subscription: str, name: str, present: Mapping[str, str]) -> None:
    """Raises Conflict when the id or the channel is in use on this connection."""
    if subscription in present:
        raise Conflict("This id is in use: unsubscribe it first")
    if name in present.values():
        raise Conflict("This channel is followed already")
