"""uvicorn's WebSocket protocol, for `blog serve`, with an end also for clients that take nothing any more."""

import logging
from functools import partial
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import CloseCode, Frame
from websockets.protocol import State

from blog.server.call_queue import call_queue_for

# Without the lines of each connection that opens, in which the address is whole: the blog writes one of its own.
_log = logging.getLogger("blog.websocket")
_log.setLevel(logging.WARNING)
_CLOSE_TIMEOUT = 5.0
_MAX_FRAGMENTS = 1_000
_PING_WINDOW = 60.0
_PARSE_BYTES = 1_024
"""Bytes that are parsed before it is looked at whether the client has a right to more: of frames they may be a hundred."""


class LimitedWebSocketProtocol(WebSocketsSansIOProtocol):
    """When the application is done, a client has some seconds to take what was sent; then the connection is cut.

    uvicorn waits for a transport that it has closed until its buffer is empty: for ever, if the client never reads. It
    answers pings however many they are and whether the answers are taken or not, and collects the fragments of a message
    without an end.
    """

    _ping_count, _ping_window_start = 0, 0.0

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], **options: Any) -> None:
        super().__init__(config, server_state, app_state, **options)
        self._call_queue = call_queue_for(server_state, self.loop)
        self.logger = self.conn.logger = _log
        self._max_pings = self.app_state["app_state"].site.settings.max_live_messages

    def start_keepalive(self) -> None:
        """The handshake is over: its header fields are of no use any more."""
        del self.request, self.response
        super().start_keepalive()

    async def run_asgi(self) -> None:
        """The application, and then the deadline."""
        await super().run_asgi()
        if not self.disconnected:
            self.loop.call_later(_CLOSE_TIMEOUT, self._abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over: nothing goes out any more. The application hears of it when it is its turn."""
        was_open = self.handshake_complete
        self.disconnected = self.handshake_complete = True
        self.writable.set()
        self._call_queue.add(partial(self._finish_connection_lost, was_open, exc))

    def _finish_connection_lost(self, was_open: bool, exc: Exception | None) -> None:
        self.handshake_complete = was_open  # of which uvicorn makes a close code
        super().connection_lost(exc)
        self.conn.parser.close()  # a generator, which names what it belongs to

    def shutdown(self) -> None:
        """Say so to who is still there."""
        if not self.disconnected:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """From who takes nothing, nothing is taken, and nothing more from who has had their share."""
        was_closing = self.close_sent
        for start in range(0, len(data), _PARSE_BYTES):
            super().data_received(data[start : start + _PARSE_BYTES])
            self._flush_output()
            if self.transport.is_closing() or (self.close_sent and not was_closing):
                break
        self._apply_backpressure()

    def pause_writing(self) -> None:
        """The client lags behind."""
        super().pause_writing()
        self._apply_backpressure()

    def resume_writing(self) -> None:
        """It caught up."""
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_cont(self, event: Frame) -> None:
        """A fragment may be empty: the size of the message bounds their number not."""
        if len(self.frames) < _MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self._fail_connection(CloseCode.MESSAGE_TOO_BIG, "too many fragments")

    def handle_parser_exception(self) -> None:
        """Close with a code; or cut off who breaks the protocol before it is let in, and cannot be told."""
        if self.conn.close_sent is None:
            self.transport.abort()
        else:
            super().handle_parser_exception()

    def handle_ping(self) -> None:
        """Each is parsed and answered, for which nothing is asked of the application; so there is an end to them."""
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
        """All of a piece at once: uvicorn asks the kernel for each."""
        if (output := self.conn.data_to_send()) and not self.transport.is_closing():
            self.transport.write(b"".join(output))

    def _apply_backpressure(self) -> None:
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()

    def _abort(self) -> None:
        if not self.disconnected:
            self.transport.abort()
