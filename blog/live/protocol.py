"""The protocol `blog.live.v1`, as the pages of the blog speak it."""

import anyio
from pydantic import ValidationError
from starlette.websockets import WebSocket

from blog.domain.core.events import client_channel, is_private
from blog.errors import BlogError, MalformedInput, NotAuthenticated
from blog.framework.identity.authentication import authenticate, authenticate_bearer
from blog.framework.request.parsing import decode_json
from blog.framework.response.error_statuses import error_status
from blog.live import messages
from blog.live.connection import MAX_SUBSCRIPTIONS, Connection
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap
from blog.schemas.live import SUBPROTOCOL, Hello, Ping, Subscribe, Unsubscribe, client_message

_HELLO_TIMEOUT = 5.0


class LiveConnection(Connection):
    """A conversation in `blog.live.v1`; its messages are the models of `blog.schemas.live`."""

    SUBPROTOCOL = SUBPROTOCOL
    TRANSPORT = "websocket"
    HEARTBEAT_MESSAGE = messages.encode_message("ping")

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket)
        self._opened_at = anyio.current_time()

    def _encode_event(self, bulletin: RenderedEvent, channels: list[str]) -> str:
        return bulletin.to_message(channels)

    def _shutdown_message(self) -> str:
        return messages.bye()

    async def _start(self) -> None:
        cursor = self._hub.position.cursor
        # By hand: WebSocket parameters. FastAPI would inject the identity; here it is the function that the middleware calls.
        identity = await authenticate(self._websocket, self._context())
        if identity.error is not None:
            self._reject_credentials(identity.error)
            return
        self._subscriber.actor = identity.actor
        await self._subscriber.send(messages.welcome(cursor, self._username))

    def _reject_credentials(self, error: BlogError) -> None:
        """No entry: the credentials are wrong, or cannot be looked at for the moment."""
        self._subscriber.close(4401 if isinstance(error, NotAuthenticated) else 1013, error.detail)

    async def _handle(self, text: str) -> None:
        try:
            message = client_message.validate_python(decode_json(text, self._settings))
        except (MalformedInput, ValidationError):
            self._subscriber.close(4400, "This is no message of the protocol")
            return
        match message:
            case Hello():
                await self._hello(message)
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                self._unsubscribe(message.id)
            case Ping():
                await self._subscriber.send(messages.encode_message("pong"))

    async def _hello(self, message: Hello) -> None:
        if anyio.current_time() - self._opened_at > _HELLO_TIMEOUT:
            self._subscriber.close(4408, "Say hello within five seconds")
            return
        try:
            self._subscriber.actor = await authenticate_bearer(self._context(), f"Bearer {message.token.get_secret_value()}")
        except BlogError as error:
            self._reject_credentials(error)
            return
        # Whoever this is now follows on; what not everybody may hear is asked for anew.
        for name, channel in list(self._channels.items()):
            if is_private(channel):
                self._unsubscribe(name)
        await self._subscriber.send(messages.welcome(self._hub.position.cursor, self._username))

    async def _subscribe(self, message: Subscribe) -> None:
        if len(self._channels) >= MAX_SUBSCRIPTIONS:
            self._subscriber.close(4429, f"At most {MAX_SUBSCRIPTIONS} subscriptions")
            return
        try:
            await self._follow(message, await self._authorise_channel(message.id, message.channel))
        except Gap as gap:
            await self._subscriber.send(messages.encode_message("gap", id=message.id, reason=gap.reason))
        except BlogError as error:
            await self._subscriber.send(messages.error(error_status(error), error.detail, message.id))

    async def _follow(self, message: Subscribe, channel: str) -> None:
        say = self._subscriber.send
        async with self._subscriber.replaying([channel], message.after) as missed:
            self._channels[message.id] = channel
            cursor, count = missed.latest.cursor, len(missed.events)
            await say(
                messages.encode_message(
                    "subscribed", id=message.id, channel=client_channel(channel), cursor=cursor, replayed=count
                )
            )
            async for bulletin, channels in missed.rendered_events():
                await say(bulletin.to_message(channels))
