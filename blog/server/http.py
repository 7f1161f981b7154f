"""uvicorn's HTTP protocol (httptools), with bounds for the head of a request and for the number of connections."""

import asyncio
import http
from collections import Counter
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from blog.settings import Settings

_LINGER_SECONDS = 2.0
_PARTING_SECONDS = 0.2
_by_address: WeakKeyDictionary[ServerState, Counter[str]] = WeakKeyDictionary()


class BoundedHTTP(HttpToolsProtocol):
    """Refuses a head that is too large (431) or does not arrive in time (408), and connections beyond a number (429, 503).

    uvicorn waits for the end of a head without a bound, and httptools keeps what it was sent of it. What can be told from a
    whole head is left to the application: its refusals are whole answers.
    """

    _is_in_head = True
    _has_asked = _is_refused = _is_parting = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None
    _counted: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Count it, and give its first request some time to come."""
        super().connection_made(transport)
        self._settings: Settings = self.app_state["services"].site.settings
        if len(self.connections) > self._settings.connections:
            self._refuse(503, "All connections are taken: try again in a moment")
        elif not self._is_counted():
            self._refuse(429, "Too many connections from your address: use fewer at a time")
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._leave()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer also what is on its way: uvicorn would cut the connection, and no proxy may send a write a second time."""
        self._is_parting = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_PARTING_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """From here on it counts as a live connection."""
        if self._is_parting:  # it would not be told of the end
            self.transport.close()
            return
        self._leave()
        super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse, and see how much of a head has come without its end."""
        if self._is_refused:
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        if was_in_head:  # not what came with the end of the request before
            self._head_bytes += len(data)
        if self._deadline is None:
            self._expect_head()
        if self._head_bytes > self._settings.header_bytes:
            self._refuse(431, f"The head of a request may have {self._settings.header_bytes} bytes: send shorter header fields")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head, self._has_asked, self._head_bytes = True, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It ends."""
        self._is_in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().on_headers_complete()
        if self._is_parting and self.cycle is not None:
            self.cycle.keep_alive = False

    def _expect_head(self) -> None:
        self._deadline = self.loop.call_later(self._settings.header_seconds, self._give_up)

    def _give_up(self) -> None:
        self._refuse(408, "The head of the request did not come in time: send it at once")

    def _is_counted(self) -> bool:
        if self.client is None or self._settings.trusted_proxies:
            return True  # behind a proxy all come from its address: there it is for the proxy to count
        counts = _by_address.setdefault(self.server_state, Counter())
        if counts[self.client[0]] >= self._settings.connections_per_address:
            return False
        self._counted = self.client[0]
        counts[self._counted] += 1
        return True

    def _leave(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        if self._counted is not None:
            counts, address = _by_address[self.server_state], self._counted
            self._counted = None
            counts[address] -= 1
            if not counts[address]:
                del counts[address]

    def _refuse(self, status: int, words: str) -> None:
        """Say why, unless an answer is on its way or nothing was asked yet, and close."""
        if (self.cycle is None or self.cycle.response_complete) and (self._has_asked or status != 408):
            body = f"{http.HTTPStatus(status).phrase}. {words}.\n".encode()
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + fields + body)
        self._is_refused = True
        if self.transport.can_write_eof():
            # Closed at once, while the client is still sending, the connection would be reset, and the answer lost.
            self.transport.write_eof()
            self._deadline = self.loop.call_later(_LINGER_SECONDS, self.transport.close)
        else:
            self.transport.close()
