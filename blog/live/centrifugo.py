"""The client protocol of Centrifugo (JSON), for its SDKs: https://centrifugal.dev/docs/transports/client_protocol.

A channel is a stream. Its epoch is the epoch of the event log, and its offsets are event ids: increasing, with gaps.
"""

import asyncio
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError
from starlette.websockets import WebSocket

from blog import errors
from blog.domain.core.context import Actor
from blog.errors import BlogError, MalformedInput, TooManyRequests
from blog.framework.identity.authentication import authenticate, authenticate_bearer
from blog.framework.request.parsing import decode_json
from blog.live.connection import Connection
from blog.realtime.backlog import Backlog
from blog.realtime.rendered_events import RenderedEvent
from blog.realtime.replay import Gap
from blog.realtime.subscription import HEARTBEAT_SECONDS, TOO_SLOW
from blog.schemas.centrifugo import REJECT_UNRECOVERED, Command, Connect, Subscribe
from blog.schemas.live import MAX_CHANNELS

_CONNECT_TIMEOUT = 15.0
_LIMIT_EXCEEDED, _NOT_AVAILABLE, _TOKEN_EXPIRED, _UNRECOVERABLE = 106, 108, 109, 112
# Error code, and whether the error is temporary.
_ERROR_CODES: dict[type[BlogError], tuple[int, bool]] = {
    errors.Unavailable: (100, True),
    errors.NotAuthenticated: (101, False),
    errors.NotFound: (102, False),
    errors.Forbidden: (103, False),
    errors.Conflict: (105, False),
}
_BAD_REQUEST = (107, False)


class CentrifugoConnection(Connection):
    """A connection of a Centrifugo SDK; its subscriptions are named by the channel as the client writes it."""

    SUBPROTOCOL = "centrifuge-json"
    TRANSPORT = "centrifugo"
    HEARTBEAT_MESSAGE = "{}"
    # SDKs do not reconnect after codes from 3500 on; after lower ones they reconnect and recover. An expired token has a lower
    # one: the SDK gets a new token from its application, or stops when the old token is rejected.
    CLOSE_CODES: ClassVar[Mapping[int, int]] = {
        1011: 3004, 1012: 3001, 1013: 3004, 4400: 3501, 4401: 3005, 4403: 3005, 4408: 3502, 4429: 3013, 4503: 3008
    }  # fmt: skip

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket)
        self._is_connected = False
        reason = f"Send connect within {_CONNECT_TIMEOUT:.0f} seconds"
        self._connect_timer = asyncio.get_running_loop().call_later(_CONNECT_TIMEOUT, self._subscriber.close, 4408, reason)

    async def _start(self) -> None:
        """Send nothing: the client sends the first message."""

    async def _close(self, writer: asyncio.Task[None]) -> None:
        self._connect_timer.cancel()
        await super()._close(writer)

    def _encode_event(self, rendered: RenderedEvent, matches: Mapping[str, Sequence[str]]) -> str:
        # The data is the object that all interfaces send, with only the channel of this push.
        return "\n".join(
            f'{{"push":{{"channel":{_json(name)},"pub":{{"data":{rendered.to_message(channels)},"offset":{rendered.event.id}}}}}}}'
            for name, channels in matches.items()
        )

    async def _handle(self, text: str) -> None:
        try:
            commands = [Command.model_validate(decode_json(line)) for line in text.split("\n") if line.strip()]
        except (MalformedInput, ValidationError):
            self._subscriber.close(4400, "Not a command of the protocol")
            return
        for command in commands:
            if self._subscriber.close_reason is None:
                await self._handle_command(command)

    async def _handle_command(self, command: Command) -> None:
        methods = command.model_fields_set - {"id"}
        if not self._is_connected and not command.connect:
            self._subscriber.close(4400, "Send connect first")
        elif command.send is not None or (methods and not command.id):
            self._subscriber.close(4400, "Commands without an id are not supported")
        elif command.connect:
            await self._connect(command.id, command.connect)
        elif command.subscribe:
            await self._subscribe(command.id, command.subscribe)
        elif command.unsubscribe:
            self._subscriber.unfollow(command.unsubscribe.channel)
            await self._reply(command.id, unsubscribe={})
        elif command.ping is not None:
            await self._reply(command.id, ping={})
        elif methods:
            await self._reply_error(command.id, _NOT_AVAILABLE, "Not supported: use connect, subscribe, unsubscribe or ping")
        elif command.id:
            self._subscriber.close(4400, "The command has no method")

    async def _connect(self, command_id: int, options: Connect) -> None:
        if self._is_connected:
            self._subscriber.close(4400, "Already connected")
            return
        try:
            self._subscriber.actor = await self._authenticate(options)
        except errors.NotAuthenticated as error:
            # After "token expired" an SDK gets a new token if it can; otherwise it stops.
            await self._reply_error(command_id, _TOKEN_EXPIRED if options.token else 101, error.detail)
        except BlogError as error:
            await self._reply_error(command_id, *_error_fields(error))
        else:
            self._is_connected = True
            self._connect_timer.cancel()
            data = {"user": self._username}
            await self._reply(command_id, connect={"client": uuid.uuid4().hex, "data": data, "ping": HEARTBEAT_SECONDS})

    async def _authenticate(self, options: Connect) -> Actor | None:
        """Return the actor, or None for an anonymous client. Raises NotAuthenticated, Unavailable."""
        if options.token:
            return await authenticate_bearer(self._context(), f"Bearer {options.token.get_secret_value()}")
        identity = await authenticate(self._websocket, self._context())
        if identity.error is not None:
            raise identity.error
        return identity.actor

    async def _subscribe(self, command_id: int, options: Subscribe) -> None:
        if not self._has_room(1):
            message = f"More than {MAX_CHANNELS} channels: unsubscribe some"
            await self._reply_error(command_id, _LIMIT_EXCEEDED, message)
            return
        if options.type or options.tf:
            await self._reply_error(command_id, _NOT_AVAILABLE, "Subscription types and filters are not supported")
            return
        try:
            backlog, recovery = await self._open(options)
        except Gap:
            await self._reply_error(command_id, _UNRECOVERABLE, "The log does not reach back to this position")
        except TooManyRequests:
            raise  # closes the connection: SDKs reconnect with back-off
        except BlogError as error:
            await self._reply_error(command_id, *_error_fields(error))
        else:
            await self._follow(command_id, options.channel, backlog, recovery)

    async def _open(self, options: Subscribe) -> tuple[Backlog, dict[str, bool]]:
        """Return the missed events, and the recovery flags of the reply.

        Raises Gap if events are missing and the client has set `REJECT_UNRECOVERED`.
        """
        channels = [options.channel]
        if not options.recover:
            return await self._open_backlog(options.channel, channels, None), {}
        after = f"{options.epoch or self._hub.position.epoch}.{options.offset}"
        try:
            backlog = await self._open_backlog(options.channel, channels, after)
        except Gap:
            if options.flag & REJECT_UNRECOVERED:
                raise
            return await self._open_backlog(options.channel, channels, None), {"was_recovering": True, "recovered": False}
        return backlog, {"was_recovering": True, "recovered": True}

    async def _follow(self, command_id: int, channel: str, backlog: Backlog, recovery: dict[str, bool]) -> None:
        # Missed events follow as pushes, in small batches. The client stores the offset of each push, and this offset until
        # the first one: after a disconnect in between it recovers the rest.
        position = {"epoch": backlog.start.epoch, "offset": backlog.start.id}
        await self._reply(command_id, subscribe={"recoverable": True, "positioned": True, **position, **recovery})
        try:
            await self._replay(channel, backlog)
        except Gap:  # the log was trimmed meanwhile: the client reconnects and is answered that it cannot recover
            self._subscriber.close(4503, TOO_SLOW)

    async def _reply_error(self, command_id: int, code: int, message: str, is_temporary: bool = False) -> None:
        await self._reply(command_id, error={"code": code, "message": message, "temporary": is_temporary})

    async def _reply(self, command_id: int, **members: Any) -> None:
        await self._subscriber.send(_json({"id": command_id, **members}))


def _error_fields(error: BlogError) -> tuple[int, str, bool]:
    code, is_temporary = _ERROR_CODES.get(type(error), _BAD_REQUEST)
    return code, error.detail, is_temporary


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
