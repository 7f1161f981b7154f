"""uvicorn's HTTP protocol (httptools) with limits on requests and connections, and with the fast path of cached responses."""

import asyncio
import http

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from blog.framework.caching.fast_path import STATE_KEY
from blog.framework.limits.request_limits import MAX_HEADER_BYTES, MAX_URL_BYTES
from blog.framework.request import disconnect
from blog.server import connection_counts
from blog.server.call_queue import call_queue_for
from blog.server.timer import Timer
from blog.settings import Settings

_LINGER_TIMEOUT, _SHUTDOWN_DELAY = 2.0, 0.2
_MAX_BODY_CHUNKS, _BYTES_PER_EXTRA_CHUNK = 5_000, 100  # a chunk costs the same whatever its size: 1 MB in bytes takes 2 s
_MAX_PIPELINED_REQUESTS = 64  # each costs some kilobytes
_MAX_CACHED_PER_READ = 16  # further pipelined requests wait for their turn in the event loop
MIN_TRANSFER_RATE = 1_000  # bytes per second, on average, while the server waits for a client


class LimitedHttpProtocol(HttpToolsProtocol):
    """Send cached responses at once; reject requests that are too large (414, 431) or too slow (408), and excess connections.

    uvicorn has no timeouts for clients, and no size limit for an incomplete head. The application checks complete heads.
    """

    _is_in_head, _is_in_body = True, False
    _has_request = _is_rejected = _is_shutting_down = _is_upgrading = False
    _head_bytes = _body_bytes = _body_chunks = _cached_responses = 0
    _body_started_at, _counted_address = 0.0, ""
    _active_cycle: RequestResponseCycle | None = None  # runs or ran last; uvicorn's `cycle` may still be queued

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Count the connection, and start the timeout for the first request."""
        super().connection_made(transport)
        self._settings: Settings = self.app_state["app_state"].site.settings
        self._fast_path = self.app_state[STATE_KEY]
        self._extensions = disconnect.extension()
        self._head_timer, self._body_timer, self._write_timer = (Timer(self.loop) for _ in range(3))
        if len(self.connections) > self._settings.max_connections:
            self._reject(503, "Too many connections: try again later")
        elif not self._count_connection():
            self._reject(429, "Too many connections from your address: close some of them")
        else:
            self._check_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection and abort its response."""
        self._stop_counting()
        self._abort_response()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer requests in flight before closing: a proxy must not repeat a write after a cut connection."""
        self._is_shutting_down = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(_SHUTDOWN_DELAY, super().shutdown)
        else:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """Queue the upgrade to a WebSocket, if all earlier requests are answered."""
        if self._is_upgrading or self.pipeline or not (self.cycle is None or self.cycle.response_complete):
            self._reject(400, "Wait for all responses before you upgrade to a WebSocket")
            return
        self._is_upgrading = True
        self.transport.pause_reading()
        call_queue_for(self.server_state, self.loop).add(self._upgrade)

    def _upgrade(self) -> None:
        """Switch to the WebSocket protocol; from here on the hub counts the connection."""
        if self._is_shutting_down:  # the WebSocket protocol would not be notified of the shutdown
            self.transport.close()
        if not self._is_rejected and not self.transport.is_closing():
            self.transport.resume_reading()
            self._stop_counting()
            super().handle_websocket_upgrade()

    def data_received(self, data: bytes) -> None:
        """Parse, and apply the limits for an incomplete head or body."""
        if self._is_rejected:
            return
        if self._is_upgrading:  # reading is paused, so no data arrives; the parser would mistake it for a request
            self.transport.abort()
            return
        was_in_head, self._cached_responses = self._is_in_head, 0
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._is_in_body:
            self._start_body_timer()
        if self._is_in_head:
            self._head_bytes += len(data) if was_in_head else 0  # excludes the end of the previous request
            self._check_head()

    def _check_head(self) -> None:
        if not self._head_timer.is_running:
            reason = "The request head did not arrive in time: send it at once"
            self._head_timer.start(self._settings.header_timeout, lambda: self._reject(408, reason))
        if self._has_request and len(self.url) > MAX_URL_BYTES:
            self._reject(414, f"The URL is longer than {MAX_URL_BYTES} bytes: use a shorter one")
        elif self._head_bytes > MAX_HEADER_BYTES:
            self._reject(431, f"The request head is larger than {MAX_HEADER_BYTES} bytes: send shorter header fields")

    def on_message_begin(self) -> None:
        """Start a request head."""
        self._unset_keepalive_if_required()  # started by a cached response to an earlier request of the same read
        self._is_in_head, self._has_request, self._head_bytes = True, True, 0
        if not self.flow.write_paused:
            self._write_timer.stop()  # a client that sends the next request has read the response
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End the head, and start the body."""
        self._is_in_head, self._is_in_body, self._body_bytes, self._body_chunks = False, True, 0, 0
        self._head_timer.stop()
        if len(self.pipeline) >= _MAX_PIPELINED_REQUESTS:
            raise ValueError("too many pipelined requests")  # uvicorn answers 400 to parser errors
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Add a chunk of the body, and limit the number of chunks."""
        if self._is_rejected:
            return
        self._body_bytes += len(body)
        self._body_chunks += 1
        if self._body_chunks > _MAX_BODY_CHUNKS + self._body_bytes / _BYTES_PER_EXTRA_CHUNK:
            self._reject(400, "Too many small chunks in the request body: send larger ones")
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End the body."""
        self._is_in_body = False
        self._body_timer.stop()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Reject a request that the parser does not accept."""
        self._reject(400, "Not a valid HTTP request")

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Start the response to a request: from the cache if possible, else by the application, in a task."""
        self._active_cycle = cycle
        if self._is_shutting_down:
            cycle.keep_alive = False
        cycle.scope["extensions"] = self._extensions
        if not self._send_cached(cycle):
            super()._start_asgi_task(cycle, app)

    def _send_cached(self, cycle: RequestResponseCycle) -> bool:
        """Send the cached response with one write. Return False if there is none, or in unusual states."""
        can_send = cycle is self.cycle and cycle.keep_alive and not (self._is_rejected or self.flow.write_paused)
        response = self._fast_path(cycle.scope) if can_send and self._cached_responses < _MAX_CACHED_PER_READ else None
        if response is None:
            return False
        self._cached_responses += 1
        self._is_in_body = False  # the fast path answers no request that has a body
        cycle.response_started = cycle.response_complete = True
        self.transport.writelines((STATUS_LINE[response.status], response.head, b"\r\n", response.body))
        self.on_response_complete()
        return True

    def on_response_complete(self) -> None:
        """Start the timeouts for reading the response, and for the rest of a body that was answered early."""
        super().on_response_complete()
        if self._is_in_body and self.cycle.response_complete:
            self._body_timer.start(_LINGER_TIMEOUT, self.transport.close)
        if self.transport.get_write_buffer_size():
            self._start_write_timer()

    def _abort_response(self) -> None:
        """Drop the response in progress, and wake the tasks that wait for the body or the disconnect."""
        self.pipeline.clear()
        if self._active_cycle is not None and not self._active_cycle.response_complete:
            self._active_cycle.disconnected = True
            self._active_cycle.message_event.set()
            disconnect.notify(self._extensions)

    def _reject(self, status: int, reason: str) -> None:
        """Send an error response, if none is in progress and there was a request, and close."""
        can_answer = self._has_request or status != 408
        if self.cycle is not None and not self.cycle.response_complete:
            can_answer = self._is_in_body and not self.cycle.response_started and not self.pipeline
        if can_answer:
            body = f"{http.HTTPStatus(status).phrase}. {reason}.\n".encode()
            fields = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            self.transport.write(STATUS_LINE[status] + fields + body)
        self._is_rejected = True
        self._abort_response()
        if self.transport.can_write_eof():
            # Closing while the client still sends would reset the connection, and the client would lose the response.
            self.transport.write_eof()
            self._head_timer.start(_LINGER_TIMEOUT, self.transport.abort)
        else:
            self.transport.close()

    def _start_body_timer(self) -> None:
        if not self._body_timer.is_running:
            self._body_started_at = self.loop.time()
            self._body_timer.start(self._settings.body_timeout, self._check_body_timer)

    def _check_body_timer(self) -> None:
        now = self.loop.time()
        if self.flow.read_paused:  # the server does not read at the moment
            self._body_started_at = now
        allowed = self._settings.body_timeout + self._body_bytes / MIN_TRANSFER_RATE
        if (left := self._body_started_at + allowed - now) > 0:
            self._body_timer.start(left, self._check_body_timer)
        else:
            self._reject(408, "The request body did not arrive in time: send it without pauses")

    def pause_writing(self) -> None:
        """Start the timeout for reading the response."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Stop the timeout."""
        super().resume_writing()
        self._write_timer.stop()

    def _start_write_timer(self) -> None:
        self._buffered_bytes = self.transport.get_write_buffer_size()
        self._write_timer.start(self._settings.write_timeout, self._check_write_timer)

    def _check_write_timer(self) -> None:
        left, required = self.transport.get_write_buffer_size(), self._settings.write_timeout * MIN_TRANSFER_RATE
        if left and self._buffered_bytes - left < required:
            self._abort_response()
            self.transport.abort()  # `close()` would wait until the client has read everything
        elif left:
            self._start_write_timer()

    def _count_connection(self) -> bool:
        if self.client is not None and not self._settings.trusted_proxies:  # a proxy must limit connections itself
            if not connection_counts.try_add(self.server_state, self.client[0], self._settings.max_connections_per_address):
                return False
            self._counted_address = self.client[0]
        return True

    def _stop_counting(self) -> None:
        for timer in (self._head_timer, self._body_timer, self._write_timer):
            timer.stop()
        if self._counted_address:
            connection_counts.remove(self.server_state, self._counted_address)
            self._counted_address = ""
