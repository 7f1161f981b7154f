"""uvicorn's WebSocket protocol, for `blog serve`, with an end also for clients that take nothing any more."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_LAST_SECONDS = 5.0


class EndingWebSocket(WebSocketsSansIOProtocol):
    """When the application is done, a client has some seconds to take what was sent; then the connection is cut.

    uvicorn waits for a transport that it has closed until its buffer is empty: for ever, if the client never reads.
    """

    async def run_asgi(self) -> None:
        """The application, and then the deadline."""
        await super().run_asgi()
        if not self.disconnected:
            self.loop.call_later(_LAST_SECONDS, self._cut)

    def _cut(self) -> None:
        if not self.disconnected:
            self.transport.abort()
