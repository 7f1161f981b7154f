"""uvicorn's HTTP protocol (httptools), with bounds for what a client sends, for how long it takes, and for connections."""

import asyncio
import http
from collections import Counter
from weakref import WeakKeyDictionary

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from blog.framework.caching import single_write
from blog.server.call_queue import call_queue_for
from blog.server.timer import Timer
from blog.settings import Settings

_LINGER_TIMEOUT = 2.0
_SHUTDOWN_DELAY = 0.2
_MAX_BODY_CHUNKS, _BYTES_PER_EXTRA_CHUNK = 5_000, 100
"""Pieces in which a body may come, and one more for so many bytes of it: each costs as much, however small it is."""
_MAX_PIPELINED_REQUESTS = 64
"""Requests that a client may send before it has the answer to the first; each costs some kilobytes."""
Extensions = dict[str, dict[object, object]]
_connections_by_address: WeakKeyDictionary[ServerState, Counter[str]] = WeakKeyDictionary()


class LimitedHttpProtocol(HttpToolsProtocol):
    """Refuses what is too large (414, 431) or comes too slowly (408), and connections beyond a number (429, 503).

    uvicorn waits for the end of a head, for a body, and for a client that takes its answer, without a bound, and httptools
    keeps what it was sent of a head. What can be told from a whole head is left to the application: its refusals are whole
    answers. Takes answers in one piece (`blog.framework.caching.single_write`).
    """

    _is_in_head = True
    _is_in_body = _has_request = _is_rejected = _is_shutting_down = _is_upgrading = False
    _head_bytes = _body_bytes = _body_chunks = _buffered_bytes = 0
    _body_started_at = 0.0
    _counted_address: str | None = None
    _active_cycle: RequestResponseCycle | None = None
    """The one that runs, or ran last; uvicorn's `cycle` is the last that was asked for, which may wait for it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Count it, and give its first request some time to come."""
        super().connection_made(transport)
        self._settings: Settings = self.app_state["app_state"].site.settings
        self._extensions: Extensions = {single_write.EXTENSION: {"write": self._write_response}}
        self._head_timer, self._body_timer, self._write_timer = (Timer(self.loop) for _ in range(3))
        if len(self.connections) > self._settings.max_connections:
            self._reject(503, "All connections are taken: try again in a moment")
        elif not self._count_connection():
            self._reject(429, "Too many connections from your address: use fewer at a time")
        else:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_counting()
        self._abort_response()
        super().connection_lost(exc)
        self._release()

    def shutdown(self) -> None:
        """Answer also what is on its way: uvicorn would cut the connection, and no proxy may send a write a second time."""
        self._is_shutting_down = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_SHUTDOWN_DELAY, super().shutdown)
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """When it is its turn, and all that was asked before is answered."""
        if self._is_upgrading or self.pipeline or not (self.cycle is None or self.cycle.response_complete):
            self._reject(400, "Wait for all answers before you ask for a WebSocket")
            return
        self._is_upgrading = True
        self.transport.pause_reading()
        call_queue_for(self.server_state, self.loop).add(self._upgrade)

    def _upgrade(self) -> None:
        """From here on it counts as a live connection."""
        if self._is_rejected or self.transport.is_closing():
            return
        if self._is_shutting_down:  # it would not be told of the end
            self.transport.close()
            return
        self.transport.resume_reading()
        self._stop_counting()
        super().handle_websocket_upgrade()
        self._release()

    def data_received(self, data: bytes) -> None:
        """Parse, and see how much of a head, or of a body, has come without its end."""
        if self._is_rejected:
            return
        if self._is_upgrading:  # reading is paused, so nothing comes; the parser would take it for another request
            self.transport.abort()
            return
        was_in_head = self._is_in_head
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_body:
            self._start_body_timer()
        if self._is_in_head:
            self._head_bytes += len(data) if was_in_head else 0  # not what came with the end of the request before
            self._check_head_size()

    def _check_head_size(self) -> None:
        if not self._head_timer.is_running:
            self._start_head_timer()
        if self._has_request and len(self.url) > self._settings.max_url_bytes:
            self._reject(414, f"The address of a request may have {self._settings.max_url_bytes} bytes: send a shorter one")
        elif self._head_bytes > self._settings.max_header_bytes:
            self._reject(
                431, f"The head of a request may have {self._settings.max_header_bytes} bytes: send shorter header fields"
            )

    # What the parser calls.

    def on_message_begin(self) -> None:
        """A head begins."""
        self._is_in_head, self._has_request, self._head_bytes = True, True, 0
        if not self.flow.write_paused:
            self._write_timer.stop()  # who goes on to ask took the answer before
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """It ends, and a body may follow."""
        self._is_in_head, self._is_in_body, self._body_bytes, self._body_chunks = False, True, 0, 0
        self._head_timer.stop()
        if len(self.pipeline) >= _MAX_PIPELINED_REQUESTS:
            raise ValueError("too many requests ahead")  # uvicorn answers 400 to what its parser does not take
        super().on_headers_complete()
        if self.cycle is None or self.cycle.scope is not self.scope:  # it goes on as a WebSocket
            return
        if not self.pipeline:
            self._active_cycle = self.cycle
        if self._is_shutting_down:
            self.cycle.keep_alive = False
        self.scope["extensions"] = self._extensions

    def _write_response(self, scope: Scope, status: int, head: bytes, body: bytes) -> bool:
        """See `blog.framework.caching.single_write`. What is not usual is left to uvicorn."""
        cycle = self.cycle
        if cycle.scope is not scope or cycle.response_started or cycle.disconnected:  # another one was asked for meanwhile
            return False
        if not cycle.keep_alive or self.flow.write_paused:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        self.transport.writelines((STATUS_LINE[status], single_write.encode_headers(cycle.default_headers), head, b"\r\n", body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def on_body(self, body: bytes) -> None:
        """Some of a body."""
        if self._is_rejected:
            return
        self._body_bytes += len(body)
        self._body_chunks += 1
        if self._body_chunks > _MAX_BODY_CHUNKS + self._body_bytes / _BYTES_PER_EXTRA_CHUNK:
            self._reject(400, "The body comes in too many small pieces: send larger chunks")
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it."""
        self._is_in_body = False
        self._body_timer.stop()
        super().on_message_complete()

    # Clients that send slowly.

    def _start_head_timer(self) -> None:
        self._head_timer.start(self._settings.header_timeout, self._on_head_timeout)

    def _on_head_timeout(self) -> None:
        self._reject(408, "The head of the request did not come in time: send it at once")

    def _start_body_timer(self) -> None:
        if not self._body_timer.is_running:
            self._body_started_at = self.loop.time()
            self._body_timer.start(self._settings.body_timeout, self._check_body_timer)

    def _check_body_timer(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # it is us who do not read
            self._body_started_at = now
        allowed = self._settings.body_timeout + self._body_bytes / self._settings.min_transfer_rate
        if (left := self._body_started_at + allowed - now) > 0:
            self._body_timer.start(left, self._check_body_timer)
        else:
            self._reject(408, "The body of the request did not come in time: send it without a pause")

    # Clients that take slowly.

    def on_response_complete(self) -> None:
        """An answer is made: it must be taken, and what is left of a refused body must end."""
        if self.pipeline:
            self._active_cycle = self.pipeline[-1][0]
        super().on_response_complete()
        if self._is_in_body and self.cycle.response_complete:
            self._body_timer.start(_LINGER_TIMEOUT, self.transport.close)
        if self.transport.get_write_buffer_size():
            self._start_write_timer()

    def pause_writing(self) -> None:
        """The client lags behind."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """It caught up."""
        super().resume_writing()
        self._write_timer.stop()

    def _start_write_timer(self) -> None:
        self._buffered_bytes = self.transport.get_write_buffer_size()
        self._write_timer.start(self._settings.write_timeout, self._check_write_timer)

    def _check_write_timer(self) -> None:
        left, enough = self.transport.get_write_buffer_size(), self._settings.write_timeout * self._settings.min_transfer_rate
        if left and self._buffered_bytes - left < enough:
            self._abort_response()
            self.transport.abort()  # closing would wait until it has taken all
        elif left:
            self._start_write_timer()

    def _release(self) -> None:
        """Of no use any more: what names this object is let go, so that it is freed at once and not by the collector."""
        del self.parser
        self._extensions = {}
        self._active_cycle = None

    # How many there are.

    def _count_connection(self) -> bool:
        if self.client is None or self._settings.trusted_proxies:
            return True  # behind a proxy all come from its address: there it is for the proxy to count
        counts = _connections_by_address.setdefault(self.server_state, Counter())
        if counts[self.client[0]] >= self._settings.max_connections_per_address:
            return False
        self._counted_address = self.client[0]
        counts[self._counted_address] += 1
        return True

    def _stop_counting(self) -> None:
        for clock in (self._head_timer, self._body_timer, self._write_timer):
            clock.stop()
        if self._counted_address is not None:
            counts, address = _connections_by_address[self.server_state], self._counted_address
            self._counted_address = None
            counts[address] -= 1
            if not counts[address]:
                del counts[address]

    def send_400_response(self, msg: str) -> None:
        """What the parser does not take."""
        self._reject(400, "This is no HTTP request that can be read")

    def _abort_response(self) -> None:
        """Nothing of the answer that is being made goes out any more; who waits for the body, or for the end, waits no longer."""
        self.pipeline.clear()
        if self._active_cycle is not None and not self._active_cycle.response_complete:
            self._active_cycle.disconnected = True
            self._active_cycle.message_event.set()

    def _reject(self, status: int, words: str) -> None:
        """Say why, unless an answer is on its way or nothing was asked yet, and close."""
        if self._can_send_error and (self._has_request or status != 408):
            body = f"{http.HTTPStatus(status).phrase}. {words}.\n".encode()
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + fields + body)
        self._is_rejected = True
        self._abort_response()
        if self.transport.can_write_eof():
            # Closed at once, while the client is still sending, the connection would be reset, and the answer lost.
            self.transport.write_eof()
            self._head_timer.start(_LINGER_TIMEOUT, self.transport.abort)
        else:
            self.transport.close()

    @property
    def _can_send_error(self) -> bool:
        """Is no answer on its way? The one to the request whose body is missing must not have begun."""
        if self.cycle is None or self.cycle.response_complete:
            return True
        return self._is_in_body and not self.cycle.response_started and not self.pipeline
