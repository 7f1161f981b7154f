"""The protocol `blog.live.v1`, as the pages of the blog speak it."""

import anyio
from pydantic import ValidationError
from starlette.websockets import WebSocket

from blog.domain.core.events import as_followed, is_private
from blog.errors import BlogError, MalformedInput, NotSignedIn
from blog.framework.identity.authentication import bearer, identify
from blog.framework.request.parsing import decode_json
from blog.framework.response.error_statuses import status_of
from blog.live import messages
from blog.live.connection import MOST_SUBSCRIPTIONS, Connection
from blog.realtime.rendered_events import Bulletin
from blog.realtime.replay import Gap
from blog.schemas.live import SUBPROTOCOL, Hello, Ping, Subscribe, Unsubscribe, client_message

_HELLO_SECONDS = 5.0


class NativeConnection(Connection):
    """A conversation in `blog.live.v1`; its messages are the models of `blog.schemas.live`."""

    SUBPROTOCOL = SUBPROTOCOL
    DOOR = "websocket"
    HEARTBEAT = messages.frame("ping")

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket)
        self._opened_at = anyio.current_time()

    def _event(self, bulletin: Bulletin, channels: list[str]) -> str:
        return bulletin.text(channels)

    def _goodbye(self) -> str:
        return messages.bye()

    async def _begin(self) -> None:
        cursor = self._hub.position.cursor
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

    async def _obey(self, text: str) -> None:
        try:
            message = client_message.validate_python(decode_json(text, self._settings))
        except (MalformedInput, ValidationError):
            self._subscriber.end(4400, "This is no message of the protocol")
            return
        match message:
            case Hello():
                await self._hello(message)
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                self._unsubscribe(message.id)
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
                self._unsubscribe(name)
        await self._subscriber.say(messages.welcome(self._hub.position.cursor, self._name))

    async def _subscribe(self, message: Subscribe) -> None:
        if len(self._channels) >= MOST_SUBSCRIPTIONS:
            self._subscriber.end(4429, f"At most {MOST_SUBSCRIPTIONS} subscriptions")
            return
        try:
            await self._follow(message, await self._admit(message.id, message.channel))
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
