"""The protocol `blog.live.v1`, used by the pages of the blog."""

from collections.abc import Mapping, Sequence

import anyio
from pydantic import ValidationError
from starlette.websockets import WebSocket

from blog.domain.core.events import is_private
from blog.errors import BlogError, MalformedInput, NotAuthenticated, TooManyRequests
from blog.framework.identity.authentication import authenticate, authenticate_bearer
from blog.framework.request.parsing import decode_json
from blog.framework.response.error_statuses import error_status
from blog.live import messages
from blog.live.connection import Connection
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap
from blog.schemas.live import MAX_CHANNELS, SUBPROTOCOL, Hello, Ping, Subscribe, Unsubscribe, client_message

_HELLO_TIMEOUT = 5.0


class LiveConnection(Connection):
    """A connection with the protocol `blog.live.v1`; its messages are the models of `blog.schemas.live`."""

    SUBPROTOCOL = SUBPROTOCOL
    TRANSPORT = "websocket"
    HEARTBEAT_MESSAGE = messages.encode_message("ping")

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket)
        self._opened_at = anyio.current_time()

    def _encode_event(self, rendered: RenderedEvent, matches: Mapping[str, Sequence[str]]) -> str:
        channels = dict.fromkeys(channel for matching in matches.values() for channel in matching)
        return rendered.to_message(list(channels), list(matches))

    def _shutdown_message(self) -> str:
        return messages.bye()

    async def _start(self) -> None:
        cursor = self._hub.position.cursor
        # By hand: WebSocket parameters. FastAPI would inject the identity; here we call the same function as the middleware.
        identity = await authenticate(self._websocket, self._context())
        if identity.error is not None:
            self._reject_credentials(identity.error)
            return
        self._subscriber.actor = identity.actor
        await self._subscriber.send(messages.welcome(cursor, self._username))

    def _reject_credentials(self, error: BlogError) -> None:
        """Close with 4401 for invalid credentials, or with 1013 if they cannot be checked at the moment."""
        self._subscriber.close(4401 if isinstance(error, NotAuthenticated) else 1013, error.detail)

    async def _handle(self, text: str) -> None:
        try:
            message = client_message.validate_python(decode_json(text))
        except (MalformedInput, ValidationError):
            self._subscriber.close(4400, "Not a message of blog.live.v1")
            return
        match message:
            case Hello():
                await self._hello(message)
            case Subscribe():
                await self._subscribe(message)
            case Unsubscribe():
                self._subscriber.unfollow(message.id)
                await self._subscriber.send(messages.encode_message("unsubscribed", id=message.id))
            case Ping():
                await self._subscriber.send(messages.encode_message("pong"))

    async def _hello(self, message: Hello) -> None:
        if anyio.current_time() - self._opened_at > _HELLO_TIMEOUT:
            self._subscriber.close(4408, f"Send hello within {_HELLO_TIMEOUT:.0f} seconds")
            return
        try:
            self._subscriber.actor = await authenticate_bearer(self._context(), f"Bearer {message.token.get_secret_value()}")
        except BlogError as error:
            self._reject_credentials(error)
            return
        # Private channels were authorised for the previous identity: the client must subscribe again. Other subscriptions go on.
        for subscription, channels in list(self._subscriber.subscriptions.items()):
            if any(map(is_private, channels)):
                self._subscriber.unfollow(subscription)
        await self._subscriber.send(messages.welcome(self._hub.position.cursor, self._username))

    async def _subscribe(self, message: Subscribe) -> None:
        if not self._has_room(len(message.names)):
            self._subscriber.close(4429, f"More than {MAX_CHANNELS} channels: unsubscribe some")
            return
        try:
            backlog = await self._open_backlog(message.id, message.names, message.after)
            await self._subscriber.send(messages.subscribed(message.id, backlog))
            await self._replay(message.id, backlog)
        except Gap as gap:
            await self._subscriber.send(messages.encode_message("gap", id=message.id, reason=gap.reason))
        except TooManyRequests:
            raise  # closes the connection: a client that reconnects with back-off needs no other logic
        except BlogError as error:
            await self._subscriber.send(messages.error(error_status(error), error.detail, message.id))
