"""The client protocol of Centrifugo in JSON, so that its SDKs follow the blog: https://centrifugal.dev/docs/transports/client_protocol.

A channel is a stream whose epoch is that of the event log and whose offsets are ids of events: they grow, and have gaps.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import ValidationError
from starlette.websockets import WebSocket

from blog import errors
from blog.domain.core.context import Actor
from blog.errors import BlogError, MalformedInput
from blog.framework.identity.authentication import authenticate, authenticate_bearer
from blog.framework.request.parsing import decode_json
from blog.live.connection import MAX_SUBSCRIPTIONS, Connection
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap
from blog.realtime.subscription import HEARTBEAT_SECONDS
from blog.schemas.centrifugo import REJECT_UNRECOVERED, Command, Connect, Subscribe

_CONNECT_TIMEOUT = 15.0
_LIMIT_EXCEEDED, _NOT_AVAILABLE, _TOKEN_EXPIRED, _UNRECOVERABLE = 106, 108, 109, 112
# Code of an error, and whether trying again may help.
_ERROR_CODES: dict[type[BlogError], tuple[int, bool]] = {
    errors.Unavailable: (100, True),
    errors.NotAuthenticated: (101, False),
    errors.NotFound: (102, False),
    errors.Forbidden: (103, False),
    errors.Conflict: (105, False),
}
_BAD_REQUEST = (107, False)


class CentrifugoConnection(Connection):
    """A conversation with an SDK of Centrifugo; the names of its subscriptions are the channels as the client spells them."""

    SUBPROTOCOL = "centrifuge-json"
    TRANSPORT = "centrifugo"
    HEARTBEAT_MESSAGE = "{}"
    # From 3500 on the SDKs stay away; after the others they come back, and recover. A token that has ended is of the others:
    # the SDK asks its application for a new one, or stops when the old one is refused.
    CLOSE_CODES: ClassVar[Mapping[int, int]] = {
        1011: 3004, 1012: 3001, 1013: 3004, 4400: 3501, 4401: 3005, 4408: 3502, 4429: 3013, 4503: 3008
    }  # fmt: skip

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket)
        self._is_connected = False
        stale = 4408, f"Send connect within {_CONNECT_TIMEOUT:.0f} seconds"
        self._connect_timer = asyncio.get_running_loop().call_later(_CONNECT_TIMEOUT, self._subscriber.close, *stale)

    async def _start(self) -> None:
        """The client speaks first."""

    async def _close(self, writing: asyncio.Task[None]) -> None:
        self._connect_timer.cancel()
        await super()._close(writing)

    def _encode_event(self, bulletin: RenderedEvent, channels: list[str]) -> str:
        # The object is the one that all doors send, with the one channel that this push is for.
        return "\n".join(
            f'{{"push":{{"channel":{_json(name)},"pub":{{"data":{bulletin.to_message([channel])},"offset":{bulletin.event.id}}}}}}}'
            for name, channel in self._channels.items()
            if channel in channels
        )

    async def _handle(self, text: str) -> None:
        try:
            commands = [Command.model_validate(decode_json(line, self._settings)) for line in text.split("\n") if line.strip()]
        except (MalformedInput, ValidationError):
            self._subscriber.close(4400, "This is no command of the protocol")
            return
        for command in commands:
            if self._subscriber.close_reason is None:
                await self._handle_command(command)

    async def _handle_command(self, command: Command) -> None:
        asked = command.model_fields_set - {"id"}
        if not self._is_connected and not command.connect:
            self._subscriber.close(4400, "Send connect first")
        elif command.send is not None or (asked and not command.id):
            self._subscriber.close(4400, "This is no command that has an answer")
        elif command.connect:
            await self._connect(command.id, command.connect)
        elif command.subscribe:
            await self._subscribe(command.id, command.subscribe)
        elif command.unsubscribe:
            self._unsubscribe(command.unsubscribe.channel)
            await self._reply(command.id, unsubscribe={})
        elif command.ping is not None:
            await self._reply(command.id, ping={})
        elif asked:
            await self._reply_error(command.id, _NOT_AVAILABLE, "There is no such thing here: connect and subscribe only")
        elif command.id:
            self._subscriber.close(4400, "This command asks for nothing")

    async def _connect(self, number: int, asked: Connect) -> None:
        if self._is_connected:
            self._subscriber.close(4400, "This client is connected already")
            return
        try:
            self._subscriber.actor = await self._authenticate(asked)
        except errors.NotAuthenticated as error:
            # An SDK that can get another token does so; the others stop.
            await self._reply_error(number, _TOKEN_EXPIRED if asked.token else 101, error.detail)
        except BlogError as error:
            await self._reply_error(number, *_error_fields(error))
        else:
            self._is_connected = True
            self._connect_timer.cancel()
            data = {"user": self._username}
            await self._reply(number, connect={"client": uuid.uuid4().hex, "data": data, "ping": HEARTBEAT_SECONDS})

    async def _authenticate(self, asked: Connect) -> Actor | None:
        """Who this is. Raises NotSignedIn, Unavailable."""
        if asked.token:
            return await authenticate_bearer(self._context(), f"Bearer {asked.token.get_secret_value()}")
        identity = await authenticate(self._websocket, self._context())
        if identity.error is not None:
            raise identity.error
        return identity.actor

    async def _subscribe(self, number: int, asked: Subscribe) -> None:
        if len(self._channels) >= MAX_SUBSCRIPTIONS:
            await self._reply_error(number, _LIMIT_EXCEEDED, f"At most {MAX_SUBSCRIPTIONS} subscriptions")
            return
        if asked.type or asked.tf:
            await self._reply_error(number, _NOT_AVAILABLE, "There are no maps, polls and filters here")
            return
        try:
            channel = await self._authorise_channel(asked.channel, asked.channel)
            if asked.recover:
                await self._recover(number, asked, channel)
            else:
                await self._follow(number, asked, channel)
        except BlogError as error:
            await self._reply_error(number, *_error_fields(error))

    async def _recover(self, number: int, asked: Subscribe, channel: str) -> None:
        after = f"{asked.epoch or self._hub.position.epoch}.{asked.offset}"
        try:
            await self._follow(number, asked, channel, after, was_recovering=True, recovered=True)
        except Gap:
            if asked.flag & REJECT_UNRECOVERED:
                await self._reply_error(number, _UNRECOVERABLE, "The log does not reach back to this position")
            else:
                await self._follow(number, asked, channel, was_recovering=True, recovered=False)

    async def _follow(self, number: int, asked: Subscribe, channel: str, after: str | None = None, **recovery: bool) -> None:
        async with self._subscriber.replaying([channel], after, include_delivered=True) as missed:
            self._channels[asked.channel] = channel
            # What was missed follows as pushes, a few at a time. A client keeps the offset of the last publication, or this one
            # until the first has come: when the connection breaks in between, the rest is still missed.
            position = {"epoch": missed.latest.epoch, "offset": asked.offset if missed.events else missed.latest.id}
            await self._reply(number, subscribe={"recoverable": True, "positioned": True, **position, **recovery})
            async for bulletin, channels in missed.rendered_events():
                await self._subscriber.send(self._encode_event(bulletin, channels))

    async def _reply_error(self, number: int, code: int, message: str, is_temporary: bool = False) -> None:
        await self._reply(number, error={"code": code, "message": message, "temporary": is_temporary})

    async def _reply(self, number: int, **members: Any) -> None:
        await self._subscriber.send(_json({"id": number, **members}))


def _error_fields(error: BlogError) -> tuple[int, str, bool]:
    code, is_temporary = _ERROR_CODES.get(type(error), _BAD_REQUEST)
    return code, error.detail, is_temporary


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
