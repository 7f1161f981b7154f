"""Request timeout: answer 503 if an endpoint does not start its response in time, and end reads if their client has left."""

import math
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from blog.errors import Unavailable
from blog.framework.request.disconnect import CLIENT_CLOSED_REQUEST, on_disconnect
from blog.framework.request.state import app_state
from blog.framework.urls.route_table import route_template

ErrorHandler = Callable[[Request, Exception], Awaitable[Response]]
log = structlog.stdlib.get_logger("blog.timeout")


class RequestTimeoutMiddleware:
    """Cancel a request that has no response after `request_timeout` seconds. Plain ASGI around a mounted application.

    Does not count the time in which the client sends its body, and stops with the start of the response: downloads and
    streams continue, and the server closes connections of clients that do not read. Also cancels a GET or HEAD if its client
    has left, and records it with status 499; a write is completed. A cancelled statement is interrupted, its transaction is
    rolled back, and work in a thread finishes first. `on_error` makes the 503.
    """

    def __init__(self, app: ASGIApp, on_error: ErrorHandler) -> None:
        self._app, self._on_error = app, on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        timeout = app_state(request).site.settings.request_timeout
        timed = _TimedRequest(scope["method"], receive, send)
        with anyio.move_on_after(timeout) as timed.cancel_scope, on_disconnect(scope, timed.on_client_left):
            request.state.timeout = timed.cancel_scope
            await self._app(scope, timed.receive, timed.send)
        if timed.cancel_scope.cancelled_caught:
            left = Response(status_code=CLIENT_CLOSED_REQUEST) if timed.has_client_left else None
            await (left or await self._timeout_response(request, timeout))(scope, receive, send)

    async def _timeout_response(self, request: Request, timeout: float) -> Response:
        log.warning("request timed out", route=route_template(request.scope), seconds=timeout)
        return await self._on_error(request, Unavailable("This took too long. Try again in a moment."))


def disable_timeout(request: Request) -> None:
    """Let this request take any time, such as a long poll."""
    request.state.timeout.deadline = math.inf


class _TimedRequest:
    """The messages of one request, and whether it may still be cancelled."""

    def __init__(self, method: str, receive: Receive, send: Send) -> None:
        self.cancel_scope = anyio.CancelScope()
        self.has_client_left = False
        self._is_read = method in ("GET", "HEAD")
        self._receive, self._send = receive, send
        self._is_body_complete = self._has_started = False

    def on_client_left(self) -> None:
        """Cancel a read. A response that has started ends by itself, as the server drops what it sends."""
        if self._is_read and not self._has_started:
            self.has_client_left = True
            self.cancel_scope.cancel()

    async def receive(self) -> Message:
        """Stop the clock while the body arrives. After the body, `receive` only waits for the disconnect."""
        if self._is_body_complete or self.cancel_scope.deadline == math.inf:
            return await self._receive()
        remaining, self.cancel_scope.deadline = self.cancel_scope.deadline - anyio.current_time(), math.inf
        message = await self._receive()
        self.cancel_scope.deadline = anyio.current_time() + remaining
        self._is_body_complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Stop the clock when the response starts."""
        await anyio.lowlevel.checkpoint_if_cancelled()  # otherwise a cancelled request would get two responses
        self._has_started = True
        self.cancel_scope.deadline = math.inf
        await self._send(message)
