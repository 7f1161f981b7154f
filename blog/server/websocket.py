"""uvicorn's WebSocket protocol, for `blog serve`, with an end also for clients that take nothing any more."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

_LAST_SECONDS = 5.0
_MOST_FRAGMENTS = 1_000


class EndingWebSocket(WebSocketsSansIOProtocol):
    """When the application is done, a client has some seconds to take what was sent; then the connection is cut.

    uvicorn waits for a transport that it has closed until its buffer is empty: for ever, if the client never reads. It
    answers pings whether the answers are taken or not, and collects the fragments of a message however many they are.
    """

    async def run_asgi(self) -> None:
        """The application, and then the deadline."""
        await super().run_asgi()
        if not self.disconnected:
            self.loop.call_later(_LAST_SECONDS, self._cut)

    def data_received(self, data: bytes) -> None:
        """From who takes nothing, nothing is taken."""
        super().data_received(data)
        self._hold()

    def pause_writing(self) -> None:
        """The client lags behind."""
        super().pause_writing()
        self._hold()

    def resume_writing(self) -> None:
        """It caught up."""
        super().resume_writing()
        if not self.read_paused and not self.transport.is_closing():
            self.transport.resume_reading()

    def handle_cont(self, event: Frame) -> None:
        """A fragment may be empty: the size of the message bounds their number not."""
        if len(self.frames) < _MOST_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.send_close(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    def _hold(self) -> None:
        if not self.writable.is_set() and not self.transport.is_closing():
            self.transport.pause_reading()

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()
