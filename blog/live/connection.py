"""One WebSocket: reads what the client wants, writes what happens, never lets a slow client hold up the rest."""

import contextlib
from collections import deque
from typing import cast

import anyio
import anyio.lowlevel
import structlog
from anyio import CancelScope
from pydantic import ValidationError
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from blog.domain.context import Actor, Context
from blog.errors import BlogError, MalformedInput, NotSignedIn
from blog.http.context import fresh_context
from blog.http.identity import bearer, identify
from blog.http.parsing import decode_json
from blog.http.services import services
from blog.http.statuses import status_of
from blog.live import messages, replay
from blog.live.hub import Hub, matching
from blog.live.messages import Bulletin
from blog.live.replay import Gap
from blog.schemas.live import Hello, Ping, Subscribe, Unsubscribe, client_message

log = structlog.stdlib.get_logger("blog.live")
MOST_SUBSCRIPTIONS = 50
_QUEUE = 256
_HELLO_SECONDS = 5.0
_SEND_SECONDS = 10.0


class Close(Exception):
    """Ends the connection with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Connection:
    """A follower of the hub, with a bounded queue of frames to send."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._hub = cast(Hub, websocket.state.hub)
        self.actor: Actor | None = None
        self._channels: dict[str, str] = {}  # subscription id to channel
        self._since: dict[str, int] = {}  # channel to the event id after which it is followed
        # Not a memory stream: that hands a frame to the waiting writer, with whom it is lost when the connection ends.
        self._outbox: deque[str] = deque()
        self._filled, self._emptied = anyio.Event(), anyio.Event()
        self._held: list[Bulletin] | None = None  # what happens while a replay goes on
        self._ending: Close | None = None
        self._scope = CancelScope()
        self._opened_at = anyio.current_time()

    async def run(self) -> None:
        """Until either side ends it."""
        position = self._hub.join(self)
        try:
            with self._scope:
                await self._welcome(position.cursor)
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._write)
                    await self._read()
        finally:
            self._hub.leave(self)
            with CancelScope(shield=True):
                await self._close()

    def tell(self, bulletin: Bulletin) -> None:
        """Queue an event, if this client follows one of its channels; a queue that is full ends the connection."""
        if self._held is not None:
            self._held.append(bulletin)
            if len(self._held) > _QUEUE:
                self._end(4503, "Too slow: reconnect with the last cursor")
        elif channels := matching(bulletin.event, self._since):
            if len(self._outbox) < _QUEUE:
                self._put(bulletin.text(channels))
            else:
                self._end(4503, "Too slow: reconnect with the last cursor")

    def dismiss(self) -> None:
        """The server stops: reconnect after a while, not all in the same moment."""
        self._put(messages.frame("bye", reason="shutdown", reconnect_ms=[500, 5000]))
        self._end(1012, "The server restarts")

    def turn_away(self) -> None:
        """Nobody is told anything for a while."""
        self._end(1013, "Live updates are switched off")

    def _put(self, text: str) -> None:
        self._outbox.append(text)
        self._filled.set()

    async def _say(self, text: str) -> None:
        """Queue an answer; a client that asks faster than it reads waits."""
        while len(self._outbox) >= _QUEUE:
            self._emptied = anyio.Event()
            await self._emptied.wait()
        self._put(text)

    def _end(self, code: int, reason: str) -> None:
        if self._ending is None:
            self._ending = Close(code, reason)
            self._scope.cancel()

    async def _welcome(self, cursor: str) -> None:
        # By hand: WebSocket parameters. FastAPI would inject the identity; here it is the function that the middleware calls.
        identity = await identify(self._websocket, self._context())
        if identity.error is not None:
            self._refuse(identity.error)
            return
        self.actor = identity.actor
        await self._say(messages.welcome(cursor, self._name))

    def _refuse(self, error: BlogError) -> None:
        """No entry: the credentials are wrong, or cannot be looked at for the moment."""
        self._end(4401 if isinstance(error, NotSignedIn) else 1013, error.detail)

    def expel(self) -> None:
        """The session or the token has ended, or the role is another."""
        self._end(4401, "Your session or token has ended: sign in again")

    async def _read(self) -> None:
        while True:
            try:
                text = await self._websocket.receive_text()
            except (WebSocketDisconnect, RuntimeError):  # RuntimeError: the writer has met the end before us
                return self._end(1000, "")
            except KeyError:  # what Starlette makes of a binary frame
                return self._end(4400, "Send text frames")
            try:
                await self._obey(text)
            except Close as close:
                return self._end(close.code, close.reason)

    async def _obey(self, text: str) -> None:
        try:
            message = client_message.validate_python(decode_json(text))
        except (MalformedInput, ValidationError):
            raise Close(4400, "This is no message of the protocol") from None
        match message:
            case Hello():
                await self._hello(message)
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                if channel := self._channels.pop(message.id, None):
                    self._since.pop(channel, None)
            case Ping():
                await self._say(messages.frame("pong"))

    async def _hello(self, message: Hello) -> None:
        if anyio.current_time() - self._opened_at > _HELLO_SECONDS:
            raise Close(4408, "Say hello within five seconds")
        try:
            self.actor = await bearer(self._context(), f"Bearer {message.token.get_secret_value()}")
        except BlogError as error:
            self._refuse(error)
            return
        await self._say(messages.welcome(self._hub.position.cursor, self._name))

    async def _subscribe(self, message: Subscribe) -> None:
        if len(self._channels) >= MOST_SUBSCRIPTIONS:
            raise Close(4429, f"At most {MOST_SUBSCRIPTIONS} subscriptions")
        try:
            channel = await replay.channel(self._context(), message.channel)
            replay.require_new(message.id, channel, self._channels)
            await self._follow(message, channel)
        except Gap as gap:
            await self._say(messages.frame("gap", id=message.id, reason=gap.reason))
        except BlogError as error:
            await self._say(messages.error(status_of(error), error.detail, message.id))

    async def _follow(self, message: Subscribe, channel: str) -> None:
        """Subscribe, replay, flush, live: what happens meanwhile is held back, and nothing falls in between."""
        now = await self._hub.catch_up()
        since = replay.start(message.after, now)
        self._held = []
        try:
            shared = services(self._websocket)
            missed = await replay.missed(shared.site.db, channel, since, now)
            unseen = [event for event in missed if not matching(event, self._since)]
            self._channels[message.id], self._since[channel] = channel, since
            cursor, count = now.cursor, len(unseen)
            await self._say(messages.frame("subscribed", id=message.id, channel=channel, cursor=cursor, replayed=count))
            async for bulletin in replay.bulletins(shared, now.epoch, unseen):
                await self._say(bulletin.text([channel]))
        finally:
            held, self._held = self._held, None
            for bulletin in held:
                self.tell(bulletin)

    async def _write(self) -> None:
        while True:
            if not self._outbox:
                self._filled = anyio.Event()
                with anyio.move_on_after(messages.HEARTBEAT):
                    await self._filled.wait()
            await anyio.lowlevel.checkpoint_if_cancelled()  # what is still queued at the end is sent by `_close`
            await self._send(self._outbox.popleft() if self._outbox else messages.frame("ping"))
            self._emptied.set()

    async def _send(self, text: str) -> None:
        try:
            with anyio.fail_after(_SEND_SECONDS):
                await self._websocket.send_text(text)
        except TimeoutError:
            self._end(4503, "Too slow: reconnect with the last cursor")
        except (WebSocketDisconnect, RuntimeError):  # RuntimeError: closed between the check and the sending
            self._end(1000, "")

    async def _close(self) -> None:
        """Send what is queued, if the end is orderly, then the code."""
        ending = self._ending or Close(1011, "The server met an error that it did not expect")
        log.info("socket closed", code=ending.code, user=self._name)
        if self._websocket.client_state is WebSocketState.DISCONNECTED:
            return
        with anyio.move_on_after(1), contextlib.suppress(WebSocketDisconnect, RuntimeError):  # gone meanwhile
            while ending.code != 4503 and self._outbox:
                await self._send(self._outbox.popleft())
            await self._websocket.close(ending.code, ending.reason)

    def _context(self) -> Context:
        return fresh_context(self._websocket).acting_as(self.actor)

    @property
    def _name(self) -> str | None:
        return self.actor.username if self.actor else None
