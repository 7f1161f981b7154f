"""uvicorn's WebSocket protocol with limits for pings, fragments and clients that do not read."""

import logging
from functools import partial
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from blog.server.call_queue import call_queue_for

# Hides the lines that `websockets` logs for each connection: they contain the full client address.
_log = logging.getLogger("blog.websocket")
_log.setLevel(logging.WARNING)
_CLOSE_TIMEOUT = 5.0
_MAX_FRAGMENTS = 1_000
_PING_WINDOW = 60.0
_PARSE_BYTES = 1_024  # parsed between two checks of the limits: up to 170 frames


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """Cut the connection if the client does not read, and limit pings and fragments.

    uvicorn waits without a timeout for the write buffer of a closed transport to drain. It answers any number of pings, even
    if the client does not read the pongs, and does not limit the number of fragments in a message.
    """

    _ping_count, _ping_window_start = 0, 0.0

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(config, server_state, app_state, **options)
        self._call_queue = call_queue_for(server_state, self.loop)
        self.logger = self.conn.logger = _log
        self._max_pings = self.app_state["app_state"].site.settings.max_live_messages

    async def run_asgi(self) -> None:
        """Run the application. When it is done, give the client five seconds to read the rest, then cut the connection."""
        await super().run_asgi()
        if not self.disconnected:
            self.loop.call_later(_CLOSE_TIMEOUT, self._abort)

    async def send(self, message: ASGISendEvent) -> None:
        """Write a close frame at once, also if the client does not read: it may read again before the connection is cut."""
        if message["type"] == "websocket.close":
            self.writable.set()
        await super().send(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop sending at once, and queue the notification of the application."""
        was_open = self.handshake_complete
        self.disconnected = self.handshake_complete = True
        self.writable.set()
        self._call_queue.add(partial(self._finish_connection_lost, was_open, exc))

    def _finish_connection_lost(self, was_open: bool, exc: Exception | None) -> None:
        self.handshake_complete = was_open  # determines uvicorn's close code
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Send a close code to a client that is still connected."""
        if not self.disconnected:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Parse in small steps. Stop reading from clients that do not read, and stop parsing when the connection is closed."""
        was_closing = self.close_sent
        for start in range(0, len(data), _PARSE_BYTES):
            super().data_received(data[start : start + _PARSE_BYTES])
            self._flush_output()
            if self.transport.is_closing() or (self.close_sent and not was_closing):
                break
        self._apply_backpressure()

    def pause_writing(self) -> None:
        """Stop reading too: the client does not read fast enough."""
        super().pause_writing()
        self._apply_backpressure()

    def resume_writing(self) -> None:
        """Resume reading."""
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_cont(self, event: Frame) -> None:
        """Limit the number of fragments: fragments may be empty, so the message size limit does not cover it."""
        if len(self.frames) < _MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self._fail_connection(CloseCode.MESSAGE_TOO_BIG, "too many fragments")

    def handle_parser_exception(self) -> None:
        """Send a close code for a protocol error, or cut the connection if the handshake is not complete."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def handle_ping(self) -> None:
        """Limit the number of pings per minute: they bypass the application and its limits."""
        if (now := self.loop.time()) - self._ping_window_start > _PING_WINDOW:
            self._ping_count, self._ping_window_start = 0, now
        self._ping_count += 1
        if self._ping_count > self._max_pings and not self.close_sent:
            self._fail_connection(CloseCode.POLICY_VIOLATION, "too many pings")

    def _fail_connection(self, code: int, reason: str) -> None:
        if self.conn.state is State.OPEN:
            self.conn.send_close(code, reason)
        self.handle_parser_exception()

    def _flush_output(self) -> None:
        """Write all output with one system call; uvicorn uses one per frame."""
        if (output := self.conn.data_to_send()) and not self.transport.is_closing():
            self.transport.write(b"".join(output))

    def _apply_backpressure(self) -> None:
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()

    def _abort(self) -> None:
        if not self.disconnected:
            self.transport.abort()
